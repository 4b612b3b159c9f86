package output

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"rustnet/track/event"
)

// value gives what a field holds as encoding/json would take it, nil when it is absent.
func value(f *event.Field, e *event.Event) any {
	switch f.Type {
	case event.String:
		if s := f.Str(e); s != "" {
			return s
		}
	case event.Uint:
		if n, ok := f.Uint(e); ok {
			return n
		}
	case event.ID:
		if n, ok := f.Uint(e); ok {
			return fmt.Sprintf("%016x", n)
		}
	case event.Float:
		if n, ok := f.Float(e); ok {
			return n
		}
	case event.Bool:
		if b, ok := f.Bool(e); ok {
			return b
		}
	case event.Addr:
		if a := f.Addr(e); a.IsValid() {
			return a.String()
		}
	case event.Time:
		if ns := f.Time(e); ns != 0 {
			return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000Z")
		}
	case event.List:
		if l := f.List(e); len(l) > 0 {
			return l
		}
	}
	return nil
}

// standard is what encoding/json makes of the event's values, read back.
func standard(t *testing.T, schema *event.Schema, e *event.Event) map[string]any {
	t.Helper()
	want := map[string]any{}
	for _, f := range schema.Fields {
		if v := value(f, e); v != nil {
			want[f.Name] = v
		}
	}
	line, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, line)
}

func decode(t *testing.T, line []byte) map[string]any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber() // so that the digits themselves are compared
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	return m
}

func TestJSONAgainstEncodingJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	enc := newJSON(schema.Fields, "")
	for range 5000 {
		e := randomEvent(r)
		line := enc.record(nil, &e)
		if line[len(line)-1] != '\n' || bytes.IndexByte(line[:len(line)-1], '\n') >= 0 || !utf8.Valid(line) {
			t.Fatalf("not one line of UTF-8: %q", line)
		}
		if got, want := decode(t, line), standard(t, schema, &e); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
	}
}

// What is written of a process stays for the next record of it: never for another of the same number, and whatever came before.
func TestJSONOfProcesses(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	procs := []*event.Proc{nil}
	for len(procs) < 12 {
		e := randomEvent(r)
		if e.Proc != nil {
			e.Proc.PID = uint32(len(procs) % 3 * toldProcs) // which all have the same place
			e.Proc.Cmdline = strings.Repeat("arg ", r.IntN(2*toldBytes/4))
			procs = append(procs, e.Proc)
		}
	}
	var some []*event.Field
	for _, name := range []string{"pid", "process", "exe", "cmdline", "uid", "user", "ts", "iface"} {
		some = append(some, schema.Lookup(name))
	}
	all, few := newJSON(schema.Fields, ""), newJSON(some, "")
	kept := 0
	for range 400 {
		e := randomEvent(r)
		e.Proc, e.Iface = procs[r.IntN(len(procs))], strings.Repeat("i", r.IntN(2*windowFull))
		want := standard(t, schema, &e)
		if got := decode(t, all.record(nil, &e)); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
		got := decode(t, few.record([]byte{}, &e))
		for _, f := range some {
			if !reflect.DeepEqual(got[f.Name], want[f.Name]) {
				t.Fatalf("%s: got %v, want %v", f.Name, got[f.Name], want[f.Name])
			}
		}
		if e.Proc != nil && e.Proc == few.plans[e.Parts()].before[0].more.run.told[0].proc {
			kept++
		}
	}
	if kept < 100 {
		t.Errorf("only %d records left their process's text", kept)
	}
}

func TestFloats(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	check := func(f float64) {
		want, err := json.Marshal(f)
		if err != nil {
			return
		}
		got := string(appendFloat(nil, f))
		if back, err := strconv.ParseFloat(got, 64); err != nil || back != f {
			t.Fatalf("%v was written as %s", f, got)
		}
		if std := strings.Replace(strings.Replace(string(want), "e-0", "e-", 1), "e+0", "e+", 1); strings.Replace(strings.Replace(got, "e-0", "e-", 1), "e+0", "e+", 1) != std {
			t.Fatalf("%v: got %s, want %s", f, got, want)
		}
	}
	for _, f := range []float64{0, math.Copysign(0, -1), 1, 0.1, 0.000001, 0.0000015, 1e-7, 999999999.999999, 1e9, 123456.789, 1e20, 1e21, 1.5e300, -1.25, 0.3, 2.0 / 3} {
		check(f)
	}
	for range 200000 {
		check(float64(r.Uint64N(1e15)) / 1e6)
		check(r.Float64() * 1e6)
		check(r.NormFloat64() * 1e12)
	}
}

