package amtsim

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden replies anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and look at the difference:\n%s", name, got)
	}
}

// wire sends one request on a connection of its own and returns the bytes of
// the reply up to the connection's end.
func wire(t *testing.T, m *Machine, authorization, body string) string {
	t.Helper()
	conn, err := net.Dial("tcp", m.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	head := "POST /wsman HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n"
	if authorization != "" {
		head += "Authorization: " + authorization + "\r\n"
	}
	if _, err := fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", head, len(body), body); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := bufio.NewReader(conn).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`Date: [^\r]*`).ReplaceAllString(b.String(), "Date: (now)")
}

func TestRepliesOnTheWire(t *testing.T) {
	m, c := kind(t, nil)
	c.get(testCim + "CIM_ComputerSystem") // takes a challenge
	opened := c.must(c.envelope(testEnum+"/Enumerate", testCim+"CIM_ServiceAvailableToElement", "", `<n:Enumerate xmlns:n="`+testEnum+`"/>`))
	_, rest, _ := strings.Cut(opened, "EnumerationContext>")
	context, _, _ := strings.Cut(rest, "<")
	for name, body := range map[string]string{
		"get.golden":       c.envelope(testXfer+"/Get", testCim+"CIM_AssociatedPowerManagementService", "", ""),
		"pull.golden":      c.pullRequest("CIM_ServiceAvailableToElement", context, 9),
		"invoke.golden":    c.powerRequest(PowerReset),
		"enumerate.golden": c.envelope(testEnum+"/Enumerate", testCim+"CIM_SoftwareIdentity", "", `<n:Enumerate xmlns:n="`+testEnum+`"/>`),
		"fault.golden":     c.envelope(testXfer+"/Get", testCim+"CIM_Unknown", "", ""),
		"settings.golden":  c.envelope(testXfer+"/Get", testAmt+"AMT_BootSettingData", "", ""),
	} {
		m.mu.Lock()
		m.messageID, m.nextList = 0x1234, 0x1A5D
		m.mu.Unlock()
		body = regexp.MustCompile(`<a:MessageID>\d+<`).ReplaceAllString(body, "<a:MessageID>42<")
		golden(t, name, wire(t, m, c.authorization(), body))
	}
	fresh := start(t, Options{Quirks: Kind(), Seed: 3})
	golden(t, "unauthorized.golden", wire(t, fresh, "", "<x/>"))
}

func TestUnkindChunksStillAddUp(t *testing.T) {
	_, c := kind(t, func(o *Options) { o.Quirks.EvenChunks = false })
	seen := map[string]bool{}
	size := regexp.MustCompile(`(?m)^[0-9A-F]{4}\r$`)
	c.get(testCim + "CIM_ComputerSystem")
	for range 5 {
		got := wire(t, c.machine, c.authorization(), c.envelope(testXfer+"/Get", testAmt+"AMT_BootSettingData", "", ""))
		seen[strings.Join(size.FindAllString(got, -1), " ")] = true
		if reply := c.get(testAmt + "AMT_BootSettingData"); !strings.HasSuffix(reply, "</a:Envelope>") {
			t.Errorf("the pieces do not add up: %s", reply)
		}
	}
	if len(seen) < 2 {
		t.Errorf("always the same split: %v", seen)
	}
}

func TestBodyUntilCloseOnOldReleases(t *testing.T) {
	m, c := kind(t, func(o *Options) { o.Profile = "7" })
	c.get(testCim + "CIM_ComputerSystem")
	got := wire(t, m, c.authorization(), c.envelope(testXfer+"/Get", testCim+"CIM_ComputerSystem", "", ""))
	if strings.Contains(got, "chunked") || strings.Contains(got, "Content-Length") || !strings.HasSuffix(got, "</a:Envelope>") {
		t.Errorf("reply of release 7: %s", got)
	}
}

func TestPullPages(t *testing.T) {
	m, c := kind(t, nil)
	open := func(class string) string {
		opened := c.must(c.envelope(testEnum+"/Enumerate", testCim+class, "", `<n:Enumerate xmlns:n="`+testEnum+`"/>`))
		_, rest, _ := strings.Cut(opened, "<g:EnumerationContext>")
		context, _, _ := strings.Cut(rest, "<")
		return context
	}
	context := open("CIM_PowerManagementCapabilities")
	page := c.must(c.pullRequest("CIM_PowerManagementCapabilities", context, 99))
	if !strings.Contains(page, "CIM_PowerManagementCapabilities>") || strings.Contains(page, "EndOfSequence") ||
		strings.Index(page, "<g:EnumerationContext>") > strings.Index(page, "<g:Items>") {
		t.Errorf("want the item, a context before it and no end in %s", page)
	}
	page = c.must(c.pullRequest("CIM_PowerManagementCapabilities", context, 99))
	if !strings.Contains(page, "<g:Items></g:Items><g:EndOfSequence></g:EndOfSequence>") {
		t.Errorf("want the end alone in %s", page)
	}
	context = open("CIM_BootSourceSetting")
	for i := range 4 {
		page = c.must(c.pullRequest("CIM_BootSourceSetting", context, 1))
		if strings.Count(page, "<h:InstanceID>") != 1 || strings.Contains(page, "EndOfSequence") != (i == 3) {
			t.Errorf("page %d: %s", i, page)
		}
	}
	noBogus(t, m)
	c.faults(c.pullRequest("CIM_BootSourceSetting", context, 1), 400, faultInvalidEnumerationContext)
	for range maxEnumerations {
		open("CIM_SoftwareIdentity")
	}
	c.faults(c.envelope(testEnum+"/Enumerate", testCim+"CIM_SoftwareIdentity", "", `<n:Enumerate xmlns:n="`+testEnum+`"/>`), 400, faultQuotaLimit)
	_, ten := kind(t, func(o *Options) { o.Profile = "10" })
	ten.faults(ten.envelope(testEnum+"/Enumerate", testAmt+"AMT_BootCapabilities", "", `<n:Enumerate xmlns:n="`+testEnum+`"/>`), 400, faultUnsupportedFeature)
}

func TestEveryClassIsServed(t *testing.T) {
	for _, name := range Profiles() {
		m, c := kind(t, func(o *Options) { o.Profile = name })
		for class := range m.instances {
			i := m.instances[class]
			if len(i) == 0 || !i[0].class.Can("Get") || !i[0].class.Singleton {
				continue
			}
			if reply := c.get(i[0].class.URI); !strings.Contains(reply, "<g:"+class+">") {
				t.Errorf("%s: Get %s: %s", name, class, reply)
			}
		}
		noBogus(t, m)
	}
}

func TestBogusRequests(t *testing.T) {
	get := testXfer + "/Get"
	system := testCim + "CIM_ComputerSystem"
	tests := map[string]struct {
		body    func(*rawClient) string
		subcode string
	}{
		"not XML":          {func(*rawClient) string { return "power on" }, faultInvalidMessage},
		"two roots":        {func(*rawClient) string { return "<a/><b/>" }, faultInvalidMessage},
		"document type":    {func(*rawClient) string { return `<!DOCTYPE a [<!ENTITY b "c">]><a/>` }, faultInvalidMessage},
		"no envelope":      {func(*rawClient) string { return "<a/>" }, faultInvalidMessage},
		"unknown class":    {func(c *rawClient) string { return c.envelope(get, testCim+"CIM_Nothing", "", "") }, faultDestinationUnreachable},
		"other namespace":  {func(c *rawClient) string { return c.envelope(get, testAmt+"CIM_ComputerSystem", "", "") }, faultDestinationUnreachable},
		"unknown verb":     {func(c *rawClient) string { return c.envelope(testXfer+"/Delete", system, "", "") }, faultActionNotSupported},
		"Put on read-only": {func(c *rawClient) string { return c.envelope(testXfer+"/Put", system, "", "") }, faultActionNotSupported},
		"no resource":      {func(c *rawClient) string { return c.envelope(get, "", "", "") }, faultMissingHeader},
		"wrong selector": {func(c *rawClient) string {
			return c.envelope(get, system, `<w:SelectorSet><w:Selector Name="Name">managedsystem</w:Selector></w:SelectorSet>`, "")
		}, faultInvalidSelectors},
		"no selector": {func(c *rawClient) string { return c.envelope(get, testCim+"CIM_SoftwareIdentity", "", "") }, faultInvalidSelectors},
		"option set": {func(c *rawClient) string {
			return c.envelope(get, system, `<w:OptionSet s:mustUnderstand="true"/>`, "")
		}, faultMustUnderstand},
		"small envelope": {func(c *rawClient) string {
			return c.envelope(get, system, `<w:MaxEnvelopeSize>4096</w:MaxEnvelopeSize>`, "")
		}, faultEncodingLimit},
		"Get with body": {func(c *rawClient) string { return c.envelope(get, system, "", "<x/>") }, faultSchemaValidation},
		"two bodies":    {func(c *rawClient) string { return c.envelope(get, system, "", "<x/><y/>") }, faultSchemaValidation},
		"too deep":      {func(*rawClient) string { return strings.Repeat("<a>", 99) + strings.Repeat("</a>", 99) }, faultInvalidMessage},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, c := kind(t, nil)
			c.faults(test.body(c), 400, test.subcode)
			if m.Counters().Bogus != 1 || m.Counters().Refused != 0 {
				t.Errorf("counters %+v", m.Counters())
			}
		})
	}
	m, c := kind(t, nil)
	if status, _, _, err := c.try(http.MethodGet, "/index.htm", "", ""); err != nil || status != 404 || m.Counters().Bogus != 1 {
		t.Errorf("status %d, %v, bogus %q", status, err, m.BogusReasons())
	}
}

