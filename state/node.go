package state

import (
	"net/netip"
	"regexp"
	"strings"
)

// Node is one managed computer as configured. What changes at run time is in
// its record.
type Node struct {
	// ID is the Redfish Id and Name. See ValidID.
	ID string
	// Address is the host part of the endpoint, for matching boot requests
	// and for logs; how to reach it is the machine's affair.
	Address string
	// MACs are the network-boot interfaces in canonical form, see
	// CanonicalMAC.
	MACs []string
	// Mode is the boot mode that the operator states. Zero is UEFI.
	Mode Mode
	// HddFirmwareOrder makes an Hdd override send no boot source at all
	// instead of the hard-drive source: some UEFI firmware boots the disk
	// reliably only by its own order.
	HddFirmwareOrder bool
	// Machine moves the node's hardware.
	Machine Machine
}

// armTarget returns what firmware must be armed with for a wish; TargetNone
// means that a cleared setting serves it.
func (n Node) armTarget(o Override) Target {
	if !o.Active() || o.Target == TargetHdd && n.HddFirmwareOrder {
		return TargetNone
	}
	return o.Target
}

// aheadTarget returns what firmware must be armed with ahead of a boot that
// nobody asked us for: only a continuous wish has such a target.
func (n Node) aheadTarget(o Override) Target {
	if o.Enabled != Continuous {
		return TargetNone
	}
	return n.armTarget(o)
}

var validID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// ValidID reports whether id can be a node's id: it becomes a URI segment that
// needs no percent-encoding.
func ValidID(id string) bool { return validID.MatchString(id) }

// CanonicalMAC returns a MAC address of any usual spelling (colons, dashes,
// dots or none) as lower-case hex with colons, and whether it was one.
func CanonicalMAC(text string) (string, bool) {
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(":-.", r) {
			return -1
		}
		return r
	}, strings.ToLower(text))
	if len(digits) != 12 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < 12; i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(digits[i : i+2])
	}
	return b.String(), true
}

// hasAddress reports whether the node's endpoint is that address.
func (n Node) hasAddress(addr netip.Addr) bool {
	own, err := netip.ParseAddr(n.Address)
	return err == nil && own.Unmap() == addr.Unmap()
}