func TestNumbers(t *testing.T) {
	for n := range uint32(10000) {
		for _, n := range []uint32{n, 10000 * n, 99990000 - 10000*n + n} {
			if got, want := digits8(n)|zeros8, binary.LittleEndian.Uint64(fmt.Appendf(nil, "%08d", n)); got != want {
				t.Fatalf("digits8(%d): got %x, want %x", n, got, want)
			}
		}
	}
	check := func(n uint64) {
		if got, want := string(appendUint(nil, n)), strconv.FormatUint(n, 10); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		if got, want := string(appendHex(nil, n)), fmt.Sprintf("%016x", n); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	r := rand.New(rand.NewPCG(17, 18))
	for p, e := uint64(1), 0; e < 20; p, e = p*10, e+1 {
		check(p - 1)
		check(p)
		check(p + 1)
	}
	for range 100000 {
		check(r.Uint64() >> r.IntN(64))
	}
	check(math.MaxUint64)
}

func TestAddresses(t *testing.T) {
	check := func(a netip.Addr) {
		if got := string(appendAddr([]byte("x"), a)); got != "x"+a.String() {
			t.Fatalf("got %s, want x%s", got, a)
		}
	}
	for _, s := range []string{"0.0.0.0", "255.255.255.255", "192.0.2.10", "::", "::1", "1::", "2001:db8::1:0:0:1", "2001:db8:0:1:1:1:1:1",
		"2001:0:0:1::1", "::ffff:192.0.2.1", "::192.0.2.1", "fe80::1%eth0", "fe80::1%a-very-long-name-of-an-interface-with-more-than-forty-eight-letters"} {
		check(netip.MustParseAddr(s))
	}
	r := rand.New(rand.NewPCG(19, 20))
	for set := range 1 << 8 { // every choice of groups that are zero
		for range 20 {
			var a [16]byte
			for i := range 8 {
				if set>>i&1 != 0 {
					binary.BigEndian.PutUint16(a[2*i:], uint16(r.Uint32N(1<<16)>>r.IntN(16)))
				}
			}
			check(netip.AddrFrom16(a))
		}
	}
	for range 1000 {
		check(netip.AddrFrom4([4]byte{byte(r.Int()), byte(r.Int()), byte(r.Int()), byte(r.Int())}))
	}
}

// What does not fit what is short must come out whole, whichever piece of the record it is.
func TestJSONOfLongTexts(t *testing.T) {
	enc := newJSON(schema.Fields, "")
	for n := range 300 {
		e := full()
		long := strings.Repeat("a", 3500+10*n)
		e.Iface, e.Proc.Cmdline, e.Proc.Ancestors = long[:n], long, []string{"", long, `"`, long + "é\n", "z"}
		e.Local = netip.AddrPortFrom(netip.MustParseAddr("fe80::1%"+long), 1)
		line := enc.record([]byte("before"), &e)
		if got, want := decode(t, bytes.TrimPrefix(line, []byte("before"))), standard(t, schema, &e); !reflect.DeepEqual(got, want) {
			t.Fatalf("%d: got  %v\nwant %v", n, got, want)
		}
	}
}

// What a text hides in any place must be found, whatever the text's length.
func TestJSONFindsWhatNeedsEscaping(t *testing.T) {
	enc := newJSON([]*event.Field{schema.Lookup("iface")}, "")
	for n := 1; n < 40; n++ {
		for at := range n {
			for c := range 256 {
				text := bytes.Repeat([]byte{"a~ #!]"[n%6]}, n)
				text[at] = byte(c)
				e := event.Event{Kind: event.New, Iface: string(text)}
				line := enc.record(nil, &e)
				var got struct{ Iface string }
				if err := json.Unmarshal(line, &got); err != nil {
					t.Fatalf("%q: %v in %q", text, err, line)
				}
				if want := strings.ToValidUTF8(string(text), "\uFFFD"); got.Iface != want {
					t.Fatalf("got %q, want %q", got.Iface, want)
				}
				if c == 0x7f && !bytes.Contains(line, []byte(`\u007f`)) {
					t.Fatalf("DEL stands in %q", line)
				}
			}
		}
	}
}

func TestJSONNeverWritesWhatATerminalObeys(t *testing.T) {
	for r := range rune(0x3000) {
		s := "a" + string(r) + "b"
		got := string(appendJSONString(nil, s))
		for _, c := range got {
			if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
				t.Fatalf("U+%04X is written as %q", r, got)
			}
		}
		var back string
		if err := json.Unmarshal([]byte(got), &back); err != nil || back != s {
			t.Fatalf("U+%04X: %s reads back as %q, %v", r, got, back, err)
		}
	}
}

