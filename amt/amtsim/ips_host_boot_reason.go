package amtsim

import "strconv"

// liveHostBootReason shows what caused the last boot.
func liveHostBootReason(m *Machine, i *instance) {
	i.values["Reason"] = []string{strconv.Itoa(m.host.reason.reason)}
	i.values["PreviousSxState"] = []string{strconv.Itoa(m.host.reason.previous)}
	i.values["ReasonDetails"] = []string{m.host.reason.details}
}
