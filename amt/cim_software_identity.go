package amt

import (
	"context"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
)

const softwareIdentityURI = cimSchema + "CIM_SoftwareIdentity"

// firmwareIdentity is the instance whose version is the AMT release.
const firmwareIdentity = "AMT"

// SoftwareIdentity is one part of the firmware with its version (Intel AMT
// SDK, Class Reference, CIM_SoftwareIdentity).
type SoftwareIdentity struct {
	InstanceID    string
	VersionString string
}

// DecodeSoftwareIdentity reads the class from an instance.
func DecodeSoftwareIdentity(i wsman.Instance) SoftwareIdentity {
	id, _ := i.Text("InstanceID")
	version, _ := i.Text("VersionString")
	return SoftwareIdentity{InstanceID: id, VersionString: version}
}

func enumerateSoftwareIdentities(ctx context.Context, c wsman.Caller) ([]SoftwareIdentity, error) {
	items, err := c.Enumerate(ctx, softwareIdentityURI)
	if err != nil {
		return nil, err
	}
	identities := make([]SoftwareIdentity, 0, len(items))
	for _, i := range items {
		identities = append(identities, DecodeSoftwareIdentity(i))
	}
	return identities, nil
}
