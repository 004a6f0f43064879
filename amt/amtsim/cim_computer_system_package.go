package amtsim

// liveComputerSystemPackage shows the platform's UUID in SMBIOS byte order.
func liveComputerSystemPackage(m *Machine, i *instance) {
	guid, err := platformGUID(m.options.UUID)
	if err != nil { // New checked it
		panic(err)
	}
	i.values["PlatformGUID"] = []string{guid}
}
