package dpi

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOneParserAFile holds that a file has the functions of one line of the table, so that a protocol is found by its name
// and changed without reading another's.
func TestOneParserAFile(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	home := map[string]string{}
	var lines []*ast.CompositeLit
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := goparser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				home[fn.Name.Name] = name
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && v.Names[0].Name == "table" {
				for _, e := range v.Values[0].(*ast.CompositeLit).Elts {
					lines = append(lines, e.(*ast.CompositeLit))
				}
			}
			return true
		})
	}
	if len(lines) != len(table) {
		t.Fatalf("found %d lines of the table, want %d", len(lines), len(table))
	}
	owner := map[string]string{}
	for i, line := range lines {
		for _, e := range line.Elts {
			kv := e.(*ast.KeyValueExpr)
			if !slices.Contains([]string{"TCP", "UDP", "Over"}, kv.Key.(*ast.Ident).Name) {
				continue
			}
			file := home[kv.Value.(*ast.Ident).Name]
			if other := owner[file]; other != "" && other != table[i].Name {
				t.Errorf("%s has the parsers of %s and %s, want one", file, other, table[i].Name)
			}
			owner[file] = table[i].Name
		}
	}
}
