package redfish

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/amt-redfish/amt-redfish/state"
	"golang.org/x/crypto/argon2"
)

// Cost of one password check with argon2id (RFC 9106): memory in KiB, passes,
// lanes; and lengths of salt and hash in bytes. New hashes use it; old ones
// carry their own.
const (
	argonMemory = 19 << 10
	argonPasses = 2
	argonLanes  = 1
	saltLength  = 16
	hashLength  = 32

	// maxArgonMemory bounds what a stored hash may make us allocate, in KiB.
	maxArgonMemory = 1 << 20
	// maxPassword is the longest password that is looked at, in bytes.
	maxPassword = 1024
)

// passwordHash is a decoded hash.
type passwordHash struct {
	memory, passes uint32
	lanes          uint8
	salt, sum      []byte
}

// HashPassword returns the form in which an account's password is kept:
// argon2id with a random salt, in the PHC string format. The error is of
// KindInvalid for an empty or over-long password.
func HashPassword(password string) (string, error) {
	if password == "" || len(password) > maxPassword {
		return "", state.Errorf(state.KindInvalid, "hash password", "", "a password has 1 to %d bytes", maxPassword)
	}
	h := passwordHash{memory: argonMemory, passes: argonPasses, lanes: argonLanes, salt: make([]byte, saltLength)}
	if _, err := rand.Read(h.salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	h.sum = h.compute(password, hashLength)
	return h.String(), nil
}

func (h passwordHash) compute(password string, length int) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.lanes, uint32(length))
}

// String returns the PHC string.
func (h passwordHash) String() string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.lanes, enc.EncodeToString(h.salt), enc.EncodeToString(h.sum))
}

// parseHash decodes what HashPassword made.
func parseHash(text string) (passwordHash, error) {
	var h passwordHash
	wrong := state.Errorf(state.KindStore, "read password hash", "", "it is not an argon2id hash in PHC format")
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, wrong
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.lanes); n != 3 || err != nil {
		return h, wrong
	}
	var saltErr, sumErr error
	h.salt, saltErr = base64.RawStdEncoding.DecodeString(parts[4])
	h.sum, sumErr = base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || sumErr != nil || len(h.sum) < 16 || h.memory > maxArgonMemory || h.passes < 1 || h.passes > 64 || h.lanes < 1 {
		return h, wrong
	}
	return h, nil
}

// matches reports whether the password is the one that was hashed, in the same
// time whichever byte differs.
func (h passwordHash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.compute(password, len(h.sum)), h.sum) == 1
}
