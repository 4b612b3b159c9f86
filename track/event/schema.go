package event

import (
	"net/netip"
	"strings"
)

// Version is the schema's: keys are only added within it.
const Version = 1

// Type is what a field holds. JSON, CSV, table, filter and SQL derive their own type from it.
type Type uint8

// ID is a 64-bit number written as 16 hexadecimal digits.
const (
	String Type = iota
	Uint
	Float
	Bool
	Addr
	Time // nanoseconds since the epoch
	List
	ID
)

var typeNames = [...]string{"string", "uint", "float", "bool", "addr", "time", "list", "id"}

func (t Type) String() string { return typeNames[t] }

// Sum is how a field's values over several connections make one.
type Sum uint8

// Rates add up where they are over the same time, as a snapshot's are.
const (
	NoSum Sum = iota
	Add
	Least
	Most
)

// Field is one field of the record. Exactly the getter of its type is set: Str for String,
// Uint for Uint and ID, and so on. Absent is "", false, the zero Addr, 0 for Time, an empty List.
type Field struct {
	Name  string
	Group string // heading in documents; fields keep their order within the group
	Unit  string // "" when it has none: "bytes", "s", "ms", "bytes/s"
	Doc   string // one sentence
	Type  Type
	Width int // columns in the table, 0 = by type
	Sum   Sum
	app   uint16 // 1 + index among the fields of the parsers, 0 = core
	needs Part
	form  Form

	stored int  // 1 + its place in a Stored schema, 0 = a field of a schema of sources
	parsed bool // in a Stored schema: a parser declared it

	Str func(*Event) string
	// Words has all that Str gives of a text that is one of a few words, and Word says which; below 0, ask Str.
	Words []string
	Word  func(*Event) int
	// Append appends what Str gives, for texts that are made on demand, so that writing them allocates nothing.
	Append func(dst []byte, e *Event) []byte
	Uint   func(*Event) (uint64, bool)
	Float  func(*Event) (float64, bool)
	Bool   func(*Event) (v, ok bool)
	Addr   func(*Event) netip.Addr
	Time   func(*Event) int64
	List   func(*Event) []string
}

// Has tells whether the event has a value of the field.
func (f *Field) Has(e *Event) (has bool) {
	switch f.Type {
	case String:
		return f.Str(e) != ""
	case Uint, ID:
		_, has = f.Uint(e)
	case Float:
		_, has = f.Float(e)
	case Bool:
		_, has = f.Bool(e)
	case Addr:
		return f.Addr(e).IsValid()
	case Time:
		return f.Time(e) != 0
	case List:
		return len(f.List(e)) > 0
	}
	return has
}

// Form says how the field, or each member of a list, spells its texts; nil where they can be any.
func (f *Field) Form() *Form {
	switch {
	case f.form.words != nil || f.form.shape != nil:
		return &f.form
	case f.Type == Addr:
		return &endAddress
	case f.Type == ID:
		return &identifier
	}
	return nil
}

// AppIndex numbers the fields that parsers declare, below MaxAppFields; ok is false for the others.
func (f *Field) AppIndex() (i int, ok bool) { return int(f.app) - 1, f.app != 0 }

// Core tells fields of every record's own, as this package declares them, from those that parsers declare and those of a Stored schema.
func (f *Field) Core() bool { return f.app == 0 && f.stored == 0 }

// Schema is the ordered list of all fields.
type Schema struct {
	Fields []*Field
	byName map[string]*Field
}

// NewSchema puts the core fields and those of the parsers in their order: a parser's fields
// stand behind `service`, where the application is told. apps are all that `app` can be, none where that is not known.
func NewSchema(parsers []*AppField, apps ...string) *Schema {
	s := &Schema{byName: map[string]*Field{}}
	for i := range core {
		f := &core[i]
		if f.Name == "app" && len(apps) > 0 {
			known := *f
			known.form = OneOf(apps...).Elsewhere(f.form.elsewhere).WhenRead(f.form)
			f = &known
		}
		if f.Group == groupProcess && s.byName["pid"] == nil && !s.hasGroup(groupProcess) {
			for _, p := range parsers {
				if p.Group == "" {
					p.Group, _, _ = strings.Cut(p.Name, "_")
				}
				s.add(&p.Field)
			}
		}
		s.add(f)
	}
	return s
}

func (s *Schema) hasGroup(g string) bool {
	for _, f := range s.Fields {
		if f.Group == g {
			return true
		}
	}
	return false
}

