package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/amt"
	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/state"
)

const (
	benchUser     = "admin"
	benchPassword = "bench-password"

	// never is an age that no reading is younger than, so that every GET asks
	// firmware; always is one that none outgrows in a benchmark.
	never  = time.Nanosecond
	always = time.Hour
)

// benchTiming returns the core's durations for benchmarks: a reading is shared
// up to fresh, and no reset is taken for the repetition of the one before it.
func benchTiming(fresh time.Duration) state.Timing {
	return state.Timing{Fresh: fresh, Merge: time.Nanosecond, Spread: time.Nanosecond}
}

// benchDesk starts a desktop that is on and does nothing by chance. It ends
// with the benchmark, which fails if something sent what no client should.
func benchDesk(b *testing.B, id string) *amtsim.Machine {
	b.Helper()
	desk, err := amtsim.Start(b.Context(), amtsim.Options{
		ID: id, Quirks: amtsim.Kind(), Timing: amtsim.Immediate(), Seed: 1, Power: amtsim.PowerOn,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if n := desk.Counters().Bogus; n != 0 {
			b.Errorf("%s got %d bogus requests: %v", id, n, desk.BogusReasons())
		}
		_ = desk.Close()
	})
	return desk
}

// benchDesks starts several.
func benchDesks(b *testing.B, n int) []*amtsim.Machine {
	b.Helper()
	desks := make([]*amtsim.Machine, n)
	for i := range desks {
		desks[i] = benchDesk(b, fmt.Sprintf("desk-%02d", i+1))
	}
	return desks
}

// slowDown makes a desktop take that much longer for each call.
func slowDown(desk *amtsim.Machine, d time.Duration) {
	desk.AddFault(amtsim.Fault{Effect: amtsim.EffectDelay, Delay: d, Count: -1})
}

// benchNode is the configuration of a node at an address.
func benchNode(b *testing.B, id, address string) NodeConfig {
	b.Helper()
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		b.Fatal(err)
	}
	return NodeConfig{
		ID: id, Address: at.Addr().String(), Port: int(at.Port()), Protocol: protocolHTTP,
		Username: amtsim.DefaultUsername, Password: state.NewSecret(amtsim.DefaultPassword), Mode: state.ModeUEFI,
	}
}

// bareMachine is the WS-Man client for a desktop, without a gateway.
func bareMachine(b *testing.B, desk *amtsim.Machine) *amt.Machine {
	b.Helper()
	node := benchNode(b, desk.ID(), desk.Addr())
	m, err := amt.New(amt.Options{
		Node: node.ID, Address: node.Address, Port: node.Port, Username: node.Username, Password: node.Password, AwakeInterval: time.Minute,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(m.Close)
	return m
}

// rig is a gateway that runs as the program runs it, with a client.
type rig struct {
	b      *testing.B
	base   string
	roots  *x509.CertPool
	client *http.Client
	store  *countingStore
}

// startRig runs a gateway over HTTPS on loopback until the benchmark ends. It
// returns when the gateway has read every live desktop's capabilities, so that
// nothing is left to do in the background.
func startRig(b *testing.B, timing state.Timing, desks []*amtsim.Machine, others ...NodeConfig) *rig {
	b.Helper()
	dir := b.TempDir()
	config := Config{
		Listen: "127.0.0.1:0", TLS: TLSConfig{Mode: tlsSelfSigned}, State: StateConfig{Dir: dir},
		Admin: AdminConfig{Username: benchUser, Password: state.NewSecret(benchPassword)},
		AMT:   AMTConfig{MaxRetry: 3, ActionWait: 10 * time.Second, AwakeInterval: time.Minute},
		Nodes: others,
	}
	for _, desk := range desks {
		config.Nodes = append(config.Nodes, benchNode(b, desk.ID(), desk.Addr()))
	}
	r := &rig{b: b, roots: x509.NewCertPool()}
	r.client = tlsClient(r.roots, true)
	ready := make(chan string, 1)
	hooks := gatewayHooks{
		logger: slog.New(slog.DiscardHandler), timing: timing,
		ready: func(base string) { ready <- base },
		wrapStore: func(s state.Store) state.Store {
			r.store = &countingStore{Store: s, changed: make(chan struct{}), writes: map[string]int{}}
			return r.store
		},
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- runGateway(ctx, config, hooks) }()
	select {
	case r.base = <-ready:
	case err := <-ended:
		b.Fatalf("the gateway ended: %v", err)
	}
	b.Cleanup(func() {
		r.client.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			b.Errorf("the gateway ended: %v", err)
		}
	})
	certificate, err := os.ReadFile(filepath.Join(dir, certificateFile))
	if err != nil || !r.roots.AppendCertsFromPEM(certificate) {
		b.Fatalf("read the gateway's certificate: %v", err)
	}
	for _, desk := range desks {
		r.store.await(b, desk.ID(), 1)
	}
	return r
}

// tlsClient returns an HTTPS client that keeps its connections, or makes a new
// one for each request, without resuming sessions.
func tlsClient(roots *x509.CertPool, keep bool) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: !keep, MaxIdleConnsPerHost: 64,
	}}
}

