package amtsim

// refuseBootSettingData applies the rules of AMT_BootSettingData that go
// beyond its form (Intel AMT class reference).
func refuseBootSettingData(m *Machine, fresh *instance) *soapFault {
	switch {
	case m.options.Quirks.ConsentRequired:
		return refusedFault(faultAccessDenied)
	case m.options.Quirks.NoBIOSSetup && fresh.flag("BIOSSetup"),
		excludes(fresh, m.setting.source) != "",
		m.setting.service > serviceDisabled:
		return refusedFault(faultInvalidRepresentation)
	}
	return nil
}
