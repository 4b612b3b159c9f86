# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# Machines, houses and games as libraries of Python speak to them that Debian does not have: pypi.py is both ends.

needs_pypi() {
	cat <<-'END'
		/usr/lib/python3.11/ensurepip/__init__.py python3-venv
	END
}

pypi_packages=(dnp3-python==0.3.0b1 bacpypes3==0.0.110 python-snap7==3.3.0 asyncua==2.1.0 c104==2.2.1 pyads==3.6.0 cassandra-driver==3.30.1)

start_pypi() {
	local dir=$tmp/pypi name
	mkdir -p "$dir"
	from_registry python "${pypi_packages[@]}"
	for name in dnp3 bacnet s7comm opcua iec104 ads cassandra; do serve $name build/record/python/bin/python $here/record.d/pypi.py serve $name $v4 ''; done
	patience=1200 wait_for 20000 47808 102 4840 2404 48898 9042
}

pypi() { quietly c timeout 15 build/record/python/bin/python $here/record.d/pypi.py ask "$1" $v4 192.0.2.10; }

talk_dnp3() { pypi dnp3; }
talk_bacnet() { pypi bacnet; }
talk_s7comm() { pypi s7comm; }
talk_opcua() { pypi opcua; }
talk_iec104() { pypi iec104; }
talk_ads() { pypi ads; }
talk_cassandra() { pypi cassandra; }

recordings_pypi() {
	local client="$C -i c0"
	record dnp3 "$client" 'tcp port 20000' talk_dnp3
	record bacnet "$client" 'udp port 47808' talk_bacnet
	record s7comm "$client" 'tcp port 102' talk_s7comm
	record opcua "$client" 'tcp port 4840' talk_opcua
	record iec104 "$client" 'tcp port 2404' talk_iec104
	record ads "$client" 'tcp port 48898' talk_ads
	record cassandra "$client" 'tcp port 9042' talk_cassandra
}
