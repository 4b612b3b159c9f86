# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# What machines of one network say to each other without being asked: who is there, who may be woken, who lets ports
# through; and what networks are joined and watched with.

needs_neighbours() {
	cat <<-'END'
		wsdd wsdd
		wakeonlan wakeonlan
		syncthing syncthing
		miniupnpd miniupnpd-nftables
		natpmpc natpmpc
		nmbd samba
		/usr/lib/cups/backend/bjnp cups-backend-bjnp
		ddsperf cyclonedds-tools
		xl2tpd xl2tpd
		pptpd pptpd
		pptp pptp-linux
		hostapd hostapd
		wpa_supplicant wpasupplicant
		collectd collectd-core
		pmacctd pmacct
		knxd knxd
	END
}

start_neighbours() {
	local dir=$tmp/neighbours
	mkdir -p "$dir"/{sync,samba,collectd}
	printf '[global]\nport = 1701\n[lns default]\nip range = 10.2.0.2-10.2.0.9\nlocal ip = 10.2.0.1\nrequire authentication = no\nname = gateway\npppoptfile = /dev/null\n' >"$dir/lns.conf"
	printf '[global]\nport = 1701\n[lac office]\nlns = %s\nautodial = yes\nname = laptop\npppoptfile = /dev/null\n' $v4 >"$dir/lac.conf"
	printf 'option /dev/null\nlocalip 10.3.0.1\nremoteip 10.3.0.2-9\n' >"$dir/pptpd.conf"
	printf 'interface=r0\ndriver=wired\nieee8021x=1\neap_server=1\neap_user_file=%s/eap-users\nuse_pae_group_addr=1\n' "$dir" >"$dir/hostapd.conf"
	printf '"anna" MD5 "secret"\n' >"$dir/eap-users"
	printf 'ap_scan=0\nnetwork={\nkey_mgmt=IEEE8021X\neap=MD5\nidentity="anna"\npassword="secret"\neapol_flags=0\n}\n' >"$dir/supplicant.conf"
	printf 'Hostname "meter.example.test"\nBaseDir "%s"\nPIDFile "%s/pid"\nInterval 1\nLoadPlugin network\nLoadPlugin uptime\nLoadPlugin load\n<Plugin network>\n  Server "%s" "25826"\n</Plugin>\n' \
		"$dir/collectd" "$dir/collectd" $v4 >"$dir/collectd.conf"
	printf 'daemonize: false\npcap_savefile: %s/mixed.pcap\npcap_savefile_wait: 0\npcap_savefile_delay: 1\nplugins: sfprobe\nsfprobe_receiver: %s:6343\nsfprobe_agentip: 192.0.2.10\nsfprobe_source_ip: 192.0.2.10\nsampling_rate: 1\n' "$PWD/$here" $v4 >"$dir/sflow.conf"
	printf '[global]\nnetbios name = FILES\nworkgroup = EXAMPLE\ninterfaces = s0\nbind interfaces only = yes\npreferred master = yes\nlock directory = %s\nstate directory = %s\ncache directory = %s\npid directory = %s\nprivate dir = %s\nncalrpc dir = %s\n' \
		"$dir"/samba{,,,,,} >"$dir/smb.conf"
	ip netns exec $S setsid xl2tpd -D -c "$dir/lns.conf" -s /dev/null -p "$dir/lns.pid" -C "$dir/lns.ctl" >"$dir/lns.log" 2>&1 &
	ip netns exec $S setsid pptpd -f -c "$dir/pptpd.conf" -p "$dir/pptpd.pid" >"$dir/pptpd.log" 2>&1 &
	ip netns exec $S setsid knxd -e 1.1.1 -E 1.1.2:4 -D -T -R -S -b dummy: >"$dir/knxd.log" 2>&1 &
	ip netns exec $R setsid hostapd "$dir/hostapd.conf" >"$dir/hostapd.log" 2>&1 &
	printf 'ext_ifname=r1\next_ip=44.128.0.1\nlistening_ip=r0\nenable_natpmp=yes\nenable_upnp=yes\nsecure_mode=no\nsystem_uptime=no\nfriendly_name=router\nuuid=00000000-0000-4000-8000-000000000001\nnotify_interval=60\nallow 1024-65535 192.0.2.0/24 1024-65535\n' >"$dir/upnp.conf"
	ip netns exec $R setsid miniupnpd -d -f "$dir/upnp.conf" -P "$dir/upnp.pid" >"$dir/upnp.log" 2>&1 &
	HOME=$dir/sync syncthing generate --home="$dir/sync" --no-default-folder >"$dir/sync.log" 2>&1
	wait_for 1701 1723 3671
	sleep 1
}

