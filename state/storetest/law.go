package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/amt-redfish/amt-redfish/state"
)

// set returns an update function that writes value whatever there was.
func set(value string) func(state.Entry) ([]byte, error) {
	return func(state.Entry) ([]byte, error) { return []byte(value), nil }
}

// remove is the update function that deletes.
func remove(state.Entry) ([]byte, error) { return nil, nil }

func mustUpdate(t *testing.T, s state.Store, key string, change func(state.Entry) ([]byte, error)) state.Entry {
	t.Helper()
	entry, err := s.Update(t.Context(), key, change)
	if err != nil {
		t.Fatalf("Update %q: %v", key, err)
	}
	return entry
}

func mustGet(t *testing.T, s state.Store, key string) state.Entry {
	t.Helper()
	entry, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("Get %q: %v", key, err)
	}
	return entry
}

func mustList(t *testing.T, s state.Store, prefix string) []state.Entry {
	t.Helper()
	entries, err := s.List(t.Context(), prefix)
	if err != nil {
		t.Fatalf("List %q: %v", prefix, err)
	}
	return entries
}

func wantAbsent(t *testing.T, s state.Store, key string) {
	t.Helper()
	entry, err := s.Get(t.Context(), key)
	if !state.IsKind(err, state.KindNotFound) {
		t.Errorf("Get %q = %q, %v; want an error of KindNotFound", key, entry.Value, err)
	}
}

func wantValue(t *testing.T, s state.Store, key, want string) {
	t.Helper()
	entry := mustGet(t, s, key)
	if string(entry.Value) != want || entry.Value == nil || entry.Key != key || entry.Revision == 0 {
		t.Errorf("Get %q = %+v, want value %q under that key with a revision", key, entry, want)
	}
}

