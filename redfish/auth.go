package redfish

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
	"github.com/patrickmn/go-cache"
)

// verifiedFor is how long a password that was right is not hashed again. Many
// clients send Basic credentials with every request.
const verifiedFor = time.Minute

// authenticator checks passwords.
type authenticator struct {
	accounts Accounts
	log      *slog.Logger
	// key makes the cache's keys, so that it holds nothing from which a
	// password could be guessed outside of this process.
	key [32]byte
	// verified maps an HMAC of name and password to the stored hash that they
	// matched; where the account's hash has changed the entry is void.
	verified *cache.Cache
	// slots bounds how many passwords are hashed at a time.
	slots    chan struct{}
	throttle *throttle
	// decoy is hashed against for accounts that do not exist, so that they
	// take as long as those that do.
	decoy passwordHash
}

func newAuthenticator(accounts Accounts, log *slog.Logger) (*authenticator, error) {
	a := &authenticator{
		accounts: accounts, log: log, verified: cache.New(verifiedFor, 0),
		slots: make(chan struct{}, max(2, runtime.GOMAXPROCS(0)/2)), throttle: newThrottle(),
		decoy: passwordHash{memory: argonMemory, passes: argonPasses, lanes: argonLanes, salt: make([]byte, saltLength), sum: make([]byte, hashLength)},
	}
	for _, secret := range [][]byte{a.key[:], a.decoy.salt, a.decoy.sum} {
		if _, err := rand.Read(secret); err != nil {
			return nil, fmt.Errorf("make the authenticator's secrets: %w", err)
		}
	}
	return a, nil
}

func (a *authenticator) sweep() {
	a.verified.DeleteExpired()
	a.throttle.sweep()
}

// unauthorized is the one answer to credentials that are missing or wrong,
// whatever was wrong with them.
func unauthorized() *failure { return fail(http.StatusUnauthorized, msg("NoValidSession")) }

// login returns the account of that name if the password is its own; else the
// error is unauthorized, or says that it could not be told.
func (a *authenticator) login(ctx context.Context, source, username, password string) (state.Account, error) {
	account, err := a.accounts.Get(ctx, username)
	known := err == nil
	if err != nil && !state.IsKind(err, state.KindNotFound) {
		return state.Account{}, fmt.Errorf("look up the account: %w", err)
	}
	key := a.cacheKey(username, password)
	if known && a.wasVerified(key, account) {
		return account, nil
	}
	pair := suspectKey(source, username)
	leave, err := a.throttle.enter(ctx, pair)
	if err != nil {
		return state.Account{}, err
	}
	defer leave()
	right, err := a.verify(ctx, key, account, known, password)
	if err != nil {
		return state.Account{}, err
	}
	a.throttle.count(pair, right)
	if !right {
		a.log.Info("login refused", "source", source, "account", account.Username)
		return state.Account{}, unauthorized()
	}
	return account, nil
}

func (a *authenticator) cacheKey(username, password string) string {
	mac := hmac.New(sha256.New, a.key[:])
	fmt.Fprintf(mac, "%d:%s%s", len(username), username, password)
	return string(mac.Sum(nil))
}

func (a *authenticator) wasVerified(key string, account state.Account) bool {
	hash, found := a.verified.Get(key)
	return found && hash.(string) == account.PasswordHash
}

// verify hashes the password, after waiting for a slot.
func (a *authenticator) verify(ctx context.Context, key string, account state.Account, known bool, password string) (bool, error) {
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return false, state.Errorf(state.KindTimeout, "check password", "", "waited for other logins: %w", ctx.Err())
	}
	if known && a.wasVerified(key, account) { // by an equal request, while this one waited
		return true, nil
	}
	hash := a.decoy
	if known {
		var err error
		if hash, err = parseHash(account.PasswordHash); err != nil {
			return false, err
		}
	}
	if len(password) > maxPassword {
		password = password[:maxPassword] // HashPassword takes none as long, so it cannot match what was cut
		known = false
	}
	if !hash.matches(password) || !known {
		return false, nil
	}
	a.verified.SetDefault(key, account.PasswordHash)
	return true, nil
}

// authenticate returns who calls, by session token or else by Basic
// credentials, and the session's id where there is one.
func (c *call) authenticate() (account state.Account, session string, err error) {
	if token := c.request.Header.Get("X-Auth-Token"); token != "" {
		return c.authenticateToken(token)
	}
	username, password, found := c.request.BasicAuth()
	if !found {
		return state.Account{}, "", unauthorized()
	}
	account, err = c.auth.login(c.ctx, c.source, strings.ToValidUTF8(username, "\uFFFD"), password)
	return account, "", err
}

// authenticateToken returns the account of a session. A session whose account
// is gone is ended.
func (c *call) authenticateToken(token string) (state.Account, string, error) {
	s, found := c.sessions.use(token)
	if !found {
		return state.Account{}, "", unauthorized()
	}
	account, err := c.Accounts.Get(c.ctx, s.username)
	switch {
	case state.IsKind(err, state.KindNotFound):
		c.sessions.end(s.id)
		return state.Account{}, "", unauthorized()
	case err != nil:
		return state.Account{}, "", fmt.Errorf("look up the session's account: %w", err)
	}
	return account, s.id, nil
}
