package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

// said is one power state that the firmware told, and when its reply was read.
type said struct {
	power state.PowerState
	at    time.Time
}

// wire is all connections of one gateway process to one engine. It remembers
// what the firmware said of its power, and can be cut as a crash cuts it.
type wire struct {
	mu    sync.Mutex
	dead  bool
	taps  []*tap
	power []said
}

var errCrashed = errors.New("the process has crashed")

// dial makes a connection that is listened to.
func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return nil, errors.Join(errCrashed, conn.Close())
	}
	t := &tap{Conn: conn, wire: w}
	w.taps = append(w.taps, t)
	return t, nil
}

// crash lets nothing more be sent.
func (w *wire) crash() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = true
}

// drain waits, when nobody uses the connections any more, until the engine has
// dealt with what was sent before the crash, and closes them.
func (w *wire) drain() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.taps {
		if t.closed {
			continue
		}
		var err error
		if t.pending {
			err = t.SetReadDeadline(time.Now().Add(scenarioPatience))
			if err == nil {
				_, err = t.Conn.Read(make([]byte, 1))
			}
		}
		if closed := t.Conn.Close(); errors.Is(err, context.DeadlineExceeded) || closed != nil {
			return errors.Join(err, closed)
		}
	}
	return nil
}

// saidSo reports whether the firmware said what an observation claims, in the
// exchange that ended, or began, at the observation's time.
func (w *wire) saidSo(o state.Observation) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.taps {
		t.listen()
	}
	before, after := state.PowerUnknown, state.PowerUnknown
	for _, s := range w.power {
		if s.at.After(o.At) {
			after = s.power
			break
		}
		before = s.power
	}
	return o.Power == before || o.Power == after
}

// tap is a connection that is listened to. The wire's lock guards it.
type tap struct {
	net.Conn
	wire    *wire
	pending bool // a request was sent, and nothing of its reply has come
	closed  bool
	reply   bytes.Buffer
	heard   time.Time
}

// Write implements net.Conn.
func (t *tap) Write(p []byte) (int, error) {
	t.wire.mu.Lock()
	if t.wire.dead {
		t.wire.mu.Unlock()
		return 0, errCrashed
	}
	t.listen()
	t.pending = true
	t.wire.mu.Unlock()
	return t.Conn.Write(p)
}

// Read implements net.Conn.
func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.wire.mu.Lock()
	defer t.wire.mu.Unlock()
	if n > 0 {
		t.pending = false
		t.reply.Write(p[:n])
		t.heard = time.Now()
	}
	return n, err
}

// Close implements net.Conn. What a crash cuts is closed by drain.
func (t *tap) Close() error {
	t.wire.mu.Lock()
	defer t.wire.mu.Unlock()
	t.listen()
	if t.wire.dead {
		return nil
	}
	t.closed = true
	return t.Conn.Close()
}

var (
	// powerShown finds the power state, and not the list of those that may be
	// requested.
	powerShown = regexp.MustCompile(`[:<]PowerState>(\d+)<`)
	// powersSaid are the numbers that the simulated host can have (DMTF,
	// CIM_AssociatedPowerManagementService.PowerState).
	powersSaid = map[int]state.PowerState{2: state.PowerOn, 4: state.PowerSleeping, 7: state.PowerHibernated, 8: state.PowerOff}
)

// listen notes the power state in the last reply, if it is complete and has
// one. The lock is held.
func (t *tap) listen() {
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(t.reply.Bytes())), nil)
	if err != nil {
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return
	}
	t.reply.Reset()
	if shown := powerShown.FindSubmatch(body); shown != nil {
		if number, err := strconv.Atoi(string(shown[1])); err == nil {
			t.wire.power = append(t.wire.power, said{powersSaid[number], t.heard})
		}
	}
}
