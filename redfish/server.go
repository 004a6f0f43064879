package redfish

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

// Nodes is what the service asks of the core; *state.Nodes satisfies it.
type Nodes interface {
	// IDs returns every node's id in a stable order.
	IDs() []string
	// Get returns a node's records without touching firmware.
	Get(ctx context.Context, id string) (state.Snapshot, error)
	// Observe returns a node's power as read from firmware, or an error.
	Observe(ctx context.Context, id string) (state.Observation, error)
	// UpdateOverride changes a node's wish in one durable step. change may run
	// more than once; an error from it comes back as it is.
	UpdateOverride(ctx context.Context, id string, change func(state.Override, state.Capability) (state.Override, error)) (state.Override, error)
	// Reset performs a reset and returns when firmware has accepted it.
	Reset(ctx context.Context, id string, reset state.Reset) (state.Outcome, error)
}

// Accounts is where the service looks callers up; *state.Accounts satisfies it.
type Accounts interface {
	// Get returns an account, or an error of KindNotFound.
	Get(ctx context.Context, username string) (state.Account, error)
}

// Options are what a Server needs. Durations and sizes may be zero for their
// defaults.
type Options struct {
	// Nodes and Accounts are required.
	Nodes    Nodes
	Accounts Accounts
	// UUID is the service's own UUID, with hyphens. Required.
	UUID string
	// Version is the product's version, shown in the service root.
	Version string
	// Logger gets the audit lines and failures; nil discards them.
	Logger *slog.Logger
	// SessionTimeout is how long a session lives without being used. Default
	// 30 min, at least 30 s (DSP0268, SessionService.SessionTimeout).
	SessionTimeout time.Duration
	// MaxSessions is how many sessions one account has; at the limit the one
	// that was idle longest ends. Default 64.
	MaxSessions int
	// MaxBody is the size in bytes of the largest request body. Default 64 KiB.
	MaxBody int64
	// Observe is how long a GET waits for firmware. Default 5 s.
	Observe time.Duration
	// PatchObserve is how long a PATCH waits for the power state that its
	// answer shows. Default 500 ms.
	PatchObserve time.Duration
	// Plain says that the listener has no TLS, because a proxy on this host
	// has it: credentials are then taken from loopback peers only, and the
	// last address in X-Forwarded-For is the source that a log line names.
	Plain bool
	// OnRequest, if set, is called after each request.
	OnRequest func(RequestInfo)
}

// RequestInfo describes one answered request, for metrics.
type RequestInfo struct {
	// ID is the request id that the answer carried.
	ID string
	// Method is the HTTP method as sent.
	Method string
	// Resource is the resource's name in the table, never a path; empty where
	// nothing was found.
	Resource string
	// Status is the HTTP status of the answer.
	Status int
	// Duration is how long the answer took.
	Duration time.Duration
}

// Validate reports what is wrong with the options, with KindInvalid.
func (o Options) Validate() error {
	wrong := func(format string, args ...any) error {
		return state.Errorf(state.KindInvalid, "configure redfish", "", format, args...)
	}
	switch {
	case o.Nodes == nil || o.Accounts == nil:
		return wrong("nodes and accounts are required")
	case len(o.UUID) != 36:
		return wrong("%q is no UUID with hyphens", o.UUID)
	case o.SessionTimeout != 0 && (o.SessionTimeout < 30*time.Second || o.SessionTimeout > 24*time.Hour):
		return wrong("a session timeout is 30 s to 24 h, not %v", o.SessionTimeout)
	case o.MaxSessions < 0 || o.MaxBody < 0 || o.Observe < 0 || o.PatchObserve < 0:
		return wrong("limits cannot be negative")
	}
	return nil
}

// Server is the Redfish service, an http.Handler. It is safe for concurrent
// use.
type Server struct {
	Options
	router   *router
	sessions *sessions
	auth     *authenticator
}

