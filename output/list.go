package output

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteList writes a list of things that are no events, in the forms of records: a JSON object a line, in
// which what is empty is left out; CSV; a table, without the columns that nothing is in. Values are strings, numbers, bools
// and lists of strings, one for each column.
func WriteList(w io.Writer, cfg Config, columns []string, rows [][]any) error {
	var b bytes.Buffer
	switch cfg.Format {
	case JSON:
		for _, row := range rows {
			if err := jsonRow(&b, columns, row); err != nil {
				return err
			}
		}
	case CSV:
		enc := csv.NewWriter(&b)
		enc.UseCRLF = true
		if !cfg.NoHeader {
			enc.Write(columns)
		}
		for _, row := range rows {
			texts := textRow(row)
			for i := range texts {
				if cfg.Width > 0 {
					texts[i] = string(appendEscaped(nil, texts[i]))
				}
			}
			enc.Write(texts)
		}
		enc.Flush()
	case None:
	default:
		tableRows(&b, cfg, columns, rows)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func jsonRow(b *bytes.Buffer, columns []string, row []any) error {
	b.WriteByte('{')
	comma := ""
	for i, v := range row {
		switch v := v.(type) {
		case string:
			if v == "" {
				continue
			}
		case []string:
			if len(v) == 0 {
				continue
			}
		}
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("%s: %w", columns[i], err)
		}
		text = Calm(text)
		fmt.Fprintf(b, "%s%q:%s", comma, columns[i], text)
		comma = ","
	}
	b.WriteString("}\n")
	return nil
}

// Calm writes what makes a terminal act, and the standard library leaves as it is, as JSON's escapes.
func Calm(text []byte) []byte {
	if !bytes.ContainsFunc(text, hostile) {
		return text
	}
	var b []byte
	for _, r := range string(text) {
		if hostile(r) {
			b = appendU(b, r)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

func textRow(row []any) []string {
	texts := make([]string, len(row))
	for i, v := range row {
		if list, ok := v.([]string); ok {
			texts[i] = strings.Join(list, " ")
		} else {
			texts[i] = fmt.Sprint(v)
		}
	}
	return texts
}

func tableRows(b *bytes.Buffer, cfg Config, columns []string, rows [][]any) {
	cells, widths := make([][]string, len(rows)), make([]int, len(columns))
	for i, row := range rows {
		cells[i] = textRow(row)
		for j, v := range row {
			if set, ok := v.(bool); ok {
				cells[i][j] = map[bool]string{true: "yes", false: "no"}[set]
			}
			cells[i][j] = string(appendEscaped(nil, cells[i][j]))
			widths[j] = max(widths[j], textWidth([]byte(cells[i][j])))
		}
	}
	line := func(row []string) {
		start := b.Len()
		for j, cell := range row {
			if widths[j] == 0 {
				continue
			}
			if b.Len() > start {
				b.WriteString("  ")
			}
			b.WriteString(cell)
			b.Write(appendSpaces(nil, widths[j]-textWidth([]byte(cell))))
		}
		b.Truncate(start + len(bytes.TrimRight(b.Bytes()[start:], " ")))
		b.WriteByte('\n')
	}
	if !cfg.NoHeader && len(rows) > 0 {
		titles := make([]string, len(columns))
		for j, c := range columns {
			titles[j] = strings.ToUpper(c)
			if widths[j] > 0 {
				widths[j] = max(widths[j], len(c))
			}
		}
		line(titles)
	}
	for _, row := range cells {
		line(row)
	}
}
