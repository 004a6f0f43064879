package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
)

// buildDebug adds the debug service: the last exchanges with each node's
// firmware, without credentials, and the runtime's profiles. It is for the
// operator on this host; the configuration allows loopback only.
//
//	GET /nodes/{id}/exchanges
//	GET /debug/pprof/
func (g *gateway) buildDebug(ctx context.Context) error {
	if g.config.Debug.Listen == "" {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", g.config.Debug.Listen)
	if err != nil {
		return fmt.Errorf("debug service: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /nodes/{id}/exchanges", g.showExchanges)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	server := newHTTPServer(mux, g.log)
	g.front = append(g.front, component{"debug service", func(ctx context.Context) error {
		g.log.Info("serving debug information", "address", "http://"+listener.Addr().String())
		return serveUntil(ctx, server, func() error { return server.Serve(listener) })
	}})
	return nil
}

func (g *gateway) showExchanges(w http.ResponseWriter, r *http.Request) {
	machine := g.machines[r.PathValue("id")]
	if machine == nil {
		http.Error(w, "there is no such node", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(machine.History()); err != nil {
		g.log.Debug("the reader of the exchanges left", "cause", err)
	}
}
