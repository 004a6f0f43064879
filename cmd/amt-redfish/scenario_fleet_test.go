package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/state"
)

const (
	fleetLive = 99
	fleetDead = "desk-dead"
	// stopBound is how long the program may take to end.
	stopBound = 5 * time.Second
)

// fleet is a gateway in this process, for live desktops and a dead one.
type fleet struct {
	t      *testing.T
	desks  []*amtsim.Machine
	base   string
	client *http.Client
	stop   context.CancelFunc
	ended  chan error
}

// startDesks starts desktops that are on and do nothing by chance.
func startDesks(t *testing.T, n int) []*amtsim.Machine {
	t.Helper()
	desks := make([]*amtsim.Machine, n)
	for i := range desks {
		desk, err := amtsim.Start(t.Context(), amtsim.Options{
			ID: fmt.Sprintf("desk-%02d", i+1), Quirks: amtsim.Kind(), Timing: amtsim.Immediate(), Seed: 1, Power: amtsim.PowerOn,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if n := desk.Counters().Bogus; n != 0 {
				t.Errorf("%s got %d bogus requests: %v", desk.ID(), n, desk.BogusReasons())
			}
			_ = desk.Close()
		})
		desks[i] = desk
	}
	return desks
}

// silentEngine accepts connections, reads requests, and never answers.
type silentEngine struct {
	listener net.Listener
	work     sync.WaitGroup
}

func startSilentEngine(t *testing.T) *silentEngine {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &silentEngine{listener: listener}
	e.work.Go(e.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		e.work.Wait()
	})
	return e
}

func (e *silentEngine) accept() {
	for {
		conn, err := e.listener.Accept()
		if err != nil {
			return
		}
		e.work.Go(func() {
			defer conn.Close()
			_, _ = io.Copy(io.Discard, conn) // until the gateway gives up
		})
	}
}

// startFleet runs a gateway over HTTPS that asks firmware at each GET, and
// waits until it has read every live desktop's capabilities, so that nothing is
// left to be done in the background.
func startFleet(t *testing.T, desks []*amtsim.Machine, silent *silentEngine) *fleet {
	t.Helper()
	dir := t.TempDir()
	config := Config{
		Listen: "127.0.0.1:0", TLS: TLSConfig{Mode: tlsSelfSigned}, State: StateConfig{Dir: dir},
		Admin: AdminConfig{Username: scenarioUser, Password: state.NewSecret(scenarioPassword)},
		AMT:   AMTConfig{MaxRetry: 3, ActionWait: 10 * time.Second, AwakeInterval: time.Minute},
		Nodes: []NodeConfig{fleetNode(t, fleetDead, silent.listener.Addr().String())},
	}
	for _, desk := range desks {
		config.Nodes = append(config.Nodes, fleetNode(t, desk.ID(), desk.Addr()))
	}
	roots, ready := x509.NewCertPool(), make(chan string, 1)
	hooks := gatewayHooks{
		logger: slog.New(slog.DiscardHandler), timing: state.Timing{Fresh: time.Nanosecond, Spread: time.Nanosecond},
		ready: func(base string) { ready <- base },
	}
	f := &fleet{t: t, desks: desks, client: tlsClient(roots, true), ended: make(chan error, 1)}
	ctx, stop := context.WithCancel(t.Context())
	f.stop = stop
	go func() { f.ended <- runGateway(ctx, config, hooks) }()
	select {
	case f.base = <-ready:
	case err := <-f.ended:
		t.Fatalf("the gateway ended: %v", err)
	}
	certificate, err := os.ReadFile(filepath.Join(dir, certificateFile))
	if err != nil || !roots.AppendCertsFromPEM(certificate) {
		t.Fatalf("read the gateway's certificate: %v", err)
	}
	patient, cancel := context.WithTimeout(t.Context(), scenarioPatience)
	defer cancel()
	for _, desk := range desks {
		last := func(c amtsim.Call) bool { return c.Class == "CIM_ComputerSystemPackage" }
		if err := desk.Wait(patient, func(amtsim.Snapshot) bool { return slices.ContainsFunc(desk.Journal(), last) }); err != nil {
			t.Fatalf("wait for its capabilities to be read: %v", err)
		}
	}
	return f
}

func fleetNode(t *testing.T, id, address string) NodeConfig {
	t.Helper()
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return NodeConfig{
		ID: id, Address: at.Addr().String(), Port: int(at.Port()), Protocol: protocolHTTP,
		Username: amtsim.DefaultUsername, Password: state.NewSecret(amtsim.DefaultPassword), Mode: state.ModeUEFI,
	}
}

