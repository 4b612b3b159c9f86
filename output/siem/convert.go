package siem

import (
	"bytes"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"rustnet/output"
	"rustnet/track/event"
)

// value is one on its way from our form to theirs. Of text and literal, encoder.buf has it, until the next value is made.
type value struct {
	is   valueType
	str  string // of objects, the name of the one member of each
	num  uint64 // of float, its bits
	list []string
}

type valueType uint8

const (
	absent  valueType = iota
	str               // str
	text              // encoder.buf, which needs no escape
	number            // num
	float             // num
	truth             // num
	moment            // num, nanoseconds since the epoch
	strs              // list
	objects           // list, each of them in an object of its own
	literal           // encoder.buf, JSON
)

// conversion makes a value of a field, which may be nil, and of what else the event has.
type conversion struct {
	doc   string // for people
	fixed string // JSON, the same for every event; else
	alone bool   // it is made of the field alone, and absent where that is
	make  func(x *encoder, f *event.Field, e *event.Event) value
}

// plain is the value as it is.
func (x *encoder) plain(f *event.Field, e *event.Event) value {
	switch f.Type {
	case event.String:
		if f.Append != nil {
			x.buf = f.Append(x.buf[:0], e)
			return x.made()
		}
		return ofStr(f.Str(e))
	case event.Uint:
		if n, ok := f.Uint(e); ok {
			return value{is: number, num: n}
		}
	case event.ID:
		if n, ok := f.Uint(e); ok {
			x.buf = output.AppendID(x.buf[:0], n)
			return value{is: text}
		}
	case event.Float:
		if n, ok := f.Float(e); ok && !math.IsNaN(n) && !math.IsInf(n, 0) {
			return value{is: float, num: math.Float64bits(n)}
		}
	case event.Bool:
		if b, ok := f.Bool(e); ok {
			return ofBool(b)
		}
	case event.Addr:
		if a := f.Addr(e); a.IsValid() {
			x.buf = a.AppendTo(x.buf[:0])
			return value{is: text}
		}
	case event.Time:
		if ns := f.Time(e); ns != 0 {
			return value{is: moment, num: uint64(ns)}
		}
	case event.List:
		if l := f.List(e); len(l) > 0 {
			return value{is: strs, list: l}
		}
	}
	return value{}
}

func ofStr(s string) value {
	if s == "" {
		return value{}
	}
	return value{is: str, str: s}
}

// made is the text in buf. Of records that are read back that may be anything.
func (x *encoder) made() value {
	if len(x.buf) == 0 {
		return value{}
	}
	if !plainText(x.buf) {
		return ofStr(string(x.buf))
	}
	return value{is: text}
}

// plainText tells whether a text stands for itself in JSON.
func plainText(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func ofBool(b bool) value {
	v := value{is: truth}
	if b {
		v.num = 1
	}
	return v
}

func isSet(f *event.Field, e *event.Event) bool {
	switch f.Type {
	case event.String:
		return f.Str(e) != ""
	case event.Uint, event.ID:
		_, ok := f.Uint(e)
		return ok
	case event.Float:
		_, ok := f.Float(e)
		return ok
	case event.Bool:
		_, ok := f.Bool(e)
		return ok
	case event.Addr:
		return f.Addr(e).IsValid()
	case event.Time:
		return f.Time(e) != 0
	}
	return len(f.List(e)) > 0
}

// json appends a value, of one that is absent nothing.
func (x *encoder) json(dst []byte, v *value) []byte {
	switch v.is {
	case str:
		return output.AppendJSON(dst, v.str)
	case text:
		return append(append(append(dst, '"'), x.buf...), '"')
	case number:
		return strconv.AppendUint(dst, v.num, 10)
	case float:
		return output.AppendFloat(dst, math.Float64frombits(v.num))
	case truth:
		return strconv.AppendBool(dst, v.num != 0)
	case moment:
		return x.form.time(x, dst, int64(v.num))
	case strs, objects:
		dst = append(dst, '[')
		for _, s := range v.list {
			if v.is == objects {
				dst = append(append(append(dst, `{"`...), v.str...), `":`...)
			}
			dst = output.AppendJSON(dst, s)
			if v.is == objects {
				dst = append(dst, '}')
			}
			dst = append(dst, ',')
		}
		dst[len(dst)-1] = ']'
	case literal:
		return append(dst, x.buf...)
	}
	return dst
}

// field appends the value of a field as JSON, of one that is absent nothing. quote is put around what would be no text otherwise. It is
// json of plain at once, which most of a record is.
func (x *encoder) field(dst []byte, f *event.Field, e *event.Event, quote string) []byte {
	at := len(dst)
	switch f.Type {
	case event.String:
		if f.Append != nil {
			dst = f.Append(append(dst, '"'), e)
			switch made := dst[at+1:]; {
			case len(made) == 0:
				return dst[:at]
			case plainText(made):
				return append(dst, '"')
			}
			return output.AppendJSON(dst[:at], string(dst[at+1:]))
		}
		if s := f.Str(e); s != "" {
			return output.AppendJSON(dst, s)
		}
	case event.Uint:
		if n, ok := f.Uint(e); ok {
			return append(strconv.AppendUint(append(dst, quote...), n, 10), quote...)
		}
	case event.ID:
		if n, ok := f.Uint(e); ok {
			return append(output.AppendID(append(dst, '"'), n), '"')
		}
	case event.Float:
		if n, ok := f.Float(e); ok && !math.IsNaN(n) && !math.IsInf(n, 0) {
			return append(output.AppendFloat(append(dst, quote...), n), quote...)
		}
	case event.Bool:
		if b, ok := f.Bool(e); ok {
			return append(strconv.AppendBool(append(dst, quote...), b), quote...)
		}
	case event.Addr:
		if a := f.Addr(e); a.IsValid() {
			return append(a.AppendTo(append(dst, '"')), '"')
		}
	case event.Time:
		if ns := f.Time(e); ns != 0 {
			if dst = x.form.time(x, append(dst, quote...), ns); quote != "" && dst[at+1] == '"' { // it is text already
				return append(dst[:at], dst[at+1:]...)
			}
			return append(dst, quote...)
		}
	case event.List:
		if l := f.List(e); len(l) > 0 {
			v := value{is: strs, list: l}
			return x.json(dst, &v)
		}
	}
	return dst
}

// joined appends a list as one text.
func joined(dst []byte, list []string) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(dst, '"')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = output.AppendJSONText(dst, s)
	}
	return append(dst, '"')
}

