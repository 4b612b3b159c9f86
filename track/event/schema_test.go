package event

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestCoreSchema shows every change of a field in review. Within schema 1 lines may only be added.
// The parsers' fields are shown by the golden file of the program's whole schema.
func TestCoreSchema(t *testing.T) {
	var b strings.Builder
	for _, f := range NewSchema(nil).Fields {
		fmt.Fprintf(&b, "%s %s %s %s: %s\n", f.Group, f.Name, f.Type, f.Unit, f.Doc)
	}
	const golden = "schema.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, old := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(old)) {
		var g, o string
		if i < len(got) {
			g = got[i]
		}
		if i < len(old) {
			o = old[i]
		}
		if g != o {
			t.Fatalf("%s line %d: got %q, want %q (after a wanted change: go test ./track/event -update)", golden, i+1, g, o)
		}
	}
}

// Exactly the getter of its type is set, and it can be asked of any event.
func TestFieldsAreWhole(t *testing.T) {
	app := []*AppField{AppString("test_text", "A text."), AppUint("test_number", "ms", "A number."),
		AppBool("test_flag", "A flag."), AppList("test_list", "A list."), AppTime("test_time", "A time.")}
	name := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	for _, f := range NewSchema(app).Fields {
		if !name.MatchString(f.Name) {
			t.Errorf("%s: not lower snake case", f.Name)
		}
		if f.Group == "" || !strings.HasSuffix(f.Doc, ".") {
			t.Errorf("%s: group %q, doc %q: want both, the doc a sentence", f.Name, f.Group, f.Doc)
		}
		set := map[string]bool{"string": f.Str != nil, "uint": f.Uint != nil, "float": f.Float != nil, "bool": f.Bool != nil,
			"addr": f.Addr != nil, "time": f.Time != nil, "list": f.List != nil}
		want := f.Type.String()
		if f.Type == ID {
			want = "uint"
		}
		for getter, is := range set {
			if is != (getter == want) {
				t.Errorf("%s (%s): getter %s set: %v", f.Name, f.Type, getter, is)
			}
		}
		if f.Append != nil && f.Type != String {
			t.Errorf("%s: Append on a %s", f.Name, f.Type)
		}
		for kind := range NumKinds {
			read(f, &Event{Kind: kind})
		}
		full := fullEvent()
		if f.Append != nil {
			if got, want := string(f.Append(nil, full)), f.Str(full); got != want {
				t.Errorf("%s: Append gives %q, Str %q", f.Name, got, want)
			}
		}
	}
}

// What a lost record holds is about the loss, nothing about a connection.
func TestLostRecordFields(t *testing.T) {
	var got []string
	e := Event{Kind: Lost, TS: 1, Seq: 1, LostWhere: InKernel, LostCount: 3}
	for _, f := range NewSchema(nil).Fields {
		if read(f, &e) {
			got = append(got, f.Name)
		}
	}
	if s := strings.Join(got, " "); s != "v event ts seq lost_where lost_count" {
		t.Errorf("fields of a lost record: got %s", s)
	}
}

// read calls the getter and tells whether the field is there.
func read(f *Field, e *Event) bool {
	switch f.Type {
	case String:
		return f.Str(e) != ""
	case Uint, ID:
		_, ok := f.Uint(e)
		return ok
	case Float:
		_, ok := f.Float(e)
		return ok
	case Bool:
		_, ok := f.Bool(e)
		return ok
	case Addr:
		return f.Addr(e).IsValid()
	case Time:
		return f.Time(e) != 0
	case List:
		return len(f.List(e)) > 0
	}
	panic("type without a getter")
}

func fullEvent() *Event {
	e := &Event{Kind: Closed, Proto: 6, RemoteServes: true}
	copy(e.History[:], "SaHADdFfAaDdFfRr")
	return e
}

func TestNearest(t *testing.T) {
	s := NewSchema(nil)
	for typed, want := range map[string]string{"procss": "process", "remote_prot": "remote_port", "Host": "host", "zzzzzzz": "", "tx_byte": "tx_bytes", "foo": "", "dport": "remote_port"} {
		if got := s.Nearest(typed); got != want {
			t.Errorf("Nearest(%q): got %q, want %q", typed, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	for i := range core {
		f := &core[i]
		if f.Words == nil {
			continue
		}
		for k := range NumKinds {
			for proto := range uint16(300) {
				for n := range uint8(len(stateNames)) {
					e := Event{Kind: k, Proto: proto, Direction: Direction(n % 5), State: State(n), Reason: Reason(n % 8)}
					if w := f.Word(&e); w >= 0 && f.Words[w] != f.Str(&e) {
						t.Fatalf("%s of %+v is %q, its word %q", f.Name, e, f.Str(&e), f.Words[w])
					}
				}
			}
		}
	}
}