// New returns a server. Its Run sweeps what expired and must run beside it.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.SessionTimeout = orDefault(o.SessionTimeout, 30*time.Minute)
	o.MaxSessions = orDefault(o.MaxSessions, 64)
	o.MaxBody = orDefault(o.MaxBody, 64<<10)
	o.Observe = orDefault(o.Observe, 5*time.Second)
	o.PatchObserve = orDefault(o.PatchObserve, 500*time.Millisecond)
	rt, err := newRouter(resources())
	if err != nil {
		return nil, err
	}
	auth, err := newAuthenticator(o.Accounts, o.Logger)
	if err != nil {
		return nil, err
	}
	return &Server{Options: o, router: rt, sessions: newSessions(o.SessionTimeout, o.MaxSessions), auth: auth}, nil
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// Run drops what expired, until the context ends; then it returns nil.
func (s *Server) Run(ctx context.Context) error {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			s.sessions.sweep()
			s.auth.sweep()
		}
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	c := &call{Server: s, ctx: r.Context(), request: r, query: wholeQuery}
	c.loopback, c.source = s.peer(r)
	id, err := randomText(8)
	if err == nil {
		c.id = id
	}
	answer, err := c.guarded(err)
	if err != nil {
		answer = c.refuse(err)
	}
	c.write(w, answer)
	if s.OnRequest != nil {
		s.OnRequest(RequestInfo{ID: c.id, Method: r.Method, Resource: c.resourceName(), Status: answer.status, Duration: time.Since(started)})
	}
}

// guarded runs the pipeline and turns a panic of a handler into an error, so
// that its caller gets a Redfish answer with the request id.
func (c *call) guarded(before error) (answer reply, err error) {
	if before != nil {
		return reply{}, before
	}
	defer func() {
		if cause := recover(); cause != nil {
			c.Logger.Error("a request handler panicked", "request_id", c.id, "cause", cause, "stack", string(debug.Stack()))
			answer, err = reply{}, state.Errorf(state.KindInternal, "serve request", "", "panic: %v", cause)
		}
	}()
	return c.serve()
}

// serve makes the checks in their one fixed order and calls the operation.
func (c *call) serve() (reply, error) {
	if err := c.checkLimits(); err != nil {
		return reply{}, err
	}
	c.resource, c.vars = c.router.find(c.request, c.request.URL.Path)
	op, found := c.operation()
	if err := c.checkCredentials(op, found); err != nil {
		return reply{}, err
	}
	if version := c.request.Header.Get("OData-Version"); version != "" && version != "4.0" {
		return reply{}, fail(http.StatusPreconditionFailed, msg("HeaderInvalid", "OData-Version")).because("the service speaks OData-Version 4.0 only")
	}
	if c.resource == nil {
		return reply{}, missing(clip(c.request.URL.Path))
	}
	if !found {
		return reply{}, fail(http.StatusMethodNotAllowed, msg("OperationNotAllowed"))
	}
	if c.account != nil && !op.permits(c.account.Role) {
		return reply{}, fail(http.StatusForbidden, msg("InsufficientPrivilege"))
	}
	c.path = c.resource.uri
	for name, value := range c.vars {
		c.path = strings.ReplaceAll(c.path, "{"+name+"}", value)
	}
	if c.reads() {
		return c.serveGet(op)
	}
	if err := c.readBody(); err != nil {
		return reply{}, err
	}
	return op.serve(c)
}

// serveGet answers GET and HEAD; a body is ignored (DSP0266, 7.2).
func (c *call) serveGet(op operation) (reply, error) {
	q, err := parseQuery(c.resource, c.request.URL.Query())
	if err != nil {
		return reply{}, err
	}
	c.query = q
	answer, err := op.serve(c)
	if err != nil {
		return reply{}, err
	}
	answer.tag()
	if none := c.request.Header.Values("If-None-Match"); len(none) > 0 && answer.etag != "" && !c.resource.volatile && q.expand.levels == 0 && etagMatches(none, answer.etag) {
		return reply{status: http.StatusNotModified, etag: answer.etag}, nil
	}
	if q.expand.levels > 0 {
		c.expand(answer.body)
	}
	return answer, nil
}

