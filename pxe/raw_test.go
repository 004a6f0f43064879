package pxe_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/pxe"
)

// Opcodes of RFC 1350 and RFC 2347.
const (
	opRRQ   = 1
	opDATA  = 3
	opACK   = 4
	opERROR = 5
	opOACK  = 6
)

// rawClient is a TFTP client that does only what a test tells it.
type rawClient struct {
	t    *testing.T
	conn *net.UDPConn
	to   netip.AddrPort // the server's transfer port, once it has answered
}

func newRaw(t *testing.T) *rawClient {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &rawClient{t: t, conn: conn}
}

func packet(op uint16, rest ...string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, op), strings.Join(rest, "")...)
}

func (c *rawClient) send(to netip.AddrPort, p []byte) {
	c.t.Helper()
	if _, err := c.conn.WriteToUDPAddrPort(p, to); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// ask sends a read request with options.
func (c *rawClient) ask(s *service, name string, options ...string) {
	c.t.Helper()
	c.send(s.addr, packet(opRRQ, name, "\x00octet\x00", strings.Join(append(options, ""), "\x00")))
}

// receive returns the next packet's opcode and the rest.
func (c *rawClient) receive() (uint16, []byte) {
	c.t.Helper()
	buf := make([]byte, 65536)
	if err := c.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		c.t.Fatal(err)
	}
	n, from, err := c.conn.ReadFromUDPAddrPort(buf)
	if err != nil || n < 4 {
		c.t.Fatalf("receive: %d bytes, %v", n, err)
	}
	c.to = from
	return binary.BigEndian.Uint16(buf), buf[2:n]
}

func (c *rawClient) want(op uint16, rest string) {
	c.t.Helper()
	gotOp, got := c.receive()
	if gotOp != op || !bytes.HasPrefix(got, []byte(rest)) {
		c.t.Fatalf("received %d %.60q, want %d %q", gotOp, got, op, rest)
	}
}

// UEFI firmware asks for a file's size, ends the transfer with ERROR 8, and
// asks again.
func TestSizeProbe(t *testing.T) {
	s := start(t, nil)
	c := newRaw(t)
	c.ask(s, "pxelinux.0", "tsize", "0")
	c.want(opOACK, "tsize\x007000\x00")
	c.send(c.to, packet(opERROR, "\x00\x08", "size only\x00"))
	fetch := <-s.fetches
	if !fetch.Probed || fetch.Err == nil || fetch.Bytes != 0 || fetch.Name != "pxelinux.0" {
		t.Errorf("told of %+v, want a probe", fetch)
	}
	s.wantFile(t, "pxelinux.0", files()["pxelinux.0"])
}

func TestBlockSizeIsBounded(t *testing.T) {
	s := start(t, nil)
	c := newRaw(t)
	c.ask(s, "pxelinux.0", "blksize", "8192")
	c.want(opOACK, "blksize\x001468\x00")
	c.send(c.to, packet(opACK, "\x00\x00"))
	if op, data := c.receive(); op != opDATA || len(data) != 2+1468 {
		t.Errorf("received opcode %d with %d bytes, want DATA with a block of 1468", op, len(data)-2)
	}
}

func TestEmptyFileIsOneEmptyBlock(t *testing.T) {
	s := start(t, nil)
	c := newRaw(t)
	c.ask(s, "empty")
	if op, data := c.receive(); op != opDATA || string(data) != "\x00\x01" {
		t.Errorf("received %d %q, want DATA 1 without content", op, data)
	}
	c.send(c.to, packet(opACK, "\x00\x01"))
	if fetch := <-s.fetches; fetch.Err != nil || fetch.Bytes != 0 || fetch.Probed {
		t.Errorf("told of %+v, want success", fetch)
	}
}

// A block is sent again while its acknowledgement is missing, and a repeated
// acknowledgement repeats nothing.
func TestLostPackets(t *testing.T) {
	s := start(t, func(o *pxe.Options) { o.Timer = 20 * time.Millisecond; o.Retries = 1000 })
	c := newRaw(t)
	c.ask(s, "one-block")
	for range 3 {
		c.want(opDATA, "\x00\x01x")
	}
	for range 3 {
		c.send(c.to, packet(opACK, "\x00\x01"))
	}
	for {
		op, data := c.receive()
		if op != opDATA {
			t.Fatalf("received opcode %d", op)
		}
		if string(data) == "\x00\x02" {
			break
		}
	}
	c.send(c.to, packet(opACK, "\x00\x02"))
	if fetch := <-s.fetches; fetch.Err != nil || fetch.Bytes != 512 {
		t.Errorf("told of %+v, want 512 bytes and success", fetch)
	}
}

