package wsman

import (
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
)

const (
	keepSuccesses = 8
	keepFailures  = 16
	keepBytes     = 8 << 10 // of each body
)

// Exchange is one request and its answer. A challenge is an exchange of its
// own, with Status 401.
type Exchange struct {
	Op     string
	At     time.Time
	Took   time.Duration
	Status int // HTTP; 0 where no answer came
	// Failure says why there is no answer; empty where there is one.
	Failure string
	// Sent and Received are the envelopes. Heads are left out, since they hold
	// the proof of the password.
	Sent, Received []byte
}

// Failed reports whether the exchange was no success.
func (e Exchange) Failed() bool { return e.Failure != "" || e.Status != http.StatusOK }

// history keeps the last exchanges. Failures have room of their own, so that
// the polling that follows does not push them out.
type history struct {
	mu                  sync.Mutex
	successes, failures []Exchange
}

var secretElement = regexp.MustCompile(`(<[^<>/]*(?:Password|Passphrase|Secret)(?:\s[^<>]*)?>)[^<]+(<|$)`)

// scrub cuts a body and replaces the passwords in it. Most bodies have none,
// and a quick look costs less than the expression.
func scrub(text []byte) []byte {
	if len(text) > keepBytes {
		text = text[:keepBytes]
	}
	for _, hint := range []string{"Password", "Passphrase", "Secret"} {
		if bytes.Contains(text, []byte(hint)) {
			return secretElement.ReplaceAll(text, []byte("${1}[secret]${2}"))
		}
	}
	return text
}

func (h *history) add(e Exchange) {
	e.Sent, e.Received = scrub(e.Sent), scrub(e.Received)
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Failed() {
		h.failures = last(append(h.failures, e), keepFailures)
		return
	}
	h.successes = last(append(h.successes, e), keepSuccesses)
}

// last keeps the last n, without holding on to those before.
func last(list []Exchange, n int) []Exchange {
	if len(list) <= n {
		return list
	}
	return slices.Delete(list, 0, len(list)-n)
}

func (h *history) list() []Exchange {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := slices.Concat(h.successes, h.failures)
	slices.SortStableFunc(all, func(a, b Exchange) int { return a.At.Compare(b.At) })
	return all
}
