package alert

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// habitsMax bounds what is known; the habits that showed themselves least lately are forgotten.
const (
	habitsMax = 1 << 17
	saveEvery = 5 * time.Minute
	// textMax bounds each text of a habit, lineMax a line of the file.
	textMax = 1 << 12
	lineMax = 1 << 15
)

// knowledge is what programs usually do, and which alerts were told. It can be kept in a file from run to run. The file is
// replaced as a whole from time to time; alerts that are told meanwhile are added at its end, so that a run that is killed
// has told of them too.
type knowledge struct {
	path   string
	learn  int64 // how long is learned before anything is told
	names  names
	since  int64 // when learning began; 0 = it did not
	habits *lru[habit]
	told   *lru[throttle]
	dirty  bool

	tellings uint64 // how often somebody was told in this run

	held    *os.File // the file as it is, locked, where the system has locks
	added   int      // lines at its end since it was replaced
	lines   []byte   // to be added
	failing bool     // adding failed, and that was said
}

// habit is something that a program did: it talked to a host, or sent so much.
type habit struct {
	Kind    string `json:"habit"` // program host port country serves connection hour
	Program string `json:"program,omitempty"`
	Value   string `json:"value,omitempty"`
	First   int64  `json:"first"` // nanoseconds since the epoch
	Last    int64  `json:"last"`

	// Of amounts: the natural logarithms of bytes, by Welford's method.
	N    float64 `json:"n,omitempty"`
	Mean float64 `json:"mean,omitempty"`
	M2   float64 `json:"m2,omitempty"`

	open int64 // of hour: the one that is not over, as a number since the epoch
	sum  uint64
}

// throttle is when a rule told of a program and a remote end last, and how often it has held back since.
type throttle struct {
	last    int64
	held    uint64
	telling uint64 // which it was of this run's, 0 = of one before
	of      *about // only where it is kept
}

// about is what alerts are throttled by besides their rule: a program, or the address that stands for one, a host or an address, and the rest.
type about struct {
	Rule    string `json:"told"`
	Program string `json:"program,omitempty"`
	Host    string `json:"host,omitempty"`
	Address string `json:"address,omitempty"`
	Port    uint64 `json:"port,omitempty"`
	What    string `json:"what,omitempty"` // a protocol, a network
}

// tellLine is how the file has it.
type tellLine struct {
	about
	Last int64  `json:"last"`
	Held uint64 `json:"held,omitempty"`
}

// head is the first line of the file.
type head struct {
	Learned int   `json:"rustnet_learned"` // version of the format
	Since   int64 `json:"since"`
}

// formatVersion 1 had no lines of alerts.
const formatVersion = 2

// newKnowledge is that of nothing.
func newKnowledge(n names) *knowledge {
	return &knowledge{names: n, habits: newLRU[habit](habitsMax), told: newLRU[throttle](pairsMax)}
}

// openKnowledge reads the file, which may not be there yet, and sees to it that it can be written, and that nobody else does.
func openKnowledge(path string, learn int64, n names) (*knowledge, error) {
	k := newKnowledge(n)
	k.path, k.learn = path, learn
	if path == "" {
		return k, nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = k.load()
	case err != nil:
	case info.IsDir():
		err = errors.New("it is a directory")
	case !info.Mode().IsRegular(): // a file would be put in its place, also in that of /dev/null
		err = errors.New("it is no regular file")
	default:
		if real, err := filepath.EvalSymlinks(path); err == nil {
			k.path = real // a link stays one
		}
		err = k.load()
	}
	if err != nil {
		k.release()
		return nil, fmt.Errorf("--learned %s: %w", path, cause(err))
	}
	k.dirty = true
	if err := k.save(); err != nil {
		k.release()
		return nil, err
	}
	return k, nil
}

// load locks the file, which it makes where there is none, and reads it. One that was replaced before it was locked is somebody
// else's by now.
func (k *knowledge) load() error {
	for range 10 {
		f, err := os.Open(k.path)
		if errors.Is(err, fs.ErrNotExist) {
			f, err = os.OpenFile(k.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, fs.ErrExist) { // by now
				continue
			}
		}
		if err != nil {
			return err
		}
		k.held = f
		if err := lock(f); err != nil {
			return err
		}
		ours, err := f.Stat()
		if err != nil {
			return err
		}
		if there, err := os.Stat(k.path); err == nil && os.SameFile(ours, there) {
			return k.read(f)
		}
		k.release()
	}
	return errors.New("it is a link to nothing, or replaced again and again")
}

