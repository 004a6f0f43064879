package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/amt"
	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/state"
	"github.com/amt-redfish/amt-redfish/state/storetest"
)

var (
	scenarioSeed  = flag.Uint64("scenario.seed", 0, "walk only the random sequence with this seed, and log it")
	scenarioCount = flag.Uint64("scenario.n", 1000, "how many random sequences are walked")
)

// scenarioWorkers is how many sequences are walked at a time: they wait much.
const scenarioWorkers = 12

// Random sequences of wishes, resets, crashes, boots that the gateway did not
// cause, and faults, against unkind firmware: what the override promises holds
// in each of them.
func TestRandomSequences(t *testing.T) {
	first, count := uint64(1), *scenarioCount
	if *scenarioSeed != 0 {
		first, count = *scenarioSeed, 1
	}
	seeds := make(chan uint64)
	var workers sync.WaitGroup
	for range scenarioWorkers {
		workers.Go(func() {
			for seed := range seeds {
				s := newSequence(seed)
				if err := s.walk(t.Context()); err != nil {
					t.Errorf("%v; repeat it with -scenario.seed=%d\n%s", err, seed, s.story())
				} else if *scenarioSeed != 0 {
					t.Log(s.story())
				}
			}
		})
	}
	for seed := first; seed < first+count && !t.Failed(); seed++ {
		seeds <- seed
	}
	close(seeds)
	workers.Wait()
}

// randomTiming makes the core quick. What is judged by time that has passed
// leaves room for a busy machine.
func randomTiming() state.Timing {
	return state.Timing{
		Fresh: 5 * time.Millisecond, Stale: 50 * time.Millisecond, Transition: 50 * time.Millisecond,
		ActionWait: 300 * time.Millisecond, Poll: 5 * time.Millisecond, Deadline: 30 * time.Second, Merge: 20 * time.Millisecond,
		Patience: 500 * time.Millisecond, BootTime: 50 * time.Millisecond, Unused: time.Second, Watch: 20 * time.Millisecond,
		Retry: 10 * time.Millisecond, RetryMax: 80 * time.Millisecond, Spread: time.Millisecond, Grace: 5 * time.Second,
	}
}

// life is one run of the gateway's core on a store, from start to crash.
type life struct {
	nodes   *state.Nodes
	machine *amt.Machine
	wire    *wire
	stop    context.CancelFunc
	ended   chan error
}

// sequence is one random walk, with a model of what was promised.
type sequence struct {
	seed   uint64
	random *rand.Rand
	quirks amtsim.Quirks
	desk   *amtsim.Machine
	store  *storetest.Memory
	life   *life
	log    []string

	// written is the wish as written last, and wish what is left of it.
	written, wish state.Override
	// uncertain says that a reset with an unknown outcome may have consumed
	// the wish.
	uncertain bool
	// revoked says that a Continuous wish was replaced, which the background
	// may not have seen yet.
	revoked bool
	// boots is how many boots there were when the wish was written, and
	// starts how many power requests that boot.
	boots, starts int
	// requests is how many power requests the resets so far account for.
	requests int
	// calm says that no fault is in place and none has left traces.
	calm bool
	// blind says that the host has booted, and that this firmware shows
	// nothing of it.
	blind bool
	last  state.Reset
	// moved is when firmware last carried out a power request of a reset.
	moved time.Time
}

func newSequence(seed uint64) *sequence {
	return &sequence{seed: seed, random: rand.New(rand.NewPCG(seed, seed)), store: storetest.NewMemory(), wish: state.NoOverride, calm: true}
}

func (s *sequence) chance(percent int) bool { return s.random.IntN(100) < percent }

func pick[T any](s *sequence, list ...T) T { return list[s.random.IntN(len(list))] }

func (s *sequence) note(format string, args ...any) {
	s.log = append(s.log, time.Now().Format("05.000000 ")+fmt.Sprintf(format, args...))
}

// story tells what was done and what the desktop saw of it.
func (s *sequence) story() string {
	text := fmt.Sprintf("quirks %+v\n%s\n", s.quirks, strings.Join(s.log, "\n"))
	if s.desk != nil {
		text += journalText(s.desk)
	}
	return text
}

// walk goes through the sequence and returns the first promise that is broken.
func (s *sequence) walk(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, scenarioPatience)
	defer cancel()
	if err := s.build(ctx); err != nil {
		return err
	}
	defer s.desk.Close()
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	steps := []func(context.Context) error{
		s.patch, s.patch, s.patch, s.reset, s.reset, s.reset, s.reset, s.reset, s.cutReset, s.cutReset, s.crash,
		s.rebootHost, s.rebootHost, s.rebootHost, s.pressButton, s.fault, s.fault, s.fault, s.observe, s.observe, s.observeSilent, s.observeLost, s.observeLost, s.calmDown,
	}
	for range 6 + s.random.IntN(8) {
		if err := s.resolve(ctx); err != nil {
			return err
		}
		if err := pick(s, steps...)(ctx); err != nil {
			return err
		}
	}
	return s.finish(ctx)
}

// finish checks that the wish is as promised when all has calmed down, and that
// the next start and the boot after it do what it says.
func (s *sequence) finish(ctx context.Context) error {
	s.note("finish")
	for _, step := range []func(context.Context) error{s.calmDown, s.restart, s.rebootHost, s.restart, s.rebootHost, s.checkOnce} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if reasons := bogus(s.desk); len(reasons) > 0 {
		return fmt.Errorf("bogus requests: %q", reasons)
	}
	return s.checkRequests()
}

