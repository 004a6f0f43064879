package amt

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/amt-redfish/amt-redfish/amt/wsman"
)

const computerSystemPackageURI = cimSchema + "CIM_ComputerSystemPackage"

// ComputerSystemPackage carries the platform's UUID (Intel AMT SDK, Class
// Reference, CIM_ComputerSystemPackage).
type ComputerSystemPackage struct {
	// PlatformGUID is 32 hex digits in SMBIOS byte order, see UUID.
	PlatformGUID string
}

// DecodeComputerSystemPackage reads the class from an instance.
func DecodeComputerSystemPackage(i wsman.Instance) ComputerSystemPackage {
	guid, _ := i.Text("PlatformGUID")
	return ComputerSystemPackage{PlatformGUID: strings.TrimSpace(guid)}
}

// UUID returns the platform's UUID in canonical text form: SMBIOS keeps the
// first three fields little-endian (DSP0134, 7.2.1).
func (p ComputerSystemPackage) UUID() (string, error) {
	raw, err := hex.DecodeString(p.PlatformGUID)
	if err != nil || len(raw) != 16 {
		return "", fmt.Errorf("platform GUID %.40q is not 32 hex digits", p.PlatformGUID)
	}
	for _, field := range [][]byte{raw[0:4], raw[4:6], raw[6:8]} {
		slices.Reverse(field)
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", raw[0:4], raw[4:6], raw[6:8], raw[8:10], raw[10:16]), nil
}

func getComputerSystemPackage(ctx context.Context, c wsman.Caller) (ComputerSystemPackage, error) {
	i, err := c.Get(ctx, computerSystemPackageURI)
	if err != nil {
		return ComputerSystemPackage{}, err
	}
	return DecodeComputerSystemPackage(i), nil
}
