package dpi

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var harvest = flag.String("harvest", "", "a folder of FuzzParser's caches, one for each parser, to take seeds from")

const seedFile = "testdata/seeds.txt"

// seeds are what fuzzing found that reaches code which nothing before it does, by parser: FuzzParser's inputs.
func seeds(t testing.TB) map[string][][]byte {
	text, err := os.ReadFile(seedFile)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][][]byte{}
	for line := range strings.Lines(string(text)) {
		parser, input, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		b, err := base64.StdEncoding.DecodeString(input)
		if err != nil {
			t.Fatalf("%s: %s: %v", seedFile, parser, err)
		}
		all[parser] = append(all[parser], b)
	}
	return all
}

// TestSeeds asks each parser alone what fuzzing it has found, and must neither panic nor keep anything. With -harvest and -cover it
// first looks through what the fuzzer has kept since, smallest first, and adds to the file what runs a statement that nothing ran before:
//
//	go test ./track/dpi -run TestSeeds -cover -harvest "$(go env GOCACHE)/fuzz/rustnet-parsers"
func TestSeeds(t *testing.T) {
	all := seeds(t)
	for i := range table {
		in := onlyParser(i)
		for _, b := range all[table[i].Name] {
			converse(t, in, b)
		}
	}
	for name := range all {
		if !slices.ContainsFunc(table, func(p parser) bool { return p.Name == name }) {
			t.Errorf("%s has seeds of %s, which is no parser", seedFile, name)
		}
	}
	if *harvest == "" || t.Failed() {
		return
	}
	if testing.CoverMode() == "" {
		t.Fatal("-harvest goes by coverage: add -cover")
	}
	for _, s := range append(samples(), recorded(t)...) {
		for i := range table {
			converse(t, onlyParser(i), s.fuzzInput())
		}
	}
	out := bytes.NewBufferString("# What fuzzing each parser found, by TestSeeds: what FuzzParser reads, in base64.\n")
	for i := range table {
		name, in := table[i].Name, onlyParser(i)
		for _, b := range kept(t, filepath.Join(*harvest, name, "FuzzParser")) {
			before := testing.Coverage()
			if converse(t, in, b); testing.Coverage() > before {
				all[name] = append(all[name], b)
			}
		}
		for _, b := range all[name] {
			fmt.Fprintf(out, "%s %s\n", name, base64.StdEncoding.EncodeToString(b))
		}
	}
	if err := os.WriteFile(seedFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// kept are the inputs in a folder of the fuzzer's, smallest first.
func kept(t testing.TB, dir string) (inputs [][]byte) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ = bytes.Cut(text, []byte("\n[]byte("))
		b, err := strconv.Unquote(string(bytes.TrimSuffix(bytes.TrimSpace(text), []byte(")"))))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		inputs = append(inputs, []byte(b))
	}
	slices.SortFunc(inputs, func(a, b []byte) int { return cmp.Or(len(a)-len(b), bytes.Compare(a, b)) })
	return inputs
}
