package wsman

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// Which failures may have been executed decides whether a machine is reset
// twice: each reason and class of status is here.
func TestMayHaveExecuted(t *testing.T) {
	named, bare := &Fault{Subcode: "InternalError", Status: 1}, &Fault{Subcode: "InternalError", Status: -1}
	for _, test := range []struct {
		err  Error
		want bool
	}{
		{Error{Reason: ReasonWaiting}, false},
		{Error{Reason: ReasonDial}, false},
		{Error{Reason: ReasonLost}, true},
		{Error{Reason: ReasonUnauthorized, Status: 401}, false},
		{Error{Reason: ReasonFault, Status: 400, Fault: bare}, false},
		{Error{Reason: ReasonFault, Status: 500, Fault: bare}, true},
		{Error{Reason: ReasonFault, Status: 500, Fault: named}, false},
		{Error{Reason: ReasonFault, Status: 503, Fault: bare}, true},
		{Error{Reason: ReasonAnswer, Status: 200}, true},
		{Error{Reason: ReasonAnswer, Status: 302}, true},
		{Error{Reason: ReasonAnswer, Status: 404}, false},
		{Error{Reason: ReasonAnswer, Status: 503}, true},
		{Error{Reason: ReasonAnswer}, true},
	} {
		if got := test.err.MayHaveExecuted(); got != test.want {
			t.Errorf("%v (HTTP %d): %v, want %v", test.err.Reason, test.err.Status, got, test.want)
		}
	}
}

func TestErrorsReadWell(t *testing.T) {
	f := &Fault{Subcode: "AccessDenied", Reason: "no", Status: 16}
	for want, err := range map[string]*Error{
		"Get CIM_X: no connection: boom":                                     {Op: "Get CIM_X", Reason: ReasonDial, Err: errors.New("boom")},
		`CIM_X.Do: fault (HTTP 400): AccessDenied "no" AMT-STATUS 16`:        {Op: "CIM_X.Do", Reason: ReasonFault, Status: 400, Fault: f},
		"Put CIM_X: credentials refused or account locked (HTTP 401)":        {Op: "Put CIM_X", Reason: ReasonUnauthorized, Status: 401},
		"Pull CIM_X: no answer: read answer: " + context.Canceled.Error():    {Op: "Pull CIM_X", Reason: ReasonLost, Err: errors.New("read answer: " + context.Canceled.Error())},
		"Get CIM_X: nothing sent: wait: " + context.DeadlineExceeded.Error(): {Op: "Get CIM_X", Reason: ReasonWaiting, Err: errors.New("wait: " + context.DeadlineExceeded.Error())},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	seen := map[string]bool{}
	for r := range reasonEnd {
		if seen[r.String()] || r.String() == "" {
			t.Errorf("reason %d reads %q", r, r)
		}
		seen[r.String()] = true
	}
	if got := reasonEnd.String(); got != "Reason(6)" {
		t.Errorf("an unknown reason reads %q", got)
	}
}

func TestFaultsAreDecodedFromAnyShape(t *testing.T) {
	code := func(inner string) string { return "<a:Fault><a:Code>" + inner + "</a:Code></a:Fault>" }
	for name, test := range map[string]struct {
		body, subcode string
		status        int
	}{
		"subcode":            {code("<a:Value>a:Sender</a:Value><a:Subcode><a:Value>x:One</a:Value></a:Subcode>"), "One", -1},
		"code alone":         {code("<a:Value>a:Receiver</a:Value>"), "Receiver", -1},
		"nested subcode":     {code("<a:Value>a:Sender</a:Value><a:Subcode><a:Value>x:One</a:Value><a:Subcode><a:Value>x:Two</a:Value></a:Subcode></a:Subcode>"), "One", -1},
		"empty":              {"<a:Fault/>", "", -1},
		"blank around":       {code("<a:Value> a:Sender </a:Value>"), "Sender", -1},
		"status in the text": {"<a:Fault><a:Reason><a:Text>AMT-STATUS 5</a:Text></a:Reason></a:Fault>", "", -1},
		"status nested":      {"<a:Fault><a:Detail><g:a><g:b>so AMT-STATUS   2057 it is</g:b></g:a></a:Detail></a:Fault>", "", 2057},
		"status too long":    {"<a:Fault><a:Detail>AMT-STATUS 12345678901234567890</a:Detail></a:Fault>", "", -1},
		"status no number":   {"<a:Fault><a:Detail>AMT-STATUS x</a:Detail></a:Fault>", "", -1},
	} {
		r, err := decode([]byte(envelope("1", test.body)))
		if err != nil || r.fault == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.fault.Subcode != test.subcode || r.fault.Status != test.status {
			t.Errorf("%s: %+v", name, r.fault)
		}
	}
}

func TestWhatFirmwareSaysIsCut(t *testing.T) {
	long := strings.Repeat("\u00e9", 1000)
	r, err := decode([]byte(envelope("1", "<a:Fault><a:Code><a:Value>"+long+"</a:Value></a:Code><a:Reason><a:Text>"+long+"</a:Text></a:Reason></a:Fault>")))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.fault.Subcode) > 63 || len(r.fault.Reason) > 303 || !utf8.ValidString(r.fault.Error()) {
		t.Errorf("kept %d and %d bytes", len(r.fault.Subcode), len(r.fault.Reason))
	}
}
