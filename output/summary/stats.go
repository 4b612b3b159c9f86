package summary

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"rustnet/output"
	"rustnet/track/event"
)

// connectionsMax bounds how many connections are followed at once, which are those that --max-connections tracks unless it says
// more. Beyond that the oldest is counted as it is, and as another one if it goes on: so the end of each tells of it anew.
const connectionsMax = 1 << 20

// tableRows is how many rows of one distribution the table shows unless --top says it.
const tableRows = 10

// dimensions are what connections are distributed by unless --group-by says it, as far as the schema has it.
var dimensions = []string{"proto", "app", "service", "process", "host", "country", "reason"}

// Distribution is the work of the command stats: it adds connections up by what they have in common. Each
// counts once, with what its last record says of it.
type Distribution struct {
	rowFields    *event.Schema
	groups       []*groups // the distributions, and last everything as one group
	order        order
	top          int
	graph, table bool
	chosen       bool // the person said by what
	rowsOnly     bool // no totals: what adds up a column of CSV would count all twice
	every        time.Duration
	live         bool // the time that was looked is what counts, also without records

	ask              asker
	id, ts, start    *event.Field
	txDelta, rxDelta *event.Field
	lostCount        *event.Field
	conns            map[uint64]*expected
	queue            []uint64 // connections as they came
	evicted          uint64
	series           series
	first, last      int64
	began, now       int64 // of the looking, by the clock that stamps packets: without what it took to begin and to end
	lost             uint64
	left             map[string]int // rows that --top cut off, by group_by
	drawn            map[*event.Stored]*series
	show             *Show
}

// expected is a connection that may go on, as its last record says. The record is not kept: it is large, and what it points at more so.
type expected struct {
	share
	groups []*group // where it will be counted, see groups.expect
}

// NewStats makes the stage of the command stats. fields are the records'. With live, rates are over the
// time that was looked, not that of the records.
func NewStats(cfg Config, graph, live bool, out output.Config, fields *event.Schema, w io.Writer) (*Distribution, error) {
	d := &Distribution{rowFields: fields.Stored(), top: cfg.Top, graph: graph, every: cfg.Watch, rowsOnly: out.Format == output.CSV, live: live, conns: map[uint64]*expected{},
		ask: newAsker(fields), id: fields.Lookup("id"), ts: fields.Lookup("ts"), start: fields.Lookup("start"), lostCount: fields.Lookup("lost_count"),
		txDelta: fields.Lookup("tx_bytes_delta"), rxDelta: fields.Lookup("rx_bytes_delta"), drawn: map[*event.Stored]*series{}}
	var by [][]string // each is a distribution of its own
	for _, names := range cfg.GroupBy {
		if n := event.Words(names); len(n) > 0 {
			by = append(by, n)
		}
	}
	if d.chosen = len(by) > 0; !d.chosen {
		for _, name := range dimensions {
			if fields.Lookup(name) != nil {
				by = append(by, []string{name})
			}
		}
	}
	s := summable(fields, d.rowFields)
	var columns []string
	for _, names := range by {
		k, err := parseKeys(names, fields, d.rowFields)
		if err != nil {
			return nil, err
		}
		d.groups = append(d.groups, newGroups(k, s, d.rowFields))
		columns = append(columns, names...)
	}
	d.groups = append(d.groups, newGroups(keys{}, s, d.rowFields))
	if cfg.Sort == "" {
		cfg.Sort = "connections"
	}
	var err error
	if d.order, err = parseOrder(cfg.Sort, d.rowFields); err != nil {
		return nil, err
	}
	var all []keys
	for _, g := range d.groups {
		all = append(all, g.keys)
	}
	if err := d.order.check(s, all...); err != nil {
		return nil, err
	}
	if d.table = out.Format == output.Table && len(out.Fields) == 0; d.table && d.top == 0 {
		d.top = tableRows
	}
	shown := cfg
	shown.GroupBy, shown.Sort, shown.Top = nil, "", 0
	show, err := New(shown, out, d.rowFields, w)
	if err != nil {
		return nil, err
	}
	show.sums = s
	show.columns(columns)
	if d.table {
		show.render = d.render
	}
	d.show = show
	return d, show.check()
}

