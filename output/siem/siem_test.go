package siem

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rustnet/capture/ndjson"
	"rustnet/output"
	"rustnet/track/dpi"
	"rustnet/track/event"
)

var update = flag.Bool("update", false, "rewrite golden files")

var (
	schema = event.NewSchema(dpi.Fields())
	stored = schema.Stored()
)

func encoderOf(t testing.TB, cfg output.Config, of *event.Schema) output.Encoder {
	t.Helper()
	enc, err := New(cfg, of)
	if err != nil {
		t.Fatal(err)
	}
	return enc
}

// read gives the records of a golden file of the whole program.
func read(t testing.TB, path string) []event.Event {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []event.Event
	p := ndjson.NewParser(stored)
	for line := range strings.Lines(string(text)) {
		r := event.NewStored(stored)
		if err := p.Parse(strings.TrimSpace(line), r); err != nil {
			t.Fatal(err)
		}
		e := event.Event{Stored: r, Seq: uint64(len(all) + 1)}
		e.Kind = event.KindOf(stored.Lookup("event").Str(&e))
		all = append(all, e)
	}
	return all
}

// whole is a record in which every field is set, the number of the example going into its values.
func whole(kind event.Kind, example int) event.Event {
	return filled(kind, example, func(*event.Field) bool { return true })
}

// mapped is a record of the fields that any form has a name for: it stays the same when others are declared.
func mapped(kind event.Kind, example int) event.Event {
	names := map[string]bool{"caps": true, "iface": true}
	for _, f := range forms {
		maps.Copy(names, f.sources())
	}
	return filled(kind, example, func(f *event.Field) bool { return names[f.Name] })
}

func filled(kind event.Kind, example int, choose func(*event.Field) bool) event.Event {
	r := event.NewStored(stored)
	for _, f := range stored.Fields {
		if !choose(f) {
			continue
		}
		i := 0 // what is told apart by its name
		for _, c := range []byte(f.Name) {
			i = (i*31 + int(c)) % 997
		}
		switch f.Type {
		case event.String:
			r.SetStr(f, fmt.Sprintf("%s \"%d\"\t\u00e9\\", f.Name, example))
		case event.Uint, event.ID:
			r.SetUint(f, uint64(example*1000+i+1))
		case event.Float:
			r.SetFloat(f, float64(example)+float64(i)/1000)
		case event.Bool:
			r.SetBool(f, (i+example)%2 == 0)
		case event.Addr:
			r.SetStr(f, fmt.Sprintf("192.0.2.%d", i%200+1))
		case event.Time:
			r.SetTime(f, 1767225600_123_456_789+int64(example)*1e9)
		case event.List:
			r.SetList(f, []string{f.Name, "198.51.100.7", "a,b \"c\""})
		}
	}
	for name, text := range map[string]string{"event": kind.String(), "proto": "tcp", "direction": []string{"out", "in", "local", "forward"}[example%4], "history": "ShADadFf",
		"reason": "fin", "state": "TIME_WAIT", "app": "tls", "tls_version": "1.2", "local_mac": "02:42:ac:11:00:02", "remote_mac": "02:42:ac:11:00:03",
		"ja3": strings.Repeat("0f", 16), "ja3s": strings.Repeat("1e", 16), "hassh": strings.Repeat("2d", 16), "hassh_server": strings.Repeat("3c", 16),
		"tls_cert_sha256": strings.Repeat("4b", 32), "ssh_client": "SSH-2.0-OpenSSH_9.2", "ssh_server": "SSH-2.0-dropbear", "http_host": "www.example.test:8080",
		"http_version": "1.1", "http_method": "GET", "http_path": "/a|b", "host": "www.example.test", "container": "web", "dns_rcode": "NOERROR", "dns_type": "A", "quic_version": "v1"} {
		r.SetStr(stored.Lookup(name), text)
	}
	for name, n := range map[string]uint64{"id": 0x0123456789abcdef + uint64(example)<<20, "local_port": 40000, "remote_port": 443, "http_status": 200, "vlan": 7} {
		r.SetUint(stored.Lookup(name), n)
	}
	return event.Event{Kind: kind, Seq: uint64(example), Stored: r}
}

// captured are the captures whose records the golden files have.
var captured = []string{"tls-certificates", "http-connect", "dns-timeout", "quic-refused", "ssh", "smtp", "ftp-data", "icmp", "vlan", "arp", "tcp-refused", "tcp-rst", "tcp-unanswered", "tcp-midstream"}