func (s *Schema) add(f *Field) {
	if s.byName[f.Name] != nil {
		panic("event: field " + f.Name + " declared twice")
	}
	s.Fields = append(s.Fields, f)
	s.byName[f.Name] = f
}

// Lookup finds a field by its name, nil when there is none.
func (s *Schema) Lookup(name string) *Field { return s.byName[name] }

// Answers reads how many packets came from the end that was called.
type Answers struct{ direction, tx, rx, proto, app, icmpType *Field }

// Answers makes it for the records of the schema.
func (s *Schema) Answers() Answers {
	return Answers{s.Lookup("direction"), s.Lookup("tx_packets"), s.Lookup("rx_packets"), s.Lookup("proto"), s.Lookup("app"), s.Lookup("icmp_type")}
}

// Of gives their number; known is false where nobody counts them.
func (a Answers) Of(e *Event) (n uint64, known bool) {
	if a.direction.Str(e) == In.String() {
		return a.tx.Uint(e)
	}
	return a.rx.Uint(e)
}

// None tells of a connection that was never answered.
func (a Answers) None(e *Event) bool {
	n, known := a.Of(e)
	return known && n == 0
}

// Owed is None of what always has an answer: TCP, DNS and ping.
func (a Answers) Owed(e *Event) bool {
	const echo4, echo6 = 8, 128
	switch a.proto.Str(e) {
	case "tcp":
	case "icmp", "icmp6":
		if typ, _ := a.icmpType.Uint(e); typ != echo4 && typ != echo6 {
			return false
		}
	default:
		if a.app.Str(e) != "dns" {
			return false
		}
	}
	return a.None(e)
}

// elsewhere are names that other programs and capture filters have for what is a field here.
var elsewhere = map[string]string{
	"port": "remote_port", "dport": "remote_port", "dst_port": "remote_port", "sport": "local_port", "src_port": "local_port",
	"ip": "remote_addr", "addr": "remote_addr", "address": "remote_addr", "dst": "remote_addr", "dst_ip": "remote_addr", "src": "local_addr", "src_ip": "local_addr",
	"protocol": "proto", "interface": "iface", "domain": "host", "hostname": "host", "time": "ts", "timestamp": "ts",
	"remote_ip": "remote_addr", "dest": "remote_addr", "destination": "remote_addr", "dest_ip": "remote_addr", "destination_ip": "remote_addr", "raddr": "remote_addr",
	"local_ip": "local_addr", "source": "local_addr", "source_ip": "local_addr", "laddr": "local_addr",
	"dest_port": "remote_port", "destination_port": "remote_port", "rport": "remote_port", "source_port": "local_port", "lport": "local_port",
	"tx": "tx_bytes", "sent": "tx_bytes", "bytes_out": "tx_bytes", "rx": "rx_bytes", "received": "rx_bytes", "bytes_in": "rx_bytes", "kind": "event", "type": "event",
	"dir": "direction", "server_name": "sni", "query": "dns_query", "rcode": "dns_rcode", "method": "http_method", "url": "http_path", "uri": "http_path",
	"user_agent": "http_user_agent", "binary": "exe", "username": "user", "retransmits": "tx_retransmits",
	"bytes": "tx_bytes", "packets": "tx_packets", "rtt": "rtt_ms", "latency": "response_ms", "response_time": "response_ms", "ttfb": "response_ms", "time_connect": "connect_ms", "program": "process", "comm": "process", "command": "cmdline", "path": "exe",
}

// Meant gives the field of that name, or the one that other programs call so; nil where there is none.
func (s *Schema) Meant(name string) *Field {
	name = strings.ToLower(name)
	if f := s.byName[name]; f != nil {
		return f
	}
	return s.byName[elsewhere[name]]
}

// Nearest gives the name most like the one meant, "" when none is like it.
func (s *Schema) Nearest(name string) string {
	if field := s.Meant(name); field != nil {
		return field.Name
	}
	names := make([]string, len(s.Fields))
	for i, f := range s.Fields {
		names[i] = f.Name
	}
	return Nearest(name, names)
}

// Nearest gives the one of names that a person most likely meant by name, "" when none is like it.
func Nearest(name string, names []string) string {
	best, limit := "", max(2, len(name)/3)+1
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < limit && d < len(name) && 2*d <= len(name) {
			best, limit = n, d
		}
	}
	return best
}

// distance counts insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			c := 1
			if a[i-1] == b[j-1] {
				c = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+c)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
