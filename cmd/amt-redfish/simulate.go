package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
)

// simulation is what the simulate command is told.
type simulation struct {
	machines int
	address  string // of the first desktop; the next ones count up
	port     int
	profile  string
	seed     uint64
	username string
	password string
	control  string
	verbose  bool

	gateway bool
	listen  string
	dir     string
}

func simulateFlags(s *simulation) *pflag.FlagSet {
	flags := pflag.NewFlagSet("simulate", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.IntVar(&s.machines, "machines", 3, "how many desktops")
	flags.StringVar(&s.address, "address", "127.0.10.1", "loopback address of the first desktop; the next ones count up")
	flags.IntVar(&s.port, "port", 16992, "AMT's port")
	flags.StringVar(&s.profile, "profile", "16.1", "AMT release: "+strings.Join(amtsim.Profiles(), ", "))
	flags.Uint64Var(&s.seed, "seed", 0, "seed of all chance; 0 picks one")
	flags.StringVar(&s.username, "username", amtsim.DefaultUsername, "AMT account")
	flags.StringVar(&s.password, "password", amtsim.DefaultPassword, "its password")
	flags.StringVar(&s.control, "control", "127.0.0.1:8480", "address of the control service, which moves the desktops as people would")
	flags.BoolVar(&s.verbose, "verbose", false, "log what the desktops do")
	flags.BoolVar(&s.gateway, "gateway", false, "also run a gateway on them")
	flags.StringVar(&s.listen, "listen", "127.0.0.1:8443", "address of that gateway")
	flags.StringVar(&s.dir, "dir", "run", "directory of that gateway's configuration and state")
	return flags
}

// simulate is the command. It is the only place that knows the simulator;
// serve cannot reach it.
func simulate(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var s simulation
	flags := simulateFlags(&s)
	switch err := flags.Parse(args); {
	case isHelp(err):
		help(stdout)
		return nil
	case err != nil:
		return usagef("simulate: %v", err)
	case flags.NArg() > 0:
		return usagef("simulate: %q is not a flag", flags.Arg(0))
	case !slices.Contains(amtsim.Profiles(), s.profile):
		return usagef("simulate: --profile %q is none of %s", s.profile, strings.Join(amtsim.Profiles(), ", "))
	case s.machines < 1 || s.machines > 10000:
		return usagef("simulate: --machines %d is not between 1 and 10000", s.machines)
	}
	log := slog.New(slog.DiscardHandler)
	if s.verbose {
		log = newLogger(LogConfig{Level: slog.LevelDebug}, stderr)
	}
	machines, err := s.start(ctx, log)
	defer closeAll(machines)
	if err != nil {
		return err
	}
	parts := []component{{"control service", s.controlService(log, machines)}}
	if s.gateway {
		config, err := s.configure(machines)
		if err != nil {
			return err
		}
		parts = append(parts, component{"gateway", func(ctx context.Context) error {
			hooks := gatewayHooks{logger: newLogger(config.Log, stderr), ready: func(base string) { s.greet(stdout, base, config, machines) }}
			return runGateway(ctx, config, hooks)
		}})
	} else {
		for _, m := range machines {
			fmt.Fprintf(stdout, "%s  AMT at http://%s/wsman  account %s  password %s\n", m.ID(), m.Addr(), s.username, s.password)
		}
		fmt.Fprintf(stdout, "control service at http://%s/machines; Ctrl-C ends\n", s.control)
	}
	return runAll(ctx, parts)
}

// start starts the desktops, each at a loopback address of its own where the
// system has more than one, else at ports of one address.
func (s *simulation) start(ctx context.Context, log *slog.Logger) ([]*amtsim.Machine, error) {
	first, err := netip.ParseAddr(s.address)
	if err != nil {
		return nil, usagef("simulate: --address %q is no IP address", s.address)
	}
	var machines []*amtsim.Machine
	address, port := first, s.port
	for i := range s.machines {
		id := fmt.Sprintf("desk-%02d", i+1)
		seed := s.seed
		if seed != 0 {
			seed += uint64(i)
		}
		options := amtsim.Options{
			ID: id, Listen: netip.AddrPortFrom(address, uint16(port)).String(), Username: s.username, Password: s.password,
			Profile: s.profile, Seed: seed, Logger: log.With("machine", id),
		}
		m, err := amtsim.Start(ctx, options)
		if errors.Is(err, syscall.EADDRNOTAVAIL) && first.IsLoopback() {
			address, port = netip.MustParseAddr("127.0.0.1"), s.port+i
			options.Listen = netip.AddrPortFrom(address, uint16(port)).String()
			m, err = amtsim.Start(ctx, options)
		}
		if err != nil {
			return machines, fmt.Errorf("start %s: %w; choose others with --address or --port", id, err)
		}
		machines = append(machines, m)
		if address == first || address.Compare(first) > 0 && first.String() != "127.0.0.1" {
			address = address.Next()
			first = address
		}
	}
	return machines, nil
}

func closeAll(machines []*amtsim.Machine) {
	var wait sync.WaitGroup
	for _, m := range machines {
		wait.Go(func() { _ = m.Close() })
	}
	wait.Wait()
}

// controlService returns the part that serves the simulator's control API.
func (s *simulation) controlService(log *slog.Logger, machines []*amtsim.Machine) func(context.Context) error {
	return func(ctx context.Context) error {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.control)
		if err != nil {
			return fmt.Errorf("%w; choose another address with --control", err)
		}
		server := newHTTPServer(amtsim.Control(log, machines...), log)
		return serveUntil(ctx, server, func() error { return server.Serve(listener) })
	}
}

