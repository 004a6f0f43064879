package amtsim

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestFaultsBeforeExecution(t *testing.T) {
	tests := map[string]struct {
		fault  Fault
		status int
		text   string
	}{
		"status":       {Fault{Effect: EffectStatus, Status: 503, Body: "Busy."}, 503, "Busy."},
		"fault":        {Fault{Effect: EffectFault, Subcode: faultInternalError, AMTStatus: 2081}, 500, "AMT-STATUS 2081"},
		"timed out":    {Fault{Effect: EffectFault, Subcode: faultTimedOut}, 500, "e:TimedOut"},
		"other fault":  {Fault{Effect: EffectFault, Subcode: "Concurrency"}, 400, "e:Concurrency"},
		"return value": {Fault{Effect: EffectReturnValue, ReturnValue: 34849}, 200, "<g:ReturnValue>34849<"},
		"unauthorized": {Fault{Effect: EffectUnauthorized, Count: 2}, 401, "<html>"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, c := kind(t, nil)
			test.fault.Class, test.fault.Method = "CIM_PowerManagementService", "RequestPowerStateChange"
			i := m.AddFault(test.fault)
			c.get(testCim + "CIM_AssociatedPowerManagementService")
			status, text, err := c.post(c.powerRequest(PowerReset))
			if err != nil || status != test.status || !strings.Contains(text, test.text) {
				t.Errorf("status %d, %v: %s", status, err, text)
			}
			<-i.Reached()
			if len(m.Boots()) != 0 {
				t.Error("the refused request was executed")
			}
			if last := m.Journal()[len(m.Journal())-1]; last.Executed || last.Status != test.status {
				t.Errorf("journal %+v", last)
			}
			c.header = ""
			c.returns(c.powerRequest(PowerReset), 0)
			if len(m.Boots()) != 1 {
				t.Errorf("boots %+v after the fault was spent", m.Boots())
			}
			noBogus(t, m)
		})
	}
}

func TestLostRepliesAndDrops(t *testing.T) {
	for effect, boots := range map[Effect]int{EffectDrop: 0, EffectLoseReply: 1} {
		m, c := kind(t, nil)
		i := m.AddFault(Fault{Method: "RequestPowerStateChange", Effect: effect})
		c.get(testCim + "CIM_AssociatedPowerManagementService")
		if status, _, err := c.post(c.powerRequest(PowerReset)); err == nil {
			t.Errorf("%s: status %d, want no reply", effect, status)
		}
		<-i.Reached()
		last := m.Journal()[len(m.Journal())-1]
		if len(m.Boots()) != boots || last.Executed != (boots == 1) || last.Replied || i.Hits() != 1 {
			t.Errorf("%s: boots %+v, call %+v, hits %d", effect, m.Boots(), last, i.Hits())
		}
	}
}

func TestFaultsAreAimed(t *testing.T) {
	m, c := kind(t, nil)
	i := m.AddFault(Fault{Class: "CIM_BootConfigSetting", Skip: 1, Count: 2, Effect: EffectReturnValue, ReturnValue: 2})
	for _, want := range []int{0, 2, 2, 0} {
		c.returns(c.orderRequest(""), want)
	}
	if i.Hits() != 2 {
		t.Errorf("%d hits, want 2", i.Hits())
	}
	forever := m.AddFault(Fault{Count: -1, Effect: EffectFault, Subcode: faultTimedOut})
	for range 3 {
		c.faults(c.roleRequest(1), 500, faultTimedOut)
	}
	forever.Remove()
	c.returns(c.roleRequest(1), 0)
	m.AddFault(Fault{Effect: EffectDelay, Delay: time.Microsecond})
	c.returns(c.roleRequest(1), 0)
	m.RemoveFaults()
	if len(m.Faults()) != 0 {
		t.Error("faults left")
	}
}

func TestHolds(t *testing.T) {
	tests := map[string]struct {
		effect   Effect
		finish   func(*Injected)
		reply    bool
		during   int // boots while held
		afterAll int
	}{
		"hold and release":       {EffectHold, (*Injected).Release, true, 0, 1},
		"hold and discard":       {EffectHold, (*Injected).Discard, false, 0, 0},
		"hold reply and release": {EffectHoldReply, (*Injected).Release, true, 1, 1},
		"hold reply and discard": {EffectHoldReply, (*Injected).Discard, false, 1, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, c := kind(t, nil)
			i := m.AddFault(Fault{Method: "RequestPowerStateChange", Effect: test.effect})
			request := c.powerRequest(PowerReset)
			answered := make(chan error, 1)
			go func() {
				_, _, err := c.post(request)
				answered <- err
			}()
			<-i.Reached()
			if got := len(m.Boots()); got != test.during {
				t.Errorf("%d boots while held, want %d", got, test.during)
			}
			test.finish(i)
			if err := <-answered; (err == nil) != test.reply {
				t.Errorf("reply error %v, want reply %t", err, test.reply)
			}
			if got := len(m.Boots()); got != test.afterAll {
				t.Errorf("%d boots, want %d", got, test.afterAll)
			}
		})
	}
}

func TestCloseLetsHeldCallsGo(t *testing.T) {
	m, c := kind(t, nil)
	i := m.AddFault(Fault{Effect: EffectHold})
	request := c.powerRequest(PowerReset)
	answered := make(chan error, 1)
	go func() {
		_, _, err := c.post(request)
		answered <- err
	}()
	<-i.Reached()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := <-answered; err == nil {
		t.Error("a closed machine replied")
	}
	if len(m.Boots()) != 0 {
		t.Error("a held request was executed at the close")
	}
}

func TestOneRequestAtATime(t *testing.T) {
	m, first := kind(t, nil)
	second := newRaw(t, m)
	i := m.AddFault(Fault{Method: "RequestPowerStateChange", Effect: EffectHold})
	held, other := first.powerRequest(PowerReset), second.roleRequest(1)
	answered := make(chan string, 2)
	go func() {
		_, _, _ = first.post(held)
		answered <- "first"
	}()
	<-i.Reached()
	connections := m.Counters().Connections
	go func() {
		_, _, _ = second.post(other)
		answered <- "second"
	}()
	await(t, m, func(s Snapshot) bool { return s.Counters.Connections > connections })
	if got := m.Counters().Unauthorized; got != 1 {
		t.Errorf("%d challenges while the first is held, want only the first's", got)
	}
	i.Release()
	<-answered
	<-answered
	journal := m.Journal()
	if len(journal) != 2 || journal[0].Method != "RequestPowerStateChange" || journal[1].Connection == journal[0].Connection {
		t.Errorf("journal %+v", journal)
	}
}

func TestBadFaultsAreRefused(t *testing.T) {
	for _, f := range []Fault{
		{}, {Effect: "explode"}, {Effect: EffectStatus, Status: 200}, {Effect: EffectFault},
		{Effect: EffectDrop, Skip: -1}, {Effect: EffectDrop, Count: -2}, {Effect: EffectDelay, Delay: -1},
	} {
		if err := f.Validate(); err == nil {
			t.Errorf("%+v was accepted", f)
		}
	}
	if err := (Fault{Effect: EffectStatus, Status: http.StatusTeapot}).Validate(); err != nil {
		t.Error(err)
	}
}
