package amtsim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// controlled is a control API over one machine.
type controlled struct {
	t   *testing.T
	url string
}

func controlling(t *testing.T, m *Machine) controlled {
	server := httptest.NewServer(Control(nil, m))
	t.Cleanup(server.Close)
	return controlled{t, server.URL}
}

func (c controlled) do(method, path, body string, status int, into any) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		c.t.Fatalf("%s %s: status %d, want %d; %v: %s", method, path, response.StatusCode, status, err, text)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			c.t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
}

func TestControl(t *testing.T) {
	m, c := kind(t, nil)
	api := controlling(t, m)
	var list []Snapshot
	api.do("GET", "/machines", "", 200, &list)
	if len(list) != 1 || list[0].ID != "sim" || list[0].Power != PowerOn || list[0].Seed != 7 {
		t.Errorf("machines %+v", list)
	}
	var boots []Boot
	api.do("GET", "/machines/sim/boots", "", 200, &boots)
	if boots == nil || len(boots) != 0 {
		t.Errorf("boots %#v, want an empty list", boots)
	}
	c.arm(sourcePxe)
	api.do("POST", "/machines/sim/host-reboot", "", 200, nil)
	api.do("GET", "/machines/sim/boots", "", 200, &boots)
	if len(boots) != 1 || boots[0].Device != DevicePxe || boots[0].Cause != CauseHostReboot {
		t.Errorf("boots %+v", boots)
	}
	var journal []Call
	api.do("GET", "/machines/sim/journal", "", 200, &journal)
	if len(journal) != 3 || journal[2].Argument != sourcePxe {
		t.Errorf("journal %+v", journal)
	}
	var s Snapshot
	api.do("POST", "/machines/sim/host-shutdown", "", 200, &s)
	if s.Power != PowerOff {
		t.Errorf("power %d after shutdown", s.Power)
	}
	api.do("POST", "/machines/sim/host-reboot", "", 409, nil)
	api.do("POST", "/machines/sim/power-button", "", 200, nil)
	api.do("POST", "/machines/sim/agent", `{"value":true}`, 200, nil)
	api.do("POST", "/machines/sim/redirection", `{"value":true}`, 200, nil)
	api.do("POST", "/machines/sim/reachable", `{"value":false}`, 200, nil)
	api.do("POST", "/machines/sim/engine-sleep", "", 200, nil)
	api.do("GET", "/machines/sim", "", 200, &s)
	if !s.Agent || !s.Redirection || s.Reachable || !s.Asleep || s.Power != PowerOn || s.Boots != 2 {
		t.Errorf("snapshot %+v", s)
	}
	api.do("POST", "/machines/sim/sleep", `{"value":true}`, 200, &s)
	if s.Power != PowerSleep {
		t.Errorf("power %d, want sleep", s.Power)
	}
	api.do("POST", "/machines/sim/sleep", `{"value":false}`, 200, nil)
	api.do("POST", "/machines/sim/sleep", `{"value":false}`, 409, nil)
	api.do("POST", "/machines/sim/agent", `{}`, 400, nil)
	api.do("POST", "/machines/sim/agent", `{"valeu":true}`, 400, nil)
	api.do("GET", "/machines/other", "", 404, nil)
}

func TestControlFaults(t *testing.T) {
	m, c := kind(t, nil)
	api := controlling(t, m)
	var added faultView
	api.do("POST", "/machines/sim/faults", `{"method":"SetBootConfigRole","effect":"hold"}`, 200, &added)
	request := c.roleRequest(1)
	answered := make(chan int, 1)
	go func() {
		status, _, _ := c.post(request)
		answered <- status
	}()
	<-m.Faults()[0].Reached()
	var views []faultView
	api.do("GET", "/machines/sim/faults", "", 200, &views)
	if len(views) != 1 || views[0].ID != added.ID || views[0].Hits != 1 || views[0].Fault.Effect != EffectHold {
		t.Errorf("faults %+v", views)
	}
	api.do("POST", "/machines/sim/faults/1/release", "", 200, nil)
	if status := <-answered; status != 200 {
		t.Errorf("status %d after the release", status)
	}
	api.do("DELETE", "/machines/sim/faults/1", "", 200, nil)
	api.do("DELETE", "/machines/sim/faults/1", "", 404, nil)
	api.do("POST", "/machines/sim/faults", `{"effect":"drop","count":-1}`, 200, nil)
	api.do("POST", "/machines/sim/faults/1/discard", "", 200, nil)
	api.do("DELETE", "/machines/sim/faults", "", 200, nil)
	api.do("GET", "/machines/sim/faults", "", 200, &views)
	if len(views) != 0 {
		t.Errorf("faults %+v after the removal", views)
	}
	api.do("POST", "/machines/sim/faults", `{"effect":"explode"}`, 400, nil)
	api.do("GET", "/machines/sim/bogus", "", 200, nil)
}
