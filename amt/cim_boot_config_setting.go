package amt

import (
	"context"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
)

const (
	bootConfigURI = cimSchema + "CIM_BootConfigSetting"
	// bootConfigID is the one instance, as firmware spells it; the guide's
	// prose spells it otherwise.
	bootConfigID = "Intel(r) AMT: Boot Configuration 0"
)

// changeBootOrder sets the boot source for the boot configuration, or clears
// it where source is empty (Intel AMT SDK, Class Reference,
// CIM_BootConfigSetting.ChangeBootOrder). To clear, the parameter must be
// absent: an empty one violates the schema.
func changeBootOrder(ctx context.Context, c wsman.Caller, source string) error {
	call := wsman.Call{Resource: bootConfigURI, Method: "ChangeBootOrder"}
	if source != "" {
		call.Parameters = []wsman.Property{reference("Source", bootSourceURI, wsman.Selector{Name: "InstanceID", Value: source})}
	}
	output, err := c.Invoke(ctx, call)
	if err != nil {
		return err
	}
	return checkReturn("CIM_BootConfigSetting.ChangeBootOrder", output)
}
