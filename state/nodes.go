package state

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const nodePrefix = "node/"

// NodesOptions are what the registry needs.
type NodesOptions struct {
	// Nodes are the configured nodes; ids must be unique and valid.
	Nodes []Node
	// Store keeps the records.
	Store Store
	// Timing may be zero.
	Timing Timing
	// Logger may be nil.
	Logger *slog.Logger
}

// Nodes is the node registry: it knows every node, keeps its record, gives out
// its turns, and is what the adapters call. All methods are safe for
// concurrent use.
type Nodes struct {
	store   Store
	timing  Timing
	log     *slog.Logger
	entries map[string]*entry
	ids     []string
	queue   *queue
	closing chan struct{} // closed when resets under way must end

	mu      sync.Mutex // guards closed, and that no flight begins after it
	closed  bool
	flights sync.WaitGroup
}

// entry is a node with its turn and with what is known of it only in memory.
type entry struct {
	Node
	turn chan struct{} // holds a token while nobody has the turn

	mu       sync.Mutex // guards what follows; never held across I/O
	tail     *flight    // the reset asked for last
	last     Observation
	acted    time.Time // when a power request was last sent or accepted
	facts    facts
	writes   uint64 // override writes seen by this process
	failures int    // background steps failed in a row
	preempt  context.CancelFunc
}

// Snapshot is what is recorded of a node; making one touches no firmware.
type Snapshot struct {
	Node       Node
	Override   Override
	Capability Capability
}

// NewNodes returns the registry. Run must run for the background work.
func NewNodes(o NodesOptions) (*Nodes, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	n := &Nodes{
		store: o.Store, timing: o.Timing.withDefaults(), log: o.Logger,
		entries: make(map[string]*entry, len(o.Nodes)), queue: newQueue(), closing: make(chan struct{}),
	}
	for _, node := range o.Nodes {
		if !ValidID(node.ID) {
			return nil, Errorf(KindInvalid, "register", node.ID, "an id has letters, digits, dots, dashes and underscores, begins with a letter or digit, and is at most 64 long")
		}
		if n.entries[node.ID] != nil {
			return nil, Errorf(KindExists, "register", node.ID, "two nodes have this id")
		}
		if node.Mode == "" {
			node.Mode = ModeUEFI
		}
		e := &entry{Node: node, turn: make(chan struct{}, 1)}
		e.turn <- struct{}{}
		e.facts.suspected = time.Now()
		n.entries[node.ID] = e
		n.ids = append(n.ids, node.ID)
	}
	slices.Sort(n.ids)
	return n, nil
}

// IDs returns every node's id, sorted.
func (n *Nodes) IDs() []string { return slices.Clone(n.ids) }

func (n *Nodes) entry(op, id string) (*entry, error) {
	e := n.entries[id]
	if e == nil {
		return nil, Errorf(KindNotFound, op, id, "there is no such node")
	}
	return e, nil
}

// Get returns what is recorded of a node, without touching its firmware.
func (n *Nodes) Get(ctx context.Context, id string) (Snapshot, error) {
	e, err := n.entry("read", id)
	if err != nil {
		return Snapshot{}, err
	}
	r, err := n.load(ctx, id)
	if err != nil {
		return Snapshot{}, err
	}
	return Snapshot{Node: e.Node, Override: r.Override, Capability: r.Capability}, nil
}

// Observe returns a node's power, read from firmware in at most one exchange
// or shared while it is fresh. Where firmware is silent, the last reading
// answers while it is younger than Timing.Stale and no power request was sent
// since; during a transition it answers only if it is not off, since
// a stale Off harms and a stale On only delays. Everything else is an error.
func (n *Nodes) Observe(ctx context.Context, id string) (Observation, error) {
	e, err := n.entry("observe", id)
	if err != nil {
		return Observation{}, err
	}
	o, err := n.observe(ctx, e, n.timing.Fresh)
	if err == nil {
		return o, nil
	}
	e.mu.Lock()
	last, acted := e.last, e.acted
	e.mu.Unlock()
	now := time.Now()
	age := now.Sub(last.At)
	switch {
	case last.Power == PowerUnknown:
	case acted.Before(last.At) && age <= n.timing.Stale:
		return last, nil
	case now.Sub(acted) <= n.timing.Transition && age <= n.timing.Transition && !last.Power.IsOff():
		return last, nil
	}
	return Observation{}, err
}

