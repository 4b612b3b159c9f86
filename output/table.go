package output

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"rustnet/track/event"
)

// pipeWidth is how wide the table is when nothing says how wide it can be.
const pipeWidth = 160

// table writes fixed columns, chosen and sized once for the terminal's width.
type table struct {
	columns []column
	color   bool
	every   int // lines after which the header comes again, 0 = never
	lines   int
	losses  bool           // a lost record's own fields are among the columns
	words   []*event.Field // what a lost record is put into words from
	apart   bool           // totals are put into words, as no column is theirs
	sums    []*event.Field // what those words are made from
	alerts  []*event.Field // and what those of an alert are

	cell []byte // the text of the cell being made
}

// column is a field, or several that read better as one. It is never narrower than min; what the terminal
// leaves over makes it up to max wide.
type column struct {
	title    string
	fields   []string       // what the text is made of; gone when --fields takes the first of these away
	of       []*event.Field // those fields, nil for one that the schema does not have
	min, max int
	rank     int // columns that do not fit go by the highest rank
	width    int
	right    bool
	cut      elision

	// text appends the cell's text, escaped. What stands behind keep is never cut: a port, a process number.
	text  func(c *column, dst []byte, e *event.Event) (_ []byte, keep int)
	color func(c *column, e *event.Event) string

	field *event.Field
	stamp stamp
}

func newTable(sel selection, schema *event.Schema, cfg Config) *table {
	t := &table{color: cfg.Colored()}
	if cfg.Width > 0 && cfg.Height > 4 && !cfg.NoHeader {
		t.every = cfg.Height - 1
	}
	width := cfg.Width
	if width <= 0 {
		width = pipeWidth
	}
	timeFormat := cfg.TimeFormat
	if cfg.Dated && (timeFormat == "" || timeFormat == "local") {
		timeFormat = dated
	}
	base := defaultColumns
	if len(cfg.Columns) > 0 {
		base = func(timeFormat string) []column { return rankedColumns(cfg.Columns, schema, timeFormat) }
	} else if cfg.Listening || cfg.Sockets {
		base = func(timeFormat string) []column { return socketColumns(timeFormat, cfg) }
	}
	if len(sel.only) > 0 {
		for _, f := range sel.only {
			t.columns = append(t.columns, fieldColumn(f, timeFormat))
		}
		shrink(t.columns, width)
	} else {
		var added []column
		for _, f := range sel.add {
			added = append(added, fieldColumn(f, timeFormat))
		}
		t.columns = layOut(slices.DeleteFunc(base(timeFormat), func(c column) bool { return sel.drop[c.fields[0]] }), added, width)
	}
	t.apart = len(sel.only) == 0 && len(cfg.Columns) == 0
	for _, name := range totalsFields {
		t.sums = append(t.sums, schema.Lookup(name))
	}
	t.words = []*event.Field{schema.Lookup("lost_where"), schema.Lookup("lost_count")}
	t.alerts = []*event.Field{schema.Lookup("alert"), schema.Lookup("alert_reason"), schema.Lookup("alert_count")}
	for i := range t.columns {
		c := &t.columns[i]
		for _, name := range c.fields {
			c.of = append(c.of, schema.Lookup(name))
		}
		t.losses = t.losses || c.field != nil && c.field.Name == "lost_count"
		if c.title == "TIME" && c.width < c.max {
			c.stamp.digits = 0
			if timeFormat == dated {
				c.stamp.layout = c.stamp.layout[len("2006-"):]
			}
		}
	}
	return t
}

