package pcapfilter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var (
	randoms = flag.Int("randoms", 20, "how many random expressions are compared with tcpdump")
	seed    = flag.Uint64("seed", 1, "of the random expressions")
)

var (
	update = flag.Bool("update", false, "write testdata/golden.txt from what tcpdump does")
	all    = flag.Bool("all", false, "compare every expression with the tcpdump that is installed: three thousand runs of it")
)

func expressions(t testing.TB) []string {
	raw, err := os.ReadFile("testdata/expressions.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\n")
		if line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	return append(list, "")
}

// refused is what stands for the packets of an expression that does not compile.
const refused = "refused"

// ourResult lists the numbers of the packets that pass, as ranges, or refused.
func ourResult(expr string, o Options, packets []packet) (string, error) {
	p, err := Compile(expr, o)
	if err != nil {
		return refused, err
	}
	var hits []int
	for i, pk := range packets {
		if p.match(pk.data, pk.wireLen, 0, false) {
			hits = append(hits, i)
		}
	}
	return ranges(hits), nil
}

func ranges(n []int) string {
	var b strings.Builder
	for i := 0; i < len(n); {
		j := i
		for j+1 < len(n) && n[j+1] == n[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		if b.WriteString(strconv.Itoa(n[i])); j > i {
			b.WriteString("-" + strconv.Itoa(n[j]))
		}
		i = j + 1
	}
	return b.String()
}

// golden answers from tcpdump, by link name and expression.
type golden map[string]map[string]string

func readGolden(t *testing.T) golden {
	raw, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	g := golden{}
	for line := range strings.Lines(string(raw)) {
		f := strings.SplitN(strings.TrimRight(line, "\n"), "\t", 3)
		if len(f) != 3 {
			continue
		}
		if g[f[0]] == nil {
			g[f[0]] = map[string]string{}
		}
		g[f[0]][f[1]] = f[2]
	}
	return g
}

// fixedNames are the system tables as they were where golden.txt was made.
var fixedNames = Resolver{
	Port: func(proto, name string) (uint16, bool) {
		s, ok := wellKnownPorts[name]
		if !ok || proto == "tcp" && s.udpOnly || proto == "udp" && s.tcpOnly {
			return 0, false
		}
		return s.port, true
	},
	Proto: func(name string) (uint8, bool) { n, ok := wellKnownProtos[name]; return n, ok },
	Net: func(name string) (uint32, uint32, bool) {
		return 127 << 24, 0xffffffff, name == "loopback"
	},
	Ether: func(string) (mac [6]byte, ok bool) { return mac, false },
	Host:  nil, // the table has no host names
}

// TestGolden compares with what tcpdump answered when testdata/golden.txt was written.
func TestGolden(t *testing.T) {
	if *update {
		t.Skip("golden.txt is being written")
	}
	want := readGolden(t)
	exprs := expressions(t)
	for _, l := range testLinks {
		t.Run(l.name, func(t *testing.T) {
			packets := packetsFor(l.link)
			for _, expr := range exprs {
				w, ok := want[l.name][expr]
				if !ok {
					t.Errorf("%q is not in golden.txt; run go test -update", expr)
					continue
				}
				got, err := ourResult(expr, Options{Link: l.link, Resolver: fixedNames}, packets)
				if got != w {
					t.Errorf("%q: got packets %s (%v), want %s", expr, got, err, w)
				}
			}
		})
	}
}

// TestTcpdump compares with the tcpdump that is installed: which expressions it takes, and which packets pass. One in
// twenty, each link type with others, as golden.txt has what tcpdump says of all.
func TestTcpdump(t *testing.T) {
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil && *update {
		t.Fatal("golden.txt is what tcpdump says, which is not installed")
	}
	if err != nil {
		t.Skip("tcpdump is not installed, so only the golden answers are compared")
	}
	if testing.Short() {
		t.Skip("thousands of runs of tcpdump are not short")
	}
	exprs := expressions(t)
	const each = 20
	answers, packets := askAll(t, tcpdump, exprs, func(l, i int) bool { return *update || *all || (i+l)%each == 0 })
	if *update {
		writeGolden(t, exprs, answers)
	}
	compareAll(t, answers, packets)
}

// TestTcpdumpRandom is TestTcpdump with expressions put together by chance, the same at every run.
func TestTcpdumpRandom(t *testing.T) {
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip("tcpdump is not installed, so only the golden answers are compared")
	}
	if testing.Short() {
		t.Skip("hundreds of runs of tcpdump are not short")
	}
	var parts []string
	for _, e := range expressions(t) {
		_, err := Compile(e, Options{Link: testLinks[0].link})
		// libpcap works out constants too late to draw conclusions from them, and it does not
		// optimise at all where these words are.
		odd := regexp.MustCompile(`geneve|protochain|^\(?[-0-9]|\(\(1|\* 0|& 0|^$`).MatchString(e)
		if err == nil && !odd {
			parts = append(parts, e)
		}
	}
	rnd := rand.New(rand.NewPCG(*seed, 2))
	var random func(depth int) string
	random = func(depth int) string {
		if depth == 0 || rnd.IntN(4) == 0 {
			return parts[rnd.IntN(len(parts))]
		}
		l, r := random(depth-1), random(depth-1)
		if rnd.IntN(3) == 0 {
			l = "not (" + l + ")"
		}
		if rnd.IntN(2) == 0 {
			r = "(" + r + ")"
		}
		return l + []string{" and ", " or "}[rnd.IntN(2)] + r
	}
	var exprs []string
	for range *randoms {
		exprs = append(exprs, random(3))
	}
	answers, packets := askAll(t, tcpdump, exprs, func(int, int) bool { return true })
	compareAll(t, answers, packets)
}

