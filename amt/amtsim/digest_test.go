package amtsim

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestChallengeFollowsTheRelease(t *testing.T) {
	tests := map[string]struct{ qop, realmEnd string }{
		"7":    {`qop="auth"`, strings.Repeat("0", 28)},
		"11.8": {`qop="auth"`, strings.Repeat("0", 28)},
		"14.1": {`qop="auth"`, ""},
		"16.1": {`qop="auth-int, auth"`, ""},
	}
	for name, test := range tests {
		m, c := kind(t, func(o *Options) { o.Profile = name })
		status, header, text, err := c.try(http.MethodPost, "/wsman", "", "")
		challenge := header.Get("WWW-Authenticate")
		realm, _, _ := strings.Cut(strings.TrimPrefix(challenge, `Digest realm="`), `"`)
		if err != nil || status != 401 || !strings.HasSuffix(challenge, `,stale="false",`+test.qop) || !strings.Contains(text, "locked") {
			t.Errorf("%s: status %d, %v, %s: %s", name, status, err, challenge, text)
		}
		if len(realm) != len("Digest:")+32 || !strings.HasSuffix(realm, test.realmEnd) || realm != m.realm {
			t.Errorf("%s: realm %q", name, realm)
		}
		if reply := c.get(testAmt + "AMT_GeneralSettings"); !strings.Contains(reply, "<g:DigestRealm>"+realm+"<") {
			t.Errorf("%s: the realm is not shown in %s", name, reply)
		}
	}
}

func TestSteadyTrafficNeedsNoChallenge(t *testing.T) {
	m, c := kind(t, nil)
	for range 50 {
		c.get(testCim + "CIM_AssociatedPowerManagementService")
	}
	want := Counters{Exchanges: 50, Unauthorized: 1, Connections: 2}
	if got := m.Counters(); got != want {
		t.Errorf("counters %+v, want %+v", got, want)
	}
}

func TestFreshNoncesAreDemandedNowAndThen(t *testing.T) {
	count := func() int {
		m, c := kind(t, func(o *Options) { o.Quirks.StableNonces = false })
		for range 200 {
			c.get(testCim + "CIM_ComputerSystem")
		}
		n := m.Counters()
		if n.Bogus != 0 || n.WrongCredentials != 0 || n.Unauthorized != n.NonceResets+1 {
			t.Errorf("counters %+v", n)
		}
		return n.NonceResets
	}
	first, second := count(), count()
	if first == 0 || first > 40 || first != second {
		t.Errorf("%d and %d resets in 200 requests, want about ten and the same for one seed", first, second)
	}
}

func TestCredentialsThatDoNotPass(t *testing.T) {
	body := func(c *rawClient) string { return c.envelope(testXfer+"/Get", testCim+"CIM_ComputerSystem", "", "") }
	tests := map[string]struct {
		spoil func(string) string
		want  Counters
	}{
		"decimal nc":     {func(h string) string { return strings.Replace(h, "nc=00000002", "nc=2", 1) }, Counters{Bogus: 1}},
		"replayed nc":    {func(h string) string { return h }, Counters{}},
		"qop":            {func(h string) string { return strings.Replace(h, "qop=auth", "qop=none", 1) }, Counters{Bogus: 1}},
		"uri":            {func(h string) string { return strings.Replace(h, `uri="/wsman"`, `uri="/"`, 1) }, Counters{Bogus: 1}},
		"no cnonce":      {func(h string) string { return strings.Replace(h, "cnonce=", "other=", 1) }, Counters{Bogus: 1}},
		"user":           {func(h string) string { return strings.Replace(h, `"admin"`, `"root"`, 1) }, Counters{WrongCredentials: 1}},
		"response":       {func(h string) string { return h[:len(h)-5] + `0000"` }, Counters{WrongCredentials: 1}},
		"unknown nonce":  {func(h string) string { return strings.Replace(h, `nonce="`, `nonce="A`, 1) }, Counters{}},
		"other scheme":   {func(string) string { return "Basic YWRtaW46UEBzc3cwcmQ=" }, Counters{Bogus: 1}},
		"not credential": {func(string) string { return "Digest" }, Counters{Bogus: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, c := kind(t, nil)
			c.get(testCim + "CIM_ComputerSystem")
			before := m.Counters()
			header := test.spoil(c.authorization())
			if name == "replayed nc" {
				if status, _, _, err := c.try(http.MethodPost, "/wsman", header, body(c)); err != nil || status != 200 {
					t.Fatalf("first use: %d, %v", status, err)
				}
				test.want.Bogus = 1
			}
			status, _, _, err := c.try(http.MethodPost, "/wsman", header, body(c))
			after := m.Counters()
			if err != nil || status != 401 || after.Bogus != test.want.Bogus || after.WrongCredentials != test.want.WrongCredentials ||
				after.Unauthorized != before.Unauthorized+1 {
				t.Errorf("status %d, %v, counters %+v; bogus %q", status, err, after, m.BogusReasons())
			}
		})
	}
}