// defaultColumns are those of the table in their order. At 80 columns ranks 0 to 4 are there.
func defaultColumns(timeFormat string) []column {
	when := column{title: "TIME", fields: []string{"ts"}, min: 8, max: 12, text: timeText, stamp: dayStamp(timeFormat)}
	if timeFormat == dated {
		when.min, when.max = len("01-02 15:04:05"), stampWidth(dated)
	} else if timeFormat != "" && timeFormat != "local" {
		when.title, when.max = "TS", stampWidth(timeFormat)
		when.min = when.max
	}
	return []column{
		when,
		{title: "EVENT", fields: []string{"event"}, min: 7, max: 7, text: wordText, color: eventColor},
		{title: "PROTO", fields: []string{"proto"}, min: 5, max: 5, rank: 1, text: wordText},
		{title: "APP", fields: []string{"app"}, min: 5, max: 10, rank: 4, text: wordText},
		{title: "PROCESS", fields: []string{"process", "pid"}, min: 15, max: 30, rank: 2, text: processText},
		{title: "LOCAL", fields: []string{"local_addr", "local_port", "local_mac"}, min: 21, max: 47, rank: 8, cut: cutMiddle, text: endText},
		{title: "", fields: []string{"direction"}, min: 2, max: 2, rank: 2, text: arrowText},
		{title: "REMOTE", fields: []string{"remote_addr", "remote_port", "remote_mac", "host"}, min: 22, max: 47, cut: cutMiddle, text: endText},
		{title: "ABOUT", fields: []string{"host", "host_source", "peer_process", "peer_pid"}, min: 19, max: 60, rank: 6, cut: cutStart, text: aboutText},
		{title: "STATE", fields: []string{"state", "reason"}, min: 11, max: 11, rank: 5, text: stateText, color: stateColor},
		{title: "TX", fields: []string{"tx_bytes"}, min: 4, max: 4, rank: 3, right: true, text: bytesText},
		{title: "RX", fields: []string{"rx_bytes"}, min: 4, max: 4, rank: 3, right: true, text: bytesText},
		{title: "DURATION", fields: []string{"duration"}, min: 8, max: 8, rank: 7, right: true, text: durationText},
	}
}

// socketColumns are the default ones for a snapshot: 80 columns show the state.
func socketColumns(timeFormat string, cfg Config) []column {
	columns := defaultColumns(timeFormat)
	for i := range columns {
		switch c := &columns[i]; {
		case c.title == "LOCAL" && cfg.Listening:
			c.rank = 1
		case c.title == "REMOTE" && cfg.Listening:
			c.min--
		case c.title == "TX" && cfg.Sockets:
			c.fields, c.rank = []string{"tx_payload"}, 7
		case c.title == "RX" && cfg.Sockets:
			c.fields, c.rank = []string{"rx_payload"}, 7
		}
	}
	return columns
}

// headings are shorter than the fields' names, for columns that were not asked for by name.
var headings = map[string]string{"connections": "CONNS", "connections_open": "OPEN", "connections_failed": "FAILED", "connections_partial": "PARTIAL",
	"tx_bytes": "TX", "rx_bytes": "RX", "tx_payload": "TX", "rx_payload": "RX", "tx_rate": "TX/S", "rx_rate": "RX/S", "tx_packets": "TXPKT", "rx_packets": "RXPKT",
	"tx_retransmits": "TXRTX", "rx_retransmits": "RXRTX", "rtt_ms": "RTT", "connect_ms": "CONNECT", "response_ms": "RESPONSE"}

// rankedColumns shows the fields as they are; those that do not fit are left out from the last one on.
func rankedColumns(names []string, schema *event.Schema, timeFormat string) []column {
	var columns []column
	for i, name := range names {
		f := schema.Lookup(name)
		c := fieldColumn(f, timeFormat)
		if short := headings[name]; short != "" {
			c.title = short
			c.min = max(len(short), 5)
			if f.Unit != "bytes" && f.Unit != "bytes/s" {
				c.min = max(c.min, 6)
			}
			c.max = c.min
		}
		c.rank = i
		columns = append(columns, c)
	}
	return columns
}

// layOut takes the columns that fit, in order of their rank, and shares out what is left. Those that the
// person asked for come whatever the width.
func layOut(columns, added []column, width int) []column {
	total := func(columns []column) int {
		n := len(columns) - 1
		for i := range columns {
			n += columns[i].width
		}
		return n
	}
	for i := range columns {
		columns[i].width = columns[i].min
	}
	for i := range added {
		added[i].width = min(added[i].max, max(added[i].min, 16))
	}
	for total(columns)+total(added)+1 > width {
		worst := slices.MaxFunc(columns, func(a, b column) int { return cmp.Compare(a.rank, b.rank) })
		if worst.rank == 0 {
			break
		}
		columns = slices.DeleteFunc(columns, func(c column) bool { return c.rank == worst.rank })
	}
	byHost(columns)
	columns = append(columns, added...)
	grow(columns, width-total(columns))
	return columns
}