func examples(t testing.TB) []event.Event {
	var all []event.Event
	for _, name := range captured {
		all = append(all, read(t, "../../testdata/golden/"+name+".pcap.ndjson")...)
	}
	return append(all, mapped(event.Closed, 1), mapped(event.Alert, 0))
}

var variants = map[string]output.Config{
	"zeek.log":  {Schema: "zeek"},
	"zeek.json": {Schema: "zeek", Format: output.JSON},
	"eve.json":  {Schema: "eve", Host: "sensor"},
	"ecs.json":  {Schema: "ecs", Host: "sensor"},
	"ocsf.json": {Schema: "ocsf", Host: "sensor"},
}

func TestGolden(t *testing.T) {
	for name, cfg := range variants {
		t.Run(name, func(t *testing.T) {
			enc := encoderOf(t, cfg, stored)
			got := enc.Header(nil)
			for _, e := range examples(t) {
				if enc.Writes(e.Kind) {
					got = enc.Record(got, &e)
				}
			}
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
			for i := range max(len(g), len(w)) {
				if i >= len(g) || i >= len(w) || g[i] != w[i] {
					t.Fatalf("line %d of %s: got %s\nwant %s", i+1, path, at(g, i), at(w, i))
				}
			}
		})
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(no such line)"
}

// facts reads what a published schema says: lines of a name and its type.
func facts(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".facts")
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			path, typ, _ := strings.Cut(line, " ")
			m[path] = typ
		}
	}
	return m
}

// flatten gives the type of each value in a JSON object by its path; elements of lists have the list's, with [].
func flatten(path string, v any, each func(path, typ string)) {
	switch v := v.(type) {
	case map[string]any:
		for k, kid := range v {
			p := k
			if path != "" {
				p = path + "." + k
			}
			flatten(p, kid, each)
		}
	case []any:
		for _, kid := range v {
			flatten(path+"[]", kid, each)
		}
	case string:
		each(path, "string")
	case bool:
		each(path, "boolean")
	case json.Number:
		if _, err := v.Int64(); err != nil {
			each(path, "number")
		} else {
			each(path, "integer")
		}
	}
}

// zeekInJSON has the JSON types of Zeek's.
var zeekInJSON = map[string]string{"time": "number", "interval": "number", "addr": "string", "enum": "string", "bool": "boolean", "count": "integer", "port": "integer", "int": "integer"}

// TestFacts holds every value that is written to the published schema: its name is there, and it is of that type.
func TestFacts(t *testing.T) {
	golden, err := filepath.Glob("../../testdata/golden/*.ndjson")
	if err != nil || len(golden) < 100 {
		t.Fatalf("%d files, %v", len(golden), err)
	}
	var events []event.Event
	for i, kind := range []event.Kind{event.New, event.Updated, event.Closed, event.Open, event.Alert, event.Lost, event.Stats, event.Closed} {
		events = append(events, whole(kind, i))
	}
	for _, path := range golden {
		events = append(events, read(t, path)...)
	}
	for _, name := range []string{"zeek", "eve", "ecs", "ocsf"} {
		t.Run(name, func(t *testing.T) {
			known, seen := facts(t, name), map[string]bool{}
			if name == "zeek" {
				for i := range zeek.records[0].targets {
					if c := &zeek.records[0].targets[i]; known[c.to] != c.typ {
						t.Errorf("%s is declared %s, and is %s", c.to, c.typ, known[c.to])
					}
				}
				for path, typ := range known {
					if json, ok := zeekInJSON[typ]; ok {
						known[path] = json
					}
				}
				known["rustnet.*"] = "any"
				delete(known, "tunnel_parents") // always unset
			}
			enc := encoderOf(t, output.Config{Schema: name, Format: output.JSON, Host: "sensor"}, stored)
			var out []byte
			for i := range events {
				if enc.Writes(events[i].Kind) {
					out = enc.Record(out, &events[i])
				}
			}
			for line := range bytes.Lines(out) {
				dec := json.NewDecoder(bytes.NewReader(line))
				dec.UseNumber()
				var v map[string]any
				if err := dec.Decode(&v); err != nil {
					t.Fatalf("%v in %s", err, line)
				}
				present := map[string]bool{}
				flatten("", v, func(path, typ string) {
					for p := path; ; p = p[:strings.LastIndexByte(p, '.')] {
						present[strings.TrimSuffix(p, "[]")] = true
						if !strings.Contains(p, ".") {
							break
						}
					}
					if dir, _, ok := strings.Cut(strings.TrimSuffix(path, "[]"), "."); ok && known[dir+".*"] != "" { // the schema's place for what it does not name
						path = dir + ".*"
					}
					if dir, ok := strings.CutPrefix(path, "metadata.flowvars[]."); ok && dir != "" && name == "eve" {
						path = "metadata.flowvars[].*"
					}
					path = strings.ReplaceAll(path, "[][]", "[]")
					seen[path] = true
					switch want, ok := known[path]; {
					case !ok:
						t.Errorf("%s: no such name in %s", path, line)
					case want != typ && want != "any" && !(want == "number" && typ == "integer") && !(want == "float" && typ != "string"):
						t.Errorf("%s is %s, want %s in %s", path, typ, want, line)
					}
				})
				for must := range strings.FieldsSeq(known["!required"]) {
					if !present[must] {
						t.Errorf("%s is required, and not in %s", must, line)
					}
				}
				if t.Failed() {
					return
				}
			}
			delete(known, "!required")
			for path := range known {
				if !seen[path] {
					t.Errorf("%s is never written: take it out of the facts", path)
				}
			}
		})
	}
}

