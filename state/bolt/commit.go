package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/amt-redfish/amt-redfish/state"
)

// batchMax bounds the updates of one transaction, and so the memory that its
// pages take.
const batchMax = 256

// errNothingToWrite rolls a transaction back that changes nothing, which saves
// the synchronisation.
var errNothingToWrite = errors.New("nothing to write")

// errAbandoned marks an update whose function did not return.
var errAbandoned = errors.New("the update function did not return")

// update is one Update on its way through the committer.
type update struct {
	key string
	old chan state.Entry // the committer hands over the old entry, at most once

	decided chan struct{} // closed when value and changeErr are set
	value   []byte
	// changeErr is the update function's own error.
	changeErr error

	done  chan struct{} // closed when entry and err are set
	entry state.Entry
	err   error // of KindStore
}

// Update implements state.Store. Where the context ends before the committer
// has taken the update, nothing was done; from then on the outcome is awaited,
// so that no caller is left in doubt. change must not use the store.
func (s *Store) Update(ctx context.Context, key string, change func(state.Entry) ([]byte, error)) (state.Entry, error) {
	if key == "" || len(key) > bbolt.MaxKeySize {
		return state.Entry{}, state.Errorf(state.KindStore, "update", "", "a key of %d bytes; allowed are 1 to %d", len(key), bbolt.MaxKeySize)
	}
	if err := ctx.Err(); err != nil {
		return state.Entry{}, fmt.Errorf("update %q: %w", key, err)
	}
	u := &update{key: key, old: make(chan state.Entry, 1), decided: make(chan struct{}), done: make(chan struct{})}
	select {
	case <-s.closing:
		return state.Entry{}, closedError("update", key)
	default:
	}
	select {
	case s.updates <- u:
	case <-ctx.Done():
		return state.Entry{}, fmt.Errorf("update %q: %w", key, ctx.Err())
	case <-s.closing:
		return state.Entry{}, closedError("update", key)
	}
	select {
	case old := <-u.old:
		u.decide(old, change)
		<-u.done
	case <-u.done: // it failed before its turn came
	}
	if u.changeErr != nil {
		return state.Entry{}, u.changeErr
	}
	return u.entry, u.err
}

// decide runs the update function, in its caller's goroutine.
func (u *update) decide(old state.Entry, change func(state.Entry) ([]byte, error)) {
	u.changeErr = errAbandoned
	defer close(u.decided)
	u.value, u.changeErr = change(old)
}

// commitUpdates writes updates until the store closes. Those that wait when a
// transaction begins share it.
func (s *Store) commitUpdates() {
	defer close(s.ended)
	for {
		select {
		case <-s.closing:
			return
		case first := <-s.updates:
			s.commit(s.collect(first))
		}
	}
}

// collect returns first and the updates that wait behind it.
func (s *Store) collect(first *update) []*update {
	batch := []*update{first}
	for len(batch) < batchMax {
		select {
		case u := <-s.updates:
			batch = append(batch, u)
		default:
			return batch
		}
	}
	return batch
}

// commit writes a batch as one transaction and tells everyone the outcome. If
// the transaction fails, nobody's value was written.
func (s *Store) commit(batch []*update) {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucketName))
		wrote := false
		for _, u := range batch {
			changed, err := u.apply(b)
			if err != nil {
				return err
			}
			wrote = wrote || changed
		}
		if !wrote {
			return errNothingToWrite
		}
		return nil
	})
	err = ignore(err, errNothingToWrite)
	for _, u := range batch {
		if err != nil && u.err == nil {
			u.entry, u.err = state.Entry{}, state.Errorf(state.KindStore, "update", "", "key %q in %s: %w", u.key, s.path, err)
		}
		close(u.done)
	}
}

// apply runs one update inside a transaction and reports whether it changed
// anything. An error of its own it keeps; the one it returns fails the
// transaction.
func (u *update) apply(b *bbolt.Bucket) (changed bool, err error) {
	stored := b.Get([]byte(u.key))
	old, err := decode(u.key, stored)
	if err != nil {
		u.err = state.Errorf(state.KindStore, "update", "", "%w", err)
		return false, nil
	}
	u.old <- old
	<-u.decided
	u.entry = state.Entry{Key: u.key}
	switch {
	case u.changeErr != nil:
		return false, nil
	case u.value == nil && stored == nil:
		return false, nil
	case u.value == nil:
		return true, b.Delete([]byte(u.key))
	case len(u.value) > bbolt.MaxValueSize-revisionSize:
		u.err = state.Errorf(state.KindStore, "update", "", "key %q: a value of %d bytes is too large", u.key, len(u.value))
		return false, nil
	}
	u.entry.Value = bytes.Clone(u.value)
	if u.entry.Revision, err = b.NextSequence(); err != nil {
		return false, err
	}
	return true, b.Put([]byte(u.key), encode(u.entry.Revision, u.value))
}
