package schemas

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestRedfishTypes(t *testing.T) {
	version := regexp.MustCompile(`^v[0-9]+_[0-9]+_[0-9]+$`)
	types := RedfishTypes()
	if !slices.IsSortedFunc(types, func(a, b RedfishType) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the types are not sorted by name")
	}
	for _, typ := range types {
		t.Run(typ.Name, func(t *testing.T) {
			collection := strings.HasSuffix(typ.Name, "Collection")
			if collection != (typ.Version == "") || !collection && !version.MatchString(typ.Version) {
				t.Errorf("version %q", typ.Version)
			}
			if !slices.IsSorted(typ.Properties) || len(slices.Compact(slices.Clone(typ.Properties))) != len(typ.Properties) {
				t.Error("properties are not sorted or not unique")
			}
			for _, required := range typ.Required {
				if !strings.Contains(required, "@") && !typ.Has(required) {
					t.Errorf("required property %q is not listed", required)
				}
			}
			for _, method := range typ.Writes {
				if !slices.Contains([]string{"POST", "PATCH", "PUT", "DELETE"}, method) {
					t.Errorf("%q is no method that writes", method)
				}
			}
			if found, ok := Redfish(typ.Name); !ok || found.TypeID() != typ.TypeID() {
				t.Errorf("look-up gave %v, %v", found.Name, ok)
			}
		})
	}
}

func TestRedfishNames(t *testing.T) {
	for name, want := range map[string]string{
		"ComputerSystem":           "#ComputerSystem.v1_20_0.ComputerSystem",
		"ComputerSystemCollection": "#ComputerSystemCollection.ComputerSystemCollection",
	} {
		typ, ok := Redfish(name)
		if !ok || typ.TypeID() != want {
			t.Errorf("%s: %q, %v; want %q", name, typ.TypeID(), ok, want)
		}
	}
	if _, ok := Redfish("Toaster"); ok {
		t.Error("found a type that does not exist")
	}
	system, _ := Redfish("ComputerSystem")
	if !system.Has("Boot/HttpBootUri") || system.Has("HttpBootUri") || system.Has("boot") {
		t.Error("property look-up is not by exact path")
	}
}
