package amt

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/state"
)

// simulate starts a kind, immediate desktop and a machine that moves it. Both
// end with the test, which fails if the machine sent what no client should.
func simulate(t *testing.T, o amtsim.Options, change ...func(*Options)) (*amtsim.Machine, *Machine) {
	t.Helper()
	if o.Quirks == (amtsim.Quirks{}) {
		o.Quirks = amtsim.Kind()
	}
	if o.Timing == (amtsim.Timing{}) {
		o.Timing = amtsim.Immediate()
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	sim, err := amtsim.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := sim.Counters().Bogus; n != 0 {
			t.Errorf("%d bogus requests: %v", n, sim.BogusReasons())
		}
		sim.Close()
	})
	return sim, attach(t, sim.Addr(), change...)
}

// attach returns a machine for an address, with short pauses.
func attach(t *testing.T, address string, change ...func(*Options)) *Machine {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Node: "desk", Address: host, Port: number,
		Username: amtsim.DefaultUsername, Password: state.NewSecret(amtsim.DefaultPassword),
		RetryPause: time.Millisecond, WakePause: 5 * time.Millisecond, WrongWait: time.Millisecond,
	}
	for _, c := range change {
		c(&o)
	}
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func wantKind(t *testing.T, err error, want state.Kind) {
	t.Helper()
	if err == nil || state.KindOf(err) != want {
		t.Fatalf("got %v, want an error of kind %q", err, want)
	}
}

// calls returns class.method of the journal from an index on.
func calls(sim *amtsim.Machine, from int) []string {
	var list []string
	for _, c := range sim.Journal()[from:] {
		text := c.Class + "." + c.Method
		if c.Argument != "" {
			text += " " + c.Argument
		}
		list = append(list, text)
	}
	return list
}
