package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/state"
)

// resolve finds out what a reset with an unknown outcome has made of the wish,
// if the gateway has judged it by now.
func (s *sequence) resolve(ctx context.Context) error {
	r, err := s.record(ctx)
	if err != nil {
		return err
	}
	if !s.uncertain {
		if r.Override != s.wish {
			return fmt.Errorf("the override is %v, want %v", r.Override, s.wish)
		}
		return nil
	}
	if len(r.Intent) > 0 {
		return nil
	}
	s.uncertain = false
	switch {
	case r.Override == s.wish:
		return nil
	case s.wish.Enabled != state.Once || r.Override != state.NoOverride:
		return fmt.Errorf("the override is %v, and was %v", r.Override, s.wish)
	case r.Shows == state.Yes && s.countStarts() == s.starts:
		return fmt.Errorf("Once was consumed without a start")
	}
	s.wish = r.Override
	return nil
}

// startRequests are the requested power states by which a host that is on or
// off boots.
var startRequests = []string{"2", "5", "10", "14"}

func isStart(c amtsim.Call) bool { return slices.Contains(startRequests, c.Argument) }

// countStarts counts the power requests so far by which the host boots.
func (s *sequence) countStarts() int {
	n := 0
	for _, c := range s.executed() {
		if isStart(c) {
			n++
		}
	}
	return n
}

// patch writes a wish.
func (s *sequence) patch(ctx context.Context) error {
	if err := s.idle(ctx); err != nil { // every boot so far is the old wish's
		return err
	}
	if err := s.checkOnce(ctx); err != nil {
		return err
	}
	target, enabled := pick(s, state.TargetPxe, state.TargetPxe, state.TargetHdd), pick(s, state.Once, state.Once, state.Continuous, state.Continuous, state.Disabled)
	wish, err := s.life.nodes.UpdateOverride(ctx, scenarioDesk, func(old state.Override, _ state.Capability) (state.Override, error) {
		return old.Apply(state.OverrideChange{Target: &target, Enabled: &enabled}), nil
	})
	if err != nil {
		return fmt.Errorf("PATCH %s %s: %w", enabled, target, err)
	}
	s.note("PATCH %s %s", enabled, target)
	s.revoked = s.revoked || s.wish.Enabled == state.Continuous
	s.written, s.wish, s.uncertain = wish, wish, false
	s.boots, s.starts = len(s.desk.Boots()), s.countStarts()
	return nil
}

var (
	// certainResets work in every state; the others depend on firmware and OS.
	certainResets = []state.Reset{state.ResetOn, state.ResetForceOn, state.ResetForceOff, state.ResetForceRestart, state.ResetPowerCycle}
	otherResets   = []state.Reset{state.ResetGracefulShutdown, state.ResetGracefulRestart, state.ResetNmi}
	startResets   = []state.Reset{state.ResetOn, state.ResetForceOn, state.ResetForceRestart, state.ResetPowerCycle, state.ResetGracefulRestart}
)

func (s *sequence) anyReset() state.Reset {
	if s.chance(15) {
		return pick(s, otherResets...)
	}
	return pick(s, certainResets...)
}

func (s *sequence) reset(ctx context.Context) error { return s.perform(ctx, s.anyReset()) }

// restart is a reset that starts the host, and not the repetition of the last.
func (s *sequence) restart(ctx context.Context) error {
	if s.last == state.ResetForceRestart {
		return s.perform(ctx, state.ResetPowerCycle)
	}
	return s.perform(ctx, state.ResetForceRestart)
}

// perform resets, and checks what came of it.
func (s *sequence) perform(ctx context.Context, reset state.Reset) error {
	outcome, err := s.life.nodes.Reset(ctx, scenarioDesk, reset)
	s.note("%s: %s %v", reset, outcome, err)
	return s.judge(ctx, reset, outcome, err)
}