// TestEveryFieldHasAPlace: each field goes somewhere in each form, or the form says why not.
func TestEveryFieldHasAPlace(t *testing.T) {
	for _, f := range forms {
		all, named := encoderOf(t, output.Config{Schema: f.name}, schema).(*encoder), f.sources()
		for _, field := range schema.Fields {
			placed := named[field.Name]
			for _, r := range all.records {
				placed = placed || slices.ContainsFunc(slices.Concat(r.others.core, r.others.app), func(o other) bool { return o.field == field })
			}
			if f.flat && !placed && f.why(field.Name) == "" { // a column for whoever asks
				enc, err := New(output.Config{Schema: f.name, Fields: []string{field.Name}}, schema)
				placed = err == nil && bytes.Contains(enc.Header(nil), []byte("\trustnet."+field.Name+"\n"))
			}
			switch why := f.why(field.Name); {
			case placed && why != "":
				t.Errorf("%s: %s has a place, and a reason for having none", f.name, field.Name)
			case !placed && why == "":
				t.Errorf("%s: %s has no place, and nothing says why", f.name, field.Name)
			}
		}
		for _, h := range f.none {
			for word := range strings.FieldsSeq(h.fields) {
				prefix, many := strings.CutSuffix(word, "*")
				if !slices.ContainsFunc(schema.Fields, func(s *event.Field) bool { return s.Name == word || many && strings.HasPrefix(s.Name, prefix) }) {
					t.Errorf("%s: no field %s to give a reason for", f.name, word)
				}
			}
		}
	}
}

func TestDeclarations(t *testing.T) {
	for _, f := range forms {
		var every kinds
		for i := range f.records {
			r := &f.records[i]
			every |= r.on
			seen := map[string]bool{}
			for _, target := range slices.Concat(f.common, r.targets) {
				if seen[target.to] {
					t.Errorf("%s: %s is declared twice", f.name, target.to)
				}
				seen[target.to] = true
				if (target.as.make != nil || target.as.fixed != "") && target.as.doc == "" {
					t.Errorf("%s: nothing says how %s is made", f.name, target.to)
				}
				if len(target.uses()) == 0 && target.all == "" && target.as.make == nil && !json.Valid([]byte(target.as.fixed)) {
					t.Errorf("%s: %s is made of nothing", f.name, target.to)
				}
			}
		}
		if every != f.kinds {
			t.Errorf("%s: says it writes kinds %b, and has records for %b", f.name, f.kinds, every)
		}
	}
}

