package wsman

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// Reason says what kind of failure an Error is.
type Reason uint8

// The reasons.
const (
	// ReasonWaiting: the caller's time ran out, or the client was closed,
	// before anything was sent.
	ReasonWaiting Reason = iota
	// ReasonDial: no connection could be made; nothing was sent.
	ReasonDial
	// ReasonLost: the request, or a part of it, was written and no complete
	// answer came. It may have been executed.
	ReasonLost
	// ReasonUnauthorized: firmware refuses the credentials or has locked the
	// account, which it does not tell apart. Nothing was executed.
	ReasonUnauthorized
	// ReasonFault: firmware answered with a SOAP fault.
	ReasonFault
	// ReasonAnswer: the answer is not what the protocol allows. The request
	// may have been executed unless Status is a client error.
	ReasonAnswer
	reasonEnd
)

var reasonNames = [reasonEnd]string{
	"nothing sent", "no connection", "no answer", "credentials refused or account locked", "fault", "unusable answer",
}

// String returns the reason in words.
func (r Reason) String() string {
	if r < reasonEnd {
		return reasonNames[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Error is the error of every call.
type Error struct {
	// Op is verb or method, and class.
	Op     string
	Reason Reason
	// Status is the HTTP status; 0 where there was no answer.
	Status int
	// Fault is set for ReasonFault.
	Fault *Fault
	// Wait is, for ReasonUnauthorized, how long no request will be sent.
	Wait time.Duration
	// Err is the cause; may be nil.
	Err error
}

// Error renders operation, reason and cause, without endpoint or credentials.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op + ": " + e.Reason.String())
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	if e.Fault != nil {
		b.WriteString(": " + e.Fault.Error())
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error {
	if e.Err == nil && e.Fault != nil {
		return e.Fault
	}
	return e.Err
}

// MayHaveExecuted reports whether firmware may have acted on the request. A
// fault that blames the receiver without naming a status of its own (a time
// limit, an internal error) leaves that open.
func (e *Error) MayHaveExecuted() bool {
	switch e.Reason {
	case ReasonLost:
		return true
	case ReasonAnswer:
		return e.Status < 400 || e.Status >= 500
	case ReasonFault:
		return e.Status >= 500 && e.Fault.Status < 0
	}
	return false
}

// Fault is a SOAP 1.2 fault (SOAP 1.2 part 1, 5.4; DSP0226, 14).
type Fault struct {
	// Subcode is the local part of the fault's subcode, such as
	// "AccessDenied"; compare with Error.HasFault.
	Subcode string
	// Reason is the fault's text in English.
	Reason string
	// Status is the AMT status in the detail ("AMT-STATUS n"; Intel AMT
	// Implementation and Reference Guide, errors and return values), or -1.
	Status int
}

// Error renders the fault.
func (f *Fault) Error() string {
	text := fmt.Sprintf("%s %q", f.Subcode, f.Reason)
	if f.Status >= 0 {
		text += fmt.Sprintf(" AMT-STATUS %d", f.Status)
	}
	return text
}

// hasSubcode reports whether the subcode is one of those named, whatever the case:
// releases spell some of them differently.
func (f *Fault) hasSubcode(names ...string) bool {
	for _, name := range names {
		if strings.EqualFold(f.Subcode, name) {
			return true
		}
	}
	return false
}

// HasFault reports whether the error is a fault with one of the subcodes.
func (e *Error) HasFault(subcodes ...string) bool {
	return e.Fault != nil && e.Fault.hasSubcode(subcodes...)
}

var amtStatus = regexp.MustCompile(`AMT-STATUS\s*:?\s*(\d{1,9})\b`)

func decodeFault(e *etree.Element) *Fault {
	f := &Fault{Status: -1}
	if code := child(e, nsEnvelope, "Code"); code != nil {
		f.Subcode = localPart(childText(code, nsEnvelope, "Value"))
		if sub := child(code, nsEnvelope, "Subcode"); sub != nil {
			f.Subcode = localPart(childText(sub, nsEnvelope, "Value"))
		}
	}
	if reason := child(e, nsEnvelope, "Reason"); reason != nil {
		f.Reason = cut(childText(reason, nsEnvelope, "Text"), 300)
	}
	if detail := child(e, nsEnvelope, "Detail"); detail != nil {
		if m := amtStatus.FindStringSubmatch(allText(detail)); m != nil {
			f.Status, _ = strconv.Atoi(m[1]) // nine digits at most: it fits
		}
	}
	return f
}

func localPart(name string) string {
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		name = name[i+1:]
	}
	return cut(name, 60)
}

// cut shortens text to n bytes.
func cut(text string, n int) string {
	if len(text) > n {
		return strings.ToValidUTF8(text[:n], "") + "..."
	}
	return text
}

// allText joins the texts of an element and of all below it; the depth was
// checked.
func allText(e *etree.Element) string {
	text := e.Text()
	for _, c := range e.ChildElements() {
		text += " " + allText(c)
	}
	return text
}
