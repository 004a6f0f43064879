package wsman

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func reasonOf(err error) (Reason, *Error) {
	var e *Error
	if !errors.As(err, &e) {
		return reasonEnd, nil
	}
	return e.Reason, e
}

func wantReason(t *testing.T, err error, want Reason) *Error {
	t.Helper()
	got, e := reasonOf(err)
	if got != want {
		t.Fatalf("error %v has reason %v, want %v", err, got, want)
	}
	return e
}

func TestGetAnswersTheChallengeOnceAndKeepsTheConnection(t *testing.T) {
	s := serve(t, behindDigest(func(n int, r asked) act { return success(envelope(messageID(r), thing), 40, 3, 1) }))
	c := s.client(t)
	for range 3 {
		i, err := c.With(Limits{}).Get(within(t), testResource)
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := i.Int("Count"); n != 7 || !ok || i.Name != "CIM_Thing" || i.Resource != testResource {
			t.Fatalf("got %+v", i)
		}
		if name, _ := i.Text("Name"); name != "a & b" {
			t.Fatalf("name is %q", name)
		}
	}
	got := s.requests()
	if len(got) != 4 {
		t.Fatalf("%d requests, want one challenge and three answered ones", len(got))
	}
	for i, r := range got[1:] {
		if r.conn != 2 {
			t.Errorf("request %d came on connection %d, want the second", i+2, r.conn)
		}
		checkDigest(t, r, "auth", []string{"00000001", "00000002", "00000003"}[i])
		if r.header.Get("Accept-Encoding") != "" || r.header.Get("Expect") != "" {
			t.Errorf("request asks for what firmware does not have: %v", r.header)
		}
	}
}

func TestChunksMaySplitAnywhere(t *testing.T) {
	text := envelope("1", thing)
	for size := 1; size < len(text); size += 61 {
		s := serve(t, func(n int, r asked) act { return success(text, size, 1, 2, 0x220) })
		if _, err := s.client(t).With(Limits{}).Get(within(t), testResource); err != nil {
			t.Fatalf("first chunk of %d: %v", size, err)
		}
	}
}

func TestBodyUntilClose(t *testing.T) {
	s := serve(t, func(n int, r asked) act {
		return act{raw: "HTTP/1.0 200 OK\r\nContent-Type: application/soap+xml\r\n\r\n" + envelope(messageID(r), thing), close: true}
	})
	c := s.client(t)
	for range 2 {
		if _, err := c.With(Limits{}).Get(within(t), testResource); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.requests(); len(got) != 2 || got[1].conn != 2 {
		t.Fatalf("requests %+v, want two on two connections", got)
	}
}

func TestInterimAnswersAreSkipped(t *testing.T) {
	s := serve(t, func(n int, r asked) act {
		a := success(envelope(messageID(r), thing))
		a.raw = "HTTP/1.1 100 Continue\r\n\r\n" + a.raw
		return a
	})
	if _, err := s.client(t).With(Limits{}).Get(within(t), testResource); err != nil {
		t.Fatal(err)
	}
}

func TestUnusableAnswers(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/soap+xml\r\n\r\n"
	deep := strings.Repeat("<g:x>", 60) + strings.Repeat("</g:x>", 60)
	for name, raw := range map[string]string{
		"HTML":             "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n<html/>",
		"empty":            head,
		"garbage":          head + "garbage",
		"two roots":        head + envelope("1", thing) + "<b/>",
		"trailing text":    head + envelope("1", thing) + "xyz",
		"no envelope":      head + "<a/>",
		"other namespace":  head + strings.ReplaceAll(envelope("1", thing), "2003/05/soap-envelope", "other"),
		"no body":          head + `<a:Envelope xmlns:a="http://www.w3.org/2003/05/soap-envelope"/>`,
		"doctype":          head + `<!DOCTYPE a [<!ENTITY x "y">]>` + envelope("1", thing),
		"other class":      head + envelope("1", `<g:CIM_Other/>`),
		"other message":    head + envelope("77", thing),
		"too deep":         head + envelope("1", `<g:CIM_Thing>`+deep+`</g:CIM_Thing>`),
		"too many tags":    head + envelope("1", `<g:CIM_Thing>`+strings.Repeat("<g:x/>", maxTags)+`</g:CIM_Thing>`),
		"too large":        head + strings.Repeat(" ", maxBody+1),
		"status, no fault": "HTTP/1.1 500 Oops\r\nConnection: close\r\nContent-Type: text/xml\r\n\r\n" + envelope("1", thing),
		"not found":        "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: text/html\r\n\r\nno",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(n int, r asked) act { return act{raw: raw, close: true} })
			_, err := s.client(t).With(Limits{}).Get(within(t), testResource)
			e := wantReason(t, err, ReasonAnswer)
			if want := name != "not found"; e.MayHaveExecuted() != want {
				t.Errorf("%v: may have executed is %v, want %v", e, !want, want)
			}
		})
	}
}

