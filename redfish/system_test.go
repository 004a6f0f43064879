package redfish

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

const resetPath = desk + "/Actions/ComputerSystem.Reset"

// TestPowerStates shows every power state that firmware can report: On, Off,
// or no answer at all.
func TestPowerStates(t *testing.T) {
	s := newService(t)
	for power, want := range map[state.PowerState][2]string{
		state.PowerOn: {"On", "Enabled"}, state.PowerSleeping: {"On", "StandbyOffline"},
		state.PowerHibernated: {"Off", "StandbyOffline"}, state.PowerOff: {"Off", "StandbyOffline"},
		state.PowerUnknown: {},
	} {
		t.Run(power.String(), func(t *testing.T) {
			s.nodes.set("desk-01", func(n *fakeNode) { n.observation.Power = power })
			a := s.ask("GET", desk, "", "as "+reader)
			if want[0] == "" {
				a.want(503).wantMessages("ServiceInUnknownState")
				return
			}
			a.want(200)
			if a.body["PowerState"] != want[0] || a.at("Status", "State") != want[1] || a.at("Status", "Health") != nil {
				t.Errorf("power %v, status %v", a.body["PowerState"], a.body["Status"])
			}
		})
	}
}

// TestSilentFirmware answers 503 for every way in which the power cannot be
// read, and keeps what needs no firmware readable.
func TestSilentFirmware(t *testing.T) {
	s := newService(t)
	for _, kind := range []state.Kind{state.KindUnreachable, state.KindCredentials, state.KindTimeout, state.KindProtocol, state.KindBusy} {
		s.nodes.set("desk-01", func(n *fakeNode) { n.observeErr = state.Errorf(kind, "observe", "desk-01", "dial 192.0.2.7:16992") })
		a := s.ask("GET", desk, "", "as "+reader).want(503)
		if a.header.Get("Retry-After") != "10" || strings.Contains(a.raw, "PowerState\":") || strings.Contains(a.raw, "192.0.2.7") {
			t.Errorf("%v: Retry-After %q\n%s", kind, a.header.Get("Retry-After"), a.raw)
		}
	}
	s.ask("GET", "/redfish/v1/Systems/desk-02", "", "as "+reader).want(200)
	s.ask("GET", "/redfish/v1/Managers/desk-01", "", "as "+reader).want(200)
	info := s.ask("GET", desk+"/ResetActionInfo", "", "as "+reader).want(200)
	if got := fmt.Sprint(info.at("Parameters", 0, "AllowableValues")); got != "[On ForceOn ForceOff ForceRestart PowerCycle]" {
		t.Errorf("allowable values %s", got)
	}
	s.ask("GET", "/redfish/v1/Systems/desk-99", "", "as "+reader).want(404).wantMessages("ResourceMissingAtURI")
}

func TestOneObservationForOneGet(t *testing.T) {
	s := newService(t)
	s.ask("GET", desk, "", "as "+reader).want(200)
	s.nodes.set("desk-01", func(n *fakeNode) {
		if n.observed != 1 {
			t.Errorf("%d observations", n.observed)
		}
	})
}

// TestBeforeCapabilityIsRead shows a node of which firmware was never asked.
func TestBeforeCapabilityIsRead(t *testing.T) {
	s := newService(t)
	s.nodes.set("desk-01", func(n *fakeNode) { n.snapshot.Capability = state.Capability{} })
	a := s.ask("GET", desk, "", "as "+reader).want(200)
	if _, has := a.body["UUID"]; has {
		t.Error("shows a UUID that nobody read")
	}
	if got := fmt.Sprint(a.at("Boot", "BootSourceOverrideTarget@Redfish.AllowableValues")); got != "[None Pxe Hdd]" {
		t.Errorf("targets %s", got)
	}
	m := s.ask("GET", "/redfish/v1/Managers/desk-01", "", "as "+reader).want(200)
	if version, has := m.body["FirmwareVersion"]; !has || version != nil {
		t.Errorf("FirmwareVersion %v, present %v; want null", version, has)
	}
}