func TestConnState(t *testing.T) {
	for _, tc := range []struct{ proto, history, reason, want string }{
		{"tcp", "S", "timeout", "S0"},
		{"tcp", "ST", "exit", "S0"},
		{"tcp", "Sr", "refused", "REJ"},
		{"tcp", "Sar", "rst", "REJ"},
		{"tcp", "Sh", "timeout", "S1"},
		{"tcp", "ShADad", "exit", "S1"},
		{"tcp", "ShADadFf", "fin", "SF"},
		{"tcp", "ShADadfF", "fin", "SF"},
		{"tcp", "ShADadF", "exit", "S2"},
		{"tcp", "ShADadf", "exit", "S3"},
		{"tcp", "ShADadR", "rst", "RSTO"},
		{"tcp", "ShADadr", "rst", "RSTR"},
		{"tcp", "ShR", "rst", "RSTO"},
		{"tcp", "ShADaFr", "rst", "RSTR"},
		{"tcp", "ShADadFfR", "rst", "SF"}, // both had closed
		{"tcp", "ShADadFRf", "rst", "SF"}, // FIN, RST, and the other's FIN
		{"tcp", "ShADadFR", "rst", "RSTO"},
		{"tcp", "SR", "rst", "RSTOS0"},
		{"tcp", "STR", "rst", "RSTOS0"},
		{"tcp", "^SR", "rst", "RSTOS0"},
		{"tcp", "SAR", "rst", "OTH"},
		{"tcp", "SF", "exit", "SH"},
		{"tcp", "hr", "rst", "RSTRH"},
		{"tcp", "hf", "exit", "SHR"},
		{"tcp", "hADad", "exit", "S1"}, // the SYN was missed
		{"tcp", "^hADadFf", "fin", "SF"},
		{"tcp", "DAda", "exit", "OTH"},
		{"tcp", "DdAaFf", "fin", "SF"},
		{"tcp", "DdR", "rst", "OTH"},
		{"tcp", "Ss", "exit", "S1"}, // both opened it
		{"tcp", "", "exit", "OTH"},
		{"tcp", "S", "fin", "SF"}, // packets were not captured, and the kernel knew
		{"tcp", "ShADadTtWwCcGg", "fin", "SF"},
		{"udp", "Dd", "exit", "SF"},
		{"udp", "D", "exit", "S0"},
		{"udp", "d", "exit", "SHR"},
		{"udp", "^d", "exit", "SHR"},
		{"udp", "", "exit", "OTH"},
		{"icmp", "", "exit", "OTH"},
	} {
		if got := zeekState(tc.proto, []byte(tc.history), tc.reason); got != tc.want {
			t.Errorf("%s %q, %s: got %s, want %s", tc.proto, tc.history, tc.reason, got, tc.want)
		}
	}
}

func FuzzConnState(f *testing.F) {
	f.Add("ShADadFf", "fin")
	f.Add("^hR", "")
	f.Fuzz(func(t *testing.T, history, reason string) {
		states := []string{"S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH"}
		for _, proto := range []string{"tcp", "udp", "sctp"} {
			if got := zeekState(proto, []byte(history), reason); !slices.Contains(states, got) {
				t.Fatalf("%s %q: %s", proto, history, got)
			}
		}
	})
}

// unescape reads a cell as Zeek's tools do.
func unescape(t *testing.T, s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		if i+4 > len(s) || s[i+1] != 'x' {
			t.Fatalf("%q has a backslash that begins no escape", s)
		}
		c, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		b, i = append(b, byte(c)), i+3
	}
	return string(b)
}

// FuzzText: whatever a text holds, a line of each form is one line that gives it back.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "-", "(empty)", "a\tb\nc", `\x41`, "\xff\xfe", "\u202eabc", "日本", "x,y", "\x00\x7f"} {
		f.Add(s)
	}
	column := stored.Lookup("process")
	list := stored.Lookup("tls_san")
	enc := encoderOf(f, output.Config{Schema: "zeek", Fields: []string{"+tls_san"}}, stored)
	var objects []output.Encoder
	for _, name := range []string{"zeek", "eve", "ecs", "ocsf"} {
		objects = append(objects, encoderOf(f, output.Config{Schema: name, Format: output.JSON}, stored))
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := whole(event.Closed, 2)
		if s == "" {
			e.Stored.Unset(column)
		}
		e.Stored.SetStr(column, s)
		e.Stored.SetList(list, []string{s, "b"})
		var names []string
		for line := range strings.Lines(string(enc.Header(nil))) {
			if cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); cells[0] == "#fields" {
				names = cells[1:]
			}
		}
		line := string(enc.Record(nil, &e))
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(cells) != len(names) || strings.Count(line, "\n") != 1 {
			t.Fatalf("%d cells, want %d: %q", len(cells), len(names), line)
		}
		want, got := s, cells[slices.Index(names, "rustnet.process")]
		if want == "" && got != "-" || want != "" && (got == "-" || got == "(empty)" || unescape(t, got) != want) {
			t.Fatalf("%q is written as %q", want, got)
		}
		first, rest, _ := strings.Cut(cells[slices.Index(names, "rustnet.tls_san")], ",")
		if want == "" && first != "(empty)" || want != "" && unescape(t, first) != want || rest != "b" {
			t.Fatalf("the list of %q and b is written as %q", want, cells[slices.Index(names, "rustnet.tls_san")])
		}
		for _, o := range objects {
			for line := range bytes.Lines(o.Record(nil, &e)) {
				if !json.Valid(line) {
					t.Fatalf("no JSON: %s", line)
				}
			}
		}
	})
}

