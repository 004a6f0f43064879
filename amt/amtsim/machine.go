package amtsim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Machine is one simulated desktop. Its methods are safe for concurrent use.
type Machine struct {
	options Options
	profile profile
	timing  Timing
	log     *slog.Logger
	tls     *tls.Config
	finger  string
	realm   string
	address string
	// slot is held by the one request that is served.
	slot chan struct{}

	mu sync.Mutex // guards all below
	// life
	running  bool
	closed   bool
	closing  chan struct{}
	finished chan struct{}
	work     sync.WaitGroup
	changed  chan struct{}
	// sockets
	listener  net.Listener
	reachable bool
	open      map[net.Conn]struct{}
	// wire
	random    *rand.Rand
	digest    digestState
	messageID uint64
	contexts  map[string]*enumeration
	nextList  uint32
	injected  []*Injected
	// engine
	lastContact time.Time
	wakeAt      time.Time
	forcedSleep bool
	// host and objects
	host      host
	setting   bootSetting
	instances map[string][]*instance
	// records
	journal  []Call
	calls    int
	boots    []Boot
	bootSeq  int
	bogus    []string
	counters Counters
}

// New builds a machine and opens its socket, so that Addr is known. Run
// serves it; Close releases the socket whether or not Run was called.
func New(options Options) (*Machine, error) {
	options, profile, err := options.resolve()
	if err != nil {
		return nil, err
	}
	m := &Machine{
		options: options, profile: profile, timing: options.Timing,
		log:       options.Logger.With("machine", options.ID),
		slot:      make(chan struct{}, 1),
		closing:   make(chan struct{}),
		finished:  make(chan struct{}),
		changed:   make(chan struct{}),
		reachable: true,
		open:      make(map[net.Conn]struct{}),
		random:    rand.New(rand.NewPCG(options.Seed, options.Seed)),
		digest:    digestState{nonces: make(map[string]*nonce)},
		contexts:  make(map[string]*enumeration),
		host:      host{power: options.Power, agent: options.Agent, reason: bootReason{reason: reasonOther}},
		setting:   bootSetting{role: roleNotNext, service: profile.bootServiceState},
	}
	m.realm = m.makeRealm()
	m.nextList = m.random.Uint32N(0x10000)
	m.lastContact = time.Now()
	m.loadInstances()
	if options.TLS {
		if m.tls, m.finger, err = selfSigned(); err != nil {
			return nil, fmt.Errorf("machine %s: %w", options.ID, err)
		}
	}
	if m.listener, err = net.Listen("tcp", options.Listen); err != nil {
		return nil, fmt.Errorf("machine %s: open socket: %w", options.ID, err)
	}
	m.address = m.listener.Addr().String()
	return m, nil
}

// Start builds a machine and runs it until ctx ends or Close is called.
func Start(ctx context.Context, options Options) (*Machine, error) {
	m, err := New(options)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.begin()
	m.mu.Unlock()
	go m.serveUntil(ctx)
	return m, nil
}

// Run serves the machine until ctx ends or Close is called, and returns when
// all it started has ended. It returns nil then, and an error if the machine
// was run or closed before.
func (m *Machine) Run(ctx context.Context) error {
	m.mu.Lock()
	if m.closed || m.running {
		m.mu.Unlock()
		return fmt.Errorf("run machine %s: it was run or closed before", m.options.ID)
	}
	m.begin()
	m.mu.Unlock()
	m.serveUntil(ctx)
	return nil
}

// begin starts accepting. The lock is held.
func (m *Machine) begin() {
	m.running = true
	m.log.Info("simulated machine listens", "address", m.address, "profile", m.options.Profile, "seed", m.options.Seed)
	if m.listener != nil {
		m.accept(m.listener)
	}
}

// serveUntil waits for the end and takes everything down.
func (m *Machine) serveUntil(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-m.closing:
	}
	m.shut()
	m.work.Wait()
	close(m.finished)
}

// Close stops the machine and waits until all it started has ended. It may be
// called more than once.
func (m *Machine) Close() error {
	m.mu.Lock()
	running := m.running
	m.mu.Unlock()
	m.shut()
	if running {
		<-m.finished
	}
	m.work.Wait()
	return nil
}

// shut closes all sockets and lets every hold go.
func (m *Machine) shut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.closed = true
	close(m.closing)
	m.host.epoch++
	m.disconnect()
	m.notify()
}

// disconnect closes listener and connections. The lock is held.
func (m *Machine) disconnect() {
	if m.listener != nil {
		if err := m.listener.Close(); err != nil {
			m.log.Debug("close listener", "error", err)
		}
		m.listener = nil
	}
	for conn := range m.open {
		abort(conn)
	}
}

// after runs act once d has passed, or at once where d is not positive; act
// runs with the lock held, and not at all after the host's epoch changed. The
// lock is held.
func (m *Machine) after(d time.Duration, act func()) {
	if d <= 0 {
		act()
		return
	}
	if m.closed {
		return
	}
	epoch := m.host.epoch
	m.work.Go(func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-m.closing:
			return
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.host.epoch == epoch {
			act()
			m.notify()
		}
	})
}

