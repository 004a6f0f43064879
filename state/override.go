package state

import "slices"

// Target is a boot override's target, in Redfish's spelling (DSP0268,
// ComputerSystem.BootSource).
type Target string

// The targets that the gateway knows.
const (
	TargetNone Target = "None"
	TargetPxe  Target = "Pxe"
	TargetHdd  Target = "Hdd"
	TargetCd   Target = "Cd"
)

// Enabled says how long an override lasts, in Redfish's spelling (DSP0268,
// ComputerSystem.BootSourceOverrideEnabled).
type Enabled string

// The three values.
const (
	Disabled   Enabled = "Disabled"
	Once       Enabled = "Once"
	Continuous Enabled = "Continuous"
)

// EnabledValues returns the three values in Redfish's order.
func EnabledValues() []Enabled { return []Enabled{Disabled, Once, Continuous} }

// Mode is a node's boot mode, in Redfish's spelling (DSP0268,
// ComputerSystem.BootSourceOverrideMode). AMT cannot change it: it is a fact
// that the operator states.
type Mode string

// The modes.
const (
	ModeUEFI   Mode = "UEFI"
	ModeLegacy Mode = "Legacy"
)

// Override is a caller's wish for the boot source.
type Override struct {
	Target  Target  `json:"target"`
	Enabled Enabled `json:"enabled"`
}

// NoOverride is the wish of a node that nobody asked anything of, and of one
// whose Once was consumed.
var NoOverride = Override{Target: TargetNone, Enabled: Disabled}

// Active reports whether the wish asks for a boot source at the next start.
func (o Override) Active() bool { return o.Enabled != Disabled && o.Target != TargetNone }

// OverrideChange is what a caller writes: nil fields were not sent.
type OverrideChange struct {
	Target  *Target
	Enabled *Enabled
}

// Apply returns the wish after a change, as provisioning clients rely on it.
// A target alone keeps the duration: Once stays Once, Continuous stays
// Continuous, and with Disabled it only records the target. Disabled, and the
// target None, always end as Disabled and None.
func (o Override) Apply(c OverrideChange) Override {
	if c.Target != nil {
		o.Target = *c.Target
	}
	if c.Enabled != nil {
		o.Enabled = *c.Enabled
	}
	switch {
	case c.Enabled != nil && *c.Enabled == Disabled, o.Target == TargetNone:
		return NoOverride
	}
	return o
}

// Validate reports whether the wish can be recorded for a node with the
// capability. What firmware will not boot is refused when it is wished, not
// when it is too late.
func (o Override) Validate(c Capability) error {
	if !slices.Contains(EnabledValues(), o.Enabled) {
		return Errorf(KindInvalid, "set override", "", "duration %q is none of %v", o.Enabled, EnabledValues())
	}
	if !slices.Contains(c.BootTargets(), o.Target) {
		return Errorf(KindUnsupported, "set override", "", "boot target %q is none of %v", o.Target, c.BootTargets())
	}
	return nil
}
