package state_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

func TestContinuousBootsEveryTime(t *testing.T) {
	for _, hides := range []bool{false, true} {
		p := newPC(state.PowerOff)
		p.hides = hides
		bubble(t, p, func(d *desk) {
			d.wish(state.TargetPxe, state.Continuous)
			d.reset(state.ResetOn)
			time.Sleep(time.Minute)
			d.reset(state.ResetForceRestart)
			time.Sleep(time.Minute)
			d.wantBoots(state.TargetPxe, state.TargetPxe)
			d.pc.reboot() // from inside the operating system
			time.Sleep(postDelay + 30*time.Second)
			d.wantBoots(state.TargetPxe, state.TargetPxe, state.TargetPxe)
			if !hides {
				d.pc.reboot()
				time.Sleep(postDelay + 30*time.Second)
				d.wantBoots(state.TargetPxe, state.TargetPxe, state.TargetPxe, state.TargetPxe)
			}
			d.wantOverride(state.TargetPxe, state.Continuous)

			d.wish(state.TargetNone, state.Disabled)
			time.Sleep(5 * time.Second)
			if got := d.pc.armed(); got != "" {
				t.Errorf("hides=%v: %v is still armed after Disabled", hides, got)
			}
		})
	}
}

func TestContinuousIsArmedAheadWhenWished(t *testing.T) {
	bubble(t, newPC(state.PowerOff), func(d *desk) {
		d.wish(state.TargetPxe, state.Once)
		d.reset(state.ResetOn)
		time.Sleep(2 * time.Second)
		// As Ironic does while its ramdisk runs, but much too early: the start
		// has not used its setting yet.
		d.wish(state.TargetHdd, state.Continuous)
		time.Sleep(2 * time.Second)
		if got := d.pc.armed(); got != state.TargetPxe {
			t.Errorf("armed %v; the setting of a start under way was replaced", got)
		}
		time.Sleep(time.Minute)
		d.pc.reboot() // the ramdisk's end
		time.Sleep(time.Minute)
		d.wantBoots(state.TargetPxe, state.TargetHdd)
	})
}

func TestContinuousIsArmedWithinHalfAMinuteOfABoot(t *testing.T) {
	bubble(t, newPC(state.PowerOff), func(d *desk) {
		d.wish(state.TargetPxe, state.Continuous)
		d.reset(state.ResetOn)
		for range 3 {
			boots := len(d.pc.booted())
			for len(d.pc.booted()) == boots {
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(30 * time.Second)
			if got := d.pc.armed(); got != state.TargetPxe {
				t.Errorf("half a minute after boot %d %q is armed", boots+1, got)
			}
			d.pc.reboot()
		}
	})
}

func TestABootReasonIsEvidenceOfABoot(t *testing.T) {
	p := newPC(state.PowerOn)
	p.hides, p.reasons = true, true
	bubble(t, p, func(d *desk) {
		d.wish(state.TargetPxe, state.Continuous)
		time.Sleep(10 * time.Minute) // all suspicion is spent
		for range 3 {
			d.pc.reboot()
			time.Sleep(postDelay + 30*time.Second)
		}
		d.wantBoots(state.TargetPxe, state.TargetPxe, state.TargetPxe)
	})
}

func TestSilentFirmwareIsArmedOnSuspicionAFewTimes(t *testing.T) {
	p := newPC(state.PowerOff)
	p.hides = true
	bubble(t, p, func(d *desk) {
		time.Sleep(time.Hour)
		d.wish(state.TargetPxe, state.Continuous)
		d.reset(state.ResetOn)
		for _, c := range []struct {
			pass time.Duration
			want int
		}{{20 * time.Second, 0}, {20 * time.Second, 1}, {time.Minute, 2}, {time.Hour, 3}} {
			time.Sleep(c.pass)
			d.pc.with(func() {
				if d.pc.againArms != c.want {
					t.Errorf("another %v on, it was armed %d times on suspicion, want %d", c.pass, d.pc.againArms, c.want)
				}
			})
		}
	})
}

func TestAFetchIsEvidenceOfABoot(t *testing.T) {
	p := newPC(state.PowerOn)
	p.hides = true
	bubble(t, p, func(d *desk) {
		d.wish(state.TargetPxe, state.Continuous)
		time.Sleep(10 * time.Minute) // all suspicion is spent
		d.pc.reboot()
		time.Sleep(2 * postDelay)
		if got := d.nodes.Fetched(netip.MustParseAddr("::ffff:192.0.2.10"), "bootx64.efi"); got != "desk-01" {
			t.Errorf("fetch by address matched %q", got)
		}
		if got := d.nodes.Fetched(netip.MustParseAddr("192.0.2.99"), "/pxelinux.cfg/01-52-54-00-12-34-56"); got != "desk-01" {
			t.Errorf("fetch by MAC matched %q", got)
		}
		if got := d.nodes.Fetched(netip.MustParseAddr("192.0.2.99"), "grub.cfg"); got != "" {
			t.Errorf("a stranger's fetch matched %q", got)
		}
		time.Sleep(30 * time.Second)
		d.pc.reboot()
		time.Sleep(time.Minute)
		d.wantBoots(state.TargetPxe, state.TargetPxe)
	})
}