func TestSilentClientIsGivenUp(t *testing.T) {
	s := start(t, func(o *pxe.Options) { o.Timer = time.Millisecond; o.Retries = 3 })
	c := newRaw(t)
	c.ask(s, "pxelinux.0")
	fetch := <-s.fetches
	if fetch.Err == nil || fetch.Probed || strings.Contains(fetch.Err.Error(), "127.0.0.1") {
		t.Errorf("told of %+v, want that the client is silent", fetch)
	}
}

// Names that pin/tftp's client cannot send, and packets that are no request.
func TestMalformedPackets(t *testing.T) {
	s := start(t, nil)
	c := newRaw(t)
	for _, p := range [][]byte{
		{}, {0}, packet(opRRQ), packet(opRRQ, "\x00"), packet(opRRQ, "name without end"), packet(opRRQ, "\x00\x00"),
		packet(opDATA, "\x00\x01x"), packet(opACK, "\x00\x01"), packet(opERROR, "\x00\x01no\x00"), packet(9, "\x00\x00"),
		bytes.Repeat([]byte{0xff}, 600), packet(opRRQ, strings.Repeat("a", 4000)),
	} {
		c.send(s.addr, p)
	}
	c.ask(s, "pxelinux.0\x00/../../etc/passwd")
	s.wantStillServes(t)
}

// wantStillServes fetches a file and passes over what earlier packets brought
// about.
func (s *service) wantStillServes(t *testing.T) {
	t.Helper()
	if got, err := s.get(t, "sub/dir/kernel", nil); err != nil || got != "kernel" {
		t.Errorf("get = %q, %v", got, err)
	}
	for {
		if fetch := <-s.fetches; fetch.Name == "sub/dir/kernel" {
			return
		}
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*pxe.Options)
	}{
		{"per client", func(o *pxe.Options) { o.MaxPerClient = 3 }},
		{"in all", func(o *pxe.Options) { o.MaxTransfers = 3 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, c.change)
			var held []*rawClient
			for range 3 {
				client := newRaw(t)
				client.ask(s, "pxelinux.0")
				client.want(opDATA, "\x00\x01loader")
				held = append(held, client)
			}
			s.wantRefusal(t, "sub/dir/kernel", "too many transfers")
			held[0].send(held[0].to, packet(opERROR, "\x00\x00enough\x00"))
			if fetch := <-s.fetches; fetch.Err == nil || fetch.Probed {
				t.Errorf("told of %+v, want a transfer that was broken off", fetch)
			}
			// The slot is free just after the fetch was told of.
			for {
				_, err := s.get(t, "sub/dir/kernel", nil)
				if <-s.fetches; err == nil {
					break
				}
				if !saysToClient(err, "too many transfers") {
					t.Fatalf("get: %v", err)
				}
			}
		})
	}
}

// Run ends although clients do not answer, and without waiting for all the
// retries that they would get.
func TestStopsWithTransfersUnderWay(t *testing.T) {
	s := start(t, func(o *pxe.Options) {
		o.Timer, o.Retries, o.Grace = 50*time.Millisecond, 1<<30, time.Millisecond
	})
	silent, probing := newRaw(t), newRaw(t)
	silent.ask(s, "pxelinux.0")
	silent.want(opDATA, "\x00\x01loader")
	probing.ask(s, "pxelinux.0", "tsize", "0")
	probing.want(opOACK, "tsize")
	s.stop()
	if err := <-s.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	for range 2 {
		if fetch := <-s.fetches; fetch.Err == nil || fetch.Err.Error() != "shutting down" || fetch.Probed {
			t.Errorf("told of %+v, want that the server shut down", fetch)
		}
	}
	// The address is free again.
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(s.addr))
	if err != nil {
		t.Fatalf("listen on the server's address: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

// Within the grace a transfer goes on to its end and a new request is refused.
func TestGrace(t *testing.T) {
	s := start(t, func(o *pxe.Options) { o.Grace = time.Minute; o.Retries = 1 << 30 })
	c := newRaw(t)
	c.ask(s, "one-block")
	c.want(opDATA, "\x00\x01x")
	s.stop()
	for {
		_, err := s.get(t, "sub/dir/kernel", nil)
		if <-s.fetches; err != nil {
			if !saysToClient(err, "shutting down") {
				t.Fatalf("get: %v", err)
			}
			break
		}
	}
	c.send(c.to, packet(opACK, "\x00\x01"))
	for {
		op, data := c.receive()
		if op == opDATA && string(data) == "\x00\x02" {
			break
		}
	}
	c.send(c.to, packet(opACK, "\x00\x02"))
	if fetch := <-s.fetches; fetch.Err != nil || fetch.Bytes != 512 {
		t.Errorf("told of %+v, want success", fetch)
	}
	if err := <-s.ended; err != nil && !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run: %v", err)
	}
}
