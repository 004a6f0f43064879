package pxe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/pin/tftp/v3"

	"github.com/amt-redfish/amt-redfish/state"
)

// Options describe a Server. Zero numbers take their defaults.
type Options struct {
	// Listen is ip:port; without an ip it is every address of this machine,
	// IPv4 and IPv6. Port 0 takes a free one.
	Listen string
	// Root is the directory that is served; empty turns the service off.
	Root string
	// Prefixes are directories by which clients may call the root; they are
	// taken off a name. Default "/tftpboot/" and Root itself: the files that
	// Ironic writes for GRUB name others so.
	Prefixes []string
	// MaxBlock bounds the block size that is granted, in bytes. Default 1468,
	// at most what the interface carries.
	MaxBlock int
	// MaxTransfers and MaxPerClient bound the transfers at one time, in all
	// and per IP address. Defaults 256 and 8.
	MaxTransfers, MaxPerClient int
	// Timer is how long a block waits for its acknowledgement before it is
	// sent again. Default 400 ms.
	Timer time.Duration
	// Retries is how often a block is sent again. Default 25.
	Retries int
	// Grace is how long transfers may go on after Run's context ended.
	// Default 2 s.
	Grace time.Duration
	// Log takes one line per request; nil discards.
	Log *slog.Logger
	// Fetched is told of every request as it ends; it may be called from
	// several goroutines at once and should return soon. May be nil.
	Fetched func(Fetch)
}

// Fetch is one request for a file and how it ended.
type Fetch struct {
	// Remote is the client.
	Remote netip.AddrPort
	// Name is the file's, relative to the root; of a refused or missing file
	// it is the name as it was asked for.
	Name string
	// Bytes is how much of the file was sent.
	Bytes int64
	// Duration is from the request to the last acknowledgement.
	Duration time.Duration
	// Probed says that the client ended the transfer before the first block,
	// as UEFI firmware does that only asks for the size (ERROR 8 after the
	// option acknowledgement, RFC 2347).
	Probed bool
	// Err is why the file did not arrive as a whole; nil if it did.
	Err error
}

// Validate reports everything that is wrong with the options.
func (o Options) Validate() error {
	if o.Root == "" {
		return nil
	}
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if _, err := sockets(o.Listen); err != nil {
		problems = append(problems, err)
	}
	if info, err := os.Stat(o.Root); err != nil {
		problem("root: %w", err)
	} else if !info.IsDir() {
		problem("root: %s is not a directory", o.Root)
	}
	if o.MaxBlock != 0 && (o.MaxBlock < 513 || o.MaxBlock > 65464) {
		problem("largest block is %d bytes; allowed are 513 to 65464", o.MaxBlock)
	}
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"largest number of transfers", int64(o.MaxTransfers)}, {"largest number of transfers per client", int64(o.MaxPerClient)},
		{"timer", int64(o.Timer)}, {"number of retries", int64(o.Retries)}, {"grace", int64(o.Grace)},
	} {
		if limit.value < 0 {
			problem("%s must not be negative", limit.name)
		}
	}
	if len(problems) > 0 {
		return state.Errorf(state.KindInvalid, "check boot service", "", "%w", errors.Join(problems...))
	}
	return nil
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		field *int
		value int
	}{{&o.MaxBlock, 1468}, {&o.MaxTransfers, 256}, {&o.MaxPerClient, 8}, {&o.Retries, 25}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.Timer == 0 {
		o.Timer = 400 * time.Millisecond
	}
	if o.Grace == 0 {
		o.Grace = 2 * time.Second
	}
	if o.Prefixes == nil {
		o.Prefixes = []string{"/tftpboot/", o.Root}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Server is the boot service.
type Server struct {
	o     Options
	root  *os.Root
	conns []*net.UDPConn
	slots slots

	draining chan struct{} // closed when no new transfer may begin
	stopped  chan struct{} // closed when running transfers must end
}

// New checks the options, opens the directory and binds the sockets, so that
// what cannot work is known before anything else starts. Run must be called:
// it serves, and releases what New opened. Errors are of KindInvalid for
// options, else of KindInternal.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	s := &Server{
		o: o, slots: slots{max: o.MaxTransfers, maxPerClient: o.MaxPerClient, perClient: make(map[netip.Addr]int)},
		draining: make(chan struct{}), stopped: make(chan struct{}),
	}
	if o.Root == "" {
		return s, nil
	}
	root, err := os.OpenRoot(o.Root)
	if err != nil {
		return nil, fmt.Errorf("open boot directory: %w", err)
	}
	s.root = root
	if err := s.listen(); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

// socket is a network and an address to listen on.
type socket struct {
	network string
	addr    netip.AddrPort
}

// sockets returns what to listen on. Every address is two sockets, because on
// one for both families pin/tftp takes IPv4 clients for IPv6.
func sockets(listen string) ([]socket, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("listen address %q is not ip:port", listen)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: the port is not a number from 0 to 65535", listen)
	}
	if host == "" {
		return []socket{
			{"udp4", netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n))},
			{"udp6", netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n))},
		}, nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: the host is not an IP address", listen)
	}
	if ip = ip.Unmap(); ip.Is4() {
		return []socket{{"udp4", netip.AddrPortFrom(ip, uint16(n))}}, nil
	}
	return []socket{{"udp6", netip.AddrPortFrom(ip, uint16(n))}}, nil
}

