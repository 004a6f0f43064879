package amtsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
)

// Control returns the control API of a set of machines. Serve it on a listener
// of its own: it has no authentication, and firmware has no such thing.
//
//	GET    /machines                               snapshots of all
//	GET    /machines/{id}                          snapshot
//	GET    /machines/{id}/journal                  calls, see Call
//	GET    /machines/{id}/boots                    boots, see Boot
//	GET    /machines/{id}/bogus                    reasons, texts
//	GET    /machines/{id}/faults                   faults at work, with hits
//	POST   /machines/{id}/faults                   add a Fault; answers its id
//	DELETE /machines/{id}/faults                   remove all, held calls go on
//	DELETE /machines/{id}/faults/{fault}           remove one
//	POST   /machines/{id}/faults/{fault}/release   held calls go on
//	POST   /machines/{id}/faults/{fault}/discard   held calls are dropped
//	POST   /machines/{id}/host-reboot              from inside the OS
//	POST   /machines/{id}/host-shutdown            from inside the OS
//	POST   /machines/{id}/power-button             a short press
//	POST   /machines/{id}/engine-sleep             the engine sleeps now
//	POST   /machines/{id}/agent                    {"value": true}
//	POST   /machines/{id}/redirection              {"value": true}
//	POST   /machines/{id}/reachable                {"value": false}
//	POST   /machines/{id}/sleep                    {"value": true}: host to S3
//
// Bodies are JSON. An action answers the snapshot after it; an error answers
// {"error": text} with 400 for a bad body, 404 for an unknown machine or fault
// and 409 where the host is in no state for it.
func Control(logger *slog.Logger, machines ...*Machine) http.Handler {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	c := &control{log: logger, machines: machines}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /machines", func(w http.ResponseWriter, _ *http.Request) {
		list := make([]Snapshot, 0, len(machines))
		for _, m := range machines {
			list = append(list, m.Snapshot())
		}
		c.write(w, http.StatusOK, list)
	})
	c.shows(mux)
	c.faults(mux)
	c.acts(mux)
	return mux
}

type control struct {
	log      *slog.Logger
	machines []*Machine
}

// fail is an error with its HTTP status.
type fail struct {
	status int
	err    error
}

func (f *fail) Error() string { return f.err.Error() }

// faultView is a fault at work as the control API shows it.
type faultView struct {
	ID    int   `json:"id"`
	Hits  int   `json:"hits"`
	Fault Fault `json:"fault"`
}

func (c *control) shows(mux *http.ServeMux) {
	c.route(mux, "GET /machines/{id}", func(m *Machine, _ *http.Request) (any, error) { return m.Snapshot(), nil })
	c.route(mux, "GET /machines/{id}/journal", func(m *Machine, _ *http.Request) (any, error) { return listed(m.Journal()), nil })
	c.route(mux, "GET /machines/{id}/boots", func(m *Machine, _ *http.Request) (any, error) { return listed(m.Boots()), nil })
	c.route(mux, "GET /machines/{id}/bogus", func(m *Machine, _ *http.Request) (any, error) { return listed(m.BogusReasons()), nil })
	c.route(mux, "GET /machines/{id}/faults", func(m *Machine, _ *http.Request) (any, error) {
		views := []faultView{}
		for _, i := range m.Faults() {
			views = append(views, faultView{ID: i.ID(), Hits: i.Hits(), Fault: i.Fault()})
		}
		return views, nil
	})
}

// listed makes an empty list of nil, so that JSON shows [] and not null.
func listed[T any](list []T) []T { return append([]T{}, list...) }

func (c *control) faults(mux *http.ServeMux) {
	c.route(mux, "POST /machines/{id}/faults", func(m *Machine, r *http.Request) (any, error) {
		var f Fault
		if err := decode(r, &f); err != nil {
			return nil, err
		}
		if err := f.Validate(); err != nil {
			return nil, &fail{http.StatusBadRequest, err}
		}
		i := m.AddFault(f)
		return faultView{ID: i.ID(), Fault: f}, nil
	})
	c.route(mux, "DELETE /machines/{id}/faults", func(m *Machine, _ *http.Request) (any, error) {
		m.RemoveFaults()
		return m.Snapshot(), nil
	})
	for pattern, act := range map[string]func(*Injected){
		"DELETE /machines/{id}/faults/{fault}":       (*Injected).Remove,
		"POST /machines/{id}/faults/{fault}/release": (*Injected).Release,
		"POST /machines/{id}/faults/{fault}/discard": (*Injected).Discard,
	} {
		c.route(mux, pattern, func(m *Machine, r *http.Request) (any, error) {
			for _, i := range m.Faults() {
				if strconv.Itoa(i.ID()) == r.PathValue("fault") {
					act(i)
					return m.Snapshot(), nil
				}
			}
			return nil, &fail{http.StatusNotFound, fmt.Errorf("machine %s has no fault %q", m.ID(), r.PathValue("fault"))}
		})
	}
}

func (c *control) acts(mux *http.ServeMux) {
	for name, act := range map[string]func(*Machine) error{
		"host-reboot":   (*Machine).HostReboot,
		"host-shutdown": (*Machine).HostShutdown,
		"power-button":  func(m *Machine) error { m.PressPowerButton(); return nil },
		"engine-sleep":  func(m *Machine) error { m.SleepEngine(); return nil },
	} {
		c.route(mux, "POST /machines/{id}/"+name, func(m *Machine, _ *http.Request) (any, error) {
			if err := act(m); err != nil {
				return nil, &fail{http.StatusConflict, err}
			}
			return m.Snapshot(), nil
		})
	}
	for name, set := range map[string]func(*Machine, bool) error{
		"agent":       func(m *Machine, v bool) error { m.SetAgent(v); return nil },
		"redirection": func(m *Machine, v bool) error { m.SetRedirection(v); return nil },
		"reachable":   (*Machine).SetReachable,
		"sleep":       (*Machine).SetSleep,
	} {
		c.route(mux, "POST /machines/{id}/"+name, func(m *Machine, r *http.Request) (any, error) {
			var body struct {
				Value *bool `json:"value"`
			}
			if err := decode(r, &body); err != nil {
				return nil, err
			}
			if body.Value == nil {
				return nil, &fail{http.StatusBadRequest, fmt.Errorf(`%s: send {"value": true} or {"value": false}`, name)}
			}
			if err := set(m, *body.Value); err != nil {
				return nil, &fail{http.StatusConflict, err}
			}
			return m.Snapshot(), nil
		})
	}
}

// decode reads a small JSON body without unknown fields.
func decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<16))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return &fail{http.StatusBadRequest, fmt.Errorf("decode body: %w", err)}
	}
	return nil
}

// route serves a pattern for the machine in its path.
func (c *control) route(mux *http.ServeMux, pattern string, serve func(*Machine, *http.Request) (any, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		for _, m := range c.machines {
			if m.ID() != r.PathValue("id") {
				continue
			}
			value, err := serve(m, r)
			if err == nil {
				c.write(w, http.StatusOK, value)
				return
			}
			status := http.StatusInternalServerError
			var f *fail
			if errors.As(err, &f) {
				status = f.status
			}
			c.write(w, status, map[string]string{"error": err.Error()})
			return
		}
		c.write(w, http.StatusNotFound, map[string]string{"error": fmt.Sprintf("no machine %q", r.PathValue("id"))})
	})
}

func (c *control) write(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		c.log.Debug("write control answer", "error", err)
	}
}
