package amtsim

import (
	"slices"
	"time"
)

// keep is how many calls, boots and bogus reasons a machine remembers.
const keep = 10000

// Call is one request that passed authentication and was understood as SOAP.
type Call struct {
	// Seq counts calls from 1.
	Seq int `json:"seq"`
	// At is when it was executed, or dropped.
	At time.Time `json:"at"`
	// Connection is the number of the TCP connection, from 1.
	Connection int `json:"connection"`
	// Class is the class's name, or the resource URI where it is unknown.
	Class string `json:"class"`
	// Method is the method's name or the verb.
	Method string `json:"method"`
	// Selectors are the selectors sent.
	Selectors map[string]string `json:"selectors,omitempty"`
	// Argument is what was asked for: the requested state of a power request,
	// the InstanceID of the first source of a boot order ("" clears), the role.
	Argument string `json:"argument,omitempty"`
	// Executed is false where an injected fault came first.
	Executed bool `json:"executed"`
	// Replied is false where an injected fault took the reply away.
	Replied bool `json:"replied"`
	// Status is the HTTP status of the reply.
	Status int `json:"status"`
	// Fault is the subcode of a SOAP fault; "" is none.
	Fault string `json:"fault,omitempty"`
	// ReturnValue is that of a method; -1 where there is none.
	ReturnValue int `json:"return_value"`
}

// Causes of boots.
const (
	CausePowerRequest = "PowerRequest"
	CauseHostReboot   = "HostReboot"
	CausePowerButton  = "PowerButton"
)

// Devices that are booted.
const (
	DevicePxe        = "Pxe"
	DeviceHdd        = "Hdd"
	DeviceCd         = "Cd"
	DeviceUefiHTTP   = "UefiHttp"
	DeviceSetup      = "BiosSetup"
	DeviceRedirected = "Redirected"
	DeviceDefault    = "Default"
)

// Boot is one boot of the host, entered when the BIOS read the boot setting.
type Boot struct {
	// Seq counts boots from 1.
	Seq int `json:"seq"`
	// At is when the device was decided.
	At time.Time `json:"at"`
	// Cause is one of the causes.
	Cause string `json:"cause"`
	// Request is the requested power state of a CausePowerRequest, and Call is
	// its Seq in the journal; else 0.
	Request int `json:"request,omitempty"`
	Call    int `json:"call,omitempty"`
	// Device is what was booted.
	Device string `json:"device"`
}

// Counters counts what a machine received since it was made.
type Counters struct {
	// Exchanges are HTTP requests that were not answered 401, dropped ones
	// included.
	Exchanges int `json:"exchanges"`
	// Unauthorized are 401 answers, whatever the cause.
	Unauthorized int `json:"unauthorized"`
	// WrongCredentials are those with a wrong user or password.
	WrongCredentials int `json:"wrong_credentials"`
	// NonceResets are those where a good nonce was refused by chance.
	NonceResets int `json:"nonce_resets"`
	// Connections are TCP connections accepted.
	Connections int `json:"connections"`
	// Dropped are connections dropped because the engine slept or was flooded.
	Dropped int `json:"dropped"`
	// Refused are faults and non-zero return values a correct client may get.
	Refused int `json:"refused"`
	// Bogus are requests no correct client sends.
	Bogus int `json:"bogus"`
}

// limited appends and forgets the oldest.
func limited[T any](list []T, entry T) []T {
	if len(list) >= keep {
		list = slices.Delete(list, 0, len(list)-keep+1)
	}
	return append(list, entry)
}

// Journal returns the last 10,000 calls, oldest first.
func (m *Machine) Journal() []Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.journal)
}

// Boots returns the last 10,000 boots, oldest first.
func (m *Machine) Boots() []Boot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.boots)
}

// Counters returns the counters.
func (m *Machine) Counters() Counters {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counters
}

// BogusReasons tells what was wrong with each bogus request, oldest first.
func (m *Machine) BogusReasons() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.bogus)
}

// noteBogus counts a request no correct client sends. The lock is held.
func (m *Machine) noteBogus(reason string) {
	m.counters.Bogus++
	m.bogus = limited(m.bogus, reason)
	m.log.Warn("bogus request", "reason", reason)
}
