package state

import (
	"fmt"
	"slices"
	"time"
)

// PowerState is what firmware last said of a node's power. Its zero value is
// unknown, which is never shown as any other state.
type PowerState uint8

// The power states. Sleeping keeps memory (S3, S0ix); Hibernated does not
// (S4): a start from it goes through the firmware's boot.
const (
	PowerUnknown PowerState = iota
	PowerOn
	PowerSleeping
	PowerHibernated
	PowerOff
	powerEnd
)

var powerNames = [powerEnd]string{"unknown", "on", "sleeping", "hibernated", "off"}

// PowerStates returns every power state, for tables that must cover them all.
func PowerStates() []PowerState {
	return []PowerState{PowerUnknown, PowerOn, PowerSleeping, PowerHibernated, PowerOff}
}

// String returns the state in words.
func (p PowerState) String() string {
	if p < powerEnd {
		return powerNames[p]
	}
	return fmt.Sprintf("PowerState(%d)", uint8(p))
}

// IsOn reports whether the host keeps its memory: on or sleeping.
func (p PowerState) IsOn() bool { return p == PowerOn || p == PowerSleeping }

// IsOff reports whether the host has lost its memory: off or hibernated.
// Unknown is neither on nor off.
func (p PowerState) IsOff() bool { return p == PowerOff || p == PowerHibernated }

// PowerRequest is what we ask firmware to do. amt/translate.go maps it to the
// requested state's number.
type PowerRequest uint8

// The power requests.
const (
	RequestNone PowerRequest = iota
	RequestOn
	RequestOff           // abrupt
	RequestReset         // abrupt
	RequestCycle         // abrupt off, then on
	RequestGracefulOff   // through an agent in the operating system
	RequestGracefulReset // through an agent in the operating system
	RequestNMI
	requestEnd
)

var requestNames = [requestEnd]string{"none", "on", "off", "reset", "cycle", "graceful off", "graceful reset", "nmi"}

// PowerRequests returns every request but RequestNone.
func PowerRequests() []PowerRequest {
	return []PowerRequest{RequestOn, RequestOff, RequestReset, RequestCycle, RequestGracefulOff, RequestGracefulReset, RequestNMI}
}

// String returns the request in words.
func (r PowerRequest) String() string {
	if r < requestEnd {
		return requestNames[r]
	}
	return fmt.Sprintf("PowerRequest(%d)", uint8(r))
}

// MarshalText encodes the request in words, for records.
func (r PowerRequest) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *PowerRequest) UnmarshalText(text []byte) error {
	i := slices.Index(requestNames[:], string(text))
	if i < 0 {
		return Errorf(KindStore, "read record", "", "%q is no power request", text)
	}
	*r = PowerRequest(i)
	return nil
}

// Observation is one reading of a node's power, with its time. The zero value
// means that nothing was ever read.
type Observation struct {
	Power PowerState
	// Available are the requests that firmware offers in this state; empty
	// where it does not say.
	Available []PowerRequest
	// At is when the reading was made.
	At time.Time
}

// Offers reports whether firmware lists the request now.
func (o Observation) Offers(r PowerRequest) bool { return slices.Contains(o.Available, r) }

// Reset is a Redfish reset type (DSP0268, Resource.ResetType), in Redfish's
// own spelling.
type Reset string

// The reset types that the gateway knows. The others that Redfish has are
// never offered.
const (
	ResetOn               Reset = "On"
	ResetForceOn          Reset = "ForceOn"
	ResetForceOff         Reset = "ForceOff"
	ResetForceRestart     Reset = "ForceRestart"
	ResetPowerCycle       Reset = "PowerCycle"
	ResetGracefulShutdown Reset = "GracefulShutdown"
	ResetGracefulRestart  Reset = "GracefulRestart"
	ResetNmi              Reset = "Nmi"
)

// Resets returns the reset types to advertise for a node after an
// observation, in a stable order. The abrupt ones work in every state (a
// restart of a node that is off is a start), so clients that read the list
// once can rely on it; the graceful ones and Nmi depend on an agent in the
// operating system or on the firmware, and are listed only while firmware
// offers them.
func Resets(o Observation) []Reset {
	resets := []Reset{ResetOn, ResetForceOn, ResetForceOff, ResetForceRestart, ResetPowerCycle}
	for _, r := range []struct {
		request PowerRequest
		reset   Reset
	}{
		{RequestGracefulOff, ResetGracefulShutdown},
		{RequestGracefulReset, ResetGracefulRestart},
		{RequestNMI, ResetNmi},
	} {
		if o.Offers(r.request) {
			resets = append(resets, r.reset)
		}
	}
	return resets
}
