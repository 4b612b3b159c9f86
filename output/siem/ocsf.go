package siem

import "rustnet/track/event"

const ocsfVersion = "1.8.0"

// ocsf is class 4001, Network Activity, of the Open Cybersecurity Schema Framework.
var ocsf = form{
	name: "ocsf", title: "OCSF Network Activity (4001)", version: "OCSF " + ocsfVersion + ", profiles `host`, `container`, `security_control`",
	about: "One event of class 4001 for each `new` (Open), `updated` (Traffic), `closed` (Close, Reset, Refuse, Fail; Traffic where rustnet ended, not the connection) and `alert` (Traffic with `is_alert`). " +
		"`src_endpoint` is the end that opened the connection. Values for which the class has no attribute are in `unmapped`, under rustnet's name. " +
		"`lost` and `stats` records have no class of their own; losses are in the summary on stderr.",
	kinds: on(event.New, event.Updated, event.Closed, event.Open, event.Alert), time: timeMillis,
	records: []record{{on: on(event.New, event.Updated, event.Closed, event.Open, event.Alert), rest: rest{"unmapped", natural}, targets: []target{
		{to: "class_uid", as: alwaysJSON("4001")},
		{to: "class_name", as: always("Network Activity")},
		{to: "category_uid", as: alwaysJSON("4")},
		{to: "category_name", as: always("Network Activity")},
		{to: "activity_id", from: "event", as: ocsfNumber("of what happened, see above", 0), must: true},
		{to: "activity_name", from: "event", as: ocsfActivityName, must: true},
		{to: "type_uid", from: "event", as: ocsfNumber("400100 + activity_id", 400100), must: true},
		{to: "severity_id", as: ocsfSeverity},
		{to: "time", from: "ts", must: true},
		{to: "start_time", from: "start"},
		{to: "end_time", from: "duration", as: endTime, on: on(event.Closed)},
		{to: "duration", from: "duration", as: scaled("in milliseconds", 1e3)},
		{to: "status_id", from: "reason", as: ocsfStatus},
		{to: "status_detail", from: "reason"},
		{to: "message", from: "alert_reason"},
		{to: "is_alert", as: alwaysJSON("true"), on: on(event.Alert)},
		{to: "action_id", as: alwaysJSON("3"), on: on(event.Alert)},
		{to: "disposition_id", as: alwaysJSON("19"), on: on(event.Alert)},
		{to: "policy.name", from: "alert", on: on(event.Alert)},
		{to: "metadata.version", as: always(ocsfVersion)},
		{to: "metadata.product.name", as: always("rustnet")},
		{to: "metadata.product.vendor_name", as: always("rustnet")},
		{to: "metadata.profiles", as: ocsfProfiles},
		{to: "metadata.sequence", from: "seq"},
		{to: "device.hostname", as: thisHost},
		{to: "device.type_id", as: ocsfDevice},
		{to: "src_endpoint.ip", from: "local_addr", peer: "remote_addr", must: true},
		{to: "src_endpoint.port", from: "local_port", peer: "remote_port", must: true},
		{to: "src_endpoint.mac", from: "local_mac", peer: "remote_mac"},
		{to: "src_endpoint.uid", from: "local_mac", peer: "remote_mac"},
		{to: "src_endpoint.hostname", from: "-", peer: "host"},
		{to: "src_endpoint.interface_name", from: "iface", peer: "-"},
		{to: "src_endpoint.vlan_uid", from: "vlan", peer: "-", as: asText},
		{to: "src_endpoint.location.country", from: "-", peer: "country"},
		{to: "src_endpoint.location.city", from: "-", peer: "city"},
		{to: "src_endpoint.autonomous_system.number", from: "-", peer: "asn"},
		{to: "src_endpoint.autonomous_system.name", from: "-", peer: "as_org"},
		{to: "dst_endpoint.ip", from: "remote_addr", peer: "local_addr", must: true},
		{to: "dst_endpoint.port", from: "remote_port", peer: "local_port", must: true},
		{to: "dst_endpoint.mac", from: "remote_mac", peer: "local_mac"},
		{to: "dst_endpoint.uid", from: "remote_mac", peer: "local_mac"},
		{to: "dst_endpoint.hostname", from: "host", peer: "-"},
		{to: "dst_endpoint.interface_name", from: "-", peer: "iface"},
		{to: "dst_endpoint.vlan_uid", from: "-", peer: "vlan", as: asText},
		{to: "dst_endpoint.location.country", from: "country", peer: "-"},
		{to: "dst_endpoint.location.city", from: "city", peer: "-"},
		{to: "dst_endpoint.autonomous_system.number", from: "asn", peer: "-"},
		{to: "dst_endpoint.autonomous_system.name", from: "as_org", peer: "-"},
		{to: "dst_endpoint.svc_name", from: "service"},
		{to: "is_src_dst_assignment_known", from: "partial", as: ocsfAssigned},
		{to: "connection_info.uid", from: "id"},
		{to: "connection_info.protocol_num", from: "proto", as: protoNumber},
		{to: "connection_info.protocol_name", from: "proto"},
		{to: "connection_info.protocol_ver_id", as: ipVersion},
		{to: "connection_info.direction_id", from: "direction", as: ocsfDirection, must: true},
		{to: "connection_info.direction", from: "direction", as: words("`out` is `Outbound`, `in` is `Inbound`, `local` is `Local`; `forward` as it is",
			"out", "Outbound", "in", "Inbound", "local", "Local")},
		{to: "connection_info.flag_history", from: "history"},
		{to: "connection_info.community_uid", from: "community_id"},
		{to: "traffic.bytes_out", from: "tx_bytes", peer: "rx_bytes"},
		{to: "traffic.bytes_in", from: "rx_bytes", peer: "tx_bytes"},
		{to: "traffic.packets_out", from: "tx_packets", peer: "rx_packets"},
		{to: "traffic.packets_in", from: "rx_packets", peer: "tx_packets"},
		{to: "traffic.bytes", from: "tx_bytes", as: allBytes},
		{to: "traffic.packets", from: "tx_packets", as: allPackets},
		{to: "app_protocol_name", from: "app"},
		{to: "actor.process.pid", from: "pid"},
		{to: "actor.process.name", from: "process", when: "pid"},
		{to: "actor.process.path", from: "exe", when: "pid"},
		{to: "actor.process.cmd_line", from: "cmdline", when: "pid"},
		{to: "actor.process.parent_process.pid", from: "ppid", when: "pid"},
		{to: "actor.process.parent_process.name", from: "parent", when: "ppid"},
		{to: "actor.process.container.name", from: "container", when: "pid"},
		{to: "actor.process.container.uid", from: "container_id", when: "pid"},
		{to: "actor.process.container.runtime", from: "container_runtime", when: "container"},
		{to: "actor.user.uid", from: "uid", as: asText},
		{to: "actor.user.name", from: "user"},
		{to: "tls.version", from: "tls_version"},
		{to: "tls.sni", from: "sni", when: "tls_version"},
		{to: "tls.cipher", from: "tls_cipher", when: "tls_version"},
		{to: "tls.ja3_hash", from: "ja3", when: "tls_version", as: ocsfMD5},
		{to: "tls.ja3s_hash", from: "ja3s", when: "tls_version", as: ocsfMD5},
		{to: "ja4_fingerprint_list", from: "ja4", as: ocsfJA4},
		{to: "url.hostname", from: "http_host", when: "http_path", as: hostOnly},
		{to: "url.port", from: "http_host", when: "http_path", as: portOnly},
		{to: "url.path", from: "http_path"},
	}}},
	none: []homeless{
		{"v", "metadata.version says what the names mean"},
		{"lost_where lost_count", "lost records have no class"},
		{"group_by connections connections_* groups_merged records_*", "summaries have no class"},
	},
}

