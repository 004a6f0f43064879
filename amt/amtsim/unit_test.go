package amtsim

import (
	"context"
	"encoding/xml"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/amt-redfish/amt-redfish/schemas"
)

func TestParseXML(t *testing.T) {
	good := map[string]string{
		"plain":       `<a/>`,
		"declaration": `<?xml version="1.0" encoding="UTF-8"?><a>x</a>`,
		"comments":    `<!-- one --><a/><!-- two -->`,
		"space":       "\n <a> <b/> </a> \n",
	}
	for name, text := range good {
		root, err := parseXML([]byte(text))
		if err != nil || root.name.Local != "a" {
			t.Errorf("%s: %+v, %v", name, root, err)
		}
	}
	bad := map[string]string{
		"empty":         ``,
		"text":          `power on`,
		"open":          `<a>`,
		"crossed":       `<a><b></a></b>`,
		"two roots":     `<a/><b/>`,
		"text after":    `<a/>x`,
		"entity":        `<a>&amp;&x;</a>`,
		"doctype":       `<!DOCTYPE a><a/>`,
		"other charset": `<?xml version="1.0" encoding="ISO-8859-1"?><a/>`,
		"not UTF-8":     "<a>\xff</a>",
		"deep":          strings.Repeat("<a>", maxDepth+1) + strings.Repeat("</a>", maxDepth+1),
		"wide":          "<a>" + strings.Repeat("<b/>", maxElements) + "</a>",
	}
	for name, text := range bad {
		if root, err := parseXML([]byte(text)); err == nil {
			t.Errorf("%s: parsed as %+v", name, root)
		}
	}
}

func TestNamespacesDecideNotPrefixes(t *testing.T) {
	envelope := func(space string) string {
		return `<x:Envelope xmlns:x="` + space + `" xmlns="` + testAddr + `"><x:Header><Action>a</Action><To>t</To><MessageID>m</MessageID><q:ResourceURI xmlns:q="` + testMan + `">r</q:ResourceURI></x:Header><x:Body/></x:Envelope>`
	}
	e, fault := decodeEnvelope([]byte(envelope(testEnv)))
	if fault != nil || e.action != "a" || e.resource != "r" || e.messageID != "m" || e.body != nil {
		t.Errorf("%+v, %+v", e, fault)
	}
	if _, fault := decodeEnvelope([]byte(envelope("http://schemas.xmlsoap.org/soap/envelope/"))); fault == nil {
		t.Error("a SOAP 1.1 envelope passed")
	}
}

func TestReadReference(t *testing.T) {
	wrap := func(inside string) *node {
		n, err := parseXML([]byte(`<p:Source xmlns:p="p" xmlns:a="` + testAddr + `" xmlns:w="` + testMan + `">` + inside + `</p:Source>`))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	whole := reference(testCim+"CIM_BootSourceSetting", "InstanceID", sourcePxe)
	r, wrong := readReference(wrap(whole))
	want := schemas.Reference{Class: "CIM_BootSourceSetting", Selectors: map[string]string{"InstanceID": sourcePxe}}
	if wrong != "" || r.Class != want.Class || !maps.Equal(r.Selectors, want.Selectors) {
		t.Errorf("%+v, %q; want %+v", r, wrong, want)
	}
	// old clients put the attribute into the WS-Management namespace
	if r, wrong := readReference(wrap(strings.Replace(whole, "Name=", "w:Name=", 1))); wrong != "" || !maps.Equal(r.Selectors, want.Selectors) {
		t.Errorf("qualified Name: %+v, %q", r, wrong)
	}
	for name, inside := range map[string]string{
		"empty":          "",
		"no address":     strings.Replace(whole, "a:Address", "a:Adress", 2),
		"no resource":    strings.Replace(whole, "w:ResourceURI", "a:ResourceURI", 2),
		"no parameters":  "<a:Address>x</a:Address>",
		"nameless":       strings.Replace(whole, "Name=", "Nome=", 1),
		"twice":          strings.Replace(whole, "<w:Selector ", `<w:Selector Name="InstanceID">x</w:Selector><w:Selector `, 1),
		"other element":  strings.Replace(strings.Replace(whole, "<w:Selector ", "<w:Chooser ", 1), "</w:Selector>", "</w:Chooser>", 1),
		"nested element": strings.Replace(whole, sourcePxe, "<w:b/>", 1),
	} {
		if r, wrong := readReference(wrap(inside)); wrong == "" {
			t.Errorf("%s: read as %+v", name, r)
		}
	}
}

func TestFits(t *testing.T) {
	tests := []struct {
		cimType, text string
		want          bool
	}{
		{"boolean", "true", true}, {"boolean", "false", true}, {"boolean", "1", false}, {"boolean", "True", false}, {"boolean", "", false},
		{"uint8", "255", true}, {"uint8", "256", false}, {"uint16", "65535", true}, {"uint16", "-1", false}, {"uint16", "+1", false},
		{"uint32", "4294967295", true}, {"uint64", "18446744073709551615", true}, {"uint64", "1e3", false}, {"uint", "1", false},
		{"string", "", true}, {"string", "anything", true}, {"base64", "AA==", true}, {"reference", "x", false},
	}
	for _, test := range tests {
		if got := fits(test.cimType, test.text); got != test.want {
			t.Errorf("fits(%s, %q) = %t", test.cimType, test.text, got)
		}
	}
}

func TestProfileHas(t *testing.T) {
	p := profiles["11.8"]
	for since, want := range map[string]bool{"": true, "6.0": true, "11.0": true, "11.8": true, "11.9": false, "12.0": false, "new": false} {
		if got := p.has(since); got != want {
			t.Errorf("has(%q) = %t", since, got)
		}
	}
}

func TestParseCredentials(t *testing.T) {
	tests := map[string]map[string]string{
		`Digest a="1",b=2, c="x, y" , D = "z"`: {"a": "1", "b": "2", "c": "x, y", "d": "z"},
		`Digest nonce="AA/b+==",nc=00000001`:   {"nonce": "AA/b+==", "nc": "00000001"},
		`Basic a="1"`:                          {},
		`Digest`:                               {},
		``:                                     {},
	}
	for header, want := range tests {
		if got := parseCredentials(header); !maps.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%s: %v, want %v", header, got, want)
		}
	}
}

