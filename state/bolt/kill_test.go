package bolt_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/amt-redfish/amt-redfish/state"
	"github.com/amt-redfish/amt-redfish/state/bolt"
)

const (
	childArgument = "write-until-killed"
	childWriters  = 8
)

// TestMain makes this test binary the writing process of TestSurvivesSIGKILL,
// if it is called so.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Arg(0) == childArgument {
		writeUntilKilled(flag.Arg(1))
		return
	}
	m.Run()
}

// writeUntilKilled counts up a key per writer and prints each acknowledged
// value, until the process is killed.
func writeUntilKilled(path string) {
	ctx := context.Background()
	store, err := bolt.Open(ctx, path, bolt.Options{})
	if err != nil {
		panic(err)
	}
	var out sync.Mutex
	var wg sync.WaitGroup
	for writer := range childWriters {
		wg.Go(func() {
			key := fmt.Sprintf("writer/%d", writer)
			for {
				entry, err := store.Update(ctx, key, countUp)
				if err != nil {
					panic(err)
				}
				out.Lock()
				fmt.Printf("%s %s\n", key, entry.Value)
				out.Unlock()
			}
		})
	}
	wg.Wait()
}

func countUp(old state.Entry) ([]byte, error) {
	n := 0
	if old.Value != nil {
		var err error
		if n, err = strconv.Atoi(string(old.Value)); err != nil {
			return nil, fmt.Errorf("read counter: %w", err)
		}
	}
	return strconv.AppendInt(nil, int64(n+1), 10), nil
}

// Whatever was acknowledged before the process was killed, in the middle of
// writing, is in the file; nothing is there that was not written.
func TestSurvivesSIGKILL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	acknowledged := make(map[string]int)
	for _, lines := range []int{1, 40, 150} {
		killAfter(t, path, lines, acknowledged)
		store, err := bolt.Open(t.Context(), path, bolt.Options{})
		if err != nil {
			t.Fatalf("Open after SIGKILL: %v", err)
		}
		for key, count := range acknowledged {
			entry, err := store.Get(t.Context(), key)
			if err != nil {
				t.Errorf("Get %s: %v, acknowledged was %d", key, err, count)
				continue
			}
			// A writer has at most one update in flight.
			if got, err := strconv.Atoi(string(entry.Value)); err != nil || got < count || got > count+1 {
				t.Errorf("%s = %s, acknowledged was %d", key, entry.Value, count)
			}
		}
		if err := store.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
}

// killAfter runs a writing process, kills it after some acknowledgements and
// notes all that it printed.
func killAfter(t *testing.T, path string, lines int, acknowledged map[string]int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("find the test binary: %v", err)
	}
	child := exec.CommandContext(t.Context(), self, childArgument, path)
	child.Stderr = os.Stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatalf("make pipe: %v", err)
	}
	if err := child.Start(); err != nil {
		t.Fatalf("start child: %v", err)
	}
	seen := 0
	for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
		key, value, _ := strings.Cut(scanner.Text(), " ")
		count, err := strconv.Atoi(value)
		if err != nil {
			break // cut in the middle of a line
		}
		acknowledged[key] = count
		if seen++; seen == lines {
			if err := child.Process.Kill(); err != nil {
				t.Fatalf("kill child: %v", err)
			}
		}
	}
	if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("child ended with %v, want it killed", err)
	}
	if seen < lines {
		t.Fatalf("child acknowledged %d updates, want at least %d", seen, lines)
	}
}
