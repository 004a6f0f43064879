package amt

import (
	"context"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
)

const elementSettingURI = cimSchema + "CIM_ElementSettingData"

// Values of ElementSettingData.IsNext.
const (
	isNotNext       = 2
	isNextSingleUse = 3
)

// ElementSettingData links an element to a setting and tells whether the
// setting is used next (Intel AMT SDK, Class Reference,
// CIM_ElementSettingData). Documented for the boot configuration; releases
// that do not show it are known.
type ElementSettingData struct {
	SettingData wsman.Reference
	// IsNext is 0 where it was missing.
	IsNext int
}

// DecodeElementSettingData reads the class from an instance.
func DecodeElementSettingData(i wsman.Instance) ElementSettingData {
	next, _ := i.Int("IsNext")
	return ElementSettingData{SettingData: i.Reference("SettingData"), IsNext: next}
}

func enumerateElementSettings(ctx context.Context, c wsman.Caller) ([]ElementSettingData, error) {
	items, err := c.Enumerate(ctx, elementSettingURI)
	if err != nil {
		return nil, err
	}
	settings := make([]ElementSettingData, 0, len(items))
	for _, i := range items {
		settings = append(settings, DecodeElementSettingData(i))
	}
	return settings, nil
}
