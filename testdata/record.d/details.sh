# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# What users look for beyond a protocol's name: names that LLMNR gives, targets behind SOCKS of every kind, tickets for
# services, stations that RADIUS lets in, what NFS mounts, the peers of BitTorrent.

needs_details() {
	cat <<-'END'
		llmnrd llmnrd
		llmnr-query llmnrd
		danted dante-server
		/usr/lib/python3/dist-packages/socks.py python3-socks
		krb5kdc krb5-kdc
		kadmin.local krb5-admin-server
		kvno krb5-user
		freeradius freeradius
		radclient freeradius-utils
		rpcbind rpcbind
		ganesha.nfsd nfs-ganesha
		/usr/lib/x86_64-linux-gnu/ganesha/libfsalvfs.so nfs-ganesha-vfs
		nfs-cat libnfs-utils
		transmission-daemon transmission-daemon
		transmission-create transmission-cli
		opentracker opentracker
		busybox busybox
	END
}

start_details() {
	local dir=$tmp/details
	mkdir -p "$dir"/{krb,radius,nfs/team,torrent/{seed,leech}}
	ip netns exec $R setsid llmnrd -H printer -i r0 -6 >"$dir/llmnrd.log" 2>&1 &
	ip netns exec $R setsid socat TCP4-LISTEN:9000,fork,reuseaddr SYSTEM:'echo printer' >"$dir/printer.log" 2>&1 &

	cat >"$dir/danted.conf" <<-END
		logoutput: $dir/danted.log
		internal: s0 port = 1080
		external: s0
		socksmethod: none
		clientmethod: none
		user.privileged: root
		user.unprivileged: nobody
		client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
		client pass { from: ::/0 to: ::/0 }
		socks block { from: 0.0.0.0/0 to: 0.0.0.0/0 port = 81 command: connect }
		socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
		socks pass { from: 0.0.0.0/0 to: ::/0 }
	END
	ip netns exec $S setsid danted -f "$dir/danted.conf" -p "$dir/danted.pid" >"$dir/danted.out" 2>&1 &
	# It knows no SOCKS 4a, which ssh does.
	s ss -Htln 'sport = :2022' | grep -q . || start_sshd
	wait_for 2022
	ip netns exec $S setsid ssh -N -D $v4:1082 -p 2022 -i "$tmp/user_key" -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@$v4 \
		>"$dir/ssh.log" 2>&1 </dev/null &
	ip netns exec $S setsid busybox httpd -f -p '[::]:8088' -h "$dir/nfs/team" >"$dir/web.log" 2>&1 &
	ip netns exec $S setsid socat UDP4-RECVFROM:7007,fork EXEC:cat >"$dir/echo.log" 2>&1 &
	cat >"$dir/datagram.py" <<-'END'
		import socks, sys
		s = socks.socksocket(socks.socket.AF_INET, socks.socket.SOCK_DGRAM)
		s.set_proxy(socks.SOCKS5, sys.argv[1], 1080)
		s.settimeout(3)
		s.sendto(b"hello", (sys.argv[1], 7007))
		s.recvfrom(100)
	END

	printf '[libdefaults]\n\tdefault_realm = EXAMPLE.TEST\n\tdns_lookup_kdc = false\n\tallow_weak_crypto = true\n[realms]\n\tEXAMPLE.TEST = {\n\t\tkdc = %s\n\t}\n' $v4 >"$dir/krb5.conf"
	printf '[realms]\n\tEXAMPLE.TEST = {\n\t\tdatabase_name = %s/krb/db\n\t\tkey_stash_file = %s/krb/stash\n\t\tkdc_listen = 88\n\t\tkdc_tcp_listen = 88\n\t}\n' "$dir" "$dir" >"$dir/kdc.conf"
	(
		export KRB5_CONFIG=$dir/krb5.conf KRB5_KDC_PROFILE=$dir/kdc.conf
		kdb5_util create -s -r EXAMPLE.TEST -P master
		kadmin.local -q 'addprinc +requires_preauth -pw secret alice'
		kadmin.local -q 'addprinc -randkey host/files.example.test'
		kadmin.local -q 'addprinc -randkey -e arcfour-hmac:normal MSSQLSvc/db.example.test'
		exec ip netns exec $S setsid krb5kdc -n
	) >"$dir/kdc.log" 2>&1 &

	cat >"$dir/radius/radiusd.conf" <<-END
		prefix = /usr
		localstatedir = $dir/radius
		logdir = $dir/radius
		libdir = /usr/lib/freeradius
		run_dir = $dir/radius
		log {
			destination = stdout
		}
		client lab {
			ipaddr = 192.0.2.0/24
			secret = testing
		}
		modules {
			pap {
			}
			always ok {
				rcode = ok
			}
		}
		server default {
			listen {
				type = auth
				ipaddr = $v4
				port = 1812
			}
			listen {
				type = acct
				ipaddr = $v4
				port = 1813
			}
			authorize {
				update control {
					Cleartext-Password := "secret"
				}
				update reply {
					Framed-IP-Address := 192.0.2.77
				}
				pap
			}
			authenticate {
				Auth-Type PAP {
					pap
				}
			}
			accounting {
				ok
			}
		}
	END
	ip netns exec $S setsid freeradius -f -d "$dir/radius" -n radiusd >"$dir/radius.log" 2>&1 &

	ip netns exec $S setsid rpcbind -f -w -h $v4 >"$dir/rpcbind.log" 2>&1 &
	echo 'a report' >"$dir/nfs/team/report.txt"
	cat >"$dir/ganesha.conf" <<-END
		NFS_CORE_PARAM { Protocols = 3, 4; mount_path_pseudo = true; MNT_Port = 20048; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }
		NFSV4 { RecoveryRoot = "$dir/nfs"; Grace_Period = 1; Graceless = true; }
		EXPORT { Export_Id = 1; Path = $dir/nfs/team; Pseudo = /team; Tag = team; Access_Type = RO; Squash = None; SecType = sys; FSAL { Name = VFS; } }
	END
	sleep 0.3
	ip netns exec $S setsid ganesha.nfsd -F -f "$dir/ganesha.conf" -L "$dir/ganesha.log" -p "$dir/ganesha.pid" -N EVENT >"$dir/ganesha.out" 2>&1 &

	head -c 40000 /dev/zero >"$dir/torrent/seed/image.bin"
	transmission-create -o "$dir/image.torrent" -t http://$v4:6969/announce "$dir/torrent/seed/image.bin" >/dev/null 2>&1
	transmission-show "$dir/image.torrent" | sed -n 's/.*Hash: //p' >"$dir/torrents"
	ip netns exec $S setsid opentracker -i $v4 -p 6969 -P 6969 -u nobody -d "$dir" -w /torrents >"$dir/opentracker.log" 2>&1 &
	wait_for 1080 1082 8088 7007 88 1812 111 2049 6969
}

