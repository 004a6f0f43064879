package state

import (
	"context"
	"time"
)

// Outcome says how a successful reset came about, for the audit log.
type Outcome string

// The outcomes.
const (
	// OutcomeAccepted: firmware accepted a power request.
	OutcomeAccepted Outcome = "accepted"
	// OutcomeNoop: the node was already so; firmware was only read.
	OutcomeNoop Outcome = "no-op"
	// OutcomeMerged: an equal reset was under way or just done; this one is
	// its repetition.
	OutcomeMerged Outcome = "merged"
)

// flight is one reset that may be asked for by several callers.
type flight struct {
	reset  Reset
	writes uint64 // entry.writes when it was asked for
	done   chan struct{}
	// Set before done is closed:
	outcome Outcome
	err     error
	// Guarded by entry.mu: when it was accepted, and last repeated.
	accepted, touched time.Time
}

// absorbs reports whether an equal reset that arrives now is a repetition of
// this one: while it is under way, and for a while after it was accepted,
// because a client whose connection was cut sends its request again.
func (f *flight) absorbs(reset Reset, writes uint64, now time.Time, t Timing) bool {
	if f == nil || f.reset != reset || f.writes != writes {
		return false
	}
	select {
	case <-f.done:
	default:
		return true
	}
	return !f.accepted.IsZero() && now.Sub(f.touched) <= t.Merge && now.Sub(f.accepted) <= t.MergeMax
}

// Reset performs a Redfish reset on a node and returns once firmware has
// accepted the power request. It goes on to its end when the caller's context
// is cancelled, because a half-done reset helps nobody; the caller then gets
// the context's error. Resets of one node that differ are done one after the
// other.
func (n *Nodes) Reset(ctx context.Context, id string, reset Reset) (Outcome, error) {
	e, err := n.entry("reset", id)
	if err != nil {
		return "", err
	}
	f, joined, err := n.join(ctx, e, reset)
	if err != nil {
		return "", err
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return "", Errorf(KindTimeout, "reset", id, "the caller left while it was under way: %w", ctx.Err())
	}
	if joined && f.err == nil {
		return OutcomeMerged, nil
	}
	return f.outcome, f.err
}

// join returns the flight that serves this reset, starting one if needed.
func (n *Nodes) join(ctx context.Context, e *entry, reset Reset) (f *flight, joined bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if e.tail.absorbs(reset, e.writes, now, n.timing) {
		e.tail.touched = now
		return e.tail, true, nil
	}
	f = &flight{reset: reset, writes: e.writes, done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, false, Errorf(KindClosed, "reset", e.ID, "the gateway is stopping")
	}
	e.tail = f
	n.flights.Add(1)
	go n.fly(context.WithoutCancel(ctx), e, f)
	return f, false, nil
}

