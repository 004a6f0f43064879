package redfish

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// etagOf returns the strong entity tag of what the content encodes to
// (RFC 9110, 8.8.3). Encoding sorts the keys, so equal content has equal tags.
func etagOf(content object) string {
	encoded, err := json.Marshal(content)
	if err != nil {
		return "" // not reached: representations hold nothing but JSON's own types
	}
	sum := sha256.Sum256(encoded)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// etagMatches reports whether an If-Match or If-None-Match header names the
// tag. Clients send it in lists, as weak, or without its quotes, and are
// understood; whatever does not parse simply does not match.
func etagMatches(header []string, tag string) bool {
	bare := strings.Trim(tag, `"`)
	for _, candidate := range strings.Split(strings.Join(header, ","), ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" {
			return true
		}
		candidate = strings.TrimPrefix(candidate, "W/")
		if candidate == tag || candidate == bare {
			return true
		}
	}
	return false
}

// checkIfMatch returns a 412 if the request has an If-Match that does not name
// the tag (RFC 9110, 13.1.1). A request without one is fine: nothing here ever
// demands a precondition.
func (c *call) checkIfMatch(tag string) error {
	header := c.request.Header.Values("If-Match")
	if len(header) == 0 || etagMatches(header, tag) {
		return nil
	}
	return fail(412, msg("PreconditionFailed"))
}