func timeZ(x *encoder, dst []byte, ns int64) []byte {
	return append(x.stamp.Append(append(dst, '"'), ns), `Z"`...)
}

func timeMillis(_ *encoder, dst []byte, ns int64) []byte {
	return strconv.AppendInt(dst, floor(ns, 1e6), 10)
}

// floor divides as a clock does, also before 1970.
func floor(ns, by int64) int64 {
	n := ns / by
	if ns%by < 0 {
		n--
	}
	return n
}

// always is a value that does not depend on the event.
func always(v string) conversion {
	return conversion{doc: "always `" + v + "`", fixed: strconv.Quote(v)}
}

func alwaysJSON(v string) conversion { return conversion{doc: "always `" + v + "`", fixed: v} }

// words turns some values into others; what is not among them stays as it is.
func words(doc string, pairs ...string) conversion {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return conversion{alone: true, doc: doc, make: func(x *encoder, f *event.Field, e *event.Event) value {
		s := f.Str(e)
		if to, ok := m[s]; ok {
			s = to
		}
		return ofStr(s)
	}}
}

// only is words of which what is not among them is absent.
func only(doc string, pairs ...string) conversion {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return conversion{alone: true, doc: doc, make: func(_ *encoder, f *event.Field, e *event.Event) value { return ofStr(m[f.Str(e)]) }}
}

// scaled is a number of seconds in another unit, rounded down.
func scaled(doc string, by float64) conversion {
	return conversion{alone: true, doc: doc, make: func(_ *encoder, f *event.Field, e *event.Event) value {
		n, ok := f.Float(e)
		if !ok || n < 0 || n > math.MaxInt64/by {
			return value{}
		}
		// Durations have whole microseconds, which a float's seconds only come near to.
		return value{is: number, num: uint64(math.Round(n*1e6) * by / 1e6)}
	}}
}

// prefixed puts something before a text.
func prefixed(doc, prefix string) conversion {
	quoted := `"` + prefix
	return conversion{alone: true, doc: doc, make: func(x *encoder, f *event.Field, e *event.Event) value {
		return x.wrapped(quoted, f.Str(e), `"`)
	}}
}

var asText = conversion{alone: true, doc: "as text", make: func(x *encoder, f *event.Field, e *event.Event) value {
	n, ok := f.Uint(e)
	if !ok {
		return value{}
	}
	return x.decimal(n)
}}

// sum adds two counters.
func sum(a, b func(*known) *event.Field, doc string) conversion {
	return conversion{doc: doc, make: func(x *encoder, _ *event.Field, e *event.Event) value {
		n, ok := a(&x.fields).Uint(e)
		m, ok2 := b(&x.fields).Uint(e)
		if !ok || !ok2 {
			return value{}
		}
		return value{is: number, num: n + m}
	}}
}

