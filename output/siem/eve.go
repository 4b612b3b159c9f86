package siem

import (
	"bytes"
	"strings"

	"rustnet/output"
	"rustnet/track/event"
)

// eve is the JSON log of Suricata. Its schema allows no members but its own.
var eve = form{
	name: "eve", title: "Suricata EVE", version: "etc/schema.json of Suricata 8.0.7",
	about: "One `flow` record for each connection over IP, written when it has ended; before it, as soon as it is complete, one of `tls`, `quic`, `http`, `dns`, `ssh`, `smtp`, `ftp_data` " +
		"where the connection spoke that (of a connection with several requests, the first); an `alert` record for each alert. All have the connection's `flow_id` (the first 13 digits of the id, as a number; " +
		"`rustnet show` takes them in hexadecimal) and `community_id`. What EVE has no name for is in `metadata.flowvars`, where Suricata has the named values of a flow, under rustnet's name, as text; " +
		"records other than `flow` have only the process there. An alert has no `signature_id`, `gid`, `rev` and `severity`: rustnet's rules have names, not numbers. Bytes are those of IP packets, where Suricata's have the link header too. `lost` and `stats` records have no counterpart; losses are in the summary on stderr.",
	kinds: on(event.New, event.Updated, event.Closed, event.Open, event.Alert), time: eveTime,
	common: []target{
		{to: "timestamp", from: "ts", must: true},
		{to: "flow_id", from: "id", as: eveFlowID, must: true},
		{to: "host", as: thisHost},
		{to: "in_iface", from: "iface"},
		{to: "event_type", from: "event", as: conversion{doc: "of the record", make: eveType}, must: true},
		{to: "vlan", from: "vlan", as: one},
		{to: "src_ip", from: "local_addr", peer: "remote_addr", must: true},
		{to: "src_port", from: "local_port", peer: "remote_port", must: true},
		{to: "dest_ip", from: "remote_addr", peer: "local_addr", must: true},
		{to: "dest_port", from: "remote_port", peer: "local_port", must: true},
		{to: "ip_v", as: ipVersion},
		{to: "proto", from: "proto", as: eveProto, must: true},
		{to: "icmp_type", from: "icmp_type"},
		{to: "icmp_code", from: "icmp_code"},
		{to: "community_id", from: "community_id"},
	},
	records: []record{
		{name: "tls", on: atAny, about: []string{"sni", "tls_version", "ja3", "ja4"}, ready: []string{"tls_version"}, notApp: "quic", targets: []target{
			{to: "tls.subject", from: "tls_subject"},
			{to: "tls.issuerdn", from: "tls_issuer"},
			{to: "tls.subjectaltname", from: "tls_san"},
			{to: "tls.sni", from: "sni"},
			{to: "tls.version", from: "tls_version", as: eveTLS},
			{to: "tls.notbefore", from: "tls_not_before", as: eveDate},
			{to: "tls.notafter", from: "tls_not_after", as: eveDate},
			{to: "tls.session_resumed", from: "tls_resumed"},
			{to: "tls.ja3.hash", from: "ja3"},
			{to: "tls.ja3s.hash", from: "ja3s"},
			{to: "tls.ja4", from: "ja4"},
			{to: "tls.client_alpns", from: "alpn"},
			{to: "tls.server_alpns", from: "alpn_selected", as: one},
			{to: "tls.client.subject", from: "tls_client_subject"},
			{to: "tls.client.issuerdn", from: "tls_client_issuer"},
			eveWho,
		}},
		{name: "quic", on: atAny, about: []string{"quic_version"}, ready: []string{"quic_version", "sni"}, targets: []target{
			{to: "quic.version", from: "quic_version", as: words("`v1` is `1`, `v2` is `2`", "v1", "1", "v2", "2")},
			{to: "quic.sni", from: "sni"},
			{to: "quic.ja3.hash", from: "ja3"},
			{to: "quic.ja3s.hash", from: "ja3s"},
			{to: "quic.ja4", from: "ja4"},
			eveWho,
		}},
		{name: "http", on: atAny, about: []string{"http_method", "http_status"}, ready: []string{"http_method", "http_status"}, targets: []target{
			{to: "http.hostname", from: "http_host", as: hostOnly},
			{to: "http.http_port", from: "http_host", as: portOnly},
			{to: "http.url", from: "http_path"},
			{to: "http.http_user_agent", from: "http_user_agent"},
			{to: "http.http_content_type", from: "http_content_type"},
			{to: "http.http_method", from: "http_method"},
			{to: "http.protocol", from: "http_version", as: prefixed("after `HTTP/`", "HTTP/")},
			{to: "http.status", from: "http_status"},
			eveWho,
		}},
		{name: "dns", on: atAny, about: []string{"dns_query"}, ready: []string{"dns_rcode"}, targets: []target{
			{to: "dns.version", as: alwaysJSON("3")},
			{to: "dns.type", from: "dns_rcode", as: eveDNSType},
			{to: "dns.rcode", from: "dns_rcode"},
			{to: "dns.queries", from: "dns_query", as: eveQueries},
			{to: "dns.answers", from: "dns_answers", as: each("rdata")},
			eveWho,
		}},
		{name: "ssh", on: atAny, about: []string{"ssh_client", "ssh_server"}, ready: []string{"ssh_client", "ssh_server", "hassh", "hassh_server"}, targets: []target{
			{to: "ssh.client.proto_version", from: "ssh_client", as: sshPart(0)},
			{to: "ssh.client.software_version", from: "ssh_client", as: sshPart(1)},
			{to: "ssh.client.hassh.hash", from: "hassh"},
			{to: "ssh.server.proto_version", from: "ssh_server", as: sshPart(0)},
			{to: "ssh.server.software_version", from: "ssh_server", as: sshPart(1)},
			{to: "ssh.server.hassh.hash", from: "hassh_server"},
			eveWho,
		}},
		{name: "smtp", on: atAny, about: []string{"smtp_helo", "smtp_from"}, ready: []string{"smtp_helo", "smtp_from", "smtp_to"}, targets: []target{
			{to: "smtp.helo", from: "smtp_helo"},
			{to: "smtp.mail_from", from: "smtp_from"},
			{to: "smtp.rcpt_to", from: "smtp_to", as: one},
			eveWho,
		}},
		{name: "ftp_data", on: atAny, about: []string{"ftp_command", "ftp_file"}, ready: []string{"ftp_command", "ftp_file"}, onlyApp: "ftp-data", targets: []target{
			{to: "ftp_data.filename", from: "ftp_file"},
			{to: "ftp_data.command", from: "ftp_command"},
			eveWho,
		}},
		{name: "alert", on: on(event.Alert), ip: true, rest: rest{"metadata.flowvars", variables}, targets: []target{
			{to: "alert.action", as: always("allowed")},
			{to: "alert.signature", from: "alert"},
			{to: "app_proto", from: "app", as: eveApp},
			{to: "flow.pkts_toserver", from: "tx_packets", peer: "rx_packets"},
			{to: "flow.pkts_toclient", from: "rx_packets", peer: "tx_packets"},
			{to: "flow.bytes_toserver", from: "tx_bytes", peer: "rx_bytes"},
			{to: "flow.bytes_toclient", from: "rx_bytes", peer: "tx_bytes"},
			{to: "flow.start", from: "start"},
		}},
		{name: "flow", on: on(event.Closed, event.Open), ip: true, rest: rest{"metadata.flowvars", variables}, targets: []target{
			{to: "app_proto", from: "app", as: eveApp},
			{to: "flow.pkts_toserver", from: "tx_packets", peer: "rx_packets"},
			{to: "flow.pkts_toclient", from: "rx_packets", peer: "tx_packets"},
			{to: "flow.bytes_toserver", from: "tx_bytes", peer: "rx_bytes"},
			{to: "flow.bytes_toclient", from: "rx_bytes", peer: "tx_bytes"},
			{to: "flow.start", from: "start"},
			{to: "flow.end", from: "duration", as: endTime},
			{to: "flow.age", from: "duration", as: eveAge},
			{to: "flow.state", from: "state", as: eveState},
			{to: "flow.reason", from: "reason", as: only("`timeout`; `exit` is `shutdown`, `evicted` is `forced`; absent for the others, which `flowvars` has", "timeout", "timeout", "exit", "shutdown", "evicted", "forced")},
			{to: "tcp.syn", from: "history", as: eveFlag("SsHh", "`S` or `H`")},
			{to: "tcp.fin", from: "history", as: eveFlag("Ff", "`F`")},
			{to: "tcp.rst", from: "history", as: eveFlag("Rr", "`R`")},
			{to: "tcp.ack", from: "history", as: eveFlag("AaHh", "`A` or `H`")},
			{to: "tcp.state", from: "state", as: eveTCP},
		}},
	},
	none: []homeless{
		{"v seq", "records are not numbered"},
		{"tx_bytes_delta rx_bytes_delta tx_rate rx_rate", "a flow has totals only"},
		{"local_mac remote_mac stp_* lldp_* cdp_* lacp_* eapol_*", "protocols without IP have no flow"},
		{"lost_where lost_count", "lost records have no counterpart"},
		{"group_by connections connections_* groups_merged records_*", "summaries have no counterpart"},
	},
}

