package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/amt-redfish/amt-redfish/amt/amtsim"
	"github.com/amt-redfish/amt-redfish/state"
)

// The benchmarks run the gateway as the program runs it, over HTTPS, with
// simulated desktops behind it. What is compared is measured in turns within
// one run: on a busy machine only the ratio means something.

// resetMinimum is how few exchanges a start with an override can do with:
// observe, read the boot options, clear the order, set the role, set the
// source, request the power change. plainMinimum is the same for a start
// without one: a setting of somebody else must not hit it, so the order is
// cleared and the role taken back.
const (
	resetMinimum = 6
	plainMinimum = 5
)

// BenchmarkExchanges counts what firmware is asked for one Redfish request.
func BenchmarkExchanges(b *testing.B) {
	b.Run("GET", func(b *testing.B) { benchReads(b, never, 1) })
	b.Run("GET-cached", func(b *testing.B) { benchReads(b, always, 0) })
	b.Run("Reset-with-override", func(b *testing.B) { benchResets(b, true) })
	b.Run("Reset", func(b *testing.B) { benchResets(b, false) })
}

// benchReads counts the exchanges of a steady GET of a system, which must be
// exactly want.
func benchReads(b *testing.B, fresh time.Duration, want int) {
	desk := benchDesk(b, "desk-01")
	r := startRig(b, benchTiming(fresh), []*amtsim.Machine{desk})
	r.getSystem(desk.ID())
	before, n := desk.Counters(), 0
	for b.Loop() {
		r.getSystem(desk.ID())
		n++
	}
	after := desk.Counters()
	exchanges, refused := after.Exchanges-before.Exchanges, after.Unauthorized-before.Unauthorized
	b.ReportMetric(float64(exchanges)/float64(n), "exchanges/op")
	b.ReportMetric(float64(refused)/float64(n), "401s/op")
	if exchanges != want*n || refused != 0 {
		b.Fatalf("%d GETs cost %d exchanges and %d answers of 401; the goal is %d and 0 for each", n, exchanges, refused, want)
	}
}

// benchResets counts the exchanges of a restart: those that its answer waits
// for, which must be the minimum, and those that follow it, because whether
// the boot used its setting is looked up afterwards. The PATCH before it reads
// the power state for its answer, where the last restart made that unknown.
func benchResets(b *testing.B, override bool) {
	desk := benchDesk(b, "desk-01")
	id, minimum, written := desk.ID(), plainMinimum, 3
	if override {
		minimum, written = resetMinimum, 5 // and the wish, and that it was used
	}
	r := startRig(b, benchTiming(always), []*amtsim.Machine{desk})
	wishing, answering, following, refused, n := 0, 0, 0, 0, 0
	restart := func() {
		before := desk.Counters()
		writes, _ := r.store.seen(id)
		if override {
			r.wishPxeOnce(id)
		}
		wished := desk.Counters()
		r.restart(id)
		r.store.await(b, id, writes+written)
		done := desk.Counters()
		later := followers(b, desk)
		wishing += wished.Exchanges - before.Exchanges
		answering += done.Exchanges - wished.Exchanges - later
		following += later
		refused += done.Unauthorized - before.Unauthorized
		n++
	}
	restart() // the first one looks at what this firmware shows
	wishing, answering, following, refused, n = 0, 0, 0, 0, 0
	for b.Loop() {
		restart()
	}
	b.ReportMetric(float64(answering)/float64(n), "exchanges/op")
	b.ReportMetric(float64(wishing)/float64(n), "PATCH-exchanges/op")
	b.ReportMetric(float64(following)/float64(n), "afterwards/op")
	b.ReportMetric(float64(refused)/float64(n), "401s/op")
	if answering != minimum*n || refused != 0 {
		b.Fatalf("%d restarts cost %d exchanges and %d answers of 401; the least is %d and 0 for each", n, answering, refused, minimum)
	}
}

// followers returns how many calls came after the last power request.
func followers(b *testing.B, desk *amtsim.Machine) int {
	b.Helper()
	journal := desk.Journal()
	for i := len(journal) - 1; i >= 0; i-- {
		if journal[i].Method == "RequestPowerStateChange" {
			return len(journal) - 1 - i
		}
	}
	b.Fatal("there was no power request")
	return 0
}

// amtLatency is how long each call takes in the simulated firmware. Real
// engines take longer, which makes the gateway's share smaller.
const amtLatency = 5 * time.Millisecond

// latencyPairs is the least number of pairs that are timed.
const latencyPairs = 60