func TestAnswersThatNeverEnd(t *testing.T) {
	s := serve(t, func(n int, r asked) act {
		return act{raw: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 3000), close: true}
	})
	_, err := s.client(t).With(Limits{}).Get(within(t), testResource)
	wantReason(t, err, ReasonAnswer)
}

func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name    string
		act     act
		is, not string
		status  int
		maybe   bool
	}{
		{"recorded", fault(400, "b:DestinationUnreachable", "No route can be determined to reach the destination role defined by the WSAddressing To.", ""), "destinationunreachable", "AccessDenied", -1, false},
		{"status in the detail", fault(500, "e:InternalError", "x", "<d>AMT-STATUS 2081</d>"), "InternalError", "TimedOut", 2081, false},
		{"no status", fault(500, "e:TimedOut", "The operation has timed out.", ""), "TimedOut", "InternalError", -1, true},
		{"no prefix", fault(400, "AccessDenied", "", "AMT-STATUS: 16"), "AccessDenied", "", 16, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, func(n int, r asked) act { return test.act })
			_, err := s.client(t).With(Limits{}).Get(within(t), testResource)
			e := wantReason(t, err, ReasonFault)
			if !e.HasFault("x", test.is) || e.HasFault(test.not) || e.Fault.Status != test.status || e.MayHaveExecuted() != test.maybe {
				t.Errorf("got %+v", e.Fault)
			}
			var f *Fault
			if !errors.As(err, &f) {
				t.Error("the fault is not in the chain")
			}
		})
	}
}

