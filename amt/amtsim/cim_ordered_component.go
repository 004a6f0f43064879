package amtsim

// liveOrderedComponent shows which boot source is chosen.
func liveOrderedComponent(m *Machine, i *instance) {
	i.values["AssignedSequence"] = []string{"0"}
	chosen := i.references["PartComponent"].Selectors["InstanceID"] == m.setting.source
	if chosen && !m.options.Quirks.HidesBootSetting {
		i.values["AssignedSequence"] = []string{"1"}
	}
}
