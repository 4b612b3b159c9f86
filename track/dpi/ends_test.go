package dpi

import (
	"maps"
	"strings"
	"testing"
)

// TestEnds closes directions where it hurts: before a word was said, after every message, one end
// without the other. Nothing may be said that is not so.
func TestEnds(t *testing.T) {
	in := newInspector(Config{})
	for _, s := range samples() {
		if !s.tcp {
			continue
		}
		for _, mute := range []Side{Orig, Resp, 2} { // whose words are lost; 2 = nobody's
			for stop := range len(s.msgs) + 1 {
				for _, first := range []Side{Orig, Resp} { // who closes first
					for _, early := range []bool{true, false} { // the mute end closes before all else
						f := in.NewFlow(true, s.orig, s.resp)
						next := [2]uint32{testISN + 1, testISN + 1}
						for side := Orig; side <= Resp; side++ {
							in.Segment(f, side, testISN, true, false, nil, 0, 0)
						}
						if early && mute < 2 {
							in.Segment(f, mute, next[mute], false, true, nil, 0, 1)
						}
						for i, m := range s.msgs[:stop] {
							if m.side == mute {
								continue
							}
							in.Segment(f, m.side, next[m.side], false, false, m.b, uint32(len(m.b)), int64(i)*1000)
							next[m.side] += uint32(len(m.b))
						}
						in.Segment(f, first, next[first], false, true, nil, 0, 1e6)
						in.Segment(f, 1-first, next[1-first], false, true, nil, 0, 1e6)
						in.End(f, 2e6)
						got := facts(f.App())
						if mute < 2 && got["app"] == "tls" {
							delete(got, "app") // what went before the ClientHello is not there to be seen
						}
						if c := contradiction(got, s.want); c != "" {
							t.Errorf("%s: without end %d, %d messages, end %d closes first: %s", s.name, mute, stop, first, c)
						}
						in.Free(f)
					}
				}
			}
		}
	}
}

