package output

import "rustnet/track/event"

// jsonRun is columns that stand together in nearly every record, and have a value in nearly every one. They are written one behind the
// other, their values taken from the event without a question for each; an event that lacks one of them is asked by column. What
// is written is the same: TestJSONAgainstEncodingJSON knows nothing of runs.
type jsonRun struct {
	columns []*jsonColumn
	words   []jsonWhole          // of the first of its columns that has Words, with what comes before
	told    *[toldProcs]procText // of jsonProc
}

// procText is what columns say of a process, which is never changed once an event points at it. It stays for the next record: one
// process has many connections, a connection two records at least.
type procText struct {
	proc *event.Proc
	text []byte
}

const (
	toldProcs = 64      // found by the PID
	toldBytes = 4 << 10 // longer texts are made anew
)

// jsonRuns has the fields of each run.
var jsonRuns = [...]struct {
	how    jsonForm
	fields []string
}{
	{jsonHead, []string{"v", "event", "ts", "seq", "id"}},
	{jsonEnds, []string{"proto", "local_addr", "local_port", "remote_addr", "remote_port"}},
	{jsonSpan, []string{"start", "duration", "tx_bytes", "rx_bytes", "tx_packets", "rx_packets", "tx_bytes_delta", "rx_bytes_delta"}},
	{jsonAgain, []string{"tx_retransmits", "rx_retransmits", "out_of_order"}},
	{jsonState, []string{"state", "history", "reason", "partial"}},
	{jsonNames, []string{"community_id", "app", "service", "host", "host_source"}},
}

// withRuns puts runs in the place of their columns.
func withRuns(columns []*jsonColumn) (all []*jsonColumn) {
next:
	for len(columns) > 0 {
		for _, r := range jsonRuns {
			if run := newRun(r.how, r.fields, columns); run != nil {
				all, columns = append(all, run), columns[len(r.fields):]
				continue next
			}
		}
		all, columns = append(all, columns[0]), columns[1:]
	}
	return all
}

// withProcs puts a run in the place of columns that stand together and say something of the process.
func withProcs(columns []jsonColumn) (all []jsonColumn) {
	for len(columns) > 0 {
		run := &jsonRun{}
		for i := 0; i < len(columns) && columns[i].field.OfProc(); i++ {
			run.columns = append(run.columns, &columns[i])
		}
		n := max(1, len(run.columns))
		if n == 1 {
			all = append(all, columns[0])
		} else {
			run.told = new([toldProcs]procText)
			all = append(all, jsonColumn{how: jsonProc, field: columns[0].field, more: &jsonMore{run: run}})
		}
		columns = columns[n:]
	}
	return all
}

// newRun makes a run where columns begin with its fields, else nil.
func newRun(how jsonForm, fields []string, columns []*jsonColumn) *jsonColumn {
	if len(columns) < len(fields) {
		return nil
	}
	for i, name := range fields {
		if f := columns[i].field; f.Name != name || !f.Core() {
			return nil
		}
	}
	run := &jsonRun{columns: columns[:len(fields):len(fields)]}
	switch c := run.columns; how {
	case jsonHead:
		key := append(appendUint(c[0].keyText(), event.Version), c[1].keyText()...)
		run.words = jsonWords(key, c[1].field.Words)
	case jsonEnds, jsonState:
		run.words = c[0].more.words
	case jsonNames:
		run.words = c[4].more.words
	}
	return &jsonColumn{how: how, more: &jsonMore{run: run}}
}

// keyText is a copy of a column's key.
func (c *jsonColumn) keyText() []byte { return append([]byte(nil), c.key[:c.size]...) }

// run writes a run.
func (l *jsonLine) run(how jsonForm, r *jsonRun, e *event.Event) {
	done := false
	switch how {
	case jsonHead:
		done = l.head(r, e)
	case jsonEnds:
		done = l.ends(r, e)
	case jsonSpan:
		done = l.span(r, e)
	case jsonAgain:
		done = l.again(r, e)
	case jsonState:
		done = l.state(r, e)
	case jsonNames:
		done = l.names(r, e)
	case jsonProc:
		done = l.proc(r, e)
	}
	if !done {
		l.columns(e, r.columns)
	}
}

