package amtsim

// IsNext values (DMTF, CIM_ElementSettingData).
const (
	isNotNext          = "2"
	isNextForSingleUse = "3"
)

// liveElementSettingData shows whether the boot configuration is for the next
// single use, on the one association that has IsNext.
func liveElementSettingData(m *Machine, i *instance) {
	if _, ok := i.values["IsNext"]; !ok {
		return
	}
	i.values["IsNext"] = []string{isNotNext}
	if m.setting.role == roleNextSingleUse && !m.options.Quirks.HidesBootSetting {
		i.values["IsNext"] = []string{isNextForSingleUse}
	}
}
