package output

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"rustnet/track/event"
)

// selection is what --fields says: these and no others, or the default with some more and some less.
type selection struct {
	only, add []*event.Field
	drop      map[string]bool
}

func parseFields(specs []string, schema *event.Schema) (selection, error) {
	sel := selection{drop: map[string]bool{}}
	for _, word := range event.Words(specs...) {
		sign, name := byte(0), word
		if word[0] == '+' || word[0] == '-' {
			sign, name = word[0], word[1:]
		}
		f := schema.Lookup(name)
		if f == nil {
			hint := "rustnet fields lists them"
			if near := schema.Nearest(name); near != "" {
				hint = fmt.Sprintf("did you mean %q?) (", near) + hint
			} else if name == "all" || name == "*" {
				hint = "without --fields JSON and CSV have all"
			}
			return sel, fmt.Errorf("--fields: unknown field %q (%s)", name, hint)
		}
		switch sign {
		case '+':
			if !slices.Contains(sel.add, f) {
				sel.add = append(sel.add, f)
			}
		case '-':
			sel.drop[name] = true
		default:
			if slices.Contains(sel.only, f) {
				return sel, fmt.Errorf("--fields: %s is named twice", name)
			}
			sel.only = append(sel.only, f)
		}
	}
	if len(sel.only) > 0 && len(sel.add)+len(sel.drop) > 0 {
		return sel, errors.New("--fields: either a list of fields, or changes to the default with + and -; not both")
	}
	return sel, nil
}

// SelectFields applies what --fields says to a default.
func SelectFields(specs []string, schema *event.Schema, base []*event.Field) ([]*event.Field, error) {
	sel, err := parseFields(specs, schema)
	if err != nil {
		return nil, err
	}
	return sel.fields(base), nil
}

// fields applies the selection to a default.
func (sel selection) fields(base []*event.Field) []*event.Field {
	if len(sel.only) > 0 {
		return sel.only
	}
	var out []*event.Field
	for _, f := range base {
		if !sel.drop[f.Name] {
			out = append(out, f)
		}
	}
	for _, f := range sel.add {
		if !slices.Contains(out, f) && !sel.drop[f.Name] {
			out = append(out, f)
		}
	}
	return out
}

func didYouMean(name string, among []string) string {
	if near := event.Nearest(name, among); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

// WriteFields writes the schema as a table for people, as JSON or as a Markdown table. That for people fills a terminal of this width; 0 = a
// field is a line.
func WriteFields(w io.Writer, schema *event.Schema, format string, width int) error {
	var b strings.Builder
	switch format {
	case Table, "":
		writeFieldTable(&b, schema, width)
	case JSON:
		if err := writeFieldJSON(&b, schema); err != nil {
			return err
		}
	case "markdown":
		writeFieldMarkdown(&b, schema)
	default:
		return fmt.Errorf("fields: unknown format %q (table, json or markdown)", format)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// typeAndUnit says what a value is, as in "float, ms".
func typeAndUnit(f *event.Field) string {
	if f.Unit == "" {
		return f.Type.String()
	}
	return f.Type.String() + ", " + f.Unit
}

func writeFieldTable(b *strings.Builder, schema *event.Schema, width int) {
	nameWidth, typeWidth := 0, 0
	for _, f := range schema.Fields {
		nameWidth, typeWidth = max(nameWidth, len(f.Name)), max(typeWidth, len(typeAndUnit(f)))
	}
	group := ""
	for _, f := range schema.Fields {
		if f.Group != group {
			if group != "" {
				b.WriteByte('\n')
			}
			group = f.Group
			b.WriteString(group + "\n")
		}
		fmt.Fprintf(b, "  %-*s  %-*s", nameWidth, f.Name, typeWidth, typeAndUnit(f))
		const least = 30 // columns that sentences can be read in
		switch beside := 2 + nameWidth + 2 + typeWidth + 2; {
		case width <= 0:
			b.WriteString("  " + f.Doc + "\n")
		case width-beside >= least:
			b.WriteString("  ")
			Fill(b, f.Doc, 0, beside, width)
		default: // below it
			b.WriteByte('\n')
			Fill(b, f.Doc, 6, 6, width)
		}
	}
}

// writeFieldJSON writes one object a line, as records are.
func writeFieldJSON(b *strings.Builder, schema *event.Schema) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	for _, f := range schema.Fields {
		form := f.Form()
		if form == nil {
			form = &event.Form{}
		}
		if err := enc.Encode(struct {
			Name  string `json:"name"`
			Type  string `json:"type"`
			Unit  string `json:"unit,omitempty"`
			Group string `json:"group"`
			Doc   string `json:"doc"`
			// What each of its texts is: a word, or of a form.
			Words   []string `json:"words,omitempty"`
			Form    string   `json:"form,omitempty"`
			Example string   `json:"example,omitempty"`
		}{f.Name, f.Type.String(), f.Unit, f.Group, f.Doc, form.Words(), form.What, form.Example}); err != nil {
			return err
		}
	}
	return nil
}

func writeFieldMarkdown(b *strings.Builder, schema *event.Schema) {
	b.WriteString("| field | type | meaning |\n|---|---|---|\n")
	for _, f := range schema.Fields {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.Name, typeAndUnit(f), strings.ReplaceAll(f.Doc, "|", `\|`))
	}
}
