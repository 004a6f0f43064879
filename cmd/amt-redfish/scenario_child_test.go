package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/state"
)

// child is a gateway in a process of its own.
type child struct {
	t       *testing.T
	command *exec.Cmd
	stdin   io.Closer
	base    string
	client  *http.Client
	lines   chan string // of its output; closed at its end
	dead    bool
}

// startChild starts a gateway and waits until it serves.
func startChild(t *testing.T, file string, blocks bool) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, command: exec.Command(self), lines: make(chan string, 16), client: &http.Client{Timeout: scenarioPatience, Transport: new(http.Transport)}}
	c.command.Env = append(os.Environ(), childVariable+"="+file)
	if blocks {
		c.command.Env = append(c.command.Env, blockVariable+"=1")
	}
	c.command.Stderr = os.Stderr
	if c.stdin, err = c.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := c.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.command.Start(); err != nil {
		t.Fatalf("start a gateway: %v", err)
	}
	go func() {
		defer close(c.lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			c.lines <- scanner.Text()
		}
	}()
	t.Cleanup(c.kill)
	c.base = c.line(childReady)
	return c
}

// line waits for a line of output that begins with a word, and returns the
// rest of it.
func (c *child) line(word string) string {
	c.t.Helper()
	timeout := time.NewTimer(scenarioPatience)
	defer timeout.Stop()
	for {
		select {
		case text, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("the gateway ended before it said %q", word)
			}
			if rest, found := strings.CutPrefix(text, word); found {
				return strings.TrimSpace(rest)
			}
		case <-timeout.C:
			c.t.Fatalf("the gateway did not say %q", word)
		}
	}
}

// kill ends the gateway with SIGKILL and waits until it is gone.
func (c *child) kill() {
	if c.dead {
		return
	}
	c.dead = true
	c.client.CloseIdleConnections()
	if err := c.command.Process.Kill(); err != nil {
		c.t.Errorf("kill the gateway: %v", err)
	}
	for range c.lines { // its output is read to the end before Wait closes it
	}
	var exit *exec.ExitError
	if err := c.command.Wait(); !errors.As(err, &exit) || exit.Exited() {
		c.t.Errorf("the gateway ended with %v, want it killed", err)
	}
}

func (c *child) request(ctx context.Context, method, path, body string) *http.Request {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		panic(err) // not reached: the addresses are our own
	}
	request.SetBasicAuth(scenarioUser, scenarioPassword)
	request.Header.Set("Content-Type", "application/json")
	return request
}

// ask makes a request that must succeed.
func (c *child) ask(method, path, body string) []byte {
	c.t.Helper()
	status, text, err := exchange(c.client, c.request(c.t.Context(), method, path, body))
	if err != nil || status >= 300 {
		c.t.Fatalf("%s %s: status %d, %v: %s", method, path, status, err, text)
	}
	return text
}

func (c *child) wish(o state.Override) {
	c.t.Helper()
	c.ask(http.MethodPatch, systemPath(scenarioDesk), fmt.Sprintf(`{"Boot": {"BootSourceOverrideTarget": %q, "BootSourceOverrideEnabled": %q}}`, o.Target, o.Enabled))
}

// wished returns the boot override as Redfish shows it.
func (c *child) wished() state.Override {
	c.t.Helper()
	var system struct {
		Boot struct {
			Target  state.Target  `json:"BootSourceOverrideTarget"`
			Enabled state.Enabled `json:"BootSourceOverrideEnabled"`
		}
	}
	if err := json.NewDecoder(bytes.NewReader(c.ask(http.MethodGet, systemPath(scenarioDesk), ""))).Decode(&system); err != nil {
		c.t.Fatal(err)
	}
	return state.Override{Target: system.Boot.Target, Enabled: system.Boot.Enabled}
}

const (
	resetPath   = "/Actions/ComputerSystem.Reset"
	restartBody = `{"ResetType": "ForceRestart"}`
)

func (c *child) restart() {
	c.t.Helper()
	c.ask(http.MethodPost, systemPath(scenarioDesk)+resetPath, restartBody)
}

// restartAndDie asks for a restart and kills the gateway once it has come as
// far as reached tells. The caller of the reset never gets an answer.
func (c *child) restartAndDie(reached func()) {
	c.t.Helper()
	answered := make(chan int, 1)
	request := c.request(c.t.Context(), http.MethodPost, systemPath(scenarioDesk)+resetPath, restartBody)
	go func() {
		status, _, _ := exchange(c.client, request)
		answered <- status
	}()
	reached()
	c.kill()
	if status := <-answered; status != 0 {
		c.t.Errorf("the reset that was cut was answered with status %d", status)
	}
}

// awaitWish asks until the override is as wanted: what a crash left open is
// judged in the background.
func (c *child) awaitWish(want state.Override) {
	c.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(scenarioPatience); ; <-again.C {
		got := c.wished()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the override is %v, want %v", got, want)
		}
	}
}
