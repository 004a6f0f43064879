package redfish

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

const desk = "/redfish/v1/Systems/desk-01"

// TestOrderOfChecks sends requests that are wrong in several ways: the first
// check that fails in the fixed order answers.
func TestOrderOfChecks(t *testing.T) {
	s := newService(t)
	for _, tt := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		message                  string
	}{
		{"no credentials, all else wrong", "PATCH", desk, "{", []string{"OData-Version: 9", "If-Match: \"x\""}, 401, "NoValidSession"},
		{"no credentials, no resource", "GET", "/redfish/v1/RPVfoobar", "", nil, 401, "NoValidSession"},
		{"made-up token, no resource", "GET", "/redfish/v1/RPVfoobar", "", []string{"X-Auth-Token: bogus"}, 401, "NoValidSession"},
		{"no credentials, no method", "DELETE", rootURI, "", nil, 401, "NoValidSession"},
		{"version before resource", "GET", "/redfish/v1/RPVfoobar", "", []string{"as " + admin, "OData-Version: 4.1"}, 412, "HeaderInvalid"},
		{"version before privilege", "PATCH", desk, "{", []string{"as " + reader, "OData-Version: 4.1"}, 412, "HeaderInvalid"},
		{"no resource", "GET", "/redfish/v1/RPVfoobar", "", []string{"as " + admin}, 404, "ResourceMissingAtURI"},
		{"method before privilege", "DELETE", desk, "", []string{"as " + reader}, 405, "OperationNotAllowed"},
		{"method never heard of", "FAKEMETHODFORTEST", rootURI, "", []string{"as " + admin}, 405, "OperationNotAllowed"},
		{"write to the root", "PATCH", rootURI, "{}", []string{"as " + admin}, 405, "OperationNotAllowed"},
		{"privilege before precondition and body", "PATCH", desk, "{", []string{"as " + reader, "If-Match: \"x\""}, 403, "InsufficientPrivilege"},
		{"privilege for an action", "POST", desk + "/Actions/ComputerSystem.Reset", `{"ResetType":"ForceOff"}`, []string{"as " + reader}, 403, "InsufficientPrivilege"},
		{"precondition before body", "PATCH", desk, "{", []string{"as " + operator, "If-Match: \"x\""}, 412, "PreconditionFailed"},
		{"body", "PATCH", desk, "{", []string{"as " + operator}, 400, "MalformedJSON"},
		{"etag before credentials", "GET", desk, "", []string{"If-None-Match: *"}, 401, "NoValidSession"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.ask(tt.method, tt.path, tt.body, tt.headers...).want(tt.status).wantMessages(tt.message)
			if got := a.at("error", "code"); got != registryPrefix+tt.message {
				t.Errorf("code %v", got)
			}
			id := a.header.Get("X-Request-Id")
			text, _ := a.at("error", "message").(string)
			if id == "" || !strings.Contains(text, id) {
				t.Errorf("the message %q does not name the request %q", text, id)
			}
			if tt.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
			}
			if tt.status == 405 && a.header.Get("Allow") == "" {
				t.Error("no Allow")
			}
			found := slices.ContainsFunc(s.log.find(t, "request refused"), func(line map[string]any) bool { return line["request_id"] == id })
			if !found {
				t.Error("the log does not name the request")
			}
		})
	}
	s.nodes.set("desk-01", func(n *fakeNode) {
		if n.updates+len(n.resets) != 0 {
			t.Errorf("refused requests made %d writes and %v", n.updates, n.resets)
		}
	})
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	s := newService(t)
	for _, request := range [][]string{
		{"GET", rootURI}, {"GET", "/redfish"}, {"GET", desk}, {"GET", desk, "as " + admin}, {"DELETE", desk, "as " + admin}, {"GET", "/", "as " + admin},
	} {
		a := s.ask(request[0], request[1], "", request[2:]...)
		for name, want := range map[string]string{
			"OData-Version": "4.0", "Cache-Control": "no-store, no-cache, must-revalidate", "X-Content-Type-Options": "nosniff",
			"X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age=31536000", "Content-Type": "application/json;charset=utf-8",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%v: %s is %q, want %q", request, name, got, want)
			}
		}
		if a.header.Get("Set-Cookie") != "" {
			t.Errorf("%v sets a cookie", request)
		}
	}
	if got := s.ask("GET", desk, "", "as "+admin).header.Get("Allow"); got != "GET, HEAD, PATCH" {
		t.Errorf("Allow %q", got)
	}
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	s := newService(t)
	for _, path := range []string{"/redfish", rootURI, "/redfish/v1/$metadata", systemsURI, desk} {
		get := s.ask("GET", path, "", "as "+admin).want(200)
		head := s.ask("HEAD", path, "", "as "+admin).want(200)
		if head.raw != "" {
			t.Errorf("%s: HEAD has a body", path)
		}
		for _, name := range []string{"Content-Length", "Content-Type", "ETag", "Allow", "Link"} {
			if get.header.Get(name) != head.header.Get(name) {
				t.Errorf("%s: %s is %q with GET and %q with HEAD", path, name, get.header.Get(name), head.header.Get(name))
			}
		}
	}
}

