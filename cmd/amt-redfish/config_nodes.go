package main

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/amt-redfish/amt-redfish/state"
)

// passwordMax bounds a password file.
const passwordMax = 4096

// nodeSection is what the loader keeps of the list of nodes until the
// defaults for them are known.
type nodeSection struct {
	expected       bool // the file was read, and has not shown the key
	emptied        bool // the file has the key, with an empty list
	list           []rawNode
	variables      []string // that nodes name
	inlinePassword bool
}

// rawNode is a node as written. Each value is the YAML node it came from, nil
// where the key is missing.
type rawNode struct {
	file   *yamlFile
	at     *yaml.Node
	fields map[string]*yaml.Node
}

// nodeFields lists the keys of a node that have one value; mac and amt_tls
// come beside them.
func nodeFields() []string {
	return []string{
		"id", "amt_address", "amt_port", "amt_protocol", "amt_username", "amt_password", "amt_password_file",
		"amt_password_env", "boot_mode", "hdd_boot",
	}
}

// nodeKeys lists every key of a node, with dots for what is nested.
func nodeKeys() []string {
	return append(nodeFields(), "mac", "amt_tls.ca", "amt_tls.pin_sha256")
}

// nodeList collects the nodes. Their values are judged by finishNodes.
func (d *yamlFile) nodeList(n *yaml.Node, key string) {
	n = target(n)
	if isNull(n) {
		return
	}
	d.l.nodes.expected = false
	if n.Kind != yaml.SequenceNode {
		d.l.problem(d.source(n), key, "is %s; it must be a list, of which each entry begins with \"- id:\"", describe(n))
		return
	}
	d.l.nodes.emptied = len(n.Content) == 0
	for i, item := range n.Content {
		raw := rawNode{file: d, at: target(item), fields: make(map[string]*yaml.Node)}
		allowed := keys{}
		collect := func(name string) func(*yamlFile, *yaml.Node, string) {
			return func(_ *yamlFile, value *yaml.Node, _ string) { raw.fields[name] = target(value) }
		}
		for _, name := range append(nodeFields(), "mac") {
			allowed[name] = collect(name)
		}
		allowed["amt_tls"] = func(d *yamlFile, value *yaml.Node, key string) {
			d.section(value, key, keys{"ca": collect("amt_tls.ca"), "pin_sha256": collect("amt_tls.pin_sha256")})
		}
		d.section(item, fmt.Sprintf("nodes[%s]", raw.label(i, item)), allowed)
		if raw.at.Kind != yaml.MappingNode {
			continue // it is a problem already
		}
		d.l.nodes.list = append(d.l.nodes.list, raw)
		if name := raw.fields["amt_password_env"]; name != nil {
			d.l.nodes.variables = append(d.l.nodes.variables, name.Value)
		}
		d.l.nodes.inlinePassword = d.l.nodes.inlinePassword || raw.fields["amt_password"] != nil
	}
}

// label is how problems call a node: by its id if it can be read, else by its
// place in the list, from 0.
func (rawNode) label(i int, item *yaml.Node) string {
	item = target(item)
	if item.Kind == yaml.MappingNode {
		for k := 0; k+1 < len(item.Content); k += 2 {
			if v := item.Content[k+1]; item.Content[k].Value == "id" && v.Kind == yaml.ScalarNode && state.ValidID(v.Value) {
				return v.Value
			}
		}
	}
	return fmt.Sprint(i)
}

// finishNodes turns what was written into nodes, with the defaults that are
// settled by now, and checks them against each other.
func (l *loader) finishNodes() {
	for i, raw := range l.nodes.list {
		b := &nodeBuilder{l: l, raw: raw, prefix: fmt.Sprintf("nodes[%s].", raw.label(i, raw.at))}
		l.config.Nodes = append(l.config.Nodes, b.build())
	}
	l.checkCollisions()
	switch {
	case l.config.File == "":
		l.problem("command line", "", "no configuration file is named; use --config FILE (or %s) with a file that lists the nodes", configVariable)
	case l.nodes.emptied:
		l.warn(l.config.File, "nodes", "is empty; the gateway will serve no system")
	case l.nodes.expected:
		l.problem(l.config.File, "nodes", "no node is configured; add a list of which each entry has at least id, amt_address and a password, or \"nodes: []\" to start without any")
	}
}