// TestEnds: source is who opened the connection.
func TestEnds(t *testing.T) {
	paths := map[string][4]string{ // origin's address, port, bytes, and the place of host
		"zeek": {"id.orig_h", "id.orig_p", "orig_ip_bytes", "rustnet.host"},
		"eve":  {"src_ip", "src_port", "flow.bytes_toserver", ""},
		"ecs":  {"source.ip", "source.port", "source.bytes", "destination.domain"},
		"ocsf": {"src_endpoint.ip", "src_endpoint.port", "traffic.bytes_out", "dst_endpoint.hostname"},
	}
	for name, path := range paths {
		for _, direction := range []string{"out", "in", "local", "forward", ""} {
			e := whole(event.Closed, 0)
			r := e.Stored
			r.Unset(stored.Lookup("direction"))
			r.SetStr(stored.Lookup("direction"), direction)
			r.SetStr(stored.Lookup("local_addr"), "192.0.2.1")
			r.SetUint(stored.Lookup("tx_bytes"), 11)
			want := [3]string{"192.0.2.1", "40000", "11"}
			if direction == "in" {
				r.SetStr(stored.Lookup("remote_addr"), "198.51.100.1")
				r.SetUint(stored.Lookup("rx_bytes"), 22)
				want = [3]string{"198.51.100.1", "443", "22"}
			}
			lines := bytes.Split(bytes.TrimSpace(encoderOf(t, output.Config{Schema: name, Format: output.JSON}, stored).Record(nil, &e)), []byte("\n"))
			got := map[string]string{}
			var v map[string]any
			dec := json.NewDecoder(bytes.NewReader(lines[len(lines)-1]))
			dec.UseNumber()
			if err := dec.Decode(&v); err != nil {
				t.Fatal(err)
			}
			texts("", v, got)
			if have := [3]string{got[path[0]], got[path[1]], got[path[2]]}; have != want {
				t.Errorf("%s, direction %q: got %v, want %v", name, direction, have, want)
			}
			if host := path[3]; strings.HasPrefix(host, "d") {
				if direction == "in" {
					host = strings.Replace(strings.Replace(host, "destination", "source", 1), "dst", "src", 1)
				}
				if got[host] != "www.example.test" {
					t.Errorf("%s, direction %q: %s is %q", name, direction, host, got[host])
				}
			}
		}
	}
}

// TestOutcome: an attempt that came to nothing is no success, whoever lost patience.
func TestOutcome(t *testing.T) {
	for _, c := range []struct {
		reason, proto, app string
		answers            uint64
		partial            bool
		want               string
	}{
		{"fin", "tcp", "", 3, false, "success 1"},
		{"refused", "tcp", "", 1, false, "failure 2"},
		{"timeout", "tcp", "", 0, false, "failure 2"},
		{"destroyed", "tcp", "", 0, false, "failure 2"},
		{"destroyed", "tcp", "", 0, true, "success 1"},
		{"destroyed", "tcp", "", 3, false, "success 1"},
		{"destroyed", "udp", "dns", 0, false, "failure 2"},
		{"destroyed", "udp", "syslog", 0, false, "success 1"},
		{"timeout", "icmp", "", 0, false, "failure 2"},
		{"exit", "tcp", "", 3, false, "unknown 0"},
	} {
		e := whole(event.Closed, 0)
		r := e.Stored
		for name, text := range map[string]string{"reason": c.reason, "proto": c.proto, "app": c.app, "direction": "out"} {
			r.Unset(stored.Lookup(name))
			r.SetStr(stored.Lookup(name), text)
		}
		r.SetUint(stored.Lookup("rx_packets"), c.answers)
		r.SetUint(stored.Lookup("icmp_type"), 8)
		if r.Unset(stored.Lookup("partial")); c.partial {
			r.SetBool(stored.Lookup("partial"), true)
		}
		got := map[string]string{}
		for _, name := range []string{"ecs", "ocsf"} {
			var v map[string]any
			if err := json.Unmarshal(encoderOf(t, output.Config{Schema: name, Format: output.JSON}, stored).Record(nil, &e), &v); err != nil {
				t.Fatal(err)
			}
			texts("", v, got)
		}
		if have := got["event.outcome"] + " " + got["status_id"]; have != c.want {
			t.Errorf("%+v: got %s", c, have)
		}
	}
}

func texts(path string, v any, into map[string]string) {
	if m, ok := v.(map[string]any); ok {
		for k, kid := range m {
			texts(strings.TrimPrefix(path+"."+k, "."), kid, into)
		}
		return
	}
	into[path] = fmt.Sprint(v)
}

