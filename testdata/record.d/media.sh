# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# Connections that others arrange: calls and what is said in them, cameras, streams, FTP's data.

needs_media() {
	cat <<-'END'
		baresip baresip-core
		vsftpd vsftpd
		ffmpeg ffmpeg
		rtmpdump rtmpdump
		/usr/lib/nginx/modules/ngx_rtmp_module.so libnginx-mod-rtmp
		/usr/lib/x86_64-linux-gnu/girepository-1.0/GstRtspServer-1.0.typelib gir1.2-gst-rtsp-server-1.0
		/usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgstrtp.so gstreamer1.0-plugins-good
	END
}

start_media() {
	local dir=$tmp/media side
	mkdir -p "$dir"/{ftp/in,rtmp}
	chmod 755 "$tmp" "$dir" "$dir"/*
	chmod 777 "$dir/ftp/in"
	printf 'HTTP/1.1 200 OK\r\nServer: a file that looks like an answer\r\n\r\n' >"$dir/ftp/log.txt"

	cat >"$dir/vsftpd.conf" <<-END
		listen_ipv6=YES
		background=NO
		anonymous_enable=YES
		anon_root=$dir/ftp
		anon_upload_enable=YES
		write_enable=YES
		connect_from_port_20=YES
		seccomp_sandbox=NO
		secure_chroot_dir=$dir/rtmp
	END
	ip netns exec $S vsftpd "$dir/vsftpd.conf" >"$dir/vsftpd.log" 2>&1 &

	ffmpeg -nostdin -v error -f lavfi -i sine=frequency=440:sample_rate=8000:duration=10 "$dir/tone.wav"
	for side in c s c-safe s-safe; do
		local at=192.0.2.10:5060 user=anna safe=
		[[ $side == c* ]] || { at=$v4:5060 user=bob; }
		[[ $side != *-safe ]] || { at=${at%5060}5070 safe=';mediaenc=srtp-mand'; }
		mkdir "$dir/$side"
		cat >"$dir/$side/config" <<-END
			sip_listen $at
			audio_source aufile,$dir/tone.wav
			audio_player aubridge,none
			audio_alert aubridge,none
			rtp_ports 10000-10020
			module_path /usr/lib/baresip/modules
			module aufile.so
			module aubridge.so
			module g711.so
			module uuid.so
			module srtp.so
			module_app account.so
			module_app menu.so
		END
		printf '<sip:%s@%s>;regint=0;answermode=auto%s\n' $user $at "$safe" >"$dir/$side/accounts"
		[[ $side == c* ]] || ip netns exec $S setsid baresip -f "$dir/$side" >"$dir/$side.log" 2>&1 </dev/null &
	done

	cat >"$dir/nginx.conf" <<-END
		load_module modules/ngx_rtmp_module.so;
		worker_processes 1; daemon off; pid $dir/nginx.pid; error_log $dir/nginx.log; user root;
		events { worker_connections 64; }
		rtmp { server { listen 1935; application live { live on; } } }
	END
	ip netns exec $S nginx -c "$dir/nginx.conf" >/dev/null 2>&1 &

	cat >"$dir/camera.py" <<-'END'
		import gi
		gi.require_version("Gst", "1.0")
		gi.require_version("GstRtspServer", "1.0")
		from gi.repository import GLib, Gst, GstRtspServer
		Gst.init(None)
		server = GstRtspServer.RTSPServer()
		factory = GstRtspServer.RTSPMediaFactory()
		factory.set_launch("audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay0")
		server.get_mount_points().add_factory("/hall", factory)
		server.attach(None)
		GLib.MainLoop().run()
	END
	ip netns exec $S setsid /usr/bin/python3 "$dir/camera.py" >"$dir/camera.log" 2>&1 &
	wait_for 21 1935 8554
}

talk_ftp_data() {
	local ftp=ftp://$v4
	c curl -sS -m 10 -o /dev/null --disable-epsv $ftp/log.txt
	c curl -sS -m 10 -o /dev/null $ftp/
	c curl -sS -m 10 -o /dev/null --ftp-port - --disable-eprt $ftp/log.txt
	printf 'sent\n' | c curl -sS -m 10 -o /dev/null -T - $ftp/in/new.txt
	c curl -sS -m 10 -o /dev/null "ftp://[$v6]/log.txt"
	c curl -sS -m 10 -o /dev/null --ftp-port - "ftp://[$v6]/log.txt"
}
# A call whose media are in the clear, and one whose are not.
talk_call() {
	quietly c timeout 8 baresip -f "$tmp/media/c" -t 1 -e "/dial sip:bob@$v4"
	quietly c timeout 8 baresip -f "$tmp/media/c-safe" -t 1 -e "/dial sip:bob@$v4:5070"
}
talk_camera() {
	quietly c ffmpeg -nostdin -rtsp_transport udp -t 1 -i "rtsp://user:secret@$v4:8554/hall?token=secret" -f null -
	quietly c ffmpeg -nostdin -rtsp_transport tcp -t 1 -i rtsp://$v4:8554/hall -f null -
}
talk_rtmp() {
	quietly c ffmpeg -nostdin -re -f lavfi -i testsrc=size=64x48:rate=5 -t 3 -c:v flv -f flv "rtmp://$v4/live/hall?key=secret" &
	local pid=$!
	sleep 1.5
	quietly c timeout 2 rtmpdump -q -v -B 1 -r rtmp://$v4/live/hall -o /dev/null
	wait $pid || true
}

recordings_media() {
	local client="$C -i c0"
	record ftp-data "$client" tcp talk_ftp_data
	record sip-media "$client" udp talk_call
	record rtsp "$client" 'tcp or udp' talk_camera
	record rtmp "$client" tcp talk_rtmp
}
