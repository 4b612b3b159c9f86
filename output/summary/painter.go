package summary

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"rustnet/output"
	"rustnet/track/event"
)

// painter draws distributions: a row for each group, with a bar for its share of the bytes.
type painter struct {
	fields *event.Schema
	order  order
	times  string // --time-format
	width  int
	screen bool  // that is a terminal's
	plain  bool  // ASCII only
	graph  bool  // sparklines as well
	end    int64 // of the sparklines

	text              []byte
	keys              []key     // that the rows share a value of each
	numbers           []figures // those that there is room for
	name, bars, spark int       // columns
	sum               float64   // what shares are of: bytes, or connections where no bytes are known
	byBytes           bool
}

// key is a column with what a group shares.
type key struct {
	name  string
	width int
}

const between = 2 // the columns of keys

// figures are a column.
type figures struct {
	title  string
	width  int
	fields []string // added up
}

// numbers are the columns between name and bar; on a narrow terminal those that say least go, in this order.
var (
	numbers = []figures{
		{"CONNS", 6, []string{"connections"}},
		{"FAILED", 6, []string{"connections_failed"}},
		{"RETR", 5, []string{"tx_retransmits", "rx_retransmits"}},
		{"PKTS", 5, []string{"tx_packets", "rx_packets"}},
		{"TX", 5, []string{"tx_bytes"}},
		{"RX", 5, []string{"rx_bytes"}},
		{"RATE", 5, []string{"tx_rate", "rx_rate"}},
	}
	leastFirst = []string{"RETR", "PKTS", "FAILED", "RATE", "RX", "TX"}
)

func (p *painter) value(e *event.Event, names ...string) (v float64, known bool) {
	for _, name := range names {
		if n, ok := number(p.fields.Lookup(name), e); ok {
			v, known = v+n, true
		}
	}
	return v, known
}

func (p *painter) totals(e *event.Event, all *series) {
	seconds, _ := p.value(e, "duration")
	n := func(name string) uint64 { v, _ := p.value(e, name); return uint64(v) }
	line := event.Count(n("connections"), "connection")
	var parts []string
	for _, name := range []string{"open", "failed", "partial"} {
		if v := n("connections_" + name); v > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", v, name))
		}
	}
	if len(parts) > 0 {
		line += " (" + strings.Join(parts, ", ") + ")"
	}
	if p.sum, p.byBytes = p.value(e, "tx_bytes", "rx_bytes"); p.byBytes {
		line += fmt.Sprintf(", %s sent, %s received", output.AppendBytes(nil, n("tx_bytes")), output.AppendBytes(nil, n("rx_bytes")))
	}
	line += fmt.Sprintf(" in %.1f s", seconds)
	if v := n("records_lost"); v > 0 {
		line += fmt.Sprintf(", %d lost", v)
	}
	if p.byBytes = p.sum > 0; !p.byBytes {
		p.sum, _ = p.value(e, "connections")
	}
	for p.screen && len(line) > p.width { // on lines of its own: a screen counts them
		at := strings.LastIndexByte(line[:p.width+1], ' ')
		if at <= 0 {
			break
		}
		p.text, line = append(append(p.text, line[:at]...), '\n'), line[at+1:]
	}
	p.text = append(append(p.text, line...), '\n')
	if p.graph {
		if drawn := all.spark(p.end, min(p.width, slots), p.plain); strings.TrimSpace(drawn) != "" {
			p.text = append(append(p.text, drawn...), '\n')
		}
	}
}

// heading begins a distribution, and shares out the width by what its rows need.
func (p *painter) heading(by string, rows []event.Event) {
	p.keys = p.keys[:0]
	for name := range strings.SplitSeq(by, ",") {
		p.keys = append(p.keys, key{name, len(name)})
	}
	p.numbers = p.sorted(slices.Clone(numbers))
	longest := 0
	for i := range rows {
		e := &rows[i]
		if p.fields.Lookup("group_by").Str(e) != by {
			break
		}
		if others := p.others(e); others != "" {
			longest = len(others)
		} else {
			for j := range p.keys {
				p.keys[j].width = max(p.keys[j].width, output.CellWidth(p.shared(e, j)))
			}
		}
		for j := range p.numbers {
			p.numbers[j].width = max(p.numbers[j].width, len(p.figure(e, &p.numbers[j])))
		}
	}
	longest = max(longest, p.keysWidth())
	const least, shortest, enough = 12, 6, 11     // of a name, of a bar; a bar of ten tells as much as one of forty
	wanted := min(longest, max(least, p.width/3)) // comes before figures that are 0 mostly
	var left int
	for gone := 0; ; gone++ {
		left = p.width - 5 // beside the figures and the per cent
		for _, n := range p.numbers {
			left -= n.width + 1
		}
		p.spark = 0
		if p.graph {
			p.spark = min(32, max(0, left/4))
			left -= p.spark + 1
		}
		if gone == len(leastFirst) || left > wanted+shortest {
			break
		}
		p.numbers = slices.DeleteFunc(p.numbers, func(n figures) bool { return n.title == leastFirst[gone] })
	}
	p.name = min(longest, max(least, left*2/3, left-enough-1, min(wanted, left-shortest-1)))
	for p.keysWidth() > p.name {
		widest := 0
		for i := range p.keys {
			if p.keys[i].width > p.keys[widest].width {
				widest = i
			}
		}
		if p.keys[widest].width == 1 {
			p.name = p.keysWidth()
			break
		}
		p.keys[widest].width--
	}
	p.bars = min(40, left-p.name-1)
	p.text = append(p.text, '\n')
	p.label(func(i int) string { return strings.ToUpper(p.keys[i].name) })
	for _, n := range p.numbers {
		p.text = output.AppendCell(append(p.text, ' '), n.title, n.width, true)
	}
	p.text = append(p.text, '\n')
}

