package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/state"
)

const (
	// childVariable names the configuration file of the gateway that this
	// test binary is to be, instead of running tests.
	childVariable = "SCENARIO_GATEWAY_CONFIG"
	// blockVariable makes that gateway stand still as soon as a reset's result
	// is durable, so that it is never answered.
	blockVariable = "SCENARIO_GATEWAY_BLOCKS"

	childReady   = "ready"
	childBlocked = "blocked"

	scenarioUser     = "admin"
	scenarioPassword = "scenario-password"
	scenarioDesk     = "desk-01"

	// scenarioPatience bounds what a scenario waits for; only a failure needs
	// all of it.
	scenarioPatience = 90 * time.Second
)

// TestMain makes this test binary the gateway of the kill scenarios, if it is
// called so.
func TestMain(m *testing.M) {
	if file := os.Getenv(childVariable); file != "" {
		if err := childGateway(file, os.Getenv(blockVariable) != ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitFailed)
		}
		return
	}
	m.Run()
}

// killTiming makes the core quick. Equal resets are as good as never merged:
// these scenarios repeat them on purpose.
func killTiming() state.Timing {
	return state.Timing{
		Fresh: 50 * time.Millisecond, ActionWait: 500 * time.Millisecond, Poll: 20 * time.Millisecond, Merge: time.Nanosecond,
		Patience: 800 * time.Millisecond, BootTime: 300 * time.Millisecond, Unused: 3 * time.Second, Watch: 100 * time.Millisecond,
		Retry: 100 * time.Millisecond, Spread: time.Millisecond,
	}
}

// childGateway runs a gateway until its standard input ends, which it does
// when the test process does.
func childGateway(file string, blocks bool) error {
	config, _, err := loadConfig([]string{"--config", file}, nil)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	hooks := gatewayHooks{
		logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), timing: killTiming(),
		ready: func(base string) { fmt.Println(childReady, base) },
	}
	if blocks {
		hooks.wrapStore = func(s state.Store) state.Store { return blockingStore{s} }
	}
	return runGateway(ctx, config, hooks)
}

// blockingStore never returns from the update that closes a reset's intent,
// though it is made.
type blockingStore struct{ state.Store }

// Update implements state.Store.
func (s blockingStore) Update(ctx context.Context, key string, change func(state.Entry) ([]byte, error)) (state.Entry, error) {
	var closes bool
	entry, err := s.Store.Update(ctx, key, func(old state.Entry) ([]byte, error) {
		value, err := change(old)
		closes = hasIntent(old.Value) && !hasIntent(value)
		return value, err
	})
	if err == nil && closes {
		fmt.Println(childBlocked)
		select {}
	}
	return entry, err
}

// hasIntent reports whether a stored record has a reset under way.
func hasIntent(value []byte) bool {
	var record struct {
		Intent json.RawMessage `json:"intent"`
	}
	return json.Unmarshal(value, &record) == nil && len(record.Intent) > 0
}

// killDesk is a desktop with an unkind firmware, and the configuration of a
// gateway for it.
type killDesk struct {
	*amtsim.Machine
	t    *testing.T
	file string
}

func startKillDesk(t *testing.T) *killDesk {
	t.Helper()
	machine, err := amtsim.Start(t.Context(), amtsim.Options{ID: scenarioDesk, Timing: amtsim.Quick(), Power: amtsim.PowerOn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, reason := range bogus(machine) {
			t.Errorf("bogus request: %s", reason)
		}
		if t.Failed() {
			t.Logf("seed %d\n%s", machine.Snapshot().Seed, journalText(machine))
		}
		_ = machine.Close()
	})
	host, port, err := net.SplitHostPort(machine.Addr())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	d := &killDesk{Machine: machine, t: t, file: filepath.Join(dir, "gateway.yaml")}
	for name, text := range map[string]string{
		"admin-password": scenarioPassword,
		"gateway.yaml": fmt.Sprintf(`
listen: 127.0.0.1:0
tls: {mode: off}
state: {dir: state}
admin: {username: %s, password_file: admin-password}
nodes:
  - {id: %s, amt_address: %s, amt_port: %s, amt_username: %s, amt_password: %q}
`, scenarioUser, scenarioDesk, host, port, amtsim.DefaultUsername, amtsim.DefaultPassword),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// bogus returns why requests were bogus, but for one reason that no client can
// help: a request on a connection that was given up may reach the engine after
// one on the connection that replaced it, and its nonce count is too low then.
func bogus(m *amtsim.Machine) []string {
	return slices.DeleteFunc(m.BogusReasons(), func(reason string) bool { return strings.Contains(reason, "does not rise") })
}

// journalText renders calls and boots for a failed test's log.
func journalText(m *amtsim.Machine) string {
	var b strings.Builder
	for _, c := range m.Journal() {
		fmt.Fprintf(&b, "%s %3d conn %d %s.%s %s executed %t replied %t status %d fault %q return %d\n", c.At.Format("05.000000"),
			c.Seq, c.Connection, c.Class, c.Method, c.Argument, c.Executed, c.Replied, c.Status, c.Fault, c.ReturnValue)
	}
	for _, boot := range m.Boots() {
		fmt.Fprintf(&b, "%s boot %d: %s by %s, call %d\n", boot.At.Format("05.000000"), boot.Seq, boot.Device, boot.Cause, boot.Call)
	}
	return b.String()
}

// await waits until the desktop is in a state, which is looked at whenever
// anything happens to it.
func (d *killDesk) await(what string, condition func(amtsim.Snapshot) bool) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), scenarioPatience)
	defer cancel()
	if err := d.Wait(ctx, condition); err != nil {
		d.t.Fatalf("%s: %v", what, err)
	}
}

