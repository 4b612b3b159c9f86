package summary

import (
	"fmt"
	"slices"
	"strings"

	"rustnet/output"
	"rustnet/track/event"
)

// painter draws distributions: a row for each group, with a bar for its share of the bytes.
type painter struct {
	fields *event.Schema
	width  int
	plain  bool  // ASCII only
	graph  bool  // sparklines as well
	end    int64 // of the sparklines

	text              []byte
	numbers           []figures // those that there is room for
	name, bars, spark int       // columns
	sum               float64   // what shares are of: bytes, or connections where no bytes are known
	byBytes           bool
}

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
	if _, known := p.value(e, "tx_bytes"); known {
		line += fmt.Sprintf(", %s sent, %s received", output.AppendBytes(nil, n("tx_bytes")), output.AppendBytes(nil, n("rx_bytes")))
	}
	line += fmt.Sprintf(" in %.1f s", seconds)
	if v := n("records_lost"); v > 0 {
		line += fmt.Sprintf(", %d lost", v)
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
	names := strings.Split(by, ",")
	longest := len(by)
	p.sum, p.byBytes = 0, false
	count := 0.0
	for i := range rows {
		if p.fields.Lookup("group_by").Str(&rows[i]) != by {
			break
		}
		longest = max(longest, len(p.label(&rows[i], names)))
		v, _ := p.value(&rows[i], "tx_bytes", "rx_bytes")
		p.sum += v
		c, _ := p.value(&rows[i], "connections")
		count += c
	}
	if p.byBytes = p.sum > 0; !p.byBytes {
		p.sum = count
	}
	p.numbers = slices.Clone(numbers)
	room := func() int { // beside the figures and the per cent
		left := p.width - 6
		for _, n := range p.numbers {
			left -= n.width + 1
		}
		return left
	}
	const least, shortest = 12, 6 // of a name, of a bar
	for _, title := range leastFirst {
		if room() >= min(longest, least)+shortest {
			break
		}
		p.numbers = slices.DeleteFunc(p.numbers, func(n figures) bool { return n.title == title })
	}
	left := room() + 1
	p.spark, p.bars = 0, 0
	if p.graph {
		p.spark = min(32, max(0, left/4))
		left -= p.spark + 1
	}
	p.name = min(longest, max(least, left*2/3))
	p.bars = min(40, left-p.name-1)
	p.text = append(p.text, '\n')
	p.text = output.AppendCell(p.text, strings.ToUpper(by), p.name, false)
	for _, n := range p.numbers {
		p.text = output.AppendCell(append(p.text, ' '), n.title, n.width, true)
	}
	p.text = append(p.text, '\n')
}

func (p *painter) label(e *event.Event, names []string) string {
	if n, merged := p.value(e, "groups_merged"); merged {
		return fmt.Sprintf("(%.0f others)", n)
	}
	var text []byte
	for i, name := range names {
		if i > 0 {
			text = append(text, "  "...)
		}
		start := len(text)
		if text = output.AppendText(text, p.fields.Lookup(name), e); len(text) == start {
			text = append(text, '-')
		}
	}
	return string(text)
}

func (p *painter) row(e *event.Event, names []string, drawn *series) {
	p.text = output.AppendCell(p.text, p.label(e, names), p.name, false)
	for _, n := range p.numbers {
		text := ""
		if v, known := p.value(e, n.fields...); known {
			text = string(output.AppendBytes(nil, uint64(v)))
		}
		p.text = output.AppendCell(append(p.text, ' '), text, n.width, true)
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
	p.text = append(append(p.text, strings.TrimRight(line, " ")...), '\n')
}

// more says how many rows were cut off.
func (p *painter) more(n int) {
	if n > 0 {
		p.text = fmt.Appendf(p.text, "%d more (--top)\n", n)
	}
}