// sorted adds the columns that the rows are sorted by, so that the order can be seen.
func (p *painter) sorted(numbers []figures) []figures {
	at := 1
	for _, k := range p.order {
		name := k.field.Name
		shown := func(n figures) bool { return len(n.fields) == 1 && n.fields[0] == name }
		if k.field.Type != event.Uint && k.field.Type != event.Float && k.field.Type != event.Time || slices.ContainsFunc(numbers, shown) ||
			slices.ContainsFunc(p.keys, func(k key) bool { return k.name == name }) {
			continue
		}
		numbers = slices.Insert(numbers, at, figures{strings.ToUpper(name), len(name), []string{name}})
		at++
	}
	return numbers
}

func (p *painter) keysWidth() int {
	n := between * (len(p.keys) - 1)
	for i := range p.keys {
		n += p.keys[i].width
	}
	return n
}

// label writes what stands before the figures.
func (p *painter) label(text func(i int) string) {
	for i, k := range p.keys {
		if i > 0 {
			p.text = append(p.text, "  "[:between]...)
		}
		p.text = output.AppendCell(p.text, text(i), k.width, false)
	}
	p.text = append(p.text, strings.Repeat(" ", p.name-p.keysWidth())...)
}

// shared is what the connections of a group have in common by a key.
func (p *painter) shared(e *event.Event, i int) string {
	if text := output.AppendShown(nil, p.fields.Lookup(p.keys[i].name), e, p.times); len(text) > 0 {
		return string(text)
	}
	return "-"
}

// others names the row of what had no room as groups of their own; "" for any other.
func (p *painter) others(e *event.Event) string {
	if n, merged := p.value(e, "groups_merged"); merged {
		return fmt.Sprintf("(%.0f others)", n)
	}
	return ""
}

func (p *painter) figure(e *event.Event, n *figures) string {
	v, known := p.value(e, n.fields...)
	if !known {
		return ""
	}
	if f := p.fields.Lookup(n.fields[0]); f.Type == event.Time || f.Type == event.Float && !strings.HasPrefix(f.Unit, "bytes") { // milliseconds
		return string(output.AppendShown(nil, f, e, p.times))
	}
	return string(output.AppendBytes(nil, uint64(v)))
}

func (p *painter) row(e *event.Event, drawn *series) {
	if others := p.others(e); others != "" {
		p.text = output.AppendCell(p.text, others, p.name, false)
	} else {
		p.label(func(i int) string { return p.shared(e, i) })
	}
	for i := range p.numbers {
		n := &p.numbers[i]
		p.text = output.AppendCell(append(p.text, ' '), p.figure(e, n), n.width, true)
	}
	share := 0.0
	if v, _ := p.value(e, "connections"); !p.byBytes && p.sum > 0 {
		share = v / p.sum
	}
	if v, _ := p.value(e, "tx_bytes", "rx_bytes"); p.byBytes {
		share = v / p.sum
	}
	p.text = fmt.Appendf(p.text, " %3.0f%% ", share*100)
	line := bar(share, max(0, p.bars), p.plain)
	if p.spark > 0 && drawn != nil {
		line += strings.Repeat(" ", max(0, p.bars-len([]rune(line)))) + " " + drawn.spark(p.end, p.spark, p.plain)
	}
	p.text = append(bytes.TrimRight(append(p.text, line...), " "), '\n')
}

// more says how many rows were cut off.
func (p *painter) more(n int) {
	if n > 0 {
		p.text = fmt.Appendf(p.text, "%d more (--top)\n", n)
	}
}
