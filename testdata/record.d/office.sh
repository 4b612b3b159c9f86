# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# Directories, terminals, databases, and the boards that servers are watched by.

needs_office() {
	cat <<-'END'
		whois whois
		xdm xdm
		Xvfb xvfb
		ipmi_sim openipmi
		ipmitool ipmitool
		/usr/share/java/derbynet.jar libderby-java
		/usr/share/java/derbytools.jar libderby-java
		/usr/share/java/derbyclient.jar libderbyclient-java
		java default-jre-headless
	END
}

start_office() {
	local dir=$tmp/office
	mkdir -p "$dir"/{derby,ipmi}
	chmod 755 "$tmp" "$dir"
	# A directory that knows one name.
	printf 'read -r name\nprintf "domain:       EXAMPLE.TEST\\r\\nstatus:       active\\r\\nregistrar:    Example\\r\\n"\n' >"$dir/whois"
	ip netns exec $S setsid socat TCP-LISTEN:43,reuseaddr,fork EXEC:"sh $dir/whois" >"$dir/whois.log" 2>&1 &
	printf 'DisplayManager.requestPort: 177\nDisplayManager.errorLogFile: %s/xdm-errors\nDisplayManager.pidFile: %s/xdm.pid\nDisplayManager.accessFile: %s/access\nDisplayManager.servers: %s/servers\nDisplayManager.authDir: %s\n' "$dir" "$dir" "$dir" "$dir" "$dir" >"$dir/xdm"
	printf '*\n' >"$dir/access"
	: >"$dir/servers"
	ip netns exec $S setsid xdm -nodaemon -config "$dir/xdm" >"$dir/xdm.log" 2>&1 &
	printf 'name "board"\nset_working_mc 0x20\nstartlan 1\naddr %s 623\npriv_limit admin\nallowed_auths_admin md5\nguid a123456789abcdefa123456789abcdef\nendlan\nuser 1 true "anna" "secret" admin 5 md5\n' $v4 >"$dir/ipmi/lan"
	printf 'mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nsel_enable 0x20 1000 0x0a\nmc_enable 0x20\n' >"$dir/ipmi/board"
	ip netns exec $S setsid ipmi_sim -c "$dir/ipmi/lan" -f "$dir/ipmi/board" -s "$dir/ipmi" -n >"$dir/ipmi.log" 2>&1 </dev/null &
	(cd "$dir/derby" && exec ip netns exec $S setsid java -cp /usr/share/java/derby.jar:/usr/share/java/derbynet.jar:/usr/share/java/derbytools.jar org.apache.derby.drda.NetworkServerControl start -h $v4 -p 1527 -noSecurityManager) >"$dir/derby.log" 2>&1 &
	patience=1500 wait_for 43 177 623 1527
}

talk_whois() { quietly c whois -h $v4 example.test; }
talk_xdmcp() { quietly c timeout 3 Xvfb :9 -query $v4; }
talk_rmcp() { quietly c timeout 15 ipmitool -I lan -H $v4 -U anna -P secret mc info; }
talk_drda() {
	printf "connect 'jdbc:derby://%s:1527/shop;create=true;user=anna;password=secret';\nvalues 1;\nexit;\n" $v4 |
		quietly_in c timeout 60 java -cp /usr/share/java/derbytools.jar:/usr/share/java/derbyclient.jar:/usr/share/java/derby.jar org.apache.derby.tools.ij
}

recordings_office() {
	local name
	for name in whois rmcp drda; do record "$name" "$C -i c0" 'tcp or udp' "talk_$name"; done
	record xdmcp "$C -i c0" 'udp port 177' talk_xdmcp # the pictures that follow are large
}
