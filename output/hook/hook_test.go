//go:build unix

package hook

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rustnet/output"
	"rustnet/track/event"
)

var schema = event.NewSchema(nil)

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string // nil = refused
	}{
		{"notify", []string{"notify"}},
		{"  a  b\tc\n", []string{"a", "b", "c"}},
		{`a 'b  c' "d  'e'" f\ g`, []string{"a", "b  c", "d  'e'", "f g"}},
		{`a "" ''`, []string{"a", "", ""}},
		{`a b"c"'d'`, []string{"a", "bcd"}},
		{`a "\"\\\$\x" '\'`, []string{"a", `"\$\x`, `\`}},
		{`a $HOME * ; rm`, []string{"a", "$HOME", "*", ";", "rm"}},
		{`ä "ö ü"`, []string{"ä", "ö ü"}},
		{"", nil}, {"  ", nil}, {`""`, nil}, {`a 'b`, nil}, {`a "b`, nil}, {`a \`, nil},
	} {
		got, err := split(tt.text)
		if (err == nil) != (tt.want != nil) || !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, %v, want %q", tt.text, got, err, tt.want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(`a 'b c' "d\"" \ `)
	f.Fuzz(func(t *testing.T, text string) {
		words, err := split(text)
		if err == nil && (len(words) == 0 || words[0] == "") {
			t.Errorf("%q: %q", text, words)
		}
	})
}

// said collects what people are told.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) warn(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, text)
}

func run(t *testing.T, cfg Config, live bool, kinds ...event.Kind) (*Hook, *said, time.Duration) {
	t.Helper()
	var s said
	if cfg.ExecMax == 0 {
		cfg.ExecMax = 4
	}
	if cfg.ExecTimeout == 0 {
		cfg.ExecTimeout = 60 * time.Second
	}
	h, err := New(cfg, output.Config{Spool: live}, schema, s.warn, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := make(chan *event.Batch, len(kinds))
	for i, k := range kinds {
		b := event.NewBatch(nil)
		b.Events = append(b.Events, event.Event{Kind: k, ID: uint64(i), TS: 1e18, Proto: 6, Proc: &event.Proc{PID: 7, Name: "a\x00b $(reboot) '\""}})
		in <- b
	}
	close(in)
	begin := time.Now()
	if err := h.run(context.Background(), in); err != nil {
		t.Fatal(err)
	}
	return h, &s, time.Since(begin)
}

// TestRecord: the command has the record on stdin and in its variables, and none of what stands in it is obeyed.
func TestRecord(t *testing.T) {
	t.Setenv("RUSTNET_FILTER", "ours")
	dir := t.TempDir()
	script := filepath.Join(dir, "x")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ncat > \"$1/$RUSTNET_ID.json\"\nenv > \"$1/$RUSTNET_ID.env\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	h, s, _ := run(t, Config{Exec: script + " '" + dir + "'"}, false, event.New, event.Alert, event.Closed, event.Alert)
	if r := h.Report(); r != "2 commands run" || len(s.lines) > 0 {
		t.Errorf("%s, %q", r, s.lines)
	}
	for _, id := range []string{"0000000000000001", "0000000000000003"} {
		text, err := os.ReadFile(filepath.Join(dir, id+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var r map[string]any
		if err := json.Unmarshal(text, &r); err != nil || r["event"] != "alert" || r["process"] != "a\x00b $(reboot) '\"" {
			t.Errorf("%v: %s", err, text)
		}
		env, err := os.ReadFile(filepath.Join(dir, id+".env"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"RUSTNET_EVENT=alert\n", "RUSTNET_PID=7\n", "RUSTNET_PROCESS=ab $(reboot) '\"\n", "RUSTNET_TS=2001-09-09T01:46:40.000000Z\n", "PATH="} {
			if !strings.Contains(string(env), want) {
				t.Errorf("no %q among\n%s", want, env)
			}
		}
		if strings.Contains(string(env), "RUSTNET_FILTER") {
			t.Error("our own settings are among the variables")
		}
	}
}

// TestBounds: never more at once than there may be, none for longer, and the end waits no longer than that.
func TestBounds(t *testing.T) {
	dir := t.TempDir()
	many := slices.Repeat([]event.Kind{event.New}, 30)
	cmd := fmt.Sprintf(`mkdir %[1]s/$RUSTNET_ID; ls %[1]s | wc -l >> %[1]s.count; sleep 0.02; rmdir %[1]s/$RUSTNET_ID`, dir)
	h, _, _ := run(t, Config{Exec: cmd, ExecShell: true, ExecOn: []string{"new"}, ExecMax: 3}, false, many...)
	counts, err := os.ReadFile(dir + ".count")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Fields(string(counts)); len(lines) != 30 || slices.ContainsFunc(lines, func(n string) bool { return n > "3" }) {
		t.Errorf("so many at once: %q", lines)
	}
	if r := h.Report(); r != "30 commands run" {
		t.Error(r)
	}

	h, s, took := run(t, Config{Exec: "sh -c 'sleep 600 & sleep 600'", ExecOn: []string{"new"}, ExecTimeout: 200 * time.Millisecond}, true, event.New)
	if r := h.Report(); r != "1 command run, 1 of them failed" || took > 60*time.Second || len(s.lines) != 1 || !strings.Contains(s.lines[0], "--exec-timeout") {
		t.Errorf("%s in %v, %q", r, took, s.lines)
	}

	flood := slices.Repeat([]event.Kind{event.New}, 2*queueMax)
	h, s, took = run(t, Config{Exec: "sleep 600", ExecOn: []string{"new"}, ExecMax: 1, ExecTimeout: 300 * time.Millisecond}, true, flood...)
	if n := h.ran.Load() + h.dropped.Load(); n != 2*queueMax || h.dropped.Load() < queueMax/2 || took > 60*time.Second {
		t.Errorf("%s in %v", h.Report(), took)
	}
	if len(s.lines) == 0 || len(s.lines) > 4+int(took/sayEvery) {
		t.Errorf("said %q", s.lines)
	}
}

// TestMeantForAShell: who forgets that nothing is expanded is told, and nobody else.
func TestMeantForAShell(t *testing.T) {
	for _, c := range []struct {
		exec  string
		shell bool
		want  string
	}{
		{`echo $RUSTNET_HOST`, false, "gets $RUSTNET_HOST as it stands"},
		{`echo "host ${RUSTNET_HOST}"`, false, "gets host ${RUSTNET_HOST} as it stands"},
		{`echo x | cat`, false, "gets | as it stands"},
		{`echo x >> log`, false, "gets >> as it stands"},
		{`echo "$RUSTNET_HOST" | cat`, true, ""},
		{`sh -c 'echo "$RUSTNET_HOST"'`, false, ""},
		{`echo 'for $5 & more'`, false, ""},
	} {
		said := ""
		if _, err := New(Config{Exec: c.exec, ExecShell: c.shell, ExecMax: 1, ExecTimeout: time.Second}, output.Config{Format: output.JSON}, schema, func(text string) { said += text }, nil); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(said, c.want) || c.want == "" && said != "" {
			t.Errorf("%s: said %q", c.exec, said)
		}
	}
}

func TestFailures(t *testing.T) {
	h, s, _ := run(t, Config{Exec: "false", ExecOn: []string{"new", "closed"}}, false, event.New, event.Closed, event.Updated)
	if r := h.Report(); r != "2 commands run, 2 of them failed" || len(s.lines) != 1 || !strings.Contains(s.lines[0], "exit status 1") {
		t.Errorf("%s, %q", r, s.lines)
	}
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{Exec: "/nonexistent/notify"}, "/nonexistent/notify"},
		{Config{Exec: "nonexistent-notify | cat"}, "--exec-shell"},
		{Config{Exec: "a '"}, "quotation"},
		{Config{Exec: "true", ExecOn: []string{"opened"}}, `"opened"`},
	} {
		if _, err := New(tt.cfg, output.Config{}, schema, nil, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt.cfg, err)
		}
	}
}

// TestAgain: somebody has to be told of an alert. Whether a command was run for another event that succeeded is its own affair.
func TestAgain(t *testing.T) {
	defer func(was []time.Duration) { again = was }(again)
	soon, late := []time.Duration{time.Millisecond, time.Millisecond}, []time.Duration{time.Hour}
	for _, tt := range []struct {
		name, cmd string
		live      bool
		kind      event.Kind
		again     []time.Duration
		runs      int // before the end
		report    string
	}{
		{"the third succeeds", "test $(wc -l < $RUNS) = 3", true, event.Alert, soon, 3, "3 commands run, 2 of them failed"},
		{"none succeeds", "false", true, event.Alert, soon, 3, "3 commands run, 3 of them failed, 1 alert given up"},
		{"at the end it is not waited for", "false", true, event.Alert, late, 1, "2 commands run, 2 of them failed, 1 alert given up"},
		{"another event", "false", true, event.New, soon, 1, "1 command run, 1 of them failed"},
		{"a file", "false", false, event.Alert, soon, 1, "1 command run, 1 of them failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			again = tt.again
			runs := filepath.Join(t.TempDir(), "runs")
			t.Setenv("RUNS", runs)
			var s said
			var gaveUp []*event.Verdict
			h, err := New(Config{Exec: "echo >> $RUNS; " + tt.cmd, ExecShell: true, ExecOn: []string{"alert", "new"}, ExecMax: 1, ExecTimeout: time.Minute},
				output.Config{Spool: tt.live}, schema, s.warn, func(v *event.Verdict) { gaveUp = append(gaveUp, v) })
			if err != nil {
				t.Fatal(err)
			}
			in, ended := make(chan *event.Batch, 1), make(chan error, 1)
			b, verdict := event.NewBatch(nil), &event.Verdict{Rule: "r"}
			b.Events = append(b.Events, event.Event{Kind: tt.kind, TS: 1e18, Verdict: verdict})
			in <- b
			go func() { ended <- h.run(context.Background(), in) }()
			for range 6000 {
				if h.ran.Load() >= uint64(tt.runs) {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(200 * time.Millisecond) // until it waits for its time
			close(in)
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if r := h.Report(); r != tt.report {
				t.Errorf("got %s, want %s", r, tt.report)
			}
			if want := tt.kind == event.Alert && tt.cmd == "false"; want != (len(gaveUp) == 1 && gaveUp[0] == verdict) {
				t.Errorf("gave up %v, want that: %v", gaveUp, want)
			}
		})
	}
}

// TestLeave: who is interrupted twice waits for no command, and leaves none behind that nobody ends.
func TestLeave(t *testing.T) {
	var s said
	begun := filepath.Join(t.TempDir(), "begun")
	h, err := New(Config{Exec: "sleep 600 & echo > " + begun + "; wait", ExecShell: true, ExecOn: []string{"new"}, ExecMax: 1, ExecTimeout: time.Hour}, output.Config{}, schema, s.warn, nil)
	if err != nil {
		t.Fatal(err)
	}
	in, ended := make(chan *event.Batch, 1), make(chan error, 1)
	b := event.NewBatch(nil)
	b.Events = append(b.Events, event.Event{Kind: event.New, TS: 1e18}, event.Event{Kind: event.New, TS: 1e18})
	in <- b
	close(in)
	go func() { ended <- h.run(context.Background(), in) }()
	for range 6000 {
		if _, err := os.Stat(begun); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.Leave()
	select {
	case err := <-ended: // the sleep has stderr, which is waited for until everybody has closed it
		if r := h.Report(); err != nil || r != "2 commands run, 2 of them failed" {
			t.Errorf("%v, %s", err, r)
		}
	case <-time.After(time.Minute):
		t.Error("a command still runs")
	}
}
