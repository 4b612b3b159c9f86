# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# What only its name is told of: music for several rooms, private networks of two nodes.

needs_things() {
	cat <<-'END'
		snapserver snapserver
		snapclient snapclient
		nebula nebula
		nebula-cert nebula
		fastd fastd
	END
}

start_things() {
	local dir=$tmp/things host key other
	mkdir -p "$dir"
	mkfifo "$dir/sound"
	serve snapserver snapserver -s "pipe://$dir/sound?name=silence" --datadir "$dir" --http.enabled 0 --tcp.enabled 0
	(
		cd "$dir"
		nebula-cert ca -name example
		for host in 1 2; do nebula-cert sign -name "node$host" -ip "10.99.0.$host/24"; done
		for host in 1 2; do
			cat >"nebula$host.yml" <<-END
				pki: {ca: $dir/ca.crt, cert: $dir/node$host.crt, key: $dir/node$host.key}
				static_host_map: {"10.99.0.1": ["$v4:4242"]}
				lighthouse: {am_lighthouse: $( ((host == 1)) && echo true || echo false), interval: 2, hosts: [$( ((host == 1)) || echo '"10.99.0.1"')]}
				listen: {host: 0.0.0.0, port: 4242}
				tun: {disabled: true}
				firewall: {outbound: [{port: any, proto: any, host: any}], inbound: [{port: any, proto: any, host: any}]}
			END
			fastd --generate-key >"key$host" 2>&1
		done
		for host in 1 2; do
			key=$(awk '/Secret/ { print $2 }' "key$host") other=$(awk '/Public/ { print $2 }' "key$((3 - host))")
			printf 'bind any:10000;\nmode tun;\ninterface "fast%s";\nmethod "salsa2012+umac";\nsecret "%s";\nmtu 1400;\npeer "other" { key "%s"; %s }\n' \
				$host $key $other "$( ((host == 1)) || echo "remote $v4:10000;")" >"fastd$host.conf"
		done
	)
	serve nebula nebula -config "$dir/nebula1.yml"
	serve fastd fastd -c "$dir/fastd1.conf"
	wait_for 1704 4242 10000
}

talk_snapcast() { quietly c timeout 1 snapclient -h $v4 --player file --hostID room; }
talk_nebula() { quietly c timeout 4 nebula -config "$tmp/things/nebula2.yml"; }
talk_fastd() { quietly c timeout 2 fastd -c "$tmp/things/fastd2.conf"; }

recordings_things() {
	local client="$C -i c0"
	record snapcast "$client -s 128" 'tcp port 1704' talk_snapcast
	record nebula "$client" 'udp port 4242' talk_nebula
	record fastd "$client" 'udp port 10000' talk_fastd
}
