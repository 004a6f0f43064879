//go:build !linux

package pxe

import "net"

// askForPacketInfo leaves the socket as it is: what a system other than Linux
// needs is set by pin/tftp when it begins to serve.
func askForPacketInfo(string, *net.UDPConn) error { return nil }
