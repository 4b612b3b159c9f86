# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# HTTP beyond one request and its answer, and QUIC that comes to nothing: connections that are kept, a proxy for several
# hosts, upgrades, gRPC; handshakes that are refused or whose first packets are lost.

needs_web() {
	cat <<-'END'
		apache2 apache2-bin
		nghttp nghttp2-client
		/usr/lib/python3/dist-packages/websockets/__init__.py python3-websockets
		/usr/lib/python3/dist-packages/grpc/__init__.py python3-grpcio
	END
}

start_web() {
	local dir=$tmp/web module
	mkdir -p "$dir/www"
	chmod 755 "$tmp" "$dir" "$dir/www"
	echo home >"$dir/www/index.html"
	head -c 3000 /dev/zero | tr '\0' x >"$dir/www/page.txt"
	{
		for module in mpm_event authz_core authz_host http2 proxy proxy_http dir alias; do
			echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
		done
		cat <<-END
			ServerName www.example.test
			ServerRoot $dir
			PidFile $dir/apache.pid
			ErrorLog $dir/apache.log
			ServerTokens Prod
			DocumentRoot $dir/www
			Listen $v4:8083
			Listen $v4:3129
			Protocols h2c http/1.1
			User nobody
			Group nogroup
			DirectoryIndex index.html
			Redirect 302 /old http://www.example.test:8083/
			<VirtualHost *:3129>
				ProxyRequests On
				<Proxy *>
					Require all granted
				</Proxy>
			</VirtualHost>
		END
	} >"$dir/apache.conf"
	printf '%s www.example.test static.example.test\n' $v4 >"$dir/hosts"
	# The proxy asks for names as every program does.
	ip netns exec $S unshare -m sh -c "mount --bind $dir/hosts /etc/hosts && exec apache2 -DFOREGROUND -f $dir/apache.conf" >/dev/null 2>&1 &
	cat >"$dir/websocket.py" <<-'END'
		import asyncio, sys, websockets
		role, host = sys.argv[1:]
		async def echo(ws):
		    async for m in ws:
		        await ws.send(m)
		async def serve():
		    async with websockets.serve(echo, host, 8084, subprotocols=["mqtt", "chat"]):
		        await asyncio.Future()
		async def ask():
		    async with websockets.connect(f"ws://{host}:8084/live?token=secret", subprotocols=["chat", "mqtt"], extra_headers={"Host": "ws.example.test"}) as ws:
		        await ws.send("hello")
		        await ws.recv()
		asyncio.run(serve() if role == "serve" else ask())
	END
	ip netns exec $S /usr/bin/python3 "$dir/websocket.py" serve $v4 >"$dir/websocket.log" 2>&1 &
	cat >"$dir/rpc.py" <<-'END'
		import sys, grpc
		from concurrent import futures
		role, host, methods = sys.argv[1], sys.argv[2], sys.argv[3:]
		def get(request, context):
		    return request
		def missing(request, context):
		    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
		def watch(request, context):
		    yield from (request, request)
		if role == "serve":
		    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
		    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Stock", {
		        "Get": grpc.unary_unary_rpc_method_handler(get), "Missing": grpc.unary_unary_rpc_method_handler(missing),
		        "Watch": grpc.unary_stream_rpc_method_handler(watch)})])
		    server.add_insecure_port(f"{host}:50051")
		    server.start()
		    server.wait_for_termination()
		options = [("grpc.default_authority", "stock.example.test"), ("grpc.enable_http_proxy", 0)]
		with grpc.insecure_channel(f"{host}:50051", options=options) as channel:
		    for method in methods:
		        if method == "Watch":
		            list(channel.unary_stream("/shop.Stock/Watch")(b"x", metadata=[("authorization", "secret")]))
		            continue
		        try:
		            channel.unary_unary("/shop.Stock/" + method)(b"x")
		        except grpc.RpcError:
		            pass
	END
	ip netns exec $S /usr/bin/python3 "$dir/rpc.py" serve $v4 >"$dir/rpc.log" 2>&1 &
	(cd $here/quicpeer && CGO_ENABLED=0 go build -o "$dir/quicpeer" .)
	ip netns exec $S "$dir/quicpeer" -listen $v4:4435 -alpn h3 -cert "$tmp/cert.pem" -key "$tmp/key.pem" &
	wait_for 8083 3129 8084 50051 4435
}

talk_http_keepalive() {
	local web=http://www.example.test:8083
	# One connection each: requests one after the other; at once through a proxy; a download and what is no request.
	kept $web/ "$web/page.txt?token=secret" $web/missing $web/old
	kept -X POST -d 'name=value' $web/ --next -o /dev/null -I $web/page.txt
	kept -x http://$v4:3129 $web/page.txt http://static.example.test:8083/ http://static.example.test:8083/missing
	(printf 'GET /page.txt HTTP/1.1\r\nHost: one.example.test\r\n\r\nGET / HTTP/1.1\r\nHost: two.example.test\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: three.example.test\r\nConnection: close\r\n\r\n'; sleep 0.3) |
		quietly_in c socat -t 1 - TCP:$v4:8083
}
kept() { quietly c env -u http_proxy -u all_proxy -u ALL_PROXY curl -sS -m 5 --http1.1 --resolve "*:8083:$v4" "$@"; }

talk_websocket() { quietly c env -u http_proxy -u all_proxy /usr/bin/python3 "$tmp/web/websocket.py" ask $v4; }
talk_h2c() {
	quietly c nghttp -nu http://$v4:8083/page.txt
	quietly c nghttp -nu http://$v4:8083/missing
}
talk_grpc() {
	quietly c /usr/bin/python3 "$tmp/web/rpc.py" ask $v4 Get Missing
	quietly c /usr/bin/python3 "$tmp/web/rpc.py" ask $v4 Missing
	quietly c /usr/bin/python3 "$tmp/web/rpc.py" ask $v4 Watch Get
	quietly c /usr/bin/python3 "$tmp/web/rpc.py" ask $v4 Nothing
}

# A protocol that the server does not speak, then two handshakes whose first datagrams are lost on the way there.
talk_quic_refused() {
	quietly c "$tmp/web/quicpeer" -connect $v4:4435 -sni refused.demo.io -alpn gopher
	r nft add chain inet lab loss '{ type filter hook forward priority 1; }'
	r nft add rule inet lab loss udp dport 4435 numgen inc mod 1000 '<' 2 drop
	quietly c "$tmp/web/quicpeer" -connect $v4:4435 -sni late.demo.io
	r nft flush chain inet lab loss
}

recordings_web() {
	record http-keepalive "$C -i c0" tcp talk_http_keepalive
	record websocket "$C -i c0" tcp talk_websocket
	record h2c "$C -i c0" tcp talk_h2c
	record grpc "$C -i c0" tcp talk_grpc
	record quic-refused "$C -i c0" udp talk_quic_refused
}
