# shellcheck shell=bash
# Names that DNS gives: a client asks the resolver on its router, then connects without naming the server.

needs_names() {
	cat <<-'END'
		dnsmasq dnsmasq-base
		avahi-daemon avahi-daemon
		socat socat
	END
}

start_names() {
	mkdir -p "$tmp/names"
	local ttl=30
	ip netns exec $R setsid dnsmasq -k --conf-file=/dev/null --no-resolv --no-hosts --pid-file --bind-interfaces --interface=r0 \
		--host-record=files.example.test,$v4,$v6,$ttl --cname=cdn.example.test,files.example.test,$ttl --cname=www.example.test,cdn.example.test,$ttl \
		--host-record=other.example.test,$v4,$ttl --host-record=ads.example.test,127.0.0.1,$ttl >"$tmp/names/dnsmasq.log" 2>&1 &
	ip netns exec $S setsid socat TCP6-LISTEN:9000,fork,reuseaddr,ipv6only=0 SYSTEM:'echo welcome' >"$tmp/names/tcp.log" 2>&1 &
	ip netns exec $S setsid socat UDP6-RECVFROM:9001,fork,ipv6only=0 SYSTEM:'echo welcome' >"$tmp/names/udp.log" 2>&1 &
	ip netns exec $R setsid socat TCP4-LISTEN:9000,fork,reuseaddr SYSTEM:'echo router' >"$tmp/names/router.log" 2>&1 &
	cat >"$tmp/names/avahi.conf" <<-END
		[server]
		host-name=router
		allow-interfaces=r0
		enable-dbus=no
		[publish]
		publish-hinfo=no
		publish-workstation=no
	END
	printf 'nameserver 192.0.2.1\noptions timeout:2 attempts:1\n' >"$tmp/names/resolv.conf"
	printf 'nameserver 192.0.2.1\noptions timeout:2 attempts:1 use-vc\n' >"$tmp/names/resolv-tcp.conf"
	printf 'hosts: dns\n' >"$tmp/names/nsswitch.conf"
	wait_for 9000 9001
}

# by CONF SOCAT-ADDRESS…: connects by the name in the address, resolved as the client's own resolver does it.
by() {
	# shellcheck disable=SC2016 # expanded inside
	c sh -c 'mount --bind "$1/$2" /etc/resolv.conf && mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf && exec socat -t 1 - "$3"' sh "$tmp/names" "$@" </dev/null >/dev/null
}

talk_names() {
	quietly by resolv.conf TCP4:$v4:9000 # before anybody asked
	by resolv.conf TCP:www.example.test:9000
	by resolv.conf TCP4:files.example.test:9000
	by resolv-tcp.conf TCP4:other.example.test:9000
	echo hello | quietly_in c socat -t 0.3 - UDP4:$v4:9001 # by the number: the latest name is meant
	by resolv.conf TCP6:files.example.test:9000
	quietly c dig @192.0.2.1 +nocookie ads.example.test A
	quietly c dig @192.0.2.1 +nocookie nowhere.example.test A
}

# The router says its own name, unasked; then it is asked as clients without a daemon do.
talk_mdns() {
	ip netns exec $R timeout 8 avahi-daemon --no-drop-root --no-chroot --no-rlimits -f "$tmp/names/avahi.conf" >"$tmp/names/avahi.log" 2>&1 &
	local daemon=$!
	sleep 3
	quietly c dig @224.0.0.251 -p 5353 +tries=1 +timeout=1 +nocookie +noedns router.local A
	quietly c socat -t 1 - TCP:192.0.2.1:9000
	wait $daemon || true
}

recordings_names() {
	record dns-names "$C -i c0" 'tcp or udp' talk_names
	record mdns "$C -i c0" 'port 5353 or tcp' talk_mdns
}
