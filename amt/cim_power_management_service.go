package amt

import (
	"context"
	"strconv"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
)

const (
	powerServiceURI   = cimSchema + "CIM_PowerManagementService"
	computerSystemURI = cimSchema + "CIM_ComputerSystem"
)

// requestPowerStateChange asks for a power state (Intel AMT SDK, Class
// Reference, CIM_PowerManagementService.RequestPowerStateChange). Success
// means accepted, not done. Time and TimeoutPeriod must be absent.
func requestPowerStateChange(ctx context.Context, c wsman.Caller, powerState int) error {
	output, err := c.Invoke(ctx, wsman.Call{
		Resource: powerServiceURI, Method: "RequestPowerStateChange", Once: true,
		Parameters: []wsman.Property{
			{Name: "PowerState", Text: strconv.Itoa(powerState)},
			reference("ManagedElement", computerSystemURI,
				wsman.Selector{Name: "CreationClassName", Value: "CIM_ComputerSystem"},
				wsman.Selector{Name: "Name", Value: "ManagedSystem"}),
		},
	})
	if err != nil {
		return err
	}
	return checkReturn("CIM_PowerManagementService.RequestPowerStateChange", output)
}