func TestViews(t *testing.T) {
	s := newService(t)
	for _, list := range []string{"Systems", "Managers", "Chassis"} {
		a := s.ask("GET", rootURI+"/"+list, "", "as "+confined).want(200)
		if a.body["Members@odata.count"] != 1.0 || a.at("Members", 0, "@odata.id") != rootURI+"/"+list+"/desk-02" {
			t.Errorf("%s: %s", list, a.raw)
		}
		s.ask("GET", rootURI+"/"+list+"/desk-01", "", "as "+confined).want(404)
		s.ask("GET", rootURI+"/"+list+"/desk-02", "", "as "+confined).want(200)
	}
	s.ask("PATCH", desk, `{"Boot":{"BootSourceOverrideTarget":"Pxe"}}`, "as "+confined).want(404)
	s.ask("POST", resetPath, `{"ResetType":"ForceOff"}`, "as "+confined).want(404)
	s.ask("GET", desk+"/ResetActionInfo", "", "as "+confined).want(404)
	foreign := s.ask("GET", desk, "", "as "+confined)
	absent := s.ask("GET", "/redfish/v1/Systems/desk-77", "", "as "+confined)
	clean := func(a answer) string {
		return strings.NewReplacer(a.header.Get("X-Request-Id"), "", "desk-01", "", "desk-77", "").Replace(a.raw)
	}
	if clean(foreign) != clean(absent) {
		t.Errorf("a foreign system can be told from one that does not exist:\n%s\n%s", foreign.raw, absent.raw)
	}
	s.nodes.set("desk-01", func(n *fakeNode) {
		if n.observed+n.updates+len(n.resets) != 0 {
			t.Error("a foreign system was touched")
		}
	})
}

func TestReset(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		available  []state.PowerRequest
		err        error
		status     int
		message    string
		reaches    bool
	}{
		{name: "accepted", body: `{"ResetType":"ForceRestart"}`, status: 204, reaches: true},
		{name: "annotation beside it", body: `{"ResetType":"On","@odata.id":"x"}`, status: 204, reaches: true},
		{name: "no body", status: 400, message: "ActionParameterMissing"},
		{name: "empty object", body: `{}`, status: 400, message: "ActionParameterMissing"},
		{name: "not JSON", body: `ResetType=On`, status: 400, message: "MalformedJSON"},
		{name: "list", body: `["On"]`, status: 400, message: "UnrecognizedRequestBody"},
		{name: "number", body: `{"ResetType":5}`, status: 400, message: "ActionParameterValueTypeError"},
		{name: "unknown parameter", body: `{"ResetType":"On","Delay":1}`, status: 400, message: "ActionParameterUnknown"},
		{name: "unknown type", body: `{"ResetType":"PushPowerButton"}`, status: 400, message: "ActionParameterValueNotInList"},
		{name: "wrong case", body: `{"ResetType":"on"}`, status: 400, message: "ActionParameterValueNotInList"},
		{name: "graceful without an agent", body: `{"ResetType":"GracefulRestart"}`, status: 400, message: "ActionParameterValueNotInList"},
		{name: "graceful with an agent", body: `{"ResetType":"GracefulRestart"}`, available: []state.PowerRequest{state.RequestGracefulReset}, status: 204, reaches: true},
		{name: "unsupported although advertised", body: `{"ResetType":"ForceRestart"}`, err: state.Errorf(state.KindUnsupported, "reset", "desk-01", "x"), status: 503, message: "OperationFailed", reaches: true},
		{name: "conflict", body: `{"ResetType":"PowerCycle"}`, err: state.Errorf(state.KindConflict, "reset", "desk-01", "x"), status: 503, message: "OperationFailed", reaches: true},
		{name: "refused", body: `{"ResetType":"PowerCycle"}`, err: state.Errorf(state.KindRefused, "reset", "desk-01", "x"), status: 503, message: "OperationFailed", reaches: true},
		{name: "reply lost", body: `{"ResetType":"ForceRestart"}`, err: state.Errorf(state.KindIndeterminate, "reset", "desk-01", "x"), status: 503, message: "OperationTimeout", reaches: true},
		{name: "store", body: `{"ResetType":"ForceRestart"}`, err: state.Errorf(state.KindStore, "reset", "desk-01", "x"), status: 500, message: "InternalError", reaches: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t)
			s.nodes.set("desk-01", func(n *fakeNode) { n.resetErr, n.observation.Available = tt.err, tt.available })
			a := s.ask("POST", resetPath, tt.body, "as "+operator, `If-Match: "stale"`).want(tt.status)
			if tt.status == 204 && a.raw != "" {
				t.Errorf("a 204 with a body: %s", a.raw)
			}
			if tt.message != "" {
				a.wantMessages(tt.message)
			}
			s.nodes.set("desk-01", func(n *fakeNode) {
				if (len(n.resets) > 0) != tt.reaches {
					t.Errorf("the core got %v", n.resets)
				}
			})
			lines := s.log.find(t, "reset")
			if !tt.reaches && len(lines) == 1 && lines[0]["outcome"] != "failed" {
				t.Errorf("audit %v", lines)
			}
			if tt.reaches {
				if len(lines) != 1 || lines[0]["account"] != operator || lines[0]["system"] != "desk-01" || lines[0]["request_id"] != a.header.Get("X-Request-Id") || lines[0]["duration"] == nil {
					t.Fatalf("audit %v", lines)
				}
				if want := map[bool]string{true: "accepted", false: "failed"}[tt.err == nil]; lines[0]["outcome"] != want {
					t.Errorf("audit outcome %v, want %s", lines[0]["outcome"], want)
				}
			}
		})
	}
}

