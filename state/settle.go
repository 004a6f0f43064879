package state

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// settleWorkers bounds the background work of the whole fleet. It is large
	// beside what is due at once, because a dead node holds a worker for
	// seconds and must not delay another node's arming.
	settleWorkers = 64
	// capabilityRetryMax is the longest pause before capabilities are asked
	// for again. A node that comes back is asked sooner: its first successful
	// reading of power brings settle back.
	capabilityRetryMax = 10 * time.Minute
)

// Run does the background work until ctx ends: it judges what a crash or a
// lost reply left open, arms continuous overrides ahead, clears what must not
// hit a later boot, and reads capabilities. It then waits, at most
// Timing.Grace, for resets under way.
func (n *Nodes) Run(ctx context.Context) error {
	n.scheduleAll(ctx)
	var workers sync.WaitGroup
	slots := make(chan struct{}, settleWorkers)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		id, wait, ok := n.queue.take(time.Now())
		if !ok {
			if wait < 0 {
				wait = time.Hour
			}
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-n.queue.wake:
			case <-ctx.Done():
			}
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		workers.Add(1)
		go func() {
			defer workers.Done()
			defer func() { <-slots }()
			n.settle(ctx, n.entries[id])
		}()
	}
	workers.Wait()
	n.endFlights()
	return nil
}

// scheduleAll makes every node due once: those with something open at once,
// the others spread out, so that a start of the gateway is no burst.
func (n *Nodes) scheduleAll(ctx context.Context) {
	now := time.Now()
	for i, id := range n.ids {
		at := now.Add(time.Duration(i)*n.timing.Spread + time.Duration(rand.Int64N(int64(n.timing.Spread)+1)))
		if r, err := n.load(ctx, id); err == nil && (r.Intent != nil || r.Armed.State != armedNothing || r.Override.Enabled == Continuous) {
			at = now
		}
		n.queue.schedule(id, at)
	}
}

// endFlights waits for resets under way, at most Timing.Grace. One that is cut
// is judged when the gateway runs again.
func (n *Nodes) endFlights() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	landed := make(chan struct{})
	go func() {
		n.flights.Wait()
		close(landed)
	}()
	timer := time.NewTimer(n.timing.Grace)
	defer timer.Stop()
	select {
	case <-landed:
	case <-timer.C:
	}
	close(n.closing)
	<-landed
}

// settle does the most urgent thing for one node and schedules the next look.
func (n *Nodes) settle(ctx context.Context, e *entry) {
	select {
	case <-e.turn:
	default:
		n.queue.schedule(e.ID, time.Now().Add(n.timing.Poll))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, n.timing.Deadline)
	e.mu.Lock()
	e.preempt = cancel
	e.mu.Unlock()
	again, err := n.settleOnce(ctx, e)
	preempted := ctx.Err() != nil
	cancel()
	e.mu.Lock()
	e.preempt = nil
	switch {
	case err == nil:
		e.failures = 0
	case !preempted:
		e.failures++
		again = min(max(again, n.timing.RetryMax), n.timing.Retry<<min(e.failures-1, 8))
	default:
		again = n.timing.Retry
	}
	failures := e.failures
	e.mu.Unlock()
	e.giveTurn()
	if err != nil && !preempted {
		n.log.Debug("background step failed", "node", e.ID, "failures", failures, "again", again, "cause", err)
	}
	if again > 0 {
		n.queue.schedule(e.ID, time.Now().Add(again))
	}
}

// settleOnce does one step with the node's turn held, and says when to look
// again; with an error, the longest pause before that.
func (n *Nodes) settleOnce(ctx context.Context, e *entry) (time.Duration, error) {
	r, err := n.load(ctx, e.ID)
	if err != nil {
		return 0, err
	}
	if r.Intent != nil {
		r, err = n.settleIntent(ctx, e, r, n.timing.Patience)
		if err != nil {
			return 0, err
		}
		if r.Intent != nil {
			return n.timing.Watch, nil
		}
	}
	f, err := n.readFacts(ctx, e, r)
	if err != nil {
		return 0, err
	}
	now := time.Now()
	todo, target := nextTask(e.Node, r, f, now, n.timing)
	if todo != taskNone {
		n.log.Debug("settling the boot setting", "node", e.ID, "task", todo, "target", target, "armed", r.Armed)
		return n.timing.Poll, n.perform(ctx, e, r, todo, target, f)
	}
	look := nextLook(e.Node, r, e.isOff(), now, n.timing)
	age := now.Sub(r.Capability.At)
	if age >= n.timing.Refresh {
		if err := n.readCapability(ctx, e); err != nil && look == 0 {
			return capabilityRetryMax, err
		}
		age = 0
	}
	if look == 0 {
		look = n.timing.Refresh - age
	}
	return look, nil
}

