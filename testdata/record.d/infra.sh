# shellcheck shell=bash
# What networks themselves, Windows' networks and tunnels are made of: mostly datagrams.

needs_infra() {
	cat <<-'END'
		snmpd snmpd
		snmpget snmp
		chronyd chrony
		dnsmasq dnsmasq-base
		udhcpc udhcpc
		dhclient isc-dhcp-client
		turnserver coturn
		smbd samba
		smbclient smbclient
		nmblookup samba-common-bin
		slapd slapd
		ldapsearch ldap-utils
		krb5kdc krb5-kdc
		kadmin.local krb5-admin-server
		kinit krb5-user
		freeradius freeradius
		radclient freeradius-utils
		rpcbind rpcbind
		ike-scan ike-scan
		openvpn openvpn
		wireguard-go wireguard-go
		wg wireguard-tools
		coap-server-notls libcoap3-bin
		softflowd softflowd
		aria2c aria2
		bird bird2
	END
}

start_infra() {
	local dir=$tmp/infra
	mkdir -p "$dir"/{ldap,krb,radius,samba/share,bt}
	chmod 755 "$tmp" "$dir" "$dir"/*
	infra_managed
	infra_windows
	infra_directory
	infra_logins
	infra_tunnels
	ip netns exec $S setsid rpcbind -f -h $v4 >"$dir/rpcbind.log" 2>&1 &
	ip netns exec $S setsid turnserver -n -L $v4 -p 3478 --no-tls --no-dtls --no-cli -a -u anna:secret -r example.test --pidfile "$dir/turn.pid" \
		--userdb "$dir/turn.db" --log-file stdout >"$dir/turn.log" 2>&1 &
	ip netns exec $S setsid coap-server-notls -A $v4 >"$dir/coap.log" 2>&1 &
	# Its standard input must stay open, or it leaves.
	ip netns exec $S setsid bash -c "sleep 600 | openssl s_server -dtls -accept 4433 -cert '$tmp/cert.pem' -key '$tmp/key.pem' -quiet" >/dev/null 2>&1 &
	wait_for 1161 389 445 88 1812 3478 111 5683 4433
}

infra_managed() {
	cat >"$dir/snmpd.conf" <<-END
		agentAddress udp:$v4:1161
		rocommunity public
		createUser operator SHA secretsecret AES secretsecret
		rouser operator priv
	END
	SNMP_PERSISTENT_DIR=$dir/snmp ip netns exec $S setsid snmpd -f -Lf "$dir/snmpd.log" -C -c "$dir/snmpd.conf" -I system_mib,snmp_mib,usmUser,vacm_conf,snmpEngine &
	ip netns exec $S setsid chronyd -d -x -u root -L 2 'local stratum 3' 'allow all' "bindaddress $v4" 'cmdport 0' "pidfile $dir/chronyd.pid" >"$dir/chronyd.log" 2>&1 &
}

infra_windows() {
	cat >"$dir/smb.conf" <<-END
		[global]
			workgroup = EXAMPLE
			netbios name = FILES
			server min protocol = NT1
			map to guest = bad user
			guest account = root
			bind interfaces only = yes
			interfaces = $v4/24
			disable spoolss = yes
			load printers = no
			log file = $dir/samba/log
			private dir = $dir/samba
			lock directory = $dir/samba
			state directory = $dir/samba
			cache directory = $dir/samba
			pid directory = $dir/samba
			ncalrpc dir = $dir/samba/rpc
		[team]
			path = $dir/samba/share
			guest ok = yes
	END
	ip netns exec $S setsid smbd -F -s "$dir/smb.conf" --no-process-group >"$dir/smbd.log" 2>&1 &
	ip netns exec $S setsid nmbd -F -s "$dir/smb.conf" --no-process-group >"$dir/nmbd.log" 2>&1 &
}

infra_directory() {
	cat >"$dir/slapd.conf" <<-END
		modulepath /usr/lib/ldap
		moduleload back_mdb
		include /etc/ldap/schema/core.schema
		TLSCertificateFile $tmp/cert.pem
		TLSCertificateKeyFile $tmp/key.pem
		pidfile $dir/slapd.pid
		database mdb
		suffix "dc=example,dc=test"
		rootdn "cn=admin,dc=example,dc=test"
		rootpw secret
		directory $dir/ldap
	END
	ip netns exec $S setsid slapd -d 0 -f "$dir/slapd.conf" -h "ldap://$v4:389" >"$dir/slapd.log" 2>&1 &
}

infra_logins() {
	cat >"$dir/krb5.conf" <<-END
		[libdefaults]
			default_realm = EXAMPLE.TEST
			dns_lookup_kdc = false
		[realms]
			EXAMPLE.TEST = {
				kdc = $v4
			}
	END
	sed "s/dns_lookup_kdc/udp_preference_limit = 1\n&/" "$dir/krb5.conf" >"$dir/krb5-tcp.conf"
	cat >"$dir/kdc.conf" <<-END
		[realms]
			EXAMPLE.TEST = {
				database_name = $dir/krb/db
				key_stash_file = $dir/krb/stash
				kdc_listen = 88
				kdc_tcp_listen = 88
			}
	END
	export KRB5_CONFIG=$dir/krb5.conf KRB5_KDC_PROFILE=$dir/kdc.conf
	kdb5_util create -s -r EXAMPLE.TEST -P master >"$dir/kdb.log" 2>&1
	kadmin.local -q 'addprinc +requires_preauth -pw secret alice' >>"$dir/kdb.log" 2>&1
	ip netns exec $S setsid krb5kdc -n >"$dir/kdc.log" 2>&1 &
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
		}
		server default {
			listen {
				type = auth
				ipaddr = $v4
				port = 1812
			}
			authorize {
				update control {
					Cleartext-Password := "secret"
				}
				pap
			}
			authenticate {
				Auth-Type PAP {
					pap
				}
			}
		}
	END
	ip netns exec $S setsid freeradius -f -d "$dir/radius" -n radiusd >"$dir/radius.log" 2>&1 &
}

infra_tunnels() {
	local side address=1
	local vpn=(openvpn --dev null --local $v4 --tls-server --dh none --ca "$tmp/cert.pem" --cert "$tmp/cert.pem" --key "$tmp/key.pem")
	ip netns exec $S setsid "${vpn[@]}" --proto udp --port 5194 >"$dir/openvpn.log" 2>&1 &
	ip netns exec $S setsid "${vpn[@]}" --proto tcp-server --port 5195 >"$dir/openvpn-tcp.log" 2>&1 &
	(umask 077 && wg genkey >"$dir/wgc.key" && wg genkey >"$dir/wgs.key")
	for side in c s; do
		local ns=$C peer=s
		[[ $side == c ]] || { ns=$S peer=c; }
		ip netns exec $ns setsid wireguard-go -f wg$side >"$dir/wg$side.log" 2>&1 &
		until ip -n $ns link show wg$side >/dev/null 2>&1; do sleep 0.1; done
		ip netns exec $ns wg set wg$side listen-port 5182 private-key "$dir/wg$side.key" peer "$(wg pubkey <"$dir/wg$peer.key")" \
			allowed-ips 10.9.0.0/24 endpoint "$([[ $side == c ]] && echo $v4:5182 || echo 192.0.2.10:5182)"
		ip netns exec $ns sysctl -qw net.ipv6.conf.wg$side.disable_ipv6=1
		ip -n $ns addr add 10.9.0.$((address++))/24 dev wg$side
		ip -n $ns link set wg$side up
	done
}

talk_snmp() {
	quietly c snmpget -v 1 -c public -t 1 -r 0 $v4:1161 1.3.6.1.2.1.1.5.0
	quietly c snmpbulkwalk -v 2c -c public -t 1 -r 0 $v4:1161 1.3.6.1.2.1.1
	quietly c snmpget -v 3 -u operator -l authPriv -a SHA -A secretsecret -x AES -X secretsecret -t 1 -r 0 $v4:1161 1.3.6.1.2.1.1.5.0
	quietly c snmptrap -v 2c -c public $v4:162 '' 1.3.6.1.6.3.1.1.5.1
}
talk_ntp() { quietly c timeout 6 chronyd -Q -d -u root -t 5 "server $v4 iburst maxsamples 2" 'cmdport 0' "pidfile $tmp/infra/chronyd-client.pid"; }
talk_stun() {
	quietly c turnutils_stunclient -p 3478 $v4
	quietly c turnutils_uclient -u anna -w secret -y -n 1 -m 1 -c $v4
	quietly c turnutils_uclient -t -u anna -w secret -y -n 1 -m 1 -c $v4
}
# The server of the client's network is on the router; the client takes no address from it.
talk_dhcp() {
	quietly_in ip netns exec $R timeout 9 dnsmasq -d --port=0 --interface=r0 --bind-interfaces --dhcp-range=192.0.2.50,192.0.2.60,1h \
		--dhcp-range=2001:db8:1::50,2001:db8:1::60,64,1h --dhcp-leasefile="$tmp/infra/leases" --pid-file &
	local pid=$!
	sleep 1
	quietly c udhcpc -i c0 -f -q -n -t 2 -T 1 -s /bin/true -x hostname:laptop -V 'test class'
	quietly c timeout 5 dhclient -6 -1 -d -sf /bin/true -lf "$tmp/infra/dhclient6.leases" -pf "$tmp/infra/dhclient6.pid" -cf /dev/null c0
	wait $pid || true
}
talk_smb() {
	quietly c smbclient -s /dev/null -N //$v4/team -c ls
	quietly c smbclient -s /dev/null --option='client min protocol=NT1' -m NT1 -N //$v4/team -c ls
	quietly c smbclient -s /dev/null --option='client min protocol=SMB2' -m SMB2 -U 'EXAMPLE/anna%secret' //$v4/team -c ls
	quietly c rpcclient -s /dev/null -N -U % -c srvinfo $v4
}
talk_netbios() {
	quietly c nmblookup -s /dev/null -U $v4 FILES
	quietly c nmblookup -s /dev/null -A $v4
}
talk_ldap() {
	quietly c ldapsearch -x -H ldap://$v4 -D cn=admin,dc=example,dc=test -w secret -b dc=example,dc=test '(cn=*)'
	quietly c env LDAPTLS_REQCERT=never ldapsearch -x -ZZ -H ldap://$v4 -b dc=example,dc=test
	quietly c ldapwhoami -x -H ldap://$v4
}
talk_kerberos() {
	echo secret | quietly_in c env KRB5_CONFIG="$tmp/infra/krb5.conf" kinit -c "$tmp/infra/tickets" alice
	echo secret | quietly_in c env KRB5_CONFIG="$tmp/infra/krb5-tcp.conf" kinit -c "$tmp/infra/tickets" alice
	quietly c env KRB5_CONFIG="$tmp/infra/krb5.conf" kvno -c "$tmp/infra/tickets" krbtgt/EXAMPLE.TEST
	echo secret | quietly_in c env KRB5_CONFIG="$tmp/infra/krb5.conf" kinit -c "$tmp/infra/tickets" nobody
}
talk_radius() {
	echo 'User-Name = anna, User-Password = secret, NAS-Identifier = switch' | quietly_in c radclient -r 1 -t 2 $v4 auth testing
	echo 'User-Name = bob, User-Password = wrong' | quietly_in c radclient -r 1 -t 2 $v4 auth testing
}
talk_rpc() {
	quietly c rpcinfo -p $v4
	quietly c rpcinfo -T udp $v4 100000 2
	quietly c rpcinfo -T tcp $v4 100000 3
}
talk_isakmp() {
	quietly c ike-scan --retry=1 --timeout=300 --sport=0 $v4
	quietly c ike-scan --retry=1 --timeout=300 --sport=0 --aggressive --id=anna $v4
	quietly c ike-scan --retry=1 --timeout=300 --sport=0 --ikev2 $v4
	quietly c ike-scan --retry=1 --timeout=300 --nat-t --sport=0 $v4
}
talk_openvpn() {
	local vpn=(timeout 2 openvpn --dev null --nobind --tls-client --ca "$tmp/cert.pem" --cert "$tmp/cert.pem" --key "$tmp/key.pem")
	quietly c "${vpn[@]}" --proto udp --remote $v4 5194
	quietly c "${vpn[@]}" --proto tcp-client --remote $v4 5195
}
talk_wireguard() { quietly c ping -q -c 2 -i 0.2 -W 1 10.9.0.2; }
talk_dtls() {
	echo hello | quietly_in c timeout 2 openssl s_client -dtls -connect $v4:4433 -servername peer.example.test
	echo hello | quietly_in c timeout 2 openssl s_client -dtls1_2 -connect $v4:4433 -mtu 256 -servername small.example.test
}
talk_coap() {
	quietly c coap-client-notls -B 2 -m get coap://$v4/.well-known/core
	quietly c coap-client-notls -B 2 -m put -e text coap://$v4/example_data
}
talk_coap_tcp() {
	quietly c coap-client-notls -B 2 -m get "coap+tcp://$v4/.well-known/core?rt=x"
	quietly c coap-client-notls -B 2 -m put -e text "coap+tcp://$v4/example_data"
}
# What it reports is about another of these captures, so it is the same every time.
talk_netflow() {
	local version
	for version in 5 9 10; do quietly c timeout 5 softflowd -D -r $here/mixed.pcap -v $version -n $v4:2055 -p "$tmp/infra/softflowd.pid" -c none; done
}
talk_bittorrent() {
	local options="--enable-dht --bt-stop-timeout=4 --no-conf --quiet --file-allocation=none magnet:?xt=urn:btih:00112233445566778899aabbccddeeff00112233"
	# shellcheck disable=SC2086 # words on purpose
	(quietly s timeout 6 aria2c -d "$tmp/infra/bt" --dht-listen-port=6881 --listen-port=6881 --dht-file-path="$tmp/infra/dht-s" --dht-entry-point=192.0.2.10:6882 $options) &
	# shellcheck disable=SC2086
	quietly c timeout 6 aria2c -d "$tmp/infra/bt" --dht-listen-port=6882 --listen-port=6882 --dht-file-path="$tmp/infra/dht-c" --dht-entry-point=$v4:6881 $options
	wait $! || true
}
talk_bfd() {
	local side
	for side in c s; do
		local own=192.0.2.10 peer=$v4
		[[ $side == c ]] || { own=$v4 peer=192.0.2.10; }
		cat >"$tmp/infra/bird-$side.conf" <<-END
			router id $own;
			protocol device {}
			protocol bfd { multihop { interval 300 ms; }; neighbor $peer local $own multihop yes; }
		END
		quietly $side timeout 3 bird -f -c "$tmp/infra/bird-$side.conf" -s "$tmp/infra/bird-$side.ctl" &
	done
	sleep 3.2
}

recordings_infra() {
	local client="$C -i c0" name
	for name in snmp ntp stun netbios ldap kerberos radius rpc isakmp openvpn wireguard dtls coap bfd smb; do
		record "$name" "$client" 'tcp or udp' "talk_$name"
	done
	record coap-tcp "$client" tcp talk_coap_tcp
	record dhcp "$client" 'udp portrange 67-68 or udp portrange 546-547' talk_dhcp
	record netflow "$client" 'udp port 2055' talk_netflow
	record bittorrent "$client" 'udp port 6881 or tcp' talk_bittorrent
}
