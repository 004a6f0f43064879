package amtsim

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/amt-redfish/amt-redfish/schemas"
)

// Namespaces of requests (DSP0226, annex A).
const (
	nsEnvelope    = "http://www.w3.org/2003/05/soap-envelope"
	nsAddressing  = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
	nsManagement  = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
	nsEnumeration = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
	nsTransfer    = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
	anonymous     = nsAddressing + "/role/anonymous"
)

// Bounds of a request's XML.
const (
	maxDepth    = 32
	maxElements = 4096
)

// node is one XML element.
type node struct {
	name     xml.Name
	attrs    []xml.Attr
	children []*node
	text     string
}

func (n *node) is(space, local string) bool {
	return n != nil && n.name.Space == space && n.name.Local == local
}

func (n *node) child(space, local string) *node {
	if n == nil {
		return nil
	}
	for _, c := range n.children {
		if c.is(space, local) {
			return c
		}
	}
	return nil
}

// parseXML reads one document into a tree. Anything but a single element with
// an optional declaration and comments around it is an error.
func parseXML(text []byte) (*node, error) {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	var root *node
	var stack []*node
	elements := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("parse XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			elements++
			if elements > maxElements || len(stack) >= maxDepth {
				return nil, errors.New("parse XML: too many or too deep elements")
			}
			n := &node{name: t.Name, attrs: t.Copy().Attr}
			if len(stack) > 0 {
				parent := stack[len(stack)-1]
				parent.children = append(parent.children, n)
			} else if root != nil {
				return nil, errors.New("parse XML: two roots")
			} else {
				root = n
			}
			stack = append(stack, n)
		case xml.EndElement:
			last := stack[len(stack)-1]
			if len(last.children) > 0 {
				last.text = strings.TrimSpace(last.text)
			}
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += string(t)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return nil, errors.New("parse XML: text outside the root")
			}
		case xml.Directive:
			return nil, errors.New("parse XML: document type declarations are not allowed")
		}
	}
	if root == nil {
		return nil, errors.New("parse XML: no element")
	}
	return root, nil
}

// envelope is a request as understood.
type envelope struct {
	action, resource, messageID string
	selectors                   map[string]string
	body                        *node
}

// understood are the header elements a request may carry, by namespace.
var understood = map[string][]string{
	nsAddressing: {"Action", "To", "MessageID", "ReplyTo"},
	nsManagement: {"ResourceURI", "SelectorSet", "OperationTimeout", "MaxEnvelopeSize", "Locale"},
}

// decodeEnvelope reads a request (DSP0226, 5.1 and 6; WS-Addressing 2004/08).
// It returns what it has of the header together with a fault.
func decodeEnvelope(text []byte) (envelope, *soapFault) {
	var e envelope
	root, err := parseXML(text)
	if err != nil {
		return e, bogusFault(faultInvalidMessage, err.Error())
	}
	header, body := root.child(nsEnvelope, "Header"), root.child(nsEnvelope, "Body")
	if !root.is(nsEnvelope, "Envelope") || header == nil || body == nil || len(root.children) != 2 {
		return e, bogusFault(faultInvalidMessage, "not a SOAP 1.2 envelope of header and body")
	}
	read := func(space, local string) string {
		if n := header.child(space, local); n != nil {
			return n.text
		}
		return ""
	}
	e.action, e.messageID = read(nsAddressing, "Action"), read(nsAddressing, "MessageID")
	e.resource = read(nsManagement, "ResourceURI")
	for _, n := range header.children {
		if fault := checkHeader(n); fault != nil {
			return e, fault
		}
	}
	if e.action == "" || e.messageID == "" || e.resource == "" || header.child(nsAddressing, "To") == nil {
		return e, bogusFault(faultMissingHeader, "Action, To, MessageID and ResourceURI are needed")
	}
	var wrong string
	if set := header.child(nsManagement, "SelectorSet"); set != nil {
		if e.selectors, wrong = readSelectors(set); wrong != "" {
			return e, bogusFault(faultInvalidSelectors, wrong)
		}
	}
	if len(body.children) > 1 {
		return e, bogusFault(faultSchemaValidation, "several elements in the body")
	}
	if len(body.children) == 1 {
		e.body = body.children[0]
	}
	return e, nil
}