// awaitLooks waits until the firmware was armed after a call, if rearms, and
// the gateway has looked at its boot setting twice after that and left it: then
// a look that began before is over, and nothing is left to be done.
func (d *killDesk) awaitLooks(after int, rearms bool) {
	d.t.Helper()
	d.await("wait until it is armed ahead", func(s amtsim.Snapshot) bool {
		armed, looks := !rearms, 0
		for _, c := range d.Journal() {
			switch {
			case c.Seq <= after:
			case c.Class == "CIM_BootConfigSetting" && c.Method == "ChangeBootOrder":
				armed, looks = strings.Contains(c.Argument, "PXE"), 0
			case c.Class == "CIM_ElementSettingData" && c.Method == "Enumerate":
				looks++
			}
		}
		return armed && looks >= 2 && s.Armed.Device == amtsim.DevicePxe
	})
}

// lastCall returns the number of the last call.
func (d *killDesk) lastCall() int {
	calls := d.Journal()
	if len(calls) == 0 {
		return 0
	}
	return calls[len(calls)-1].Seq
}

// powerRequests counts the power requests that the firmware carried out.
func (d *killDesk) powerRequests() int {
	n := 0
	for _, c := range d.Journal() {
		if c.Method == "RequestPowerStateChange" && c.Executed {
			n++
		}
	}
	return n
}

// awaitBoots waits until the host has booted that often in all, and is up.
func (d *killDesk) awaitBoots(n int) {
	d.t.Helper()
	d.await(fmt.Sprintf("wait for boot %d", n), func(s amtsim.Snapshot) bool { return s.Boots >= n && !s.Busy })
}

// rebootHost restarts the host from inside its OS and waits for the boot.
func (d *killDesk) rebootHost() {
	d.t.Helper()
	boots := d.Snapshot().Boots
	if err := d.HostReboot(); err != nil {
		d.t.Fatal(err)
	}
	d.awaitBoots(boots + 1)
}

// wantBoots compares what was booted and why, as "cause device".
func (d *killDesk) wantBoots(want ...string) {
	d.t.Helper()
	var got []string
	for _, boot := range d.Boots() {
		got = append(got, boot.Cause+" "+boot.Device)
	}
	if !slices.Equal(got, want) {
		d.t.Errorf("the host booted %q, want %q", got, want)
	}
}

const (
	requestPxe     = amtsim.CausePowerRequest + " " + amtsim.DevicePxe
	requestDefault = amtsim.CausePowerRequest + " " + amtsim.DeviceDefault
	rebootPxe      = amtsim.CauseHostReboot + " " + amtsim.DevicePxe
	rebootDefault  = amtsim.CauseHostReboot + " " + amtsim.DeviceDefault
)

// killPoint is a step of a reset at which the gateway is killed.
type killPoint struct {
	name string
	// hold stops the reset at the step; without it the gateway stops by
	// itself, with its result recorded and not yet answered.
	hold *amtsim.Fault
	// started tells that the start has happened by then.
	started bool
	// touched tells that the boot setting may have been touched by then.
	touched bool
}

