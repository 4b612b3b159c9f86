# shellcheck shell=bash
# Databases, message brokers, routing, industry, remote desktops: mostly binary protocols over TCP.

needs_data() {
	cat <<-'END'
		/usr/lib/postgresql/15/bin/postgres postgresql
		psql postgresql-client
		mariadbd mariadb-server
		mariadb mariadb-client
		mosquitto mosquitto
		mosquitto_pub mosquitto-clients
		nghttpd nghttp2-server
		nghttp nghttp2-client
		bird bird2
		gearmand gearman-job-server
		gearman gearman-tools
		zabbix_agentd zabbix-agent
		ovs-testcontroller openvswitch-testcontroller
		ovs-ofctl openvswitch-common
		mbpoll mbpoll
		pymodbus.server python3-pymodbus python3-serial-asyncio
		Xvfb xvfb
		xdpyinfo x11-utils
		Xtigervnc tigervnc-standalone-server
		vncsnapshot vncsnapshot
	END
}

data_bird() { # namespace, own address, own AS, other address, other AS
	cat >"$tmp/data/bird-$1.conf" <<-END
		router id $2;
		protocol device {}
		protocol bgp {
		  local $2 as $3;
		  neighbor $4 as $5;
		  multihop;
		  connect delay time 1;
		  ipv4 { import all; export none; };
		}
	END
}

start_data() {
	local dir=$tmp/data pg=/usr/lib/postgresql/15/bin
	mkdir -p "$dir"
	chmod 755 "$tmp" "$dir"
	install -d -o postgres "$dir/pg"
	printf 'secret\n' >"$dir/pg-password"
	runuser -u postgres -- $pg/initdb -D "$dir/pg/db" -A scram-sha-256 -U anna --pwfile="$dir/pg-password" >/dev/null
	cp "$tmp/cert.pem" "$dir/pg/cert.pem"
	install -o postgres -m 600 "$tmp/key.pem" "$dir/pg/key.pem"
	printf 'host all all all scram-sha-256\n' >>"$dir/pg/db/pg_hba.conf"
	ip netns exec $S runuser -u postgres -- $pg/postgres -D "$dir/pg/db" -h $v4 -k '' -c ssl=on -c ssl_cert_file="$dir/pg/cert.pem" -c ssl_key_file="$dir/pg/key.pem" >"$dir/pg.log" 2>&1 &

	install -d -o mysql "$dir/maria"
	mariadb-install-db --no-defaults --user=mysql --datadir="$dir/maria" --skip-test-db >/dev/null 2>&1
	printf "%s;\n" "CREATE DATABASE shop" "CREATE USER 'anna'@'%' IDENTIFIED BY 'secret'" "GRANT ALL ON shop.* TO 'anna'@'%'" >"$dir/maria.sql"
	install -o mysql -m 600 "$tmp/key.pem" "$dir/maria/key.pem"
	ip netns exec $S mariadbd --no-defaults --user=mysql --datadir="$dir/maria" --bind-address=$v4 --socket="$dir/maria/s" --skip-name-resolve \
		--init-file="$dir/maria.sql" --ssl-cert="$tmp/cert.pem" --ssl-key="$dir/maria/key.pem" >"$dir/maria.log" 2>&1 &

	printf 'listener 1883 %s\nallow_anonymous true\nuser root\n' $v4 >"$dir/mosquitto.conf"
	ip netns exec $S mosquitto -c "$dir/mosquitto.conf" >/dev/null 2>&1 &
	ip netns exec $S nghttpd --no-tls -d "$tmp" 8082 >/dev/null 2>&1 &
	data_bird $S $v4 64501 192.0.2.10 4200000001
	data_bird $C 192.0.2.10 4200000001 $v4 64501
	ip netns exec $S bird -f -c "$dir/bird-$S.conf" -s "$dir/bird-$S" >/dev/null 2>&1 &
	ip netns exec $S gearmand -L $v4 -l "$dir/gearmand.log" >/dev/null 2>&1 &
	printf 'Server=192.0.2.10\nListenIP=%s\nAllowRoot=1\nLogType=console\nStartAgents=1\nHostname=agent.example.test\n' $v4 >"$dir/zabbix.conf"
	ip netns exec $S zabbix_agentd -f -c "$dir/zabbix.conf" >/dev/null 2>&1 &
	ip netns exec $S ovs-testcontroller --unixctl="$dir/ovs" ptcp:6653:$v4 >/dev/null 2>&1 &
	ip netns exec $S /usr/bin/python3 -c "
from pymodbus.server import StartTcpServer
from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSequentialDataBlock
block = ModbusSequentialDataBlock(0, [17] * 100)
StartTcpServer(context=ModbusServerContext(slaves=ModbusSlaveContext(di=block, co=block, hr=block, ir=block), single=True), address=('$v4', 502))
" >"$dir/modbus.log" 2>&1 &
	ip netns exec $S Xvfb :5 -listen tcp -ac -screen 0 64x64x8 >/dev/null 2>&1 &
	ip netns exec $S Xtigervnc :6 -rfbport 5906 -SecurityTypes None -geometry 64x64 -depth 16 -ac >/dev/null 2>&1 &
	wait_for 5432 3306 1883 8082 179 4730 10050 6653 502 6005 5906
}