// judge checks what came of a reset.
func (s *sequence) judge(ctx context.Context, reset state.Reset, outcome state.Outcome, err error) error {
	sent, bad := s.requested(ctx, reset)
	if bad != nil {
		return bad
	}
	starts := slices.Contains(startResets, reset)
	kind := state.KindOf(err)
	switch {
	case err != nil && s.calm && slices.Contains(certainResets, reset):
		return fmt.Errorf("%s failed without a fault: %w", reset, err)
	case kind == state.KindIndeterminate || kind == state.KindTimeout:
		s.uncertain = s.uncertain || starts
	case err != nil || outcome != state.OutcomeAccepted:
		if sent != 0 {
			return fmt.Errorf("%s ended as %q, %v, and the firmware carried out a power request", reset, outcome, err)
		}
	case sent == 0 && s.calm:
		return fmt.Errorf("%s was accepted, and the firmware carried out nothing", reset)
	case starts:
		s.blind = false
		if s.wish.Enabled == state.Once {
			s.wish = state.NoOverride
		}
		s.uncertain = false
	}
	return nil
}

// requested waits for the end of what a reset set off, and returns how many
// power requests were carried out for it: one at most. If the host started by
// it, it must have booted as wished.
func (s *sequence) requested(ctx context.Context, reset state.Reset) (int, error) {
	s.last = reset
	if err := s.idle(ctx); err != nil {
		return 0, err
	}
	all := s.executed()
	fresh := all[min(s.requests, len(all)):]
	s.requests = len(all)
	if len(fresh) > 1 {
		return 0, fmt.Errorf("%s was %d power requests", reset, len(fresh))
	}
	for _, c := range fresh {
		s.moved = c.At
		if isStart(c) {
			if err := s.checkBoot(c.Seq); err != nil {
				return 0, fmt.Errorf("%s: %w", reset, err)
			}
		}
	}
	return len(fresh), nil
}

// checkBoot checks that the start that a call requested booted the target, as
// often as that may be.
func (s *sequence) checkBoot(call int) error {
	boots := s.desk.Boots()
	i := slices.IndexFunc(boots, func(b amtsim.Boot) bool { return b.Call == call })
	if i < 0 {
		return fmt.Errorf("call %d did not boot the host", call)
	}
	want := wishedDevice(s.wish)
	consumed := s.uncertain && boots[i].Device == amtsim.DeviceDefault
	if boots[i].Device != want && !consumed {
		return fmt.Errorf("call %d booted %s, want %s", call, boots[i].Device, want)
	}
	s.blind = s.quirks.HidesBootSetting
	return s.checkOnce(context.Background())
}

// wishedDevice is what a start boots.
func wishedDevice(wish state.Override) string {
	if wish.Active() {
		return string(wish.Target)
	}
	return amtsim.DeviceDefault
}

// result is what a reset returned.
type result struct {
	outcome state.Outcome
	err     error
}

// goReset resets without waiting for it.
func (s *sequence) goReset(ctx context.Context, reset state.Reset) <-chan result {
	done := make(chan result, 1)
	nodes := s.life.nodes
	go func() {
		outcome, err := nodes.Reset(ctx, scenarioDesk, reset)
		done <- result{outcome, err}
	}()
	return done
}

// cutReset crashes the gateway in the middle of a reset, and starts it again.
func (s *sequence) cutReset(ctx context.Context) error {
	reset := s.anyReset()
	fault := pick(s,
		amtsim.Fault{Class: "CIM_AssociatedPowerManagementService", Method: "Get"},
		amtsim.Fault{Class: "AMT_BootSettingData", Method: "Get"},
		amtsim.Fault{Class: "CIM_BootConfigSetting", Method: "ChangeBootOrder"},
		amtsim.Fault{Class: "CIM_BootConfigSetting", Method: "ChangeBootOrder", Skip: 1},
		amtsim.Fault{Class: "CIM_BootService", Method: "SetBootConfigRole"},
		amtsim.Fault{Class: "CIM_PowerManagementService", Method: "RequestPowerStateChange"},
		amtsim.Fault{Class: "CIM_PowerManagementService", Method: "RequestPowerStateChange"},
	)
	fault.Effect = pick(s, amtsim.EffectHold, amtsim.EffectHoldReply)
	discard := s.chance(50)
	held := s.desk.AddFault(fault)
	done := s.goReset(ctx, reset)
	select {
	case r := <-done:
		held.Remove()
		s.note("%s, to be cut at %s.%s, did not get there: %s %v", reset, fault.Class, fault.Method, r.outcome, r.err)
		return s.judge(ctx, reset, r.outcome, r.err)
	case <-held.Reached():
	}
	s.note("%s, cut at %s.%s %s, discard %t", reset, fault.Class, fault.Method, fault.Effect, discard)
	err := s.die(discard)
	<-done // in vain: nobody hears it
	if err != nil {
		return err
	}
	if _, err := s.requested(ctx, reset); err != nil {
		return err
	}
	s.uncertain = s.uncertain || slices.Contains(startResets, reset)
	s.calm = s.calm && !s.quirks.VagueRefusals
	return s.begin(ctx)
}

