package amtsim

import "strconv"

// EnabledState of CIM_BootService since CSME 15: the lowest bit enables
// One-Click Recovery, the next one Remote Platform Erase.
const (
	serviceDisabled = 32768
	serviceBoth     = 32771
)

func liveBootService(m *Machine, i *instance) {
	i.values["EnabledState"] = []string{strconv.Itoa(m.setting.service)}
}

// setBootConfigRole says whether the coming boot uses the setting. Roles 0 and
// 2 are in the schema and not supported; 32768 came with release 7.0.
func setBootConfigRole(m *Machine, in invocation) (int, *soapFault) {
	if m.options.Quirks.ConsentRequired {
		return 0, refusedFault(faultAccessDenied)
	}
	if !m.refers(in.references["BootConfigSetting"][0], "CIM_BootConfigSetting") {
		return bootInvalidReference, nil
	}
	role := in.number("Role")
	switch {
	case role == roleNextSingleUse:
		m.data().values["OptionsCleared"] = []string{"false"}
	case role == roleNotNext && m.profile.roleNotNext:
	case role == 0 || role == 2 || role == roleNotNext:
		return bootUnsupported, nil
	default:
		return bootInvalidParameter, nil
	}
	m.setting.role = role
	return bootOK, nil
}

// requestBootStateChange enables or disables recovery boots.
func requestBootStateChange(m *Machine, in invocation) (int, *soapFault) {
	state := in.number("RequestedState")
	switch {
	case m.profile.bootServiceState != serviceDisabled:
		return 0, refusedFault(faultActionNotSupported)
	case in.has("TimeoutPeriod"):
		return returnTimeoutParameter, nil
	case state < serviceDisabled || state > serviceBoth:
		return returnInvalidParameter, nil
	}
	m.setting.service = state
	return returnOK, nil
}