// isOff reports whether the node was off when it was last read, and nothing
// was done to it since.
func (e *entry) isOff() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last.Power.IsOff() && e.last.At.After(e.acted)
}

// readFacts reads from firmware what nextTask needs, and no more.
func (n *Nodes) readFacts(ctx context.Context, e *entry, r record) (facts, error) {
	ahead := e.aheadTarget(r.Override) != TargetNone
	if ahead && r.Shows != Yes {
		if _, err := n.observe(ctx, e, n.timing.Fresh); err != nil {
			return facts{}, err
		}
	}
	var setting BootSetting
	if r.Armed.State == armedSet && (ahead || r.Shows != No) {
		var err error
		if setting, err = e.Machine.BootSetting(ctx); err != nil {
			return facts{}, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.facts
	f.setting = setting
	return f, nil
}

// perform does a task that nextTask chose.
func (n *Nodes) perform(ctx context.Context, e *entry, r record, todo task, target Target, f facts) error {
	switch todo {
	case taskForget:
		_, err := n.update(ctx, e.ID, func(r *record) error {
			r.Armed = armed{}
			return nil
		})
		return err
	case taskDisarm:
		return n.disarm(ctx, e)
	case taskArmAgain:
		if err := e.Machine.ArmAgain(ctx, target); err != nil {
			return err
		}
		e.mu.Lock()
		if bootBegan(r, f) {
			e.facts.suspected, e.facts.repeats = time.Now(), 0
		} else {
			e.facts.repeats++
		}
		e.mu.Unlock()
	case taskArm:
		if err := n.markDirty(ctx, e); err != nil {
			return err
		}
		if err := e.Machine.Arm(ctx, target); err != nil {
			return err
		}
	}
	return n.recordAhead(ctx, e, target, f)
}

// recordAhead records that target is armed for a boot that is not ours.
func (n *Nodes) recordAhead(ctx context.Context, e *entry, target Target, f facts) error {
	r, err := n.load(ctx, e.ID)
	if err != nil {
		return err
	}
	shows := r.Shows
	if shows == Unknown {
		shows = n.learnShows(ctx, e)
	}
	_, err = n.update(ctx, e.ID, func(r *record) error {
		r.Armed = armed{State: armedSet, Target: target, At: time.Now(), Ahead: true, Reason: f.setting.Reason}
		r.Shows = shows
		return nil
	})
	return err
}

// disarm clears the firmware's boot setting and records it.
func (n *Nodes) disarm(ctx context.Context, e *entry) error {
	if err := n.markDirty(ctx, e); err != nil {
		return err
	}
	if err := e.Machine.Disarm(ctx); err != nil {
		return err
	}
	_, err := n.update(ctx, e.ID, func(r *record) error {
		r.Armed = armed{}
		return nil
	})
	return err
}

// markDirty records that the boot setting is about to change.
func (n *Nodes) markDirty(ctx context.Context, e *entry) error {
	_, err := n.update(ctx, e.ID, func(r *record) error {
		r.Armed = armed{State: armedDirty}
		return nil
	})
	return err
}

// settleIntent judges an open intent once and records the verdict; the intent
// is still there where nothing tells yet. After patience, what could have shown
// and did not counts as well.
func (n *Nodes) settleIntent(ctx context.Context, e *entry, r record, patience time.Duration) (record, error) {
	var o Observation
	var setting BootSetting
	if r.Intent.Step == stepSending {
		var err error
		if o, err = n.observe(ctx, e, 0); err != nil {
			return r, err
		}
		if r.Intent.Start && r.Intent.Target != TargetNone && r.Shows == Yes {
			if setting, err = e.Machine.BootSetting(ctx); err != nil {
				return r, err
			}
		}
	}
	switch r.judge(o, setting, time.Since(r.Intent.At) >= patience) {
	case verdictAccepted:
		n.log.Info("a power request that lost its reply took effect", "node", e.ID, "reset", r.Intent.Reset)
		if err := n.recordAccepted(ctx, e, r.Intent.At); err != nil {
			return r, err
		}
	case verdictRefused:
		n.log.Info("a reset that was cut had no effect; the override is kept", "node", e.ID, "reset", r.Intent.Reset, "step", r.Intent.Step)
		if err := n.abandon(ctx, e, nil); err != nil {
			return r, err
		}
	}
	return n.load(ctx, e.ID)
}

// readCapability reads and records what firmware can do. A new release may
// show what the old one hid.
func (n *Nodes) readCapability(ctx context.Context, e *entry) error {
	c, err := e.Machine.Capability(ctx)
	if err != nil {
		return err
	}
	c.At = time.Now()
	_, err = n.update(ctx, e.ID, func(r *record) error {
		if r.Capability.Version != c.Version {
			r.Shows = Unknown
		}
		r.Capability = c
		return nil
	})
	return err
}
