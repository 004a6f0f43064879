package state_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

// pc is a hand-written fake of the Machine port: a computer with a power
// button and a boot setting that serves one boot and keeps the first order it
// is sent. It knows no override and no "continuous".
type pc struct {
	mu        sync.Mutex
	power     state.PowerState
	setting   state.Target // "" is cleared
	hides     bool         // firmware shows nothing of its setting
	reasons   bool         // firmware tells boots apart
	agent     bool         // graceful requests are offered
	silent    bool         // no request is answered
	targets   []state.Target
	boots     []state.Target
	requests  []state.PowerRequest // every power request that arrived
	accepted  int                  // power requests that took effect
	arms      int
	disarms   int
	againArms int
	changing  time.Time   // busy until
	post      *time.Timer // the firmware's boot under way

	// Faults, each called with the lock held; nil means none. lose says that
	// the reply is lost after the request took effect.
	onArm   func() error
	onPower func(state.PowerRequest) (err error, lose bool)
}

const (
	powerDelay = 1500 * time.Millisecond // until a change of power shows
	postDelay  = 6 * time.Second         // until the firmware's boot reads its setting
)

func newPC(power state.PowerState) *pc {
	return &pc{power: power, targets: []state.Target{state.TargetPxe, state.TargetHdd, state.TargetCd}}
}

func (p *pc) err(kind state.Kind) error {
	return state.Errorf(kind, "fake", "", "as the test wants it")
}

func (p *pc) Observe(context.Context, time.Duration) (state.Observation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent {
		return state.Observation{}, p.err(state.KindUnreachable)
	}
	o := state.Observation{Power: p.power, At: time.Now(), Available: []state.PowerRequest{state.RequestOn}}
	if p.power == state.PowerOn {
		o.Available = []state.PowerRequest{state.RequestReset, state.RequestOff, state.RequestCycle, state.RequestNMI}
		if p.agent {
			o.Available = append(o.Available, state.RequestGracefulOff, state.RequestGracefulReset)
		}
	}
	return o, nil
}

func (p *pc) Capability(context.Context) (state.Capability, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent {
		return state.Capability{}, p.err(state.KindUnreachable)
	}
	return state.Capability{Targets: p.targets, Version: "16.1.25"}, nil
}

func (p *pc) BootSetting(context.Context) (state.BootSetting, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.silent:
		return state.BootSetting{}, p.err(state.KindUnreachable)
	case p.hides && p.reasons:
		return state.BootSetting{Pending: state.No, Reason: fmt.Sprint("boot ", len(p.boots))}, nil
	case p.hides, p.setting == "":
		return state.BootSetting{Pending: state.No}, nil
	}
	return state.BootSetting{Pending: state.Yes}, nil
}

func (p *pc) Arm(_ context.Context, target state.Target) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arms++
	if p.silent {
		return p.err(state.KindUnreachable)
	}
	p.setting = ""
	if p.onArm != nil {
		if err := p.onArm(); err != nil {
			return err
		}
	}
	p.setting = target
	return nil
}

func (p *pc) ArmAgain(_ context.Context, target state.Target) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.againArms++
	if p.silent {
		return p.err(state.KindUnreachable)
	}
	if p.setting == "" {
		p.setting = target
	}
	return nil
}

func (p *pc) Disarm(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.disarms++
	if p.silent {
		return p.err(state.KindUnreachable)
	}
	p.setting = ""
	return nil
}

func (p *pc) Power(_ context.Context, r state.PowerRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent {
		return p.err(state.KindUnreachable)
	}
	p.requests = append(p.requests, r)
	var lose bool
	if p.onPower != nil {
		var err error
		if err, lose = p.onPower(r); err != nil {
			return err
		}
	}
	if time.Now().Before(p.changing) {
		return p.err(state.KindBusy)
	}
	if (r == state.RequestOn) == (p.power == state.PowerOn) {
		return p.err(state.KindRefused)
	}
	p.accepted++
	p.act(r)
	if lose {
		return p.err(state.KindIndeterminate)
	}
	return nil
}

// act carries out a request as the hardware does: a while later.
func (p *pc) act(r state.PowerRequest) {
	p.changing = time.Now().Add(powerDelay)
	time.AfterFunc(powerDelay, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch r {
		case state.RequestOff, state.RequestGracefulOff:
			p.power = state.PowerOff
		case state.RequestOn, state.RequestReset, state.RequestCycle, state.RequestGracefulReset:
			p.power = state.PowerOn
			p.startPOST()
		}
	})
}

// boot is the firmware's boot, whoever caused it: it uses up the setting.
func (p *pc) boot() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.power != state.PowerOn {
		return
	}
	device := p.setting
	if device == "" {
		device = state.TargetNone
	}
	p.setting = ""
	p.boots = append(p.boots, device)
}

// startPOST begins the firmware's boot, with the lock held; it ends one that
// was under way.
func (p *pc) startPOST() {
	if p.post != nil {
		p.post.Stop()
	}
	p.post = time.AfterFunc(postDelay, p.boot)
}

// reboot restarts the host from inside its operating system.
func (p *pc) reboot() { p.with(p.startPOST) }

// press sets the power state as a person or the operating system does.
func (p *pc) press(power state.PowerState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.power = power
	if power == state.PowerOn {
		p.startPOST()
	}
}

func (p *pc) with(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *pc) booted() []state.Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.boots)
}

func (p *pc) armed() state.Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.setting
}

// desk is a gateway core over one pc, for tests in a bubble of fake time.
type desk struct {
	t     *testing.T
	pc    *pc
	store state.Store
	nodes *state.Nodes
	stop  func()
	node  state.Node
}

func newDesk(t *testing.T, p *pc, store state.Store) *desk {
	d := &desk{t: t, pc: p, store: store, node: state.Node{ID: "desk-01", Address: "192.0.2.10", MACs: []string{"52:54:00:12:34:56"}, Machine: p}}
	d.start()
	return d
}

func (d *desk) start() {
	d.t.Helper()
	nodes, err := state.NewNodes(state.NodesOptions{Nodes: []state.Node{d.node}, Store: d.store})
	if err != nil {
		d.t.Fatal(err)
	}
	d.nodes = nodes
	ctx, cancel := context.WithCancel(d.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := nodes.Run(ctx); err != nil {
			d.t.Error(err)
		}
	}()
	d.stop = func() { cancel(); <-ended }
}

func (d *desk) wish(target state.Target, enabled state.Enabled) {
	d.t.Helper()
	_, err := d.nodes.UpdateOverride(d.t.Context(), d.node.ID, func(o state.Override, _ state.Capability) (state.Override, error) {
		return o.Apply(state.OverrideChange{Target: &target, Enabled: &enabled}), nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) reset(r state.Reset) state.Outcome {
	d.t.Helper()
	outcome, err := d.nodes.Reset(d.t.Context(), d.node.ID, r)
	if err != nil {
		d.t.Fatalf("reset %s: %v", r, err)
	}
	return outcome
}

func (d *desk) override() state.Override {
	d.t.Helper()
	s, err := d.nodes.Get(d.t.Context(), d.node.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	return s.Override
}

func (d *desk) wantOverride(target state.Target, enabled state.Enabled) {
	d.t.Helper()
	if got, want := d.override(), (state.Override{Target: target, Enabled: enabled}); got != want {
		d.t.Errorf("override is %+v, want %+v", got, want)
	}
}

func (d *desk) wantBoots(want ...state.Target) {
	d.t.Helper()
	if got := d.pc.booted(); !slices.Equal(got, want) {
		d.t.Errorf("booted %v, want %v", got, want)
	}
}
