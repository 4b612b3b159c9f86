# shellcheck shell=bash disable=SC2086,SC2154 # the variables are those of record.sh
# What keeps news and tables for others.

needs_stores() {
	cat <<-'END'
		/usr/lib/news/bin/innd inn2
		clickhouse-server clickhouse-server
		clickhouse-client clickhouse-client
	END
}

start_stores() {
	local dir=$tmp/stores
	mkdir -p "$dir"
	chmod 755 "$tmp" "$dir"
	stores_news
	printf '<yandex><logger><console>1</console></logger><listen_host>%s</listen_host><tcp_port>9000</tcp_port><path>%s/</path><tmp_path>%s/</tmp_path><users_config>%s/users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database><mark_cache_size>1048576</mark_cache_size></yandex>\n' \
		$v4 "$dir/clickhouse" "$dir/clickhouse/tmp" "$dir" >"$dir/clickhouse.xml"
	printf '<yandex><profiles><default/></profiles><quotas><default/></quotas><users><anna><password>secret</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></anna></users></yandex>\n' >"$dir/users.xml"
	serve clickhouse clickhouse-server --config-file="$dir/clickhouse.xml"
	wait_for 119 433 9000
}

# Readers come to nnrpd, other servers to innd.
stores_news() {
	local news=$dir/news bin=/usr/lib/news/bin
	mkdir -p "$news"/{db,run,tmp,log,etc,spool/overview,spool/articles,spool/incoming}
	cat >"$news/etc/inn.conf" <<-END
		organization: Example
		pathhost: news.example.test
		domain: example.test
		mta: /bin/true
		ovmethod: tradindexed
		hismethod: hisv6
		pathnews: /usr/lib/news
		pathetc: $news/etc
		pathdb: $news/db
		pathrun: $news/run
		pathtmp: $news/tmp
		pathlog: $news/log
		pathspool: $news/spool
		nnrpdloadlimit: 0
		runasuser: news
		runasgroup: news
		tlscertfile: $news/etc/cert.pem
		tlskeyfile: $news/etc/key.pem
	END
	printf 'method tradspool {\n newsgroups: *\n class: 0\n}\n' >"$news/etc/storage.conf"
	printf 'auth all {\n auth: "ckpasswd -f %s/etc/users"\n}\naccess all {\n users: "*"\n newsgroups: "*"\n access: RPA\n}\n' "$news" >"$news/etc/readers.conf"
	printf 'anna:%s\n' "$(openssl passwd -6 secret)" >"$news/etc/users"
	printf 'ME:*::\n' >"$news/etc/newsfeeds"
	printf 'streaming: true\npeer other { hostname: 192.0.2.10 }\n' >"$news/etc/incoming.conf"
	printf '%s 0000000000 0000000001 y\n' control control.cancel junk example.test >"$news/db/active"
	printf 'example.test\tA test.\n' >"$news/db/newsgroups"
	touch "$news/db/history" "$news/db/active.times" "$news/spool/tradspool.map" "$news/etc"/{control.ctl,expire.ctl,moderators,distrib.pats}
	cp "$tmp/cert.pem" "$news/etc/cert.pem"
	chown -R news:news "$news"
	install -o news -m 600 "$tmp/key.pem" "$news/etc/key.pem"
	export INNCONF=$news/etc/inn.conf
	(cd "$news/db" && setpriv --reuid news --regid news --clear-groups $bin/makedbz -i -o -f history)
	serve innd $bin/innd -d -P 433 -4 $v4
	serve nnrpd $bin/nnrpd -D -f -p 119 -4 $v4
	cat >"$dir/news.py" <<-END
		import contextlib, nntplib
		article = ["From: anna@example.test", "Newsgroups: example.test", "Subject: hello", "", "one line"]
		with nntplib.NNTP("$v4", readermode=True) as n:
		    n.login("anna", "secret", usenetrc=False)
		    n.group("example.test")
		    n.post([(line + "\r\n").encode() for line in article])
		    with contextlib.suppress(nntplib.NNTPTemporaryError): # there may be none yet
		        n.over((1, 10))
		with nntplib.NNTP("$v4", 433) as n:
		    there = article[:3] + ["Path: other.example.test!not-for-mail", "Date: Sat, 31 Jan 2026 08:00:00 GMT", "Message-ID: <1@other.example.test>"] + article[3:]
		    n.ihave("<1@other.example.test>", [(line + "\r\n").encode() for line in there])
	END
}

talk_nntp() {
	quietly c /usr/bin/python3 -W ignore "$tmp/stores/news.py"
	printf 'LIST\r\nQUIT\r\n' | quietly_in c openssl s_client -connect $v4:119 -starttls nntp -servername news.example.test -tls1_2 -crlf
}

talk_clickhouse() {
	quietly c clickhouse-client --host $v4 --user anna --password secret --query 'select 1'
	quietly c clickhouse-client --host $v4 --user anna --password wrong --query 'select 1'
}
recordings_stores() {
	record clickhouse "$C -i c0" 'tcp port 9000' talk_clickhouse
	record nntp "$C -i c0" tcp talk_nntp
}