// notify wakes everybody who waits for a change. The lock is held.
func (m *Machine) notify() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// Addr returns the host:port of the WS-Man socket.
func (m *Machine) Addr() string { return m.address }

// ID returns the machine's name.
func (m *Machine) ID() string { return m.options.ID }

// UUID returns the platform's UUID in canonical form.
func (m *Machine) UUID() string { return m.options.UUID }

// Fingerprint returns the SHA-256 of the TLS certificate in lower-case hex; ""
// without TLS.
func (m *Machine) Fingerprint() string { return m.finger }

// Snapshot is a machine's state at one moment.
type Snapshot struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	UUID    string `json:"uuid"`
	Version string `json:"version"`
	Seed    uint64 `json:"seed"`
	// Power is the power state as AMT shows it.
	Power int `json:"power"`
	// Busy tells that a power change or POST is under way.
	Busy bool `json:"busy"`
	// Armed is the boot setting.
	Armed Armed `json:"armed"`
	// Boots is how many boots have read their setting.
	Boots int `json:"boots"`
	// Agent, Redirection, Reachable and Asleep are as last set; Asleep is the
	// engine's sleep.
	Agent       bool     `json:"agent"`
	Redirection bool     `json:"redirection"`
	Reachable   bool     `json:"reachable"`
	Asleep      bool     `json:"asleep"`
	Counters    Counters `json:"counters"`
}

// Armed is the boot setting for the coming boot.
type Armed struct {
	// Source is the InstanceID of the chosen boot source; "" is none.
	Source string `json:"source"`
	// Role is 1 for next single use and 32768 for not next.
	Role int `json:"role"`
	// Device is what the next boot would boot.
	Device string `json:"device"`
}

// Snapshot returns the machine's state.
func (m *Machine) Snapshot() Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.snapshot()
}

func (m *Machine) snapshot() Snapshot {
	return Snapshot{
		ID: m.options.ID, Address: m.address, UUID: m.options.UUID, Version: m.profile.version, Seed: m.options.Seed,
		Power: m.host.power, Busy: m.host.busy(), Boots: m.bootSeq,
		Armed: Armed{Source: m.setting.source, Role: m.setting.role, Device: m.nextDevice()},
		Agent: m.host.agent, Redirection: m.host.redirection, Reachable: m.reachable,
		Asleep: m.asleep(time.Now()), Counters: m.counters,
	}
}

// Wait returns nil once the condition holds, and the context's error, with the
// last state, when ctx ends first. It looks at every change of host, setting,
// journal and counters.
func (m *Machine) Wait(ctx context.Context, condition func(Snapshot) bool) error {
	for {
		m.mu.Lock()
		now, changed := m.snapshot(), m.changed
		m.mu.Unlock()
		if condition(now) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for machine %s, last seen as %+v: %w", m.options.ID, now, ctx.Err())
		case <-m.closing:
			return fmt.Errorf("wait for machine %s: %w", m.options.ID, net.ErrClosed)
		case <-changed:
		}
	}
}

// SetAgent installs or removes the vendor's service in the OS.
func (m *Machine) SetAgent(present bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.host.agent = present
	m.notify()
}

// SetRedirection opens or ends a console or storage redirection session, while
// which power-off and power cycle are refused.
func (m *Machine) SetRedirection(open bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.host.redirection = open
	m.notify()
}

// SetReachable cuts the machine off the network, closing every connection, or
// brings it back at the same address. The host goes on.
func (m *Machine) SetReachable(reachable bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return fmt.Errorf("set machine %s reachable: %w", m.options.ID, net.ErrClosed)
	case !reachable:
		m.disconnect()
	case m.listener == nil:
		listener, err := net.Listen("tcp", m.address)
		if err != nil {
			return fmt.Errorf("set machine %s reachable: %w", m.options.ID, err)
		}
		m.listener = listener
		if m.running {
			m.accept(listener)
		}
	}
	m.reachable = reachable
	m.notify()
	return nil
}

// SleepEngine puts the management engine to sleep now: the next connections
// are dropped until Timing.Wake has passed.
func (m *Machine) SleepEngine() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forcedSleep, m.wakeAt = true, time.Time{}
	m.notify()
}

// asleep reports whether the engine sleeps or still wakes. The lock is held.
func (m *Machine) asleep(now time.Time) bool {
	if !m.wakeAt.IsZero() {
		return now.Before(m.wakeAt)
	}
	idle := m.timing.IdleSleep > 0 && m.host.power != PowerOn && now.Sub(m.lastContact) > m.timing.IdleSleep
	return m.forcedSleep || idle
}

// contact is called for every connection and request and reports whether the
// engine is awake to serve it; if not, it begins to wake. The lock is held.
func (m *Machine) contact(now time.Time) bool {
	if m.asleep(now) {
		if m.wakeAt.IsZero() {
			m.forcedSleep = false
			least := m.timing.Wake / 5
			m.wakeAt = now.Add(least)
			if spread := m.timing.Wake - least; spread > 0 {
				m.wakeAt = m.wakeAt.Add(time.Duration(m.random.Int64N(int64(spread))))
			}
		}
		return false
	}
	m.wakeAt, m.lastContact = time.Time{}, now
	return true
}

var errDropped = errors.New("connection dropped")
