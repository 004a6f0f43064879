package amt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
	"github.com/amt-redfish/amt-redfish/state"
)

// Machine implements state.Machine for one node. It is safe for concurrent
// use.
type Machine struct {
	o      Options
	log    *slog.Logger
	client *wsman.Client
	cache  cache

	flights sync.WaitGroup
	mu      sync.Mutex // guards what follows; never held across I/O
	closed  bool
	flight  *flight
	// epoch counts power requests sent: a reading that began in an earlier one
	// is not kept.
	epoch    uint64
	last     state.Observation
	contact  time.Time // firmware's last answer
	dialing  time.Time // since when a connection is being made; or zero
	accepted time.Time // firmware's last acceptance of a power request
}

var _ state.Machine = (*Machine)(nil)

// New returns a machine; it connects when it is first used. Close it.
func New(o Options) (*Machine, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	secure, err := o.tlsConfig()
	if err != nil {
		return nil, state.Errorf(state.KindInvalid, "configure", o.Node, "%w", err)
	}
	m := &Machine{o: o, log: o.Logger.With("node", o.Node), cache: newCache()}
	options := wsman.Options{
		Address: o.endpoint(), TLS: secure, Username: o.Username, Password: o.Password.Reveal,
		Dial: m.dial, MaxIdle: o.AwakeInterval, WrongWait: o.WrongWait, CoolDown: o.CoolDown, OnExchange: m.noted,
	}
	if o.Fleet != nil {
		options.Bound = o.Fleet
	}
	m.client = wsman.New(options)
	return m, nil
}

// Close ends what is under way and closes the connection. Later calls fail
// with KindClosed.
func (m *Machine) Close() {
	m.mu.Lock()
	m.closed = true
	if m.flight != nil {
		m.flight.cancel()
	}
	m.mu.Unlock()
	m.client.Close()
	m.flights.Wait()
}

// History returns the last exchanges with firmware, oldest first, scrubbed of
// credentials; failures are kept longer than successes.
func (m *Machine) History() []wsman.Exchange { return m.client.History() }

// noted is told of every exchange.
func (m *Machine) noted(e wsman.Exchange) {
	if e.Status != 0 {
		m.mu.Lock()
		m.contact = time.Now()
		m.mu.Unlock()
	}
	m.log.Debug("firmware exchange", "op", e.Op, "status", e.Status, "took", e.Took, "failure", e.Failure)
	if m.o.OnCall != nil {
		m.o.OnCall(Call{Node: m.o.Node, Op: e.Op, Status: e.Status, Took: e.Took})
	}
}

