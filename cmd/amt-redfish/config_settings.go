package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

const (
	variablePrefix = "AMT_REDFISH_"
	configVariable = variablePrefix + "CONFIG"

	flagConfig = "config"
	flagCheck  = "check-config"
)

// setting is one value that a flag, a variable and a key of the file can set.
type setting struct {
	key   string // path in the file: "amt.max_retry"
	value string // the default, spelled as a caller would
	list  bool
	path  bool // relative ones in the file begin at the file's directory
	help  string
	// set parses the values (one, unless list) into the configuration.
	set func(c *Config, values []string) error
}

// flag returns the flag's name: "amt-max-retry".
func (s setting) flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.key) }

// variable returns the variable's name: "AMT_REDFISH_AMT_MAX_RETRY".
func (s setting) variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// settings lists every setting, in the order in which help shows them.
func settings() []setting {
	return []setting{
		{key: "listen", value: "127.0.0.1:8443", help: "address and port of the Redfish service",
			set: intoAddress(func(c *Config) *string { return &c.Listen }, hostAny)},
		{key: "tls.mode", value: tlsSelfSigned, help: "self-signed (made once, kept in state), files or off",
			set: intoOneOf(func(c *Config) *string { return &c.TLS.Mode }, tlsSelfSigned, tlsFiles, tlsOff)},
		{key: "tls.cert", path: true, help: "certificate chain in PEM, for tls.mode files",
			set: intoText(func(c *Config) *string { return &c.TLS.Cert })},
		{key: "tls.key", path: true, help: "private key in PEM, for tls.mode files",
			set: intoText(func(c *Config) *string { return &c.TLS.Key })},
		{key: "tls.hosts", list: true, help: "more names and addresses for the self-signed certificate",
			set: intoHosts(func(c *Config) *[]string { return &c.TLS.Hosts })},
		{key: "state.dir", value: "./state", path: true, help: "directory of the gateway's records",
			set: intoSomeText(func(c *Config) *string { return &c.State.Dir })},
		{key: "admin.username", value: "admin", help: "first account, made while there is none",
			set: intoSomeText(func(c *Config) *string { return &c.Admin.Username })},
		{key: "admin.password_file", path: true, help: "file with its password; without one a random password is printed once",
			set: intoText(func(c *Config) *string { return &c.Admin.PasswordFile })},
		{key: "amt.protocol", value: protocolHTTP, help: "http (port 16992) or https (16993)",
			set: intoOneOf(func(c *Config) *string { return &c.AMT.Protocol }, protocolHTTP, protocolHTTPS)},
		{key: "amt.max_retry", value: "3", help: "how many attempts an AMT exchange gets that may be repeated",
			set: intoNumber(func(c *Config) *int { return &c.AMT.MaxRetry }, 1, 20)},
		{key: "amt.action_wait", value: "10s", help: "how long an action waits for the one before it",
			set: intoDuration(func(c *Config) *time.Duration { return &c.AMT.ActionWait }, time.Second, 10*time.Minute)},
		{key: "amt.awake_interval", value: "60s", help: "how long an engine stays awake after it answered; 0s never wakes it",
			set: intoDuration(func(c *Config) *time.Duration { return &c.AMT.AwakeInterval }, 0, 24*time.Hour)},
		{key: "amt.hdd_boot", value: hddHardDrive, help: "what an Hdd override sends: hard-drive, or firmware-order for no source",
			set: intoOneOf(func(c *Config) *string { return &c.AMT.HddBoot }, hddHardDrive, hddFirmwareOrder)},
		{key: "pxe.tftp.listen", value: "127.0.0.1:6969", help: "address and port of the TFTP service",
			set: intoAddress(func(c *Config) *string { return &c.PXE.TFTPListen }, hostIP)},
		{key: "pxe.tftp.root", path: true, help: "directory that TFTP serves; without one TFTP is off",
			set: intoText(func(c *Config) *string { return &c.PXE.TFTPRoot })},
		{key: "log.level", value: "info", help: "debug, info, warn or error", set: intoLogLevel},
		{key: "log.format", value: "text", help: "text or json",
			set: intoOneOf(func(c *Config) *string { return &c.Log.Format }, "text", "json")},
		{key: "debug.listen", help: "loopback address and port of the debug service; without one it is off",
			set: intoAddress(func(c *Config) *string { return &c.Debug.Listen }, hostLoopback)},
	}
}

// serveFlags returns the flags of `serve`, for parsing and for help.
func serveFlags() *pflag.FlagSet {
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {} // who gets pflag.ErrHelp prints it
	flags.String(flagConfig, "", "configuration file (YAML)")
	flags.Bool(flagCheck, false, "check the configuration and exit")
	for _, s := range settings() {
		flags.String(s.flag(), s.value, s.help)
	}
	return flags
}

func isHelp(err error) bool { return errors.Is(err, pflag.ErrHelp) }

// apply sets one setting from a source.
func (l *loader) apply(s setting, source string, values []string) {
	l.origins[s.key] = source
	if err := s.set(&l.config, values); err != nil {
		l.problem(source, s.key, "%s", err)
	}
}

func (l *loader) applyDefaults() {
	for _, s := range settings() {
		l.apply(s, "default", split(s, s.value))
	}
}

