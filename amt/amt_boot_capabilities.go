package amt

import (
	"context"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
	"github.com/amt-redfish/amt-redfish/state"
)

const bootCapabilitiesURI = amtSchema + "AMT_BootCapabilities"

// BootCapabilities says what the BIOS can be asked for (Intel AMT SDK, Class
// Reference, AMT_BootCapabilities). A capability that was not sent is unknown.
type BootCapabilities struct {
	ForcePXEBoot       state.Tristate
	ForceHardDriveBoot state.Tristate
	ForceCDorDVDBoot   state.Tristate
}

// DecodeBootCapabilities reads the class from an instance.
func DecodeBootCapabilities(i wsman.Instance) BootCapabilities {
	flag := func(name string) state.Tristate {
		switch value, ok := i.Bool(name); {
		case !ok:
			return state.Unknown
		case value:
			return state.Yes
		}
		return state.No
	}
	return BootCapabilities{
		ForcePXEBoot:       flag("ForcePXEBoot"),
		ForceHardDriveBoot: flag("ForceHardDriveBoot"),
		ForceCDorDVDBoot:   flag("ForceCDorDVDBoot"),
	}
}

func getBootCapabilities(ctx context.Context, c wsman.Caller) (BootCapabilities, error) {
	i, err := c.Get(ctx, bootCapabilitiesURI)
	if err != nil {
		return BootCapabilities{}, err
	}
	return DecodeBootCapabilities(i), nil
}
