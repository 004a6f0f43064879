package state

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind is the closed list of what an error means to a caller. Adapters map
// kinds, never texts: redfish to a status and a message, settle to a decision.
type Kind uint8

// The kinds. The zero value is an error of our own making, reported as an
// internal error.
const (
	KindInternal      Kind = iota // a defect or an unforeseen failure of the gateway
	KindNotFound                  // no such node, account or record
	KindExists                    // it exists already
	KindInvalid                   // the request itself is wrong; nothing was done
	KindUnsupported               // this machine cannot do it; nothing was done
	KindPrecondition              // the caller's precondition (If-Match) does not hold
	KindConflict                  // a concurrent writer won, or a reset conflicts with another
	KindUnreachable               // no answer from the node's firmware; nothing was done
	KindCredentials               // firmware rejects the credentials, or locked the account
	KindRefused                   // firmware understood and refused
	KindBusy                      // firmware refused for now; the same request may pass later
	KindConsent                   // a person at the machine must agree first
	KindIndeterminate             // a request was sent, its reply was lost: it may have taken effect
	KindProtocol                  // firmware answered something that makes no sense
	KindStore                     // the store failed
	KindTimeout                   // the deadline passed before anything was sent
	KindClosed                    // the gateway is shutting down
	kindEnd
)

var kindNames = [kindEnd]string{
	KindInternal: "internal error", KindNotFound: "not found", KindExists: "already exists",
	KindInvalid: "invalid request", KindUnsupported: "unsupported by this machine",
	KindPrecondition: "precondition failed", KindConflict: "conflict",
	KindUnreachable: "unreachable", KindCredentials: "credentials rejected or account locked",
	KindRefused: "refused by firmware", KindBusy: "firmware busy", KindConsent: "user consent required",
	KindIndeterminate: "reply lost, outcome unknown", KindProtocol: "protocol error",
	KindStore: "store failed", KindTimeout: "timed out", KindClosed: "shutting down",
}

// Kinds returns every kind, for tables that must cover them all.
func Kinds() []Kind {
	kinds := make([]Kind, 0, kindEnd)
	for k := range kindEnd {
		kinds = append(kinds, k)
	}
	return kinds
}

// String returns the kind in words, for people.
func (k Kind) String() string {
	if k < kindEnd {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Error is what every exported operation of the core and of its ports returns.
type Error struct {
	// Op is the operation in the caller's words, such as "reset" or "arm".
	Op string
	// Node is the node's id; empty where none is concerned.
	Node string
	// Kind is what it means; see KindOf for errors that are wrapped.
	Kind Kind
	// Err is the cause; may be nil.
	Err error
}

// Error renders operation, node, kind and cause. It is for logs: what a
// Redfish caller sees is made from the kind alone.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Node != "" {
		b.WriteString(" " + e.Node)
	}
	b.WriteString(": " + e.Kind.String())
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error of the kind with a formatted cause; %w works.
func Errorf(kind Kind, op, node, format string, args ...any) error {
	return &Error{Op: op, Node: node, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// KindOf returns the kind of the outermost Error in err's chain. A bare
// context error is KindTimeout; any other error is KindInternal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return KindTimeout
	}
	return KindInternal
}

// IsKind reports whether err is an error of that kind.
func IsKind(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
