package amt

import "context"

// defaultFleet bounds the requests in flight of one gateway.
const defaultFleet = 128

// Fleet bounds how many machines are asked at the same time. Room is taken
// only once a connection is made, so that dead machines take none.
type Fleet struct{ slots chan struct{} }

// NewFleet returns a bound of n requests in flight; 0 is 128.
func NewFleet(n int) *Fleet {
	if n <= 0 {
		n = defaultFleet
	}
	return &Fleet{slots: make(chan struct{}, n)}
}

// Acquire waits for room until ctx ends.
func (f *Fleet) Acquire(ctx context.Context) error {
	select {
	case f.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Release gives room back.
func (f *Fleet) Release() { <-f.slots }
