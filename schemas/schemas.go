// Package schemas holds the tables of facts about foreign vocabularies, as
// data files that are embedded and read through typed look-ups. It has no
// behaviour and imports nothing of this module.
//
// The tables in folder amt describe WS-Management classes of Intel AMT: names,
// URIs, keys, types, which properties may be written, since which release they
// exist, and the instances a provisioned desktop shows. The simulator serves
// classes straight from them; the client does not read them, but its tests
// check every tag, URI and writable set against them. So one table judges two
// independent implementations.
//
// # Confidence
//
// Each class names its public source and carries a letter that says how far
// its facts can be trusted; a property or method carries one of its own where
// it differs. H: seen on real firmware, in a published recording. V: documented
// by the vendor, not independently seen. T: known from third-party clients
// only. I: inferred.
//
// # How to add a class
//
// Add one file amt/<class>.json of the shape of [Class]. List properties in
// ASCII order of their names, which is the order firmware sends them in. Give
// at least one instance unless the class is only enumerated through others.
// The package's tests say what is missing.
//
// # Invariants
//
//   - Values returned by the look-ups are shared and must not be changed.
//   - Every reference in a table names a class that has a table.
package schemas

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

// Confidence letters, see the package documentation.
const (
	ConfidenceHardware = "H"
	ConfidenceVendor   = "V"
	ConfidenceThird    = "T"
	ConfidenceInferred = "I"
)

// Class is one WS-Management class as AMT serves it.
type Class struct {
	// Name is the CIM name, such as "CIM_BootService".
	Name string `json:"name"`
	// URI is the resource URI, which is the XML namespace as well (DSP0227, 5).
	URI string `json:"uri"`
	// Source is the public document the facts come from.
	Source string `json:"source"`
	// Confidence is one of the letters.
	Confidence string `json:"confidence"`
	// Since is the AMT release, "major.minor", that first had the class; empty
	// is from the beginning.
	Since string `json:"since"`
	// Singleton says that verbs and methods work without selectors.
	Singleton bool `json:"singleton"`
	// Verbs are the generic operations it answers, of Get, Put, Enumerate, Pull.
	Verbs []string `json:"verbs"`
	// Paged says that a Pull which returns the last instance does not say so:
	// the next one does.
	Paged bool `json:"paged"`
	// Derived are classes whose instances an enumeration of this one returns.
	Derived []string `json:"derived"`
	// Properties are in the order firmware sends them.
	Properties []Property `json:"properties"`
	// Methods are the extrinsic methods.
	Methods []Method `json:"methods"`
	// Instances are what a provisioned desktop shows while nothing is armed.
	Instances []Instance `json:"instances"`
}

// Property is one property of a class.
type Property struct {
	// Name is the element's local name.
	Name string `json:"name"`
	// Type is a CIM type (boolean, uint8 to uint64, string, datetime), base64,
	// or reference for an endpoint reference.
	Type string `json:"type"`
	// Key says that it is part of the instance's identity.
	Key bool `json:"key"`
	// ReadOnly properties must not be sent in a Put.
	ReadOnly bool `json:"read_only"`
	// Fixed properties must be sent in a Put, unchanged.
	Fixed bool `json:"fixed"`
	// Array properties are sent as repeated elements.
	Array bool `json:"array"`
	// Optional properties may be missing from a Get and from a Put.
	Optional bool `json:"optional"`
	// AnyOrder properties may stand anywhere in a Put, not only in their place.
	AnyOrder bool `json:"any_order"`
	// Since is the release, "major.minor", that first had it; empty is the
	// class's own.
	Since string `json:"since"`
	// Confidence is the property's own letter; empty is the class's.
	Confidence string `json:"confidence"`
}

// Writable reports whether a Put carries the property, fixed ones included.
func (p Property) Writable() bool { return !p.ReadOnly }

// Method is one extrinsic method of a class.
type Method struct {
	// Name is the method's name; action and body element are built from it.
	Name string `json:"name"`
	// In are the input parameters in schema order.
	In []Param `json:"in"`
	// Out are the output parameters without ReturnValue.
	Out []Param `json:"out"`
	// Returns maps decimal return values to their meaning.
	Returns map[string]string `json:"returns"`
	// Confidence is the method's own letter; empty is the class's.
	Confidence string `json:"confidence"`
}

// Param is one parameter of a method.
type Param struct {
	// Name is the element's local name.
	Name string `json:"name"`
	// Type is as in Property.
	Type string `json:"type"`
	// Class is the class a reference must point to.
	Class string `json:"class"`
	// Array parameters are sent as repeated elements.
	Array bool `json:"array"`
	// Optional parameters are absent when null.
	Optional bool `json:"optional"`
}

// Instance is one instance of a class with its property values.
type Instance struct {
	// Since is the release, "major.minor", that first had it.
	Since string `json:"since"`
	// Values holds the text of each property's elements, by property name. A
	// property that is in neither map is null and is not sent.
	Values map[string][]string `json:"values"`
	// References holds the reference properties, by property name.
	References map[string]Reference `json:"references"`
}

// Reference points to an instance.
type Reference struct {
	// Class is the class's name.
	Class string `json:"class"`
	// Selectors are the instance's key values by property name.
	Selectors map[string]string `json:"selectors"`
}

// Property returns the class's property of that name.
func (c Class) Property(name string) (Property, bool) {
	for _, p := range c.Properties {
		if p.Name == name {
			return p, true
		}
	}
	return Property{}, false
}

// Method returns the class's method of that name.
func (c Class) Method(name string) (Method, bool) {
	for _, m := range c.Methods {
		if m.Name == name {
			return m, true
		}
	}
	return Method{}, false
}

// Can reports whether the class answers the generic verb.
func (c Class) Can(verb string) bool { return slices.Contains(c.Verbs, verb) }

//go:embed amt/*.json
var files embed.FS

// amtClasses reads the tables once. They are part of the program, so one that
// cannot be read is a defect of the program and panics.
var amtClasses = sync.OnceValue(func() []Class {
	classes, err := load(files, "amt")
	if err != nil {
		panic(err)
	}
	return classes
})

// load reads all class tables of a folder, sorted by name. Unknown fields are
// errors, so that a misspelt flag cannot be ignored.
func load(source fs.FS, folder string) ([]Class, error) {
	names, err := fs.Glob(source, folder+"/*.json")
	if err != nil {
		return nil, fmt.Errorf("list class tables: %w", err)
	}
	classes := make([]Class, 0, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(source, name)
		if err != nil {
			return nil, fmt.Errorf("read class table: %w", err)
		}
		var class Class
		decoder := json.NewDecoder(strings.NewReader(string(text)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&class); err != nil {
			return nil, fmt.Errorf("decode class table %s: %w", name, err)
		}
		if folder+"/"+class.Name+".json" != name {
			return nil, fmt.Errorf("class table %s describes %q: rename the file or the class", name, class.Name)
		}
		classes = append(classes, class)
	}
	slices.SortFunc(classes, func(a, b Class) int { return strings.Compare(a.Name, b.Name) })
	return classes, nil
}

// AMTClass returns the table of one AMT class by its CIM name.
func AMTClass(name string) (Class, bool) {
	classes := amtClasses()
	i, found := slices.BinarySearchFunc(classes, name, func(c Class, n string) int { return strings.Compare(c.Name, n) })
	if !found {
		return Class{}, false
	}
	return classes[i], true
}

// AMTClasses returns the tables of all AMT classes, sorted by name.
func AMTClasses() []Class { return slices.Clone(amtClasses()) }
