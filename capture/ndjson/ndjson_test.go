package ndjson

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"

	"rustnet/track/dpi"
	"rustnet/track/event"
)

var schema = event.NewSchema(dpi.Fields()).Stored()

func parseLine(line string) (*event.Event, *Parser, error) {
	p := NewParser(schema)
	r := event.NewStorage(schema).New()
	err := p.Parse(line, r)
	return &event.Event{Stored: r}, p, err
}

// text is what a field of any type gives, as Go prints it; "" when it is absent.
func text(name string, e *event.Event) string {
	f := schema.Lookup(name)
	var v any
	ok := true
	switch f.Type {
	case event.String:
		v, ok = f.Str(e), f.Str(e) != ""
	case event.Uint, event.ID:
		v, ok = f.Uint(e)
	case event.Float:
		v, ok = f.Float(e)
	case event.Bool:
		v, ok = f.Bool(e)
	case event.Addr:
		v, ok = f.Addr(e), f.Addr(e).IsValid()
	case event.Time:
		v, ok = f.Time(e), f.Time(e) != 0
	case event.List:
		v, ok = f.List(e), f.List(e) != nil
	}
	if !ok {
		return ""
	}
	return fmt.Sprint(v)
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       map[string]string
		unknown    int
		err        string
	}{
		{"types", `{"v":1,"event":"new","ts":"2026-01-02T03:04:05.000006Z","id":"00000000000000ff","local_addr":"::1","partial":true,"duration":1.5,"alpn":["h2","http/1.1"],"process":"curl"}`,
			map[string]string{"v": "1", "event": "new", "ts": "1767323045000006000", "id": "255", "local_addr": "::1", "partial": "true", "duration": "1.5",
				"alpn": "[h2 http/1.1]", "process": "curl", "pid": "", "host": ""}, 0, ""},
		{"spaces", " { \"pid\" : 7 , \"alpn\" : [ \"a\" , \"b\" ] } \r\n", map[string]string{"pid": "7", "alpn": "[a b]"}, 0, ""},
		{"out of order", `{"process":"x","pid":7,"proto":"udp"}`, map[string]string{"pid": "7", "process": "x", "proto": "udp"}, 0, ""},
		{"nothing", `{}`, map[string]string{"event": "", "duration": "", "v": ""}, 0, ""},
		{"null is absent", `{"pid":null,"alpn":null}`, map[string]string{"pid": "", "alpn": ""}, 0, ""},
		{"escapes", `{"process":"a\"\\\/\n\u00e9\ud83d\ude00\u202e"}`, map[string]string{"process": "a\"\\/\né😀\u202e"}, 0, ""},
		{"half a surrogate", `{"process":"\ud83dx"}`, map[string]string{"process": "\ufffdx"}, 0, ""},
		{"unix time", `{"ts":1767323045.000006}`, map[string]string{"ts": "1767323045000006000"}, 0, ""},
		{"before 1970", `{"ts":-1.5}`, map[string]string{"ts": "-1500000000"}, 0, ""},
		{"local time", `{"ts":"2026-01-02T05:04:05.000006+02:00"}`, map[string]string{"ts": "1767323045000006000"}, 0, ""},
		{"unknown keys", `{"later":{"a":[1,{"b":null}],"c":"}"},"pid":7,"more":1e5,"later":false}`, map[string]string{"pid": "7"}, 2, ""},
		{"twice", `{"pid":7,"pid":8}`, map[string]string{"pid": "8"}, 0, ""},
		{"wrong type", `{"pid":"7"}`, nil, 0, `pid: want a number of digits at byte 8, found "\"7\"}"`},
		{"negative", `{"pid":-7}`, nil, 0, "pid: "},
		{"fraction", `{"pid":7.5}`, nil, 0, "pid: "},
		{"bad address", `{"local_addr":"1.2.3"}`, nil, 0, `local_addr: "1.2.3" is no IP address`},
		{"bad time", `{"ts":"yesterday"}`, nil, 0, `ts: "yesterday" is no time`},
		{"first time", `{"ts":"1678-01-01T00:00:00Z"}`, map[string]string{"ts": "-9214560000000000000"}, 0, ""},
		{"last time", `{"ts":"2261-12-31T23:59:59.999Z"}`, map[string]string{"ts": "9214646399999000000"}, 0, ""},
		{"no end", `{"ts":"9999-12-31T23:59:59Z"}`, nil, 0, `ts: "9999-12-31T23:59:59Z" is no time from 1678 to 2261`},
		{"no beginning", `{"ts":"1678-01-01T00:00:00+02:00"}`, nil, 0, `is no time from 1678 to 2261`},
		{"short id", `{"id":"ff"}`, nil, 0, "id: "},
		{"number in list", `{"alpn":[1]}`, nil, 0, "alpn: "},
		{"cut", `{"process":"cu`, nil, 0, "ends too early"},
		{"cut in escape", `{"process":"cu\`, nil, 0, "ends too early"},
		{"cut behind comma", `{"pid":7,`, nil, 0, "ends too early"},
		{"array", `[1]`, nil, 0, "not a JSON object"},
		{"csv", `event,ts`, nil, 0, "not a JSON object"},
		{"trailing", `{"pid":7} x`, nil, 0, "the end of the line"},
		{"leading zero", `{"pid":07}`, nil, 0, "pid: "},
		{"control", "{\"process\":\"a\tb\"}", nil, 0, "control character"},
		{"deep", `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, nil, 1, "nested too deep"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, p, err := parseLine(tt.line)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("got error %v, want %q", err, tt.err)
			}
			for name, want := range tt.want {
				if got := text(name, e); got != want {
					t.Errorf("%s: got %s, want %s", name, got, want)
				}
			}
			if len(p.unknown) != tt.unknown {
				t.Errorf("unknown keys: got %v, want %d", p.unknown, tt.unknown)
			}
		})
	}
}