func TestRefusedTypeListsTheOffered(t *testing.T) {
	s := newService(t)
	a := s.ask("POST", resetPath, `{"ResetType":"Nmi"}`, "as "+operator).want(400)
	text, _ := a.at("error", "@Message.ExtendedInfo", 0, "Message").(string)
	if !strings.Contains(text, "On, ForceOn, ForceOff, ForceRestart, PowerCycle") {
		t.Errorf("message %q", text)
	}
}

// TestEveryAdvertisedResetWorks posts each type that a system lists.
func TestEveryAdvertisedResetWorks(t *testing.T) {
	s := newService(t)
	s.nodes.set("desk-01", func(n *fakeNode) { n.observation.Available = state.PowerRequests() })
	system := s.ask("GET", desk, "", "as "+operator).want(200)
	types, _ := system.at("Actions", "#ComputerSystem.Reset", "ResetType@Redfish.AllowableValues").([]any)
	if len(types) != 8 {
		t.Fatalf("advertised: %v", types)
	}
	target, _ := system.at("Actions", "#ComputerSystem.Reset", "target").(string)
	for _, one := range types {
		s.ask("POST", target, fmt.Sprintf(`{"ResetType":%q}`, one), "as "+operator).want(204)
	}
	s.nodes.set("desk-01", func(n *fakeNode) {
		if fmt.Sprint(n.resets) != fmt.Sprint(types) {
			t.Errorf("the core got %v", n.resets)
		}
	})
}

