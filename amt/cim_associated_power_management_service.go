package amt

import (
	"context"
	"errors"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
)

const (
	associatedPowerURI   = cimSchema + "CIM_AssociatedPowerManagementService"
	availableToElement   = cimSchema + "CIM_ServiceAvailableToElement"
	associatedPowerClass = "CIM_AssociatedPowerManagementService"
)

var (
	errNoReturnValue = errors.New("the answer holds no ReturnValue")
	errNoAssociation = errors.New("the enumeration holds no power management association")
)

// AssociatedPowerManagementService is the association that carries the power
// state; there is exactly one (Intel AMT SDK, WS-Management Class Reference,
// CIM_AssociatedPowerManagementService).
type AssociatedPowerManagementService struct {
	// PowerState is the DMTF power state; 0 where it was missing or no number.
	PowerState int
	// AvailableRequestedPowerStates are what can be requested now; it depends
	// on the power state and on an agent in the operating system. Old releases
	// leave it out.
	AvailableRequestedPowerStates []int
}

// DecodeAssociatedPowerManagementService reads the class from an instance.
func DecodeAssociatedPowerManagementService(i wsman.Instance) AssociatedPowerManagementService {
	power, _ := i.Int("PowerState")
	return AssociatedPowerManagementService{PowerState: power, AvailableRequestedPowerStates: numbers(i.Texts("AvailableRequestedPowerStates"))}
}

func getAssociatedPower(ctx context.Context, c wsman.Caller) (AssociatedPowerManagementService, error) {
	i, err := c.Get(ctx, associatedPowerURI)
	if err != nil {
		return AssociatedPowerManagementService{}, err
	}
	return DecodeAssociatedPowerManagementService(i), nil
}

// enumerateAssociatedPower is for firmware that does not get an association
// without selectors.
func enumerateAssociatedPower(ctx context.Context, c wsman.Caller) (AssociatedPowerManagementService, error) {
	items, err := c.Enumerate(ctx, availableToElement)
	if err != nil {
		return AssociatedPowerManagementService{}, err
	}
	for _, i := range items {
		if i.Name == associatedPowerClass {
			return DecodeAssociatedPowerManagementService(i), nil
		}
	}
	return AssociatedPowerManagementService{}, &wsman.Error{Op: "Enumerate CIM_ServiceAvailableToElement", Reason: wsman.ReasonAnswer, Status: 200, Err: errNoAssociation}
}
