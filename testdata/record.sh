#!/bin/bash
# Records the captures beside it from real programs that talk through network namespaces:
#
#   client c0 ─── r0 router r1 ─── s0 server
#   192.0.2.10    .1         .1    198.51.100.20
#   2001:db8:1::10 ::1     ::1     2001:db8:2::20
#
# and then has synth make those that no program here can (see README.md). Run as root: make captures.
# record.sh alone records everything; record.sh FAMILY… only the captures of those files of record.d, each of
# which defines needs_FAMILY (lines of "program package"), start_FAMILY and recordings_FAMILY. TO=DIRECTORY puts them
# there, and not in the place of those that are here.
# Everything it starts lives in those namespaces and in one temporary directory; both go when it ends.
set -euo pipefail
cd "$(dirname "$0")/.."

here=testdata
C=rustnet-client-$$ R=rustnet-router-$$ S=rustnet-server-$$ # two may record at once
v4=198.51.100.20 v6=2001:db8:2::20
tmp=

missing() {
	local tool pkg gone=()
	while read -r tool pkg; do
		PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || [[ -e $tool ]] || gone+=("$pkg")
	done <<-END
		ip iproute2
		nft nftables
		ethtool ethtool
		tcpdump tcpdump
		tshark tshark
		nginx nginx-light
		curl curl
		openssl openssl
		dig bind9-dnsutils
		named bind9
		sshd openssh-server
		ssh openssh-client
		socat socat
		ping iputils-ping
		go golang
		$(for f in "${families[@]}"; do "needs_$f"; done)
	END
	if ((${#gone[@]})); then
		echo "record.sh: programs are missing; try: apt-get install ${gone[*]}" >&2
		exit 1
	fi
	if ((EUID != 0)); then
		echo "record.sh: needs root for namespaces and capture; try: sudo make captures" >&2
		exit 1
	fi
}

cleanup() {
	trap - EXIT INT TERM
	local ns pids
	for ns in $C $R $S; do
		pids=$(ip netns pids "$ns" 2>/dev/null) || continue
		# shellcheck disable=SC2086 # one word for each process
		[[ -z $pids ]] || kill $pids 2>/dev/null || true
	done
	sleep 0.3
	for ns in $C $R $S; do ip netns del "$ns" 2>/dev/null || true; done
	[[ -z $tmp ]] || rm -rf "$tmp"
}

# Nobody here asks the resolvers of this machine: every name is given its address.
c() { timeout 20 ip netns exec $C "$@"; }
s() { timeout 20 ip netns exec $S "$@"; }
r() { timeout 20 ip netns exec $R "$@"; }
# quietly runs what may fail on purpose and whose words nobody needs.
quietly() { "$@" >/dev/null 2>&1 </dev/null || true; }
quietly_in() { "$@" >/dev/null 2>&1 || true; }
get() { c env -u http_proxy -u https_proxy -u all_proxy -u ALL_PROXY -u HTTPS_PROXY curl -sS -o /dev/null --resolve "*:443:$v4" --resolve "*:8443:$v4" --resolve "*:8080:$v4" -m 5 "$@"; }

# serve NAME COMMAND…: a server that stays until the end, its words in $dir/NAME.log; $dir is the family's own directory.
# shellcheck disable=SC2154 # whose it is
serve() { ip netns exec $S setsid "${@:2}" >"$dir/$1.log" 2>&1 & }

# from_registry KIND PACKAGE…: what Debian does not have, in build/record/KIND, where the next recording finds it again.
from_registry() {
	local kind=$1 at=$PWD/build/record/$1
	shift
	[[ "$(cat "$at/have" 2>/dev/null)" != "$*" ]] || return 0
	mkdir -p "$at"
	case $kind in
	python*) python3 -m venv "$at" && "$at/bin/pip" install -q --disable-pip-version-check "$@" ;;
	node*) (cd "$at" && npm install --prefix . --silent --no-audit --no-fund --ignore-scripts --no-save "$@") ;;
	esac || { echo "record.sh: not to be had from the registry of $kind packages: $*" >&2; exit 1; }
	echo "$*" >"$at/have"
}

# device NS NAME MAC ADDR4 ADDR6: no offloads, so that checksums are whole and segments are what
# goes over a wire; no neighbour discovery but what is asked for.
device() {
	ip -n "$1" link set "$2" address "$3"
	ip netns exec "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null 2>&1
	ip -n "$1" addr add "$4" dev "$2"
	ip -n "$1" addr add "$5" dev "$2" nodad
	ip -n "$1" link set "$2" up
}

network() {
	local ns
	for ns in $C $R $S; do
		ip netns del "$ns" 2>/dev/null || true
		ip netns add "$ns"
		ip netns exec "$ns" sysctl -qw net.ipv6.conf.{all,default}.accept_ra=0 \
			net.ipv6.conf.{all,default}.router_solicitations=0 \
			net.ipv6.conf.{all,default}.accept_dad=0 \
			net.ipv4.tcp_tw_reuse=1 net.ipv4.ping_group_range="0 0" net.ipv4.icmp_ratelimit=0
		ip -n "$ns" link set lo up
	done
	ip netns exec $R sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip -n $C link add c0 type veth peer name r0 netns $R
	ip -n $S link add s0 type veth peer name r1 netns $R
	device $C c0 02:00:00:00:00:0c 192.0.2.10/24 2001:db8:1::10/64
	device $R r0 02:00:00:00:00:01 192.0.2.1/24 2001:db8:1::1/64
	device $R r1 02:00:00:00:00:02 198.51.100.1/24 2001:db8:2::1/64
	device $S s0 02:00:00:00:00:05 $v4/24 $v6/64
	ip -n $C route add default via 192.0.2.1
	ip -n $C -6 route add default via 2001:db8:1::1
	ip -n $S route add default via 198.51.100.1
	ip -n $S -6 route add default via 2001:db8:2::1
	ip netns exec $R nft -f - <<-'END'
		table inet lab { chain forward { type filter hook forward priority 0; tcp dport 81 drop; }; }
	END
}

certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
		-subj "/CN=example.test" -addext "subjectAltName=DNS:*.example.test,DNS:*.demo.io" \
		-keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>/dev/null
}

