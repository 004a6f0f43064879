package bolt_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/amt-redfish/amt-redfish/state"
	"github.com/amt-redfish/amt-redfish/state/bolt"
	"github.com/amt-redfish/amt-redfish/state/storetest"
)

var update = flag.Bool("update", false, "write the golden files that do not exist yet")

func open(t *testing.T, path string) *bolt.Store {
	t.Helper()
	store, err := bolt.Open(t.Context(), path, bolt.Options{})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return store
}

func put(t *testing.T, store state.Store, key, value string) state.Entry {
	t.Helper()
	entry, err := store.Update(t.Context(), key, func(state.Entry) ([]byte, error) { return []byte(value), nil })
	if err != nil {
		t.Fatalf("Update %q: %v", key, err)
	}
	return entry
}

func TestTheLaw(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		path := filepath.Join(t.TempDir(), "state.db")
		return func(t *testing.T) state.Store { return open(t, path) }
	})
}

func TestOpenMakesPrivateFileAndDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "state.db")
	put(t, open(t, path), "k", "v")
	for name, want := range map[string]os.FileMode{dir: 0o700, filepath.Dir(dir): 0o700, path: 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatalf("stat: %v", err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(name), got, want)
		}
	}
}

func TestOpenNamesTheFileAndTheWayOut(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatalf("write: %v", err)
		}
		return path
	}
	locked := filepath.Join(dir, "locked.db")
	open(t, locked)
	damaged := filepath.Join(dir, "damaged.db")
	whole, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatalf("read golden: %v", err)
	}
	if err := os.WriteFile(damaged, bytes.Repeat([]byte{0x5a}, len(whole)), 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	for _, c := range []struct{ name, path, want string }{
		{"held by another", locked, "in use by another process; stop that gateway"},
		{"text", write("text.db", []byte("nodes: []\n")), "not a state file, or damaged"},
		{"all bytes wrong", damaged, "not a state file, or damaged"},
		{"a directory", dir, "is a directory"},
		{"below a file", filepath.Join(write("file", nil), "state.db"), "choose one that this user may write"},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, err := bolt.Open(t.Context(), c.path, bolt.Options{LockTimeout: time.Millisecond})
			if err == nil {
				t.Fatalf("opened; Close: %v", store.Close())
			}
			if !state.IsKind(err, state.KindStore) {
				t.Errorf("error %v is of kind %v, want KindStore", err, state.KindOf(err))
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), filepath.Base(c.path)) {
				t.Errorf("error %q, want it to name %q and to say %q", err, filepath.Base(c.path), c.want)
			}
		})
	}
}

func TestOpenWaitsForTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	first := open(t, path)
	type result struct {
		store *bolt.Store
		err   error
	}
	opened := make(chan result)
	go func() {
		store, err := bolt.Open(t.Context(), path, bolt.Options{LockTimeout: time.Minute})
		opened <- result{store, err}
	}()
	if err := first.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	second := <-opened
	if second.err != nil {
		t.Fatalf("Open after the first store was closed: %v", second.err)
	}
	if err := second.store.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestOpenHonoursItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open(t, path)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := bolt.Open(ctx, path, bolt.Options{LockTimeout: time.Hour})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open = %v, want the context's error", err)
	}
}

func TestOptionsValidate(t *testing.T) {
	_, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "x"), bolt.Options{LockTimeout: -1})
	if !state.IsKind(err, state.KindInvalid) {
		t.Errorf("Open with a negative timeout = %v, want KindInvalid", err)
	}
}

func TestKeyTooLong(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "state.db"))
	long := strings.Repeat("k", bbolt.MaxKeySize)
	put(t, store, long, "v")
	_, err := store.Update(t.Context(), long+"k", func(state.Entry) ([]byte, error) {
		t.Error("the update function ran")
		return nil, nil
	})
	if !state.IsKind(err, state.KindStore) {
		t.Errorf("Update with a key of %d bytes = %v, want KindStore", len(long)+1, err)
	}
}

