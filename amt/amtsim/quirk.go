package amtsim

// Quirks are deviations of one machine. Each field's false is the default, so
// the zero value is the default set: unkind, first order wins, setting wiped
// at every boot and shown while armed.
type Quirks struct {
	// StableNonces stops demanding a fresh nonce now and then (one in twenty
	// re-uses of a good one). The vendor warns that it may happen at any time.
	StableNonces bool
	// EvenChunks splits replies after 544 and then every 762 bytes, as
	// recorded, instead of at odd places.
	EvenChunks bool

	// LastOrderWins lets a second ChangeBootOrder replace the first. By
	// default it answers 0 and is ignored while a source is set for the next
	// single use, until an order without a source clears it; reported by
	// OpenStack's AMT driver for releases 7 to 9.
	LastOrderWins bool
	// KeepsSource leaves the source in place when a boot used it, and only
	// takes the role away. A later role then boots the old source.
	KeepsSource bool
	// HidesBootSetting never shows what is armed: IsNext stays 2 and
	// AssignedSequence 0. Nobody has seen the documented values on hardware.
	HidesBootSetting bool
	// HostBootIgnoresSetting neither honours nor wipes the setting on boots
	// that AMT did not issue. Public sources disagree.
	HostBootIgnoresSetting bool
	// VagueRefusals answers 2 where the default is 4097 or 4099.
	VagueRefusals bool
	// ConsentRequired refuses boot settings until a person agrees, which here
	// never happens: client control mode, or consent for all.
	ConsentRequired bool
	// LenientPut accepts read-only properties in a Put and ignores them, as
	// 14.1.67 does.
	LenientPut bool
	// NoBIOSSetup refuses a Put with BIOSSetup true, as one OEM's 14.1.67 does.
	NoBIOSSetup bool
	// NoBootControl has no boot classes at all.
	NoBootControl bool
}

// Kind returns the default set without the parts that happen by chance, for
// benchmarks and for tests that count exchanges. Idle closing and sleep are
// part of Timing; Quick and Immediate leave them out.
func Kind() Quirks { return Quirks{StableNonces: true, EvenChunks: true} }