var atAny = on(event.New, event.Updated, event.Closed, event.Open)

// eveWho says in the records beside flow who it was.
var eveWho = target{to: "metadata.flowvars", as: conversion{doc: "`process`, `pid` and `user`", make: func(x *encoder, _ *event.Field, e *event.Event) value {
	out := append(x.spare[:0], '[')
	for i := range x.who {
		out = x.other(out, &x.who[i], variables, e)
	}
	x.spare = out
	if len(out) == 1 {
		return value{}
	}
	out[len(out)-1] = ']'
	x.buf = append(x.buf[:0], out...)
	return value{is: literal}
}}}

func eveTime(x *encoder, dst []byte, ns int64) []byte {
	return append(x.stamp.Append(append(dst, '"'), ns), `+0000"`...)
}

var eveDate = conversion{doc: "in UTC, without a zone", make: func(x *encoder, f *event.Field, e *event.Event) value {
	ns := f.Time(e)
	if ns == 0 {
		return value{}
	}
	x.buf = x.date.Append(x.buf[:0], ns)
	x.buf = x.buf[:len(x.buf)-len(".000000")]
	return value{is: text}
}}

// eveFlowID keeps what a JavaScript number can hold: 52 bits.
var eveFlowID = conversion{doc: "its first 13 hexadecimal digits, as a number", make: func(_ *encoder, f *event.Field, e *event.Event) value {
	n, ok := f.Uint(e)
	if !ok {
		return value{}
	}
	return value{is: number, num: n >> 12}
}}

