package redfish

import "net/http"

// sessionServiceURI is where it is told how sessions work (DSP0268, SessionService).
const sessionServiceURI = rootURI + "/SessionService"

var _ = register(resource{
	name: "SessionService", uri: sessionServiceURI, typ: "SessionService",
	parent: rootURI, property: "SessionService",
	methods: map[string]operation{http.MethodGet: {anyOf: []privilege{login}, serve: getSessionService}},
})

func getSessionService(c *call) (reply, error) {
	return ok(c.represent(sessionServiceURI, "", object{
		"Id": lastSegment(sessionServiceURI), "Name": "Session Service",
		"ServiceEnabled": true, "SessionTimeout": int(c.SessionTimeout.Seconds()),
		"Status": object{"State": "Enabled", "Health": "OK"},
	}))
}
