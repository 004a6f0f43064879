package amtsim

import "strconv"

// OSPowerSavingState values (Intel AMT class reference).
const (
	savingFullPower = 2
	savingSaving    = 3
)

// livePowerSaving shows the state of a Modern Standby host; the property is
// absent while the host is off, as seen on releases 15 and 18.
func livePowerSaving(m *Machine, i *instance) {
	delete(i.values, "OSPowerSavingState")
	if m.host.power != PowerOn {
		return
	}
	state := savingFullPower
	if m.host.osSaving {
		state = savingSaving
	}
	i.values["OSPowerSavingState"] = []string{strconv.Itoa(state)}
}

// requestPowerSaving wakes a Modern Standby host or puts it to standby.
func requestPowerSaving(m *Machine, in invocation) (int, *soapFault) {
	state := in.number("OSPowerSavingState")
	switch {
	case !m.refers(in.references["ManagedElement"][0], "CIM_ComputerSystem"),
		state != savingFullPower && state != savingSaving:
		return returnInvalidParameter, nil
	case m.host.power != PowerOn:
		return returnInvalidTransition, nil
	}
	m.host.osSaving = state == savingSaving
	return returnOK, nil
}
