package pxe_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pin/tftp/v3"

	"github.com/amt-redfish/amt-redfish/pxe"
	"github.com/amt-redfish/amt-redfish/state"
)

// service is a running Server and what it said.
type service struct {
	addr    netip.AddrPort
	root    string
	fetches chan pxe.Fetch
	log     *lines
	stop    context.CancelFunc
	ended   chan error
}

// lines is a log that may be written from several goroutines.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start serves a fresh directory with some files on loopback.
func start(t *testing.T, change func(*pxe.Options)) *service {
	t.Helper()
	root := t.TempDir()
	for name, content := range files() {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := &service{root: root, fetches: make(chan pxe.Fetch, 1024), log: &lines{}, ended: make(chan error, 1)}
	o := pxe.Options{
		Listen: "127.0.0.1:0", Root: root, Log: slog.New(slog.NewTextHandler(s.log, nil)),
		Grace:   20 * time.Millisecond,
		Fetched: func(f pxe.Fetch) { s.fetches <- f },
	}
	if change != nil {
		change(&o)
	}
	server, err := pxe.New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	if addrs := server.Addrs(); len(addrs) > 0 {
		s.addr = addrs[0]
	}
	ctx, stop := context.WithCancel(t.Context())
	s.stop = stop
	done := make(chan struct{})
	go func() {
		s.ended <- server.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return s
}

func files() map[string]string {
	return map[string]string{
		"pxelinux.0":      strings.Repeat("loader ", 1000),
		"empty":           "",
		"one-block":       strings.Repeat("x", 512),
		"sub/dir/kernel":  "kernel",
		"tftpboot/inside": "really below tftpboot",
	}
}

// get fetches a file with pin/tftp's client.
func (s *service) get(t *testing.T, name string, tune func(*tftp.Client)) (string, error) {
	t.Helper()
	client, err := tftp.NewClient(s.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	if tune != nil {
		tune(client)
	}
	transfer, err := client.Receive(name, "octet")
	if err != nil {
		return "", err
	}
	var content bytes.Buffer
	_, err = transfer.WriteTo(&content)
	return content.String(), err
}

func (s *service) wantFile(t *testing.T, name, want string) pxe.Fetch {
	t.Helper()
	got, err := s.get(t, name, nil)
	if err != nil || got != want {
		t.Errorf("get %q = %d bytes, %v; want %d", name, len(got), err, len(want))
	}
	return <-s.fetches
}

// wantRefusal expects the request to fail with exactly these words, and a
// fetch that failed.
func (s *service) wantRefusal(t *testing.T, name, words string) {
	t.Helper()
	_, err := s.get(t, name, nil)
	if !saysToClient(err, words) {
		t.Errorf("get %q: %v, want code 1 and %q", name, err, words)
	}
	if fetch := <-s.fetches; fetch.Err == nil || fetch.Name != name || fetch.Bytes != 0 || fetch.Probed {
		t.Errorf("get %q told of %+v", name, fetch)
	}
}

// saysToClient reports whether the server refused with exactly these words.
// pin/tftp's client leaves the terminating NUL in its error.
func saysToClient(err error, words string) bool {
	return err != nil && strings.HasSuffix(strings.TrimRight(err.Error(), "\x00"), "code: 1, message: "+words)
}

func TestServesFiles(t *testing.T) {
	s := start(t, nil)
	for name, content := range files() {
		t.Run(name, func(t *testing.T) {
			fetch := s.wantFile(t, name, content)
			if fetch.Err != nil || fetch.Name != name || fetch.Bytes != int64(len(content)) || fetch.Remote.Addr() != netip.MustParseAddr("127.0.0.1") || fetch.Remote.Port() == 0 || fetch.Duration <= 0 || fetch.Probed {
				t.Errorf("told of %+v", fetch)
			}
		})
	}
	if log := s.log.String(); !strings.Contains(log, `msg="boot file fetched" remote=127.0.0.1:`) || !strings.Contains(log, "name=pxelinux.0 bytes=7000") {
		t.Errorf("log:\n%s", log)
	}
}

func TestSpellingsOfOneName(t *testing.T) {
	s := start(t, nil)
	for _, name := range []string{
		"sub/dir/kernel", "/sub/dir/kernel", "//sub//dir/kernel", "./sub/./dir/kernel", `sub\dir\kernel`, `\sub\dir\kernel`,
		"/tftpboot/sub/dir/kernel", "tftpboot/sub/dir/kernel", `\tftpboot\sub\dir\kernel`, s.root + "/sub/dir/kernel",
	} {
		if fetch := s.wantFile(t, name, "kernel"); fetch.Name != "sub/dir/kernel" {
			t.Errorf("%q is told as %q", name, fetch.Name)
		}
	}
	s.wantFile(t, "/tftpboot/inside", "really below tftpboot")
}

func TestMissingFilesAreCodeOneAtOnce(t *testing.T) {
	s := start(t, nil)
	for _, name := range []string{"missing", "/missing", "sub/missing", "pxelinux.0/below-a-file", "tftpboot/missing"} {
		s.wantRefusal(t, name, "file not found")
	}
}

// No spelling and no link leads out of the root, and only regular files are
// served.
func TestNothingElseIsServed(t *testing.T) {
	s := start(t, nil)
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{
		"absolute-link": outside, "relative-link": "../" + filepath.Base(filepath.Dir(outside)) + "/secret", "directory-link": filepath.Dir(outside),
		"device-link": "/dev/zero", "loop": "loop",
	} {
		if err := os.Symlink(to, filepath.Join(s.root, link)); err != nil {
			t.Fatal(err)
		}
	}
	makeFIFO(t, filepath.Join(s.root, "fifo"))
	for _, name := range []string{
		"..", "../secret", "/../secret", "sub/../../secret", "sub/../pxelinux.0", `..\secret`, `sub\..\..\secret`, "....//../secret",
		"/tftpboot/../secret", "", ".", "/", "sub", "sub/dir/", "absolute-link", "relative-link", "directory-link/secret", "device-link",
		"loop", "fifo", "a\nb", "a\x1bb", "\xff\xfe", strings.Repeat("a", 480),
	} {
		t.Run(fmt.Sprintf("%.40q", name), func(t *testing.T) {
			s.wantRefusal(t, name, "access refused")
		})
	}
	// These spell a name that is merely absent below the root.
	for _, name := range []string{outside, "/etc/passwd", "//etc/passwd", "C:/etc/passwd", `\etc\passwd`, "%2e%2e/secret", "~/secret"} {
		s.wantRefusal(t, name, "file not found")
	}
}

// Ironic links per-MAC names to a node's file, replaces files and removes
// them while they are served.
func TestFollowsTheDirectoryAsItChanges(t *testing.T) {
	s := start(t, nil)
	if err := os.Mkdir(filepath.Join(s.root, "pxelinux.cfg"), 0o755); err != nil {
		t.Fatal(err)
	}
	link := "pxelinux.cfg/01-52-54-00-12-34-56"
	if err := os.Symlink("../node/config", filepath.Join(s.root, link)); err != nil {
		t.Fatal(err)
	}
	s.wantRefusal(t, link, "file not found")
	if err := os.Mkdir(filepath.Join(s.root, "node"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(s.root, "node", "config")
	for _, content := range []string{"first", "second, longer"} {
		if err := os.WriteFile(config+".new", []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(config+".new", config); err != nil {
			t.Fatal(err)
		}
		if fetch := s.wantFile(t, link, content); fetch.Name != link {
			t.Errorf("told of %q, want the name that was asked for", fetch.Name)
		}
	}
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	s.wantRefusal(t, link, "file not found")
}

func TestOptionsOfTheClient(t *testing.T) {
	s := start(t, func(o *pxe.Options) { o.MaxBlock = 1024 })
	big := files()["pxelinux.0"]
	for _, blksize := range []int{512, 1024, 1468, 8192} {
		got, err := s.get(t, "pxelinux.0", func(c *tftp.Client) {
			c.SetBlockSize(blksize)
			c.RequestTSize(true)
		})
		if err != nil || got != big {
			t.Errorf("block size %d: %d bytes, %v", blksize, len(got), err)
		}
	}
}

func TestWritesAreRefused(t *testing.T) {
	s := start(t, nil)
	client, err := tftp.NewClient(s.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	transfer, err := client.Send("new", "octet")
	if err == nil {
		_, err = transfer.ReadFrom(strings.NewReader("content"))
	}
	if err == nil || !strings.Contains(err.Error(), "does not support write requests") {
		t.Errorf("a write gives %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.root, "new")); !os.IsNotExist(err) {
		t.Errorf("the file: %v, want none", err)
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	s := start(t, func(o *pxe.Options) { o.MaxPerClient = 40 })
	want := files()["pxelinux.0"]
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if got, err := s.get(t, "pxelinux.0", nil); err != nil || got != want {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
}

// A defect in what the server calls ends one request, not the process.
func TestPanicIsContained(t *testing.T) {
	told := make(chan pxe.Fetch, 2)
	s := start(t, func(o *pxe.Options) {
		o.Fetched = func(f pxe.Fetch) {
			told <- f
			if f.Name == "missing" {
				panic("defect")
			}
		}
	})
	_, err := s.get(t, "missing", nil)
	if !saysToClient(err, "internal error") {
		t.Errorf("get: %v, want an internal error", err)
	}
	<-told
	if got, err := s.get(t, "sub/dir/kernel", nil); err != nil || got != "kernel" {
		t.Errorf("after a panic: %q, %v", got, err)
	}
	if log := s.log.String(); !strings.Contains(log, "panic=defect") || !strings.Contains(log, "stack=") {
		t.Errorf("log:\n%s", log)
	}
}

func TestOffWithoutRoot(t *testing.T) {
	s := start(t, func(o *pxe.Options) { *o = pxe.Options{Listen: "not looked at"} })
	if s.addr.IsValid() {
		t.Errorf("listens on %s", s.addr)
	}
	select {
	case err := <-s.ended:
		t.Fatalf("Run ended with %v before its context", err)
	default:
	}
	s.stop()
	if err := <-s.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestEveryAddress(t *testing.T) {
	s := start(t, func(o *pxe.Options) { o.Listen = ":0" })
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		s.addr = netip.AddrPortFrom(netip.MustParseAddr(host), s.addr.Port())
		s.wantFile(t, "sub/dir/kernel", "kernel")
	}
}

func TestBusyAddressIsAnError(t *testing.T) {
	s := start(t, nil)
	_, err := pxe.New(pxe.Options{Listen: s.addr.String(), Root: s.root})
	if err == nil || !strings.Contains(err.Error(), "listen for TFTP") {
		t.Errorf("New on a taken address: %v", err)
	}
}

func TestValidate(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	good := pxe.Options{Listen: "127.0.0.1:0", Root: root}
	for _, c := range []struct {
		name   string
		change func(*pxe.Options)
		want   string
	}{
		{"good", func(*pxe.Options) {}, ""},
		{"off", func(o *pxe.Options) { *o = pxe.Options{} }, ""},
		{"no port", func(o *pxe.Options) { o.Listen = "127.0.0.1" }, "is not ip:port"},
		{"bad port", func(o *pxe.Options) { o.Listen = "127.0.0.1:65536" }, "from 0 to 65535"},
		{"host name", func(o *pxe.Options) { o.Listen = "localhost:69" }, "not an IP address"},
		{"missing root", func(o *pxe.Options) { o.Root = filepath.Join(root, "missing") }, "root: "},
		{"file as root", func(o *pxe.Options) { o.Root = file }, "is not a directory"},
		{"small block", func(o *pxe.Options) { o.MaxBlock = 512 }, "513 to 65464"},
		{"large block", func(o *pxe.Options) { o.MaxBlock = 65465 }, "513 to 65464"},
		{"timer", func(o *pxe.Options) { o.Timer = -time.Second }, "timer must not be negative"},
		{"retries", func(o *pxe.Options) { o.Retries = -1 }, "retries must not be negative"},
		{"grace", func(o *pxe.Options) { o.Grace = -1 }, "grace must not be negative"},
		{"transfers", func(o *pxe.Options) { o.MaxTransfers = -1 }, "transfers must not be negative"},
		{"per client", func(o *pxe.Options) { o.MaxPerClient = -1 }, "per client must not be negative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := good
			c.change(&o)
			err := o.Validate()
			if c.want == "" {
				if err != nil {
					t.Errorf("Validate: %v", err)
				}
				return
			}
			if !state.IsKind(err, state.KindInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Validate: %v, want KindInvalid with %q", err, c.want)
			}
			if _, err := pxe.New(o); err == nil {
				t.Error("New accepts what Validate refuses")
			}
		})
	}
}
