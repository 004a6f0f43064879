package state_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
	"github.com/amt-redfish/amt-redfish/state/storetest"
)

// bubble runs a scenario in fake time with a core over one pc.
func bubble(t *testing.T, p *pc, scenario func(d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, p, storetest.NewMemory())
		defer func() { d.stop() }()
		time.Sleep(time.Second) // the first background read
		scenario(d)
	})
}

func TestOnceServesOneStart(t *testing.T) {
	bubble(t, newPC(state.PowerOff), func(d *desk) {
		d.wish(state.TargetPxe, state.Once)
		if got := d.pc.armed(); got != "" {
			t.Errorf("a PATCH armed %v; it must not touch firmware", got)
		}
		d.wantOverride(state.TargetPxe, state.Once)
		if got := d.reset(state.ResetOn); got != state.OutcomeAccepted {
			t.Errorf("outcome %q", got)
		}
		d.wantOverride(state.TargetNone, state.Disabled) // in the same step
		time.Sleep(time.Minute)
		d.wantBoots(state.TargetPxe)
		d.pc.reboot()
		time.Sleep(time.Minute)
		d.wantBoots(state.TargetPxe, state.TargetNone)
		d.reset(state.ResetForceRestart)
		time.Sleep(time.Minute)
		d.wantBoots(state.TargetPxe, state.TargetNone, state.TargetNone)
	})
}

func TestOnceOutlivesWhatDoesNotStart(t *testing.T) {
	bubble(t, newPC(state.PowerOn), func(d *desk) {
		d.pc.with(func() { d.pc.agent = true })
		d.wish(state.TargetPxe, state.Once)
		if got := d.reset(state.ResetOn); got != state.OutcomeNoop {
			t.Errorf("On of a running node: %q", got)
		}
		d.reset(state.ResetNmi)
		time.Sleep(10 * time.Second)
		d.reset(state.ResetGracefulShutdown)
		time.Sleep(10 * time.Second)
		if got := d.reset(state.ResetForceOff); got != state.OutcomeNoop {
			t.Errorf("ForceOff of a node that is off: %q", got)
		}
		d.wantOverride(state.TargetPxe, state.Once)
		time.Sleep(24 * time.Hour) // it does not expire
		d.reset(state.ResetForceRestart)
		time.Sleep(time.Minute)
		d.wantBoots(state.TargetPxe)
	})
}

func TestArmingThatFailsSendsNoPowerRequest(t *testing.T) {
	bubble(t, newPC(state.PowerOn), func(d *desk) {
		d.wish(state.TargetPxe, state.Once)
		d.pc.with(func() { d.pc.onArm = func() error { return d.pc.err(state.KindConsent) } })
		_, err := d.nodes.Reset(d.t.Context(), "desk-01", state.ResetForceRestart)
		if !state.IsKind(err, state.KindConsent) {
			t.Errorf("error %v, want consent", err)
		}
		d.pc.with(func() {
			if len(d.pc.requests) != 0 {
				t.Errorf("power requests %v were sent", d.pc.requests)
			}
		})
		d.wantOverride(state.TargetPxe, state.Once)
	})
}

func TestARefusedStartLeavesNothingArmed(t *testing.T) {
	bubble(t, newPC(state.PowerOn), func(d *desk) {
		d.wish(state.TargetPxe, state.Once)
		d.pc.with(func() {
			d.pc.onPower = func(state.PowerRequest) (error, bool) { return d.pc.err(state.KindRefused), false }
		})
		_, err := d.nodes.Reset(d.t.Context(), "desk-01", state.ResetForceRestart)
		if !state.IsKind(err, state.KindRefused) {
			t.Errorf("error %v, want refused", err)
		}
		if got := d.pc.armed(); got != "" {
			t.Errorf("%v is armed after a refused start", got)
		}
		d.wantOverride(state.TargetPxe, state.Once)
		d.pc.reboot()
		time.Sleep(time.Minute)
		d.wantBoots(state.TargetNone)
	})
}

func TestAnOffAfterAStartTakesItsSettingAway(t *testing.T) {
	bubble(t, newPC(state.PowerOff), func(d *desk) {
		d.wish(state.TargetPxe, state.Once)
		d.reset(state.ResetOn)
		d.reset(state.ResetForceOff) // before firmware has read its setting
		time.Sleep(time.Minute)
		d.pc.press(state.PowerOn)
		time.Sleep(time.Minute)
		d.wantBoots(state.TargetNone)
	})
}

func TestOnAfterForceOffIsNotSwallowed(t *testing.T) {
	bubble(t, newPC(state.PowerOn), func(d *desk) {
		d.reset(state.ResetForceOff)
		if got := d.reset(state.ResetOn); got != state.OutcomeAccepted {
			t.Errorf("On right after ForceOff: %q", got)
		}
		time.Sleep(time.Minute)
		d.wantBoots(state.TargetNone)
	})
}

