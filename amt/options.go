package amt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

// Ports of the two protocols (Intel AMT Implementation and Reference Guide, ports).
const (
	portHTTP  = 16992
	portHTTPS = 16993
)

// Options describe one node's endpoint. Zero durations and numbers take their
// defaults unless the field says otherwise.
type Options struct {
	// Node is the node's id, for errors and logs.
	Node string
	// Address is the host name or IP address of the endpoint.
	Address string
	// Protocol is "http" (default) or "https". AMT 16.1 and later answer only
	// https.
	Protocol string
	// Port is the protocol's own by default: 16992 or 16993.
	Port int
	// Username and Password are for HTTP digest.
	Username string
	Password state.Secret

	// MaxRetry is how many attempts a call that may be repeated gets. Default
	// 3. A power request gets one.
	MaxRetry int
	// ActionWait is how long after an accepted power request firmware's
	// unspecified refusal of the next one means that it is too early. Default
	// 10 s.
	ActionWait time.Duration
	// AwakeInterval is how long after its last answer the engine is taken to
	// be awake. After that it is woken first: connections are tried until one
	// is made, and the first request may take WakeTimeout. 0 turns waking off.
	// There is no default; 60 s suits most machines.
	AwakeInterval time.Duration
	// AttemptTimeout bounds one request and its answer. Default 10 s.
	AttemptTimeout time.Duration
	// WakeTimeout is the same for an engine that is being woken. Default 30 s.
	WakeTimeout time.Duration
	// ConnectTimeout bounds making a connection, waking included, for an
	// observation that may be a recent one, and ActTimeout for everything
	// else. Defaults 4 s and 15 s.
	ConnectTimeout, ActTimeout time.Duration
	// RetryPause is the pause between two attempts, doubled each time, and
	// WakePause that between two connections to an engine that is being woken.
	// Defaults 250 ms and 1 s.
	RetryPause, WakePause time.Duration
	// WrongWait and CoolDown are how long nothing is sent after a wrong answer
	// to a challenge, and after three of them in a row. Defaults 3 s and 60 s.
	WrongWait, CoolDown time.Duration
	// Silence is how long a node that was found unreachable is taken to be so.
	// Default 12 s.
	Silence time.Duration

	// PinSHA256 is the SHA-256 of the endpoint's certificate in hex, colons
	// allowed. It replaces verification by authorities; AMT certificates are
	// mostly self-signed.
	PinSHA256 string
	// CAs verify the certificate where nothing is pinned; nil are the system's.
	CAs *x509.CertPool
	// ServerName is the name in the certificate, if it is not Address.
	ServerName string
	// LegacyTLS allows TLS 1.0 and the static-RSA suites, for AMT 6 to 11.
	LegacyTLS bool

	// Dial makes TCP connections; nil dials directly.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Fleet bounds the requests in flight of all nodes that share it; may be
	// nil.
	Fleet *Fleet
	// Logger may be nil.
	Logger *slog.Logger
	// OnCall, if set, is told of each exchange with firmware as it ends. It
	// must return quickly.
	OnCall func(Call)
}

// Call is one exchange with firmware. An answered challenge is two.
type Call struct {
	// Node is the node's id.
	Node string
	// Op is verb and class, or class and method.
	Op string
	// Status is the HTTP status, or 0 where no answer came.
	Status int
	// Took is the time from the first byte sent to the last one read.
	Took time.Duration
}

// Validate reports everything that is wrong with the options.
func (o Options) Validate() error {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if o.Address == "" || strings.ContainsAny(o.Address, "/ \r\n\t@") {
		wrong("address %q is no host name or IP address", o.Address)
	}
	if o.Protocol != "" && o.Protocol != "http" && o.Protocol != "https" {
		wrong("protocol %q is neither http nor https", o.Protocol)
	}
	if o.Port < 0 || o.Port > 65535 {
		wrong("port %d is not between 1 and 65535", o.Port)
	}
	if o.Username == "" || strings.ContainsFunc(o.Username, func(r rune) bool { return r < ' ' || r == 0x7f || r == ':' }) {
		wrong("user name %q is empty or has a colon or control character", o.Username)
	}
	if o.Password.IsZero() {
		wrong("the password is empty")
	}
	if o.MaxRetry < 0 {
		wrong("max_retry %d is negative", o.MaxRetry)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"action_wait", o.ActionWait}, {"awake_interval", o.AwakeInterval}, {"attempt timeout", o.AttemptTimeout},
		{"wake timeout", o.WakeTimeout}, {"connect timeout", o.ConnectTimeout}, {"act timeout", o.ActTimeout},
		{"retry pause", o.RetryPause}, {"wake pause", o.WakePause}, {"wrong-answer wait", o.WrongWait},
		{"cool-down", o.CoolDown}, {"silence", o.Silence},
	} {
		if d.value < 0 {
			wrong("%s %s is negative", d.name, d.value)
		}
	}
	if o.PinSHA256 != "" {
		if _, err := parsePin(o.PinSHA256); err != nil {
			problems = append(problems, err)
		}
	}
	if o.Protocol != "https" && (o.PinSHA256 != "" || o.CAs != nil || o.LegacyTLS || o.ServerName != "") {
		wrong("TLS settings need protocol https")
	}
	if len(problems) > 0 {
		return state.Errorf(state.KindInvalid, "configure", o.Node, "%w", errors.Join(problems...))
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.MaxRetry == 0 {
		o.MaxRetry = 3
	}
	if o.Port == 0 {
		o.Port = portHTTP
		if o.Protocol == "https" {
			o.Port = portHTTPS
		}
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.ActionWait, 10 * time.Second}, {&o.AttemptTimeout, 10 * time.Second}, {&o.WakeTimeout, 30 * time.Second},
		{&o.ConnectTimeout, 4 * time.Second}, {&o.ActTimeout, 15 * time.Second}, {&o.RetryPause, 250 * time.Millisecond},
		{&o.WakePause, time.Second}, {&o.WrongWait, 3 * time.Second}, {&o.CoolDown, time.Minute}, {&o.Silence, 12 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return o
}

func (o Options) endpoint() string { return net.JoinHostPort(o.Address, strconv.Itoa(o.Port)) }

// tlsConfig returns how to secure connections; nil for plain HTTP.
func (o Options) tlsConfig() (*tls.Config, error) {
	if o.Protocol != "https" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.CAs, ServerName: o.ServerName}
	if config.ServerName == "" {
		config.ServerName = o.Address
	}
	if o.LegacyTLS {
		config.MinVersion = tls.VersionTLS10
		config.CipherSuites = legacySuites()
	}
	if o.PinSHA256 != "" {
		pin, err := parsePin(o.PinSHA256)
		if err != nil {
			return nil, err
		}
		config.InsecureSkipVerify = true // the pin is stricter
		config.VerifyConnection = verifyPin(pin)
	}
	return config, nil
}
