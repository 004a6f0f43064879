package wsman

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestHookAndHistory(t *testing.T) {
	const secret = "hunter2"
	s := serve(t, behindDigest(func(n int, r asked) act {
		if n == 1 {
			return fault(500, "e:InternalError", "x", "")
		}
		return success(envelope(messageID(r), `<g:CIM_Thing><g:RSEPassword>`+secret+`</g:RSEPassword></g:CIM_Thing>`))
	}))
	var told []Exchange
	c := s.client(t, func(o *Options) { o.OnExchange = func(e Exchange) { told = append(told, e) } })
	_, err := c.With(Limits{}).Get(within(t), testResource)
	wantReason(t, err, ReasonFault)
	for range 3 * keepSuccesses {
		if _, err := c.With(Limits{}).Put(within(t), testResource, []Property{{Name: "RSEPassword", Text: secret}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) != 2+3*keepSuccesses || told[0].Status != 401 || told[1].Status != 500 || told[2].Failed() {
		t.Errorf("the hook was told %d exchanges", len(told))
	}
	kept := c.History()
	if len(kept) != 2+keepSuccesses || kept[0].Status != 401 || kept[1].Status != 500 {
		t.Fatalf("history has %d exchanges and begins with %d", len(kept), kept[0].Status)
	}
	for _, e := range kept {
		for _, text := range []string{string(e.Sent), string(e.Received)} {
			if strings.Contains(text, secret) || strings.Contains(text, "Digest") {
				t.Errorf("history shows a credential: %s", text)
			}
		}
		if !e.Failed() && !strings.Contains(string(e.Sent), "RSEPassword>[secret]<") {
			t.Errorf("history lost what was sent: %s", e.Sent)
		}
	}
}

func TestScrubCutsAndReplaces(t *testing.T) {
	for in, want := range map[string]string{
		"<p:UserPasswordBypass>false</p:UserPasswordBypass>": "<p:UserPasswordBypass>false</p:UserPasswordBypass>",
		"<RSEPassword>x y</RSEPassword>":                     "<RSEPassword>[secret]</RSEPassword>",
		`<p:Passphrase a="b">x`:                              `<p:Passphrase a="b">[secret]`,
		"<p:RSEPassword></p:RSEPassword>":                    "<p:RSEPassword></p:RSEPassword>",
	} {
		if got := string(scrub([]byte(in))); got != want {
			t.Errorf("%s became %s", in, got)
		}
	}
	if got := scrub([]byte(strings.Repeat("x", 2*keepBytes))); len(got) != keepBytes {
		t.Errorf("kept %d bytes", len(got))
	}
}

func TestFailuresOutliveSuccesses(t *testing.T) {
	var h history
	start := time.Unix(1000, 0)
	for n := range 100 {
		e := Exchange{Op: strconv.Itoa(n), At: start.Add(time.Duration(n) * time.Second), Status: 200}
		switch n {
		case 3:
			e.Status = 500
		case 4:
			e.Status, e.Failure = 0, "cut"
		}
		h.add(e)
	}
	var ops []string
	for _, e := range h.list() {
		ops = append(ops, e.Op)
	}
	if want := "3 4 92 93 94 95 96 97 98 99"; strings.Join(ops, " ") != want {
		t.Errorf("kept %v, want %s", ops, want)
	}
	for range 3 * keepFailures {
		h.add(Exchange{Status: 401, At: start})
	}
	if n := len(h.list()); n != keepSuccesses+keepFailures {
		t.Errorf("%d exchanges are kept", n)
	}
}
