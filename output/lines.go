package output

import "rustnet/track/event"

// Lines makes of single records what programs are handed: NDJSON, and the values by their names.
type Lines struct {
	json encoder
	text cells

	kinds          [event.NumKinds]bool // that --events asks for
	count, counted uint64               // Config.Count, and how far it has come
}

// NewLines checks what cfg says of fields and times.
func NewLines(cfg Config, schema *event.Schema) (*Lines, error) {
	sel, err := parseFields(cfg.Fields, schema)
	if err != nil {
		return nil, err
	}
	l := &Lines{count: cfg.Count}
	if l.kinds, err = kindsOf(cfg.Events); err != nil {
		return nil, err
	}
	if cfg.foreign() {
		cfg.Format = JSON
		f, err := cfg.Encoder(cfg, schema)
		if err != nil {
			return nil, err
		}
		l.json = foreign{f}
	} else {
		l.json = newJSON(sel.fields(schema.Fields), cfg.TimeFormat)
	}
	l.text = newCells(sel.fields(schema.Fields), cfg.TimeFormat)
	return l, nil
}

// JSON appends the record as a line, with Config.Schema as the lines that it is there, which may be none.
func (l *Lines) JSON(dst []byte, e *event.Event) []byte { return l.json.record(dst, e) }

// Past tells, asked of every record in turn, whether Config.Count was reached before this one.
func (l *Lines) Past(e *event.Event) bool {
	if l.count > 0 && l.counted == l.count {
		return true
	}
	if l.kinds[e.Kind] && counts(e.Kind) && l.Writes(e.Kind) {
		l.counted++
	}
	return false
}

// Writes tells whether there may be a line for events of this kind.
func (l *Lines) Writes(k event.Kind) bool {
	f, ok := l.json.(foreign)
	return !ok || f.Writes(k)
}

// Values gives each value that the record has as CSV would show it. The text is valid until the next.
func (l *Lines) Values(e *event.Event, each func(field string, text []byte)) {
	var buf []byte
	for at, v := range l.text.of(e) {
		if buf = l.text.append(buf[:0], at, v, e); len(buf) > 0 {
			each(l.text.columns[at].field.Name, buf)
		}
	}
}
