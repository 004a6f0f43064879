package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/amt-redfish/amt-redfish/amt"
	"github.com/amt-redfish/amt-redfish/pxe"
	"github.com/amt-redfish/amt-redfish/redfish"
	"github.com/amt-redfish/amt-redfish/state"
	"github.com/amt-redfish/amt-redfish/state/bolt"
)

const (
	// stopServing and stopActing bound the shutdown: answers under way, then
	// resets under way. Together they keep Ctrl-C below five seconds.
	stopServing = 1500 * time.Millisecond
	stopActing  = 1500 * time.Millisecond

	// fleetRequests bounds the AMT requests in flight of all nodes.
	fleetRequests = 256

	openTimeout = 3 * time.Second
)

// serve is the command.
func serve(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	config, warnings, err := loadConfig(args, environ)
	if isHelp(err) {
		help(stdout)
		return nil
	}
	logger := newLogger(config.Log, stderr)
	for _, w := range warnings {
		logger.Warn(w)
	}
	if err != nil {
		return err
	}
	if config.CheckOnly {
		fmt.Fprintf(stdout, "%s: the configuration is valid; nodes: %d\n", config.File, len(config.Nodes))
		return nil
	}
	return runGateway(ctx, config, gatewayHooks{logger: logger, password: func(user, password string) {
		fmt.Fprintf(stdout, "First account made. Note its password, it is not shown again.\n  username: %s\n  password: %s\n", user, password)
	}})
}

