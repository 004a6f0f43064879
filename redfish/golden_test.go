package redfish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/amt-redfish/amt-redfish/schemas"
	"github.com/amt-redfish/amt-redfish/state"
)

func TestGoldenRoutes(t *testing.T) {
	var b strings.Builder
	for _, r := range resources() {
		identifier := "-"
		if typ, found := schemas.Redfish(r.typ); found {
			identifier = typ.TypeID()
		}
		fmt.Fprintf(&b, "%s %s\n    type %s\n    allow %s\n", r.name, r.uri, identifier, r.allow())
	}
	golden(t, "routes", b.String())
}

func TestGoldenPrivileges(t *testing.T) {
	var b strings.Builder
	for _, r := range resources() {
		methods := []string{}
		for method := range r.methods {
			methods = append(methods, method)
		}
		slices.Sort(methods)
		for _, method := range methods {
			op := r.methods[method]
			needs := strings.Join(texts(op.anyOf), " or ")
			fmt.Fprintf(&b, "%-7s %-55s %s\n", method, r.uri, orDefault(needs, "(no credentials)"))
		}
	}
	for _, role := range []state.Role{state.RoleAdministrator, state.RoleOperator, state.RoleReadOnly} {
		fmt.Fprintf(&b, "role %s: %s\n", role, strings.Join(texts(grants[role]), " "))
	}
	golden(t, "privileges", b.String())
}

// TestGoldenErrors shows what callers are told for every kind of error.
func TestGoldenErrors(t *testing.T) {
	var b strings.Builder
	for _, kind := range state.Kinds() {
		cause := state.Errorf(kind, "reset", "desk-01", "https://admin:hunter2@192.0.2.7:16993/wsman said <s:Fault>")
		f := failureOf(fmt.Errorf("wrapped: %w", cause))
		text := string(encode(f.body("0123456789abcdef")))
		fmt.Fprintf(&b, "== %v: %d retry after %v\n%s", kind, f.status, f.retryAfter, text)
		for _, leak := range []string{"hunter2", "192.0.2.7", "Fault", "wsman"} {
			if strings.Contains(text, leak) {
				t.Errorf("%v: the caller is shown %q", kind, leak)
			}
		}
	}
	golden(t, "errors", b.String())
}

func TestGoldenResponses(t *testing.T) {
	s := newService(t)
	for name, path := range map[string]string{
		"versions": "/redfish", "odata": "/redfish/v1/odata", "metadata": "/redfish/v1/$metadata", "root": "/redfish/v1",
		"systems": "/redfish/v1/Systems", "system": "/redfish/v1/Systems/desk-01",
		"reset-action-info": "/redfish/v1/Systems/desk-01/ResetActionInfo",
		"managers":          "/redfish/v1/Managers", "manager": "/redfish/v1/Managers/desk-01",
		"chassis-collection": "/redfish/v1/Chassis", "chassis": "/redfish/v1/Chassis/desk-01",
		"session-service": "/redfish/v1/SessionService", "sessions": "/redfish/v1/SessionService/Sessions",
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name, s.ask("GET", path, "", "as "+admin).want(200).raw)
		})
	}
}

// TestEveryKindIsMapped demands an answer of the service's own for each kind.
func TestEveryKindIsMapped(t *testing.T) {
	for _, kind := range state.Kinds() {
		a, found := kindAnswers[kind]
		if !found {
			t.Errorf("%v has no answer", kind)
			continue
		}
		if a.status < 400 || a.status > 599 || a.status == 401 || a.status == 403 {
			t.Errorf("%v is answered with %d", kind, a.status)
		}
		if a.summary == "" && a.message.key == "GeneralError" {
			t.Errorf("%v tells nothing", kind)
		}
		if (a.status == 503) != (a.retryAfter > 0) && kind != state.KindRefused && kind != state.KindConsent {
			t.Errorf("%v: %d with Retry-After %v", kind, a.status, a.retryAfter)
		}
	}
	if len(kindAnswers) != len(state.Kinds()) {
		t.Errorf("%d answers for %d kinds", len(kindAnswers), len(state.Kinds()))
	}
	if f := failureOf(fmt.Errorf("an error without a kind")); f.status != 500 {
		t.Errorf("an unknown error is answered with %d", f.status)
	}
}

// TestMessagesAreWhole renders each message and looks for holes.
func TestMessagesAreWhole(t *testing.T) {
	for key, d := range definitions {
		if d.text == "" || d.resolution == "" || !slices.Contains([]string{"OK", "Warning", "Critical"}, d.severity) {
			t.Errorf("%s is incomplete", key)
		}
		rendered := msg(key, "first", "second", "third").render()
		if strings.Contains(rendered["Message"].(string), "%") {
			t.Errorf("%s: %s", key, rendered["Message"])
		}
	}
	for kind, a := range kindAnswers {
		if strings.Contains(a.message.text(), "%") {
			t.Errorf("%v: %s", kind, a.message.text())
		}
	}
	rendered := msg("PropertyUnknown", "Boot/X").about("Boot/X").render()
	if got := fmt.Sprint(rendered["RelatedProperties"]); got != "[#/Boot/X]" {
		t.Errorf("related properties %s", got)
	}
}

