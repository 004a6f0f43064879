package wsman

import (
	"bytes"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/beevik/etree"
)

// Namespaces and actions (DSP0226, Annex A; WS-Transfer and WS-Enumeration,
// September 2004).
const (
	nsEnvelope    = "http://www.w3.org/2003/05/soap-envelope"
	nsAddressing  = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
	nsWSMan       = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
	nsEnumeration = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
	nsTransfer    = "http://schemas.xmlsoap.org/ws/2004/09/transfer"

	anonymous = nsAddressing + "/role/anonymous"

	actionGet       = nsTransfer + "/Get"
	actionPut       = nsTransfer + "/Put"
	actionEnumerate = nsEnumeration + "/Enumerate"
	actionPull      = nsEnumeration + "/Pull"
)

// Bounds on what is decoded. The largest reply known is an audit log page of
// some 20 kB.
const (
	maxBody  = 1 << 20 // bytes of one reply body
	maxTags  = 20000   // '<' characters in one reply
	maxDepth = 32      // nested elements
)

// Selector is one key of an instance (DSP0226, 5.1.2.2).
type Selector struct{ Name, Value string }

// Reference is an endpoint reference to an instance (DSP0226, 5.1.2). A null
// reference comes from firmware with an empty Resource and no selectors.
type Reference struct {
	Resource  string
	Selectors []Selector
}

// Selector returns the value of the named selector, or "".
func (r Reference) Selector(name string) string {
	for _, s := range r.Selectors {
		if s.Name == name {
			return s.Value
		}
	}
	return ""
}

// Property is one property of an instance, or one parameter of a method. An
// array is several properties of one name.
type Property struct {
	Name string
	// Text is the value as sent; for a CIM date-time, the text inside it.
	Text string
	// Reference is set where the value is an endpoint reference.
	Reference *Reference
}

// Instance is an instance or a method's output: properties in the order sent.
type Instance struct {
	// Resource is the class's resource URI, which is its namespace as well.
	Resource string
	// Name is the element's local name: the class, or Method_OUTPUT.
	Name       string
	Properties []Property
}

// Text returns the first value of a property, and whether it was sent.
func (i Instance) Text(name string) (string, bool) {
	for _, p := range i.Properties {
		if p.Name == name {
			return p.Text, true
		}
	}
	return "", false
}

// Texts returns all values of a property.
func (i Instance) Texts(name string) []string {
	var texts []string
	for _, p := range i.Properties {
		if p.Name == name {
			texts = append(texts, p.Text)
		}
	}
	return texts
}

// Int returns a property as a number, and whether it was sent and is one.
func (i Instance) Int(name string) (int, bool) {
	text, _ := i.Text(name)
	n, err := strconv.Atoi(strings.TrimSpace(text))
	return n, err == nil
}

