#!/bin/bash
# Writes truth.tsv: what Wireshark's dissectors say of each capture beside it, as an oracle that
# shares no code with rustnet. Columns: file, proto, src, sport, dst, dport, key, value. src is the end that
# sent the first packet of the connection; for tunnels it is the innermost connection that is named. One line for each
# value; a connection's values of one key come in the order of the file, without repetition. dns_answers
# leaves out the types that are not names or addresses.
# With names of captures only their lines are made anew.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C TZ=UTC

command -v tshark >/dev/null || { echo "truth.sh: tshark is missing; try: apt-get install tshark" >&2; exit 1; }

fields=(frame.protocols frame.time_epoch ip.src ip.dst ip.len ipv6.src ipv6.dst ipv6.plen
	tcp.stream tcp.srcport tcp.dstport udp.stream udp.srcport udp.dstport sctp.srcport sctp.dstport
	icmp.type icmp.code icmp.ident icmpv6.type icmpv6.code icmpv6.echo.identifier
	tcp.flags.syn tcp.flags.fin tcp.flags.reset
	tls.handshake.type tls.handshake.extensions_server_name tls.handshake.extensions_alpn_str tls.handshake.version
	tls.handshake.extensions.supported_version tls.handshake.ciphersuite tls.handshake.ja3 tls.handshake.ja3s quic.version
	dtls.handshake.type dtls.handshake.extensions_server_name dtls.handshake.version dtls.handshake.extensions.supported_version dtls.handshake.ciphersuite
	dtls.handshake.ja3 dtls.handshake.ja3s http.request.method http.host http.request.uri http.response.code http.user_agent
	dns.flags.response dns.qry.name dns.qry.type dns.flags.rcode dns.count.answers dns.resp.type
	dns.a dns.aaaa dns.cname dns.mx.mail_exchange dns.ptr.domain_name dns.srv.target
	ssh.protocol ssh.kex.hassh ssh.kex.hasshserver communityid
	tcp.analysis.initial_rtt tcp.analysis.retransmission tcp.analysis.out_of_order)

dissect() {
	local f args=()
	for f in "${fields[@]}"; do args+=(-e "$f"); done
	# Ethernet over MPLS cannot be told from the bytes, and these ports mean nothing to Wireshark, which takes 802.11 in CAPWAP for Cisco's.
	tshark --enable-protocol communityid -o tcp.reassemble_out_of_order:TRUE -o capwap.swap_fc:FALSE -d mpls.label==299,pwethcw -d tcp.port==9443-9444,tls -d tcp.port==8443-8445,tls -d tcp.port==2022,ssh \
		-n -r "$1" -T fields -E occurrence=a -E 'aggregator=|' -E separator=/t "${args[@]}" 2>/dev/null || true
}