var (
	allBytes   = sum(func(k *known) *event.Field { return k.tx }, func(k *known) *event.Field { return k.rx }, "`tx_bytes` + `rx_bytes`")
	allPackets = sum(func(k *known) *event.Field { return k.txPackets }, func(k *known) *event.Field { return k.rxPackets }, "`tx_packets` + `rx_packets`")
)

// endTime is the time of the last packet.
var endTime = conversion{doc: "`start` + `duration`", make: func(x *encoder, _ *event.Field, e *event.Event) value {
	start := x.fields.start.Time(e)
	d, ok := x.fields.duration.Float(e)
	if start == 0 || !ok {
		return value{}
	}
	return value{is: moment, num: uint64(start + int64(math.Round(d*1e6))*1000)}
}}

// thisHost is the name of the machine that the records are about.
var thisHost = conversion{doc: "name of this machine; absent for files", make: func(x *encoder, _ *event.Field, _ *event.Event) value { return ofStr(x.host) }}

// protoNumbers finds IANA's number of what proto says.
var protoNumbers = func() map[string]uint8 {
	m := map[string]uint8{}
	for i := range 256 {
		m[event.ProtoName(uint16(i))] = uint8(i)
	}
	return m
}()

var protoNumber = conversion{alone: true, doc: "IANA's number", make: func(_ *encoder, f *event.Field, e *event.Event) value {
	if n, ok := ipProto(f, e); ok {
		return value{is: number, num: uint64(n)}
	}
	return value{}
}}

// ipProto is IANA's number of what the field proto says; ok is false of what is not over IP.
func ipProto(f *event.Field, e *event.Event) (n uint8, ok bool) {
	if e.Stored == nil && e.Kind < event.Lost {
		return uint8(e.Proto), e.Proto < 256
	}
	n, ok = protoNumbers[f.Str(e)]
	return n, ok
}

// ipVersion is that of IP, 0 where there is none, as with ARP, which is about addresses only.
func (x *encoder) ipVersion(e *event.Event) int {
	_, over := ipProto(x.fields.proto, e)
	switch a := x.fields.localAddr.Addr(e); {
	case !over:
		return 0
	case a.Is4():
		return 4
	case a.IsValid():
		return 6
	}
	return 0
}

var ipVersion = conversion{doc: "4 or 6", make: func(x *encoder, _ *event.Field, e *event.Event) value {
	if v := x.ipVersion(e); v != 0 {
		return value{is: number, num: uint64(v)}
	}
	return value{}
}}

// splitHost takes apart a host as HTTP names it.
func splitHost(s string) (host, port string) {
	end := len(s)
	if i := strings.LastIndexByte(s, ':'); i >= 0 && i < len(s)-1 && strings.IndexByte(s[i:], ']') < 0 {
		if _, err := strconv.ParseUint(s[i+1:], 10, 16); err == nil && (strings.IndexByte(s, ':') == i || s[0] == '[') {
			end, port = i, s[i+1:]
		}
	}
	return strings.TrimSuffix(strings.TrimPrefix(s[:end], "["), "]"), port
}

var hostOnly = conversion{alone: true, doc: "without the port", make: func(_ *encoder, f *event.Field, e *event.Event) value {
	host, _ := splitHost(f.Str(e))
	return ofStr(host)
}}

// urlDomain is the host as it stands in a URL: ECS wants an IPv6 address in its brackets.
var urlDomain = conversion{alone: true, doc: "without the port; an IPv6 address in brackets", make: func(x *encoder, f *event.Field, e *event.Event) value {
	host, _ := splitHost(f.Str(e))
	if strings.IndexByte(host, ':') >= 0 {
		return x.wrapped(`"[`, host, `]"`)
	}
	return ofStr(host)
}}

var portOnly = conversion{alone: true, doc: "its port, where it names one", make: func(_ *encoder, f *event.Field, e *event.Event) value {
	_, port := splitHost(f.Str(e))
	if port == "" {
		return value{}
	}
	n, _ := strconv.ParseUint(port, 10, 16)
	return value{is: number, num: n}
}}

// hardware spells a link address as RFC 9542 does.
var hardware = conversion{alone: true, doc: "as `00-00-5E-00-53-23`", make: func(x *encoder, f *event.Field, e *event.Event) value {
	x.buf = append(x.buf[:0], f.Str(e)...)
	for i, c := range x.buf {
		switch {
		case c == ':':
			x.buf[i] = '-'
		case c >= 'a' && c <= 'f':
			x.buf[i] = c - 'a' + 'A'
		}
	}
	return x.made()
}}

