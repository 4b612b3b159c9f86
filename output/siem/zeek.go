package siem

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"

	"rustnet/output"
	"rustnet/track/event"
)

// zeek is conn.log. Types and order are those of Conn::Info and of the policy scripts that add to it.
var zeek = form{
	name: "zeek", title: "Zeek conn.log", version: "Zeek 8, `base/protocols/conn` and the policies community-id-logging, vlan-logging, mac-logging",
	about: "One line for each connection over IP, written when it has ended, as in `conn.log`; tab-separated with Zeek's header, or with `--json` an object as Zeek's `LogAscii::use_json` writes it. " +
		"Values for which Zeek has no column follow in columns that begin with `rustnet.`, as the fields of a record that a script adds: " +
		"`--fields +NAME` adds such a column, `--fields=-NAME` takes one away. Zeek's other logs (`ssl.log`, `http.log`, `dns.log`) are not written: their essence is in the columns. " +
		"`#open` and `#close` are left out: a file in pieces has one header for all, and the same capture gives the same bytes; Zeek's tools do without them. " +
		"`lost` and `alert` records have no line here; losses are in the summary on stderr.",
	kinds: on(event.Closed, event.Open), flat: true, time: timeUnix,
	records: []record{{name: "conn", on: on(event.Closed, event.Open), ip: true, targets: []target{
		{to: "ts", from: "start", typ: "time", must: true},
		{to: "uid", from: "id", as: zeekUID, typ: "string", must: true},
		{to: "id.orig_h", from: "local_addr", peer: "remote_addr", typ: "addr", must: true},
		{to: "id.orig_p", from: "local_port", peer: "remote_port", as: zeekPort("icmp_type"), typ: "port", must: true},
		{to: "id.resp_h", from: "remote_addr", peer: "local_addr", typ: "addr", must: true},
		{to: "id.resp_p", from: "remote_port", peer: "local_port", as: zeekPort("icmp_code"), typ: "port", must: true},
		{to: "proto", from: "proto", as: zeekProto, typ: "enum", must: true},
		{to: "service", from: "app", as: words("`tls` and `dtls` are `ssl`, `mdns` and `llmnr` are `dns`, `kerberos` is `krb`, `vnc` is `rfb`, `isakmp` is `ipsec`, `http2` is `http`; others by rustnet's names",
			"tls", "ssl", "dtls", "ssl", "mdns", "dns", "llmnr", "dns", "kerberos", "krb", "vnc", "rfb", "isakmp", "ipsec", "http2", "http"), typ: "string"},
		{to: "duration", from: "duration", as: zeekInterval, typ: "interval"},
		{to: "orig_bytes", from: "tx_payload", peer: "rx_payload", as: zeekPayload, typ: "count"},
		{to: "resp_bytes", from: "rx_payload", peer: "tx_payload", as: zeekPayload, typ: "count"},
		{to: "conn_state", from: "history", as: connState, typ: "string"},
		{to: "local_orig", from: "direction", as: zeekLocal("out"), typ: "bool"},
		{to: "local_resp", from: "direction", as: zeekLocal("in"), typ: "bool"},
		{to: "missed_bytes", from: "history", as: zeekMissed, typ: "count"},
		{to: "history", from: "history", typ: "string"},
		{to: "orig_pkts", from: "tx_packets", peer: "rx_packets", typ: "count"},
		{to: "orig_ip_bytes", from: "tx_bytes", peer: "rx_bytes", typ: "count"},
		{to: "resp_pkts", from: "rx_packets", peer: "tx_packets", typ: "count"},
		{to: "resp_ip_bytes", from: "rx_bytes", peer: "tx_bytes", typ: "count"},
		{to: "tunnel_parents", as: nothing("unset: the tunnel is no connection of its own here"), typ: "set[string]"},
		{to: "ip_proto", from: "proto", as: protoNumber, typ: "count"},
		{to: "community_id", from: "community_id", typ: "string"},
		{to: "vlan", from: "vlan", typ: "int"},
	}}},
	none: []homeless{
		{"v event seq", "conn.log has one kind of line"},
		{"ts", "conn.log goes by the first packet; the last is ts + duration"},
		{"state", "conn_state says it, from history and reason"},
		{"tx_bytes_delta rx_bytes_delta tx_rate rx_rate", "conn.log has totals only"},
		{"local_mac remote_mac stp_* lldp_* cdp_* lacp_* eapol_*", "protocols without IP have no line in conn.log"},
		{"lost_where lost_count", "lost records have no line"},
		{"group_by connections connections_* groups_merged records_*", "summaries have no line"},
		{"alert alert_reason alert_count", "alerts have no line: they stand in Zeek's notice.log"},
	},
}

// zeekAdded are the columns that stand behind Zeek's own by default; --fields adds any other.
var zeekAdded = []string{"reason", "partial", "host", "sni", "pid", "process", "exe", "user", "container", "pod", "unit"}

// addedColumn names the column of a field that Zeek has none for.
func addedColumn(f *event.Field) string { return "rustnet." + f.Name }

