package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files instead of comparing")

const (
	module = "github.com/amt-redfish/amt-redfish"
	root   = "../.."
)

// house is the import table: what each package may import of ours, and the
// third-party modules that have their home there. Tests are free to import
// what they test against.
var house = map[string]struct{ ours, modules []string }{
	"schemas":         {},
	"state":           {},
	"state/bolt":      {ours: []string{"state"}, modules: []string{"go.etcd.io/bbolt"}},
	"state/storetest": {ours: []string{"state"}},
	"amt/wsman":       {modules: []string{"github.com/beevik/etree"}},
	"amt":             {ours: []string{"amt/wsman", "state"}, modules: []string{"github.com/patrickmn/go-cache"}},
	// The simulator shares no code with the client, not even the XML library.
	"amt/amtsim":      {ours: []string{"schemas"}},
	"redfish":         {ours: []string{"schemas", "state"}, modules: []string{"github.com/gorilla/mux", "github.com/patrickmn/go-cache", "golang.org/x/crypto"}},
	"pxe":             {ours: []string{"state"}, modules: []string{"github.com/pin/tftp/v3"}},
	"cmd/amt-redfish": {ours: []string{"amt", "amt/amtsim", "amt/wsman", "pxe", "redfish", "schemas", "state", "state/bolt"}, modules: []string{"github.com/spf13/pflag", "go.yaml.in/yaml/v3"}},
}

type listed struct {
	ImportPath string
	Doc        string
	Imports    []string
	Standard   bool
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json"}, args...)...)
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var packages []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	return packages
}

func TestImportTable(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range goList(t, "./...") {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		seen[name] = true
		rule, ok := house[name]
		if !ok {
			t.Errorf("%s has no row in the import table", name)
			continue
		}
		for _, i := range p.Imports {
			ours, isOurs := strings.CutPrefix(i, module+"/")
			first, _, _ := strings.Cut(i, "/")
			switch {
			case isOurs && !slices.Contains(rule.ours, ours):
				t.Errorf("%s imports %s; the table allows %v", name, ours, rule.ours)
			case !isOurs && strings.Contains(first, ".") && !slices.ContainsFunc(rule.modules, func(m string) bool { return i == m || strings.HasPrefix(i, m+"/") }):
				t.Errorf("%s imports %s; the table allows %v", name, i, rule.modules)
			case (i == "os/signal" || i == "flag") && name != "cmd/amt-redfish":
				t.Errorf("%s imports %s, which is for cmd alone", name, i)
			}
		}
		if p.Doc == "" && name != "cmd/amt-redfish" {
			t.Errorf("%s has no package comment", name)
		}
	}
	for name := range house {
		if !seen[name] {
			t.Errorf("the import table has a row for %s, which does not exist", name)
		}
	}
}

// TestDependencies keeps the list of everything that is linked into the
// program where a reviewer sees it change.
func TestDependencies(t *testing.T) {
	var modules []string
	for _, p := range goList(t, "-deps", "./cmd/amt-redfish") {
		if !p.Standard && !strings.HasPrefix(p.ImportPath, module) {
			modules = append(modules, p.ImportPath)
		}
	}
	slices.Sort(modules)
	golden(t, "dependencies", []byte(strings.Join(modules, "\n")+"\n"))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join(root, "testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run go test -update and review the difference", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what is produced now; run go test -update and review the difference:\n%s", path, got)
	}
}

const (
	maxFileLines     = 500
	maxFunctionLines = 70
	maxMainLines     = 60
	maxMethods       = 8
)

