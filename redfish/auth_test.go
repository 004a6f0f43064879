package redfish

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

func TestPasswordHash(t *testing.T) {
	text, err := testHash()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(text, password) {
		t.Errorf("hash %q", text)
	}
	h, err := parseHash(text)
	if err != nil || h.String() != text {
		t.Fatalf("%q decodes to %q, %v", text, h.String(), err)
	}
	if !h.matches(password) || h.matches(password+"x") || h.matches("") {
		t.Error("matching is wrong")
	}
	for name, bad := range map[string]string{"empty": "", "long": strings.Repeat("x", maxPassword+1)} {
		if _, err := HashPassword(bad); !state.IsKind(err, state.KindInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again, err := HashPassword(password); err != nil || again == text {
		t.Errorf("two hashes of one password are equal, or %v", err)
	}
}

func TestParseHashRefuses(t *testing.T) {
	good := passwordHash{memory: 64, passes: 1, lanes: 1, salt: make([]byte, 16), sum: make([]byte, 32)}.String()
	if _, err := parseHash(good); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": "", "bcrypt": "$2a$10$abcdefghijklmnopqrstuv", "other version": strings.Replace(good, "v=19", "v=16", 1),
		"no passes": strings.Replace(good, "t=1", "t=0", 1), "no lanes": strings.Replace(good, "p=1", "p=0", 1),
		"all memory": strings.Replace(good, "m=64", "m=4000000000", 1), "not base64": good + "!", "short": good[:len(good)-30],
		"not numbers": strings.Replace(good, "m=64", "m=x", 1),
	} {
		if _, err := parseHash(bad); !state.IsKind(err, state.KindStore) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err != nil && !state.IsKind(err, state.KindStore) {
			t.Errorf("error without its kind: %v", err)
		}
		if err == nil && (h.memory > maxArgonMemory || h.passes < 1 || h.lanes < 1) {
			t.Errorf("took %+v", h)
		}
	})
}

func newTestAuthenticator(t *testing.T) (*authenticator, *fakeAccounts) {
	t.Helper()
	hash, err := testHash()
	if err != nil {
		t.Fatal(err)
	}
	accounts := &fakeAccounts{byKey: map[string]state.Account{reader: {Username: reader, PasswordHash: hash, Role: state.RoleReadOnly}}}
	a, err := newAuthenticator(accounts, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return a, accounts
}

// TestVerifiedIsRemembered checks that a right password is hashed once, that
// the memory is void when the hash changes, and that it holds no password.
func TestVerifiedIsRemembered(t *testing.T) {
	a, accounts := newTestAuthenticator(t)
	ctx := t.Context()
	if _, err := a.login(ctx, "192.0.2.1", reader, password); err != nil {
		t.Fatal(err)
	}
	for key := range a.verified.Items() {
		if strings.Contains(key, password) || strings.Contains(key, reader) {
			t.Errorf("the memory's key is %q", key)
		}
	}
	for range cap(a.slots) {
		a.slots <- struct{}{} // from here on nothing can be hashed
	}
	if _, err := a.login(ctx, "192.0.2.1", reader, password); err != nil {
		t.Errorf("a password that was right a moment ago: %v", err)
	}
	accounts.change(func(byKey map[string]state.Account) {
		account := byKey[reader]
		account.PasswordHash = passwordHash{memory: 64, passes: 1, lanes: 1, salt: make([]byte, 16), sum: make([]byte, 32)}.String()
		byKey[reader] = account
	})
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := a.login(ended, "192.0.2.1", reader, password); !state.IsKind(err, state.KindTimeout) {
		t.Errorf("the old password after a change: %v; want it hashed again", err)
	}
	for range cap(a.slots) {
		<-a.slots
	}
	if _, err := a.login(ctx, "192.0.2.1", reader, password); failureOf(err).status != 401 {
		t.Errorf("the old password after a change: %v", err)
	}
	a.sweep()
}

func TestLoginErrors(t *testing.T) {
	a, accounts := newTestAuthenticator(t)
	for name, try := range map[string][2]string{
		"wrong": {reader, "x"}, "unknown": {"nobody", password}, "empty": {"", ""}, "no password": {reader, ""},
		"long": {reader, password + strings.Repeat("x", 2*maxPassword)},
	} {
		if _, err := a.login(t.Context(), name, try[0], try[1]); failureOf(err).status != 401 {
			t.Errorf("%s: %v", name, err)
		}
	}
	accounts.change(func(byKey map[string]state.Account) { byKey["odd"] = state.Account{Username: "odd", PasswordHash: "?"} })
	if _, err := a.login(t.Context(), "", "odd", "x"); !state.IsKind(err, state.KindStore) {
		t.Errorf("a broken hash: %v", err)
	}
}

// TestThrottle makes one source fail: its further logins to that account wait,
// longer each time, while other sources and accounts do not notice.
func TestThrottle(t *testing.T) {
	a, _ := newTestAuthenticator(t)
	var waits []time.Duration
	a.throttle.wait = func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}
	ctx := t.Context()
	for range freeFailures + 2 {
		if _, err := a.login(ctx, "192.0.2.66", reader, "guess"); failureOf(err).status != 401 {
			t.Fatal(err)
		}
	}
	if len(waits) != 2 || waits[0] <= 0 || waits[1] <= waits[0] {
		t.Errorf("waits %v", waits)
	}
	if _, err := a.login(ctx, "192.0.2.1", reader, password); err != nil || len(waits) != 2 {
		t.Errorf("another source: %v, waits %v", err, waits)
	}
	if _, err := a.login(ctx, "192.0.2.66", reader, password); err != nil || len(waits) != 2 {
		t.Errorf("a password that was verified: %v, waits %v", err, waits)
	}
	a.verified.Flush()
	if _, err := a.login(ctx, "192.0.2.66", reader, password); err != nil || len(waits) != 3 {
		t.Errorf("the right password after failures: %v, waits %v", err, waits)
	}
	if _, err := a.login(ctx, "192.0.2.66", reader, "guess"); failureOf(err).status != 401 || len(waits) != 3 {
		t.Errorf("after a success: %v, waits %v", err, waits)
	}
}

