package amtsim

import (
	"strings"
	"testing"
)

func TestOneShotServesOneBoot(t *testing.T) {
	m, c := kind(t, nil)
	c.arm(sourcePxe)
	c.returns(c.powerRequest(PowerReset), 0)
	c.returns(c.powerRequest(PowerReset), 0)
	boots := m.Boots()
	if len(boots) != 2 || boots[0].Device != DevicePxe || boots[1].Device != DeviceDefault {
		t.Fatalf("boots %+v, want Pxe once and then the default", boots)
	}
	call := m.Journal()[boots[0].Call-1]
	if boots[0].Cause != CausePowerRequest || boots[0].Request != PowerReset || call.Method != "RequestPowerStateChange" || call.Argument != "10" {
		t.Errorf("boot %+v of call %+v", boots[0], call)
	}
	noBogus(t, m)
}

func TestArmedSettingSurvivesOffAndOn(t *testing.T) {
	m, c := kind(t, nil)
	c.arm(sourceCd)
	c.returns(c.powerRequest(PowerOff), 0)
	c.returns(c.powerRequest(PowerOn), 0)
	if boots := m.Boots(); len(boots) != 1 || boots[0].Device != DeviceCd {
		t.Errorf("boots %+v, want one from CD", boots)
	}
}

func TestHostBootsAndTheSetting(t *testing.T) {
	tests := map[string]struct {
		quirks Quirks
		act    func(*testing.T, *Machine)
		cause  string
		device string
		role   int
	}{
		"reboot consumes":       {Kind(), reboot, CauseHostReboot, DevicePxe, roleNotNext},
		"reboot ignored":        {with(func(q *Quirks) { q.HostBootIgnoresSetting = true }), reboot, CauseHostReboot, DeviceDefault, roleNextSingleUse},
		"power button consumes": {Kind(), offAndPress, CausePowerButton, DevicePxe, roleNotNext},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, c := kind(t, func(o *Options) { o.Quirks = test.quirks })
			c.arm(sourcePxe)
			test.act(t, m)
			boots := m.Boots()
			if len(boots) != 1 || boots[0].Device != test.device || boots[0].Cause != test.cause || boots[0].Call != 0 {
				t.Errorf("boots %+v, want %s by %s", boots, test.device, test.cause)
			}
			if got := m.Snapshot().Armed.Role; got != test.role {
				t.Errorf("role %d afterwards, want %d", got, test.role)
			}
		})
	}
}

func with(change func(*Quirks)) Quirks {
	q := Kind()
	change(&q)
	return q
}

func reboot(t *testing.T, m *Machine) {
	t.Helper()
	if err := m.HostReboot(); err != nil {
		t.Fatal(err)
	}
}

func offAndPress(t *testing.T, m *Machine) {
	t.Helper()
	if err := m.HostShutdown(); err != nil {
		t.Fatal(err)
	}
	m.PressPowerButton()
}

func TestSecondOrderIsIgnoredUntilCleared(t *testing.T) {
	m, c := kind(t, nil)
	c.arm(sourceHdd)
	c.returns(c.orderRequest(sourcePxe), 0)
	if got := m.Snapshot().Armed.Source; got != sourceHdd {
		t.Errorf("source %q, want the first order kept", got)
	}
	c.returns(c.orderRequest(""), 0)
	c.returns(c.orderRequest(sourcePxe), 0)
	if got := m.Snapshot().Armed; got.Source != sourcePxe || got.Device != DevicePxe {
		t.Errorf("armed %+v, want PXE after the clear", got)
	}
	m2, c2 := kind(t, func(o *Options) { o.Quirks.LastOrderWins = true })
	c2.arm(sourceHdd)
	c2.returns(c2.orderRequest(sourcePxe), 0)
	if got := m2.Snapshot().Armed.Source; got != sourcePxe {
		t.Errorf("source %q, want the last order to win with the quirk", got)
	}
}

func TestKeptSourceBootsLater(t *testing.T) {
	m, c := kind(t, func(o *Options) { o.Quirks.KeepsSource = true })
	c.arm(sourcePxe)
	c.returns(c.powerRequest(PowerReset), 0)
	c.returns(c.roleRequest(1), 0)
	c.returns(c.orderRequest(sourceHdd), 0) // ignored: no clear before
	c.returns(c.powerRequest(PowerReset), 0)
	if boots := m.Boots(); len(boots) != 2 || boots[1].Device != DevicePxe {
		t.Errorf("boots %+v, want the stale PXE again", boots)
	}
}