start_nginx() {
	mkdir -p "$tmp/www"
	head -c 600 /dev/zero | tr '\0' . >"$tmp/www/index.html"
	head -c 12000 /dev/zero | tr '\0' x >"$tmp/www/large.txt"
	head -c 40000 /dev/zero | tr '\0' y >"$tmp/www/huge.txt"
	cat >"$tmp/nginx.conf" <<-END
		worker_processes 1; daemon off; pid $tmp/nginx.pid; error_log $tmp/nginx.log; user root;
		events { worker_connections 64; }
		http {
			access_log off; server_tokens off; types { text/html html; text/plain txt; }
			client_body_temp_path $tmp/b; proxy_temp_path $tmp/p; fastcgi_temp_path $tmp/f;
			uwsgi_temp_path $tmp/u; scgi_temp_path $tmp/s;
			ssl_certificate $tmp/cert.pem; ssl_certificate_key $tmp/key.pem;
			root $tmp/www;
			server { listen 8080; listen [::]:8080; listen 18000;
				location /api { default_type application/json; return 201 '{"ok":true}\n'; }
				location /moved { return 301 /; }
				location /empty { return 204; }
				location /zip { alias $tmp/www/; gzip on; gzip_types text/plain; }
				location /broken { return 500; } }
			server { listen 8081 http2; }
			server { listen 443 ssl http2; listen 8443 ssl http2; listen [::]:443 ssl http2;
				ssl_protocols TLSv1.2 TLSv1.3; }
			server { listen 8444 ssl; ssl_protocols TLSv1.3; ssl_ecdh_curve secp384r1; }
			server { listen 8445 ssl; ssl_protocols TLSv1.2; ssl_session_tickets off; ssl_session_cache shared:a:1m; }
		}
	END
	ip netns exec $S nginx -p "$tmp" -e "$tmp/nginx.log" -c "$tmp/nginx.conf" &
}