// sources calls f with every Go file of the module that is built into it, and
// every test.
func sources(t *testing.T, f func(path string, text []byte, file *ast.File, files *token.FileSet)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".."):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		f(rel, text, file, files)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBudgets(t *testing.T) {
	var code, tests int
	sources(t, func(path string, text []byte, file *ast.File, files *token.FileSet) {
		lines := bytes.Count(text, []byte("\n"))
		limit := maxFileLines
		if path == "cmd/amt-redfish/main.go" {
			limit = maxMainLines
		}
		if lines > limit {
			t.Errorf("%s has %d lines, the budget is %d", path, lines, limit)
		}
		isTest := strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "state/storetest")
		if isTest {
			tests += codeLines(text)
		} else {
			code += codeLines(text)
		}
		for _, d := range file.Decls {
			checkDecl(t, path, isTest, d, files)
		}
	})
	if tests < code {
		t.Errorf("%d lines of tests for %d of code; the budget is 1.0", tests, code)
	}
}

// codeLines counts the lines that are neither blank nor comment.
func codeLines(text []byte) (n int) {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && !bytes.HasPrefix(line, []byte("//")) {
			n++
		}
	}
	return n
}

func checkDecl(t *testing.T, path string, isTest bool, d ast.Decl, files *token.FileSet) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		lines := files.Position(d.End()).Line - files.Position(d.Pos()).Line + 1
		if lines > maxFunctionLines && !isTest {
			t.Errorf("%s: %s has %d lines, the budget is %d", path, d.Name.Name, lines, maxFunctionLines)
		}
		if d.Name.Name == "init" && d.Recv == nil {
			t.Errorf("%s has an init function", path)
		}
		if !isTest && d.Doc == nil && ast.IsExported(d.Name.Name) && exportedReceiver(d) {
			t.Errorf("%s: %s has no doc comment", path, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			spec, ok := s.(*ast.TypeSpec)
			if !ok {
				continue
			}
			if !isTest && ast.IsExported(spec.Name.Name) && d.Doc == nil && spec.Doc == nil {
				t.Errorf("%s: %s has no doc comment", path, spec.Name.Name)
			}
			if i, ok := spec.Type.(*ast.InterfaceType); ok && i.Methods.NumFields() > maxMethods {
				t.Errorf("%s: interface %s has %d methods, the budget is %d", path, spec.Name.Name, i.Methods.NumFields(), maxMethods)
			}
		}
	}
}

// exportedReceiver reports whether a method's type is exported, or that there
// is no receiver.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && ast.IsExported(id.Name)
}

// TestOnlyCmdTouchesTheProcess keeps environment, exit and background contexts
// out of the packages.
func TestOnlyCmdTouchesTheProcess(t *testing.T) {
	forbidden := []string{"os.Getenv", "os.LookupEnv", "os.Environ", "os.Exit", "context.Background", "context.TO" + "DO", "log.Fatal", "t.Skip"}
	sources(t, func(path string, _ []byte, file *ast.File, files *token.FileSet) {
		isTest := strings.HasSuffix(path, "_test.go")
		ast.Inspect(file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			name := x.Name + "." + sel.Sel.Name
			skip := strings.HasPrefix(name, "t.Skip")
			if skip || slices.Contains(forbidden, name) && !isTest && !strings.HasPrefix(path, "cmd/") {
				t.Errorf("%s uses %s", files.Position(sel.Pos()), name)
			}
			return true
		})
	})
}

// TestNoUnfinishedMarks demands that what is begun is finished or in an issue.
func TestNoUnfinishedMarks(t *testing.T) {
	marks := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X"}
	sources(t, func(path string, text []byte, _ *ast.File, _ *token.FileSet) {
		for _, mark := range marks {
			if bytes.Contains(text, []byte(mark)) {
				t.Errorf("%s has a %s", path, mark)
			}
		}
	})
}

func TestTopLevelIsTheOwners(t *testing.T) {
	allowed := []string{"cmd", "redfish", "amt", "pxe", "state", "schemas", "testdata", "go.mod", "go.sum", "Makefile", "README.md", "CHANGELOG.md", "docs", "packaging"}
	out, err := exec.Command("git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(fmt.Errorf("list the checkout's files: %w", err))
	}
	for name := range strings.FieldsSeq(string(out)) {
		top, _, _ := strings.Cut(name, "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(allowed, top) {
			t.Errorf("%s is at top level", top)
		}
	}
}