// checkCollisions finds nodes that would be taken for each other.
func (l *loader) checkCollisions() {
	owner := make(map[string]NodeConfig)
	claim := func(n NodeConfig, what, key, format string) {
		if other, taken := owner[what]; taken {
			l.problem(fmt.Sprintf("%s:%d", l.config.File, n.line), fmt.Sprintf("nodes[%s].%s", n.ID, key), format+" in line %d", other.line)
			return
		}
		owner[what] = n
	}
	for _, n := range l.config.Nodes {
		if n.ID == "" {
			continue // it is a problem already
		}
		claim(n, "id "+strings.ToLower(n.ID), "id", "is also the id (but for upper and lower case) of the node")
		if n.Address != "" && n.Port != 0 {
			claim(n, "endpoint "+net.JoinHostPort(strings.ToLower(n.Address), fmt.Sprint(n.Port)), "amt_address", "with its port is also the endpoint of the node")
		}
		for _, mac := range n.MACs {
			claim(n, "mac "+mac, "mac", mac+" is also an address of the node")
		}
	}
}

// nodeBuilder judges one node.
type nodeBuilder struct {
	l      *loader
	raw    rawNode
	prefix string // of keys in problems
}

func (b *nodeBuilder) problem(field, format string, args ...any) {
	at := b.raw.at
	if n := b.raw.fields[field]; n != nil {
		at = n
	}
	b.l.problem(b.raw.file.source(at), b.prefix+field, format, args...)
}

// value returns a field's value; ok is false where it is missing or no single
// value.
func (b *nodeBuilder) value(field string) (value string, ok bool) {
	n := b.raw.fields[field]
	if n == nil || isNull(n) {
		return "", false
	}
	return b.raw.file.text(n, b.prefix+field)
}

// choice returns a field's value out of those allowed, or the default.
func (b *nodeBuilder) choice(field, value string, allowed ...string) string {
	written, ok := b.value(field)
	if !ok {
		return value
	}
	if err := checkOneOf(written, allowed); err != nil {
		b.problem(field, "%s", err)
	}
	return written
}

func (b *nodeBuilder) build() NodeConfig {
	n := NodeConfig{line: b.raw.at.Line}
	id, ok := b.value("id")
	switch {
	case !ok:
		b.problem("id", "is missing; it becomes the Redfish Id and Name")
	case !state.ValidID(id):
		b.problem("id", "%q cannot be an id; allowed are up to 64 letters, digits, dots, underscores and hyphens, the first a letter or digit", id)
	default:
		n.ID = id
	}
	n.Address = b.address()
	n.Protocol = b.choice("amt_protocol", b.l.config.AMT.Protocol, protocolHTTP, protocolHTTPS)
	n.Port = defaultPorts[n.Protocol]
	if port, ok := b.value("amt_port"); ok {
		var err error
		if n.Port, err = parseNumber(port, 1, 65535); err != nil {
			b.problem("amt_port", "%s", err)
		}
	}
	n.Username = "admin"
	if username, ok := b.value("amt_username"); ok {
		if n.Username = username; username == "" {
			b.problem("amt_username", "must not be empty")
		}
	}
	n.Password = b.password()
	b.trust(&n)
	n.Mode = state.Mode(b.choice("boot_mode", string(state.ModeUEFI), string(state.ModeUEFI), string(state.ModeLegacy)))
	n.HddFirmwareOrder = b.choice("hdd_boot", b.l.config.AMT.HddBoot, hddHardDrive, hddFirmwareOrder) == hddFirmwareOrder
	n.MACs = b.macs()
	return n
}

func (b *nodeBuilder) address() string {
	address, ok := b.value("amt_address")
	_, ipErr := netip.ParseAddr(address)
	_, _, portErr := net.SplitHostPort(address)
	switch {
	case !ok:
		b.problem("amt_address", "is missing; it is the IP address or host name of the node's AMT")
	case ipErr == nil || validHost(address):
		return address
	case strings.Contains(address, "://"):
		b.problem("amt_address", "%q is a URL; write the host alone, and amt_protocol and amt_port", address)
	case portErr == nil:
		b.problem("amt_address", "%q holds a port; write the host alone, and amt_port", address)
	default:
		b.problem("amt_address", "%q is neither an IP address nor a host name", address)
	}
	return ""
}

