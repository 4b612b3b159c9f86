package alert

import (
	"bufio"
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

// knowledge is what programs usually do. It can be kept in a file from run to run.
type knowledge struct {
	path   string
	learn  int64 // how long is learned before anything is told
	names  names
	since  int64 // when learning began; 0 = it did not
	habits *lru[habit]
	dirty  bool
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

// head is the first line of the file.
type head struct {
	Learned int   `json:"rustnet_learned"` // version of the format
	Since   int64 `json:"since"`
}

const formatVersion = 1

// openKnowledge reads the file, which may not be there yet, and sees to it that it can be written.
func openKnowledge(path string, learn int64, n names) (*knowledge, error) {
	k := &knowledge{path: path, learn: learn, names: n, habits: newLRU[habit](habitsMax)}
	if path == "" {
		return k, nil
	}
	info, err := os.Stat(path)
	switch {
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
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--learned %s: %w", path, cause(err))
	}
	k.dirty = true
	return k, k.save()
}

func (k *knowledge) load() error {
	f, err := os.Open(k.path)
	if err != nil {
		return err
	}
	defer f.Close()
	return k.read(f)
}

// read takes what a file says.
func (k *knowledge) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), lineMax)
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			var h head
			if err := json.Unmarshal(lines.Bytes(), &h); err != nil || h.Learned == 0 {
				return errors.New("it is not what rustnet has learned (name another file)")
			}
			if h.Learned > formatVersion {
				return fmt.Errorf("it is of a later version of rustnet (format %d)", h.Learned)
			}
			k.since = h.Since
			continue
		}
		var h habit
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if h.Kind == "" || max(len(h.Kind), len(h.Program), len(h.Value)) > textMax || !(h.N >= 0 && h.N < 1e15 && math.Abs(h.Mean) < 100 && h.M2 >= 0) {
			return fmt.Errorf("line %d is no habit", n)
		}
		to, _ := k.habits.get(k.key(h.Kind, k.names.program(h.Program), k.names.value(h.Kind, h.Value)))
		*to = h
	}
	return lines.Err()
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
	if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), k.path); err != nil {
		return err
	}
	k.dirty = false
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
	return err
}

// cause takes the file's name out of an error of the system.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// key is that of a habit: of whom, and of what.
func (k *knowledge) key(kind string, who, what uint64) uint64 {
	return mix(k.names.hash(kind), who, what)
}

// program gives what seen.who is of a program's name, or of the address that stands for one.
func (n names) program(text string) uint64 {
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
