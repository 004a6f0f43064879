//go:build !linux

package pxe

import "syscall"

// askForPacketInfo leaves the socket as it is: what a system other than Linux
// needs is set by pin/tftp when it begins to serve.
func askForPacketInfo(string, string, syscall.RawConn) error { return nil }
