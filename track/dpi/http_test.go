package dpi

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

func TestHTTP(t *testing.T) {
	for _, tc := range []struct {
		name, client, server string
		want                 map[string]string
	}{
		{"no port, lower case names", "GET / HTTP/1.0\nhost: a.example\n\n", "HTTP/1.0 204 No\n\n", map[string]string{"http_host": "a.example", "http_version": "1.0", "http_status": "204", "host": "a.example by http"}},
		{"folded header", "GET / HTTP/1.1\r\nUser-Agent: one\r\n  two\r\n\tthree\r\nHost: a\r\n\r\n", "", map[string]string{"http_user_agent": "one two three", "http_host": "a"}},
		{"folded header that is not read", "GET / HTTP/1.1\r\nX-One: two\r\n host: b\r\n\thost: c\r\nHOST: a\r\n\r\n", "", map[string]string{"http_host": "a"}},
		{"ports of hosts", "GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n", "", map[string]string{"http_host": "a.example:8080", "host": "a.example by http"}},
		{"no port behind a colon", "GET / HTTP/1.1\r\nHost: a.example:\r\n\r\n", "", map[string]string{"http_host": "a.example:", "host": ""}},
		{"a number for a host", "GET / HTTP/1.1\r\nHost: 8080\r\n\r\n", "", map[string]string{"http_host": "8080", "host": "8080 by http"}},
		{"a port of too many digits", "GET / HTTP/1.1\r\nHost: a.example:0000000000000000080\r\n\r\n", "", map[string]string{"host": ""}},
		{"users", "GET http://a@b:c@d.example/e@f HTTP/1.1\r\n\r\n", "", map[string]string{"http_host": "d.example", "http_path": "/e@f"}},
		{"parameters behind the query", "GET /a;b=c?d;sid=e HTTP/1.1\r\n\r\n", "", map[string]string{"http_path": "/a;b=c"}},
		{"absolute target", "GET http://user:pw@b.example:8080/p?q#f HTTP/1.1\r\nHost: wrong\r\n\r\n", "", map[string]string{"http_host": "b.example:8080", "http_path": "/p", "host": ""}},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "", map[string]string{"http_method": "OPTIONS", "http_path": "*"}},
		{"webdav", "PROPFIND /d/ HTTP/1.1\r\nHost: 192.0.2.7\r\n\r\n", "", map[string]string{"http_method": "PROPFIND", "http_host": "192.0.2.7", "host": ""}},
		{"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", "", map[string]string{"http_method": "GET", "http_path": "", "http_host": "a"}},
		{"interim response", "PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nServer: s\r\n\r\n", map[string]string{"http_status": "201", "http_server": "s"}},
		{"pipelined", "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nHTTP/1.1 500 No\r\n\r\n", map[string]string{"http_path": "/1", "http_status": "200", "http_requests": "3"}},
		{"newest", "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPUT /2?secret HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nxxGET http://c:81/3 HTTP/1.0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", map[string]string{"http_method": "GET", "http_host": "a", "http_path": "/1",
				"http_status": "200", "http_requests": "3", "http_last_method": "GET", "http_last_host": "c:81", "http_last_path": "/3", "http_last_status": "201"}},
		{"one is not the newest", "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", map[string]string{"http_status": "200", "http_last_method": "", "http_last_path": "", "http_last_status": ""}},
		{"newest without host", "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\nGET /3 HTTP/1.1\r\n\r\n", "", map[string]string{"http_last_host": "b", "http_last_path": "/3"}},
		{"newest of what else is said", "GET /1 HTTP/1.1\r\nUser-Agent: one/1\r\n\r\nGET /2 HTTP/1.1\r\nUser-Agent: two/2\r\n\r\nGET /3 HTTP/1.1\r\nUser-Agent: one/1\r\n\r\nGET /4 HTTP/1.1\r\n\r\n",
			"HTTP/1.1 200 OK\r\nServer: s/1\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nServer: s/1\r\nContent-Type: image/png\r\nContent-Length: 0\r\n\r\n",
			map[string]string{"http_user_agent": "one/1", "http_last_user_agent": "one/1", "http_server": "s/1", "http_last_server": "", "http_content_type": "text/html", "http_last_content_type": "image/png"}},
		{"websocket", "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: chat, mqtt\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
			map[string]string{"http_upgrade": "WebSocket", "websocket_protocol": "mqtt", "http_status": "101"}},
		{"websocket with a token", "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.c2VjcmV0\r\n\r\n",
			map[string]string{"http_upgrade": "websocket", "websocket_protocol": ""}},
		{"a length with many zeros", "POST /1 HTTP/1.1\r\nContent-Length: 00000000000000000000000003\r\n\r\nabcGET /2 HTTP/1.1\r\n\r\n", "", map[string]string{"http_requests": "2", "http_last_path": "/2"}},
		{"a length said twice", "POST /1 HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabcGET /2 HTTP/1.1\r\n\r\n", "", map[string]string{"http_requests": "2", "http_last_path": "/2"}},
		{"two lengths", "POST /1 HTTP/1.1\r\nContent-Length: 3, 4\r\n\r\nabcGET /2 HTTP/1.1\r\n\r\n", "", map[string]string{"http_requests": "1", "http_last_path": ""}},
		{"users of URLs within", "GET /fetch/https://anna:pw@a.example/b@c/http:%2F%2Fanna:pw@d.example%2fe@f HTTP/1.1\r\n\r\n", "",
			map[string]string{"http_path": "/fetch/https://a.example/b@c/http:%2F%2Fd.example%2fe@f"}},
		{"an @ that is no user's", "GET /@scope%2fname@1:2/x:y@z HTTP/1.1\r\n\r\n", "", map[string]string{"http_path": "/@scope%2fname@1:2/x:y@z"}},
		{"a password among parameters", "GET /a;password=pw;b=c HTTP/1.1\r\n\r\n", "", map[string]string{"http_path": "/a;b=c"}},
		{"empty lines first", "\r\n\r\nGET /e HTTP/1.1\r\nHost: a\r\n\r\n", "", map[string]string{"http_path": "/e"}},
		{"response alone", "", "HTTP/1.1 302 Found\r\nServer: x\r\n\r\n", map[string]string{"http_status": "302", "http_server": "x", "http_version": "1.1", "http_method": ""}},
		{"rtsp", "OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n", "", map[string]string{"app": "rtsp", "http_method": ""}},
		{"sip", "INVITE sip:a@b SIP/2.0\r\n\r\n", "", map[string]string{"app": "sip", "http_method": ""}},
		{"http/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", map[string]string{"app": "http2", "http_method": ""}},
		{"prose", "GETTING STARTED with HTTP/1.1 is easy\r\n", "", map[string]string{"app": ""}},
		{"control bytes", "GET /\x01 HTTP/1.1\r\n\r\n", "", map[string]string{"app": ""}},
		{"many at once", strings.Repeat("GET /a HTTP/1.1\r\n\r\n", 100) + "GET /z HTTP/1.1\r\n\r\n", strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 100) + "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
			map[string]string{"http_requests": "101", "http_last_path": "/z", "http_last_status": "404"}},
		{"too many to know which is a HEAD", strings.Repeat("GET /a HTTP/1.1\r\n\r\n", 64) + "HEAD /z HTTP/1.1\r\n\r\nGET /not HTTP/1.1\r\n\r\n", "", map[string]string{"http_requests": "65", "http_last_path": "/z"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := newInspector(Config{})
			got := runSegments(in, in.NewFlow(true, 50000, 8765), []message{{Orig, []byte(tc.client)}, {Resp, []byte(tc.server)}})
			subset(t, got, tc.want)
			for k, v := range got {
				if v == "pw" || k == "http_cookie" {
					t.Errorf("%s shows a secret", k)
				}
			}
		})
	}
	// RFC 2817, as IPP's clients ask for it.
	in := newInspector(Config{})
	f := in.NewFlow(true, 1, 631)
	got := runSegments(in, f, []message{{Orig, []byte("OPTIONS * HTTP/1.1\r\nConnection: Upgrade\r\nHost: printer.example\r\nUpgrade: TLS/1.2,TLS/1.1,TLS/1.0\r\n\r\n")},
		{Resp, []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0,HTTP/1.1\r\n\r\n")},
		{Orig, record(1, testHello(0x0303, []uint16{0xc02f}, testServerName("printer.example")), 16000)}})
	subset(t, got, map[string]string{"app": "http", "http_status": "101", "sni": "printer.example"})
	in = newInspector(Config{Unsafe: true})
	got = runSegments(in, in.NewFlow(true, 1, 80), []message{{Orig, []byte("GET /a?b=c HTTP/1.1\r\n\r\nGET /d?e=f HTTP/1.1\r\n\r\n")}})
	subset(t, got, map[string]string{"http_path": "/a?b=c", "http_last_path": "/d?e=f"})
}