// BenchmarkAddedLatency compares a request through the gateway with the bare
// WS-Man calls that it is made of.
func BenchmarkAddedLatency(b *testing.B) {
	b.Run("GET", func(b *testing.B) {
		behind, alone := benchDesk(b, "desk-01"), benchDesk(b, "desk-02")
		r, bare := startRig(b, benchTiming(never), []*amtsim.Machine{behind}), bareMachine(b, alone)
		read := func() {
			if _, err := bare.Observe(b.Context(), 0); err != nil {
				b.Fatal(err)
			}
		}
		inTurns(b, r, behind, alone, func() {}, func() { r.getSystem(behind.ID()) }, read)
	})
	b.Run("Reset", func(b *testing.B) {
		behind, alone := benchDesk(b, "desk-01"), benchDesk(b, "desk-02")
		r, bare := startRig(b, benchTiming(always), []*amtsim.Machine{behind}), bareMachine(b, alone)
		start := func() {
			_, err := bare.Observe(b.Context(), 0)
			if err == nil {
				err = bare.Arm(b.Context(), state.TargetPxe)
			}
			if err == nil {
				err = bare.Power(b.Context(), state.RequestReset)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		want := 1 // of the capabilities
		prepare := func() {
			r.store.await(b, behind.ID(), want)
			r.wishPxeOnce(behind.ID())
			want += 5
		}
		inTurns(b, r, behind, alone, prepare, func() { r.restart(behind.ID()) }, start)
	})
}

// inTurns times both ways in turns, after one of each, and reports medians,
// also of how long the gateway's store was written to. Both ways must make the
// same number of exchanges.
func inTurns(b *testing.B, r *rig, behind, alone *amtsim.Machine, prepare, through, bare func()) {
	prepare()
	through()
	bare()
	slowDown(behind, amtLatency)
	slowDown(alone, amtLatency)
	var gateway, wsman, stored samples
	pair := func() {
		prepare()
		exchanges, own := behind.Counters().Exchanges, alone.Counters().Exchanges
		_, before := r.store.seen(behind.ID())
		gateway.time(through)
		_, after := r.store.seen(behind.ID())
		exchanges = behind.Counters().Exchanges - exchanges
		stored = append(stored, after-before)
		wsman.time(bare)
		if own = alone.Counters().Exchanges - own; exchanges < own || exchanges > own+1 { // the look-up that follows may have begun
			b.Fatalf("the gateway made %d exchanges, the bare client %d", exchanges, own)
		}
	}
	for b.Loop() {
		pair()
	}
	for len(gateway) < latencyPairs {
		pair()
	}
	b.ReportMetric(microseconds(gateway.median()), "gateway-µs")
	b.ReportMetric(microseconds(wsman.median()), "bare-µs")
	b.ReportMetric(microseconds(gateway.median()-wsman.median()), "added-µs")
	b.ReportMetric(float64(gateway.median())/float64(wsman.median()), "ratio")
	b.ReportMetric(microseconds(stored.median()), "store-µs")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkCachedGET compares a GET of a system whose power state is fresh
// with the same bytes from a handler that does nothing else, behind the same
// server and TLS. Allocations are those of client and server together.
func BenchmarkCachedGET(b *testing.B) {
	desk := benchDesk(b, "desk-01")
	r := startRig(b, benchTiming(always), []*amtsim.Machine{desk})
	_, body, err := exchange(r.client, r.request(b.Context(), http.MethodGet, systemPath(desk.ID()), ""))
	if err != nil {
		b.Fatal(err)
	}
	plain := &rig{b: b, base: startPlain(b, r, body), roots: r.roots}
	for _, tt := range []struct {
		name    string
		keep    bool
		clients int
		batch   int
	}{
		{"keep-alive", true, 1, 100},
		{"keep-alive-8-clients", true, 8, 25},
		{"new-connection", false, 1, 20},
	} {
		b.Run(tt.name, func(b *testing.B) {
			run := func(r *rig) func() {
				own := &rig{b: b, base: r.base, client: tlsClient(r.roots, tt.keep)}
				b.Cleanup(own.client.CloseIdleConnections)
				return func() {
					var clients sync.WaitGroup
					for range tt.clients {
						clients.Go(func() {
							for range tt.batch {
								own.get(systemPath(desk.ID()))
							}
						})
					}
					clients.Wait()
				}
			}
			compareThroughput(b, tt.clients*tt.batch, run(r), run(plain))
		})
	}
}

// get is ask for goroutines that may not end the benchmark.
func (r *rig) get(path string) {
	status, text, err := exchange(r.client, r.request(r.b.Context(), http.MethodGet, path, ""))
	if err != nil || status != http.StatusOK {
		r.b.Errorf("GET %s: status %d, %v: %s", path, status, err, text)
	}
}

// compareThroughput times batches of n requests each way in turns.
func compareThroughput(b *testing.B, n int, gateway, plain func()) {
	gateway()
	plain()
	var ours, theirs samples
	var oursAllocs, theirsAllocs float64
	for b.Loop() {
		oursAllocs += allocationsOf(func() { ours.time(gateway) })
		theirsAllocs += allocationsOf(func() { theirs.time(plain) })
	}
	requests := float64(n * len(ours))
	b.ReportMetric(requests/ours.sum().Seconds(), "gateway-req/s")
	b.ReportMetric(requests/theirs.sum().Seconds(), "plain-req/s")
	b.ReportMetric(ours.sum().Seconds()/theirs.sum().Seconds(), "time-ratio")
	b.ReportMetric(oursAllocs/requests, "gateway-allocs/req")
	b.ReportMetric(theirsAllocs/requests, "plain-allocs/req")
	b.ReportMetric(0, "ns/op")
}

// startPlain serves a body at every path with the gateway's own server
// settings and a certificate of the same kind, which r's clients trust from
// then on.
func startPlain(b *testing.B, r *rig, body []byte) (base string) {
	b.Helper()
	record, err := makeCertificate([]string{"127.0.0.1"}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	pair, err := decodeCertificate(record)
	if err != nil {
		b.Fatal(err)
	}
	r.roots.AddCert(pair.Leaf)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := newHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	}), slog.New(slog.DiscardHandler))
	server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(b.Context())
	go func() { ended <- serveUntil(ctx, server, func() error { return server.ServeTLS(listener, "", "") }) }()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Errorf("the plain server ended: %v", err)
		}
	})
	return "https://" + listener.Addr().String()
}

