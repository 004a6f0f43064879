package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
)

// lockedBuffer takes output while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestCommandLine(t *testing.T) {
	good := writeConfig(t, "nodes: []\n")
	bad := writeConfig(t, "listne: 127.0.0.1:0\nnodes: []\n")
	for _, c := range []struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{nil, exitOK, `amt-redfish serve `, `^$`},
		{[]string{"help"}, exitOK, `--amt-max-retry`, `^$`},
		{[]string{"version"}, exitOK, `^amt-redfish devel\n$`, `^$`},
		{[]string{"serve", "--help"}, exitOK, `--check-config`, `^$`},
		{[]string{"simulate", "--help"}, exitOK, `--machines`, `^$`},
		{[]string{"reboot"}, exitUsage, `^$`, `"reboot" is no command`},
		{[]string{"simulate", "--machines", "0"}, exitUsage, `^$`, `--machines 0`},
		{[]string{"simulate", "now"}, exitUsage, `^$`, `"now" is not a flag`},
		{[]string{"simulate", "--what"}, exitUsage, `^$`, `--what`},
		{[]string{"simulate", "--address", "here"}, exitUsage, `^$`, `"here" is no IP address`},
		{[]string{"serve", "--check-config", "--config", good}, exitOK, `is valid; nodes: 0`, `nodes: is empty`},
		{[]string{"serve", "--config", bad}, exitUsage, `^$`, `:1: listne: .*"?listen"?`},
		{[]string{"serve"}, exitUsage, `^$`, `--config`},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), c.args, nil, &stdout, &stderr); code != c.code {
			t.Errorf("%v: exit code %d, want %d; %s", c.args, code, c.code, &stderr)
		}
		for _, o := range []struct{ pattern, got string }{{c.stdout, stdout.String()}, {c.stderr, stderr.String()}} {
			if !regexp.MustCompile(o.pattern).MatchString(o.got) {
				t.Errorf("%v printed %q, want %s", c.args, o.got, o.pattern)
			}
		}
	}
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// startGateway runs a gateway until the test or stop ends it, and returns its
// base URL.
func startGateway(t *testing.T, config Config, hooks gatewayHooks) (base string, stop func() error) {
	t.Helper()
	if hooks.logger == nil {
		hooks.logger = slog.New(slog.DiscardHandler)
	}
	ready := make(chan string, 1)
	hooks.ready = func(base string) { ready <- base }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runGateway(ctx, config, hooks) }()
	var once sync.Once
	var result error
	stop = func() error {
		once.Do(func() {
			cancel()
			result = <-ended
		})
		return result
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	select {
	case base := <-ready:
		return base, stop
	case err := <-ended:
		t.Fatal("the gateway ended: ", err)
	}
	return "", nil
}