// get asks for a system and returns status and header.
func (f *fleet) get(ctx context.Context, id string) (int, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+systemPath(id), nil)
	if err != nil {
		return 0, nil, err
	}
	request.SetBasicAuth(scenarioUser, scenarioPassword)
	response, err := f.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	return response.StatusCode, response.Header, response.Body.Close()
}

// getDead asks for the dead system, and tells when the request is on its way,
// or has failed before.
func (f *fleet) getDead(ctx context.Context, sent func()) (int, http.Header, error) {
	defer sent()
	trace := httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent() }}
	return f.get(httptrace.WithClientTrace(ctx, &trace), fleetDead)
}

// end stops the gateway, which must not take longer than it may.
func (f *fleet) end() {
	f.t.Helper()
	f.stop()
	bounded, cancel := context.WithTimeout(context.Background(), stopBound)
	defer cancel()
	select {
	case err := <-f.ended:
		if err != nil {
			f.t.Errorf("the gateway ended: %v", err)
		}
	case <-bounded.Done():
		f.t.Errorf("the gateway does not end within %s", stopBound)
	}
	f.client.CloseIdleConnections()
}

// cost is what one desktop was asked.
type cost struct{ exchanges, challenges int }

// askAll gets every live system once, several at a time, and returns what that
// cost each of them.
func (f *fleet) askAll() map[string]cost {
	counters := func(desk *amtsim.Machine) cost {
		c := desk.Counters()
		return cost{c.Exchanges, c.Unauthorized}
	}
	before := map[string]cost{}
	work := make(chan *amtsim.Machine, len(f.desks))
	for _, desk := range f.desks {
		before[desk.ID()] = counters(desk)
		work <- desk
	}
	close(work)
	var askers sync.WaitGroup
	for range 8 {
		askers.Go(func() {
			for desk := range work {
				if status, _, err := f.get(f.t.Context(), desk.ID()); err != nil || status != http.StatusOK {
					f.t.Errorf("GET %s: status %d, %v", desk.ID(), status, err)
				}
			}
		})
	}
	askers.Wait()
	costs := map[string]cost{}
	for _, desk := range f.desks {
		now, was := counters(desk), before[desk.ID()]
		costs[desk.ID()] = cost{now.exchanges - was.exchanges, now.challenges - was.challenges}
	}
	return costs
}

// askDead asks for the dead system all the time until its result is called,
// which returns how often it was asked; it returns when the first requests are
// on their way. Each answer must send the caller away for a while.
func (f *fleet) askDead(askers int) (stop func() int) {
	stopped, answers := make(chan struct{}), make(chan int, askers)
	var first sync.WaitGroup
	first.Add(askers)
	for range askers {
		go func() {
			n := 0
			defer func() { answers <- n }()
			for sent := sync.OnceFunc(first.Done); ; {
				status, header, err := f.getDead(f.t.Context(), sent)
				n++
				if err != nil || status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
					f.t.Errorf("GET %s: status %d, Retry-After %q, %v; want 503", fleetDead, status, header.Get("Retry-After"), err)
				}
				select {
				case <-stopped:
					return
				default:
				}
			}
		}()
	}
	first.Wait()
	return func() int {
		close(stopped)
		n := 0
		for range askers {
			n += <-answers
		}
		return n
	}
}

// A machine that never answers costs the others nothing: while it is asked all
// the time, each of them is asked as often as before, and answers.
func TestDeadMachineAmongAHundred(t *testing.T) {
	t.Parallel()
	f := startFleet(t, startDesks(t, fleetLive), startSilentEngine(t))
	defer f.end()
	alone := f.askAll()
	for id, c := range alone {
		if c != (cost{exchanges: 1}) {
			t.Errorf("a GET of %s cost %+v, want one exchange", id, c)
		}
	}
	stop := f.askDead(4)
	beside := f.askAll()
	if n := stop(); n == 0 {
		t.Error("the dead machine was never answered for")
	}
	for id, c := range beside {
		if c != alone[id] {
			t.Errorf("a GET of %s cost %+v beside a dead machine, and %+v without", id, c, alone[id])
		}
	}
}

// A gateway that is stopped, even while it waits for a dead machine, leaves
// nothing running behind.
func TestStoppingLeavesNothingBehind(t *testing.T) {
	desks, silent := startDesks(t, 5), startSilentEngine(t)
	before := runtime.NumGoroutine()
	f := startFleet(t, desks, silent)
	f.askAll()
	sent, waiting := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(waiting)
		_, _, _ = f.getDead(t.Context(), sync.OnceFunc(func() { close(sent) })) // it is cut, or answered, as it happens
	}()
	<-sent
	f.end()
	<-waiting
	f.client.CloseIdleConnections()

	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(scenarioPatience); runtime.NumGoroutine() > before; <-look.C {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines were before, %d are left:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
		}
	}
}