// listen binds the sockets. A machine without IPv6 is served over IPv4.
func (s *Server) listen() error {
	wanted, err := sockets(s.o.Listen)
	if err != nil {
		return err
	}
	for i, socket := range wanted {
		if i > 0 && socket.addr.Port() == 0 {
			socket.addr = netip.AddrPortFrom(socket.addr.Addr(), s.Addrs()[0].Port())
		}
		conn, err := net.ListenUDP(socket.network, net.UDPAddrFromAddrPort(socket.addr))
		switch {
		case err == nil:
			s.conns = append(s.conns, conn)
			if err := askForPacketInfo(socket.network, conn); err != nil {
				return fmt.Errorf("prepare TFTP socket: %w", err)
			}
		case i > 0 && (errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)):
			s.o.Log.Warn("TFTP is served over IPv4 only", "error", err)
		default:
			return fmt.Errorf("listen for TFTP: %w", err)
		}
	}
	return nil
}

// Addrs returns the addresses that are listened on; none while the service is
// off.
func (s *Server) Addrs() []netip.AddrPort {
	var addrs []netip.AddrPort
	for _, conn := range s.conns {
		if addr, ok := conn.LocalAddr().(*net.UDPAddr); ok {
			addrs = append(addrs, addr.AddrPort())
		}
	}
	return addrs
}

// Run serves until the context ends, and then lets transfers go on for
// Options.Grace. It is called once. The error is why serving ended before the
// context did, or nil.
func (s *Server) Run(ctx context.Context) error {
	ended := make(chan error, len(s.conns))
	servers := make([]*tftp.Server, 0, len(s.conns))
	var serving sync.WaitGroup
	for _, conn := range s.conns {
		server := s.tftpServer()
		servers = append(servers, server)
		s.o.Log.Info("serving TFTP", "address", conn.LocalAddr().String(), "root", s.o.Root)
		serving.Go(func() { ended <- server.Serve(conn) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
		err = fmt.Errorf("serve TFTP: %w", err)
	}

	close(s.draining)
	grace := time.NewTimer(s.o.Grace)
	defer grace.Stop()
	select {
	case <-s.slots.idle():
	case <-grace.C:
	}
	close(s.stopped)
	for _, server := range servers {
		server.Shutdown() // waits for what is running, which s.stopped ends
	}
	serving.Wait()
	return errors.Join(err, s.release())
}

// release closes what New opened. Sockets that Shutdown closed already are
// fine.
func (s *Server) release() error {
	var problems []error
	for _, conn := range s.conns {
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			problems = append(problems, fmt.Errorf("close TFTP socket: %w", err))
		}
	}
	if s.root != nil {
		if err := s.root.Close(); err != nil {
			problems = append(problems, fmt.Errorf("close boot directory: %w", err))
		}
	}
	return errors.Join(problems...)
}

// slots counts transfers.
type slots struct {
	max, maxPerClient int

	mu        sync.Mutex
	total     int
	perClient map[netip.Addr]int
	whenIdle  chan struct{} // set by idle, closed when total is 0
}

// take reserves a slot for a client, or reports that there is none.
func (s *slots) take(client netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total >= s.max || s.perClient[client] >= s.maxPerClient {
		return false
	}
	s.total++
	s.perClient[client]++
	return true
}

// give returns a slot.
func (s *slots) give(client netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.perClient[client]--; s.perClient[client] == 0 {
		delete(s.perClient, client)
	}
	if s.total == 0 && s.whenIdle != nil {
		close(s.whenIdle)
		s.whenIdle = nil
	}
}

// idle returns a channel that closes when no slot is taken. It is called
// once.
func (s *slots) idle() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := make(chan struct{})
	if s.total == 0 {
		close(idle)
	} else {
		s.whenIdle = idle
	}
	return idle
}
