package redfish

import "net/http"

// root is the service root (DSP0268, ServiceRoot), readable without
// credentials (DSP0266, 13.3.1).
var _ = register(resource{
	name: "ServiceRoot", uri: rootURI, typ: "ServiceRoot",
	methods: map[string]operation{http.MethodGet: {serve: getRoot}},
})

// redfishVersion is the version of DSP0266 that the service follows.
const redfishVersion = "1.17.0"

// getRoot answers with the root. Vendor and Product are neutral on purpose:
// clients switch on the names of server vendors, even inside longer words.
func getRoot(c *call) (reply, error) {
	product := "amt-redfish"
	if c.Version != "" {
		product += " " + c.Version
	}
	return ok(c.represent(rootURI, "", object{
		"Id": "RootService", "Name": "Root Service",
		"RedfishVersion": redfishVersion, "UUID": c.UUID, "Vendor": "amt-redfish", "Product": product,
		"Links": object{"Sessions": link(sessionsURI)},
		"ProtocolFeaturesSupported": object{
			"ExpandQuery": object{"ExpandAll": true, "Links": true, "NoLinks": true, "Levels": true, "MaxLevels": maxLevels},
			"SelectQuery": false, "FilterQuery": false, "OnlyMemberQuery": false, "ExcerptQuery": false,
			"TopSkipQuery": true,
		},
	}))
}