// TestOnce: a record about a part comes once, when it is whole or the connection ends.
func TestOnce(t *testing.T) {
	enc := encoderOf(t, output.Config{Schema: "eve"}, stored).(*encoder)
	types := func(kind event.Kind, id uint64, set map[string]string) string {
		r := event.NewStored(stored)
		r.SetUint(stored.Lookup("id"), id)
		r.SetStr(stored.Lookup("proto"), "tcp")
		r.SetStr(stored.Lookup("local_addr"), "192.0.2.1")
		for name, v := range set {
			if f := stored.Lookup(name); f.Type == event.Uint {
				n, _ := strconv.ParseUint(v, 10, 64)
				r.SetUint(f, n)
			} else {
				r.SetStr(f, v)
			}
		}
		var all []string
		for line := range bytes.Lines(enc.Record(nil, &event.Event{Kind: kind, Stored: r})) {
			var v struct {
				Type string `json:"event_type"`
			}
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatal(err)
			}
			all = append(all, v.Type)
		}
		return strings.Join(all, " ")
	}
	request, response := map[string]string{"http_method": "GET"}, map[string]string{"http_method": "GET", "http_status": "200"}
	for i, step := range []struct {
		kind event.Kind
		id   uint64
		set  map[string]string
		want string
	}{
		{event.New, 1, request, ""},
		{event.Updated, 1, response, "http"},
		{event.Updated, 1, response, ""},
		{event.New, 2, response, "http"},
		{event.New, 3, request, ""},
		{event.Closed, 3, request, "http flow"}, // never answered
		{event.Closed, 1, response, "flow"},
		{event.Closed, 2, response, "flow"},
		{event.New, 1, response, "http"}, // another connection that has the same id
		{event.Closed, 1, response, "flow"},
		{event.Closed, 4, nil, "flow"},
		{event.Alert, 4, nil, "alert"},
	} {
		if got := types(step.kind, step.id, step.set); got != step.want {
			t.Errorf("step %d: got %q, want %q", i, got, step.want)
		}
	}
	if len(enc.told) != 0 {
		t.Errorf("%d connections are remembered that have ended", len(enc.told))
	}
	enc.toldMax = 100
	for id := range uint64(250) {
		types(event.New, id, response)
	}
	if len(enc.told) != 50 {
		t.Errorf("of 250 connections %d are remembered, want the last 50", len(enc.told))
	}
}

func TestFields(t *testing.T) {
	e := whole(event.Closed, 0)
	for _, tc := range []struct {
		schema, fields  string
		without, having []string
	}{
		{"ecs", "-cmdline", []string{"command_line", "cmdline"}, []string{`"executable"`, `"destination"`}},
		{"ecs", "process,tx_bytes", []string{`"executable"`, `"labels"`, `"user"`}, []string{`"name":"process`, `"source":{"ip":`, `"@timestamp"`}},
		{"ocsf", "-sni,-alpn", []string{`"sni"`, `"alpn"`}, []string{`"version":"1.2"`}},
		{"eve", "-user", []string{`"user"`}, []string{`"flow":{`, `"tls":{`}},
		{"zeek", "+ja4", nil, []string{`"rustnet.ja4"`, `"conn_state"`}},
		{"zeek", "history", []string{"conn_state\":\"S0", "rustnet."}, []string{`"history"`, `"uid"`, `"id.resp_h"`}},
	} {
		got := string(encoderOf(t, output.Config{Schema: tc.schema, Format: output.JSON, Fields: []string{tc.fields}}, stored).Record(nil, &e))
		for _, s := range tc.without {
			if strings.Contains(got, s) {
				t.Errorf("%s of %s: has %s: %s", tc.schema, tc.fields, s, got)
			}
		}
		for _, s := range tc.having {
			if !strings.Contains(got, s) {
				t.Errorf("%s of %s: lacks %s: %s", tc.schema, tc.fields, s, got)
			}
		}
	}
	for _, tc := range []struct {
		cfg  output.Config
		want string
	}{
		{output.Config{Schema: "cef"}, `unknown schema "cef"`},
		{output.Config{Schema: "ecs", Format: output.CSV}, "--csv: --schema ecs says"},
		{output.Config{Schema: "eve", TimeFormat: "unix"}, "--time-format: --schema eve says"},
		{output.Config{Schema: "zeek", Fields: []string{"+tx_rate"}}, "tx_rate has no place in --schema zeek: conn.log has totals only"},
		{output.Config{Schema: "ocsf", Fields: []string{"proces"}}, `did you mean "process"?`},
	} {
		if _, err := New(tc.cfg, stored); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: got %v, want %q", tc.cfg, err, tc.want)
		}
	}
}

