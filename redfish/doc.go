// Package redfish is the gateway's face to callers: a Redfish service (DSP0266)
// over the core. It decodes requests into the core's words, asks the core, and
// renders the answer. It knows nothing of AMT, of WS-Management or of how
// records are kept, and it decides nothing about boots or power.
//
// # Shape
//
// Each resource is one file that registers itself: URI pattern, schema type,
// methods with privileges, place in its parent. Routes, Allow, links from
// parents, the OData service document and $metadata are made from that table.
// The pipeline in server.go runs around the router, also for what the router
// does not find, and checks in one fixed order: request id, limits, headers,
// credentials (401), OData-Version (412), resource and method (404, 405),
// privilege (403), then, in the handler, precondition (412) and body (400).
//
// # How to add a resource
//
//  1. Add its type to schemas/redfish/types.json.
//  2. Write <resource>.go with var _ = register(resource{...}) and a function
//     for each method; name parent and property to be linked from a parent.
//  3. Run the tests with -update and review testdata/golden.
//
// # Invariants
//
//   - PowerState is On or Off and was read from firmware. Whatever cannot be
//     read is a 503, never a 200 with a guess.
//   - A write that is answered with 4xx or 5xx left no change behind.
//   - A caller that may not know of a node gets the answer of one that does not
//     exist, and firmware is not touched.
//   - Writes are never redirected; no cookie is ever set.
//   - No error shows a credential, an endpoint or a text of firmware.
//
// # Decisions
//
//   - 2026-11: the ETag of a system covers its identity and what clients may
//     write, not PowerState, so that a reset between GET and PATCH does not
//     invalidate it. Therefore a system is never answered with 304: the tag
//     cannot tell that the power state is still the one the caller has.
//     Rejected: 304 all the same, which would hide a power change from a caller
//     that polls with If-None-Match.
//   - 2026-11: a PATCH of a system answers 200 with the whole resource where
//     its power state is at hand within Options.PatchObserve, and 204
//     otherwise, because the wish is recorded without firmware and a body
//     without a true PowerState must not exist. Where some properties could
//     not be written and there is no body to say so in, all are refused.
//   - 2026-11: properties that are unknown or read-only are annotated beside
//     those that were written; a value that a writable property cannot take
//     refuses the whole PATCH, because the rest of a boot wish means something
//     else without it.
//   - 2026-11: Manager.FirmwareVersion is null until it was read: present, as
//     clients want it, and the standard's word for "not known now". Rejected:
//     a text such as "unknown", which is a version to every parser.
//   - 2026-11: Status of systems tells a state (Enabled while it runs,
//     StandbyOffline while it waits for a start) and no Health: AMT's power
//     service does not say, and OK would be a guess.
//   - 2026-11: a chassis is StandAlone, the schema's value for desktops and
//     towers; there is no value "Desktop".
//   - 2026-11: where the listener is plain HTTP (Options.Plain, for a TLS proxy
//     on this host), credentials are taken from loopback peers only; everyone
//     else gets 403 for all that needs them, and the answer asks for none.
//   - 2026-11: after some failed logins from one source for one account, further
//     ones of that pair wait. Sessions, and Basic credentials that were right a
//     moment ago, are not checked again and so never wait. Nothing locks an
//     account, since all nodes of a client share one.
//   - 2026-11: Accept is not judged. Each resource has one representation, and
//     a 406 helps nobody.
package redfish