// open opens a store that the test closes at its end.
func (o Opener) open(t *testing.T) state.Store {
	t.Helper()
	s := o(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// lawRecords: what was written is read, replaced and removed.
func lawRecords(t *testing.T, open Opener) {
	s := open.open(t)
	wantAbsent(t, s, "node/a")

	inserted := mustUpdate(t, s, "node/a", func(old state.Entry) ([]byte, error) {
		if old.Key != "node/a" || old.Value != nil || old.Revision != 0 {
			t.Errorf("old entry at insert = %+v, want only the key", old)
		}
		return []byte("one"), nil
	})
	if inserted.Key != "node/a" || string(inserted.Value) != "one" || inserted.Revision == 0 {
		t.Errorf("Update returned %+v, want the new entry", inserted)
	}
	wantValue(t, s, "node/a", "one")

	replaced := mustUpdate(t, s, "node/a", func(old state.Entry) ([]byte, error) {
		if old.Key != "node/a" || string(old.Value) != "one" || old.Revision != inserted.Revision {
			t.Errorf("old entry at replace = %+v, want %+v", old, inserted)
		}
		return append(bytes.Clone(old.Value), " two"...), nil
	})
	if string(replaced.Value) != "one two" {
		t.Errorf("Update returned %+v, want the new value", replaced)
	}
	wantValue(t, s, "node/a", "one two")

	deleted := mustUpdate(t, s, "node/a", remove)
	if deleted.Key != "node/a" || deleted.Value != nil || deleted.Revision != 0 {
		t.Errorf("Update that deletes returned %+v, want only the key", deleted)
	}
	wantAbsent(t, s, "node/a")

	again := mustUpdate(t, s, "node/a", remove)
	if again.Value != nil || again.Revision != 0 {
		t.Errorf("Update that deletes nothing returned %+v, want only the key", again)
	}
	wantAbsent(t, s, "node/a")
}

// lawValues: a value is any sequence of bytes; an empty one is a value.
func lawValues(t *testing.T, open Opener) {
	s := open.open(t)
	for name, value := range map[string]string{
		"empty": "", "zero bytes": "\x00\x00", "no text": "\xff\xfe\x00\x80", "lines": "{\n}\n",
		"1 MiB": strings.Repeat("0123456789abcdef", 1<<16),
	} {
		entry := mustUpdate(t, s, name, set(value))
		if entry.Value == nil || string(entry.Value) != value {
			t.Errorf("%s: Update returned %d bytes (nil: %t), want %d", name, len(entry.Value), entry.Value == nil, len(value))
		}
		wantValue(t, s, name, value)
	}
	mustUpdate(t, s, "empty", func(old state.Entry) ([]byte, error) {
		if old.Value == nil || old.Revision == 0 {
			t.Errorf("old entry of an empty value = %+v, want a value that is not nil", old)
		}
		return old.Value, nil
	})
	wantValue(t, s, "empty", "")
}

// lawKeys: a key is any sequence of bytes, told apart byte by byte; only the
// empty key is none.
func lawKeys(t *testing.T, open Opener) {
	s := open.open(t)
	keys := []string{
		"a", "A", "a ", "a/", "/a", "a//b", "..", "../a", "a/../b", "%2F", "a\nb", "a\x00b", "a\x00", "\x00",
		"ä", "a\u0308", "\xff", "\xff\xff", "\xfe\x80", "*", "a?b", "a:b", strings.Repeat("k", 1024),
	}
	for i, key := range keys {
		mustUpdate(t, s, key, set(fmt.Sprint(i)))
	}
	for i, key := range keys {
		wantValue(t, s, key, fmt.Sprint(i))
	}
	if n := len(mustList(t, s, "")); n != len(keys) {
		t.Errorf("List of everything has %d entries, want %d", n, len(keys))
	}

	wantAbsent(t, s, "")
	_, err := s.Update(t.Context(), "", set("x"))
	if !state.IsKind(err, state.KindStore) {
		t.Errorf("Update of the empty key: %v, want an error of KindStore", err)
	}
}

// lawListing: by prefix, sorted byte by byte, and nothing else.
func lawListing(t *testing.T, open Opener) {
	s := open.open(t)
	if entries := mustList(t, s, ""); len(entries) != 0 {
		t.Errorf("a fresh store lists %v", entries)
	}
	for _, key := range []string{"node/b", "node/a", "node", "nodes/a", "node/a/x", "node/Z", "node/\xff", "\xff\xff", "\xff", "account/a"} {
		mustUpdate(t, s, key, set("of "+key))
	}
	for _, c := range []struct {
		prefix string
		want   []string
	}{
		{"", []string{"account/a", "node", "node/Z", "node/a", "node/a/x", "node/b", "node/\xff", "nodes/a", "\xff", "\xff\xff"}},
		{"node/", []string{"node/Z", "node/a", "node/a/x", "node/b", "node/\xff"}},
		{"node/a", []string{"node/a", "node/a/x"}},
		{"node/\xff", []string{"node/\xff"}},
		{"\xff", []string{"\xff", "\xff\xff"}},
		{"x", nil},
		{"node/a/x/", nil},
	} {
		var got []string
		for _, entry := range mustList(t, s, c.prefix) {
			got = append(got, entry.Key)
			if string(entry.Value) != "of "+entry.Key || entry.Revision == 0 {
				t.Errorf("List %q holds %+v", c.prefix, entry)
			}
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
			t.Errorf("List %q = %q, want %q", c.prefix, got, c.want)
		}
	}
	mustUpdate(t, s, "node/a", remove)
	if n := len(mustList(t, s, "node/")); n != 4 {
		t.Errorf("after a delete the list has %d entries, want 4", n)
	}
}

// lawRevisions: each update of a key has a greater revision than the one
// before, also where the value is the same and where the key was deleted in
// between; reads show the revision of the last update.
func lawRevisions(t *testing.T, open Opener) {
	s := open.open(t)
	last := uint64(0)
	write := func(value string) {
		t.Helper()
		entry := mustUpdate(t, s, "k", set(value))
		if entry.Revision <= last {
			t.Errorf("revision %d after %d, want it to grow", entry.Revision, last)
		}
		last = entry.Revision
		if got := mustGet(t, s, "k").Revision; got != last {
			t.Errorf("Get shows revision %d, Update returned %d", got, last)
		}
		if got := mustList(t, s, "k")[0].Revision; got != last {
			t.Errorf("List shows revision %d, Update returned %d", got, last)
		}
	}
	write("a")
	write("a")
	write("b")
	mustUpdate(t, s, "other", set("x"))
	if got := mustGet(t, s, "k").Revision; got != last {
		t.Errorf("an update of another key moved the revision from %d to %d", last, got)
	}
	mustUpdate(t, s, "k", remove)
	write("a")
}

// lawUpdateError: an error of the update function comes back as it is and
// nothing has changed.
func lawUpdateError(t *testing.T, open Opener) {
	s := open.open(t)
	refusal := errors.New("no")
	_, err := s.Update(t.Context(), "k", func(state.Entry) ([]byte, error) { return []byte("x"), refusal })
	if err != refusal { //nolint:errorlint // the port promises the very error
		t.Errorf("Update returned %v, want the function's own error", err)
	}
	wantAbsent(t, s, "k")

	before := mustUpdate(t, s, "k", set("kept"))
	exists := state.Errorf(state.KindExists, "create", "", "there is one")
	for _, value := range [][]byte{[]byte("x"), nil} {
		_, err = s.Update(t.Context(), "k", func(state.Entry) ([]byte, error) { return value, exists })
		if err != exists { //nolint:errorlint // the port promises the very error
			t.Errorf("Update returned %v, want the function's own error", err)
		}
		if after := mustGet(t, s, "k"); string(after.Value) != "kept" || after.Revision != before.Revision {
			t.Errorf("a refused update left %+v, want %+v", after, before)
		}
	}
}

// lawUpdatePanic: a panic of the update function reaches its caller, changes
// nothing and leaves the store usable.
func lawUpdatePanic(t *testing.T, open Opener) {
	s := open.open(t)
	mustUpdate(t, s, "k", set("kept"))
	func() {
		defer func() {
			if got := recover(); got != "defect" {
				t.Errorf("recovered %v, want the function's own panic", got)
			}
		}()
		_, err := s.Update(t.Context(), "k", func(state.Entry) ([]byte, error) { panic("defect") })
		t.Errorf("Update returned (%v) although its function panicked", err)
	}()
	wantValue(t, s, "k", "kept")
	mustUpdate(t, s, "k", set("still works"))
	wantValue(t, s, "k", "still works")
}

// lawAliasing: what the store returned or was given shares no memory with
// what it keeps.
func lawAliasing(t *testing.T, open Opener) {
	s := open.open(t)
	given := []byte("value")
	returned := mustUpdate(t, s, "k", func(state.Entry) ([]byte, error) { return given, nil })
	spoil := func(b []byte) {
		for i := range b {
			b[i] = '#'
		}
		_ = append(b[:len(b):cap(b)], '#')
	}
	spoil(given)
	if string(returned.Value) != "value" {
		t.Errorf("the entry that Update returned aliases the function's result: %q", returned.Value)
	}
	spoil(returned.Value)
	spoil(mustGet(t, s, "k").Value)
	spoil(mustList(t, s, "k")[0].Value)
	wantValue(t, s, "k", "value")

	kept := mustGet(t, s, "k")
	mustUpdate(t, s, "k", set("other"))
	mustUpdate(t, s, "k", remove)
	if string(kept.Value) != "value" {
		t.Errorf("an entry read earlier became %q", kept.Value)
	}

	// An update function may hand back what it was given.
	mustUpdate(t, s, "k", set("same"))
	same := mustUpdate(t, s, "k", func(old state.Entry) ([]byte, error) { return old.Value, nil })
	spoil(same.Value)
	wantValue(t, s, "k", "same")
}

// lawContext: with a context that has ended nothing is read, run or written,
// and the error says so.
func lawContext(t *testing.T, open Opener) {
	s := open.open(t)
	mustUpdate(t, s, "k", set("kept"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := s.Get(ctx, "k")
	wantCanceled(t, "Get", err)
	_, err = s.List(ctx, "")
	wantCanceled(t, "List", err)
	_, err = s.Update(ctx, "k", func(state.Entry) ([]byte, error) {
		t.Error("the update function ran under a context that had ended")
		return []byte("x"), nil
	})
	wantCanceled(t, "Update", err)
	wantValue(t, s, "k", "kept")
}

func wantCanceled(t *testing.T, operation string, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) || !state.IsKind(err, state.KindTimeout) {
		t.Errorf("%s under an ended context: %v, want its error, of KindTimeout", operation, err)
	}
}
