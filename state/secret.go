package state

import "log/slog"

// Secret holds a credential. It prints, logs and marshals as a placeholder, so
// that a struct that holds one can be shown; only Reveal gives the text.
type Secret struct{ text string }

const secretPlaceholder = "[secret]"

// NewSecret wraps text.
func NewSecret(text string) Secret { return Secret{text: text} }

// Reveal returns the credential itself, for the one place that sends it.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether no credential is set.
func (s Secret) IsZero() bool { return s.text == "" }

// String returns a placeholder.
func (s Secret) String() string { return secretPlaceholder }

// GoString returns a placeholder, for %#v.
func (s Secret) GoString() string { return secretPlaceholder }

// LogValue returns a placeholder, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(secretPlaceholder) }

// MarshalText returns a placeholder, for every text-based encoder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(secretPlaceholder), nil }
