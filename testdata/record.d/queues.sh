# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# Queues of messages whose servers are large: they take seconds to start, and nothing else is recorded meanwhile.

needs_queues() {
	cat <<-'END'
		/usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server
		amqp-publish amqp-tools
		/usr/lib/python3/dist-packages/proton python3-qpid-proton
		/usr/lib/python3/dist-packages/stomp python3-stomp
		kcat kcat
	END
}

start_queues() {
	local dir=$tmp/queues
	mkdir -p "$dir"
	printf '[rabbitmq_amqp1_0,rabbitmq_stomp].\n' >"$dir/plugins"
	printf 'loopback_users = none\nlisteners.tcp.1 = %s:5672\nstomp.listeners.tcp.1 = %s:61613\nlog.console = true\nlog.file = false\n' $v4 $v4 >"$dir/rabbit.conf"
	ip netns exec $S env HOME="$dir" RABBITMQ_NODENAME=recording@localhost RABBITMQ_CONFIG_FILE="$dir/rabbit.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$dir/plugins" \
		RABBITMQ_MNESIA_BASE="$dir" RABBITMQ_LOG_BASE="$dir" RABBITMQ_DIST_PORT=25672 /usr/lib/rabbitmq/bin/rabbitmq-server >"$dir/rabbit.log" 2>&1 &
	cat >"$dir/amqp1.py" <<-'END'
		import sys
		from proton import Message
		from proton.utils import BlockingConnection
		c = BlockingConnection(f"amqp://anna:secret@{sys.argv[1]}", allowed_mechs="PLAIN", timeout=8)
		c.create_sender("/queue/orders").send(Message(body="two"))
		c.close()
	END
	cat >"$dir/publish.py" <<-'END'
		import sys, stomp
		c = stomp.Connection([(sys.argv[1], 61613)], heartbeats=(0, 0))
		c.connect("anna", "secret", wait=True)
		c.send("/queue/orders", "three")
		c.disconnect()
	END
	patience=3000 wait_for 5672 61613
	ip netns exec $S env HOME="$dir" RABBITMQ_NODENAME=recording@localhost /usr/lib/rabbitmq/bin/rabbitmqctl add_user anna secret >/dev/null
	ip netns exec $S env HOME="$dir" RABBITMQ_NODENAME=recording@localhost /usr/lib/rabbitmq/bin/rabbitmqctl set_permissions anna '.*' '.*' '.*' >/dev/null
}

talk_amqp() {
	quietly c amqp-declare-queue -u amqp://anna:secret@$v4 -q orders
	quietly c amqp-publish -u amqp://anna:secret@$v4 -r orders -b one
	quietly c amqp-get -u amqp://anna:wrong@$v4 -q orders
	quietly c /usr/bin/python3 "$tmp/queues/amqp1.py" $v4
}
talk_stomp() { quietly c /usr/bin/python3 "$tmp/queues/publish.py" $v4; }
# librdkafka has brokers for tests, which it speaks with over the loopback device.
talk_kafka() { printf 'order-1\n' | quietly_in s timeout 10 kcat -b broker.example.test -X test.mock.num.brokers=1 -X client.id=till-7 -P -t orders; }

recordings_queues() {
	record amqp "$C -i c0" tcp talk_amqp
	record stomp "$C -i c0" tcp talk_stomp
	record kafka "$S -i lo" tcp talk_kafka
}
