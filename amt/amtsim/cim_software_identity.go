package amtsim

// liveSoftwareIdentity shows the release of the machine's profile.
func liveSoftwareIdentity(m *Machine, i *instance) {
	switch i.text("InstanceID") {
	case "Flash", "Netstack", "AMTApps", "AMT", "Recovery Version", "AMT FW Core Version":
		i.values["VersionString"] = []string{m.profile.version}
	case "Build Number", "Recovery Build Num":
		i.values["VersionString"] = []string{m.profile.build}
	}
}
