package amtsim

import (
	"maps"
	"slices"

	"github.com/amt-redfish/amt-redfish/schemas"
)

// instance is one object the machine shows.
type instance struct {
	class      schemas.Class
	values     map[string][]string
	references map[string]schemas.Reference
}

func (i *instance) text(property string) string {
	if values := i.values[property]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func (i *instance) flag(property string) bool { return i.text(property) == "true" }

func (i *instance) clone() *instance {
	return &instance{class: i.class, values: maps.Clone(i.values), references: i.references}
}

// matches reports whether every selector names a key with that exact value.
func (i *instance) matches(selectors map[string]string) bool {
	for name, value := range selectors {
		if p, ok := i.class.Property(name); !ok || !p.Key || i.text(name) != value {
			return false
		}
	}
	return true
}

// behaviour is what a class has beyond its table.
type behaviour struct {
	// live fills in what the machine's state decides.
	live func(m *Machine, i *instance)
	// refuse is the fault a Put of that new instance meets, or nil.
	refuse func(m *Machine, fresh *instance) *soapFault
	// methods by name. The lock is held while one runs.
	methods map[string]method
	// boot marks the classes that are gone with Quirks.NoBootControl.
	boot bool
}

// method runs one extrinsic method and returns its return value, or a fault.
type method func(m *Machine, in invocation) (int, *soapFault)

// behaviours are the classes that are more than their table.
var behaviours = map[string]behaviour{
	"AMT_BootCapabilities":                 {boot: true},
	"AMT_BootSettingData":                  {boot: true, refuse: refuseBootSettingData},
	"AMT_GeneralSettings":                  {live: liveGeneralSettings},
	"CIM_AssociatedPowerManagementService": {live: liveAssociatedPower},
	"CIM_BootConfigSetting":                {boot: true, methods: map[string]method{"ChangeBootOrder": changeBootOrder}},
	"CIM_BootService":                      {boot: true, live: liveBootService, methods: map[string]method{"SetBootConfigRole": setBootConfigRole, "RequestStateChange": requestBootStateChange}},
	"CIM_BootSourceSetting":                {boot: true},
	"CIM_ComputerSystemPackage":            {live: liveComputerSystemPackage},
	"CIM_ElementSettingData":               {boot: true, live: liveElementSettingData},
	"CIM_OrderedComponent":                 {boot: true, live: liveOrderedComponent},
	"CIM_PowerManagementService":           {methods: map[string]method{"RequestPowerStateChange": requestPowerStateChange}},
	"CIM_SoftwareIdentity":                 {live: liveSoftwareIdentity},
	"IPS_HostBootReason":                   {live: liveHostBootReason},
	"IPS_PowerManagementService":           {live: livePowerSaving, methods: map[string]method{"RequestOSPowerSavingStateChange": requestPowerSaving}},
}

// loadInstances fills the machine with what its tables say. Only New calls it.
func (m *Machine) loadInstances() {
	m.instances = make(map[string][]*instance)
	for _, class := range schemas.AMTClasses() {
		if m.profile.has(class.Since) && !(m.options.Quirks.NoBootControl && behaviours[class.Name].boot) {
			m.instances[class.Name] = m.fresh(class.Name)
		}
	}
}

// fresh returns the class's instances as their table has them, without what
// the machine's release does not know.
func (m *Machine) fresh(name string) []*instance {
	class, _ := schemas.AMTClass(name)
	var list []*instance
	for _, row := range class.Instances {
		if !m.profile.has(row.Since) {
			continue
		}
		i := &instance{class: class, values: make(map[string][]string), references: row.References}
		for name, values := range row.Values {
			if p, _ := class.Property(name); m.profile.has(p.Since) {
				i.values[name] = slices.Clone(values)
			}
		}
		list = append(list, i)
	}
	return list
}

// show returns the class's instances as they are now. The lock is held.
func (m *Machine) show(class schemas.Class) []*instance {
	var list []*instance
	for _, stored := range m.instances[class.Name] {
		i := stored.clone()
		if live := behaviours[class.Name].live; live != nil {
			live(m, i)
		}
		list = append(list, i)
	}
	for _, name := range class.Derived {
		if derived, ok := schemas.AMTClass(name); ok {
			list = append(list, m.show(derived)...)
		}
	}
	return list
}

// present reports whether the machine has the class. The lock is held.
func (m *Machine) present(class schemas.Class) bool {
	_, ok := m.instances[class.Name]
	return ok
}

// pick returns the stored instance the selectors mean. The lock is held.
func (m *Machine) pick(class schemas.Class, selectors map[string]string) (*instance, *soapFault) {
	if len(selectors) == 0 && !class.Singleton {
		return nil, bogusFault(faultInvalidSelectors, class.Name+" has several instances: selectors are needed")
	}
	for _, i := range m.instances[class.Name] {
		if i.matches(selectors) {
			return i, nil
		}
	}
	return nil, bogusFault(faultInvalidSelectors, "no "+class.Name+" has these key values")
}

// refers reports whether a reference means an instance of that class that the
// machine shows. Keys may be left out. The lock is held.
func (m *Machine) refers(r schemas.Reference, class string) bool {
	return r.Class == class && len(r.Selectors) > 0 &&
		slices.ContainsFunc(m.instances[class], func(i *instance) bool { return i.matches(r.Selectors) })
}

// get answers a Get. The lock is held.
func (m *Machine) get(class schemas.Class, selectors map[string]string) (*instance, *soapFault) {
	stored, fault := m.pick(class, selectors)
	if fault != nil {
		return nil, fault
	}
	i := stored.clone()
	if live := behaviours[class.Name].live; live != nil {
		live(m, i)
	}
	return i, nil
}

// enumeration is one open enumeration.
type enumeration struct {
	class string
	items []*instance
	// ended says that all items went out without an end of sequence.
	ended bool
}

// maxEnumerations bounds the open enumerations of one machine.
const maxEnumerations = 16

// enumerate opens an enumeration and returns its context. The lock is held.
func (m *Machine) enumerate(class schemas.Class) (string, *soapFault) {
	if !m.profile.enumerateAMT && class.Name[:4] == "AMT_" {
		return "", refusedFault(faultUnsupportedFeature)
	}
	if len(m.contexts) >= maxEnumerations {
		return "", refusedFault(faultQuotaLimit)
	}
	m.nextList++
	context := enumerationContext(m.nextList)
	m.contexts[context] = &enumeration{class: class.Name, items: m.show(class)}
	return context, nil
}

// pull returns up to limit items and whether that was the end. The lock is
// held.
func (m *Machine) pull(class schemas.Class, context string, limit int) ([]*instance, bool, *soapFault) {
	list, ok := m.contexts[context]
	if !ok || list.class != class.Name {
		return nil, false, bogusFault(faultInvalidEnumerationContext, "no enumeration of "+class.Name+" has context "+context)
	}
	count := min(limit, len(list.items))
	items := list.items[:count]
	list.items = list.items[count:]
	end := len(list.items) == 0 && (!class.Paged || list.ended)
	list.ended = len(list.items) == 0
	if end {
		delete(m.contexts, context)
	}
	return items, end, nil
}
