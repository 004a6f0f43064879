package schemas

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// RedfishType is one resource type of the Redfish schema, DSP8010, at the
// version that the gateway serves.
type RedfishType struct {
	// Name is the schema's name, such as "ComputerSystem".
	Name string `json:"name"`
	// Version is the served version, such as "v1_20_0"; empty for types without
	// versions, the collections.
	Version string `json:"version"`
	// Writes are the methods beyond GET and HEAD that the schema allows a
	// resource of the type.
	Writes []string `json:"writes"`
	// Required are the properties that every representation has.
	Required []string `json:"required"`
	// Properties are the names that the type has at that version; those inside
	// an embedded object are paths, such as "Boot/BootNext".
	Properties []string `json:"properties"`
}

//go:embed redfish/types.json
var redfishFiles embed.FS

// redfishTypes decodes the table once. Broken embedded data is a defect of the
// build, caught by every test.
var redfishTypes = sync.OnceValue(func() []RedfishType {
	data, err := redfishFiles.ReadFile("redfish/types.json")
	if err != nil {
		panic(fmt.Sprintf("schemas: read the Redfish types: %v", err))
	}
	var types []RedfishType
	if err := json.Unmarshal(data, &types); err != nil {
		panic(fmt.Sprintf("schemas: decode the Redfish types: %v", err))
	}
	return types
})

// RedfishTypes returns every type in the table, sorted by name.
func RedfishTypes() []RedfishType { return redfishTypes() }

// Redfish returns a type by name.
func Redfish(name string) (RedfishType, bool) {
	for _, t := range redfishTypes() {
		if t.Name == name {
			return t, true
		}
	}
	return RedfishType{}, false
}

// TypeID returns the value of @odata.type (DSP0266, 9.3), such as
// "#ComputerSystem.v1_20_0.ComputerSystem".
func (t RedfishType) TypeID() string { return "#" + t.Namespace() + "." + t.Name }

// Namespace returns the schema namespace of the served version, such as
// "ComputerSystem.v1_20_0".
func (t RedfishType) Namespace() string {
	if t.Version == "" {
		return t.Name
	}
	return t.Name + "." + t.Version
}

// Has reports whether the type has the property, given as a path.
func (t RedfishType) Has(path string) bool { return slices.Contains(t.Properties, path) }
