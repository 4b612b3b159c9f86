// Package pieces keeps records in a file that is cut into pieces by size and by time. A piece never holds
// half a record, whatever happens: a full disk, a kill, a rename by somebody else.
package pieces

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rustnet/output"
	"rustnet/track/event"
)

// Rotation is what a person decides about pieces.
type Rotation struct {
	RotateSize  output.Size   `placeholder:"SIZE" unset:"never" help:"Rename the file being written, adding a time to its name, before it grows beyond SIZE, e.g. 100M."`
	RotateEvery time.Duration `placeholder:"D" unset:"never" help:"Rename it at each multiple of D (UTC), by the times of the records."`
	RotateKeep  int           `placeholder:"N" unset:"all" help:"Keep the latest N renamed files (default all)."`
}

const (
	// atOnce is how much is collected before it is written. What a compressor gets at once is a block
	// that can be read by itself, so that the file is whole up to there.
	atOnce = 64 << 10
	// pendingMax is kept while the file cannot be written; records beyond it are lost.
	pendingMax = 1 << 20
	// patience is how long compressed records wait for more, as each block costs some bytes, and how
	// long a file that could not be written is left alone.
	patience = time.Second
	// halfMax is how far back the end of the last whole line of an existing file is looked for.
	halfMax = 1 << 20
)

// File is a file of records. Its methods may be called from any goroutine.
type File struct {
	path string
	cfg  Rotation
	live bool
	warn func(string)

	mu       sync.Mutex
	begins   func(dst []byte) []byte // appends what a file begins with
	sections bool                    // it is not of lines
	file     *os.File                // nil when it could not be opened again
	regular  bool
	size     int64  // of the file
	raw      []byte // whole records, for the next block
	pending  []byte // whole blocks, for the file
	unsaved  uint64 // records in raw and pending
	pack     compressor
	packed   bytes.Buffer
	member   bool      // the compressor is between beginning and end
	synced   time.Time // when the last block was made
	timer    *time.Timer

	begun   int64 // time of the first record of this piece, 0 = it has none
	until   int64 // the piece ends before a record of this time, 0 = never
	reached int64 // the latest time of a record
	named   int64 // microseconds: the time in the name of the latest piece
	period  *time.Timer
	wait    time.Time // no new attempt to rotate before

	failing error
	retry   time.Time
	closing error // what closing a file that was left said first
	closed  bool

	records, lost atomic.Uint64
	completed     atomic.Int64
}

// Stats is what became of the records.
type Stats struct {
	Records, Lost uint64 // written, and not
	Pieces        int64  // that were completed
}

type compressor interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

// existing is what a file of lines must begin with for more to be added: starts. Of what begins otherwise alike says whether it is of
// the same kind, as a CSV with other columns is.
type existing struct {
	starts []byte
	alike  func(line []byte) bool
}

// fits tells whether more can be added to the file.
func (e existing) fits(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("look at the beginning of the file, which is to be added to: %w", err)
	}
	defer f.Close()
	head := make([]byte, max(len(e.starts), 4<<10))
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return false, fmt.Errorf("look at the beginning of the file, which is to be added to: %w", err)
	}
	if head = head[:n]; bytes.HasPrefix(head, e.starts) {
		return true, nil
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	if e.alike != nil && e.alike(line) {
		return false, nil
	}
	return false, fmt.Errorf("%s is there already and holds something else, to which nothing can be added (name another file)", path)
}

// OpenSections opens a file of another form than lines, each piece of which is whole by itself: begins appends what one
// begins with. It is called again for each, before the first record that goes there is made. An existing file is put
// aside as a piece.
func OpenSections(path string, cfg Rotation, live bool, begins func(dst []byte) []byte, warn func(string)) (*File, error) {
	p, err := openFile(path, cfg, live, begins, existing{}, warn)
	if err == nil {
		p.begin()
	}
	return p, err
}

// openFile opens a file of lines, or with begins one of sections. It appends to lines that are there and begin as they should. What a
// killed writer left of a line is cut off; an existing compressed file, whose end may be missing, is put aside as a piece, as is one of
// the same kind that begins otherwise. All else is left as it is, and an error. With live, a piece ends when its time is over, else with
// the record that shows it. warn tells people what they should know.
func openFile(path string, cfg Rotation, live bool, begins func(dst []byte) []byte, there existing, warn func(string)) (*File, error) {
	p := &File{path: path, cfg: cfg, live: live, begins: begins, sections: begins != nil, warn: warn}
	var err error
	if p.pack, err = newCompressor(path); err != nil {
		return nil, err
	}
	if old := p.pieces(); len(old) > 0 {
		p.named = old[len(old)-1].micros
	}
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		p.begun = info.ModTime().UnixNano()
		goesOn := p.pack == nil && !p.sections
		if goesOn {
			if goesOn, err = there.fits(path); err != nil {
				return nil, err
			}
			if !goesOn {
				warn(path + " has other columns: it is put aside")
			}
		}
		if !goesOn {
			if err := p.putAside(); err != nil {
				return nil, err
			}
			p.begun = 0
		}
	}
	if err := p.open(); err != nil {
		return nil, err
	}
	if p.size > 0 {
		if err := p.cutHalf(); err != nil {
			p.file.Close()
			return nil, err
		}
		p.setPeriod()
	}
	return p, nil
}