// build starts the desktop.
func (s *sequence) build(ctx context.Context) error {
	s.quirks = amtsim.Quirks{
		LastOrderWins: s.chance(20), KeepsSource: s.chance(20), HidesBootSetting: s.chance(25), HostBootIgnoresSetting: s.chance(15),
		VagueRefusals: s.chance(15), LenientPut: s.chance(20),
	}
	o := amtsim.Options{
		ID: scenarioDesk, Quirks: s.quirks, Timing: amtsim.Quick(), Seed: s.seed, Profile: pick(s, amtsim.Profiles()...),
		Agent: s.chance(50), Power: pick(s, amtsim.PowerOn, amtsim.PowerOff),
	}
	s.note("release %s, power %d, agent %t", o.Profile, o.Power, o.Agent)
	var err error
	s.desk, err = amtsim.Start(ctx, o)
	return err
}

// begin starts the core on the store.
func (s *sequence) begin(ctx context.Context) error {
	at, err := netip.ParseAddrPort(s.desk.Addr())
	if err != nil {
		return err
	}
	l := &life{wire: new(wire), ended: make(chan error, 1)}
	l.machine, err = amt.New(amt.Options{
		Node: scenarioDesk, Address: at.Addr().String(), Port: int(at.Port()),
		Username: amtsim.DefaultUsername, Password: state.NewSecret(amtsim.DefaultPassword),
		ActionWait: 300 * time.Millisecond, RetryPause: time.Millisecond, WakePause: 2 * time.Millisecond,
		WrongWait: time.Millisecond, CoolDown: 20 * time.Millisecond, Silence: 5 * time.Millisecond, Dial: l.wire.dial,
	})
	if err != nil {
		return err
	}
	l.nodes, err = state.NewNodes(state.NodesOptions{
		Nodes: []state.Node{{ID: scenarioDesk, Machine: l.machine}}, Store: s.store, Timing: randomTiming(),
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	l.stop = stop
	go func() { l.ended <- l.nodes.Run(running) }()
	s.life = l
	s.blind = false
	return nil
}

// end stops the core as the program does.
func (s *sequence) end() error {
	s.desk.RemoveFaults()
	s.life.stop()
	err := <-s.life.ended
	s.life.machine.Close()
	return err
}

// die ends the core as a crash does, at this moment: nothing more is recorded
// or sent. Calls that a fault holds go on, or are discarded.
func (s *sequence) die(discard bool) error {
	_ = s.store.Close()
	s.life.wire.crash()
	s.life.stop()
	s.life.machine.Close()
	<-s.life.ended
	for _, f := range s.desk.Faults() {
		if discard {
			f.Discard()
		}
		f.Remove()
	}
	s.store = s.store.Reopen()
	return s.life.wire.drain()
}

// stored is what the scenarios look at of a node's record.
type stored struct {
	Override state.Override  `json:"override"`
	Intent   json.RawMessage `json:"intent"`
	Armed    struct {
		State  string       `json:"state"`
		Target state.Target `json:"target"`
	} `json:"armed"`
	Shows state.Tristate `json:"shows"`
}

func (s *sequence) record(ctx context.Context) (stored, error) {
	r := stored{Override: state.NoOverride}
	entry, err := s.store.Get(ctx, "node/"+scenarioDesk)
	if err == nil {
		err = json.Unmarshal(entry.Value, &r)
	} else if state.IsKind(err, state.KindNotFound) {
		err = nil
	}
	return r, err
}

// settled waits until nothing is left to be done in the background: no reset is
// open, and the firmware is armed ahead, or cleared, as the wish says.
func (s *sequence) settled(ctx context.Context) error {
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for {
		r, err := s.record(ctx)
		if err != nil {
			return err
		}
		now := s.desk.Snapshot()
		ready := len(r.Intent) == 0 && !now.Busy
		if r.Override.Enabled == state.Continuous {
			ready = ready && r.Armed.State == "set" && r.Armed.Target == r.Override.Target && (s.blind || now.Armed.Device == string(r.Override.Target))
		} else {
			ready = ready && r.Armed.State != "dirty" && now.Armed.Device == amtsim.DeviceDefault
		}
		if ready {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("it does not settle: the record is %+v, the firmware %+v: %w", r, now.Armed, ctx.Err())
		}
	}
}

// idle waits until the host is neither changing its power nor booting.
func (s *sequence) idle(ctx context.Context) error {
	return s.desk.Wait(ctx, func(now amtsim.Snapshot) bool { return !now.Busy })
}

// executed returns the power requests that the firmware carried out.
func (s *sequence) executed() []amtsim.Call {
	return slices.DeleteFunc(s.desk.Journal(), func(c amtsim.Call) bool {
		return c.Method != "RequestPowerStateChange" || !c.Executed || c.ReturnValue != 0
	})
}

// checkRequests checks that nothing but a reset requests power.
func (s *sequence) checkRequests() error {
	if n := len(s.executed()); n != s.requests {
		return fmt.Errorf("the firmware carried out %d power requests, the resets account for %d", n, s.requests)
	}
	return nil
}

// checkOnce checks that a Once override has booted its target at most once
// since it was written.
func (s *sequence) checkOnce(context.Context) error {
	if s.written.Enabled != state.Once {
		return nil
	}
	n := 0
	for _, boot := range s.desk.Boots()[s.boots:] {
		if boot.Device == string(s.written.Target) {
			n++
		}
	}
	if n > 1 {
		return fmt.Errorf("Once %s has booted %d times", s.written.Target, n)
	}
	return nil
}