// release lets others have the file.
func (k *knowledge) release() {
	if k.held != nil {
		k.held.Close()
		k.held = nil
	}
}

// close keeps what there is to keep.
func (k *knowledge) close() error {
	err := k.save()
	k.release()
	return err
}

// read takes what a file says.
func (k *knowledge) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), lineMax)
	lines.Split(wholeLines)
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			var h head
			if err := json.Unmarshal(lines.Bytes(), &h); err != nil || h.Learned == 0 {
				return errors.New("it is not what rustnet has learned (name another file)")
			}
			if h.Learned > formatVersion {
				return fmt.Errorf("a later rustnet made it: its format is %d, this one knows %d (name another file)", h.Learned, formatVersion)
			}
			k.since = h.Since
			continue
		}
		var h struct {
			habit
			Rule    string `json:"told"`
			Host    string `json:"host"`
			Address string `json:"address"`
			Port    uint64 `json:"port"`
			What    string `json:"what"`
			Held    uint64 `json:"held"`
		}
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if h.Rule != "" {
			of := &about{h.Rule, h.Program, h.Host, h.Address, h.Port, h.What}
			if max(len(of.Rule), len(of.Program), len(of.Host), len(of.Address), len(of.What)) > textMax {
				return fmt.Errorf("line %d is of no alert", n)
			}
			t, _ := k.told.get(mix(k.names.hash(of.Rule), k.names.about(of)))
			*t = throttle{last: h.Last, held: h.Held, of: of}
			continue
		}
		if h.Kind == "" || max(len(h.Kind), len(h.Program), len(h.Value)) > textMax || !(h.N >= 0 && h.N < 1e15 && math.Abs(h.Mean) < 100 && h.M2 >= 0) {
			return fmt.Errorf("line %d is no habit", n)
		}
		to, _ := k.habits.get(k.key(h.Kind, k.names.program(h.Program), k.names.value(h.Kind, h.Value)))
		*to = h.habit
	}
	return lines.Err()
}

// wholeLines is bufio.ScanLines but for what stands behind the last line's end: a run was killed while it added that.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}

// save writes the file whole or not at all.
func (k *knowledge) save() (err error) {
	if k.path == "" || !k.dirty {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(k.path), "."+filepath.Base(k.path)+".*")
	if err != nil {
		return fmt.Errorf("--learned %s: %w", k.path, cause(err))
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("--learned %s: %w", k.path, cause(err))
		}
	}()
	w := bufio.NewWriterSize(f, 64<<10)
	if err := k.write(w); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), f.Sync()); err != nil {
		return err
	}
	if !locks {
		k.release() // open files are not replaced there
		if err := f.Close(); err != nil {
			return err
		}
	} else if err := lock(f); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), k.path); err != nil {
		return err
	}
	if locks {
		k.release()
		k.held = f
	}
	k.dirty, k.lines, k.added = false, k.lines[:0], 0
	return nil
}

// tell notes that an alert was told, and what it is throttled by.
func (k *knowledge) tell(t *throttle, rule string, of about) {
	if k.path == "" {
		return
	}
	for _, text := range []*string{&of.Program, &of.Host, &of.Address, &of.What} {
		*text = strings.Clone(clip(*text))
	}
	of.Rule = rule
	t.of, k.dirty = &of, true
	k.added++
	if line, err := json.Marshal(tellLine{of, t.last, t.held}); err == nil {
		k.lines = append(append(k.lines, line...), '\n')
	}
}

// untell keeps from the file what was told last in one of these.
func (k *knowledge) untell(tellings map[uint64]bool) {
	k.told.oldestFirst(func(t *throttle) {
		if t.of != nil && tellings[t.telling] {
			t.of, k.dirty = nil, true
		}
	})
}

// noteTold adds to the file what was told. An error is given once; save tries again.
func (k *knowledge) noteTold() error {
	if len(k.lines) == 0 {
		return nil
	}
	err := k.add()
	said := k.failing
	if k.failing = err != nil; said {
		return nil
	}
	return err
}

