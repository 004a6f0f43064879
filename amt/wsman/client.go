package wsman

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/beevik/etree"
)

const (
	wsmanPath = "/wsman"
	// maxAnswers bounds the challenges that one request answers.
	maxAnswers = 3
)

// ErrClosed is the cause of errors of calls on a closed client.
var ErrClosed = errors.New("the client is closed")

// Bound limits the requests in flight of several clients together. It is
// asked after a connection is made, so that endpoints that do not answer hold
// nothing of it.
type Bound interface {
	// Acquire waits for room until ctx ends.
	Acquire(ctx context.Context) error
	// Release gives it back.
	Release()
}

// Options describe an endpoint. Zero durations take their defaults.
type Options struct {
	// Address is host:port.
	Address string
	// TLS, if set, is used as it is for every connection; nil is plain HTTP.
	TLS *tls.Config
	// Username and Password are for HTTP digest. Password is asked for each
	// answer and not kept.
	Username string
	Password func() string
	// Dial makes a TCP connection; nil dials directly.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Bound may be nil.
	Bound Bound
	// MaxIdle is how long an unused connection is trusted. Default 60 s: the
	// engine forgets connections when it sleeps.
	MaxIdle time.Duration
	// WrongWait is the least time between a wrong answer and the next try.
	// Default 3 s. After three wrong answers in a row it is CoolDown, default
	// 60 s. In between, calls fail with ReasonUnauthorized and send nothing.
	WrongWait, CoolDown time.Duration
	// OnExchange, if set, is told of every exchange as it ends. It must return
	// quickly: the endpoint waits for it.
	OnExchange func(Exchange)
}

const maxWrong = 3

// Client talks to one endpoint. It is safe for concurrent use; requests are
// sent one at a time, in the order in which they ask.
type Client struct {
	o       Options
	slot    chan struct{} // holds a token while a request is in flight
	closed  chan struct{}
	history *history

	mu     sync.Mutex // guards cancel and the closing of closed
	cancel context.CancelFunc

	// What follows belongs to the holder of the slot.
	link    *link
	digest  digest
	message uint64
	wrong   int       // wrong answers in a row
	until   time.Time // nothing is sent before
}

// New returns a client; it connects when it is first used.
func New(o Options) *Client {
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&o.MaxIdle, time.Minute}, {&o.WrongWait, 3 * time.Second}, {&o.CoolDown, time.Minute}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return &Client{
		o: o, slot: make(chan struct{}, 1), closed: make(chan struct{}), history: new(history),
		digest: digest{username: o.Username, password: o.Password},
	}
}

// Close ends the request in flight, closes the connection and makes every
// later call fail. It waits for the call in flight to return.
func (c *Client) Close() {
	c.mu.Lock()
	select {
	case <-c.closed:
		c.mu.Unlock()
		return
	default:
	}
	close(c.closed)
	if c.cancel != nil {
		c.cancel()
	}
	c.mu.Unlock()
	c.slot <- struct{}{} // kept: nobody else may have it again
	c.drop()
}

// History returns the last exchanges, oldest first; failures are kept longer
// than successes. Passwords in bodies are replaced.
func (c *Client) History() []Exchange { return c.history.list() }

// Limits bound one attempt inside the deadline of its context.
type Limits struct {
	// Connect bounds making a TCP connection.
	Connect time.Duration
	// Exchange bounds the TLS handshake, and each request with its answer.
	Exchange time.Duration
}

// Caller makes calls within limits.
type Caller struct {
	client *Client
	limits Limits
}

// With returns a caller with these limits; zero limits do not bound.
func (c *Client) With(limits Limits) Caller { return Caller{c, limits} }

// Get reads an instance (DSP0226, 7.3). Singletons need no selectors.
func (k Caller) Get(ctx context.Context, resource string, selectors ...Selector) (Instance, error) {
	r := request{op: "Get " + className(resource), header: header{action: actionGet, resource: resource, selectors: selectors}, limits: k.limits}
	return k.client.instance(ctx, r, className(resource))
}

// Put replaces an instance (DSP0226, 7.4) and returns it as it then is. The
// properties must be all that are writable, in the order in which Get returned
// them.
func (k Caller) Put(ctx context.Context, resource string, properties []Property, selectors ...Selector) (Instance, error) {
	r := request{
		op: "Put " + className(resource), header: header{action: actionPut, resource: resource, selectors: selectors}, limits: k.limits,
		body: func(body *etree.Element) { addProperties(body, resource, className(resource), properties) },
	}
	return k.client.instance(ctx, r, className(resource))
}

// Call is a call of a method (DSP0226, 9).
type Call struct {
	Resource, Method string
	// Parameters are sent in this order; null ones must be absent.
	Parameters []Property
	Selectors  []Selector
	// Once says that the call must not be executed twice: it is sent again
	// only where the earlier request certainly was not executed.
	Once bool
}

// Invoke calls a method and returns its output, which holds ReturnValue. A
// return value other than 0 is not an error of this package.
func (k Caller) Invoke(ctx context.Context, call Call) (Instance, error) {
	r := request{
		op:     className(call.Resource) + "." + call.Method,
		header: header{action: call.Resource + "/" + call.Method, resource: call.Resource, selectors: call.Selectors},
		limits: k.limits, once: call.Once, probe: call.Once,
		body: func(body *etree.Element) {
			addProperties(body, call.Resource, call.Method+"_INPUT", call.Parameters)
		},
	}
	return k.client.instance(ctx, r, call.Method+"_OUTPUT")
}

