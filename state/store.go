package state

import "context"

// Entry is one stored value with its revision.
type Entry struct {
	// Key is a slash-separated path, such as "node/desk-01".
	Key string
	// Value is the encoded record, owned by the receiver; nil means that the
	// key does not exist.
	Value []byte
	// Revision grows with every update of the key and is never 0 for an
	// existing entry. It is what compare-and-swap compares.
	Revision uint64
}

// Store is the port to persistence: keys, values, revisions. Records are
// encoded once, above it. Every backend passes storetest.Run. Errors are of
// KindNotFound, KindConflict, KindClosed or KindStore; an error returned by an
// update function comes back as it is.
type Store interface {
	// Get returns the entry, or an error of KindNotFound.
	Get(ctx context.Context, key string) (Entry, error)

	// List returns the entries whose key begins with prefix, sorted by key.
	List(ctx context.Context, prefix string) ([]Entry, error)

	// Update replaces the value of key by what change makes of the old entry
	// (whose Value is nil where there is none) and returns the new entry. A
	// nil result deletes the key. The new value is durable when Update
	// returns. change may run more than once and must have no side effect; it
	// must not keep or alter old.Value. An error from change leaves the key as
	// it was.
	Update(ctx context.Context, key string, change func(old Entry) ([]byte, error)) (Entry, error)

	// Close releases the backend. Operations after it fail with KindClosed.
	Close() error
}
