package state

import "time"

// Timing are the durations that the core's behaviour rests on. Tests shrink
// them; the zero value of a field takes its default.
type Timing struct {
	// Fresh is the age up to which a power reading is shared. Default 3 s.
	Fresh time.Duration
	// Stale is the age up to which a reading answers while the node is
	// silent. Default 10 s.
	Stale time.Duration
	// Transition is how long after an accepted power request a silent node is
	// answered from the last reading, if that is not off. Default 30 s.
	Transition time.Duration
	// ActionWait is how long a reset waits for the one before it to show, and
	// for busy firmware. Default 10 s, the original driver's action_wait.
	ActionWait time.Duration
	// Poll is the pause between two looks at a changing power state. Default
	// 1 s.
	Poll time.Duration
	// Deadline bounds a reset as a whole. Default 45 s.
	Deadline time.Duration
	// Merge is how long after an accepted reset an equal one is taken for its
	// repetition, counted from the last such repetition. Default 5 s: sushy
	// repeats a request whose connection was cut after 3 s.
	Merge time.Duration
	// MergeMax bounds the repetitions of one reset. Default 60 s.
	MergeMax time.Duration
	// Patience is how long a power request with a lost reply is watched
	// before it is judged by what did not happen. Default 60 s.
	Patience time.Duration
	// BootTime is how long after a start its setting is taken as used where
	// firmware shows nothing. Default 25 s.
	BootTime time.Duration
	// Unused is how long after a start a setting that is not known to be used
	// is cleared, if no continuous override wants it. Default 3 min.
	Unused time.Duration
	// Watch is the pause between two looks at a node with a continuous
	// override. Default 8 s, so that a boot is noticed and armed again within
	// 30 s.
	Watch time.Duration
	// Retry is the first pause after a failed background step; it doubles up
	// to RetryMax. Defaults 5 s and 25 s.
	Retry, RetryMax time.Duration
	// Spread is how far apart the first background reads of two nodes are.
	// Default 50 ms.
	Spread time.Duration
	// Refresh is the age at which capabilities are read again. Default 24 h.
	Refresh time.Duration
	// Grace is how long a reset under way may go on when the gateway shuts
	// down. Default 3 s.
	Grace time.Duration
}

func (t Timing) withDefaults() Timing {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Fresh, 3 * time.Second}, {&t.Stale, 10 * time.Second}, {&t.Transition, 30 * time.Second},
		{&t.ActionWait, 10 * time.Second}, {&t.Poll, time.Second}, {&t.Deadline, 45 * time.Second},
		{&t.Merge, 5 * time.Second}, {&t.MergeMax, time.Minute}, {&t.Patience, time.Minute},
		{&t.BootTime, 25 * time.Second}, {&t.Unused, 3 * time.Minute}, {&t.Watch, 8 * time.Second},
		{&t.Retry, 5 * time.Second}, {&t.RetryMax, 25 * time.Second}, {&t.Spread, 50 * time.Millisecond},
		{&t.Refresh, 24 * time.Hour}, {&t.Grace, 3 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return t
}
