package amt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
	"github.com/amt-redfish/amt-redfish/state"
)

// Every number that firmware may send, and a few that it may not.
func TestPowerStates(t *testing.T) {
	want := map[int]state.PowerState{
		2: state.PowerOn, 3: state.PowerSleeping, 4: state.PowerSleeping, 7: state.PowerHibernated,
		6: state.PowerOff, 8: state.PowerOff, 12: state.PowerOff, 13: state.PowerOff,
	}
	for n := -1; n <= 20; n++ {
		if got := observation(AssociatedPowerManagementService{PowerState: n}).Power; got != want[n] {
			t.Errorf("%d is %s, want %s", n, got, want[n])
		}
	}
	for _, text := range []string{"", "x", "2.0", "-", "99999999999999999999"} {
		i := wsman.Instance{Properties: []wsman.Property{{Name: "PowerState", Text: text}}}
		if got := observation(DecodeAssociatedPowerManagementService(i)).Power; got != state.PowerUnknown {
			t.Errorf("%q is %s", text, got)
		}
	}
	if got := observation(DecodeAssociatedPowerManagementService(wsman.Instance{})).Power; got != state.PowerUnknown {
		t.Errorf("missing is %s", got)
	}
}

func TestEveryPowerRequestHasANumberOfItsOwn(t *testing.T) {
	seen := map[int]bool{}
	for _, r := range state.PowerRequests() {
		n, ok := requestedStates[r]
		if !ok || seen[n] {
			t.Errorf("%s has number %d", r, n)
		}
		seen[n] = true
	}
	o := observation(AssociatedPowerManagementService{AvailableRequestedPowerStates: []int{10, 8, 5, 11, 4, 7, 14, 12, 99}})
	for _, r := range state.PowerRequests() {
		if want := r != state.RequestOn; o.Offers(r) != want {
			t.Errorf("offers %s is %v", r, !want)
		}
	}
}

func TestTargets(t *testing.T) {
	all := []BootSourceSetting{
		{InstanceID: "Intel(r) AMT: Force CD/DVD Boot"}, {InstanceID: "Intel(r) AMT: Force Hard-drive Boot"},
		{InstanceID: "Intel(r) AMT: Force PXE Boot"}, {InstanceID: "Intel(r) AMT: Force OCR UEFI HTTPS Boot"},
	}
	for _, test := range []struct {
		name    string
		sources []BootSourceSetting
		flags   BootCapabilities
		want    []state.Target
	}{
		{"unknown capabilities", all, BootCapabilities{}, []state.Target{state.TargetPxe, state.TargetHdd, state.TargetCd}},
		{"denied", all, BootCapabilities{ForcePXEBoot: state.Yes, ForceHardDriveBoot: state.No}, []state.Target{state.TargetPxe, state.TargetCd}},
		{"capable without a source", all[:1], BootCapabilities{ForcePXEBoot: state.Yes}, []state.Target{state.TargetCd}},
		{"spelt otherwise", []BootSourceSetting{{InstanceID: "Intel(R) AMT: Force PXE Boot"}}, BootCapabilities{}, nil},
	} {
		if got := targetsOf(test.sources, test.flags); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestKinds(t *testing.T) {
	fault := func(subcode string, status int) error {
		return &wsman.Error{Op: "x", Reason: wsman.ReasonFault, Status: 400, Fault: &wsman.Fault{Subcode: subcode, Status: status}}
	}
	value := func(n int) error { return fmt.Errorf("step: %w", &ReturnError{Method: "m", Value: n}) }
	for _, test := range []struct {
		err   error
		boot  state.Kind
		power state.Kind
	}{
		{value(1), state.KindUnsupported, state.KindUnsupported},
		{value(2), state.KindRefused, state.KindRefused},
		{value(3), state.KindBusy, state.KindBusy},
		{value(4), state.KindRefused, state.KindRefused},
		{value(5), state.KindRefused, state.KindRefused},
		{value(6), state.KindConsent, state.KindBusy},
		{value(4097), state.KindRefused, state.KindRefused},
		{value(4099), state.KindRefused, state.KindBusy},
		{value(32768 + 2), state.KindBusy, state.KindBusy},
		{value(32768 + 2081), state.KindConsent, state.KindConsent},
		{value(32768 + 2050), state.KindUnsupported, state.KindUnsupported},
		{value(32768 + 16), state.KindRefused, state.KindRefused},
		{value(-1), state.KindRefused, state.KindRefused},
		{fault("AccessDenied", -1), state.KindConsent, state.KindConsent},
		{fault("destinationunreachable", -1), state.KindUnsupported, state.KindUnsupported},
		{fault("ActionNotSupported", -1), state.KindUnsupported, state.KindUnsupported},
		{fault("InternalError", 2081), state.KindConsent, state.KindConsent},
		{fault("InternalError", 1), state.KindRefused, state.KindRefused},
		{fault("TimedOut", -1), state.KindBusy, state.KindBusy},
		{fault("SchemaValidationError", -1), state.KindProtocol, state.KindProtocol},
		{fault("InvalidRepresentation", -1), state.KindRefused, state.KindRefused},
		{fault("NeverHeardOf", -1), state.KindRefused, state.KindRefused},
		{&wsman.Error{Reason: wsman.ReasonWaiting, Err: context.DeadlineExceeded}, state.KindTimeout, state.KindTimeout},
		{&wsman.Error{Reason: wsman.ReasonWaiting, Err: wsman.ErrClosed}, state.KindClosed, state.KindClosed},
		{&wsman.Error{Reason: wsman.ReasonDial}, state.KindUnreachable, state.KindUnreachable},
		{&wsman.Error{Reason: wsman.ReasonLost}, state.KindUnreachable, state.KindUnreachable},
		{&wsman.Error{Reason: wsman.ReasonUnauthorized}, state.KindCredentials, state.KindCredentials},
		{&wsman.Error{Reason: wsman.ReasonAnswer}, state.KindProtocol, state.KindProtocol},
		{errors.New("defect"), state.KindInternal, state.KindInternal},
	} {
		if got := kindOf(test.err, bootReturns, state.KindConsent); got != test.boot {
			t.Errorf("%v to a boot call is %q, want %q", test.err, got, test.boot)
		}
		if got := kindOf(test.err, powerReturns, state.KindConsent); got != test.power {
			t.Errorf("%v to a power request is %q, want %q", test.err, got, test.power)
		}
	}
	if got := kindOf(fault("AccessDenied", -1), nil, state.KindRefused); got != state.KindRefused {
		t.Errorf("access denied to a read is %q", got)
	}
}