func TestWhatFirmwareShowsOfItsSetting(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		m, c := kind(t, func(o *Options) { o.Quirks.HidesBootSetting = hidden })
		c.arm(sourcePxe)
		next, sequence := "<h:IsNext>3</h:IsNext>", 1
		if hidden {
			next, sequence = "<h:IsNext>2</h:IsNext>", 0
		}
		if got := c.list("CIM_ElementSettingData"); !strings.Contains(got, next) || strings.Count(got, "IsNext>") != 2 {
			t.Errorf("hidden %t: want %s on one of the associations in %s", hidden, next, got)
		}
		if got := c.list("CIM_OrderedComponent"); strings.Count(got, "<h:AssignedSequence>1<") != sequence {
			t.Errorf("hidden %t: want %d chosen source in %s", hidden, sequence, got)
		}
		noBogus(t, m)
	}
}

// list enumerates a class in one page.
func (c *rawClient) list(class string) string {
	c.t.Helper()
	opened := c.must(c.envelope(testEnum+"/Enumerate", testCim+class, "", `<n:Enumerate xmlns:n="`+testEnum+`"/>`))
	_, rest, _ := strings.Cut(opened, "<g:EnumerationContext>")
	context, _, _ := strings.Cut(rest, "<")
	return c.must(c.pullRequest(class, context, 99))
}

func TestBootRefusals(t *testing.T) {
	m, c := kind(t, nil)
	c.returns(c.orderRequest("Intel(r) AMT: Force Floppy Boot"), bootInvalidParameter)
	c.returns(c.invoke("CIM_BootConfigSetting", "ChangeBootOrder", "<p:Source>"+reference(testCim+"CIM_ComputerSystem", "Name", "ManagedSystem")+"</p:Source>"), bootInvalidReference)
	c.returns(c.orderRequest(sourceHTTP), bootUnknown)
	c.returns(c.roleRequest(0), bootUnsupported)
	c.returns(c.roleRequest(7), bootInvalidParameter)
	if got := m.Counters().Refused; got != 5 {
		t.Errorf("%d refusals counted, want 5", got)
	}
	noBogus(t, m)
	c.faults(c.invoke("CIM_BootConfigSetting", "ChangeBootOrder", "<p:Source/>"), 400, faultSchemaValidation)
	if m.Counters().Bogus != 1 {
		t.Errorf("bogus %q, want the empty Source", m.BogusReasons())
	}
	_, old := kind(t, func(o *Options) { o.Profile = "6" })
	old.returns(old.roleRequest(roleNotNext), bootUnsupported)
}

func TestConsentRequired(t *testing.T) {
	m, c := kind(t, func(o *Options) { o.Quirks.ConsentRequired = true })
	c.faults(c.orderRequest(sourcePxe), 400, faultAccessDenied)
	c.faults(c.roleRequest(1), 400, faultAccessDenied)
	c.faults(c.putData(c.data()), 400, faultAccessDenied)
	c.returns(c.orderRequest(""), 0)
	c.returns(c.powerRequest(PowerReset), 0)
	noBogus(t, m)
}

func TestNoBootControl(t *testing.T) {
	m, c := kind(t, func(o *Options) { o.Quirks.NoBootControl = true })
	c.faults(c.orderRequest(""), 400, faultDestinationUnreachable)
	noBogus(t, m)
}

// data returns the writable elements of AMT_BootSettingData, in order.
func (c *rawClient) data() []string {
	c.t.Helper()
	reply := c.get(testAmt + "AMT_BootSettingData")
	_, rest, _ := strings.Cut(reply, "<g:AMT_BootSettingData>")
	inside, _, _ := strings.Cut(rest, "</g:AMT_BootSettingData>")
	var elements []string
	for _, part := range strings.SplitAfter(inside, ">") {
		if strings.HasPrefix(part, "<g:") {
			elements = append(elements, part)
		} else if len(elements) > 0 {
			elements[len(elements)-1] += part
		}
	}
	readOnly := []string{"BIOSLastStatus", "BootguardStatus", "OptionsCleared", "RPEEnabled", "SecureBootControlEnabled", "UEFIHTTPSBootEnabled", "UEFILocalPBABootEnabled", "WinREBootEnabled"}
	var writable []string
	for _, e := range elements {
		keep := true
		for _, name := range readOnly {
			keep = keep && !strings.HasPrefix(e, "<g:"+name+">")
		}
		if keep {
			writable = append(writable, e)
		}
	}
	return writable
}