const (
	appending = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	forGroup  = 0o640 // it names programs and their arguments: not for all
)

// open opens the file for appending.
func (p *File) open() error {
	f, err := openAppend(p.path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	p.file, p.regular, p.size = f, info.Mode().IsRegular(), 0
	if p.regular {
		p.size = info.Size()
	}
	return nil
}

// cutHalf cuts off what stands behind the last line end of an existing file.
func (p *File) cutHalf() error {
	f, err := os.Open(p.path)
	if err != nil {
		return fmt.Errorf("look at the end of the file, which is to be added to: %w", err)
	}
	defer f.Close()
	tail := make([]byte, min(p.size, halfMax))
	if _, err := f.ReadAt(tail, p.size-int64(len(tail))); err != nil {
		return fmt.Errorf("look at the end of the file, which is to be added to: %w", err)
	}
	half := len(tail) - 1 - bytes.LastIndexByte(tail, '\n')
	if half == len(tail) {
		return fmt.Errorf("%s is there, and is no file of lines that could be added to", p.path)
	}
	if half > 0 {
		if err := p.file.Truncate(p.size - int64(half)); err != nil {
			return fmt.Errorf("cut half a line off the end: %w", err)
		}
		p.size -= int64(half)
		p.warn(fmt.Sprintf("%s ended with half a line, which is cut off", p.path))
	}
	return nil
}

// SetHeader says what each file begins with. It comes before the first record.
func (p *File) SetHeader(header []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begins = func(dst []byte) []byte { return append(dst, header...) }
	p.begin()
}

// begin begins an empty file.
func (p *File) begin() {
	if p.begins != nil && (p.size == 0 || p.sections) {
		p.raw = p.begins(p.raw)
	}
}

// WriteRecord takes a record, whole, that happened at ts. It is false when there is no room for it, because
// the file cannot be written.
func (p *File) WriteRecord(record []byte, ts int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.room(len(record), ts) {
		return false
	}
	p.raw = append(p.raw, record...)
	p.took()
	return true
}

// MakeRecord takes a record of at most the given length that happened at ts; add appends it, when it is known which
// piece it is for. It is false, and add is not called, when there is no room for it.
func (p *File) MakeRecord(most int, ts int64, add func(dst []byte) []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.room(most, ts) {
		return false
	}
	p.raw = add(p.raw)
	p.took()
	return true
}

// room makes room for a record of n bytes, in the next piece where it belongs there.
func (p *File) room(n int, ts int64) bool {
	if p.failing != nil && len(p.raw)+len(p.pending)+n > pendingMax {
		if !time.Now().Before(p.retry) {
			p.sync()
		}
		if p.failing != nil {
			p.lost.Add(1)
			return false
		}
	}
	p.reached = max(p.reached, ts)
	if ts == 0 { // what was read back without times
		ts = p.reached
	}
	if p.full(n) || p.until != 0 && ts >= p.until {
		p.rotate()
	}
	if p.begun == 0 {
		p.begun = max(ts, 1)
		p.setPeriod()
	}
	return true
}

// took counts a record that was added.
func (p *File) took() {
	p.unsaved++
	if len(p.raw) >= atOnce {
		p.sync()
	}
}

// full tells whether the piece would be too large with n bytes more; of a compressed one, what is not yet
// a block counts nothing.
func (p *File) full(n int) bool {
	if p.cfg.RotateSize <= 0 || p.begun == 0 || !p.regular {
		return false
	}
	size := p.size + int64(len(p.pending))
	if p.pack == nil {
		return size+int64(len(p.raw)+n) > int64(p.cfg.RotateSize)
	}
	return size >= int64(p.cfg.RotateSize)
}

// setPeriod says when the piece ends that began with a record of begun.
func (p *File) setPeriod() {
	every := int64(p.cfg.RotateEvery)
	if every == 0 || !p.regular {
		return
	}
	p.until = (p.begun/every + 1) * every
	if !p.live {
		return
	}
	left := time.Until(time.Unix(0, p.until))
	if p.period != nil {
		p.period.Reset(left)
		return
	}
	p.period = time.AfterFunc(left, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.closed && p.until != 0 && time.Now().UnixNano() >= p.until {
			p.rotate()
		}
	})
}

