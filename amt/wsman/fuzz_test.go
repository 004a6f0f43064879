package wsman

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// FuzzEnvelope: whatever firmware sends, decoding does not panic, is bounded,
// and gives values or an error; a fault is a Fault.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(envelope("1", thing)))
	f.Add([]byte(envelope("", `<a:Fault><a:Code><a:Value>a:Sender</a:Value><a:Subcode><a:Value>b:X</a:Value></a:Subcode></a:Code><a:Detail>AMT-STATUS 1</a:Detail></a:Fault>`)))
	f.Add([]byte(envelope("2", `<n:PullResponse><n:Items>`+thing+`</n:Items><n:EndOfSequence/></n:PullResponse>`)))
	f.Add([]byte(envelope("3", `<g:CIM_Thing><g:R><b:Address/><b:ReferenceParameters><c:ResourceURI>u</c:ResourceURI><c:SelectorSet><c:Selector Name="k">v</c:Selector></c:SelectorSet></b:ReferenceParameters></g:R></g:CIM_Thing>`)))
	f.Add([]byte("<a"))
	f.Fuzz(func(t *testing.T, text []byte) {
		i, err := DecodeInstance(text, testResource)
		if err == nil && (i.Resource != testResource || i.Name != "CIM_Thing" || len(i.Properties) > maxTags) {
			t.Fatalf("decoded %+v", i)
		}
		r, err := decode(text)
		if err != nil {
			return
		}
		if r.fault != nil {
			var fault *Fault
			if _, err := DecodeOutput(text, testResource, "Do"); !errors.As(err, &fault) {
				t.Fatalf("a fault came out as %v", err)
			}
			if len(r.fault.Subcode) > 64 || len(r.fault.Reason) > 304 {
				t.Fatalf("fault is not bounded: %+v", r.fault)
			}
		}
		items, _, _ := DecodeItems(text)
		if len(items) > maxTags {
			t.Fatalf("%d items", len(items))
		}
	})
}

// FuzzChallenge: parsing does not panic; what it accepts can be answered, and
// written down it parses to the same.
func FuzzChallenge(f *testing.F) {
	f.Add(testChallenge)
	f.Add(`Basic realm="x", Digest nonce=a,qop="auth,auth-int",algorithm=MD5,opaque="\"\\"`)
	f.Add(`Digest nonce="a", Negotiate abc==`)
	f.Fuzz(func(t *testing.T, field string) {
		c, err := parseChallenge([]string{field})
		if err != nil {
			return
		}
		d := digest{username: testUser, password: func() string { return testPassword }}
		d.adopt(c)
		if answer, err := d.authorize("POST", wsmanPath, nil); err != nil || !strings.HasPrefix(answer, "Digest username=") {
			t.Fatalf("answer %q, %v", answer, err)
		}
		text := fmt.Sprintf("Digest realm=%s, nonce=%s, opaque=%s, stale=%t", quoted(c.realm), quoted(c.nonce), quoted(c.opaque), c.stale)
		if c.algorithm != "" {
			text += ", algorithm=" + c.algorithm
		}
		if len(c.qop) > 0 {
			text += ", qop=" + quoted(strings.Join(c.qop, ", "))
		}
		if len(text) > maxChallenge {
			return
		}
		again, err := parseChallenge([]string{text})
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v came back as %+v, %v", c, again, err)
		}
	})
}