func TestAuthIntCoversTheBody(t *testing.T) {
	m, c := kind(t, nil)
	_, header, _, err := c.try(http.MethodPost, "/wsman", "", "")
	if err != nil {
		t.Fatal(err)
	}
	c.header = header.Get("WWW-Authenticate")
	body := c.envelope(testXfer+"/Get", testCim+"CIM_ComputerSystem", "", "")
	plain := c.authorization()
	fields := map[string]string{}
	for _, f := range challengeValue.FindAllStringSubmatch(c.header, -1) {
		fields[f[1]] = f[2]
	}
	answer := hash(strings.Join([]string{hash("admin:" + fields["realm"] + ":" + c.password), fields["nonce"], "00000001", "0a4f113b", "auth-int", hash("POST:/wsman:" + hash(body))}, ":"))
	whole := strings.Replace(plain[:strings.LastIndex(plain, "response=")], "qop=auth", "qop=auth-int", 1) + `response="` + answer + `"`
	if status, _, text, err := c.try(http.MethodPost, "/wsman", whole, body+" "); err != nil || status != 401 {
		t.Errorf("another body passed: %d, %v: %s", status, err, text)
	}
	if status, _, text, err := c.try(http.MethodPost, "/wsman", whole, body); err != nil || status != 200 {
		t.Errorf("status %d, %v: %s; bogus %q", status, err, text, m.BogusReasons())
	}
}

func TestLockoutRefusesTheRightPassword(t *testing.T) {
	m, c := kind(t, func(o *Options) { o.Lockout = Lockout{Failures: 2, Duration: time.Hour} })
	right := c.password
	c.password = "wrong"
	for range 2 {
		if status, _, err := c.post(c.powerRequest(PowerReset)); err != nil || status != 401 {
			t.Fatalf("status %d, %v", status, err)
		}
	}
	c.password = right
	if status, _, err := c.post(c.powerRequest(PowerReset)); err != nil || status != 401 {
		t.Errorf("status %d, %v: the account is not locked", status, err)
	}
	m.mu.Lock()
	m.digest.lockedUntil = time.Time{}
	m.mu.Unlock()
	c.returns(c.powerRequest(PowerReset), 0)
}

func TestFloodLooksLikeWrongCredentials(t *testing.T) {
	m, c := kind(t, func(o *Options) { o.Flood = Flood{PerSecond: 1, Connections: 1} })
	c.header = ""
	refused := false
	for range 20 {
		status, _, err := c.post(c.envelope(testXfer+"/Get", testCim+"CIM_ComputerSystem", "", ""))
		refused = refused || err != nil || status == 401
	}
	if n := m.Counters(); !refused || n.WrongCredentials != 0 || n.Bogus != 0 {
		t.Errorf("refused %t, counters %+v", refused, n)
	}
}