// gate keeps records, and takes none while it is shut.
type gate struct {
	shut bool
	text strings.Builder
}

func (g *gate) SetHeader(h []byte) { g.text.Write(h) }
func (g *gate) Flush()             {}
func (g *gate) Close() error       { return nil }
func (g *gate) WriteRecord(r []byte, _ int64) bool {
	if !g.shut {
		g.text.Write(r)
	}
	return !g.shut
}

// TestAccount: what has no line is counted, and what was lost is told of where the form has a record for it.
func TestAccount(t *testing.T) {
	for name, lines := range map[string]int{
		"zeek": 7 + 2,     // the header, the two ends that were kept
		"ecs":  3 + 1 + 3, // a lost record between
	} {
		g := &gate{}
		stage, err := output.NewKeeping(output.Config{Schema: name, Encoder: New}, stored, g)
		if err != nil {
			t.Fatal(err)
		}
		frame := func(kinds ...event.Kind) {
			var events []event.Event
			for i, k := range kinds {
				events = append(events, whole(k, i))
			}
			if err := stage.Frame(events); err != nil {
				t.Fatal(err)
			}
		}
		frame(event.New, event.Updated, event.Closed)
		g.shut = true
		frame(event.Closed, event.Closed)
		g.shut = false
		frame(event.New, event.Updated, event.Closed)
		if got := strings.Count(g.text.String(), "\n"); got != lines {
			t.Errorf("%s: %d lines, want %d:\n%s", name, got, lines, g.text.String())
		}
		st := stage.Stats()
		var made, written uint64
		for k := range st.Made {
			made, written = made+st.Made[k], written+st.Written[k]
		}
		if made != written+st.Unselected+st.Lost || st.Lost != 2 {
			t.Errorf("%s: %d made, %d written, %+v", name, made, written, st)
		}
	}
}

func TestHosts(t *testing.T) {
	for s, want := range map[string][2]string{"a.example": {"a.example", ""}, "a.example:8080": {"a.example", "8080"}, "[2001:db8::1]:443": {"2001:db8::1", "443"},
		"[2001:db8::1]": {"2001:db8::1", ""}, "2001:db8::1": {"2001:db8::1", ""}, "a:": {"a:", ""}, "a:x": {"a:x", ""}, "": {"", ""}, "a:99999": {"a:99999", ""}} {
		if host, port := splitHost(s); host != want[0] || port != want[1] {
			t.Errorf("%q: got %q, %q, want %q", s, host, port, want)
		}
	}
}

// live is a record as a source makes it.
func live() event.Event {
	app := event.NewApp()
	app.Name, app.Host, app.HostSource = "tls", "objects.example.test", event.HostBySNI
	for i, f := range dpi.Fields() {
		switch f.Name {
		case "sni", "tls_cipher", "ja3", "ja3s", "ja4", "http_method", "http_path", "http_host", "dns_query", "ssh_client":
			app.SetStr(f, f.Name)
		case "tls_version":
			app.SetStr(f, "1.3")
		case "alpn", "dns_answers":
			app.SetList(f, []string{"h2", "198.51.100.7"})
		case "http_status":
			app.SetUint(f, uint64(i))
		case "tls_not_after":
			app.SetTime(f, 1767225600e9)
		}
	}
	e := event.Event{Kind: event.Closed, Direction: event.In, State: event.Established, Reason: event.Fin, RemoteServes: true, TS: 1767225600e9, Seq: 7, ID: 0x0123456789abcdef,
		Proto: 6, VLAN: 7, Iface: "enp3s0", Local: netip.MustParseAddrPort("192.0.2.20:51522"), Remote: netip.MustParseAddrPort("[2001:db8::1]:443"),
		Start: 1767225599e9, Last: 1767225600e9, Interval: 1e9, Tx: event.Side{Bytes: 98500, Packets: 500}, Rx: event.Side{Bytes: 45200123, Packets: 30006},
		RTTMicros: 12345, App: app, Proc: &event.Proc{PID: 41234, PPID: 400, HasUID: true, UID: 1000, Name: "curl", Exe: "/usr/bin/curl", Cmdline: "curl -s https://objects.example.test",
			User: "u", Parent: "bash", Ancestors: []string{"bash", "sshd"}, Source: "ebpf"}}
	copy(e.History[:], "ShADadFf")
	return e
}