// TestOneSideAlone gives a connection of which only one side was captured: what that says, and the port that it goes to where others say
// the like, are all there is.
func TestOneSideAlone(t *testing.T) {
	settings := "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"
	user := "USER anna\r\nPASS " + secret + "\r\n"
	login := mysqlPacket(1, l32(mysqlProto41|mysqlSecure|mysqlWithDB)+l32(1<<24)+"\x21"+nuls(23)+"anna\x00\x00shop\x00")
	answer := func(number int, registers string) string { return u16(number) + "\x00\x00" + n16("\x11"+registers) }
	for _, test := range []struct {
		name string
		port uint16
		side Side
		said string
		want facted
	}{
		{"client of ftp", 21, Orig, user, facted{"app": "ftp", "ftp_user": "anna"}},
		{"server of ftp", 21, Resp, "220 hello\r\n331 go on\r\n", facted{"app": "ftp", "ftp_server": "hello"}},
		{"client of pop3", 110, Orig, user, facted{"app": "pop3", "pop3_user": "anna"}},
		{"server of pop3", 110, Resp, "+OK\r\n+OK\r\n", facted{"app": "pop3"}},
		{"server of nntp", 119, Resp, "200 hello\r\n", facted{"app": "nntp", "nntp_server": "hello"}},
		{"client of nobody", 7777, Orig, user, facted{}},
		{"server of nobody", 7777, Resp, "220 hello\r\n", facted{}},
		{"client's words from a server's port", 21, Resp, user, facted{}},
		{"client of mysql", 3307, Orig, login, facted{"app": "mysql", "mysql_user": "anna", "mysql_schema": "shop"}},
		{"no client of mysql", 3306, Orig, strings.Replace(login, "anna", "an\x02a", 1), facted{}},
		{"server of mqtt", 1883, Resp, "\x20\x02\x00\x00", facted{"app": "mqtt"}},
		{"server of mqtt elsewhere", 18830, Resp, "\x20\x02\x00\x00\x90\x03\x00\x01\x00\x30\x06\x00\x03a/bx", facted{"app": "mqtt"}},
		{"four bytes", 18830, Resp, "\x20\x02\x00\x00", facted{}},
		{"server of postgresql", 5433, Resp, postgresMessage("R", u32(10)+"SCRAM-SHA-256\x00\x00"), facted{"app": "postgresql"}},
		{"server of postgresql that trusts", 5433, Resp, postgresMessage("R", u32(0)) + postgresMessage("S", "TimeZone\x00UTC\x00") + postgresMessage("S", "server_version\x0016.2\x00"),
			facted{"app": "postgresql"}},
		{"server that says R", 5432, Resp, "READY\r\n", facted{}},
		{"server of http2", 50051, Resp, settings + "\x00\x00\x00\x04\x01\x00\x00\x00\x00", facted{"app": "http2", "http_version": "2"}},
		{"server of http2 with a window", 50051, Resp, settings + "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x0f\x00\x01", facted{"app": "http2", "http_version": "2"}},
		{"server of kafka that names a topic", 9092, Resp, behind32(u32(1) + u32(1) + behind16("topic-2") + u32(1) + u32(0) + "\x00\x00" + nuls(20)), facted{}},
		{"client of kafka that produces", 9093, Orig, behind32("\x00\x00\x00\x02" + u32(7) + behind16("app-1") + "\x00\x01" + u32(1000) + u32(1) + behind16("topic-2") + u32(1) + u32(0) + behind32("records")),
			facted{"app": "kafka", "kafka_api": "Produce", "kafka_client_id": "app-1", "kafka_topic": "topic-2"}},
		{"settings only", 50051, Resp, settings, facted{}},
		{"server of rdp", 3390, Resp, tpktTest("\x0e\xd0\x00\x00\x12\x34\x00\x02\x01\x08\x00\x02\x00\x00\x00"), facted{"app": "rdp", "rdp_selected": "credssp"}},
		{"server of rdp that refuses", 3390, Resp, tpktTest("\x0e\xd0\x00\x00\x12\x34\x00\x03\x00\x08\x00\x05\x00\x00\x00"), facted{"app": "rdp", "rdp_failure": "credssp-required"}},
		{"server of s7comm", 102, Resp, tpktTest("\x0b\xd0\x00\x01\x00\x01\x00\xc0\x01\x0a\xc1\x02"), facted{}},
		{"server of amqp", 5673, Resp, amqpTest(amqpStart, "\x00\x09"+u32(16)+"\x07productS"+u32(3)+"MQ1"+u32(5)+"PLAIN"+u32(5)+"en_US"), facted{"app": "amqp", "amqp_product": "MQ1"}},
		{"server of cassandra", 9043, Resp, "\x84\x00\x00\x00\x06" + u32(22) + "\x00\x01" + n16("CQL_VERSION") + "\x00\x01" + n16("3.4.6"), facted{"app": "cassandra"}},
		{"client of cassandra", 9043, Orig, "\x04\x00\x00\x00\x05" + u32(0) + "\x04\x00\x00\x01\x01" + u32(22) + "\x00\x01" + n16("CQL_VERSION") + n16("3.4.6"),
			facted{"app": "cassandra", "cassandra_protocol": "4", "cassandra_cql_version": "3.4.6"}},
		{"client of cassandra that only asks", 9043, Orig, "\x04\x00\x00\x00\x05" + u32(0), facted{}},
		{"server of git", 9419, Resp, "000eversion 2\n0015agent=git/2.39.5\n0000", facted{"app": "git"}},
		{"server of something like git", 9419, Resp, "000eversion 7\n", facted{}},
		{"server of rpki-rtr", 324, Resp, "\x01\x03\xd3\x9e" + u32(8) + "\x01\x04\x00\x00" + u32(20) + "\x01\x18\x18\x00\xc0\x00\x02\x00" + u32(64496), facted{"app": "rpki-rtr"}},
		{"server of openflow", 6654, Resp, "\x06\x00\x00\x08" + u32(1) + "\x04\x05\x00\x08" + u32(2) + "\x04\x09\x00\x0c" + u32(3) + "\x00\x00\x00\x80", facted{"app": "openflow", "openflow_version": "1.3"}},
		{"server of fastcgi", 9001, Resp, "\x01\x06\x00\x01\x00\x23\x05\x00Status: 404\r\nContent-type: text/a\r\n\r\n" + nuls(5), facted{"app": "fastcgi", "cgi_status": "404"}},
		{"server of modbus", 503, Resp, answer(1, "\x03\x04\x00\x11\x00\x12") + answer(2, "\x03\x04\x00\x11\x00\x13"), facted{"app": "modbus"}},
		{"one answer like modbus", 503, Resp, answer(1, "\x03\x04\x00\x11\x00\x12"), facted{}},
		{"server of mqtt 5", 18830, Resp, "\x20\x09\x00\x00\x06\x22\x00\x0a\x21\x00\x14", facted{"app": "mqtt"}},
		{"server of mqtt to a subscriber", 18830, Resp, "\x20\x02\x00\x00\x90\x03\x00\x01\x00", facted{"app": "mqtt"}},
		{"client of mysql that goes on in TLS", 3307, Orig, mysqlPacket(1, l32(mysqlProto41|mysqlSSL)+l32(1<<24)+"\x21"+nuls(23)) + "\x16\x03\x01", facted{"app": "mysql"}},
		{"client of socks", 1081, Orig, "\x05\x02\x00\x01\x05\x01\x00\x01\xc6\x33\x64\x14\x01\xbb", facted{"app": "socks", "socks_version": "5", "socks_command": "connect", "socks_target": "198.51.100.20:443"}},
		{"client of socks that logs in", 1081, Orig, "\x05\x01\x02\x01\x04anna\x06" + secret[:6] + "\x05\x01\x00\x03\x0cexample.test\x01\xbb",
			facted{"app": "socks", "socks_version": "5", "socks_command": "connect", "socks_target": "example.test:443", "socks_user": "anna"}},
		{"client that only offers methods", 1081, Orig, "\x05\x02\x00\x01", facted{}},
		{"server of socks", 1081, Resp, "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", facted{"app": "socks", "socks_version": "5", "socks_reply": "granted"}},
		{"server that only chooses a method", 1081, Resp, "\x05\x00", facted{}},
		{"client of managesieve", 4190, Orig, "STARTTLS\r\n", facted{"app": "managesieve"}},
		{"client of managesieve that logs in", 4191, Orig, "AUTHENTICATE \"PLAIN\" \"AGFubmEA\"\r\n", facted{"app": "managesieve"}},
		{"client that begins TLS somewhere", 4191, Orig, "STARTTLS\r\n", facted{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for size := range 2 * len(test.said) { // in one segment, and cut everywhere; with an end that is seen, and without
				size, fin := size/2, size%2 == 1
				in := newInspector(Config{})
				f := in.NewFlow(true, 50000, test.port)
				in.Segment(f, test.side, testISN, true, false, nil, 0, 0)
				for at, n := 0, size; at < len(test.said); at, n = at+n, len(test.said) {
					if n == 0 {
						n = len(test.said)
					}
					part := test.said[at:min(at+n, len(test.said))]
					in.Segment(f, test.side, testISN+1+uint32(at), false, false, []byte(part), uint32(len(part)), 1)
				}
				if fin {
					in.Segment(f, test.side, testISN+1+uint32(len(test.said)), false, true, nil, 0, 1)
				}
				in.End(f, 2)
				if got := facts(f.App()); !maps.Equal(got, test.want) {
					t.Fatalf("cut after %d, FIN %v: got %v, want %v", size, fin, got, test.want)
				}
				in.Free(f)
			}
		})
	}
}
