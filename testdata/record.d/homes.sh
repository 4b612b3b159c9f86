# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# Calls of Java, associations of substations, appliances at home and nodes that look for each other: homes.py, homes.js and Homes.java are both ends.

needs_homes() {
	cat <<-'END'
		/usr/lib/python3.11/ensurepip/__init__.py python3-venv
		npm npm
		javac default-jdk-headless
	END
}

start_homes() {
	local dir=$tmp/homes
	mkdir -p "$dir"
	from_registry python-homes pyiec61850==1.5.2a1 tinytuya==1.20.0
	from_registry node-homes @ethereumjs/devp2p@10.0.0
	serve rmi java $here/record.d/Homes.java serve $v4
	serve mms build/record/python-homes/bin/python $here/record.d/homes.py serve mms $v4
	serve tuya build/record/python-homes/bin/python $here/record.d/homes.py serve tuya $v4
	serve ethereum node $here/record.d/homes.js serve $v4
	patience=300 wait_for 1099 10102 6668 30303
}

homes() { quietly c timeout 15 build/record/python-homes/bin/python $here/record.d/homes.py ask "$1" $v4; }

talk_rmi() { quietly c java $here/record.d/Homes.java ask $v4; }
talk_mms() { homes mms; }
talk_tuya() { homes tuya; }
talk_ethereum() { quietly c timeout 30 node $here/record.d/homes.js ask $v4; }

recordings_homes() {
	local client="$C -i c0"
	record rmi "$client" tcp talk_rmi
	record mms "$client" 'tcp port 10102' talk_mms
	record tuya "$client" 'tcp port 6668' talk_tuya
	record ethereum "$client" 'udp port 30303' talk_ethereum
}
