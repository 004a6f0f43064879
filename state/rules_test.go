package state

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write golden files instead of comparing")

func ptr[T any](v T) *T { return &v }

func TestOverrideApply(t *testing.T) {
	pxeOnce := Override{TargetPxe, Once}
	for _, c := range []struct {
		name    string
		now     Override
		target  *Target
		enabled *Enabled
		want    Override
	}{
		{"both", NoOverride, ptr(TargetPxe), ptr(Once), pxeOnce},
		{"target alone keeps once", pxeOnce, ptr(TargetHdd), nil, Override{TargetHdd, Once}},
		{"target alone keeps continuous", Override{TargetPxe, Continuous}, ptr(TargetHdd), nil, Override{TargetHdd, Continuous}},
		{"target alone is only recorded while disabled", NoOverride, ptr(TargetPxe), nil, Override{TargetPxe, Disabled}},
		{"enabled alone takes the recorded target", Override{TargetPxe, Disabled}, nil, ptr(Continuous), Override{TargetPxe, Continuous}},
		{"enabled alone without a target", NoOverride, nil, ptr(Once), NoOverride},
		{"disabled alone", pxeOnce, nil, ptr(Disabled), NoOverride},
		{"disabled with a target", pxeOnce, ptr(TargetPxe), ptr(Disabled), NoOverride},
		{"disabled with none", pxeOnce, ptr(TargetNone), ptr(Disabled), NoOverride},
		{"none with once", pxeOnce, ptr(TargetNone), ptr(Once), NoOverride},
		{"none alone", Override{TargetPxe, Continuous}, ptr(TargetNone), nil, NoOverride},
		{"nothing", pxeOnce, nil, nil, pxeOnce},
	} {
		if got := c.now.Apply(OverrideChange{c.target, c.enabled}); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestOverrideValidate(t *testing.T) {
	unread, read := Capability{}, Capability{At: time.Now(), Targets: []Target{TargetCd}}
	for _, c := range []struct {
		o    Override
		c    Capability
		want Kind
		ok   bool
	}{
		{Override{TargetPxe, Once}, unread, 0, true},
		{Override{TargetCd, Once}, unread, KindUnsupported, false},
		{Override{TargetCd, Continuous}, read, 0, true},
		{Override{TargetPxe, Once}, read, KindUnsupported, false},
		{NoOverride, read, 0, true},
		{Override{TargetPxe, "Always"}, unread, KindInvalid, false},
	} {
		if err := c.o.Validate(c.c); (err == nil) != c.ok || err != nil && KindOf(err) != c.want {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
}

// TestPlanReset shows the answer to every reset in every power state.
func TestPlanReset(t *testing.T) {
	all := PowerRequests()
	rows := map[Reset][5]string{ // unknown, on, sleeping, hibernated, off
		ResetOn:               {"error", "noop", "on", "arm Pxe, on", "arm Pxe, on"},
		ResetForceOn:          {"error", "noop", "on", "arm Pxe, on", "arm Pxe, on"},
		ResetForceOff:         {"error", "off", "off", "noop", "noop"},
		ResetForceRestart:     {"error", "arm Pxe, reset", "arm Pxe, reset", "arm Pxe, on", "arm Pxe, on"},
		ResetPowerCycle:       {"error", "arm Pxe, cycle", "arm Pxe, cycle", "arm Pxe, on", "arm Pxe, on"},
		ResetGracefulShutdown: {"error", "graceful off", "graceful off", "noop", "noop"},
		ResetGracefulRestart:  {"error", "arm Pxe, graceful reset", "arm Pxe, graceful reset", "arm Pxe, on", "arm Pxe, on"},
		ResetNmi:              {"error", "nmi", "nmi", "nmi", "nmi"},
		"PushPowerButton":     {"error", "error", "error", "error", "error"},
	}
	node := Node{ID: "n"}
	for reset, row := range rows {
		for i, power := range PowerStates() {
			p, err := planReset(node, reset, Observation{Power: power, Available: all}, Override{TargetPxe, Once})
			if got := describePlan(p, err); got != row[i] {
				t.Errorf("%s of a node that is %v: %q, want %q", reset, power, got, row[i])
			}
		}
	}
	for _, reset := range []Reset{ResetGracefulShutdown, ResetGracefulRestart, ResetNmi} {
		if _, err := planReset(node, reset, Observation{Power: PowerOn}, NoOverride); !IsKind(err, KindUnsupported) {
			t.Errorf("%s that firmware does not offer: %v", reset, err)
		}
	}
	p, err := planReset(node, ResetOn, Observation{Power: PowerOff}, NoOverride)
	if got := describePlan(p, err); got != "arm None, on" {
		t.Errorf("a plain start: %q; it must clear the setting", got)
	}
}

func describePlan(p plan, err error) string {
	switch {
	case err != nil:
		return "error"
	case p.noop:
		return "noop"
	case p.start:
		return fmt.Sprintf("arm %s, %v", p.target, p.request)
	}
	return p.request.String()
}

func TestResetsAreListedAsFirmwareOffers(t *testing.T) {
	base := "[On ForceOn ForceOff ForceRestart PowerCycle]"
	if got := fmt.Sprint(Resets(Observation{Power: PowerOff, Available: []PowerRequest{RequestOn}})); got != base {
		t.Errorf("off: %s", got)
	}
	full := "[On ForceOn ForceOff ForceRestart PowerCycle GracefulShutdown GracefulRestart Nmi]"
	if got := fmt.Sprint(Resets(Observation{Power: PowerOn, Available: PowerRequests()})); got != full {
		t.Errorf("on: %s", got)
	}
}

func TestJudge(t *testing.T) {
	on, off, unknown := Observation{Power: PowerOn}, Observation{Power: PowerOff}, Observation{}
	start := func(r PowerRequest) intent {
		return intent{Request: r, Start: true, Target: TargetPxe, Step: stepSending}
	}
	plain := func(r PowerRequest) intent {
		return intent{Request: r, Start: true, Target: TargetNone, Step: stepSending}
	}
	arming := start(RequestReset)
	arming.Step = stepArming
	pending, used := BootSetting{Pending: Yes}, BootSetting{Pending: No}
	for _, c := range []struct {
		name         string
		i            intent
		shows        Tristate
		o            Observation
		s            BootSetting
		early, later verdict
	}{
		{"never sent", arming, Yes, on, pending, verdictRefused, verdictRefused},
		{"on, and it is on", start(RequestOn), Yes, on, pending, verdictAccepted, verdictAccepted},
		{"on, and it is off", start(RequestOn), Yes, off, pending, verdictWait, verdictRefused},
		{"on, and nobody knows", start(RequestOn), Yes, unknown, pending, verdictWait, verdictWait},
		{"off, and it is off", intent{Request: RequestOff, Step: stepSending}, No, off, used, verdictAccepted, verdictAccepted},
		{"off, and it is on", intent{Request: RequestOff, Step: stepSending}, No, on, used, verdictWait, verdictRefused},
		{"off, and nobody knows", intent{Request: RequestOff, Step: stepSending}, No, unknown, used, verdictWait, verdictWait},
		{"reset, setting used", start(RequestReset), Yes, on, used, verdictAccepted, verdictAccepted},
		{"reset, setting pending", start(RequestReset), Yes, on, pending, verdictWait, verdictRefused},
		{"reset, firmware shows nothing", start(RequestReset), No, on, used, verdictWait, verdictAccepted},
		{"reset, firmware says nothing now", start(RequestReset), Yes, on, BootSetting{}, verdictWait, verdictAccepted},
		{"plain reset", plain(RequestReset), Yes, on, used, verdictWait, verdictAccepted},
		{"cycle seen off", start(RequestCycle), No, off, used, verdictAccepted, verdictAccepted},
		{"nmi", intent{Request: RequestNMI, Step: stepSending}, No, on, used, verdictAccepted, verdictAccepted},
	} {
		r := record{Intent: &c.i, Shows: c.shows}
		if got := r.judge(c.o, c.s, false); got != c.early {
			t.Errorf("%s: %v at first, want %v", c.name, got, c.early)
		}
		if got := r.judge(c.o, c.s, true); got != c.later {
			t.Errorf("%s: %v when late, want %v", c.name, got, c.later)
		}
	}
}

func TestNextTask(t *testing.T) {
	timing := Timing{}.withDefaults()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	set := func(target Target, age time.Duration, ahead bool) armed {
		return armed{State: armedSet, Target: target, At: ago(age), Ahead: ahead}
	}
	pending, used := BootSetting{Pending: Yes}, BootSetting{Pending: No}
	always := Override{TargetPxe, Continuous}
	s := time.Second
	for _, c := range []struct {
		name  string
		wish  Override
		armed armed
		shows Tristate
		facts facts
		want  task
	}{
		{"nothing wished, nothing armed", NoOverride, armed{}, Yes, facts{}, taskNone},
		{"once is never armed ahead", Override{TargetPxe, Once}, armed{}, Yes, facts{}, taskNone},
		{"continuous, nothing armed", always, armed{}, Yes, facts{}, taskArm},
		{"continuous, cut while arming", always, armed{State: armedDirty}, Yes, facts{}, taskArm},
		{"disabled, cut while arming", NoOverride, armed{State: armedDirty}, Yes, facts{}, taskDisarm},
		{"continuous, pending", always, set(TargetPxe, 9*s, true), Yes, facts{setting: pending}, taskNone},
		{"continuous, used", always, set(TargetPxe, 9*s, true), Yes, facts{setting: used}, taskArm},
		{"continuous, start's setting used", always, set(TargetPxe, 9*s, false), Yes, facts{setting: used}, taskArm},
		{"continuous, start's setting pending for long", always, set(TargetPxe, 300*s, false), Yes, facts{setting: pending}, taskNone},
		{"continuous, silent, too early", always, set(TargetPxe, 9*s, false), No, facts{setting: used}, taskNone},
		{"continuous, silent, after a boot's time", always, set(TargetPxe, 26*s, false), No, facts{}, taskArmAgain},
		{"continuous, silent, repeated already", always, set(TargetPxe, 26*s, false), No, facts{repeats: 1}, taskNone},
		{"continuous, silent, second repeat", always, set(TargetPxe, 63*s, false), No, facts{repeats: 1}, taskArmAgain},
		{"continuous, silent, spent", always, set(TargetPxe, 999*s, false), No, facts{repeats: 3}, taskNone},
		{"continuous, silent, ahead, no boot suspected", always, set(TargetPxe, 999*s, true), No, facts{}, taskNone},
		{"continuous, silent, ahead, powered on", always, set(TargetPxe, 999*s, true), No, facts{suspected: ago(26 * s)}, taskArmAgain},
		{"continuous, silent, fetched", always, set(TargetPxe, 99*s, false), No, facts{fetched: ago(s)}, taskArm},
		{"continuous, ahead, late fetch of the same boot", always, set(TargetPxe, 9*s, true), No, facts{fetched: ago(s)}, taskNone},
		{"continuous, another boot reason", always, armed{State: armedSet, Target: TargetPxe, At: ago(99 * s), Ahead: true, Reason: "a"}, Unknown, facts{setting: BootSetting{Reason: "b"}}, taskArmAgain},
		{"continuous, same boot reason", always, armed{State: armedSet, Target: TargetPxe, At: ago(99 * s), Ahead: true, Reason: "a"}, Unknown, facts{setting: BootSetting{Reason: "a"}}, taskNone},
		{"another target, ahead", Override{TargetHdd, Continuous}, set(TargetPxe, s, true), Yes, facts{setting: pending}, taskArm},
		{"another target, a start needs the old one", Override{TargetHdd, Continuous}, set(TargetPxe, s, false), Yes, facts{setting: pending}, taskNone},
		{"another target, the start has used it", Override{TargetHdd, Continuous}, set(TargetPxe, s, false), Yes, facts{setting: used}, taskArm},
		{"another target, silent, overdue", Override{TargetHdd, Continuous}, set(TargetPxe, 181*s, false), No, facts{}, taskArm},
		{"disabled, armed ahead", NoOverride, set(TargetPxe, s, true), Yes, facts{setting: pending}, taskDisarm},
		{"consumed, start under way", NoOverride, set(TargetPxe, s, false), Yes, facts{setting: pending}, taskNone},
		{"consumed, used", NoOverride, set(TargetPxe, s, false), Yes, facts{setting: used}, taskForget},
		{"consumed, never used", NoOverride, set(TargetPxe, 181*s, false), Yes, facts{setting: pending}, taskDisarm},
		{"consumed, silent", NoOverride, set(TargetPxe, 99*s, false), No, facts{}, taskNone},
		{"consumed, silent, overdue", NoOverride, set(TargetPxe, 181*s, false), No, facts{}, taskDisarm},
	} {
		r := record{Override: c.wish, Armed: c.armed, Shows: c.shows}
		if got, _ := nextTask(Node{}, r, c.facts, now, timing); got != c.want {
			t.Errorf("%s: task %d, want %d", c.name, got, c.want)
		}
	}
}

// TestRecordGolden freezes the stored form. If it fails, do not change the
// golden: a new form is a new version with a new file, and the old one is
// still read.
func TestRecordGolden(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	full := record{
		Version: recordVersion, Override: Override{TargetPxe, Continuous}, Wish: 7,
		Armed:      armed{State: armedSet, Target: TargetPxe, At: at, Ahead: true, Reason: "remote control"},
		Intent:     &intent{Reset: ResetForceRestart, Request: RequestReset, Start: true, Target: TargetPxe, Wish: 7, Step: stepSending, At: at},
		Last:       &accepted{Reset: ResetOn, Request: RequestOn, Wish: 6, At: at},
		Capability: Capability{At: at, Targets: []Target{TargetPxe, TargetHdd}, Version: "16.1.25", UUID: "4c4c4544-004b-4210-8033-b6c04f504633"},
		Shows:      Yes,
	}
	for name, r := range map[string]record{"record-v1-full.json": full, "record-v1-new.json": newRecord()} {
		got, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, append(got, '\n'))
		stored, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeRecord(Entry{Key: "node/n", Value: stored})
		if err != nil {
			t.Fatal(err)
		}
		if a, b := fmt.Sprintf("%+v", mustEncode(t, back)), fmt.Sprintf("%+v", mustEncode(t, r)); a != b {
			t.Errorf("%s reads back as %s", name, a)
		}
	}
	for _, bad := range []string{`{"version": 2}`, `{`, ``} {
		if _, err := decodeRecord(Entry{Key: "node/n", Value: []byte(bad)}); !IsKind(err, KindStore) {
			t.Errorf("record %q: %v", bad, err)
		}
	}
}

func mustEncode(t *testing.T, r record) string {
	t.Helper()
	b, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs:\n%s", path, got)
	}
}

func TestKinds(t *testing.T) {
	for _, k := range Kinds() {
		if k.String() == "" || strings.HasPrefix(k.String(), "Kind(") {
			t.Errorf("kind %d has no name", k)
		}
		err := fmt.Errorf("wrapped: %w", Errorf(k, "reset", "n", "cause: %w", context.Canceled))
		if KindOf(err) != k || !IsKind(err, k) || !errors.Is(err, context.Canceled) {
			t.Errorf("%v is read as %v", k, KindOf(err))
		}
	}
	if KindOf(context.DeadlineExceeded) != KindTimeout || KindOf(errors.New("x")) != KindInternal || IsKind(nil, KindInternal) {
		t.Error("bare errors are misread")
	}
	if got := Errorf(KindBusy, "reset", "desk-01", "code 4099").Error(); got != "reset desk-01: firmware busy: code 4099" {
		t.Errorf("error reads %q", got)
	}
}

func TestSecretNeverShows(t *testing.T) {
	s := NewSecret("hunter2")
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "in", struct{ P Secret }{s})
	encoded, err := json.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), fmt.Sprintf("%+v", struct{ P Secret }{s}), log.String(), string(encoded)} {
		if strings.Contains(shown, "hunter2") {
			t.Errorf("shown: %s", shown)
		}
	}
	if s.Reveal() != "hunter2" || s.IsZero() || !(Secret{}).IsZero() {
		t.Error("a secret does not hold its text")
	}
}

