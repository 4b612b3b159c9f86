package dpi

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"path"
	"runtime"
	"strings"
	"sync"

	"rustnet/track/event"
)

// Bounds that no configuration changes.
const (
	maxStarts    = 8       // segments of a direction whose start was not seen that are tried as a start
	maxDatagrams = 8       // datagrams of a direction that are tried before it is given up
	farAway      = 1 << 20 // a first segment so far from its SYN does not belong to it
	longRoom     = 4       // times MaxTotalBytes are what connections may have of long values
)

// Inspector inspects connections that share a bound of what may be kept of them.
type Inspector struct {
	store
	*common
	held, most int    // bytes of long values that connections have, and how many they may be
	LeftOut    uint64 // long values that there was no room for
}

// common is what the Inspectors of one goroutine share: what is the same for all, what is needed for the length of a
// question only, and what was worked out before. All of it stays in the processor's cache, however many they are.
type common struct {
	*finder
	cfg  Config
	max  int
	call call

	spares    spares
	flows     pool[Flow]
	opens     pool[[2]parserSet]
	dns       pool[dnsState]
	http      pool[httpState]
	tls       pool[tlsState]
	quic      pool[quicState]
	keyed     []*quicState // of the latest keys that were made; some may be another connection's by now, or have none
	keyedAt   uint
	names     names
	alpns     memo[[]string]
	hellos    memo[fingerprints]
	servers   memo[chosen]
	md5s      memo[string]
	sums      memo[[12]byte]
	certs     memo[*certificate]
	addresses memo[[]string]

	answer   *event.Answer // what the packet's DNS responses said
	expected []Expected    // what the packet arranged

	hash    []byte   // scratch of the fingerprints
	numbers []uint16 // likewise
	plain   []byte   // scratch: a packet without its protection
	message []byte   // scratch: a message that lies in several records
	list    []string // scratch of answers
	sawLong bool     // a long value was set
	steps   int      // that reading a message took so far, see dnsMaxSteps
}

// Flow is what is kept of a connection while it is inspected.
type Flow struct {
	app      *event.App
	state    any           // the parser's own, see forget
	open     *[2]parserSet // of each direction, those that have not said no; nil where none was asked in vain
	dir      [2]direction
	rtt      uint32
	long     uint32 // bytes of app's long values
	orig     uint16
	resp     uint16
	parser   uint8 // index + 1, 0 = none yet
	only     uint8 // index + 1 of the only parser there is for what has no ports, 0 = TCP or UDP
	client   uint8 // Side + 1, 0 = not known
	tcp      bool
	shared   bool // an event may point at app
	finished bool
	known    bool
	ended    bool
	proxied  bool // what is inside is addressed to somebody behind the other end
	headed   bool // what was understood is a header; what is behind it, and not known yet, gives the name
	Swapped  bool // the caller's
}

// view is one direction as a parser sees it.
type view struct {
	b []byte
	// gap: bytes behind b are missing for good. What can not be judged without them never will be.
	gap   bool
	fin   bool // nothing follows b
	whole bool // the direction was seen from its first byte on

	gapLen   uint64 // how many are missing, where it is known
	borrowed bool   // b is the packet's, not the buffer's
}

// call is one question to a parser.
type call struct {
	*Inspector
	f    *Flow // nil between questions
	side Side  // whose bytes came
	ts   int64
	view [2]view
	res  Result
}

// NewInspectors makes the Inspectors of one goroutine. Each keeps MaxTotalBytes at most.
func NewInspectors(cfg Config, n int) []Inspector {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 16 << 10
	}
	if cfg.MaxTotalBytes <= 0 {
		cfg.MaxTotalBytes = 32 << 20
	}
	seed := maphash.MakeSeed()
	c := &common{finder: theFinder(), cfg: cfg, max: cfg.MaxBytes, names: names{seed: seed},
		alpns: newMemo[[]string](seed, 64, 256), hellos: newMemo[fingerprints](seed, 512, 1<<10), servers: newMemo[chosen](seed, 256, 1<<8), md5s: newMemo[string](seed, 256, 1<<10),
		sums: newMemo[[12]byte](seed, 256, 1<<10), certs: newMemo[*certificate](seed, 64, tlsMaxLeaf), addresses: newMemo[[]string](seed, 256, 64)}
	all := make([]Inspector, n)
	for i := range all {
		all[i] = Inspector{store: store{spares: &c.spares, room: cfg.MaxTotalBytes}, common: c, most: longRoom * min(cfg.MaxTotalBytes, math.MaxInt/longRoom)}
	}
	c.call.Inspector = &all[0]
	return all
}

