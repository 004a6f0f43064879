package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pin/tftp/v3"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/state"
)

// TestAFetchArmsAContinuousOverrideAgain shows the way of evidence through the
// whole program: firmware that hides its boot setting, a host that restarts
// by itself and fetches its boot file from us, and the override armed again.
func TestAFetchArmsAContinuousOverrideAgain(t *testing.T) {
	quirks := amtsim.Kind()
	quirks.HidesBootSetting = true
	machine, err := amtsim.Start(t.Context(), amtsim.Options{ID: "desk-01", Quirks: quirks, Timing: amtsim.Quick(), Power: amtsim.PowerOn})
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	tree := t.TempDir()
	const file = "grub.cfg-01-52-54-00-12-34-56"
	if err := os.WriteFile(filepath.Join(tree, file), []byte("boot\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tftpAddress := freeUDP(t)
	host, port, _ := net.SplitHostPort(machine.Addr())
	config := loadText(t, fmt.Sprintf("listen: 127.0.0.1:0\npxe: {tftp: {listen: %q, root: %q}}\nnodes:\n  - {id: desk-01, amt_address: %s, amt_port: %s, amt_password: %s, mac: [\"52:54:00:12:34:56\"]}\n",
		tftpAddress, tree, host, port, amtsim.DefaultPassword))
	// A boot is never suspected for its time alone here, only for a fetch.
	timing := state.Timing{Watch: 20 * time.Millisecond, Poll: 5 * time.Millisecond, Retry: 10 * time.Millisecond, Spread: time.Millisecond, Fresh: time.Millisecond, BootTime: 100 * time.Millisecond, Unused: time.Hour}
	wish := state.Override{Target: state.TargetPxe, Enabled: state.Continuous}
	g := &gateway{config: config, hooks: gatewayHooks{timing: timing}, log: slog.New(slog.DiscardHandler)}
	if g.store, err = openStore(t.Context(), config.State.Dir); err != nil {
		t.Fatal(err)
	}
	defer g.store.Close()
	defer g.closeMachines()
	if err := g.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- g.run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	if _, err := g.nodes.UpdateOverride(t.Context(), "desk-01", func(state.Override, state.Capability) (state.Override, error) { return wish, nil }); err != nil {
		t.Fatal(err)
	}
	armed := func(s amtsim.Snapshot) bool { return s.Armed.Device == amtsim.DevicePxe }
	for round := range 2 {
		if err := machine.Wait(t.Context(), armed); err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * timing.BootTime) // suspicion is spent
		if err := machine.HostReboot(); err != nil {
			t.Fatal(err)
		}
		if err := machine.Wait(t.Context(), func(s amtsim.Snapshot) bool { return s.Boots == round+1 && !armed(s) }); err != nil {
			t.Fatal(err)
		}
		fetch(t, tftpAddress, "/tftpboot/"+file, "boot\n")
	}
	if err := machine.Wait(t.Context(), armed); err != nil {
		t.Fatal(err)
	}
	for i, b := range machine.Boots() {
		if b.Device != amtsim.DevicePxe {
			t.Errorf("boot %d was from %s", i+1, b.Device)
		}
	}
}

func fetch(t *testing.T, address, name, want string) {
	t.Helper()
	client, err := tftp.NewClient(address)
	if err != nil {
		t.Fatal(err)
	}
	source, err := client.Receive(name, "octet")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := source.WriteTo(&got); err != nil || got.String() != want {
		t.Errorf("fetched %q, %v", &got, err)
	}
}

// freeUDP returns a loopback address with a port that nobody has.
func freeUDP(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}