// configure writes the gateway's configuration and its first password, where
// an earlier run has not, and loads it. The file works with serve as well.
func (s *simulation) configure(machines []*amtsim.Machine) (Config, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return Config{}, err
	}
	password := filepath.Join(s.dir, "admin-password")
	if _, err := os.Stat(password); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(password, []byte(rand.Text()+"\n"), 0o600); err != nil {
			return Config{}, err
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Made by amt-redfish simulate --gateway at each start.\nlisten: %q\nstate: {dir: state}\nadmin: {username: admin, password_file: admin-password}\nlog: {level: warn}\nnodes:\n", s.listen)
	for i, m := range machines {
		host, port, err := net.SplitHostPort(m.Addr())
		if err != nil {
			return Config{}, err
		}
		fmt.Fprintf(&b, "  - {id: %s, amt_address: %q, amt_port: %s, amt_username: %q, amt_password: %q, mac: [\"52:54:00:00:%02x:%02x\"]}\n",
			m.ID(), host, port, s.username, s.password, i>>8, i&0xff)
	}
	file := filepath.Join(s.dir, "gateway.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return Config{}, err
	}
	config, _, err := loadConfig([]string{"--config", file}, nil)
	return config, err
}

// greet tells a person at a terminal what runs and what to try.
func (s *simulation) greet(w io.Writer, base string, config Config, machines []*amtsim.Machine) {
	text, err := os.ReadFile(filepath.Join(s.dir, "admin-password"))
	if err != nil {
		text = []byte("?")
	}
	password := strings.TrimSpace(string(text))
	system := base + "/redfish/v1/Systems/" + machines[0].ID()
	curl := fmt.Sprintf("curl -sk -u %s:%s", config.Admin.Username, password)
	fmt.Fprintf(w, `The gateway runs, with %d simulated desktops.

  address   %s/redfish/v1
  account   %s
  password  %s

Try, in another terminal:

  # switch a desktop on, and look at it
  %s %s/Actions/ComputerSystem.Reset -d '{"ResetType": "On"}'
  %s %s

  # boot it over the network once: set, then restart
  %s -X PATCH %s -d '{"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}}'
  %s %s/Actions/ComputerSystem.Reset -d '{"ResetType": "ForceRestart"}'

  # boot it over the network always, restarts from inside its system included
  %s -X PATCH %s -d '{"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Continuous"}}'
  curl -s -X POST http://%s/machines/%s/host-reboot

What the desktop really booted, newest last:

  curl -s http://%s/machines/%s/boots

State is kept in %s for the next run. Ctrl-C ends.
`, len(machines), base, config.Admin.Username, password, curl, system, curl, system, curl, system, curl, system, curl, system,
		s.control, machines[0].ID(), s.control, machines[0].ID(), s.dir)
}