// byHost lets the remote end go by its name where there is no column for the name.
func byHost(columns []column) {
	if slices.ContainsFunc(columns, func(c column) bool { return c.title == "ABOUT" }) {
		return
	}
	for i := range columns {
		if columns[i].title == "REMOTE" {
			columns[i].text, columns[i].cut = remoteNameText, cutStart
		}
	}
}

// grow gives the time its milliseconds, then a column at a time to those that can take it.
func grow(columns []column, left int) {
	for i := range columns {
		if c := &columns[i]; c.title == "TIME" && left >= c.max-c.width && left >= 12 {
			left -= c.max - c.width
			c.width = c.max
		}
	}
	// This machine's addresses say least: they are shown whole when all others are.
	for _, late := range []bool{false, true} {
		for grew := true; grew; {
			grew = false
			for i := range columns {
				if c := &columns[i]; left > 0 && c.width < c.max && c.title != "TIME" && (c.title == "LOCAL") == late {
					c.width++
					left--
					grew = true
				}
			}
		}
	}
}

// shrink narrows what can be elided until the columns fit, the widest first; it stops at their least width.
func shrink(columns []column, width int) {
	left := width - len(columns) + 1
	for i := range columns {
		columns[i].width = columns[i].max
		left -= columns[i].width
	}
	for left < 0 {
		var widest *column
		for i := range columns {
			if c := &columns[i]; c.width > c.min && (widest == nil || c.width > widest.width) {
				widest = c
			}
		}
		if widest == nil {
			return // wider than the terminal, because the person asked for so much
		}
		widest.width--
		left++
	}
}

// fieldColumn shows one field as it is.
func fieldColumn(f *event.Field, timeFormat string) column {
	c := column{title: strings.ToUpper(f.Name), fields: []string{f.Name}, field: f, text: fieldText}
	width := f.Width
	switch f.Type {
	case event.Uint, event.Float:
		c.right = true
		if f.Unit == "bytes" || f.Unit == "bytes/s" {
			c.text, width = bytesText, 5
		}
		width = max(width, 5)
		c.min = width
	case event.Time:
		c.stamp, width = dayStamp(timeFormat), 12
		if timeFormat != "" && timeFormat != "local" {
			width = stampWidth(timeFormat)
		} else if f.Name != "ts" {
			c.stamp.layout, width = "2006-01-02 15:04:05", 23 // may be long ago
		}
		c.min = width
	case event.Addr:
		width, c.min, c.cut = 39, 15, cutMiddle
	case event.ID:
		c.min = 16
	case event.Bool:
		c.min = 5
	default:
		if width == 0 {
			width = 20
		}
		c.min = min(width, 11)
	}
	if f.Name == "host" || strings.HasSuffix(f.Name, "sni") {
		c.cut = cutStart
	}
	if f.Name == "event" {
		c.color = eventColor
	}
	c.min, c.max = max(c.min, len(c.title)), max(width, c.min, len(c.title))
	return c
}

// dated is the table's own format of times, beside those of --time-format: local time with its day.
const dated = "dated"

// dayStamp is local time of day, unless another format is asked for.
func dayStamp(format string) stamp {
	switch format {
	case "", "local":
		return stamp{loc: time.Local, layout: "15:04:05", digits: 3}
	case dated:
		return stamp{loc: time.Local, layout: "2006-01-02 15:04:05", digits: 3}
	}
	return newStamp(format)
}

func stampWidth(format string) int {
	switch format {
	case "unix":
		return len("1767225600.000000")
	case dated:
		return len("2026-01-01 00:00:00.000")
	}
	return len("2026-01-01T00:00:00.000000Z")
}

func (t *table) header(dst []byte) []byte {
	t.lines = 1
	if t.color {
		dst = append(dst, "\x1b[1m"...)
	}
	for i := range t.columns {
		c := &t.columns[i]
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = pad(dst, []byte(c.title), c, i == len(t.columns)-1, 0)
	}
	if t.color {
		dst = append(dst, "\x1b[0m"...)
	}
	return append(dst, '\n')
}

