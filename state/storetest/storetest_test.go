package storetest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/amt-redfish/amt-redfish/state"
	"github.com/amt-redfish/amt-redfish/state/storetest"
)

func TestMemoryObeysTheLaw(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Opener {
		store := storetest.NewMemory()
		return func(*testing.T) state.Store {
			store = store.Reopen()
			return store
		}
	})
}

// Every function that states a part of the law must be listed, or it would be
// a law that nobody is held to.
func TestEveryLawIsASuite(t *testing.T) {
	files, err := filepath.Glob("law*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("files of the law: %v, %v", files, err)
	}
	var laws []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatalf("parse: %v", err)
		}
		for _, decl := range parsed.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "law") {
				laws = append(laws, strings.TrimPrefix(f.Name.Name, "law"))
			}
		}
	}
	listed := storetest.Suites()
	slices.Sort(laws)
	slices.Sort(listed)
	if !slices.Equal(laws, listed) {
		t.Errorf("the law has %v, Suites lists %v", laws, listed)
	}
}

// No backend may opt out: each directory beside this one has a test that
// calls Run, in a file without build constraints.
func TestEveryBackendIsHeldToTheLaw(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatalf("read directory: %v", err)
	}
	backends := 0
	for _, entry := range entries {
		if !entry.IsDir() || entry.Name() == "storetest" || entry.Name() == "testdata" {
			continue
		}
		backends++
		if !callsRun(t, filepath.Join("..", entry.Name())) {
			t.Errorf("state/%s has no test that calls storetest.Run", entry.Name())
		}
	}
	if backends == 0 {
		t.Error("no backend found; this test looks in the wrong place")
	}
}

func callsRun(t *testing.T, dir string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatalf("list tests: %v", err)
	}
	found := false
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatalf("parse: %v", err)
		}
		if slices.ContainsFunc(parsed.Comments, func(c *ast.CommentGroup) bool {
			return strings.HasPrefix(c.List[0].Text, "//go:build")
		}) {
			continue
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Run" {
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "storetest" {
					found = true
				}
			}
			return true
		})
	}
	return found
}
