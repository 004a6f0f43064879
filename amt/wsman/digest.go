package wsman

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// challenge is what a server asks for with HTTP digest (RFC 2617, 3.2.1).
type challenge struct {
	realm, nonce, opaque string
	qop                  []string
	stale                bool
	// algorithm is as sent; empty is MD5.
	algorithm string
}

const maxChallenge = 8 << 10 // bytes of one header field

// parseChallenge finds the digest challenge among WWW-Authenticate fields,
// each of which may hold several challenges (RFC 2617, 1.2).
func parseChallenge(fields []string) (challenge, error) {
	for _, field := range fields {
		if len(field) > maxChallenge {
			return challenge{}, fmt.Errorf("challenge of %d bytes is too long", len(field))
		}
		c, found, err := parseField(field)
		if err != nil {
			return challenge{}, err
		}
		if found {
			return c, c.check()
		}
	}
	return challenge{}, fmt.Errorf("the server offers no digest authentication")
}

func (c challenge) check() error {
	switch {
	case c.nonce == "":
		return fmt.Errorf("challenge without a nonce")
	case c.algorithm != "" && !strings.EqualFold(c.algorithm, "MD5"):
		return fmt.Errorf("challenge for algorithm %q; only MD5 is known", cut(c.algorithm, 40))
	case len(c.qop) > 0 && c.chooseQop() == "":
		return fmt.Errorf("challenge offers qop %q; only auth and auth-int are known", cut(strings.Join(c.qop, ","), 80))
	}
	return nil
}

// parseField reads the first digest challenge of one field. A word that no
// equals sign follows begins a new challenge.
func parseField(field string) (c challenge, found bool, err error) {
	s := &scanner{text: field}
	for {
		s.skip(" \t,")
		if s.done() {
			return c, found, nil
		}
		word := s.token()
		if word == "" {
			return c, false, fmt.Errorf("challenge has an unexpected %q at %d", s.text[s.pos:s.pos+1], s.pos)
		}
		s.skip(" \t")
		if !s.take('=') {
			if found {
				return c, true, nil
			}
			found = strings.EqualFold(word, "Digest")
			continue
		}
		s.skip(" \t=")
		value, err := s.value()
		if err != nil {
			return c, false, err
		}
		if found {
			c.set(strings.ToLower(word), value)
		}
	}
}

func (c *challenge) set(name, value string) {
	switch name {
	case "realm":
		c.realm = value
	case "nonce":
		c.nonce = value
	case "opaque":
		c.opaque = value
	case "algorithm":
		c.algorithm = value
	case "stale":
		c.stale = strings.EqualFold(value, "true")
	case "qop": // "auth-int, auth" since AMT 16.1.25
		c.qop = nil
		for option := range strings.SplitSeq(value, ",") {
			if option = strings.ToLower(strings.TrimSpace(option)); option != "" {
				c.qop = append(c.qop, option)
			}
		}
	}
}

// chooseQop returns the protection to use: auth wherever it is offered.
func (c challenge) chooseQop() string {
	for _, qop := range []string{"auth", "auth-int"} {
		if slices.Contains(c.qop, qop) {
			return qop
		}
	}
	return ""
}

// scanner reads header fields (RFC 2616, 2.2).
type scanner struct {
	text string
	pos  int
}

func (s *scanner) done() bool { return s.pos >= len(s.text) }

func (s *scanner) skip(set string) {
	for !s.done() && strings.IndexByte(set, s.text[s.pos]) >= 0 {
		s.pos++
	}
}

func (s *scanner) take(b byte) bool {
	if s.done() || s.text[s.pos] != b {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) token() string {
	start := s.pos
	for !s.done() && s.text[s.pos] > ' ' && s.text[s.pos] < 0x7f && strings.IndexByte(`"(),:;<=>?@[\]{}`, s.text[s.pos]) < 0 {
		s.pos++
	}
	return s.text[start:s.pos]
}

// value reads a quoted string, or anything up to a comma or blank.
func (s *scanner) value() (string, error) {
	if !s.take('"') {
		start := s.pos
		for !s.done() && strings.IndexByte(" \t,\"", s.text[s.pos]) < 0 {
			s.pos++
		}
		return s.text[start:s.pos], nil
	}
	var b strings.Builder
	for !s.done() {
		ch := s.text[s.pos]
		s.pos++
		switch {
		case ch == '"':
			return b.String(), nil
		case ch == '\\' && !s.done():
			b.WriteByte(s.text[s.pos])
			s.pos++
		default:
			b.WriteByte(ch)
		}
	}
	return "", fmt.Errorf("challenge has an unterminated quoted string")
}

// digest answers challenges. It is used by one request at a time.
type digest struct {
	username string
	password func() string
	current  *challenge
	count    uint32 // requests answered with the current nonce
}

// adopt makes a new challenge the current one.
func (d *digest) adopt(c challenge) { d.current, d.count = &c, 0 }

// authorize returns the Authorization field for the next request, or "" while
// nothing is known of the server. The nonce is used again with the next count,
// as Intel recommends (Implementation and Reference Guide, authentication
// options); current firmware wants the count as exactly eight hex digits.
func (d *digest) authorize(method, uri string, body []byte) (string, error) {
	if d.current == nil {
		return "", nil
	}
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fmt.Errorf("make client nonce: %w", err)
	}
	d.count++
	return d.answer(method, uri, body, hex.EncodeToString(random[:])), nil
}

// answer computes the response (RFC 2617, 3.2.2).
func (d *digest) answer(method, uri string, body []byte, cnonce string) string {
	c, qop := d.current, d.current.chooseQop()
	ha1 := md5Hex(d.username + ":" + c.realm + ":" + d.password())
	a2 := method + ":" + uri
	if qop == "auth-int" {
		a2 += ":" + md5Hex(string(body))
	}
	nc := fmt.Sprintf("%08x", d.count)
	middle := c.nonce
	if qop != "" {
		middle = strings.Join([]string{c.nonce, nc, cnonce, qop}, ":")
	}
	var b strings.Builder
	fmt.Fprintf(&b, `Digest username=%s, realm=%s, nonce=%s, uri="%s"`, quoted(d.username), quoted(c.realm), quoted(c.nonce), uri)
	if c.algorithm != "" {
		b.WriteString(", algorithm=" + c.algorithm)
	}
	if qop != "" {
		fmt.Fprintf(&b, `, qop=%s, nc=%s, cnonce="%s"`, qop, nc, cnonce)
	}
	fmt.Fprintf(&b, `, response="%s"`, md5Hex(ha1+":"+middle+":"+md5Hex(a2)))
	if c.opaque != "" {
		b.WriteString(", opaque=" + quoted(c.opaque))
	}
	return b.String()
}

func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// md5Hex is what the protocol demands; nothing rests on its strength but what
// rests on the firmware's own use of it.
func md5Hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}
