package wsman

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

func hashOf(parts ...string) string {
	sum := md5.Sum([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(sum[:])
}

var authorizationField = regexp.MustCompile(`(\w+)=(?:"([^"]*)"|([^,]*))`)

// checkDigest verifies an answer to testChallenge from RFC 2617, with none of
// the client's code.
func checkDigest(t *testing.T, r asked, qop, nc string) {
	t.Helper()
	f := map[string]string{}
	for _, m := range authorizationField.FindAllStringSubmatch(r.authorization, -1) {
		f[m[1]] = m[2] + m[3]
	}
	if f["qop"] != qop || f["nc"] != nc || f["username"] != testUser || f["uri"] != "/wsman" || len(f["cnonce"]) < 16 {
		t.Errorf("answer is %s", r.authorization)
	}
	ha2 := hashOf("POST", "/wsman")
	if qop == "auth-int" {
		ha2 = hashOf("POST", "/wsman", hashOf(r.body))
	}
	want := hashOf(hashOf(testUser, f["realm"], testPassword), f["nonce"], f["nc"], f["cnonce"], f["qop"], ha2)
	if f["response"] != want {
		t.Errorf("response is %s, want %s", f["response"], want)
	}
}

// The example of RFC 2617, 3.5.
func TestAnswerOfTheStandard(t *testing.T) {
	c, err := parseChallenge([]string{`Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`})
	if err != nil {
		t.Fatal(err)
	}
	d := digest{username: "Mufasa", password: func() string { return "Circle Of Life" }}
	d.adopt(c)
	d.count = 1
	got := d.answer(http.MethodGet, "/dir/index.html", nil, "0a4f113b")
	for _, want := range []string{`response="6629fae49393a05397450978507c4ef1"`, `opaque="5ccc069c403ebaf9f0171e9517f40e41"`, "nc=00000001,", "qop=auth,"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
}

func TestParseChallenge(t *testing.T) {
	for _, test := range []struct {
		name   string
		fields []string
		want   challenge
		fails  bool
	}{
		{name: "recorded, 16.1", fields: []string{testChallenge},
			want: challenge{realm: "Digest:2517B2332AFD88353D5F5FD352697901", nonce: "QYePBLMVAAAAAAAAjfXveceOM5bNfu/K", qop: []string{"auth-int", "auth"}}},
		{name: "recorded, older", fields: []string{`Digest realm="Digest:A4070000000000000000000000000000", nonce="+/8=",stale="false",qop="auth"`},
			want: challenge{realm: "Digest:A4070000000000000000000000000000", nonce: "+/8=", qop: []string{"auth"}}},
		{name: "after another scheme", fields: []string{"Negotiate", `Basic realm="x", Digest realm=plain , nonce = abc,STALE=true`},
			want: challenge{realm: "plain", nonce: "abc", stale: true}},
		{name: "before another scheme", fields: []string{`Digest nonce="a", Negotiate abc==`}, want: challenge{nonce: "a"}},
		{name: "escaped quote", fields: []string{`digest realm="a\"b,c", nonce="n", algorithm=md5, opaque="o"`},
			want: challenge{realm: `a"b,c`, nonce: "n", algorithm: "md5", opaque: "o"}},
		{name: "no digest", fields: []string{"Basic realm=x"}, fails: true},
		{name: "nothing", fails: true},
		{name: "no nonce", fields: []string{`Digest realm="x"`}, fails: true},
		{name: "unterminated", fields: []string{`Digest realm="x`}, fails: true},
		{name: "other algorithm", fields: []string{`Digest nonce="x", algorithm=SHA-256`}, fails: true},
		{name: "other protection", fields: []string{`Digest nonce="x", qop="auth-conf"`}, fails: true},
		{name: "out of place", fields: []string{`Digest ;`}, fails: true},
		{name: "too long", fields: []string{"Digest nonce=" + strings.Repeat("x", maxChallenge)}, fails: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseChallenge(test.fields)
			if (err != nil) != test.fails || err == nil && !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestProtectionOfTheBodyOnlyWhereNothingElseIsOffered(t *testing.T) {
	for offered, want := range map[string]string{"auth": "auth", "auth-int, auth": "auth", "AUTH": "auth", "auth-int": "auth-int"} {
		s := serve(t, func(n int, r asked) act {
			if r.authorization == "" {
				return unauthorized(`Digest realm="r", nonce="n",qop="` + offered + `"`)
			}
			return success(envelope(messageID(r), thing))
		})
		if _, err := s.client(t).With(Limits{}).Get(within(t), testResource); err != nil {
			t.Fatal(err)
		}
		checkDigest(t, s.requests()[1], want, "00000001")
	}
}

func TestNonceResetIsNoWrongAnswer(t *testing.T) {
	s := serve(t, behindDigest(func(n int, r asked) act {
		if n%2 == 0 {
			return unauthorized(strings.Replace(testChallenge, "QYeP", fmt.Sprintf("%04d", n), 1))
		}
		return success(envelope(messageID(r), thing))
	}))
	c := s.client(t)
	for range 6 {
		if _, err := c.With(Limits{}).Get(within(t), testResource); err != nil {
			t.Fatal(err)
		}
	}
	if c.wrong != 0 {
		t.Errorf("%d wrong answers counted", c.wrong)
	}
	last := s.requests()
	checkDigest(t, last[len(last)-1], "auth", "00000001")
}

func TestStaleNonceIsAnsweredAgain(t *testing.T) {
	s := serve(t, behindDigest(func(n int, r asked) act {
		if n == 1 {
			return unauthorized(strings.Replace(testChallenge, `stale="false"`, `stale="true"`, 1))
		}
		return success(envelope(messageID(r), thing))
	}))
	if _, err := s.client(t).With(Limits{}).Get(within(t), testResource); err != nil {
		t.Fatal(err)
	}
}

func TestWrongCredentialsStopAfterThree(t *testing.T) {
	answered := 0
	s := serve(t, behindDigest(func(n int, r asked) act {
		answered = n
		return unauthorized(testChallenge)
	}))
	c := s.client(t, func(o *Options) { o.WrongWait, o.CoolDown = time.Nanosecond, time.Hour })
	for try := 1; try <= maxWrong; try++ {
		_, err := c.With(Limits{}).Get(within(t), testResource)
		e := wantReason(t, err, ReasonUnauthorized)
		if e.Status != http.StatusUnauthorized || e.MayHaveExecuted() {
			t.Errorf("try %d: %+v", try, e)
		}
		if answered != try {
			t.Fatalf("try %d gave %d wrong answers in all", try, answered)
		}
	}
	sent := len(s.requests())
	_, err := c.With(Limits{}).Get(within(t), testResource)
	if e := wantReason(t, err, ReasonUnauthorized); e.Status != 0 || e.Wait <= 0 || e.Wait > time.Hour {
		t.Errorf("got %+v", e)
	}
	if n := len(s.requests()); n != sent {
		t.Errorf("%d requests were sent while cooling down", n-sent)
	}
}

func TestWrongAnswersAreSpacedAndForgotten(t *testing.T) {
	refuse := true
	s := serve(t, behindDigest(func(n int, r asked) act {
		if refuse {
			return unauthorized(testChallenge)
		}
		return success(envelope(messageID(r), thing))
	}))
	c := s.client(t, func(o *Options) { o.WrongWait = time.Hour })
	get := func() error {
		_, err := c.With(Limits{}).Get(within(t), testResource)
		return err
	}
	wantReason(t, get(), ReasonUnauthorized)
	sent := len(s.requests())
	wantReason(t, get(), ReasonUnauthorized)
	if n := len(s.requests()); n != sent {
		t.Fatalf("a request was sent at once after a wrong answer")
	}
	refuse, c.until = false, time.Time{}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	if c.wrong != 0 {
		t.Errorf("%d wrong answers are remembered after a right one", c.wrong)
	}
}

func TestRefusalWithoutChallenge(t *testing.T) {
	s := serve(t, func(n int, r asked) act {
		return act{raw: "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", close: true}
	})
	_, err := s.client(t).With(Limits{}).Get(within(t), testResource)
	wantReason(t, err, ReasonUnauthorized)
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}