// finder says which parsers to ask. All Inspectors share it, so that it stays in the processor's cache; what every
// question needs of the table is there once more, close together.
type finder struct {
	first    [2][256]parserSet // parsers that a first byte can belong to, over UDP and TCP
	page     [256]uint8        // place of a port's page in pages by its upper byte; the first is of ports that say nothing
	pages    [][256]uint16     // place of a port's parsers in hints by its lower byte
	hints    []parserSet       // the first is of ports that say nothing
	index    map[string]uint8
	portless map[uint16]uint8 // the parser's index + 1 for each protocol without ports
	udp      parserSet        // parsers of datagrams
	parse    [3][]parseFunc   // by what the connection runs over, then as in the table
	gates    [3][]gate        // by what the connection runs over, then as in the table
	texts    parserSet        // over TCP, those whose directions begin with text
	asked    parserSet        // likewise, of the end that opened the connection
	own      parserSet        // over UDP, those that need one of their ports
	limit    []uint32         // Follow, as in the table
}

// gate is what a direction must have before a parser is asked about it.
type gate struct {
	zeros uint64 // bits that are not set in its first eight bytes
	min   int    // bytes; a datagram that is shorter is no answer, as a keep-alive's byte is none: the next one may be
}

func (f *finder) byPort(port uint16) *parserSet { return &f.hints[*f.hint(port)] }

func (f *finder) hint(port uint16) *uint16 { return &f.pages[f.page[port>>8]][port&0xff] }

var theFinder = sync.OnceValue(func() *finder {
	if len(table) > 64*len(parserSet{}) {
		panic("dpi: more parsers than a parserSet holds; widen it")
	}
	f := &finder{pages: make([][256]uint16, 1), hints: make([]parserSet, 1), index: map[string]uint8{}, portless: portless}
	for i := range table {
		p := &table[i]
		f.index[p.Name] = uint8(i)
		f.limit = append(f.limit, p.Follow)
		f.gates[overUDP] = append(f.gates[overUDP], gate{p.UDPZeros, p.Min})
		f.gates[overTCP] = append(f.gates[overTCP], gate{p.TCPZeros, 0})
		f.gates[overNone] = append(f.gates[overNone], gate{0, p.Min})
		if p.Text {
			f.texts.add(i)
		}
		if p.Asked {
			f.asked.add(i)
		}
		if p.Own {
			f.own.add(i)
		}
		f.parse[overUDP] = append(f.parse[overUDP], p.UDP)
		f.parse[overTCP] = append(f.parse[overTCP], p.TCP)
		f.parse[overNone] = append(f.parse[overNone], p.Over)
		for _, port := range p.Ports {
			if page := &f.page[port>>8]; *page == 0 {
				*page = uint8(len(f.pages))
				f.pages = append(f.pages, [256]uint16{})
			}
			if hint := f.hint(port); *hint == 0 {
				*hint = uint16(len(f.hints))
				f.hints = append(f.hints, parserSet{})
			}
			f.byPort(port).add(i)
		}
		for b := range 256 {
			if p.First != nil && !p.First.has(byte(b)) {
				continue
			}
			if p.UDP != nil {
				f.udp.add(i)
				f.first[overUDP][b].add(i)
			}
			if p.TCP != nil && (p.Stream == nil || p.Stream.has(byte(b))) {
				f.first[overTCP][b].add(i)
			}
		}
	}
	return f
})

// What a connection runs over.
const (
	overUDP = iota
	overTCP
	overNone // IP or a link
)

func (f *Flow) over() int {
	switch {
	case f.tcp:
		return overTCP
	case f.only != 0:
		return overNone
	}
	return overUDP
}

// NewFlow begins the inspection of a connection.
func (in *Inspector) NewFlow(tcp bool, origPort, respPort uint16) *Flow {
	f := in.flows.get()
	f.tcp, f.orig, f.resp = tcp, origPort, respPort
	return f
}

// NewFlowOver begins the inspection of what runs over IP or a link without ports. The number must be one that Inspects.
func (in *Inspector) NewFlowOver(proto uint16) *Flow {
	f := in.NewFlow(false, 0, 0)
	f.only = in.portless[proto]
	return f
}

// Inspects tells whether there is a parser for a protocol without ports, by its number in decode.
func Inspects(proto uint16) bool { return portless[proto] != 0 }

