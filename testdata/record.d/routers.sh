# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# What routers and switches say to their neighbours: the client's machine and the router are two of them on one link.

needs_routers() {
	cat <<-'END'
		/usr/lib/frr/zebra frr
		keepalived keepalived
		lldpd lldpd
	END
}

start_routers() {
	local dir=$tmp/routers
	mkdir -p "$dir"/{c,r}
	chmod 755 "$tmp" "$dir" "$dir"/*
	chown frr "$dir"/*
}

# frr SIDE LINES DAEMON…: a router of FRR, its daemons one behind the other.
frr() {
	local dir=$tmp/routers/$1 ns=$C lines=$2 daemon
	[[ $1 == c ]] || ns=$R
	shift 2
	printf 'hostname %s\n%s\n' "${dir##*/}" "$lines" >"$dir/frr.conf"
	for daemon in zebra "$@"; do
		ip netns exec $ns setsid /usr/lib/frr/$daemon -f "$dir/frr.conf" -i "$dir/$daemon.pid" -z "$dir/zebra.sock" \
			--vty_socket "$dir" >"$dir/$daemon.log" 2>&1 &
		sleep 0.3
	done
}

# both LINES DAEMON…: the same on both ends, with the address for an identifier, for some seconds.
both() {
	local lines=$1 side pid
	shift
	for side in c r; do
		local id=192.0.2.10 iface=c0
		[[ $side == c ]] || { id=192.0.2.1 iface=r0; }
		frr $side "$(sed "s/ID/$id/g; s/IFACE/$iface/g" <<<"$lines")" "$@"
	done
	sleep "$wait"
	for pid in "$tmp"/routers/[cr]/*.pid; do kill "$(<"$pid")" || true; done
	sleep 0.5
	rm -f "$tmp"/routers/[cr]/*.pid
}

talk_ospf() {
	wait=13 both 'interface IFACE
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 ipv6 ospf6 hello-interval 1
 ipv6 ospf6 dead-interval 4
 ipv6 ospf6 area 0.0.0.7
router ospf
 ospf router-id ID
 network 192.0.2.0/24 area 0.0.0.7
router ospf6
 ospf6 router-id ID' ospfd ospf6d
}
talk_rip() {
	wait=4 both 'router rip
 timers basic 5 30 30
 network IFACE
 redistribute connected
router ripng
 network IFACE
 redistribute connected' ripd ripngd
}
talk_babel() {
	local side
	for side in c r; do
		local ns=$C iface=c0 id=192.0.2.10
		[[ $side == c ]] || { ns=$R iface=r0 id=192.0.2.1; }
		cat >"$tmp/routers/$side/bird.conf" <<-END
			router id $id;
			protocol device {}
			protocol direct { ipv4; ipv6; }
			protocol babel {
				ipv4 { export all; };
				ipv6 { export all; };
				interface "$iface" { type wired; hello interval 1 s; };
			}
		END
		ip netns exec $ns timeout 8 bird -d -c "$tmp/routers/$side/bird.conf" -s "$tmp/routers/$side/bird.ctl" >"$tmp/routers/$side/bird.log" 2>&1 &
	done
	sleep 8.5
}
talk_eigrp() {
	wait=8 both 'router eigrp 100
 network 192.0.2.0/24' eigrpd
}
talk_pim() {
	wait=5 both 'interface IFACE
 ip pim
 ip pim hello 1
 ip igmp
ip pim rp 192.0.2.1 224.0.0.0/4' pimd
}
talk_ldp() {
	wait=14 both 'mpls ldp
 router-id ID
 address-family ipv4
  discovery transport-address ID
  discovery hello interval 1
  interface IFACE' ldpd
}
talk_vrrp() {
	local version side
	for version in 2 3; do
		for side in c r; do
			local iface=c0 priority=150 ns=$C state=MASTER
			[[ $side == c ]] || { iface=r0 priority=100 ns=$R state=BACKUP; }
			cat >"$tmp/routers/$side/keepalived.conf" <<-END
				global_defs {
					vrrp_version $version
				}
				vrrp_instance lab {
					interface $iface
					state $state
					virtual_router_id 51
					priority $priority
					advert_int 1
					virtual_ipaddress {
						192.0.2.100/24
					}
				}
			END
			ip netns exec $ns timeout 9 keepalived -D -n -l -f "$tmp/routers/$side/keepalived.conf" -p "$tmp/routers/$side/k$version.pid" -r "$tmp/routers/$side/v$version.pid" \
				-c "$tmp/routers/$side/c$version.pid" --vrrp >"$tmp/routers/$side/k.log" 2>&1 &
		done
		sleep 9.5
	done
}
talk_lldp() {
	local protocols
	for protocols in '' -cc; do
		# shellcheck disable=SC2086 # no word or one
		ip netns exec $R unshare -u sh -c "hostname switch.example.test; exec timeout 4 lldpd -d $protocols -S 'a test' -M 4 -O /dev/null \
			-u '$tmp/routers/lldpd$protocols.sock' -p '$tmp/routers/lldpd$protocols.pid'" >"$tmp/routers/lldpd$protocols.log" 2>&1 || true
	done
}
# The kernel's bridge, of one port.
bridge() {
	ip -n $R link add br0 address 02:00:00:00:00:03 type bridge stp_state 1 hello_time 100 priority 4096
	ip -n $R link add b0 address 02:00:00:00:00:03 type veth peer name b1
	ip -n $R link set b1 up
}
talk_stp() {
	ip -n $R link set b0 master br0 up
	ip -n $R link set br0 up
	sleep 4
	ip -n $R link del br0
}

recordings_routers() {
	local client="$C -i c0"
	record ospf "$client" 'proto 89 or ip6 proto 89' talk_ospf
	record rip "$client" 'udp port 520 or udp port 521' talk_rip
	record babel "$client" 'udp port 6696' talk_babel
	record eigrp "$client" 'ip proto 88' talk_eigrp
	record pim "$client" 'ip proto 103 or igmp' talk_pim
	record ldp "$client" 'port 646' talk_ldp
	record vrrp "$client" 'ip proto 112' talk_vrrp
	record lldp "$client" 'ether proto 0x88cc or ether dst 01:00:0c:cc:cc:cc' talk_lldp
	bridge
	record stp "$R -i b1" 'ether dst 01:80:c2:00:00:00' talk_stp
}