// password reads the node's password from the one place that it names.
func (b *nodeBuilder) password() state.Secret {
	var given []string
	for _, field := range []string{"amt_password", "amt_password_file", "amt_password_env"} {
		if n := b.raw.fields[field]; n != nil && !isNull(n) {
			given = append(given, field)
		}
	}
	switch len(given) {
	case 0:
		b.problem("amt_password", "is missing; give one of amt_password, amt_password_file, amt_password_env")
		return state.Secret{}
	case 1:
	default:
		b.problem(given[1], "is given beside %s; give only one of them", given[0])
		return state.Secret{}
	}
	value, ok := b.value(given[0])
	if !ok {
		return state.Secret{}
	}
	switch given[0] {
	case "amt_password_file":
		secret, err := b.l.passwordFile(b.raw.file.source(b.raw.fields[given[0]]), b.prefix+given[0], b.l.resolve(value))
		if err != nil {
			b.problem(given[0], "%s", err)
		}
		return secret
	case "amt_password_env":
		secret := state.NewSecret(b.l.variable(value))
		if secret.IsZero() {
			b.problem(given[0], "the variable %q is not set, or empty", value)
		}
		return secret
	}
	if value == "" {
		b.problem(given[0], "must not be empty")
	}
	return state.NewSecret(value)
}

// passwordFile reads a password: the file's content without the line end at
// its end.
func (l *loader) passwordFile(source, key, path string) (state.Secret, error) {
	content, err := readCapped(path, passwordMax)
	if err != nil {
		return state.Secret{}, fmt.Errorf("%s: %w", path, err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	switch {
	case password == "":
		return state.Secret{}, fmt.Errorf("%s: is empty", path)
	case strings.ContainsAny(password, "\r\n\x00"):
		return state.Secret{}, fmt.Errorf("%s: has more than one line; it must hold the password alone", path)
	}
	if othersMayRead(path) {
		l.warn(source, key, "%s may be read by other users; use chmod 600", path)
	}
	return state.NewSecret(password), nil
}

// trust reads what is known of the engine's certificate.
func (b *nodeBuilder) trust(n *NodeConfig) {
	for _, field := range []string{"amt_tls.ca", "amt_tls.pin_sha256"} {
		value, ok := b.value(field)
		if !ok || value == "" {
			continue
		}
		if n.Protocol != protocolHTTPS {
			b.problem(field, "has no effect with amt_protocol %s; use https, or leave amt_tls out", n.Protocol)
			continue
		}
		var err error
		if field == "amt_tls.ca" {
			n.CA, err = readCA(b.l.resolve(value))
		} else {
			n.PinSHA256, err = parsePin(value)
		}
		if err != nil {
			b.problem(field, "%s", err)
		}
	}
}

func readCA(path string) (*x509.CertPool, error) {
	content, err := readCapped(path, fileMax)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s: holds no certificate in PEM", filepath.Clean(path))
	}
	return pool, nil
}

// parsePin reads the SHA-256 digest of a certificate (its DER form), as
// fingerprints are usually shown.
func parsePin(value string) ([]byte, error) {
	digest, err := hex.DecodeString(strings.ReplaceAll(value, ":", ""))
	if err != nil || len(digest) != 32 {
		return nil, errors.New("is not the SHA-256 fingerprint of a certificate; it has 64 hexadecimal digits, with or without colons")
	}
	return digest, nil
}

func (b *nodeBuilder) macs() []string {
	n := b.raw.fields["mac"]
	if n == nil || isNull(n) {
		return nil
	}
	values, ok := b.raw.file.texts(n, b.prefix+"mac")
	if !ok {
		return nil
	}
	var macs []string
	for _, value := range values {
		mac, ok := state.CanonicalMAC(value)
		switch {
		case !ok:
			b.problem("mac", "%q is not a MAC address, such as 52:54:00:12:34:56", value)
		case slices.Contains(macs, mac):
			b.problem("mac", "%q is given twice", value)
		default:
			macs = append(macs, mac)
		}
	}
	return macs
}
