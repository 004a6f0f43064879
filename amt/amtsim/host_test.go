package amtsim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	on, off := host{power: PowerOn}, host{power: PowerOff}
	agent, busy, console := on, on, on
	agent.agent, busy.transition, console.redirection = true, true, true
	asleep := host{power: PowerSleep}
	newest, older := profiles["16.1"], profiles["11.8"]
	oldest := profiles["7"]
	vague := Quirks{VagueRefusals: true}
	tests := []struct {
		name    string
		profile profile
		host    host
		quirks  Quirks
		request int
		want    int
	}{
		{"on when off", newest, off, Quirks{}, PowerOn, 0},
		{"on when on", newest, on, Quirks{}, PowerOn, 0},
		{"reset", newest, on, Quirks{}, PowerReset, 0},
		{"reset when off", newest, off, Quirks{}, PowerReset, returnInvalidTransition},
		{"reset when off, vague", newest, off, vague, PowerReset, returnUnknown},
		{"off when off", newest, off, Quirks{}, PowerOff, returnInvalidTransition},
		{"too early", newest, busy, Quirks{}, PowerReset, returnBusy},
		{"too early, vague", newest, busy, vague, PowerReset, returnUnknown},
		{"off with console", newest, console, Quirks{}, PowerOff, returnUnknown},
		{"cycle with console", newest, console, Quirks{}, PowerCycle, returnUnknown},
		{"reset with console", newest, console, Quirks{}, PowerReset, 0},
		{"graceful with agent", newest, agent, Quirks{}, PowerGraceful, 0},
		{"graceful without", newest, on, Quirks{}, PowerGraceful, returnInvalidTransition},
		{"sleep on 16.1", newest, agent, Quirks{}, PowerSleep, returnInvalidTransition},
		{"sleep on 11.8", older, agent, Quirks{}, PowerSleep, 0},
		{"graceful on 7", oldest, agent, Quirks{}, PowerGraceful, returnUnsupported},
		{"reset from sleep", newest, asleep, Quirks{}, PowerReset, 0},
		{"hard off", newest, on, Quirks{}, 6, returnUnsupported},
		{"no state", newest, on, Quirks{}, 99, returnInvalidParameter},
		{"other", newest, on, Quirks{}, 1, returnInvalidParameter},
	}
	for _, test := range tests {
		if got := test.profile.judge(test.host, test.quirks, test.request); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestAvailableStatesAreShown(t *testing.T) {
	m, c := kind(t, nil)
	want := func(power int, states ...int) {
		t.Helper()
		reply := c.get(testCim + "CIM_AssociatedPowerManagementService")
		var text strings.Builder
		for _, s := range states {
			fmt.Fprintf(&text, "<g:AvailableRequestedPowerStates>%d</g:AvailableRequestedPowerStates>", s)
		}
		fmt.Fprintf(&text, "<g:PowerState>%d</g:PowerState>", power)
		if !strings.Contains(reply, text.String()) || strings.Count(reply, "<g:AvailableRequestedPowerStates>") != len(states) {
			t.Errorf("want %s in %s", text.String(), reply)
		}
	}
	want(PowerOn, 10, 8, 5, 11)
	m.SetAgent(true)
	want(PowerOn, 10, 8, 5, 11, 14, 12)
	if err := m.SetSleep(true); err != nil {
		t.Fatal(err)
	}
	want(PowerSleep, 2, 10, 8, 5)
	c.returns(c.powerRequest(PowerOn), 0)
	if len(m.Boots()) != 0 {
		t.Error("waking from sleep is no boot")
	}
	c.returns(c.powerRequest(PowerGraceful), 0)
	want(PowerOff, 2)
	_, old := kind(t, func(o *Options) { o.Profile = "7" })
	if reply := old.get(testCim + "CIM_AssociatedPowerManagementService"); strings.Contains(reply, "AvailableRequested") {
		t.Errorf("release 7 shows %s", reply)
	}
}

func TestPowerTakesTimeAndTooEarlyIsRefused(t *testing.T) {
	m, c := kind(t, func(o *Options) {
		o.Power = PowerOff
		o.Timing = Timing{PowerLatency: time.Nanosecond, POST: time.Hour, Consume: time.Nanosecond, IdleSleep: -1, IdleClose: -1}
	})
	c.returns(c.powerRequest(PowerOn), 0)
	await(t, m, func(s Snapshot) bool { return s.Boots == 1 })
	c.returns(c.powerRequest(PowerReset), returnBusy)
	if s := m.Snapshot(); s.Power != PowerOn || !s.Busy {
		t.Errorf("%+v, want on and in POST", s)
	}
	if err := m.HostReboot(); err == nil {
		t.Error("an OS that is not up rebooted")
	}
	m.PressPowerButton()
	await(t, m, func(s Snapshot) bool { return s.Power == PowerOff && !s.Busy })
}

func TestOffStaysInvisibleForAWhile(t *testing.T) {
	m, c := kind(t, func(o *Options) { o.Timing = Timing{PowerLatency: time.Hour, IdleSleep: -1, IdleClose: -1} })
	c.returns(c.powerRequest(PowerOff), 0)
	if s := m.Snapshot(); s.Power != PowerOn || !s.Busy {
		t.Errorf("%+v, want still on and busy", s)
	}
}

func TestCycleBootsAndTellsWhy(t *testing.T) {
	m, c := kind(t, func(o *Options) { o.Timing = Quick() })
	c.returns(c.powerRequest(PowerCycle), 0)
	await(t, m, func(s Snapshot) bool { return s.Boots == 1 && !s.Busy })
	uri := "http://intel.com/wbem/wscim/1/ips-schema/1/IPS_HostBootReason"
	if got := c.get(uri); !strings.Contains(got, "<g:PreviousSxState>7</g:PreviousSxState><g:Reason>2</g:Reason><g:ReasonDetails>Power Cycle<") {
		t.Errorf("boot reason %s", got)
	}
	reboot(t, m)
	await(t, m, func(s Snapshot) bool { return s.Boots == 2 && !s.Busy })
	if got := c.get(uri); !strings.Contains(got, "<g:Reason>1</g:Reason><g:ReasonDetails></") {
		t.Errorf("boot reason after the host's own reboot %s", got)
	}
}

func TestPowerArgumentsAreChecked(t *testing.T) {
	m, c := kind(t, nil)
	element := "<p:ManagedElement>" + reference(testCim+"CIM_ComputerSystem", "Name", "ManagedSystem") + "</p:ManagedElement>"
	const class, method = "CIM_PowerManagementService", "RequestPowerStateChange"
	c.returns(c.invoke(class, method, "<p:PowerState>10</p:PowerState>"+element+"<p:TimeoutPeriod>PT5S</p:TimeoutPeriod>"), returnTimeoutParameter)
	c.returns(c.invoke(class, method, "<p:PowerState>10</p:PowerState>"+element+"<p:Time>now</p:Time>"), returnInvalidParameter)
	c.returns(c.invoke(class, method, "<p:PowerState>10</p:PowerState><p:ManagedElement>"+reference(testCim+"CIM_ComputerSystem", "Name", "Other")+"</p:ManagedElement>"), returnInvalidParameter)
	noBogus(t, m)
	c.faults(c.invoke(class, method, element+"<p:PowerState>10</p:PowerState>"), 400, faultSchemaValidation)
	c.faults(c.invoke(class, method, "<p:PowerState>on</p:PowerState>"+element), 400, faultSchemaValidation)
	c.faults(c.invoke(class, "Reboot", ""), 400, faultActionNotSupported)
	if len(m.Boots()) != 0 {
		t.Errorf("boots %+v of refused requests", m.Boots())
	}
}

func TestModernStandby(t *testing.T) {
	m, c := kind(t, nil)
	uri := "http://intel.com/wbem/wscim/1/ips-schema/1/IPS_PowerManagementService"
	request := func(state int) string {
		return c.envelope(uri+"/RequestOSPowerSavingStateChange", uri, "", fmt.Sprintf(
			`<p:RequestOSPowerSavingStateChange_INPUT xmlns:p="%s"><p:OSPowerSavingState>%d</p:OSPowerSavingState><p:ManagedElement>%s</p:ManagedElement></p:RequestOSPowerSavingStateChange_INPUT>`,
			uri, state, reference(testCim+"CIM_ComputerSystem", "Name", "ManagedSystem")))
	}
	c.returns(request(savingSaving), 0)
	if got := c.get(uri); !strings.Contains(got, "<g:OSPowerSavingState>3<") {
		t.Errorf("want standby in %s", got)
	}
	c.returns(request(9), returnInvalidParameter)
	if err := m.HostShutdown(); err != nil {
		t.Fatal(err)
	}
	c.returns(request(savingFullPower), returnInvalidTransition)
	if got := c.get(uri); strings.Contains(got, "OSPowerSavingState") {
		t.Errorf("the property is shown while off: %s", got)
	}
	noBogus(t, m)
}

func TestOptionsAreChecked(t *testing.T) {
	bad := map[string]Options{
		"remote":  {Listen: "192.0.2.1:16992"},
		"all":     {Listen: ":16992"},
		"port":    {Listen: "127.0.0.1"},
		"profile": {Profile: "1.0"},
		"uuid":    {UUID: "desk"},
		"power":   {Power: 3},
	}
	for name, options := range bad {
		if m, err := New(options); err == nil {
			t.Errorf("%s: accepted", name)
			_ = m.Close()
		}
	}
	m, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Snapshot().Seed == 0 || m.Addr() == "" || m.ID() != "sim" || !slices.Contains(Profiles(), m.options.Profile) {
		t.Errorf("snapshot %+v of the zero options", m.Snapshot())
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Run(t.Context()); err == nil {
		t.Error("a closed machine ran")
	}
	if guid, err := platformGUID("4c4c4544-004b-4210-8033-b6c04f504633"); err != nil || guid != "44454C4C4B0010428033B6C04F504633" {
		t.Errorf("platform GUID %s, %v", guid, err)
	}
}