start_named() {
	mkdir -p "$tmp/named"
	{
		cat <<-'END'
			$TTL 300
			@ SOA ns hostmaster 1 3600 600 86400 60
			@ NS ns
			ns A 198.51.100.20
			@ MX 10 mail
			@ MX 20 backup.example.test.
			@ TXT "v=spf1 -all"
			www A 203.0.113.10
			www A 203.0.113.11
			www AAAA 2001:db8:3::10
			mail A 203.0.113.25
			alias CNAME www
			_ldap._tcp SRV 0 5 389 www
			10 PTR www
			caa CAA 0 issue "ca.example.test"
		END
		local i
		for i in {1..9}; do printf 'large TXT "%s%0240d"\n' "$i" 0; done
		for i in {1..14}; do printf 'huge TXT "%02d%0240d"\n' "$i" 0; done
	} >"$tmp/named/example.test"
	cat >"$tmp/named.conf" <<-END
		options { directory "$tmp/named"; pid-file "$tmp/named.pid"; recursion no; listen-on { any; };
			listen-on-v6 { any; }; max-udp-size 4096; edns-udp-size 4096; dnssec-validation no;
			session-keyfile "$tmp/session.key"; managed-keys-directory "$tmp/named"; version none;
			hostname none; minimal-responses no; notify no; };
		controls { };
		zone "example.test" { type primary; file "$tmp/named/example.test"; };
		zone "broken.test" { type primary; file "$tmp/named/no-such-file"; };
	END
	ip netns exec $S named -g -c "$tmp/named.conf" -n 1 -u root >"$tmp/named.log" 2>&1 &
}

start_sshd() {
	mkdir -p /run/sshd
	ssh-keygen -q -t ed25519 -N '' -C host -f "$tmp/host_key"
	ssh-keygen -q -t ed25519 -N '' -C user -f "$tmp/user_key"
	cp "$tmp/user_key.pub" "$tmp/authorized"
	cat >"$tmp/sshd.conf" <<-END
		Port 2022
		HostKey $tmp/host_key
		AuthorizedKeysFile $tmp/authorized
		PermitRootLogin yes
		StrictModes no
		UsePAM no
		PrintMotd no
		PrintLastLog no
		PidFile none
		DebianBanner no
	END
	ip netns exec $S "$(command -v sshd)" -D -e -f "$tmp/sshd.conf" 2>"$tmp/sshd.log" &
}

start_peers() {
	CGO_ENABLED=0 go build -o "$tmp/peers" ./$here/peers
	(cd $here/quicpeer && CGO_ENABLED=0 go build -o "$tmp/quicpeer" .)
	ip netns exec $S "$tmp/peers" serve -cert "$tmp/cert.pem" -key "$tmp/key.pem" &
	ip netns exec $S "$tmp/quicpeer" -listen $v4:443 -alpn h3,echo -cert "$tmp/cert.pem" -key "$tmp/key.pem" &
	ip netns exec $S "$tmp/quicpeer" -listen $v4:4434 -retry -alpn h3 -cert "$tmp/cert.pem" -key "$tmp/key.pem" &
	ip netns exec $S "$tmp/quicpeer" -listen "[$v6]:443" -alpn h3 -cert "$tmp/cert.pem" -key "$tmp/key.pem" &
}

# wait_for PORT…: until the server listens on all of them; patience is in tenths of a second.
wait_for() {
	local port tries=0
	for port in "$@"; do
		until s ss -Htlun "sport = :$port" | grep -q .; do
			((++tries < ${patience:-400})) || { echo "record.sh: nothing listens on port $port" >&2; cat "$tmp"/*.log "$tmp"/*/*.log >&2; exit 1; }
			sleep 0.1
		done
	done
}