// portless has the table's line, + 1, of each protocol without ports.
var portless = func() map[uint16]uint8 {
	m := map[uint16]uint8{}
	for i := range table {
		if table[i].Over != nil {
			m[table[i].Proto] = uint8(i + 1)
		}
	}
	return m
}()

// Free ends the inspection. The flow must not be used afterwards; its App may be.
func (in *Inspector) Free(f *Flow) {
	in.clear(f)
	in.flows.put(f)
}

// clear gives back what is kept of a connection.
func (in *Inspector) clear(f *Flow) {
	if f.dir[Orig].buf != nil || f.dir[Resp].buf != nil {
		in.drop(f)
	}
	if f.state != nil || f.open != nil {
		in.forget(f)
	}
}

// forget gives back what the parsers keep of a connection. The states of those that are met most are used again; who hands a
// connection over may look at his own still, so that one is left to the collector.
func (in *Inspector) forget(f *Flow) {
	switch st := f.state.(type) {
	case *dnsState:
		in.dns.put(st)
	case *httpState:
		in.http.put(st)
	case *tlsState:
		in.tls.put(st)
	case *quicState:
		in.quic.put(st)
	}
	f.state = nil
	in.decided(f)
}

// decided is for when it does not count any more who said no.
func (in *Inspector) decided(f *Flow) {
	if f.open != nil {
		in.opens.put(f.open)
		f.open = nil
	}
}

// App is what is known of the connection, nil when that is nothing. It is not changed afterwards.
func (f *Flow) App() *event.App {
	f.shared = f.app != nil
	return f.app
}

// Client tells which end is the client, where the protocol says so.
func (f *Flow) Client() (Side, bool) { return Side(f.client - 1), f.client != 0 }

// Done tells whether nothing more is asked about the datagrams of a side.
func (f *Flow) Done(s Side) bool { return f.finished || !f.tcp && f.dir[s].is(dead) }

// RTTMicros is the round trip that the protocol shows, such as a DNS server's response time; 0 is not known.
func (f *Flow) RTTMicros() uint32 { return f.rtt }

// TakeAnswer gives, once, what the DNS responses in the packet shown last said of addresses, nil where it held
// none; its Asker and Sender are the caller's to set. There is none unless Config.Names is set.
func (in *Inspector) TakeAnswer() *event.Answer {
	a := in.answer
	in.answer = nil
	return a
}

// Segment takes a TCP segment: the sequence number as in the header, wireLen bytes of payload on
// the wire, of which the capture holds payload. A SYN sets the start; without one, the first
// segment seen is where the parsers start. payload is not used after the return.
func (in *Inspector) Segment(f *Flow, s Side, seq uint32, syn, fin bool, payload []byte, wireLen uint32, ts int64) (r Result) {
	d := &f.dir[s]
	if syn {
		seq++
		if d.used == 0 && d.buf == nil { // the last of several is the one that was accepted
			d.next = seq
			d.flags |= started | whole
		}
	}
	if wireLen == 0 && !fin || f.finished {
		return f.standing(0)
	}
	if d.is(dead) {
		return in.pastDead(f, s, wireLen)
	}
	if !d.is(started) {
		if wireLen <= 1 { // a keep-alive probe, which repeats a byte; or nothing but FIN
			return f.standing(0)
		}
		d.next = seq
		d.flags |= started
	}
	if d.used == 0 && d.buf == nil {
		if ahead := int32(seq - d.next); ahead > farAway || ahead < -farAway {
			d.next = seq // the SYN was another connection's, or not the one that was accepted
			d.flags &^= whole
		}
	}
	inOrder := seq == d.next && len(payload) == int(wireLen) && len(payload) <= in.max && d.buf == nil && f.dir[1-s].buf == nil
	if inOrder && !fin && d.skip >= uint64(wireLen) {
		d.next += wireLen
		d.skip -= uint64(wireLen)
		return f.standing(0)
	}
	defer in.caught(f, &r)
	if inOrder {
		return in.inOrder(f, s, payload, fin, ts)
	}
	in.begin(f, s, ts)
	if o := f.dir[1-s].buf; o != nil && o.shown < len(o.b) && o.turns < maxTurns { // what is answered here comes first
		o.turns++
		in.call.side = 1 - s
		if in.question(f, 1-s); f.finished {
			return in.end(f)
		}
		in.call.side = s
	}
	in.place(f, s, early{data: payload[:min(len(payload), int(wireLen))], seq: seq, wire: wireLen, fin: fin})
	return in.end(f)
}