// checkHeader refuses a header element that must be understood and is not,
// and values that firmware documents as refused.
func checkHeader(n *node) *soapFault {
	known := false
	for _, local := range understood[n.name.Space] {
		known = known || local == n.name.Local
	}
	if !known {
		for _, a := range n.attrs {
			if a.Name.Space == nsEnvelope && a.Name.Local == "mustUnderstand" && (a.Value == "true" || a.Value == "1") {
				return bogusFault(faultMustUnderstand, n.name.Local)
			}
		}
	}
	if n.is(nsManagement, "MaxEnvelopeSize") {
		if size, err := strconv.Atoi(n.text); err != nil || size < 50000 {
			return bogusFault(faultEncodingLimit, "MaxEnvelopeSize must be at least 50000")
		}
	}
	if n.is(nsManagement, "OperationTimeout") && !strings.HasPrefix(n.text, "PT") {
		return bogusFault(faultSchemaValidation, "OperationTimeout is no duration")
	}
	return nil
}

// readSelectors reads a SelectorSet, or says what is wrong with it. The Name
// attribute may stand in the WS-Management namespace.
func readSelectors(set *node) (map[string]string, string) {
	selectors := make(map[string]string)
	for _, n := range set.children {
		name := ""
		for _, a := range n.attrs {
			if a.Name.Local == "Name" && (a.Name.Space == "" || a.Name.Space == nsManagement) {
				name = a.Value
			}
		}
		if _, twice := selectors[name]; twice || name == "" || !n.is(nsManagement, "Selector") || len(n.children) > 0 {
			return nil, "selector without a name, twice, or not plain text"
		}
		selectors[name] = n.text
	}
	return selectors, ""
}

// readReference reads an endpoint reference, or says what is wrong with it.
// The address is not looked at: real clients put two different ones.
func readReference(n *node) (schemas.Reference, string) {
	parameters := n.child(nsAddressing, "ReferenceParameters")
	resource := parameters.child(nsManagement, "ResourceURI")
	set := parameters.child(nsManagement, "SelectorSet")
	if n.child(nsAddressing, "Address") == nil || resource == nil || set == nil {
		return schemas.Reference{}, n.name.Local + " is no endpoint reference"
	}
	selectors, wrong := readSelectors(set)
	if wrong != "" {
		return schemas.Reference{}, n.name.Local + ": " + wrong
	}
	r := schemas.Reference{Class: resource.text, Selectors: selectors}
	if class, ok := classOf(resource.text); ok {
		r.Class = class.Name
	}
	return r, ""
}

// classOf finds a class's table by resource URI.
func classOf(uri string) (schemas.Class, bool) {
	class, ok := schemas.AMTClass(uri[strings.LastIndex(uri, "/")+1:])
	return class, ok && class.URI == uri
}

// invocation is the input of a method.
type invocation struct {
	texts      map[string]string
	references map[string][]schemas.Reference
	secure     bool
	call       int // the call's Seq in the journal
}

func (in invocation) has(name string) bool { _, ok := in.texts[name]; return ok }

// number is a parameter that readInput found to be an unsigned integer.
func (in invocation) number(name string) int {
	n, err := strconv.Atoi(in.texts[name])
	if err != nil {
		return -1
	}
	return n
}

// readInput reads a method's <Method>_INPUT against its table, or says what is
// wrong with it. Parameters keep their order; null ones are absent.
func readInput(class schemas.Class, method schemas.Method, body *node) (invocation, string) {
	in := invocation{texts: make(map[string]string), references: make(map[string][]schemas.Reference)}
	if !body.is(class.URI, method.Name+"_INPUT") {
		return in, "the body holds no " + method.Name + "_INPUT"
	}
	rest := body.children
	for _, p := range method.In {
		count := 0
		for len(rest) > 0 && rest[0].is(class.URI, p.Name) && (count == 0 || p.Array) {
			n := rest[0]
			rest = rest[1:]
			count++
			if p.Type == "reference" {
				r, wrong := readReference(n)
				if wrong != "" {
					return in, wrong
				}
				in.references[p.Name] = append(in.references[p.Name], r)
				continue
			}
			if p.Type != "datetime" && (len(n.children) > 0 || !fits(p.Type, n.text)) {
				return in, p.Name + " has no value of type " + p.Type
			}
			in.texts[p.Name] = n.text
		}
		if count == 0 && !p.Optional {
			return in, "parameter " + p.Name + " missing or out of order"
		}
	}
	if len(rest) > 0 {
		return in, "unexpected element " + rest[0].name.Local
	}
	return in, ""
}