// Bool returns a property as a truth value, and whether it was sent and is one.
func (i Instance) Bool(name string) (value, ok bool) {
	text, _ := i.Text(name)
	switch strings.TrimSpace(text) {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, false
}

// Reference returns a property as a reference; zero where it is none.
func (i Instance) Reference(name string) Reference {
	for _, p := range i.Properties {
		if p.Name == name && p.Reference != nil {
			return *p.Reference
		}
	}
	return Reference{}
}

// className returns the class of a resource URI.
func className(resource string) string { return path.Base(resource) }

// header is what differs between the headers of two requests.
type header struct {
	action    string
	resource  string
	message   string
	selectors []Selector
}

// newRequest returns an envelope with the least header that firmware takes
// (DSP0226, 5.4), and its body element. The firmware allows each operation at
// least 30 s whatever is asked, so no operation timeout is sent.
func newRequest(h header) (*etree.Document, *etree.Element) {
	doc := etree.NewDocument()
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	envelope := doc.CreateElement("s:Envelope")
	envelope.CreateAttr("xmlns:s", nsEnvelope)
	envelope.CreateAttr("xmlns:a", nsAddressing)
	envelope.CreateAttr("xmlns:w", nsWSMan)
	head := envelope.CreateElement("s:Header")
	head.CreateElement("a:Action").SetText(h.action)
	head.CreateElement("a:To").SetText(wsmanPath)
	head.CreateElement("w:ResourceURI").SetText(h.resource)
	head.CreateElement("a:MessageID").SetText(h.message)
	head.CreateElement("a:ReplyTo").CreateElement("a:Address").SetText(anonymous)
	addSelectors(head, h.selectors)
	return doc, envelope.CreateElement("s:Body")
}

func addSelectors(parent *etree.Element, selectors []Selector) {
	if len(selectors) == 0 {
		return
	}
	set := parent.CreateElement("w:SelectorSet")
	for _, s := range selectors {
		e := set.CreateElement("w:Selector")
		e.CreateAttr("Name", s.Name)
		e.SetText(s.Value)
	}
}

// addProperties writes an element of the class's namespace with properties.
func addProperties(body *etree.Element, resource, name string, properties []Property) {
	e := body.CreateElement("p:" + name)
	e.CreateAttr("xmlns:p", resource)
	for _, p := range properties {
		child := e.CreateElement("p:" + p.Name)
		if p.Reference == nil {
			child.SetText(p.Text)
			continue
		}
		child.CreateElement("a:Address").SetText(anonymous)
		parameters := child.CreateElement("a:ReferenceParameters")
		parameters.CreateElement("w:ResourceURI").SetText(p.Reference.Resource)
		addSelectors(parameters, p.Reference.Selectors)
	}
}

// reply is a decoded envelope.
type reply struct {
	relatesTo string
	body      *etree.Element
	fault     *Fault
}

// decode parses a reply envelope of bounded size.
func decode(text []byte) (reply, error) {
	if len(text) > maxBody {
		return reply{}, fmt.Errorf("envelope of %d bytes is larger than %d", len(text), maxBody)
	}
	if n := bytes.Count(text, []byte{'<'}); n > maxTags {
		return reply{}, fmt.Errorf("envelope with %d tags has more than %d", n, maxTags)
	}
	doc := etree.NewDocument()
	doc.ReadSettings.ValidateInput = true
	if err := doc.ReadFromBytes(text); err != nil {
		return reply{}, fmt.Errorf("parse envelope: %w", err)
	}
	for _, token := range doc.Child {
		if _, ok := token.(*etree.Directive); ok {
			return reply{}, fmt.Errorf("envelope has a document type declaration")
		}
	}
	root := doc.Root()
	if root == nil || !named(root, nsEnvelope, "Envelope") {
		return reply{}, fmt.Errorf("the document is no SOAP 1.2 envelope")
	}
	if tooDeep(root) {
		return reply{}, fmt.Errorf("envelope is nested deeper than %d", maxDepth)
	}
	r := reply{body: child(root, nsEnvelope, "Body")}
	if r.body == nil {
		return reply{}, fmt.Errorf("envelope has no body")
	}
	if head := child(root, nsEnvelope, "Header"); head != nil {
		r.relatesTo = childText(head, nsAddressing, "RelatesTo")
	}
	if f := child(r.body, nsEnvelope, "Fault"); f != nil {
		r.fault = decodeFault(f)
	}
	return r, nil
}

// tooDeep walks the tree without recursion, since the depth is the peer's.
func tooDeep(root *etree.Element) bool {
	level := []*etree.Element{root}
	for range maxDepth {
		var next []*etree.Element
		for _, e := range level {
			next = append(next, e.ChildElements()...)
		}
		if len(next) == 0 {
			return false
		}
		level = next
	}
	return true
}

func named(e *etree.Element, namespace, name string) bool {
	return e.Tag == name && e.NamespaceURI() == namespace
}

// child returns the first child of that name, or nil.
func child(parent *etree.Element, namespace, name string) *etree.Element {
	for _, e := range parent.ChildElements() {
		if named(e, namespace, name) {
			return e
		}
	}
	return nil
}

func childText(parent *etree.Element, namespace, name string) string {
	if e := child(parent, namespace, name); e != nil {
		return strings.TrimSpace(e.Text())
	}
	return ""
}

// instance decodes the body's only element, which must be called name in the
// resource's namespace.
func (r reply) instance(resource, name string) (Instance, error) {
	e := child(r.body, resource, name)
	if e == nil {
		return Instance{}, fmt.Errorf("the body holds no %s of %s", name, resource)
	}
	return decodeInstance(e), nil
}

func decodeInstance(e *etree.Element) Instance {
	namespace := e.NamespaceURI()
	i := Instance{Resource: namespace, Name: e.Tag}
	for _, p := range e.ChildElements() {
		if p.NamespaceURI() != namespace {
			continue
		}
		i.Properties = append(i.Properties, decodeProperty(p))
	}
	return i
}

func decodeProperty(e *etree.Element) Property {
	p := Property{Name: e.Tag, Text: e.Text()}
	children := e.ChildElements()
	if len(children) == 0 {
		return p
	}
	if parameters := child(e, nsAddressing, "ReferenceParameters"); parameters != nil {
		p.Text, p.Reference = "", decodeReference(parameters)
		return p
	}
	p.Text = children[0].Text() // Datetime or Interval of the common types
	return p
}

func decodeReference(parameters *etree.Element) *Reference {
	r := &Reference{Resource: childText(parameters, nsWSMan, "ResourceURI")}
	set := child(parameters, nsWSMan, "SelectorSet")
	if set == nil {
		return r
	}
	for _, s := range set.ChildElements() {
		if named(s, nsWSMan, "Selector") {
			r.Selectors = append(r.Selectors, Selector{s.SelectAttrValue("Name", ""), s.Text()})
		}
	}
	return r
}

// DecodeInstance decodes a recorded reply to a Get or Put of the resource.
func DecodeInstance(envelope []byte, resource string) (Instance, error) {
	return decodeNamed(envelope, resource, className(resource))
}

// DecodeOutput decodes a recorded reply to a method of the resource.
func DecodeOutput(envelope []byte, resource, method string) (Instance, error) {
	return decodeNamed(envelope, resource, method+"_OUTPUT")
}

func decodeNamed(envelope []byte, resource, name string) (Instance, error) {
	r, err := decode(envelope)
	if err != nil {
		return Instance{}, err
	}
	if r.fault != nil {
		return Instance{}, r.fault
	}
	return r.instance(resource, name)
}