// applyEnvironment applies variables, and warns of those that look as if they
// were ours; nodes may name some for their passwords.
func (l *loader) applyEnvironment() {
	known := map[string]bool{configVariable: true}
	for _, s := range settings() {
		known[s.variable()] = true
		if value := l.variable(s.variable()); value != "" {
			l.apply(s, "variable "+s.variable(), split(s, value))
		}
	}
	for _, name := range l.nodes.variables {
		known[name] = true
	}
	names := slices.Sorted(maps.Keys(known))
	for _, name := range slices.Sorted(maps.Keys(l.environ)) {
		if strings.HasPrefix(name, variablePrefix) && !known[name] {
			l.warn("variable "+name, "", "there is no such setting%s", suggest(name, names))
		}
	}
}

func (l *loader) applyFlags(flags *pflag.FlagSet) {
	for _, s := range settings() {
		if flags.Changed(s.flag()) {
			l.apply(s, "flag --"+s.flag(), split(s, flags.Lookup(s.flag()).Value.String()))
		}
	}
}

// split returns the values of a flag or variable; lists are separated by
// commas.
func split(s setting, value string) []string {
	if !s.list {
		return []string{value}
	}
	var values []string
	for _, v := range strings.Split(value, ",") {
		if v = strings.TrimSpace(v); v != "" {
			values = append(values, v)
		}
	}
	return values
}

// resolve returns a path of the file, relative to its directory.
func (l *loader) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.dir, path)
}

// Parsers: each makes a set function for one place in the configuration.

func intoText(place func(*Config) *string) func(*Config, []string) error {
	return func(c *Config, values []string) error {
		*place(c) = values[0]
		return nil
	}
}

func intoSomeText(place func(*Config) *string) func(*Config, []string) error {
	return func(c *Config, values []string) error {
		if values[0] == "" {
			return errors.New("must not be empty")
		}
		*place(c) = values[0]
		return nil
	}
}

func intoOneOf(place func(*Config) *string, allowed ...string) func(*Config, []string) error {
	return func(c *Config, values []string) error {
		if err := checkOneOf(values[0], allowed); err != nil {
			return err
		}
		*place(c) = values[0]
		return nil
	}
}

func checkOneOf(value string, allowed []string) error {
	if !slices.Contains(allowed, value) {
		return fmt.Errorf("%q is not known; allowed are %s", value, strings.Join(allowed, ", "))
	}
	return nil
}

func intoNumber(place func(*Config) *int, low, high int) func(*Config, []string) error {
	return func(c *Config, values []string) (err error) {
		*place(c), err = parseNumber(values[0], low, high)
		return err
	}
}

func parseNumber(value string, low, high int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is not a whole number from %d to %d", value, low, high)
	}
	return n, nil
}

func intoDuration(place func(*Config) *time.Duration, low, high time.Duration) func(*Config, []string) error {
	return func(c *Config, values []string) error {
		d, err := time.ParseDuration(values[0])
		switch {
		case err != nil:
			return fmt.Errorf("%q is not a duration; write a number with its unit, such as 500ms, 10s or 2m", values[0])
		case d < low || d > high:
			return fmt.Errorf("%s is out of range; allowed are %s to %s", values[0], low, high)
		}
		*place(c) = d
		return nil
	}
}

func intoLogLevel(c *Config, values []string) error {
	if err := checkOneOf(values[0], []string{"debug", "info", "warn", "error"}); err != nil {
		return err
	}
	return c.Log.Level.UnmarshalText([]byte(values[0]))
}

// hostRule says which hosts an address to listen on may have.
type hostRule uint8

const (
	hostAny      hostRule = iota // a name, an IP address, or none for all
	hostIP                       // an IP address, or none for all
	hostLoopback                 // a loopback address; the whole address may be empty
)

func intoAddress(place func(*Config) *string, rule hostRule) func(*Config, []string) error {
	return func(c *Config, values []string) error {
		if err := checkAddress(values[0], rule); err != nil {
			return err
		}
		*place(c) = values[0]
		return nil
	}
}

func checkAddress(value string, rule hostRule) error {
	if value == "" && rule == hostLoopback {
		return nil
	}
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		return fmt.Errorf("%q is not an address with a port, such as 127.0.0.1:8443, [::1]:8443 or :8443", value)
	}
	if _, err := parseNumber(port, 0, 65535); err != nil {
		return fmt.Errorf("the port of %q is not a whole number from 0 to 65535", value)
	}
	ip, err := netip.ParseAddr(host)
	isIP := err == nil
	switch {
	case rule == hostLoopback && (!isIP || !ip.IsLoopback()):
		return fmt.Errorf("%q is not a loopback address; allowed are those such as 127.0.0.1:6060 and [::1]:6060", value)
	case rule == hostIP && host != "" && !isIP:
		return fmt.Errorf("the host of %q is not an IP address", value)
	case rule == hostAny && host != "" && !isIP && !validHost(host):
		return fmt.Errorf("the host of %q is neither an IP address nor a host name", value)
	}
	return nil
}

func intoHosts(place func(*Config) *[]string) func(*Config, []string) error {
	return func(c *Config, values []string) error {
		for _, host := range values {
			if _, err := netip.ParseAddr(host); err != nil && !validHost(strings.TrimPrefix(host, "*.")) {
				return fmt.Errorf("%q is neither an IP address nor a host name", host)
			}
		}
		*place(c) = values
		return nil
	}
}

// validHost reports whether host is a DNS name as hosts have them (RFC 1123,
// 2.1).
func validHost(host string) bool {
	if len(host) > 253 {
		return false
	}
	for _, label := range strings.Split(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if !(r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
				return false
			}
		}
	}
	return true
}