// inOrder is place for a segment that is next, and wanted, while nothing is kept: what nearly all are.
func (in *Inspector) inOrder(f *Flow, s Side, p []byte, fin bool, ts int64) Result {
	d, o := &f.dir[s], &f.dir[1-s]
	d.next += uint32(len(p))
	if d.skip > 0 {
		n := min(d.skip, uint64(len(p)))
		d.skip -= n
		p = p[n:]
	}
	d.used += uint32(len(p))
	c := &in.call
	c.Inspector, c.f, c.side, c.ts, c.res = in, f, s, ts, 0
	c.view[1-s] = view{gap: o.is(dead), fin: o.is(finSeen), whole: o.is(whole)}
	v := &c.view[s]
	if fin {
		d.flags |= finSeen
	}
	*v = view{b: p, fin: d.is(finSeen), whole: d.is(whole), borrowed: true}
	switch {
	case f.parser != 0:
		f.ended = false
		in.follow(f)
	case len(p) > 0:
		f.ended = false
		in.recognise(f, s)
	}
	if (len(v.b) > 0 || v.gap) && !f.finished {
		in.keep(f, s)
	}
	return in.end(f)
}

// End gives the parsers a last look at what waited for bytes that did not come. It is for
// connections that end without having been Finished, before Free.
func (in *Inspector) End(f *Flow, ts int64) (r Result) {
	if f.finished {
		return f.standing(0)
	}
	defer in.caught(f, &r)
	for s := Orig; s <= Resp; s++ {
		if d := &f.dir[s]; f.tcp && d.buf != nil && !d.is(dead) && !f.finished {
			in.begin(f, s, ts)
			in.giveUp(f, s)
		}
	}
	f.finished = true
	in.answer, in.expected = nil, in.expected[:0] // of messages without an end
	return in.end(f)
}

// Waits tells whether a direction has bytes that no parser was shown yet.
func (f *Flow) Waits() bool {
	for s := range f.dir {
		if b := f.dir[s].buf; b != nil && b.shown < len(b.b) && f.tcp {
			return true
		}
	}
	return false
}

// Look shows the parsers what Waits, for who is about to tell what is known. It does so at most as often as that is told, which is what
// bounds its cost. What a message arranges is not taken up by then.
func (in *Inspector) Look(f *Flow, ts int64) (r Result) {
	defer in.caught(f, &r)
	for s := Orig; s <= Resp; s++ {
		if b := f.dir[s].buf; b != nil && b.shown < len(b.b) && !f.finished {
			in.begin(f, s, ts)
			in.question(f, s)
			r |= in.call.res
		}
	}
	in.answer, in.expected = nil, in.expected[:0]
	return r | in.end(f)
}

// Datagram takes a UDP datagram of wireLen bytes, of which the capture holds payload.
func (in *Inspector) Datagram(f *Flow, s Side, payload []byte, wireLen uint32, ts int64) (r Result) {
	d := &f.dir[s]
	if f.finished || d.is(dead) || len(payload) == 0 {
		return f.standing(0)
	}
	defer in.caught(f, &r)
	c, o := &in.call, &f.dir[1-s]
	c.Inspector, c.f, c.side, c.ts, c.res = in, f, s, ts, 0
	c.view[s] = view{b: payload}
	if v := &c.view[s]; wireLen > uint32(len(payload)) {
		v.gap, v.gapLen = true, uint64(wireLen)-uint64(len(payload))
	}
	c.view[1-s] = view{gap: o.is(dead)}
	if o.buf != nil {
		c.view[1-s].b = o.buf.b
	}
	d.used += uint32(len(payload))
	f.ended = false
	if f.parser == 0 {
		in.recognise(f, s)
		if d.msgs++; f.parser == 0 && d.msgs >= maxDatagrams {
			d.flags |= dead
		}
	} else {
		in.follow(f)
	}
	return in.end(f)
}

// caught is deferred: a mistake in a parser costs what it would have said of one connection, not the program.
func (in *Inspector) caught(f *Flow, r *Result) {
	if in.call.f == nil || in.cfg.Caught == nil { // all went well
		return
	}
	what := recover()
	if what == nil {
		return
	}
	where := "?"
	var stack [16]uintptr
	frames := runtime.CallersFrames(stack[:runtime.Callers(2, stack[:])])
	for frame, more := frames.Next(); ; frame, more = frames.Next() {
		if strings.Contains(frame.Function, "track/dpi.") {
			where = fmt.Sprintf("%s:%d", path.Base(frame.File), frame.Line)
			break
		}
		if !more {
			break
		}
	}
	in.cfg.Caught(fmt.Sprintf("%s: %v", where, what))
	in.answer, in.expected = nil, in.expected[:0]
	f.finished = true
	*r = in.end(f)
}

