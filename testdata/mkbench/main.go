// Command mkbench writes the large capture that rustnet is measured with: connections of the
// project's own captures and generated ones, with fresh addresses, ports, names and checksums,
// interleaved as on a busy link. The same flags and captures give the same bytes.
package main

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"time"
)

var be = binary.BigEndian

func main() {
	out := flag.String("o", "", "`file` to write, - for stdout")
	packets := flag.Int("packets", 1_000_000, "how many packets")
	seed := flag.Uint64("seed", 1, "another seed gives other traffic of the same kind")
	shape := flag.String("shape", "mix", "mix, elephant, synflood, dnsflood, udprandom, http or keepalive")
	dir := flag.String("dir", "testdata", "folder of the captures that mix replicates")
	rate := flag.Float64("rate", 2000, "new connections a second, on average")
	flag.Parse()
	if err := run(*out, *packets, *seed, *shape, *dir, *rate); err != nil {
		fmt.Fprintln(os.Stderr, "mkbench:", err)
		os.Exit(1)
	}
}

func run(out string, packets int, seed uint64, shape, dir string, rate float64) error {
	if out == "" {
		return fmt.Errorf("no output file (say -o FILE, or -o - for stdout)")
	}
	if packets < 1 || rate <= 0 {
		return fmt.Errorf("-packets and -rate must be greater than 0")
	}
	began := time.Now()
	t := &traffic{rnd: rng{seed}, rate: rate, limit: packets}
	if err := t.choose(shape, dir); err != nil {
		return err
	}
	f := os.Stdout
	if out != "-" {
		var err error
		if f, err = os.Create(out); err != nil {
			return err
		}
	}
	w := &writer{Writer: bufio.NewWriterSize(f, 1<<20), kinds: map[string]*tally{}}
	w.header()
	t.run(w)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	w.report(os.Stderr, t.now-startTime, time.Since(began))
	return nil
}

// tally is what one kind of connection came to.
type tally struct{ connections, packets, bytes int }

type writer struct {
	*bufio.Writer
	kinds          map[string]*tally
	packets, bytes int
	six            int
}

func (w *writer) header() {
	b := make([]byte, 24)
	le := binary.LittleEndian
	le.PutUint32(b, 0xa1b2c3d4)
	le.PutUint16(b[4:], 2)
	le.PutUint16(b[6:], 4)
	le.PutUint32(b[16:], 262144)
	le.PutUint32(b[20:], 1)
	w.Write(b)
}

// packet writes one record; errors wait for Flush.
func (w *writer) packet(ns int64, frame []byte) {
	var h [16]byte
	le := binary.LittleEndian
	le.PutUint32(h[:], uint32(ns/1e9))
	le.PutUint32(h[4:], uint32(ns%1e9/1000))
	le.PutUint32(h[8:], uint32(len(frame)))
	le.PutUint32(h[12:], uint32(len(frame)))
	w.Write(h[:])
	w.Write(frame)
	w.packets++
	w.bytes += len(frame)
	if frame[12] == 0x86 {
		w.six++
	}
}

func (w *writer) tally(kind string) *tally {
	t := w.kinds[kind]
	if t == nil {
		t = &tally{}
		w.kinds[kind] = t
	}
	return t
}

func (w *writer) report(to io.Writer, span int64, took time.Duration) {
	names, all := []string{}, 0
	for k, t := range w.kinds {
		names, all = append(names, k), all+t.connections
	}
	sort.Strings(names)
	fmt.Fprintf(to, "%-24s %12s %12s %14s\n", "kind", "connections", "packets", "bytes")
	for _, k := range names {
		t := w.kinds[k]
		fmt.Fprintf(to, "%-24s %12d %12d %14d\n", k, t.connections, t.packets, t.bytes)
	}
	fmt.Fprintf(to, "%-24s %12d %12d %14d\n", "all", all, w.packets, w.bytes)
	fmt.Fprintf(to, "%.1f packets a connection, %.0f bytes a packet, %.0f %% IPv6, %.1f s of traffic, made in %.1f s\n",
		float64(w.packets)/float64(all), float64(w.bytes)/float64(w.packets), 100*float64(w.six)/float64(w.packets),
		float64(span)/1e9, took.Seconds())
}

// rng is splitmix64: small, and the same for ever, which math/rand does not promise.
type rng struct{ s uint64 }

func (r *rng) next() uint64 {
	r.s += 0x9e3779b97f4a7c15
	z := r.s
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (r *rng) intn(n int) int       { return int(r.next() % uint64(n)) }
func (r *rng) float() float64       { return float64(r.next()>>11) / (1 << 53) }
func (r *rng) between(a, b int) int { return a + r.intn(b-a+1) }

func (r *rng) fill(b []byte) {
	for i := range b {
		if i%8 == 0 {
			x := r.next()
			for j := i; j < len(b) && j < i+8; j++ {
				b[j] = byte(x)
				x >>= 8
			}
		}
	}
}
