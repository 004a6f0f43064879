package amt

import (
	"slices"
	"testing"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/amt/wsman"
	"github.com/amt-redfish/amt-redfish/state"
)

const (
	getOptions = "AMT_BootSettingData.Get"
	putOptions = "AMT_BootSettingData.Put"
	order      = "CIM_BootConfigSetting.ChangeBootOrder"
	roleOnce   = "CIM_BootService.SetBootConfigRole 1"
	roleNone   = "CIM_BootService.SetBootConfigRole 32768"
	pxe        = "Intel(r) AMT: Force PXE Boot"
)

func TestArmCostsFourExchangesInFirmwaresOrder(t *testing.T) {
	for _, profile := range amtsim.Profiles() {
		sim, m := simulate(t, amtsim.Options{Profile: profile, Power: amtsim.PowerOff})
		if err := m.Arm(within(t), state.TargetPxe); err != nil {
			t.Fatalf("profile %s: %v", profile, err)
		}
		if got, want := calls(sim, 0), []string{getOptions, order, roleOnce, order + " " + pxe}; !slices.Equal(got, want) {
			t.Errorf("profile %s: calls %v, want %v", profile, got, want)
		}
		if armed := sim.Snapshot().Armed; armed.Device != amtsim.DevicePxe || armed.Role != 1 {
			t.Errorf("profile %s: armed %+v", profile, armed)
		}
	}
}

func TestArmedTargetIsBootedOnce(t *testing.T) {
	for target, device := range map[state.Target]string{
		state.TargetPxe: amtsim.DevicePxe, state.TargetHdd: amtsim.DeviceHdd, state.TargetCd: amtsim.DeviceCd,
	} {
		sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOff})
		if err := m.Arm(within(t), target); err != nil {
			t.Fatal(err)
		}
		for _, request := range []state.PowerRequest{state.RequestOn, state.RequestReset} {
			if err := m.Power(within(t), request); err != nil {
				t.Fatal(err)
			}
		}
		boots := sim.Boots()
		if len(boots) != 2 || boots[0].Device != device || boots[1].Device != amtsim.DeviceDefault {
			t.Errorf("%s booted %+v", target, boots)
		}
	}
}

// Firmware keeps the first order it is given: arming clears, so the last one
// counts, however often it is repeated.
func TestArmReplacesWhatIsArmed(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOff})
	for _, target := range []state.Target{state.TargetHdd, state.TargetPxe, state.TargetPxe} {
		if err := m.Arm(within(t), target); err != nil {
			t.Fatal(err)
		}
	}
	if got := sim.Snapshot().Armed.Device; got != amtsim.DevicePxe {
		t.Errorf("armed for %s", got)
	}
}

func TestArmAgainChangesNothingThatIsArmed(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOff})
	if err := m.Arm(within(t), state.TargetHdd); err != nil {
		t.Fatal(err)
	}
	from := len(sim.Journal())
	if err := m.ArmAgain(within(t), state.TargetPxe); err != nil {
		t.Fatal(err)
	}
	if got, want := calls(sim, from), []string{roleOnce, order + " " + pxe}; !slices.Equal(got, want) {
		t.Errorf("calls %v, want %v", got, want)
	}
	if got := sim.Snapshot().Armed.Device; got != amtsim.DeviceHdd {
		t.Errorf("what was armed became %s", got)
	}
	if err := m.Power(within(t), state.RequestOn); err != nil {
		t.Fatal(err)
	}
	if err := m.ArmAgain(within(t), state.TargetPxe); err != nil {
		t.Fatal(err)
	}
	if got := sim.Snapshot().Armed.Device; got != amtsim.DevicePxe {
		t.Errorf("after the setting was used, again armed for %s", got)
	}
}

func TestDisarm(t *testing.T) {
	for _, profile := range amtsim.Profiles() { // "6" does not know the role
		sim, m := simulate(t, amtsim.Options{Profile: profile, Power: amtsim.PowerOff})
		if err := m.Arm(within(t), state.TargetPxe); err != nil {
			t.Fatal(err)
		}
		from := len(sim.Journal())
		if err := m.Disarm(within(t)); err != nil {
			t.Fatalf("profile %s: %v", profile, err)
		}
		if got, want := calls(sim, from), []string{getOptions, order, roleNone}; !slices.Equal(got, want) {
			t.Errorf("profile %s: calls %v, want %v", profile, got, want)
		}
		if got := sim.Snapshot().Armed.Device; got != amtsim.DeviceDefault {
			t.Errorf("profile %s: still armed for %s", profile, got)
		}
	}
}