// fly carries out a flight.
func (n *Nodes) fly(ctx context.Context, e *entry, f *flight) {
	defer n.flights.Done()
	ctx, cancel := context.WithTimeout(ctx, n.timing.Deadline)
	defer cancel()
	go func() { // ends with the flight
		select {
		case <-n.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	f.outcome, f.err = n.resetInTurn(ctx, e, f.reset)
	e.mu.Lock()
	if f.err == nil && f.outcome == OutcomeAccepted {
		f.accepted = time.Now()
		f.touched = f.accepted
	}
	e.mu.Unlock()
	close(f.done)
	n.queue.kick(e.ID)
}

func (n *Nodes) resetInTurn(ctx context.Context, e *entry, reset Reset) (Outcome, error) {
	if err := e.takeTurn(ctx, "reset"); err != nil {
		return "", err
	}
	defer e.giveTurn()
	r, err := n.load(ctx, e.ID)
	if err != nil {
		return "", err
	}
	if r, err = n.closeIntent(ctx, e, r); err != nil {
		return "", err
	}
	if r.repeats(reset, time.Now(), n.timing) {
		return OutcomeMerged, nil
	}
	o, err := n.awaitTransition(ctx, e, r.Last)
	if err != nil {
		return "", err
	}
	p, err := planReset(e.Node, reset, o, r.Override)
	if err != nil {
		return "", err
	}
	if p.noop {
		return OutcomeNoop, nil
	}
	return n.carryOut(ctx, e, r, reset, p)
}

// closeIntent waits until an intent that a crash or a lost reply left open is
// judged. A caller who asks again is a reason to judge after ActionWait.
func (n *Nodes) closeIntent(ctx context.Context, e *entry, r record) (record, error) {
	for r.Intent != nil {
		open := r.Intent
		var err error
		if r, err = n.settleIntent(ctx, e, r, n.timing.ActionWait); err != nil {
			return r, err
		}
		if r.Intent != nil && pause(ctx, n.timing.Poll) != nil {
			return r, Errorf(KindIndeterminate, "reset", e.ID, "an earlier %s lost its reply, and nothing tells yet whether it took effect", open.Reset)
		}
	}
	return r, nil
}

// repeats reports whether the last accepted request was this same reset, for
// the same wish, so recently that it must be a repetition. It is what flights
// know, kept across a restart of the gateway.
func (r record) repeats(reset Reset, now time.Time, t Timing) bool {
	return r.Last != nil && r.Last.Reset == reset && r.Last.Wish == r.Wish && now.Sub(r.Last.At) <= t.Merge
}

// awaitTransition returns the power state, after the change that the last
// accepted request causes has shown, or cannot be waited for any longer. To
// decide on the state from before it would take an On after a ForceOff for a
// no-op. A node that is silent for a third of the deadline will not be acted
// on either, and its caller is told so soon.
func (n *Nodes) awaitTransition(ctx context.Context, e *entry, last *accepted) (Observation, error) {
	ctx, cancel := context.WithTimeout(ctx, n.timing.Deadline/3)
	defer cancel()
	for {
		o, err := n.observe(ctx, e, 0)
		if err != nil {
			return Observation{}, err
		}
		if last == nil || last.reached(o.Power) || time.Since(last.At) >= n.timing.ActionWait {
			return o, nil
		}
		if err := pause(ctx, n.timing.Poll); err != nil {
			return Observation{}, Errorf(KindTimeout, "reset", e.ID, "waited for the %s before it to show: %w", last.Reset, err)
		}
	}
}

// carryOut performs a plan: intent, arming, power request, result.
func (n *Nodes) carryOut(ctx context.Context, e *entry, r record, reset Reset, p plan) (Outcome, error) {
	i := intent{Reset: reset, Request: p.request, Start: p.start, Target: p.target, Wish: r.Wish, Step: stepSending, At: time.Now()}
	if p.target == "" {
		i.Target = TargetNone
	}
	if p.start {
		i.Step = stepArming
	}
	r, err := n.update(ctx, e.ID, func(r *record) error {
		r.Intent = &i
		if p.start {
			r.Armed = armed{State: armedDirty}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if p.start {
		if r, err = n.armForStart(ctx, e, r); err != nil {
			return "", n.abandon(ctx, e, err)
		}
	}
	return n.requestPower(ctx, e, r)
}

// armForStart arms firmware for the intent and records that the power request
// comes next.
func (n *Nodes) armForStart(ctx context.Context, e *entry, r record) (record, error) {
	target := r.Intent.Target
	setting := armed{}
	if target == TargetNone {
		if err := e.Machine.Disarm(ctx); err != nil {
			return r, err
		}
	} else {
		if err := e.Machine.Arm(ctx, target); err != nil {
			return r, err
		}
		setting = armed{State: armedSet, Target: target, At: time.Now()}
	}
	shows := r.Shows
	if target != TargetNone && shows == Unknown {
		shows = n.learnShows(ctx, e)
	}
	return n.update(ctx, e.ID, func(r *record) error {
		r.Armed, r.Shows = setting, shows
		r.Intent.Step, r.Intent.At = stepSending, time.Now()
		return nil
	})
}

// learnShows reads back a setting that was armed a moment ago: firmware that
// does not show it now never does.
func (n *Nodes) learnShows(ctx context.Context, e *entry) Tristate {
	setting, err := e.Machine.BootSetting(ctx)
	switch {
	case err != nil:
		return Unknown
	case setting.Pending == Yes:
		return Yes
	}
	return No
}

// requestPower sends the intent's power request, once, and records what came
// of it. Only a refusal as busy is followed by another try, since it certainly
// had no effect.
func (n *Nodes) requestPower(ctx context.Context, e *entry, r record) (Outcome, error) {
	started := time.Now()
	for {
		// From here on a reading from before tells nothing, whatever becomes of
		// the request: its reply may be lost.
		e.mu.Lock()
		e.acted = time.Now()
		e.mu.Unlock()
		err := e.Machine.Power(ctx, r.Intent.Request)
		switch {
		case err == nil:
			return OutcomeAccepted, n.recordAccepted(ctx, e, time.Now())
		case IsKind(err, KindIndeterminate):
			return n.observeOutcome(ctx, e, r, err)
		case IsKind(err, KindBusy) && time.Since(started) < n.timing.ActionWait+n.timing.Poll && pause(ctx, n.timing.Poll) == nil:
			continue
		}
		if n.alreadySo(ctx, e, r.Intent.Reset) {
			return OutcomeNoop, n.abandon(ctx, e, nil)
		}
		return "", n.abandon(ctx, e, err)
	}
}

// alreadySo reports whether a node is where a refused reset was to take it, by
// the request before it or by a person's hand. A restart is never already so.
func (n *Nodes) alreadySo(ctx context.Context, e *entry, reset Reset) bool {
	o, err := n.observe(ctx, e, 0)
	if err != nil {
		return false
	}
	switch reset {
	case ResetOn, ResetForceOn:
		return o.Power == PowerOn
	case ResetForceOff, ResetGracefulShutdown:
		return o.Power.IsOff()
	}
	return false
}

// recordAccepted consumes and records in one store update. It must not fail
// because the reset's own deadline is near.
func (n *Nodes) recordAccepted(ctx context.Context, e *entry, at time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.timing.Grace)
	defer cancel()
	_, err := n.update(ctx, e.ID, func(r *record) error {
		r.accept(at)
		return nil
	})
	e.mu.Lock()
	e.acted = at
	e.facts.suspected, e.facts.repeats = at, 0
	e.mu.Unlock()
	return err
}

// abandon records that the intent had no effect, and returns cause. What may
// be armed is cleared at once if firmware lets us, and by settle otherwise.
func (n *Nodes) abandon(ctx context.Context, e *entry, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.timing.Grace)
	defer cancel()
	r, err := n.update(ctx, e.ID, func(r *record) error {
		r.abandon()
		return nil
	})
	if err != nil {
		return err
	}
	if r.Armed.State == armedDirty {
		if err := n.disarm(ctx, e); err != nil {
			n.log.Warn("the boot setting could not be cleared after a failed start; it is tried again", "node", e.ID, "cause", err)
		}
	}
	return cause
}

// observeOutcome watches a power request whose reply was lost, as long as the
// caller waits. What cannot be told by then is left to settle.
func (n *Nodes) observeOutcome(ctx context.Context, e *entry, r record, cause error) (Outcome, error) {
	for {
		if pause(ctx, n.timing.Poll) != nil {
			return "", cause
		}
		settled, err := n.settleIntent(ctx, e, r, n.timing.Patience)
		switch {
		case err != nil || settled.Intent != nil:
			// Silent, or nothing tells yet. A caller must get its answer well
			// before clients give up.
			if time.Since(r.Intent.At) >= n.timing.ActionWait {
				return "", cause
			}
		case settled.Last != nil && settled.Last.At.Equal(r.Intent.At):
			return OutcomeAccepted, nil
		default:
			return "", Errorf(KindUnreachable, "reset", e.ID, "the power request was lost and had no effect: %w", cause)
		}
	}
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
