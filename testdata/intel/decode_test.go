package intel

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/amt-redfish/amt-redfish/amt"
	"github.com/amt-redfish/amt-redfish/amt/wsman"
	"github.com/amt-redfish/amt-redfish/state"
)

const (
	library = "github.com/device-management-toolkit/go-wsman-messages/v2"
	cim     = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
	intelNS = "http://intel.com/wbem/wscim/1/amt-schema/1/"
)

// recorded returns the bytes of a firmware reply that Intel's library keeps
// for its own tests, from the module cache.
func recorded(t *testing.T, name string) []byte {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", library).Output()
	if err != nil {
		t.Fatalf("find %s in the module cache: %v", library, err)
	}
	folder := filepath.Join(strings.TrimSpace(string(out)), "pkg/wsman/wsmantesting/responses")
	text, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(name)))
	if err != nil {
		t.Fatalf("read the recorded reply: %v", err)
	}
	return text
}

func instance(t *testing.T, name, resource string) wsman.Instance {
	t.Helper()
	i, err := wsman.DecodeInstance(recorded(t, name), resource)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return i
}

func items(t *testing.T, name string) []wsman.Instance {
	t.Helper()
	list, end, err := wsman.DecodeItems(recorded(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if !end {
		t.Errorf("%s: the sequence does not end", name)
	}
	return list
}

func TestPowerAssociation(t *testing.T) {
	list := items(t, "cim/service/availabletoelement/pull.xml")
	i := slices.IndexFunc(list, func(i wsman.Instance) bool { return i.Name == "CIM_AssociatedPowerManagementService" })
	if i < 0 {
		t.Fatal("the association is not among the services")
	}
	if list[i].Resource != cim+"CIM_AssociatedPowerManagementService" {
		t.Errorf("its namespace is %s", list[i].Resource)
	}
	got := amt.DecodeAssociatedPowerManagementService(list[i])
	if got.PowerState != 2 || !slices.Equal(got.AvailableRequestedPowerStates, []int{10, 8, 5, 11, 4, 7, 14, 12}) {
		t.Errorf("got %+v", got)
	}
	service := list[i].Reference("ServiceProvided")
	if service.Resource != cim+"CIM_PowerManagementService" || service.Selector("Name") != "Intel(r) AMT Power Management Service" {
		t.Errorf("service is %+v", service)
	}
}

func TestMethodOutputs(t *testing.T) {
	for _, test := range []struct{ file, class, method string }{
		{"cim/power/managementservice/requestpowerstatechange.xml", "CIM_PowerManagementService", "RequestPowerStateChange"},
		{"cim/boot/configsetting/changebootorder.xml", "CIM_BootConfigSetting", "ChangeBootOrder"},
		{"cim/boot/service/setbootconfigrole.xml", "CIM_BootService", "SetBootConfigRole"},
	} {
		output, err := wsman.DecodeOutput(recorded(t, test.file), cim+test.class, test.method)
		if err != nil {
			t.Errorf("%s: %v", test.file, err)
			continue
		}
		if value, ok := output.Int("ReturnValue"); !ok || value != 0 || len(output.Properties) != 1 {
			t.Errorf("%s: %+v", test.file, output)
		}
	}
}

func TestBootSources(t *testing.T) {
	var ids, texts []string
	for _, i := range items(t, "cim/boot/sourcesetting/pull.xml") {
		s := amt.DecodeBootSourceSetting(i)
		ids, texts = append(ids, s.InstanceID), append(texts, s.StructuredBootString)
	}
	if want := []string{"Intel(r) AMT: Force Hard-drive Boot", "Intel(r) AMT: Force PXE Boot", "Intel(r) AMT: Force CD/DVD Boot"}; !slices.Equal(ids, want) {
		t.Errorf("sources %q", ids)
	}
	if want := []string{"CIM:Hard-Disk:1", "CIM:Network:1", "CIM:CD/DVD:1"}; !slices.Equal(texts, want) {
		t.Errorf("boot strings %q", texts)
	}
}

func TestBootConfigAndService(t *testing.T) {
	config := instance(t, "cim/boot/configsetting/get.xml", cim+"CIM_BootConfigSetting")
	if id, _ := config.Text("InstanceID"); id != "Intel(r) AMT: Boot Configuration 0" {
		t.Errorf("configuration %q", id)
	}
	service := instance(t, "cim/boot/service/get.xml", cim+"CIM_BootService")
	if name, _ := service.Text("Name"); name != "Intel(r) AMT Boot Service" {
		t.Errorf("service %q", name)
	}
	power := instance(t, "cim/power/managementservice/get.xml", cim+"CIM_PowerManagementService")
	if name, _ := power.Text("Name"); name != "Intel(r) AMT Power Management Service" {
		t.Errorf("power service %q", name)
	}
}

func TestBootSettingData(t *testing.T) {
	readOnly := []string{
		"BIOSLastStatus", "BootguardStatus", "OptionsCleared", "RPEEnabled", "SecureBootControlEnabled",
		"UEFIHTTPSBootEnabled", "UEFILocalPBABootEnabled", "WinREBootEnabled",
	}
	i := instance(t, "amt/boot/settingdata/get.xml", intelNS+"AMT_BootSettingData")
	if got := i.Texts("BIOSLastStatus"); !slices.Equal(got, []string{"2", "0"}) {
		t.Errorf("BIOSLastStatus is %q", got)
	}
	if n, ok := i.Int("BootguardStatus"); n != 127 || !ok {
		t.Errorf("BootguardStatus is %d", n)
	}
	if cleared, ok := i.Bool("OptionsCleared"); !cleared || !ok {
		t.Error("OptionsCleared is not true")
	}
	sent, differs := amt.DecodeBootSettingData(i).Neutral()
	if differs {
		t.Error("recorded idle options count as not neutral")
	}
	var want []wsman.Property
	for _, p := range i.Properties {
		if !slices.Contains(readOnly, p.Name) {
			want = append(want, p)
		}
	}
	if !slices.Equal(sent, want) || len(sent) != 24 {
		t.Errorf("would write %d properties %+v", len(sent), sent)
	}
	instance(t, "amt/boot/settingdata/put.xml", intelNS+"AMT_BootSettingData")
}

func TestBootCapabilities(t *testing.T) {
	got := amt.DecodeBootCapabilities(instance(t, "amt/boot/capabilities/get.xml", intelNS+"AMT_BootCapabilities"))
	if want := (amt.BootCapabilities{ForcePXEBoot: state.Yes, ForceHardDriveBoot: state.Yes, ForceCDorDVDBoot: state.Yes}); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestVersions(t *testing.T) {
	versions := map[string]string{}
	for _, i := range items(t, "cim/software/identity/pull.xml") {
		s := amt.DecodeSoftwareIdentity(i)
		versions[s.InstanceID] = s.VersionString
	}
	for id, want := range map[string]string{"AMT": "12.0.67", "Sku": "16392", "VendorID": "8086", "Legacy Mode": "False"} {
		if versions[id] != want {
			t.Errorf("%s is %q", id, versions[id])
		}
	}
	if len(versions) != 11 {
		t.Errorf("%d identities", len(versions))
	}
}

func TestPlatformGUID(t *testing.T) {
	p := amt.DecodeComputerSystemPackage(instance(t, "cim/computer/systempackage/get.xml", cim+"CIM_ComputerSystemPackage"))
	if p.PlatformGUID != "13AEE355D2BFBB6117A088AEDD7037EA" {
		t.Errorf("GUID is %q", p.PlatformGUID)
	}
	if uuid, err := p.UUID(); uuid != "55e3ae13-bfd2-61bb-17a0-88aedd7037ea" {
		t.Errorf("UUID is %q, %v", uuid, err)
	}
}

// Every recorded reply of the power, boot and identity classes is an envelope
// to our client; those of an enumeration's start hold no instance.
func TestEveryRecordedReplyIsAnEnvelope(t *testing.T) {
	for _, folder := range []string{
		"amt/boot/capabilities", "amt/boot/settingdata", "cim/boot/configsetting", "cim/boot/service",
		"cim/boot/sourcesetting", "cim/computer/systempackage", "cim/power/managementservice", "cim/software/identity",
	} {
		for _, verb := range []string{"enumerate.xml", "pull.xml"} {
			_, _, err := wsman.DecodeItems(recorded(t, folder+"/"+verb))
			if pulled := err == nil; pulled != (verb == "pull.xml") {
				t.Errorf("%s/%s: %v", folder, verb, err)
			}
		}
	}
}
