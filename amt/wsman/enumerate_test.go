package wsman

import (
	"strings"
	"testing"
)

func TestEnumeratePullsUntilTheEnd(t *testing.T) {
	item := `<n:Items>` + thing + `</n:Items>`
	pages := []string{
		`<n:EnumerateResponse><n:EnumerationContext>c1</n:EnumerationContext></n:EnumerateResponse>`,
		`<n:PullResponse><n:EnumerationContext>c2</n:EnumerationContext>` + item + `</n:PullResponse>`,
		`<n:PullResponse>` + item + `</n:PullResponse>`,
		`<n:PullResponse><n:Items></n:Items><n:EndOfSequence></n:EndOfSequence></n:PullResponse>`,
	}
	s := serve(t, func(n int, r asked) act { return success(envelope(messageID(r), pages[n-1])) })
	items, err := s.client(t).With(Limits{}).Enumerate(within(t), testResource)
	if err != nil {
		t.Fatal(err)
	}
	if len(items) != 2 || items[1].Name != "CIM_Thing" {
		t.Errorf("got %+v", items)
	}
	for i, context := range []string{"", ">c1<", ">c2<", ">c2<"} {
		if got := s.requests()[i].body; !strings.Contains(got, context) {
			t.Errorf("request %d lacks context %q: %s", i+1, context, got)
		}
	}
}

func TestEnumerateIsBounded(t *testing.T) {
	for name, pull := range map[string]string{
		"never ends": `<n:PullResponse><n:Items>` + thing + `</n:Items></n:PullResponse>`,
		"no page":    `<n:Nothing/>`,
		"no context": "",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(n int, r asked) act {
				body := pull
				if n == 1 && name != "no context" {
					body = `<n:EnumerateResponse><n:EnumerationContext>c</n:EnumerationContext></n:EnumerateResponse>`
				}
				return success(envelope(messageID(r), body))
			})
			_, err := s.client(t).With(Limits{}).Enumerate(within(t), testResource)
			wantReason(t, err, ReasonAnswer)
			if n := len(s.requests()); n > maxPulls+1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// A Pull that was executed has moved the sequence on: it is not sent again.
func TestLostPullIsNotRepeated(t *testing.T) {
	s := serve(t, func(n int, r asked) act {
		if n == 2 {
			return act{close: true}
		}
		return success(envelope(messageID(r), `<n:EnumerateResponse><n:EnumerationContext>c</n:EnumerationContext></n:EnumerateResponse>`))
	})
	_, err := s.client(t).With(Limits{}).Enumerate(within(t), testResource)
	wantReason(t, err, ReasonLost)
	if n := len(s.requests()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}
