package amt

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// parsePin reads a certificate's SHA-256, colons allowed.
func parsePin(text string) ([]byte, error) {
	pin, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(text), ":", ""))
	if err != nil || len(pin) != sha256.Size {
		return nil, fmt.Errorf("certificate pin is not %d hex digits", 2*sha256.Size)
	}
	return pin, nil
}

// verifyPin accepts the one certificate with that SHA-256.
func verifyPin(pin []byte) func(tls.ConnectionState) error {
	return func(c tls.ConnectionState) error {
		if len(c.PeerCertificates) == 0 {
			return errors.New("the endpoint shows no certificate")
		}
		sum := sha256.Sum256(c.PeerCertificates[0].Raw)
		if subtle.ConstantTimeCompare(sum[:], pin) != 1 {
			return fmt.Errorf("the endpoint's certificate has SHA-256 %x, which is not the pinned one", sum)
		}
		return nil
	}
}

// legacySuites returns the suites that Go offers by default and the static-RSA
// ones, which it no longer does and old engines have nothing else.
func legacySuites() []uint16 {
	var suites []uint16
	for _, s := range tls.CipherSuites() {
		suites = append(suites, s.ID)
	}
	return append(suites, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA)
}

// explainTLS adds to a certificate that was not trusted what would make it so.
func explainTLS(err error) error {
	var failure *tls.CertificateVerificationError
	if !errors.As(err, &failure) || len(failure.UnverifiedCertificates) == 0 {
		return err
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	if !errors.As(err, &unknown) && !errors.As(err, &name) {
		return err
	}
	sum := sha256.Sum256(failure.UnverifiedCertificates[0].Raw)
	return fmt.Errorf("%w; if this is the machine's own certificate, pin its SHA-256: %x", err, sum)
}