func TestPatchBoot(t *testing.T) {
	pxeOnce := state.Override{Target: state.TargetPxe, Enabled: state.Once}
	for _, tt := range []struct {
		name   string
		before state.Override
		body   string
		status int
		after  state.Override
		notes  []string
	}{
		{"once", state.NoOverride, `{"Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once"}}`, 200, pxeOnce, nil},
		{"continuous with mode", state.NoOverride, `{"Boot":{"BootSourceOverrideTarget":"Hdd","BootSourceOverrideEnabled":"Continuous","BootSourceOverrideMode":"UEFI"}}`, 200, state.Override{Target: state.TargetHdd, Enabled: state.Continuous}, nil},
		{"target keeps once", pxeOnce, `{"Boot":{"BootSourceOverrideTarget":"Hdd"}}`, 200, state.Override{Target: state.TargetHdd, Enabled: state.Once}, nil},
		{"target while disabled", state.NoOverride, `{"Boot":{"BootSourceOverrideTarget":"Hdd"}}`, 200, state.Override{Target: state.TargetHdd, Enabled: state.Disabled}, nil},
		{"disabled alone", pxeOnce, `{"Boot":{"BootSourceOverrideEnabled":"Disabled"}}`, 200, state.NoOverride, nil},
		{"disabled with a target", pxeOnce, `{"Boot":{"BootSourceOverrideEnabled":"Disabled","BootSourceOverrideTarget":"Pxe"}}`, 200, state.NoOverride, nil},
		{"none with once", pxeOnce, `{"Boot":{"BootSourceOverrideEnabled":"Once","BootSourceOverrideTarget":"None"}}`, 200, state.NoOverride, nil},
		{"mode alone", pxeOnce, `{"Boot":{"BootSourceOverrideMode":"UEFI"}}`, 200, pxeOnce, nil},
		{"http boot uri null", state.NoOverride, `{"Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once","HttpBootUri":null}}`, 200, pxeOnce, nil},
		{"all that was read", state.NoOverride, `{"@odata.etag":"x","Id":"desk-01","Name":"desk-01","PowerState":"On","Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideTarget@Redfish.AllowableValues":["x"],"BootSourceOverrideEnabled":"Once"}}`, 200, pxeOnce, nil},
		{"equal read-only alone", pxeOnce, `{"Name":"desk-01"}`, 200, pxeOnce, nil},
		{"mixed", state.NoOverride, `{"Bogus":1,"AssetTag":"x","Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once","BootNext":"x"}}`, 200, pxeOnce, []string{"PropertyNotWritable", "PropertyUnknown", "PropertyNotWritable"}},
		{"other mode", pxeOnce, `{"Boot":{"BootSourceOverrideMode":"Legacy"}}`, 400, pxeOnce, []string{"PropertyValueNotInList"}},
		{"other mode with target", pxeOnce, `{"Boot":{"BootSourceOverrideMode":"Legacy","BootSourceOverrideTarget":"Hdd"}}`, 400, pxeOnce, []string{"PropertyValueNotInList"}},
		{"target not offered", pxeOnce, `{"Boot":{"BootSourceOverrideTarget":"Usb","BootSourceOverrideEnabled":"Continuous"}}`, 400, pxeOnce, []string{"PropertyValueNotInList"}},
		{"wrong type", pxeOnce, `{"Boot":{"BootSourceOverrideTarget":null}}`, 400, pxeOnce, []string{"PropertyValueTypeError"}},
		{"boot is no object", pxeOnce, `{"Boot":"Pxe"}`, 400, pxeOnce, []string{"PropertyValueTypeError"}},
		{"power state", pxeOnce, `{"PowerState":"Off"}`, 400, pxeOnce, []string{"PropertyNotWritable"}},
		{"unknown", pxeOnce, `{"BogusProp":1}`, 400, pxeOnce, []string{"PropertyUnknown"}},
		{"unknown null", pxeOnce, `{"BogusProp":null}`, 400, pxeOnce, []string{"PropertyUnknown"}},
		{"annotations alone", pxeOnce, `{"@odata.id":"x"}`, 400, pxeOnce, []string{"NoOperation"}},
		{"empty", pxeOnce, `{}`, 400, pxeOnce, []string{"NoOperation"}},
		{"empty boot", pxeOnce, `{"Boot":{}}`, 400, pxeOnce, []string{"NoOperation"}},
		{"no body", pxeOnce, ``, 400, pxeOnce, []string{"EmptyJSON"}},
		{"http boot uri", pxeOnce, `{"Boot":{"HttpBootUri":"http://192.0.2.1/"}}`, 400, pxeOnce, []string{"PropertyNotWritable"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t)
			s.nodes.set("desk-01", func(n *fakeNode) { n.snapshot.Override = tt.before })
			a := s.ask("PATCH", desk, tt.body, "as "+operator).want(tt.status).wantMessages(tt.notes...)
			get := s.ask("GET", desk, "", "as "+operator).want(200)
			if got := (state.Override{Target: state.Target(fmt.Sprint(get.at("Boot", "BootSourceOverrideTarget"))), Enabled: state.Enabled(fmt.Sprint(get.at("Boot", "BootSourceOverrideEnabled")))}); got != tt.after {
				t.Errorf("reads back %v, want %v", got, tt.after)
			}
			if tt.status != 200 {
				s.nodes.set("desk-01", func(n *fakeNode) {
					if n.updates != 0 {
						t.Error("a refused PATCH wrote")
					}
				})
				return
			}
			delete(a.body, "@Message.ExtendedInfo")
			if fmt.Sprint(a.body) != fmt.Sprint(get.body) || a.header.Get("ETag") != get.header.Get("ETag") || a.header.Get("ETag") == "" {
				t.Errorf("the answer is not the resource:\n%v\n%v", a.body, get.body)
			}
		})
	}
}