func TestCanonicalMAC(t *testing.T) {
	for in, want := range map[string]string{
		"52:54:00:AB:cd:ef": "52:54:00:ab:cd:ef", "52-54-00-ab-cd-ef": "52:54:00:ab:cd:ef",
		"525400abcdef": "52:54:00:ab:cd:ef", "5254.00ab.cdef": "52:54:00:ab:cd:ef",
		"52:54:00:ab:cd": "", "zz:54:00:ab:cd:ef": "", "": "", "52:54:00:ab:cd:ef:00": "",
	} {
		if got, ok := CanonicalMAC(in); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", in, got, ok)
		}
	}
}

func TestQueueOrdersByTime(t *testing.T) {
	q, now := newQueue(), time.Now()
	q.schedule("late", now.Add(time.Hour))
	q.schedule("soon", now.Add(time.Minute))
	q.schedule("late", now.Add(-time.Second)) // moved ahead
	q.schedule("soon", now.Add(time.Hour))    // not moved back
	if id, _, ok := q.take(now); !ok || id != "late" {
		t.Errorf("took %q, %v", id, ok)
	}
	if id, wait, ok := q.take(now); ok || wait != time.Minute {
		t.Errorf("took %q, wait %v", id, wait)
	}
	if id, _, _ := q.take(now.Add(2 * time.Minute)); id != "soon" {
		t.Errorf("took %q", id)
	}
	if _, wait, ok := q.take(now); ok || wait >= 0 {
		t.Errorf("an empty queue waits %v", wait)
	}
}