func newLogger(c LogConfig, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// gatewayHooks is what differs between the ways to run a gateway.
type gatewayHooks struct {
	logger *slog.Logger
	// password is told the first account's password if one had to be made.
	password func(user, password string)
	// ready, if set, is told the base URL once requests are answered.
	ready func(base string)
	// timing replaces the core's durations in tests.
	timing state.Timing
	// wrapStore, if set, wraps the store in tests.
	wrapStore func(state.Store) state.Store
}

// runGateway builds the gateway from a valid configuration and runs it until
// ctx ends or a part of it fails.
func runGateway(ctx context.Context, config Config, hooks gatewayHooks) (err error) {
	store, err := openStore(ctx, config.State.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if hooks.wrapStore != nil {
		store = hooks.wrapStore(store)
	}
	g := &gateway{config: config, hooks: hooks, log: hooks.logger, store: store}
	defer g.closeMachines()
	if err := g.build(ctx); err != nil {
		return err
	}
	return g.run(ctx)
}

func openStore(ctx context.Context, dir string) (state.Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	return bolt.Open(ctx, filepath.Join(dir, "amt-redfish.db"), bolt.Options{LockTimeout: openTimeout})
}

// gateway is the assembled program.
type gateway struct {
	config   Config
	hooks    gatewayHooks
	log      *slog.Logger
	store    state.Store
	machines map[string]*amt.Machine
	nodes    *state.Nodes
	redfish  *redfish.Server
	front    []component
}

// component is a part that runs until its context ends; if one ends by
// itself, all end.
type component struct {
	name string
	run  func(context.Context) error
}

// build makes every part, and listens last, so that nothing is served by half
// a gateway.
func (g *gateway) build(ctx context.Context) error {
	if err := g.buildNodes(); err != nil {
		return err
	}
	accounts := state.NewAccounts(g.store)
	if err := g.firstAccount(ctx, accounts); err != nil {
		return err
	}
	uuid, err := state.ServiceUUID(ctx, g.store)
	if err != nil {
		return err
	}
	g.redfish, err = redfish.New(redfish.Options{
		Nodes: g.nodes, Accounts: accounts, UUID: uuid, Version: version,
		Logger: g.log, Plain: g.config.TLS.Mode == tlsOff,
	})
	if err != nil {
		return err
	}
	g.front = append(g.front, component{"redfish sweep", g.redfish.Run})
	if err := g.buildTFTP(); err != nil {
		return err
	}
	if err := g.buildDebug(ctx); err != nil {
		return err
	}
	return g.buildHTTP(ctx)
}

func (g *gateway) buildNodes() error {
	fleet := amt.NewFleet(fleetRequests)
	g.machines = make(map[string]*amt.Machine, len(g.config.Nodes))
	nodes := make([]state.Node, 0, len(g.config.Nodes))
	for _, c := range g.config.Nodes {
		machine, err := amt.New(amt.Options{
			Node: c.ID, Address: c.Address, Port: c.Port, Protocol: c.Protocol, Username: c.Username, Password: c.Password,
			MaxRetry: g.config.AMT.MaxRetry, ActionWait: g.config.AMT.ActionWait, AwakeInterval: g.config.AMT.AwakeInterval,
			CAs: c.CA, PinSHA256: fmt.Sprintf("%x", c.PinSHA256), Fleet: fleet, Logger: g.log,
		})
		if err != nil {
			return err
		}
		g.machines[c.ID] = machine
		nodes = append(nodes, state.Node{
			ID: c.ID, Address: c.Address, MACs: c.MACs, Mode: c.Mode, HddFirmwareOrder: c.HddFirmwareOrder, Machine: machine,
		})
	}
	timing := g.hooks.timing
	if timing == (state.Timing{}) {
		timing = state.Timing{ActionWait: g.config.AMT.ActionWait, Grace: stopActing}
	}
	var err error
	g.nodes, err = state.NewNodes(state.NodesOptions{Nodes: nodes, Store: g.store, Timing: timing, Logger: g.log})
	return err
}

func (g *gateway) closeMachines() {
	for _, m := range g.machines {
		m.Close()
	}
}

// buildTFTP adds the boot service, if it has anything to serve.
func (g *gateway) buildTFTP() error {
	if g.config.PXE.TFTPRoot == "" {
		return nil
	}
	server, err := pxe.New(pxe.Options{
		Listen: g.config.PXE.TFTPListen, Root: g.config.PXE.TFTPRoot, Log: g.log,
		Fetched: func(f pxe.Fetch) {
			if f.Err == nil {
				g.nodes.Fetched(f.Remote.Addr(), f.Name)
			}
		},
	})
	if err != nil {
		return err
	}
	g.front = append(g.front, component{"boot service", server.Run})
	return nil
}

// buildHTTP opens the Redfish service's listener.
func (g *gateway) buildHTTP(ctx context.Context) error {
	listener, err := net.Listen("tcp", g.config.Listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen, or end the program that has it", err)
	}
	server := newHTTPServer(g.redfish, g.log)
	serving := func() error { return server.Serve(listener) }
	scheme := "http"
	if g.config.TLS.Mode != tlsOff {
		scheme = "https"
		if server.TLSConfig, err = g.tlsConfig(ctx); err != nil {
			return errors.Join(err, listener.Close())
		}
		serving = func() error { return server.ServeTLS(listener, "", "") }
	}
	base := scheme + "://" + dialable(listener.Addr())
	g.front = append(g.front, component{"redfish service", func(ctx context.Context) error {
		g.log.Info("serving Redfish", "address", base, "nodes", len(g.config.Nodes), "version", version)
		if g.hooks.ready != nil {
			g.hooks.ready(base)
		}
		return serveUntil(ctx, server, serving)
	}})
	return nil
}

// dialable returns an address that a client on this host can use.
func dialable(addr net.Addr) string {
	listened, err := netip.ParseAddrPort(addr.String())
	if err != nil || !listened.Addr().IsUnspecified() {
		return addr.String()
	}
	return fmt.Sprintf("localhost:%d", listened.Port())
}

// newHTTPServer returns a server with bounds on what a client can hold. The
// longest answer is that of a reset.
func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), Protocols: new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	return server
}

// serveUntil serves until ctx ends, then lets answers under way finish.
func serveUntil(ctx context.Context, server *http.Server, serving func() error) error {
	failed := make(chan error, 1)
	go func() { failed <- serving() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopServing)
	defer cancel()
	if err := server.Shutdown(bounded); err != nil {
		_ = server.Close() // answers under way are cut; what they began is judged at the next start
	}
	<-failed
	return nil
}

// run runs the core beneath everything that calls it: it starts first and ends
// last.
func (g *gateway) run(ctx context.Context) error {
	coreCtx, endCore := context.WithCancel(context.WithoutCancel(ctx))
	defer endCore()
	core := make(chan error, 1)
	go func() { core <- g.nodes.Run(coreCtx) }()
	err := runAll(ctx, g.front)
	endCore()
	if err = errors.Join(err, <-core); err == nil {
		g.log.Info("stopped")
	}
	return err
}

// runAll runs components until ctx ends or one of them does, and waits for
// all. It returns the first error.
func runAll(ctx context.Context, components []component) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(components))
	var wait sync.WaitGroup
	for i, c := range components {
		wait.Go(func() {
			defer cancel()
			if err := c.run(ctx); err != nil {
				errs[i] = fmt.Errorf("%s: %w", c.name, err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}