// Flush writes what there is, compressed records a while later.
func (p *File) Flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(p.raw)+len(p.pending) == 0:
	case p.failing != nil && time.Now().Before(p.retry):
	case p.pack == nil:
		p.sync()
	case p.timer == nil:
		p.timer = time.AfterFunc(patience-min(patience, time.Since(p.synced)), func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.timer = nil
			if !p.closed {
				p.sync()
			}
		})
	}
}

// noticeCut begins the file anew where somebody has emptied it, as logrotate's copytruncate does: what would go on with what
// is gone could not be read.
func (p *File) noticeCut() {
	if p.file == nil || !p.regular || p.size == 0 {
		return
	}
	info, err := p.file.Stat()
	if err != nil || info.Size() >= p.size {
		return
	}
	p.size, p.begun, p.until, p.member = info.Size(), max(p.reached, 1), 0, false
	p.setPeriod()
	if p.sections {
		p.raw = p.raw[:0] // of the section that is gone
	}
	if len(p.pending) > 0 && p.pack != nil || p.sections {
		p.lost.Add(p.unsaved)
		p.pending, p.unsaved = p.pending[:0], 0
	}
	raw := slices.Clone(p.raw)
	p.raw = p.raw[:0]
	p.begin()
	p.raw = append(p.raw, raw...)
}

// sync makes a block of the records, and writes it.
func (p *File) sync() {
	p.noticeCut()
	if len(p.raw) > 0 {
		if p.pack == nil {
			p.pending = append(p.pending, p.raw...)
		} else {
			p.compress(false)
		}
		p.raw = p.raw[:0]
	}
	p.write()
}

// compress makes a block of raw, and with end the end of what can be uncompressed by itself.
func (p *File) compress(end bool) {
	if !p.member {
		p.packed.Reset()
		p.pack.Reset(&p.packed)
		p.member = true
	}
	// They write to memory, which does not fail.
	_, _ = p.pack.Write(p.raw)
	if end {
		_ = p.pack.Close()
		p.member = false
	} else {
		_ = p.pack.Flush()
		p.synced = time.Now()
	}
	p.raw = p.raw[:0]
	p.pending = append(p.pending, p.packed.Bytes()...)
	p.packed.Reset()
}

// finish writes all there is, so that the file is whole.
func (p *File) finish() {
	p.noticeCut()
	if p.pack != nil && (p.member || len(p.raw) > 0 || p.size == 0 && len(p.pending) == 0 && p.regular) {
		p.compress(true)
	}
	p.sync()
}

// write writes the blocks, all or none.
func (p *File) write() {
	if len(p.pending) == 0 {
		return
	}
	if p.file == nil {
		if err := p.open(); err != nil {
			p.fail(err)
			return
		}
	}
	n, err := p.file.Write(p.pending)
	if err != nil && n > 0 {
		if p.regular {
			err = errors.Join(err, p.takeBack(n))
		} else {
			p.pending = p.pending[:copy(p.pending, p.pending[n:])]
		}
	}
	if err != nil {
		p.fail(err)
		return
	}
	p.size += int64(n)
	p.records.Add(p.unsaved)
	p.pending, p.unsaved = p.pending[:0], 0
	if p.failing != nil {
		p.failing = nil
		p.warn(fmt.Sprintf("%s can be written again", p.path))
	}
}

// takeBack takes the last n bytes away again, which are half of something.
func (p *File) takeBack(n int) error {
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	return p.file.Truncate(max(0, info.Size()-int64(n)))
}

func (p *File) fail(err error) {
	p.retry = time.Now().Add(patience)
	if p.failing == nil {
		p.warn(fmt.Sprintf("write %s: %v; it is tried again, and what there is no room for until then is lost", p.path, output.Cause(err)))
	}
	p.failing = err
}

// Reopen lets go of the file, which somebody may have renamed, and opens its name again.
func (p *File) Reopen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.finish()
	was := p.file
	if err := p.open(); err != nil {
		p.warn(fmt.Sprintf("open %s again: %v; the file that was open stays", p.path, output.Cause(err)))
		return
	}
	same := false
	if was != nil {
		same = sameFile(was, p.file)
		p.end(was)
	}
	if same {
		return
	}
	if len(p.pending) > 0 && (p.pack != nil || p.sections) { // the rest of what stands in the other file
		p.lost.Add(p.unsaved)
		p.pending, p.unsaved = p.pending[:0], 0
	}
	p.begun, p.until = 0, 0
	if len(p.pending) == 0 {
		p.begin()
	}
}

func sameFile(a, b *os.File) bool {
	i, aerr := a.Stat()
	j, berr := b.Stat()
	return aerr == nil && berr == nil && os.SameFile(i, j)
}

