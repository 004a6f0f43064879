package amt

import (
	"context"
	"fmt"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
)

const hostBootReasonURI = ipsSchema + "IPS_HostBootReason"

// HostBootReason is firmware's account of why the host last booted (Intel AMT
// SDK, Class Reference, IPS_HostBootReason, since AMT 8.0).
type HostBootReason struct {
	Reason          string
	ReasonDetails   string
	PreviousSxState string
}

// DecodeHostBootReason reads the class from an instance.
func DecodeHostBootReason(i wsman.Instance) HostBootReason {
	reason, _ := i.Text("Reason")
	details, _ := i.Text("ReasonDetails")
	before, _ := i.Text("PreviousSxState")
	return HostBootReason{Reason: reason, ReasonDetails: details, PreviousSxState: before}
}

// text makes one opaque text of it; empty where firmware said nothing.
func (r HostBootReason) text() string {
	if r == (HostBootReason{}) {
		return ""
	}
	return fmt.Sprintf("%s/%s/%s", r.Reason, r.ReasonDetails, r.PreviousSxState)
}

func getHostBootReason(ctx context.Context, c wsman.Caller) (HostBootReason, error) {
	i, err := c.Get(ctx, hostBootReasonURI)
	if err != nil {
		return HostBootReason{}, err
	}
	return DecodeHostBootReason(i), nil
}