var upper = conversion{alone: true, doc: "in upper case", make: func(x *encoder, f *event.Field, e *event.Event) value {
	x.buf = append(x.buf[:0], f.Str(e)...)
	for i, c := range x.buf {
		if c >= 'a' && c <= 'z' {
			x.buf[i] = c - 'a' + 'A'
		}
	}
	return x.made()
}}

// notInAddress tells names apart without the error that a parser would make of each.
func notInAddress(r rune) bool {
	return r != '.' && r != ':' && (r < '0' || r > '9') && (r < 'a' || r > 'f') && (r < 'A' || r > 'F')
}

// addresses are those of a list that are addresses.
var addresses = conversion{alone: true, doc: "the addresses among them", make: func(x *encoder, f *event.Field, e *event.Event) value {
	x.buf = append(x.buf[:0], '[')
	for _, s := range f.List(e) {
		if strings.IndexFunc(s, notInAddress) < 0 && strings.ContainsAny(s, ".:") {
			if _, err := netip.ParseAddr(s); err != nil {
				continue
			}
			x.buf = append(append(append(x.buf, '"'), s...), '"', ',')
		}
	}
	if len(x.buf) == 1 {
		return value{}
	}
	x.buf[len(x.buf)-1] = ']'
	return value{is: literal}
}}

// together makes a list of what is there of the fields, each value once; of a list the addresses.
func (x *encoder) together(fields []member, e *event.Event) value {
	x.all = append(x.all[:0], '[')
	for i := range fields {
		f, at := fields[i].field, len(x.all)
		switch {
		case f == nil:
			if x.host != "" {
				x.all = output.AppendJSON(x.all, x.host)
			}
		case f.Needs()&^x.has != 0 || fields[i].apps != 0 && fields[i].apps&x.apps == 0:
			continue
		case f.Type == event.List:
			if v := addresses.make(x, f, e); v.is == literal {
				for s := range bytes.SplitSeq(x.buf[1:len(x.buf)-1], []byte(",")) {
					x.all = once(append(x.all, s...), len(s))
				}
			}
			continue
		default:
			x.all = x.field(x.all, f, e, "")
		}
		if n := len(x.all) - at; n > 0 {
			x.all = once(x.all, n)
		}
	}
	if len(x.all) == 1 {
		return value{}
	}
	x.all[len(x.all)-1] = ']'
	x.buf, x.all = x.all, x.buf
	return value{is: literal}
}

// once ends the last n bytes of a list with a comma, or takes them away when the list has them already. They are quoted, so that no text
// can look like another one and the commas beside it.
func once(list []byte, n int) []byte {
	at := len(list) - n
	for rest := list[1:at]; len(rest) >= n+1; {
		if i := bytes.Index(rest, list[at:]); i < 0 {
			break
		} else if (i == 0 || rest[i-1] == ',') && rest[i+n] == ',' {
			return list[:at]
		} else {
			rest = rest[i+1:]
		}
	}
	return append(list, ',')
}

// each puts every one of a list in an object.
func each(member string) conversion {
	return conversion{alone: true, doc: "each as an object's `" + member + "`", make: func(_ *encoder, f *event.Field, e *event.Event) value {
		if l := f.List(e); len(l) > 0 {
			return value{is: objects, list: l, str: member}
		}
		return value{}
	}}
}

// one makes a list of a single value.
var one = conversion{alone: true, doc: "as a list of one", make: func(x *encoder, f *event.Field, e *event.Event) value {
	var v value
	if v = x.plain(f, e); v.is == absent {
		return v
	}
	return x.listOf(v)
}}

func (x *encoder) listOf(v value) value {
	switch v.is {
	case number:
		x.buf = append(strconv.AppendUint(append(x.buf[:0], '['), v.num, 10), ']')
	case str:
		x.buf = append(output.AppendJSON(append(x.buf[:0], '['), v.str), ']')
	default:
		return value{}
	}
	return value{is: literal}
}

// failed tells whether an attempt to connect came to nothing.
func (x *encoder) failed(e *event.Event) bool {
	switch x.fields.reason.Str(e) {
	case "refused":
		return true
	case "timeout", "destroyed": // the kernel gave up, or the program did
		partial, _ := x.fields.partial.Bool(e)
		return !partial && x.fields.answers.Owed(e)
	}
	return false
}

// wrapped is a text with JSON around it.
func (x *encoder) wrapped(before, s, after string) value {
	if s == "" {
		return value{}
	}
	x.buf = append(output.AppendJSONText(append(x.buf[:0], before...), s), after...)
	return value{is: literal}
}

// decimal is a number as text.
func (x *encoder) decimal(n uint64) value {
	x.buf = strconv.AppendUint(x.buf[:0], n, 10)
	return value{is: text}
}
