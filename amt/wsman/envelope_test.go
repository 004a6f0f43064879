package wsman

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The envelopes that we send, byte by byte. They are what real firmware has to
// take, so a difference here is a change of the protocol, not of a test.
func TestRequestsOnTheWire(t *testing.T) {
	const prolog = `<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header>`
	const tail = `<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>`
	head := func(action string) string {
		return prolog + `<a:Action>` + action + `</a:Action><a:To>/wsman</a:To><w:ResourceURI>` + testResource + `</w:ResourceURI><a:MessageID>1</a:MessageID>` + tail
	}
	transfer, enumeration := "http://schemas.xmlsoap.org/ws/2004/09/transfer", "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
	for _, test := range []struct {
		name string
		call func(t *testing.T, c Caller) error
		want string
	}{
		{"get", func(t *testing.T, c Caller) error {
			_, err := c.Get(within(t), testResource)
			return err
		}, head(transfer+"/Get") + `</s:Header><s:Body/></s:Envelope>`},
		{"get by selector", func(t *testing.T, c Caller) error {
			_, err := c.Get(within(t), testResource, Selector{"InstanceID", "Intel(r) AMT: X 0"})
			return err
		}, head(transfer+"/Get") + `<w:SelectorSet><w:Selector Name="InstanceID">Intel(r) AMT: X 0</w:Selector></w:SelectorSet></s:Header><s:Body/></s:Envelope>`},
		{"put", func(t *testing.T, c Caller) error {
			_, err := c.Put(within(t), testResource, []Property{{Name: "B", Text: "1"}, {Name: "A", Text: ""}})
			return err
		}, head(transfer+"/Put") + `</s:Header><s:Body><p:CIM_Thing xmlns:p="` + testResource + `"><p:B>1</p:B><p:A/></p:CIM_Thing></s:Body></s:Envelope>`},
		{"method without parameters", func(t *testing.T, c Caller) error {
			_, err := c.Invoke(within(t), Call{Resource: testResource, Method: "Do"})
			return err
		}, head(testResource+"/Do") + `</s:Header><s:Body><p:Do_INPUT xmlns:p="` + testResource + `"/></s:Body></s:Envelope>`},
		{"method with a reference", func(t *testing.T, c Caller) error {
			_, err := c.Invoke(within(t), Call{Resource: testResource, Method: "Do", Parameters: []Property{
				{Name: "Ref", Reference: &Reference{Resource: "urn:x", Selectors: []Selector{{"K", "v"}}}}, {Name: "N", Text: "1"},
			}})
			return err
		}, head(testResource+"/Do") + `</s:Header><s:Body><p:Do_INPUT xmlns:p="` + testResource + `"><p:Ref><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address><a:ReferenceParameters><w:ResourceURI>urn:x</w:ResourceURI><w:SelectorSet><w:Selector Name="K">v</w:Selector></w:SelectorSet></a:ReferenceParameters></p:Ref><p:N>1</p:N></p:Do_INPUT></s:Body></s:Envelope>`},
		{"enumerate", func(t *testing.T, c Caller) error {
			_, err := c.Enumerate(within(t), testResource)
			return err
		}, head(enumeration+"/Enumerate") + `</s:Header><s:Body><n:Enumerate xmlns:n="` + enumeration + `"/></s:Body></s:Envelope>`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, func(n int, r asked) act { return fault(400, "b:DestinationUnreachable", "", "") })
			wantReason(t, test.call(t, s.client(t).With(Limits{})), ReasonFault)
			got := s.requests()[0]
			if got.body != test.want {
				t.Errorf("sent\n%s\nwant\n%s", got.body, test.want)
			}
			if kind := got.header.Get("Content-Type"); kind != "application/soap+xml; charset=UTF-8" {
				t.Errorf("content type %q", kind)
			}
		})
	}
}

