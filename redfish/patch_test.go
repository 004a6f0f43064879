package redfish

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/amt-redfish/amt-redfish/state"
)

func TestDecodeObject(t *testing.T) {
	deep := strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1)
	for name, tt := range map[string]struct{ body, message string }{
		"object": {`{"a":1}`, ""}, "spaces": {" {} \n", ""}, "brackets in text": {`{"a":"` + strings.Repeat("[", 99) + `\"["}`, ""},
		"nothing": {"", "EmptyJSON"}, "blank": {" \n", "EmptyJSON"}, "form": {"a=1", "MalformedJSON"}, "cut": {`{"a":`, "MalformedJSON"},
		"two": {`{}{}`, "MalformedJSON"}, "trailing": {`{} x`, "MalformedJSON"}, "deep": {deep, "MalformedJSON"},
		"list": {`[]`, "UnrecognizedRequestBody"}, "null": {`null`, "UnrecognizedRequestBody"}, "text": {`"a"`, "UnrecognizedRequestBody"},
	} {
		_, err := decodeObject([]byte(tt.body))
		if tt.message == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || failureOf(err).status != 400 || failureOf(err).messages[0].key != tt.message {
			t.Errorf("%s: %v, want %s", name, err, tt.message)
		}
	}
}

func FuzzJSONBody(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":null}]}`, `{`, "", `{"a":"\\"}`, `[[[[`, "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := decodeObject(body); err != nil && failureOf(err).status != 400 {
			t.Errorf("status %d", failureOf(err).status)
		}
		if _, err := resetFrom(body); err != nil && failureOf(err).status != 400 {
			t.Errorf("reset: status %d", failureOf(err).status)
		}
		if _, _, err := credentialsFrom(body); err != nil && failureOf(err).status != 400 {
			t.Errorf("login: status %d", failureOf(err).status)
		}
	})
}

// FuzzPatch holds the law of a PATCH: a wish that is taken is one that the
// node advertises, all else is a 400 with messages that can be encoded.
func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		`{"Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once","HttpBootUri":null}}`,
		`{"Boot":{"BootSourceOverrideMode":"Legacy"}}`, `{"Boot":[]}`, `{"Boot":{"Boot":{"Boot":{}}}}`, `{"Links":{"Chassis":[1]}}`, `{"@":{}}`,
	} {
		f.Add([]byte(seed))
	}
	snapshot := newFakeNode("desk-01").snapshot
	s := &Server{}
	f.Fuzz(func(t *testing.T, raw []byte) {
		body, err := decodeObject(raw)
		if err != nil {
			return
		}
		var wish bootWish
		result := s.bootForm(snapshot, state.Observation{Power: state.PowerOn}, &wish).fill(body)
		if err := result.check(true); err != nil {
			refusal := failureOf(err)
			if text := encode(refusal.body("id")); refusal.status != 400 || !utf8.Valid(text) || len(text) < 50 {
				t.Errorf("status %d, body %s", refusal.status, text)
			}
			return
		}
		after := snapshot.Override.Apply(wish.change)
		if err := after.Validate(snapshot.Capability); err != nil {
			t.Errorf("took %s: %v", raw, err)
		}
	})
}

func TestEtagMatches(t *testing.T) {
	for header, want := range map[string]bool{
		`"abc"`: true, `*`: true, `W/"abc"`: true, `abc`: true, `"x" , "abc"`: true,
		``: false, `"ab"`: false, `"abc"d`: false, `abc"`: false, `w/"abc"`: false, `"ABC"`: false,
	} {
		if got := etagMatches([]string{header}, `"abc"`); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
	first, same, other := etagOf(object{"a": 1}), etagOf(object{"a": 1}), etagOf(object{"a": 2})
	if first != same || first == other {
		t.Error("tags do not follow content")
	}
}

func TestClip(t *testing.T) {
	if got := clip(strings.Repeat("ä", 200)); len([]rune(got)) != 81 || !utf8.ValidString(got) {
		t.Errorf("%q", got)
	}
	if clip("short") != "short" {
		t.Error("a short text is cut")
	}
}
