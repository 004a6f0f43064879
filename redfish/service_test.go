package redfish

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// The core's types are what the service asks for.
var (
	_ Nodes    = (*state.Nodes)(nil)
	_ Accounts = (*state.Accounts)(nil)
)

// The accounts of every test service: all share one password, since hashing is
// slow on purpose.
const (
	admin    = "root"
	operator = "ops"
	reader   = "ro"
	confined = "desk2only" // an operator who sees desk-02 alone
	password = "Correct-Horse_7"
)

var testHash = sync.OnceValues(func() (string, error) { return HashPassword(password) })

// fakeAccounts are accounts in memory.
type fakeAccounts struct {
	mu    sync.Mutex
	byKey map[string]state.Account
	err   error
}

func (f *fakeAccounts) Get(_ context.Context, username string) (state.Account, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return state.Account{}, f.err
	}
	account, found := f.byKey[username]
	if !found {
		return state.Account{}, state.Errorf(state.KindNotFound, "read account", "", "no %q", username)
	}
	return account, nil
}

func (f *fakeAccounts) change(apply func(accounts map[string]state.Account)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	apply(f.byKey)
}

// fakeNode is what the fake core knows of one node.
type fakeNode struct {
	snapshot    state.Snapshot
	observation state.Observation
	observeErr  error
	updateErr   error
	resetErr    error
	outcome     state.Outcome
	resets      []state.Reset
	observed    int
	updates     int
	// racing is called inside the next update, before the change is asked for.
	racing func(*fakeNode)
	panics bool
}

// fakeNodes is a core in memory, behind the service's own interface.
type fakeNodes struct {
	mu    sync.Mutex
	nodes map[string]*fakeNode
}

func (f *fakeNodes) IDs() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	ids := []string{}
	for id := range f.nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (f *fakeNodes) node(id string) (*fakeNode, error) {
	n := f.nodes[id]
	if n == nil {
		return nil, state.Errorf(state.KindNotFound, "read", id, "there is no such node")
	}
	return n, nil
}

func (f *fakeNodes) Get(_ context.Context, id string) (state.Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.node(id)
	if err != nil {
		return state.Snapshot{}, err
	}
	if n.panics {
		panic("a defect")
	}
	return n.snapshot, nil
}

func (f *fakeNodes) Observe(ctx context.Context, id string) (state.Observation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.node(id)
	if err != nil {
		return state.Observation{}, err
	}
	n.observed++
	if _, bounded := ctx.Deadline(); !bounded {
		return state.Observation{}, state.Errorf(state.KindInternal, "observe", id, "called without a deadline")
	}
	return n.observation, n.observeErr
}

func (f *fakeNodes) UpdateOverride(_ context.Context, id string, change func(state.Override, state.Capability) (state.Override, error)) (state.Override, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.node(id)
	if err != nil {
		return state.Override{}, err
	}
	if n.updateErr != nil {
		return state.Override{}, n.updateErr
	}
	if n.racing != nil {
		n.racing(n)
		n.racing = nil
	}
	wish, err := change(n.snapshot.Override, n.snapshot.Capability)
	if err != nil {
		return state.Override{}, err
	}
	n.updates++
	n.snapshot.Override = wish
	return wish, nil
}

func (f *fakeNodes) Reset(_ context.Context, id string, reset state.Reset) (state.Outcome, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.node(id)
	if err != nil {
		return "", err
	}
	n.resets = append(n.resets, reset)
	return n.outcome, n.resetErr
}

// set changes a node under the lock.
func (f *fakeNodes) set(id string, apply func(*fakeNode)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	apply(f.nodes[id])
}

func newFakeNode(id string) *fakeNode {
	return &fakeNode{
		snapshot: state.Snapshot{
			Node:     state.Node{ID: id, Address: "192.0.2.7", Mode: state.ModeUEFI},
			Override: state.NoOverride,
			Capability: state.Capability{
				At: time.Unix(1e9, 0), Targets: []state.Target{state.TargetPxe, state.TargetHdd, state.TargetCd},
				Version: "16.1.25", UUID: "4c4c4544-0042-3510-8052-b4c04f564831",
			},
		},
		observation: state.Observation{Power: state.PowerOn, At: time.Unix(2e9, 0)},
		outcome:     state.OutcomeAccepted,
	}
}

