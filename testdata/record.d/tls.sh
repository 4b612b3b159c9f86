# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# TLS up to 1.2, where certificates can be read: what servers and clients show, sessions that are negotiated again, and
# eleven servers that turn a connection in the clear into TLS.

needs_tls() {
	cat <<-'END'
		gnutls-serv gnutls-bin
		postfix postfix
		dovecot dovecot-imapd
		/usr/lib/dovecot/pop3 dovecot-pop3d
		/usr/lib/dovecot/managesieve dovecot-managesieved
		vsftpd vsftpd
		ejabberdctl ejabberd
		slapd slapd
		/usr/lib/postgresql/15/bin/postgres postgresql
		mariadbd mariadb-server
		mariadb mariadb-client
		swaks swaks
	END
}

tls_certificates() {
	local subject='/C=DE/ST=Baden-Württemberg/O=Müller, Söhne \& Co. "Test"/OU= two blanks /CN=shop.example.test/emailAddress=post@example.test'
	local names="DNS:shop.example.test,DNS:*.shop.example.test,IP:198.51.100.20,IP:2001:db8:2::20,email:post@example.test,URI:https://shop.example.test/"
	openssl req -x509 -newkey rsa:2048 -nodes -subj "/DC=test/DC=example/CN=Example Root" -days 3650 -keyout root.key -out root.pem
	openssl req -new -newkey rsa:2048 -nodes -subj "/O=Example/CN=Example Issuing CA 1" -keyout ca.key -out ca.csr
	openssl x509 -req -in ca.csr -CA root.pem -CAkey root.key -days 1000 -extfile <(printf 'basicConstraints=critical,CA:TRUE\n') -out ca.pem
	openssl req -new -utf8 -newkey rsa:4096 -nodes -subj "$subject" -keyout shop.key -out shop.csr
	openssl x509 -req -in shop.csr -CA ca.pem -CAkey ca.key -days 90 -extfile <(printf 'subjectAltName=%s\n' "$names") -out shop.pem
	cat shop.pem ca.pem root.pem >shop-chain.pem
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/O=Example/OU=Tills/CN=till-17" -keyout till.key -out till.csr
	openssl x509 -req -in till.csr -CA ca.pem -CAkey ca.key -days 90 -out till.pem
	# Names only in its extension, and valid for ever, as devices make them.
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / -keyout device.key -days 2900000 -addext "subjectAltName=DNS:device.example.test" -out device.pem
	cat ca.pem root.pem >authorities.pem
}