talk_postgresql() {
	quietly c psql "host=$v4 user=anna password=secret dbname=postgres sslmode=disable" -c 'select 1'
	quietly c psql "host=$v4 user=anna password=wrong dbname=shop sslmode=disable application_name=till"
	quietly c psql "host=db.example.test hostaddr=$v4 user=anna password=secret dbname=postgres sslmode=require" -c 'select 1'
}
talk_mysql() {
	quietly c mariadb --no-defaults -h $v4 -u anna -psecret --skip-ssl shop -e 'select 1'
	quietly c mariadb --no-defaults -h $v4 -u bob -pwrong --skip-ssl
	quietly c mariadb --no-defaults -h $v4 -u anna -psecret --ssl shop -e 'select 1'
}
talk_mqtt() {
	quietly c mosquitto_pub -h $v4 -i sensor-1 -u anna -P secret -t home/kitchen -m 21.5
	quietly c mosquitto_pub -h $v4 -V 5 -i sensor-2 -t home/cellar -m 12 -q 1
	quietly c mosquitto_pub -h $v4 -V mqttv31 -i sensor-3 -t home/attic -m 30
}
talk_http2() {
	quietly c nghttp -n "http://$v4:8082/www/index.html?token=secret"
	quietly c nghttp -nu "http://$v4:8082/missing"
}
talk_bgp() { quietly c timeout 4 bird -f -c "$tmp/data/bird-$C.conf" -s "$tmp/data/bird-$C"; }
talk_gearman() {
	quietly c timeout 1 gearman -h $v4 -w -f reverse -- rev &
	sleep 0.3
	printf 'text' | quietly_in c timeout 2 gearman -h $v4 -f reverse
	wait $!
}
# Debian has no zabbix_get of its own: its request by hand.
talk_zabbix() { printf 'ZBXD\1\12\0\0\0\0\0\0\0agent.ping' | quietly_in c socat -t 1 - TCP:$v4:10050; }
talk_openflow() { quietly c ovs-ofctl -O OpenFlow13 probe tcp:$v4:6653; }
talk_modbus() {
	quietly c mbpoll -1 -a 17 -t 4 -r 5 -c 3 $v4
	quietly c mbpoll -1 -a 17 -t 4 -r 90 -c 50 $v4
	quietly c mbpoll -a 17 -t 0 -r 2 $v4 1
}
talk_x11() { quietly c xdpyinfo -display $v4:5; }
talk_vnc() { quietly c vncsnapshot -quiet $v4:6 "$tmp/data/picture.jpg"; }

recordings_data() {
	local client="$C -i c0"
	record postgresql "$client" 'tcp port 5432' talk_postgresql
	record mysql "$client" 'tcp port 3306' talk_mysql
	record mqtt "$client" 'tcp port 1883' talk_mqtt
	record http2 "$client" 'tcp port 8082' talk_http2
	record bgp "$client" 'tcp port 179' talk_bgp
	record gearman "$client" 'tcp port 4730' talk_gearman
	record zabbix "$client" 'tcp port 10050' talk_zabbix
	record openflow "$client" 'tcp port 6653' talk_openflow
	record modbus "$client" 'tcp port 502' talk_modbus
	record x11 "$client -s 256" 'tcp port 6005' talk_x11
	record vnc "$client -s 256" 'tcp port 5906' talk_vnc
}
