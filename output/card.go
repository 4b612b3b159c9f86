package output

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"rustnet/track/event"
)

// WriteCard shows people everything that is known of a connection, group by group; what is not known is left out.
// Behind it stand the records that were kept of it, if any, as a table.
func WriteCard(w io.Writer, cfg Config, schema *event.Schema, e *event.Event, steps []event.Event) error {
	var b bytes.Buffer
	width := 0
	for _, f := range schema.Fields {
		if len(AppendText(nil, f, e)) > 0 {
			width = max(width, len(f.Name))
		}
	}
	group := ""
	for _, f := range schema.Fields {
		text := appendEscaped(nil, string(cardValue(f, e, cfg.TimeFormat)))
		if len(text) == 0 || f.Name == "v" || f.Name == "seq" {
			continue
		}
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&b, "%s\n", group)
		}
		fmt.Fprintf(&b, "  %-*s  %s\n", width, f.Name, text)
	}
	if len(steps) > 0 {
		fmt.Fprintf(&b, "records\n")
		cfg.Format, cfg.Fields = Table, nil
		cfg.Columns = []string{"ts", "event", "state", "reason", "tx_bytes", "rx_bytes", "tx_rate", "rx_rate", "duration"}
		s, err := New(cfg, schema, &b)
		if err != nil {
			return err
		}
		if err := s.Frame(steps); err != nil {
			return err
		}
	}
	_, err := w.Write(b.Bytes())
	return WriteError(err)
}

// cardValue is a value with its unit: times with their day, and of many bytes how many that is in short.
func cardValue(f *event.Field, e *event.Event, format string) []byte {
	st := newStamp(format)
	if format == "" {
		st = stamp{loc: time.Local, layout: "2006-01-02 15:04:05", digits: 6, zone: true}
	}
	text := appendValue(nil, f, &st, e)
	if len(text) == 0 || f.Unit == "" {
		return text
	}
	text = append(append(text, ' '), f.Unit...)
	if f.Unit != "bytes" || f.Uint == nil {
		return text
	}
	if n, _ := f.Uint(e); n >= 1000 {
		text = append(AppendBytes(append(text, " ("...), n), ')')
	}
	return text
}