func FuzzCredentials(f *testing.F) {
	f.Add(`Digest username="admin",realm="Digest:0",nonce="AA==",uri="/wsman",qop=auth,nc=00000001,cnonce="x",response="y"`)
	f.Add(`Digest a="\"",b`)
	f.Fuzz(func(t *testing.T, header string) {
		for name, value := range parseCredentials(header) {
			if name != strings.ToLower(name) || len(name)+len(value) > len(header) {
				t.Errorf("%q = %q of %q", name, value, header)
			}
		}
	})
}

func TestRepliesAreXMLWithEscapedText(t *testing.T) {
	m, err := New(Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	nasty := `<&">'` + "\x01"
	for name, list := range m.instances {
		if len(list) == 0 {
			continue
		}
		i := list[0].clone()
		for property := range i.values {
			i.values[property] = []string{nasty}
		}
		outcomes := []outcome{
			{space: i.class.URI, action: "get", instance: i},
			{space: nsEnumeration, action: "pull", page: &page{items: []*instance{i, i}, end: true}},
			{fault: statusFault(faultInternalError, 2)},
		}
		for _, o := range outcomes {
			text := encodeReply(o, envelope{messageID: nasty, resource: nasty}, 1)
			if _, err := parseXML([]byte(text)); err != nil {
				t.Errorf("%s: %v: %s", name, err, text)
			}
			if err := xml.Unmarshal([]byte(text), new(struct{})); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestPropertiesAreInASCIIOrder(t *testing.T) {
	_, c := kind(t, nil)
	root, err := parseXML([]byte(c.get(testAmt + "AMT_BootSettingData")))
	if err != nil {
		t.Fatal(err)
	}
	instance := root.children[1].children[0]
	var names []string
	for _, n := range instance.children {
		names = append(names, n.name.Local)
	}
	if !slices.IsSorted(names) || len(names) != 33 {
		t.Errorf("%d properties: %v", len(names), names)
	}
	header := root.children[0]
	order := []string{"To", "RelatesTo", "Action", "MessageID", "ResourceURI"}
	for i, n := range header.children {
		if n.name.Local != order[i] {
			t.Errorf("header element %d is %s, want %s", i, n.name.Local, order[i])
		}
	}
}

func TestReleasesDifferInWhatTheyShow(t *testing.T) {
	tests := map[string]struct{ has, lacks []string }{
		"7":    {[]string{"UseIDER"}, []string{"BIOSLastStatus", "PlatformErase", "UefiBootNumberOfParams", "SecureErase"}},
		"11.8": {[]string{"SecureErase", "BIOSLastStatus"}, []string{"PlatformErase", "WinREBootEnabled"}},
		"16.1": {[]string{"PlatformErase", "WinREBootEnabled", "UefiBootNumberOfParams"}, []string{"UefiBootParametersArray"}},
	}
	for name, test := range tests {
		m, c := kind(t, func(o *Options) { o.Profile = name })
		reply := c.get(testAmt + "AMT_BootSettingData")
		for _, p := range test.has {
			if !strings.Contains(reply, "<g:"+p+">") {
				t.Errorf("%s lacks %s", name, p)
			}
		}
		for _, p := range test.lacks {
			if strings.Contains(reply, "<g:"+p+">") {
				t.Errorf("%s has %s", name, p)
			}
		}
		if got := c.list("CIM_SoftwareIdentity"); !strings.Contains(got, "<h:InstanceID>AMT</h:InstanceID><h:IsEntity>true</h:IsEntity><h:VersionString>"+m.profile.version+"<") {
			t.Errorf("%s: versions %s", name, got)
		}
		c.must(c.putData(c.data()))
		noBogus(t, m)
	}
}

func TestSettingsOfOtherClassesArePut(t *testing.T) {
	m, c := kind(t, nil)
	uri := testAmt + "AMT_GeneralSettings"
	_, rest, _ := strings.Cut(c.get(uri), "<g:AMT_GeneralSettings>")
	inside, _, _ := strings.Cut(rest, "</g:AMT_GeneralSettings>")
	var writable strings.Builder
	for _, p := range m.instances["AMT_GeneralSettings"][0].class.Properties {
		if p.ReadOnly {
			continue
		}
		_, value, _ := strings.Cut(inside, "<g:"+p.Name+">")
		value, _, _ = strings.Cut(value, "<")
		if p.Name == "IdleWakeTimeout" {
			value = "65535"
		}
		writable.WriteString("<g:" + p.Name + ">" + value + "</g:" + p.Name + ">")
	}
	put := c.envelope(testXfer+"/Put", uri, `<w:SelectorSet><w:Selector Name="InstanceID">Intel(r) AMT: General Settings</w:Selector></w:SelectorSet>`,
		`<g:AMT_GeneralSettings xmlns:g="`+uri+`">`+writable.String()+`</g:AMT_GeneralSettings>`)
	if reply := c.must(put); !strings.Contains(reply, "<g:IdleWakeTimeout>65535<") {
		t.Errorf("reply %s", reply)
	}
	if reply := c.get(uri); !strings.Contains(reply, "<g:IdleWakeTimeout>65535<") {
		t.Errorf("read back %s", reply)
	}
	noBogus(t, m)
}

func TestLenientPutIgnoresReadOnly(t *testing.T) {
	m, c := kind(t, func(o *Options) { o.Quirks.LenientPut = true })
	elements := append([]string{"<g:BIOSLastStatus>9</g:BIOSLastStatus>"}, c.data()...)
	if reply := c.must(c.putData(elements)); !strings.Contains(reply, "<g:BIOSLastStatus>2</g:BIOSLastStatus><g:BIOSLastStatus>0<") {
		t.Errorf("the read-only property was written: %s", reply)
	}
	noBogus(t, m)
}

func TestWaitEndsWithItsContextAndWithTheMachine(t *testing.T) {
	m, _ := kind(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never := func(Snapshot) bool { return false }
	if err := m.Wait(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Wait(t.Context(), never); err == nil {
		t.Error("waited for a closed machine")
	}
	if err := m.SetReachable(true); err == nil {
		t.Error("a closed machine became reachable")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	m, err := New(Options{Seed: 1, Quirks: Kind(), Power: PowerOn, Timing: Timing{PowerLatency: 1 << 40}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	c := newRaw(t, m)
	c.returns(c.powerRequest(PowerReset), 0) // leaves a timer that is long
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestJournalForgetsTheOldest(t *testing.T) {
	list := make([]int, 0, keep)
	for i := range keep + 3 {
		list = limited(list, i)
	}
	if len(list) != keep || list[0] != 3 || list[keep-1] != keep+2 {
		t.Errorf("%d entries from %d to %d", len(list), list[0], list[len(list)-1])
	}
}

// TestModelHoldsUnderRandomUse drives a machine with random requests and host
// actions and checks what must hold of a one-shot setting, whatever happens.
func TestModelHoldsUnderRandomUse(t *testing.T) {
	m, c := kind(t, func(o *Options) { o.Agent = true })
	random := rand.New(rand.NewPCG(5, 5))
	sources := []string{"", sourcePxe, sourceHdd, sourceCd}
	requests := []int{PowerOn, PowerCycle, PowerOff, PowerReset, PowerNMI, PowerGraceful, PowerResetGrace}
	for range 400 {
		before, booted := m.Snapshot(), len(m.Boots())
		action := random.IntN(6)
		switch action {
		case 0:
			c.must(c.orderRequest(sources[random.IntN(len(sources))]))
		case 1:
			c.must(c.roleRequest([]int{roleNextSingleUse, roleNotNext}[random.IntN(2)]))
		case 2, 3:
			c.must(c.powerRequest(requests[random.IntN(len(requests))]))
		case 4:
			if err := m.HostReboot(); (err == nil) != (before.Power == PowerOn) {
				t.Fatalf("reboot with power %d: %v", before.Power, err)
			}
		case 5:
			m.PressPowerButton()
		}
		after, boots := m.Snapshot(), m.Boots()
		switch len(boots) - booted {
		case 0:
			if action != 1 && after.Armed.Role != before.Armed.Role {
				t.Fatalf("action %d changed the role without a boot: %+v to %+v", action, before, after)
			}
		case 1:
			last := boots[len(boots)-1]
			if last.Device != before.Armed.Device || after.Armed.Device != DeviceDefault || after.Armed.Role != roleNotNext {
				t.Fatalf("armed %+v, booted %+v, armed afterwards %+v", before.Armed, last, after.Armed)
			}
			if (last.Cause == CausePowerRequest) != (last.Call > 0) || after.Power != PowerOn {
				t.Fatalf("boot %+v, power %d", last, after.Power)
			}
		default:
			t.Fatalf("one action, %d boots", len(boots)-booted)
		}
	}
	if len(m.Boots()) < 50 {
		t.Errorf("only %d boots: the test hardly tests", len(m.Boots()))
	}
	noBogus(t, m)
}
