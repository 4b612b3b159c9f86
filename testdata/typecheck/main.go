// Command typecheck tells whether this module, its tests and all that it needs hold together on other systems than this
// one, by their sources alone. Compiling what is needed takes minutes for each system, most of it for an SQL engine
// that is the same everywhere; what is to be known is whether our own files fit together there.
//
//	typecheck linux/arm64 windows/amd64 …
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	failed := false
	for _, system := range os.Args[1:] {
		if err := check(system); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", system, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// pkg is what go list says of a package. A package has a second form with its tests, "path [path.test]".
type pkg struct {
	ImportPath string
	Name       string
	Dir        string
	GoFiles    []string
	ImportMap  map[string]string
	DepOnly    bool
	Module     *struct{ GoVersion string }
	Error      *struct{ Err string }
}

// check looks at all packages that a system has, those before that others need.
func check(system string) error {
	goos, arch, ok := strings.Cut(system, "/")
	if !ok {
		return errors.New("want GOOS/GOARCH")
	}
	cmd := exec.Command("go", "list", "-deps", "-test", "-json=ImportPath,Name,Dir,GoFiles,ImportMap,DepOnly,Module,Error", "./...")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+arch, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	known, ours, sizes := map[string]*types.Package{"unsafe": types.Unsafe}, 0, types.SizesFor("gc", arch)
	for d := json.NewDecoder(out); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		if p.Error != nil {
			return errors.New(p.Error.Err)
		}
		if p.ImportPath == "unsafe" || p.Name == "main" && strings.HasSuffix(p.ImportPath, ".test") { // nobody wrote it
			continue
		}
		if known[p.ImportPath], err = p.check(known, sizes); err != nil {
			return fmt.Errorf("%s: %w", p.ImportPath, err)
		}
		if !p.DepOnly {
			ours++
		}
	}
	if err := cmd.Wait(); err != nil {
		return err
	}
	if ours == 0 {
		return errors.New("no packages")
	}
	return nil
}

// check looks at one package: all of ours, and what others declare.
func (p *pkg) check(known map[string]*types.Package, sizes types.Sizes) (*types.Package, error) {
	files := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Dir, name)
		}
		f, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, f)
	}
	conf := types.Config{Sizes: sizes, IgnoreFuncBodies: p.DepOnly, Importer: importer(func(path string) (*types.Package, error) {
		if mapped := p.ImportMap[path]; mapped != "" {
			path = mapped
		}
		if t := known[path]; t != nil {
			return t, nil
		}
		return nil, fmt.Errorf("%s is not among what is needed", path)
	})}
	if p.Module != nil && p.Module.GoVersion != "" {
		conf.GoVersion = "go" + p.Module.GoVersion
	}
	path, _, _ := strings.Cut(p.ImportPath, " ")
	return conf.Check(path, files, parsed, nil)
}

type importer func(string) (*types.Package, error)

func (i importer) Import(path string) (*types.Package, error) { return i(path) }