// Events is how many records were written, of all frames.
func (d *Distribution) Events() uint64 { return d.show.Events() }

// Restore gives the terminal back as it was, with the last frame on it.
func (d *Distribution) Restore() { d.show.Restore() }

// Report says for people what was left out.
func (d *Distribution) Report() string {
	text := ""
	if d.evicted > 0 {
		text += ", " + event.Count(d.evicted, "connection") + " counted before the end for want of room"
	}
	for _, g := range d.distributions() {
		if g.rest != nil {
			text += fmt.Sprintf(", %s beyond %d different values of %s in one row", event.Count(g.rest.merged, "connection"), groupsMax, g.name)
		}
	}
	return text
}

// Run adds up what comes until in is closed, and shows the result, or shows it again and again. When ctx
// ends it returns at once, even from a write that nobody takes.
func (d *Distribution) Run(ctx context.Context, in <-chan *event.Batch) error {
	return output.UnlessOver(ctx, func() error {
		var frames <-chan time.Time
		if d.every > 0 {
			tick := time.NewTicker(d.every)
			defer tick.Stop()
			frames = tick.C
		}
		var err error
		for {
			select {
			case b, ok := <-in:
				if !ok && err == nil {
					err = d.show.write(d.frame(true))
				}
				if !ok {
					return err
				}
				if d.now = max(d.now, b.Now); d.began == 0 {
					d.began = b.Now
				}
				for i := range b.Events {
					d.take(&b.Events[i])
				}
				b.Release()
			case <-frames:
				if err == nil {
					err = d.show.write(d.frame(false))
				}
			}
		}
	})
}

func (d *Distribution) take(e *event.Event) {
	switch e.Kind {
	case event.Lost:
		n, _ := d.lostCount.Uint(e)
		d.lost += n
		return
	case event.Stats, event.Group, event.Alert:
		return // of the same connections
	}
	if ts := d.ts.Time(e); ts != 0 {
		if d.first == 0 {
			d.first = ts
		}
		d.last = max(d.last, ts)
		if begin := d.start.Time(e); begin != 0 {
			d.first = min(d.first, begin)
		}
		d.draw(e, ts)
	}
	id, ok := d.id.Uint(e)
	sh := d.share(e)
	known := d.conns[id]
	if !ok || e.Kind == event.Closed {
		d.forget(id, known)
		for _, g := range d.groups {
			g.count(g.of(e), sh)
		}
		return
	}
	if known == nil && len(d.conns) >= connectionsMax {
		d.evict()
	}
	if known == nil {
		known = &expected{groups: make([]*group, len(d.groups))}
		d.conns[id] = known
		d.queue = append(d.queue, id)
		if len(d.queue) > 2*len(d.conns)+1024 {
			d.queue = slices.DeleteFunc(d.queue, func(id uint64) bool { return d.conns[id] == nil })
		}
	}
	known.share = share{sh.facts, sh.has, append(known.num[:0], sh.num...)}
	for i, g := range d.groups {
		was := known.groups[i]
		known.groups[i] = g.expect(e)
		g.forget(was)
	}
}

// share is what e adds to each distribution, valid until the next.
func (d *Distribution) share(e *event.Event) share { return d.groups[0].share(e, d.ask.ask(e)) }

// forget drops what is known of a connection, which may be nothing.
func (d *Distribution) forget(id uint64, known *expected) {
	if known == nil {
		return
	}
	delete(d.conns, id)
	for i, g := range d.groups {
		g.forget(known.groups[i])
	}
}

// evict counts the oldest connection as it is.
func (d *Distribution) evict() {
	for len(d.queue) > 0 {
		id := d.queue[0]
		d.queue = d.queue[1:]
		if known := d.conns[id]; known != nil {
			for i, g := range d.groups {
				g.count(g.list(known.groups[i]), known.share)
			}
			d.forget(id, known)
			d.evicted++
			return
		}
	}
}