func TestPublicPaths(t *testing.T) {
	s := newService(t)
	for _, path := range []string{"/redfish", "/redfish/", "/redfish/v1", "/redfish/v1/", "/redfish/v1/odata", "/redfish/v1/$metadata"} {
		for _, header := range []string{"Accept: */*", "as nobody", "X-Auth-Token: stale", "Accept: application/xml"} {
			s.ask("GET", path, "{}", header).want(200)
		}
	}
	if got := strings.Join(strings.Fields(s.ask("GET", "/redfish", "").raw), ""); got != `{"v1":"/redfish/v1/"}` {
		t.Errorf("/redfish is %s", got)
	}
}

// TestSpellingsOfPaths serves slashes at the end and percent-encoding directly,
// and never redirects.
func TestSpellingsOfPaths(t *testing.T) {
	s := newService(t)
	for path, status := range map[string]int{
		desk + "/": 200, systemsURI + "/": 200, "/redfish/v1/Systems/desk%2D01": 200, "/redfish/v1/Systems/desk%2F01": 404,
		"/redfish/v1//Systems": 404, "/redfish/v1/Systems/../Systems": 404, "/redfish/v1/systems": 404, desk + "//": 404, "/": 404,
	} {
		a := s.ask("GET", path, "", "as "+admin)
		if a.status != status {
			t.Errorf("GET %s: %d, want %d", path, a.status, status)
		}
	}
	s.ask("POST", desk+"/Actions/ComputerSystem.Reset/", `{"ResetType":"On"}`, "as "+admin).want(204)
	s.ask("PATCH", desk+"/", `{"Boot":{"BootSourceOverrideTarget":"Pxe"}}`, "as "+admin).want(200)
	if got := s.ask("GET", desk+"/", "", "as "+admin).body["@odata.id"]; got != desk {
		t.Errorf("@odata.id %v", got)
	}
}

func TestContentTypes(t *testing.T) {
	s := newService(t)
	for _, header := range []string{"Content-Type: application/json", "Content-Type: application/json;charset=utf-8", "Content-Type: application/x-www-form-urlencoded", "Accept: */*"} {
		s.ask("POST", desk+"/Actions/ComputerSystem.Reset", `{"ResetType":"On"}`, "as "+admin, header).want(204)
	}
	s.ask("GET", desk, "", "as "+admin, "Content-Type: application/json").want(200)
	s.ask("PATCH", desk, `{}`, "as "+admin, "Content-Encoding: gzip").want(415)
}

func TestLimits(t *testing.T) {
	s := newService(t, func(o *Options) { o.MaxBody = 64 })
	long := `{"ResetType":"On"` + strings.Repeat(" ", 100) + `}`
	a := s.ask("POST", desk+"/Actions/ComputerSystem.Reset", long, "as "+admin).want(413)
	if a.at("error", "message") == nil {
		t.Error("no Redfish error")
	}
	request, err := http.NewRequest("POST", s.url+desk+"/Actions/ComputerSystem.Reset", io.MultiReader(strings.NewReader(long))) // no length: chunked
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(admin, password)
	response, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 413 {
		t.Errorf("a chunked body gets %d", response.StatusCode)
	}
	s.ask("GET", "/redfish/v1/"+strings.Repeat("x", 5000), "", "as "+admin).want(414)
}

// TestConnectionClose checks that the answer to a client that closes says so.
func TestConnectionClose(t *testing.T) {
	s := newService(t)
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if _, err := io.WriteString(connection, "GET /redfish/v1/ HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(connection)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(all), "HTTP/1.1 200") || !strings.Contains(string(all), "Connection: close\r\n") {
		t.Errorf("answer:\n%s", all)
	}
}

