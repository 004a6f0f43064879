package amtsim

import (
	"slices"
	"strconv"
	"strings"

	"github.com/amt-redfish/amt-redfish/schemas"
)

// put writes a whole instance and returns it as it is afterwards. Anything but
// the writable properties, all of them and in order, is refused. The lock is
// held.
func (m *Machine) put(class schemas.Class, selectors map[string]string, body *node) (*instance, *soapFault) {
	stored, fault := m.pick(class, selectors)
	if fault != nil {
		return nil, fault
	}
	written, wrong := m.readInstance(class, stored, body)
	if wrong != "" {
		return nil, bogusFault(faultInvalidRepresentation, class.Name+": "+wrong)
	}
	fresh := stored.clone()
	for name, values := range written {
		fresh.values[name] = values
	}
	if refuse := behaviours[class.Name].refuse; refuse != nil {
		if fault := refuse(m, fresh); fault != nil {
			return nil, fault
		}
	}
	hideSecrets(fresh)
	stored.values = fresh.values
	return m.get(class, selectors)
}

// readInstance returns the property values of a Put's body, or what is wrong
// with it.
func (m *Machine) readInstance(class schemas.Class, stored *instance, body *node) (map[string][]string, string) {
	if !body.is(class.URI, class.Name) {
		return nil, "the body holds no instance of it"
	}
	written := make(map[string][]string)
	last := -1
	for i, child := range body.children {
		position := slices.IndexFunc(class.Properties, func(p schemas.Property) bool { return p.Name == child.name.Local })
		if child.name.Space != class.URI || position < 0 || !m.profile.has(class.Properties[position].Since) {
			return nil, "unknown property " + child.name.Local
		}
		p := class.Properties[position]
		if _, known := stored.values[p.Name]; p.ReadOnly && !m.options.Quirks.LenientPut {
			return nil, "read-only property " + p.Name
		} else if !known && !p.Optional {
			return nil, p.Name + " is not among the properties of the instance"
		}
		repeated := i > 0 && body.children[i-1].name == child.name
		if _, twice := written[p.Name]; twice && !(p.Array && repeated) {
			return nil, "property " + p.Name + " twice"
		}
		if !p.AnyOrder {
			if position < last {
				return nil, "property " + p.Name + " out of order"
			}
			last = position
		}
		if len(child.children) > 0 || !fits(p.Type, child.text) {
			return nil, "property " + p.Name + " has no value of type " + p.Type
		}
		if p.Fixed && child.text != stored.text(p.Name) {
			return nil, "property " + p.Name + " cannot be changed"
		}
		if !p.ReadOnly {
			written[p.Name] = append(written[p.Name], child.text)
		}
	}
	for _, p := range class.Properties {
		_, has := stored.values[p.Name]
		if _, sent := written[p.Name]; has && !sent && !p.ReadOnly && !p.Optional {
			return nil, "property " + p.Name + " missing"
		}
	}
	return written, ""
}

// fits reports whether text is a value of the CIM type.
func fits(cimType, text string) bool {
	switch {
	case cimType == "boolean":
		return text == "true" || text == "false"
	case strings.HasPrefix(cimType, "uint"):
		bits, err := strconv.Atoi(cimType[len("uint"):])
		if err != nil {
			return false
		}
		_, err = strconv.ParseUint(text, 10, bits)
		return err == nil
	case cimType == "reference":
		return false
	}
	return true
}

// hideSecrets empties what is write-only.
func hideSecrets(i *instance) {
	if _, ok := i.values["RSEPassword"]; ok {
		i.values["RSEPassword"] = []string{""}
	}
	if i.text("UefiBootParametersArray") == "" {
		delete(i.values, "UefiBootParametersArray")
	}
}