// TestPatchNamesTheProperty demands the property's name in the message.
func TestPatchNamesTheProperty(t *testing.T) {
	s := newService(t)
	a := s.ask("PATCH", desk, `{"BogusProp":1}`, "as "+operator).want(400)
	if a.at("error", "@Message.ExtendedInfo", 0, "MessageArgs", 0) != "BogusProp" || a.at("error", "@Message.ExtendedInfo", 0, "RelatedProperties", 0) != "#/BogusProp" {
		t.Errorf("%s", a.raw)
	}
}

// TestPatchWithoutFirmware records the wish while the management engine is
// silent, answers 204, and refuses what it could only annotate in a body.
func TestPatchWithoutFirmware(t *testing.T) {
	s := newService(t)
	s.nodes.set("desk-01", func(n *fakeNode) { n.observeErr = state.Errorf(state.KindUnreachable, "observe", "desk-01", "x") })
	a := s.ask("PATCH", desk, `{"Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once"}}`, "as "+operator).want(204)
	if a.raw != "" || a.header.Get("ETag") == "" {
		t.Errorf("ETag %q, body %q", a.header.Get("ETag"), a.raw)
	}
	s.ask("PATCH", desk, `{"Bogus":1,"Boot":{"BootSourceOverrideTarget":"Hdd"}}`, "as "+operator).want(400).wantMessages("PropertyUnknown")
	s.nodes.set("desk-01", func(n *fakeNode) {
		n.observeErr = nil
		if want := (state.Override{Target: state.TargetPxe, Enabled: state.Once}); n.snapshot.Override != want || n.updates != 1 {
			t.Errorf("wish %v after %d updates", n.snapshot.Override, n.updates)
		}
	})
	if got := s.ask("GET", desk, "", "as "+operator).want(200).header.Get("ETag"); got != a.header.Get("ETag") {
		t.Errorf("the 204 had the ETag %s, the GET %s", a.header.Get("ETag"), got)
	}
}

func TestPatchAudit(t *testing.T) {
	s := newService(t)
	body := `{"Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once"}}`
	s.ask("PATCH", desk, body, "as "+operator).want(200)
	s.nodes.set("desk-01", func(n *fakeNode) { n.updateErr = state.Errorf(state.KindStore, "set override", "desk-01", "disk full") })
	s.ask("PATCH", desk, body, "as "+operator).want(500).wantMessages("InternalError")
	lines := s.log.find(t, "boot override")
	if len(lines) != 2 || lines[0]["outcome"] != "Once Pxe" || lines[0]["request"] != "Pxe Once" || lines[0]["account"] != operator || lines[1]["outcome"] != "failed" {
		t.Errorf("audit %v", lines)
	}
}

// TestModeAloneWritesNothing keeps a wish from counting as a new one.
func TestModeAloneWritesNothing(t *testing.T) {
	s := newService(t)
	s.ask("PATCH", desk, `{"Boot":{"BootSourceOverrideMode":"UEFI"}}`, "as "+operator).want(200)
	s.nodes.set("desk-01", func(n *fakeNode) {
		if n.updates != 0 {
			t.Errorf("%d updates", n.updates)
		}
	})
}

func TestIfMatch(t *testing.T) {
	s := newService(t)
	tag := s.ask("GET", desk, "", "as "+operator).header.Get("ETag")
	bare := strings.Trim(tag, `"`)
	for header, status := range map[string]int{
		tag: 200, "*": 200, "W/" + tag: 200, bare: 200, `"other", ` + tag: 200,
		`"other"`: 412, tag + "foobar": 412, "": 412, `W/"other"`: 412, `""`: 412,
	} {
		a := s.ask("PATCH", desk, `{"Boot":{"BootSourceOverrideMode":"UEFI"}}`, "as "+operator, "If-Match: "+header)
		if a.status != status {
			t.Errorf("If-Match %q: %d, want %d", header, a.status, status)
		}
	}
}

