package state

import "time"

// verdict is the judgement of a power request whose outcome nobody told us.
type verdict uint8

const (
	verdictWait     verdict = iota // nothing tells yet
	verdictAccepted                // it took effect, or must be presumed to have
	verdictRefused                 // it had no effect
)

// judge decides about an intent that a crash or a lost reply left open, from
// what is observed now. A power request is never repeated, only judged. Once
// it is late, what could have shown and did not counts as well.
func (r record) judge(o Observation, s BootSetting, late bool) verdict {
	i := r.Intent
	if i.Step == stepArming {
		return verdictRefused // never sent
	}
	switch i.Request {
	case RequestOn:
		return judgeState(o.Power == PowerOn, o.Power != PowerUnknown && late)
	case RequestOff, RequestGracefulOff:
		return judgeState(o.Power.IsOff(), o.Power.IsOn() && late)
	case RequestNMI:
		return verdictAccepted
	}
	// A restart of a running host shows in its power state only by luck.
	switch {
	case o.Power.IsOff() && i.Request == RequestCycle:
		return verdictAccepted
	case i.Target != TargetNone && r.Shows == Yes && s.Pending == No:
		return verdictAccepted
	case i.Target != TargetNone && r.Shows == Yes && s.Pending == Yes:
		return judgeState(false, late)
	}
	return judgeState(late, false)
}

func judgeState(accepted, refused bool) verdict {
	switch {
	case accepted:
		return verdictAccepted
	case refused:
		return verdictRefused
	}
	return verdictWait
}

// facts are what settle knows of a node beside its record.
type facts struct {
	// setting is what firmware shows of its boot setting now; zero where it
	// was not read.
	setting BootSetting
	// fetched is when the node last fetched a boot file from us.
	fetched time.Time
	// suspected is when a boot was last suspected of which firmware does not
	// show whether it has used the setting: a power-on or another boot reason
	// seen, or this program's own start.
	suspected time.Time
	// repeats counts the armings on suspicion since then.
	repeats int
}

// task is one thing that settle does to a node's firmware or record.
type task uint8

const (
	taskNone     task = iota
	taskArm           // clear, then write target
	taskArmAgain      // write target without clearing
	taskDisarm        // clear
	taskForget        // record that the setting is used up
)

var taskNames = [...]string{taskNone: "none", taskArm: "arm", taskArmAgain: "arm again", taskDisarm: "disarm", taskForget: "forget"}

// String returns the task in words, for logs.
func (t task) String() string { return taskNames[t] }

// repeatAfter are the multiples of BootTime at which a continuous override is
// armed on suspicion where firmware shows nothing: at once after a usual boot,
// and again after slow ones. They are few because firmware may keep the
// setting in flash memory, which wears.
var repeatAfter = [...]float64{1, 2.5, 7}

// nextTask decides what a node without an open intent needs, and what target
// to arm. Arming ahead is only for Continuous, and never clears a setting that
// may not have been used yet by the start it was armed for.
func nextTask(node Node, r record, f facts, now time.Time, t Timing) (task, Target) {
	want := node.aheadTarget(r.Override)
	used := settingUsed(r, f, t)
	overdue := now.Sub(r.Armed.At) >= t.Unused
	free := r.Armed.Ahead || used == Yes || overdue // may be cleared
	switch {
	case r.Armed.State == armedNothing:
		if want != TargetNone {
			return taskArm, want
		}
	case r.Armed.State == armedDirty:
		if want != TargetNone {
			return taskArm, want
		}
		return taskDisarm, want
	case want == TargetNone && used == Yes:
		return taskForget, want
	case want == TargetNone && free:
		return taskDisarm, want
	case want == TargetNone:
		// A start's setting that its boot may still need.
	case want != r.Armed.Target && free, want == r.Armed.Target && used == Yes:
		return taskArm, want
	case want == r.Armed.Target && used == Unknown && (bootBegan(r, f) || armAgainDue(r, f, now, t)):
		return taskArmAgain, want
	}
	return taskNone, want
}

// settingUsed judges whether a boot has used the armed setting.
func settingUsed(r record, f facts, t Timing) Tristate {
	if r.Shows == Yes {
		switch f.setting.Pending {
		case Yes:
			return No
		case No:
			return Yes
		}
	}
	since := r.Armed.At
	if r.Armed.Ahead {
		// The rest of the boot that made us arm may still be fetching.
		since = since.Add(t.BootTime)
	}
	if f.fetched.After(since) {
		return Yes
	}
	return Unknown
}

// bootBegan reports whether firmware gives another cause of the last boot than
// when the setting was armed. The BIOS may not have read the setting yet, so it
// is a reason to arm again, and none to clear.
func bootBegan(r record, f facts) bool {
	return f.setting.Reason != "" && r.Armed.Reason != "" && f.setting.Reason != r.Armed.Reason
}

// armAgainDue reports whether time alone suggests that a boot used a setting.
func armAgainDue(r record, f facts, now time.Time, t Timing) bool {
	base := f.suspected
	if !r.Armed.Ahead && r.Armed.At.After(base) {
		base = r.Armed.At
	}
	if base.IsZero() || f.repeats >= len(repeatAfter) {
		return false
	}
	return now.Sub(base) >= time.Duration(repeatAfter[f.repeats]*float64(t.BootTime))
}

// nextLook decides when to look at a node again that has nothing to do now; 0
// means not before something happens.
func nextLook(node Node, r record, off bool, now time.Time, t Timing) time.Duration {
	ahead := node.aheadTarget(r.Override) != TargetNone
	switch {
	case ahead && off:
		return 3 * t.Watch // it boots only by a button, and each look keeps its engine awake
	case ahead:
		return t.Watch
	case r.Armed.State == armedSet && !r.Armed.Ahead && now.Sub(r.Armed.At) < t.Unused:
		return min(t.Watch, t.Unused-now.Sub(r.Armed.At))
	}
	return 0
}
