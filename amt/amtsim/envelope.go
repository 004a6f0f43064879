package amtsim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"encoding/xml"

	"github.com/amt-redfish/amt-redfish/schemas"
)

// replyPrefixes and faultPrefixes are the prefixes recorded firmware declares,
// from a on; they differ between replies and faults. Replies go on with g for
// the body and further letters for classes in it.
var (
	replyPrefixes = []string{
		nsEnvelope, nsAddressing, nsManagement,
		"http://schemas.xmlsoap.org/ws/2005/02/trust",
		"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
		"http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd",
	}
	faultPrefixes = []string{
		nsEnvelope, nsAddressing, nsEnumeration, nsTransfer, nsManagement,
		"http://schemas.xmlsoap.org/ws/2004/08/eventing",
		"http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd",
		"http://schemas.xmlsoap.org/ws/2005/02/trust",
		"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
	}
)

// outcome is what a request came to.
type outcome struct {
	fault *soapFault
	// space is the namespace of the body, prefix g.
	space string
	// action is the reply's action.
	action string
	// one of: an instance, a method's output, an enumeration's context, a page
	instance    *instance
	method      string
	returnValue int
	opened      string
	page        *page
}

// page is the answer to a Pull.
type page struct {
	items   []*instance
	context string
	end     bool
}

// encodeReply renders the whole envelope of an outcome.
func encodeReply(o outcome, request envelope, message uint64) string {
	var b strings.Builder
	prefixes := slices.Clone(faultPrefixes)
	if o.fault == nil {
		prefixes = append(slices.Clone(replyPrefixes), o.space)
		if o.page != nil {
			for _, i := range o.page.items {
				if !slices.Contains(prefixes, i.class.URI) {
					prefixes = append(prefixes, i.class.URI)
				}
			}
		}
	} else {
		o.action = nsAddressing + "/fault"
		if o.fault.kind().prefix == "e" {
			o.action = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
		}
	}
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><a:Envelope`)
	for i, uri := range prefixes {
		fmt.Fprintf(&b, ` xmlns:%c="%s"`, 'a'+i, uri)
	}
	b.WriteString(` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><a:Header>`)
	leaf(&b, "b:To", anonymous)
	leaf(&b, "b:RelatesTo", request.messageID)
	b.WriteString(`<b:Action a:mustUnderstand="true">`)
	escape(&b, o.action)
	fmt.Fprintf(&b, `</b:Action><b:MessageID>uuid:00000000-8086-8086-8086-%012X</b:MessageID>`, message)
	if o.fault == nil {
		leaf(&b, "c:ResourceURI", request.resource)
	}
	b.WriteString(`</a:Header><a:Body>`)
	encodeBody(&b, o, prefixes)
	b.WriteString(`</a:Body></a:Envelope>`)
	return b.String()
}

func encodeBody(b *strings.Builder, o outcome, prefixes []string) {
	switch {
	case o.fault != nil:
		kind := o.fault.kind()
		code := "a:Sender"
		if kind.status == 500 {
			code = "a:Receiver"
		}
		fmt.Fprintf(b, `<a:Fault><a:Code><a:Value>%s</a:Value><a:Subcode><a:Value>%s:`, code, kind.prefix)
		escape(b, o.fault.subcode)
		b.WriteString(`</a:Value></a:Subcode></a:Code><a:Reason><a:Text xml:lang="en-US">`)
		escape(b, kind.reason)
		b.WriteString(`</a:Text></a:Reason>`)
		leaf(b, "a:Detail", o.fault.detail)
		b.WriteString(`</a:Fault>`)
	case o.instance != nil:
		encodeInstance(b, "g", o.instance)
	case o.page != nil:
		b.WriteString(`<g:PullResponse>`)
		if !o.page.end {
			leaf(b, "g:EnumerationContext", o.page.context)
		}
		b.WriteString(`<g:Items>`)
		for _, i := range o.page.items {
			encodeInstance(b, string(rune('a'+slices.Index(prefixes, i.class.URI))), i)
		}
		b.WriteString(`</g:Items>`)
		if o.page.end {
			leaf(b, "g:EndOfSequence", "")
		}
		b.WriteString(`</g:PullResponse>`)
	case o.opened != "":
		b.WriteString(`<g:EnumerateResponse>`)
		leaf(b, "g:EnumerationContext", o.opened)
		b.WriteString(`</g:EnumerateResponse>`)
	case o.method != "":
		fmt.Fprintf(b, `<g:%s_OUTPUT><g:ReturnValue>%d</g:ReturnValue></g:%s_OUTPUT>`, o.method, o.returnValue, o.method)
	}
}

// encodeInstance renders the properties in table order, which is ASCII order;
// null ones are left out.
func encodeInstance(b *strings.Builder, prefix string, i *instance) {
	fmt.Fprintf(b, "<%s:%s>", prefix, i.class.Name)
	for _, p := range i.class.Properties {
		name := prefix + ":" + p.Name
		for _, value := range i.values[p.Name] {
			leaf(b, name, value)
		}
		if r, ok := i.references[p.Name]; ok {
			fmt.Fprintf(b, "<%s>", name)
			encodeReference(b, r)
			fmt.Fprintf(b, "</%s>", name)
		}
	}
	fmt.Fprintf(b, "</%s:%s>", prefix, i.class.Name)
}

func encodeReference(b *strings.Builder, r schemas.Reference) {
	class, _ := schemas.AMTClass(r.Class)
	leaf(b, "b:Address", anonymous)
	b.WriteString("<b:ReferenceParameters>")
	leaf(b, "c:ResourceURI", class.URI)
	b.WriteString("<c:SelectorSet>")
	for _, name := range slices.Sorted(maps.Keys(r.Selectors)) {
		fmt.Fprintf(b, `<c:Selector Name="%s">`, name)
		escape(b, r.Selectors[name])
		b.WriteString("</c:Selector>")
	}
	b.WriteString("</c:SelectorSet></b:ReferenceParameters>")
}

func leaf(b *strings.Builder, name, text string) {
	fmt.Fprintf(b, "<%s>", name)
	escape(b, text)
	fmt.Fprintf(b, "</%s>", name)
}

// escape writes text as XML; a strings.Builder never fails.
func escape(b *strings.Builder, text string) { _ = xml.EscapeText(b, []byte(text)) }

// enumerationContext renders a counter as firmware does: little-endian, padded
// to the form of a GUID.
func enumerationContext(n uint32) string {
	return fmt.Sprintf("%02X%02X%02X%02X-0000-0000-0000-000000000000", byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}
