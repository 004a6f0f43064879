package amt

import (
	"context"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
)

const bootSourceURI = cimSchema + "CIM_BootSourceSetting"

// BootSourceSetting is one boot source that this firmware and BIOS offer
// (Intel AMT SDK, Class Reference, CIM_BootSourceSetting).
type BootSourceSetting struct {
	InstanceID           string
	StructuredBootString string
}

// DecodeBootSourceSetting reads the class from an instance.
func DecodeBootSourceSetting(i wsman.Instance) BootSourceSetting {
	id, _ := i.Text("InstanceID")
	text, _ := i.Text("StructuredBootString")
	return BootSourceSetting{InstanceID: id, StructuredBootString: text}
}

func enumerateBootSources(ctx context.Context, c wsman.Caller) ([]BootSourceSetting, error) {
	items, err := c.Enumerate(ctx, bootSourceURI)
	if err != nil {
		return nil, err
	}
	sources := make([]BootSourceSetting, 0, len(items))
	for _, i := range items {
		sources = append(sources, DecodeBootSourceSetting(i))
	}
	return sources, nil
}
