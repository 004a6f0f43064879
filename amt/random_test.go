package amt

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/state"
)

// walk drives one machine at random against unkind firmware with faults, and
// holds the promises of state.Machine after each step.
type walk struct {
	t      *testing.T
	sim    *amtsim.Machine
	m      *Machine
	random *rand.Rand
	log    []string
}

func (w *walk) failf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\nafter %v\njournal %v", fmt.Sprintf(format, args...), w.log, calls(w.sim, 0))
}

func (w *walk) say(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

// disturb aims a fault at one of the next calls, or moves the host without us.
func (w *walk) disturb() {
	effects := []amtsim.Fault{
		{Effect: amtsim.EffectDrop}, {Effect: amtsim.EffectLoseReply}, {Effect: amtsim.EffectUnauthorized},
		{Effect: amtsim.EffectStatus, Status: 503, Body: "no"}, {Effect: amtsim.EffectFault, Subcode: "InternalError"},
		{Effect: amtsim.EffectFault, Subcode: "AccessDenied"}, {Effect: amtsim.EffectReturnValue, ReturnValue: 2},
		{Effect: amtsim.EffectReturnValue, ReturnValue: 4099},
	}
	switch n := w.random.IntN(12); {
	case n < 4:
		f := effects[w.random.IntN(len(effects))]
		if f.Effect == amtsim.EffectReturnValue {
			f.Class = []string{"CIM_BootConfigSetting", "CIM_BootService", powerService}[w.random.IntN(3)]
		}
		f.Skip, f.Count = w.random.IntN(4), 1+w.random.IntN(4)
		w.sim.AddFault(f)
		w.say("fault %s %s skip %d count %d", f.Effect, f.Class, f.Skip, f.Count)
	case n == 4:
		if w.sim.HostReboot() == nil {
			w.say("host reboot")
		}
	case n == 5:
		w.sim.PressPowerButton()
		w.say("power button")
	case n == 6:
		w.sim.RemoveFaults()
		w.say("no more faults")
	}
}

func (w *walk) power() {
	all := state.PowerRequests()
	request := all[w.random.IntN(len(all))]
	_, before := requests(w.sim)
	err := w.m.Power(within(w.t), request)
	_, after := requests(w.sim)
	w.say("power %s: %v", request, err)
	executed := after - before
	switch {
	case executed > 1:
		w.failf("one request was executed %d times", executed)
	case err == nil && executed != 1:
		w.failf("an accepted request was executed %d times", executed)
	case executed == 1 && lostLast(w.sim) && !state.IsKind(err, state.KindIndeterminate):
		w.failf("a request that was executed without an answer is %v", err)
	case state.IsKind(err, state.KindUnreachable) && executed != 0:
		w.failf("a request that is said not to be done was executed")
	}
}

// lostLast reports whether the last power request was executed and its reply
// was lost.
func lostLast(sim *amtsim.Machine) bool {
	journal := sim.Journal()
	for i := len(journal) - 1; i >= 0; i-- {
		if c := journal[i]; c.Class == powerService {
			return c.Executed && !c.Replied
		}
	}
	return false
}

func (w *walk) arm() {
	target := []state.Target{state.TargetPxe, state.TargetHdd, state.TargetCd}[w.random.IntN(3)]
	err := w.m.Arm(within(w.t), target)
	armed := w.sim.Snapshot().Armed
	w.say("arm %s: %v", target, err)
	device := map[state.Target]string{state.TargetPxe: amtsim.DevicePxe, state.TargetHdd: amtsim.DeviceHdd, state.TargetCd: amtsim.DeviceCd}[target]
	if err == nil && (armed.Device != device || armed.Role != roleNextSingleUse) {
		w.failf("armed for %s, firmware has %+v", target, armed)
	}
}

func (w *walk) disarm() {
	err := w.m.Disarm(within(w.t))
	w.say("disarm: %v", err)
	if armed := w.sim.Snapshot().Armed; err == nil && armed.Device != amtsim.DeviceDefault {
		w.failf("disarmed, firmware has %+v", armed)
	}
}

func (w *walk) observe() {
	o, err := w.m.Observe(within(w.t), 0)
	shown := w.sim.Snapshot().Power
	w.say("observe %s: %v", o.Power, err)
	if err == nil && o.Power != powerStates[shown] {
		w.failf("reads %s where firmware shows %d", o.Power, shown)
	}
}

func (w *walk) bootSetting() {
	s, err := w.m.BootSetting(within(w.t))
	armed := w.sim.Snapshot().Armed
	w.say("boot setting %s: %v", s.Pending, err)
	pending := armed.Role == roleNextSingleUse
	if err == nil && (s.Pending == state.Yes && !pending || s.Pending == state.No && pending) {
		w.failf("reads pending %s, firmware has %+v", s.Pending, armed)
	}
	if err != nil && s.Pending != state.Unknown {
		w.failf("a failed reading says %s", s.Pending)
	}
}

func TestRandomWalks(t *testing.T) {
	profiles := amtsim.Profiles()
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			sim, m := simulate(t, amtsim.Options{
				Profile: profiles[int(seed)%len(profiles)], Seed: seed + 1,
				Quirks: amtsim.Quirks{VagueRefusals: seed%2 == 0, EvenChunks: seed%2 != 0}, // otherwise as unkind as by default
			}, func(o *Options) { o.CoolDown = 1 })
			sim.SetAgent(true)
			w := &walk{t: t, sim: sim, m: m, random: rand.New(rand.NewPCG(seed, 1))}
			steps := []func(){w.power, w.power, w.arm, w.arm, w.disarm, w.observe, w.bootSetting}
			for range 40 {
				w.disturb()
				steps[w.random.IntN(len(steps))]()
			}
		})
	}
}