func TestPullOnTheWire(t *testing.T) {
	s := serve(t, func(n int, r asked) act {
		if n == 1 {
			return success(envelope(messageID(r), `<n:EnumerateResponse><n:EnumerationContext>5E1A0000-0000-0000-0000-000000000000</n:EnumerationContext></n:EnumerateResponse>`))
		}
		return success(envelope(messageID(r), `<n:PullResponse><n:Items/><n:EndOfSequence/></n:PullResponse>`))
	})
	if items, err := s.client(t).With(Limits{}).Enumerate(within(t), testResource); err != nil || len(items) != 0 {
		t.Fatalf("%v, %v", items, err)
	}
	const want = `<s:Body><n:Pull xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"><n:EnumerationContext>5E1A0000-0000-0000-0000-000000000000</n:EnumerationContext><n:MaxElements>999</n:MaxElements><n:MaxCharacters>99999</n:MaxCharacters></n:Pull></s:Body></s:Envelope>`
	if got := s.requests()[1].body; !strings.HasSuffix(got, want) {
		t.Errorf("sent %s", got)
	}
}

const epr = `<b:Address>default</b:Address><b:ReferenceParameters><c:ResourceURI>%</c:ResourceURI><c:SelectorSet>&</c:SelectorSet></b:ReferenceParameters>`

func TestDecodeInstance(t *testing.T) {
	full := strings.NewReplacer("%", "urn:r", "&", `<c:Selector Name="A">x y</c:Selector><c:Selector Name="B"></c:Selector><g:Selector Name="C">z</g:Selector>`).Replace(epr)
	null := strings.NewReplacer("%", "", "&", "").Replace(epr)
	i, err := DecodeInstance([]byte(envelope("9", `<g:CIM_Thing>
		<g:List>1</g:List><g:Flag>true</g:Flag><g:List>2</g:List><g:Empty></g:Empty><g:Space> 5 </g:Space>
		<g:When><h:Datetime xmlns:h="http://schemas.dmtf.org/wbem/wscim/1/common">2020-08-10T00:00:00Z</h:Datetime></g:When>
		<g:Ref>`+full+`</g:Ref><g:Null>`+null+`</g:Null><b:Other>not ours</b:Other></g:CIM_Thing>`)), testResource)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range i.Properties {
		names = append(names, p.Name)
	}
	if want := []string{"List", "Flag", "List", "Empty", "Space", "When", "Ref", "Null"}; !slices.Equal(names, want) {
		t.Errorf("properties %v", names)
	}
	if got := i.Texts("List"); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("List is %v", got)
	}
	if got, ok := i.Text("When"); got != "2020-08-10T00:00:00Z" || !ok {
		t.Errorf("When is %q", got)
	}
	if got, ok := i.Text("Empty"); got != "" || !ok {
		t.Errorf("Empty is %q, %v", got, ok)
	}
	if _, ok := i.Text("Missing"); ok {
		t.Error("Missing was sent")
	}
	if want := (Reference{Resource: "urn:r", Selectors: []Selector{{"A", "x y"}, {"B", ""}}}); !reflect.DeepEqual(i.Reference("Ref"), want) {
		t.Errorf("Ref is %+v", i.Reference("Ref"))
	}
	for _, name := range []string{"Null", "Flag", "Missing"} {
		if got := i.Reference(name); !reflect.DeepEqual(got, Reference{}) {
			t.Errorf("%s is %+v", name, got)
		}
	}
	if got := i.Reference("Ref").Selector("Missing"); got != "" {
		t.Errorf("a missing selector is %q", got)
	}
}

func TestNumbersAndTruthValues(t *testing.T) {
	for text, want := range map[string]struct {
		number     int
		isNumber   bool
		truth, was bool
	}{
		"7": {7, true, false, false}, " 12\n": {12, true, false, false}, "-1": {-1, true, false, false},
		"1": {1, true, true, true}, "0": {0, true, false, true}, "true": {0, false, true, true}, " false ": {0, false, false, true},
		"": {}, "TRUE": {}, "1.5": {}, "0x10": {}, "99999999999999999999": {},
	} {
		i := Instance{Properties: []Property{{Name: "P", Text: text}}}
		if n, ok := i.Int("P"); ok != want.isNumber || ok && n != want.number {
			t.Errorf("%q is the number %d, %v", text, n, ok)
		}
		if b, ok := i.Bool("P"); b != want.truth || ok != want.was {
			t.Errorf("%q is the truth %v, %v", text, b, ok)
		}
	}
	if _, ok := (Instance{}).Int("P"); ok {
		t.Error("a missing property is a number")
	}
}