// FuzzParse: what is accepted is JSON, and its texts and numbers are those that encoding/json reads.
func FuzzParse(f *testing.F) {
	golden, err := filepath.Glob("../../testdata/golden/*.ndjson")
	if err != nil || len(golden) == 0 {
		f.Fatal("no golden outputs", err)
	}
	for _, path := range golden {
		lines, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		first, _, _ := strings.Cut(string(lines), "\n")
		f.Add(first)
	}
	f.Add(`{"x":[{"y":[]},1e9,-0.5,true,null,"\ud83d\ude00"],"process":"\u202e"}`)
	f.Fuzz(func(t *testing.T, line string) {
		e, _, err := parseLine(line)
		if err != nil {
			return
		}
		if !json.Valid([]byte(line)) {
			t.Fatalf("accepted %q", line)
		}
		var want map[string]any
		if err := json.Unmarshal([]byte(line), &want); err != nil || !utf8.ValidString(line) || strings.Count(line, `"process"`) > 1 {
			return
		}
		if s, ok := want["process"].(string); ok && text("process", e) != s {
			t.Errorf("process of %q: got %q, want %q", line, text("process", e), s)
		}
	})
}

// run reads files and gives their process fields, the notes and the error.
func run(t *testing.T, paths ...string) (processes []string, s *Source, err error) {
	t.Helper()
	s, err = Open(paths, schema)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := make(chan *event.Batch)
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context(), t.Context(), out) }()
	for b := range out {
		for i := range b.Events {
			processes = append(processes, text("process", &b.Events[i]))
		}
		b.Release()
	}
	return processes, s, <-done
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFiles(t *testing.T) {
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, "{\"process\":\"p%d\",\"cmdline\":%q}\n", i, strings.Repeat("x", i%300))
	}
	for _, tt := range []struct {
		name, content string
		processes     int
		notes, err    string
	}{
		{"empty", "", 0, "", ""},
		{"blank lines", "\n{\"process\":\"a\"}\n\n{\"process\":\"b\"}\n", 2, "", ""},
		{"last line without its end", "{\"process\":\"a\"}\n{\"process\":\"b\"}", 2, "", ""},
		{"last line cut", "{\"process\":\"a\"}\n{\"process\":\"b", 1, "line 2 is not finished", ""},
		{"malformed", "{\"process\":\"a\"}\nnonsense\n{\"process\":\"b\"}\n{}}\n", 2, "", "2 malformed lines passed over; the first is line 2: not a JSON object"},
		{"unknown keys", "{\"process\":\"a\",\"later\":1}\n{\"process\":\"b\",\"later\":2}\n", 2, `passed over 2 values of the unknown key "later"`, ""},
		{"unknown keys alone", "{\"process\":\"a\"}\n{\"level\":\"info\",\"msg\":\"x\"}\n{}\n", 2, "passed over 1 value of the unknown key \"level\"\npassed over 1 value of the unknown key \"msg\"",
			"1 malformed line passed over; the first is line 2: none of its keys is a field of a record"},
		{"many", many.String(), 5000, "", ""},
		{"a line too long", "{\"process\":\"a\"}\n{\"cmdline\":\"" + strings.Repeat("x", lineMax+chunkSize) + "\"}\n{\"process\":\"b\"}\n", 2, "",
			"1 malformed line passed over; the first is line 2: it is longer than 1048576 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, s, err := run(t, write(t, "x.ndjson", tt.content))
			if len(got) != tt.processes {
				t.Errorf("got %d records, want %d", len(got), tt.processes)
			}
			if notes := strings.Join(s.Notes(), "\n"); !strings.Contains(notes, tt.notes) || tt.notes == "" && notes != "" {
				t.Errorf("got notes %q, want %q", notes, tt.notes)
			}
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.err)) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
		})
	}
}

// A writer that was killed leaves a gzip file without its end; the pieces of a rotated file are one.
func TestPieces(t *testing.T) {
	var packed strings.Builder
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, "{\"process\":\"a\"}\n{\"process\":\"b\"}\n{\"proc")
	z.Flush()
	got, s, err := run(t, write(t, "1.gz", packed.String()), write(t, "2", "{\"process\":\"c\"}\n"))
	if err != nil || !reflect.DeepEqual(got, []string{"a", "b", "c"}) {
		t.Errorf("got %q %v, want a b c", got, err)
	}
	if notes := strings.Join(s.Notes(), "\n"); !strings.Contains(notes, "line 3 is not finished") || !strings.Contains(notes, "gzip data cut off after line 2") {
		t.Errorf("got notes %q", notes)
	}
}

func TestDuration(t *testing.T) {
	s, err := Open([]string{write(t, "x", "{\"ts\":\"2026-01-01T00:00:00Z\"}\n{\"ts\":\"2026-01-01T00:00:59Z\"}\n{\"ts\":\"2026-01-01T00:01:00Z\"}\n")}, schema)
	if err != nil {
		t.Fatal(err)
	}
	s.SetDuration(60e9)
	out := make(chan *event.Batch, 8)
	if err := s.Run(t.Context(), context.Background(), out); err != nil {
		t.Fatal(err)
	}
	n := 0
	for b := range out {
		n += len(b.Events)
	}
	if n != 2 {
		t.Errorf("got %d records, want 2", n)
	}
}
