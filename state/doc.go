// Package state is the core of the gateway: what we know of each node and what
// its callers want of it. It holds the nouns (node, power state, override,
// capability), the pure rules of the boot override's life (wish, arm, consume,
// replay, disarm), the use cases that adapters call (Nodes), the background
// loop that brings records back in line with the hardware (settle), and the
// two ports it needs: Machine, to move one node's hardware, and Store, to keep
// records.
//
// It speaks Redfish's words for intent and never sees a CIM number, an XML
// element, an HTTP status or a JSON body of a caller. It imports nothing of
// this module and no third-party package.
//
// # Invariants
//
//   - A wish is durable before its PATCH is answered and needs no firmware.
//   - Every start that the gateway issues arms first, beginning with a clear;
//     where arming fails no power request is sent and the wish is kept.
//   - The intent is durable before firmware is touched, and once more before
//     the power request is sent. After a crash arming may be repeated, a power
//     request never: it is observed.
//   - A Once override is consumed in the same store update that records the
//     accepted start. No-ops, failures and power-offs consume nothing.
//   - Unknown is the zero value of everything observed, and is never turned
//     into off, none or fine.
//   - One turn per node; no lock is held across I/O.
//
// # Decisions
//
//   - 2026-11: the firmware's boot setting is cleared before every start, also
//     when no override is wished, because Disabled promises the firmware's own
//     order and another tool may have armed something. Rejected: clearing only
//     what the gateway armed itself (one exchange less, and sometimes wrong).
//   - 2026-11: a wake from sleep (S3) is not a start: memory is kept and no
//     boot happens, so nothing is armed or consumed. Redfish shows such a node
//     as On.
//   - 2026-11: where a power request's reply was lost and nothing can be
//     observed that tells whether it took effect (a reset of a running host on
//     firmware that shows nothing), it is presumed accepted after
//     Timing.Patience, so that Once boots at most once. Rejected: keeping the
//     wish, which may boot, and wipe, a machine twice.
//   - 2026-11: a stale power state is served during a transition only if it is
//     not off, because a stale Off is the answer that makes others cut or wipe
//     a machine; the caller gets an error instead and asks again.
//   - 2026-11: the store port has no watch operation yet. One gateway owns its
//     store, so nobody would call it; it comes with the second gateway.
package state
