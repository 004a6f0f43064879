package bolt_test

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/amt-redfish/amt-redfish/state"
	"github.com/amt-redfish/amt-redfish/state/bolt"
)

// BenchmarkUpdate compares, for one writer and for 64, this store with bbolt's
// own two ways: a transaction per update, and Batch.
func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("store/writers=%d", writers), func(b *testing.B) {
			store, err := bolt.Open(b.Context(), filepath.Join(b.TempDir(), "state.db"), bolt.Options{})
			if err != nil {
				b.Fatalf("Open: %v", err)
			}
			defer func() { _ = store.Close() }()
			value := make([]byte, 512)
			spread(b, writers, func(key string) error {
				_, err := store.Update(b.Context(), key, func(state.Entry) ([]byte, error) { return value, nil })
				return err
			})
		})
		b.Run(fmt.Sprintf("bbolt-update/writers=%d", writers), func(b *testing.B) {
			db := openBbolt(b)
			spread(b, writers, func(key string) error { return db.Update(putting(key)) })
		})
		b.Run(fmt.Sprintf("bbolt-batch/writers=%d", writers), func(b *testing.B) {
			db := openBbolt(b)
			spread(b, writers, func(key string) error { return db.Batch(putting(key)) })
		})
	}
}

// spread does b.N writes by that many writers, each with a key of its own.
func spread(b *testing.B, writers int, write func(key string) error) {
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for writer := range writers {
		wg.Go(func() {
			key := fmt.Sprintf("node/%02d", writer)
			for next.Add(1) <= int64(b.N) {
				if err := write(key); err != nil {
					b.Errorf("write: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func openBbolt(b *testing.B) *bbolt.DB {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "raw.db"), 0o600, nil)
	if err != nil {
		b.Fatalf("open bbolt: %v", err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

func putting(key string) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte("records"))
		if err != nil {
			return err
		}
		sequence, err := bucket.NextSequence()
		if err != nil {
			return err
		}
		return bucket.Put([]byte(key), binary.BigEndian.AppendUint64(make([]byte, 0, 520), sequence))
	}
}
