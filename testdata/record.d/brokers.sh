# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# Queues and remote calls beside those of data.sh.

needs_brokers() {
	cat <<-'END'
		beanstalkd beanstalkd
		omniNames omniorb-nameserver
		nameclt omniorb
		/usr/share/zookeeper/bin/zkServer.sh zookeeper
		/usr/lib/python3/dist-packages/kazoo python3-kazoo
		/usr/lib/python3/dist-packages/thrift python3-thrift
		/usr/lib/python3/dist-packages/zmq python3-zmq
	END
}

start_brokers() {
	local dir=$tmp/brokers
	mkdir -p "$dir"/{zoo,names}
	chmod 755 "$tmp" "$dir" "$dir"/*
	ip netns exec $S setsid beanstalkd -l $v4 -p 11300 >"$dir/beanstalkd.log" 2>&1 &
	ip netns exec $S setsid omniNames -start 2809 -logdir "$dir/names" -ORBendPoint giop:tcp:$v4:2809 >"$dir/names.log" 2>&1 &
	printf 'tickTime=2000\ndataDir=%s\nclientPort=2181\nclientPortAddress=%s\nadmin.enableServer=false\n' "$dir/zoo" $v4 >"$dir/zoo.cfg"
	ip netns exec $S setsid env ZOO_LOG_DIR="$dir/zoo" /usr/share/zookeeper/bin/zkServer.sh start-foreground "$dir/zoo.cfg" >"$dir/zoo.log" 2>&1 &
	brokers_python
	ip netns exec $S setsid /usr/bin/python3 "$dir/ask-thrift.py" serve >"$dir/thrift.log" 2>&1 &
	ip netns exec $S setsid /usr/bin/python3 "$dir/ask-zmq.py" serve >"$dir/zmq.log" 2>&1 &
	wait_for 11300 2809 2181 9090 9091 5555 5556
}

brokers_python() {
	cat >"$dir/ask-thrift.py" <<-END
		import sys
		from thrift.Thrift import TMessageType, TProcessor, TType
		from thrift.protocol import TBinaryProtocol, TCompactProtocol
		from thrift.server import TServer
		from thrift.transport import TSocket, TTransport

		class Ping(TProcessor):
		    def process(self, i, o):
		        name, kind, number = i.readMessageBegin()
		        i.skip(TType.STRUCT)
		        i.readMessageEnd()
		        o.writeMessageBegin(name, TMessageType.REPLY, number)
		        empty(o)

		def empty(o):
		    o.writeStructBegin("x")
		    o.writeFieldStop()
		    o.writeStructEnd()
		    o.writeMessageEnd()
		    o.trans.flush()

		ways = {9090: (TTransport.TBufferedTransportFactory(), TBinaryProtocol.TBinaryProtocolFactory()),
		        9091: (TTransport.TFramedTransportFactory(), TCompactProtocol.TCompactProtocolFactory())}
		if sys.argv[1] == "serve":
		    import threading
		    for port, (transport, protocol) in ways.items():
		        server = TServer.TSimpleServer(Ping(), TSocket.TServerSocket("$v4", port), transport, protocol)
		        threading.Thread(target=server.serve).start()
		else:
		    for port, (transport, protocol) in ways.items():
		        t = transport.getTransport(TSocket.TSocket("$v4", port))
		        p = protocol.getProtocol(t)
		        t.open()
		        p.writeMessageBegin("getInventory", TMessageType.CALL, 1)
		        empty(p)
		        p.readMessageBegin()
		        t.close()
	END
	cat >"$dir/ask-zmq.py" <<-END
		import sys, zmq
		c = zmq.Context()
		null, plain = c.socket(zmq.REP if sys.argv[1] == "serve" else zmq.REQ), c.socket(zmq.REP if sys.argv[1] == "serve" else zmq.REQ)
		if sys.argv[1] == "serve":
		    plain.plain_server = True
		    null.bind("tcp://$v4:5555")
		    plain.bind("tcp://$v4:5556")
		    while True:
		        null.recv()
		        null.send(b"yes")
		null.connect("tcp://$v4:5555")
		null.send(b"ready?")
		null.recv()
		plain.plain_username, plain.plain_password = b"anna", b"secret"
		plain.connect("tcp://$v4:5556")
		plain.send(b"x")
		plain.poll(300)
		c.destroy(linger=0)
	END
	cat >"$dir/ask-kazoo.py" <<-END
		from kazoo.client import KazooClient
		c = KazooClient("$v4:2181", timeout=10)
		c.start(timeout=10)
		c.create("/lab", b"value")
		c.get("/lab")
		c.stop()
	END
}

py() { c timeout 15 /usr/bin/python3 "$tmp/brokers/ask-$1.py" "${@:2}" >"$tmp/brokers/$1-client.log" 2>&1 || true; }

talk_zmtp() { py zmq ask; }
talk_thrift() { py thrift ask; }
talk_zookeeper() {
	py kazoo
	echo ruok | quietly_in c socat -t 1 - TCP:$v4:2181
}
talk_giop() { quietly c nameclt -ORBInitRef NameService=corbaname::$v4:2809 list; }
# Its protocol is made to be typed.
talk_beanstalk() {
	printf 'use orders\r\nput 1 0 60 5\r\nhello\r\nstats-tube orders\r\nquit\r\n' | quietly_in c socat -t 1 - TCP:$v4:11300
	printf 'watch orders\r\nreserve-with-timeout 1\r\nquit\r\n' | quietly_in c socat -t 1 - TCP:$v4:11300
}

recordings_brokers() {
	local name
	for name in zmtp thrift zookeeper giop beanstalk; do record "$name" "$C -i c0" tcp "talk_$name"; done
}
