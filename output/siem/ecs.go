package siem

import "rustnet/track/event"

// ecs is Elastic's Common Schema.
var ecs = form{
	name: "ecs", title: "Elastic Common Schema", version: "ECS " + ecsVersion,
	about: "One object for each record, of every kind. `source` is the end that opened the connection. Values for which ECS has no name are in `labels`, as text (a list as a list of texts), under rustnet's name.",
	kinds: on(event.New, event.Updated, event.Closed, event.Open, event.Alert, event.Lost, event.Stats), time: timeZ,
	records: []record{{on: on(event.New, event.Updated, event.Closed, event.Open, event.Alert, event.Lost, event.Stats), rest: rest{"labels", keywords}, targets: []target{
		{to: "@timestamp", from: "ts", must: true},
		{to: "ecs.version", as: always(ecsVersion)},
		{to: "message", from: "alert_reason"},
		{to: "event.kind", as: ecsKind},
		{to: "event.category", as: alwaysJSON(`["network"]`)},
		{to: "event.type", from: "event", as: ecsType, must: true},
		{to: "event.action", from: "event", must: true},
		{to: "event.outcome", from: "reason", as: ecsOutcome},
		{to: "event.reason", from: "reason"},
		{to: "event.provider", as: always("rustnet")},
		{to: "event.dataset", as: always("rustnet.connection")},
		{to: "event.sequence", from: "seq"},
		{to: "event.start", from: "start"},
		{to: "event.end", from: "duration", as: endTime, on: on(event.Closed)},
		{to: "event.duration", from: "duration", as: scaled("in nanoseconds", 1e9)},
		{to: "source.ip", from: "local_addr", peer: "remote_addr", must: true},
		{to: "source.port", from: "local_port", peer: "remote_port", must: true},
		{to: "source.mac", from: "local_mac", peer: "remote_mac", as: hardware},
		{to: "source.domain", from: "-", peer: "host"},
		{to: "source.bytes", from: "tx_bytes", peer: "rx_bytes"},
		{to: "source.packets", from: "tx_packets", peer: "rx_packets"},
		{to: "source.geo.country_iso_code", from: "-", peer: "country"},
		{to: "source.geo.city_name", from: "-", peer: "city"},
		{to: "source.as.number", from: "-", peer: "asn"},
		{to: "source.as.organization.name", from: "-", peer: "as_org"},
		{to: "source.nat.ip", from: "nat_local_addr", peer: "nat_remote_addr"},
		{to: "source.nat.port", from: "nat_local_port", peer: "nat_remote_port"},
		{to: "destination.ip", from: "remote_addr", peer: "local_addr", must: true},
		{to: "destination.port", from: "remote_port", peer: "local_port", must: true},
		{to: "destination.mac", from: "remote_mac", peer: "local_mac", as: hardware},
		{to: "destination.domain", from: "host", peer: "-"},
		{to: "destination.bytes", from: "rx_bytes", peer: "tx_bytes"},
		{to: "destination.packets", from: "rx_packets", peer: "tx_packets"},
		{to: "destination.geo.country_iso_code", from: "country", peer: "-"},
		{to: "destination.geo.city_name", from: "city", peer: "-"},
		{to: "destination.as.number", from: "asn", peer: "-"},
		{to: "destination.as.organization.name", from: "as_org", peer: "-"},
		{to: "destination.nat.ip", from: "nat_remote_addr", peer: "nat_local_addr"},
		{to: "destination.nat.port", from: "nat_remote_port", peer: "nat_local_port"},
		{to: "network.transport", from: "proto", as: words("`icmp6` is `ipv6-icmp`", "icmp6", "ipv6-icmp")},
		{to: "network.iana_number", from: "proto", as: ecsIANA},
		{to: "network.type", as: ecsIP},
		{to: "network.protocol", from: "app"},
		{to: "network.direction", from: "direction", as: words("from the host's point of view: `out` is `egress`, `in` is `ingress`; `local` is `internal`, `forward` is `external`",
			"out", "egress", "in", "ingress", "local", "internal", "forward", "external")},
		{to: "network.community_id", from: "community_id"},
		{to: "network.bytes", from: "tx_bytes", as: allBytes},
		{to: "network.packets", from: "tx_packets", as: allPackets},
		{to: "network.vlan.id", from: "vlan", as: asText},
		{to: "process.pid", from: "pid"},
		{to: "process.name", from: "process"},
		{to: "process.executable", from: "exe"},
		{to: "process.command_line", from: "cmdline"},
		{to: "process.parent.pid", from: "ppid"},
		{to: "process.parent.name", from: "parent"},
		{to: "user.id", from: "uid", as: asText},
		{to: "user.name", from: "user"},
		{to: "container.id", from: "container_id"},
		{to: "container.name", from: "container"},
		{to: "container.runtime", from: "container_runtime"},
		{to: "host.name", as: thisHost},
		{to: "tls.version", from: "tls_version", as: words("the number alone: `SSLv3` is `3.0`", "SSLv3", "3.0", "SSLv2", "2.0")},
		{to: "tls.version_protocol", from: "tls_version", as: only("`tls` or `ssl`", "1.3", "tls", "1.2", "tls", "1.1", "tls", "1.0", "tls", "SSLv3", "ssl", "SSLv2", "ssl")},
		{to: "tls.cipher", from: "tls_cipher"},
		{to: "tls.next_protocol", from: "alpn_selected"},
		{to: "tls.resumed", from: "tls_resumed"},
		{to: "tls.client.server_name", from: "sni"},
		{to: "tls.client.ja3", from: "ja3"},
		{to: "tls.client.subject", from: "tls_client_subject"},
		{to: "tls.client.issuer", from: "tls_client_issuer"},
		{to: "tls.server.ja3s", from: "ja3s"},
		{to: "tls.server.subject", from: "tls_subject"},
		{to: "tls.server.issuer", from: "tls_issuer"},
		{to: "tls.server.not_before", from: "tls_not_before"},
		{to: "tls.server.not_after", from: "tls_not_after"},
		{to: "tls.server.hash.sha256", from: "tls_cert_sha256", as: upper},
		{to: "tls.server.x509.alternative_names", from: "tls_san"},
		{to: "http.version", from: "http_version"},
		{to: "http.request.method", from: "http_method"},
		{to: "http.response.status_code", from: "http_status"},
		{to: "url.domain", from: "http_host", as: urlDomain},
		{to: "url.port", from: "http_host", as: portOnly},
		{to: "url.path", from: "http_path"},
		{to: "user_agent.original", from: "http_user_agent"},
		{to: "dns.type", from: "dns_rcode", as: ecsDNS},
		{to: "dns.question.name", from: "dns_query"},
		{to: "dns.question.type", from: "dns_type"},
		{to: "dns.response_code", from: "dns_rcode"},
		{to: "dns.answers", from: "dns_answers", as: each("data")},
		{to: "dns.resolved_ip", from: "dns_answers", as: addresses},
		{to: "rule.name", from: "alert"},
		{to: "related.ip", all: "local_addr remote_addr nat_local_addr nat_remote_addr dns_answers", as: conversion{doc: "a list of these, each once; of answers the addresses"}},
		{to: "related.hosts", all: "host.name host sni dns_query remote_name", as: conversion{doc: "a list of these, and of `host.name`, each once"}},
		{to: "related.user", all: "user *_user", as: conversion{doc: "a list of these, each once"}},
		{to: "related.hash", all: "ja3 ja3s ja4 hassh hassh_server tls_cert_sha256", as: conversion{doc: "a list of these, each once"}},
	}}},
	none: []homeless{
		{"v", "ecs.version says what the names mean"},
		{"group_by connections connections_open connections_failed connections_partial groups_merged", "of groups, which only rustnet stats makes"},
	},
}