func (c *rawClient) putData(elements []string) string {
	uri := testAmt + "AMT_BootSettingData"
	return c.envelope(testXfer+"/Put", uri, "", `<g:AMT_BootSettingData xmlns:g="`+uri+`">`+strings.Join(elements, "")+`</g:AMT_BootSettingData>`)
}

// set returns the elements with one value changed.
func set(elements []string, name, value string) []string {
	changed := make([]string, len(elements))
	for i, e := range elements {
		if strings.HasPrefix(e, "<g:"+name+">") {
			e = "<g:" + name + ">" + value + "</g:" + name + ">"
		}
		changed[i] = e
	}
	return changed
}

func TestPutWantsTheWholeInstanceInOrder(t *testing.T) {
	m, c := kind(t, nil)
	whole := c.data()
	if reply := c.must(c.putData(set(whole, "UseSOL", "true"))); !strings.Contains(reply, "<g:UseSOL>true</g:UseSOL>") {
		t.Errorf("the reply does not show what was written: %s", reply)
	}
	swapped := append([]string{whole[1], whole[0]}, whole[2:]...)
	bad := map[string][]string{
		"part":       whole[1:],
		"order":      swapped,
		"twice":      append([]string{whole[0]}, whole...),
		"read-only":  append([]string{"<g:BIOSLastStatus>2</g:BIOSLastStatus>"}, whole...),
		"unknown":    append([]string{"<g:BIOSContinuous>true</g:BIOSContinuous>"}, whole...),
		"type":       set(whole, "UseIDER", "yes"),
		"range":      set(whole, "BootMediaIndex", "65536"),
		"fixed":      set(whole, "OwningEntity", "Somebody"),
		"other name": set(whole, "InstanceID", "Intel(r) AMT:BootSettingData 1"),
	}
	for name, elements := range bad {
		t.Run(name, func(t *testing.T) {
			before := m.Counters().Bogus
			c.t = t
			c.faults(c.putData(elements), 400, faultInvalidRepresentation)
			if m.Counters().Bogus != before+1 {
				t.Error("it was not counted as bogus")
			}
		})
	}
}

func TestOptionsExcludeSources(t *testing.T) {
	for _, option := range exclusive {
		m, c := kind(t, nil)
		neutral := c.data()
		c.must(c.putData(set(neutral, option, "true")))
		c.returns(c.orderRequest(sourcePxe), bootInvalidReference)
		c.must(c.putData(neutral))
		c.returns(c.orderRequest(sourcePxe), 0)
		c.faults(c.putData(set(neutral, option, "true")), 400, faultInvalidRepresentation)
		noBogus(t, m)
	}
	m, c := kind(t, nil)
	c.returns(c.orderRequest(sourcePxe), 0)
	c.faults(c.putData(set(c.data(), "BootMediaIndex", "1")), 400, faultInvalidRepresentation)
	c.faults(c.putData(set(c.data(), "UseSafeMode", "true")), 400, faultInvalidRepresentation)
	c.returns(c.orderRequest(""), 0)
	c.returns(c.orderRequest(sourceHdd), 0)
	c.must(c.putData(set(set(c.data(), "UseSafeMode", "true"), "BootMediaIndex", "1")))
	noBogus(t, m)
}

func TestBootWipesOptions(t *testing.T) {
	m, c := kind(t, nil)
	c.must(c.putData(set(c.data(), "BIOSSetup", "true")))
	c.returns(c.roleRequest(1), 0)
	if got := c.get(testAmt + "AMT_BootSettingData"); !strings.Contains(got, "<g:OptionsCleared>false<") {
		t.Errorf("armed, but %s", got)
	}
	c.returns(c.powerRequest(PowerReset), 0)
	if boots := m.Boots(); len(boots) != 1 || boots[0].Device != DeviceSetup {
		t.Errorf("boots %+v, want the BIOS setup", boots)
	}
	if got := c.get(testAmt + "AMT_BootSettingData"); !strings.Contains(got, "<g:BIOSSetup>false<") || !strings.Contains(got, "<g:OptionsCleared>true<") {
		t.Errorf("after the boot: %s", got)
	}
	_, dell := kind(t, func(o *Options) { o.Quirks.NoBIOSSetup = true })
	dell.faults(dell.putData(set(dell.data(), "BIOSSetup", "true")), 400, faultInvalidRepresentation)
}
