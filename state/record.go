package state

import (
	"encoding/json"
	"time"
)

// recordVersion is the stored form's version. A new form gets a new number, a
// decoder for the old one, and a new golden file; old goldens are never edited.
const recordVersion = 1

// record is what is kept of one node across restarts.
type record struct {
	Version int `json:"version"`
	// Override is the caller's wish.
	Override Override `json:"override"`
	// Wish counts the writes of Override, so that a start consumes only the
	// wish it was planned with.
	Wish uint64 `json:"wish"`
	// Armed is what we believe is in the firmware's boot setting.
	Armed armed `json:"armed,omitzero"`
	// Intent is the reset under way; after a crash, the one that a crash cut.
	Intent *intent `json:"intent,omitempty"`
	// Last is the last power request that firmware accepted.
	Last *accepted `json:"last,omitempty"`
	// Capability is what firmware said it can do.
	Capability Capability `json:"capability,omitzero"`
	// Shows tells whether this firmware shows a pending boot setting; learned
	// by reading one back right after arming.
	Shows Tristate `json:"shows,omitempty"`
}

// armedState says what we know of the firmware's boot setting.
type armedState string

const (
	armedNothing armedState = ""      // we left it cleared, or never touched it
	armedDirty   armedState = "dirty" // an arming or a clearing was begun and not seen to end
	armedSet     armedState = "set"   // a target is armed, or was and may be used by now
)

// armed is what we believe is in the firmware's boot setting.
type armed struct {
	State  armedState `json:"state,omitempty"`
	Target Target     `json:"target,omitempty"`
	// At is when it was armed.
	At time.Time `json:"at,omitzero"`
	// Ahead says that no start of ours is to use it: it was armed for a boot
	// that somebody else will cause.
	Ahead bool `json:"ahead,omitempty"`
	// Reason is what firmware gave as the last boot's cause when this was
	// armed.
	Reason string `json:"reason,omitempty"`
}

// step is how far a reset has come; each is durable before the next begins.
type step string

const (
	stepArming  step = "arming"  // firmware's boot setting is being written; no power request was sent
	stepSending step = "sending" // the power request is being sent, or was
)

// intent is a reset that has begun to touch firmware.
type intent struct {
	Reset   Reset        `json:"reset"`
	Request PowerRequest `json:"request"`
	// Start says that the node boots by it.
	Start  bool   `json:"start"`
	Target Target `json:"target"`
	Wish   uint64 `json:"wish"`
	Step   step   `json:"step"`
	// At is when the step began.
	At time.Time `json:"at"`
}

// accepted is a power request that firmware took.
type accepted struct {
	Reset   Reset        `json:"reset"`
	Request PowerRequest `json:"request"`
	Wish    uint64       `json:"wish"`
	At      time.Time    `json:"at"`
}

// reached reports whether p is the state that the request leads to.
func (a *accepted) reached(p PowerState) bool {
	switch a.Request {
	case RequestOff, RequestGracefulOff:
		return p.IsOff()
	case RequestNMI:
		return true
	}
	return p == PowerOn
}

func newRecord() record { return record{Version: recordVersion, Override: NoOverride} }

func decodeRecord(entry Entry) (record, error) {
	if entry.Value == nil {
		return newRecord(), nil
	}
	var r record
	if err := json.Unmarshal(entry.Value, &r); err != nil {
		return record{}, Errorf(KindStore, "read record", "", "%s: %w", entry.Key, err)
	}
	if r.Version != recordVersion {
		return record{}, Errorf(KindStore, "read record", "", "%s has version %d, this program knows %d; use the program that wrote it, or a newer one", entry.Key, r.Version, recordVersion)
	}
	return r, nil
}

func (r record) encode() ([]byte, error) { return json.Marshal(r) }

// accept records that the intent's power request was accepted at a time: the
// one place where Once is consumed.
func (r *record) accept(at time.Time) {
	i := r.Intent
	r.Intent = nil
	r.Last = &accepted{Reset: i.Reset, Request: i.Request, Wish: i.Wish, At: at}
	switch {
	case i.Start && i.Target != TargetNone:
		r.Armed.At, r.Armed.Ahead = at, false
	case i.Request == RequestOff || i.Request == RequestGracefulOff:
		// The boot that a setting was armed for is over, or will not happen.
		r.Armed.Ahead = true
	}
	if i.Start && r.Override.Enabled == Once && r.Wish == i.Wish {
		r.Override = NoOverride
	}
}

// abandon records that the intent's power request had no effect: the wish is
// kept, and what was armed must not hit a later boot.
func (r *record) abandon() {
	if r.Intent.Start && r.Intent.Target != TargetNone {
		r.Armed.State = armedDirty
	}
	r.Intent = nil
}
