package state

import (
	"slices"
	"time"
)

// Tristate is a yes-or-no fact that may be unknown, which is its zero value.
type Tristate uint8

// The three values.
const (
	Unknown Tristate = iota
	Yes
	No
)

var tristateNames = [...]string{Unknown: "unknown", Yes: "yes", No: "no"}

// String returns the value in words.
func (t Tristate) String() string { return tristateNames[t] }

// MarshalText encodes the value in words, for records.
func (t Tristate) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (t *Tristate) UnmarshalText(text []byte) error {
	i := slices.Index(tristateNames[:], string(text))
	if i < 0 {
		return Errorf(KindStore, "read record", "", "%q is none of yes, no, unknown", text)
	}
	*t = Tristate(i)
	return nil
}

// Capability is what a node's firmware can do and who it says it is, read
// from it in the background and kept in its record.
type Capability struct {
	// At is when it was read; zero means never, and then nothing below counts.
	At time.Time `json:"at,omitzero"`
	// Targets are the boot targets whose boot source firmware offers, without
	// TargetNone.
	Targets []Target `json:"targets,omitempty"`
	// Version is the AMT release, such as "16.1.25".
	Version string `json:"version,omitempty"`
	// UUID is the platform's UUID in canonical text form.
	UUID string `json:"uuid,omitempty"`
}

// BootTargets returns the targets to advertise for the node: what firmware
// offers, or, until it was read, what every AMT release has had since the
// first (Intel AMT SDK, CIM_BootSourceSetting). TargetNone always comes first.
func (c Capability) BootTargets() []Target {
	if c.At.IsZero() {
		return []Target{TargetNone, TargetPxe, TargetHdd}
	}
	targets := []Target{TargetNone}
	for _, t := range []Target{TargetPxe, TargetHdd, TargetCd} {
		if slices.Contains(c.Targets, t) {
			targets = append(targets, t)
		}
	}
	return targets
}