// draw notes the bytes since the connection's previous record.
func (d *Distribution) draw(e *event.Event, ts int64) {
	tx, _ := d.txDelta.Uint(e)
	rx, _ := d.rxDelta.Uint(e)
	if tx+rx == 0 || !d.graph {
		return
	}
	if d.series.slot == 0 {
		d.series.begin, d.series.slot = d.first, firstSlot
	}
	d.series.add(ts, float64(tx+rx))
	for _, g := range d.distributions() {
		to := g.of(e)
		if to.series == nil {
			to.series = &series{begin: d.series.begin, slot: firstSlot}
		}
		to.series.add(ts, float64(tx+rx))
	}
}

// distributions are the groups without those of everything.
func (d *Distribution) distributions() []*groups { return d.groups[:len(d.groups)-1] }

// frame makes the records: the totals, and the rows of each distribution. Connections that are still open
// count as they are, without ending for the next frame, if there is one.
func (d *Distribution) frame(last bool) []event.Event {
	period := float64(d.last-d.first) / 1e9
	if d.live && d.began != 0 {
		begin := d.began
		if d.first != 0 {
			begin = min(begin, d.first)
		}
		period = float64(max(d.now, d.last)-begin) / 1e9
	}
	groups := slices.Clone(d.groups)
	for i, g := range d.groups {
		counterpart := func(one *group) *group { return one }
		if !last {
			groups[i], counterpart = g.copy()
		}
		for _, id := range d.queue {
			if known := d.conns[id]; known != nil {
				groups[i].count(groups[i].list(counterpart(known.groups[i])), known.share)
			}
		}
	}
	all := len(groups) - 1
	var frame []event.Event
	if !d.rowsOnly {
		frame = append(frame, d.totals(groups[all], period))
	}
	d.left = map[string]int{}
	clear(d.drawn)
	for _, g := range groups[:all] {
		rows := g.rows(d.last, period)
		for i := range rows {
			d.drawn[rows[i].Stored] = g.at(i).series
		}
		if !d.chosen && !g.tells() {
			continue
		}
		rows = slices.DeleteFunc(rows, func(e event.Event) bool { n, _ := d.rowFields.Lookup("connections").Uint(&e); return n == 0 })
		d.order.sort(rows)
		if d.top > 0 && len(rows) > d.top {
			d.left[g.name], rows = len(rows)-d.top, rows[:d.top]
		}
		frame = append(frame, rows...)
	}
	return frame
}

// totals makes the record of everything.
func (d *Distribution) totals(all *groups, period float64) event.Event {
	one := newGroups(all.keys, all.sums, all.schema).list(nil)
	if len(all.all) > 0 {
		one = all.all[0]
	}
	e := all.row(one, d.last, period)
	e.Kind = event.Stats
	r, f := e.Stored, d.rowFields
	r.SetStr(f.Lookup("event"), event.Stats.String())
	r.SetTime(f.Lookup("start"), d.first)
	r.SetFloat(f.Lookup("duration"), float64(int64(period*1e6+0.5))/1e6)
	r.SetUint(f.Lookup("records_lost"), d.lost)
	return e
}

// render draws the frame as a table with bars.
func (d *Distribution) render(rows []event.Event, width int) []byte {
	p := &painter{fields: d.rowFields, order: d.order, times: d.show.out.TimeFormat, width: width, screen: width > 0, plain: plainText(), graph: d.graph, end: d.last}
	if width <= 0 {
		p.width = 100
	}
	by := ""
	for i := range rows {
		e := &rows[i]
		if e.Kind == event.Stats {
			p.totals(e, &d.series)
			continue
		}
		if name := d.rowFields.Lookup("group_by").Str(e); name != by {
			p.more(d.left[by])
			by = name
			p.heading(name, rows[i:])
		}
		p.row(e, d.drawn[e.Stored])
	}
	p.more(d.left[by])
	return p.text
}
