package amtsim

import (
	"fmt"
	"maps"
	"slices"
)

// profile is what depends on the AMT release.
type profile struct {
	// release is major and minor, for the Since of tables.
	release [2]int
	// version and build are what CIM_SoftwareIdentity shows; the Server header
	// shows both as one.
	version, build string
	// shortRealm has four digits that are not zero, as releases up to 11 had.
	shortRealm bool
	// qop is the list offered in the challenge.
	qop string
	// strictCount demands nc as eight lower-case hex digits.
	strictCount bool
	// untilClose ends a reply by closing the connection instead of chunking.
	untilClose bool
	// roleNotNext knows role 32768.
	roleNotNext bool
	// listsStates shows AvailableRequestedPowerStates.
	listsStates bool
	// graceful knows the requests that need an agent and the diagnostic
	// interrupt; sleeps accepts sleep and hibernate among them.
	graceful, sleeps bool
	// enumerateAMT answers Enumerate on AMT_ classes.
	enumerateAMT bool
	// bootServiceState is the idle EnabledState of CIM_BootService.
	bootServiceState int
}

// profiles are the releases by name. Public sources: the release notes and the
// HTTP digest pages of the Intel AMT Implementation and Reference Guide, and
// recorded heads of 8.0.3, 11.8.50, 15.0.23 and 16.1.25.
var profiles = map[string]profile{
	"6":    {release: [2]int{6, 2}, version: "6.2.61", build: "3535", shortRealm: true, qop: "auth", untilClose: true, enumerateAMT: true, bootServiceState: 2},
	"7":    {release: [2]int{7, 1}, version: "7.1.91", build: "3272", shortRealm: true, qop: "auth", untilClose: true, roleNotNext: true, enumerateAMT: true, bootServiceState: 2},
	"10":   {release: [2]int{10, 0}, version: "10.0.56", build: "3002", shortRealm: true, qop: "auth", roleNotNext: true, listsStates: true, graceful: true, sleeps: true, bootServiceState: 2},
	"11.8": {release: [2]int{11, 8}, version: "11.8.50", build: "3425", shortRealm: true, qop: "auth", roleNotNext: true, listsStates: true, graceful: true, sleeps: true, enumerateAMT: true, bootServiceState: 2},
	"14.1": {release: [2]int{14, 1}, version: "14.1.67", build: "2046", qop: "auth", roleNotNext: true, listsStates: true, graceful: true, sleeps: true, enumerateAMT: true, bootServiceState: 2},
	"16.1": {release: [2]int{16, 1}, version: "16.1.25", build: "2124", qop: "auth-int, auth", strictCount: true, roleNotNext: true, listsStates: true, graceful: true, enumerateAMT: true, bootServiceState: 32768},
	"19.0": {release: [2]int{19, 0}, version: "19.0.5", build: "1992", qop: "auth-int, auth", strictCount: true, roleNotNext: true, listsStates: true, graceful: true, enumerateAMT: true, bootServiceState: 32768},
}

// Profiles returns the names that Options.Profile accepts, sorted.
func Profiles() []string { return slices.Sorted(maps.Keys(profiles)) }

// has reports whether the release is since or later; "" is always had.
func (p profile) has(since string) bool {
	if since == "" {
		return true
	}
	var major, minor int
	if _, err := fmt.Sscanf(since, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return p.release[0] > major || p.release[0] == major && p.release[1] >= minor
}