func eveType(x *encoder, _ *event.Field, _ *event.Event) value { return ofStr(x.name) }

// eveProtos are the names that Suricata has for what is not told by its number.
var eveProtos = map[string]string{"tcp": "TCP", "udp": "UDP", "icmp": "ICMP", "icmp6": "IPv6-ICMP", "sctp": "SCTP", "igmp": "IGMP", "gre": "GRE",
	"esp": "ESP", "ah": "AH", "pim": "PIM", "vrrp": "VRRP", "ospf": "OSPFIGP", "eigrp": "EIGRP", "ipv4": "IP-ENCAP", "ipv6": "IPv6", "dccp": "DCCP", "udplite": "UDPLite"}

var eveProto = conversion{doc: "as in protocols(5): `TCP`, `IPv6-ICMP`; else the number, with three digits", make: func(x *encoder, f *event.Field, e *event.Event) value {
	p := f.Str(e)
	if name, ok := eveProtos[p]; ok {
		return ofStr(name)
	}
	n, ok := protoNumbers[p]
	if !ok {
		return value{}
	}
	x.buf = append(x.buf[:0], '0'+n/100, '0'+n/10%10, '0'+n%10)
	return value{is: text}
}}

var eveApp = words("`vnc` is `rfb`, `isakmp` is `ike`, `kerberos` is `krb5`, `postgresql` is `pgsql`; others by rustnet's names, also where Suricata has no parser",
	"vnc", "rfb", "isakmp", "ike", "kerberos", "krb5", "postgresql", "pgsql")