// operation returns what the resource does for the method.
func (c *call) operation() (operation, bool) {
	if c.resource == nil {
		return operation{}, false
	}
	method := c.request.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op, found := c.resource.methods[method]
	return op, found
}

// checkLimits refuses what is too large before anything is looked up.
func (c *call) checkLimits() error {
	const maxURI = 4096
	switch {
	case len(c.request.RequestURI) > maxURI:
		return fail(http.StatusRequestURITooLong, msg("GeneralError")).because("the URI is longer than %d bytes", maxURI)
	case c.request.ContentLength > c.MaxBody && !c.reads():
		return c.tooLarge()
	case c.request.Header.Get("Content-Encoding") != "" && !c.reads():
		return fail(http.StatusUnsupportedMediaType, msg("HeaderInvalid", "Content-Encoding")).because("request bodies must not be compressed")
	}
	return nil
}

// checkCredentials finds out who calls. Operations that ask for none ignore
// bad ones, so that a client with a stale token can still find its way in.
func (c *call) checkCredentials(op operation, found bool) error {
	if found && op.public() {
		if c.request.URL.Query().Has("$expand") && c.mayAuthenticate() {
			if account, session, err := c.authenticate(); err == nil {
				c.account, c.session = &account, session
			}
		}
		return nil
	}
	if !c.mayAuthenticate() {
		return c.refusePlain()
	}
	account, session, err := c.authenticate()
	if err != nil {
		return err
	}
	c.account, c.session = &account, session
	return nil
}

// mayAuthenticate reports whether credentials may be taken on this connection.
func (c *call) mayAuthenticate() bool { return !c.Plain || c.loopback }

func (c *call) refusePlain() error {
	return fail(http.StatusForbidden, msg("AccessDenied", clip(c.request.URL.Path))).because("the service takes no credentials over plain HTTP; use its HTTPS address")
}

// peer returns whether the request's peer is on this host, and the address to
// name as its source.
func (s *Server) peer(r *http.Request) (loopback bool, source string) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false, r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false, host
	}
	loopback = addr.Unmap().IsLoopback()
	if forwarded := r.Header.Values("X-Forwarded-For"); s.Plain && loopback && len(forwarded) > 0 {
		hops := strings.Split(strings.Join(forwarded, ","), ",")
		if behind, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])); err == nil {
			return true, behind.Unmap().String()
		}
	}
	return loopback, addr.Unmap().String()
}

// refuse renders an error and logs it.
func (c *call) refuse(err error) reply {
	f := failureOf(err)
	level := slog.LevelInfo
	if f.status >= 500 && !errors.Is(err, context.Canceled) {
		level = slog.LevelWarn
	}
	c.Logger.Log(c.ctx, level, "request refused", "request_id", c.id, "method", c.request.Method,
		"resource", c.resourceName(), "account", c.accountName(), "source", c.source, "status", f.status, "cause", err.Error())
	answer := reply{status: f.status, body: f.body(c.id), header: http.Header{}}
	if f.retryAfter > 0 {
		answer.header.Set("Retry-After", fmt.Sprint(int(f.retryAfter.Seconds())))
	}
	if f.status == http.StatusUnauthorized {
		answer.header.Set("WWW-Authenticate", `Basic realm="Redfish", charset="UTF-8"`)
	}
	if f.status == http.StatusRequestEntityTooLarge {
		answer.header.Set("Connection", "close")
	}
	return answer
}

// randomText returns n random bytes in hex.
func randomText(n int) (string, error) {
	raw := make([]byte, n)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return hex.EncodeToString(raw), nil
}
