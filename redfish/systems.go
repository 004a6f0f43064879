package redfish

import "net/http"

// systemsURI is the collection of systems (DSP0268,
// ComputerSystemCollection). Its members are those that the caller may see.
const systemsURI = rootURI + "/Systems"

var _ = register(resource{
	name: "Systems", uri: systemsURI, typ: "ComputerSystemCollection",
	parent: rootURI, property: "Systems",
	methods: map[string]operation{http.MethodGet: {anyOf: []privilege{login}, serve: getSystems}},
})

func getSystems(c *call) (reply, error) {
	return c.collect(systemsURI, "Systems", each(systemURI, c.visible()))
}

// each returns the URIs of a pattern for ids.
func each(pattern string, ids []string) []string {
	uris := make([]string, len(ids))
	for i, id := range ids {
		uris[i] = at(pattern, id)
	}
	return uris
}
