# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# What handshakes over datagrams can do besides: DTLS with the certificates of both ends, in fragments, in other orders and
# resumed; QUIC that begins with a version which the server does not have or leaves for another, that of the drafts, and data before the server answers.

needs_handshakes() {
	cat <<-'END'
		gnutls-serv gnutls-bin
		gnutls-cli gnutls-bin
		pip3 python3-pip
	END
}

start_handshakes() {
	local dir=$tmp/handshakes
	mkdir -p "$dir"
	(cd "$dir" && handshake_certificates) >"$dir/certificates.log" 2>&1 || { cat "$dir/certificates.log" >&2; exit 1; }
	dtls_server 4601 -Verify 2 -CAfile "$dir/ca.pem" -mtu 256
	dtls_server 4602
	ip netns exec $S setsid gnutls-serv -q --udp -p 4603 --mtu 600 --x509certfile "$dir/till.pem" --x509keyfile "$dir/till.key" --echo >"$dir/gnutls.log" 2>&1 &
	# The library's last release that has the drafts, and one that changes the version within a handshake (RFC 9368).
	pip3 install -q --root-user-action=ignore --target "$dir/drafts" aioquic==0.9.20
	pip3 install -q --root-user-action=ignore --target "$dir/aioquic" aioquic==1.3.0
	cat >"$dir/aio.py" <<-'END'
		import asyncio, ssl, sys
		from aioquic.asyncio import connect, serve
		from aioquic.quic.configuration import QuicConfiguration
		from aioquic.quic.packet import QuicProtocolVersion
		role, host, port, name, versions = sys.argv[1:]
		versions = [QuicProtocolVersion[v] for v in versions.split(",")]
		conf = QuicConfiguration(is_client=role == "ask", alpn_protocols=["h3", "hq-29"], supported_versions=versions, verify_mode=ssl.CERT_NONE, server_name=name)
		if hasattr(conf, "original_version"):
		    conf.original_version = QuicProtocolVersion.VERSION_1
		async def main():
		    if role == "serve":
		        conf.load_cert_chain(f"{name}/cert.pem", f"{name}/key.pem")
		        await serve(host, int(port), configuration=conf)
		        await asyncio.Future()
		    async with connect(host, int(port), configuration=conf) as conn:
		        await conn.ping()
		asyncio.run(main())
	END
	ip netns exec $S env PYTHONPATH="$dir/drafts" python3 "$dir/aio.py" serve $v4 4605 "$tmp" DRAFT_29,DRAFT_30,DRAFT_31,DRAFT_32 >"$dir/drafts.log" 2>&1 &
	ip netns exec $S env PYTHONPATH="$dir/aioquic" python3 "$dir/aio.py" serve $v4 4606 "$tmp" VERSION_2,VERSION_1 >"$dir/aioquic.log" 2>&1 &
	(cd $here/quicpeer && CGO_ENABLED=0 go build -o "$dir/quicpeer" .)
	ip netns exec $S "$dir/quicpeer" -listen $v4:4604 -versions 1 -alpn h3 -cert "$tmp/cert.pem" -key "$tmp/key.pem" &
	wait_for 4601 4602 4603 4604 4605 4606
}

dtls_server() { # PORT OPTIONS…
	local dir=$tmp/handshakes # openssl ends with its input
	ip netns exec $S setsid bash -c "sleep 600 | openssl s_server -dtls -quiet -cert '$dir/till.pem' -key '$dir/till.key' -accept $*" >"$dir/$1.log" 2>&1 &
}

handshake_certificates() {
	openssl req -x509 -newkey rsa:2048 -nodes -subj "/O=Example/CN=Example Datagram CA" -days 3650 -keyout ca.key -out ca.pem
	local name
	for name in till anna; do
		openssl req -new -newkey rsa:2048 -nodes -subj "/O=Example/CN=$name.example.test" -keyout $name.key -out $name.csr
		openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -days 90 -extfile <(printf 'subjectAltName=DNS:%s.example.test\n' $name) -out $name.pem
	done
}

# dtls_client PORT NAME OPTIONS…: says hello and stays until the server has answered.
dtls_client() {
	(echo hello; sleep 1) | quietly_in c timeout 5 openssl s_client -dtls -connect $v4:$1 -servername "$2" "${@:3}"
}

talk_dtls_certificates() {
	local dir=$tmp/handshakes
	dtls_client 4601 both.example.test -mtu 256 -cert "$dir/anna.pem" -key "$dir/anna.key"
	dtls_client 4601 nobody.example.test -mtu 256
	dtls_client 4602 first.example.test -sess_out "$dir/session"
	dtls_client 4602 again.example.test -sess_in "$dir/session"
	dtls_client 4602 refused.example.test -cipher PSK-AES128-GCM-SHA256 -psk 00
	(echo hello; sleep 1) | quietly_in c timeout 5 gnutls-cli --udp --mtu 600 --insecure --sni-hostname=gnutls.example.test -p 4603 $v4
}

talk_quic_versions() {
	c "$tmp/handshakes/quicpeer" -connect $v4:4604 -sni versions.demo.io -versions 2,1
	c "$tmp/handshakes/quicpeer" -connect $v4:4604 -sni early.demo.io -again
	c env PYTHONPATH="$tmp/handshakes/aioquic" python3 "$tmp/handshakes/aio.py" ask $v4 4606 changed.demo.io VERSION_2,VERSION_1
}

talk_quic_drafts() {
	local draft
	for draft in 29 30 31 32; do
		c env PYTHONPATH="$tmp/handshakes/drafts" python3 "$tmp/handshakes/aio.py" ask $v4 4605 draft-$draft.demo.io DRAFT_$draft
	done
}

recordings_handshakes() {
	record dtls-certificates "$C -i c0" udp talk_dtls_certificates
	record quic-versions "$C -i c0" udp talk_quic_versions
	record quic-drafts "$C -i c0" udp talk_quic_drafts
}