// crash ends the gateway while no reset is under way, and starts it again.
func (s *sequence) crash(ctx context.Context) error {
	s.note("crash")
	if err := s.die(true); err != nil {
		return err
	}
	if err := s.checkRequests(); err != nil {
		return err
	}
	return s.begin(ctx)
}

// hostBoot lets somebody else boot the host, once the gateway has had the time
// to arm ahead or to clear: a Continuous target is booted, and nothing else is.
func (s *sequence) hostBoot(ctx context.Context, what string, boot func() error) error {
	if err := s.passTurn(ctx); err != nil {
		return err
	}
	if err := s.settled(ctx); err != nil {
		return fmt.Errorf("before a %s: %w", what, err)
	}
	if err := s.resolve(ctx); err != nil {
		return err
	}
	boots := len(s.desk.Boots())
	if err := boot(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := s.desk.Wait(ctx, func(now amtsim.Snapshot) bool { return now.Boots > boots && !now.Busy }); err != nil {
		return err
	}
	got, want := s.desk.Boots()[boots].Device, amtsim.DeviceDefault
	if s.wish.Enabled == state.Continuous && !s.quirks.HostBootIgnoresSetting {
		want = string(s.wish.Target)
	}
	s.note("%s: booted %s", what, got)
	if got != want && !s.blind {
		return fmt.Errorf("a %s booted %s, want %s", what, got, want)
	}
	s.blind = s.quirks.HidesBootSetting
	return s.checkOnce(ctx)
}

// passTurn makes sure that the background no longer arms ahead for a wish that
// was revoked: a reset that is a no-op waits for the node's turn.
func (s *sequence) passTurn(ctx context.Context) error {
	if !s.revoked {
		return nil
	}
	s.revoked = false
	if s.desk.Snapshot().Power == amtsim.PowerOn {
		return s.perform(ctx, state.ResetOn)
	}
	return s.perform(ctx, state.ResetForceOff)
}

// rebootHost lets the OS restart, if it is up.
func (s *sequence) rebootHost(ctx context.Context) error {
	if err := s.idle(ctx); err != nil {
		return err
	}
	if s.desk.Snapshot().Power != amtsim.PowerOn {
		return nil
	}
	return s.hostBoot(ctx, "host reboot", s.desk.HostReboot)
}

// pressButton lets the OS shut down, or a person start the host.
func (s *sequence) pressButton(ctx context.Context) error {
	if err := s.idle(ctx); err != nil {
		return err
	}
	if s.desk.Snapshot().Power == amtsim.PowerOn {
		s.note("host shutdown")
		return errors.Join(s.desk.HostShutdown(), s.idle(ctx))
	}
	return s.hostBoot(ctx, "power button", func() error {
		s.desk.PressPowerButton()
		return nil
	})
}

// fault makes firmware or network misbehave at some later call.
func (s *sequence) fault(context.Context) error {
	const power, request, order = "CIM_PowerManagementService", "RequestPowerStateChange", "ChangeBootOrder"
	fault := pick(s,
		amtsim.Fault{Class: power, Method: request, Effect: amtsim.EffectLoseReply},
		amtsim.Fault{Class: power, Method: request, Effect: amtsim.EffectLoseReply},
		amtsim.Fault{Class: power, Method: request, Effect: amtsim.EffectDrop},
		amtsim.Fault{Class: power, Method: request, Effect: amtsim.EffectReturnValue, ReturnValue: 2},
		amtsim.Fault{Class: power, Method: request, Effect: amtsim.EffectUnauthorized, Count: 1 + s.random.IntN(3)},
		amtsim.Fault{Method: order, Effect: amtsim.EffectFault, Subcode: "InternalError", Count: 1 + s.random.IntN(4)},
		amtsim.Fault{Method: order, Effect: amtsim.EffectReturnValue, ReturnValue: 2, Skip: s.random.IntN(2)},
		amtsim.Fault{Method: order, Effect: amtsim.EffectLoseReply, Skip: s.random.IntN(2)},
		amtsim.Fault{Method: "SetBootConfigRole", Effect: amtsim.EffectReturnValue, ReturnValue: 2},
		amtsim.Fault{Method: "SetBootConfigRole", Effect: amtsim.EffectDrop, Count: 1 + s.random.IntN(4)},
		amtsim.Fault{Effect: amtsim.EffectUnauthorized, Count: 1 + s.random.IntN(4)},
		amtsim.Fault{Effect: amtsim.EffectLoseReply, Count: 1 + s.random.IntN(4), Skip: s.random.IntN(6)},
		amtsim.Fault{Effect: amtsim.EffectDrop, Count: 1 + s.random.IntN(4), Skip: s.random.IntN(6)},
		amtsim.Fault{Effect: amtsim.EffectDelay, Delay: time.Duration(1+s.random.IntN(15)) * time.Millisecond, Count: 1 + s.random.IntN(4)},
		amtsim.Fault{Effect: amtsim.EffectStatus, Status: 500, Body: "<html>", Skip: s.random.IntN(6)},
	)
	s.note("fault %+v", fault)
	s.desk.AddFault(fault)
	s.calm = false
	return nil
}

// calmDown takes all faults away and waits until they have left no traces.
func (s *sequence) calmDown(ctx context.Context) error {
	s.desk.RemoveFaults()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := s.life.machine.Observe(ctx, 0)
		if err == nil {
			break
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("the firmware cannot be reached without a fault: %w", err)
		}
	}
	if err := s.settled(ctx); err != nil {
		return err
	}
	s.calm = true
	s.note("calm")
	return s.resolve(ctx)
}