// TestPlain checks that credentials are taken on plain HTTP from this host
// only.
func TestPlain(t *testing.T) {
	s := newService(t, func(o *Options) { o.Plain = true })
	s.ask("GET", desk, "", "as "+admin).want(200)
	for _, tt := range []struct {
		name, method, path, remote string
		credentials                bool
		status                     int
	}{
		{"root", "GET", rootURI, "192.0.2.9:4711", false, 200},
		{"root with credentials and expand", "GET", rootURI + "?$expand=.", "192.0.2.9:4711", true, 200},
		{"system with credentials", "GET", desk, "192.0.2.9:4711", true, 403},
		{"system without", "GET", desk, "192.0.2.9:4711", false, 403},
		{"login", "POST", sessionsURI, "192.0.2.9:4711", false, 403},
		{"login from IPv6 loopback", "POST", sessionsURI, "[::1]:4711", false, 201},
		{"unknown peer", "GET", desk, "@", true, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			request := httptest.NewRequest(tt.method, tt.path, strings.NewReader(login0(admin)))
			request.RemoteAddr = tt.remote
			if tt.credentials {
				request.SetBasicAuth(admin, password)
			}
			recorder := httptest.NewRecorder()
			s.server.ServeHTTP(recorder, request)
			if recorder.Code != tt.status {
				t.Errorf("status %d, want %d\n%s", recorder.Code, tt.status, recorder.Body)
			}
			if tt.status == 403 && recorder.Header().Get("WWW-Authenticate") != "" {
				t.Error("asks for credentials that it will not take")
			}
			if recorder.Header().Get("Strict-Transport-Security") != "" {
				t.Error("speaks of transport security")
			}
		})
	}
}

func TestSourceBehindProxy(t *testing.T) {
	for _, tt := range []struct {
		name, remote, forwarded string
		plain                   bool
		want                    string
	}{
		{"direct", "192.0.2.1:1", "198.51.100.1", false, "192.0.2.1"},
		{"proxy on this host", "127.0.0.1:1", "203.0.113.9, 198.51.100.1", true, "198.51.100.1"},
		{"proxy elsewhere is not believed", "192.0.2.1:1", "198.51.100.1", true, "192.0.2.1"},
		{"nonsense", "127.0.0.1:1", "me", true, "127.0.0.1"},
		{"mapped", "[::ffff:192.0.2.1]:1", "", false, "192.0.2.1"},
	} {
		request := httptest.NewRequest("GET", rootURI, nil)
		request.RemoteAddr = tt.remote
		if tt.forwarded != "" {
			request.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		s := &Server{Options: Options{Plain: tt.plain}}
		if _, got := s.peer(request); got != tt.want {
			t.Errorf("%s: source %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestPanicIsAnswered(t *testing.T) {
	s := newService(t)
	s.nodes.set("desk-01", func(n *fakeNode) { n.panics = true })
	defer s.nodes.set("desk-01", func(n *fakeNode) { n.panics = false })
	request := httptest.NewRequest("GET", desk, nil)
	request.SetBasicAuth(admin, password)
	recorder := httptest.NewRecorder()
	s.server.ServeHTTP(recorder, request)
	if recorder.Code != 500 || !strings.Contains(recorder.Body.String(), "InternalError") || strings.Contains(recorder.Body.String(), "defect") {
		t.Errorf("status %d\n%s", recorder.Code, recorder.Body)
	}
	if len(s.log.find(t, "a request handler panicked")) != 1 {
		t.Error("the log does not tell")
	}
}

func TestOnRequest(t *testing.T) {
	var got []RequestInfo
	s := newService(t, func(o *Options) { o.OnRequest = func(info RequestInfo) { got = append(got, info) } })
	for _, path := range []string{desk, "/redfish/v1/nothing"} {
		request := httptest.NewRequest("GET", path, nil)
		request.SetBasicAuth(admin, password)
		s.server.ServeHTTP(httptest.NewRecorder(), request)
	}
	if len(got) != 2 || got[0].Resource != "System" || got[0].Status != 200 || got[0].Method != "GET" || got[0].ID == "" || got[1].Resource != "" || got[1].Status != 404 {
		t.Errorf("hook got %+v", got)
	}
}

func TestOptionsValidate(t *testing.T) {
	good := Options{Nodes: &fakeNodes{}, Accounts: &fakeAccounts{}, UUID: "11111111-2222-4333-8444-555555555555"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Options){
		"nodes": func(o *Options) { o.Nodes = nil }, "accounts": func(o *Options) { o.Accounts = nil }, "uuid": func(o *Options) { o.UUID = "1" },
		"short timeout": func(o *Options) { o.SessionTimeout = time.Second }, "negative": func(o *Options) { o.MaxBody = -1 },
	} {
		bad := good
		spoil(&bad)
		if err := bad.Validate(); !state.IsKind(err, state.KindInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := New(bad); err == nil {
			t.Errorf("%s: New took it", name)
		}
	}
}

func TestRunEndsWithContext(t *testing.T) {
	s := newService(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.server.Run(ctx) }()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
}