func TestTableIsSound(t *testing.T) {
	for _, r := range resources() {
		typ, _ := schemas.Redfish(r.typ)
		for method := range r.methods {
			if r.typ != "" && method != http.MethodGet && !slices.Contains(typ.Writes, method) {
				t.Errorf("%s allows %s, which the schema does not", r.name, method)
			}
		}
		if r.parent == "" {
			continue
		}
		parent := registered[r.parent]
		if parent == nil {
			t.Errorf("%s has the unknown parent %q", r.name, r.parent)
			continue
		}
		parentType, _ := schemas.Redfish(parent.typ)
		if !parentType.Has(r.property) {
			t.Errorf("%s: the parent's type has no property %q", r.name, r.property)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a second resource at one URI did not panic")
		}
	}()
	register(resource{name: "Other", uri: rootURI})
}

// walk calls visit for every value in a decoded JSON document.
func walk(value any, path string, visit func(path string, value any)) {
	visit(path, value)
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			walk(member, path+"/"+name, visit)
		}
	case []any:
		for _, member := range v {
			walk(member, path, visit)
		}
	}
}

// TestEveryLinkResolves follows every link from the root, as each account.
func TestEveryLinkResolves(t *testing.T) {
	for account, desks := range map[string]int{admin: 2, operator: 2, reader: 2, confined: 1} {
		t.Run(account, func(t *testing.T) {
			s := newService(t)
			s.ask("POST", sessionsURI, login0(account)).want(201)
			todo, seen := []string{rootURI}, map[string]bool{}
			systems := 0
			for len(todo) > 0 {
				path := todo[0]
				todo = todo[1:]
				if seen[path] {
					continue
				}
				seen[path] = true
				a := s.ask("GET", path, "", "as "+account).want(200)
				if strings.HasPrefix(path, systemsURI+"/") && strings.Count(path, "/") == 4 {
					systems++
				}
				checkRepresentation(t, path, a)
				walk(a.body, "", func(at string, value any) {
					if text, isText := value.(string); isText && (strings.HasSuffix(at, "/@odata.id") || strings.HasSuffix(at, "/@Redfish.ActionInfo")) {
						todo = append(todo, text)
					}
					if text, isText := value.(string); isText && strings.HasSuffix(at, "/target") {
						s.ask("GET", text, "", "as "+account).want(405)
					}
				})
			}
			if systems != desks {
				t.Errorf("found %d systems, want %d", systems, desks)
			}
			if len(seen) < 11 {
				t.Errorf("only %d resources are linked: %v", len(seen), seen)
			}
		})
	}
}

// checkRepresentation holds a representation against the schema table.
func checkRepresentation(t *testing.T, path string, a answer) {
	t.Helper()
	identifier, _ := a.body["@odata.type"].(string)
	name := identifier[strings.LastIndexByte(identifier, '.')+1:]
	typ, found := schemas.Redfish(name)
	if !found || typ.TypeID() != identifier {
		t.Errorf("%s has the type %q", path, identifier)
		return
	}
	if a.body["@odata.id"] != path {
		t.Errorf("%s calls itself %v", path, a.body["@odata.id"])
	}
	if id, has := a.body["Id"]; has && path != rootURI && id != lastSegment(path) {
		t.Errorf("%s has the Id %v", path, id)
	}
	for _, required := range typ.Required {
		if _, has := a.body[required]; !has {
			t.Errorf("%s lacks %s", path, required)
		}
	}
	open := []string{"Status", "Actions", "Members"} // types of their own
	walk(a.body, "", func(at string, value any) {
		property := strings.TrimPrefix(at, "/")
		top, _, _ := strings.Cut(property, "/")
		if property == "" || strings.Contains(at, "@") || slices.Contains(open, top) && top != property {
			return
		}
		if !typ.Has(property) {
			t.Errorf("%s has the property %s, which %s lacks", path, property, identifier)
		}
		if value == "" {
			t.Errorf("%s: %s is an empty text", path, property)
		}
	})
	if want := typ.Namespace() + ".json>; rel=describedby"; !strings.HasSuffix(a.header.Get("Link"), want) {
		t.Errorf("%s has the Link %q", path, a.header.Get("Link"))
	}
	etag, _ := a.body["@odata.etag"].(string)
	if etag != a.header.Get("ETag") || (etag == "") != strings.HasSuffix(name, "Collection") {
		t.Errorf("%s: ETag %q in the header, %q in the body", path, a.header.Get("ETag"), etag)
	}
	if count, isCollection := a.body["Members@odata.count"].(float64); isCollection && int(count) != len(a.body["Members"].([]any)) {
		t.Errorf("%s counts %v", path, count)
	}
}

// login0 is the body of a login.
func login0(account string) string {
	body, _ := json.Marshal(map[string]string{"UserName": account, "Password": password})
	return string(bytes.TrimSpace(body))
}