func TestEqualResetsAreOne(t *testing.T) {
	bubble(t, newPC(state.PowerOn), func(d *desk) {
		var together sync.WaitGroup
		for range 10 {
			together.Go(func() { d.reset(state.ResetForceRestart) })
		}
		together.Wait()
		for range 10 { // as sushy repeats a request whose connection was cut
			time.Sleep(3 * time.Second)
			if got := d.reset(state.ResetForceRestart); got != state.OutcomeMerged {
				t.Errorf("repetition: %q", got)
			}
		}
		d.pc.with(func() {
			if d.pc.accepted != 1 || len(d.pc.requests) != 1 {
				t.Errorf("%d accepted of requests %v, want one", d.pc.accepted, d.pc.requests)
			}
		})
		time.Sleep(6 * time.Second)
		if got := d.reset(state.ResetForceRestart); got != state.OutcomeAccepted {
			t.Errorf("a new restart: %q", got)
		}
		// Another wish makes an equal reset a new one at once.
		d.wish(state.TargetPxe, state.Once)
		if got := d.reset(state.ResetForceRestart); got != state.OutcomeAccepted {
			t.Errorf("restart after a new wish: %q", got)
		}
		time.Sleep(time.Minute)
		if got := d.pc.booted(); got[len(got)-1] != state.TargetPxe {
			t.Errorf("booted %v, want Pxe last", got)
		}
	})
}

func TestARepetitionIsKnownAfterARestartOfTheGateway(t *testing.T) {
	bubble(t, newPC(state.PowerOn), func(d *desk) {
		d.reset(state.ResetPowerCycle)
		d.stop()
		d.start()
		time.Sleep(3 * time.Second)
		if got := d.reset(state.ResetPowerCycle); got != state.OutcomeMerged {
			t.Errorf("repetition after a restart: %q", got)
		}
	})
}

func TestALostReplyIsObservedNotResent(t *testing.T) {
	for _, c := range []struct {
		name     string
		power    state.PowerState
		reset    state.Reset
		executed bool
		want     state.Kind
		boots    []state.Target
		enabled  state.Enabled
	}{
		{"power on took effect", state.PowerOff, state.ResetOn, true, 0, []state.Target{state.TargetPxe}, state.Disabled},
		{"power on was lost", state.PowerOff, state.ResetOn, false, state.KindIndeterminate, nil, state.Once},
		{"restart took effect", state.PowerOn, state.ResetForceRestart, true, 0, []state.Target{state.TargetPxe}, state.Disabled},
		{"restart was lost", state.PowerOn, state.ResetForceRestart, false, state.KindIndeterminate, nil, state.Once},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, newPC(c.power), func(d *desk) {
				d.wish(state.TargetPxe, state.Once)
				d.pc.with(func() {
					d.pc.onPower = func(state.PowerRequest) (error, bool) {
						if c.executed {
							return nil, true
						}
						return d.pc.err(state.KindIndeterminate), false
					}
				})
				_, err := d.nodes.Reset(d.t.Context(), "desk-01", c.reset)
				if c.want == 0 && err != nil || c.want != 0 && !state.IsKind(err, c.want) {
					t.Errorf("error %v, want kind %v", err, c.want)
				}
				time.Sleep(5 * time.Minute)
				d.wantBoots(c.boots...)
				if got := d.override().Enabled; got != c.enabled {
					t.Errorf("override reads %v, want %v", got, c.enabled)
				}
				d.pc.with(func() {
					if len(d.pc.requests) != 1 {
						t.Errorf("power requests %v, want one", d.pc.requests)
					}
					if d.pc.setting != "" {
						t.Errorf("%v is left armed", d.pc.setting)
					}
				})
			})
		})
	}
}

func TestBusyFirmwareIsWaitedFor(t *testing.T) {
	bubble(t, newPC(state.PowerOff), func(d *desk) {
		busy := 3
		d.pc.with(func() {
			d.pc.onPower = func(state.PowerRequest) (error, bool) {
				if busy--; busy >= 0 {
					return d.pc.err(state.KindBusy), false
				}
				return nil, false
			}
		})
		d.wish(state.TargetPxe, state.Once)
		d.reset(state.ResetOn)
		time.Sleep(time.Minute)
		d.wantBoots(state.TargetPxe)
	})
}

func TestObserveNeverInventsAState(t *testing.T) {
	bubble(t, newPC(state.PowerOn), func(d *desk) {
		read := func() (state.PowerState, error) {
			o, err := d.nodes.Observe(d.t.Context(), "desk-01")
			return o.Power, err
		}
		if p, err := read(); p != state.PowerOn || err != nil {
			t.Fatalf("observe: %v, %v", p, err)
		}
		d.reset(state.ResetForceOff)
		if p, err := read(); p != state.PowerOn || err != nil {
			t.Errorf("right after ForceOff: %v, %v; want what firmware says, on", p, err)
		}
		d.pc.with(func() { d.pc.silent = true })
		time.Sleep(20 * time.Second)
		if p, err := read(); p != state.PowerOn || err != nil {
			t.Errorf("silent in a transition: %v, %v; want the last reading", p, err)
		}
		time.Sleep(20 * time.Second)
		if p, err := read(); !state.IsKind(err, state.KindUnreachable) {
			t.Errorf("silent for long: %v, %v; want unreachable", p, err)
		}
		d.pc.with(func() { d.pc.silent = false })
		if p, _ := read(); p != state.PowerOff {
			t.Errorf("back: %v, want off", p)
		}
		d.reset(state.ResetOn)
		d.pc.with(func() { d.pc.silent = true })
		if p, err := read(); err == nil {
			t.Errorf("silent after On: %v; a stale off must not be served", p)
		}
	})
}

