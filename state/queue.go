package state

import (
	"container/heap"
	"sync"
	"time"
)

// queue orders node ids by when they are due, for one consumer. Scheduling an
// id again moves it, to the earlier of the two times unless it is taken.
type queue struct {
	mu    sync.Mutex
	items dueHeap
	index map[string]*due
	wake  chan struct{}
}

type due struct {
	id  string
	at  time.Time
	pos int
}

func newQueue() *queue {
	return &queue{index: map[string]*due{}, wake: make(chan struct{}, 1)}
}

// kick makes id due now.
func (q *queue) kick(id string) { q.schedule(id, time.Now()) }

// schedule makes id due at a time, or earlier if it already was.
func (q *queue) schedule(id string, at time.Time) {
	q.mu.Lock()
	d := q.index[id]
	switch {
	case d == nil:
		d = &due{id: id, at: at}
		q.index[id] = d
		heap.Push(&q.items, d)
	case at.Before(d.at):
		d.at = at
		heap.Fix(&q.items, d.pos)
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take removes and returns an id that is due, or says how long until the next
// one is; ok is false with a negative wait when there is none.
func (q *queue) take(now time.Time) (id string, wait time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return "", -1, false
	}
	if wait := q.items[0].at.Sub(now); wait > 0 {
		return "", wait, false
	}
	d := heap.Pop(&q.items).(*due)
	delete(q.index, d.id)
	return d.id, 0, true
}

// dueHeap implements heap.Interface.
type dueHeap []*due

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}

// Push appends an item.
func (h *dueHeap) Push(x any) {
	d := x.(*due)
	d.pos = len(*h)
	*h = append(*h, d)
}

// Pop removes the last item.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return d
}
