package pxe

import (
	"net"
	"strings"
	"syscall"
)

// askForPacketInfo makes the socket tell for each packet which address and
// interface it came to (ip(7), IP_PKTINFO; ipv6(7), IPV6_RECVPKTINFO). pin/tftp
// asks for it only when it begins to serve: requests that were waiting by then
// would be answered with the smallest blocks, perhaps from another address.
func askForPacketInfo(network string, conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	err = raw.Control(func(fd uintptr) {
		if strings.HasSuffix(network, "6") {
			failure = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO, 1)
		} else {
			failure = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1)
		}
	})
	if err != nil {
		return err
	}
	return failure
}