var ocsfNames = [...]string{"Unknown", "Open", "Close", "Reset", "Fail", "Refuse", "Traffic", "Listen"}

// activity is activity_id.
func (x *encoder) activity(e *event.Event) uint64 {
	switch e.Kind {
	case event.New:
		return 1
	case event.Open:
		if s := x.fields.state.Str(e); s == "LISTEN" || s == "UNCONN" {
			return 7
		}
	case event.Closed:
		switch reason := x.fields.reason.Str(e); {
		case reason == "rst":
			return 3
		case reason == "refused":
			return 5
		case x.failed(e):
			return 4
		case reason == "evicted" || reason == "exit":
			return 6
		}
		return 2
	}
	return 6
}

func ocsfNumber(doc string, above uint64) conversion {
	return conversion{doc: doc, make: func(x *encoder, _ *event.Field, e *event.Event) value {
		return value{is: number, num: above + x.activity(e)}
	}}
}

var ocsfActivityName = conversion{doc: "its name", make: func(x *encoder, _ *event.Field, e *event.Event) value { return ofStr(ocsfNames[x.activity(e)]) }}

var ocsfSeverity = conversion{doc: "1 (Informational); of an alert 0 (Unknown), as rules have none", make: func(_ *encoder, _ *event.Field, e *event.Event) value {
	if e.Kind == event.Alert {
		return value{is: number}
	}
	return value{is: number, num: 1}
}}

