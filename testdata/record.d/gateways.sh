# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# What stands in front of web servers and behind them: a load balancer that tells whom it connects for, and a program that a web
# server asks by FastCGI, uwsgi and SCGI.

needs_gateways() {
	cat <<-'END'
		haproxy haproxy
		uwsgi-core uwsgi-core
		/usr/lib/uwsgi/plugins/python3_plugin.so uwsgi-plugin-python3
	END
}

start_gateways() {
	local dir=$tmp/gateways way
	mkdir -p "$dir/www"
	echo home >"$dir/www/index.html"
	cat "$tmp/cert.pem" "$tmp/key.pem" >"$dir/both.pem"
	cat >"$dir/app.py" <<-'END'
		def application(environ, start):
		    found = environ["PATH_INFO"] != "/missing"
		    start("200 OK" if found else "404 Not Found", [("Content-Type", "text/plain"), ("Set-Cookie", "session=secret")])
		    return [b"hello\n"]
	END
	# The balancer is on the client's side, so that its connections are those that are recorded.
	cat >"$dir/haproxy.conf" <<-END
		defaults
			mode tcp
			timeout connect 5s
			timeout client 20s
			timeout server 20s
		listen one
			bind 127.0.0.1:7001
			server a $v4:8461 send-proxy
		listen one-ipv6
			bind [::1]:7001
			server a $v4:8461 send-proxy
		listen through
			bind 127.0.0.1:7002
			server a $v4:8462 send-proxy
		listen two
			bind 127.0.0.1:7003 ssl crt $dir/both.pem
			server a $v4:8461 send-proxy-v2 proxy-v2-options authority,crc32c,unique-id
		listen two-ipv6
			bind [::1]:7003
			server a [$v6]:8461 send-proxy-v2
		listen checks
			bind 127.0.0.1:7004
			server a $v4:8461 send-proxy-v2 check inter 300ms
	END
	cat >"$dir/back.conf" <<-END
		worker_processes 1; daemon off; pid $dir/back.pid; error_log $dir/back.log; user root;
		events { worker_connections 64; }
		http {
			access_log off; root $dir/www; client_body_temp_path $dir/b; proxy_temp_path $dir/p; fastcgi_temp_path $dir/f;
			uwsgi_temp_path $dir/u; scgi_temp_path $dir/s; ssl_certificate $tmp/cert.pem; ssl_certificate_key $tmp/key.pem;
			server { listen 8461 proxy_protocol; listen [::]:8461 proxy_protocol; }
			server { listen 8462 ssl proxy_protocol; }
		}
	END
	{
		cat <<-END
			worker_processes 1; daemon off; pid $dir/front.pid; error_log $dir/front.log; user root;
			events { worker_connections 64; }
			http {
				access_log off; client_body_temp_path $dir/fb; proxy_temp_path $dir/fp; fastcgi_temp_path $dir/ff;
				uwsgi_temp_path $dir/fu; scgi_temp_path $dir/fs;
		END
		for way in fastcgi uwsgi scgi; do
			cat <<-END
				server { listen 127.0.0.1:7100; server_name $way.example.test;
					include /etc/nginx/${way}_params;
					${way}_param PATH_INFO \$document_uri;
					location / { ${way}_pass $v4:$((7200 + ${#way})); } }
			END
		done
		echo '}'
	} >"$dir/front.conf"
	ip netns exec $S nginx -p "$dir" -e "$dir/back.log" -c "$dir/back.conf" &
	ip netns exec $S uwsgi-core --plugin-dir /usr/lib/uwsgi/plugins --plugin python3 --master --need-app --wsgi-file "$dir/app.py" \
		--fastcgi-socket $v4:7207 --socket $v4:7205 --scgi-socket $v4:7204 >"$dir/uwsgi.log" 2>&1 &
	ip netns exec $C nginx -p "$dir" -e "$dir/front.log" -c "$dir/front.conf" &
	ip netns exec $C haproxy -db -f "$dir/haproxy.conf" >"$dir/haproxy.log" 2>&1 &
	wait_for 8461 8462 7207 7205 7204
	local tries=0
	until c ss -Htln 'sport = :7100' | grep -q . && c ss -Htln 'sport = :7004' | grep -q .; do
		((++tries < 200)) || { echo "record.sh: nginx or haproxy does not start" >&2; cat "$dir"/*.log >&2; exit 1; }
		sleep 0.1
	done
}

gate() { quietly c env -u http_proxy -u https_proxy -u all_proxy -u ALL_PROXY -u HTTPS_PROXY curl -sS -k -m 5 --http1.1 --resolve "shop.example.test:7001:127.0.0.1" \
	--resolve "shop.example.test:7002:127.0.0.1" --resolve "shop.example.test:7003:127.0.0.1" --resolve "*:7100:127.0.0.1" "$@"; }

talk_proxy_protocol() {
	gate "http://shop.example.test:7001/?token=secret"
	gate http://shop.example.test:7001/ --resolve 'shop.example.test:7001:::1'
	gate https://shop.example.test:7002/
	gate https://shop.example.test:7003/
	gate http://shop.example.test:7003/ --resolve 'shop.example.test:7003:::1'
	gate --haproxy-protocol http://shop.example.test:8461/ --resolve "shop.example.test:8461:$v4"
	sleep 0.4 # for a check of the balancer's own
}
talk_cgi() {
	local way
	for way in fastcgi uwsgi scgi; do
		gate -b 'session=secret' "http://$way.example.test:7100/shop?token=secret"
		gate -d 'password=secret' "http://$way.example.test:7100/missing"
	done
}

recordings_gateways() {
	record proxy-protocol "$C -i c0" tcp talk_proxy_protocol
	record cgi "$C -i c0" "tcp portrange 7204-7207" talk_cgi
}