# record NAME WHERE FILTER FUNCTION: runs tcpdump with the options WHERE ("NAMESPACE OPTIONS…") and
# FILTER while FUNCTION talks.
record() {
	local name=$1 filter=$3 talk=$4 pid tries=0 where
	read -ra where <<<"$2"
	: >"$tmp/tcpdump.log" # or the last one's words would be taken for this one's
	ip netns exec "${where[0]}" tcpdump -q --immediate-mode -U -Z root -w "$tmp/out" "${where[@]:1}" "$filter" 2>"$tmp/tcpdump.log" &
	pid=$!
	until grep -q 'listening on' "$tmp/tcpdump.log"; do
		((++tries < 50)) || { echo "record.sh: tcpdump does not start: $(cat "$tmp/tcpdump.log")" >&2; exit 1; }
		sleep 0.05
	done
	$talk || { echo "record.sh: $name: what should talk failed" >&2; exit 1; }
	sleep 0.25
	kill -INT $pid
	wait $pid
	mv "$tmp/out" "$tmp/captures/$name.pcap"
	local size
	size=$(stat -c %s "$tmp/captures/$name.pcap")
	((size > 24)) || { echo "record.sh: $name: nothing was recorded" >&2; exit 1; } # a file's header, and no packet
	echo "$name.pcap: $size bytes"
}

# What each capture talks about. The order of lines is the order in the file.

talk_tls12() {
	get -k --tls-max 1.2 https://api.demo.io/
	get -k --tls-max 1.2 --http1.1 https://shop.example.test:8443/
	get -k --tls-max 1.2 --no-alpn https://plain.example.test/
	quietly c openssl s_client -connect $v4:443 -tls1_2 -noservername -cipher ECDHE-ECDSA-AES256-GCM-SHA384
	quietly c openssl s_client -connect $v4:443 -tls1_2 -servername chacha.demo.io -cipher ECDHE-ECDSA-CHACHA20-POLY1305 -alpn h2,http/1.1
}

talk_tls13() {
	get -k --tlsv1.3 https://app.demo.io/
	get -k --tlsv1.3 --http1.1 https://shop.example.test:8443/
	quietly c openssl s_client -connect $v4:443 -tls1_3 -noservername
	quietly c openssl s_client -connect $v4:443 -tls1_3 -servername chacha.demo.io -ciphersuites TLS_CHACHA20_POLY1305_SHA256 -alpn http/1.1
	c "$tmp/peers" tls -addr $v4:9443 -sni go.demo.io -alpn h2 -curve x25519
}

talk_tls_failed() {
	quietly get https://untrusted.example.test/
	quietly c openssl s_client -connect $v4:8444 -tls1_2 -servername old.example.test
	quietly c openssl s_client -connect $v4:8445 -tls1_3 -servername new.example.test
	quietly get http://not-tls.example.test:443/
	quietly get -k https://not-http.example.test:8080/
}

talk_tls_resumed() {
	quietly c openssl s_client -connect $v4:8445 -tls1_2 -servername id.demo.io -sess_out "$tmp/ticket12"
	quietly c openssl s_client -connect $v4:8445 -tls1_2 -servername id.demo.io -sess_in "$tmp/ticket12"
	# A TLS 1.3 ticket comes after the handshake, so this client may not leave at once.
	sleep 0.3 | quietly_in c openssl s_client -connect $v4:443 -tls1_3 -servername psk.demo.io -sess_out "$tmp/ticket13"
	quietly c openssl s_client -connect $v4:443 -tls1_3 -servername psk.demo.io -sess_in "$tmp/ticket13"
	c "$tmp/peers" tls -addr $v4:9443 -sni psk-go.demo.io -curve x25519 -n 2
}

talk_tls_hrr() {
	quietly c openssl s_client -connect $v4:8444 -servername retry.demo.io -groups X25519:P-384
	c "$tmp/peers" tls -addr $v4:9444 -sni retry-go.demo.io -curve x25519 -alpn h2,http/1.1
}

talk_tls_segmented() {
	c "$tmp/peers" tls -addr $v4:9443 -sni pq.demo.io -curve pq -alpn h2,http/1.1
	c "$tmp/peers" tls -addr "[$v6]:9443" -sni pq6.demo.io -curve pq
	ip -n $S route change default via 198.51.100.1 advmss 300
	c "$tmp/peers" tls -addr $v4:9443 -sni small-segments.demo.io -curve pq -alpn h2,http/1.1
	quietly c openssl s_client -connect $v4:443 -servername "$(printf 'a%.0s' {1..60}).$(printf 'b%.0s' {1..60}).demo.io" \
		-alpn "$(printf 'proto-%02d,' {1..40})h2" -tls1_2
	ip -n $S route change default via 198.51.100.1
}

