# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# Nodes of Erlang, caches that ask each other, sound and a machine's screen.

needs_nodes() {
	cat <<-'END'
		erl erlang-base
		epmd erlang-base
		squid squid
		mpd mpd
		mpc mpc
		pulseaudio pulseaudio
		pactl pulseaudio-utils
		qemu-system-x86_64 qemu-system-x86
		spicy-screenshot spice-client-gtk
		xvfb-run xvfb
	END
}

start_nodes() {
	local dir=$tmp/nodes end ns own sibling
	mkdir -p "$dir/mpd"
	chmod 755 "$tmp"
	chmod 777 "$dir"
	serve erl env HOME="$dir" erl -noinput -name shop@$v4 -setcookie secret -kernel inet_dist_listen_min 25672 inet_dist_listen_max 25672
	for end in "$C 192.0.2.10 $v4" "$S $v4 192.0.2.10"; do
		read -r ns own sibling <<<"$end"
		printf 'http_port %s:3128\nicp_port 3130\nacl all src all\nhttp_access allow all\nicp_access allow all\ncache_peer %s sibling 3128 3130\npid_filename none\ncoredump_dir /\naccess_log none\ncache_log %s\npinger_enable off\nunique_hostname %s\nnetdb_filename none\n' \
			$own $sibling "$dir/$ns.log" $ns >"$dir/$ns.conf"
		ip netns exec $ns setsid squid -N -f "$dir/$ns.conf" >"$dir/$ns.out" 2>&1 &
	done
	printf 'music_directory "%s"\nplaylist_directory "%s"\nbind_to_address "%s"\naudio_output {\n\ttype "null"\n\tname "nowhere"\n}\n' "$dir" "$dir/mpd" $v4 >"$dir/mpd.conf"
	serve mpd mpd --no-daemon "$dir/mpd.conf"
	serve pulse env HOME="$dir" XDG_RUNTIME_DIR="$dir" pulseaudio -n --exit-idle-time=-1 -L module-null-sink -L "module-native-protocol-tcp listen=$v4 auth-anonymous=1"
	serve qemu qemu-system-x86_64 -machine pc -S -display none -nodefaults -vga std -spice addr=$v4,port=5930,disable-ticketing=on
	wait_for 25672 4369 3128 3130 6600 4713 5930
}

# A node asks for another's port and calls it, once with a cookie that is wrong.
talk_erlang() {
	local cookie
	for cookie in secret wrong; do
		quietly c env HOME="$tmp/nodes" erl -noinput -name till@192.0.2.10 -setcookie $cookie -eval "net_adm:ping('shop@$v4'), net_adm:names({198, 51, 100, 20}), halt()."
	done
}
talk_icp() { quietly c curl -m 5 -x http://$v4:3128 http://$v4:8080/page; }
talk_mpd() { quietly c mpc -h $v4 status; }
talk_pulseaudio() { quietly c env HOME="$tmp/nodes" XDG_RUNTIME_DIR="$tmp/nodes" PULSE_SERVER=tcp:$v4 pactl info; }
talk_spice() { quietly c timeout 3 xvfb-run -a spicy-screenshot -h $v4 -p 5930 -o "$tmp/nodes/screen.ppm"; }

recordings_nodes() {
	local client="$C -i c0"
	record erlang "$client" tcp talk_erlang
	record icp "$client" 'udp port 3130' talk_icp
	record mpd "$client" tcp talk_mpd
	record pulseaudio "$client -s 512" tcp talk_pulseaudio
	record spice "$client -s 112" tcp talk_spice
}
