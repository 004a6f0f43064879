package redfish

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxLevels is how deep $expand goes.
	maxLevels = 2
	// expandWorkers is how many resources one $expand reads at a time: a slow
	// system must not make its list slow, nor one list take all there is.
	expandWorkers = 16
	// expandBudget bounds one $expand; what is not read by then stays a link.
	expandBudget = 8 * time.Second
)

// query is what the query parameters ask for (DSP0266, 7.3).
type query struct {
	// top and skip page a collection; top is -1 without limit.
	top, skip int
	expand    expansion
}

// expansion says which links $expand replaces by what they lead to.
type expansion struct {
	levels       int // 0: none
	links, plain bool
}

var wholeQuery = query{top: -1}

// parseQuery reads the query parameters of a GET. Parameters without $ are
// ignored where they are unknown, those with $ refused with 501 (DSP0266,
// 7.3.1).
func parseQuery(r *resource, values url.Values) (query, error) {
	q := wholeQuery
	var err error
	for name, value := range values {
		if !strings.HasPrefix(name, "$") {
			continue
		}
		switch {
		case name == "$expand" && r.typ != "":
			q.expand, err = parseExpand(value[0])
		case (name == "$top" || name == "$skip") && r.typ != "":
			if !r.collection() {
				return q, fail(http.StatusBadRequest, msg("QueryNotSupportedOnResource")).because("%s works on collections only", name)
			}
			number, convErr := strconv.Atoi(value[0])
			if convErr != nil || number < 0 {
				return q, fail(http.StatusBadRequest, msg("QueryParameterValueFormatError", clip(value[0]), name))
			}
			if name == "$top" {
				q.top = number
			} else {
				q.skip = number
			}
		default:
			return q, fail(http.StatusNotImplemented, msg("QueryParameterUnsupported", clip(name)))
		}
		if err != nil {
			return q, err
		}
	}
	return q, nil
}

// parseExpand reads a value such as "." or "*($levels=2)" (DSP0266, 7.3.2).
func parseExpand(value string) (expansion, error) {
	e := expansion{levels: 1}
	kind, rest, hasLevels := strings.Cut(value, "(")
	switch kind {
	case ".":
		e.plain = true
	case "~":
		e.links = true
	case "*":
		e.plain, e.links = true, true
	default:
		return e, fail(http.StatusBadRequest, msg("QueryParameterValueFormatError", clip(value), "$expand"))
	}
	if !hasLevels {
		return e, nil
	}
	text, ok := strings.CutPrefix(rest, "$levels=")
	text, closed := strings.CutSuffix(text, ")")
	levels, err := strconv.Atoi(text)
	if !ok || !closed || err != nil {
		return e, fail(http.StatusBadRequest, msg("QueryParameterValueFormatError", clip(value), "$expand"))
	}
	if levels < 1 || levels > maxLevels {
		return e, fail(http.StatusBadRequest, msg("QueryParameterOutOfRange", text, "$levels", "1 to "+strconv.Itoa(maxLevels)))
	}
	e.levels = levels
	return e, nil
}

// page returns the part of a collection's members that the query asks for.
func (q query) page(members []string) []string {
	members = members[min(q.skip, len(members)):]
	if q.top >= 0 {
		members = members[:min(q.top, len(members))]
	}
	return members
}

// references returns the objects in a value that are nothing but a link to
// another resource and that the expansion covers.
func (e expansion) references(value any, inLinks bool) []object {
	var found []object
	switch v := value.(type) {
	case []object:
		for _, member := range v {
			found = append(found, e.references(member, inLinks)...)
		}
	case object:
		uri, isLink := v["@odata.id"].(string)
		if isLink && len(v) == 1 {
			if wanted := e.plain && !inLinks || e.links && inLinks; wanted && !strings.Contains(uri, "#") {
				return []object{v}
			}
			return nil
		}
		for name, member := range v {
			found = append(found, e.references(member, inLinks || name == "Links")...)
		}
	}
	return found
}

// expand replaces links in a representation by what they lead to, in place.
// What this caller may not read, or what cannot be read now, stays a link.
func (c *call) expand(body object) {
	ctx, cancel := context.WithTimeout(c.ctx, expandBudget)
	defer cancel()
	level := []object{body}
	for range c.query.expand.levels {
		var links []object
		for _, o := range level {
			if len(o) > 1 { // else it could not be read, and a second try will not help
				links = append(links, c.query.expand.references(o, false)...)
			}
		}
		c.follow(ctx, links)
		level = links
	}
}

// follow reads what each link leads to and puts it in the link's place.
func (c *call) follow(ctx context.Context, links []object) {
	work := make(chan object)
	var workers sync.WaitGroup
	for range min(expandWorkers, len(links)) {
		workers.Go(func() {
			for link := range work {
				for name, value := range c.read(ctx, link["@odata.id"].(string)) {
					link[name] = value
				}
			}
		})
	}
	for _, link := range links {
		work <- link
	}
	close(work)
	workers.Wait()
}

// read returns the representation at a path as this caller would get it, or
// nil.
func (c *call) read(ctx context.Context, path string) object {
	r, vars := c.router.find(c.request, path)
	if r == nil {
		return nil
	}
	get, ok := r.methods[http.MethodGet]
	if !ok || !get.public() && (c.account == nil || !get.permits(c.account.Role)) {
		return nil
	}
	inner := *c
	inner.ctx, inner.resource, inner.vars, inner.path, inner.query = ctx, r, vars, path, wholeQuery
	answer, err := get.serve(&inner)
	if err != nil {
		return nil
	}
	answer.tag()
	return answer.body
}

// clip shortens a caller's text before it is repeated in a message.
func clip(text string) string {
	const limit = 80
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}