func FuzzJSONString(f *testing.F) {
	for _, s := range []string{"", "a\"b\\", "\xff\xfe", "\u2028", "日本", "\x00\x1f\x7f", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := appendJSONString(nil, s)
		var a, b string
		if err := json.Unmarshal(got, &a); err != nil {
			t.Fatalf("%q: %v in %s", s, err, got)
		}
		std, _ := json.Marshal(s)
		_ = json.Unmarshal(std, &b)
		if a != b {
			t.Fatalf("%q reads back as %q, from encoding/json as %q", s, a, b)
		}
		escaped := appendEscaped(nil, s)
		if w := textWidth(escaped); w < 0 || !utf8.Valid(escaped) {
			t.Fatalf("%q is shown as %q, %d wide", s, escaped, w)
		}
		for how := cutEnd; how <= cutStart; how++ {
			for width := range 12 {
				cut, n := appendElided(nil, escaped, width, how)
				if n > width || textWidth(cut) != n {
					t.Fatalf("%q in %d columns: %q, %d said, %d wide", escaped, width, cut, n, textWidth(cut))
				}
			}
		}
	})
}

// TestLastDayOfLeapYear: where a zone is a rule, as in zone files of today, Go says of that day that it is over when it begins. A minute's text
// is made once a minute all the same.
func TestLastDayOfLeapYear(t *testing.T) {
	header := func(times uint32) []byte { // tzfile(5)
		b := append([]byte("TZif2"), make([]byte, 15+12)...)
		b = binary.BigEndian.AppendUint32(b, times)
		b = binary.BigEndian.AppendUint32(b, 1)
		return binary.BigEndian.AppendUint32(b, 4)
	}
	kind := []byte("\xff\xff\xce\xc8\x00\x00NST\x00") // 3 h 30 min behind
	data := slices.Concat(header(0), kind, header(1), make([]byte, 8), []byte{0}, kind, []byte("\nNST3:30NDT,M3.2.0,M11.1.0\n"))
	loc, err := time.LoadLocationFromTZData("slim", data)
	if err != nil {
		t.Fatal(err)
	}
	s := stamp{loc: loc, layout: "2006-01-02T15:04:05", digits: 6, zone: true}
	at := time.Date(2012, 12, 31, 2, 0, 10, 0, time.UTC)
	if got, want := string(s.append(nil, at.UnixNano())), "2012-12-30T22:30:10.000000-03:30"; got != want || s.from > at.Unix()-10 || s.to < at.Unix()+50 {
		t.Errorf("got %s, good from %d to %d, want %s for its minute, %d and on", got, s.from, s.to, want, at.Unix()-10)
	}
}

