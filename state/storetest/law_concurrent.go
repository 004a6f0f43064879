package storetest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/amt-redfish/amt-redfish/state"
)

const (
	writers = 16
	rounds  = 20
)

// increment is the update function that counts.
func increment(old state.Entry) ([]byte, error) {
	n := 0
	if old.Value != nil {
		var err error
		if n, err = strconv.Atoi(string(old.Value)); err != nil {
			return nil, fmt.Errorf("read counter: %w", err)
		}
	}
	return strconv.AppendInt(nil, int64(n+1), 10), nil
}

// each runs work in n goroutines and waits for all.
func each(n int, work func(worker int)) {
	var wg sync.WaitGroup
	for worker := range n {
		wg.Go(func() { work(worker) })
	}
	wg.Wait()
}

// lawOneKeyContended: of concurrent updates of one key none is lost, and no
// two have the same revision.
func lawOneKeyContended(t *testing.T, open Opener) {
	s := open.open(t)
	var mu sync.Mutex
	seen := make(map[uint64]string)
	each(writers, func(int) {
		for range rounds {
			entry, err := s.Update(t.Context(), "counter", increment)
			if err != nil {
				t.Errorf("Update: %v", err)
				return
			}
			mu.Lock()
			if other, twice := seen[entry.Revision]; twice {
				t.Errorf("revision %d stands for %s and for %s", entry.Revision, other, entry.Value)
			}
			seen[entry.Revision] = string(entry.Value)
			mu.Unlock()
		}
	})
	wantValue(t, s, "counter", strconv.Itoa(writers*rounds))
	if len(seen) != writers*rounds {
		t.Errorf("%d revisions for %d updates", len(seen), writers*rounds)
	}
}

// lawManyKeysAtOnce: concurrent updates of different keys, some of which are
// refused, do not disturb each other.
func lawManyKeysAtOnce(t *testing.T, open Opener) {
	s := open.open(t)
	each(writers, func(worker int) {
		key := fmt.Sprintf("worker/%02d", worker)
		for round := range rounds {
			refusal := state.Errorf(state.KindConflict, "refuse", key, "round %d", round)
			_, err := s.Update(t.Context(), key, func(state.Entry) ([]byte, error) { return nil, refusal })
			if err != refusal { //nolint:errorlint // the port promises the very error
				t.Errorf("Update %s returned %v, want %v", key, err, refusal)
			}
			entry, err := s.Update(t.Context(), key, increment)
			if err != nil || string(entry.Value) != strconv.Itoa(round+1) {
				t.Errorf("Update %s round %d = %q, %v", key, round, entry.Value, err)
			}
		}
	})
	entries := mustList(t, s, "worker/")
	if len(entries) != writers {
		t.Fatalf("%d keys, want %d", len(entries), writers)
	}
	for worker, entry := range entries {
		if entry.Key != fmt.Sprintf("worker/%02d", worker) || string(entry.Value) != strconv.Itoa(rounds) {
			t.Errorf("entry %d is %s = %s", worker, entry.Key, entry.Value)
		}
	}
}

// lawReadersAmongWriters: a reader sees each key move forward only, and what
// an update returned is there for a later read.
func lawReadersAmongWriters(t *testing.T, open Opener) {
	s := open.open(t)
	mustUpdate(t, s, "counter", increment)
	each(writers, func(worker int) {
		last := uint64(0)
		for range rounds {
			if worker%4 == 0 {
				entry, err := s.Update(t.Context(), "counter", increment)
				if err != nil || entry.Revision <= last {
					t.Errorf("Update = revision %d, %v after revision %d", entry.Revision, err, last)
				}
				last = entry.Revision
			}
			entry, err := s.Get(t.Context(), "counter")
			if err != nil || entry.Revision < last {
				t.Errorf("Get = revision %d, %v after revision %d", entry.Revision, err, last)
			}
			last = entry.Revision
			entries, err := s.List(t.Context(), "counter")
			if err != nil || len(entries) != 1 || entries[0].Revision < last {
				t.Errorf("List = %+v, %v after revision %d", entries, err, last)
			}
		}
	})
}

// lawClosed: after Close every operation fails with KindClosed, and a second
// Close does no harm.
func lawClosed(t *testing.T, open Opener) {
	s := open(t)
	mustUpdate(t, s, "k", set("v"))
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	_, getErr := s.Get(t.Context(), "k")
	_, listErr := s.List(t.Context(), "")
	_, updateErr := s.Update(t.Context(), "k", func(state.Entry) ([]byte, error) {
		t.Error("the update function ran in a closed store")
		return nil, nil
	})
	for operation, err := range map[string]error{"Get": getErr, "List": listErr, "Update": updateErr} {
		if !state.IsKind(err, state.KindClosed) {
			t.Errorf("%s after Close: %v, want an error of KindClosed", operation, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// lawCloseAmongWriters: Close while updates run lets each end as written or
// as KindClosed, and what was acknowledged is there afterwards.
func lawCloseAmongWriters(t *testing.T, open Opener) {
	s := open(t)
	acknowledged := make([]int, writers)
	first := make(chan struct{}, writers)
	var wg sync.WaitGroup
	for worker := range writers {
		wg.Go(func() {
			key := fmt.Sprintf("worker/%02d", worker)
			for {
				_, err := s.Update(context.WithoutCancel(t.Context()), key, increment)
				if err != nil {
					if !state.IsKind(err, state.KindClosed) {
						t.Errorf("Update while closing: %v, want an error of KindClosed", err)
					}
					return
				}
				acknowledged[worker]++
				if acknowledged[worker] == 1 {
					first <- struct{}{}
				}
			}
		})
	}
	for range writers {
		<-first
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	wg.Wait()

	s = open.open(t)
	for worker, count := range acknowledged {
		wantValue(t, s, fmt.Sprintf("worker/%02d", worker), strconv.Itoa(count))
	}
}

// lawReopen: what was written is there after Close and another opening, with
// its revisions, and revisions go on growing, also those of deleted keys.
func lawReopen(t *testing.T, open Opener) {
	s := open(t)
	kept := mustUpdate(t, s, "kept", set("value"))
	empty := mustUpdate(t, s, "empty", set(""))
	gone := mustUpdate(t, s, "gone", set("x"))
	mustUpdate(t, s, "gone", remove)
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}

	s = open.open(t)
	wantValue(t, s, "kept", "value")
	wantValue(t, s, "empty", "")
	wantAbsent(t, s, "gone")
	if got := mustGet(t, s, "kept").Revision; got != kept.Revision {
		t.Errorf("revision is %d after reopening, was %d", got, kept.Revision)
	}
	for key, before := range map[string]uint64{"kept": kept.Revision, "empty": empty.Revision, "gone": gone.Revision} {
		if after := mustUpdate(t, s, key, set("new")).Revision; after <= before {
			t.Errorf("%s: revision %d after reopening, was %d; want it to grow", key, after, before)
		}
	}
}