talk_wsd() {
	local pid
	ip netns exec $S wsdd -4 -i s0 -n FILES -w EXAMPLE -U 00000000-0000-4000-8000-000000000002 >/dev/null 2>&1 & pid=$!
	sleep 1
	quietly s timeout 3 wsdd -4 -i s0 -D -o -l "$tmp/neighbours/wsd.sock"
	kill $pid
}
talk_wol() { quietly c wakeonlan -i 192.0.2.255 02:00:00:00:00:05; }
talk_syncthing() { quietly s timeout 8 env HOME="$tmp/neighbours/sync" STNODEFAULTFOLDER=1 STNOUPGRADE=1 syncthing serve --home="$tmp/neighbours/sync" --no-browser; }
talk_nat_pmp() {
	quietly c natpmpc -g 192.0.2.1
	quietly c natpmpc -g 192.0.2.1 -a 8080 8080 tcp 60
}
talk_netbios_dgm() { quietly s timeout 12 nmbd -F --no-process-group -s "$tmp/neighbours/smb.conf" -l "$tmp/neighbours/samba"; }
talk_bjnp() { quietly c timeout 5 /usr/lib/cups/backend/bjnp; }
talk_rtps() { quietly s env CYCLONEDDS_URI='<General><Interfaces><NetworkInterface name="s0"/></Interfaces></General>' timeout 4 ddsperf -D 2 sanity; }
talk_l2tp() { quietly c timeout 3 xl2tpd -D -c "$tmp/neighbours/lac.conf" -s /dev/null -p "$tmp/neighbours/lac.pid" -C "$tmp/neighbours/lac.ctl"; }
talk_pptp() { quietly c timeout 3 pptp $v4 --nolaunchpppd; }
talk_eapol() { quietly c timeout 5 wpa_supplicant -D wired -i c0 -c "$tmp/neighbours/supplicant.conf"; }
talk_collectd() { quietly c timeout 4 collectd -f -C "$tmp/neighbours/collectd.conf"; }
talk_sflow() { quietly c timeout 4 pmacctd -f "$tmp/neighbours/sflow.conf"; }
talk_knx() { quietly c timeout 4 knxd -e 1.2.1 -E 1.2.2:4 -u "$tmp/neighbours/knx" -b ipt:$v4; }

recordings_neighbours() {
	local client="$C -i c0" server="$S -i s0"
	record wsd "$server" 'udp port 3702' talk_wsd
	record wol "$client" 'udp port 9' talk_wol
	record syncthing "$server" 'udp port 21027' talk_syncthing
	record nat-pmp "$client" 'udp portrange 5350-5351' talk_nat_pmp
	record netbios-dgm "$server" 'udp port 138' talk_netbios_dgm
	record bjnp "$client" 'udp port 8611' talk_bjnp
	record rtps "$server" udp talk_rtps
	record l2tp "$client" 'udp port 1701' talk_l2tp
	record pptp "$client" 'tcp port 1723' talk_pptp
	record eapol "$client" 'ether proto 0x888e' talk_eapol
	record collectd "$client" 'udp port 25826' talk_collectd
	record sflow "$client" 'udp port 6343' talk_sflow
	record knx "$client" 'udp port 3671' talk_knx
}