# The first large segment that the client sends is lost once, so the rest of its hello comes first.
talk_tls_reordered() {
	local rule="ip saddr 192.0.2.10 tcp dport 9443 meta length > 250 numgen inc mod 1000 == 0 drop"
	ip -n $S route change default via 198.51.100.1 advmss 536
	r nft add chain inet lab loss '{ type filter hook forward priority 1; }'
	r nft "add rule inet lab loss $rule"
	c "$tmp/peers" tls -addr $v4:9443 -sni late-first.demo.io -curve pq -alpn h2,http/1.1
	r nft flush chain inet lab loss
	ip -n $S route change default via 198.51.100.1
}

talk_starttls() { quietly c openssl s_client -connect $v4:2525 -starttls smtp -name client.example.test -servername mail.example.test; }

talk_connect() {
	get -k -x http://$v4:3128 https://behind-proxy.demo.io/
	quietly get -k -x http://$v4:3128 https://nobody.demo.io:1/
}

talk_http() {
	local web=http://www.example.test:8080
	get -o /dev/null -o /dev/null $web/ $web/large.txt $web/missing
	get -I -A '' $web/empty
	get -X POST -d 'name=value' $web/api/items
	get -X PUT -H 'Transfer-Encoding: chunked' -d 'in chunks' $web/api/items/1
	get -X DELETE $web/api/items/1
	get -X OPTIONS --request-target '*' $web/
	get --compressed $web/zip/large.txt
	get -0 -A 'old browser/1.0 (a "quoted" name)' $web/moved
	get -x http://$v4:18000 'http://absolute.example.test/api?q=1&r=%20'
	get http://$v4:18000/broken
	c "$tmp/peers" pipeline -addr $v4:8080 -sni pipeline.example.test
	get --http2-prior-knowledge http://$v4:8081/
}

talk_dns() {
	local d="dig @$v4 +tries=1 +timeout=2 +nocookie"
	local q
	for q in "www.example.test A" "www.example.test AAAA" "example.test MX" "example.test TXT" "alias.example.test A" \
		"_ldap._tcp.example.test SRV" "10.example.test PTR" "caa.example.test CAA" "nowhere.example.test A" \
		"www.broken.test A" "www.elsewhere.io A" "mail.example.test A +noedns" "example.test SOA +cookie" \
		"WwW.ExAmPlE.TeSt A" "large.example.test TXT +bufsize=512" "www.example.test TYPE65"; do
		# shellcheck disable=SC2086 # words on purpose
		quietly c $d $q
	done
	quietly c dig @$v4 +nocookie +tcp +keepopen www.example.test A www.example.test AAAA nowhere.example.test MX large.example.test TXT
	quietly c dig @$v6 +nocookie www.example.test A
	quietly c dig @$v4 +nocookie +tries=1 -p 53 example.test AXFR
}

talk_dns_fragmented() {
	quietly c dig @$v4 +nocookie +bufsize=4096 large.example.test TXT
	quietly c dig @$v6 +nocookie +bufsize=4096 large.example.test TXT
	quietly c dig @$v4 +nocookie +bufsize=4096 huge.example.test TXT
}

# Every datagram to a second server that answers nothing, then the same question to one that does.
talk_dns_timeout() {
	r nft add chain inet lab loss '{ type filter hook forward priority 1; }'
	r nft add rule inet lab loss udp dport 53 drop
	quietly c dig @$v4 +nocookie +tries=3 +timeout=1 silent.example.test A
	r nft flush chain inet lab loss
	quietly c dig @$v4 +nocookie +tries=1 www.example.test A
}

talk_ssh() {
	local options="-p 2022 -i $tmp/user_key -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
	# shellcheck disable=SC2086 # words on purpose
	c ssh $options root@$v4 true
	# shellcheck disable=SC2086
	c ssh $options -o KexAlgorithms=curve25519-sha256 -o Ciphers=aes128-ctr "root@$v6" true
}

