package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fileMax bounds the configuration file; ten thousand nodes take about 3 MB.
const fileMax = 16 << 20

// applyFile reads the configuration file.
func (l *loader) applyFile(path string) {
	l.dir = filepath.Dir(path)
	content, err := readCapped(path, fileMax)
	if err != nil {
		l.problem(path, "", "%s", err)
		return
	}
	l.applyYAML(path, content)
	if l.nodes.inlinePassword && othersMayRead(path) {
		l.warn(path, "", "holds passwords and may be read by other users; use chmod 600, or amt_password_file")
	}
}

// applyYAML applies the content of a configuration file. name is how problems
// call it.
func (l *loader) applyYAML(name string, content []byte) {
	decoder := yaml.NewDecoder(strings.NewReader(string(content)))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		l.nodes.expected = true
		return // nothing but comments
	case err != nil:
		l.syntaxProblem(name, err)
		return
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		l.problem(name, "", "holds more than one YAML document; only one is allowed")
		return
	}
	l.nodes.expected = true
	d := &yamlFile{l: l, name: name}
	d.section(document.Content[0], "", tree())
}

var yamlErrorLine = regexp.MustCompile(`^yaml: line (\d+): `)

// syntaxProblem notes an error of the YAML parser, with its line in front.
func (l *loader) syntaxProblem(name string, err error) {
	message := err.Error()
	if m := yamlErrorLine.FindStringSubmatch(message); m != nil {
		l.problem(name+":"+m[1], "", "not YAML: %s", strings.TrimPrefix(message, m[0]))
		return
	}
	l.problem(name, "", "not YAML: %s", strings.TrimPrefix(message, "yaml: "))
}

// yamlFile walks a parsed file.
type yamlFile struct {
	l    *loader
	name string
}

// source returns the place of a YAML node.
func (d *yamlFile) source(n *yaml.Node) string { return fmt.Sprintf("%s:%d", d.name, n.Line) }

// keys says what a mapping may hold: for each key what is done with its value.
// key is the full path of the setting, for problems.
type keys map[string]func(d *yamlFile, value *yaml.Node, key string)

// tree returns what the file may hold: the settings, nested as their keys say,
// and the nodes.
func tree() keys {
	root := keys{"nodes": (*yamlFile).nodeList}
	sections := map[string]keys{"": root}
	var section func(path string) keys
	section = func(path string) keys {
		if k, ok := sections[path]; ok {
			return k
		}
		k := keys{}
		sections[path] = k
		parent, name := cutLast(path)
		section(parent)[name] = func(d *yamlFile, value *yaml.Node, key string) { d.section(value, key, k) }
		return k
	}
	for _, s := range settings() {
		parent, name := cutLast(s.key)
		section(parent)[name] = func(d *yamlFile, value *yaml.Node, _ string) { d.setting(s, value) }
	}
	return root
}

// cutLast cuts "a.b.c" into "a.b" and "c".
func cutLast(key string) (parent, name string) {
	i := strings.LastIndexByte(key, '.')
	if i < 0 {
		return "", key
	}
	return key[:i], key[i+1:]
}

// section walks a mapping with known keys. Unknown and repeated keys are
// problems.
func (d *yamlFile) section(n *yaml.Node, key string, allowed keys) {
	n = target(n)
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.l.problem(d.source(n), key, "is %s; it must be keys and values, of %s", describe(n), names(allowed))
		return
	}
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		full := name.Value
		if key != "" {
			full = key + "." + name.Value
		}
		first, twice := seen[name.Value]
		apply, known := allowed[name.Value]
		switch {
		case name.Kind != yaml.ScalarNode || name.ShortTag() == "!!merge":
			d.l.problem(d.source(name), key, "a key here must be one of %s", names(allowed))
		case twice:
			d.l.problem(d.source(name), full, "is given twice, first in line %d", first)
		case !known:
			d.l.problem(d.source(name), full, "there is no such key%s; allowed are %s", suggest(name.Value, sortedNames(allowed)), names(allowed))
		default:
			apply(d, value, full)
		}
		if !twice {
			seen[name.Value] = name.Line
		}
	}
}

// setting applies one setting of the file. A key without a value keeps its
// default.
func (d *yamlFile) setting(s setting, n *yaml.Node) {
	n = target(n)
	if isNull(n) {
		return
	}
	var values []string
	if s.list {
		var ok bool
		if values, ok = d.texts(n, s.key); !ok {
			return
		}
	} else {
		value, ok := d.text(n, s.key)
		if !ok {
			return
		}
		values = []string{value}
	}
	if s.path {
		values[0] = d.l.resolve(values[0])
	}
	d.l.apply(s, d.source(n), values)
}

// text returns a single value as it is spelled in the file.
func (d *yamlFile) text(n *yaml.Node, key string) (string, bool) {
	n = target(n)
	if n.Kind != yaml.ScalarNode {
		d.l.problem(d.source(n), key, "is %s; it must be one value", describe(n))
		return "", false
	}
	return n.Value, true
}

// texts returns a list of single values.
func (d *yamlFile) texts(n *yaml.Node, key string) ([]string, bool) {
	n = target(n)
	if n.Kind != yaml.SequenceNode {
		d.l.problem(d.source(n), key, "is %s; it must be a list, such as [a, b]", describe(n))
		return nil, false
	}
	values := make([]string, 0, len(n.Content))
	for i, item := range n.Content {
		value, ok := d.text(item, fmt.Sprintf("%s[%d]", key, i))
		if !ok {
			return nil, false
		}
		values = append(values, value)
	}
	return values, true
}

// target returns what an alias stands for.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// describe says what a YAML node is, for people.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("the value %q", n.Value)
}

func sortedNames(k keys) []string {
	var all []string
	for name := range k {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func names(k keys) string { return strings.Join(sortedNames(k), ", ") }

// readCapped reads a regular file of at most limit bytes.
func readCapped(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, errors.New("there is no such file")
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", reason(err))
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	case info.Size() > limit:
		return nil, fmt.Errorf("has %d bytes; at most %d are allowed", info.Size(), limit)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", reason(err))
	}
	content, err := io.ReadAll(io.LimitReader(f, limit))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("cannot be read: %w", reason(err))
	}
	return content, nil
}

// reason returns an error of a file without the path, which the problem names
// already.
func reason(err error) error {
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		return pathError.Err
	}
	return err
}

// othersMayRead reports whether group or others may read the file.
func othersMayRead(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o044 != 0
}

// suggest returns "; did you mean X?" for the known name that is nearest to
// what was written, or nothing.
func suggest(written string, known []string) string {
	best, least := "", 4
	for _, name := range known {
		if d := distance(strings.ToLower(written), strings.ToLower(name)); d < least && d <= (len(written)+2)/3 {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance counts the letters to insert, delete or replace between two names
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
