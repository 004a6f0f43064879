package redfish

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/patrickmn/go-cache"
)

// session is one login. It never changes after it was made.
type session struct {
	id       string
	username string
	source   string
	created  time.Time
	key      string // the token's hash, which is all that is kept of it
}

// sessions are the logins that have not expired. They live in memory only: a
// client whose session is gone logs in again.
type sessions struct {
	timeout time.Duration
	most    int

	// mu makes look-up and change one step.
	mu     sync.Mutex
	active *cache.Cache // token hash -> session; its expiry slides with each use
}

// newSessions makes the store. The cache gets no cleanup goroutine of its own;
// Server.Run sweeps it.
func newSessions(timeout time.Duration, most int) *sessions {
	return &sessions{timeout: timeout, most: most, active: cache.New(timeout, 0)}
}

func tokenKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return string(sum[:])
}

// begin makes a session and its token, of 256 random bits. Where the account
// has as many as it may have, the one that was idle longest ends.
func (s *sessions) begin(username, source string, now time.Time) (session, string, error) {
	token, err := randomText(32)
	if err != nil {
		return session{}, "", err
	}
	id, err := randomText(8)
	if err != nil {
		return session{}, "", err
	}
	made := session{id: id, username: username, source: source, created: now, key: tokenKey(token)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evict(username)
	s.active.Set(made.key, made, s.timeout)
	return made, token, nil
}

// evict makes room for one more session of the account.
func (s *sessions) evict(username string) {
	type aged struct {
		key     string
		expires int64
	}
	var own []aged
	for key, item := range s.active.Items() {
		if item.Object.(session).username == username {
			own = append(own, aged{key, item.Expiration})
		}
	}
	if len(own) < s.most {
		return
	}
	// What was used first expires first, since every use pushes the expiry.
	slices.SortFunc(own, func(a, b aged) int { return cmp.Compare(a.expires, b.expires) })
	for _, old := range own[:len(own)-s.most+1] {
		s.active.Delete(old.key)
	}
}

// use returns the session of a token and prolongs it.
func (s *sessions) use(token string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.active.Get(tokenKey(token))
	if !ok {
		return session{}, false
	}
	used := found.(session)
	s.active.Set(used.key, used, s.timeout)
	return used, true
}

// list returns the sessions of an account, or of all for "", oldest first.
func (s *sessions) list(username string) []session {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []session{}
	for _, item := range s.active.Items() {
		if one := item.Object.(session); username == "" || one.username == username {
			found = append(found, one)
		}
	}
	slices.SortFunc(found, func(a, b session) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.id, b.id))
	})
	return found
}

// end removes a session and reports whether there was one.
func (s *sessions) end(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, item := range s.active.Items() {
		if item.Object.(session).id == id {
			s.active.Delete(key)
			return true
		}
	}
	return false
}

// sweep drops what expired.
func (s *sessions) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active.DeleteExpired()
}
