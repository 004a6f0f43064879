package amtsim

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxNonces bounds the nonces remembered.
const maxNonces = 64

// digestState is the account's side of HTTP digest (RFC 2617, MD5).
type digestState struct {
	nonces map[string]*nonce
	order  []string // oldest first

	failures    int
	lockedUntil time.Time
	second      time.Time
	inSecond    int
}

type nonce struct{ count uint64 }

// makeRealm returns the realm of a provisioned machine: constant for it.
func (m *Machine) makeRealm() string {
	if m.profile.shortRealm {
		return fmt.Sprintf("Digest:%04X0000000000000000000000000000", m.random.Uint32N(0x10000))
	}
	return fmt.Sprintf("Digest:%016X%016X", m.random.Uint64(), m.random.Uint64())
}

// challenge returns a WWW-Authenticate value with a new nonce, spaced as
// firmware does. The lock is held.
func (m *Machine) challenge() string {
	raw := make([]byte, 0, 24)
	for range 3 {
		word := m.random.Uint64()
		for shift := 0; shift < 64; shift += 8 {
			raw = append(raw, byte(word>>shift))
		}
	}
	value := base64.StdEncoding.EncodeToString(raw)
	m.digest.nonces[value] = &nonce{}
	m.digest.order = append(m.digest.order, value)
	if len(m.digest.order) > maxNonces {
		delete(m.digest.nonces, m.digest.order[0])
		m.digest.order = m.digest.order[1:]
	}
	return fmt.Sprintf(`Digest realm="%s", nonce="%s",stale="false",qop="%s"`, m.realm, value, m.profile.qop)
}

var (
	credentialPair = regexp.MustCompile(`([a-zA-Z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)`)
	strictCount    = regexp.MustCompile(`^[0-9a-f]{8}$`)
)

// parseCredentials reads the pairs of an Authorization header; values may be
// quoted or not.
func parseCredentials(header string) map[string]string {
	rest, ok := strings.CutPrefix(header, "Digest ")
	if !ok {
		return nil
	}
	pairs := make(map[string]string)
	for _, found := range credentialPair.FindAllStringSubmatch(rest, -1) {
		pairs[strings.ToLower(found[1])] = found[2] + found[3]
	}
	return pairs
}

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// digestResponse is the response a right answer has (RFC 2617, 3.2.2).
func (m *Machine) digestResponse(method string, body []byte, c map[string]string) string {
	ha1 := md5Hex(m.options.Username + ":" + m.realm + ":" + m.options.Password)
	a2 := method + ":" + c["uri"]
	if c["qop"] == "auth-int" {
		a2 += ":" + md5Hex(string(body))
	}
	return md5Hex(strings.Join([]string{ha1, c["nonce"], c["nc"], c["cnonce"], c["qop"], md5Hex(a2)}, ":"))
}

// admit decides whether a request may pass. session is the header that an
// earlier request on the same TLS connection passed with: it passes again
// (session cache of the vendor's authentication options). The lock is held.
func (m *Machine) admit(r *http.Request, body []byte, session string) bool {
	now := time.Now()
	d := &m.digest
	if limit := m.options.Flood.PerSecond; limit > 0 {
		if second := now.Truncate(time.Second); !second.Equal(d.second) {
			d.second, d.inSecond = second, 0
		}
		if d.inSecond++; d.inSecond > limit {
			return false
		}
	}
	header := r.Header.Get("Authorization")
	if header == "" || now.Before(d.lockedUntil) {
		return false
	}
	if session != "" && session == header {
		return true
	}
	c := parseCredentials(header)
	if wrong := m.malformed(r, c); wrong != "" {
		m.noteBogus("Authorization: " + wrong)
		return false
	}
	known, ok := d.nonces[c["nonce"]]
	if !ok {
		return false // a nonce of before, or forgotten: a new one does it
	}
	right := m.digestResponse(r.Method, body, c)
	if c["username"] != m.options.Username || c["realm"] != m.realm ||
		subtle.ConstantTimeCompare([]byte(right), []byte(c["response"])) != 1 {
		m.counters.WrongCredentials++
		d.failures++
		if limit := m.options.Lockout.Failures; limit > 0 && d.failures >= limit {
			d.failures, d.lockedUntil = 0, now.Add(m.options.Lockout.Duration)
		}
		return false
	}
	return m.spend(known, c)
}

// malformed says what no correct client sends, or "".
func (m *Machine) malformed(r *http.Request, c map[string]string) string {
	switch {
	case c["uri"] != r.URL.Path:
		return "uri is not the path"
	case !slices.Contains(strings.Split(m.profile.qop, ", "), c["qop"]):
		return "qop " + strconv.Quote(c["qop"]) + " was not offered"
	case c["cnonce"] == "":
		return "cnonce missing"
	case m.profile.strictCount && !strictCount.MatchString(c["nc"]):
		return "nc " + strconv.Quote(c["nc"]) + " is not 8 lower-case hex digits"
	}
	return ""
}

// spend takes one use of a nonce, whose count must rise; now and then a good
// one that was used before is refused. The lock is held.
func (m *Machine) spend(known *nonce, c map[string]string) bool {
	count, err := strconv.ParseUint(c["nc"], 16, 32)
	if err != nil || count <= known.count {
		m.noteBogus("Authorization: nc " + strconv.Quote(c["nc"]) + " does not rise")
		return false
	}
	if known.count > 0 && !m.options.Quirks.StableNonces && m.random.IntN(20) == 0 {
		delete(m.digest.nonces, c["nonce"])
		m.counters.NonceResets++
		return false
	}
	known.count = count
	m.digest.failures = 0
	return true
}