// standing is the result of a packet that brings nothing.
func (f *Flow) standing(r Result) Result {
	if f.finished {
		r |= Finished
	}
	if f.ended {
		r |= Ended
	}
	return r
}

// begin prepares the question that a packet raises.
func (in *Inspector) begin(f *Flow, s Side, ts int64) {
	c := &in.call
	c.Inspector, c.f, c.side, c.ts, c.res = in, f, s, ts, 0
	for i := range c.view {
		d := &f.dir[i]
		c.view[i] = view{gap: d.is(dead), fin: d.is(finSeen), whole: d.is(whole)}
		if d.buf != nil {
			c.view[i].b = d.buf.b
		}
	}
}

// end settles what a packet led to.
func (in *Inspector) end(f *Flow) Result {
	c := &in.call
	if in.sawLong {
		in.sawLong = false
		in.hold(f)
	}
	a, b := &f.dir[Orig], &f.dir[Resp]
	both := a.flags & b.flags
	if both&dead != 0 || f.parser != 0 && (both&finSeen != 0 || max(a.used, b.used) > in.limit[f.parser-1]) {
		f.finished = true
	}
	if f.finished {
		in.clear(f)
	}
	c.f = nil // the question is over, see caught
	return f.standing(c.res)
}

// hold counts the long values of a connection, and takes them out where there is no room.
func (in *Inspector) hold(f *Flow) {
	n := f.app.Long()
	if in.held+n-int(f.long) > in.most {
		in.LeftOut += uint64(in.call.edit().DropLong())
		n = 0
	}
	in.held += n - int(f.long)
	f.long = uint32(n)
}

// Forget says that nobody has the App of a connection any more, which Free does not.
func (in *Inspector) Forget(a *event.App) {
	if in.held > 0 {
		in.held -= a.Long()
	}
}

// pastDead counts what follows where nothing more can be judged. When the other end stays silent
// all along, its first words will not come either.
func (in *Inspector) pastDead(f *Flow, s Side, wireLen uint32) Result {
	d := &f.dir[s]
	if d.used += min(wireLen, 1<<16); d.used > uint32(4*in.max) {
		in.begin(f, s, 0)
		f.finished = true
		return in.end(f)
	}
	return f.standing(0)
}

// place puts a segment where it belongs: to the parsers, to those that wait, or nowhere.
func (in *Inspector) place(f *Flow, s Side, e early) {
	d := &f.dir[s]
	if ahead := int32(e.seq - d.next); ahead > 0 && uint64(ahead) > d.skip {
		if !in.park(f, d, e, in.call.ts, in.max) {
			in.giveUp(f, s)
		}
		return
	}
	in.deliver(f, s, e)
	if d.buf != nil {
		in.deliverParked(f, s, false)
	}
}

// deliverParked delivers the early segments whose place was reached; with force, also those behind a hole.
func (in *Inspector) deliverParked(f *Flow, s Side, force bool) {
	d := &f.dir[s]
	for !f.finished && !d.is(dead) && d.buf != nil && len(d.buf.early) > 0 {
		if !d.is(started) || force {
			d.next = d.buf.early[0].seq
			d.flags |= started
			force = false
		}
		if ahead := int32(d.buf.early[0].seq - d.next); ahead > 0 && uint64(ahead) > d.skip {
			return
		}
		e := d.buf.unpark()
		in.deliver(f, s, e)
		in.freeSlab(e.data)
	}
	if d.buf != nil && len(d.buf.b) == 0 && len(d.buf.early) == 0 {
		in.release(d)
	}
}

// giveUp ends the wait for missing bytes.
func (in *Inspector) giveUp(f *Flow, s Side) {
	d := &f.dir[s]
	c := &in.call
	if f.parser == 0 && d.used == 0 {
		// Nothing was seen before the hole: what is behind it is as good as the middle of a connection.
		d.flags &^= whole
		c.view[s].whole = false
		in.deliverParked(f, s, true)
		return
	}
	v := &c.view[s]
	v.gap, v.borrowed = true, false
	if d.buf != nil {
		v.b = d.buf.b
	}
	in.judge(f, s)
}