// A damaged value is an error, never a record that does not exist: the core
// would begin that node anew and forget its wish.
func TestDamagedValueIsReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatalf("open bbolt: %v", err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("records"))
		if err != nil {
			return err
		}
		return b.Put([]byte("node/a"), []byte("short"))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatalf("write with bbolt: %v", err)
	}

	store := open(t, path)
	_, getErr := store.Get(t.Context(), "node/a")
	_, listErr := store.List(t.Context(), "")
	_, updateErr := store.Update(t.Context(), "node/a", func(state.Entry) ([]byte, error) {
		t.Error("the update function ran over a damaged value")
		return []byte("x"), nil
	})
	for operation, err := range map[string]error{"Get": getErr, "List": listErr, "Update": updateErr} {
		if !state.IsKind(err, state.KindStore) || !strings.Contains(err.Error(), "node/a") {
			t.Errorf("%s = %v, want an error of KindStore that names the key", operation, err)
		}
	}
	put(t, store, "node/b", "fine")
}

const (
	goldenFile = "testdata/v1.db"
	goldenDump = "testdata/v1.txt"
)

// writeGolden makes the records of the frozen file.
func writeGolden(t *testing.T, path string) {
	store := open(t, path)
	put(t, store, "account/admin", `{"version":1}`)
	put(t, store, "node/desk-01", "first")
	put(t, store, "node/desk-01", "second")
	put(t, store, "gone", "x")
	if _, err := store.Update(t.Context(), "gone", func(state.Entry) ([]byte, error) { return nil, nil }); err != nil {
		t.Fatalf("delete: %v", err)
	}
	put(t, store, "empty", "")
	put(t, store, "bytes\xff\x00", "\x00\xff")
	if err := store.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// dump renders a file as bbolt sees it: bucket, sequence, keys and values.
func dump(t *testing.T, path string) string {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		t.Fatalf("open bbolt: %v", err)
	}
	var b strings.Builder
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, bucket *bbolt.Bucket) error {
			fmt.Fprintf(&b, "bucket %q sequence %d\n", name, bucket.Sequence())
			return bucket.ForEach(func(k, v []byte) error {
				fmt.Fprintf(&b, "%q %s\n", k, hex.EncodeToString(v))
				return nil
			})
		})
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatalf("read with bbolt: %v", err)
	}
	return b.String()
}

// The stored form is frozen: files that were written by an earlier version
// are read for ever. A new form gets new golden files; these are never
// written again, not even with -update.
func TestStoredFormIsFrozen(t *testing.T) {
	if _, err := os.Stat(goldenFile); *update && errors.Is(err, os.ErrNotExist) {
		writeGolden(t, goldenFile)
		if err := os.WriteFile(goldenDump, []byte(dump(t, goldenFile)), 0o644); err != nil {
			t.Fatalf("write golden: %v", err)
		}
	}
	want, err := os.ReadFile(goldenDump)
	if err != nil {
		t.Fatalf("read golden: %v", err)
	}
	written := filepath.Join(t.TempDir(), "state.db")
	writeGolden(t, written)
	if got := dump(t, written); got != string(want) {
		t.Errorf("this version writes\n%swant\n%s", got, want)
	}

	frozen, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatalf("read golden: %v", err)
	}
	copied := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(copied, frozen, 0o600); err != nil {
		t.Fatalf("copy golden: %v", err)
	}
	store := open(t, copied)
	for key, value := range map[string]state.Entry{
		"account/admin": {Value: []byte(`{"version":1}`), Revision: 1},
		"node/desk-01":  {Value: []byte("second"), Revision: 3},
		"empty":         {Value: []byte{}, Revision: 5},
		"bytes\xff\x00": {Value: []byte("\x00\xff"), Revision: 6},
	} {
		got, err := store.Get(t.Context(), key)
		if err != nil || !bytes.Equal(got.Value, value.Value) || got.Revision != value.Revision {
			t.Errorf("frozen %q = %+v, %v; want %+v", key, got, err, value)
		}
	}
	if got := put(t, store, "gone", "back").Revision; got != 7 {
		t.Errorf("the next revision is %d, want 7", got)
	}
}
