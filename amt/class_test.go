package amt

import (
	"reflect"
	"strings"
	"testing"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
	"github.com/amt-redfish/amt-redfish/schemas"
	"github.com/amt-redfish/amt-redfish/state"
)

// classes are all classes that this package speaks to.
var classes = []struct {
	name, uri  string
	properties any // a struct whose exported fields are named as properties
	verbs      []string
	methods    map[string][]string // with their parameters in order
}{
	{"CIM_AssociatedPowerManagementService", associatedPowerURI, AssociatedPowerManagementService{}, []string{"Get"}, nil},
	{"CIM_ServiceAvailableToElement", availableToElement, nil, []string{"Enumerate", "Pull"}, nil},
	{"CIM_PowerManagementService", powerServiceURI, nil, nil, map[string][]string{"RequestPowerStateChange": {"PowerState", "ManagedElement"}}},
	{"CIM_ComputerSystem", computerSystemURI, nil, nil, nil},
	{"CIM_BootConfigSetting", bootConfigURI, nil, nil, map[string][]string{"ChangeBootOrder": {"Source"}}},
	{"CIM_BootService", bootServiceURI, nil, nil, map[string][]string{"SetBootConfigRole": {"BootConfigSetting", "Role"}}},
	{"CIM_BootSourceSetting", bootSourceURI, BootSourceSetting{}, []string{"Enumerate", "Pull"}, nil},
	{"AMT_BootSettingData", bootSettingDataURI, BootSettingData{}, []string{"Get", "Put"}, nil},
	{"AMT_BootCapabilities", bootCapabilitiesURI, BootCapabilities{}, []string{"Get"}, nil},
	{"CIM_ElementSettingData", elementSettingURI, ElementSettingData{}, []string{"Enumerate", "Pull"}, nil},
	{"IPS_HostBootReason", hostBootReasonURI, HostBootReason{}, []string{"Get"}, nil},
	{"CIM_SoftwareIdentity", softwareIdentityURI, SoftwareIdentity{}, []string{"Enumerate", "Pull"}, nil},
	{"CIM_ComputerSystemPackage", computerSystemPackageURI, ComputerSystemPackage{}, []string{"Get"}, nil},
}

func TestClassesAgreeWithTheTables(t *testing.T) {
	for _, c := range classes {
		t.Run(c.name, func(t *testing.T) {
			table, ok := schemas.AMTClass(c.name)
			if !ok {
				t.Fatal("there is no table")
			}
			if table.URI != c.uri {
				t.Errorf("URI is %s, the table says %s", c.uri, table.URI)
			}
			for _, verb := range c.verbs {
				if !table.Can(verb) {
					t.Errorf("the table knows no %s", verb)
				}
			}
			for method, parameters := range c.methods {
				checkMethod(t, table, method, parameters)
			}
			if c.properties == nil {
				return
			}
			for field := range reflect.TypeOf(c.properties).Fields() {
				if _, ok := table.Property(field.Name); field.IsExported() && !ok {
					t.Errorf("the table knows no property %s", field.Name)
				}
			}
		})
	}
}

func checkMethod(t *testing.T, table schemas.Class, name string, parameters []string) {
	t.Helper()
	method, ok := table.Method(name)
	if !ok {
		t.Errorf("the table knows no method %s", name)
		return
	}
	next := 0
	for _, p := range parameters {
		for next < len(method.In) && method.In[next].Name != p {
			if !method.In[next].Optional {
				t.Errorf("%s lacks parameter %s before %s", name, method.In[next].Name, p)
			}
			next++
		}
		if next == len(method.In) {
			t.Errorf("%s has no parameter %s in that place", name, p)
			return
		}
		next++
	}
}