var eveTLS = conversion{doc: "`TLS 1.3`; of SSL as it is", make: func(x *encoder, f *event.Field, e *event.Event) value {
	s := f.Str(e)
	if len(s) != len("1.3") {
		return ofStr(s)
	}
	return x.wrapped(`"TLS `, s, `"`)
}}

var eveDNSType = conversion{doc: "`response` where it was answered, else `request`", make: func(_ *encoder, f *event.Field, e *event.Event) value {
	if f.Str(e) == "" {
		return ofStr("request")
	}
	return ofStr("response")
}}

var eveQueries = conversion{doc: "with `dns_type`, as a list of one `rrname` and `rrtype`", make: func(x *encoder, f *event.Field, e *event.Event) value {
	name := f.Str(e)
	if name == "" {
		return value{}
	}
	x.buf = output.AppendJSON(append(x.buf[:0], `[{"rrname":`...), name)
	if t := x.fields.queryType.Str(e); t != "" {
		x.buf = output.AppendJSON(append(x.buf, `,"rrtype":`...), t)
	}
	x.buf = append(x.buf, `}]`...)
	return value{is: literal}
}}

// sshPart takes SSH-2.0-OpenSSH_9.2 apart (RFC 4253 §4.2).
func sshPart(i int) conversion {
	return conversion{doc: [...]string{"the protocol's version in it", "what stands behind that"}[i], make: func(_ *encoder, f *event.Field, e *event.Event) value {
		version, software, ok := strings.Cut(strings.TrimPrefix(f.Str(e), "SSH-"), "-")
		switch {
		case i == 0:
			return ofStr(version)
		case ok:
			return ofStr(software)
		}
		return value{}
	}}
}

var eveAge = conversion{doc: "in whole seconds", make: func(_ *encoder, f *event.Field, e *event.Event) value {
	d, ok := f.Float(e)
	if !ok || d < 0 {
		return value{}
	}
	return value{is: number, num: uint64(d)}
}}

var eveState = conversion{doc: "`closed` for `fin`, `rst` and `refused`; else `established` where both ends spoke, of TCP where it was opened; else `new`", make: func(x *encoder, _ *event.Field, e *event.Event) value {
	switch x.fields.reason.Str(e) {
	case "fin", "rst", "refused":
		return ofStr("closed")
	}
	var both bool
	if x.fields.proto.Str(e) == "tcp" {
		switch zeekState("tcp", x.letters(x.fields.history, e), "") {
		case "S1", "S2", "S3", "SF":
			both = true
		case "OTH":
			both = bytes.ContainsAny(x.buf, "ad") && bytes.ContainsAny(x.buf, "AD")
		}
	} else {
		tx, _ := x.fields.txPackets.Uint(e)
		rx, _ := x.fields.rxPackets.Uint(e)
		both = tx > 0 && rx > 0
	}
	if both {
		return ofStr("established")
	}
	return ofStr("new")
}}

// eveFlag is true where the history has one of the letters, and else absent.
func eveFlag(letters, doc string) conversion {
	return conversion{doc: "true where it has " + doc + ", of TCP", make: func(x *encoder, f *event.Field, e *event.Event) value {
		if x.fields.proto.Str(e) != "tcp" || !bytes.ContainsAny(x.letters(f, e), letters) {
			return value{}
		}
		return ofBool(true)
	}}
}

var eveTCP = conversion{doc: "the local end's, in lower case, of TCP", make: func(x *encoder, f *event.Field, e *event.Event) value {
	if x.fields.proto.Str(e) != "tcp" {
		return value{}
	}
	x.buf = append(x.buf[:0], f.Str(e)...)
	for i, c := range x.buf {
		if c >= 'A' && c <= 'Z' {
			x.buf[i] = c - 'A' + 'a'
		}
	}
	return x.made()
}}
