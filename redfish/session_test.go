package redfish

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

func (s *service) logIn(account string) (token, location string) {
	s.t.Helper()
	a := s.ask("POST", sessionsURI, login0(account)).want(201)
	return a.header.Get("X-Auth-Token"), a.header.Get("Location")
}

func TestLogin(t *testing.T) {
	s := newService(t)
	for _, path := range []string{sessionsURI, sessionsURI + "/", sessionsURI + "/Members"} {
		a := s.ask("POST", path, login0(reader), "X-Auth-Token: stale").want(201)
		token, location := a.header.Get("X-Auth-Token"), a.header.Get("Location")
		if len(token) != 64 || location != a.body["@odata.id"] || !strings.HasPrefix(location, sessionsURI+"/") {
			t.Errorf("%s: token of %d letters, Location %q, body %s", path, len(token), location, a.raw)
		}
		if a.body["UserName"] != reader || a.body["Id"] != lastSegment(location) || strings.Contains(a.raw, password) || strings.Contains(a.raw, token) {
			t.Errorf("%s: %s", path, a.raw)
		}
		s.ask("GET", location, "", "X-Auth-Token: "+token).want(200)
	}
	s.ask("GET", sessionsURI+"/Members", "", "as "+reader).want(405)
}

func TestLoginRefused(t *testing.T) {
	s := newService(t)
	for _, tt := range []struct {
		name, body string
		status     int
		messages   []string
	}{
		{"wrong password", `{"UserName":"ro","Password":"Zx81-spectrum"}`, 401, []string{"NoValidSession"}},
		{"unknown account", `{"UserName":"Zx81-nobody","Password":"Zx81-spectrum"}`, 401, []string{"NoValidSession"}},
		{"no password", `{"UserName":"ro"}`, 400, []string{"CreateFailedMissingReqProperties"}},
		{"nothing", `{}`, 400, []string{"CreateFailedMissingReqProperties", "CreateFailedMissingReqProperties"}},
		{"no body", ``, 400, []string{"EmptyJSON"}},
		{"password is no text", `{"UserName":"ro","Password":["Zx81"]}`, 400, []string{"PropertyValueTypeError"}},
		{"unknown property", `{"UserName":"ro","Password":"Zx81-spectrum","Realm":"x"}`, 400, []string{"PropertyUnknown"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.ask("POST", sessionsURI, tt.body).want(tt.status).wantMessages(tt.messages...)
			if strings.Contains(a.raw, "Zx81") {
				t.Errorf("the answer repeats what was sent: %s", a.raw)
			}
			if a.header.Get("Location")+a.header.Get("X-Auth-Token") != "" {
				t.Error("a refusal has a Location or a token")
			}
		})
	}
	if strings.Contains(s.log.b.String(), "Zx81") {
		t.Error("the log repeats what was sent")
	}
}

func TestLogout(t *testing.T) {
	s := newService(t)
	token, location := s.logIn(reader)
	other, _ := s.logIn(reader)
	s.ask("DELETE", location, "", "X-Auth-Token: "+token, `If-Match: "stale"`, "Content-Type: application/json").want(204)
	a := s.ask("GET", desk, "", "X-Auth-Token: "+token).want(401)
	if a.header.Get("WWW-Authenticate") == "" {
		t.Error("no WWW-Authenticate")
	}
	s.ask("GET", desk, "", "X-Auth-Token: "+other).want(200)
	s.ask("DELETE", location, "", "X-Auth-Token: "+other).want(404)
	s.ask("GET", rootURI, "", "X-Auth-Token: "+token).want(200)
}

