// Package pxe is the boot service: it hands boot files to the nodes that
// start from the network. So far that is TFTP, read-only, over one directory
// that another program (Ironic) fills, changes and empties while it is served.
//
// It is no DHCP server, it decides for no node what it boots, and it knows no
// node: who fetched what is told through Options.Fetched, and whoever made
// the Server brings that to the core as evidence of a boot.
//
// # Invariants
//
//   - Nothing outside the directory is served, whatever a name spells and
//     wherever a symbolic link points; only regular files are.
//   - A file is looked up anew for each request, and a transfer under way ends
//     with the contents that it began with.
//   - What a client is told never holds a path of this machine.
//   - Run ends within Options.Grace and two timer ticks after its context,
//     whatever the clients do; the socket closes last.
//
// # Decisions
//
//   - 2026-11: pin/tftp with a socket per transfer and a short timer. Its
//     single-port mode can end the process and its anticipation sends a window
//     that nobody asked for; neither is used.
//   - 2026-11: a transfer of pin/tftp cannot be cancelled from outside while it
//     waits for a silent client. It is ended by a panic in its back-off
//     function, which this package raises and recovers itself. Rejected:
//     leaving it behind at the end of Run, and waiting for all its retries.
//   - 2026-11: a block is at most 1468 bytes unless configured otherwise, also
//     where the interface would carry more: many firmwares cannot put IP
//     fragments together (RFC 2348 leaves the size to the server).
package pxe
