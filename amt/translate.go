package amt

import (
	"errors"
	"strings"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
	"github.com/amt-redfish/amt-redfish/state"
)

// This file is the border: the core's words on one side, the firmware's
// numbers and names on the other. Tables only, and look-ups in them.

// powerStates are the DMTF power states with a meaning of ours (Intel AMT SDK,
// CIM_AssociatedPowerManagementService.PowerState). Those in transition, and
// every number that is not here, are unknown.
var powerStates = map[int]state.PowerState{
	2:  state.PowerOn,
	3:  state.PowerSleeping, // light
	4:  state.PowerSleeping, // deep: S3
	6:  state.PowerOff,      // hard
	7:  state.PowerHibernated,
	8:  state.PowerOff, // soft
	12: state.PowerOff, // soft, graceful
	13: state.PowerOff, // hard, graceful
}

// requestedStates are the numbers to request (Intel AMT Implementation and
// Reference Guide, change system power state).
var requestedStates = map[state.PowerRequest]int{
	state.RequestOn:            2,
	state.RequestCycle:         5,
	state.RequestOff:           8,
	state.RequestReset:         10,
	state.RequestNMI:           11,
	state.RequestGracefulOff:   12,
	state.RequestGracefulReset: 14,
}

// observation translates a reading, without its time.
func observation(a AssociatedPowerManagementService) state.Observation {
	o := state.Observation{Power: powerStates[a.PowerState]}
	for _, request := range state.PowerRequests() {
		for _, number := range a.AvailableRequestedPowerStates {
			if requestedStates[request] == number {
				o.Available = append(o.Available, request)
				break
			}
		}
	}
	return o
}

// bootSource is a target's boot source and the capability that must not deny
// it.
type bootSource struct {
	target     state.Target
	instanceID string
	capability func(BootCapabilities) state.Tristate
}

// bootSources are the sources that every AMT release may have (Intel AMT SDK,
// CIM_BootSourceSetting).
var bootSources = []bootSource{
	{state.TargetPxe, "Intel(r) AMT: Force PXE Boot", func(c BootCapabilities) state.Tristate { return c.ForcePXEBoot }},
	{state.TargetHdd, "Intel(r) AMT: Force Hard-drive Boot", func(c BootCapabilities) state.Tristate { return c.ForceHardDriveBoot }},
	{state.TargetCd, "Intel(r) AMT: Force CD/DVD Boot", func(c BootCapabilities) state.Tristate { return c.ForceCDorDVDBoot }},
}

// sourceOf returns the boot source of a target.
func sourceOf(target state.Target) (string, bool) {
	for _, s := range bootSources {
		if s.target == target {
			return s.instanceID, true
		}
	}
	return "", false
}

// targetsOf returns the targets whose source is offered and not denied.
func targetsOf(sources []BootSourceSetting, capabilities BootCapabilities) []state.Target {
	var targets []state.Target
	for _, s := range bootSources {
		for _, offered := range sources {
			if offered.InstanceID == s.instanceID && s.capability(capabilities) != state.No {
				targets = append(targets, s.target)
				break
			}
		}
	}
	return targets
}

// vendorReturn is where AMT statuses begin in the ReturnValue of a DMTF method
// (Intel AMT Implementation and Reference Guide, errors and return values).
const vendorReturn = 32768

// powerReturns are the ReturnValues of RequestPowerStateChange that do not
// mean a plain refusal. 2, which firmware uses for nearly every refusal, is
// judged by the time since the last request, see Machine.Power.
var powerReturns = map[int]state.Kind{
	1:    state.KindUnsupported,
	3:    state.KindBusy, // cannot complete within the timeout
	6:    state.KindBusy, // in use
	4099: state.KindBusy,
}

// unspecified is the ReturnValue for an error without a name.
const unspecified = 2

// bootReturns are the ReturnValues of ChangeBootOrder and SetBootConfigRole
// that do not mean a plain refusal.
var bootReturns = map[int]state.Kind{
	1: state.KindUnsupported,
	3: state.KindBusy,
	6: state.KindConsent, // access denied
}

// statusKinds are AMT statuses that do not mean a plain refusal (Intel AMT
// SDK, PT_STATUS).
var statusKinds = map[int]state.Kind{
	2:    state.KindBusy,        // not ready
	33:   state.KindUnsupported, // unsupported object
	2050: state.KindUnsupported, // unsupported boot option
	2066: state.KindUnsupported,
	2076: state.KindBusy,    // blocking component
	2081: state.KindConsent, // user consent required
	2082: state.KindBusy,    // operation in progress
}

// faultKinds are fault subcodes, in lower case, that do not mean a plain
// refusal (DSP0226, 14.6). Access denied is consent on a boot class and a
// missing realm elsewhere.
var faultKinds = map[string]state.Kind{
	"destinationunreachable":           state.KindUnsupported,
	"actionnotsupported":               state.KindUnsupported,
	"unsupportedfeature":               state.KindUnsupported,
	"invalidresourceuri":               state.KindUnsupported,
	"concurrency":                      state.KindBusy,
	"quotalimit":                       state.KindBusy,
	"timedout":                         state.KindBusy,
	"accessdenied":                     state.KindRefused,
	"schemavalidationerror":            state.KindProtocol,
	"invalidmessageinformationheader":  state.KindProtocol,
	"messageinformationheaderrequired": state.KindProtocol,
}

// reasonKinds are the failures without an answer of firmware's own. A lost
// reply to a power request is judged before this table is asked.
var reasonKinds = map[wsman.Reason]state.Kind{
	wsman.ReasonWaiting:      state.KindTimeout,
	wsman.ReasonDial:         state.KindUnreachable,
	wsman.ReasonLost:         state.KindUnreachable,
	wsman.ReasonUnauthorized: state.KindCredentials,
	wsman.ReasonAnswer:       state.KindProtocol,
}

// returnKind translates a ReturnValue by the method's table.
func returnKind(value int, table map[int]state.Kind) state.Kind {
	if kind, ok := table[value]; ok {
		return kind
	}
	if kind, ok := statusKinds[value-vendorReturn]; ok {
		return kind
	}
	return state.KindRefused
}

// kindOf translates the failure of a call. Returns is the table of the methods
// called, and denied the kind of an access-denied fault.
func kindOf(err error, returns map[int]state.Kind, denied state.Kind) state.Kind {
	var refusal *ReturnError
	var failure *wsman.Error
	switch {
	case errors.Is(err, wsman.ErrClosed):
		return state.KindClosed
	case errors.As(err, &refusal):
		return returnKind(refusal.Value, returns)
	case !errors.As(err, &failure):
		return state.KindOf(err)
	case failure.Fault == nil:
		return reasonKinds[failure.Reason]
	case failure.HasFault("AccessDenied"):
		return denied
	}
	if kind, ok := statusKinds[failure.Fault.Status]; ok {
		return kind
	}
	if kind, ok := faultKinds[strings.ToLower(failure.Fault.Subcode)]; ok {
		return kind
	}
	return state.KindRefused
}
