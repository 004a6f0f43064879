package main

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

// Config is everything that `serve` is told. Only loadConfig makes one; what
// it returns without an error is valid as a whole.
type Config struct {
	// File is the configuration file, as named by the caller.
	File string
	// CheckOnly asks to stop after the check.
	CheckOnly bool

	Listen string // host:port
	TLS    TLSConfig
	State  StateConfig
	Admin  AdminConfig
	AMT    AMTConfig
	PXE    PXEConfig
	Log    LogConfig
	Debug  DebugConfig
	Nodes  []NodeConfig
}

// The values of tls.mode.
const (
	tlsSelfSigned = "self-signed" // made once, kept in state
	tlsFiles      = "files"
	tlsOff        = "off"
)

// TLSConfig says how callers are served.
type TLSConfig struct {
	Mode string // one of the three above
	// Cert and Key are PEM files; set exactly with mode files.
	Cert, Key string
	// Hosts are names and addresses for the self-signed certificate, beside
	// those that the gateway finds itself.
	Hosts []string
}

// StateConfig says where records are kept.
type StateConfig struct {
	Dir string
}

// AdminConfig is the first account, used only while there is none.
type AdminConfig struct {
	Username string
	// PasswordFile is empty where a random password is to be made.
	PasswordFile string
	// Password is the content of PasswordFile.
	Password state.Secret
}

// The values of amt.protocol and of hdd_boot.
const (
	protocolHTTP  = "http"
	protocolHTTPS = "https"

	hddHardDrive     = "hard-drive"
	hddFirmwareOrder = "firmware-order"
)

// AMTConfig are the defaults for every node.
type AMTConfig struct {
	Protocol string // http or https
	// MaxRetry is how many attempts an exchange gets that may be repeated.
	MaxRetry int
	// ActionWait is how long an action waits for the one before it.
	ActionWait time.Duration
	// AwakeInterval is how long an engine is taken to stay awake after it
	// answered; 0 never wakes it first.
	AwakeInterval time.Duration
	HddBoot       string // hard-drive or firmware-order
}

// PXEConfig is the boot service.
type PXEConfig struct {
	TFTPListen string // ip:port; no ip is every address
	// TFTPRoot is empty where there is no TFTP.
	TFTPRoot string
}

// LogConfig says what is logged and how.
type LogConfig struct {
	Level  slog.Level
	Format string // text or json
}

// DebugConfig is the listener for the operator of the gateway itself.
type DebugConfig struct {
	Listen string // loopback; empty is off
}

// NodeConfig is one node with all defaults filled in.
type NodeConfig struct {
	ID       string
	Address  string // host, without a port
	Port     int
	Protocol string // http or https
	Username string
	Password state.Secret
	// CA are the issuers that the engine's certificate may have; nil is the
	// system's. PinSHA256 is the digest of the one certificate that is
	// accepted; nil is any that verifies.
	CA               *x509.CertPool
	PinSHA256        []byte
	Mode             state.Mode
	MACs             []string // canonical
	HddFirmwareOrder bool

	line int // in the file
}

// defaultPorts are AMT's, as IANA lists them: amt-soap-http and
// amt-soap-https.
var defaultPorts = map[string]int{protocolHTTP: 16992, protocolHTTPS: 16993}

// ConfigProblem is one thing that is wrong with the configuration.
type ConfigProblem struct {
	// Source is a file with a line ("gateway.yaml:12"), a flag or a variable.
	Source string
	// Key is the setting, such as "amt.max_retry" or
	// "nodes[desk-01].amt_port"; it may be empty.
	Key string
	// Problem says what is wrong and what is allowed.
	Problem string
}

// String renders the problem on one line.
func (p ConfigProblem) String() string {
	if p.Key == "" {
		return p.Source + ": " + p.Problem
	}
	return p.Source + ": " + p.Key + ": " + p.Problem
}

// ConfigError is all that is wrong with the configuration. It ends the program
// with exit code 2.
type ConfigError struct {
	Problems []ConfigProblem
}

// Error renders one problem per line.
func (e *ConfigError) Error() string {
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// loadConfig reads the arguments of `serve` and the environment ("NAME=value",
// as os.Environ gives it), then the file that they name: flags win over
// variables, variables over the file, the file over the defaults. A variable
// that is set to nothing counts as not set. The error is pflag.ErrHelp, or a
// *ConfigError with everything that is wrong; warnings are for the log, one
// line each.
func loadConfig(args, environ []string) (Config, []string, error) {
	l := newLoader(environ)
	flags := serveFlags()
	if err := flags.Parse(args); err != nil {
		if isHelp(err) {
			return Config{}, nil, err
		}
		l.problem("command line", "", "%s; see amt-redfish help", err)
		return Config{}, nil, l.err()
	}
	if flags.NArg() > 0 {
		l.problem("command line", "", "%q is not a flag; serve takes flags only", flags.Arg(0))
	}
	l.config.CheckOnly = flags.Changed(flagCheck)
	l.config.File = l.variable(configVariable)
	if flags.Changed(flagConfig) {
		l.config.File = flags.Lookup(flagConfig).Value.String()
	}

	l.applyDefaults()
	if l.config.File != "" {
		l.applyFile(l.config.File)
	}
	l.applyEnvironment()
	l.applyFlags(flags)
	l.finishNodes()
	l.validate()
	if err := l.err(); err != nil {
		return Config{}, l.warnings, err
	}
	return l.config, l.warnings, nil
}

// loader collects a Config, what is wrong with it, and where each setting
// came from.
type loader struct {
	config   Config
	environ  map[string]string
	origins  map[string]string // setting's key to source
	problems []ConfigProblem
	warnings []string
	dir      string // of the file; relative paths in it begin there
	nodes    nodeSection
}

func newLoader(environ []string) *loader {
	l := &loader{environ: make(map[string]string), origins: make(map[string]string)}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			l.environ[name] = value
		}
	}
	return l
}

func (l *loader) variable(name string) string { return l.environ[name] }

// problem notes that something is wrong.
func (l *loader) problem(source, key, format string, args ...any) {
	l.problems = append(l.problems, ConfigProblem{Source: source, Key: key, Problem: fmt.Sprintf(format, args...)})
}

// warn notes something that is allowed and probably not meant.
func (l *loader) warn(source, key, format string, args ...any) {
	l.warnings = append(l.warnings, ConfigProblem{Source: source, Key: key, Problem: fmt.Sprintf(format, args...)}.String())
}

// err returns the problems as an error, or nil.
func (l *loader) err() error {
	if len(l.problems) == 0 {
		return nil
	}
	return &ConfigError{Problems: l.problems}
}
