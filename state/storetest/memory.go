package storetest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/amt-redfish/amt-redfish/state"
)

// Memory is a state.Store in memory, for tests of the core.
type Memory struct {
	records *records
	mu      sync.RWMutex // held for reading by each operation, for writing by Close
	closed  bool
}

var _ state.Store = (*Memory)(nil)

// records is what survives the closing of a Memory.
type records struct {
	mu       sync.Mutex
	entries  map[string]state.Entry
	revision uint64
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{records: &records{entries: make(map[string]state.Entry)}}
}

// Reopen returns a store over the same records, as a gateway finds it that
// was started again. The old one should be closed.
func (m *Memory) Reopen() *Memory { return &Memory{records: m.records} }

// enter begins an operation; the caller must call the function it returns.
func (m *Memory) enter(ctx context.Context, op, key string) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s %q: %w", op, key, err)
	}
	m.mu.RLock()
	if m.closed {
		m.mu.RUnlock()
		return nil, state.Errorf(state.KindClosed, op, "", "key %q: the store is closed", key)
	}
	m.records.mu.Lock()
	return func() {
		m.records.mu.Unlock()
		m.mu.RUnlock()
	}, nil
}

// Get implements state.Store.
func (m *Memory) Get(ctx context.Context, key string) (state.Entry, error) {
	leave, err := m.enter(ctx, "get", key)
	if err != nil {
		return state.Entry{}, err
	}
	defer leave()
	entry, ok := m.records.entries[key]
	if !ok {
		return state.Entry{}, state.Errorf(state.KindNotFound, "get", "", "there is no key %q", key)
	}
	return clone(entry), nil
}

// List implements state.Store.
func (m *Memory) List(ctx context.Context, prefix string) ([]state.Entry, error) {
	leave, err := m.enter(ctx, "list", prefix)
	if err != nil {
		return nil, err
	}
	defer leave()
	var entries []state.Entry
	for _, key := range slices.Sorted(maps.Keys(m.records.entries)) {
		if strings.HasPrefix(key, prefix) {
			entries = append(entries, clone(m.records.entries[key]))
		}
	}
	return entries, nil
}

// Update implements state.Store. change must not use the store.
func (m *Memory) Update(ctx context.Context, key string, change func(state.Entry) ([]byte, error)) (state.Entry, error) {
	if key == "" {
		return state.Entry{}, state.Errorf(state.KindStore, "update", "", "a key must not be empty")
	}
	leave, err := m.enter(ctx, "update", key)
	if err != nil {
		return state.Entry{}, err
	}
	defer leave()
	old := state.Entry{Key: key}
	if entry, ok := m.records.entries[key]; ok {
		old = clone(entry)
	}
	value, err := change(old)
	if err != nil {
		return state.Entry{}, err
	}
	if value == nil {
		delete(m.records.entries, key)
		return state.Entry{Key: key}, nil
	}
	m.records.revision++
	entry := state.Entry{Key: key, Value: bytes.Clone(value), Revision: m.records.revision}
	m.records.entries[key] = entry
	return clone(entry), nil
}

// Close implements state.Store. The records stay for Reopen.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

func clone(entry state.Entry) state.Entry {
	entry.Value = bytes.Clone(entry.Value)
	return entry
}
