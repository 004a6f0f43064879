package redfish

import "net/http"

// managersURI is the collection of managers (DSP0268,
// ManagerCollection): one for each system that the caller may see.
const managersURI = rootURI + "/Managers"

var _ = register(resource{
	name: "Managers", uri: managersURI, typ: "ManagerCollection",
	parent: rootURI, property: "Managers",
	methods: map[string]operation{http.MethodGet: {anyOf: []privilege{login}, serve: getManagers}},
})

// managerURI is the management engine of one node (DSP0268, Manager).
const managerURI = managersURI + "/{id}"

var _ = register(resource{
	name: "Manager", uri: managerURI, typ: "Manager",
	methods: map[string]operation{http.MethodGet: {anyOf: []privilege{login}, serve: getManager}},
})

func getManagers(c *call) (reply, error) {
	return c.collect(managersURI, "Managers", each(managerURI, c.visible()))
}

// getManager answers from records alone, so it works while the management
// engine is silent.
func getManager(c *call) (reply, error) {
	snapshot, err := c.node()
	if err != nil {
		return reply{}, err
	}
	id := snapshot.Node.ID
	var firmware any // null: there is a version and it is not known yet
	if version := snapshot.Capability.Version; version != "" {
		firmware = version
	}
	return ok(c.represent(managerURI, id, object{
		"Id": id, "Name": id, "Description": "Management engine of the system",
		"ManagerType": "BMC", "Model": "Intel AMT", "FirmwareVersion": firmware,
		"Links": object{
			"ManagerForServers": []object{link(at(systemURI, id))},
			"ManagerForChassis": []object{link(at(chassisURI, id))},
			"ManagerInChassis":  link(at(chassisURI, id)),
		},
	}))
}
