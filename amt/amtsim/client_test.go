package amtsim

import (
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// rawClient is a WS-Man client by hand, for this package's tests only: text
// in, text out, digest as RFC 2617 says.
type rawClient struct {
	t          *testing.T
	machine    *Machine
	http       *http.Client
	password   string
	header     string // the last challenge
	count      int
	messageID  int
	challenges int
	scheme     string
}

const (
	testEnv  = "http://www.w3.org/2003/05/soap-envelope"
	testAddr = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
	testMan  = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
	testCim  = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
	testAmt  = "http://intel.com/wbem/wscim/1/amt-schema/1/"
	testEnum = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
	testXfer = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
)

// start runs a machine for the test, and fails the test if anything bogus was
// received unless it says so.
func start(t *testing.T, options Options) *Machine {
	t.Helper()
	if options.Seed == 0 {
		options.Seed = 7
	}
	m, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("seed %d; bogus: %q", m.options.Seed, m.BogusReasons())
		}
	})
	return m
}

// kind runs a powered-on machine without chance and latency.
func kind(t *testing.T, change func(*Options)) (*Machine, *rawClient) {
	t.Helper()
	o := Options{Quirks: Kind(), Timing: Immediate(), Power: PowerOn, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	m := start(t, o)
	return m, newRaw(t, m)
}

func newRaw(t *testing.T, m *Machine) *rawClient {
	transport := &http.Transport{MaxConnsPerHost: 1, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	c := &rawClient{t: t, machine: m, http: &http.Client{Transport: transport}, password: m.options.Password, scheme: "http"}
	if m.tls != nil {
		c.scheme = "https"
	}
	return c
}

func hash(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

var challengeValue = regexp.MustCompile(`(realm|nonce)="([^"]*)"`)

func (c *rawClient) authorization() string {
	if c.header == "" {
		return ""
	}
	values := map[string]string{}
	for _, f := range challengeValue.FindAllStringSubmatch(c.header, -1) {
		values[f[1]] = f[2]
	}
	c.count++
	nc := fmt.Sprintf("%08x", c.count)
	response := hash(strings.Join([]string{hash("admin:" + values["realm"] + ":" + c.password), values["nonce"], nc, "0a4f113b", "auth", hash("POST:/wsman")}, ":"))
	return fmt.Sprintf(`Digest username="admin",realm="%s",nonce="%s",uri="/wsman",qop=auth,nc=%s,cnonce="0a4f113b",response="%s"`,
		values["realm"], values["nonce"], nc, response)
}

// try sends one HTTP request as it is.
func (c *rawClient) try(method, path, authorization, body string) (int, http.Header, string, error) {
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.scheme+"://"+c.machine.Addr()+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, response.Header, string(text), err
}

// post sends an envelope, answering one challenge.
func (c *rawClient) post(body string) (int, string, error) {
	for attempt := 0; ; attempt++ {
		status, header, text, err := c.try(http.MethodPost, "/wsman", c.authorization(), body)
		if err != nil || status != http.StatusUnauthorized || attempt == 1 {
			return status, text, err
		}
		c.header, c.count = header.Get("WWW-Authenticate"), 0
		c.challenges++
	}
}

func (c *rawClient) envelope(action, resource, extra, body string) string {
	c.messageID++
	return fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="%s" xmlns:a="%s" xmlns:w="%s"><s:Header><a:Action>%s</a:Action><a:To>/wsman</a:To><w:ResourceURI>%s</w:ResourceURI><a:MessageID>%d</a:MessageID><a:ReplyTo><a:Address>%s/role/anonymous</a:Address></a:ReplyTo><w:OperationTimeout>PT60S</w:OperationTimeout>%s</s:Header><s:Body>%s</s:Body></s:Envelope>`,
		testEnv, testAddr, testMan, action, resource, c.messageID, testAddr, extra, body)
}

// must sends and wants a 200.
func (c *rawClient) must(body string) string {
	c.t.Helper()
	status, text, err := c.post(body)
	if err != nil || status != http.StatusOK {
		c.t.Fatalf("status %d, error %v: %s\nbogus: %q", status, err, text, c.machine.BogusReasons())
	}
	return text
}

func (c *rawClient) get(resource string) string {
	c.t.Helper()
	return c.must(c.envelope(testXfer+"/Get", resource, "", ""))
}

func reference(resource, key, value string) string {
	return fmt.Sprintf(`<a:Address>%s/role/anonymous</a:Address><a:ReferenceParameters><w:ResourceURI>%s</w:ResourceURI><w:SelectorSet><w:Selector Name="%s">%s</w:Selector></w:SelectorSet></a:ReferenceParameters>`,
		testAddr, resource, key, value)
}

func (c *rawClient) invoke(class, method, input string) string {
	uri := testCim + class
	return c.envelope(uri+"/"+method, uri, "", fmt.Sprintf(`<p:%s_INPUT xmlns:p="%s">%s</p:%s_INPUT>`, method, uri, input, method))
}

func (c *rawClient) powerRequest(state int) string {
	return c.invoke("CIM_PowerManagementService", "RequestPowerStateChange",
		fmt.Sprintf("<p:PowerState>%d</p:PowerState><p:ManagedElement>%s</p:ManagedElement>", state, reference(testCim+"CIM_ComputerSystem", "Name", "ManagedSystem")))
}

func (c *rawClient) orderRequest(source string) string {
	if source == "" {
		return c.invoke("CIM_BootConfigSetting", "ChangeBootOrder", "")
	}
	return c.invoke("CIM_BootConfigSetting", "ChangeBootOrder", "<p:Source>"+reference(testCim+"CIM_BootSourceSetting", "InstanceID", source)+"</p:Source>")
}

func (c *rawClient) roleRequest(role int) string {
	return c.invoke("CIM_BootService", "SetBootConfigRole",
		fmt.Sprintf("<p:BootConfigSetting>%s</p:BootConfigSetting><p:Role>%d</p:Role>", reference(testCim+"CIM_BootConfigSetting", "InstanceID", "Intel(r) AMT: Boot Configuration 0"), role))
}

// returns sends and wants that return value in a 200.
func (c *rawClient) returns(body string, want int) {
	c.t.Helper()
	if got := c.must(body); !strings.Contains(got, fmt.Sprintf("<g:ReturnValue>%d</g:ReturnValue>", want)) {
		c.t.Fatalf("want return value %d in %s", want, got)
	}
}

// faults sends and wants that subcode and status.
func (c *rawClient) faults(body string, status int, subcode string) {
	c.t.Helper()
	got, text, err := c.post(body)
	if err != nil || got != status || !strings.Contains(text, ":"+subcode+"</a:Value></a:Subcode>") {
		c.t.Fatalf("status %d, error %v, want %d %s: %s", got, err, status, subcode, text)
	}
}

// arm does what most clients do: clear, role, source.
func (c *rawClient) arm(source string) {
	c.t.Helper()
	c.returns(c.orderRequest(""), 0)
	c.returns(c.roleRequest(1), 0)
	c.returns(c.orderRequest(source), 0)
}

// noBogus wants that nothing bogus was received.
func noBogus(t *testing.T, m *Machine) {
	t.Helper()
	if m.Counters().Bogus != 0 {
		t.Errorf("bogus requests: %q", m.BogusReasons())
	}
}

// await waits for a condition; the limit only ends a test that hangs.
func await(t *testing.T, m *Machine, condition func(Snapshot) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := m.Wait(ctx, condition); err != nil {
		t.Fatal(err)
	}
}

func (c *rawClient) pullRequest(class, context string, limit int) string {
	return c.envelope(testEnum+"/Pull", testCim+class, "",
		fmt.Sprintf(`<n:Pull xmlns:n="%s"><n:EnumerationContext>%s</n:EnumerationContext><n:MaxElements>%d</n:MaxElements></n:Pull>`, testEnum, context, limit))
}
