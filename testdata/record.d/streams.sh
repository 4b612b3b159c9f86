# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# Films over datagrams, and what tells of them; a cache that a router is to be told of.

needs_streams() {
	cat <<-'END'
		ffmpeg ffmpeg
		srt-live-transmit srt-tools
		squid squid
	END
}

start_streams() {
	local dir=$tmp/streams
	mkdir -p "$dir"
	serve srt srt-live-transmit -q "srt://$v4:9710?mode=listener" file://con
	wait_for 9710
}

# film SECONDS FORMAT WHERE OPTIONS…: a small picture as it would be sent while it is taken.
film() { quietly c ffmpeg -v quiet -re -f lavfi -i testsrc=size=32x32:rate=2 -t "$1" -c:v mpeg2video "${@:4}" -f "$2" "$3"; }

talk_mp2t() {
	film 1 mpegts "udp://$v4:1234?pkt_size=376"
	film 1 rtp_mpegts rtp://$v4:5004
}
talk_srt() {
	film 1 mpegts srt://$v4:9710
}
talk_sap() { film 2 sap "sap://$v4?announce_addr=233.252.0.1" -metadata title=Concert; }
# The cache looks for a router that does not answer.
talk_wccp() {
	local dir=$tmp/streams
	printf 'http_port 192.0.2.10:3128\nwccp_router %s\nwccp2_router %s\nwccp2_service standard 0\nacl all src all\nhttp_access deny all\npid_filename none\ncoredump_dir /\naccess_log none\ncache_log %s\npinger_enable off\nunique_hostname cache\nnetdb_filename none\n' \
		$v4 $v4 "$dir/cache.log" >"$dir/cache.conf"
	quietly c timeout 4 squid -N -f "$dir/cache.conf"
}

recordings_streams() {
	local client="$C -i c0"
	record mp2t "$client -s 512" udp talk_mp2t
	record srt "$client -s 256" udp talk_srt
	record sap "$client" 'udp port 9875' talk_sap
	record wccp "$client" 'udp port 2048' talk_wccp
}