const (
	liveDesks = 20
	// livePollers ask the live desktops in turns, deadPollers the dead one,
	// each again as soon as it was answered but not more often than askEvery.
	livePollers = 4
	deadPollers = 4
	askEvery    = 20 * time.Millisecond
	// phaseRounds is how often each live desktop is asked in one phase;
	// deadPhases the least number of phases of each kind.
	phaseRounds = 20
	deadPhases  = 6
	liveLatency = 2 * time.Millisecond
)

// BenchmarkDeadMachine compares GETs of live machines while a dead one is
// asked all the time with the same GETs while it is not. None is from the
// cache.
func BenchmarkDeadMachine(b *testing.B) {
	b.Run("silent", func(b *testing.B) { benchDead(b, silentEndpoint(b)) })
	b.Run("refusing", func(b *testing.B) { benchDead(b, refusingEndpoint(b)) })
}

func benchDead(b *testing.B, address string) {
	desks := benchDesks(b, liveDesks)
	r := startRig(b, benchTiming(never), desks, benchNode(b, "dead", address))
	for _, desk := range desks {
		r.getSystem(desk.ID())
		slowDown(desk, liveLatency)
	}
	r.askDeadOnce(b.Context()) // the gateway knows it as dead from here on
	var with, without samples
	asked := 0
	phases := 0
	pair := func() {
		without = append(without, r.askLive(desks)...)
		stop := r.askDead()
		with = append(with, r.askLive(desks)...)
		asked += stop()
		phases++
	}
	for b.Loop() {
		pair()
	}
	for phases < deadPhases {
		pair()
	}
	b.ReportMetric(microseconds(with.quantile(0.99)), "p99-with-dead-µs")
	b.ReportMetric(microseconds(without.quantile(0.99)), "p99-without-µs")
	b.ReportMetric(float64(with.quantile(0.99))/float64(without.quantile(0.99)), "p99-ratio")
	b.ReportMetric(float64(with.median())/float64(without.median()), "median-ratio")
	b.ReportMetric(float64(len(with)), "samples")
	b.ReportMetric(float64(asked), "dead-asked")
	b.ReportMetric(0, "ns/op")
}

// askLive asks every live desktop phaseRounds times and returns how long each
// answer took.
func (r *rig) askLive(desks []*amtsim.Machine) samples {
	var mu sync.Mutex
	var all samples
	var pollers sync.WaitGroup
	for poller := range livePollers {
		pollers.Go(func() {
			var own samples
			for range phaseRounds {
				for i := poller; i < len(desks); i += livePollers {
					own.time(func() { r.get(systemPath(desks[i].ID())) })
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
		})
	}
	pollers.Wait()
	return all
}

// askDeadOnce asks the dead machine and waits for the answer, which must not be
// a success, until ctx ends.
func (r *rig) askDeadOnce(ctx context.Context) {
	status, text, err := exchange(r.client, r.request(ctx, http.MethodGet, systemPath("dead"), ""))
	if err == nil && status != http.StatusServiceUnavailable && status != http.StatusGatewayTimeout {
		r.b.Errorf("the dead machine was answered %d: %s", status, text)
	}
}

// askDead asks the dead machine until stop is called, which returns how often
// that was. Questions that are open then are given up, as clients do.
func (r *rig) askDead() (stop func() int) {
	ctx, cancel := context.WithCancel(r.b.Context())
	var pollers sync.WaitGroup
	var mu sync.Mutex
	asked := 0
	for range deadPollers {
		pollers.Go(func() {
			pace := time.NewTicker(askEvery)
			defer pace.Stop()
			for ctx.Err() == nil {
				mu.Lock()
				asked++
				mu.Unlock()
				r.askDeadOnce(ctx)
				select {
				case <-pace.C:
				case <-ctx.Done():
				}
			}
		})
	}
	return func() int {
		cancel()
		pollers.Wait()
		return asked
	}
}
