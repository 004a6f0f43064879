package amt

import (
	"context"
	"strconv"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
)

const bootServiceURI = cimSchema + "CIM_BootService"

// Roles of the boot configuration. The DMTF's 0 (next) and 2 (default) are not
// supported by AMT.
const (
	roleNextSingleUse = 1
	roleNotNext       = 32768 // since AMT 7.0
)

// setBootConfigRole says how the boot configuration is used (Intel AMT SDK,
// Class Reference, CIM_BootService.SetBootConfigRole).
func setBootConfigRole(ctx context.Context, c wsman.Caller, role int) error {
	output, err := c.Invoke(ctx, wsman.Call{
		Resource: bootServiceURI, Method: "SetBootConfigRole",
		Parameters: []wsman.Property{
			reference("BootConfigSetting", bootConfigURI, wsman.Selector{Name: "InstanceID", Value: bootConfigID}),
			{Name: "Role", Text: strconv.Itoa(role)},
		},
	})
	if err != nil {
		return err
	}
	return checkReturn("CIM_BootService.SetBootConfigRole", output)
}
