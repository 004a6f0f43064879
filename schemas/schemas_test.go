package schemas

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var (
	namespaces = map[string]string{
		"CIM": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/",
		"AMT": "http://intel.com/wbem/wscim/1/amt-schema/1/",
		"IPS": "http://intel.com/wbem/wscim/1/ips-schema/1/",
	}
	types    = []string{"boolean", "uint8", "uint16", "uint32", "uint64", "string", "datetime", "base64", "reference"}
	letters  = []string{ConfidenceHardware, ConfidenceVendor, ConfidenceThird, ConfidenceInferred}
	verbs    = []string{"Get", "Put", "Enumerate", "Pull"}
	release  = regexp.MustCompile(`^(|[0-9]+\.[0-9]+)$`)
	unsigned = regexp.MustCompile(`^[0-9]+$`)
)

func TestEveryClassIsWhole(t *testing.T) {
	classes := AMTClasses()
	if len(classes) < 20 {
		t.Fatalf("%d classes, want at least the 20 of power, boot and identity", len(classes))
	}
	for _, c := range classes {
		t.Run(c.Name, func(t *testing.T) {
			prefix, _, _ := strings.Cut(c.Name, "_")
			if want := namespaces[prefix] + c.Name; c.URI != want {
				t.Errorf("URI %q, want %q", c.URI, want)
			}
			if c.Source == "" || !slices.Contains(letters, c.Confidence) {
				t.Errorf("source %q, confidence %q: both must be given", c.Source, c.Confidence)
			}
			if !release.MatchString(c.Since) {
				t.Errorf("since %q is not major.minor", c.Since)
			}
			for _, v := range c.Verbs {
				if !slices.Contains(verbs, v) {
					t.Errorf("verb %q is none of %v", v, verbs)
				}
			}
			if c.Can("Enumerate") != c.Can("Pull") {
				t.Error("Enumerate and Pull go together")
			}
			if len(c.Instances) == 0 && len(c.Derived) == 0 {
				t.Error("neither instances nor derived classes: nothing to serve")
			}
			checkProperties(t, c)
			checkMethods(t, c)
		})
	}
}

func checkProperties(t *testing.T, c Class) {
	t.Helper()
	names := make([]string, 0, len(c.Properties))
	keys := 0
	for _, p := range c.Properties {
		names = append(names, p.Name)
		if p.Key {
			keys++
		}
		if !slices.Contains(types, p.Type) {
			t.Errorf("%s: type %q is none of %v", p.Name, p.Type, types)
		}
		if p.Confidence != "" && !slices.Contains(letters, p.Confidence) {
			t.Errorf("%s: confidence %q", p.Name, p.Confidence)
		}
		if !release.MatchString(p.Since) {
			t.Errorf("%s: since %q is not major.minor", p.Name, p.Since)
		}
		if p.Fixed && p.ReadOnly {
			t.Errorf("%s: read-only is not sent, fixed is: choose", p.Name)
		}
		if p.Writable() && !c.Can("Put") {
			t.Errorf("%s is writable but the class has no Put", p.Name)
		}
	}
	if keys == 0 {
		t.Error("no key property")
	}
	if !slices.IsSorted(names) {
		t.Errorf("properties are not in ASCII order: %v", names)
	}
	if len(slices.Compact(names)) != len(c.Properties) {
		t.Error("a property is listed twice")
	}
}

func checkMethods(t *testing.T, c Class) {
	t.Helper()
	for _, m := range c.Methods {
		if m.Returns["0"] == "" {
			t.Errorf("%s: no meaning for return value 0", m.Name)
		}
		for value := range m.Returns {
			if !unsigned.MatchString(value) {
				t.Errorf("%s: return value %q is no number", m.Name, value)
			}
		}
		for _, p := range append(slices.Clone(m.In), m.Out...) {
			if !slices.Contains(types, p.Type) {
				t.Errorf("%s.%s: type %q", m.Name, p.Name, p.Type)
			}
			if p.Type != "reference" {
				continue
			}
			if _, ok := AMTClass(p.Class); !ok {
				t.Errorf("%s.%s: refers to class %q, which has no table", m.Name, p.Name, p.Class)
			}
		}
	}
}

