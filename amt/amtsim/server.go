package amtsim

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"time"
)

const (
	// maxRequest bounds head and body of one request.
	maxRequest = 1 << 20
	// requestTime bounds how long one request may take to arrive.
	requestTime = 30 * time.Second
)

// abort closes a connection without lingering, so that the peer sees a reset
// where it had sent something.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// accept serves a listener until it is closed. The lock is held.
func (m *Machine) accept(listener net.Listener) {
	m.work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					m.log.Warn("accept failed", "error", err)
				}
				return
			}
			m.take(conn)
		}
	})
}

// take begins to serve a connection, or drops it: the engine sleeps, too many
// are open, or the machine was cut off meanwhile.
func (m *Machine) take(conn net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counters.Connections++
	limit := m.options.Flood.Connections
	if m.closed || m.listener == nil || !m.contact(time.Now()) || limit > 0 && len(m.open) >= limit {
		m.counters.Dropped++
		abort(conn)
		m.notify()
		return
	}
	m.open[conn] = struct{}{}
	m.notify()
	c := &connection{machine: m, tcp: conn, number: m.counters.Connections}
	m.work.Go(c.serve)
}

// connection is one TCP connection being served.
type connection struct {
	machine *Machine
	tcp     net.Conn
	wire    net.Conn // tcp, or TLS over it
	number  int
	session string // the Authorization that passed, under TLS
}

func (c *connection) serve() {
	m := c.machine
	defer func() {
		_ = c.tcp.Close()
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.open, c.tcp)
	}()
	c.wire = c.tcp
	if m.tls != nil {
		c.wire = tls.Server(c.tcp, m.tls)
	}
	limited := &io.LimitedReader{R: c.wire}
	reader := bufio.NewReader(limited)
	for {
		limited.N = maxRequest
		if err := c.wire.SetReadDeadline(m.idleDeadline()); err != nil {
			return
		}
		if _, err := reader.Peek(1); err != nil {
			return
		}
		if err := c.wire.SetReadDeadline(time.Now().Add(requestTime)); err != nil {
			return
		}
		request, body, err := readRequest(reader)
		if err != nil {
			if limited.N <= 0 || !brokenOff(err) {
				m.mu.Lock()
				m.noteBogus("HTTP: " + err.Error())
				m.mu.Unlock()
			}
			return
		}
		if !c.turn(request, body) {
			return
		}
	}
}

// brokenOff reports whether a request ended because its connection did, which
// happens to a correct client that is killed or cut off.
func brokenOff(err error) bool {
	var network net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}

// idleDeadline is when a connection that stays idle from now is closed.
func (m *Machine) idleDeadline() time.Time {
	if m.timing.IdleClose <= 0 {
		return time.Time{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	half := m.timing.IdleClose / 2
	return time.Now().Add(half + time.Duration(m.random.Int64N(int64(half)+1)))
}

// readRequest reads one whole request.
func readRequest(reader *bufio.Reader) (*http.Request, []byte, error) {
	request, err := http.ReadRequest(reader)
	if err != nil {
		return nil, nil, fmt.Errorf("read request: %w", err)
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("read request body: %w", err)
	}
	return request, body, nil
}

// turn serves one request while no other is served, and reports whether the
// connection stays open.
func (c *connection) turn(request *http.Request, body []byte) bool {
	m := c.machine
	select {
	case m.slot <- struct{}{}:
	case <-m.closing:
		return false
	}
	defer func() { <-m.slot }()
	m.mu.Lock()
	awake := m.contact(time.Now())
	if !awake {
		m.counters.Dropped++
		m.notify()
	}
	m.mu.Unlock()
	if !awake {
		abort(c.tcp)
		return false
	}
	answer, err := c.answer(request, body)
	if err != nil {
		abort(c.tcp)
		return false
	}
	answer.close = answer.close || request.Close
	if _, err := c.wire.Write(m.render(answer)); err != nil {
		return false
	}
	return !answer.close && !m.profile.untilClose
}

// answer decides what a request gets; errDropped means nothing at all.
func (c *connection) answer(request *http.Request, body []byte) (reply, error) {
	m := c.machine
	m.mu.Lock()
	defer m.notifyUnlock()
	if request.URL.Path != "/wsman" || request.Method != http.MethodPost {
		m.counters.Exchanges++
		m.noteBogus("HTTP: " + request.Method + " " + request.URL.Path)
		return reply{status: http.StatusNotFound, html: "This machine answers only POST /wsman."}, nil
	}
	if !m.admit(request, body, c.session) {
		return m.unauthorized(), nil
	}
	if m.tls != nil {
		c.session = request.Header.Get("Authorization")
	}
	return m.handle(c, body)
}

// unauthorized is a 401 with a new nonce. The lock is held.
func (m *Machine) unauthorized() reply {
	m.counters.Unauthorized++
	return reply{status: http.StatusUnauthorized, challenge: m.challenge(), close: true,
		html: "The user name or the password is wrong, or the account is locked for a while."}
}

// notifyUnlock tells those who wait and gives the lock back.
func (m *Machine) notifyUnlock() {
	m.notify()
	m.mu.Unlock()
}

// selfSigned makes a certificate and returns it with its SHA-256.
func selfSigned() (*tls.Config, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", fmt.Errorf("make TLS key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "Simulated AMT"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(10, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, "", fmt.Errorf("make TLS certificate: %w", err)
	}
	sum := sha256.Sum256(der)
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return config, hex.EncodeToString(sum[:]), nil
}