// TestThrottleSurvivesHangingUp checks that leaving early does not clear the
// count, and that the turn is given back.
func TestThrottleSurvivesHangingUp(t *testing.T) {
	th := newThrottle()
	th.wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	for range freeFailures {
		th.count("k", false)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := th.enter(gone, "k"); !state.IsKind(err, state.KindTimeout) {
		t.Fatalf("entered with an ended context: %v", err)
	}
	leave, err := th.enter(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := th.enter(gone, "k"); !state.IsKind(err, state.KindTimeout) {
		t.Errorf("two in turn: %v", err)
	}
	leave()
	if th.suspects["k"].failures != freeFailures || th.suspects["k"].waiting != 0 {
		t.Errorf("%+v", th.suspects["k"])
	}
}

func TestThrottleBoundsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		for range freeFailures {
			th.count("k", false)
		}
		results := make(chan error)
		for range maxWaiting + 1 {
			go func() {
				leave, err := th.enter(t.Context(), "k")
				if err == nil {
					leave()
				}
				results <- err
			}()
		}
		refused := 0
		for range maxWaiting + 1 {
			var f *failure
			if err := <-results; errors.As(err, &f) && f.status == 503 {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		}
		if refused != 1 {
			t.Errorf("%d refused", refused)
		}
	})
}

func TestThrottleForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle()
		for i := range maxSuspects + 10 {
			th.count(suspectKey("192.0.2.1", string(rune('a'+i))), false)
			time.Sleep(time.Millisecond)
		}
		if len(th.suspects) != maxSuspects {
			t.Errorf("%d are remembered", len(th.suspects))
		}
		if th.suspects[suspectKey("192.0.2.1", "a")] != nil {
			t.Error("the oldest is remembered")
		}
		time.Sleep(forgetFailures)
		th.sweep()
		if len(th.suspects) != 0 {
			t.Errorf("%d are remembered for ever", len(th.suspects))
		}
	})
}

func TestDelays(t *testing.T) {
	previous := time.Duration(-1)
	for failures := range 100 {
		d := delayAfter(failures)
		if d < previous || d > longestDelay || (d == 0) != (failures < freeFailures) {
			t.Errorf("after %d failures %v", failures, d)
		}
		previous = d
	}
	if suspectKey("2001:db8::1", "a") != suspectKey("2001:db8::2", "a") || suspectKey("2001:db8::1", "a") == suspectKey("2001:db8:0:1::1", "a") {
		t.Error("IPv6 sources do not count by /64")
	}
	if suspectKey("192.0.2.1", "a") == suspectKey("192.0.2.2", "a") || suspectKey("192.0.2.1", "a") == suspectKey("192.0.2.1", "b") {
		t.Error("sources or accounts are mixed up")
	}
}