// Prefixes are the sender's: the same reply with others means the same.
func TestPrefixesDoNotMatter(t *testing.T) {
	plain := envelope("1", thing)
	other := strings.NewReplacer("<a:", "<soap:", "</a:", "</soap:", "xmlns:a=", "xmlns:soap=").Replace(plain)
	unprefixed := strings.NewReplacer("<g:", "<", "</g:", "</").Replace(plain)
	want, err := DecodeInstance([]byte(plain), testResource)
	if err != nil {
		t.Fatal(err)
	}
	swapped := strings.NewReplacer("<g:CIM_Thing>", `<c:CIM_Thing xmlns:c="`+testResource+`">`, "</g:CIM_Thing>", "</c:CIM_Thing>", "<g:", "<c:", "</g:", "</c:").Replace(plain)
	for name, text := range map[string]string{"other": other, "swapped": swapped} {
		got, err := DecodeInstance([]byte(text), testResource)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := DecodeInstance([]byte(strings.Replace(unprefixed, "<CIM_Thing>", `<CIM_Thing xmlns="urn:other">`, 1)), testResource); err == nil {
		t.Error("an instance of another namespace was taken")
	}
	if _, err := DecodeInstance([]byte(unprefixed), testResource); err == nil {
		t.Error("an instance without a namespace was taken")
	}
}

func TestDecodeItemsKeepsEachClass(t *testing.T) {
	items, end, err := DecodeItems([]byte(envelope("1", `<n:PullResponse><n:EnumerationContext>x</n:EnumerationContext><n:Items>`+thing+`<d:CIM_Derived xmlns:d="urn:derived"><d:P>1</d:P></d:CIM_Derived></n:Items></n:PullResponse>`)))
	if err != nil || end || len(items) != 2 {
		t.Fatalf("%+v, %v, %v", items, end, err)
	}
	if items[1].Name != "CIM_Derived" || items[1].Resource != "urn:derived" || len(items[1].Properties) != 1 {
		t.Errorf("got %+v", items[1])
	}
	for name, body := range map[string]string{"no page": thing, "fault": `<a:Fault><a:Code/></a:Fault>`} {
		if _, _, err := DecodeItems([]byte(envelope("1", body))); err == nil {
			t.Errorf("%s was decoded", name)
		}
	}
}

func TestDepthIsBoundedExactly(t *testing.T) {
	nest := func(depth int) []byte { // the envelope, the body and the thing are the first three
		n := depth - 3
		return []byte(envelope("1", "<g:CIM_Thing>"+strings.Repeat("<g:x>", n)+strings.Repeat("</g:x>", n)+"</g:CIM_Thing>"))
	}
	if _, err := DecodeInstance(nest(maxDepth), testResource); err != nil {
		t.Errorf("depth %d: %v", maxDepth, err)
	}
	if _, err := DecodeInstance(nest(maxDepth+1), testResource); err == nil {
		t.Errorf("depth %d was decoded", maxDepth+1)
	}
}

func TestContentTypes(t *testing.T) {
	for kind, want := range map[string]bool{
		"": true, "application/soap+xml; charset=UTF-8": true, "application/soap+xml;charset=utf-8": true, "text/xml": true, "Application/XML": true,
		"text/html": false, "application/xhtml+xml": false, "text/plain": false, "application/json": false, ";;": false,
	} {
		if got := isXML(kind); got != want {
			t.Errorf("%q may hold an envelope: %v", kind, got)
		}
	}
}
