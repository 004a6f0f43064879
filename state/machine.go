package state

import (
	"context"
	"time"
)

// Machine is the port by which the core moves one node's hardware. Package
// amt implements it. All methods are safe for concurrent use, honour the
// context's deadline, retry transient failures within it, and return an error
// of a Kind. Only Observe may be called without the node's turn.
type Machine interface {
	// Observe reads the power state, in one exchange. A reading not older than
	// maxAge is shared instead of read again; 0 always reads. Concurrent calls
	// share one exchange. Where the read fails the error comes with the last
	// observation that was really read (zero if none), for the caller to judge
	// by its age. A state that firmware reports and the table does not know is
	// PowerUnknown without an error.
	//
	// A node that was found unreachable is answered from a negative cache for
	// some seconds, unless maxAge is 0.
	Observe(ctx context.Context, maxAge time.Duration) (Observation, error)

	// Capability reads what the firmware can do.
	Capability(ctx context.Context) (Capability, error)

	// BootSetting reads what firmware shows of its boot setting.
	BootSetting(ctx context.Context) (BootSetting, error)

	// Arm clears the firmware's boot setting and writes target for the coming
	// boot, in the order that firmware needs, checking every return value. It
	// may be repeated: arming twice equals arming once.
	Arm(ctx context.Context, target Target) error

	// ArmAgain writes target for the coming boot without clearing first, for
	// when the setting may not have been used yet: firmware that still holds
	// it ignores the second order, firmware that used it takes it.
	ArmAgain(ctx context.Context, target Target) error

	// Disarm clears the firmware's boot setting.
	Disarm(ctx context.Context) error

	// Power sends one power request and returns once it was accepted. It is
	// sent again only where it certainly was not executed (connection refused,
	// credentials challenged). A request that was sent and whose reply was
	// lost is KindIndeterminate; one that firmware refuses for now is
	// KindBusy, any other refusal KindRefused.
	Power(ctx context.Context, request PowerRequest) error
}

// BootSetting is what firmware shows of its boot setting. Many releases show
// little; every zero value is unknown.
type BootSetting struct {
	// Pending tells whether a setting is armed for the next single use.
	Pending Tristate
	// Reason is the firmware's account of the last boot's cause, as an opaque
	// text: where it changes, a boot has happened. Empty is unknown.
	Reason string
}
