package amt

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/state"
)

const (
	powerService = "CIM_PowerManagementService"
	requestPower = powerService + ".RequestPowerStateChange "
)

// requests returns the power requests that reached firmware.
func requests(sim *amtsim.Machine) (list []string, executed int) {
	for _, c := range sim.Journal() {
		if c.Class == powerService {
			list = append(list, c.Argument)
			if c.Executed {
				executed++
			}
		}
	}
	return list, executed
}

func TestPowerRequests(t *testing.T) {
	for _, test := range []struct {
		request state.PowerRequest
		from    int
		number  string
		to      state.PowerState
	}{
		{state.RequestOn, amtsim.PowerOff, "2", state.PowerOn},
		{state.RequestOff, amtsim.PowerOn, "8", state.PowerOff},
		{state.RequestReset, amtsim.PowerOn, "10", state.PowerOn},
		{state.RequestCycle, amtsim.PowerOn, "5", state.PowerOn},
		{state.RequestGracefulOff, amtsim.PowerOn, "12", state.PowerOff},
		{state.RequestGracefulReset, amtsim.PowerOn, "14", state.PowerOn},
		{state.RequestNMI, amtsim.PowerOn, "11", state.PowerOn},
	} {
		t.Run(test.request.String(), func(t *testing.T) {
			sim, m := simulate(t, amtsim.Options{Power: test.from})
			sim.SetAgent(true)
			if err := m.Power(within(t), test.request); err != nil {
				t.Fatal(err)
			}
			if got, _ := requests(sim); !slices.Equal(got, []string{test.number}) {
				t.Errorf("sent %v", got)
			}
			if o, err := m.Observe(within(t), 0); err != nil || o.Power != test.to {
				t.Errorf("then it is %s, %v", o.Power, err)
			}
		})
	}
}

func TestNoPowerRequest(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{})
	wantKind(t, m.Power(within(t), state.RequestNone), state.KindInvalid)
	if n := sim.Counters().Connections; n != 0 {
		t.Errorf("%d connections", n)
	}
}

// A power request whose reply is lost is never sent again, on a fresh
// connection or on a kept one.
func TestLostPowerReplyIsIndeterminate(t *testing.T) {
	for _, effect := range []amtsim.Fault{
		{Effect: amtsim.EffectLoseReply}, {Effect: amtsim.EffectDrop},
		{Effect: amtsim.EffectStatus, Status: 500, Body: "oops"},
		{Effect: amtsim.EffectFault, Subcode: "TimedOut"},
		{Effect: amtsim.EffectFault, Subcode: "InternalError"},
	} {
		for _, warm := range []bool{false, true} {
			sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn})
			if warm {
				if _, err := m.Observe(within(t), 0); err != nil {
					t.Fatal(err)
				}
			}
			effect.Class = powerService
			sim.AddFault(effect)
			wantKind(t, m.Power(within(t), state.RequestReset), state.KindIndeterminate)
			if got, _ := requests(sim); len(got) != 1 {
				t.Errorf("%s, warm %v: sent %d times", effect.Effect, warm, len(got))
			}
		}
	}
}

func TestPowerReplyThatDoesNotComeInTime(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn}, func(o *Options) { o.AttemptTimeout = 50 * time.Millisecond })
	hold := sim.AddFault(amtsim.Fault{Class: powerService, Effect: amtsim.EffectHoldReply})
	defer hold.Release()
	wantKind(t, m.Power(within(t), state.RequestReset), state.KindIndeterminate)
	if got, executed := requests(sim); len(got) != 1 || executed != 1 {
		t.Errorf("sent %d times, executed %d times", len(got), executed)
	}
}

func TestChallengeToAPowerRequestIsAnswered(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn})
	if _, err := m.Observe(within(t), 0); err != nil {
		t.Fatal(err)
	}
	sim.AddFault(amtsim.Fault{Class: powerService, Effect: amtsim.EffectUnauthorized, Count: 2})
	if err := m.Power(within(t), state.RequestReset); err != nil {
		t.Fatal(err)
	}
	if _, executed := requests(sim); executed != 1 {
		t.Errorf("executed %d times", executed)
	}
}

func TestUnreachablePower(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn})
	if err := sim.SetReachable(false); err != nil {
		t.Fatal(err)
	}
	wantKind(t, m.Power(within(t), state.RequestReset), state.KindUnreachable)
}

