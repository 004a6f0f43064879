package wsman

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// maxInterim bounds the 1xx answers before the real one.
	maxInterim = 5
	// maxHead bounds heads and chunk framing, on top of maxBody.
	maxHead = 256 << 10
	// probe is how long a kept connection is listened to before a request
	// that must not be sent twice.
	probe = 5 * time.Millisecond
)

// link is the kept-alive connection.
type link struct {
	conn   net.Conn
	reader *bufio.Reader
	budget *budget
	used   time.Time // when it last carried an answer
}

// budget limits what one exchange may read, and counts it.
type budget struct {
	conn       io.Reader
	left, read int
}

var errTooLarge = errors.New("the answer is too large")

// Read implements io.Reader.
func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	b.read += n
	return n, err
}

// answer is one HTTP answer, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// exchange sends one request and reads its answer, connecting first if
// needed. Where a kept connection turns out to be dead before it gave a byte,
// the request is sent again on a new one, if it may be.
func (c *Client) exchange(ctx context.Context, r request, text []byte) (answer, error) {
	for {
		reused, err := c.connect(ctx, r)
		if err != nil {
			return answer{}, err
		}
		if c.o.Bound != nil {
			if err := c.o.Bound.Acquire(ctx); err != nil {
				return answer{}, &Error{Op: r.op, Reason: ReasonWaiting, Err: fmt.Errorf("wait for room in the fleet: %w", err)}
			}
		}
		a, sent, err := c.observed(ctx, r, text)
		if c.o.Bound != nil {
			c.o.Bound.Release()
		}
		if err == nil {
			return a, nil
		}
		silent := c.link.budget.read == 0
		c.drop()
		if reused && silent && (!r.once || !sent) && !isTimeout(err) {
			continue
		}
		failure := &Error{Op: r.op, Reason: ReasonLost, Err: c.cause(err)}
		switch {
		case !sent:
			failure.Reason = ReasonDial
		case errors.Is(err, errTooLarge):
			failure.Reason, failure.Status = ReasonAnswer, a.status
		}
		return answer{}, failure
	}
}

// isTimeout reports whether time, the caller's or the attempt's, ended it.
func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// cause replaces the error of a connection that Close cut.
func (c *Client) cause(err error) error {
	select {
	case <-c.closed:
		return ErrClosed
	default:
		return err
	}
}

// connect makes sure that there is a connection, and says whether it has been
// used before.
func (c *Client) connect(ctx context.Context, r request) (reused bool, err error) {
	if c.link != nil {
		if time.Since(c.link.used) < c.o.MaxIdle && (!r.probe || c.link.alive()) {
			return true, nil
		}
		c.drop()
	}
	dialing, cancel := bounded(ctx, r.limits.Connect)
	defer cancel()
	conn, err := c.o.Dial(dialing, "tcp", c.o.Address)
	if err != nil {
		return false, &Error{Op: r.op, Reason: ReasonDial, Err: c.cause(fmt.Errorf("connect: %w", withoutAddress(err)))}
	}
	if c.o.TLS != nil {
		shaking, cancel := bounded(ctx, r.limits.Exchange)
		defer cancel()
		secure := tls.Client(conn, c.o.TLS)
		if err := secure.HandshakeContext(shaking); err != nil {
			conn.Close()
			return false, &Error{Op: r.op, Reason: ReasonDial, Err: c.cause(fmt.Errorf("secure the connection: %w", withoutAddress(err)))}
		}
		conn = secure
	}
	b := &budget{conn: conn}
	c.link = &link{conn: conn, reader: bufio.NewReader(b), budget: b}
	return false, nil
}

// withoutAddress drops the endpoint, which a net.OpError names, from a cause.
func withoutAddress(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// alive listens for a moment: a peer that closed has said so by now.
func (l *link) alive() bool {
	if l.conn.SetReadDeadline(time.Now().Add(probe)) != nil {
		return false
	}
	l.budget.left = maxHead
	_, err := l.reader.Peek(1)
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() && l.conn.SetReadDeadline(time.Time{}) == nil
}

// drop closes the connection.
func (c *Client) drop() {
	if c.link != nil {
		c.link.conn.Close()
		c.link = nil
	}
}

// observed is roundTrip with the hook and the history around it.
func (c *Client) observed(ctx context.Context, r request, text []byte) (answer, bool, error) {
	start := time.Now()
	a, sent, err := c.roundTrip(ctx, r, text)
	e := Exchange{Op: r.op, At: start, Took: time.Since(start), Status: a.status, Sent: text, Received: a.body}
	if err != nil {
		e.Failure = c.cause(withoutAddress(err)).Error()
	}
	c.history.add(e)
	if c.o.OnExchange != nil {
		c.o.OnExchange(e)
	}
	return a, sent, err
}

// roundTrip writes the request and reads the answer; sent says whether the
// whole request was written, so that firmware may have acted on it.
func (c *Client) roundTrip(ctx context.Context, r request, text []byte) (a answer, sent bool, err error) {
	l := c.link
	l.budget.left, l.budget.read = maxBody+maxHead, 0
	authorization, err := c.digest.authorize(http.MethodPost, wsmanPath, text)
	if err != nil {
		return answer{}, false, err
	}
	ctx, cancel := bounded(ctx, r.limits.Exchange)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.conn.SetDeadline(time.Unix(1, 0)) })
	keep := false
	defer func() {
		if cut := !stop(); err == nil && (cut || !keep) {
			c.drop()
		}
		if ctx.Err() != nil && err != nil {
			err = fmt.Errorf("%w (%w)", withoutAddress(err), ctx.Err())
		}
	}()
	if _, err := l.conn.Write(frame(c.o.Address, authorization, text)); err != nil {
		return answer{}, false, fmt.Errorf("write request: %w", err)
	}
	a, keep, err = l.receive()
	if err != nil {
		return a, true, fmt.Errorf("read answer: %w", err)
	}
	l.used = time.Now()
	return a, true, nil
}

// frame renders the request. It is written in one piece: the engine handles
// few packets, and neither interim answers nor compression.
func frame(host, authorization string, text []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\n", wsmanPath, host)
	if authorization != "" {
		fmt.Fprintf(&b, "Authorization: %s\r\n", authorization)
	}
	fmt.Fprintf(&b, "Content-Type: application/soap+xml; charset=UTF-8\r\nContent-Length: %d\r\n\r\n", len(text))
	b.Write(text)
	return b.Bytes()
}

// receive reads one answer and says whether the connection can be kept.
func (l *link) receive() (answer, bool, error) {
	for range maxInterim {
		resp, err := http.ReadResponse(l.reader, &http.Request{Method: http.MethodPost})
		if err != nil {
			return answer{}, false, err
		}
		if resp.StatusCode < 200 {
			continue
		}
		a := answer{status: resp.StatusCode, header: resp.Header}
		a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
		switch {
		case a.status == http.StatusUnauthorized:
			// The body says nothing that the head does not.
			return a, err == nil && !resp.Close, nil
		case err != nil:
			return a, false, err
		case len(a.body) > maxBody:
			return a, false, errTooLarge
		}
		return a, !resp.Close && l.reader.Buffered() == 0, nil
	}
	return answer{}, false, fmt.Errorf("more than %d interim answers", maxInterim)
}
