# shellcheck shell=bash
# Protocols of text lines and their neighbours: mail, files, chat, logs, telephony, caches, proxies.

needs_text() {
	cat <<-'END'
		dovecot dovecot-imapd
		/usr/lib/dovecot/pop3 dovecot-pop3d
		vsftpd vsftpd
		ngircd ngircd
		ii ii
		rsync rsync
		git git
		memcached memcached
		memcstat libmemcached-tools
		redis-server redis-server
		redis-cli redis-tools
		nats-server nats-server
		in.tftpd tftpd-hpa
		microsocks microsocks
		aiosmtpd python3-aiosmtpd
		telnetd inetutils-telnetd
		telnet inetutils-telnet
		sipp sip-tester
		upnpc miniupnpc
		prosody prosody
		logger bsdutils
	END
}

start_text() {
	local dir=$tmp/text
	mkdir -p "$dir"/{dovecot,ftp,tftp,git,redis,prosody}
	chmod 755 "$tmp" "$dir" "$dir"/*
	printf 'a small file\n' | tee "$dir/ftp/notes.txt" "$dir/tftp/boot.cfg" >/dev/null
	head -c 1500 /dev/zero | tr '\0' z >"$dir/tftp/image.bin"

	cat >"$dir/dovecot.conf" <<-END
		base_dir = $dir/dovecot
		state_dir = $dir/dovecot
		log_path = $dir/dovecot.log
		protocols = imap pop3
		listen = *
		ssl = yes
		ssl_cert = <$tmp/cert.pem
		ssl_key = <$tmp/key.pem
		disable_plaintext_auth = no
		mail_location = maildir:$dir/mail
		passdb {
		  driver = static
		  args = password=secret
		}
		userdb {
		  driver = static
		  args = uid=65534 gid=65534 home=$dir/mail
		}
		service imap-login {
		  chroot =
		}
		service pop3-login {
		  chroot =
		}
	END
	install -d -o 65534 -g 65534 "$dir/mail"
	ip netns exec $S dovecot -F -c "$dir/dovecot.conf" >/dev/null 2>&1 &

	cat >"$dir/vsftpd.conf" <<-END
		listen=YES
		background=NO
		anonymous_enable=YES
		anon_root=$dir/ftp
		ssl_enable=YES
		allow_anon_ssl=YES
		rsa_cert_file=$tmp/cert.pem
		rsa_private_key_file=$tmp/key.pem
		seccomp_sandbox=NO
		secure_chroot_dir=$dir/prosody
		require_ssl_reuse=NO
	END
	ip netns exec $S vsftpd "$dir/vsftpd.conf" >"$dir/vsftpd.log" 2>&1 &

	cat >"$dir/ngircd.conf" <<-END
		[Global]
		Name = irc.example.test
		Info = recording
		Listen = $v4
		[Options]
		DNS = no
		Ident = no
		PAM = no
	END
	ip netns exec $S ngircd -n -f "$dir/ngircd.conf" >"$dir/ngircd.log" 2>&1 &

	cat >"$dir/rsyncd.conf" <<-END
		use chroot = no
		uid = 0
		gid = 0
		[pub]
		path = $dir/ftp
		read only = yes
	END
	ip netns exec $S rsync --daemon --no-detach --config="$dir/rsyncd.conf" >/dev/null 2>&1 &

	git init -q --bare "$dir/git/project.git"
	ip netns exec $S git daemon --export-all --base-path="$dir/git" --reuseaddr >/dev/null 2>&1 &

	ip netns exec $S memcached -u nobody -l $v4 -p 11211 -U 11211 >/dev/null 2>&1 &
	ip netns exec $S redis-server --port 6379 --bind $v4 --protected-mode no --save '' --dir "$dir/redis" >/dev/null 2>&1 &
	ip netns exec $S nats-server -a $v4 -p 4222 >/dev/null 2>&1 &
	ip netns exec $S in.tftpd -L -u root -a $v4:69 -s "$dir/tftp" >/dev/null 2>&1 &
	ip netns exec $S microsocks -i $v4 -p 1080 >/dev/null 2>&1 &
	ip netns exec $S microsocks -i $v4 -p 1081 -u anna -P secret >/dev/null 2>&1 &
	ip netns exec $S openssl s_server -accept 4443 -cert "$tmp/cert.pem" -key "$tmp/key.pem" -www -quiet >/dev/null 2>&1 &
	ip netns exec $S aiosmtpd -n -c aiosmtpd.handlers.Sink -l $v4:2526 --tlscert "$tmp/cert.pem" --tlskey "$tmp/key.pem" --no-requiretls >"$dir/smtp.log" 2>&1 &
	# It looks for the client's name, which nobody here knows.
	RES_OPTIONS='timeout:1 attempts:1' ip netns exec $S socat TCP-LISTEN:23,reuseaddr,fork EXEC:"/usr/sbin/telnetd -E /bin/date",nofork >/dev/null 2>&1 &
	ip netns exec $S sipp -sn uas -i $v4 -p 5060 -nostdin >/dev/null 2>&1 &
	ip netns exec $S sipp -sn uas -i $v4 -p 5062 -t t1 -nostdin >/dev/null 2>&1 &
	ip netns exec $S socat -u UDP-RECV:514 /dev/null &
	ip netns exec $S socat -u TCP-LISTEN:514,reuseaddr,fork /dev/null &

	mkdir -p "$dir/prosody/certs"
	cat >"$dir/prosody.cfg.lua" <<-END
		pidfile = "$dir/prosody/pid"
		data_path = "$dir/prosody"
		run_as_root = true
		modules_enabled = { "tls", "saslauth", "disco" }
		modules_disabled = { "s2s" }
		c2s_require_encryption = false
		log = { error = "$dir/prosody.log" }
		interfaces = { "$v4" }
		ssl = { certificate = "$tmp/cert.pem", key = "$tmp/key.pem" }
		VirtualHost "example.test"
	END
	ip netns exec $S prosody -F --config "$dir/prosody.cfg.lua" >/dev/null 2>&1 &

	wait_for 143 110 21 6667 873 9418 11211 6379 4222 69 1080 1081 4443 2526 23 5060 5062 514 5222
}

# web is curl without this machine's proxies.
web() { quietly c env -u http_proxy -u https_proxy -u all_proxy -u ALL_PROXY -u HTTPS_PROXY curl -sS -m 5 "$@"; }
hello() { sleep 0.3 | quietly_in c openssl s_client -connect "$@"; }

talk_smtp() {
	printf 'Subject: test\r\n\r\ntext\r\n' >"$tmp/text/mail.txt"
	web --mail-from anna@client.example.test --mail-rcpt bob@example.test -T "$tmp/text/mail.txt" smtp://$v4:2526/client.example.test
	hello $v4:2526 -starttls smtp -name client.example.test -servername mail.example.test
}
talk_imap() {
	web -u anna:secret imap://$v4/
	hello $v4:143 -starttls imap -servername imap.example.test
}
talk_pop3() {
	web -u anna:secret pop3://$v4/
	hello $v4:110 -starttls pop3 -servername pop.example.test
}
talk_ftp() {
	web ftp://$v4/notes.txt
	web -k --ssl-reqd --resolve "ftp.example.test:21:$v4" ftp://ftp.example.test/notes.txt
}
talk_irc() {
	quietly_in c timeout 4 ii -i "$tmp/text/ii" -s $v4 -n anna -f 'Anna K' &
	local pid=$! tries=0
	until [[ -p $tmp/text/ii/$v4/in ]] || ((++tries > 30)); do sleep 0.1; done
	sleep 0.5
	timeout 2 bash -c "echo '/j #test' >'$tmp/text/ii/$v4/in'"
	sleep 0.5
	timeout 2 bash -c "echo '/QUIT' >'$tmp/text/ii/$v4/in'"
	wait $pid || true
}
talk_rsync() { quietly c rsync -q rsync://$v4/pub/; }
talk_git() { quietly c git ls-remote git://$v4/project.git; }
talk_memcached() {
	quietly c memcstat --servers=$v4:11211
	quietly c memccat --servers=$v4:11211 key
	quietly c memccat --binary --servers=$v4:11211 key
	quietly c memccat --udp --servers=$v4:11211 key
}
talk_redis() {
	quietly c redis-cli -h $v4 set key value
	(printf 'PING\r\n' && sleep 0.3) | quietly_in c socat -t 0.3 - TCP:$v4:6379
}
talk_nats() { # the server is the real one; Debian has no client
	printf 'CONNECT {"verbose":false,"pedantic":false,"lang":"sh","version":"1","name":"recording"}\r\nPING\r\nSUB orders.new 1\r\nPUB orders.new 2\r\nok\r\n' |
		quietly_in c socat -t 0.5 - TCP:$v4:4222
}
talk_tftp() {
	web tftp://$v4/boot.cfg -o /dev/null
	web tftp://$v4/image.bin --tftp-no-options -o /dev/null
	web tftp://$v4/missing -o /dev/null
}
talk_socks() {
	web -k --resolve "inner.example.test:4443:$v4" --socks5 $v4:1080 https://inner.example.test:4443/
	web -k -x socks5h://anna:secret@$v4:1081 https://$v4:4443/
	web -x socks5h://$v4:1080 http://nobody.example.test/
}
talk_telnet() { sleep 5 | quietly_in c env TERM=xterm timeout 8 telnet $v4; }
talk_sip() {
	quietly c sipp -sn uac $v4:5060 -i 192.0.2.10 -m 1 -d 100 -nostdin -timeout 5
	quietly c sipp -sn uac $v4:5062 -i 192.0.2.10 -m 1 -d 100 -t t1 -nostdin -timeout 5
}
talk_syslog() {
	quietly c logger -n $v4 -P 514 --udp -t demo -p auth.err 'by the newer form'
	quietly c logger -n $v4 -P 514 --udp --rfc3164 -t demo 'by the older form'
	quietly c logger -n $v4 -P 514 --tcp -t demo 'over TCP'
	quietly c logger -n $v4 -P 514 --tcp --octet-count -t demo 'with its length'
}
talk_xmpp() { hello $v4:5222 -starttls xmpp -xmpphost example.test -servername example.test; }
talk_ssdp() { quietly c timeout 3 upnpc -m c0 -l; }

recordings_text() {
	local client="$C -i c0" name
	for name in smtp imap pop3 ftp irc rsync git memcached redis nats socks telnet syslog xmpp sip; do
		record "$name" "$client" 'tcp or udp' "talk_$name"
	done
	for name in tftp ssdp; do record "$name" "$client" udp "talk_$name"; done
}