// asleep reports whether the engine may have gone to sleep since it last
// answered.
func (m *Machine) asleep() bool {
	if m.o.AwakeInterval == 0 {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Since(m.contact) > m.o.AwakeInterval
}

const (
	// wakeTry is how long one connection to a sleeping engine is tried: it
	// loses the first packets, and one repetition comes after a second.
	wakeTry = 2 * time.Second
	// wakeLook is how long a new connection is watched for being dropped by
	// an engine that is not yet awake.
	wakeLook = 50 * time.Millisecond
	// maxRefusals ends waking early: whoever refuses connections is awake.
	maxRefusals = 3
)

var errDropped = errors.New("the connection was dropped at once; the engine may be waking")

// dial makes a connection. To a sleeping engine it tries until ctx ends.
func (m *Machine) dial(ctx context.Context, network, address string) (net.Conn, error) {
	m.setDialing(time.Now())
	defer m.setDialing(time.Time{})
	asleep, refusals := m.asleep(), 0
	for {
		attempt, cancel := ctx, context.CancelFunc(func() {})
		if asleep {
			attempt, cancel = context.WithTimeout(ctx, wakeTry)
		}
		conn, err := m.o.Dial(attempt, network, address)
		cancel()
		if err == nil && asleep && !stays(conn) {
			conn.Close()
			err = errDropped
		}
		if err == nil {
			return conn, nil
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			refusals++
		}
		if !asleep || refusals >= maxRefusals || pause(ctx, m.o.WakePause) != nil {
			return nil, err
		}
	}
}

func (m *Machine) setDialing(since time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dialing = since
}

// stays reports whether a new connection is still there after a moment. The
// peer of a WS-Management connection never speaks first.
func stays(conn net.Conn) bool {
	if conn.SetReadDeadline(time.Now().Add(wakeLook)) != nil {
		return false
	}
	_, err := conn.Read(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded) && conn.SetReadDeadline(time.Time{}) == nil
}

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

// caller returns the caller for the next attempt.
func (m *Machine) caller(connect time.Duration) wsman.Caller {
	limits := wsman.Limits{Connect: connect, Exchange: m.o.AttemptTimeout}
	if m.asleep() {
		limits.Exchange = max(m.o.AttemptTimeout, m.o.WakeTimeout)
	}
	return m.client.With(limits)
}

// task is a step, or a sequence of steps, that may be repeated as a whole.
type task struct {
	op      string
	returns map[int]state.Kind // of the methods called; nil without any
	denied  state.Kind         // what an access-denied fault means
	connect time.Duration
	// patient says that refused credentials are tried once more, after the
	// wait that they demand: right after a change of settings firmware refuses
	// what is right.
	patient bool
	do      func(ctx context.Context, c wsman.Caller) error
}

// perform tries a task up to MaxRetry times within the caller's deadline, and
// returns an error of a kind.
func (m *Machine) perform(ctx context.Context, t task) error {
	wait := m.o.RetryPause
	for n := 1; ; n++ {
		err := t.do(ctx, m.caller(t.connect))
		if err == nil {
			m.cache.endSilence()
			return nil
		}
		next, again := m.retry(err, t, wait)
		if !again || n >= m.o.MaxRetry || pause(ctx, next) != nil {
			return m.failure(t, err)
		}
		m.log.Debug("trying again", "op", t.op, "attempt", n+1, "cause", err)
		wait *= 2
		if kindOf(err, t.returns, t.denied) == state.KindCredentials {
			t.patient = false
		}
	}
}

// retry decides whether a failed attempt is worth another, and after which
// pause. Waking has its own retries, inside dial.
func (m *Machine) retry(err error, t task, wait time.Duration) (time.Duration, bool) {
	var failure *wsman.Error
	if !errors.As(err, &failure) {
		return wait, kindOf(err, t.returns, t.denied) == state.KindBusy
	}
	switch failure.Reason {
	case wsman.ReasonLost:
		return wait, !errors.Is(err, wsman.ErrClosed)
	case wsman.ReasonAnswer:
		return wait, failure.MayHaveExecuted()
	case wsman.ReasonFault:
		// An internal error that comes and goes is known; an engine that times
		// out on everything does so until its power is cut.
		return wait, failure.MayHaveExecuted() && !failure.HasFault("TimedOut")
	case wsman.ReasonUnauthorized:
		return failure.Wait, t.patient && failure.Status != 0 && failure.Wait <= m.o.WrongWait
	}
	return 0, false
}

// failure makes the error that the core sees.
func (m *Machine) failure(t task, err error) error {
	kind := kindOf(err, t.returns, t.denied)
	if kind == state.KindCredentials {
		m.log.Warn("firmware refuses the credentials, or has locked the account", "op", t.op, "cause", err)
	}
	return state.Errorf(kind, t.op, m.o.Node, "%w", explainTLS(err))
}

// Capability reads what the firmware can do, and who it says it is. What this
// firmware does not know is left empty.
func (m *Machine) Capability(ctx context.Context) (state.Capability, error) {
	var result state.Capability
	err := m.each(ctx, "read capability",
		func(ctx context.Context, c wsman.Caller) error {
			sources, err := enumerateBootSources(ctx, c)
			if err != nil {
				return err
			}
			capabilities, err := getBootCapabilities(ctx, c)
			if err != nil && !isAbsent(err) {
				return err
			}
			result.Targets = targetsOf(sources, capabilities)
			return nil
		},
		func(ctx context.Context, c wsman.Caller) error {
			identities, err := enumerateSoftwareIdentities(ctx, c)
			if i := slices.IndexFunc(identities, func(s SoftwareIdentity) bool { return s.InstanceID == firmwareIdentity }); i >= 0 {
				result.Version = identities[i].VersionString
			}
			return err
		},
		func(ctx context.Context, c wsman.Caller) error {
			p, err := getComputerSystemPackage(ctx, c)
			if err != nil {
				return err
			}
			if result.UUID, err = p.UUID(); err != nil {
				m.log.Warn("the platform's UUID cannot be read", "cause", err)
			}
			return nil
		})
	if err != nil {
		return state.Capability{}, err
	}
	result.At = time.Now()
	return result, nil
}

// each performs reads one after the other; what this firmware does not have is
// no error.
func (m *Machine) each(ctx context.Context, op string, reads ...func(context.Context, wsman.Caller) error) error {
	for _, read := range reads {
		err := m.perform(ctx, task{op: op, denied: state.KindRefused, connect: m.o.ActTimeout, patient: true, do: read})
		if err != nil && !state.IsKind(err, state.KindUnsupported) {
			return err
		}
	}
	return nil
}

// isAbsent reports whether firmware answered that it does not have what was
// asked for.
func isAbsent(err error) bool {
	var failure *wsman.Error
	return errors.As(err, &failure) && failure.HasFault("DestinationUnreachable", "ActionNotSupported", "InvalidSelectors", "InvalidResourceURI")
}

func (m *Machine) refuse(kind state.Kind, op, format string, args ...any) error {
	return state.Errorf(kind, op, m.o.Node, "%w", fmt.Errorf(format, args...))
}
