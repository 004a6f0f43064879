package redfish

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/amt-redfish/amt-redfish/schemas"
	"github.com/amt-redfish/amt-redfish/state"
	"github.com/gorilla/mux"
)

// object is a JSON object.
type object map[string]any

// privilege is what a role grants and an operation demands (DSP0266, 13.9).
type privilege string

const (
	login               privilege = "Login"
	configureManager    privilege = "ConfigureManager"
	configureUsers      privilege = "ConfigureUsers"
	configureComponents privilege = "ConfigureComponents"
	configureSelf       privilege = "ConfigureSelf"
)

// grants are the privileges of the standard roles (DSP0266, 13.9).
var grants = map[state.Role][]privilege{
	state.RoleAdministrator: {login, configureManager, configureUsers, configureComponents, configureSelf},
	state.RoleOperator:      {login, configureComponents, configureSelf},
	state.RoleReadOnly:      {login, configureSelf},
}

// operation is one method of a resource.
type operation struct {
	// anyOf are the privileges of which one suffices; none means that no
	// credentials are asked for.
	anyOf []privilege
	serve func(*call) (reply, error)
}

func (o operation) public() bool { return len(o.anyOf) == 0 }

// permits reports whether the role may perform the operation.
func (o operation) permits(role state.Role) bool {
	return o.public() || slices.ContainsFunc(o.anyOf, func(p privilege) bool { return slices.Contains(grants[role], p) })
}

// resource is what the table knows of one resource, document or action.
type resource struct {
	// name is unique; goldens and hooks show it.
	name string
	// uri is the pattern, with {id} for variable segments, without a slash at
	// the end.
	uri string
	// typ is the schema's name of the type; empty for documents and actions.
	typ string
	// parent is the uri of the resource that links to this one in property.
	parent, property string
	// methods are the operations by HTTP method; HEAD follows from GET.
	methods map[string]operation
	// volatile says that the representation has parts the ETag leaves out, so
	// that an equal ETag does not mean an equal representation.
	volatile bool
}

// registered is the table, filled by the resource files when the program
// starts and fixed from then on.
var registered = map[string]*resource{}

// register puts a resource into the table; the result only makes it callable
// from a declaration. It panics where two claim one URI or one name.
func register(r resource) struct{} {
	for uri, other := range registered {
		if uri == r.uri || other.name == r.name {
			panic(fmt.Sprintf("redfish: %s and %s share a URI or a name", other.name, r.name))
		}
	}
	registered[r.uri] = &r
	return struct{}{}
}

// resources returns the table sorted by URI.
func resources() []*resource {
	all := make([]*resource, 0, len(registered))
	for _, r := range registered {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *resource) int { return strings.Compare(a.uri, b.uri) })
	return all
}

// collection reports whether the type is a collection.
func (r *resource) collection() bool { return strings.HasSuffix(r.typ, "Collection") }

// allow returns the value of Allow.
func (r *resource) allow() string {
	var methods []string
	for method := range r.methods {
		methods = append(methods, method)
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// at returns the URI of a pattern for an id.
func at(pattern, id string) string { return strings.ReplaceAll(pattern, "{id}", id) }

// members returns the resource that serves POST to a collection's Members as
// well (DSP0266, 7.9).
func (r *resource) members() *resource {
	return &resource{
		name: r.name + ".Members", uri: r.uri + "/Members",
		methods: map[string]operation{http.MethodPost: r.methods[http.MethodPost]},
	}
}

// router finds a resource by path.
type router struct {
	mux    *mux.Router
	byName map[string]*resource
}

// newRouter makes one route for each pattern, without methods: those, and
// Allow, are the table's affair.
func newRouter(table []*resource) (*router, error) {
	rt := &router{mux: mux.NewRouter().SkipClean(true), byName: map[string]*resource{}}
	add := func(r *resource) {
		rt.byName[r.name] = r
		rt.mux.Path(r.uri).Name(r.name).Handler(http.NotFoundHandler())
	}
	for _, r := range table {
		if r.typ != "" {
			if _, ok := schemas.Redfish(r.typ); !ok {
				return nil, state.Errorf(state.KindInternal, "make routes", "", "%s has the type %q, which package schemas does not list", r.name, r.typ)
			}
		}
		add(r)
		if _, ok := r.methods[http.MethodPost]; ok && r.collection() {
			add(r.members())
		}
	}
	return rt, nil
}

// find returns the resource at a decoded path and the values of its variables,
// or nil. One slash at the end is as good as none.
func (rt *router) find(r *http.Request, path string) (*resource, map[string]string) {
	shadow := *r
	url := *r.URL
	url.Path, url.RawPath = trimSlash(path), ""
	shadow.URL = &url
	var match mux.RouteMatch
	if !rt.mux.Match(&shadow, &match) || match.Route == nil {
		return nil, nil
	}
	return rt.byName[match.Route.GetName()], match.Vars
}

func trimSlash(path string) string {
	if len(path) > 1 {
		return strings.TrimSuffix(path, "/")
	}
	return path
}