// TestForeignSessions hides them from those that do not configure the manager.
func TestForeignSessions(t *testing.T) {
	s := newService(t)
	token, location := s.logIn(operator)
	s.ask("GET", location, "", "as "+reader).want(404)
	s.ask("DELETE", location, "", "as "+reader).want(404)
	if got := s.ask("GET", sessionsURI, "", "as "+reader).body["Members@odata.count"]; got != 0.0 {
		t.Errorf("a reader sees %v sessions", got)
	}
	if got := s.ask("GET", sessionsURI, "", "as "+admin).body["Members@odata.count"]; got != 1.0 {
		t.Errorf("an administrator sees %v sessions", got)
	}
	s.ask("DELETE", location, "", "as "+admin).want(204)
	s.ask("GET", desk, "", "X-Auth-Token: "+token).want(401)
}

func TestSessionUsedConcurrently(t *testing.T) {
	s := newService(t)
	token, _ := s.logIn(reader)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() { s.ask("GET", desk, "", "X-Auth-Token: "+token).want(200) })
	}
	group.Wait()
}

// TestAccountIsReadEachTime checks that a session has no more than its account
// has now.
func TestAccountIsReadEachTime(t *testing.T) {
	s := newService(t)
	token, _ := s.logIn(operator)
	body := `{"ResetType":"On"}`
	s.ask("POST", resetPath, body, "X-Auth-Token: "+token).want(204)
	s.accounts.change(func(accounts map[string]state.Account) {
		account := accounts[operator]
		account.Role = state.RoleReadOnly
		accounts[operator] = account
	})
	s.ask("POST", resetPath, body, "X-Auth-Token: "+token).want(403)
	s.accounts.change(func(accounts map[string]state.Account) { delete(accounts, operator) })
	s.ask("GET", desk, "", "X-Auth-Token: "+token).want(401)
	if left := s.server.sessions.list(operator); len(left) != 0 {
		t.Errorf("sessions of an account that is gone: %v", left)
	}
	s.accounts.mu.Lock()
	s.accounts.err = state.Errorf(state.KindStore, "read account", "", "disk")
	s.accounts.mu.Unlock()
	s.ask("GET", desk, "", "as "+reader).want(500)
}

// TestEviction logs in beyond the limit: the newest works, the one that was
// idle longest ends, others are not touched.
func TestEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSessions(30*time.Minute, 3)
		begin := func(account string) string {
			_, token, err := s.begin(account, "192.0.2.1", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			return token
		}
		first, second, third := begin("a"), begin("a"), begin("a")
		foreign := begin("b")
		if _, found := s.use(first); !found { // now the second is idle longest
			t.Fatal("the first is gone")
		}
		time.Sleep(time.Second)
		fourth := begin("a")
		for token, want := range map[string]bool{first: true, second: false, third: true, fourth: true, foreign: true} {
			if _, found := s.use(token); found != want {
				t.Errorf("session found %v, want %v", found, want)
			}
		}
		for range 200 {
			last := begin("a")
			if _, found := s.use(last); !found {
				t.Fatal("the newest does not work")
			}
		}
		if got := len(s.list("a")); got != 3 {
			t.Errorf("%d sessions", got)
		}
	})
}

// TestSlidingTimeout keeps a session that is used and ends one that is not.
func TestSlidingTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSessions(30*time.Minute, 3)
		_, used, err := s.begin("a", "192.0.2.1", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		_, idle, err := s.begin("a", "192.0.2.1", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			time.Sleep(20 * time.Minute)
			if _, found := s.use(used); !found {
				t.Fatal("a session in use ended")
			}
		}
		if _, found := s.use(idle); found {
			t.Error("an idle session goes on")
		}
		s.sweep()
		if got := s.active.ItemCount(); got != 1 {
			t.Errorf("%d sessions are kept", got)
		}
	})
}

// TestTokensAreNotKept looks for a token in what is stored.
func TestTokensAreNotKept(t *testing.T) {
	s := newSessions(time.Hour, 3)
	_, token, err := s.begin("a", "192.0.2.1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprintf("%+v", s.active.Items()), token) {
		t.Error("the token is stored")
	}
	if _, found := s.use(token[:63] + "x"); found {
		t.Error("another token works")
	}
}