func TestAnUnknownPowerStateIsLeftAlone(t *testing.T) {
	bubble(t, newPC(state.PowerUnknown), func(d *desk) {
		for _, r := range []state.Reset{state.ResetOn, state.ResetForceOff, state.ResetForceRestart} {
			if _, err := d.nodes.Reset(d.t.Context(), "desk-01", r); !state.IsKind(err, state.KindProtocol) {
				t.Errorf("%s: %v", r, err)
			}
		}
		d.pc.with(func() {
			if len(d.pc.requests)+d.pc.arms != 0 {
				t.Error("firmware was touched")
			}
		})
	})
}

func TestACallerWhoLeavesDoesNotCutAReset(t *testing.T) {
	bubble(t, newPC(state.PowerOff), func(d *desk) {
		d.wish(state.TargetPxe, state.Once)
		ctx, cancel := context.WithCancel(d.t.Context())
		cancel()
		if _, err := d.nodes.Reset(ctx, "desk-01", state.ResetOn); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		time.Sleep(time.Minute)
		d.wantBoots(state.TargetPxe)
		d.wantOverride(state.TargetNone, state.Disabled)
	})
}

func TestAPatchDuringAStartIsForTheNextOne(t *testing.T) {
	bubble(t, newPC(state.PowerOff), func(d *desk) {
		d.wish(state.TargetPxe, state.Once)
		d.pc.with(func() {
			d.pc.onPower = func(state.PowerRequest) (error, bool) {
				d.wish(state.TargetHdd, state.Once) // while the request is on its way
				d.pc.onPower = nil
				return nil, false
			}
		})
		d.reset(state.ResetOn)
		d.wantOverride(state.TargetHdd, state.Once)
		time.Sleep(time.Minute)
		d.reset(state.ResetForceRestart)
		time.Sleep(time.Minute)
		d.wantBoots(state.TargetPxe, state.TargetHdd)
	})
}

func TestWakingIsNotAStart(t *testing.T) {
	bubble(t, newPC(state.PowerSleeping), func(d *desk) {
		d.wish(state.TargetPxe, state.Once)
		d.reset(state.ResetOn)
		d.wantOverride(state.TargetPxe, state.Once)
		d.pc.with(func() {
			if !slices.Equal(d.pc.requests, []state.PowerRequest{state.RequestOn}) || d.pc.arms != 0 {
				t.Errorf("requests %v, arms %d", d.pc.requests, d.pc.arms)
			}
		})
	})
}

func TestHddByFirmwareOrderSendsNoSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{t: t, pc: newPC(state.PowerOff), store: storetest.NewMemory()}
		d.node = state.Node{ID: "desk-01", HddFirmwareOrder: true, Machine: d.pc}
		d.start()
		defer func() { d.stop() }()
		d.wish(state.TargetHdd, state.Continuous)
		d.reset(state.ResetOn)
		time.Sleep(time.Minute)
		d.wantBoots(state.TargetNone)
		d.wantOverride(state.TargetHdd, state.Continuous)
		d.pc.with(func() {
			if d.pc.arms != 0 {
				t.Errorf("armed %d times", d.pc.arms)
			}
		})
	})
}

func TestWishesAreCheckedAgainstTheMachine(t *testing.T) {
	p := newPC(state.PowerOff)
	p.targets = []state.Target{state.TargetPxe}
	bubble(t, p, func(d *desk) {
		_, err := d.nodes.UpdateOverride(d.t.Context(), "desk-01", func(o state.Override, c state.Capability) (state.Override, error) {
			return state.Override{Target: state.TargetHdd, Enabled: state.Once}, nil
		})
		if !state.IsKind(err, state.KindUnsupported) {
			t.Errorf("error %v", err)
		}
		d.wantOverride(state.TargetNone, state.Disabled)
		if _, err := d.nodes.Reset(d.t.Context(), "desk-02", state.ResetOn); !state.IsKind(err, state.KindNotFound) {
			t.Errorf("unknown node: %v", err)
		}
	})
}

func TestNodesRefuseBadIDs(t *testing.T) {
	for _, nodes := range [][]state.Node{{{ID: "a b"}}, {{ID: ""}}, {{ID: "a"}, {ID: "a"}}, {{ID: "-a"}}} {
		if _, err := state.NewNodes(state.NodesOptions{Nodes: nodes, Store: storetest.NewMemory()}); err == nil {
			t.Errorf("%v was accepted", nodes)
		}
	}
}