// askAll asks tcpdump about the expressions and link types, by number, that are wanted.
func askAll(t *testing.T, tcpdump string, exprs []string, wanted func(l, i int) bool) (answers []map[string]string, packets [][]packet) {
	dir := t.TempDir()
	type job struct {
		l    int
		expr string
	}
	jobs := make(chan job)
	answers = make([]map[string]string, len(testLinks))
	packets = make([][]packet, len(testLinks))
	var mu sync.Mutex
	var wg sync.WaitGroup
	file := func(l int) string { return filepath.Join(dir, testLinks[l].name+".pcap") }
	for l, link := range testLinks {
		answers[l], packets[l] = map[string]string{}, packetsFor(link.link)
		if err := os.WriteFile(file(l), pcapFile(uint32(link.link), packets[l]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for j := range jobs {
				a, err := askTcpdump(tcpdump, file(j.l), j.expr)
				if err != nil {
					t.Errorf("%s, %q: %v", testLinks[j.l].name, j.expr, err)
				}
				mu.Lock()
				answers[j.l][j.expr] = a
				mu.Unlock()
			}
		})
	}
	for l := range testLinks {
		for i, e := range exprs {
			if wanted(l, i) {
				jobs <- job{l, e}
			}
		}
	}
	close(jobs)
	wg.Wait()
	return answers, packets
}

func compareAll(t *testing.T, answers []map[string]string, packets [][]packet) {
	t.Helper()
	for l, link := range testLinks {
		for e, want := range answers[l] {
			got, err := ourResult(e, Options{Link: link.link}, packets[l])
			if got != want {
				t.Errorf("%s, %q:\n got packets %s (%v)\nwant packets %s", link.name, e, got, err, want)
			}
		}
	}
}

func writeGolden(t *testing.T, exprs []string, answers []map[string]string) {
	var b bytes.Buffer
	b.WriteString("# Link type, expression, and which packets of packets_test.go tcpdump took. Made by go test -update.\n")
	for l, link := range testLinks {
		for _, e := range exprs {
			fmt.Fprintf(&b, "%s\t%s\t%s\n", link.name, e, answers[l][e])
		}
	}
	if err := os.WriteFile("testdata/golden.txt", b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// pcapFile writes packets with their numbers as seconds of their time.
func pcapFile(link uint32, packets []packet) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 262144)
	b = binary.LittleEndian.AppendUint32(b, link)
	for i, p := range packets {
		for _, v := range []uint32{uint32(i), 0, uint32(len(p.data)), p.wireLen} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		b = append(b, p.data...)
	}
	return b
}

// askTcpdump gives the numbers of the packets that tcpdump takes, or refused.
func askTcpdump(tcpdump, file, expr string) (string, error) {
	var out, stderr bytes.Buffer
	cmd := exec.Command(tcpdump, "-r", file, "-w", "-", "--", expr)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 && !strings.Contains(stderr.String(), "permission") {
			return refused, nil
		}
		return "", fmt.Errorf("%w: %s", err, stderr.String())
	}
	var hits []int
	b := out.Bytes()
	for b = b[24:]; len(b) >= 16; {
		hits = append(hits, int(binary.LittleEndian.Uint32(b)))
		b = b[16+binary.LittleEndian.Uint32(b[8:]):]
	}
	if !slices.IsSorted(hits) {
		return "", errors.New("tcpdump's output is out of order")
	}
	return ranges(hits), nil
}
