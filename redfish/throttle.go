package redfish

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

const (
	// freeFailures is how many failed logins in a row cost nothing: a client
	// that tries a session and then Basic with one wrong password makes two.
	freeFailures = 4
	// longestDelay is the most that one login waits.
	longestDelay = 8 * time.Second
	// forgetFailures is how long a failure counts.
	forgetFailures = 15 * time.Minute
	// maxSuspects bounds what is remembered.
	maxSuspects = 4096
	// maxWaiting is how many logins of one suspect may wait at a time.
	maxWaiting = 8
)

// delayAfter returns how long a login waits after failures in a row.
func delayAfter(failures int) time.Duration {
	if failures < freeFailures {
		return 0
	}
	delay := 250 * time.Millisecond
	for range min(failures-freeFailures, 16) {
		delay *= 2
	}
	return min(delay, longestDelay)
}

// suspect is a source that failed to log in to an account.
type suspect struct {
	turn     chan struct{} // holds a token while none of its logins is checked
	failures int
	waiting  int
	last     time.Time
}

// throttle slows guessing: a pair of source and account that failed some times
// gets one login at a time, each after a delay. Other sources do not notice.
type throttle struct {
	wait func(ctx context.Context, d time.Duration) error

	mu       sync.Mutex
	suspects map[string]*suspect
}

func newThrottle() *throttle {
	return &throttle{wait: wait, suspects: map[string]*suspect{}}
}

// wait returns after d, or with the context's error.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// suspectKey joins source and account. An IPv6 source counts by its /64,
// within which one host has as many addresses as it likes.
func suspectKey(source, username string) string {
	if addr, err := netip.ParseAddr(source); err == nil && addr.Is6() && !addr.Is4In6() {
		if prefix, err := addr.Prefix(64); err == nil {
			source = prefix.String()
		}
	}
	return source + "\x00" + username
}

// enter waits until a login of the pair may be checked. Without an error the
// caller calls leave when it was.
func (t *throttle) enter(ctx context.Context, key string) (leave func(), err error) {
	t.mu.Lock()
	s := t.suspects[key]
	if s == nil || s.failures < freeFailures {
		t.mu.Unlock()
		return func() {}, nil
	}
	if s.waiting >= maxWaiting {
		t.mu.Unlock()
		return nil, fail(503, msg("ServiceTemporarilyUnavailable", "10")).because("too many logins that failed before are waiting")
	}
	s.waiting++
	delay := delayAfter(s.failures)
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		s.waiting--
		t.mu.Unlock()
	}()
	select {
	case <-s.turn:
	case <-ctx.Done():
		return nil, state.Errorf(state.KindTimeout, "log in", "", "waited for the login before it: %w", ctx.Err())
	}
	if err := t.wait(ctx, delay); err != nil {
		s.turn <- struct{}{}
		return nil, state.Errorf(state.KindTimeout, "log in", "", "waited after failed logins: %w", err)
	}
	return func() { s.turn <- struct{}{} }, nil
}

// count notes the result of a login that was checked.
func (t *throttle) count(key string, success bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.suspects[key]
	if success {
		delete(t.suspects, key)
		return
	}
	if s == nil {
		if len(t.suspects) >= maxSuspects {
			t.forgetOldest()
		}
		s = &suspect{turn: make(chan struct{}, 1)}
		s.turn <- struct{}{}
		t.suspects[key] = s
	}
	s.failures++
	s.last = time.Now()
}

func (t *throttle) forgetOldest() {
	oldest := ""
	for key, s := range t.suspects {
		if oldest == "" || s.last.Before(t.suspects[oldest].last) {
			oldest = key
		}
	}
	delete(t.suspects, oldest)
}

// sweep forgets failures that are long past.
func (t *throttle) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, s := range t.suspects {
		if time.Since(s.last) > forgetFailures {
			delete(t.suspects, key)
		}
	}
}
