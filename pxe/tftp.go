package pxe

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"time"

	"github.com/pin/tftp/v3"
)

// What a client is told. pin/tftp sends each with code 1 (RFC 1350,
// appendix), and reveals no more than these words.
var (
	errBusy     = errors.New("too many transfers")
	errStopping = errors.New("shutting down")
	errInternal = errors.New("internal error")
	errRead     = errors.New("read error")
	errSilent   = errors.New("the client does not answer")
)

// abandoned is what ends a transfer that waits for a silent client.
type abandoned struct{}

// tftpServer returns a pin/tftp server for one socket.
func (s *Server) tftpServer() *tftp.Server {
	server := tftp.NewServer(s.serveFile, nil)
	server.SetTimeout(s.o.Timer)
	server.SetRetries(s.o.Retries)
	server.SetBlockSize(s.o.MaxBlock)
	server.SetBackoff(func(int) time.Duration {
		select {
		case <-s.stopped:
			panic(abandoned{})
		default:
			return 0
		}
	})
	return server
}

// serveFile handles one read request. Where it returns an error pin/tftp
// tells the client, unless the transfer has told it already.
func (s *Server) serveFile(name string, to io.ReaderFrom) (err error) {
	fetch := Fetch{Name: name}
	if transfer, ok := to.(tftp.OutgoingTransfer); ok {
		addr := transfer.RemoteAddr()
		remote := addr.AddrPort()
		fetch.Remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	}
	defer func() {
		if p := recover(); p != nil {
			s.o.Log.Error("a boot request failed by a defect", "remote", fetch.Remote.String(), "name", name,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errInternal
		}
	}()
	began := time.Now()
	if !s.slots.take(fetch.Remote.Addr()) {
		err = errBusy
	} else {
		defer s.slots.give(fetch.Remote.Addr())
		err = s.transfer(&fetch, to)
	}
	fetch.Duration, fetch.Err = time.Since(began), err
	s.log(fetch)
	if s.o.Fetched != nil {
		s.o.Fetched(fetch)
	}
	return err
}

// transfer sends the file and notes in fetch what it was and how far it came.
func (s *Server) transfer(fetch *Fetch, to io.ReaderFrom) (err error) {
	select {
	case <-s.draining:
		return errStopping
	default:
	}
	file, name, err := openFile(s.root, fetch.Name, s.o.Prefixes)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); closeErr != nil {
			s.o.Log.Warn("boot file could not be closed", "name", name, "error", closeErr)
		}
	}()
	fetch.Name = name
	if transfer, ok := to.(tftp.OutgoingTransfer); ok {
		info, err := file.Stat()
		if err != nil {
			s.o.Log.Warn("boot file could not be read", "name", name, "error", err)
			return errRead
		}
		transfer.SetSize(info.Size())
	}
	source := &source{file: file, stopped: s.stopped, broken: func(err error) {
		s.o.Log.Warn("boot file could not be read", "name", name, "error", err)
	}}
	defer func() { fetch.Bytes = source.bytes }()
	return s.send(fetch, source, to)
}

// send runs pin/tftp's transfer, which panics where tftpServer's back-off
// ends it.
func (s *Server) send(fetch *Fetch, source *source, to io.ReaderFrom) (err error) {
	defer func() {
		switch p := recover(); p.(type) {
		case nil:
		case abandoned:
			err = errStopping
		default:
			panic(p)
		}
	}()
	_, err = to.ReadFrom(source)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return errSilent // pin/tftp's own names addresses of this machine
	}
	fetch.Probed = err != nil && !source.begun
	return err
}

// log writes the one line of a request.
func (s *Server) log(fetch Fetch) {
	log := s.o.Log.With("remote", fetch.Remote.String(), "name", fetch.Name, "bytes", fetch.Bytes, slog.Duration("duration", fetch.Duration))
	switch {
	case fetch.Err == nil:
		log.Info("boot file fetched")
	case fetch.Probed:
		log.Info("boot file probed")
	default:
		log.Warn("boot file not fetched", "error", fetch.Err)
	}
}

// source reads a file for a transfer: it counts, ends when the server stops,
// and keeps the machine's paths out of errors.
type source struct {
	file    *os.File
	stopped <-chan struct{}
	broken  func(error) // told why reading failed
	bytes   int64
	begun   bool
}

func (s *source) Read(p []byte) (int, error) {
	s.begun = true
	select {
	case <-s.stopped:
		return 0, errStopping
	default:
	}
	n, err := s.file.Read(p)
	s.bytes += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.broken(err)
		return n, errRead
	}
	return n, err
}