// loadText loads a configuration with a state directory of its own.
func loadText(t *testing.T, text string) Config {
	t.Helper()
	config, _, err := loadConfig([]string{"--config", writeConfig(t, text), "--state-dir", t.TempDir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// trusting returns a client that trusts the certificate that the gateway put
// beside its state, and nothing else.
func trusting(t *testing.T, config Config) *http.Client {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(config.State.Dir, certificateFile))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("the file holds no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestStateOutlivesARestart(t *testing.T) {
	config := loadText(t, "listen: 127.0.0.1:0\nnodes: []\n")
	var told []string
	hooks := gatewayHooks{password: func(user, password string) { told = append(told, user, password) }}
	var first, second struct{ UUID string }
	var certificates [2]string
	for i, root := range []any{&first, &second} {
		base, stop := startGateway(t, config, hooks)
		client := trusting(t, config)
		reply, err := client.Get(base + "/redfish/v1/")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewDecoder(reply.Body).Decode(root); err != nil {
			t.Error(err)
		}
		reply.Body.Close()
		certificates[i] = string(reply.TLS.PeerCertificates[0].Raw)
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/redfish/v1/Systems", nil)
		request.SetBasicAuth(told[0], told[1])
		if reply, err = client.Do(request); err != nil || reply.StatusCode != http.StatusOK {
			t.Errorf("login with the printed password: %v, %v", reply, err)
		}
		reply.Body.Close()
		client.CloseIdleConnections()
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
	if first.UUID == "" || first != second || certificates[0] != certificates[1] {
		t.Error("the service has another UUID or certificate after a restart")
	}
	if len(told) != 2 || told[0] != "admin" || len(told[1]) < 20 {
		t.Errorf("the first account's password was told %d times: %q", len(told)/2, told)
	}
}

func TestSelfSignedCertificate(t *testing.T) {
	now := time.Now()
	value, err := makeCertificate([]string{"localhost", "127.0.0.1", "gw.example.org"}, now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := decodeCertificate(value)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host string
		now  time.Time
		want bool
	}{
		{"gw.example.org", now, true}, {"127.0.0.1", now, true}, {"other.example.org", now, false}, {"127.0.0.2", now, false},
		{"localhost", now.Add(certificateLifetime - certificateRenew - time.Hour), true},
		{"localhost", now.Add(certificateLifetime - certificateRenew + time.Hour), false},
	} {
		if got := serves(pair.Leaf, []string{c.host}, c.now); got != c.want {
			t.Errorf("%s at %v: %v", c.host, c.now, got)
		}
	}
	for _, bad := range []string{"", "{}", `{"version": 2}`, `{"version": 1}`} {
		if _, err := decodeCertificate([]byte(bad)); err == nil {
			t.Errorf("%q was taken for a certificate", bad)
		}
	}
	for listen, want := range map[string]string{"192.0.2.1:8443": "192.0.2.1", "gw.example.org:8443": "gw.example.org", ":8443": "127.0.0.1", "[::]:8443": "::1"} {
		hosts, others, err := certificateHosts(listen, []string{"more.example.org"})
		if every := strings.HasPrefix(listen, ":") || strings.HasPrefix(listen, "[::]"); every != (len(others) > 0) {
			t.Errorf("%s: others %v", listen, others)
		}
		if err != nil || !slices.Contains(hosts, want) || !slices.Contains(hosts, "more.example.org") || slices.Contains(hosts, "::") {
			t.Errorf("%s: %v, %v", listen, hosts, err)
		}
	}
}

func TestCertificateFiles(t *testing.T) {
	value, err := makeCertificate([]string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var record certificateRecord
	if err := json.Unmarshal(value, &record); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"cert.pem": record.Certificate, "key.pem": record.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := loadText(t, fmt.Sprintf("listen: 127.0.0.1:0\ntls: {mode: files, cert: %q, key: %q}\nnodes: []\n", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")))
	base, _ := startGateway(t, config, gatewayHooks{})
	block, _ := pem.Decode([]byte(record.Certificate))
	conn, err := tls.Dial("tcp", strings.TrimPrefix(base, "https://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if !bytes.Equal(conn.ConnectionState().PeerCertificates[0].Raw, block.Bytes) {
		t.Error("another certificate is served")
	}
}

func TestATakenAddressIsSaid(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	config := loadText(t, fmt.Sprintf("listen: %s\nnodes: []\n", taken.Addr()))
	err = runGateway(t.Context(), config, gatewayHooks{logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "choose another address") {
		t.Errorf("error %v", err)
	}
}

func TestAStateIsForOneGateway(t *testing.T) {
	config := loadText(t, "listen: 127.0.0.1:0\nnodes: []\n")
	startGateway(t, config, gatewayHooks{})
	err := runGateway(t.Context(), config, gatewayHooks{logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "amt-redfish.db") {
		t.Errorf("a second gateway on the same state: %v", err)
	}
}

func TestDebugShowsExchangesWithoutCredentials(t *testing.T) {
	machine, err := amtsim.Start(t.Context(), amtsim.Options{ID: "desk-01", Quirks: amtsim.Kind(), Timing: amtsim.Quick()})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	host, port, _ := net.SplitHostPort(machine.Addr())
	debug, err := net.Listen("tcp", "127.0.0.1:0") // for a port that is free
	if err != nil {
		t.Fatal(err)
	}
	address := debug.Addr().String()
	debug.Close()
	config := loadText(t, fmt.Sprintf("listen: 127.0.0.1:0\ndebug: {listen: %q}\nnodes:\n  - {id: desk-01, amt_address: %s, amt_port: %s, amt_password: %s}\n", address, host, port, amtsim.DefaultPassword))
	var secret string
	base, _ := startGateway(t, config, gatewayHooks{password: func(_, password string) { secret = password }})
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/redfish/v1/Systems/desk-01", nil)
	request.SetBasicAuth("admin", secret)
	reply, err := trusting(t, config).Do(request)
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Fatalf("system: %v, %v", reply, err)
	}
	reply.Body.Close()
	if reply, err = http.Get("http://" + address + "/nodes/desk-01/exchanges"); err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil || !strings.Contains(string(text), "CIM_AssociatedPowerManagementService") {
		t.Errorf("exchanges: %s, %v", text, err)
	}
	if strings.Contains(string(text), amtsim.DefaultPassword) || strings.Contains(string(text), "response=") {
		t.Error("the exchanges show credentials")
	}
	unknown, err := http.Get("http://" + address + "/nodes/desk-02/exchanges")
	if err != nil || unknown.StatusCode != http.StatusNotFound {
		t.Errorf("unknown node: %v, %v", unknown, err)
	}
	unknown.Body.Close()
}

// TestSimulateWithGateway runs what `make run` runs, and follows what it says.
func TestSimulateWithGateway(t *testing.T) {
	dir := t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	var stdout, stderr lockedBuffer
	code := make(chan int, 1)
	args := []string{"simulate", "--gateway", "--dir", dir, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--port", "0", "--machines", "2"}
	go func() { code <- run(ctx, args, nil, &stdout, &stderr) }()
	told := regexp.MustCompile(`address +(https://\S+)\n +account +(\S+)\n +password +(\S+)\n`)
	var said []string
	for said == nil {
		select {
		case c := <-code:
			t.Fatalf("ended with %d: %s", c, stderr.String())
		case <-time.After(10 * time.Millisecond):
			if strings.Contains(stdout.String(), "Ctrl-C ends") {
				said = told.FindStringSubmatch(stdout.String())
			}
		}
	}
	config, _, err := loadConfig([]string{"--config", filepath.Join(dir, "gateway.yaml")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := trusting(t, config)
	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, said[1]+"/Systems", nil)
	request.SetBasicAuth(said[2], said[3])
	reply, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	var systems struct {
		Count int `json:"Members@odata.count"`
	}
	if err := json.NewDecoder(reply.Body).Decode(&systems); err != nil || systems.Count != 2 {
		t.Errorf("%d systems, %v", systems.Count, err)
	}
	reply.Body.Close()
	interrupt()
	if c := <-code; c != exitOK {
		t.Errorf("exit code %d after an interrupt: %s", c, stderr.String())
	}
}