func TestDoesNotAllocate(t *testing.T) {
	for name, cfg := range variants {
		enc, e, buf := encoderOf(t, cfg, schema), live(), make([]byte, 0, 16384)
		if n := testing.AllocsPerRun(1000, func() {
			e.TS += 1e8
			for _, e.Kind = range [...]event.Kind{event.New, event.Updated, event.Closed} {
				buf = enc.Record(buf[:0], &e)
			}
		}); n != 0 {
			t.Errorf("%s allocates %v times for three records, want 0", name, n)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(variants)) {
		b.Run(name, func(b *testing.B) {
			enc, e, buf := encoderOf(b, variants[name], schema), live(), make([]byte, 0, 16384)
			b.ReportAllocs()
			for b.Loop() {
				e.TS += 1e6
				buf = enc.Record(buf[:0], &e)
			}
			b.ReportMetric(float64(len(buf)), "bytes")
		})
	}
	b.Run("ndjson", func(b *testing.B) {
		lines, err := output.NewLines(output.Config{}, schema)
		if err != nil {
			b.Fatal(err)
		}
		e, buf := live(), make([]byte, 0, 16384)
		b.ReportAllocs()
		for b.Loop() {
			e.TS += 1e6
			buf = lines.JSON(buf[:0], &e)
		}
		b.ReportMetric(float64(len(buf)), "bytes")
	})
}

// TestRelated holds ECS's lists to pivot by: each value once, of the fields that were asked for.
func TestRelated(t *testing.T) {
	e := live()
	e.Remote, e.Proc.User = e.Local, `a","b`
	for _, tt := range []struct {
		fields []string
		want   string
	}{
		{nil, `{"ip":["192.0.2.20","198.51.100.7"],"hosts":["sensor","objects.example.test","sni","dns_query"],"user":["a\",\"b"],"hash":["ja3","ja3s","ja4"]}`},
		{[]string{"-host", "-dns_answers", "-user", "-ja3s"}, `{"ip":["192.0.2.20"],"hosts":["sensor","sni","dns_query"],"hash":["ja3","ja4"]}`},
	} {
		line := encoderOf(t, output.Config{Schema: "ecs", Host: "sensor", Fields: tt.fields}, schema).Record(nil, &e)
		var got struct{ Related json.RawMessage }
		if err := json.Unmarshal(line, &got); err != nil || string(got.Related) != tt.want {
			t.Errorf("%v: %v, got %s, want %s", tt.fields, err, got.Related, tt.want)
		}
	}
	app := event.NewApp()
	for _, f := range dpi.Fields() {
		switch f.Name {
		case "http_host":
			app.SetStr(f, "[2001:db8::1]:8080")
		case "clickhouse_user":
			app.SetStr(f, "reader")
		}
	}
	e.App = app
	line := encoderOf(t, output.Config{Schema: "ecs"}, schema).Record(nil, &e)
	if !bytes.Contains(line, []byte(`"url":{"domain":"[2001:db8::1]","port":8080}`)) {
		t.Errorf("an IPv6 address in a URL has no brackets: %s", line)
	}
	if !bytes.Contains(line, []byte(`"user":["a\",\"b","reader"]`)) {
		t.Errorf("a protocol's user is not related: %s", line)
	}
}

// What is passed over at once, for want of a field of a parser, would have given nothing.
func TestPassedOver(t *testing.T) {
	var ask func(n *node)
	ask = func(n *node) {
		n.apps = [2]uint64{}
		for i := range n.all {
			n.all[i].apps = 0
		}
		for i := range n.kids {
			ask(&n.kids[i])
		}
	}
	for name, cfg := range variants {
		quick, thorough := encoderOf(t, cfg, schema), encoderOf(t, cfg, schema).(*encoder)
		for i := range thorough.records {
			ask(&thorough.records[i].root)
		}
		for i, f := range dpi.Fields() {
			e := live()
			e.App, e.ID = event.NewApp(), uint64(i)
			e.App.Name = strings.SplitN(f.Name, "_", 2)[0]
			switch f.Type {
			case event.String:
				e.App.SetStr(f, "x.example:80")
			case event.List:
				e.App.SetList(f, []string{"198.51.100.7"})
			case event.Time:
				e.App.SetTime(f, 1e18)
			case event.Bool:
				e.App.SetBool(f, true)
			default:
				e.App.SetUint(f, 7)
			}
			for _, e.Direction = range []event.Direction{event.In, event.Out} {
				for _, e.Kind = range []event.Kind{event.New, event.Closed} {
					if got, want := quick.Record(nil, &e), thorough.Record(nil, &e); !bytes.Equal(got, want) {
						t.Errorf("%s of %s: got %s, want %s", name, f.Name, got, want)
					}
				}
			}
		}
	}
}
