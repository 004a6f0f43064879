package amtsim

import "strconv"

// liveAssociatedPower shows the power state and what may be asked for in it.
func liveAssociatedPower(m *Machine, i *instance) {
	i.values["PowerState"] = []string{strconv.Itoa(m.host.power)}
	delete(i.values, "AvailableRequestedPowerStates")
	if m.profile.listsStates {
		for _, state := range m.profile.available(m.host) {
			i.values["AvailableRequestedPowerStates"] = append(i.values["AvailableRequestedPowerStates"], strconv.Itoa(state))
		}
	}
}
