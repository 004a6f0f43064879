package amtsim

import (
	"fmt"
	"slices"
	"time"
)

// Power states and requested power states (DMTF, CIM_PowerManagementService).
const (
	PowerOn         = 2
	PowerSleep      = 4
	PowerCycle      = 5
	PowerHibernate  = 7
	PowerOff        = 8
	PowerReset      = 10
	PowerNMI        = 11
	PowerGraceful   = 12
	PowerResetGrace = 14
)

// Return values of RequestPowerStateChange (DSP1027; DMTF value map).
const (
	returnOK                = 0
	returnUnsupported       = 1
	returnUnknown           = 2
	returnInvalidParameter  = 5
	returnInvalidTransition = 4097
	returnTimeoutParameter  = 4098
	returnBusy              = 4099
)

// Reasons of IPS_HostBootReason as the vendor's local service reads them.
const (
	reasonOther  = 1
	reasonRemote = 2
	sxS0         = 2
	sxS4         = 6
	sxS5         = 7
)

// host is the PC: what its power button, BIOS and OS are doing.
type host struct {
	power       int
	transition  bool // a power change is under way
	post        bool // the BIOS is starting
	agent       bool
	redirection bool
	epoch       int // cancels what was scheduled before
	osSaving    bool
	reason      bootReason
}

// bootReason is what IPS_HostBootReason shows.
type bootReason struct {
	reason, previous int
	details          string
}

func (h host) busy() bool { return h.transition || h.post }

// osUp reports whether the OS runs and could answer.
func (h host) osUp() bool { return h.power == PowerOn && !h.busy() }

// available returns AvailableRequestedPowerStates in recorded order.
func (p profile) available(h host) []int {
	switch h.power {
	case PowerOff, PowerHibernate:
		return []int{PowerOn}
	case PowerSleep:
		return []int{PowerOn, PowerReset, PowerOff, PowerCycle}
	}
	states := []int{PowerReset, PowerOff, PowerCycle}
	if p.graceful {
		states = append(states, PowerNMI)
	}
	if p.graceful && h.agent && h.osUp() {
		if p.sleeps {
			states = append(states, PowerSleep, PowerHibernate)
		}
		states = append(states, PowerResetGrace, PowerGraceful)
	}
	return states
}

// judge is the return value for a requested state: pure.
func (p profile) judge(h host, q Quirks, requested int) int {
	vague := func(exact int) int {
		if q.VagueRefusals {
			return returnUnknown
		}
		return exact
	}
	known := []int{PowerOn, PowerCycle, PowerOff, PowerReset}
	if p.graceful {
		known = append(known, PowerSleep, PowerHibernate, PowerNMI, PowerGraceful, PowerResetGrace)
	}
	switch {
	case requested < 2 || requested > 19:
		return returnInvalidParameter
	case !slices.Contains(known, requested):
		return returnUnsupported
	case h.busy():
		return vague(returnBusy)
	case h.redirection && (requested == PowerCycle || requested == PowerOff) && h.power == PowerOn:
		return returnUnknown
	case requested == PowerOn && h.power == PowerOn:
		return returnOK
	case !slices.Contains(p.available(h), requested):
		return vague(returnInvalidTransition)
	}
	return returnOK
}

// perform begins what an accepted request asks for. The lock is held.
func (m *Machine) perform(requested, call int) {
	boot := func(details string, previous int) func() {
		return func() {
			m.boot(Boot{Cause: CausePowerRequest, Request: requested, Call: call},
				bootReason{reason: reasonRemote, previous: previous, details: details})
		}
	}
	switch requested {
	case PowerOn:
		switch m.host.power {
		case PowerOff:
			m.change(boot("Power Up", sxS5))
		case PowerHibernate:
			m.change(boot("Power Up", sxS4))
		case PowerSleep:
			m.change(func() { m.settle(PowerOn) })
		}
	case PowerReset, PowerResetGrace:
		m.change(boot("Reset", sxS0))
	case PowerCycle:
		m.change(func() {
			m.host.power = PowerOff
			m.after(m.timing.PowerLatency, boot("Power Cycle", sxS5))
		})
	case PowerOff, PowerGraceful:
		m.change(func() { m.settle(PowerOff) })
	case PowerSleep, PowerHibernate:
		m.change(func() { m.settle(requested) })
	}
}

// change begins a power change that becomes visible after the latency. The
// lock is held.
func (m *Machine) change(then func()) {
	m.host.transition = true
	m.after(m.timing.PowerLatency, then)
	m.notify()
}

// settle ends a power change. The lock is held.
func (m *Machine) settle(power int) {
	m.host.power = power
	m.host.transition, m.host.post = false, false
	m.lastContact = time.Now()
	m.log.Info("power changed", "power", power)
}

// boot starts the host: the BIOS runs, reads the boot setting after a while
// and wipes it, and is done after a longer while. The lock is held.
func (m *Machine) boot(boot Boot, reason bootReason) {
	m.host.power, m.host.transition, m.host.post = PowerOn, false, true
	m.host.osSaving = false
	m.host.reason = reason
	m.after(m.timing.Consume, func() {
		boot.Device = m.consume(boot.Cause)
		m.bootSeq++
		boot.Seq, boot.At = m.bootSeq, time.Now()
		m.boots = limited(m.boots, boot)
		m.log.Info("host boots", "device", boot.Device, "cause", boot.Cause, "request", boot.Request)
		m.after(m.timing.POST-m.timing.Consume, func() { m.host.post = false })
	})
}

// PressPowerButton is a short press: it starts a host that is off, wakes a
// sleeping one, and shuts down one that is on.
func (m *Machine) PressPowerButton() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.host.epoch++
	previous := m.host.power
	switch {
	case previous == PowerSleep:
		m.change(func() { m.settle(PowerOn) })
	case previous == PowerOn || m.host.transition:
		m.change(func() { m.settle(PowerOff) })
	default:
		sx := sxS5
		if previous == PowerHibernate {
			sx = sxS4
		}
		m.change(func() { m.boot(Boot{Cause: CausePowerButton}, bootReason{reason: reasonOther, previous: sx}) })
	}
}

// HostReboot restarts the host from inside its OS, which AMT does not issue.
// It fails unless the OS is up.
func (m *Machine) HostReboot() error {
	return m.fromOS("reboot", func() {
		m.boot(Boot{Cause: CauseHostReboot}, bootReason{reason: reasonOther, previous: sxS0})
	})
}

// HostShutdown turns the host off from inside its OS. It fails unless the OS
// is up.
func (m *Machine) HostShutdown() error {
	return m.fromOS("shut down", func() { m.settle(PowerOff) })
}

// SetSleep lets the OS put the host to sleep (S3), or a key wake it. It fails
// where the host is in neither state.
func (m *Machine) SetSleep(asleep bool) error {
	if asleep {
		return m.fromOS("sleep", func() { m.settle(PowerSleep) })
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.host.power != PowerSleep || m.host.busy() {
		return fmt.Errorf("wake machine %s: it does not sleep", m.options.ID)
	}
	m.change(func() { m.settle(PowerOn) })
	return nil
}

// fromOS does what only a running OS can do.
func (m *Machine) fromOS(what string, act func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.host.osUp() {
		return fmt.Errorf("%s machine %s: its OS is not up (power %d, busy %t)", what, m.options.ID, m.host.power, m.host.busy())
	}
	m.change(act)
	return nil
}
