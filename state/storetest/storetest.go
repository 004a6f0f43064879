// Package storetest is the law for backends of the state.Store port: Run
// checks a backend against every suite, and Memory is a store for tests that
// obeys the same law.
//
// It is not a persistence of its own, and no part of the program imports it:
// only tests do.
//
// # Invariants
//
//   - Run has no switch by which a backend could leave a suite out, and a
//     suite that was skipped or did not reach its end fails the run.
//   - A directory beside this one that holds no test which calls Run fails
//     this package's own tests.
package storetest

import (
	"testing"

	"github.com/amt-redfish/amt-redfish/state"
)

// Opener opens a store over one place. What was written through an earlier
// store of the same place is there again once that store is closed. At most
// one store of a place is open at a time. It fails the test where it cannot.
type Opener func(t *testing.T) state.Store

// suite is one chapter of the law.
type suite struct {
	name string
	run  func(t *testing.T, open Opener)
}

// suites returns the law, in the order in which it reads best.
func suites() []suite {
	return []suite{
		{"Records", lawRecords},
		{"Values", lawValues},
		{"Keys", lawKeys},
		{"Listing", lawListing},
		{"Revisions", lawRevisions},
		{"UpdateError", lawUpdateError},
		{"UpdatePanic", lawUpdatePanic},
		{"Aliasing", lawAliasing},
		{"OneKeyContended", lawOneKeyContended},
		{"ManyKeysAtOnce", lawManyKeysAtOnce},
		{"ReadersAmongWriters", lawReadersAmongWriters},
		{"Context", lawContext},
		{"Closed", lawClosed},
		{"CloseAmongWriters", lawCloseAmongWriters},
		{"Reopen", lawReopen},
	}
}

// Suites returns the names of all suites.
func Suites() []string {
	var names []string
	for _, s := range suites() {
		names = append(names, s.name)
	}
	return names
}

// Run checks a backend against the whole law. fresh makes an empty place, one
// per suite, and returns the function that opens it.
func Run(t *testing.T, fresh func(t *testing.T) Opener) {
	t.Helper()
	for _, s := range suites() {
		// A suite that does not start was left out by go test's own -run.
		started, ended := false, false
		passed := t.Run(s.name, func(t *testing.T) {
			started = true
			s.run(t, fresh(t))
			ended = true
		})
		if passed && started && !ended {
			t.Errorf("suite %s was skipped; every backend passes every suite", s.name)
		}
	}
}