talk_loopback() {
	s curl -sS -o /dev/null http://127.0.0.1:8080/
	s curl -sS -o /dev/null 'http://[::1]:8080/api'
	quietly s dig @127.0.0.1 +nocookie www.example.test A
	s ping -q -c 2 -i 0.1 127.0.0.1 >/dev/null
}

talk_any() {
	quietly s dig @127.0.0.1 +nocookie www.example.test A
	s curl -sS -o /dev/null http://127.0.0.1:8080/api
	get http://any.example.test:8080/api
	c curl -sS -o /dev/null "http://[$v6]:8080/empty"
}

talk_mixed() {
	get http://mixed.example.test:8080/api
	c curl -sS -o /dev/null "http://[$v6]:8080/api"
	quietly c dig @$v4 +nocookie www.example.test A
	c ping -q -c 2 -i 0.1 $v4 >/dev/null
	c ping -q -c 2 -i 0.1 $v6 >/dev/null
}

talk_ipv6() {
	get -6 --resolve "six.demo.io:443:[$v6]" -k https://six.demo.io/
	c curl -sS -o /dev/null -H 'Host: six.example.test' "http://[$v6]:8080/"
	quietly c dig @$v6 +nocookie www.example.test AAAA
	quietly c dig @$v6 +nocookie +tcp example.test MX
	quietly c "$tmp/peers" trickle -addr "[$v6]:7999"
}

talk_icmp() {
	c ping -q -c 3 -i 0.1 $v4 >/dev/null
	c ping -q -c 2 -i 0.1 -s 1400 $v6 >/dev/null
	quietly c ping -q -c 1 -W 1 -t 1 $v4
	quietly c ping -q -c 1 -W 1 -t 1 $v6
	ip -n $R route add unreachable 203.0.113.0/25
	ip -n $R route add prohibit 203.0.113.128/25
	quietly c ping -q -c 1 -W 1 203.0.113.1
	quietly c ping -q -c 1 -W 1 203.0.113.129
	quietly c ping -q -c 1 -W 1 2001:db8:9::1
	echo x | quietly_in c socat -t 0.2 - UDP:$v4:33434,ip-ttl=1
	echo x | quietly_in c socat -t 0.2 - UDP:$v4:33434
}

talk_arp() {
	ip -n $C neigh flush dev c0
	ip -n $R neigh flush dev r0
	c ping -q -c 1 -w 4 $v4 >/dev/null
	c ping -q -c 1 -w 4 $v6 >/dev/null
	quietly c ping -q -c 1 -W 2 192.0.2.99
}

talk_igmp() { quietly s timeout 0.5 socat -u UDP4-RECVFROM:9998,ip-add-membership=233.252.0.1:s0 /dev/null; }

talk_udp() {
	echo one | quietly_in c socat -t 0.2 - UDP:$v4:7007
	echo two | quietly_in c socat -t 0.2 - "UDP6:[$v6]:7007"
	c "$tmp/peers" ntp -addr $v4:123
}

talk_udp_refused() {
	echo x | quietly_in c socat -t 0.3 - UDP:$v4:7999
	echo x | quietly_in c socat -t 0.3 - "UDP6:[$v6]:7999"
}

talk_refused() {
	quietly c "$tmp/peers" trickle -addr $v4:7999
	quietly c "$tmp/peers" trickle -addr "[$v6]:7999"
}

talk_rst() {
	c "$tmp/peers" reset -addr $v4:7002 -bytes 6000
	quietly c "$tmp/peers" fetch -addr $v4:7005
}

talk_unanswered() { quietly c timeout 3.5 "$tmp/peers" trickle -addr $v4:81; }