func TestRequestsAreEscapedAndMinimal(t *testing.T) {
	s := serve(t, func(n int, r asked) act {
		return success(envelope(messageID(r), `<g:Do_OUTPUT><g:ReturnValue>0</g:ReturnValue></g:Do_OUTPUT>`))
	})
	nasty := `<&"'>` + "\u00e9"
	_, err := s.client(t).With(Limits{}).Invoke(within(t), Call{
		Resource: testResource, Method: "Do",
		Selectors:  []Selector{{"Na\"me", nasty}},
		Parameters: []Property{{Name: "Text", Text: nasty}, {Name: "Ref", Reference: &Reference{Resource: testResource, Selectors: []Selector{{"InstanceID", nasty}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := decode([]byte(s.requests()[0].body))
	if err != nil {
		t.Fatalf("what was sent is no envelope: %v", err)
	}
	input, err := sent.instance(testResource, "Do_INPUT")
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := input.Text("Text"); text != nasty {
		t.Errorf("text arrived as %q", text)
	}
	if ref := input.Reference("Ref"); ref.Resource != testResource || ref.Selector("InstanceID") != nasty {
		t.Errorf("reference arrived as %+v", ref)
	}
	for _, absent := range []string{"MaxEnvelopeSize", "OptionSet", "Locale"} {
		if strings.Contains(s.requests()[0].body, absent) {
			t.Errorf("the header has %s, which firmware does not take", absent)
		}
	}
}

func TestLostReplies(t *testing.T) {
	dead := act{close: true}
	live := func(r asked) act {
		return success(envelope(messageID(r), `<g:Do_OUTPUT><g:ReturnValue>0</g:ReturnValue></g:Do_OUTPUT>`))
	}
	call := Call{Resource: testResource, Method: "Do"}
	once := call
	once.Once = true
	for _, test := range []struct {
		name   string
		call   Call
		warm   bool // the connection has carried an answer
		loses  int  // which request gets no answer
		want   int  // requests seen
		reason Reason
	}{
		{"fresh connection", call, false, 1, 1, ReasonLost},
		{"fresh connection, once", once, false, 1, 1, ReasonLost},
		{"kept connection is tried again", call, true, 2, 3, reasonEnd},
		{"kept connection, once, is not", once, true, 2, 2, ReasonLost},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, func(n int, r asked) act {
				if n == test.loses {
					return dead
				}
				return live(r)
			})
			c := s.client(t).With(Limits{})
			if test.warm {
				if _, err := c.Invoke(within(t), call); err != nil {
					t.Fatal(err)
				}
			}
			_, err := c.Invoke(within(t), test.call)
			if test.reason == reasonEnd {
				if err != nil {
					t.Fatal(err)
				}
			} else if e := wantReason(t, err, test.reason); !e.MayHaveExecuted() {
				t.Error("a lost reply may have been executed")
			}
			if got := len(s.requests()); got != test.want {
				t.Errorf("%d requests, want %d", got, test.want)
			}
		})
	}
}

func TestPartialReplyIsLost(t *testing.T) {
	full := success(envelope("1", thing), 100).raw
	for _, length := range []int{1, 30, len(full) / 2, len(full) - 8} {
		s := serve(t, func(n int, r asked) act { return act{raw: full[:length], close: true} })
		_, err := s.client(t).With(Limits{}).Get(within(t), testResource)
		wantReason(t, err, ReasonLost)
	}
}

func TestOnceUsesNoConnectionThatWasClosed(t *testing.T) {
	s := serve(t, func(n int, r asked) act {
		a := success(envelope(messageID(r), `<g:Do_OUTPUT><g:ReturnValue>0</g:ReturnValue></g:Do_OUTPUT>`))
		a.close = n == 1 // without saying so
		return a
	})
	c := s.client(t)
	call := Call{Resource: testResource, Method: "Do", Once: true}
	for range 3 {
		if _, err := c.With(Limits{}).Invoke(within(t), call); err != nil {
			t.Fatal(err)
		}
	}
	got := s.requests()
	if conns := []int{got[0].conn, got[1].conn, got[2].conn}; !slices.Equal(conns, []int{1, 2, 2}) {
		t.Errorf("connections %v, want the first given up and the second kept", conns)
	}
}

func TestDialFailureSendsNothingAndNamesNoEndpoint(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	c := New(Options{Address: address, Username: testUser, Password: func() string { return testPassword }})
	defer c.Close()
	_, err = c.With(Limits{}).Get(within(t), testResource)
	e := wantReason(t, err, ReasonDial)
	if e.MayHaveExecuted() || strings.Contains(e.Error(), address) || strings.Contains(e.Error(), testPassword) {
		t.Errorf("got %v", e)
	}
}

func TestAttemptEndsAtItsLimit(t *testing.T) {
	hold := make(chan struct{})
	s := serve(t, func(n int, r asked) act { return act{hold: hold, close: true} })
	t.Cleanup(func() { close(hold) })
	_, err := s.client(t).With(Limits{Exchange: 20 * time.Millisecond}).Get(within(t), testResource)
	e := wantReason(t, err, ReasonLost)
	if !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("%v does not tell that time ended it", e)
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestOneRequestInFlight(t *testing.T) {
	hold, arrived := make(chan struct{}), make(chan struct{}, 1)
	s := serve(t, func(n int, r asked) act {
		a := success(envelope(messageID(r), thing))
		if n == 1 {
			a.hold = hold
			arrived <- struct{}{}
		}
		return a
	})
	c := s.client(t).With(Limits{})
	var group sync.WaitGroup
	ctx := within(t)
	group.Go(func() {
		if _, err := c.Get(ctx, testResource); err != nil {
			t.Error(err)
		}
	})
	<-arrived
	short, cancel := context.WithCancel(ctx)
	cancel()
	_, err := c.Get(short, testResource)
	wantReason(t, err, ReasonWaiting)
	brief, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = c.Get(brief, testResource)
	if e := wantReason(t, err, ReasonWaiting); e.MayHaveExecuted() {
		t.Error("what waits was not sent")
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests while one is in flight", n)
	}
	close(hold)
	group.Wait()
}

func TestCloseEndsTheCallInFlight(t *testing.T) {
	hold, arrived := make(chan struct{}), make(chan struct{})
	s := serve(t, func(n int, r asked) act {
		close(arrived)
		return act{hold: hold, close: true}
	})
	t.Cleanup(func() { close(hold) })
	c := s.client(t)
	result := make(chan error, 1)
	ctx := within(t)
	go func() {
		_, err := c.With(Limits{}).Get(ctx, testResource)
		result <- err
	}()
	<-arrived
	c.Close()
	c.Close()
	if err := <-result; !errors.Is(err, ErrClosed) {
		t.Errorf("the call in flight ended with %v", err)
	}
	if _, err := c.With(Limits{}).Get(ctx, testResource); !errors.Is(err, ErrClosed) {
		t.Errorf("a later call ended with %v", err)
	}
}

type bound struct {
	mu       sync.Mutex
	taken    int
	acquired int
	refuse   error
}

func (b *bound) Acquire(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return b.refuse
	}
	b.taken++
	b.acquired++
	return nil
}

func (b *bound) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken--
}

func TestBoundIsTakenAfterConnecting(t *testing.T) {
	b := &bound{}
	s := serve(t, func(n int, r asked) act { return success(envelope(messageID(r), thing)) })
	dead := s.client(t, func(o *Options) {
		o.Bound = b
		o.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("dead") }
	})
	_, err := dead.With(Limits{}).Get(within(t), testResource)
	wantReason(t, err, ReasonDial)
	if b.acquired != 0 {
		t.Error("a dead endpoint took room")
	}
	c := s.client(t, func(o *Options) { o.Bound = b })
	if _, err := c.With(Limits{}).Get(within(t), testResource); err != nil {
		t.Fatal(err)
	}
	if b.acquired != 1 || b.taken != 0 {
		t.Errorf("acquired %d times, %d still taken", b.acquired, b.taken)
	}
	b.refuse = context.DeadlineExceeded
	_, err = c.With(Limits{}).Get(within(t), testResource)
	wantReason(t, err, ReasonWaiting)
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestIdleConnectionIsNotTrusted(t *testing.T) {
	s := serve(t, func(n int, r asked) act { return success(envelope(messageID(r), thing)) })
	c := s.client(t, func(o *Options) { o.MaxIdle = time.Nanosecond })
	for range 2 {
		if _, err := c.With(Limits{}).Get(within(t), testResource); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.requests(); got[1].conn != 2 {
		t.Errorf("second request on connection %d", got[1].conn)
	}
}

func TestPutSendsPropertiesInOrder(t *testing.T) {
	s := serve(t, func(n int, r asked) act { return success(envelope(messageID(r), thing)) })
	properties := []Property{{Name: "Zeta", Text: "1"}, {Name: "Alpha", Text: "2"}, {Name: "Alpha", Text: "3"}}
	if _, err := s.client(t).With(Limits{}).Put(within(t), testResource, properties); err != nil {
		t.Fatal(err)
	}
	sent, err := DecodeInstance([]byte(s.requests()[0].body), testResource)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sent.Properties, properties) {
		t.Errorf("sent %+v", sent.Properties)
	}
}
