package amt

import (
	"context"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
	"github.com/amt-redfish/amt-redfish/state"
)

// flight is one reading that several callers wait for.
type flight struct {
	epoch   uint64
	start   time.Time
	waiters int // guarded by Machine.mu; at 0 the reading may be given up
	cancel  context.CancelFunc
	done    chan struct{} // closed when o and err are set
	o       state.Observation
	err     error
}

// Observe implements state.Machine: one Get of the power association. The
// reading goes on while anybody waits for it, whoever asked first.
func (m *Machine) Observe(ctx context.Context, maxAge time.Duration) (state.Observation, error) {
	m.mu.Lock()
	if m.closed {
		defer m.mu.Unlock()
		return m.last, m.refuse(state.KindClosed, "observe", "%w", wsman.ErrClosed)
	}
	if maxAge > 0 {
		if o, ok := m.cache.observation(maxAge); ok {
			m.mu.Unlock()
			return o, nil
		}
		if err := m.cache.silence(); err != nil {
			defer m.mu.Unlock()
			return m.last, err
		}
	}
	f := m.flight
	if f == nil || f.epoch != m.epoch {
		connect := m.o.ConnectTimeout
		if maxAge == 0 {
			connect = m.o.ActTimeout // somebody is about to act: wake it
		}
		f = m.takeOff(ctx, connect)
	}
	f.waiters++
	m.mu.Unlock()
	return m.await(ctx, f, maxAge > 0)
}

// await waits for a flight. Who would be content with a recent reading does
// not wait longer than ConnectTimeout for a connection that somebody else
// makes with more patience. A reading that outlasts such a caller goes on:
// others are told that the node is silent meanwhile, and get what it brings.
func (m *Machine) await(ctx context.Context, f *flight, hasty bool) (state.Observation, error) {
	look := time.NewTicker(m.o.ConnectTimeout)
	defer look.Stop()
	for {
		select {
		case <-f.done:
			return f.o, f.err
		case <-ctx.Done():
			if hasty && time.Since(f.start) >= m.o.ConnectTimeout {
				err := m.refuse(state.KindUnreachable, "observe", "no answer after %s", time.Since(f.start).Round(time.Millisecond))
				return m.outlive(f, err), err
			}
			return m.leave(f), m.refuse(state.KindTimeout, "observe", "wait for the reading: %w", ctx.Err())
		case <-look.C:
			if hasty && m.connecting() {
				err := m.refuse(state.KindUnreachable, "observe", "no connection after %s", m.o.ConnectTimeout)
				m.cache.keepSilence(err, m.o.Silence)
				return m.leave(f), err
			}
		}
	}
}

// connecting reports whether somebody has been trying to connect for long.
func (m *Machine) connecting() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.dialing.IsZero() && time.Since(m.dialing) >= m.o.ConnectTimeout/2
}

// outlive leaves a flight that goes on without anybody who waits, notes that
// the node is silent, and returns the last reading.
func (m *Machine) outlive(f *flight, err error) state.Observation {
	m.mu.Lock()
	defer m.mu.Unlock()
	f.waiters--
	if m.flight == f {
		m.cache.keepSilence(err, m.o.Silence)
	}
	return m.last
}

// leave gives up waiting for a flight, and returns the last reading.
func (m *Machine) leave(f *flight) state.Observation {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.waiters--; f.waiters == 0 {
		f.cancel()
		if m.flight == f {
			m.flight = nil
		}
	}
	return m.last
}

// takeOff starts a reading; the caller holds the lock.
func (m *Machine) takeOff(ctx context.Context, connect time.Duration) *flight {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{epoch: m.epoch, start: time.Now(), cancel: cancel, done: make(chan struct{})}
	m.flight = f
	m.flights.Add(1)
	go func() {
		defer m.flights.Done()
		defer cancel()
		o, err := m.read(ctx, connect)
		m.land(f, o, err)
	}()
	return f
}

// land records what a flight brought. A reading that a power request overtook
// is dated back to its start and not shared.
func (m *Machine) land(f *flight, o state.Observation, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	current := f.epoch == m.epoch
	if err == nil {
		o.At = f.start
		if current {
			o.At = time.Now()
			m.cache.keepObservation(o)
		}
		if o.At.After(m.last.At) {
			m.last = o
		}
		f.o = o
	} else {
		f.o, f.err = m.last, err
		if current && f.waiters > 0 && state.IsKind(err, state.KindUnreachable) { // not given up
			m.cache.keepSilence(err, m.o.Silence)
		}
	}
	if m.flight == f {
		m.flight = nil
	}
	close(f.done)
}

// forgetReading makes sure that no reading from before this moment is shared.
func (m *Machine) forgetReading() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
	m.cache.forgetObservation()
	m.cache.endSilence()
}

const plainGet = "Get CIM_AssociatedPowerManagementService"

// read reads the power association.
func (m *Machine) read(ctx context.Context, connect time.Duration) (state.Observation, error) {
	var reading AssociatedPowerManagementService
	err := m.perform(ctx, task{op: "observe", denied: state.KindRefused, connect: connect, do: func(ctx context.Context, c wsman.Caller) (err error) {
		if !m.cache.absent(plainGet) {
			if reading, err = getAssociatedPower(ctx, c); !isAbsent(err) {
				return err
			}
		}
		if reading, err = enumerateAssociatedPower(ctx, c); err == nil {
			m.cache.keepAbsent(plainGet)
		}
		return err
	}})
	if err != nil {
		return state.Observation{}, err
	}
	return observation(reading), nil
}
