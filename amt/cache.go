package amt

import (
	"time"

	gocache "github.com/patrickmn/go-cache"

	"github.com/amt-redfish/amt-redfish/state"
)

// absence is how long a class that firmware did not know is not asked for: a
// firmware update may bring it.
const absence = time.Hour

// cache holds what may be lost: the last reading, a failure to reach the
// node, classes that are absent. It has no goroutine: entries are few, and
// expired ones are replaced.
type cache struct{ entries *gocache.Cache }

func newCache() cache { return cache{gocache.New(gocache.NoExpiration, 0)} }

const (
	keyObservation = "observation"
	keySilence     = "silence"
	keyAbsent      = "absent/"
)

// observation returns a reading not older than maxAge.
func (c cache) observation(maxAge time.Duration) (state.Observation, bool) {
	value, _ := c.entries.Get(keyObservation)
	o, ok := value.(state.Observation)
	return o, ok && time.Since(o.At) <= maxAge
}

func (c cache) keepObservation(o state.Observation) { c.entries.SetDefault(keyObservation, o) }

func (c cache) forgetObservation() { c.entries.Delete(keyObservation) }

// silence returns the error of a node that was found unreachable lately.
func (c cache) silence() error {
	value, _ := c.entries.Get(keySilence)
	err, _ := value.(error)
	return err
}

func (c cache) keepSilence(err error, d time.Duration) { c.entries.Set(keySilence, err, d) }

func (c cache) endSilence() { c.entries.Delete(keySilence) }

func (c cache) absent(what string) bool {
	_, found := c.entries.Get(keyAbsent + what)
	return found
}

func (c cache) keepAbsent(what string) { c.entries.Set(keyAbsent+what, true, absence) }