// instanceOf makes an instance from a table.
func instanceOf(class schemas.Class, values map[string][]string) wsman.Instance {
	i := wsman.Instance{Resource: class.URI, Name: class.Name}
	for _, p := range class.Properties {
		for _, text := range values[p.Name] {
			i.Properties = append(i.Properties, wsman.Property{Name: p.Name, Text: text})
		}
	}
	return i
}

func table(t *testing.T, name string) schemas.Class {
	t.Helper()
	c, ok := schemas.AMTClass(name)
	if !ok {
		t.Fatalf("there is no table of %s", name)
	}
	return c
}

// All that may be written is written, all that is read-only is not, whatever
// the release returns.
func TestBootSettingDataWritesTheWritableSet(t *testing.T) {
	class := table(t, "AMT_BootSettingData")
	values := map[string][]string{}
	for _, p := range class.Properties {
		values[p.Name] = []string{"true"}
		if strings.HasPrefix(p.Type, "uint") {
			values[p.Name] = []string{"1"}
		}
	}
	sent, differs := DecodeBootSettingData(instanceOf(class, values)).Neutral()
	if !differs {
		t.Error("it is not neutral, and no difference was seen")
	}
	names := map[string]string{}
	last := ""
	for _, p := range sent {
		if p.Name < last {
			t.Errorf("%s comes after %s", p.Name, last)
		}
		names[p.Name], last = p.Text, p.Name
	}
	for _, p := range class.Properties {
		text, sent := names[p.Name]
		if want := p.Writable() && p.Name != "UefiBootParametersArray"; sent != want {
			t.Errorf("%s: sent is %v, writable is %v", p.Name, sent, p.Writable())
		}
		if p.Fixed && text != values[p.Name][0] {
			t.Errorf("%s must be sent unchanged", p.Name)
		}
	}
	for name, want := range bootOptionsNeutral {
		if p, ok := class.Property(name); !ok || p.ReadOnly || names[name] != want {
			t.Errorf("%s is sent as %q", name, names[name])
		}
	}
	for name := range bootOptionsUnsent {
		if _, ok := class.Property(name); !ok {
			t.Errorf("the table knows no property %s", name)
		}
	}
}

func TestNeutralBootSettingDataIsNotWritten(t *testing.T) {
	class := table(t, "AMT_BootSettingData")
	for _, i := range class.Instances {
		if _, differs := DecodeBootSettingData(instanceOf(class, i.Values)).Neutral(); differs {
			t.Error("what a desktop shows while nothing is armed counts as different")
		}
	}
	for _, name := range []string{"BIOSSetup", "UseIDER", "SecureErase", "UefiBootParametersArray"} {
		values := map[string][]string{name: {"true"}}
		if _, differs := DecodeBootSettingData(instanceOf(class, values)).Neutral(); !differs {
			t.Errorf("%s set makes no difference", name)
		}
	}
}

func TestUUID(t *testing.T) {
	for guid, want := range map[string]string{
		"44454C4C4B0010428033B6C04F504633": "4c4c4544-004b-4210-8033-b6c04f504633", // a recorded Dell
		"44454c4c4b0010428033b6c04f50463":  "",
		"":                                 "",
		"zz454C4C4B0010428033B6C04F504633": "",
	} {
		got, err := ComputerSystemPackage{PlatformGUID: guid}.UUID()
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q became %q, %v", guid, got, err)
		}
	}
}

func TestSourcesAgreeWithTheTable(t *testing.T) {
	known := map[string]bool{}
	for _, i := range table(t, "CIM_BootSourceSetting").Instances {
		known[i.Values["InstanceID"][0]] = true
	}
	for _, s := range bootSources {
		if !known[s.instanceID] {
			t.Errorf("the table knows no source %q", s.instanceID)
		}
	}
	if id := table(t, "CIM_BootConfigSetting").Instances[0].Values["InstanceID"][0]; id != bootConfigID {
		t.Errorf("the table has the configuration %q", id)
	}
	if _, ok := sourceOf(state.TargetNone); ok {
		t.Error("None has a source")
	}
}
