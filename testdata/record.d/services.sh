# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# What runs in hospitals, libraries, filters, routers and on the benches of those who measure.

needs_services() {
	cat <<-'END'
		storescp dcmtk
		yaz-ztest yaz
		c-icap c-icap
		c-icap-client libicapapi-dev
		tincd tinc
		stayrtr stayrtr
		rtrclient rtr-tools
		mllp_send python3-hl7
		iperf3 iperf3
	END
}

start_services() {
	local dir=$tmp/services side
	mkdir -p "$dir"/{dicom,z,icap}
	ip netns exec $S setsid storescp -od "$dir/dicom" -aet ARCHIVE 11112 >"$dir/dicom.log" 2>&1 &
	(cd "$dir/z" && exec ip netns exec $S setsid yaz-ztest -l "$dir/z.log" tcp:@:2100) >/dev/null 2>&1 &
	printf 'PidFile %s/icap.pid\nCommandsSocket %s/icap.ctl\nPort 1344\nModulesDir /usr/lib/x86_64-linux-gnu/c_icap\nServicesDir /usr/lib/x86_64-linux-gnu/c_icap\nTmpDir %s\nServerLog %s/icap.log\nService echo srv_echo.so\n' \
		"$dir" "$dir" "$dir/icap" "$dir" >"$dir/icap.conf"
	ip netns exec $S setsid c-icap -N -f "$dir/icap.conf" >"$dir/icap.out" 2>&1 &
	printf '{"metadata":{"counts":1},"roas":[{"prefix":"192.0.2.0/24","maxLength":24,"asn":"AS64496","ta":"test"}]}' >"$dir/vrps.json"
	ip netns exec $S setsid stayrtr -bind :8282 -cache "$dir/vrps.json" -checktime=false -metrics.addr '' >"$dir/rtr.log" 2>&1 &
	# A receiver of HL7 that acknowledges.
	ip netns exec $S setsid socat TCP-LISTEN:2575,reuseaddr,fork SYSTEM:"head -c 20 >/dev/null; printf '\\\\vMSH|^~\\\\\\\\\\\\&|EHR|HOSPITAL|LAB|CLINIC|20260131||ACK^R01|1|P|2.5\\\\rMSA|AA|4711\\\\r\\\\034\\\\r'" >"$dir/hl7.log" 2>&1 &
	ip netns exec $S setsid iperf3 -s >"$dir/iperf3.log" 2>&1 &
	for side in alpha beta; do
		mkdir -p "$dir/$side/hosts"
		printf 'Name = %s\nDeviceType = dummy\nPort = 655\nAddressFamily = ipv4\n' $side >"$dir/$side/tinc.conf"
	done
	printf 'ConnectTo = beta\n' >>"$dir/alpha/tinc.conf"
	printf 'Address = %s 655\n' $v4 >"$dir/beta/hosts/beta"
	printf 'Address = 192.0.2.10 655\n' >"$dir/alpha/hosts/alpha"
	for side in alpha beta; do tincd -c "$dir/$side" -K2048 </dev/null >/dev/null 2>&1; done
	cp "$dir/alpha/hosts/alpha" "$dir/beta/hosts/"
	cp "$dir/beta/hosts/beta" "$dir/alpha/hosts/"
	ip netns exec $S setsid tincd -D -c "$dir/beta" --pidfile "$dir/beta.pid" >"$dir/beta.log" 2>&1 &
	wait_for 11112 2100 1344 8282 2575 5201 655
}

talk_dicom() { quietly c echoscu -aet MODALITY1 -aec ARCHIVE $v4 11112; }
talk_z3950() { printf 'open %s:2100\nfind computer\nquit\n' $v4 | quietly_in c yaz-client; }
talk_icap() {
	quietly c c-icap-client -i $v4 -p 1344 -s echo
	quietly c c-icap-client -i $v4 -p 1344 -s echo -f "$tmp/services/vrps.json" -req http://www.example.test/upload
}
talk_rpki-rtr() { quietly c timeout 2 rtrclient tcp $v4 8282; }
talk_hl7() {
	printf 'MSH|^~\\&|LAB|CLINIC|EHR|HOSPITAL|20260131080000||ORU^R01|4711|P|2.5\rPID|1||12345\r' >"$tmp/services/result.hl7"
	quietly c mllp_send --loose --port 2575 --file "$tmp/services/result.hl7" $v4
}
talk_iperf3() {
	quietly c iperf3 -c $v4 -n 64K
	quietly c iperf3 -c $v4 -n 16K -R
}
talk_tinc() { quietly c timeout 3 tincd -D -c "$tmp/services/alpha" --pidfile "$tmp/services/alpha.pid"; }

recordings_services() {
	local name
	for name in dicom z3950 icap rpki-rtr hl7 iperf3 tinc; do record "$name" "$C -i c0 -s 256" "tcp or udp" "talk_$name"; done
}