// deliver gives the parsers a segment that is not ahead of its place, or only ahead of what is skipped.
func (in *Inspector) deliver(f *Flow, s Side, e early) {
	d := &f.dir[s]
	p, wire := e.data, e.wire
	if ahead := int32(e.seq - d.next); ahead > 0 {
		d.skip -= uint64(ahead)
		d.next = e.seq
	} else if ahead < 0 { // sent again, in part or whole
		old := uint32(-ahead)
		if old > wire || old == wire && !e.fin {
			return
		}
		p, wire = p[min(int(old), len(p)):], wire-old
	}
	d.next += wire
	if d.skip > 0 {
		n := min(d.skip, uint64(wire))
		d.skip -= n
		p, wire = p[min(int(n), len(p)):], wire-uint32(n)
	}
	v := &in.call.view[s]
	if e.fin {
		d.flags |= finSeen
		v.fin = true
	}
	if wire == 0 && !(e.fin && (f.parser != 0 || d.buf != nil)) {
		return
	}
	in.feed(f, s, p, uint64(wire))
}

// feed gives the parsers bytes in order, as many at a time as may be kept; wire counts also those that the capture cut.
func (in *Inspector) feed(f *Flow, s Side, p []byte, wire uint64) {
	d, v := &f.dir[s], &in.call.view[s]
	for {
		kept := 0
		if d.buf != nil {
			kept = len(d.buf.b)
		}
		all, allWire := p, wire
		part := p[:min(len(p), in.max-kept)]
		p, wire = p[len(part):], wire-uint64(len(part))
		v.b, v.borrowed = part, true
		if kept > 0 {
			in.append(d.buf, part)
			v.b, v.borrowed = d.buf.b, false
		}
		v.gapLen = 0
		if len(p) == 0 || len(part) == 0 { // cut by the capture, or more than may be kept
			v.gapLen = wire
			p = nil
		}
		v.gap = v.gapLen > 0
		d.used += uint32(len(part))
		in.judge(f, s)
		if kept > 0 && f.parser == 0 && !d.is(started) && !d.is(dead) {
			d.flags |= started // what was kept was no start; this segment may be
			p, wire = all, allWire
			continue
		}
		if len(p) == 0 || f.finished || !d.is(started) || d.is(dead) {
			return
		}
		n := min(d.skip, wire)
		d.skip -= n
		p, wire = p[min(int(n), len(p)):], wire-n
		if wire == 0 {
			return
		}
	}
}

// judge asks the parsers about a direction and keeps what they leave. Where too little came to ask for, it waits for more of either
// direction, which are asked about together then, or for Look.
func (in *Inspector) judge(f *Flow, s Side) {
	v := &in.call.view[s]
	if !v.gap && !v.fin && in.tooLittle(f, v) {
		if v.borrowed {
			in.keep(f, s)
			f.dir[s].buf.shown = 0
		}
		return
	}
	in.question(f, s)
	if o := f.dir[1-s].buf; o != nil && o.shown < len(o.b) && !f.finished && f.parser == 0 {
		in.call.side = 1 - s
		in.question(f, 1-s)
		in.call.side = s
	}
}

// tooLittle tells whether what the parsers would be shown, v among it, was shown so often that they are not asked again for so little more.
func (in *Inspector) tooLittle(f *Flow, v *view) bool {
	kept, more, work := 0, 0, 0
	for s := range f.dir {
		if b := f.dir[s].buf; b != nil {
			kept, more, work = max(kept, len(b.b)), more+len(b.b)-b.shown, work+b.work
		}
	}
	if work <= maxWork {
		return false
	}
	if v.borrowed {
		more += len(v.b)
	}
	return more < kept/maxAgain && kept < in.max
}

// question asks the parsers about a direction and keeps what they leave.
func (in *Inspector) question(f *Flow, s Side) {
	for side := range f.dir {
		if b := f.dir[side].buf; b != nil && (Side(side) == s || f.parser != 0) {
			b.shown = len(b.b)
			b.work += b.shown
		}
	}
	f.ended = false
	if f.parser == 0 {
		in.recognise(f, s)
	} else {
		in.follow(f)
	}
	if f.finished {
		return
	}
	for side := range in.call.view {
		if v := &in.call.view[side]; len(v.b) > 0 || v.gap || f.dir[side].buf != nil {
			in.keep(f, Side(side))
		}
	}
}

