package amtsim

// requestPowerStateChange moves the host's power. Time and TimeoutPeriod must
// be absent.
func requestPowerStateChange(m *Machine, in invocation) (int, *soapFault) {
	switch {
	case in.has("TimeoutPeriod"):
		return returnTimeoutParameter, nil
	case in.has("Time"), !m.refers(in.references["ManagedElement"][0], "CIM_ComputerSystem"):
		return returnInvalidParameter, nil
	}
	requested := in.number("PowerState")
	result := m.profile.judge(m.host, m.options.Quirks, requested)
	if result == returnOK {
		m.perform(requested, in.call)
	}
	return result, nil
}