// rotate completes the piece, and begins the next.
func (p *File) rotate() {
	if p.begun == 0 || !p.regular || time.Now().Before(p.wait) {
		return
	}
	p.finish()
	if len(p.pending) > 0 {
		p.wait = time.Now().Add(patience)
		return
	}
	p.end(p.file)
	p.file = nil
	err := p.putAside()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // somebody else took it
	}
	if err != nil {
		p.wait = time.Now().Add(time.Minute)
		p.warn(fmt.Sprintf("no new piece: %v", err))
	}
	if err := p.open(); err != nil {
		p.size = 0
		p.fail(err)
	}
	if err != nil {
		return
	}
	p.begun, p.until = 0, 0
	p.begin()
	p.prune()
}

// end closes a file that is left.
func (p *File) end(f *os.File) {
	if err := p.closeFile(f); err != nil {
		p.warn(err.Error())
	}
}

// closeFile keeps the first error for Close: some file systems say only now that there is no room.
func (p *File) closeFile(f *os.File) error {
	err := f.Close()
	if err != nil {
		err = fmt.Errorf("close %s: %w; what was written to it last may be missing", p.path, output.Cause(err))
		p.closing = cmp.Or(p.closing, err)
	}
	return err
}

// Close writes the rest and closes the file. Its error says what is missing in it.
func (p *File) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	for _, t := range []*time.Timer{p.timer, p.period} {
		if t != nil {
			t.Stop()
		}
	}
	p.finish()
	err := p.failing
	p.lost.Add(p.unsaved)
	p.unsaved = 0
	if p.file != nil {
		_ = p.closeFile(p.file) // told below, where nothing worse is
	}
	of := "record"
	if p.sections {
		of = "packet"
	}
	switch {
	case err == nil && p.lost.Load() == 0:
		return p.closing
	case err == nil:
		return fmt.Errorf("write %s: %s could not be written", p.path, event.Count(p.lost.Load(), of))
	}
	return fmt.Errorf("write %s: %w; %s could not be written", p.path, output.Cause(err), event.Count(p.lost.Load(), of))
}

// Stats may be asked at any time, also while a write hangs.
func (p *File) Stats() Stats {
	return Stats{p.records.Load(), p.lost.Load(), p.completed.Load()}
}

// A piece is named for its first record: conns-20260131T080000.000000Z.ndjson.gz.
const stamp = "20060102T150405.000000Z"

type piece struct {
	path   string
	micros int64
}

// split takes the endings off the file's name, that of a compression together with the one before it.
func (p *File) split() (stem, ending string) {
	stem = p.path
	for range 2 {
		ext := filepath.Ext(stem)
		if ext == "" || ext == filepath.Base(stem) {
			break
		}
		stem, ending = strings.TrimSuffix(stem, ext), ext+ending
		if ext != ".gz" && ext != ".zst" {
			break
		}
	}
	return stem, ending
}

// pieces are those that were completed, the oldest first.
func (p *File) pieces() []piece {
	stem, ending := p.split()
	entries, err := os.ReadDir(filepath.Dir(p.path))
	if err != nil {
		return nil
	}
	var all []piece
	for _, e := range entries {
		text, begins := strings.CutPrefix(e.Name(), filepath.Base(stem)+"-")
		text, ends := strings.CutSuffix(text, ending)
		if t, err := time.Parse(stamp, text); err == nil && begins && ends && e.Type().IsRegular() {
			all = append(all, piece{filepath.Join(filepath.Dir(p.path), e.Name()), t.UnixMicro()})
		}
	}
	slices.SortFunc(all, func(a, b piece) int { return strings.Compare(a.path, b.path) })
	return all
}

// putAside renames the file to what it is called as a piece; the order of names is that of the pieces.
func (p *File) putAside() error {
	stem, ending := p.split()
	for at := max(p.begun/1000, p.named+1); ; at++ {
		name := stem + "-" + time.UnixMicro(at).UTC().Format(stamp) + ending
		if _, err := os.Lstat(name); err == nil {
			continue
		}
		if err := os.Rename(p.path, name); err != nil {
			return err
		}
		p.named = at
		p.completed.Add(1)
		return nil
	}
}

// prune removes the oldest pieces.
func (p *File) prune() {
	if p.cfg.RotateKeep == 0 {
		return
	}
	all := p.pieces()
	for len(all) > p.cfg.RotateKeep {
		if err := os.Remove(all[0].path); err != nil {
			p.warn(err.Error())
		}
		all = all[1:]
	}
}

// ReopenOnSignal opens the file anew at each SIGHUP, until stop.
func (p *File) ReopenOnSignal() (stop func()) {
	again, stop := reopenSignal()
	go func() {
		for range again {
			p.Reopen()
		}
	}()
	return stop
}