// TestHTTPIsFollowed holds that a connection is counted and told to its last request, whatever is between, and that this ends somewhere.
func TestHTTPIsFollowed(t *testing.T) {
	padding := "X-Padding: " + strings.Repeat("x", 900) + "\r\n"
	for _, tc := range []struct {
		name              string
		request, response string // request has its number for %d
		body              int    // bytes of the response's, sent behind it
		count, want       int
	}{
		{"heads", "GET /%d HTTP/1.1\r\nHost: a\r\n" + padding + "\r\n", "HTTP/1.1 204 No\r\n\r\n", 0, 2000, 2000},
		{"bodies", "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + zeros(1000), 0, 2000, 2000},
		{"uploads", "PUT /%d HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + zeros(1000), "HTTP/1.1 204 No\r\n\r\n", 0, 2000, 2000},
		{"chunks", "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + zeros(1000) + "\r\n0\r\n\r\n", 0, 2000, 2000},
		{"nothing but heads", "GET /%d HTTP/1.1\r\nHost: a\r\n" + padding + "\r\n", "HTTP/1.1 204 No\r\n\r\n", 0, 30000, 17600},
		{"large bodies", "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", 1000000, 200, 68},
		{"a download", "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n", 10000000, 3, 1},
	} {
		in := newInspector(Config{})
		f := in.NewFlow(true, 50000, 8765)
		next := [2]uint32{}
		say := func(s Side, b string) Result {
			r := in.Segment(f, s, next[s], false, false, []byte(b), uint32(len(b)), 1)
			next[s] += uint32(len(b))
			return r
		}
		in.Segment(f, Orig, 0xffffffff, true, false, nil, 0, 0)
		in.Segment(f, Resp, 0xffffffff, true, false, nil, 0, 0)
		sent := 0
		var r Result
		for ; sent < tc.count && r&Finished == 0; sent++ {
			request, rest, _ := strings.Cut(tc.request, "%d")
			say(Orig, request+strconv.Itoa(sent)+rest)
			r = say(Resp, tc.response)
			for left := tc.body; left > 0 && r&Finished == 0; left -= min(left, 50000) {
				r = say(Resp, zeros(min(left, 50000)))
			}
		}
		got := facts(f.App())
		if n, _ := strconv.Atoi(got["http_requests"]); n != sent || n < tc.want || sent == tc.count && n != tc.want || n > 2*tc.want {
			t.Errorf("%s: %d of %d requests were counted, want %d", tc.name, n, sent, tc.want)
		}
		if last := got["http_last_path"]; sent > 1 && last != "/"+strconv.Itoa(sent-1) {
			t.Errorf("%s: the last path is %q, want that of request %d", tc.name, last, sent-1)
		}
		if in.Free(f); in.total != 0 {
			t.Errorf("%s: %d bytes are still kept", tc.name, in.total)
		}
	}
	// One response in chunks that has no end is no better than a download.
	in := newInspector(Config{})
	f := in.NewFlow(true, 50000, 8765)
	msgs := []message{{Orig, []byte("GET / HTTP/1.1\r\n\r\n")}, {Resp, []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")}}
	runSegments(in, f, msgs)
	chunk := []byte("2000\r\n" + zeros(0x2000) + "\r\n")
	n := 0
	for r := Result(0); r&Finished == 0 && n < 2*httpBigBody; n += 0x2000 {
		r = in.Segment(f, Resp, f.dir[Resp].next, false, false, chunk, uint32(len(chunk)), 1)
	}
	if n < httpBigBody || n > httpBigBody+0x4000 {
		t.Errorf("chunks without end: finished after %d bytes, want %d", n, httpBigBody)
	}
}

// TestHTTP2 holds that every request of a connection is counted, and the newest told beside the first, whatever lies between.
func TestHTTP2(t *testing.T) {
	// One compressor for each side: a block is only understood behind those before it.
	var client, server bytes.Buffer
	ask, answer := hpack.NewEncoder(&client), hpack.NewEncoder(&server)
	block := func(e *hpack.Encoder, b *bytes.Buffer, fields ...string) string {
		b.Reset()
		for i := 0; i < len(fields); i += 2 {
			_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // a bytes.Buffer takes all
		}
		return b.String()
	}
	get := func(stream int, method, path string) string {
		return "> " + http2Frame(http2Headers, 5, stream, block(ask, &client, ":method", method, ":scheme", "http", ":authority", "a.example:81", ":path", path, "user-agent", "one/1"))
	}
	status := func(stream int, code string) string {
		return "< " + http2Frame(http2Headers, 4, stream, block(answer, &server, ":status", code, "server", "s/1"))
	}
	body := func(side string, stream, n int) string {
		return side + " " + http2Frame(http2Data, 1, stream, zeros(n))
	}
	lines := []string{"> " + http2Preface + http2Frame(http2Settings, 0, 0, ""), "< " + http2Frame(http2Settings, 0, 0, ""),
		get(1, "GET", "/1?token=secret"), get(3, "PUT", "/2"), body(">", 3, 500), // two at once, a body, its trailers
		"> " + http2Frame(http2Headers, 5, 3, block(ask, &client, "checksum", "7")),
		"< " + http2Frame(http2Push, 4, 1, u32(2)+block(answer, &server, ":method", "GET", ":path", "/pushed", "x-pushed", "it is")),
		status(3, "103"), status(3, "201"), body("<", 3, 10), status(1, "200"), body("<", 1, 9000),
		"< " + http2Frame(http2GoAway, 0, 0, u32(7)+u32(0)), get(5, "DELETE", "/3?token=secret"), status(5, "404"), body("<", 5, 1)}
	for range 20 {
		lines = append(lines, get(7, "GET", "/many"), status(7, "204"))
	}
	for _, n := range []int{1 << 20, 7, 1} {
		in := newInspector(Config{})
		var pieces []message
		for _, p := range cut(says(lines...), n) {
			pieces = append(pieces, message{p.side, p.b})
		}
		f := in.NewFlow(true, 40000, 8099)
		got := runSegments(in, f, pieces[:len(pieces)-1])
		subset(t, got, map[string]string{"app": "http2", "http_version": "2", "http_method": "GET", "http_path": "/1", "http_host": "a.example:81", "host": "a.example by http", "http_status": "201",
			"http_user_agent": "one/1", "http_server": "s/1", "http_requests": "23", "http_last_method": "GET", "http_last_path": "/many", "http_last_host": "a.example:81"})
		if t.Failed() {
			t.Fatalf("pieces of %d: got %v", n, got)
		}
		if in.Free(f); in.total != 0 {
			t.Fatalf("pieces of %d: %d bytes are still kept", n, in.total)
		}
	}
	// A download ends the inspection, as it does with HTTP/1.
	in := newInspector(Config{})
	f := in.NewFlow(true, 40000, 8099)
	for _, p := range says(lines[:4]...) {
		in.Segment(f, p.side, f.dir[p.side].next, false, false, p.b, uint32(len(p.b)), 1)
	}
	frame := []byte(http2Frame(http2Data, 0, 1, zeros(1<<14)))
	var res Result
	n := 0
	for ; n < 2*httpBigBody && res&Finished == 0; n += 1 << 14 {
		for _, b := range [][]byte{frame[:http2FrameLen], frame[http2FrameLen:]} { // what is skipped counts for nothing
			res = in.Segment(f, Resp, f.dir[Resp].next, false, false, b, uint32(len(b)), 1)
		}
	}
	if n < httpBigBody || n > httpBigBody+1<<15 {
		t.Errorf("the inspection ended after %d bytes of content, want %d", n, httpBigBody)
	}
}

// TestTunnels holds that what is inside of a CONNECT adds its facts, whoever speaks first, and that the outer one names the connection.
func TestTunnels(t *testing.T) {
	hello := string(record(1, testHello(0x0303, []uint16{0xc02f}, testServerName("inner.example")), 16000))
	const open, ok = "> CONNECT inner.example:99 HTTP/1.1\r\nHost: inner.example:99\r\n\r\n", "< HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n"
	const socks, socksOK = "> \x05\x01\x00", "< \x05\x00"
	const target, reached = "> \x05\x01\x00\x03\x0dinner.example\x00\x63", "< \x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	for _, tc := range []struct {
		name  string
		lines []string
		want  map[string]string
	}{
		{"tls", []string{open, ok, "> " + hello}, map[string]string{"app": "http", "sni": "inner.example", "http_requests": "1"}},
		{"a hello that does not wait", []string{open + hello, ok}, map[string]string{"app": "http", "sni": "inner.example", "http_method": "CONNECT"}},
		{"ssh", []string{open, ok, "< SSH-2.0-server\r\n", "> SSH-2.0-client\r\n"}, map[string]string{"app": "http", "http_status": "200", "ssh_server": "SSH-2.0-server", "ssh_client": "SSH-2.0-client"}},
		{"ssh in one", []string{open, ok + "SSH-2.0-server\r\n", "> SSH-2.0-client\r\n"}, map[string]string{"app": "http", "ssh_server": "SSH-2.0-server", "ssh_client": "SSH-2.0-client"}},
		{"mail", []string{open, ok, "< 220 mx ESMTP\r\n", "> EHLO c\r\n", "< 250 STARTTLS\r\n", "> STARTTLS\r\n", "< 220 go\r\n", "> " + hello}, map[string]string{"app": "http", "smtp_helo": "c", "sni": "inner.example"}},
		{"requests", []string{open, ok, "> GET /ws HTTP/1.1\r\nHost: inner.example:99\r\nUpgrade: websocket\r\n\r\n", "< HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n\r\n"},
			map[string]string{"app": "http", "http_method": "CONNECT", "http_status": "200", "http_requests": "2", "http_last_method": "GET", "http_last_path": "/ws", "http_last_status": "101", "http_upgrade": "websocket"}},
		{"http/2", []string{open, ok, "> " + http2Preface + http2Frame(4, 0, 0, "") + http2Frame(1, 5, 1, headerBlock(":method", "GET", ":scheme", "http", ":path", "/x", ":authority", "inner.example"))},
			map[string]string{"app": "http", "http_method": "CONNECT", "http_path": "inner.example:99", "http_version": "1.1", "host": "", "http_last_method": "GET", "http_last_host": "inner.example", "http_last_path": "/x"}},
		{"nobody's", []string{open, ok, "> \x00\x01\x02\x03\x04\x05\x06\x07\x08", "< \xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7"}, map[string]string{"app": "http", "http_method": "CONNECT", "http_status": "200"}},
		{"refused", []string{open, "< HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n", "> " + hello}, map[string]string{"app": "http", "http_status": "502", "sni": ""}},
		{"socks and ssh", []string{socks, socksOK, target, reached, "< SSH-2.0-server\r\n", "> SSH-2.0-client\r\n"}, map[string]string{"app": "socks", "ssh_server": "SSH-2.0-server", "ssh_client": "SSH-2.0-client"}},
		{"socks and mail", []string{socks, socksOK, target, reached, "< 220 mx ESMTP\r\n", "> EHLO c\r\n"}, map[string]string{"app": "socks", "smtp_helo": "c", "socks_target": "inner.example:99"}},
		{"a request that does not wait", []string{open + "GET /x HTTP/1.1\r\nHost: inner.example\r\n\r\n", ok + "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"},
			map[string]string{"app": "http", "http_method": "CONNECT", "http_status": "200", "http_requests": "2", "http_last_path": "/x", "http_last_status": "404"}},
		{"asked who it is first", []string{open, "< HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nwho", open, ok, "> " + hello},
			map[string]string{"app": "http", "http_method": "CONNECT", "http_status": "407", "http_requests": "2", "http_last_status": "200", "sni": "inner.example"}},
		{"a proxy behind a proxy", []string{open, ok, "> CONNECT second.example:443 HTTP/1.1\r\n\r\n", ok, "> " + hello},
			map[string]string{"app": "http", "http_path": "inner.example:99", "http_requests": "2", "http_last_path": "second.example:443", "sni": "inner.example"}},
		{"the response is seen before its request", []string{open, ok, "< HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "> GET /x HTTP/1.1\r\nHost: inner.example\r\nUser-Agent: x\r\n\r\n"},
			map[string]string{"app": "http", "http_method": "CONNECT", "http_status": "200", "http_version": "1.1", "http_requests": "2", "http_last_path": "/x", "http_last_status": "404"}},
	} {
		msgs := says(tc.lines...)
		for _, n := range []int{1 << 20, 1} {
			in := newInspector(Config{})
			var pieces []message
			for _, p := range cut(msgs, n) {
				pieces = append(pieces, message{p.side, p.b})
			}
			f := in.NewFlow(true, 40000, 3128)
			got := runSegments(in, f, pieces)
			subset(t, got, tc.want)
			if t.Failed() {
				t.Fatalf("%s, pieces of %d: got %v", tc.name, n, got)
			}
			in.End(f, 1e12)
			in.Free(f)
			if in.total != 0 {
				t.Fatalf("%s: %d bytes are still kept", tc.name, in.total)
			}
		}
	}
}

func TestEqualFold(t *testing.T) {
	for n := range 26 {
		small := "abc-defghij_klmnopqr.stuvwxyz"[:n]
		for i := range n + 1 {
			b := []byte(strings.ToUpper(small))
			if !equalFold(b, small) || !equalFold([]byte(small), small) {
				t.Errorf("%q is not %q", b, small)
			}
			if equalFold(append(b, 'x'), small) || n > 0 && equalFold(b[1:], small) {
				t.Errorf("%q with a letter more or less is %q", b, small)
			}
			if i == n {
				break
			}
			for _, c := range []byte{0, ' ', '@', '[', '{', 0x7f, 0x80, 0xff, b[i] ^ 0x80, b[i] + 1} {
				b[i] = c
				if equalFold(b, small) {
					t.Errorf("%q is %q", b, small)
				}
			}
		}
	}
}

// TestHostName: one host has one name, however a client spells it; what was sent stays as it was.
func TestHostName(t *testing.T) {
	long := strings.Repeat("Abc.", 60) + "example"
	for sent, want := range map[string]string{
		"app.demo.io": "app.demo.io", "App.Demo.IO": "app.demo.io", "app.demo.io.": "app.demo.io", "APP.DEMO.IO.": "app.demo.io", "A": "a",
		long: strings.ToLower(long), "192.0.2.1": "", "192.0.2.1.": "", ".": "",
	} {
		in := newInspector(Config{})
		f := in.NewFlow(true, 50000, 443)
		runSegments(in, f, []message{{Orig, record(1, testHello(0x0303, []uint16{0xc02f}, testServerName(sent)), 16000)}})
		if a := f.App(); a.Host != want || facts(a)["sni"] != sent {
			t.Errorf("%q by TLS: got %q and %q, want %q", sent, a.Host, facts(a)["sni"], want)
		}
		f = in.NewFlow(true, 50000, 80)
		runSegments(in, f, []message{{Orig, []byte("GET / HTTP/1.1\r\nHost: " + sent + ":8080\r\n\r\n")}})
		if a := f.App(); a.Host != want || facts(a)["http_host"] != sent+":8080" {
			t.Errorf("%q by HTTP: got %q and %q, want %q", sent, a.Host, facts(a)["http_host"], want)
		}
	}
}