// Another tool left options behind that forbid a source, or do worse.
func TestOptionsOfOthersAreNeutralised(t *testing.T) {
	for _, profile := range amtsim.Profiles() {
		sim, m := simulate(t, amtsim.Options{Profile: profile, Power: amtsim.PowerOff})
		options, err := getBootSettingData(within(t), m.caller(0))
		if err != nil {
			t.Fatal(err)
		}
		properties, differs := options.Neutral()
		if differs {
			t.Fatalf("profile %s: a fresh machine's options are not neutral", profile)
		}
		i := slices.IndexFunc(properties, func(p wsman.Property) bool { return p.Name == "UseSOL" })
		properties[i].Text = "true"
		if err := putBootSettingData(within(t), m.caller(0), properties); err != nil {
			t.Fatal(err)
		}
		from := len(sim.Journal())
		if err := m.Arm(within(t), state.TargetPxe); err != nil {
			t.Fatal(err)
		}
		if got, want := calls(sim, from), []string{getOptions, order, putOptions, roleOnce, order + " " + pxe}; !slices.Equal(got, want) {
			t.Errorf("profile %s: calls %v, want %v", profile, got, want)
		}
		if got := sim.Snapshot().Armed.Device; got != amtsim.DevicePxe {
			t.Errorf("profile %s: armed for %s", profile, got)
		}
	}
}

// Every refusal of every step fails the arming, and nothing goes on after it.
func TestEveryReturnValueOfArmingIsChecked(t *testing.T) {
	for step, class := range map[int]amtsim.Fault{
		2: {Class: "CIM_BootConfigSetting"},
		3: {Class: "CIM_BootService"},
		4: {Class: "CIM_BootConfigSetting", Skip: 1},
	} {
		for value, want := range map[int]state.Kind{
			1: state.KindUnsupported, 2: state.KindRefused, 4: state.KindRefused, 5: state.KindRefused,
			6: state.KindConsent, 32768 + 2081: state.KindConsent, 32768 + 2050: state.KindUnsupported,
		} {
			sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOff})
			class.Effect, class.ReturnValue = amtsim.EffectReturnValue, value
			sim.AddFault(class)
			wantKind(t, m.Arm(within(t), state.TargetPxe), want)
			if n := len(sim.Journal()); n != step {
				t.Errorf("step %d returned %d: %d calls %v", step, value, n, calls(sim, 0))
			}
		}
	}
}

func TestFaultsOfArming(t *testing.T) {
	for subcode, want := range map[string]state.Kind{
		"AccessDenied": state.KindConsent, "ActionNotSupported": state.KindUnsupported, "DestinationUnreachable": state.KindUnsupported,
	} {
		for _, class := range []string{"AMT_BootSettingData", "CIM_BootConfigSetting", "CIM_BootService"} {
			sim, m := simulate(t, amtsim.Options{})
			sim.AddFault(amtsim.Fault{Class: class, Effect: amtsim.EffectFault, Subcode: subcode})
			wantKind(t, m.Arm(within(t), state.TargetPxe), want)
		}
	}
}

// A step whose reply is lost is repeated together with all before it.
func TestLostReplyWhileArmingBeginsAgainWithTheClear(t *testing.T) {
	for skip, class := range map[int]string{0: "CIM_BootConfigSetting", 1: "CIM_BootConfigSetting"} {
		for _, effect := range []amtsim.Effect{amtsim.EffectLoseReply, amtsim.EffectDrop} {
			sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOff})
			sim.AddFault(amtsim.Fault{Class: class, Skip: skip, Effect: effect})
			if err := m.Arm(within(t), state.TargetPxe); err != nil {
				t.Fatal(err)
			}
			if got := sim.Snapshot().Armed.Device; got != amtsim.DevicePxe {
				t.Errorf("armed for %s after %v", got, calls(sim, 0))
			}
		}
	}
}

func TestNoSourceForTarget(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{})
	wantKind(t, m.Arm(within(t), state.TargetNone), state.KindUnsupported)
	wantKind(t, m.ArmAgain(within(t), "Usb"), state.KindUnsupported)
	if n := sim.Counters().Connections; n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestConsent(t *testing.T) {
	quirks := amtsim.Kind()
	quirks.ConsentRequired = true
	sim, m := simulate(t, amtsim.Options{Quirks: quirks, Power: amtsim.PowerOn})
	wantKind(t, m.Arm(within(t), state.TargetPxe), state.KindConsent)
	if err := m.Disarm(within(t)); err != nil {
		t.Errorf("nothing can be armed without consent, so disarming succeeds: %v", err)
	}
	if got := sim.Snapshot().Armed.Device; got != amtsim.DeviceDefault {
		t.Errorf("armed for %s", got)
	}
}