func TestUnreachableAndBack(t *testing.T) {
	m, c := kind(t, nil)
	c.get(testCim + "CIM_ComputerSystem")
	if err := m.SetReachable(false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.post(c.powerRequest(PowerReset)); err == nil {
		t.Error("a machine cut off the network answered")
	}
	if err := m.SetReachable(true); err != nil {
		t.Fatal(err)
	}
	c.returns(c.powerRequest(PowerReset), 0)
}

func TestSleepingEngineDropsTheFirstConnections(t *testing.T) {
	m, c := kind(t, func(o *Options) {
		o.Timing = Immediate()
		o.Timing.Wake = time.Hour
	})
	c.get(testCim + "CIM_ComputerSystem")
	m.SleepEngine()
	if _, _, err := c.post(c.powerRequest(PowerReset)); err == nil {
		t.Error("a sleeping engine answered")
	}
	if s := m.Snapshot(); !s.Asleep || s.Counters.Dropped == 0 || s.Boots != 0 {
		t.Errorf("%+v, want it waking, and the request dropped", s)
	}
	m.mu.Lock()
	m.wakeAt = time.Now()
	m.mu.Unlock()
	c.returns(c.powerRequest(PowerReset), 0)
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	m, _ := kind(t, func(o *Options) { o.Timing.IdleClose = time.Millisecond })
	conn, err := net.Dial("tcp", m.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes of a connection that should be closed", n)
	}
	noBogus(t, m)
}

func TestTLS(t *testing.T) {
	m, c := kind(t, func(o *Options) { o.TLS = true })
	c.get(testCim + "CIM_ComputerSystem")
	if len(m.Fingerprint()) != 64 {
		t.Errorf("fingerprint %q", m.Fingerprint())
	}
	// the session cache: the same header passes again on the same connection
	header := c.authorization()
	for range 2 {
		status, _, text, err := c.try(http.MethodPost, "/wsman", header, c.envelope(testXfer+"/Get", testCim+"CIM_ComputerSystem", "", ""))
		if err != nil || status != 200 {
			t.Fatalf("status %d, %v: %s", status, err, text)
		}
	}
	uri := testCim + "CIM_BootService"
	c.returns(c.envelope(uri+"/RequestStateChange", uri, "", `<p:RequestStateChange_INPUT xmlns:p="`+uri+`"><p:RequestedState>32769</p:RequestedState></p:RequestStateChange_INPUT>`), 0)
	c.returns(c.roleRequest(1), 0)
	c.returns(c.orderRequest(sourceHTTP), 0)
	if got := m.Snapshot().Armed.Device; got != DeviceUefiHTTP {
		t.Errorf("armed %s", got)
	}
	noBogus(t, m)
}

func TestOnlyWholeNonsenseIsBogus(t *testing.T) {
	for text, bogus := range map[string]int{
		"POST /wsman HTTP/1.1\r\nHost: desk\r\nContent-Length: 99\r\n\r\ncut": 0,
		"garbage\r\n\r\n": 1,
		"POST /wsman HTTP/1.1\r\nHost: desk\r\nX: " + strings.Repeat("x", maxRequest) + "\r\n\r\n": 1,
	} {
		m, _ := kind(t, nil)
		conn, err := net.Dial("tcp", m.Addr())
		if err != nil {
			t.Fatal(err)
		}
		// the write of the long one may fail half-way: the machine hangs up
		_, _ = conn.Write([]byte(text))
		if err := conn.(*net.TCPConn).CloseWrite(); err == nil {
			_, _ = conn.Read(make([]byte, 1)) // returns when the machine hangs up
		}
		_ = conn.Close()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if got := m.Counters().Bogus; got != bogus {
			t.Errorf("%.40q: %d bogus, want %d: %q", text, got, bogus, m.BogusReasons())
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	c := &rawClient{}
	f.Add([]byte(c.powerRequest(PowerReset)))
	f.Add([]byte(c.orderRequest(sourcePxe)))
	f.Add([]byte(c.envelope(testXfer+"/Get", testCim+"CIM_ComputerSystem", `<w:SelectorSet><w:Selector Name="Name">x</w:Selector></w:SelectorSet>`, "")))
	f.Add([]byte(`<!DOCTYPE a><a/>`))
	f.Add([]byte(strings.Repeat("<a>", 40)))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, fault := decodeEnvelope(text)
		if fault != nil {
			if fault.bogus == "" || fault.kind().status != 400 {
				t.Errorf("fault %+v says nothing of what was wrong", fault)
			}
			return
		}
		if e.action == "" || e.resource == "" || e.messageID == "" {
			t.Errorf("accepted without a header: %+v", e)
		}
		class, known := classOf(e.resource)
		if !known {
			return
		}
		for _, method := range class.Methods {
			if in, wrong := readInput(class, method, e.body); wrong == "" {
				for _, p := range method.In {
					if !p.Optional && !in.has(p.Name) && len(in.references[p.Name]) == 0 {
						t.Errorf("accepted %s without %s", method.Name, p.Name)
					}
				}
			}
		}
		reply := encodeReply(outcome{fault: refusedFault(faultAccessDenied)}, e, 1)
		if _, err := parseXML([]byte(reply)); err != nil {
			t.Errorf("the reply is no XML: %v: %s", err, reply)
		}
	})
}