// TestETagCoversTheWish checks that the tag changes with what clients write
// and with nothing that the host does by itself.
func TestETagCoversTheWish(t *testing.T) {
	s := newService(t)
	tag := func() string { return s.ask("GET", desk, "", "as "+operator).want(200).header.Get("ETag") }
	first := tag()
	s.nodes.set("desk-01", func(n *fakeNode) {
		n.observation.Power, n.observation.Available = state.PowerOff, []state.PowerRequest{state.RequestNMI}
		n.snapshot.Capability.UUID = ""
	})
	if tag() != first {
		t.Error("the tag changed with the host")
	}
	s.ask("PATCH", desk, `{"Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once"}}`, "as "+operator, "If-Match: "+first).want(200)
	if tag() == first {
		t.Error("the tag did not change with the wish")
	}
	s.ask("PATCH", desk, `{"Boot":{"BootSourceOverrideTarget":"Hdd"}}`, "as "+operator, "If-Match: "+first).want(412)
	if other := s.ask("GET", "/redfish/v1/Systems/desk-02", "", "as "+operator).header.Get("ETag"); other == first {
		t.Error("two systems share a tag")
	}
}

// TestComparedInTheWrite lets another writer win between check and write.
func TestComparedInTheWrite(t *testing.T) {
	s := newService(t)
	tag := s.ask("GET", desk, "", "as "+operator).header.Get("ETag")
	winner := state.Override{Target: state.TargetCd, Enabled: state.Continuous}
	s.nodes.set("desk-01", func(n *fakeNode) { n.racing = func(n *fakeNode) { n.snapshot.Override = winner } })
	s.ask("PATCH", desk, `{"Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"Once"}}`, "as "+operator, "If-Match: "+tag).want(412)
	s.nodes.set("desk-01", func(n *fakeNode) {
		if n.snapshot.Override != winner {
			t.Errorf("wish %v", n.snapshot.Override)
		}
	})
}

// TestOneWinner sends PATCHes with one tag at the same time.
func TestOneWinner(t *testing.T) {
	s := newService(t)
	tag := s.ask("GET", desk, "", "as "+operator).header.Get("ETag")
	const writers = 20
	statuses := make([]int, writers)
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			target := []string{"Pxe", "Hdd", "Cd"}[i%3]
			statuses[i] = s.ask("PATCH", desk, `{"Boot":{"BootSourceOverrideEnabled":"Once","BootSourceOverrideTarget":"`+target+`"}}`, "as "+operator, "If-Match: "+tag).status
		})
	}
	group.Wait()
	slices.Sort(statuses)
	if statuses[0] != 200 || statuses[1] != 412 || statuses[writers-1] != 412 {
		t.Errorf("statuses %v", statuses)
	}
}

// TestIfNoneMatch answers 304 where the tag covers the whole, and never for a
// system, whose power state it leaves out.
func TestIfNoneMatch(t *testing.T) {
	s := newService(t)
	manager := "/redfish/v1/Managers/desk-01"
	tag := s.ask("GET", manager, "", "as "+reader).header.Get("ETag")
	a := s.ask("GET", manager, "", "as "+reader, "If-None-Match: "+tag).want(304)
	if a.raw != "" || a.header.Get("ETag") != tag {
		t.Errorf("ETag %q, body %q", a.header.Get("ETag"), a.raw)
	}
	s.ask("GET", manager, "", "as "+reader, `If-None-Match: "other"`).want(200)
	tag = s.ask("GET", desk, "", "as "+reader).header.Get("ETag")
	s.ask("GET", desk, "", "as "+reader, "If-None-Match: "+tag).want(200)
}

// TestObserveBudget gives firmware no longer than the options say.
func TestObserveBudget(t *testing.T) {
	s := newService(t, func(o *Options) { o.Observe, o.PatchObserve = 7*time.Second, time.Second })
	if s.server.Observe != 7*time.Second || s.server.PatchObserve != time.Second {
		t.Errorf("budgets %v and %v", s.server.Observe, s.server.PatchObserve)
	}
	s.ask("GET", desk, "", "as "+reader).want(200) // the fake fails without a deadline
}