talk_llmnr() {
	quietly c llmnr-query -c 1 -i 500 -I c0 -T A printer
	quietly c llmnr-query -c 1 -i 500 -I c0 -T ANY -6 printer
	quietly c llmnr-query -c 1 -i 500 -I c0 -T A nobody
	quietly c socat -t 1 - TCP:192.0.2.1:9000
}

talk_socks_targets() {
	local via="c env -u http_proxy -u https_proxy -u all_proxy -u ALL_PROXY -u HTTPS_PROXY curl -sS -m 5 -o /dev/null"
	quietly $via --socks4 $v4:1080 http://$v4:8088/report.txt
	quietly $via --socks4a $v4:1082 http://localhost:8088/report.txt
	quietly $via --socks5 $v4:1080 "http://[$v6]:8088/report.txt"
	quietly $via --socks5 $v4:1080 http://$v4:81/
	quietly $via --socks5 $v4:1080 http://$v4:8089/
	quietly c /usr/bin/python3 "$tmp/details/datagram.py" $v4
}

talk_kerberos_service() {
	local with=(env KRB5_CONFIG="$tmp/details/krb5.conf")
	echo wrong | quietly_in c "${with[@]}" kinit -c "$tmp/details/tickets" alice
	echo secret | quietly_in c "${with[@]}" kinit -c "$tmp/details/tickets" alice
	quietly c "${with[@]}" kvno -c "$tmp/details/tickets" host/files.example.test
	quietly c "${with[@]}" kvno -c "$tmp/details/tickets" MSSQLSvc/db.example.test
	quietly c "${with[@]}" kvno -c "$tmp/details/tickets" host/nobody.example.test
}

