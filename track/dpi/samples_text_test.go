package dpi

import (
	"crypto/tls"
	"strings"
)

// says makes the messages of a conversation: what begins with "> " is the client's, with "< " the server's.
func says(lines ...string) (list []message) {
	for _, l := range lines {
		side := Orig
		if l[0] == '<' {
			side = Resp
		}
		list = append(list, message{side, []byte(l[2:])})
	}
	return list
}

// textSamples are the protocols of text lines and their neighbours.
func textSamples() []sample {
	hello := tlsSample(&tls.Config{MinVersion: tls.VersionTLS13}, nil)
	withTLS := func(want map[string]string, lines ...string) ([]message, map[string]string) {
		for k, v := range hello.want {
			if k != "app" {
				want[k] = v
			}
		}
		return append(says(lines...), hello.msgs...), want
	}
	tcp := func(name string, port uint16, want map[string]string, lines ...string) sample {
		return sample{name: name, tcp: true, orig: 40000, resp: port, msgs: says(lines...), want: want}
	}
	udp := func(name string, port uint16, want map[string]string, lines ...string) sample {
		return sample{name: name, orig: 40000, resp: port, msgs: says(lines...), want: want}
	}
	secure := func(name string, want map[string]string, lines ...string) sample {
		s := sample{name: name, tcp: true, orig: 40000, resp: 7777}
		s.msgs, s.want = withTLS(want, lines...)
		return s
	}
	return []sample{
		tcp("smtp", 7777, map[string]string{"app": "smtp", "smtp_helo": "client.example", "smtp_server": "mx.example ESMTP Test", "smtp_from": "a@client.example", "smtp_to": "b@mx.example", "smtp_user": "user", "smtp_login": "accepted"},
			"< 220-mx.example ESMTP Test\r\n220 welcome\r\n", "> EHLO client.example\r\n", "< 250-mx.example\r\n250-AUTH PLAIN\r\n250 HELP\r\n",
			"> AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "< 235 yes\r\n", "> MAIL FROM:<a@client.example> SIZE=10\r\n", "< 250 ok\r\n", "> RCPT TO:<b@mx.example>\r\n", "< 250 ok\r\n",
			"> DATA\r\n", "< 354 go on\r\n", "> Subject: x\r\n\r\nsecret\r\n.\r\n"),
		tcp("smtp without its name", 7777, map[string]string{"app": "smtp", "smtp_helo": "c", "smtp_server": "ready"},
			"< 220 ready\r\n", "> HELO c\r\n", "< 250 hi\r\n", "> QUIT\r\n", "< 221 bye\r\n"),
		tcp("smtp auth login", 7777, map[string]string{"app": "smtp", "smtp_helo": "c", "smtp_server": "mx ESMTP", "smtp_user": "anna", "smtp_login": "accepted"},
			"< 220 mx ESMTP\r\n", "> EHLO c\r\n", "< 250 AUTH LOGIN\r\n", "> AUTH LOGIN\r\n", "< 334 VXNlcm5hbWU6\r\n", "> YW5uYQ==\r\n", "< 334 UGFzc3dvcmQ6\r\n", "> c2VjcmV0\r\n", "< 235 yes\r\n", "> QUIT\r\n"),
		tcp("smtp auth that says nobody", 7777, map[string]string{"app": "smtp", "smtp_helo": "c", "smtp_server": "mx ESMTP", "smtp_login": "refused"},
			"< 220 mx ESMTP\r\n", "> EHLO c\r\n", "< 250 AUTH PLAIN\r\n", "> AUTH PLAIN\r\n", "< 334\r\n", "> c2VjcmV0\r\n", "< 535 no\r\n", "> AUTH XOAUTH2 dXNlcj1hAQ==\r\n", "< 334\r\n", "> AUTH PLAIN =\r\n", "> QUIT\r\n"),
		secure("smtp starttls", map[string]string{"app": "smtp", "smtp_helo": "c", "smtp_server": "mx ESMTP"},
			"< 220 mx ESMTP\r\n", "> EHLO c\r\n", "< 250-mx\r\n250 STARTTLS\r\n", "> STARTTLS\r\n", "< 220 2.0.0 go ahead\r\n"),
		tcp("ftp", 7777, map[string]string{"app": "ftp", "ftp_user": "anna", "ftp_server": "(vsFTPd 3.0.3)", "ftp_file": "/pub/a b.txt", "ftp_command": "RETR", "ftp_login": "accepted"},
			"< 220 (vsFTPd 3.0.3)\r\n", "> USER anna\r\n", "< 331 Please specify the password.\r\n", "> PASS secret\r\n", "< 230 in\r\n",
			"> TYPE I\r\n", "< 200 ok\r\n", "> RETR /pub/a b.txt\r\n", "< 150 here\r\n226 done\r\n", "> QUIT\r\n"),
		tcp("ftp without its name", 7777, map[string]string{"app": "ftp", "ftp_user": "anna", "ftp_server": "hello", "ftp_login": "accepted"},
			"< 220 hello\r\n", "> USER anna\r\n", "< 230 in\r\n"),
		tcp("ftp refused", 7777, map[string]string{"app": "ftp", "ftp_user": "anna", "ftp_server": "(vsFTPd 3.0.3)", "ftp_login": "refused"},
			"< 220 (vsFTPd 3.0.3)\r\n", "> USER anna\r\n", "< 331 Please specify the password.\r\n", "> PASS secret\r\n", "< 530 Login incorrect.\r\n", "> USER anna\r\n",
			"< 331 Please specify the password.\r\n", "> PASS other\r\n", "< 530 Login incorrect.\r\n"),
		tcp("ftp that asks for a user", 7777, map[string]string{"app": "ftp", "ftp_server": "(vsFTPd 3.0.3)", "ftp_file": "x", "ftp_command": "RETR"},
			"< 220 (vsFTPd 3.0.3)\r\n", "> SYST\r\n", "< 530 Please login with USER and PASS.\r\n", "> RETR x\r\n", "< 530 Please login with USER and PASS.\r\n"),
		secure("ftp auth tls", map[string]string{"app": "ftp", "ftp_server": "ready"}, "< 220 ready\r\n", "> AUTH TLS\r\n", "< 234 proceed\r\n"),
		tcp("pop3", 7777, map[string]string{"app": "pop3", "pop3_user": "anna", "pop3_server": "ready <1896.697@pop.example>", "pop3_login": "accepted"},
			"< +OK ready <1896.697@pop.example>\r\n", "> CAPA\r\n", "< +OK\r\nUSER\r\n.\r\n", "> USER anna\r\n", "< +OK\r\n", "> PASS secret\r\n", "< +OK in\r\n", "> STAT\r\n", "< +OK 0 0\r\n"),
		tcp("pop3 refused", 7777, map[string]string{"app": "pop3", "pop3_user": "anna", "pop3_server": "POP3 ready", "pop3_login": "refused"},
			"< +OK POP3 ready\r\n", "> USER anna\r\nPASS secret\r\n", "< +OK\r\n", "< -ERR no\r\n", "> USER anna\r\nPASS other\r\n", "< +OK\r\n-ERR no\r\n"),
		tcp("pop3 auth plain", 7777, map[string]string{"app": "pop3", "pop3_user": "user", "pop3_server": "POP3 ready", "pop3_login": "accepted"},
			"< +OK POP3 ready\r\n", "> CAPA\r\n", "< +OK\r\n.\r\n", "> AUTH PLAIN\r\n", "< +\r\n", "> AHVzZXIAc2VjcmV0\r\n", "< +OK\r\n"),
		secure("pop3 stls", map[string]string{"app": "pop3", "pop3_server": "Dovecot ready."}, "< +OK Dovecot ready.\r\n", "> STLS\r\n", "< +OK begin\r\n"),
		tcp("imap", 7777, map[string]string{"app": "imap", "imap_user": "anna k", "imap_server": "ready", "imap_client": "Test Mail", "imap_login": "accepted"},
			"< * OK [CAPABILITY IMAP4rev1 ID] ready\r\n", "> a1 ID (\"name\" \"Test Mail\" \"version\" \"1\")\r\n", "< * ID NIL\r\na1 OK done\r\n",
			"> a2 LOGIN \"anna k\" secret\r\n", "< a2 OK in\r\n", "> a3 SELECT INBOX\r\n", "< a3 OK\r\n"),
		tcp("imap refused", 7777, map[string]string{"app": "imap", "imap_user": "anna", "imap_server": "ready", "imap_login": "refused"},
			"< * OK ready\r\n", "> a1 CAPABILITY\r\na2 LOGIN anna secret\r\n", "< * CAPABILITY IMAP4\r\na1 OK done\r\na2 NO no\r\n", "> a3 LOGIN anna other\r\n", "< a3 NO no\r\n"),
		tcp("imap authenticate plain", 7777, map[string]string{"app": "imap", "imap_user": "user", "imap_server": "ready", "imap_login": "accepted"},
			"< * OK ready\r\n", "> a1 AUTHENTICATE PLAIN\r\n", "< +\r\n", "> cm9vdAB1c2VyAHNlY3JldA==\r\n", "< a1 OK\r\n"),
		tcp("imap with a tag without a number", 7777, map[string]string{"app": "imap", "imap_user": "anna", "imap_server": "ready", "imap_login": "accepted"},
			"< * OK ready\r\n", "> a login anna secret\r\n", "< a OK in\r\n"),
		tcp("imap with a literal", 7777, map[string]string{"app": "imap", "imap_server": "ready", "imap_login": "accepted"},
			"< * OK ready\r\n", "> a1 LOGIN {4}\r\n", "< + go\r\n", "> anna {6}\r\n", "< + go\r\n", "> secret\r\n", "< a1 OK in\r\n"),
		secure("imap starttls", map[string]string{"app": "imap", "imap_server": "ready"}, "< * OK ready\r\n", "> . CAPABILITY\r\n", "< * CAPABILITY IMAP4\r\n. OK\r\n", "> . STARTTLS\r\n", "< . OK begin\r\n"),
		tcp("nntp", 7777, map[string]string{"app": "nntp", "nntp_server": "news.example ready", "nntp_user": "anna", "nntp_group": "comp.test"},
			"< 200 news.example ready\r\n", "> MODE READER\r\n", "< 200 yes\r\n", "> AUTHINFO USER anna\r\n", "< 381 more\r\n", "> AUTHINFO PASS secret\r\n", "< 281 in\r\n",
			"> GROUP comp.test\r\n", "< 211 1 1 1 comp.test\r\n", "> QUIT\r\n"),
		secure("nntp starttls", map[string]string{"app": "nntp", "nntp_server": "ready"}, "< 201 ready\r\n", "> CAPABILITIES\r\n", "< 101 list\r\n.\r\n", "> STARTTLS\r\n", "< 382 go\r\n"),
		tcp("irc", 7777, map[string]string{"app": "irc", "irc_nick": "anna", "irc_user": "ak", "irc_server": "irc.example", "irc_channel": "#test"},
			"> PASS secret\r\nNICK anna\r\nUSER ak 0 * :Anna K\r\n", "< :irc.example NOTICE * :*** hello\r\n", "< :irc.example 001 anna :Welcome\r\n", "> JOIN #test,#more\r\n", "< :anna!ak@h JOIN :#test\r\n"),
		secure("irc starttls", map[string]string{"app": "irc"}, "> STARTTLS\r\n", "< :irc.example 670 * :go ahead\r\n"),
		tcp("nats", 7777, map[string]string{"app": "nats", "nats_server": "NB7ID", "nats_version": "2.9.10", "nats_client": "tester", "nats_lang": "go", "nats_subject": "orders.new"},
			"< INFO {\"server_id\":\"NB7ID\",\"version\":\"2.9.10\",\"max_payload\":1048576} \r\n", "> CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"secret\",\"lang\":\"go\",\"name\":\"tester\"}\r\nPING\r\n",
			"< PONG\r\n", "> PUB orders.new 5\r\nhello\r\n"),
		secure("nats tls", map[string]string{"app": "nats", "nats_server": "n1", "nats_version": "2"}, "< INFO {\"server_id\":\"X\",\"server_name\":\"n1\",\"version\":\"2\",\"tls_required\":true}\r\n"),
		tcp("rsync", 7777, map[string]string{"app": "rsync", "rsync_version": "31.0", "rsync_module": "pub"},
			"< @RSYNCD: 31.0 sha512 md5\n", "> @RSYNCD: 32.0\n", "> pub\n", "< @RSYNCD: AUTHREQD c2VjcmV0\n", "> anna secret\n"),
		tcp("git", 7777, map[string]string{"app": "git", "git_command": "git-upload-pack", "git_path": "/p.git", "git_host": "git.example"},
			"> 0037git-upload-pack /p.git\x00host=git.example\x00\x00version=2\x00"),
		tcp("memcached", 7777, map[string]string{"app": "memcached", "memcached_command": "get"}, "> get secret\r\n", "< END\r\n"),
		tcp("memcached set", 7777, map[string]string{"app": "memcached", "memcached_command": "set"}, "> set k 0 60 5\r\nhello\r\n", "< STORED\r\n"),
		tcp("memcached binary", 7777, map[string]string{"app": "memcached", "memcached_command": "get"}, "> \x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00k"),
		udp("memcached udp", 7777, map[string]string{"app": "memcached", "memcached_command": "stats"}, "> \x12\x34\x00\x00\x00\x01\x00\x00stats\r\n"),
		tcp("redis", 7777, map[string]string{"app": "redis", "redis_command": "AUTH"}, "> *2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n", "< +OK\r\n"),
		tcp("redis of version 3", 7777, map[string]string{"app": "redis", "redis_command": "HELLO"}, "> HELLO 3 AUTH default secret\r\n", "< %7\r\n$6\r\nserver\r\n$5\r\nredis\r\n"),
		tcp("memcached meta", 7777, map[string]string{"app": "memcached", "memcached_command": "mn"}, "> mn\r\nmg secret t v\r\n", "< MN\r\nEN\r\n"),
		tcp("memcached meta set", 7777, map[string]string{"app": "memcached", "memcached_command": "ms"}, "> ms secret 5 T60\r\nhello\r\n", "< HD\r\n"),
		tcp("mpd", 7777, map[string]string{"app": "mpd", "mpd_version": "0.23.5", "mpd_command": "password"}, "< OK MPD 0.23.5\n", "> command_list_ok_begin\npassword secret\nstatus\ncommand_list_end\n"),
		tcp("http of a SHOUTcast server", 8000, map[string]string{"app": "http", "http_method": "GET", "http_path": "/;", "http_version": "1.0", "http_status": "200", "http_content_type": "audio/mpeg", "http_requests": "1"},
			"> GET /; HTTP/1.0\r\nIcy-MetaData: 1\r\n\r\n", "< ICY 200 OK\r\nicy-name: Station\r\ncontent-type: audio/mpeg\r\n\r\n\xff\xfb\x90"),
		tcp("redis inline", 7777, map[string]string{"app": "redis", "redis_command": "ping"}, "> ping\r\n", "< +PONG\r\n"),
		tcp("xmpp", 7777, map[string]string{"app": "xmpp", "xmpp_domain": "example.org", "xmpp_server": "example.org"},
			"> <?xml version='1.0'?><stream:stream to='example.org' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
			"< <?xml version='1.0'?><stream:stream id='1' from='example.org' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
			"< <stream:features><mechanisms/></stream:features>", "> <auth mechanism='PLAIN'>c2VjcmV0</auth>"),
		secure("xmpp starttls", map[string]string{"app": "xmpp", "xmpp_domain": "example.org", "xmpp_server": "example.org"},
			"> <stream:stream xmlns=\"jabber:client\" to=\"example.org\" xmlns:stream=\"http://etherx.jabber.org/streams\">",
			"< <stream:stream from=\"example.org\" xmlns:stream=\"http://etherx.jabber.org/streams\"><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
			"> <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "< <proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
		tcp("telnet", 7777, map[string]string{"app": "telnet", "telnet_terminal": "xterm"},
			"< \xff\xfd\x18\xff\xfd\x20", "> \xff\xfb\x18\xff\xfc\x20", "< \xff\xfa\x18\x01\xff\xf0login: ", "> \xff\xfa\x18\x00xterm\xff\xf0", "> secret\r\n"),
		tcp("sip tcp", 7777, map[string]string{"app": "sip", "sip_method": "INVITE", "sip_from": "anna@a.example", "sip_to": "bob@b.example:5062", "sip_user_agent": "phone/1", "sip_status": "200", "sip_server": "pbx/2"},
			"> INVITE sip:bob@b.example SIP/2.0\r\nf: \"Anna\" <sip:anna:secret@a.example;transport=tcp>;tag=1\r\nTo: <sip:bob@b.example:5062>\r\nUser-Agent: phone/1\r\nContent-Length: 4\r\n\r\nv=0\n",
			"< SIP/2.0 100 Trying\r\nContent-Length: 0\r\n\r\n", "< SIP/2.0 200 OK\r\nServer: pbx/2\r\nl: 0\r\n\r\n"),
		udp("sip", 7777, map[string]string{"app": "sip", "sip_method": "REGISTER", "sip_from": "anna@a.example", "sip_to": "anna@a.example", "sip_status": "401"},
			"> REGISTER sip:a.example SIP/2.0\r\nFrom: sip:anna@a.example;tag=1\r\nTo: sip:anna@a.example\r\nAuthorization: secret\r\n\r\n", "< SIP/2.0 401 Unauthorized\r\n\r\n"),
		tcp("rtsp", 7777, map[string]string{"app": "rtsp", "rtsp_method": "DESCRIBE", "rtsp_url": "rtsp://cam.example:554/live", "rtsp_status": "200", "rtsp_user_agent": "player/1", "rtsp_server": "cam/2"},
			"> DESCRIBE rtsp://user:secret@cam.example:554/live?token=secret RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: player/1\r\n\r\n", "< RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: cam/2\r\n\r\n"),
		udp("syslog", 7777, map[string]string{"app": "syslog", "syslog_facility": "auth", "syslog_severity": "crit", "syslog_host": "mymachine", "syslog_program": "su"},
			"> <34>Oct 11 22:14:15 mymachine su[7]: somebody failed on /dev/pts/8"),
		udp("syslog 5424", 7777, map[string]string{"app": "syslog", "syslog_facility": "local4", "syslog_severity": "notice", "syslog_host": "h.example", "syslog_program": "evntslog"},
			"> <165>1 2003-10-11T22:14:15.003Z h.example evntslog - ID47 - text"),
		udp("syslog without a time", 7777, map[string]string{"app": "syslog", "syslog_facility": "user", "syslog_severity": "notice", "syslog_program": "prog"},
			"> <13>prog[7]: some text"),
		udp("syslog forwarded", 7777, map[string]string{"app": "syslog", "syslog_facility": "user", "syslog_severity": "notice", "syslog_host": "h", "syslog_program": "prog"},
			"> <13>2003-10-11T22:14:15.457849+04:00 h prog: some text"),
		tcp("syslog tcp", 7777, map[string]string{"app": "syslog", "syslog_facility": "user", "syslog_severity": "notice", "syslog_host": "h", "syslog_program": "prog"},
			"> <13>Oct  1 02:14:15 h prog: text\n"),
		tcp("syslog tcp framed", 7777, map[string]string{"app": "syslog", "syslog_facility": "user", "syslog_severity": "notice", "syslog_host": "h", "syslog_program": "p"},
			"> 40 <13>1 2003-10-11T22:14:15Z h p - - - text"),
		{name: "socks5 tls", tcp: true, orig: 40000, resp: 7777,
			msgs: append(says("> \x05\x02\x00\x02", "< \x05\x02", "> \x01\x04anna\x06secret", "< \x01\x00", "> \x05\x01\x00\x03\x10host.example.org\x01\xbb",
				"< \x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"), hello.msgs...),
			want: func() map[string]string {
				_, want := withTLS(map[string]string{"app": "socks", "socks_version": "5", "socks_user": "anna", "socks_target": "host.example.org:443", "socks_command": "connect", "socks_reply": "granted"})
				delete(want, "host")
				return want
			}()},
		tcp("socks4a http", 7777, map[string]string{"app": "socks", "socks_version": "4", "socks_target": "h.example:80", "socks_user": "u", "socks_command": "connect", "socks_reply": "granted", "http_method": "GET", "http_path": "/", "http_version": "1.1",
			"http_host": "h.example", "http_status": "204", "http_requests": "1"},
			"> \x04\x01\x00\x50\x00\x00\x00\x01u\x00h.example\x00", "< \x00\x5a\x00\x00\x00\x00\x00\x00", "> GET / HTTP/1.1\r\nHost: h.example\r\n\r\n", "< HTTP/1.1 204 No\r\nConnection: close\r\n\r\n"),
		tcp("socks4 ssh", 7777, map[string]string{"app": "socks", "socks_version": "4", "socks_target": "192.0.2.1:22", "socks_command": "connect", "socks_reply": "granted", "ssh_server": "SSH-1.5-x", "ssh_client": "SSH-1.5-y"},
			"> \x04\x01\x00\x16\xc0\x00\x02\x01\x00", "< \x00\x5a\x00\x00\x00\x00\x00\x00", "< SSH-1.5-x\n", "> SSH-1.5-y\n"),
		udp("ssdp", 7777, map[string]string{"app": "ssdp", "ssdp_method": "NOTIFY", "ssdp_target": "upnp:rootdevice", "ssdp_server": "Linux UPnP/1.0", "ssdp_location": "http://192.0.2.1:80/d.xml"},
			"> NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNTS: ssdp:alive\r\nNT: upnp:rootdevice\r\nServer: Linux UPnP/1.0\r\nLocation: http://192.0.2.1:80/d.xml?secret\r\n\r\n"),
		udp("tftp", 7777, map[string]string{"app": "tftp", "tftp_file": "boot/a.img", "tftp_operation": "read"}, "> \x00\x01boot/a.img\x00octet\x00blksize\x001400\x00"),
		udp("tftp data", 7777, map[string]string{"app": "tftp"}, "> \x00\x03\x00\x01"+strings.Repeat("x", 512), "< \x00\x04\x00\x01"),
		udp("tftp options", 7777, map[string]string{"app": "tftp"}, "> \x00\x06blksize\x001400\x00"),
	}
}
