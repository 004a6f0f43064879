// Package bolt keeps the gateway's records in one file, with bbolt: the
// state.Store for a single gateway, which needs no other service.
//
// It knows keys and bytes, not what the records mean, and it is no cache.
//
// # Stored form
//
// One bucket, "records". A key is the record's key; a value is the revision as
// 8 bytes, most significant first, and the record's bytes. The revision is the
// bucket's sequence number, so it grows over all keys and survives deletion.
// testdata holds a frozen file of this form, which every later version must
// read.
//
// # Invariants
//
//   - Update returns after the file was synchronised (fsync) with the new
//     value in it.
//   - One goroutine, owned by the Store and awaited by Close, writes. Updates
//     that wait while it synchronises share the next transaction.
//   - An update function runs in its caller's goroutine, so that its panic is
//     its caller's.
//   - What is returned shares no memory with the file's mapping.
//
// # Decisions
//
//   - 2026-11: a committer of our own instead of bbolt's Batch. A lone writer
//     never waits for company (Batch: up to 10 ms), 64 writers pay about a
//     fifteenth of the time of a transaction per update and a tenth of that of
//     Batch, and an update function that fails does not make the others run
//     again. BenchmarkUpdate measures the three.
package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bboltErrors "go.etcd.io/bbolt/errors"

	"github.com/amt-redfish/amt-redfish/state"
)

const (
	bucketName   = "records"
	revisionSize = 8

	fileMode = 0o600
	dirMode  = 0o700

	// lockAttempt is how long one attempt to lock the file lasts; between two
	// the context is looked at.
	lockAttempt = 100 * time.Millisecond
)

// Options tune Open. The zero value is ready to use.
type Options struct {
	// LockTimeout is how long Open waits for another process to release the
	// file. Default 2 s.
	LockTimeout time.Duration
}

// Validate reports what is wrong with the options.
func (o Options) Validate() error {
	if o.LockTimeout < 0 {
		return fmt.Errorf("lock timeout is %s; it must not be negative", o.LockTimeout)
	}
	return nil
}

// Store is a state.Store in one file.
type Store struct {
	db   *bbolt.DB
	path string

	updates chan *update  // unbuffered: a sender waits until the committer takes it
	closing chan struct{} // closed by Close
	ended   chan struct{} // closed when the committer has ended

	closeOnce sync.Once
	closeErr  error
}

var _ state.Store = (*Store)(nil)

// Open opens the store in the file at path and makes it, and its directory,
// where they do not exist: readable by the gateway's user only, because
// records hold password hashes and the TLS key. It is to be closed by Close.
// Errors are of KindStore, or the context's.
func Open(ctx context.Context, path string, options Options) (*Store, error) {
	if err := options.Validate(); err != nil {
		return nil, state.Errorf(state.KindInvalid, "open store", "", "%w", err)
	}
	if options.LockTimeout == 0 {
		options.LockTimeout = 2 * time.Second
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, openError("make the directory of %s: %w; choose one that this user may write", path, err)
	}
	db, err := openFile(ctx, path, options.LockTimeout)
	if err != nil {
		return nil, err
	}
	if err := prepare(db, dir); err != nil {
		return nil, errors.Join(openError("prepare %s: %w", path, err), db.Close())
	}
	s := &Store{
		db: db, path: path,
		updates: make(chan *update), closing: make(chan struct{}), ended: make(chan struct{}),
	}
	go s.commitUpdates()
	return s, nil
}

func openError(format string, args ...any) error {
	return state.Errorf(state.KindStore, "open store", "", format, args...)
}

// openFile opens the file and waits for its lock.
func openFile(ctx context.Context, path string, wait time.Duration) (*bbolt.DB, error) {
	deadline := time.Now().Add(wait)
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("open store %s: %w", path, err)
		}
		db, err := openBolt(path)
		switch {
		case err == nil:
			return db, nil
		case !errors.Is(err, bboltErrors.ErrTimeout):
			return nil, openError("%s: %w", path, explain(err))
		case !time.Now().Before(deadline):
			return nil, openError("%s is in use by another process; stop that gateway, or choose another state directory", path)
		}
	}
}