talk_radius_station() {
	local who='User-Name = anna, NAS-IP-Address = 192.0.2.10, Calling-Station-Id = "02-00-00-00-00-0C", Called-Station-Id = "02-00-00-00-00-01:office"'
	echo "$who, User-Password = secret" | quietly_in c radclient -r 1 -t 2 $v4 auth testing
	echo "$who, Acct-Session-Id = 7, Acct-Status-Type = Start, Framed-IP-Address = 192.0.2.77" | quietly_in c radclient -r 1 -t 2 $v4 acct testing
	echo "$who, Acct-Session-Id = 7, Acct-Status-Type = Stop, Framed-IP-Address = 192.0.2.77" | quietly_in c radclient -r 1 -t 2 $v4 acct testing
}

talk_nfs() {
	quietly c nfs-cat "nfs://$v4/team/report.txt?uid=1000&gid=1000"
	quietly c nfs-cat "nfs://$v4/team/report.txt?version=4&uid=1000&gid=1000"
}

# The tracker is told of both, and each finds the other there: once over uTP, once over TCP.
talk_bittorrent_peers() {
	peers_meet true
	peers_meet false
}

peers_meet() { # over uTP?
	local side pids=() dir=$tmp/details/torrent
	rm -f "$dir/leech/image.bin"
	for side in seed leech; do
		local ns=$S
		[[ $side == seed ]] || ns=$C
		printf '{"utp-enabled":%s,"dht-enabled":false,"lpd-enabled":false,"pex-enabled":false,"port-forwarding-enabled":false,"rpc-enabled":false,"encryption":0,"peer-port":51413,"peer-port-random-on-start":false}' "$1" >"$dir/$side.json"
		rm -rf "$dir/$side-config"
		mkdir -p "$dir/$side-config/torrents"
		mv "$dir/$side.json" "$dir/$side-config/settings.json"
		cp "$tmp/details/image.torrent" "$dir/$side-config/torrents/"
		HOME=$dir timeout 18 ip netns exec $ns transmission-daemon -f -g "$dir/$side-config" -w "$dir/$side" -c "$dir/none" >"$dir/$side.log" 2>&1 &
		pids+=($!)
		sleep 1.5
	done
	until cmp -s "$dir/seed/image.bin" "$dir/leech/image.bin"; do
		kill -0 "${pids[1]}" 2>/dev/null || break
		sleep 0.3
	done
	kill "${pids[@]}" 2>/dev/null || true
	wait "${pids[@]}" 2>/dev/null || true
}

recordings_details() {
	local client="$C -i c0"
	record llmnr "$client" 'port 5355 or tcp port 9000' talk_llmnr
	record socks-targets "$client" 'host 198.51.100.20 and not icmp' talk_socks_targets
	record kerberos-service "$client" 'port 88' talk_kerberos_service
	record radius-station "$client" 'udp portrange 1812-1813' talk_radius_station
	record nfs "$client -s 256" 'tcp or udp port 111' talk_nfs
	record bittorrent-peers "$client -s 512" 'tcp or udp' talk_bittorrent_peers
}
