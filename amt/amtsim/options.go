package amtsim

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
)

// The account of a machine whose Options name none.
const (
	DefaultUsername = "admin"
	DefaultPassword = "P@ssw0rd"
)

// Options is how a machine is built. The zero value is a powered-off desktop
// of AMT 16.1, unkind, on a free loopback port, with the default account.
type Options struct {
	// ID names the machine in logs and in the control API; "" is "sim".
	ID string
	// Listen is the host:port of the WS-Man socket; "" is "127.0.0.1:0".
	Listen string
	// AllowRemote permits a Listen that is not a loopback address.
	AllowRemote bool
	// TLS serves HTTPS with a self-signed certificate made at New.
	TLS bool
	// Username and Password are the digest account; "" are the defaults.
	Username, Password string
	// UUID is the platform's UUID in canonical form; "" derives one from ID.
	UUID string
	// Seed drives all chance; 0 picks one, which Snapshot and the log show.
	Seed uint64
	// Profile is an AMT release of Profiles; "" is "16.1".
	Profile string
	// Quirks are deviations; the zero value is the documented default set.
	Quirks Quirks
	// Timing holds all durations; the zero value is that of a real desktop.
	Timing Timing
	// Lockout and Flood are off by default: no public figure is known.
	Lockout Lockout
	Flood   Flood
	// Power is the initial power state, PowerOn, PowerSleep, PowerHibernate or
	// PowerOff; 0 is PowerOff.
	Power int
	// Agent says that the OS, once up, runs the vendor's local service, without
	// which graceful requests are not offered.
	Agent bool
	// Logger takes the log; nil discards it.
	Logger *slog.Logger
}

// Timing is how long things take. Zero takes the default, a negative value
// means at once, or never for the two idle times.
type Timing struct {
	// PowerLatency is how long a power change stays invisible; default 1.5 s.
	PowerLatency time.Duration
	// POST is how long the BIOS is busy after a boot began, when a further
	// power change is refused; default 10 s.
	POST time.Duration
	// Consume is how long after a boot began its boot setting is read and
	// wiped; default 500 ms, at most POST.
	Consume time.Duration
	// IdleSleep is how long the engine stays awake without requests while the
	// host is off; default 3 min; negative never sleeps.
	IdleSleep time.Duration
	// Wake is the longest time the engine drops connections while it wakes;
	// the actual one is a fifth of it or more; default 5 s.
	Wake time.Duration
	// IdleClose is the longest time an idle connection is kept, the actual one
	// is half of it or more; default 20 s; negative keeps it.
	IdleClose time.Duration
}

// Quick returns timings of a few milliseconds without sleep or idle closing,
// for tests that wait for events.
func Quick() Timing {
	return Timing{PowerLatency: 2 * time.Millisecond, POST: 6 * time.Millisecond, Consume: 2 * time.Millisecond,
		IdleSleep: -1, Wake: -1, IdleClose: -1}
}

// Immediate returns timings under which a power request has taken effect, boot
// setting and all, when it is answered.
func Immediate() Timing {
	return Timing{PowerLatency: -1, POST: -1, Consume: -1, IdleSleep: -1, Wake: -1, IdleClose: -1}
}

// Lockout makes the account refuse the right password for a while.
type Lockout struct {
	// Failures is how many wrong answers in a row lock; 0 never locks.
	Failures int
	// Duration is how long it stays locked.
	Duration time.Duration
}

// Flood makes bursts look like wrong credentials, as firmware does.
type Flood struct {
	// PerSecond is how many requests a second are served; more get 401; 0 is
	// unlimited.
	PerSecond int
	// Connections is how many connections may be open; more are dropped; 0 is
	// unlimited.
	Connections int
}

func orDefault(d, byDefault time.Duration) time.Duration {
	switch {
	case d == 0:
		return byDefault
	case d < 0:
		return 0
	}
	return d
}

func (t Timing) withDefaults() Timing {
	t = Timing{
		PowerLatency: orDefault(t.PowerLatency, 1500*time.Millisecond),
		POST:         orDefault(t.POST, 10*time.Second),
		Consume:      orDefault(t.Consume, 500*time.Millisecond),
		IdleSleep:    orDefault(t.IdleSleep, 3*time.Minute),
		Wake:         orDefault(t.Wake, 5*time.Second),
		IdleClose:    orDefault(t.IdleClose, 20*time.Second),
	}
	t.Consume = min(t.Consume, t.POST)
	return t
}

// resolve checks the options and fills in the defaults.
func (o Options) resolve() (Options, profile, error) {
	setDefault := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	setDefault(&o.ID, "sim")
	setDefault(&o.Listen, "127.0.0.1:0")
	setDefault(&o.Username, DefaultUsername)
	setDefault(&o.Password, DefaultPassword)
	setDefault(&o.Profile, "16.1")
	setDefault(&o.UUID, uuidFrom(sha256.Sum256([]byte(o.ID))))
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Power == 0 {
		o.Power = PowerOff
	}
	if o.Seed == 0 {
		var raw [8]byte
		if _, err := rand.Read(raw[:]); err != nil {
			return o, profile{}, fmt.Errorf("pick a seed: %w", err)
		}
		o.Seed = binary.LittleEndian.Uint64(raw[:]) | 1
	}
	o.Timing = o.Timing.withDefaults()
	p, ok := profiles[o.Profile]
	if !ok {
		return o, profile{}, fmt.Errorf("machine %s: unknown profile %q: choose one of %s", o.ID, o.Profile, strings.Join(Profiles(), ", "))
	}
	return o, p, o.check()
}

func (o Options) check() error {
	switch o.Power {
	case PowerOn, PowerSleep, PowerHibernate, PowerOff:
	default:
		return fmt.Errorf("machine %s: initial power %d: choose %d, %d, %d or %d", o.ID, o.Power, PowerOn, PowerSleep, PowerHibernate, PowerOff)
	}
	if _, err := platformGUID(o.UUID); err != nil {
		return fmt.Errorf("machine %s: %w", o.ID, err)
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("machine %s: listen address %q: %w", o.ID, o.Listen, err)
	}
	if ip := net.ParseIP(host); !o.AllowRemote && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("machine %s: listen address %q is not loopback: set AllowRemote to mean it", o.ID, o.Listen)
	}
	return nil
}

// uuidFrom makes a UUID of form version 8 (RFC 9562, 5.8) from a hash.
func uuidFrom(sum [32]byte) string {
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// platformGUID renders a canonical UUID as CIM_ComputerSystemPackage does: 32
// upper-case digits in SMBIOS byte order, the first three fields reversed
// (DSP0134, 7.2.1).
func platformGUID(uuid string) (string, error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil || len(raw) != 16 || len(uuid) != 36 {
		return "", fmt.Errorf("UUID %q is not of the form 8-4-4-4-12 hex digits", uuid)
	}
	order := [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}
	swapped := make([]byte, 16)
	for i, from := range order {
		swapped[i] = raw[from]
	}
	return strings.ToUpper(hex.EncodeToString(swapped)), nil
}
