package dpi

import (
	"encoding/base64"
	"strings"
	"testing"

	"rustnet/track/event"
)

// hush is what nobody may be shown: the password, cookie, token, community or query of every conversation below.
const hush = "hunter2Geheim"

// inBase64 is hush in base64, as it comes out at each of the three places that it can have in a group.
var inBase64 = func() (all []string) {
	for _, before := range []string{"", "x", "xx"} {
		text := base64.StdEncoding.EncodeToString([]byte(before + hush + "xx"))
		all = append(all, text[4:len(text)-8])
	}
	return all
}()

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// basic is the header with which HTTP and its likes log in.
func basic() string { return "Authorization: Basic " + base64Of("anna:"+hush) + "\r\n" }

// digest is what SIP, RTSP and HTTP send instead; its response can be guessed offline.
func digest() string {
	return "Authorization: Digest username=\"anna\", nonce=\"1\", response=\"" + hush + "\"\r\n"
}

// leaker is a conversation that holds a secret.
type leaker struct {
	name string
	app  string
	s    sample
	// query is the field that shows the secret with --unsafe-payload-fields; none but those of queries do.
	query string
}

// leakers are all the protocols known here that can carry a secret, each with its secret in every place that there is for one.
func leakers() []leaker {
	text := func(name, app string, port uint16, lines ...string) leaker {
		return leaker{name: name, app: app, s: sample{tcp: true, orig: 40000, resp: port, msgs: says(lines...)}}
	}
	stream := func(name, app string, port uint16, texts ...string) leaker {
		return leaker{name: name, app: app, s: sample{tcp: true, orig: 40000, resp: port, msgs: talk(texts...)}}
	}
	datagram := func(name, app string, port uint16, texts ...string) leaker {
		return leaker{name: name, app: app, s: sample{orig: 40000, resp: port, msgs: talk(texts...)}}
	}
	shown := func(field string, l leaker) leaker { l.query = field; return l }
	ok := "< HTTP/1.1 200 OK\r\nSet-Cookie: sid=" + hush + "\r\nContent-Length: 0\r\n\r\n"
	plain := base64Of("\x00anna\x00" + hush)
	bearer := base64Of("user=anna\x01auth=Bearer " + hush + "\x01\x01")
	h2 := func(path string) []string {
		return []string{"C" + http2Preface + http2Frame(4, 0, 0, "") + http2Frame(http2Headers, 5, 1, headerBlock(":method", "GET", ":path", path, ":scheme", "http",
			":authority", "anna:"+hush+"@a.example", "cookie", "sid="+hush, "authorization", "Bearer "+hush, "user-agent", "x")),
			"S" + http2Frame(4, 0, 0, "") + http2Frame(http2Headers, 5, 1, headerBlock(":status", "200", "set-cookie", "sid="+hush))}
	}
	tdsLogin := tdsLoginTest(map[int]string{36: "desk", 40: "anna", 44: hush, 48: "tool", 68: "shop"})
	drdaObject := func(point int, data string) string { return u16(len(data)+4) + u16(point) + data }
	drdaMessage := func(point int, objects string) string {
		return u16(len(objects)+10) + "\xd0\x01\x00\x01" + u16(len(objects)+4) + u16(point) + objects
	}
	ajpText := func(s string) string { return n16(s) + "\x00" }
	coapOf := func(options string) string { return "\x42\x01\x12\x34ab" + options }
	list := []leaker{
		// HTTP and what looks like it.
		text("http: login, cookie", "http", 80, "> GET /a HTTP/1.1\r\nHost: a.example\r\n"+basic()+"Cookie: sid="+hush+"\r\nX-Api-Key: "+hush+"\r\nProxy-"+basic()+"\r\n", ok),
		shown("http_path", text("http: query", "http", 80, "> GET /a?token="+hush+" HTTP/1.1\r\nHost: a.example\r\n\r\n", ok)),
		shown("http_path", text("http: fragment", "http", 80, "> GET /a#access_token="+hush+" HTTP/1.1\r\nHost: a.example\r\n\r\n", ok)),
		shown("http_path", text("http: query of a proxy's request", "http", 3128, "> GET http://a.example?token="+hush+" HTTP/1.1\r\nHost: a.example\r\n\r\n", ok)),
		shown("http_last_path", text("http: query of the second request", "http", 80, "> GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n", ok, "> GET /b?token="+hush+" HTTP/1.1\r\nHost: a.example\r\n\r\n", ok)),
		shown("http_path", text("http: session in the path", "http", 80, "> GET /shop;jsessionid="+hush+"/cart;JSESSIONID="+hush+" HTTP/1.1\r\nHost: a.example\r\n\r\n", ok)),
		shown("http_path", text("http: PHP's session in the path", "http", 80, "> GET /shop;PHPSESSID="+hush+" HTTP/1.1\r\nHost: a.example\r\n\r\n", ok)),
		text("http: user of a proxy's request", "http", 3128, "> GET http://anna:"+hush+"@a.example/a HTTP/1.1\r\nHost: a.example\r\n\r\n", ok),
		text("http: user of a URL in the path", "http", 80, "> GET /fetch/http://anna:"+hush+"@a.example/a HTTP/1.1\r\nHost: a.example\r\n\r\n", ok, "> GET /http:/anna:"+hush+"@a.example HTTP/1.1\r\nHost: a.example\r\n\r\n", ok),
		shown("http_path", text("http: password in the path", "http", 80, "> GET /a;password="+hush+"/b HTTP/1.1\r\nHost: a.example\r\n\r\n", ok)),
		text("http: user in Host", "http", 80, "> GET /a HTTP/1.1\r\nHost: anna:"+hush+"@a.example\r\n\r\n", ok, "> GET /b HTTP/1.1\r\nHost: anna:"+hush+"@b.example\r\n\r\n", ok),
		text("http: user of a tunnel's target", "http", 3128, "> CONNECT anna:"+hush+"@a.example:443 HTTP/1.1\r\nHost: anna:"+hush+"@a.example:443\r\nProxy-"+basic()+"\r\n", "< HTTP/1.1 200 OK\r\n\r\n"),
		text("http: body", "http", 80, "> POST /login HTTP/1.1\r\nHost: a.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 31\r\n\r\nuser=anna&password="+hush[:12], ok),
		text("http: where it sends one to", "http", 80, "> GET /a HTTP/1.1\r\nHost: a.example\r\nReferer: http://b.example/?token="+hush+"\r\n\r\n", "< HTTP/1.1 302 Found\r\nLocation: http://c.example/?code="+hush+"\r\n\r\n"),
		text("http: websocket", "http", 80, "> GET /a HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: bearer, "+hush+"\r\n\r\n",
			"< HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: bearer."+hush+"\r\n\r\n"),
		text("git over http: user, and token in the login", "http", 80, "> GET http://anna:"+hush+"@git.example/p.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: git.example\r\n"+basic()+"\r\n", ok),
		stream("http2: login, cookie, user in the authority", "http2", 80, h2("/a")...),
		shown("http_path", stream("http2: query", "http2", 80, h2("/a?token="+hush)...)),
		shown("ajp_path", stream("ajp: session in the path", "ajp", 8009, "C\x12\x34"+n16("\x02\x02"+ajpText("HTTP/1.1")+ajpText("/app;jsessionid="+hush)+ajpText("192.0.2.1")+"\xff\xff"+ajpText("www.example")+"\x00\x50\x00\x00\x02\xa0\x09"+
			ajpText(hush)+"\xa0\x05"+ajpText("Basic "+base64Of("anna:"+hush))+"\x05"+ajpText("q="+hush)+"\xff"))),
		shown("cgi_path", stream("scgi: query, cookie, login, user, session", "scgi", 4000, "C"+scgiTest(cgiSecrets), "SStatus: 200 OK\r\nSet-Cookie: sid="+hush+"\r\n\r\n")),
		shown("cgi_path", stream("uwsgi: query, cookie, login, user, session", "uwsgi", 3031, "C"+uwsgiTest(cgiSecrets), "SHTTP/1.1 200 OK\r\nSet-Cookie: sid="+hush+"\r\n\r\n")),
		shown("cgi_path", stream("fastcgi: query, cookie, login, user, session", "fastcgi", 9000, "C"+fastcgiTest(cgiSecrets), "S"+fastcgiRecord(6, "Status: 200 OK\r\nSet-Cookie: sid="+hush+"\r\n\r\n")+fastcgiRecord(3, zeros(8)))),
		text("icap: login, user", "icap", 1344, "> OPTIONS icap://anna:"+hush+"@av.example/scan ICAP/1.0\r\nHost: av.example\r\n"+basic()+"\r\n", "< ICAP/1.0 200 OK\r\n\r\n"),
		shown("icap_service", text("icap: query", "icap", 1344, "> OPTIONS icap://av.example/scan?token="+hush+" ICAP/1.0\r\nHost: av.example\r\n\r\n", "< ICAP/1.0 200 OK\r\n\r\n")),
		text("rtsp: user, login", "rtsp", 554, "> DESCRIBE rtsp://anna:"+hush+"@cam.example/live RTSP/1.0\r\nCSeq: 1\r\n"+basic()+"\r\n", "< RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: "+hush+"\r\n\r\n"),
		text("rtsp: digest", "rtsp", 554, "> DESCRIBE rtsp://cam.example/live RTSP/1.0\r\nCSeq: 1\r\n"+digest()+"\r\n", "< RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"),
		shown("rtsp_url", text("rtsp: query", "rtsp", 554, "> DESCRIBE rtsp://anna@cam.example/live?token="+hush+" RTSP/1.0\r\nCSeq: 1\r\n\r\n", "< RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")),
		text("sip: digest, passwords in addresses", "sip", 5060, "> REGISTER sip:a.example SIP/2.0\r\nFrom: <sip:anna:"+hush+"@a.example>;tag=1\r\nTo: sip:anna:"+hush+"@a.example\r\nCall-ID: 1@a\r\n"+digest()+"Content-Length: 0\r\n\r\n",
			"< SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
		datagram("sip: key of the media", "sip", 5060, "CINVITE sip:b@b.example SIP/2.0\r\nFrom: <sip:anna:"+hush+"@a.example>\r\nTo: <sip:b@b.example>\r\nContent-Type: application/sdp\r\n\r\n"+
			"v=0\r\nc=IN IP4 192.0.2.1\r\nk=clear:"+hush+"\r\nm=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+hush+"\r\na=ice-pwd:"+hush+"\r\n"),
		datagram("ssdp: user", "ssdp", 1900, "CNOTIFY * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nNT: a\r\nNTS: ssdp:alive\r\nLocation: http://anna:"+hush+"@192.0.2.1/d.xml\r\n\r\n"),
		shown("ssdp_location", datagram("ssdp: query", "ssdp", 1900, "CNOTIFY * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nNT: a\r\nNTS: ssdp:alive\r\nLocation: http://192.0.2.1/d.xml?key="+hush+"\r\n\r\n")),
		shown("rtmp_url", stream("rtmp: key", "rtmp", 1935, "C"+rtmpTest(amf0("connect")+"\x00"+zeros(8)+"\x03"+n16("app")+amf0("live?key="+hush)+n16("tcUrl")+amf0("rtmp://video.example/live?key="+hush)+"\x00\x00\x09"))),
		stream("rtmp: user", "rtmp", 1935, "C"+rtmpTest(amf0("connect")+"\x00"+zeros(8)+"\x03"+n16("app")+amf0("live")+n16("pageUrl")+amf0("http://a.example/?"+hush)+n16("tcUrl")+amf0("rtmp://anna:"+hush+"@video.example/live")+"\x00\x00\x09")),
		stream("opcua: user", "opcua", 4840, "CHELF"+l32(32+len("opc.tcp://anna:@plc.example"+hush))+l32(0)+l32(65535)+l32(65535)+l32(0)+l32(0)+l32(len("opc.tcp://anna:@plc.example"+hush))+"opc.tcp://anna:"+hush+"@plc.example"),
		shown("coap_path", datagram("coap: query", "coap", 5683, "C"+coapOf("\xb4path\x4d\x06token="+hush))),
		text("svn: user", "svn", 3690, "< ( success ( 2 2 ( ANONYMOUS CRAM-MD5 ) ( edit-pipeline ) ) ) ", "> ( 2 ( edit-pipeline ) 38:svn://anna:"+hush+"@svn.example/p 10:SVN/1.14.2 ( ) ) "),
		text("git: user", "git", 9418, "> 004egit-upload-pack /p.git\x00host=anna:"+hush+"@git.example.org\x00\x00version=1\x00"),

		// Mail, news, chat.
		text("smtp: PLAIN", "smtp", 25, "< 220 mx.example ESMTP\r\n", "> EHLO a\r\n", "< 250 AUTH PLAIN LOGIN\r\n", "> AUTH PLAIN "+plain+"\r\n", "< 235 yes\r\n", "> MAIL FROM:<a@b> AUTH=<>\r\n", "< 250 ok\r\n"),
		text("smtp: PLAIN in its own line", "smtp", 25, "< 220 mx.example ESMTP\r\n", "> EHLO a\r\n", "< 250 ok\r\n", "> AUTH PLAIN\r\n", "< 334 \r\n", "> "+plain+"\r\n", "< 235 yes\r\n"),
		text("smtp: LOGIN", "smtp", 25, "< 220 mx.example ESMTP\r\n", "> EHLO a\r\n", "< 250 ok\r\n", "> AUTH LOGIN\r\n", "< 334 VXNlcm5hbWU6\r\n", "> YW5uYQ==\r\n", "< 334 UGFzc3dvcmQ6\r\n", "> "+base64Of(hush)+"\r\n", "< 235 yes\r\n"),
		text("smtp: LOGIN with its user", "smtp", 25, "< 220 mx.example ESMTP\r\n", "> EHLO a\r\n", "< 250 ok\r\n", "> AUTH LOGIN YW5uYQ==\r\n", "< 334 UGFzc3dvcmQ6\r\n", "> "+base64Of(hush)+"\r\n", "< 235 yes\r\n"),
		text("smtp: LOGIN, given up and begun again", "smtp", 25, "< 220 mx.example ESMTP\r\n", "> EHLO a\r\n", "< 250 ok\r\n", "> AUTH LOGIN\r\n", "< 334 VXNlcm5hbWU6\r\n", "> *\r\n", "< 501 no\r\n", "> AUTH LOGIN YW5uYQ==\r\n",
			"< 334 UGFzc3dvcmQ6\r\n", "> "+base64Of(hush)+"\r\n", "< 235 yes\r\n"),
		text("smtp: LOGIN refused", "smtp", 25, "< 220 mx.example ESMTP\r\n", "> EHLO a\r\n", "< 250 ok\r\n", "> AUTH LOGIN\r\n", "< 504 no\r\n", "> AUTH PLAIN "+plain+"\r\n", "< 235 yes\r\n"),
		text("smtp: XOAUTH2", "smtp", 25, "< 220 mx.example ESMTP\r\n", "> EHLO a\r\n", "< 250 ok\r\n", "> AUTH XOAUTH2 "+bearer+"\r\n", "< 235 yes\r\n", "> AUTH CRAM-MD5\r\n", "< 334 PDE+\r\n", "> "+base64Of("anna "+hush)+"\r\n"),
		text("smtp: the message", "smtp", 25, "< 220 mx.example ESMTP\r\n", "> EHLO a\r\n", "< 250 ok\r\n", "> DATA\r\n", "< 354 go\r\n", "> Subject: "+hush+"\r\n\r\nAUTH PLAIN "+plain+"\r\n"),
		text("imap: LOGIN", "imap", 143, "< * OK IMAP4rev1\r\n", "> a1 LOGIN anna "+hush+"\r\n", "< a1 OK\r\n"),
		text("imap: LOGIN, quoted", "imap", 143, "< * OK IMAP4rev1\r\n", "> a1 LOGIN \"an\\\"na\" \""+hush+"\"\r\n", "< a1 OK\r\n"),
		text("imap: LOGIN by literals", "imap", 143, "< * OK IMAP4rev1\r\n", "> a1 LOGIN {4}\r\n", "< + go\r\n", "> anna {13}\r\n", "< + go\r\n", "> "+hush+"\r\n", "< a1 OK\r\n"),
		text("imap: LOGIN by literals, the user with a number", "imap", 143, "< * OK IMAP4rev1\r\n", "> a1 LOGIN {5}\r\n", "< + go\r\n", "> anna1 {13}\r\n", "< + go\r\n", "> "+hush+"\r\n", "< a1 OK\r\n"),
		text("imap: LOGIN, the password a literal that looks like a command", "imap", 143, "< * OK IMAP4rev1\r\n", "> a1 LOGIN {4}\r\n", "< + go\r\n", "> anna {22}\r\n", "< + go\r\n", "> a2 login "+hush+"\r\n", "< a1 OK\r\n"),
		text("imap: PLAIN", "imap", 143, "< * OK IMAP4rev1\r\n", "> a1 AUTHENTICATE PLAIN "+plain+"\r\n", "< a1 OK\r\n"),
		text("imap: LOGIN by SASL", "imap", 143, "< * OK IMAP4rev1\r\n", "> a1 AUTHENTICATE LOGIN\r\n", "< + VXNlciBOYW1lAA==\r\n", "> YW5uYQ==\r\n", "< + UGFzc3dvcmQA\r\n", "> "+base64Of(hush)+"\r\n", "< a1 OK\r\n"),
		text("imap: XOAUTH2", "imap", 143, "< * OK IMAP4rev1\r\n", "> a1 AUTHENTICATE XOAUTH2 "+bearer+"\r\n", "< a1 OK\r\n"),
		text("pop3: PASS", "pop3", 110, "< +OK POP3 ready <1@a>\r\n", "> USER anna\r\n", "< +OK\r\n", "> PASS "+hush+"\r\n", "< +OK\r\n"),
		text("pop3: APOP, PLAIN, LOGIN", "pop3", 110, "< +OK POP3 ready <1@a>\r\n", "> APOP anna "+hush+"\r\n", "< -ERR\r\n", "> AUTH PLAIN "+plain+"\r\n", "< -ERR\r\n", "> AUTH LOGIN\r\n", "< +\r\n", "> YW5uYQ==\r\n", "< +\r\n", "> "+base64Of(hush)+"\r\n"),
		text("managesieve", "managesieve", 4190, "< \"IMPLEMENTATION\" \"Dovecot\"\r\n\"SIEVE\" \"fileinto\"\r\nOK \"ready\"\r\n", "> AUTHENTICATE \"PLAIN\" \""+plain+"\"\r\n", "< OK\r\n"),
		text("nntp: AUTHINFO", "nntp", 119, "< 200 news.example NNTP\r\n", "> AUTHINFO USER anna\r\n", "< 381 more\r\n", "> AUTHINFO PASS "+hush+"\r\n", "< 281 in\r\n", "> GROUP a.b\r\n", "< 211 1 1 1 a.b\r\n"),
		text("nntp: both in one line, and by SASL", "nntp", 119, "< 200 news.example NNTP\r\n", "> AUTHINFO USER anna PASS "+hush+"\r\n", "< 501 no\r\n", "> AUTHINFO SASL PLAIN "+plain+"\r\n", "< 281 in\r\n"),
		text("irc: PASS, OPER, keys, NickServ", "irc", 6667, "> PASS "+hush+"\r\nNICK anna\r\nUSER anna 0 * :Anna\r\n", "< :irc.example 001 anna :hello\r\n", "> OPER anna "+hush+"\r\n", "< :irc.example 491 anna :no\r\n",
			"> PRIVMSG NickServ :IDENTIFY "+hush+"\r\n", "< :irc.example NOTICE anna :ok\r\n", "> JOIN #a,#b "+hush+","+hush+"\r\n", "< :anna!a@b JOIN #a\r\n"),
		text("irc: SASL", "irc", 6667, "> CAP LS 302\r\nNICK anna\r\nUSER anna 0 * :Anna\r\n", "< :irc.example CAP * LS :sasl\r\n", "> AUTHENTICATE PLAIN\r\n", "< AUTHENTICATE +\r\n", "> AUTHENTICATE "+base64Of("anna\x00anna\x00"+hush)+"\r\n", "< :irc.example 903 anna :ok\r\n"),
		text("xmpp: SASL", "xmpp", 5222, "> <?xml version='1.0'?><stream:stream to='a.example' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
			"< <?xml version='1.0'?><stream:stream from='a.example' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>",
			"> <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"+plain+"</auth>", "> <iq type='set' id='1'><query xmlns='jabber:iq:auth'><username>anna</username><password>"+hush+"</password></query></iq>"),
		text("stratum", "stratum", 3333, "> {\"id\":1,\"method\":\"mining.authorize\",\"params\":[\"anna\",\""+hush+"\"]}\n", "< {\"id\":1,\"result\":true,\"error\":null}\n"),

		// Files, shells.
		text("ftp: PASS, ACCT", "ftp", 21, "< 220 FTP ready\r\n", "> USER anna\r\n", "< 331 password\r\n", "> PASS "+hush+"\r\n", "< 332 account\r\n", "> ACCT "+hush+"\r\n", "< 230 in\r\n", "> PASV\r\n", "< 227 Entering Passive Mode (192,0,2,1,200,1)\r\n", "> RETR a.txt\r\n", "< 150 go\r\n"),
		text("telnet", "telnet", 23, "< \xff\xfd\x18\xff\xfd\x27", "> \xff\xfb\x18\xff\xfb\x27", "< \xff\xfa\x18\x01\xff\xf0\xff\xfa\x27\x01\xff\xf0", "> \xff\xfa\x18\x00XTERM\xff\xf0\xff\xfa\x27\x00\x03PASSWORD\x01"+hush+"\xff\xf0", "< Password: ", "> "+hush+"\r\n"),
		text("rsync", "rsync", 873, "< @RSYNCD: 31.0\n", "> @RSYNCD: 31.0\n", "> pub\n", "< @RSYNCD: AUTHREQD abc\n", "> anna "+hush+"\n"),
		text("rexec", "rexec", 512, "> 0\x00anna\x00"+hush+"\x00ls\x00", "< \x00"),
		{name: "rsh: arguments", app: "rsh", s: sample{tcp: true, orig: 1023, resp: 514, msgs: says("> 1022\x00", "> anna\x00anna\x00mysql -p"+hush+"\x00", "< \x00")}},
		text("gopher: what is searched for", "gopher", 70, "> /find\t"+hush+"\r\n", "< 0a\t/a\ta.example\t70\r\n"),
		stream("smb1: password of a share", "smb", 445, "C"+smb1Test(0x75, 0x18, "\xff\x00\x00\x00\x00\x00\x0d\x00", hush+"\x00"+wide(`\\FILES\C`)+"\x00\x00A:\x00")),
		stream("nbd, iscsi: CHAP", "iscsi", 3260, "C\x43\x87\x00\x00\x00"+u32(len("InitiatorName=iqn.a:b\x00CHAP_N=anna\x00CHAP_R=\x00" + hush))[1:]+zeros(40)+"InitiatorName=iqn.a:b\x00CHAP_N=anna\x00CHAP_R="+hush+"\x00"+zeros(3)),

		// Databases, queues, caches.
		text("redis: AUTH", "redis", 6379, "> *2\r\n$4\r\nAUTH\r\n$13\r\n"+hush+"\r\n", "< +OK\r\n", "> *2\r\n$3\r\nGET\r\n$13\r\n"+hush+"\r\n", "< $-1\r\n"),
		text("redis: AUTH in a line", "redis", 6379, "> AUTH anna "+hush+"\r\n", "< +OK\r\n"),
		text("redis: HELLO", "redis", 6379, "> *5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$4\r\nanna\r\n$13\r\n"+hush+"\r\n", "< %1\r\n+server\r\n+redis\r\n"),
		text("memcached: login, key", "memcached", 11211, "> set "+hush+" 0 0 18\r\nanna "+hush+"\r\n", "< STORED\r\n", "> get "+hush+"\r\n", "< END\r\n"),
		stream("memcached: SASL", "memcached", 11211, "C\x80\x21\x00\x05\x00\x00\x00\x00"+u32(5+6+len(hush))+zeros(12)+"PLAIN\x00anna\x00"+hush, "S\x81\x21\x00\x00\x00\x00\x00\x00"+zeros(16)),
		text("nats: password, token", "nats", 4222, "< INFO {\"server_id\":\"N\",\"version\":\"2\",\"nonce\":\""+hush+"\"} \r\n", "> CONNECT {\"verbose\":false,\"user\":\"name\",\"pass\":\""+hush+"\",\"auth_token\":\""+hush+"\",\"jwt\":\""+hush+"\",\"sig\":\""+hush+"\",\"name\":\"x\"}\r\nPUB a 13\r\n"+hush+"\r\n"),
		text("stomp: passcode", "stomp", 61613, "> CONNECT\nhost:/\nlogin:anna\npasscode:"+hush+"\n\n\x00", "< CONNECTED\nversion:1.2\nsession:"+hush+"\n\n\x00"),
		stream("mqtt: password, will", "mqtt", 1883, "C\x10"+n8(n16("MQTT")+"\x04\xc6\x00\x3c"+n16("s")+n16("t")+n16(hush)+n16("anna")+n16(hush)), "S\x20\x02\x00\x00", "C\x30"+n8(n16("a/b")+hush)),
		shown("mqtt_user", stream("mqtt: a token for a user", "mqtt", 1883, "C\x10"+n8(n16("MQTT")+"\x04\x82\x00\x3c"+n16("s")+n16(hush)), "S\x20\x02\x00\x00", "C\x30"+n8(n16("a/b")+hush))),
		shown("mqtt_user", stream("mqtt: a signature behind the user", "mqtt", 1883, "C\x10"+n8(n16("MQTT")+"\x04\xc2\x00\x3c"+n16("s")+n16("anna?x-amz-signature="+hush)+n16("x")), "S\x20\x02\x00\x00", "C\x30"+n8(n16("a/b")+hush))),
		shown("mqtt_user", stream("mqtt: a token for a user, with an empty password", "mqtt", 1883, "C\x10"+n8(n16("MQTT")+"\x04\xc2\x00\x3c"+n16("s")+n16(hush)+n16("")), "S\x20\x02\x00\x00", "C\x30"+n8(n16("a/b")+hush))),
		stream("mqtt 5: authentication", "mqtt", 1883, "C\x10"+n8(n16("MQTT")+"\x05\xc2\x00\x3c"+n8("\x15"+n16("PLAIN")+"\x16"+n16(hush))+n16("s")+n16("anna")+n16(hush)), "S\x20\x03\x00\x00\x00", "C\x30"+n8(n16("a/b")+"\x00"+hush)),
		stream("amqp: PLAIN", "amqp", 5672, "CAMQP\x00\x00\x09\x01", "S"+amqpTest(amqpStart, "\x00\x09"+n32("")+n32("PLAIN AMQPLAIN")+n32("en_US")), "C"+amqpTest(amqpStartOk, n32("")+n8("PLAIN")+n32("\x00anna\x00"+hush)+n8("en_US")), "C"+amqpTest(amqpOpen, n8("/")+"\x00\x00")),
		stream("amqp: AMQPLAIN, EXTERNAL", "amqp", 5672, "CAMQP\x00\x00\x09\x01", "C"+amqpTest(amqpStartOk, n32("")+n8("AMQPLAIN")+n32(n8("LOGIN")+"S"+n32("anna")+n8("PASSWORD")+"S"+n32(hush))+n8("en_US")), "C"+amqpTest(amqpOpen, n8("/")+"\x00\x00")),
		stream("amqp 1.0: PLAIN", "amqp", 5672, "CAMQP\x03\x01\x00\x00", "SAMQP\x03\x01\x00\x00", "C"+amqp1Test(1, "\x00\x53\x41\xc0\x20\x03\xa3"+n8("PLAIN")+"\xa0"+n8("\x00anna\x00"+hush)+"\x40")),
		stream("kafka: SASL", "kafka", 9092, "C"+n32("\x00\x11\x00\x01\x00\x00\x00\x01"+n16("till")+n16("PLAIN")), "S"+n32("\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01"+n16("PLAIN")), "C"+n32("\x00\x24\x00\x00\x00\x00\x00\x02"+n16("till")+n32("\x00anna\x00"+hush))),
		stream("kafka: SASL without a frame", "kafka", 9092, "C"+n32("\x00\x11\x00\x00\x00\x00\x00\x01"+n16("till")+n16("PLAIN")), "S"+n32("\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01"+n16("PLAIN")), "C"+n32("\x00anna\x00"+hush)),
		stream("postgresql: password, options, query", "postgresql", 5432, "C"+n32pg("user\x00anna\x00options\x00-c x.y="+hush+"\x00database\x00shop\x00\x00"), "S"+postgresMessage("R", u32(3)), "C"+postgresMessage("p", hush+"\x00"), "S"+postgresMessage("R", u32(0))+postgresMessage("Z", "I"),
			"C"+postgresMessage("Q", "ALTER USER anna PASSWORD '"+hush+"'\x00"), "S"+postgresMessage("E", "SERROR\x00C42601\x00M"+hush+"\x00\x00")),
		stream("mysql: password", "mysql", 3306, "S"+mysqlGreetingTest("8.0.1"), "C"+mysqlPacket(1, l32(mysqlProto41|mysqlWithDB|mysqlSecure)+l32(1<<24)+"\x21"+zeros(23)+"anna\x00"+n8(hush)+"shop\x00"),
			"S"+mysqlPacket(2, "\xfemysql_clear_password\x00"), "C"+mysqlPacket(3, hush+"\x00"), "S"+mysqlPacket(4, "\x00\x00\x00\x02\x00\x00\x00"), "C"+mysqlPacket(0, "\x03SET PASSWORD = '"+hush+"'")),
		stream("tds: password, batch", "tds", 1433, "C"+tdsTest(tdsLogin7, tdsLogin), "S"+tdsTest(4, "\xad"+l16(10)+"\x01\x74\x00\x00\x04"+"\x01"+utf16Test("s")+"\x0f\x00\x00\x00")),
		stream("mongodb: SASL", "mongodb", 27017, "C"+mongoMessage(1, 0, 2013, l32(0)+"\x00"+bson("\x10saslStart\x00"+l32(1)+"\x02mechanism\x00"+l32(6)+"PLAIN\x00"+"\x05payload\x00"+l32(6+len(hush))+"\x00\x00anna\x00"+hush+"\x02$db\x00"+l32(6)+"admin\x00")),
			"S"+mongoMessage(2, 1, 2013, l32(0)+"\x00"+bson("\x01ok\x00"+zeros(8)))),
		stream("cassandra: credentials", "cassandra", 9042, "C"+cassandraTest(4, 1, u16(1)+n16("CQL_VERSION")+n16("3.0.0")), "S"+cassandraTest(0x84, 3, n16("org.apache.cassandra.auth.PasswordAuthenticator")), "C"+cassandraTest(4, 15, n32("\x00anna\x00"+hush)), "S"+cassandraTest(0x84, 16, n32(""))),
		stream("clickhouse: password", "clickhouse", 9000, "C\x00\x11ClickHouse client\x17\x08\xd4\xa9\x03\x04shop\x04anna"+n8(hush), "S\x00\x0aClickHouse\x17\x08\xd4\xa9\x03"),
		stream("oracle: password in the descriptor", "oracle", 1521, "C"+tnsTest("(DESCRIPTION=(ADDRESS=(HOST=a))(CONNECT_DATA=(SERVICE_NAME=shop)(PASSWORD="+hush+")(CID=(PROGRAM=sqlplus)(HOST=desk)(USER=anna))))")),
		stream("drda: password, attributes", "drda", 50000, "C"+drdaMessage(0x1041, drdaObject(0x115e, "derby"))+drdaMessage(0x2001, drdaObject(0x2110, "shop;create=true;password="+hush)+drdaObject(0x11a1, hush)+drdaObject(0x11a0, "anna"))),
		text("zookeeper: digest", "zookeeper", 2181, "> "+n32(zeros(4)+zeros(8)+u32(10000)+zeros(8)+n32(zeros(16))+"\x00"), "< "+n32(zeros(4)+u32(10000)+zeros(8)+n32(hush+"abc")+"\x00"), "> "+n32("\xff\xff\xff\xfc"+u32(100)+zeros(4)+n32("digest")+n32("anna:"+hush))),
		text("beanstalk: a job", "beanstalk", 11300, "> put 0 0 60 13\r\n"+hush+"\r\n", "< INSERTED 1\r\n"),
		text("fix: password", "fix", 9878, "> "+fixLogon("553=anna\x01554="+hush+"\x01")),
		text("hl7: a patient", "hl7", 2575, "> \x0bMSH|^~\\&|LAB|CLINIC|EHR|HOSPITAL|20260131080000|"+hush+"|ORU^R01|4711|P|2.5\rPID|1||"+hush+"\r\x1c\r", "< \x0bMSH|^~\\&|EHR|HOSPITAL|LAB|CLINIC|20260131080000||ACK|4711|P|2.5\rMSA|AA|4711\r\x1c\r"),
		stream("smpp: password", "smpp", 2775, "C"+u32(16+len("anna\x00\x00SMPP\x004\x00\x00\x00"+hush))+u32(2)+zeros(4)+u32(1)+"anna\x00"+hush+"\x00SMPP\x004\x00\x00\x00", "S"+u32(21)+"\x80\x00\x00\x02"+zeros(4)+u32(1)+"SMSC\x00"),
		datagram("syslog: the text", "syslog", 514, "C<34>Oct 11 22:14:15 host sshd[1]: password "+hush),
		text("syslog: the text, structured", "syslog", 601, "> <34>1 2026-01-31T08:00:00Z host sshd 1 "+hush+" [a token=\""+hush+"\"] password "+hush+"\n", "> <34>1 2026-01-31T08:00:01Z host sshd 1 - - password "+hush+"\n"),
		stream("nsq: AUTH", "nsq", 4150, "C  V2AUTH\n"+n32(hush), "S"+n32(zeros(4)+"OK")),
		stream("zmtp: PLAIN", "zmtp", 5555, "C\xff"+zeros(7)+"\x01\x7f\x03\x00PLAIN"+zeros(15+32), "S\xff"+zeros(7)+"\x01\x7f\x03\x00PLAIN"+zeros(15)+"\x01"+zeros(31), "C\x04"+n8("\x05HELLO"+n8("anna")+n8(hush))),
		stream("x11: cookie", "x11", 6000, "Cl\x00\x0b\x00\x00\x00\x12\x00\x10\x00\x00\x00MIT-MAGIC-COOKIE-1\x00\x00"+hush+"abc"),

		// Networks.
		datagram("snmp: community", "snmp", 161, "C"+snmpTest(1, hush, 0xa0), "S"+snmpTest(1, hush, 0xa2)),
		datagram("snmp: community on another port", "snmp", 1161, "C"+snmpTest(0, hush, 0xa0), "S"+snmpTest(0, hush, 0xa2)),
		stream("ldap: simple bind", "ldap", 389, "C"+ldapTest(1, tlv(0x60, berInt(3), tlv(berOctets, "cn=anna"), tlv(0x80, hush))), "S"+ldapResult(1, 0x61)),
		stream("ldap: SASL PLAIN", "ldap", 389, "C"+ldapTest(1, tlv(0x60, berInt(3), tlv(berOctets, ""), tlv(0xa3, tlv(berOctets, "PLAIN"), tlv(berOctets, "\x00anna\x00"+hush)))), "S"+ldapResult(1, 0x61)),
		datagram("radius: password", "radius", 1812, "C"+radiusTest(1, radiusAttribute(1, "anna"), radiusAttribute(2, hush+nuls(3)), radiusAttribute(3, "\x01"+hush+nuls(3)), radiusAttribute(24, hush)), "S"+radiusTest(2, radiusAttribute(25, hush))),
		stream("tacacs+", "tacacs", 49, "C\xc0\x01\x01\x04\x00\x00\x00\x01"+u32(8+len("annatty0"+hush))+"\x01\x01\x02\x01"+n8tacacs("anna", "tty0", "", hush), "S\xc0\x01\x02\x04\x00\x00\x00\x01"+u32(6)+"\x01\x00\x00\x00\x00\x00"),
		stream("socks 5: login", "socks", 1080, "C\x05\x02\x00\x02", "S\x05\x02", "C\x01"+n8("anna")+n8(hush), "S\x01\x00", "C\x05\x01\x00\x03"+n8("a.example")+"\x01\xbb", "S\x05\x00\x00\x01"+zeros(6)),
		datagram("rip: password", "rip", 520, "C\x02\x02\x00\x00\xff\xff\x00\x02"+hush+nuls(3)+"\x00\x02\x00\x00\x0a\x00\x00\x00\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"),
		{name: "hsrp: password", app: "hsrp", s: datagramsOf("", 1985, 1985, nil, "o\x00\x00\x10\x03\x0a\x64\x01\x00"+hush[:8]+"\xc0\x00\x02\x01")},
		datagram("iax2: password", "iax2", 4569, "C\x80\x01\x00\x00\x00\x00\x00\x03\x00\x00\x06\x01\x0b\x02\x00\x02\x01\x03100\x06\x04anna\x10"+n8(hush)),
		datagram("stun: the proof", "stun", 3478, "C"+stunTest(3, "0123456789ab", "\x00\x06\x00\x04anna\x00\x08\x00\x14"+hush+zeros(7)), "S"+stunTest(0x103, "0123456789ab", "\x00\x20\x00\x08\x00\x01\x11\x2b\xe1\x12\xa6\x43")),
		{name: "ospf: password", app: "ospf", s: sample{over: protoOSPF, msgs: talk("C" + "\x02\x01\x00\x2c\xc0\x00\x02\x01\x00\x00\x00\x00\xab\xcd\x00\x01" + hush[:8] + "\xff\xff\xff\x00\x00\x0a\x02\x01\x00\x00\x00\x28" + nuls(8))}},
		{name: "vrrp: password", app: "vrrp", s: sample{over: protoVRRP, msgs: talk("C" + "\x21\x33\x64\x01\x01\x01\x12\x34\xc0\x00\x02\x64" + hush[:8])}},
		{name: "eap: PAP inside, token card", app: "eapol", s: sample{over: protoEAPOL, msgs: talk("C\x01\x00\x00\x09\x02\x07\x00\x09\x01anna", "S\x01\x00\x00\x06\x01\x08\x00\x06\x06x", "C\x01\x00"+u16(5+len(hush))+"\x02\x08"+u16(5+len(hush))+"\x06"+hush)}},
		datagram("wol: password", "wol", 9, "C\xff\xff\xff\xff\xff\xff"+strings.Repeat("\x02\x00\x00\x00\x00\x01", 16)+hush[:6]),
	}
	return list
}

// cgiSecrets are the variables that a web server hands on.
var cgiSecrets = []string{"CONTENT_LENGTH", "0", "SCGI", "1", "REQUEST_METHOD", "GET", "QUERY_STRING", "token=" + hush, "REQUEST_URI", "/a?token=" + hush, "SCRIPT_NAME", "/a;jsessionid=" + hush,
	"HTTP_HOST", "anna:" + hush + "@a.example", "HTTP_COOKIE", "sid=" + hush, "HTTP_AUTHORIZATION", "Bearer " + hush, "PHP_AUTH_PW", hush}

func scgiTest(variables []string) string {
	all := strings.Join(variables, "\x00") + "\x00"
	return string(appendUint(nil, uint64(len(all)))) + ":" + all + ","
}

func uwsgiTest(variables []string) (all string) {
	for _, v := range variables {
		all += l16(len(v)) + v
	}
	return "\x00" + l16(len(all)) + "\x00" + all
}

func fastcgiRecord(kind byte, body string) string {
	return "\x01" + string([]byte{kind}) + u16(1) + u16(len(body)) + "\x00\x00" + body
}

func fastcgiTest(variables []string) string {
	all := ""
	for i := 0; i < len(variables); i += 2 {
		all += string([]byte{byte(len(variables[i])), byte(len(variables[i+1]))}) + variables[i] + variables[i+1]
	}
	return fastcgiRecord(1, "\x00\x01"+zeros(6)) + fastcgiRecord(4, all) + fastcgiRecord(4, "") + fastcgiRecord(5, "")
}

// n32pg is a startup message of PostgreSQL.
func n32pg(s string) string { return u32(8+len(s)) + u32(postgresV3) + s }

// n8tacacs is the lengths, then the texts, of what a TACACS+ login begins with.
func n8tacacs(texts ...string) (s string) {
	for _, t := range texts {
		s += string([]byte{byte(len(t))})
	}
	return s + strings.Join(texts, "")
}

func tnsTest(descriptor string) string {
	n := 58 + len(descriptor)
	return u16(n) + "\x00\x00\x01\x00\x00\x00" + u16(319) + u16(300) + zeros(12) + u16(len(descriptor)) + u16(58) + zeros(58-28) + descriptor
}

func fixLogon(fields string) string {
	body := "35=A\x0149=US\x0156=THEM\x0134=1\x0152=20260131-08:00:00\x0198=0\x01108=30\x01" + fields
	return "8=FIX.4.4\x019=" + string(appendUint(nil, uint64(len(body)))) + "\x01" + body + "10=000\x01"
}

// leaks finds a secret in all that may be told of a connection.
func leaks(in *Inspector, f *Flow) (field, value string) {
	see := func(name, v string) {
		for _, form := range append(inBase64, hush, hush[:8], hush[:6]) {
			if strings.Contains(v, form) {
				field, value = name, v
			}
		}
	}
	app := func(a *event.App) {
		for name, v := range facts(a) {
			see(name, v)
		}
	}
	app(f.App())
	for _, x := range in.TakeExpected() {
		app(x.App)
	}
	if a := in.TakeAnswer(); a != nil {
		for _, h := range a.Hosts {
			see("a name that DNS told", h.Name)
		}
	}
	return field, value
}

// TestSecretsStayOut looks at everything that is told of connections with secrets in them, after each packet: from
// their start and from every later message on, with every message lost, and byte by byte.
func TestSecretsStayOut(t *testing.T) {
	play := func(t *testing.T, in *Inspector, s *sample, list []piece, syn bool) (field, value string) {
		t.Helper()
		f := s.flow(in)
		defer in.Free(f)
		if s.tcp && syn {
			in.Segment(f, Orig, testISN, true, false, nil, 0, 0)
			in.Segment(f, Resp, testISN, true, false, nil, 0, 0)
		}
		for i, p := range list {
			if s.tcp {
				in.Segment(f, p.side, p.seq, false, false, p.b, uint32(len(p.b)), int64(i)*1e6)
			} else {
				in.Datagram(f, p.side, p.b, uint32(len(p.b)), int64(i)*1e6)
			}
			if field, value = leaks(in, f); field != "" {
				return field, value
			}
		}
		in.End(f, 1e12)
		return leaks(in, f)
	}
	in, unsafe := newInspector(Config{Names: true}), newInspector(Config{Names: true, Unsafe: true})
	for _, l := range leakers() {
		t.Run(l.name, func(t *testing.T) {
			raw := ""
			for _, m := range l.s.msgs {
				raw += string(m.b)
			}
			if got := l.s.on(in)["app"]; got != l.app {
				t.Fatalf("the conversation is %q, want %s: it proves nothing", got, l.app)
			}
			whole := cut(l.s.msgs, 1<<20)
			ways := map[string][]piece{"whole": whole}
			for i := range whole {
				name := string(appendUint(nil, uint64(i)))
				ways["without message "+name] = append(whole[:i:i], whole[i+1:]...)
				ways["from message "+name+" on"] = whole[i:]
			}
			if l.s.tcp {
				ways["byte by byte"], ways["in sevens"] = cut(l.s.msgs, 1), cut(l.s.msgs, 7)
			}
			for way, list := range ways {
				for _, syn := range []bool{true, false} {
					if field, value := play(t, in, &l.s, list, syn); field != "" {
						t.Errorf("%s: %s is %q", way, field, value)
					}
				}
			}
			field, value := play(t, unsafe, &l.s, whole, true)
			switch got := l.s.on(unsafe)[l.query]; {
			case l.query == "" && field != "":
				t.Errorf("with --unsafe-payload-fields: %s is %q, which is no query", field, value)
			case l.query != "" && !strings.Contains(got, hush):
				t.Errorf("with --unsafe-payload-fields: %s is %q, want the query in it", l.query, got)
			}
		})
	}
	// The samples' own secrets.
	for _, s := range samples() {
		for name, v := range s.on(in) {
			if strings.Contains(v, "secret") || strings.Contains(v, base64Of("secret")) || strings.Contains(v, secret) {
				t.Errorf("%s: %s is %q", s.name, name, v)
			}
		}
	}
}
