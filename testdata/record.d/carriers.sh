# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# What carriers and their customers' gateways speak: tunnels, accounts, clocks.

needs_carriers() {
	cat <<-'END'
		/usr/lib/ipsec/charon strongswan-charon
		/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so libcharon-extra-plugins
		swanctl strongswan-swanctl
		osmo-ggsn osmo-ggsn
		sgsnemu osmo-ggsn
		freeDiameterd freediameterd
		ptp4l linuxptp
	END
}

start_carriers() {
	local dir=$tmp/carriers
	mkdir -p "$dir"
	chmod 755 "$tmp" "$dir"
	carriers_ipsec
	printf 'ggsn ggsn0\n gtp state-dir %s\n gtp bind-ip %s\n apn internet\n  gtpu-mode tun\n  tun-device tun4\n  type-support v4\n  ip prefix dynamic 10.6.0.0/24\n  ip dns 0 %s\n  ip ifconfig 10.6.0.0/24\n  no shutdown\n default-apn internet\n no shutdown ggsn\n' \
		"$dir" $v4 $v4 >"$dir/ggsn.cfg"
	serve ggsn osmo-ggsn -c "$dir/ggsn.cfg"
	carriers_diameter aaa $v4 home 192.0.2.10
	carriers_diameter home 192.0.2.10 aaa $v4
	serve diameter freeDiameterd -c "$dir/aaa.conf"
	wait_for 4500 2123 3868
}

# One daemon at each end, each with a /run of its own, for that is where they write who they are.
carriers_ipsec() {
	local side version
	for side in c s; do
		local ns=$C own=192.0.2.10 other=$v4 name=laptop peer=gateway inner=10.8.0.1 far=10.8.0.2
		[[ $side == c ]] || { ns=$S own=$v4 other=192.0.2.10 name=gateway peer=laptop inner=10.8.0.2 far=10.8.0.1; }
		cat >"$dir/charon-$side.conf" <<-END
			charon {
				load = random nonce aes sha1 sha2 hmac kdf gmp x509 pem pkcs1 pubkey drbg openssl kernel-libipsec kernel-netlink socket-default vici
				plugins {
					vici {
						socket = unix://$dir/vici-$side
					}
				}
				retransmit_tries = 1
				filelog {
					stderr {
						default = 1
					}
				}
			}
		END
		{
			echo 'secrets { ike { secret = "secret" } }'
			echo 'connections {'
			for version in 2 1; do
				cat <<-END
					lab$version {
						version = $version
						local_addrs = $own
						remote_addrs = $other
						proposals = aes128-sha256-modp2048
						local {
							auth = psk
							id = $name.example.test
						}
						remote {
							auth = psk
							id = $peer.example.test
						}
						children {
							net$version {
								local_ts = $inner/32
								remote_ts = $far/32
								esp_proposals = aes128-sha256
							}
						}
					}
				END
			done
			echo '}'
		} >"$dir/swanctl-$side.conf"
		ip -n $ns addr add $inner/32 dev lo
		ip netns exec $ns setsid unshare -m sh -c "mount -t tmpfs run /run; STRONGSWAN_CONF=$dir/charon-$side.conf exec /usr/lib/ipsec/charon" >"$dir/charon-$side.log" 2>&1 &
	done
	for side in c s; do
		until [[ -S $dir/vici-$side ]]; do sleep 0.1; done
		swanctl --load-all --uri "unix://$dir/vici-$side" --noprompt --file "$dir/swanctl-$side.conf" >"$dir/swanctl-$side.log" 2>&1 || cat "$dir/swanctl-$side.log" >&2
	done
}

carriers_diameter() { # own name and address, the other's
	cat >"$dir/$1.conf" <<-END
		Identity = "$1.example.test";
		Realm = "example.test";
		No_SCTP;
		No_IPv6;
		SecPort = 0;
		ListenOn = "$2";
		TcTimer = 6;
		TLS_Cred = "$tmp/cert.pem", "$tmp/key.pem";
		TLS_CA = "$tmp/cert.pem";
		ConnectPeer = "$3.example.test" { ConnectTo = "$4"; No_TLS; };
	END
}

talk_ipsec() {
	local version
	for version in 2 1; do
		quietly c swanctl --initiate --uri "unix://$tmp/carriers/vici-c" --child net$version --timeout 8
		quietly c ping -q -c 2 -i 0.2 -W 1 -I 10.8.0.1 10.8.0.2
		quietly c swanctl --terminate --uri "unix://$tmp/carriers/vici-c" --ike lab$version --timeout 4
	done
}
talk_gtp() { quietly c timeout 8 sgsnemu -l 192.0.2.10 -r $v4 --timelimit 4 --pidfile "$tmp/carriers/sgsn.pid" --statedir "$tmp/carriers" -a internet --pinghost 10.6.0.0 --pingcount 2; }
talk_diameter() { quietly c timeout 5 freeDiameterd -c "$tmp/carriers/home.conf"; }
# Nobody's clock is set.
talk_ptp() {
	local transport
	for transport in -4 -2; do
		ip netns exec $R timeout 7 ptp4l $transport -S -i r0 -m --free_running 1 --logAnnounceInterval=-1 --announceReceiptTimeout=2 --priority1 10 >"$tmp/carriers/ptp-r.log" 2>&1 &
		quietly c timeout 7 ptp4l $transport -S -i c0 -m -s --free_running 1 --logAnnounceInterval=-1
	done
}

recordings_carriers() {
	local client="$C -i c0"
	record ipsec "$client" 'udp port 500 or udp port 4500 or esp' talk_ipsec
	record gtp-control "$client" 'udp port 2123 or udp port 2152' talk_gtp
	record diameter "$client" 'tcp port 3868' talk_diameter
	record ptp "$client" 'udp portrange 319-320 or ether proto 0x88f7' talk_ptp
}
