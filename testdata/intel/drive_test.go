package intel

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/device-management-toolkit/go-wsman-messages/v2/pkg/wsman"
	"github.com/device-management-toolkit/go-wsman-messages/v2/pkg/wsman/amt/boot"
	cimboot "github.com/device-management-toolkit/go-wsman-messages/v2/pkg/wsman/cim/boot"
	"github.com/device-management-toolkit/go-wsman-messages/v2/pkg/wsman/client"
)

// connect starts a machine and Intel's client, whose fixed port is redirected
// to the machine's.
func connect(t *testing.T, options amtsim.Options) (*amtsim.Machine, wsman.Messages) {
	t.Helper()
	options.Seed, options.Logger = 11, slog.New(slog.DiscardHandler)
	machine, err := amtsim.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := machine.Close(); err != nil {
			t.Error(err)
		}
		if reasons := machine.BogusReasons(); len(reasons) != 0 {
			t.Errorf("the simulator calls requests of Intel's client bogus: %q", reasons)
		}
	})
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, machine.Addr())
	}}
	messages := wsman.NewMessages(client.Parameters{
		Target: "127.0.0.1", Username: amtsim.DefaultUsername, Password: amtsim.DefaultPassword,
		UseDigest: true, Transport: transport,
	})
	return machine, messages
}

// readPower reads the power state as Intel's console does, by enumerating the
// association's superclass.
func readPower(t *testing.T, messages wsman.Messages) int {
	t.Helper()
	opened, err := messages.CIM.ServiceAvailableToElement.Enumerate()
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := messages.CIM.ServiceAvailableToElement.Pull(opened.Body.EnumerateResponse.EnumerationContext)
	if err != nil {
		t.Fatal(err)
	}
	items := pulled.Body.PullResponse.AssociatedPowerManagementService
	if len(items) != 1 {
		t.Fatalf("%d power associations in %s, want one", len(items), pulled.XMLOutput)
	}
	return int(items[0].PowerState)
}

// orderPxe arms PXE in the order Intel's console uses.
func orderPxe(t *testing.T, messages wsman.Messages) {
	t.Helper()
	data, err := messages.AMT.BootSettingData.Get()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := messages.CIM.BootConfigSetting.ChangeBootOrder(""); err != nil {
		t.Fatal(err)
	}
	now := data.Body.BootSettingDataGetResponse
	written, err := messages.AMT.BootSettingData.Put(boot.BootSettingDataRequest{
		ElementName: now.ElementName, InstanceID: now.InstanceID, OwningEntity: now.OwningEntity,
	})
	if err != nil {
		t.Fatal(err)
	}
	if after := written.Body.BootSettingDataGetResponse; after.InstanceID != now.InstanceID {
		t.Errorf("the reply to Put shows %+v, want the instance written", after)
	}
	if _, err := messages.CIM.BootService.SetBootConfigRole("Intel(r) AMT: Boot Configuration 0", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := messages.CIM.BootConfigSetting.ChangeBootOrder(cimboot.PXE); err != nil {
		t.Fatal(err)
	}
}

func TestIntelsClientBootsPxeOnce(t *testing.T) {
	profiles := map[string]amtsim.Options{
		"kind":   {Quirks: amtsim.Kind(), Timing: amtsim.Immediate(), Power: amtsim.PowerOn},
		"unkind": {Timing: amtsim.Immediate(), Power: amtsim.PowerOn},
		"19.0":   {Profile: "19.0", Timing: amtsim.Immediate(), Power: amtsim.PowerOn},
	}
	for name, options := range profiles {
		t.Run(name, func(t *testing.T) {
			machine, messages := connect(t, options)
			if power := readPower(t, messages); power != amtsim.PowerOn {
				t.Fatalf("power state %d, want on", power)
			}
			orderPxe(t, messages)
			for range 2 {
				reset, err := messages.CIM.PowerManagementService.RequestPowerStateChange(amtsim.PowerReset)
				if err != nil || reset.Body.RequestPowerStateChangeResponse.ReturnValue != 0 {
					t.Fatalf("reset: %v, %s", err, reset.XMLOutput)
				}
			}
			var devices []string
			for _, b := range machine.Boots() {
				devices = append(devices, b.Device)
			}
			if want := []string{amtsim.DevicePxe, amtsim.DeviceDefault}; !slices.Equal(devices, want) {
				t.Errorf("booted %v, want %v", devices, want)
			}
			checkJournal(t, machine)
		})
	}
}

// checkJournal wants the calls of the sequence, each accepted.
func checkJournal(t *testing.T, machine *amtsim.Machine) {
	t.Helper()
	var got []string
	for _, call := range machine.Journal() {
		got = append(got, call.Class+"."+call.Method+" "+call.Argument)
		if call.Status != http.StatusOK || call.ReturnValue > 0 {
			t.Errorf("call %+v was refused", call)
		}
	}
	want := []string{
		"CIM_ServiceAvailableToElement.Enumerate ", "CIM_ServiceAvailableToElement.Pull ",
		"AMT_BootSettingData.Get ", "CIM_BootConfigSetting.ChangeBootOrder ", "AMT_BootSettingData.Put ",
		"CIM_BootService.SetBootConfigRole 1", "CIM_BootConfigSetting.ChangeBootOrder Intel(r) AMT: Force PXE Boot",
		"CIM_PowerManagementService.RequestPowerStateChange 10", "CIM_PowerManagementService.RequestPowerStateChange 10",
	}
	if !slices.Equal(got, want) {
		t.Errorf("calls\n%q\nwant\n%q", got, want)
	}
}
