package siem

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"rustnet/track/event"
)

// Write writes what becomes of each field in each form, as a page in Markdown.
func Write(w io.Writer) error {
	var b strings.Builder
	b.WriteString(introduction)
	for _, f := range forms {
		f.document(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const introduction = "<!-- Made from the code's own declaration by go generate. -->\n# Other schemas\n\n" +
	"`--schema NAME` writes the records in another program's form: to stdout, to the files of `--write`, and to the command of `--exec`; of live connections,\n" +
	"of a capture (`-r`), of records that are read back (`--from`), and of a store (`rustnet history`).\n\n```\n" +
	"rustnet --schema zeek -r incident.pcapng | zeek-cut id.resp_h service rustnet.process\n" +
	"rustnet --schema eve -o none --write /var/log/rustnet/eve.json --rotate-every 1h\n" +
	"rustnet --from connections.ndjson.zst --schema ecs | vector --config to-elastic.toml\n" +
	"rustnet history --store net.db --since 1h --schema ocsf > activity.ndjson\n```\n\n" +
	"The first column below has the schema's own names. Every field of rustnet is in one of the tables, or in a line that says why it is not. Events for which the\n" +
	"schema has no record are counted as `not selected` in the summary. `--fields` says which of rustnet's fields are used: `--fields=-cmdline` leaves out what would be made of\n" +
	"`cmdline`; what a record must have stays. Filters, `--events`, `--count` and the rest apply to rustnet's own records. `--csv` and `--time-format` cannot be combined with it.\n\n" +
	"*Origin* is the end that opened the connection, as far as that is known: the local end, or the remote end where `direction` is `in`. Where a line names two fields, the second is for `in`.\n"

func (f *form) document(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s: `--schema %s`\n\n%s.\n\n%s\n", f.title, f.name, f.version, f.about)
	if len(f.common) > 0 {
		b.WriteString("\n### In each record\n")
		table(b, f, f.common, rest{})
	}
	for i := range f.records {
		r := &f.records[i]
		if len(f.records) > 1 {
			fmt.Fprintf(b, "\n### `%s`\n\n%s\n", r.name, r.moment())
		}
		table(b, f, r.targets, r.rest)
	}
	if f.flat {
		fmt.Fprintf(b, "\nThen follow these columns, each with the value of its field: %s. `--fields +NAME` adds one for any other field that is not listed below.\n", columns(zeekAdded))
	}
	b.WriteString("\n| has no place | because |\n|---|---|\n")
	for _, h := range f.none {
		fmt.Fprintf(b, "| `%s` | %s |\n", strings.Join(strings.Fields(h.fields), "` `"), h.why)
	}
}

// moment says when the record is written.
func (r *record) moment() string {
	var kinds []string
	for k := event.New; k < event.NumKinds; k++ {
		if r.on&on(k) != 0 {
			kinds = append(kinds, "`"+k.String()+"`")
		}
	}
	if len(r.ready) == 0 {
		return "Of " + strings.Join(kinds, " and ") + "."
	}
	text := "Written once the connection has " + names(r.ready) + ", at the latest when it ends, if it has any of " + names(r.about)
	switch {
	case r.onlyApp != "":
		text += " and `app` is `" + r.onlyApp + "`"
	case r.notApp != "":
		text += " and `app` is not `" + r.notApp + "`"
	}
	return text + "."
}

func columns(fields []string) string {
	var all []string
	for _, f := range fields {
		all = append(all, "`rustnet."+f+"`")
	}
	return strings.Join(all, ", ")
}

func names(fields []string) string { return "`" + strings.Join(fields, "`, `") + "`" }

func table(b *strings.Builder, f *form, targets []target, r rest) {
	if f.flat {
		b.WriteString("\n| column | type | from | how |\n|---|---|---|---|\n")
	} else {
		b.WriteString("\n| theirs | from | how |\n|---|---|---|\n")
	}
	for _, t := range targets {
		var how []string
		if t.as.doc != "" {
			how = append(how, t.as.doc)
		}
		if t.when != "" {
			how = append(how, "only if there is `"+t.when+"`, else with the rest")
		}
		if t.on != 0 {
			for k := event.New; k < event.NumKinds; k++ {
				if t.on&on(k) != 0 {
					how = append(how, "of `"+k.String()+"` only")
				}
			}
		}
		typ := ""
		if f.flat {
			typ = " " + t.typ + " |"
		}
		fmt.Fprintf(b, "| `%s` |%s %s | %s |\n", t.to, typ, t.sources(), strings.ReplaceAll(strings.Join(how, "; "), "|", `\|`))
	}
	if r.how != noRest {
		fmt.Fprintf(b, "| `%s` | all others that have a place | %s |\n", r.at, [...]string{keywords: "an object of texts, under rustnet's names", natural: "an object, under rustnet's names",
			variables: "a list of objects of one text each, under rustnet's names"}[r.how])
	}
}

func (t *target) sources() string {
	switch {
	case t.all != "":
		return names(slices.DeleteFunc(strings.Fields(t.all), func(name string) bool { return name == "host.name" }))
	case t.from == "-":
		return "`" + t.peer + "` of an incoming connection"
	case t.peer == "-":
		return "`" + t.from + "`, not of an incoming connection"
	}
	var all []string
	for _, n := range t.uses() {
		if n = "`" + n + "`"; !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return strings.Join(all, ", ")
}