# Of the segments with data that go past the router to the client every eighth is lost, and the second SYN.
talk_loss() {
	r nft add chain inet lab loss '{ type filter hook forward priority 1; }'
	r nft add rule inet lab loss ip saddr $v4 tcp sport 7004 meta length '>' 200 numgen inc mod 8 == 3 drop
	r nft add rule inet lab loss "ip daddr $v4 tcp dport 7001 tcp flags syn numgen inc mod 2 == 0 drop"
	c "$tmp/peers" fetch -addr $v4:7004 -bytes 30000
	c "$tmp/peers" trickle -addr $v4:7001 -n 2
	r nft flush chain inet lab loss
}

talk_halfclose() { c "$tmp/peers" halfclose -addr $v4:7003; }
talk_reuse() { c "$tmp/peers" reuse -local 192.0.2.10:40000 -addr $v4:7001 -n 4; }
talk_keepalive() { c "$tmp/peers" keepalive -addr $v4:7001; }

talk_midstream() { # its connections began before the recording: see below
	sleep 0.7
}

# Both ends send their SYN while the other's cannot arrive; then the way is opened and the
# retransmitted ones cross.
talk_simultaneous_open() {
	local other
	r nft add chain inet lab loss '{ type filter hook forward priority 1; }'
	r nft add rule inet lab loss tcp dport 45678 drop
	s "$tmp/peers" simopen -local $v4:45678 -addr 192.0.2.10:45678 &
	other=$!
	(sleep 0.5 && r nft flush chain inet lab loss) &
	quietly c "$tmp/peers" simopen -local 192.0.2.10:45678 -addr $v4:45678
	wait $other || true
}

talk_quic() {
	c "$tmp/quicpeer" -connect $v4:443 -sni quic.demo.io
	c "$tmp/quicpeer" -connect $v4:443 -sni quic-v2.demo.io -versions 2 -alpn echo
	c "$tmp/quicpeer" -connect $v4:4434 -sni quic-retry.demo.io
	c "$tmp/quicpeer" -connect "[$v6]:443" -sni quic6.demo.io
}

