# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# What watches over machines and tells how they are; and a database that is no heavier than that.

needs_watchers() {
	cat <<-'END'
		/usr/sbin/firebird firebird3.0-server
		isql-fb firebird3.0-utils
		serf serf
		nrpe nagios-nrpe-server
		/usr/lib/nagios/plugins/check_nrpe nagios-nrpe-plugin
		/lib/nut/upsd nut-server
		upsc nut-client
	END
}

start_watchers() {
	local dir=$tmp/watchers
	mkdir -p "$dir/nut"
	chmod 755 "$tmp" "$dir"
	mkdir -p /tmp/firebird /run/firebird3.0 # where its locks are, whatever its configuration says
	serve firebird /usr/sbin/firebird
	serve relay socat TCP-LISTEN:3050,bind=$v4,fork,reuseaddr TCP:127.0.0.1:3050 # Debian's listens to localhost alone
	serve serf serf agent -node=one -bind=$v4:7946 -rpc-addr=$v4:7373
	printf 'server_port=5666\nserver_address=%s\npid_file=%s\nnrpe_user=nobody\nnrpe_group=nogroup\nallowed_hosts=192.0.2.10\ncommand[load]=/bin/echo fine\n' $v4 "$dir/nrpe.pid" >"$dir/nrpe.cfg"
	serve nrpe nrpe -n -f -c "$dir/nrpe.cfg"
	printf '[ups]\n driver = dummy-ups\n port = ups.dev\n' >"$dir/nut/ups.conf"
	printf 'ups.status: OL\n' >"$dir/nut/ups.dev"
	printf 'LISTEN %s 3493\n' $v4 >"$dir/nut/upsd.conf"
	: >"$dir/nut/upsd.users"
	export NUT_CONFPATH=$dir/nut NUT_STATEPATH=$dir/nut NUT_ALTPIDPATH=$dir/nut
	serve dummy /lib/nut/dummy-ups -a ups -D -u root
	sleep 1
	serve upsd /lib/nut/upsd -D -u root
	wait_for 3050 7946 5666 3493
}

talk_gdsdb() {
	local path
	for path in shop staff; do
		printf 'quit;\n' | quietly_in c isql-fb -user sysdba -password secret $v4:/srv/$path.fdb
	done
}
talk_memberlist() {
	quietly c timeout 4 serf agent -node=two -bind=192.0.2.10:7946 -join=$v4:7946
	quietly c serf members -rpc-addr=$v4:7373
}
talk_nrpe() {
	quietly c /usr/lib/nagios/plugins/check_nrpe -n -H $v4 -c load
	quietly c /usr/lib/nagios/plugins/check_nrpe -n -2 -H $v4 -c load
}
talk_nut() {
	quietly c upsc -l $v4
	quietly c upsc ups@$v4
}

recordings_watchers() {
	record gdsdb "$C -i c0" tcp talk_gdsdb
	record memberlist "$C -i c0" "" talk_memberlist
	record nrpe "$C -i c0" tcp talk_nrpe
	record nut "$C -i c0" tcp talk_nut
}