// recognise asks the parsers that are left whether the connection is theirs.
func (in *Inspector) recognise(f *Flow, s Side) {
	d, v := &f.dir[s], &in.call.view[s]
	if len(v.b) == 0 {
		if v.gap || v.fin {
			in.unknown(f, s)
		}
		return
	}
	mask := in.candidates(f, v.b[0])
	open := mask
	switch {
	case d.is(asked):
		open = f.open[s]
		mask.keep(&open)
		d.flags &^= asked
	case !f.tcp: // the first byte of a direction changes
		open = everyParser
	}
	lead := uint64(0) // the first eight bytes, where they can rule a parser out
	if len(v.b) >= 8 && (v.whole || !f.tcp) && f.state == nil {
		lead = le64(v.b)
	}
	binary := lead != 0 && f.tcp && controls8(lead) && !beginsText(v.b)
	if binary {
		mask.drop(&in.texts)
		open.drop(&in.texts)
	}
	if binary && s == Orig || f.tcp && s == Resp && f.dir[Orig].is(dead) && f.state == nil {
		mask.drop(&in.asked)
		open.drop(&in.asked)
	}
	if mask.count() > 1 {
		a, b := in.byPort(f.orig), in.byPort(f.resp)
		hint := mask
		for w := range hint {
			hint[w] &= a[w] | b[w]
		}
		if hint != (parserSet{}) {
			if in.ask(f, s, &hint, &open, lead, !f.tcp) {
				return
			}
			mask.drop(&hint)
		}
		if !f.tcp {
			mask.drop(&in.own)
		}
	}
	if in.ask(f, s, &mask, &open, lead, false) {
		return
	}
	if f.open == nil {
		f.open = in.opens.get()
	}
	f.open[s] = open
	d.flags |= asked
	// An end that has said all may still be understood by what the other answers.
	other := &f.dir[1-s]
	if f.tcp && (open == parserSet{} || v.gap || v.fin && (other.is(dead) || other.is(finSeen))) {
		in.unknown(f, s)
	}
}

// candidates are the parsers that a first byte can belong to.
func (in *Inspector) candidates(f *Flow, first byte) parserSet {
	switch {
	case f.only != 0:
		var one parserSet
		one.add(int(f.only - 1))
		return one
	case f.tcp:
		return in.first[1][first]
	}
	return in.first[0][first]
}

// unknown is for a direction that no parser knows. Where its start was not seen, the next segment may be one. Where it was, and only its end
// is missing, what follows is no start: it may be what the unknown turned into, or carries.
func (in *Inspector) unknown(f *Flow, s Side) {
	d, v := &f.dir[s], &in.call.view[s]
	start := d.is(whole) && len(v.b) > 0
	v.b, v.borrowed = nil, true
	if (!d.is(whole) || v.gap) && !start && !v.fin && d.msgs < maxStarts {
		d.msgs++
		d.flags &^= started | asked | whole
		d.used = 0
		v.gap, v.gapLen, v.whole = false, 0, false
		return
	}
	d.flags |= dead
}

// ask asks the parsers of a mask, and returns true when one took the connection. With again, those that say no are asked
// about the next datagram, too: nonsense to a protocol's own port does not hide what comes behind it.
func (in *Inspector) ask(f *Flow, s Side, mask, open *parserSet, lead uint64, again bool) bool {
	c, over := &in.call, f.over()
	parse, gates := in.parse[over], in.gates[over]
	v, size := &c.view, len(c.view[s].b)
	app, state, client, known, ended, headed, res := f.app, f.state, f.client, f.known, f.ended, f.headed, c.res
	a, b := v[Orig].b, v[Resp].b
	for w := range mask {
		said := uint64(0) // who said no
		for m := mask[w]; m != 0; m &= m - 1 {
			i := w<<6 + bits.TrailingZeros64(m)
			switch g := &gates[i]; {
			case size < g.min:
				continue
			case lead&g.zeros != 0:
				said |= m & -m
				continue
			}
			switch got := parse[i](c); got {
			case no:
				said |= m & -m
				if len(v[Orig].b) != len(a) || len(v[Resp].b) != len(b) { // it ate before it knew
					v[Orig].b, v[Resp].b = a, b
				}
				if f.app != app || f.state != nil || state != nil { // it may have changed its mind within one segment
					f.app, f.state, f.client, f.known, f.ended = app, state, client, known, ended
					f.shared = app != nil // of the tunnel, see inside
					c.res = res
				}
			case more:
				state = f.state
			case match, done:
				if a := c.edit(); a.Name == "" || headed {
					a.Name = table[i].Name
				}
				if f.headed = f.headed && !headed; f.headed {
					in.within(f)
					return true
				}
				if f.parser == 0 {
					f.parser = uint8(i + 1)
					in.decided(f)
				}
				f.finished = got == done
				if !f.finished && f.parser != uint8(i+1) {
					in.follow(f)
				}
				return true
			}
		}
		if !again {
			open[w] &^= said
		}
	}
	return false
}