// observe reads the power state and notes what it implies.
func (n *Nodes) observe(ctx context.Context, e *entry, maxAge time.Duration) (Observation, error) {
	o, err := e.Machine.Observe(ctx, maxAge)
	if err != nil {
		return o, err
	}
	e.mu.Lock()
	wasOff, first := e.last.Power.IsOff(), e.last.At.IsZero()
	if o.At.After(e.last.At) {
		e.last = o
	}
	// Our own start is accounted for when it is accepted.
	poweredOn := wasOff && o.Power.IsOn() && o.At.Sub(e.acted) > n.timing.Transition
	if poweredOn {
		e.facts.suspected, e.facts.repeats = o.At, 0
	}
	e.mu.Unlock()
	if poweredOn || first {
		n.queue.kick(e.ID)
	}
	return o, nil
}

// UpdateOverride replaces a node's wish by what change makes of it, as one
// step that is durable when it returns, and returns the new wish. change may
// run more than once; an error from it comes back as it is and leaves the wish
// alone. Firmware is not touched: what must be armed ahead or disarmed is done
// in the background.
func (n *Nodes) UpdateOverride(ctx context.Context, id string, change func(Override, Capability) (Override, error)) (Override, error) {
	e, err := n.entry("set override", id)
	if err != nil {
		return Override{}, err
	}
	r, err := n.update(ctx, id, func(r *record) error {
		wish, err := change(r.Override, r.Capability)
		if err != nil {
			return err
		}
		if err := wish.Validate(r.Capability); err != nil {
			return err
		}
		r.Override = wish
		r.Wish++
		return nil
	})
	if err != nil {
		return Override{}, err
	}
	e.mu.Lock()
	e.writes++ // an equal reset from here on is a new one
	e.mu.Unlock()
	n.queue.kick(id)
	return r.Override, nil
}

// Fetched tells that a boot file was fetched from addr under a name; where it
// can be matched to a node (its address, or its MAC in the name) it counts as
// evidence of a boot. It returns the node's id, or "".
func (n *Nodes) Fetched(addr netip.Addr, name string) string {
	folded := strings.ToLower(strings.NewReplacer(":", "", "-", "").Replace(name))
	for _, id := range n.ids {
		e := n.entries[id]
		matches := e.hasAddress(addr) || slices.ContainsFunc(e.MACs, func(mac string) bool {
			return strings.Contains(folded, strings.ReplaceAll(mac, ":", ""))
		})
		if !matches {
			continue
		}
		e.mu.Lock()
		e.facts.fetched = time.Now()
		e.mu.Unlock()
		n.queue.kick(id)
		return id
	}
	return ""
}

func (n *Nodes) load(ctx context.Context, id string) (record, error) {
	stored, err := n.store.Get(ctx, nodePrefix+id)
	if err != nil && !IsKind(err, KindNotFound) {
		return record{}, Errorf(KindStore, "read record", id, "%w", err)
	}
	return decodeRecord(stored)
}

// update changes a node's record as one durable step.
func (n *Nodes) update(ctx context.Context, id string, change func(*record) error) (record, error) {
	var result record
	_, err := n.store.Update(ctx, nodePrefix+id, func(old Entry) ([]byte, error) {
		r, err := decodeRecord(old)
		if err != nil {
			return nil, err
		}
		if err := change(&r); err != nil {
			return nil, err
		}
		result = r
		return r.encode()
	})
	return result, err
}

// takeTurn waits for the node's turn; give it back with giveTurn.
func (e *entry) takeTurn(ctx context.Context, op string) error {
	e.mu.Lock()
	if e.preempt != nil {
		e.preempt() // a caller goes before the background
	}
	e.mu.Unlock()
	select {
	case <-e.turn:
		return nil
	case <-ctx.Done():
		return Errorf(KindTimeout, op, e.ID, "waited for the operation before it: %w", ctx.Err())
	}
}

func (e *entry) giveTurn() { e.turn <- struct{}{} }
