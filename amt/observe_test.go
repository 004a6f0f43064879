package amt

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/amt/wsman"
	"github.com/amt-redfish/amt-redfish/state"
)

const powerClass = "CIM_AssociatedPowerManagementService"

func TestObserveCostsOneExchange(t *testing.T) {
	for _, profile := range amtsim.Profiles() {
		t.Run(profile, func(t *testing.T) {
			sim, m := simulate(t, amtsim.Options{Profile: profile, Power: amtsim.PowerOn})
			if _, err := m.Observe(within(t), 0); err != nil {
				t.Fatal(err)
			}
			before := sim.Counters()
			for range 5 {
				start := time.Now()
				o, err := m.Observe(within(t), 0)
				if err != nil || o.Power != state.PowerOn || o.At.Before(start) {
					t.Fatalf("got %+v, %v", o, err)
				}
			}
			after := sim.Counters()
			if n := after.Exchanges - before.Exchanges; n != 5 {
				t.Errorf("%d exchanges for five readings", n)
			}
			if n := after.Unauthorized - before.Unauthorized; n != 0 {
				t.Errorf("%d challenges in steady state", n)
			}
		})
	}
}

func TestObserveEveryState(t *testing.T) {
	for number, want := range map[int]state.PowerState{
		amtsim.PowerOn: state.PowerOn, amtsim.PowerOff: state.PowerOff,
		amtsim.PowerSleep: state.PowerSleeping, amtsim.PowerHibernate: state.PowerHibernated,
	} {
		_, m := simulate(t, amtsim.Options{Power: number})
		o, err := m.Observe(within(t), 0)
		if err != nil || o.Power != want {
			t.Errorf("%d reads %s, %v", number, o.Power, err)
		}
		if !want.IsOff() && want != state.PowerSleeping && !o.Offers(state.RequestReset) {
			t.Errorf("%d offers %v", number, o.Available)
		}
	}
}

func TestObserveSharesWhatIsFresh(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn})
	first, err := m.Observe(within(t), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	again, err := m.Observe(within(t), time.Hour)
	if err != nil || !again.At.Equal(first.At) {
		t.Errorf("read again: %v, %v", again, err)
	}
	if err := m.Power(within(t), state.RequestReset); err != nil {
		t.Fatal(err)
	}
	if o, err := m.Observe(within(t), time.Hour); err != nil || !o.At.After(first.At) {
		t.Errorf("a reading from before a power request was shared: %v, %v", o, err)
	}
	if got := len(calls(sim, 0)); got != 3 {
		t.Errorf("%d calls, want reading, request, reading", got)
	}
}

func TestConcurrentObserversShareOneExchange(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn})
	hold := sim.AddFault(amtsim.Fault{Class: powerClass, Effect: amtsim.EffectHold})
	ctx := within(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if o, err := m.Observe(ctx, 0); err != nil || o.Power != state.PowerOn {
				t.Errorf("got %+v, %v", o, err)
			}
		})
	}
	<-hold.Reached()
	for { // all have joined
		m.mu.Lock()
		n := m.flight.waiters
		m.mu.Unlock()
		if n == 8 {
			break
		}
		if pause(ctx, time.Millisecond) != nil {
			t.Fatal("not all joined")
		}
	}
	hold.Release()
	group.Wait()
	if n := len(sim.Journal()); n != 1 {
		t.Errorf("%d exchanges for eight concurrent readings", n)
	}
}

func TestObserverThatLeavesDoesNotFailTheOthers(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn})
	hold := sim.AddFault(amtsim.Fault{Class: powerClass, Effect: amtsim.EffectHold})
	ctx, cancel := context.WithCancel(within(t))
	result := make(chan error, 2)
	go func() {
		_, err := m.Observe(ctx, 0)
		result <- err
	}()
	<-hold.Reached()
	stays := within(t)
	go func() {
		_, err := m.Observe(stays, 0)
		result <- err
	}()
	for joined := false; !joined; {
		m.mu.Lock()
		joined = m.flight.waiters == 2
		m.mu.Unlock()
		if pause(stays, time.Millisecond) != nil {
			t.Fatal("nobody joined")
		}
	}
	cancel()
	wantKind(t, <-result, state.KindTimeout)
	hold.Release()
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestReadingThatAPowerRequestOvertookIsNotShared(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOff})
	hold := sim.AddFault(amtsim.Fault{Class: powerClass, Effect: amtsim.EffectHoldReply})
	ctx := within(t)
	result := make(chan state.Observation, 1)
	go func() {
		o, err := m.Observe(ctx, 0)
		if err != nil {
			t.Error(err)
		}
		result <- o
	}()
	<-hold.Reached()
	m.forgetReading() // what Power does first
	overtaken := time.Now()
	later := make(chan state.Observation, 1)
	go func() {
		o, err := m.Observe(ctx, 0)
		if err != nil {
			t.Error(err)
		}
		later <- o
	}()
	for apart := false; !apart; { // it has a flight of its own
		m.mu.Lock()
		apart = m.flight != nil && m.flight.epoch == m.epoch
		m.mu.Unlock()
		if pause(ctx, time.Millisecond) != nil {
			t.Fatal("the later reading joined the one before the request")
		}
	}
	hold.Release()
	if o := <-result; o.Power != state.PowerOff || !o.At.Before(overtaken) {
		t.Errorf("got %+v, not dated before the request", o)
	}
	if o := <-later; !o.At.After(overtaken) {
		t.Errorf("a later reading is dated %s", o.At)
	}
	if o, err := m.Observe(ctx, time.Hour); err != nil || !o.At.After(overtaken) {
		t.Errorf("shared %+v, %v", o, err)
	}
}

