// Package wsman speaks WS-Management (DSP0226 1.0) as Intel AMT firmware does:
// envelopes, HTTP digest, one connection, faults. It knows no class; classes
// are package amt's affair. It is not a general WS-Management client: it has
// no eventing, no fragments, no filters and no Kerberos, because the firmware
// has none or the gateway needs none.
//
// # Invariants
//
//   - One Client is one endpoint with at most one TCP connection and one
//     request in flight. The engine has few connections and answers floods
//     with 401.
//   - Every error is an *Error whose Reason tells whether the request may have
//     been executed. Only calls that may be repeated are ever sent twice after
//     they may have been executed; see Call.Once.
//   - Wrong answers to a challenge are counted, spaced and limited, since each
//     of them counts towards the account's lock in firmware.
//   - Whatever the peer sends is bounded: head, body, tags, depth, pulls.
//   - Elements are found by namespace and local name; prefixes belong to the
//     sender and differ between replies and faults.
//
// # Decisions
//
//   - 2026-11: an own exchange loop over net.Conn instead of http.Transport,
//     because the difference between a request that was never written and one
//     that may have been executed decides whether a machine is reset twice.
//     Rejected: httptrace on http.Transport, which tells it only by inference.
//   - 2026-11: qop auth is preferred to auth-int even where both are offered:
//     every release accepts it. Rejected: auth-int first, which protects the
//     body but is known to few clients and so least tried.
package wsman