func TestTimeFormats(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	fresh := newStamp("") // the second of no stamp is not yet made
	if got, want := string(fresh.append(nil, 1500)), "1970-01-01T00:00:00.000001Z"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	utc, unix, day := newStamp("rfc3339"), newStamp("unix"), stamp{loc: time.UTC, layout: "15:04:05", digits: 3}
	for i := range 20000 {
		ns := start + int64(i)*7e8
		if i%2 == 0 {
			ns = r.Int64() - r.Int64()
		}
		when := time.Unix(0, ns).UTC()
		if got, want := string(utc.append(nil, ns)), when.Format("2006-01-02T15:04:05.000000Z07:00"); got != want {
			t.Fatalf("rfc3339: got %s, want %s", got, want)
		}
		if got, want := string(day.append(nil, ns)), when.Format("15:04:05.000"); got != want {
			t.Fatalf("time of day: got %s, want %s", got, want)
		}
		if f, err := strconv.ParseFloat(string(unix.append(nil, ns)), 64); err != nil || f-float64(ns)/1e9 > 3e-6 || f-float64(ns)/1e9 < -3e-6 {
			t.Fatalf("unix: %d is written as %s", ns, unix.append(nil, ns))
		}
	}
	// Within a second of each change of a clock, also of those that were not on a minute.
	for _, zone := range []string{"Europe/Berlin", "Africa/Monrovia", "Asia/Kathmandu", "America/St_Johns"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Skip("no time zones here: ", err)
		}
		there := stamp{loc: loc, layout: "2006-01-02T15:04:05", digits: 6, zone: true}
		for at := time.Unix(-1<<33, 0).In(loc); ; {
			_, next := at.ZoneBounds()
			if next.IsZero() || next.Year() > 2030 {
				break
			}
			for _, d := range []time.Duration{-61, -60, -1, 0, 1, 30, 59, 60} {
				when := next.Add(d * time.Second)
				if got, want := string(there.append(nil, when.UnixNano())), when.Format("2006-01-02T15:04:05.000000Z07:00"); got != want {
					t.Fatalf("%s: got %s, want %s", zone, got, want)
				}
			}
			if _, after := next.ZoneBounds(); !after.After(next) { // as of the rule's year: see TestLastDayOfLeapYear
				next = next.Add(24 * time.Hour)
			}
			at = next
		}
	}
	local := stamp{loc: time.FixedZone("", -3*3600-1800), layout: "2006-01-02T15:04:05", digits: 6, zone: true}
	if got := string(local.append(nil, start)); got != "2025-12-31T20:30:00.123456-03:30" {
		t.Errorf("local: got %s", got)
	}
	for format, want := range map[string]string{"": `{"ts":"2026-01-01T00:00:00.123456Z"}`, "local": time.Unix(0, start).Format(`{"ts":"2006-01-02T15:04:05.000000Z07:00"}`), "unix": `{"ts":1767225600.123456}`} {
		if got := string(newJSON([]*event.Field{schema.Lookup("ts")}, format).record(nil, &event.Event{TS: start})); got != want+"\n" {
			t.Errorf("JSON, times %q: got %s, want %s", format, got, want)
		}
	}
}

// records gives each record's cells as they must come out of a CSV reader.
func csvWant(fields []*event.Field, e *event.Event) []string {
	var row []string
	for _, f := range fields {
		cell := ""
		switch v := value(f, e).(type) {
		case nil:
		case []string:
			cell = strings.Join(v, " ")
		case float64:
			cell = string(appendFloat(nil, v))
		default:
			cell = fmt.Sprint(v)
		}
		row = append(row, strings.ToValidUTF8(cell, "\uFFFD"))
	}
	return row
}

func TestCSVAgainstEncodingCSV(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, fields := range [][]*event.Field{schema.Fields, {schema.Lookup("process")}} {
		enc := newCSV(fields, "", false)
		for range 400 {
			e := randomEvent(r)
			line := enc.record(nil, &e)
			if !bytes.HasSuffix(line, []byte("\r\n")) {
				t.Fatalf("the line does not end in CR LF: %q", line)
			}
			got, err := csv.NewReader(bytes.NewReader(line)).Read()
			if err != nil {
				t.Fatalf("%v in %q", err, line)
			}
			want := csvWant(fields, &e)
			for i := range want { // encoding/csv turns CR LF within quotes into LF
				want[i] = strings.ReplaceAll(want[i], "\r\n", "\n")
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("got  %q\nwant %q\nfrom %q", got, want, line)
			}
		}
	}
}

func TestCSVInPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here, whose csv module would be the judge")
	}
	r := rand.New(rand.NewPCG(9, 10))
	enc := newCSV(schema.Fields, "", false)
	file := enc.header(nil)
	var want [][]string
	for range 200 {
		e := randomEvent(r)
		row := csvWant(schema.Fields, &e)
		if strings.Contains(strings.Join(row, ""), "\x00") {
			continue // Python before 3.11 reads no NUL
		}
		file = enc.record(file, &e)
		want = append(want, row)
	}
	cmd := exec.Command(python, "-c", `import csv,io,json,sys
print(json.dumps(list(csv.reader(io.StringIO(sys.stdin.buffer.read().decode(), newline=''), strict=True))))`)
	cmd.Stdin = bytes.NewReader(file)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want)+1 || !slices.EqualFunc(got[0], schema.Fields, func(name string, f *event.Field) bool { return name == f.Name }) || !reflect.DeepEqual(got[1:], want) {
		t.Errorf("python read %d records, want %d with the same cells", len(got)-1, len(want))
	}
}

// Whatever stands in a text, a line of the table is one line, obeys the width and has nothing a terminal obeys.
func TestTableIsSafe(t *testing.T) {
	var hostile []string
	for r := range rune(0x3000) {
		hostile = append(hostile, "x"+string(r)+"y")
	}
	hostile = append(hostile, "\xff\xfe", "\u202eabc", "\U000e0041", "é"+strings.Repeat("\u0301", 50), strings.Repeat("漢", 100), "\x1b[2J", "a\r\nb")
	for _, width := range []int{40, 80, 137, 200} {
		tab := newTable(selection{drop: map[string]bool{}}, schema, Config{Width: width})
		csvEnc := newCSV([]*event.Field{schema.Lookup("process")}, "", true)
		for _, s := range hostile {
			e := full()
			e.Proc = &event.Proc{Name: s, PID: 4194304}
			e.App = &event.App{Name: s, Host: s, HostSource: event.HostBySNI}
			line := string(tab.record(nil, &e))
			body := strings.TrimSuffix(line, "\n")
			if body == line || textWidth([]byte(body)) > max(width, 43) {
				t.Fatalf("%q at %d: %d columns: %q", s, width, textWidth([]byte(body)), line)
			}
			cell := strings.TrimSuffix(string(csvEnc.record(nil, &e)), "\r\n")
			for _, c := range body + cell {
				if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) || unicode.Is(unicode.Cf, c) || c == utf8.RuneError {
					t.Fatalf("%q is shown as %q and %q", s, body, cell)
				}
			}
		}
	}
}

func TestTableRepeatsHeader(t *testing.T) {
	events := make([]event.Event, 12)
	for i := range events {
		events[i] = full()
	}
	got, _ := write(t, Config{Width: 80, Height: 6, Fields: []string{"event"}}, events...)
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	for i, l := range lines {
		if (i%5 == 0) != (l == "EVENT") {
			t.Fatalf("line %d is %q", i+1, l)
		}
	}
}

func TestHumanNumbers(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1.0K", 9999: "9.9K", 10000: "10K", 999_999: "999K", 1_000_000: "1.0M",
		1_250_000: "1.2M", 999_999_999: "999M", 45_200_123_000: "45G", 1 << 63: "9.2E"} {
		if got := string(AppendBytes(nil, n)); got != want || len(got) > 4 {
			t.Errorf("AppendBytes(%d): got %s, want %s", n, got, want)
		}
	}
	for ms, want := range map[int64]string{0: "0ms", 999: "999ms", 1000: "1.0s", 59_949: "59.9s", 60_000: "1m00s", 3_599_999: "59m59s", 3600_000: "1h00m",
		359_999_000: "99h59m", 360_000_000: "4d04h", 365 * 86400_000: "365d00h"} {
		if got := string(appendDuration(nil, ms)); got != want || len(got) > 8 {
			t.Errorf("duration of %d ms: got %s, want %s", ms, got, want)
		}
	}
}