start_tls() {
	local dir=$tmp/tls pg=/usr/lib/postgresql/15/bin
	mkdir -p "$dir"/{dovecot,ftp,empty,ldap,ejabberd}
	chmod 755 "$tmp" "$dir" "$dir"/*
	(cd "$dir" && tls_certificates) >"$dir/certificates.log" 2>&1 || { cat "$dir/certificates.log" >&2; exit 1; }

	tls_server 4501 -cert "$dir/shop.pem" -key "$dir/shop.key" -cert_chain "$dir/authorities.pem" -tls1_2
	tls_server 4502 -cert "$dir/shop.pem" -key "$dir/shop.key" -tls1_2 -Verify 2 -CAfile "$dir/authorities.pem"
	tls_server 4503 -cert "$dir/device.pem" -key "$dir/device.key" -cipher ALL@SECLEVEL=0 -tls1
	tls_server 4504 -cert "$tmp/cert.pem" -key "$tmp/key.pem" -tls1_2 -client_renegotiation
	ip netns exec $S setsid gnutls-serv -q --http -p 4505 --x509certfile "$dir/shop-chain.pem" --x509keyfile "$dir/shop.key" --priority NORMAL:-VERS-TLS1.3 >"$dir/gnutls.log" 2>&1 &

	tls_postfix
	cat >"$dir/dovecot.conf" <<-END
		base_dir = $dir/dovecot
		state_dir = $dir/dovecot
		log_path = $dir/dovecot.log
		protocols = imap pop3 sieve
		listen = *
		ssl_cert = <$tmp/cert.pem
		ssl_key = <$tmp/key.pem
		passdb {
		  driver = static
		  args = password=secret
		}
		service imap-login {
		  chroot =
		}
		service pop3-login {
		  chroot =
		}
		service managesieve-login {
		  chroot =
		}
	END
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
		secure_chroot_dir=$dir/empty
		ssl_ciphers=HIGH
	END
	ip netns exec $S vsftpd "$dir/vsftpd.conf" >"$dir/vsftpd.log" 2>&1 &
	tls_ejabberd
	cat >"$dir/slapd.conf" <<-END
		modulepath /usr/lib/ldap
		moduleload back_mdb
		include /etc/ldap/schema/core.schema
		TLSCertificateFile $tmp/cert.pem
		TLSCertificateKeyFile $tmp/key.pem
		pidfile $dir/slapd.pid
		database mdb
		suffix "dc=example,dc=test"
		directory $dir/ldap
	END
	ip netns exec $S setsid slapd -d 0 -f "$dir/slapd.conf" -h "ldap://$v4:389" >"$dir/slapd.log" 2>&1 &
	install -d -o postgres "$dir/pg"
	runuser -u postgres -- $pg/initdb -D "$dir/pg/db" >/dev/null
	install -o postgres -m 600 "$tmp/cert.pem" "$tmp/key.pem" "$dir/pg"
	ip netns exec $S runuser -u postgres -- $pg/postgres -D "$dir/pg/db" -h $v4 -k '' -c ssl=on -c ssl_cert_file="$dir/pg/cert.pem" -c ssl_key_file="$dir/pg/key.pem" >"$dir/pg.log" 2>&1 &
	install -d -o mysql "$dir/maria"
	mariadb-install-db --no-defaults --user=mysql --datadir="$dir/maria" --skip-test-db >/dev/null 2>&1
	install -o mysql -m 600 "$tmp/key.pem" "$dir/maria/key.pem"
	printf "%s;\n" "CREATE DATABASE shop" "CREATE USER 'anna'@'%' IDENTIFIED BY 'secret'" "GRANT ALL ON shop.* TO 'anna'@'%'" >"$dir/maria.sql"
	ip netns exec $S mariadbd --no-defaults --user=mysql --datadir="$dir/maria" --bind-address=$v4 --socket="$dir/maria/s" --skip-name-resolve \
		--init-file="$dir/maria.sql" --ssl-cert="$tmp/cert.pem" --ssl-key="$dir/maria/key.pem" >"$dir/maria.log" 2>&1 &

	wait_for 4501 4502 4503 4504 4505 25 143 110 4190 21 5222 5269 389 5432 3306
}

tls_server() { # PORT OPTIONS…
	ip netns exec $S setsid openssl s_server -accept "$@" -www -quiet >"$tmp/tls/$1.log" 2>&1 &
}

tls_postfix() {
	install -d "$tmp/tls/postfix"
	install -d -o postfix "$tmp/tls/postfix-data"
	cat >"$tmp/tls/postfix/main.cf" <<-END
		compatibility_level = 3.6
		queue_directory = $tmp/tls/postfix-queue
		data_directory = $tmp/tls/postfix-data
		command_directory = /usr/sbin
		daemon_directory = /usr/lib/postfix/sbin
		mail_owner = postfix
		setgid_group = postdrop
		myhostname = mx.example.test
		mydestination = example.test
		local_recipient_maps =
		local_transport = discard:
		smtputf8_enable = no
		disable_dns_lookups = yes
		smtpd_peername_lookup = no
		smtpd_tls_security_level = may
		smtpd_tls_cert_file = $tmp/cert.pem
		smtpd_tls_key_file = $tmp/key.pem
		maillog_file = /dev/stdout
		maillog_file_prefixes = /dev
	END
	cat >"$tmp/tls/postfix/master.cf" <<-'END'
		smtp inet n - n - - smtpd
		cleanup unix n - n - 0 cleanup
		qmgr unix n - n 300 1 qmgr
		rewrite unix - - n - - trivial-rewrite
		tlsmgr unix - - n 1000? 1 tlsmgr
		discard unix - - n - - discard
		bounce unix - - n - 0 bounce
		defer unix - - n - 0 bounce
		trace unix - - n - 0 bounce
		anvil unix - - n - 1 anvil
		scache unix - - n - 1 scache
		proxymap unix - - n - - proxymap
		postlog unix-dgram n - n - 1 postlogd
	END
	install -d "$tmp/tls/postfix-queue"
	ip netns exec $S setsid postfix -c "$tmp/tls/postfix" start-fg >"$tmp/tls/postfix.log" 2>&1 &
}

tls_ejabberd() {
	local dir=$tmp/tls/ejabberd
	cat "$tmp/cert.pem" "$tmp/key.pem" >"$dir/both.pem"
	cat >"$dir/ejabberd.yml" <<-END
		hosts: [example.test]
		loglevel: error
		certfiles: ["$dir/both.pem"]
		listen:
		  - {port: 5222, ip: "$v4", module: ejabberd_c2s, starttls: true}
		  - {port: 5269, ip: "$v4", module: ejabberd_s2s_in}
		s2s_use_starttls: optional
		auth_method: anonymous
		default_db: mnesia
		modules: {}
	END
	chown -R ejabberd "$dir"
	ip netns exec $S setsid env HOME="$dir" EJABBERD_CONFIG_PATH="$dir/ejabberd.yml" SPOOL_DIR="$dir" LOGS_PATH="$dir" ERL_EPMD_ADDRESS=127.0.0.1 \
		ejabberdctl --config-dir "$dir" --logs "$dir" --spool "$dir" --node rustnet@localhost foreground >"$dir/log" 2>&1 &
}

# tls_hello ADDRESS OPTIONS…: a handshake of TLS 1.2, then the end of the input.
tls_hello() { sleep 0.2 | quietly_in c openssl s_client -tls1_2 -connect "$@"; }

talk_tls_certificates() {
	local dir=$tmp/tls
	tls_hello $v4:4501 -servername shop.example.test
	ip -n $S route change default via 198.51.100.1 advmss 300
	tls_hello $v4:4501 -servername small-segments.example.test
	ip -n $S route change default via 198.51.100.1
	tls_hello $v4:4502 -servername shop.example.test -cert "$dir/till.pem" -key "$dir/till.key"
	tls_hello $v4:4502 -servername nobody.example.test # it shows none, and is refused
	sleep 0.2 | quietly_in c openssl s_client -connect $v4:4503 -tls1 -cipher ALL@SECLEVEL=0 -servername device.example.test
	tls_hello $v4:4505 -servername gnutls.example.test
	tls_hello $v4:4501 -noservername -cipher ADH-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256
}

# The client asks for another handshake in the connection, then sends a line.
talk_tls_renegotiation() {
	(sleep 0.3; echo R; sleep 0.3; printf 'GET / HTTP/1.0\r\n\r\n'; sleep 0.3) | quietly_in c openssl s_client -connect $v4:4504 -tls1_2 -servername again.example.test
}

talk_tls_upgrades() {
	quietly c swaks --server $v4 --ehlo client.example.test --from anna@client.example.test --to bob@example.test --tls --tls-sni mx.example.test --tls-protocol tlsv1_2 --quit-after RCPT
	tls_hello $v4:143 -starttls imap -servername imap.example.test
	tls_hello $v4:110 -starttls pop3 -servername pop.example.test
	tls_hello $v4:4190 -starttls sieve -servername sieve.example.test
	tls_hello $v4:21 -starttls ftp -servername ftp.example.test
	tls_hello $v4:5222 -starttls xmpp -xmpphost example.test -servername example.test
	tls_hello $v4:5269 -starttls xmpp-server -xmpphost example.test -servername example.test
	tls_hello $v4:389 -starttls ldap -servername ldap.example.test
	tls_hello $v4:5432 -starttls postgres -servername db.example.test
	quietly c mariadb --no-defaults -h $v4 -u anna -psecret --ssl --tls-version=TLSv1.2 shop -e 'select 1'
}

recordings_tls() {
	record tls-certificates "$C -i c0" tcp talk_tls_certificates
	record tls-renegotiation "$C -i c0" tcp talk_tls_renegotiation
	record starttls "$C -i c0" tcp talk_tls_upgrades
}
