package redfish

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/amt-redfish/amt-redfish/state"
)

func TestQueries(t *testing.T) {
	s := newService(t)
	for _, tt := range []struct {
		path    string
		status  int
		message string
	}{
		{rootURI + "?rpvunknown", 200, ""}, {rootURI + "?only=foo&excerpt", 200, ""},
		{rootURI + "?$rpvunknown", 501, "QueryParameterUnsupported"}, {systemsURI + "?$filter=Name+eq+1", 501, "QueryParameterUnsupported"},
		{systemsURI + "?$select=Name", 501, "QueryParameterUnsupported"}, {"/redfish/v1/odata?$top=1", 501, "QueryParameterUnsupported"},
		{systemsURI + "?$top=-1", 400, "QueryParameterValueFormatError"}, {systemsURI + "?$skip=x", 400, "QueryParameterValueFormatError"},
		{desk + "?$top=1", 400, "QueryNotSupportedOnResource"},
		{systemsURI + "?$expand=", 400, "QueryParameterValueFormatError"}, {systemsURI + "?$expand=.($levels=x)", 400, "QueryParameterValueFormatError"},
		{systemsURI + "?$expand=.($levels=1", 400, "QueryParameterValueFormatError"}, {systemsURI + "?$expand=.(levels=1)", 400, "QueryParameterValueFormatError"},
		{systemsURI + "?$expand=.($levels=0)", 400, "QueryParameterOutOfRange"}, {systemsURI + "?$expand=.($levels=3)", 400, "QueryParameterOutOfRange"},
	} {
		a := s.ask("GET", tt.path, "", "as "+admin)
		if a.status != tt.status {
			t.Errorf("%s: %d, want %d", tt.path, a.status, tt.status)
			continue
		}
		if tt.message != "" {
			a.wantMessages(tt.message)
		}
	}
}

func TestPaging(t *testing.T) {
	s := newService(t)
	s.nodes.mu.Lock()
	for i := 3; i < 6; i++ {
		id := fmt.Sprintf("desk-%02d", i)
		s.nodes.nodes[id] = newFakeNode(id)
	}
	s.nodes.mu.Unlock()
	for query, want := range map[string][]string{
		"": {"desk-01", "desk-02", "desk-03", "desk-04", "desk-05"}, "?$top=2": {"desk-01", "desk-02"}, "?$skip=3": {"desk-04", "desk-05"},
		"?$top=1&$skip=1": {"desk-02"}, "?$top=0": {}, "?$skip=9": {}, "?$top=99": {"desk-01", "desk-02", "desk-03", "desk-04", "desk-05"},
	} {
		a := s.ask("GET", systemsURI+query, "", "as "+reader).want(200)
		var got []string
		members, _ := a.body["Members"].([]any)
		for i := range members {
			got = append(got, lastSegment(a.at("Members", i, "@odata.id").(string)))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || a.body["Members@odata.count"] != 5.0 || members == nil {
			t.Errorf("%q: %v of %v", query, got, a.body["Members@odata.count"])
		}
	}
}

func TestThousandMembersOnOnePage(t *testing.T) {
	s := newService(t)
	s.nodes.mu.Lock()
	for i := range 1000 {
		id := fmt.Sprintf("pc-%04d", i)
		s.nodes.nodes[id] = newFakeNode(id)
	}
	s.nodes.mu.Unlock()
	a := s.ask("GET", systemsURI, "", "as "+reader).want(200)
	if members, _ := a.body["Members"].([]any); len(members) != 1002 || a.body["Members@odata.count"] != 1002.0 {
		t.Errorf("%d members, count %v", len(members), a.body["Members@odata.count"])
	}
}

// TestExpand replaces links by what they lead to: those inside Links, those
// outside, or both, as deep as asked.
func TestExpand(t *testing.T) {
	s := newService(t)
	get := func(query string) answer {
		return s.ask("GET", rootURI+query, "", "as "+admin).want(200)
	}
	plain := get("?$expand=.")
	if plain.at("Systems", "Members@odata.count") != 2.0 || plain.at("SessionService", "ServiceEnabled") != true || plain.at("Links", "Sessions", "Members") != nil {
		t.Errorf(". gave %s", plain.raw)
	}
	if plain.at("Systems", "Members", 0, "Id") != nil {
		t.Error("one level went two deep")
	}
	links := get("?$expand=~")
	if links.at("Links", "Sessions", "Members@odata.count") == nil || links.at("Systems", "Members") != nil {
		t.Errorf("~ gave %s", links.raw)
	}
	deep := get("?$expand=*($levels=2)")
	if deep.at("Systems", "Members", 1, "PowerState") != "On" || deep.at("Links", "Sessions", "Members@odata.count") == nil {
		t.Errorf("* with two levels gave %s", deep.raw)
	}
	if deep.at("Systems", "Members", 1, "@odata.etag") == nil {
		t.Error("an expanded system has no ETag")
	}
	list := s.ask("GET", systemsURI+"?$expand=.($levels=1)", "", "as "+reader).want(200)
	if list.at("Members", 0, "Id") != "desk-01" || list.at("Members", 1, "Id") != "desk-02" {
		t.Errorf("%s", list.raw)
	}
}

// TestExpandLeavesLinks keeps the link where the target cannot be read now,
// and shows nothing to those that may not see it.
func TestExpandLeavesLinks(t *testing.T) {
	s := newService(t)
	s.nodes.set("desk-01", func(n *fakeNode) { n.observeErr = state.Errorf(state.KindUnreachable, "observe", "desk-01", "x") })
	a := s.ask("GET", systemsURI+"?$expand=.($levels=2)", "", "as "+reader).want(200)
	if first, _ := a.at("Members", 0).(map[string]any); len(first) != 1 || first["@odata.id"] != desk {
		t.Errorf("a silent system is shown as %v", first)
	}
	if a.at("Members", 1, "PowerState") != "On" {
		t.Errorf("%s", a.raw)
	}
	for _, header := range []string{"Accept: */*", "X-Auth-Token: stale"} {
		anonymous := s.ask("GET", rootURI+"?$expand=*($levels=2)", "", header).want(200)
		if systems, _ := anonymous.body["Systems"].(map[string]any); len(systems) != 1 {
			t.Errorf("without credentials: %s", anonymous.raw)
		}
	}
	mine := s.ask("GET", rootURI+"?$expand=.($levels=2)", "", "as "+confined).want(200)
	if mine.at("Systems", "Members@odata.count") != 1.0 || mine.at("Systems", "Members", 0, "Id") != "desk-02" {
		t.Errorf("confined: %s", mine.raw)
	}
}

func FuzzQuery(f *testing.F) {
	f.Add("$expand=*($levels=2)&$top=1")
	f.Add("$skip=99999999999999999999")
	f.Fuzz(func(t *testing.T, raw string) {
		values, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		q, err := parseQuery(registered[systemsURI], values)
		if err != nil {
			if status := failureOf(err).status; status != 400 && status != 501 {
				t.Errorf("status %d", status)
			}
			return
		}
		if q.expand.levels > maxLevels || len(q.page([]string{"a", "b"})) > 2 {
			t.Errorf("%+v", q)
		}
	})
}
