package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/amt-redfish/amt-redfish/state"
)

// configs is the corpus of configuration files.
func configs(elements ...string) string {
	return filepath.Join(append([]string{root, "testdata", "configs"}, elements...)...)
}

// corpusEnvironment is the environment of every file of the corpus.
func corpusEnvironment() []string {
	return []string{"DESK_02_PASSWORD=from-environment", "HOME=/nowhere"}
}

func loadFile(path string, args ...string) (Config, []string, error) {
	return loadConfig(append([]string{"--config", path}, args...), corpusEnvironment())
}

func mustLoad(t *testing.T, path string, args ...string) Config {
	t.Helper()
	config, _, err := loadFile(path, args...)
	if err != nil {
		t.Fatalf("load %s: %v", path, err)
	}
	return config
}

// write makes a configuration file that only its user may read.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	return path
}

// Each bad file has beside it, in a .txt, exactly what is said about it.
func TestBadConfigs(t *testing.T) {
	files, err := filepath.Glob(configs("bad", "*.yaml"))
	if err != nil || len(files) < 30 {
		t.Fatalf("corpus: %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			_, _, err := loadFile(file)
			problems, ok := errors.AsType[*ConfigError](err)
			if !ok {
				t.Fatalf("error is %v (%T), want a ConfigError", err, err)
			}
			got := strings.ReplaceAll(problems.Error(), configs("bad")+string(filepath.Separator), "") + "\n"
			got = strings.ReplaceAll(got, configs("bad"), ".")
			got = strings.ReplaceAll(got, configs("good"), "../good")
			golden(t, filepath.Join("..", "configs", "bad", strings.TrimSuffix(filepath.Base(file), ".yaml")+".txt"), []byte(got))
			if strings.Contains(got, "not-a-real-secret") {
				t.Errorf("a problem shows a password: %s", got)
			}
		})
	}
}