talk_offload() { c curl -sS -o /dev/null http://$v4:8080/huge.txt; }

talk_vxlan() {
	c curl -sS -o /dev/null -H 'Host: overlay.example.test' http://10.1.0.20:8080/api
	quietly c dig @10.1.0.20 +nocookie www.example.test A
	c ping -q -c 1 -w 4 10.1.0.20 >/dev/null
}

vxlan() {
	ip -n $C link add vx type vxlan id 42 local 192.0.2.10 remote $v4 dstport 4789 dev c0
	ip -n $S link add vx type vxlan id 42 local $v4 remote 192.0.2.10 dstport 4789 dev s0
	ip netns exec $C sysctl -qw net.ipv6.conf.vx.disable_ipv6=1
	ip netns exec $S sysctl -qw net.ipv6.conf.vx.disable_ipv6=1
	ip -n $C link set vx address 02:00:00:00:01:0c up
	ip -n $S link set vx address 02:00:00:00:01:05 up
	ip netns exec $C ethtool -K vx tx off tso off gso off gro off >/dev/null 2>&1
	ip netns exec $S ethtool -K vx tx off tso off gso off gro off >/dev/null 2>&1
	ip -n $C addr add 10.1.0.10/24 dev vx
	ip -n $S addr add 10.1.0.20/24 dev vx
}

offload() { # on|off
	ip netns exec $C ethtool -K c0 tx "$1" tso "$1" gso "$1" gro "$1" >/dev/null 2>&1
	ip netns exec $R ethtool -K r0 tx "$1" tso "$1" gso "$1" gro "$1" >/dev/null 2>&1
	ip netns exec $R ethtool -K r1 tx "$1" tso "$1" gso "$1" gro "$1" >/dev/null 2>&1
	ip netns exec $S ethtool -K s0 tx "$1" tso "$1" gso "$1" gro "$1" >/dev/null 2>&1
}

recordings() {
	local client="$C -i c0" server="$S -i s0" busy
	# Neighbours are known before the first recording that is not about them.
	c ping -q -c 1 -w 4 $v4 >/dev/null
	c ping -q -c 1 -w 4 $v6 >/dev/null

	record tls12 "$client" tcp talk_tls12
	record tls13 "$client" tcp talk_tls13
	record tls-failed "$client" tcp talk_tls_failed
	record tls-resumed "$client" tcp talk_tls_resumed
	record tls-hrr "$client" tcp talk_tls_hrr
	record tls-segmented "$client" tcp talk_tls_segmented
	record tls-reordered "$server" tcp talk_tls_reordered
	record tls-starttls "$client" tcp talk_starttls
	record http-connect "$client" tcp talk_connect
	record http "$client" tcp talk_http
	record dns "$client" 'port 53' talk_dns
	record dns-fragmented "$client" 'host 198.51.100.20 or host 2001:db8:2::20' talk_dns_fragmented
	record dns-timeout "$client" 'port 53' talk_dns_timeout
	record ssh "$client" tcp talk_ssh
	record quic "$client" udp talk_quic
	record loopback "$S -i lo" '' talk_loopback
	record sll "$S -i any -y LINUX_SLL" 'tcp or udp' talk_any
	record sll2 "$S -i any -y LINUX_SLL2" 'tcp or udp' talk_any
	record forwarded "$R -i any -y LINUX_SLL2" 'tcp or udp' talk_any
	record mixed "$client" 'tcp or udp or icmp or (icmp6 and ip6[40] >= 128 and ip6[40] <= 129)' talk_mixed
	record snaplen "$client -s 96" tcp talk_tls13
	record nanoseconds "$client --time-stamp-precision=nano" 'tcp or udp' talk_mixed
	record ipv6 "$client" 'ip6 and (tcp or udp)' talk_ipv6
	record icmp "$client" 'udp or icmp or (icmp6 and (ip6[40] < 133 or ip6[40] > 137))' talk_icmp
	record igmp "$server" 'igmp' talk_igmp
	record udp "$client" udp talk_udp
	record udp-refused "$client" 'udp or icmp or (icmp6 and ip6[40] == 1)' talk_udp_refused
	record tcp-refused "$client" tcp talk_refused
	record tcp-rst "$client" tcp talk_rst
	record tcp-unanswered "$client" tcp talk_unanswered
	record tcp-loss "$client" tcp talk_loss
	record tcp-retransmit "$server" tcp talk_loss
	record tcp-halfclose "$client" tcp talk_halfclose
	record tcp-portreuse "$client" tcp talk_reuse
	record tcp-keepalive "$client" tcp talk_keepalive
	record tcp-simultaneous-open "$client" tcp talk_simultaneous_open

	c "$tmp/peers" trickle -addr $v4:7001 -n 15 & busy=$!
	c "$tmp/peers" keepalive -addr $v4:7001 & busy="$busy $!"
	sleep 0.4
	record tcp-midstream "$client" tcp talk_midstream
	# shellcheck disable=SC2086 # two processes
	wait $busy

	vxlan
	c ping -q -c 1 -w 4 10.1.0.20 >/dev/null
	record vxlan "$client" 'udp port 4789' talk_vxlan
	offload on
	record offload "$client" tcp talk_offload
	offload off
	record arp "$client" 'arp or icmp or icmp6' talk_arp
}

families=()
for file in "$here"/record.d/*.sh; do
	[[ -e $file ]] || continue
	# shellcheck source=/dev/null
	source "$file"
	family=$(basename "$file" .sh)
	if (($# == 0)) || [[ " $* " == *" $family "* ]]; then families+=("$family"); fi
done
missing
trap cleanup EXIT
trap 'exit 1' INT TERM
tmp=$(mktemp -d)
mkdir "$tmp/captures" # all go into place at the end, or none
network
certificate
if (($# == 0)); then
	start_nginx
	start_named
	start_sshd
	start_peers
	wait_for 8080 443 8444 53 2022 7001 9443 123 4434
	recordings
	go run ./$here/synth -dir "$tmp/captures"
fi
for family in "${families[@]}"; do
	"start_$family"
	"recordings_$family"
done
chmod 644 "$tmp"/captures/*
names=()
(($# == 0)) || names=("$tmp"/captures/*)
mv "$tmp"/captures/* "${TO:-$here}/"
[[ -n ${TO:-} ]] || $here/truth.sh "${names[@]##*/}"