// request makes a request with Basic credentials, as clients without sessions
// do.
func (r *rig) request(ctx context.Context, method, path, body string) *http.Request {
	var content io.Reader
	if body != "" {
		content = bytes.NewBufferString(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, content)
	if err != nil {
		panic(err) // not reached: the addresses are our own
	}
	request.SetBasicAuth(benchUser, benchPassword)
	request.Header.Set("Content-Type", "application/json")
	return request
}

// ask sends a request and reads the answer to its end.
func (r *rig) ask(method, path, body string) {
	status, text, err := exchange(r.client, r.request(r.b.Context(), method, path, body))
	if err != nil {
		r.b.Fatal(err)
	}
	if status >= 300 {
		r.b.Fatalf("%s %s: status %d: %s", method, path, status, text)
	}
}

func exchange(client *http.Client, request *http.Request) (int, []byte, error) {
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

func systemPath(id string) string { return "/redfish/v1/Systems/" + id }

func (r *rig) getSystem(id string) { r.ask(http.MethodGet, systemPath(id), "") }

func (r *rig) wishPxeOnce(id string) {
	r.ask(http.MethodPatch, systemPath(id), `{"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}}`)
}

func (r *rig) restart(id string) {
	r.ask(http.MethodPost, systemPath(id)+"/Actions/ComputerSystem.Reset", `{"ResetType": "ForceRestart"}`)
}

// countingStore counts the writes of each node's record and adds up how long
// they took.
type countingStore struct {
	state.Store
	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each write
	writes  map[string]int
	took    time.Duration
}

// Update implements state.Store.
func (s *countingStore) Update(ctx context.Context, key string, change func(state.Entry) ([]byte, error)) (state.Entry, error) {
	started := time.Now()
	entry, err := s.Store.Update(ctx, key, change)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took += time.Since(started)
	if err == nil {
		s.writes[key]++
		close(s.changed)
		s.changed = make(chan struct{})
	}
	return entry, err
}

// seen returns how often a node's record was written, and how long all writes
// took together.
func (s *countingStore) seen(id string) (int, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes["node/"+id], s.took
}

// await waits until a node's record was written that often.
func (s *countingStore) await(b *testing.B, id string, writes int) {
	b.Helper()
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		n, changed := s.writes["node/"+id], s.changed
		s.mu.Unlock()
		if n >= writes {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			b.Fatalf("the record of %s was written %d times, not %d", id, n, writes)
		}
	}
}

// silentEndpoint listens and never answers, as an engine does that hangs: the
// system accepts connections for it, and that is all.
func silentEndpoint(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// refusingEndpoint is an address at which nobody listens.
func refusingEndpoint(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// samples are durations of one kind.
type samples []time.Duration

// time adds how long f takes.
func (s *samples) time(f func()) {
	started := time.Now()
	f()
	*s = append(*s, time.Since(started))
}

// quantile returns the smallest sample that at least the fraction q of all
// does not exceed.
func (s samples) quantile(q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	n := int(q * float64(len(sorted)))
	if float64(n) < q*float64(len(sorted)) {
		n++
	}
	return sorted[max(n, 1)-1]
}

func (s samples) median() time.Duration { return s.quantile(0.5) }

func (s samples) sum() time.Duration {
	var total time.Duration
	for _, d := range s {
		total += d
	}
	return total
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// allocationsOf returns how many objects the whole process allocated during f.
func allocationsOf(f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs)
}

// TestQuantile keeps what the benchmarks report honest.
func TestQuantile(t *testing.T) {
	hundred := make(samples, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for _, tt := range []struct {
		samples samples
		q       float64
		want    time.Duration
	}{
		{samples{7}, 0.99, 7},
		{samples{3, 1, 2}, 0.5, 2},
		{samples{4, 1, 3, 2}, 0.5, 2},
		{hundred, 0.99, 99},
		{hundred, 0.991, 100},
		{hundred, 0, 1},
	} {
		if got := tt.samples.quantile(tt.q); got != tt.want {
			t.Errorf("quantile %v of %d samples: %d, want %d", tt.q, len(tt.samples), got, tt.want)
		}
	}
}