var ocsfStatus = conversion{doc: "on closed: 2 (Failure) where it was refused, or nobody answered TCP, DNS or ping, else 1 (Success); 0 (Unknown) for `evicted` and `exit`", make: func(x *encoder, f *event.Field, e *event.Event) value {
	switch reason := f.Str(e); {
	case reason == "":
		return value{}
	case x.failed(e):
		return value{is: number, num: 2}
	case reason == "evicted" || reason == "exit":
		return value{is: number}
	}
	return value{is: number, num: 1}
}}

var ocsfProfiles = conversion{doc: "`host`; `container` where there is one; `security_control` of an alert", make: func(x *encoder, _ *event.Field, e *event.Event) value {
	x.buf = append(x.buf[:0], `["host"`...)
	if x.fields.container.Str(e) != "" {
		x.buf = append(x.buf, `,"container"`...)
	}
	if e.Kind == event.Alert {
		x.buf = append(x.buf, `,"security_control"`...)
	}
	x.buf = append(x.buf, ']')
	return value{is: literal}
}}

var ocsfDevice = conversion{doc: "0 (Unknown), where there is a name", make: func(x *encoder, _ *event.Field, _ *event.Event) value {
	if x.host == "" {
		return value{}
	}
	return value{is: number}
}}

var ocsfAssigned = conversion{doc: "false where `partial`, else true", make: func(_ *encoder, f *event.Field, e *event.Event) value {
	b, _ := f.Bool(e)
	return ofBool(!b)
}}

var ocsfDirection = conversion{doc: "1 for `in`, 2 for `out`, 4 for `local`, 99 for `forward`, 0 where it is not known", make: func(_ *encoder, f *event.Field, e *event.Event) value {
	v := value{is: number}
	switch f.Str(e) {
	case "in":
		v.num = 1
	case "out":
		v.num = 2
	case "local":
		v.num = 4
	case "forward":
		v.num = 99
	}
	return v
}}

var ocsfMD5 = conversion{doc: "as a fingerprint by MD5", make: func(x *encoder, f *event.Field, e *event.Event) value {
	return x.wrapped(`{"algorithm_id":1,"algorithm":"MD5","value":"`, f.Str(e), `"}`)
}}

var ocsfJA4 = conversion{doc: "as a list of one fingerprint of type JA4", make: func(x *encoder, f *event.Field, e *event.Event) value {
	return x.wrapped(`[{"type_id":1,"type":"JA4","value":"`, f.Str(e), `"}]`)
}}