// openBolt opens the file; bbolt panics over some kinds of damage.
func openBolt(path string) (db *bbolt.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, fmt.Errorf("%w: %v", bboltErrors.ErrInvalid, p)
		}
	}()
	return bbolt.Open(path, fileMode, &bbolt.Options{Timeout: lockAttempt})
}

// explain says of an opening error what to do, where something can be done.
func explain(err error) error {
	switch {
	case errors.Is(err, bboltErrors.ErrInvalid), errors.Is(err, bboltErrors.ErrChecksum),
		errors.Is(err, bboltErrors.ErrVersionMismatch), errors.Is(err, bboltErrors.ErrInvalidMapping):
		return fmt.Errorf("not a state file, or damaged (%w); restore a copy, or move it away to begin with an empty state", err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w; it must belong to the gateway's user", err)
	}
	return err
}

// prepare makes the bucket, and the directory entry of a new file durable.
func prepare(db *bbolt.DB, dir string) error {
	made := false
	err := db.Update(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte(bucketName)) != nil {
			return errNothingToWrite
		}
		made = true
		_, err := tx.CreateBucket([]byte(bucketName))
		return err
	})
	if err := ignore(err, errNothingToWrite); err != nil || !made {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("synchronise directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("synchronise directory: %w", err)
	}
	return nil
}

func ignore(err, harmless error) error {
	if errors.Is(err, harmless) {
		return nil
	}
	return err
}

// Get implements state.Store.
func (s *Store) Get(ctx context.Context, key string) (state.Entry, error) {
	var entry state.Entry
	err := s.view(ctx, "get", key, func(b *bbolt.Bucket) error {
		var err error
		if entry, err = decode(key, b.Get([]byte(key))); err == nil && entry.Value == nil {
			err = state.Errorf(state.KindNotFound, "get", "", "there is no key %q", key)
		}
		return err
	})
	if err != nil {
		return state.Entry{}, err
	}
	return entry, nil
}

// List implements state.Store.
func (s *Store) List(ctx context.Context, prefix string) ([]state.Entry, error) {
	var entries []state.Entry
	err := s.view(ctx, "list", prefix, func(b *bbolt.Bucket) error {
		cursor := b.Cursor()
		for k, v := cursor.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = cursor.Next() {
			entry, err := decode(string(k), v)
			if err != nil {
				return err
			}
			entries = append(entries, entry)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// view runs read in a read transaction. Errors are of a kind already, or
// become KindStore.
func (s *Store) view(ctx context.Context, op, key string, read func(*bbolt.Bucket) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %q: %w", op, key, err)
	}
	select {
	case <-s.closing:
		return closedError(op, key)
	default:
	}
	err := s.db.View(func(tx *bbolt.Tx) error { return read(tx.Bucket([]byte(bucketName))) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bboltErrors.ErrDatabaseNotOpen):
		return closedError(op, key)
	case state.KindOf(err) != state.KindInternal:
		return err
	}
	return state.Errorf(state.KindStore, op, "", "%q in %s: %w", key, s.path, err)
}

func closedError(op, key string) error {
	return state.Errorf(state.KindClosed, op, "", "key %q: the store is closed", key)
}

// Close ends the committer, after the updates that it has taken, and closes
// the file.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing)
		<-s.ended
		if err := s.db.Close(); err != nil {
			s.closeErr = state.Errorf(state.KindStore, "close store", "", "%s: %w", s.path, err)
		}
	})
	return s.closeErr
}

// encode returns the stored form of a value.
func encode(revision uint64, value []byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, revisionSize+len(value)), revision), value...)
}

// decode returns the entry of a stored form, as a copy; nil is the entry of a
// key that does not exist.
func decode(key string, stored []byte) (state.Entry, error) {
	if stored == nil {
		return state.Entry{Key: key}, nil
	}
	if len(stored) < revisionSize {
		return state.Entry{}, fmt.Errorf("the value of %q has %d bytes, less than a revision's %d: the file is damaged", key, len(stored), revisionSize)
	}
	value := make([]byte, len(stored)-revisionSize)
	copy(value, stored[revisionSize:])
	return state.Entry{Key: key, Value: value, Revision: binary.BigEndian.Uint64(stored)}, nil
}