// logBuffer collects log lines of concurrent requests.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// find returns the log lines with that message.
func (l *logBuffer) find(t *testing.T, message string) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []map[string]any
	for line := range strings.Lines(l.b.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if record["msg"] == message {
			found = append(found, record)
		}
	}
	return found
}

// service is a server under test, on a loopback socket.
type service struct {
	t        *testing.T
	server   *Server
	url      string
	client   *http.Client
	nodes    *fakeNodes
	accounts *fakeAccounts
	log      *logBuffer
}

func newService(t *testing.T, adjust ...func(*Options)) *service {
	t.Helper()
	hash, err := testHash()
	if err != nil {
		t.Fatal(err)
	}
	account := func(name string, role state.Role, systems ...string) state.Account {
		return state.Account{Username: name, PasswordHash: hash, Role: role, Systems: systems}
	}
	s := &service{
		t:     t,
		log:   &logBuffer{},
		nodes: &fakeNodes{nodes: map[string]*fakeNode{"desk-01": newFakeNode("desk-01"), "desk-02": newFakeNode("desk-02")}},
		accounts: &fakeAccounts{byKey: map[string]state.Account{
			admin: account(admin, state.RoleAdministrator), operator: account(operator, state.RoleOperator),
			reader: account(reader, state.RoleReadOnly), confined: account(confined, state.RoleOperator, "desk-02"),
		}},
	}
	options := Options{
		Nodes: s.nodes, Accounts: s.accounts, UUID: "11111111-2222-4333-8444-555555555555", Version: "1.2.3",
		Logger: slog.New(slog.NewJSONHandler(s.log, nil)),
	}
	for _, f := range adjust {
		f(&options)
	}
	if s.server, err = New(options); err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(s.server)
	t.Cleanup(listener.Close)
	s.url, s.client = listener.URL, listener.Client()
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s
}

// answer is a response, read to its end.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	raw    string
	body   map[string]any
}

// ask sends a request. Each header is "Name: value"; the first that is "as
// NAME" sends that account's Basic credentials.
func (s *service) ask(method, path, body string, headers ...string) answer {
	s.t.Helper()
	request, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, header := range headers {
		if name, isAccount := strings.CutPrefix(header, "as "); isAccount {
			request.SetBasicAuth(name, password)
			continue
		}
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Add(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	a := answer{t: s.t, status: response.StatusCode, header: response.Header, raw: string(raw)}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") && method != http.MethodHead {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			s.t.Fatalf("%s %s: answer is no JSON object: %v\n%s", method, path, err, raw)
		}
	}
	return a
}

// want fails the test if the status is another.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d\n%s", a.status, status, a.raw)
	}
	return a
}

// at returns the value at a path of object names and array indexes.
func (a answer) at(path ...any) any {
	a.t.Helper()
	var now any = a.body
	for _, step := range path {
		switch key := step.(type) {
		case string:
			members, _ := now.(map[string]any)
			now = members[key]
		case int:
			items, _ := now.([]any)
			if key >= len(items) {
				return nil
			}
			now = items[key]
		}
	}
	return now
}

// messageIDs returns the keys of the error's messages.
func (a answer) messageIDs() []string {
	a.t.Helper()
	info, _ := a.at("error", "@Message.ExtendedInfo").([]any)
	if info == nil {
		info, _ = a.at("@Message.ExtendedInfo").([]any)
	}
	var keys []string
	for i := range info {
		entry, _ := info[i].(map[string]any)
		id, _ := entry["MessageId"].(string)
		keys = append(keys, strings.TrimPrefix(id, registryPrefix))
	}
	return keys
}

// wantMessages fails the test if the answer's messages are others.
func (a answer) wantMessages(keys ...string) answer {
	a.t.Helper()
	if got := a.messageIDs(); !slices.Equal(got, keys) {
		a.t.Fatalf("messages %v, want %v\n%s", got, keys, a.raw)
	}
	return a
}

// golden compares text with a golden file.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("%s differs; if that is meant, run the test with -update\n--- got\n%s\n--- want\n%s", path, text, want)
	}
}
