package amt

import (
	"context"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/state"
)

// TestASlowReadingOutlivesItsCaller: an engine that accepts connections and is
// slow to answer costs one caller its patience, not each; and what it answers
// in the end serves the next.
func TestASlowReadingOutlivesItsCaller(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{Quirks: amtsim.Kind(), Timing: amtsim.Immediate()}, func(o *Options) { o.ConnectTimeout = 20 * time.Millisecond })
	slow := sim.AddFault(amtsim.Fault{Method: "Get", Effect: amtsim.EffectHold})
	impatient, cancel := context.WithTimeout(within(t), 50*time.Millisecond)
	defer cancel()
	o, err := m.Observe(impatient, time.Hour)
	wantKind(t, err, state.KindUnreachable)
	if o.Power != state.PowerUnknown {
		t.Errorf("a node that was never read is %v", o.Power)
	}
	<-slow.Reached()
	exchanges := sim.Counters().Exchanges
	_, err = m.Observe(within(t), time.Hour)
	wantKind(t, err, state.KindUnreachable) // at once, from what is known
	if got := sim.Counters().Exchanges; got != exchanges {
		t.Errorf("%d exchanges were begun for the second caller", got-exchanges)
	}
	slow.Release()
	// Somebody about to act joins the reading that is under way, or makes one.
	if o, err = m.Observe(within(t), 0); err != nil || o.Power != state.PowerOff {
		t.Fatalf("read %v, %v", o.Power, err)
	}
	exchanges = sim.Counters().Exchanges
	if o, err = m.Observe(within(t), time.Hour); err != nil || o.Power != state.PowerOff {
		t.Errorf("after the answer: %v, %v", o.Power, err)
	}
	if got := sim.Counters().Exchanges; got != exchanges {
		t.Error("the answer was not shared")
	}
}