func TestUnreachableIsUnknownAndRemembered(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn})
	seen, err := m.Observe(within(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.SetReachable(false); err != nil {
		t.Fatal(err)
	}
	o, err := m.Observe(within(t), time.Nanosecond)
	wantKind(t, err, state.KindUnreachable)
	if !o.At.Equal(seen.At) {
		t.Errorf("the error came with %+v, not the last reading", o)
	}
	if err := sim.SetReachable(true); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Observe(within(t), time.Nanosecond); err == nil {
		t.Error("it was asked again at once")
	}
	if o, err := m.Observe(within(t), 0); err != nil || o.Power != state.PowerOn {
		t.Errorf("a reading that must be new was not read: %v", err)
	}
	if _, err := m.Observe(within(t), time.Nanosecond); err != nil {
		t.Errorf("silence outlived an answer: %v", err)
	}
}

func TestNeverReachedIsUnknown(t *testing.T) {
	m := attach(t, "127.0.0.1:1", func(o *Options) {
		o.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }
	})
	o, err := m.Observe(within(t), time.Second)
	wantKind(t, err, state.KindUnreachable)
	if o.Power != state.PowerUnknown || !o.At.IsZero() {
		t.Errorf("got %+v", o)
	}
}

func TestObserveRetriesWithinMaxRetry(t *testing.T) {
	for _, effect := range []amtsim.Fault{
		{Effect: amtsim.EffectDrop}, {Effect: amtsim.EffectLoseReply},
		{Effect: amtsim.EffectStatus, Status: 503, Body: "busy"},
		{Effect: amtsim.EffectFault, Subcode: "InternalError"},
	} {
		for failures, want := range map[int]state.Kind{2: state.KindInternal, 3: state.KindUnreachable} {
			sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn})
			effect.Class, effect.Count = powerClass, failures
			sim.AddFault(effect)
			_, err := m.Observe(within(t), 0)
			switch {
			case want == state.KindInternal && err != nil:
				t.Errorf("%s twice: %v", effect.Effect, err)
			case want != state.KindInternal && err == nil:
				t.Errorf("%s three times and still read", effect.Effect)
			}
			if n := len(sim.Journal()); n != 3 {
				t.Errorf("%s: %d attempts, want 3", effect.Effect, n)
			}
		}
	}
}

func TestPermanentFaultsAreNotHammered(t *testing.T) {
	for subcode, want := range map[string]state.Kind{"TimedOut": state.KindBusy, "AccessDenied": state.KindRefused} {
		sim, m := simulate(t, amtsim.Options{})
		sim.AddFault(amtsim.Fault{Effect: amtsim.EffectFault, Subcode: subcode, Count: -1})
		o, err := m.Observe(within(t), 0)
		wantKind(t, err, want)
		if o.Power != state.PowerUnknown {
			t.Errorf("%s reads %s", subcode, o.Power)
		}
		if n := len(sim.Journal()); n != 1 {
			t.Errorf("%s: %d attempts", subcode, n)
		}
	}
}

func TestFallbackIsRemembered(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOff})
	sim.AddFault(amtsim.Fault{Class: powerClass, Method: "Get", Count: -1, Effect: amtsim.EffectFault, Subcode: "DestinationUnreachable"})
	for range 2 {
		if o, err := m.Observe(within(t), 0); err != nil || o.Power != state.PowerOff {
			t.Fatalf("got %+v, %v", o, err)
		}
	}
	const other = "CIM_ServiceAvailableToElement."
	got := calls(sim, 0)
	for i, c := range got {
		if len(c) > 0 && c[len(c)-1] == ' ' {
			got[i] = c[:len(c)-1]
		}
	}
	want := []string{powerClass + ".Get", other + "Enumerate", other + "Pull", other + "Enumerate", other + "Pull"}
	if !slices.Equal(got, want) {
		t.Errorf("calls %v, want %v", got, want)
	}
}