// request is one request before it is an envelope.
type request struct {
	op     string
	header header
	body   func(*etree.Element)
	limits Limits
	// once forbids to send it again after it may have been executed, and probe
	// makes sure that a kept connection is alive before it is sent.
	once, probe bool
}

// instance performs a request whose reply holds one element.
func (c *Client) instance(ctx context.Context, r request, name string) (Instance, error) {
	reply, err := c.do(ctx, r)
	if err != nil {
		return Instance{}, err
	}
	i, err := reply.instance(r.header.resource, name)
	if err != nil {
		return Instance{}, &Error{Op: r.op, Reason: ReasonAnswer, Status: http.StatusOK, Err: err}
	}
	return i, nil
}

// acquire takes the slot. The returned context ends when the client is closed.
func (c *Client) acquire(ctx context.Context, op string) (context.Context, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, &Error{Op: op, Reason: ReasonWaiting, Err: err}
	}
	select {
	case c.slot <- struct{}{}:
	case <-c.closed:
		return nil, nil, &Error{Op: op, Reason: ReasonWaiting, Err: ErrClosed}
	case <-ctx.Done():
		return nil, nil, &Error{Op: op, Reason: ReasonWaiting, Err: fmt.Errorf("wait for the request before it: %w", ctx.Err())}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed:
		<-c.slot
		return nil, nil, &Error{Op: op, Reason: ReasonWaiting, Err: ErrClosed}
	default:
	}
	ctx, cancel := context.WithCancel(ctx)
	c.cancel = cancel
	return ctx, func() {
		cancel()
		<-c.slot
	}, nil
}

// do sends a request, answers challenges and decodes the reply.
func (c *Client) do(ctx context.Context, r request) (reply, error) {
	ctx, release, err := c.acquire(ctx, r.op)
	if err != nil {
		return reply{}, err
	}
	defer release()
	if wait := time.Until(c.until); wait > 0 {
		return reply{}, &Error{Op: r.op, Reason: ReasonUnauthorized, Wait: wait, Err: fmt.Errorf("%d wrong answers in a row; nothing is sent for another %s", c.wrong, wait.Round(time.Second))}
	}
	c.message++
	r.header.message = strconv.FormatUint(c.message, 10)
	doc, body := newRequest(r.header)
	if r.body != nil {
		r.body(body)
	}
	text, err := doc.WriteToBytes()
	if err != nil {
		return reply{}, &Error{Op: r.op, Reason: ReasonWaiting, Err: fmt.Errorf("write envelope: %w", err)}
	}
	for try := range maxAnswers {
		a, err := c.exchange(ctx, r, text)
		if err != nil {
			return reply{}, err
		}
		if a.status != http.StatusUnauthorized {
			c.wrong = 0
			return c.interpret(r, a)
		}
		offered, err := parseChallenge(a.header.Values("WWW-Authenticate"))
		if err != nil {
			return reply{}, c.refused(r.op, err)
		}
		c.digest.adopt(offered)
		if try > 0 && !offered.stale {
			break // it had a nonce of its own choosing and still said no
		}
	}
	return reply{}, c.refused(r.op, nil)
}

// refused counts a wrong answer. The challenge is forgotten, so that the next
// try begins with a request without credentials, which counts as no log-on.
func (c *Client) refused(op string, cause error) error {
	c.digest.current = nil
	c.wrong++
	wait := c.o.WrongWait
	if c.wrong >= maxWrong {
		wait = c.o.CoolDown
	}
	c.until = time.Now().Add(wait)
	if cause == nil {
		cause = fmt.Errorf("wrong answer number %d; check user name and password, or wait for the lock to end", c.wrong)
	}
	return &Error{Op: op, Reason: ReasonUnauthorized, Status: http.StatusUnauthorized, Wait: wait, Err: cause}
}

// interpret turns an answer into a reply or an error.
func (c *Client) interpret(r request, a answer) (reply, error) {
	fail := func(reason Reason, fault *Fault, cause error) (reply, error) {
		return reply{}, &Error{Op: r.op, Reason: reason, Status: a.status, Fault: fault, Err: cause}
	}
	if kind := a.header.Get("Content-Type"); !isXML(kind) {
		return fail(ReasonAnswer, nil, fmt.Errorf("content type %q is not SOAP", cut(kind, 80)))
	}
	rep, err := decode(a.body)
	switch {
	case err != nil:
		return fail(ReasonAnswer, nil, err)
	case rep.relatesTo != "" && rep.relatesTo != r.header.message:
		c.drop() // whatever comes next on it would be late as well
		return fail(ReasonAnswer, nil, fmt.Errorf("the answer relates to message %q, not %q", cut(rep.relatesTo, 60), r.header.message))
	case rep.fault != nil:
		return fail(ReasonFault, rep.fault, nil)
	case a.status != http.StatusOK:
		return fail(ReasonAnswer, nil, fmt.Errorf("no fault in an answer that is no success"))
	}
	return rep, nil
}

// isXML reports whether a content type may hold an envelope; an absent one may.
func isXML(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (strings.HasSuffix(kind, "/xml") || strings.HasSuffix(kind, "+xml")) && !strings.Contains(kind, "html")
}
