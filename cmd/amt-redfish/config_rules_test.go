package main

import (
	"strings"
	"testing"
)

func TestCheckAddress(t *testing.T) {
	for _, c := range []struct {
		value string
		any   bool // allowed by hostAny, and so on
		ip    bool
		loop  bool
	}{
		{"127.0.0.1:8443", true, true, true},
		{"[::1]:8443", true, true, true},
		{"127.9.9.9:0", true, true, true},
		{"192.0.2.1:69", true, true, false},
		{"[2001:db8::1]:69", true, true, false},
		{":65535", true, true, false},
		{"localhost:1", true, false, false},
		{"gateway.example.:1", true, false, false},
		{"", false, false, true},
		{"127.0.0.1", false, false, false},
		{"127.0.0.1:", false, false, false},
		{"127.0.0.1:http", false, false, false},
		{"127.0.0.1:-1", false, false, false},
		{"127.0.0.1:65536", false, false, false},
		{"::1:8443", false, false, false},
		{"-a.example:1", false, false, false},
		{"a..b:1", false, false, false},
		{"a b:1", false, false, false},
		{"http://a:1", false, false, false},
	} {
		for rule, want := range map[hostRule]bool{hostAny: c.any, hostIP: c.ip, hostLoopback: c.loop} {
			if err := checkAddress(c.value, rule); (err == nil) != want {
				t.Errorf("checkAddress(%q, rule %d) = %v, want it allowed: %t", c.value, rule, err, want)
			}
		}
	}
}

func TestValidHost(t *testing.T) {
	for host, want := range map[string]bool{
		"a": true, "desk-01": true, "desk_01.lab.example": true, "a.": true, strings.Repeat("a", 63): true,
		"": false, ".": false, "a..b": false, "-a": false, "a-": false, "ä": false, "a:b": false, "a/b": false,
		strings.Repeat("a", 64): false, strings.Repeat("a.", 127): false,
	} {
		if got := validHost(host); got != want {
			t.Errorf("validHost(%q) = %t, want %t", host, got, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"listen", "tls", "state", "admin", "amt", "nodes", "pxe", "log", "debug"}
	for written, want := range map[string]string{
		"listn": "listen", "Listen": "listen", "node": "nodes", "stat": "state", "tsl": "", "dbg": "", "xyz": "", "": "", "authentication": "",
	} {
		got := suggest(written, known)
		if want != "" {
			want = "; did you mean " + want + "?"
		}
		if got != want {
			t.Errorf("suggest(%q) = %q, want %q", written, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"abc", "abc", 0}, {"abc", "axc", 1}, {"abc", "acb", 2}, {"kitten", "sitting", 3}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := distance(c.b, c.a); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

func TestParsePin(t *testing.T) {
	digits := strings.Repeat("0aF9", 16)
	for value, want := range map[string]bool{
		digits: true, strings.ToUpper(digits): true, strings.TrimSuffix(strings.Repeat("0A:", 32), ":"): true,
		"": false, digits[:62]: false, digits + "00": false, "zz" + digits[2:]: false,
	} {
		if pin, err := parsePin(value); (err == nil) != want || err == nil && len(pin) != 32 {
			t.Errorf("parsePin(%q) = %d bytes, %v; want it accepted: %t", value, len(pin), err, want)
		}
	}
}