func TestEncodersDoNotAllocate(t *testing.T) {
	cases := map[string]encoder{
		JSON:             newJSON(schema.Fields, ""),
		CSV:              newCSV(schema.Fields[:30], "", false),
		Table:            newTable(selection{drop: map[string]bool{}}, schema, Config{Width: 80}),
		"table of names": newTable(selection{drop: map[string]bool{}}, schema, Config{Width: 200, Color: "always"}),
	}
	e := full()
	buf := make([]byte, 0, 8192)
	for name, enc := range cases {
		if n := testing.AllocsPerRun(1000, func() {
			e.TS += 1e8
			buf = enc.record(buf[:0], &e)
		}); n != 0 {
			t.Errorf("%s allocates %v times per event, want 0", name, n)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	e := full()
	var forty []*event.Field // as many as the budget speaks of, all of them there
	for _, f := range schema.Fields {
		if len(forty) < 40 && value(f, &e) != nil {
			forty = append(forty, f)
		}
	}
	for name, enc := range map[string]encoder{"json of 40": newJSON(forty, ""), "json": newJSON(schema.Fields, ""), "csv": newCSV(schema.Fields, "", false),
		"table": newTable(selection{drop: map[string]bool{}}, schema, Config{Width: 200})} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 8192)
			b.ReportAllocs()
			for b.Loop() {
				e.TS += 1e6
				buf = enc.record(buf[:0], &e)
			}
			if strings.HasPrefix(name, "json") {
				b.ReportMetric(float64(len(decodeAny(b, buf))), "fields")
			}
		})
	}
}

func decodeAny(b *testing.B, line []byte) (m map[string]any) {
	if err := json.Unmarshal(line, &m); err != nil {
		b.Fatal(err)
	}
	return m
}

func TestWriteFields(t *testing.T) {
	var table, asJSON, markdown strings.Builder
	for format, w := range map[string]io.Writer{"table": &table, "json": &asJSON, "markdown": &markdown} {
		if err := WriteFields(w, schema, format, 0); err != nil {
			t.Fatal(err)
		}
	}
	lines := json.NewDecoder(strings.NewReader(asJSON.String()))
	for _, f := range schema.Fields {
		var d struct{ Name, Type, Unit, Group, Doc string }
		if err := lines.Decode(&d); err != nil {
			t.Fatalf("json, field %s: %v", f.Name, err)
		}
		if d.Name != f.Name || d.Type != f.Type.String() || d.Unit != f.Unit || d.Group != f.Group || d.Doc != f.Doc {
			t.Errorf("json says of %s: %+v", f.Name, d)
		}
		if !strings.Contains(table.String(), "\n  "+f.Name+" ") || !strings.Contains(table.String(), f.Doc+"\n") {
			t.Errorf("the table lacks %s", f.Name)
		}
		if !strings.Contains(markdown.String(), "\n| `"+f.Name+"` | "+f.Type.String()) {
			t.Errorf("the markdown lacks %s", f.Name)
		}
	}
	if lines.More() {
		t.Error("json: more fields than the schema has")
	}
	if err := WriteFields(io.Discard, schema, "yaml", 0); err == nil {
		t.Error("format yaml: no error")
	}
	for _, width := range []int{40, 80, 132, 1000} {
		var filled strings.Builder
		if err := WriteFields(&filled, schema, "table", width); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(filled.String()) {
			if n := utf8.RuneCountInString(line) - 1; n > width {
				t.Errorf("%d columns of %d: %s", n, width, line)
			}
		}
		if got, want := strings.Fields(filled.String()), strings.Fields(table.String()); !slices.Equal(got, want) {
			t.Errorf("%d columns wide the table has other words than without a width", width)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"1": 1, "500000": 500000, "64K": 65536, "1.5k": 1536, "0": 0, "100M": 100 << 20, "2GB": 2e9, "3 MiB": 3 << 20} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q: got %d, %v, want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "-1", "K", "10X", "1e40", "nan", "inf", "0.1"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: got %d", text, s)
		}
	}
}