// observe asks for the power state, which must be what the firmware said, and
// not from before the last start or stop.
func (s *sequence) observe(ctx context.Context) error {
	began := time.Now()
	o, err := s.life.nodes.Observe(ctx, scenarioDesk)
	if err != nil {
		s.note("observe: %v", err)
		if s.calm {
			return fmt.Errorf("observe failed without a fault: %w", err)
		}
		return nil
	}
	s.note("observe: %v of %s", o.Power, o.At.Format("05.000000"))
	timing := randomTiming()
	switch {
	case !s.life.wire.saidSo(o):
		return fmt.Errorf("observed %v at %s, and firmware did not say so", o.Power, o.At.Format("05.000000"))
	case o.At.Before(began.Add(-max(timing.Fresh, timing.Stale, timing.Transition))):
		return fmt.Errorf("observed %v as of %s ago", o.Power, began.Sub(o.At))
	case o.At.Before(s.moved) && o.Power.IsOff():
		return fmt.Errorf("observed %v of before the last reset", o.Power)
	}
	return nil
}

// observeSilent asks for the power state while nothing is answered, which is
// remembered for a while.
func (s *sequence) observeSilent(ctx context.Context) error {
	silent := s.desk.AddFault(amtsim.Fault{Effect: amtsim.EffectDrop, Count: -1})
	defer silent.Remove()
	s.calm = false
	return s.observe(ctx)
}

// observeLost asks for the power state of a host that was off, when the reply
// to its start was lost and nothing is answered any more.
func (s *sequence) observeLost(ctx context.Context) error {
	if err := s.idle(ctx); err != nil {
		return err
	}
	if s.desk.Snapshot().Power != amtsim.PowerOff {
		return nil
	}
	lost := s.desk.AddFault(amtsim.Fault{Method: "RequestPowerStateChange", Effect: amtsim.EffectLoseReply})
	defer lost.Remove()
	s.calm = false
	done := s.goReset(ctx, state.ResetForceOn)
	select {
	case r := <-done:
		s.note("ForceOn, whose reply was to be lost: %s %v", r.outcome, r.err)
		return s.judge(ctx, state.ResetForceOn, r.outcome, r.err)
	case <-lost.Reached():
	}
	all := s.executed()
	s.moved = all[len(all)-1].At
	observed := s.observeSilent(ctx)
	r := <-done
	s.note("ForceOn, whose reply was lost: %s %v", r.outcome, r.err)
	return errors.Join(observed, s.judge(ctx, state.ResetForceOn, r.outcome, r.err))
}