const ecsVersion = "9.4.0"

var ecsKind = conversion{doc: "`event`; `alert` of an alert, `metric` of `stats`, `state` of `open`", make: func(x *encoder, _ *event.Field, e *event.Event) value {
	switch e.Kind {
	case event.Alert:
		return ofStr("alert")
	case event.Stats:
		return ofStr("metric")
	case event.Open:
		return ofStr("state")
	}
	return ofStr("event")
}}

var ecsTypes = [event.NumKinds]string{event.New: `["connection","start"]`, event.Updated: `["connection","info"]`, event.Closed: `["connection","end"]`,
	event.Open: `["connection","info"]`, event.Alert: `["connection","info"]`, event.Lost: `["info"]`, event.Stats: `["info"]`}

var ecsType = conversion{doc: "`connection`, and `start`, `info`, `end` for new, updated, closed; `denied` too where it was refused", make: func(x *encoder, _ *event.Field, e *event.Event) value {
	if x.fields.reason.Str(e) == "refused" {
		x.buf = append(x.buf[:0], `["connection","end","denied"]`...)
	} else {
		x.buf = append(x.buf[:0], ecsTypes[e.Kind]...)
	}
	return value{is: literal}
}}

var ecsOutcome = conversion{doc: "on closed: `failure` for `refused`, and for `timeout` and `destroyed` of TCP, DNS and ping that nobody answered; `success` for the rest; `unknown` for `evicted` and `exit`", make: func(x *encoder, f *event.Field, e *event.Event) value {
	switch reason := f.Str(e); {
	case reason == "":
		return value{}
	case x.failed(e):
		return ofStr("failure")
	case reason == "evicted" || reason == "exit":
		return ofStr("unknown")
	}
	return ofStr("success")
}}

var ecsIANA = conversion{doc: "IANA's number, as text", make: func(x *encoder, f *event.Field, e *event.Event) value {
	v := protoNumber.make(x, f, e)
	if v.is == absent {
		return v
	}
	return x.decimal(v.num)
}}

var ecsIP = conversion{doc: "`ipv4` or `ipv6`", make: func(x *encoder, _ *event.Field, e *event.Event) value {
	switch x.ipVersion(e) {
	case 4:
		return ofStr("ipv4")
	case 6:
		return ofStr("ipv6")
	}
	return value{}
}}

var ecsDNS = conversion{alone: true, doc: "`answer`", make: func(_ *encoder, f *event.Field, e *event.Event) value {
	if f.Str(e) == "" {
		return value{}
	}
	return ofStr("answer")
}}
