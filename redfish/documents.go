package redfish

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/amt-redfish/amt-redfish/schemas"
)

// The documents that are no resources: the protocol versions (DSP0266, 6.2),
// the OData service document (DSP0266, 8.5) and the OData metadata (DSP0266,
// 8.4). All are readable without credentials.
var (
	_ = register(resource{name: "Versions", uri: "/redfish", methods: map[string]operation{http.MethodGet: {serve: getVersions}}})
	_ = register(resource{name: "OData", uri: rootURI + "/odata", methods: map[string]operation{http.MethodGet: {serve: getOData}}})
	_ = register(resource{name: "Metadata", uri: rootURI + "/$metadata", methods: map[string]operation{http.MethodGet: {serve: getMetadata}}})
)

const (
	rootURI     = "/redfish/v1"
	schemaFiles = "https://redfish.dmtf.org/schemas/v1/"
)

func getVersions(*call) (reply, error) { return ok(object{"v1": rootURI + "/"}) }

// getOData lists the root and what it links to.
func getOData(c *call) (reply, error) {
	value := []object{{"name": "Service", "kind": "Singleton", "url": rootURI + "/"}}
	for _, r := range resources() {
		if r.parent == rootURI {
			value = append(value, object{"name": r.property, "kind": "Singleton", "url": r.uri})
		}
	}
	return ok(object{"@odata.context": rootURI + "/$metadata", "value": value})
}

// getMetadata refers to the published schema of every type in the table. The
// references come first and the entity container is in the first schema.
func getMetadata(*call) (reply, error) {
	var b bytes.Buffer
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
		"<edmx:Edmx xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\" Version=\"4.0\">\n")
	reference := func(file string, includes ...string) {
		fmt.Fprintf(&b, "  <edmx:Reference Uri=\"%s%s\">\n", schemaFiles, file)
		for _, include := range includes {
			fmt.Fprintf(&b, "    <edmx:Include %s/>\n", include)
		}
		b.WriteString("  </edmx:Reference>\n")
	}
	root := ""
	done := map[string]bool{}
	for _, r := range resources() {
		typ, found := schemas.Redfish(r.typ)
		if !found || done[typ.Name] {
			continue
		}
		done[typ.Name] = true
		includes := []string{fmt.Sprintf("Namespace=%q", typ.Name)}
		if typ.Version != "" {
			includes = append(includes, fmt.Sprintf("Namespace=%q", typ.Namespace()))
		}
		reference(typ.Name+"_v1.xml", includes...)
		if r.uri == rootURI {
			root = typ.Namespace()
		}
	}
	reference("Message_v1.xml", `Namespace="Message"`, `Namespace="Message.v1_1_1"`)
	reference("Resource_v1.xml", `Namespace="Resource"`, `Namespace="Resource.v1_0_0"`)
	reference("RedfishExtensions_v1.xml", `Namespace="RedfishExtensions.v1_0_0" Alias="Redfish"`)
	fmt.Fprintf(&b, "  <edmx:DataServices>\n"+
		"    <Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"Service\">\n"+
		"      <EntityContainer Name=\"Service\" Extends=\"%s.ServiceContainer\"/>\n"+
		"    </Schema>\n  </edmx:DataServices>\n</edmx:Edmx>\n", root)
	return reply{status: http.StatusOK, document: b.Bytes(), contentType: "application/xml;charset=utf-8"}, nil
}

// lastSegment returns the last segment of a URI, which is a resource's Id.
func lastSegment(uri string) string { return uri[strings.LastIndexByte(uri, '/')+1:] }
