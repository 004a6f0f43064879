package amt

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/state"
)

func TestValidate(t *testing.T) {
	good := func() Options {
		return Options{Node: "desk", Address: "192.0.2.10", Username: "admin", Password: state.NewSecret("x")}
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for text, change := range map[string]func(*Options){
		"address":         func(o *Options) { o.Address = "http://192.0.2.10/" },
		"protocol":        func(o *Options) { o.Protocol = "HTTP" },
		"port":            func(o *Options) { o.Port = 70000 },
		"user name":       func(o *Options) { o.Username = "a:b" },
		"password":        func(o *Options) { o.Password = state.Secret{} },
		"max_retry":       func(o *Options) { o.MaxRetry = -1 },
		"action_wait":     func(o *Options) { o.ActionWait = -1 },
		"awake_interval":  func(o *Options) { o.AwakeInterval = -time.Second },
		"certificate pin": func(o *Options) { o.Protocol, o.PinSHA256 = "https", "abc" },
		"https":           func(o *Options) { o.CAs = x509.NewCertPool() },
	} {
		o := good()
		change(&o)
		err := o.Validate()
		wantKind(t, err, state.KindInvalid)
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%v does not name the %s", err, text)
		}
		if _, err := New(o); err == nil {
			t.Errorf("a machine was made with a wrong %s", text)
		}
	}
}

func TestPorts(t *testing.T) {
	for protocol, want := range map[string]string{"": "[2001:db8::1]:16992", "http": "[2001:db8::1]:16992", "https": "[2001:db8::1]:16993"} {
		o := Options{Address: "2001:db8::1", Protocol: protocol}.withDefaults()
		if got := o.endpoint(); got != want {
			t.Errorf("%q is at %s", protocol, got)
		}
	}
}

func TestTLS(t *testing.T) {
	secure := func(pin string) func(*Options) {
		return func(o *Options) { o.Protocol, o.PinSHA256 = "https", pin }
	}
	sim, m := simulate(t, amtsim.Options{TLS: true, Power: amtsim.PowerOn}, secure(""))
	_, err := m.Observe(within(t), 0)
	wantKind(t, err, state.KindUnreachable)
	if !strings.Contains(err.Error(), sim.Fingerprint()) {
		t.Errorf("%v does not say what to pin", err)
	}
	_, err = attach(t, sim.Addr(), secure(strings.Repeat("00", 32))).Observe(within(t), 0)
	wantKind(t, err, state.KindUnreachable)
	if o, err := attach(t, sim.Addr(), secure(strings.ToUpper(sim.Fingerprint()))).Observe(within(t), 0); err != nil || o.Power != state.PowerOn {
		t.Errorf("pinned: %+v, %v", o, err)
	}
	old := attach(t, sim.Addr(), secure(sim.Fingerprint()), func(o *Options) { o.LegacyTLS = true })
	if err := old.Power(within(t), state.RequestReset); err != nil {
		t.Errorf("legacy: %v", err)
	}
}

func TestFleetBoundsRequestsButNotDeadMachines(t *testing.T) {
	fleet := NewFleet(1)
	share := func(o *Options) { o.Fleet = fleet }
	sim, busy := simulate(t, amtsim.Options{Power: amtsim.PowerOn}, share)
	_, other := simulate(t, amtsim.Options{Power: amtsim.PowerOn}, share)
	dialing := make(chan struct{})
	dead := attach(t, "127.0.0.1:1", share, func(o *Options) {
		o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			close(dialing)
			<-ctx.Done()
			return nil, errors.New("no answer")
		}
	})
	ctx, cancel := context.WithCancel(within(t))
	var group sync.WaitGroup
	group.Go(func() {
		if err := dead.Disarm(ctx); err == nil {
			t.Error("a dead machine was disarmed")
		}
	})
	<-dialing
	if _, err := other.Observe(ctx, 0); err != nil {
		t.Errorf("a dead machine holds the fleet's room: %v", err)
	}
	hold := sim.AddFault(amtsim.Fault{Class: powerClass, Effect: amtsim.EffectHold})
	group.Go(func() {
		if _, err := busy.Observe(within(t), 0); err != nil {
			t.Error(err)
		}
	})
	<-hold.Reached()
	brief, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	wantKind(t, other.Disarm(brief), state.KindTimeout)
	hold.Release()
	if err := other.Disarm(ctx); err != nil {
		t.Errorf("room did not come back: %v", err)
	}
	cancel()
	group.Wait()
	if n := cap(NewFleet(0).slots); n != defaultFleet {
		t.Errorf("the default is %d", n)
	}
}

func TestErrorsNameNodeAndStepButNoSecrets(t *testing.T) {
	sim, m := simulate(t, amtsim.Options{})
	sim.AddFault(amtsim.Fault{Class: "CIM_BootService", Effect: amtsim.EffectReturnValue, ReturnValue: 5})
	text := m.Arm(within(t), state.TargetPxe).Error()
	for _, want := range []string{"desk", "arm", "CIM_BootService.SetBootConfigRole returned 5"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if strings.Contains(text, amtsim.DefaultPassword) || strings.Contains(text, sim.Addr()) {
		t.Errorf("%q tells too much", text)
	}
	if got := (&ReturnError{Method: "m", Value: 34849}).Error(); got != "m returned 34849 (AMT status 2081)" {
		t.Errorf("got %q", got)
	}
}