func (l *jsonLine) head(r *jsonRun, e *event.Event) bool {
	if e.Kind >= event.Lost || int(e.Kind) >= len(r.words) || e.Seq == 0 || e.TS == 0 {
		return false
	}
	c := (*[5]*jsonColumn)(r.columns)
	l.word(&r.words[e.Kind])
	l.time(c[2], e.TS)
	l.uint(c[3], e.Seq)
	l.n += uint16(putHex(l.begin(c[4]), e.ID))
	l.byte('"')
	return true
}

func (l *jsonLine) ends(r *jsonRun, e *event.Event) bool {
	if e.Kind >= event.Lost || int(e.Proto) >= len(r.words) || !e.Local.IsValid() || !e.Remote.IsValid() || e.Local.Port() == 0 || e.Remote.Port() == 0 {
		return false
	}
	c := (*[5]*jsonColumn)(r.columns)
	l.word(&r.words[e.Proto])
	l.addr(c[1], e.Local.Addr())
	l.uint(c[2], uint64(e.Local.Port()))
	l.addr(c[3], e.Remote.Addr())
	l.uint(c[4], uint64(e.Remote.Port()))
	return true
}

func (l *jsonLine) span(r *jsonRun, e *event.Event) bool {
	micros := (e.Last - e.Start) / 1000
	if e.Kind >= event.Lost || e.Without != 0 || e.Start == 0 || micros < 0 || micros > maxMillionths {
		return false
	}
	c := (*[8]*jsonColumn)(r.columns)
	l.time(c[0], e.Start)
	l.n += uint16(putMillionths(l.begin(c[1]), uint64(micros)))
	l.numbers(c[2:], []uint64{e.Tx.Bytes, e.Rx.Bytes, e.Tx.Packets, e.Rx.Packets, e.Tx.BytesDelta, e.Rx.BytesDelta})
	return true
}

func (l *jsonLine) again(r *jsonRun, e *event.Event) bool {
	if e.Kind >= event.Lost || e.Proto != 6 || e.Without != 0 {
		return false
	}
	l.numbers(r.columns, []uint64{uint64(e.Tx.Retransmits), uint64(e.Rx.Retransmits), uint64(e.Tx.OutOfOrder) + uint64(e.Rx.OutOfOrder)})
	return true
}

func (l *jsonLine) state(r *jsonRun, e *event.Event) bool {
	c, reasons := (*[4]*jsonColumn)(r.columns), r.columns[2].more.words
	if int(e.State) >= len(r.words) || int(e.Reason) >= len(reasons) {
		return false
	}
	l.word(&r.words[e.State])
	l.made(c[1], e)
	l.word(&reasons[e.Reason])
	if e.Partial {
		l.bool(c[3], true)
	}
	return true
}

func (l *jsonLine) names(r *jsonRun, e *event.Event) bool {
	host, source := e.HostAndSource()
	if e.Kind >= event.Lost || int(source) >= len(r.words) {
		return false
	}
	c := (*[5]*jsonColumn)(r.columns)
	l.made(c[0], e)
	if e.App != nil && e.App.Name != "" {
		l.begin(c[1])
		l.string(e.App.Name)
	}
	if s := c[2].field.Str(e); s != "" {
		l.begin(c[2])
		l.string(s)
	}
	if host != "" {
		l.begin(c[3])
		l.string(host)
	}
	l.word(&r.words[source])
	return true
}

// proc is for events that have a process.
func (l *jsonLine) proc(r *jsonRun, e *event.Event) bool {
	told := &r.told[e.Proc.PID%toldProcs]
	if told.proc == e.Proc {
		if int(l.n)+len(told.text) > windowFull {
			l.spill()
		}
		l.n += uint16(copy(l.window[l.n:], told.text))
		return true
	}
	l.spill()
	start := len(l.dst)
	l.columns(e, r.columns)
	l.spill()
	if text := l.dst[start:]; len(text) <= toldBytes {
		told.proc, told.text = e.Proc, append(told.text[:0], text...)
	}
	return true
}

// numbers writes a number to each column.
func (l *jsonLine) numbers(columns []*jsonColumn, numbers []uint64) {
	at := l.n
	for i, n := range numbers[:len(columns)] {
		c := columns[i]
		*(*[keyRoom]byte)(l.window[at:]) = c.key
		at += uint16(c.size)
		if b := (*cell)(l.window[at:]); n < 1000 {
			at += putSmall(b, n)
		} else {
			at += uint16(putLong(b, n))
		}
	}
	l.n = at
}