summarize() {
	awk -F '\t' -v file="$1" -v names="${fields[*]}" '
	BEGIN { n = split(names, name, " "); for (i = 1; i <= n; i++) at[name[i]] = i }
	function all(f) { return $(at[f]) }
	function last(f,   a, k) { k = split(all(f), a, "|"); return k ? a[k] : "" }
	function first(f,   a) { split(all(f), a, "|"); return a[1] }
	function say(c, key, value) {
		if (value == "" || (c SUBSEP key SUBSEP value) in said) return
		said[c, key, value]
		lines[c] = lines[c] head[c] "\t" key "\t" value "\n"
	}
	function sayall(c, key, values,   a, k, i) { k = split(values, a, "|"); for (i = 1; i <= k; i++) say(c, key, a[i]) }
	# innermost sets ipv, transport and whether the packet quotes another (ICMP errors).
	function innermost(   a, k, i) {
		ipv = transport = ""
		k = split($(at["frame.protocols"]), a, ":")
		for (i = 1; i <= k; i++) {
			if (a[i] == "ip" || a[i] == "ipv6") ipv = a[i]
			if (a[i] ~ /^(tcp|udp|sctp)$/) transport = a[i]
			if (a[i] ~ /^icmp(v6)?$/) { transport = a[i]; return }
		}
	}
	function answers(c,   t, k, i, u, v, kind) {
		k = split(all("dns.resp.type"), t, "|")
		kind["1"] = "dns.a"; kind["28"] = "dns.aaaa"; kind["5"] = "dns.cname"; kind["15"] = "dns.mx.mail_exchange"
		kind["12"] = "dns.ptr.domain_name"; kind["33"] = "dns.srv.target";
		# Records come in the order answer, authority, additional; only the first are answers.
		for (i = 1; i <= k && i <= first("dns.count.answers") + 0; i++) if (t[i] in kind) {
			split(all(kind[t[i]]), v, "|")
			say(c, "dns_answers", v[++u[t[i]]])
		}
	}
	{
		packets++
		innermost()
		if (transport == "") next
		quoting = transport ~ /^icmp/ && $(at["frame.protocols"]) ~ /icmp(v6)?:ipv?6?:?/
		src = quoting ? first(ipv ".src") : last(ipv ".src"); dst = quoting ? first(ipv ".dst") : last(ipv ".dst")
		len = ipv == "ip" ? (quoting ? first("ip.len") : last("ip.len")) : (quoting ? first("ipv6.plen") : last("ipv6.plen")) + 40
		if (transport == "tcp" || transport == "udp") { stream = last(transport ".stream"); sport = last(transport ".srcport"); dport = last(transport ".dstport") }
		else if (transport == "sctp") { sport = first("sctp.srcport"); dport = first("sctp.dstport"); stream = sport < dport ? sport "-" dport : dport "-" sport }
		else if (transport == "icmp") { sport = first("icmp.type"); dport = first("icmp.code"); stream = sport == 0 || sport == 8 ? "echo" first("icmp.ident") : NR }
		else { sport = first("icmpv6.type"); dport = first("icmpv6.code"); stream = sport == 128 || sport == 129 ? "echo" first("icmpv6.echo.identifier") : NR }
		c = transport " " stream
		if (!(c in head)) {
			head[c] = file "\t" transport "\t" src "\t" sport "\t" dst "\t" dport
			order[++conns] = c; opener[c] = src ":" sport; openaddr[c] = src; total[transport]++
			say(c, "community_id", last("communityid"))
		}
		out = transport ~ /^icmp/ ? src == openaddr[c] : src ":" sport == opener[c]
		if (out) { pout[c]++; bout[c] += len } else { pin[c]++; bin[c] += len }
		if (transport == "tcp") {
			if (all("tcp.analysis.retransmission") != "") { if (out) reout[c]++; else rein[c]++ }
			if (all("tcp.analysis.out_of_order") != "") { if (out) oooout[c]++; else oooin[c]++ }
			say(c, "handshake_rtt", first("tcp.analysis.initial_rtt"))
			syn[c] += last("tcp.flags.syn"); fin[c] += last("tcp.flags.fin"); rst[c] += last("tcp.flags.reset")
		}
		if (transport ~ /^icmp/ || transport == "sctp") next

		k = split(all("tls.handshake.type"), types, "|")
		for (i = 1; i <= k; i++) {
			if (types[i] == 1) {
				say(c, "sni", first("tls.handshake.extensions_server_name"))
				if (all("tls.handshake.extensions_alpn_str") != "") say(c, "alpn", all("tls.handshake.extensions_alpn_str"))
				sayall(c, "ja3", all("tls.handshake.ja3"))
			}
			if (types[i] == 2) {
				say(c, "alpn_selected", first("tls.handshake.extensions_alpn_str"))
				v = first("tls.handshake.extensions.supported_version")
				say(c, "tls_version", v == "" ? first("tls.handshake.version") : v)
				say(c, "tls_cipher", first("tls.handshake.ciphersuite"))
				sayall(c, "ja3s", all("tls.handshake.ja3s"))
			}
		}
		k = split(all("dtls.handshake.type"), types, "|")
		for (i = 1; i <= k; i++) {
			if (types[i] == 1) {
				say(c, "sni", first("dtls.handshake.extensions_server_name"))
				sayall(c, "ja3", all("dtls.handshake.ja3"))
			}
			if (types[i] == 2) {
				v = first("dtls.handshake.extensions.supported_version")
				say(c, "tls_version", v == "" ? first("dtls.handshake.version") : v)
				say(c, "tls_cipher", first("dtls.handshake.ciphersuite"))
				sayall(c, "ja3s", all("dtls.handshake.ja3s"))
			}
		}
		sayall(c, "quic_version", all("quic.version"))
		sayall(c, "http_method", all("http.request.method"))
		sayall(c, "http_host", all("http.host"))
		sayall(c, "http_path", all("http.request.uri"))
		sayall(c, "http_status", all("http.response.code"))
		sayall(c, "http_user_agent", all("http.user_agent"))
		if (all("dns.flags.response") != "") {
			sayall(c, "dns_query", all("dns.qry.name"))
			sayall(c, "dns_type", all("dns.qry.type"))
			if (first("dns.flags.response") == 1) { sayall(c, "dns_rcode", all("dns.flags.rcode")); answers(c) }
		}
		say(c, "hassh", first("ssh.kex.hassh"))
		say(c, "hassh_server", first("ssh.kex.hasshserver"))
		if (all("ssh.protocol") != "") say(c, out ? "ssh_client" : "ssh_server", first("ssh.protocol"))
	}
	END {
		print file "\t-\t-\t-\t-\t-\tpackets\t" packets + 0
		k = split("tcp udp sctp icmp icmpv6", p, " ")
		for (i = 1; i <= k; i++) if (p[i] in total) print file "\t" p[i] "\t-\t-\t-\t-\tconnections\t" total[p[i]]
		for (i = 1; i <= conns; i++) {
			c = order[i]
			print head[c] "\tpackets_out\t" pout[c] + 0
			print head[c] "\tpackets_in\t" pin[c] + 0
			print head[c] "\tip_bytes_out\t" bout[c] + 0
			print head[c] "\tip_bytes_in\t" bin[c] + 0
			if (c ~ /^tcp/) { print head[c] "\tsyn\t" syn[c]; print head[c] "\tfin\t" fin[c]; print head[c] "\trst\t" rst[c] }
			if (reout[c] + rein[c]) { print head[c] "\tretransmits_out\t" reout[c] + 0; print head[c] "\tretransmits_in\t" rein[c] + 0 }
			if (oooout[c] + oooin[c]) { print head[c] "\tout_of_order_out\t" oooout[c] + 0; print head[c] "\tout_of_order_in\t" oooin[c] + 0 }
			printf "%s", lines[c]
		}
	}'
}

for file in *.pcap *.pcapng *.pcap.gz *.pcap.zst; do
	[[ $file != malformed.pcap ]] || continue # what a lie amounts to is not for an oracle to say
	[[ $file != sflow.pcap ]] || continue     # the innermost packets there are only told of
	if (($# == 0)) || [[ " $* " == *" $file "* ]]; then
		dissect "$file" | summarize "$file"
	else
		grep "^${file//./\\.}	" truth.tsv || true # none of it is known
	fi
done >truth.tsv.new
mv truth.tsv.new truth.tsv