func killPoints() []killPoint {
	const power = "CIM_PowerManagementService"
	return []killPoint{
		{name: "before intent", hold: &amtsim.Fault{Class: "CIM_AssociatedPowerManagementService", Method: "Get", Effect: amtsim.EffectHold}},
		{name: "after intent", hold: &amtsim.Fault{Class: "CIM_BootConfigSetting", Method: "ChangeBootOrder", Effect: amtsim.EffectHold}, touched: true},
		{name: "after arming", hold: &amtsim.Fault{Class: power, Method: "RequestPowerStateChange", Effect: amtsim.EffectHold}, touched: true},
		{name: "after power request", hold: &amtsim.Fault{Class: power, Method: "RequestPowerStateChange", Effect: amtsim.EffectHoldReply}, touched: true, started: true},
		{name: "before answer", touched: true, started: true},
	}
}

// killed starts a gateway, wishes, kills the gateway in the middle of a
// restart, and returns the next gateway on the same state with the number of
// the last call before it.
func (p killPoint) killed(t *testing.T, desk *killDesk, wish state.Override) (next *child, after int) {
	t.Helper()
	first := startChild(t, desk.file, p.hold == nil)
	first.wish(wish)
	if wish.Enabled == state.Continuous {
		desk.awaitLooks(0, true)
	}
	var held *amtsim.Injected
	if p.hold != nil {
		held = desk.AddFault(*p.hold)
	}
	first.restartAndDie(func() {
		if held == nil {
			first.line(childBlocked)
			return
		}
		select {
		case <-held.Reached():
		case <-time.After(scenarioPatience):
			t.Errorf("the reset did not come to %s.%s", p.hold.Class, p.hold.Method)
		}
	})
	if held != nil {
		held.Discard()
		held.Remove()
	}
	if p.started {
		desk.awaitBoots(1)
	}
	after = desk.lastCall()
	return startChild(t, desk.file, false), after
}

// wantRequests checks that the reset that was cut has cost no second power
// request, beside those that the test asked for later.
func (p killPoint) wantRequests(desk *killDesk, later int) {
	desk.t.Helper()
	if p.started {
		later++
	}
	if n := desk.powerRequests(); n != later {
		desk.t.Errorf("the firmware carried out %d power requests, want %d", n, later)
	}
}

// A gateway killed at any step of a reset loses no Continuous wish and sends
// no second power request: the next one arms again, ahead and at each start.
func TestKilledInResetWithContinuous(t *testing.T) {
	for _, point := range killPoints() {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			desk := startKillDesk(t)
			wish := state.Override{Target: state.TargetPxe, Enabled: state.Continuous}
			gateway, after := point.killed(t, desk, wish)
			desk.awaitLooks(after, point.touched)
			if got := gateway.wished(); got != wish {
				t.Errorf("the override is %v after the crash, want %v", got, wish)
			}
			point.wantRequests(desk, 0)

			after = desk.lastCall()
			desk.rebootHost()
			desk.awaitLooks(after, true)
			gateway.restart()
			want := []string{rebootPxe, requestPxe}
			if point.started {
				want = append([]string{requestPxe}, want...)
			}
			desk.awaitBoots(len(want))
			desk.wantBoots(want...)
			point.wantRequests(desk, 1)
			if got := gateway.wished(); got != wish {
				t.Errorf("the override is %v in the end, want %v", got, wish)
			}
		})
	}
}

// A gateway killed at any step of a reset with Once boots the target once: it
// is consumed if the start has happened, else kept for the next start, and no
// boot between gets it.
func TestKilledInResetWithOnce(t *testing.T) {
	for _, point := range killPoints() {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			desk := startKillDesk(t)
			wish := state.Override{Target: state.TargetPxe, Enabled: state.Once}
			gateway, _ := point.killed(t, desk, wish)
			want, boots := wish, []string{rebootDefault, requestPxe, rebootDefault}
			if point.started {
				want, boots = state.NoOverride, []string{requestPxe, rebootDefault, requestDefault, rebootDefault}
			}
			desk.await("wait until it is disarmed", func(s amtsim.Snapshot) bool { return s.Armed.Device == amtsim.DeviceDefault })
			gateway.awaitWish(want)
			point.wantRequests(desk, 0)

			desk.rebootHost()
			gateway.restart()
			desk.awaitBoots(len(boots) - 1)
			gateway.awaitWish(state.NoOverride)
			desk.rebootHost()
			desk.wantBoots(boots...)
			point.wantRequests(desk, 1)
		})
	}
}