func TestRefusedPower(t *testing.T) {
	for value, want := range map[int]state.Kind{
		1: state.KindUnsupported, 2: state.KindRefused, 3: state.KindBusy, 4: state.KindRefused, 5: state.KindRefused,
		6: state.KindBusy, 4097: state.KindRefused, 4098: state.KindRefused, 4099: state.KindBusy,
		32768 + 2081: state.KindConsent, 32768 + 1: state.KindRefused,
	} {
		sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn})
		sim.AddFault(amtsim.Fault{Class: powerService, Effect: amtsim.EffectReturnValue, ReturnValue: value})
		wantKind(t, m.Power(within(t), state.RequestReset), want)
		if got, _ := requests(sim); len(got) != 1 {
			t.Errorf("%d: sent %d times", value, len(got))
		}
	}
}

func TestVagueRefusalSoonAfterARequestIsBusy(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn})
	vague := amtsim.Fault{Class: powerService, Effect: amtsim.EffectReturnValue, ReturnValue: 2}
	sim.AddFault(vague)
	wantKind(t, m.Power(within(t), state.RequestReset), state.KindRefused)
	if err := m.Power(within(t), state.RequestReset); err != nil {
		t.Fatal(err)
	}
	sim.AddFault(vague)
	wantKind(t, m.Power(within(t), state.RequestReset), state.KindBusy)
	for since, want := range map[time.Duration]state.Kind{0: state.KindBusy, 9 * time.Second: state.KindBusy, 10 * time.Second: state.KindRefused} {
		if got := tooEarly(since, 10*time.Second); got != want {
			t.Errorf("after %s it is %s", since, got)
		}
	}
}

func TestOpenRedirectionRefusesOff(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn})
	sim.SetRedirection(true)
	wantKind(t, m.Power(within(t), state.RequestOff), state.KindRefused)
	if err := m.Power(within(t), state.RequestReset); err != nil {
		t.Errorf("a reset is accepted meanwhile: %v", err)
	}
}

func TestWrongPasswordNeverExecutesAndStops(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn}, func(o *Options) {
		o.Password, o.WrongWait, o.CoolDown = state.NewSecret("Wr0ng!pass"), time.Nanosecond, time.Hour
	})
	for range 5 {
		wantKind(t, m.Power(within(t), state.RequestReset), state.KindCredentials)
		_, err := m.Observe(within(t), 0)
		wantKind(t, err, state.KindCredentials)
	}
	if n := sim.Counters().WrongCredentials; n != 3 {
		t.Errorf("%d wrong answers, want 3", n)
	}
	if got, _ := requests(sim); len(got) != 0 {
		t.Errorf("%d power requests", len(got))
	}
}

func TestOneOperationSpendsTwoWrongAnswersAtMost(t *testing.T) {
	for name, act := range map[string]func(*Machine) error{
		"power":   func(m *Machine) error { return m.Power(within(t), state.RequestReset) },
		"arm":     func(m *Machine) error { return m.Arm(within(t), state.TargetPxe) },
		"observe": func(m *Machine) error { _, err := m.Observe(within(t), 0); return err },
	} {
		sim, m := simulate(t, amtsim.Options{}, func(o *Options) {
			o.Password, o.MaxRetry = state.NewSecret("Wr0ng!pass"), 10
		})
		wantKind(t, act(m), state.KindCredentials)
		want := 2
		if name == "observe" {
			want = 1
		}
		if n := sim.Counters().WrongCredentials; n != want {
			t.Errorf("%s: %d wrong answers, want %d", name, n, want)
		}
	}
}

// A reading waits for the connection for one call of a sequence, not for all.
func TestReadingComesBetweenTheCallsOfASequence(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Power: amtsim.PowerOn})
	hold := sim.AddFault(amtsim.Fault{Class: "CIM_BootConfigSetting", Effect: amtsim.EffectHold})
	ctx := within(t)
	var group sync.WaitGroup
	group.Go(func() {
		if err := m.Arm(ctx, state.TargetPxe); err != nil {
			t.Error(err)
		}
	})
	<-hold.Reached()
	group.Go(func() {
		if _, err := m.Observe(ctx, 0); err != nil {
			t.Error(err)
		}
	})
	for joined := false; !joined; {
		m.mu.Lock()
		joined = m.flight != nil
		m.mu.Unlock()
		if pause(ctx, 5*time.Millisecond) != nil {
			t.Fatal("nobody reads")
		}
	}
	last := sim.AddFault(amtsim.Fault{Class: "CIM_BootConfigSetting", Effect: amtsim.EffectHold})
	hold.Release()
	select {
	case <-last.Reached():
	case <-ctx.Done():
		t.Fatal("the sequence does not go on")
	}
	if !slices.ContainsFunc(calls(sim, 0), func(c string) bool { return c == powerClass+".Get" }) {
		t.Errorf("the reading waits for the whole sequence: %v", calls(sim, 0))
	}
	last.Release()
	group.Wait()
}