// zeekPayload says of the count what Zeek's own does not: where it is not exact, there is none.
var zeekPayload = conversion{doc: "payload; unset where it is not known exactly: of TCP where a start or FIN was not seen (resets, timeouts) and no kernel counted it, of UDP, ICMP and others, " +
	"whose headers are counted with it, and of what is still open", make: (*encoder).plain}

func nothing(doc string) conversion {
	return conversion{doc: doc, make: func(*encoder, *event.Field, *event.Event) value { return value{} }}
}

var zeekUID = conversion{doc: "`C` and the id", make: func(x *encoder, f *event.Field, e *event.Event) value {
	n, ok := f.Uint(e)
	if !ok {
		return value{}
	}
	x.buf = output.AppendID(append(x.buf[:0], 'C'), n)
	return value{is: text}
}}

// zeekPort is the port, of ICMP what Zeek has in its place.
func zeekPort(icmp string) conversion {
	return conversion{doc: "of ICMP `" + icmp + "`; 0 where there is none", make: func(x *encoder, f *event.Field, e *event.Event) value {
		n, _ := f.Uint(e)
		if p := x.fields.proto.Str(e); p == "icmp" || p == "icmp6" {
			of := x.fields.icmpType
			if icmp == "icmp_code" {
				of = x.fields.icmpCode
			}
			n, _ = of.Uint(e)
		}
		return value{is: number, num: n}
	}}
}

var zeekProto = conversion{doc: "tcp, udp, icmp (also for ICMPv6), else unknown_transport", make: func(_ *encoder, f *event.Field, e *event.Event) value {
	switch p := f.Str(e); p {
	case "tcp", "udp", "icmp":
		return ofStr(p)
	case "icmp6":
		return ofStr("icmp")
	}
	return ofStr("unknown_transport")
}}

// zeekLocal tells whether an end is this side's: who opened it where mine is out, who was called where it is in.
func zeekLocal(mine string) conversion {
	return conversion{doc: "T for `" + mine + "` and `local`, F for the others; unset where it is not known", make: func(_ *encoder, f *event.Field, e *event.Event) value {
		d := f.Str(e)
		if d == "" {
			return value{}
		}
		return ofBool(d == mine || d == "local")
	}}
}

// zeekInterval is unset for what had no second packet, as Zeek has it.
var zeekInterval = conversion{doc: "unset for 0, as with Zeek", make: func(_ *encoder, f *event.Field, e *event.Event) value {
	if d, ok := f.Float(e); ok && d > 0 {
		return value{is: float, num: math.Float64bits(d)}
	}
	return value{}
}}

var zeekMissed = conversion{doc: "0 where no gap was seen (`g` in history); else unset, as its size is not counted", make: func(x *encoder, f *event.Field, e *event.Event) value {
	h := x.letters(f, e)
	if len(h) == 0 || x.fields.proto.Str(e) != "tcp" {
		return value{is: number}
	}
	for _, c := range h {
		if c == 'g' || c == 'G' {
			return value{}
		}
	}
	return value{is: number}
}}

// letters is the history.
func (x *encoder) letters(f *event.Field, e *event.Event) []byte {
	if f.Append != nil {
		x.buf = f.Append(x.buf[:0], e)
	} else {
		x.buf = append(x.buf[:0], f.Str(e)...)
	}
	return x.buf
}

var connState = conversion{doc: "S0 S1 SF REJ S2 S3 RSTO RSTR RSTOS0 RSTRH SH SHR OTH by Zeek's rules, from `history`, and `reason` where that says more", make: func(x *encoder, f *event.Field, e *event.Event) value {
	return ofStr(zeekState(x.fields.proto.Str(e), x.letters(f, e), x.fields.reason.Str(e)))
}}

// endpoint is the state of one end in Zeek's terms.
type endpoint uint8

const (
	inactive endpoint = iota
	partial
	synSent
	synAckSent
	established
	closed
	reset
)