func TestSleepingEngineIsWoken(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOff, Timing: func() amtsim.Timing {
		timing := amtsim.Immediate()
		timing.Wake = 300 * time.Millisecond
		return timing
	}()}, func(o *Options) { o.AwakeInterval = time.Nanosecond }) // always taken to be asleep
	for range 3 {
		sim.SleepEngine()
		o, err := m.Observe(within(t), 0)
		if err != nil || o.Power != state.PowerOff {
			t.Fatalf("got %+v, %v", o, err)
		}
		sim.SleepEngine()
		if err := m.Disarm(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	if sim.Counters().Dropped == 0 {
		t.Error("no connection was dropped, so nothing was tested")
	}
}

func TestConnectTimeoutEndsAReading(t *testing.T) {
	dialing := make(chan struct{}, 100)
	silent := func(o *Options) {
		o.AwakeInterval, o.ConnectTimeout, o.ActTimeout = time.Minute, 30*time.Millisecond, time.Hour
		o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			dialing <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}
	_, err := attach(t, "127.0.0.1:1", silent).Observe(within(t), time.Second)
	wantKind(t, err, state.KindUnreachable)

	// Somebody with more patience is connecting: a reading does not wait for it.
	<-dialing
	m := attach(t, "127.0.0.1:1", silent)
	ctx, cancel := context.WithCancel(within(t))
	result := make(chan error, 1)
	go func() { result <- m.Disarm(ctx) }()
	<-dialing
	_, err = m.Observe(within(t), time.Second)
	wantKind(t, err, state.KindUnreachable)
	cancel()
	wantKind(t, <-result, state.KindUnreachable)
}

// A reading that everybody gave up says nothing of the node.
func TestGivenUpReadingIsNoSilence(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn})
	hold := sim.AddFault(amtsim.Fault{Class: powerClass, Effect: amtsim.EffectHold})
	ctx, cancel := context.WithCancel(within(t))
	result := make(chan error, 1)
	go func() {
		_, err := m.Observe(ctx, time.Second)
		result <- err
	}()
	<-hold.Reached()
	cancel()
	wantKind(t, <-result, state.KindTimeout)
	hold.Release()
	m.flights.Wait()
	if o, err := m.Observe(within(t), time.Second); err != nil || o.Power != state.PowerOn {
		t.Errorf("got %+v, %v", o, err)
	}
}

func TestUnkindFirmwareIsReadAllTheSame(t *testing.T) {
	for _, profile := range amtsim.Profiles() {
		sim, m := simulate(t, amtsim.Options{Profile: profile, Power: amtsim.PowerOn, Seed: 7, Quirks: amtsim.Quirks{KeepsSource: true}}) // the rest as unkind as by default
		for n := range 100 {
			if _, err := m.Observe(within(t), 0); err != nil {
				t.Fatalf("profile %s, reading %d: %v", profile, n, err)
			}
		}
		if sim.Counters().NonceResets == 0 {
			t.Errorf("profile %s: no nonce was refused, so nothing was tested", profile)
		}
		if sim.Counters().WrongCredentials != 0 {
			t.Errorf("profile %s: %d wrong answers to the right password", profile, sim.Counters().WrongCredentials)
		}
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{})
	hold := sim.AddFault(amtsim.Fault{Class: powerClass, Effect: amtsim.EffectHold})
	result := make(chan error, 1)
	ctx := within(t)
	go func() {
		_, err := m.Observe(ctx, 0)
		result <- err
	}()
	<-hold.Reached()
	m.Close()
	wantKind(t, <-result, state.KindClosed)
	_, err := m.Observe(ctx, 0)
	wantKind(t, err, state.KindClosed)
	wantKind(t, m.Power(ctx, state.RequestOn), state.KindClosed)
	hold.Release()
}

func TestHistoryAndHook(t *testing.T) {
	var told []Call
	_, m := simulate(t, amtsim.Options{}, func(o *Options) { o.OnCall = func(c Call) { told = append(told, c) } })
	if _, err := m.Observe(within(t), 0); err != nil {
		t.Fatal(err)
	}
	if len(told) != 2 || told[0].Status != 401 || told[1].Status != 200 || told[1].Node != "desk" || told[1].Op != "Get "+powerClass {
		t.Errorf("the hook was told %+v", told)
	}
	kept := m.History()
	if len(kept) != 2 || kept[1].Failed() || !slices.ContainsFunc(kept, wsman.Exchange.Failed) {
		t.Errorf("history is %+v", kept)
	}
}
