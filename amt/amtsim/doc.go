// Package amtsim simulates the firmware of a desktop with Intel AMT: what it
// says on its WS-Management port, and the PC behind it with a power button and
// a boot setting that serves one boot. It is for tests, in process or as the
// program's simulate command, over real sockets on loopback.
//
// It is strict and unkind on purpose. Where the vendor's documents leave room,
// it refuses; it now and then demands a fresh digest nonce, closes idle
// connections, splits replies at odd places, lets power changes take time,
// falls asleep, answers one request at a time, and wipes its boot setting at
// every boot. All chance comes from one seed, which logs and Snapshot show.
//
// It is not firmware. A client that works against it has shown that it keeps
// to the public facts as this package and the tables of package schemas hold
// them, each with a letter of confidence; only recorded or live firmware can
// show that it works on AMT. It shares no code with the client, uses another
// XML library, and knows nothing of overrides that last.
//
// # Use
//
//	m, err := amtsim.Start(ctx, amtsim.Options{Quirks: amtsim.Kind(), Timing: amtsim.Quick()})
//	defer m.Close()
//	// drive m.Addr() with a client, then ask m.Journal(), m.Boots(), m.Counters()
//
// Start is New and Run in one. Wait waits for a condition of the Snapshot, so
// that tests need no sleeps. AddFault aims one misbehaviour at one call.
//
// # Counting
//
// Everything received is counted. Refused are answers firmware gives a correct
// client as well: a fault or a return value that is not zero. Bogus are
// requests that no correct client sends: not HTTP, not SOAP, an unknown class,
// a wrong selector, an instance written in part or out of order, a nonce count
// that does not rise. A test of a client ends with Bogus at zero; BogusReasons
// tells what it was.
//
// # Control
//
// Control returns an HTTP handler for a set of machines, to be served on a
// listener of its own; see its documentation for the routes.
//
// # How to add a class
//
// A class with generic verbs only needs a table in package schemas. One whose
// properties change or that has methods gets a file here, named after it, and
// a line in the table of class.go.
//
// # Invariants
//
//   - A machine's lock is never held across I/O, and no callback of a caller
//     runs under it.
//   - A call is in the journal before its reply is on the wire.
//   - Close leaves no goroutine, timer, listener or connection behind.
package amtsim
