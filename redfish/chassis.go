package redfish

import "net/http"

// chassisListURI is the collection of chassis (DSP0268, ChassisCollection): one for each system that the caller may see.
const chassisListURI = rootURI + "/Chassis"

var _ = register(resource{
	name: "ChassisCollection", uri: chassisListURI, typ: "ChassisCollection",
	parent: rootURI, property: "Chassis",
	methods: map[string]operation{http.MethodGet: {anyOf: []privilege{login}, serve: getChassisCollection}},
})

// chassisURI is the case of one node (DSP0268, Chassis).
const chassisURI = chassisListURI + "/{id}"

var _ = register(resource{
	name: "Chassis", uri: chassisURI, typ: "Chassis",
	methods: map[string]operation{http.MethodGet: {anyOf: []privilege{login}, serve: getChassis}},
})

func getChassisCollection(c *call) (reply, error) {
	return c.collect(chassisListURI, "Chassis", each(chassisURI, c.visible()))
}

// getChassis answers from records alone. StandAlone is the schema's value for
// desktops and towers.
func getChassis(c *call) (reply, error) {
	snapshot, err := c.node()
	if err != nil {
		return reply{}, err
	}
	id := snapshot.Node.ID
	return ok(c.represent(chassisURI, id, object{
		"Id": id, "Name": id, "ChassisType": "StandAlone",
		"Links": object{
			"ComputerSystems":   []object{link(at(systemURI, id))},
			"ManagedBy":         []object{link(at(managerURI, id))},
			"ManagersInChassis": []object{link(at(managerURI, id))},
		},
	}))
}