func TestNoBootControl(t *testing.T) {
	quirks := amtsim.Kind()
	quirks.NoBootControl = true
	_, m := simulate(t, amtsim.Options{Quirks: quirks, Power: amtsim.PowerOn})
	wantKind(t, m.Arm(within(t), state.TargetPxe), state.KindUnsupported)
	if err := m.Disarm(within(t)); err != nil {
		t.Errorf("nothing to disarm: %v", err)
	}
	c, err := m.Capability(within(t))
	if err != nil || len(c.Targets) != 0 || c.At.IsZero() || c.UUID == "" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestDisarmReportsWhatStaysArmed(t *testing.T) {
	for _, value := range []int{2, 3} {
		sim, m := simulate(t, amtsim.Options{})
		sim.AddFault(amtsim.Fault{Class: "CIM_BootConfigSetting", Effect: amtsim.EffectReturnValue, ReturnValue: value, Count: -1})
		if err := m.Disarm(within(t)); err == nil {
			t.Errorf("the clear returned %d and disarming succeeded", value)
		}
	}
	sim, m := simulate(t, amtsim.Options{})
	sim.AddFault(amtsim.Fault{Class: "CIM_BootService", Effect: amtsim.EffectReturnValue, ReturnValue: 2})
	wantKind(t, m.Disarm(within(t)), state.KindRefused)
}

func TestBootSetting(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOff})
	if s, err := m.BootSetting(within(t)); err != nil || s.Pending != state.No {
		t.Errorf("fresh: %+v, %v", s, err)
	}
	if err := m.Arm(within(t), state.TargetPxe); err != nil {
		t.Fatal(err)
	}
	if s, err := m.BootSetting(within(t)); err != nil || s.Pending != state.Yes {
		t.Errorf("armed: %+v, %v", s, err)
	}
	if err := m.Power(within(t), state.RequestOn); err != nil {
		t.Fatal(err)
	}
	if s, err := m.BootSetting(within(t)); err != nil || s.Pending != state.No {
		t.Errorf("used: %+v, %v", s, err)
	}
	sim.AddFault(amtsim.Fault{Class: "CIM_ElementSettingData", Effect: amtsim.EffectFault, Subcode: "AccessDenied"})
	if s, err := m.BootSetting(within(t)); err == nil || s.Pending != state.Unknown {
		t.Errorf("a failure reads %+v", s)
	}
}

func TestBootSettingThatFirmwareDoesNotHave(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{})
	association := sim.AddFault(amtsim.Fault{Class: "CIM_ElementSettingData", Effect: amtsim.EffectFault, Subcode: "DestinationUnreachable", Count: -1})
	s, err := m.BootSetting(within(t))
	if err != nil || s.Pending != state.Unknown || s.Reason == "" {
		t.Errorf("got %+v, %v; want the last boot's reason", s, err)
	}
	reason := sim.AddFault(amtsim.Fault{Class: "IPS_HostBootReason", Effect: amtsim.EffectFault, Subcode: "DestinationUnreachable", Count: -1})
	for range 2 {
		if s, err := m.BootSetting(within(t)); err != nil || s != (state.BootSetting{}) {
			t.Errorf("got %+v, %v", s, err)
		}
	}
	if association.Hits() != 1 || reason.Hits() != 1 {
		t.Errorf("absent classes were asked for %d and %d times", association.Hits(), reason.Hits())
	}
}

func TestPendingNeedsTheBootConfiguration(t *testing.T) {
	other := ElementSettingData{IsNext: isNextSingleUse}
	if got := pendingOf([]ElementSettingData{other}); got != state.Unknown {
		t.Errorf("another setting's use reads %s", got)
	}
	for next, want := range map[int]state.Tristate{0: state.Unknown, 1: state.Unknown, 2: state.No, 3: state.Yes, 4: state.Unknown} {
		own := ElementSettingData{IsNext: next}
		own.SettingData.Selectors = append(own.SettingData.Selectors, wsman.Selector{Name: "InstanceID", Value: bootConfigID})
		if got := pendingOf([]ElementSettingData{other, own}); got != want {
			t.Errorf("IsNext %d reads %s", next, got)
		}
	}
}

func TestCapability(t *testing.T) {
	for _, profile := range amtsim.Profiles() {
		sim, m := simulate(t, amtsim.Options{Profile: profile})
		c, err := m.Capability(within(t))
		if err != nil {
			t.Fatalf("profile %s: %v", profile, err)
		}
		if want := []state.Target{state.TargetPxe, state.TargetHdd, state.TargetCd}; !slices.Equal(c.Targets, want) {
			t.Errorf("profile %s: targets %v", profile, c.Targets)
		}
		if c.Version != sim.Snapshot().Version || c.UUID != sim.UUID() || c.At.IsZero() {
			t.Errorf("profile %s: %+v, want version %s and UUID %s", profile, c, sim.Snapshot().Version, sim.UUID())
		}
	}
}

func TestCapabilityIsWholeOrAnError(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{})
	sim.AddFault(amtsim.Fault{Class: "AMT_BootCapabilities", Effect: amtsim.EffectFault, Subcode: "DestinationUnreachable"})
	if c, err := m.Capability(within(t)); err != nil || len(c.Targets) != 3 {
		t.Errorf("without capabilities the sources alone count: %+v, %v", c, err)
	}
	sim.AddFault(amtsim.Fault{Class: "CIM_SoftwareIdentity", Effect: amtsim.EffectFault, Subcode: "TimedOut"})
	c, err := m.Capability(within(t))
	wantKind(t, err, state.KindBusy)
	if !c.At.IsZero() {
		t.Errorf("half a capability came back: %+v", c)
	}
}
