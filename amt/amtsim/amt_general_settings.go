package amtsim

// liveGeneralSettings shows the digest realm, which is why a stored hash may
// take the password's place.
func liveGeneralSettings(m *Machine, i *instance) {
	i.values["DigestRealm"] = []string{m.realm}
}
