package amtsim

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Effect is what an injected fault does.
type Effect string

// The effects.
const (
	// EffectStatus answers Fault.Status with Fault.Body as HTML; not executed.
	EffectStatus Effect = "status"
	// EffectFault answers a SOAP fault with Fault.Subcode and, unless 0,
	// Fault.AMTStatus as detail; not executed. Its HTTP status is the table's.
	EffectFault Effect = "fault"
	// EffectReturnValue answers Fault.ReturnValue; not executed.
	EffectReturnValue Effect = "return-value"
	// EffectUnauthorized answers 401 with a fresh nonce; not executed.
	EffectUnauthorized Effect = "unauthorized"
	// EffectDrop closes the connection; not executed.
	EffectDrop Effect = "drop"
	// EffectLoseReply executes and closes the connection without a reply.
	EffectLoseReply Effect = "lose-reply"
	// EffectDelay waits Fault.Delay before executing.
	EffectDelay Effect = "delay"
	// EffectHold waits before executing until Release, or Discard, which drops
	// the connection without executing.
	EffectHold Effect = "hold"
	// EffectHoldReply executes, then waits before replying until Release, or
	// Discard, which drops the connection.
	EffectHoldReply Effect = "hold-reply"
)

var effects = []Effect{EffectStatus, EffectFault, EffectReturnValue, EffectUnauthorized, EffectDrop,
	EffectLoseReply, EffectDelay, EffectHold, EffectHoldReply}

// Fault is one misbehaviour, aimed at calls that passed authentication.
type Fault struct {
	// Class and Method select calls by class name and by method name or verb;
	// "" is any.
	Class  string `json:"class,omitempty"`
	Method string `json:"method,omitempty"`
	// Skip lets that many selected calls pass first.
	Skip int `json:"skip,omitempty"`
	// Count is how many calls are hit; 0 is one, -1 all until it is removed.
	Count int `json:"count,omitempty"`
	// Effect is what happens.
	Effect Effect `json:"effect"`
	// The effects' parameters.
	Status      int           `json:"status,omitempty"`
	Body        string        `json:"body,omitempty"`
	Subcode     string        `json:"subcode,omitempty"`
	AMTStatus   int           `json:"amt_status,omitempty"`
	ReturnValue int           `json:"return_value,omitempty"`
	Delay       time.Duration `json:"delay,omitempty"` // nanoseconds in JSON
}

// Validate checks that the effect and its parameters make sense.
func (f Fault) Validate() error {
	switch {
	case !slices.Contains(effects, f.Effect):
		return fmt.Errorf("fault effect %q: choose one of %q", f.Effect, effects)
	case f.Effect == EffectStatus && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("fault status %d: choose 400 to 599", f.Status)
	case f.Effect == EffectFault && f.Subcode == "":
		return fmt.Errorf("fault without a subcode")
	case f.Skip < 0 || f.Count < -1 || f.Delay < 0:
		return fmt.Errorf("fault with skip %d, count %d, delay %v: out of range", f.Skip, f.Count, f.Delay)
	}
	return nil
}

// Injected is a fault at work.
type Injected struct {
	machine *Machine
	id      int
	fault   Fault
	reached chan struct{}
	release chan struct{}
	once    sync.Once

	// guarded by the machine's lock
	seen, hits int
	discard    bool
}

// AddFault puts a fault to work. Where several select one call, all count it
// and the first added acts. It panics on a fault that Validate refuses.
func (m *Machine) AddFault(f Fault) *Injected {
	if err := f.Validate(); err != nil {
		panic(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i := &Injected{machine: m, fault: f, reached: make(chan struct{}), release: make(chan struct{})}
	for _, other := range m.injected {
		i.id = max(i.id, other.id)
	}
	i.id++
	m.injected = append(m.injected, i)
	return i
}

// Faults returns the faults at work, in order.
func (m *Machine) Faults() []*Injected {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.injected)
}

// RemoveFaults removes all faults and lets held calls go on.
func (m *Machine) RemoveFaults() {
	for _, i := range m.Faults() {
		i.Remove()
	}
}

// ID returns the fault's number, as the control API uses it.
func (i *Injected) ID() int { return i.id }

// Fault returns what was added.
func (i *Injected) Fault() Fault { return i.fault }

// Reached returns a channel that is closed when the first call is hit; for
// EffectHoldReply that is after it was executed.
func (i *Injected) Reached() <-chan struct{} { return i.reached }

// Hits returns how many calls were hit.
func (i *Injected) Hits() int {
	i.machine.mu.Lock()
	defer i.machine.mu.Unlock()
	return i.hits
}

// Release lets held calls go on, and later ones pass without being held.
func (i *Injected) Release() { i.once.Do(func() { close(i.release) }) }

// Discard drops the connections of held calls and of later ones.
func (i *Injected) Discard() {
	i.machine.mu.Lock()
	i.discard = true
	i.machine.mu.Unlock()
	i.Release()
}

// Remove ends the fault and lets held calls go on.
func (i *Injected) Remove() {
	i.machine.mu.Lock()
	i.machine.injected = slices.DeleteFunc(i.machine.injected, func(o *Injected) bool { return o == i })
	i.machine.mu.Unlock()
	i.Release()
}

// aim returns the fault that hits this call, or nil. The lock is held.
func (m *Machine) aim(class, method string) *Injected {
	var hit *Injected
	for _, i := range m.injected {
		f := i.fault
		if f.Class != "" && f.Class != class || f.Method != "" && f.Method != method {
			continue
		}
		i.seen++
		count := f.Count
		if count == 0 {
			count = 1
		}
		past := i.seen - f.Skip
		if hit == nil && past > 0 && (count < 0 || past <= count) {
			hit = i
			i.hits++
		}
	}
	return hit
}

// arrive tells those who wait that a call was hit.
func (i *Injected) arrive() {
	i.machine.mu.Lock()
	defer i.machine.mu.Unlock()
	select {
	case <-i.reached:
	default:
		close(i.reached)
	}
}

// wait holds a call and reports whether it goes on.
func (i *Injected) wait() bool {
	i.arrive()
	select {
	case <-i.release:
	case <-i.machine.closing:
		return false
	}
	i.machine.mu.Lock()
	defer i.machine.mu.Unlock()
	return !i.discard
}
