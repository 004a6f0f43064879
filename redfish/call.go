package redfish

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/amt-redfish/amt-redfish/schemas"
	"github.com/amt-redfish/amt-redfish/state"
)

// call is one request on its way through the service.
type call struct {
	*Server
	ctx     context.Context
	request *http.Request
	// id is the request id.
	id string
	// source is the caller's address; loopback says that the peer is on this
	// host.
	source   string
	loopback bool
	// resource, vars and path are what was found; path is the resource's own
	// spelling.
	resource *resource
	vars     map[string]string
	path     string
	// account is who calls, nil without credentials; session is the session's
	// id where one was used.
	account *state.Account
	session string
	body    []byte
	query   query
}

// reply is what an operation answers.
type reply struct {
	status int
	// body is the JSON answer; nil is none.
	body object
	// document is an answer that is not JSON, of type contentType.
	document    []byte
	contentType string
	// etag is the entity tag; where a representation has none of its own, tag
	// makes it of the whole.
	etag   string
	header http.Header
}

// ok answers 200 with a representation.
func ok(body object) (reply, error) { return reply{status: http.StatusOK, body: body}, nil }

// noContent answers 204.
func noContent() (reply, error) { return reply{status: http.StatusNoContent}, nil }

// tag gives a single resource its ETag, in the header and in the body alike.
// Collections and documents have none: they hold nothing that could be
// written.
func (r *reply) tag() {
	typ, _ := r.body["@odata.type"].(string)
	if typ == "" || strings.HasSuffix(typ, "Collection") {
		return
	}
	if r.etag == "" {
		r.etag = etagOf(r.body)
	}
	r.body["@odata.etag"] = r.etag
}

// link returns a reference to a resource.
func link(uri string) object { return object{"@odata.id": uri} }

// represent returns the representation of the resource that is registered at a
// URI pattern, for an id: its identity, its members, and the links to what has it as a parent.
func (s *Server) represent(uri, id string, members object) object {
	typ, _ := schemas.Redfish(registered[uri].typ)
	body := object{"@odata.id": at(uri, id), "@odata.type": typ.TypeID()}
	for _, child := range registered {
		if child.parent == uri {
			body[child.property] = link(at(child.uri, id))
		}
	}
	maps.Copy(body, members)
	return body
}

// collect returns the representation of a collection with its members' URIs,
// as paged by the query.
func (c *call) collect(uri, name string, uris []string) (reply, error) {
	members := []object{}
	for _, uri := range c.query.page(uris) {
		members = append(members, link(uri))
	}
	return ok(c.represent(uri, "", object{"Name": name, "Members": members, "Members@odata.count": len(uris)}))
}

// visible returns the ids of the nodes that the caller may know of.
func (c *call) visible() []string {
	ids := []string{}
	for _, id := range c.Nodes.IDs() {
		if c.account.Sees(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// node returns the records of the node that the path names. A node that the
// caller may not know of does not exist.
func (c *call) node() (state.Snapshot, error) {
	id := c.vars["id"]
	if !c.account.Sees(id) {
		return state.Snapshot{}, missing(clip(c.path))
	}
	snapshot, err := c.Nodes.Get(c.ctx, id)
	if state.IsKind(err, state.KindNotFound) {
		return state.Snapshot{}, missing(clip(c.path))
	}
	return snapshot, err
}

// reads reports whether the method is GET or HEAD.
func (c *call) reads() bool {
	return c.request.Method == http.MethodGet || c.request.Method == http.MethodHead
}

func (c *call) tooLarge() error {
	return fail(http.StatusRequestEntityTooLarge, msg("GeneralError")).because("the request body is larger than %d bytes", c.MaxBody)
}

// readBody reads the request body up to the limit.
func (c *call) readBody() error {
	body, err := io.ReadAll(io.LimitReader(c.request.Body, c.MaxBody+1))
	if err != nil {
		return fail(http.StatusBadRequest, msg("UnrecognizedRequestBody")).because("the request body ended early")
	}
	if int64(len(body)) > c.MaxBody {
		return c.tooLarge()
	}
	c.body = body
	return nil
}

func (c *call) resourceName() string {
	if c.resource == nil {
		return ""
	}
	return c.resource.name
}

func (c *call) accountName() string {
	if c.account == nil {
		return ""
	}
	return c.account.Username
}

// audit writes the line that tells who did what to which system.
func (c *call) audit(action, node string, wish any, outcome string, err error, started time.Time) {
	attributes := []any{
		"request_id", c.id, "account", c.accountName(), "source", c.source, "system", node, "request", wish,
		"outcome", outcome, "duration", time.Since(started),
	}
	if err != nil {
		attributes = append(attributes, "cause", err.Error())
	}
	c.Logger.InfoContext(c.ctx, action, attributes...)
}

// write sends the answer with the headers that every answer has.
func (c *call) write(w http.ResponseWriter, answer reply) {
	header := w.Header()
	maps.Copy(header, answer.header)
	header.Set("OData-Version", "4.0")
	header.Set("Cache-Control", "no-store, no-cache, must-revalidate")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	if !c.Plain {
		header.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if c.id != "" {
		header.Set("X-Request-Id", c.id)
	}
	if c.resource != nil {
		header.Set("Allow", c.resource.allow())
		if typ, found := schemas.Redfish(c.resource.typ); found {
			header.Set("Link", "<https://redfish.dmtf.org/schemas/v1/"+typ.Namespace()+".json>; rel=describedby")
		}
	}
	if answer.etag != "" {
		header.Set("ETag", answer.etag)
	}
	payload, contentType := answer.document, answer.contentType
	if answer.body != nil {
		payload, contentType = encode(answer.body), "application/json;charset=utf-8"
	}
	if payload != nil {
		header.Set("Content-Type", contentType)
		header.Set("Content-Length", strconv.Itoa(len(payload)))
	}
	w.WriteHeader(answer.status)
	if c.request.Method != http.MethodHead {
		_, _ = w.Write(payload) // a caller that left gets nothing, and nobody is left to tell
	}
}

// encode returns a representation as JSON, readable for people and without
// the escapes that are only for HTML.
func encode(body object) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(body); err != nil {
		return []byte("{}\n") // not reached: representations hold nothing but JSON's own types
	}
	return b.Bytes()
}
