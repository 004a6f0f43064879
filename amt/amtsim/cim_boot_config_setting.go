package amtsim

// Return values of the boot methods (DMTF value map, CIM_BootConfigSetting).
const (
	bootOK               = 0
	bootUnsupported      = 1
	bootUnknown          = 2
	bootInvalidReference = 4
	bootInvalidParameter = 5
)

// changeBootOrder chooses the source of the next boot; without Source it
// clears the choice. Only the first source counts.
func changeBootOrder(m *Machine, in invocation) (int, *soapFault) {
	sources := in.references["Source"]
	if len(sources) == 0 {
		m.setting.source = ""
		return bootOK, nil
	}
	if m.options.Quirks.ConsentRequired {
		return 0, refusedFault(faultAccessDenied)
	}
	first := sources[0]
	if first.Class != "CIM_BootSourceSetting" {
		return bootInvalidReference, nil
	}
	if !m.refers(first, "CIM_BootSourceSetting") {
		return bootInvalidParameter, nil
	}
	source := first.Selectors["InstanceID"]
	if excludes(m.data(), source) != "" {
		return bootInvalidReference, nil
	}
	if source == sourceHTTP && (m.setting.service&1 == 0 || !in.secure) {
		return bootUnknown, nil
	}
	held := m.setting.source != "" && m.setting.role == roleNextSingleUse
	if held && !m.options.Quirks.LastOrderWins {
		return bootOK, nil
	}
	m.setting.source = source
	return bootOK, nil
}