// follow asks the parser that the connection belongs to.
func (in *Inspector) follow(f *Flow) {
	parse := in.parse[f.over()]
	for {
		was := f.parser
		if !f.tcp && len(in.call.view[in.call.side].b) < in.gates[f.over()][was-1].min {
			return
		}
		switch got := parse[was-1](&in.call); {
		case got == no || got == done:
			f.finished = true
			return
		case f.parser == was:
			return
		case f.parser == 0:
			in.within(f)
			return
		}
		// The connection was handed over; its new parser sees the same bytes.
	}
}

// within asks all parsers about what is left of both directions behind what was understood.
func (in *Inspector) within(f *Flow) {
	c := &in.call
	side := c.side
	if len(c.view[side].b) == 0 { // the client need not have waited for the answer
		c.side = 1 - side
	}
	in.recognise(f, c.side)
	c.side = side // more of it may wait for its turn
}

// keep stores what the parsers left of a direction.
func (in *Inspector) keep(f *Flow, s Side) {
	d, v := &f.dir[s], &in.call.view[s]
	if v.gap && !d.is(dead) {
		switch {
		case v.gapLen > 0 && d.skip >= v.gapLen:
			d.skip -= v.gapLen
			v.gap, v.gapLen = false, 0
		default:
			d.flags |= dead
		}
	}
	if d.is(dead) || len(v.b) == 0 {
		if d.buf != nil {
			d.buf.b = d.buf.b[:0]
			if d.is(dead) || len(d.buf.early) == 0 {
				in.release(d)
			}
		}
		v.b = nil
		return
	}
	if v.borrowed {
		if d.buf == nil {
			d.buf = in.take(f)
		}
		in.append(d.buf, v.b)
		d.buf.shown = len(d.buf.b)
	} else if eaten := len(d.buf.b) - len(v.b); eaten > 0 {
		d.buf.b = d.buf.b[:copy(d.buf.b, v.b)]
		d.buf.shown = min(d.buf.shown, len(v.b))
		d.buf.work = max(0, d.buf.work-2*maxAgain*eaten)
	}
	v.b, v.borrowed = d.buf.b, false
}

// eat takes n bytes of a direction away from what is kept.
func (c *call) eat(s Side, n int) { c.view[s].b = c.view[s].b[n:] }

// skip takes n bytes away, of which some or all may still be to come. Nobody will look at them.
func (c *call) skip(s Side, n uint64) {
	v := &c.view[s]
	if n <= uint64(len(v.b)) {
		v.b = v.b[n:]
		return
	}
	c.f.dir[s].skip += n - uint64(len(v.b))
	v.b = v.b[:0]
}

// pass is skip for what does not count as looked at, because it has bounds of its own.
func (c *call) pass(s Side, n uint64) {
	c.f.dir[s].used -= uint32(min(n, uint64(len(c.view[s].b))))
	c.skip(s, n)
}

// edit returns the App to set facts in.
func (c *call) edit() *event.App {
	f := c.f
	switch {
	case f.app == nil:
		if f.tcp {
			f.app = event.NewLargeApp()
		} else {
			f.app = event.NewApp()
		}
	case f.shared:
		f.app = f.app.Clone()
		f.shared = false
	}
	return f.app
}

// know says that what the protocol tells at its start is complete.
func (c *call) know() {
	if !c.f.known {
		c.f.known = true
		c.res |= Known
	}
}

// setClient says which end asks.
func (c *call) setClient(s Side) { c.f.client = uint8(s) + 1 }

// become hands the connection to another parser, which adds its facts to those of this one. It sees
// the bytes that are left, and is asked at once when the caller answers match.
func (c *call) become(parser string) {
	c.f.parser = c.index[parser] + 1
	c.f.state = nil
}

// inside hands the connection to whatever parser knows what is inside a tunnel or behind a header, whose facts are added to those of this
// one. What is left and what comes is taken for the start of both directions.
func (c *call) inside() {
	c.f.parser, c.f.state = 0, nil
	c.f.shared = true // what a parser sets that then changes its mind is taken back
	for s := range c.f.dir {
		c.f.dir[s].flags &^= asked
	}
}

// hasPort tells whether either end has the port.
func (c *call) hasPort(p uint16) bool { return c.f.orig == p || c.f.resp == p }

// portTaken tells whether the port that was connected to is known as one of a protocol of datagrams.
func (c *call) portTaken() bool {
	at := *c.byPort(c.f.resp)
	at.keep(&c.udp)
	return at != parserSet{}
}