func (k *knowledge) add() error {
	defer func() { k.lines = k.lines[:0] }() // what was not added is in the next saving
	if k.failing || k.added > pairsMax {     // half a line may be there; or more lines than are remembered
		return k.save()
	}
	f, err := os.OpenFile(k.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil { // somebody took it away
		return k.save()
	}
	_, err = f.Write(k.lines)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("--learned %s: %w", k.path, cause(err))
	}
	return nil
}

// write writes the habits, those that showed themselves latest last.
func (k *knowledge) write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	err := enc.Encode(head{formatVersion, k.since})
	k.habits.oldestFirst(func(h *habit) {
		if err == nil {
			err = enc.Encode(h)
		}
	})
	k.told.oldestFirst(func(t *throttle) {
		if err == nil && t.of != nil {
			err = enc.Encode(tellLine{*t.of, t.last, t.held})
		}
	})
	return err
}

// cause takes the file's name out of an error of the system.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// key is that of a habit: of whom, and of what.
func (k *knowledge) key(kind string, who, what uint64) uint64 {
	return mix(k.names.hash(kind), who, what)
}

// about gives the key of what alerts are throttled by.
func (n names) about(of *about) uint64 {
	a, _ := netip.ParseAddr(of.Address) // that of no address is known too
	whom := n.addr(a)
	if of.Host != "" {
		whom = n.hash(of.Host)
	}
	key := mix(n.program(of.Program), whom)
	if of.Port != 0 || of.What != "" {
		key = mix(key, of.Port, n.hash(of.What))
	}
	return key
}

// program gives what seen.who is of a program's name, or of the address that stands for one.
func (n names) program(text string) uint64 {
	if text == "" {
		return n.addr(netip.Addr{})
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return n.addr(a)
	}
	return n.hash(text)
}

// value gives the key of a habit's value, 0 for none.
func (n names) value(kind, text string) uint64 {
	if text == "" {
		return 0
	}
	switch kind {
	case "port", "serves":
		proto, port, _ := strings.Cut(text, " ")
		number, _ := strconv.ParseUint(port, 10, 16)
		return n.port(proto, number)
	case "host":
		if p, err := netip.ParsePrefix(text); err == nil {
			return n.addr(p.Addr())
		}
	}
	return n.hash(text)
}

func (n names) port(proto string, port uint64) uint64 { return mix(n.hash(proto), port) }

// learning notes the time, and tells whether all is still to be learned.
func (k *knowledge) learning(ts int64) bool {
	if k.since == 0 {
		k.since = ts
	}
	return k.learn > 0 && ts-k.since < k.learn
}

// met notes that somebody did something, and tells whether it was the first time. Then the caller says in
// words who and what it was.
func (k *knowledge) met(kind string, who, what uint64, ts int64) (h *habit, first bool) {
	h, first = k.habits.get(k.key(kind, who, what))
	if first {
		*h = habit{Kind: kind, First: ts, Last: ts}
	}
	h.Last = max(h.Last, ts)
	k.dirty = true
	return h, first
}

// name says who and what it was. The texts may be part of something large that is not to be kept.
func (h *habit) name(program, value string) {
	h.Program, h.Value = strings.Clone(clip(program)), strings.Clone(clip(value))
}

func clip(s string) string { return s[:min(len(s), textMax)] }

// amounts below which a habit is not yet one.
const amountsLeast = 20

// add learns an amount, of which none counts for more than what is just unusual.
func (h *habit) add(bytes float64) {
	x := math.Log1p(bytes)
	if h.N >= amountsLeast {
		x = min(x, h.unusual())
	}
	// An old habit weighs no more than this many amounts, so that it follows what changes.
	h.N = min(h.N+1, 1000)
	d := x - h.Mean
	h.Mean += d / h.N
	h.M2 += d * (x - h.Mean)
	if h.N == 1000 {
		h.M2 *= 0.999
	}
}

// unusual is the logarithm of the least amount that is: four standard deviations above the mean. Those of
// what hardly varies are taken for more than they are.
func (h *habit) unusual() float64 { return h.Mean + 4*max(0.5, math.Sqrt(h.M2/h.N)) }
