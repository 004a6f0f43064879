package wsman

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testResource = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_Thing"
	testUser     = "admin"
	testPassword = "Pass:w0rd"
	// A recorded challenge of AMT 16.1.25: odd spacing, a qop list.
	testChallenge = `Digest realm="Digest:2517B2332AFD88353D5F5FD352697901", nonce="QYePBLMVAAAAAAAAjfXveceOM5bNfu/K",stale="false",qop="auth-int, auth"`
)

// act is what the scripted server does with one request.
type act struct {
	raw   string // written as it is
	close bool   // close the connection after it
	hold  <-chan struct{}
}

// asked is one request that the scripted server read.
type asked struct {
	conn          int
	authorization string
	header        http.Header
	body          string
}

// scripted is a server that does what its script says, byte by byte.
type scripted struct {
	addr   string
	script func(n int, r asked) act

	mu    sync.Mutex
	asked []asked
	conns int
}

func serve(t *testing.T, script func(n int, r asked) act) *scripted {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{addr: listener.Addr().String(), script: script}
	var group sync.WaitGroup
	var open sync.Map
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Store(conn, true)
			s.mu.Lock()
			s.conns++
			n := s.conns
			s.mu.Unlock()
			group.Go(func() {
				defer conn.Close()
				s.converse(conn, n)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		open.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
		group.Wait()
	})
	return s
}

func (s *scripted) converse(conn net.Conn, number int) {
	reader := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		q := asked{conn: number, authorization: r.Header.Get("Authorization"), header: r.Header, body: string(body)}
		s.mu.Lock()
		s.asked = append(s.asked, q)
		n := len(s.asked)
		s.mu.Unlock()
		do := s.script(n, q)
		if do.hold != nil {
			<-do.hold
		}
		if _, err := io.WriteString(conn, do.raw); err != nil || do.close {
			return
		}
	}
}

func (s *scripted) requests() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]asked(nil), s.asked...)
}

func (s *scripted) client(t *testing.T, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{Address: s.addr, Username: testUser, Password: func() string { return testPassword }}
	for _, c := range change {
		c(&o)
	}
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// unauthorized is the recorded head of a refusal, with a body of ours.
func unauthorized(challenge string) act {
	html := "<html><body>no</body></html>"
	return act{raw: fmt.Sprintf("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: %s\r\nContent-Type: text/html\r\nServer: Intel(R) Active Management Technology 16.1.25.1917\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", challenge, len(html), html), close: true}
}

// envelope is a reply with the prefixes that firmware uses.
func envelope(relatesTo, body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><a:Envelope xmlns:a="http://www.w3.org/2003/05/soap-envelope" xmlns:b="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:c="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:g="` + testResource + `" xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"><a:Header><b:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</b:To><b:RelatesTo>` + relatesTo + `</b:RelatesTo></a:Header><a:Body>` + body + `</a:Body></a:Envelope>`
}

// success is the recorded head of a reply, chunked at the sizes given.
func success(text string, sizes ...int) act {
	return act{raw: "HTTP/1.1 200 OK\r\nDate: Mon, 10 Jan 2022 20:37:48 GMT\r\nServer: Intel(R) Active Management Technology 15.0.23.1706\r\nX-Frame-Options: DENY\r\nContent-Type: application/soap+xml; charset=UTF-8\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(text, sizes...)}
}

func chunked(text string, sizes ...int) string {
	var b strings.Builder
	for len(text) > 0 {
		n := len(text)
		if len(sizes) > 0 {
			n, sizes = min(n, sizes[0]), sizes[1:]
		}
		fmt.Fprintf(&b, "%04X\r\n%s\r\n", n, text[:n])
		text = text[n:]
	}
	return b.String() + "0\r\n\r\n"
}

func fault(status int, subcode, reason, detail string) act {
	text := envelope("", `<a:Fault><a:Code><a:Value>a:Sender</a:Value><a:Subcode><a:Value>`+subcode+`</a:Value></a:Subcode></a:Code><a:Reason><a:Text xml:lang="en-US">`+reason+`</a:Text></a:Reason><a:Detail>`+detail+`</a:Detail></a:Fault>`)
	return act{raw: fmt.Sprintf("HTTP/1.1 %d Bad\r\nContent-Type: application/soap+xml; charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s", status, len(text), text)}
}

const thing = `<g:CIM_Thing><g:Count>7</g:Count><g:Name>a &amp; b</g:Name></g:CIM_Thing>`

// messageID finds the request's message id without the client's own decoder.
func messageID(r asked) string {
	_, rest, _ := strings.Cut(r.body, "MessageID>")
	id, _, _ := strings.Cut(rest, "<")
	return id
}

// behindDigest answers requests without credentials with a challenge, and the
// others by the function, which is given their number from 1.
func behindDigest(answer func(n int, r asked) act) func(int, asked) act {
	n := 0
	var mu sync.Mutex
	return func(_ int, r asked) act {
		if r.authorization == "" {
			return unauthorized(testChallenge)
		}
		mu.Lock()
		n++
		number := n
		mu.Unlock()
		return answer(number, r)
	}
}
