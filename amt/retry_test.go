package amt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
	"github.com/amt-redfish/amt-redfish/state"
)

func TestRetry(t *testing.T) {
	m := attach(t, "127.0.0.1:1", func(o *Options) { o.WrongWait = 3 * time.Second })
	fault := func(status int, subcode string, amt int) error {
		return &wsman.Error{Reason: wsman.ReasonFault, Status: status, Fault: &wsman.Fault{Subcode: subcode, Status: amt}}
	}
	const usual, wrong = time.Second, 3 * time.Second
	for _, test := range []struct {
		name  string
		err   error
		again bool
		wait  time.Duration
	}{
		{"no connection: waking has its own retries", &wsman.Error{Reason: wsman.ReasonDial}, false, 0},
		{"no time", &wsman.Error{Reason: wsman.ReasonWaiting, Err: context.Canceled}, false, 0},
		{"lost", &wsman.Error{Reason: wsman.ReasonLost}, true, usual},
		{"lost by closing", &wsman.Error{Reason: wsman.ReasonLost, Err: wsman.ErrClosed}, false, usual},
		{"server error", &wsman.Error{Reason: wsman.ReasonAnswer, Status: 503}, true, usual},
		{"garbage", &wsman.Error{Reason: wsman.ReasonAnswer, Status: 200}, true, usual},
		{"client error", &wsman.Error{Reason: wsman.ReasonAnswer, Status: 404}, false, usual},
		{"sporadic internal error", fault(500, "InternalError", -1), true, usual},
		{"internal error with a status", fault(500, "InternalError", 16), false, usual},
		{"engine that times out", fault(500, "TimedOut", -1), false, usual},
		{"refusal", fault(400, "AccessDenied", -1), false, usual},
		{"first refusal of credentials", &wsman.Error{Reason: wsman.ReasonUnauthorized, Status: 401, Wait: wrong}, true, wrong},
		{"cooling down", &wsman.Error{Reason: wsman.ReasonUnauthorized, Status: 401, Wait: time.Minute}, false, time.Minute},
		{"nothing was sent", &wsman.Error{Reason: wsman.ReasonUnauthorized, Wait: time.Second}, false, time.Second},
		{"busy", &ReturnError{Value: 3}, true, usual},
		{"no", &ReturnError{Value: 5}, false, usual},
	} {
		wait, again := m.retry(fmt.Errorf("step: %w", test.err), task{returns: bootReturns, patient: true}, usual)
		if again != test.again || again && wait != test.wait {
			t.Errorf("%s: again %v after %s", test.name, again, wait)
		}
	}
	if _, again := m.retry(&wsman.Error{Reason: wsman.ReasonUnauthorized, Status: 401, Wait: wrong}, task{}, usual); again {
		t.Error("a task without patience tries refused credentials again")
	}
}

func TestPerformCountsAttemptsAndDoublesThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := attach(t, "127.0.0.1:1", func(o *Options) { o.MaxRetry, o.RetryPause = 4, time.Second })
		start := time.Now()
		var at []time.Duration
		err := m.perform(t.Context(), task{op: "try", do: func(context.Context, wsman.Caller) error {
			at = append(at, time.Since(start))
			return &wsman.Error{Reason: wsman.ReasonLost}
		}})
		wantKind(t, err, state.KindUnreachable)
		if got := fmt.Sprint(at); got != "[0s 1s 3s 7s]" {
			t.Errorf("attempts at %s", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		at = nil
		err = m.perform(ctx, task{op: "try", do: func(context.Context, wsman.Caller) error {
			at = append(at, 0)
			return &ReturnError{Method: "m", Value: 3}
		}, returns: bootReturns})
		wantKind(t, err, state.KindBusy)
		if len(at) != 2 {
			t.Errorf("%d attempts before the deadline", len(at))
		}
	})
}

func TestWaking(t *testing.T) {
	refused := fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	lost := errors.New("no route")
	for _, test := range []struct {
		name  string
		awake time.Duration // how long ago it answered; negative is never
		cause error
		tries int
		took  time.Duration
	}{
		{"awake, lost", 30 * time.Second, lost, 1, 0},
		{"asleep, refused: somebody is awake there", 90 * time.Second, refused, 3, 2 * time.Second},
		{"asleep, lost", 90 * time.Second, lost, 5, 4500 * time.Millisecond},
		{"never seen, lost", -1, lost, 5, 4500 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				count := 0
				m := attach(t, "127.0.0.1:1", func(o *Options) {
					o.AwakeInterval, o.WakePause, o.ConnectTimeout = time.Minute, time.Second, 4500*time.Millisecond
					o.Dial = func(context.Context, string, string) (net.Conn, error) {
						count++
						return nil, test.cause
					}
				})
				if test.awake >= 0 {
					m.noted(wsman.Exchange{Status: 200})
					time.Sleep(test.awake)
				}
				start := time.Now()
				_, err := m.Observe(t.Context(), time.Second)
				wantKind(t, err, state.KindUnreachable)
				if count != test.tries || time.Since(start) != test.took {
					t.Errorf("%d tries in %s, want %d in %s", count, time.Since(start), test.tries, test.took)
				}
			})
		})
	}
}

// An engine that wakes drops the connections it accepts at first.
func TestDroppedConnectionsAreNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := 0
		var kept net.Conn
		m := attach(t, "127.0.0.1:1", func(o *Options) {
			o.AwakeInterval, o.WakePause = time.Minute, time.Second
			o.Dial = func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				if count++; count < 3 {
					far.Close()
				} else {
					kept = far
				}
				return near, nil
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		conn, err := m.dial(ctx, "tcp", "x")
		if err != nil || count != 3 {
			t.Fatalf("%d tries, %v", count, err)
		}
		go kept.Write([]byte("x"))
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Errorf("the connection is of no use: %v", err)
		}
		conn.Close()
		kept.Close()
		m.noted(wsman.Exchange{Status: 401})
		if m.asleep() {
			t.Error("who answers, if only with a challenge, is awake")
		}
		time.Sleep(time.Minute + 1)
		if !m.asleep() {
			t.Error("it is awake for ever")
		}
		m.noted(wsman.Exchange{Failure: "lost"})
		if !m.asleep() {
			t.Error("who does not answer is not awake")
		}
	})
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache()
		if _, ok := c.observation(time.Hour); ok || c.silence() != nil || c.absent("x") {
			t.Error("an empty cache holds something")
		}
		c.keepObservation(state.Observation{Power: state.PowerOn, At: time.Now()})
		c.keepSilence(errDropped, 12*time.Second)
		c.keepAbsent("x")
		time.Sleep(2 * time.Second)
		if o, ok := c.observation(2 * time.Second); !ok || o.Power != state.PowerOn {
			t.Error("a reading as old as allowed is not shared")
		}
		if _, ok := c.observation(2*time.Second - 1); ok {
			t.Error("a reading older than allowed is shared")
		}
		time.Sleep(9 * time.Second)
		if !errors.Is(c.silence(), errDropped) {
			t.Error("silence is forgotten early")
		}
		time.Sleep(2 * time.Second)
		if c.silence() != nil {
			t.Error("silence lasts")
		}
		if !c.absent("x") || c.absent("y") {
			t.Error("absence is mixed up")
		}
		time.Sleep(absence)
		if c.absent("x") {
			t.Error("absence lasts")
		}
		c.forgetObservation()
		if _, ok := c.observation(24 * time.Hour); ok {
			t.Error("a forgotten reading is shared")
		}
	})
}
