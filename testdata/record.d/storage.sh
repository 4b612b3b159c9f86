# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# Disks, files and work over the network, and remote screens.

needs_storage() {
	cat <<-'END'
		tgtd tgt
		iscsi-ls libiscsi-bin
		nbd-server nbd-server
		nbdinfo libnbd-bin
		svnserve subversion
		distccd distcc
		gcc gcc
		gophernicus gophernicus
		finger finger
		in.fingerd fingerd
		xrdp xrdp
		xfreerdp freerdp2-x11
		Xvfb xvfb
	END
}

start_storage() {
	local dir=$tmp/storage
	mkdir -p "$dir"/{svn,gopher,disk}
	chmod 755 "$tmp" "$dir" "$dir"/*
	head -c 1048576 /dev/zero >"$dir/disk/image"
	ip netns exec $S setsid tgtd -f --iscsi portal=$v4:3260 -C 7 >"$dir/tgtd.log" 2>&1 &
	printf '[generic]\nuser = nobody\n[backup]\nexportname = %s\nlistenaddr = %s\n' "$dir/disk/image" $v4 >"$dir/nbd.conf"
	chmod 666 "$dir/disk/image"
	ip netns exec $S setsid nbd-server -d -C "$dir/nbd.conf" -p "$dir/nbd.pid" >"$dir/nbd.log" 2>&1 &
	svnadmin create "$dir/svn/project"
	ip netns exec $S setsid svnserve -d --foreground -r "$dir/svn" --listen-host $v4 >"$dir/svn.log" 2>&1 &
	ip netns exec $S setsid distccd --no-detach --daemon --user nobody --allow 192.0.2.0/24 --listen $v4 --port 3632 --log-file "$dir/distccd.log" >/dev/null 2>&1 &
	printf 'a menu\n0A file\tfile.txt\n' >"$dir/gopher/gophermap"
	ip netns exec $S setsid socat TCP-LISTEN:70,bind=$v4,reuseaddr,fork EXEC:"gophernicus -h gopher.example.test -r $dir/gopher -nv",su=nobody >"$dir/gopher.log" 2>&1 &
	ip netns exec $S setsid socat TCP-LISTEN:79,bind=$v4,reuseaddr,fork EXEC:in.fingerd >"$dir/finger.log" 2>&1 &
	sed "s|^port=3389|port=tcp://$v4:3389|; s|^certificate=.*|certificate=$tmp/cert.pem|; s|^key_file=.*|key_file=$tmp/key.pem|; s|^LogFile=.*|LogFile=$dir/xrdp.log|" /etc/xrdp/xrdp.ini >"$dir/xrdp.ini"
	ip netns exec $S setsid xrdp --nodaemon --config "$dir/xrdp.ini" >"$dir/xrdp.out" 2>&1 &
	ip netns exec $C setsid Xvfb :77 -screen 0 640x480x24 -nolisten tcp >"$dir/xvfb.log" 2>&1 &
	wait_for 3260 10809 3690 3632 70 79 3389
	s tgtadm -C 7 --lld iscsi --op new --mode target --tid 1 -T iqn.2026-11.test.example:disk
	s tgtadm -C 7 --lld iscsi --op new --mode logicalunit --tid 1 --lun 1 -b "$dir/disk/image"
	s tgtadm -C 7 --lld iscsi --op bind --mode target --tid 1 -I ALL
}

talk_iscsi() {
	quietly c iscsi-ls -i iqn.2026-11.test.example:laptop iscsi://$v4
	quietly c iscsi-inq -i iqn.2026-11.test.example:laptop iscsi://$v4/iqn.2026-11.test.example:disk/1
}
talk_nbd() {
	quietly c nbdinfo nbd://$v4/backup
	quietly c nbdinfo --list nbd://$v4
}
talk_svn() { quietly c svn --non-interactive ls svn://$v4/project; }
talk_distcc() {
	printf 'int main(void) { return 0; }\n' >"$tmp/storage/a.c"
	quietly c env DISTCC_HOSTS=$v4:3632 DISTCC_DIR="$tmp/storage" HOME="$tmp/storage" distcc gcc -c "$tmp/storage/a.c" -o "$tmp/storage/a.o"
}
talk_gopher() {
	quietly c curl -m 5 -o /dev/null gopher://$v4/
	quietly c curl -m 5 -o /dev/null gopher://$v4/0/file.txt
}
talk_finger() {
	quietly c finger root@$v4
	quietly c finger @$v4
}
talk_rdp() {
	local security
	for security in tls rdp; do
		quietly c env DISPLAY=:77 HOME="$tmp/storage" timeout 4 xfreerdp /v:$v4 /u:anna /p:secret /cert:ignore /sec:$security /client-hostname:laptop
	done
}

recordings_storage() {
	local name
	for name in iscsi nbd svn distcc gopher finger; do record "$name" "$C -i c0" tcp "talk_$name"; done
	record rdp "$C -i c0 -s 256" tcp talk_rdp
	# It does not heed the signal that ends all others.
	quietly s tgtadm -C 7 --lld iscsi --op delete --force --mode target --tid 1
	quietly s tgtadm -C 7 --op delete --mode system
}
