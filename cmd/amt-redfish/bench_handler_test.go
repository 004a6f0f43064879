package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/redfish"
	"github.com/amt-redfish/amt-redfish/state"
	"github.com/amt-redfish/amt-redfish/state/bolt"
	"github.com/amt-redfish/amt-redfish/state/storetest"
)

// stillMachine is a machine that is on, and on which nothing may be done.
type stillMachine struct{ state.Machine }

// Observe implements state.Machine.
func (stillMachine) Observe(context.Context, time.Duration) (state.Observation, error) {
	return state.Observation{Power: state.PowerOn, Available: []state.PowerRequest{state.RequestOff, state.RequestReset, state.RequestCycle}, At: time.Now()}, nil
}

// BenchmarkHandlerGET is a GET of a system in process: the Redfish service,
// the core and a store, without sockets, TLS and firmware.
func BenchmarkHandlerGET(b *testing.B) {
	file, err := bolt.Open(b.Context(), filepath.Join(b.TempDir(), "state.db"), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = file.Close() })
	for _, tt := range []struct {
		name    string
		store   state.Store
		session bool
	}{
		{"memory/basic", storetest.NewMemory(), false},
		{"memory/session", storetest.NewMemory(), true},
		{"bolt/basic", file, false},
	} {
		b.Run(tt.name, func(b *testing.B) {
			service := newBenchService(b, tt.store)
			request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, systemPath("desk-01"), nil)
			if tt.session {
				request.Header.Set("X-Auth-Token", logIn(b, service))
			} else {
				request.SetBasicAuth(benchUser, benchPassword)
			}
			var w discardingWriter
			w.serve(b, service, request)
			b.ReportAllocs()
			for b.Loop() {
				w.serve(b, service, request)
			}
		})
	}
}

// newBenchService returns the Redfish service over the core, with one node.
func newBenchService(b *testing.B, store state.Store) *redfish.Server {
	b.Helper()
	nodes, err := state.NewNodes(state.NodesOptions{Nodes: []state.Node{{ID: "desk-01", Machine: stillMachine{}}}, Store: store})
	if err != nil {
		b.Fatal(err)
	}
	accounts := state.NewAccounts(store)
	hash, err := redfish.HashPassword(benchPassword)
	if err != nil {
		b.Fatal(err)
	}
	err = accounts.Create(b.Context(), state.Account{Username: benchUser, PasswordHash: hash, Role: state.RoleAdministrator})
	if err != nil && !state.IsKind(err, state.KindExists) { // the benchmark's function runs more than once
		b.Fatal(err)
	}
	uuid, err := state.ServiceUUID(b.Context(), store)
	if err != nil {
		b.Fatal(err)
	}
	service, err := redfish.New(redfish.Options{Nodes: nodes, Accounts: accounts, UUID: uuid, Version: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	return service
}

// logIn opens a session and returns its token.
func logIn(b *testing.B, service http.Handler) string {
	b.Helper()
	body, err := json.Marshal(map[string]string{"UserName": benchUser, "Password": benchPassword})
	if err != nil {
		b.Fatal(err)
	}
	request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/redfish/v1/SessionService/Sessions", strings.NewReader(string(body)))
	answer := httptest.NewRecorder()
	service.ServeHTTP(answer, request)
	if answer.Code != http.StatusCreated {
		b.Fatalf("log in: status %d: %s", answer.Code, answer.Body)
	}
	return answer.Header().Get("X-Auth-Token")
}

// discardingWriter is a response without a connection.
type discardingWriter struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (w *discardingWriter) Header() http.Header { return w.header }

// Write implements http.ResponseWriter.
func (w *discardingWriter) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (w *discardingWriter) WriteHeader(status int) { w.status = status }

func (w *discardingWriter) serve(b *testing.B, service http.Handler, request *http.Request) {
	w.header, w.status = http.Header{}, 0
	service.ServeHTTP(w, request)
	if w.status != http.StatusOK {
		b.Fatalf("status %d", w.status)
	}
}