func TestEveryInstanceFitsItsClass(t *testing.T) {
	for _, c := range AMTClasses() {
		for i, in := range c.Instances {
			for name, values := range in.Values {
				p, ok := c.Property(name)
				if !ok || p.Type == "reference" {
					t.Errorf("%s[%d].%s: no such plain property", c.Name, i, name)
				}
				if !p.Array && len(values) != 1 {
					t.Errorf("%s[%d].%s: %d values, not an array", c.Name, i, name, len(values))
				}
				for _, v := range values {
					if strings.HasPrefix(p.Type, "uint") && !unsigned.MatchString(v) || p.Type == "boolean" && v != "true" && v != "false" {
						t.Errorf("%s[%d].%s: %q is no %s", c.Name, i, name, v, p.Type)
					}
				}
			}
			for name, r := range in.References {
				if p, ok := c.Property(name); !ok || p.Type != "reference" {
					t.Errorf("%s[%d].%s: no such reference property", c.Name, i, name)
				}
				target, ok := AMTClass(r.Class)
				if !ok {
					t.Errorf("%s[%d].%s: refers to %q, which has no table", c.Name, i, name, r.Class)
				}
				for key := range r.Selectors {
					if p, _ := target.Property(key); !p.Key {
						t.Errorf("%s[%d].%s: %s.%s is no key", c.Name, i, name, r.Class, key)
					}
				}
			}
			for _, p := range c.Properties {
				_, plain := in.Values[p.Name]
				_, reference := in.References[p.Name]
				if !plain && !reference && !p.Optional {
					t.Errorf("%s[%d] lacks %s, which is not optional", c.Name, i, p.Name)
				}
			}
		}
	}
}

func TestDerivedClassesHaveTables(t *testing.T) {
	for _, c := range AMTClasses() {
		for _, d := range c.Derived {
			if _, ok := AMTClass(d); !ok {
				t.Errorf("%s: derived class %s has no table", c.Name, d)
			}
		}
	}
}

func TestLookUps(t *testing.T) {
	c, ok := AMTClass("AMT_BootSettingData")
	if !ok {
		t.Fatal("AMT_BootSettingData has no table")
	}
	if p, ok := c.Property("BIOSLastStatus"); !ok || !p.ReadOnly || !p.Array || p.Writable() {
		t.Errorf("BIOSLastStatus = %+v, want a read-only array", p)
	}
	if p, ok := c.Property("UseSOL"); !ok || !p.Writable() {
		t.Errorf("UseSOL = %+v, want it writable", p)
	}
	if _, ok := c.Property("Continuous"); ok {
		t.Error("AMT has no continuous boot setting")
	}
	power, _ := AMTClass("CIM_PowerManagementService")
	if m, ok := power.Method("RequestPowerStateChange"); !ok || m.Returns["4099"] != "busy" || len(m.In) != 4 {
		t.Errorf("RequestPowerStateChange = %+v", m)
	}
	if _, ok := power.Method("Reboot"); ok {
		t.Error("there is no method Reboot")
	}
	if _, ok := AMTClass("CIM_Nothing"); ok {
		t.Error("found a class that has no table")
	}
}

func TestLoadRefusesBadTables(t *testing.T) {
	tests := map[string]struct{ file, text string }{
		"not JSON":        {"amt/CIM_X.json", `{`},
		"misspelt field":  {"amt/CIM_X.json", `{"name":"CIM_X","readonly":true}`},
		"other file name": {"amt/CIM_Y.json", `{"name":"CIM_X"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if classes, err := load(fstest.MapFS{test.file: {Data: []byte(test.text)}}, "amt"); err == nil {
				t.Errorf("loaded %+v, want an error", classes)
			}
		})
	}
	classes, err := load(fstest.MapFS{"amt/CIM_X.json": {Data: []byte(`{"name":"CIM_X"}`)}}, "amt")
	if err != nil || len(classes) != 1 {
		t.Errorf("load = %v, %v; want one class", classes, err)
	}
}