func (t *table) record(dst []byte, e *event.Event) []byte {
	if t.every > 0 && t.lines >= t.every {
		dst = t.header(dst)
	}
	t.lines++
	switch {
	case e.Kind == event.Lost && !t.losses:
		return t.lost(dst, e)
	case e.Kind == event.Stats && t.apart:
		return t.totals(dst, e)
	case e.Kind == event.Alert && t.apart:
		return t.alert(dst, e)
	}
	last := len(dst) // behind the last thing that is not padding
	for i := range t.columns {
		c := &t.columns[i]
		if i > 0 {
			dst = append(dst, ' ')
		}
		var keep int
		t.cell, keep = c.text(c, t.cell[:0], e)
		color := ""
		if t.color && c.color != nil && len(t.cell) > 0 {
			color = c.color(c, e)
		}
		dst = append(dst, color...)
		dst = pad(dst, t.cell, c, i == len(t.columns)-1, keep)
		if color != "" {
			dst = append(dst, "\x1b[0m"...)
		}
		if len(t.cell) > 0 {
			last = len(dst)
		}
	}
	if t.color {
		return append(dst[:last], '\n')
	}
	return append(trimRight(dst[:last]), '\n')
}

func trimRight(dst []byte) []byte {
	for len(dst) > 0 && dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// pad appends text at the column's width, which the last column (bare) need not fill. The last keep bytes of
// text stay whole as long as they fit.
func pad(dst, text []byte, c *column, bare bool, keep int) []byte {
	if isPlain(text) && len(text) <= c.width {
		if c.right {
			return append(appendSpaces(dst, c.width-len(text)), text...)
		}
		dst = append(dst, text...)
		if bare {
			return dst
		}
		return appendSpaces(dst, c.width-len(text))
	}
	head, tail := text[:len(text)-keep], text[len(text)-keep:]
	var n int
	if w := textWidth(tail); w < c.width-1 {
		dst, n = appendElided(dst, head, c.width-w, c.cut)
		dst, n = append(dst, tail...), n+w
	} else {
		dst, n = appendElided(dst, text, c.width, c.cut)
	}
	if bare {
		return dst
	}
	return appendSpaces(dst, c.width-n)
}

// apartFrom begins a line that has no cells but the time.
func (t *table) apartFrom(dst []byte, e *event.Event) []byte {
	for i := range t.columns {
		c := &t.columns[i]
		if c.fields[0] == "ts" {
			t.cell, _ = c.text(c, t.cell[:0], e)
			dst = append(pad(dst, t.cell, c, false, 0), ' ')
		}
	}
	return dst
}

var totalsFields = []string{"connections_open", "connections_new", "connections_closed", "connections_failed", "tx_bytes_delta", "rx_bytes_delta",
	"tx_rate", "rx_rate"}

// totals puts a record of totals into words, across the columns.
func (t *table) totals(dst []byte, e *event.Event) []byte {
	if t.color {
		dst = append(dst, "\x1b[1m"...)
	}
	dst = append(t.apartFrom(dst, e), "stats   "...)
	for i, after := range []string{" open, ", " new, ", " closed, ", " failed in all, ", " sent, ", " received", "/s sent, ", "/s received"} {
		var n uint64
		if f := t.sums[i]; f.Type == event.Float {
			rate, ok := f.Float(e)
			if !ok {
				continue
			}
			n = uint64(rate)
			if i == 6 {
				dst = append(dst, ": "...)
			}
		} else {
			n, _ = f.Uint(e)
		}
		dst = append(AppendBytes(dst, n), after...)
	}
	if t.color {
		dst = append(dst, "\x1b[0m"...)
	}
	return append(dst, '\n')
}

// alert puts an alert into words, across the columns.
func (t *table) alert(dst []byte, e *event.Event) []byte {
	dst = t.apartFrom(dst, e)
	if t.color {
		dst = append(dst, "\x1b[1;33m"...)
	}
	dst = append(appendEscaped(append(dst, "alert   "...), t.alerts[0].Str(e)), ": "...)
	dst = appendEscaped(dst, t.alerts[1].Str(e))
	if n, _ := t.alerts[2].Uint(e); n > 1 {
		dst = append(strconv.AppendUint(append(dst, " ("...), n, 10), " times)"...)
	}
	if t.color {
		dst = append(dst, "\x1b[0m"...)
	}
	return append(dst, '\n')
}

// lostWords say what was lost, by where it was.
var lostWords = map[string]string{
	"kernel":        "packets: the kernel's capture ring was full",
	"table":         "connections: the table was full",
	"output":        "events: the reader of this output was too slow",
	"file":          "events: the file could not be written",
	"store":         "connections: the store could not be written, or was too slow",
	"packets":       "packets: those to be kept could not be written, or there was no room",
	"ends":          "messages of the kernel: when sockets ended",
	"owners":        "messages of the kernel: who has sockets",
	"owners_memory": "sockets: the kernel had no room to keep whose they are",
	"owners_exec":   "programs: the kernel did not tell what they execute",
	"nat":           "messages of the kernel: translated connections",
}

// lost tells of a loss in words, across the columns.
func (t *table) lost(dst []byte, e *event.Event) []byte {
	if t.color {
		dst = append(dst, "\x1b[1;31m"...)
	}
	dst = t.apartFrom(dst, e)
	dst = append(dst, "lost    "...)
	count, _ := t.words[1].Uint(e)
	dst = strconv.AppendUint(dst, count, 10)
	where := t.words[0].Str(e)
	if words := lostWords[where]; words != "" {
		dst = append(append(dst, ' '), words...)
	} else {
		dst = appendEscaped(append(dst, ": "...), where)
	}
	if t.color {
		dst = append(dst, "\x1b[0m"...)
	}
	return append(dst, '\n')
}

func fieldText(c *column, dst []byte, e *event.Event) ([]byte, int) {
	start := len(dst)
	dst = appendValue(dst, c.field, &c.stamp, e)
	if !isPlain(dst[start:]) {
		raw := string(dst[start:])
		dst = appendEscaped(dst[:start], raw)
	}
	return dst, 0
}

func bytesText(c *column, dst []byte, e *event.Event) ([]byte, int) {
	f := c.of[0]
	if f.Uint != nil {
		if n, ok := f.Uint(e); ok {
			dst = AppendBytes(dst, n)
		}
		return dst, 0
	}
	if n, ok := f.Float(e); ok && n >= 0 {
		dst = AppendBytes(dst, uint64(n))
	}
	return dst, 0
}

// AppendBytes gives a size in at most four columns, in powers of 1000: 999, 1.2K, 34K, 567M.
func AppendBytes(dst []byte, n uint64) []byte {
	if n < 1000 {
		return strconv.AppendUint(dst, n, 10)
	}
	unit := 0
	for n >= 1_000_000 {
		n /= 1000
		unit++
	}
	dst = strconv.AppendUint(dst, n/1000, 10)
	if n < 10_000 {
		dst = append(dst, '.', '0'+byte(n/100%10))
	}
	return append(dst, "KMGTPE"[unit])
}

func timeText(c *column, dst []byte, e *event.Event) ([]byte, int) {
	if ns := c.of[0].Time(e); ns != 0 {
		dst = c.stamp.append(dst, ns)
	}
	return dst, 0
}

func wordText(c *column, dst []byte, e *event.Event) ([]byte, int) {
	return appendEscaped(dst, c.of[0].Str(e)), 0
}

func eventColor(_ *column, e *event.Event) string {
	switch e.Kind {
	case event.New:
		return "\x1b[32m"
	case event.Updated:
		return "\x1b[2m"
	case event.Closed:
		return "\x1b[36m"
	case event.Alert:
		return "\x1b[1;33m"
	case event.Lost:
		return "\x1b[1;31m"
	}
	return ""
}

func processText(c *column, dst []byte, e *event.Event) ([]byte, int) {
	return appendProc(dst, c.of[0], c.of[1], e)
}

// appendProc writes a process as name[pid].
func appendProc(dst []byte, name, pid *event.Field, e *event.Event) ([]byte, int) {
	dst = appendEscaped(dst, name.Str(e))
	start := len(dst)
	if n, ok := pid.Uint(e); ok {
		dst = append(strconv.AppendUint(append(dst, '['), n, 10), ']')
	}
	return dst, len(dst) - start
}

// endText writes an end as addr:port, or as its link address where the protocol has no others.
func endText(c *column, dst []byte, e *event.Event) ([]byte, int) {
	a := c.of[0].Addr(e)
	if !a.IsValid() {
		return appendEscaped(dst, c.of[2].Str(e)), 0
	}
	port, ok := c.of[1].Uint(e)
	if a.Is4() || !ok {
		dst = a.AppendTo(dst)
	} else {
		dst = append(a.AppendTo(append(dst, '[')), ']')
	}
	return appendPort(dst, port, ok)
}

func appendPort(dst []byte, port uint64, ok bool) ([]byte, int) {
	if !ok {
		return dst, 0
	}
	start := len(dst)
	dst = strconv.AppendUint(append(dst, ':'), port, 10)
	return dst, len(dst) - start
}

// remoteNameText prefers the name, for where there is no room for both.
func remoteNameText(c *column, dst []byte, e *event.Event) ([]byte, int) {
	host := c.of[3].Str(e)
	if host == "" {
		c.cut = cutMiddle
		return endText(c, dst, e)
	}
	c.cut = cutStart
	port, ok := c.of[1].Uint(e)
	return appendPort(appendEscaped(dst, host), port, ok)
}

// aboutText says who the other end is, by name or by process when that is here too, and what it is
// about: the first facts that the protocol gave.
func aboutText(c *column, dst []byte, e *event.Event) ([]byte, int) {
	start, host := len(dst), c.of[0].Str(e)
	dst = appendEscaped(dst, host)
	c.cut = cutStart
	if c.of[1].Str(e) == "sni" {
		return dst, 0 // what more there is, is how it is encrypted
	}
	if len(dst) == start {
		c.cut = cutEnd
		dst, _ = appendProc(dst, c.of[2], c.of[3], e)
	}
	for i := range 3 {
		fact := e.Fact(i)
		if fact == "" || fact == host {
			continue
		}
		c.cut = cutEnd
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		dst = appendEscaped(dst, fact)
	}
	return dst, 0
}

func arrowText(c *column, dst []byte, e *event.Event) ([]byte, int) {
	switch c.of[0].Str(e) {
	case "out":
		dst = append(dst, "->"...)
	case "in":
		dst = append(dst, "<-"...)
	case "local":
		dst = append(dst, "<>"...)
	case "forward":
		dst = append(dst, "--"...)
	}
	return dst, 0
}

// stateText is the reason once there is one.
func stateText(c *column, dst []byte, e *event.Event) ([]byte, int) {
	if reason := c.of[1].Str(e); reason != "" {
		return appendEscaped(dst, reason), 0
	}
	return appendEscaped(dst, c.of[0].Str(e)), 0
}

func stateColor(c *column, e *event.Event) string {
	switch c.of[1].Str(e) {
	case "rst", "refused", "timeout", "evicted":
		return "\x1b[33m"
	}
	return ""
}

func durationText(c *column, dst []byte, e *event.Event) ([]byte, int) {
	seconds, ok := c.of[0].Float(e)
	if !ok || seconds < 0 {
		return dst, 0
	}
	return appendDuration(dst, int64(seconds*1e6+0.5)/1000), 0
}

// appendDuration gives the two largest units, in at most seven columns.
func appendDuration(dst []byte, ms int64) []byte {
	switch {
	case ms < 1000:
		return append(strconv.AppendInt(dst, ms, 10), "ms"...)
	case ms < 60_000:
		dst = append(strconv.AppendInt(dst, ms/1000, 10), '.', '0'+byte(ms/100%10))
		return append(dst, 's')
	case ms < 3600_000:
		return appendPair(dst, ms/60_000, 'm', ms/1000%60, 's')
	case ms < 100*3600_000:
		return appendPair(dst, ms/3600_000, 'h', ms/60_000%60, 'm')
	}
	return appendPair(dst, ms/86400_000, 'd', ms/3600_000%24, 'h')
}

func appendPair(dst []byte, a int64, unitA byte, b int64, unitB byte) []byte {
	dst = append(strconv.AppendInt(dst, a, 10), unitA)
	if b < 10 {
		dst = append(dst, '0')
	}
	return append(strconv.AppendInt(dst, b, 10), unitB)
}