// zeekState gives conn_state: it plays the letters to the state machine of Zeek's TCP analyzer, and judges the
// states that the two ends are left in as scripts/base/protocols/conn does.
func zeekState(proto string, history []byte, reason string) string {
	switch proto {
	case "udp":
		var sent [2]bool
		for _, l := range history {
			if l == 'D' || l == 'd' {
				sent[l>>5&1] = true
			}
		}
		switch {
		case sent[0] && sent[1]:
			return "SF"
		case sent[0]:
			return "S0"
		case sent[1]:
			return "SHR"
		}
		return "OTH"
	case "tcp":
	default:
		return "OTH"
	}
	var end, before [2]endpoint // the origin's, the responder's
	data := false
	for _, l := range history {
		if l == '^' {
			continue
		}
		me := int(l >> 5 & 1)
		peer := 1 - me
		was := end[me]
		switch l &^ 0x20 {
		case 'S', 'H':
			if was != inactive {
				if was == partial && end[peer] == inactive && l&^0x20 == 'S' {
					end[me] = synSent
				}
				break
			}
			switch {
			case me == 1:
				end[me] = established
				if end[peer] == synSent {
					end[peer] = established
				}
			case l == 'H':
				end[me] = synAckSent
			default:
				end[me] = synSent
			}
		case 'F':
			if was == reset || was == closed {
				break
			}
			end[me] = closed
			if (was == established || was == partial) && end[peer] == reset && before[peer] == closed {
				end[peer] = closed // FIN, then RST: that was an orderly end
			}
		case 'R':
			if was != closed || end[peer] != closed {
				end[me] = reset
			}
		default: // what has no flag that changes a state
			data = data || l&^0x20 == 'D'
			switch {
			case was != inactive || me == 1 && l == 'a' && end[peer] == synSent:
			case end[peer] == established:
				end[me] = established
			default:
				end[me] = partial
			}
		}
		if end[me] != was {
			before[me] = was
		}
	}
	// What the kernel told, or what came when the history was full.
	if reason == "fin" && (end[0] != reset && end[1] != reset) {
		end[0], end[1] = closed, closed
	}
	o, r := end[0], end[1]
	quiet := func(s endpoint) bool { return s == inactive || s == partial }
	switch {
	case r == reset && (o == synSent || o == synAckSent || o == reset && !data):
		return "REJ"
	case r == reset && quiet(o):
		return "RSTRH"
	case r == reset:
		return "RSTR"
	case o == reset && quiet(r):
		if gaveUp(history) {
			return "RSTOS0"
		}
		return "OTH"
	case o == reset:
		return "RSTO"
	case o == closed && r == closed:
		return "SF"
	case o == closed && quiet(r):
		return "SH"
	case o == closed:
		return "S2"
	case r == closed && quiet(o):
		return "SHR"
	case r == closed:
		return "S3"
	case o == synSent && r == inactive:
		return "S0"
	case o == established && r == established:
		return "S1"
	}
	return "OTH"
}

// gaveUp tells whether the origin sent nothing of note between its SYN and its RST.
func gaveUp(history []byte) bool {
	history = bytes.TrimPrefix(history, []byte("^"))
	end := bytes.IndexByte(history, 'R')
	return end > 0 && history[0] == 'S' && !bytes.ContainsAny(history[:end], "HAFGIQ")
}

func timeUnix(_ *encoder, dst []byte, ns int64) []byte { return output.AppendUnix(dst, ns) }

// tsv writes tab-separated lines as Zeek's ASCII writer does.
type tsv struct{ columns []node }

func newTSV(root *node) *tsv { return &tsv{root.kids} }

func (z *tsv) header(dst []byte) []byte {
	dst = append(dst, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#fields"...)
	for i := range z.columns {
		dst = append(append(dst, '\t'), z.columns[i].name...)
	}
	dst = append(dst, "\n#types"...)
	for i := range z.columns {
		dst = append(append(dst, '\t'), z.columns[i].zeekType()...)
	}
	return append(dst, '\n')
}

// zeekType is that of a column: declared, or what an added one's field amounts to.
func (n *node) zeekType() string {
	for i := range zeek.records[0].targets {
		if t := &zeek.records[0].targets[i]; t.to == n.name {
			return t.typ
		}
	}
	switch n.from[0].Type {
	case event.Uint:
		return "count"
	case event.Float:
		return "double"
	case event.Bool:
		return "bool"
	case event.Addr:
		return "addr"
	case event.Time:
		return "time"
	case event.List:
		return "vector[string]"
	}
	return "string"
}

func (z *tsv) record(dst []byte, x *encoder, e *event.Event) []byte {
	for i := range z.columns {
		k := &z.columns[i]
		if i > 0 {
			dst = append(dst, '\t')
		}
		var v value
		if k.needs[x.in]&^x.has == 0 {
			v = x.value(k, e)
		}
		switch v.is {
		case absent:
			dst = append(dst, '-')
		case str:
			dst = appendZeek(dst, v.str, false)
		case text:
			dst = append(dst, x.buf...)
		case number:
			dst = strconv.AppendUint(dst, v.num, 10)
		case float:
			dst = strconv.AppendFloat(dst, math.Float64frombits(v.num), 'f', 6, 64)
		case truth:
			dst = append(dst, "FT"[v.num])
		case moment:
			dst = output.AppendUnix(dst, int64(v.num))
		case strs:
			for j, s := range v.list {
				if j > 0 {
					dst = append(dst, ',')
				}
				dst = appendZeek(dst, s, true)
			}
		}
	}
	return append(dst, '\n')
}

// appendZeek writes a text so that it neither is taken for a separator nor for what stands for none.
func appendZeek(dst []byte, s string, inList bool) []byte {
	switch s {
	case "":
		return append(dst, "(empty)"...)
	case "-", "(empty)":
		dst = appendHex(dst, s[0])
		s = s[1:]
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f || c == '\\' || inList && c == ',' {
				dst = appendHex(dst, c)
			} else {
				dst = append(dst, c)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || output.Hostile(r) {
			for ; size > 0; size-- {
				dst = appendHex(dst, s[i])
				i++
			}
			continue
		}
		dst = append(dst, s[i:i+size]...)
		i += size
	}
	return dst
}

func appendHex(dst []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'x', digits[c>>4], digits[c&15])
}