func TestGoodConfigs(t *testing.T) {
	files, err := filepath.Glob(configs("good", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("corpus: %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			config := mustLoad(t, file)
			if config.File != file || config.CheckOnly {
				t.Errorf("file %q, check only %t", config.File, config.CheckOnly)
			}
			if checked := mustLoad(t, file, "--check-config"); !checked.CheckOnly {
				t.Error("--check-config is not seen")
			}
			if shown := fmt.Sprintf("%v %+v %#v", config, config, config); strings.Contains(shown, "not-a-real-secret") || strings.Contains(shown, "correct horse") {
				t.Errorf("the configuration shows a password: %s", shown)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	for _, file := range []string{"minimal.yaml", "valueless.yaml"} {
		got := mustLoad(t, configs("good", file))
		got.File, got.Nodes[0].line = "", 0
		want := Config{
			Listen: "127.0.0.1:8443",
			TLS:    TLSConfig{Mode: "self-signed"},
			State:  StateConfig{Dir: "./state"},
			Admin:  AdminConfig{Username: "admin"},
			AMT:    AMTConfig{Protocol: "http", MaxRetry: 3, ActionWait: 10 * time.Second, AwakeInterval: time.Minute, HddBoot: "hard-drive"},
			PXE:    PXEConfig{TFTPListen: "127.0.0.1:6969"},
			Log:    LogConfig{Level: slog.LevelInfo, Format: "text"},
			Nodes: []NodeConfig{{
				ID: "desk-01", Address: "192.0.2.10", Port: 16992, Protocol: "http",
				Username: "admin", Password: state.NewSecret("not-a-real-secret"), Mode: state.ModeUEFI,
			}},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", file, got, want)
		}
	}
}

func TestEveryKey(t *testing.T) {
	got := mustLoad(t, configs("good", "full.yaml"))
	in := func(name string) string { return configs("good", name) }
	pin, err := parsePin(strings.Repeat("0a1b2c3d4e5f60718293a4b5c6d7e8f9", 2))
	if err != nil {
		t.Fatal(err)
	}
	if got.Nodes[0].CA == nil {
		t.Error("amt_tls.ca was not read")
	}
	got.Nodes[0].CA = nil
	for i := range got.Nodes {
		got.Nodes[i].line = 0
	}
	want := Config{
		File:   in("full.yaml"),
		Listen: "[::]:9443",
		TLS:    TLSConfig{Mode: "self-signed", Hosts: []string{"gateway.example", "192.0.2.1", "*.lab.example"}},
		State:  StateConfig{Dir: in("records")},
		Admin:  AdminConfig{Username: "root", PasswordFile: in("password.txt"), Password: state.NewSecret("correct horse")},
		AMT:    AMTConfig{Protocol: "https", MaxRetry: 5, ActionWait: 20 * time.Second, HddBoot: "firmware-order"},
		PXE:    PXEConfig{TFTPListen: ":69", TFTPRoot: in("tftp")},
		Log:    LogConfig{Level: slog.LevelDebug, Format: "json"},
		Debug:  DebugConfig{Listen: "127.0.0.1:6060"},
		Nodes: []NodeConfig{
			{
				ID: "desk-01", Address: "192.0.2.10", Port: 16993, Protocol: "https", Username: "operator", Password: state.NewSecret("correct horse"),
				PinSHA256: pin, Mode: state.ModeLegacy, MACs: []string{"52:54:00:12:34:56", "52:54:00:12:34:57"},
			},
			{
				ID: "desk-02", Address: "desk-02.lab.example", Port: 26992, Protocol: "http", Username: "admin",
				Password: state.NewSecret("from-environment"), Mode: state.ModeUEFI, HddFirmwareOrder: true,
			},
			{
				ID: "03", Address: "2001:db8::3", Port: 16993, Protocol: "https", Username: "admin",
				Password: state.NewSecret("0123456789"), Mode: state.ModeUEFI, HddFirmwareOrder: true,
			},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// Every setting has a flag, a variable and a key; the list is reviewed as a
// golden file, and each of the three really sets the same thing.
func TestEverySettingHasThreeWays(t *testing.T) {
	var list bytes.Buffer
	for _, s := range settings() {
		fmt.Fprintf(&list, "%s --%s %s %q\n", s.key, s.flag(), s.variable(), s.value)
	}
	for _, key := range nodeKeys() {
		fmt.Fprintf(&list, "nodes[].%s\n", key)
	}
	golden(t, "settings", list.Bytes())

	certificate, key := configs("good", "server.pem"), configs("good", "server.key")
	absolute, err := filepath.Abs(configs("good"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"listen": "127.0.0.1:1", "tls.mode": "off", "tls.cert": filepath.Join(absolute, "server.pem"), "tls.key": filepath.Join(absolute, "server.key"),
		"tls.hosts": "a.example", "state.dir": "/elsewhere", "admin.username": "other",
		"admin.password_file": filepath.Join(absolute, "password.txt"), "amt.protocol": "https", "amt.max_retry": "7",
		"amt.action_wait": "7s", "amt.awake_interval": "7s", "amt.hdd_boot": "firmware-order",
		"pxe.tftp.listen": "127.0.0.1:2", "pxe.tftp.root": filepath.Join(absolute, "tftp"), "log.level": "warn",
		"log.format": "json", "debug.listen": "127.0.0.1:3",
	}
	for _, s := range settings() {
		t.Run(s.key, func(t *testing.T) {
			value, ok := values[s.key]
			if !ok {
				t.Fatal("this test has no value for it")
			}
			load := func(content string, args, environ []string) Config {
				t.Helper()
				if s.key == "tls.cert" || s.key == "tls.key" {
					args = append(args, "--tls-mode=files", "--tls-cert="+certificate, "--tls-key="+key)
					args = slices.DeleteFunc(args, func(a string) bool {
						return a == "--"+s.flag()+"="+map[string]string{"tls.cert": certificate, "tls.key": key}[s.key]
					})
				}
				config, _, err := loadConfig(append([]string{"--config", write(t, "c.yaml", content)}, args...), environ)
				if err != nil {
					t.Fatalf("load: %v", err)
				}
				config.File = ""
				return config
			}
			plain := "nodes: []\n"
			written := value
			if s.list {
				written = "[" + value + "]"
			}
			byFile := load(plain+nested(s.key, written), nil, nil)
			byVariable := load(plain, nil, []string{s.variable() + "=" + value})
			byFlag := load(plain, []string{"--" + s.flag() + "=" + value}, nil)
			if !reflect.DeepEqual(byFile, byVariable) || !reflect.DeepEqual(byFile, byFlag) {
				t.Errorf("file:\n%+v\nvariable:\n%+v\nflag:\n%+v", byFile, byVariable, byFlag)
			}
			if !strings.Contains(fmt.Sprintf("%+v", byFile), effect(s.key, value)) {
				t.Errorf("%s has no effect: %+v", value, byFile)
			}
		})
	}
}

// nested renders "a.b.c" and a value as YAML.
func nested(key, value string) string {
	parts := strings.Split(key, ".")
	var b strings.Builder
	for depth, part := range parts {
		b.WriteString(strings.Repeat("  ", depth) + part + ":")
		if depth == len(parts)-1 {
			b.WriteString(" " + value)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// effect is how a value shows in a printed configuration.
func effect(key, value string) string {
	switch key {
	case "log.level":
		return "Level:" + strings.ToUpper(value)
	case "amt.max_retry":
		return "MaxRetry:" + value
	}
	return value
}

func TestPrecedence(t *testing.T) {
	file := write(t, "gateway.yaml", "nodes: []\nlisten: 127.0.0.1:1\nlog: {level: debug}\ntls: {hosts: [a.example]}\n")
	environ := []string{
		"AMT_REDFISH_CONFIG=" + file, "AMT_REDFISH_LISTEN=127.0.0.1:2", "AMT_REDFISH_LOG_FORMAT=json",
		"AMT_REDFISH_LOG_LEVEL=", "AMT_REDFISH_TLS_HOSTS=b.example, c.example",
	}
	config, warnings, err := loadConfig([]string{"--listen", "127.0.0.1:3", "--tls-hosts="}, environ)
	if err != nil {
		t.Fatal(err)
	}
	if config.Listen != "127.0.0.1:3" {
		t.Errorf("listen is %s, want the flag's", config.Listen)
	}
	if config.Log.Format != "json" {
		t.Errorf("log format is %s, want the variable's", config.Log.Format)
	}
	if config.Log.Level != slog.LevelDebug {
		t.Errorf("log level is %s, want the file's: an empty variable is not set", config.Log.Level)
	}
	if len(config.TLS.Hosts) != 0 {
		t.Errorf("hosts are %v, want none: an empty flag is set", config.TLS.Hosts)
	}
	if len(warnings) != 1 || !strings.HasSuffix(warnings[0], "nodes: is empty; the gateway will serve no system") {
		t.Errorf("warnings: %q", warnings)
	}

	config, _, err = loadConfig(nil, environ)
	if err != nil || !slices.Equal(config.TLS.Hosts, []string{"b.example", "c.example"}) {
		t.Errorf("hosts are %v, %v; want the variable's", config.TLS.Hosts, err)
	}
}

func TestProblemsOfFlagsAndVariables(t *testing.T) {
	file := write(t, "gateway.yaml", "nodes: []\n")
	for _, c := range []struct {
		name          string
		args, environ []string
		want          []string
	}{
		{"no file", nil, nil, []string{"command line: no configuration file is named; use --config FILE (or AMT_REDFISH_CONFIG) with a file that lists the nodes"}},
		{"missing file", []string{"--config", "missing.yaml"}, nil, []string{"missing.yaml: there is no such file"}},
		{"directory", []string{"--config", "."}, nil, []string{".: is not a regular file"}},
		{"unknown flag", []string{"--listn=x"}, nil, []string{"command line: unknown flag: --listn; see amt-redfish help"}},
		{"argument", []string{"--config", file, "now"}, nil, []string{`command line: "now" is not a flag; serve takes flags only`}},
		{
			"both", []string{"--config", file, "--log-level=loud", "--amt-max-retry=x"}, []string{"AMT_REDFISH_TLS_MODE=maybe"},
			[]string{
				`variable AMT_REDFISH_TLS_MODE: tls.mode: "maybe" is not known; allowed are self-signed, files, off`,
				`flag --amt-max-retry: amt.max_retry: "x" is not a whole number from 1 to 20`,
				`flag --log-level: log.level: "loud" is not known; allowed are debug, info, warn, error`,
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := loadConfig(c.args, c.environ)
			if problems, ok := errors.AsType[*ConfigError](err); !ok || problems.Error() != strings.Join(c.want, "\n") {
				t.Errorf("got\n%v\nwant\n%s", err, strings.Join(c.want, "\n"))
			}
		})
	}
	if _, _, err := loadConfig([]string{"--help"}, nil); !errors.Is(err, pflag.ErrHelp) {
		t.Errorf("--help gives %v, want pflag.ErrHelp", err)
	}
}

func TestWarnings(t *testing.T) {
	file := write(t, "gateway.yaml", "nodes:\n  - {id: a, amt_address: 192.0.2.1, amt_password: x}\n  - {id: b, amt_address: 192.0.2.2, amt_password_env: AMT_REDFISH_B}\n")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	password := write(t, "password", "correct horse\r\n")
	if err := os.Chmod(password, 0o640); err != nil {
		t.Fatal(err)
	}
	args := []string{"--config", file, "--tls-mode=off", "--listen=:8443", "--admin-password-file", password}
	config, got, err := loadConfig(args, []string{"AMT_REDFISH_LISTN=:1", "AMT_REDFISH_B=y"})
	if err != nil {
		t.Fatal(err)
	}
	if config.Admin.Password.Reveal() != "correct horse" {
		t.Errorf("the password is %q", config.Admin.Password.Reveal())
	}
	want := []string{
		file + ": holds passwords and may be read by other users; use chmod 600, or amt_password_file",
		"variable AMT_REDFISH_LISTN: there is no such setting; did you mean AMT_REDFISH_LISTEN?",
		"flag --tls-mode: tls.mode: is off and :8443 is not a loopback address: passwords cross the network in clear",
		"flag --admin-password-file: admin.password_file: " + password + " may be read by other users; use chmod 600",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	for _, path := range []string{file, password} {
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, got, err = loadConfig([]string{"--config", file, "--tls-mode=off", "--admin-password-file", password}, []string{"AMT_REDFISH_B=y"}); err != nil || len(got) != 0 {
		t.Errorf("warnings without a cause: %q, %v", got, err)
	}
}

func TestFileIsBounded(t *testing.T) {
	file := write(t, "gateway.yaml", "")
	if err := os.Truncate(file, fileMax+1); err != nil {
		t.Fatal(err)
	}
	_, _, err := loadConfig([]string{"--config", file}, nil)
	if err == nil || !strings.Contains(err.Error(), "at most 16777216 are allowed") {
		t.Errorf("a file of %d bytes gives %v", fileMax+1, err)
	}
}

// FuzzConfig: whatever the file holds, it is accepted as a whole or refused
// with problems that name it; an accepted one has only complete nodes.
func FuzzConfig(f *testing.F) {
	for _, pattern := range []string{configs("good", "*.yaml"), configs("bad", "*.yaml")} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(content)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		l := newLoader(corpusEnvironment())
		l.config.File, l.dir = "fuzz.yaml", filepath.Join(t.TempDir(), "none") // no file is found
		l.applyDefaults()
		l.applyYAML("fuzz.yaml", content)
		l.finishNodes()
		for _, p := range l.problems {
			if !strings.HasPrefix(p.Source, "fuzz.yaml") || p.Problem == "" {
				t.Errorf("problem %+v does not name its place", p)
			}
		}
		if l.err() != nil {
			return
		}
		for _, n := range l.config.Nodes {
			if !state.ValidID(n.ID) || n.Address == "" || n.Port < 1 || n.Port > 65535 || n.Username == "" || n.Password.IsZero() {
				t.Errorf("accepted an incomplete node: %+v", n)
			}
		}
	})
}
