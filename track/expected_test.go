package track

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"rustnet/capture/decode"
	"rustnet/track/event"
)

// talk makes packets of conversations between addresses and ports.
type talk struct {
	ps  []decode.Packet
	at  time.Duration
	seq map[[2]netip.AddrPort]uint32
}

func (k *talk) packet(proto decode.Proto, from, to string, flags uint8, payload string) {
	src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	k.at += 5 * time.Millisecond
	p := decode.Packet{TS: epoch + int64(k.at), Frame: uint64(len(k.ps) + 1), Frames: 1, IPVersion: 4, Iface: eth0, Window: 100,
		Proto: proto, SrcPort: src.Port(), DstPort: dst.Port(), TCPFlags: flags, Payload: []byte(payload), PayloadLen: uint32(len(payload)),
		IPLen: 40 + uint32(len(payload))}
	addr := func(a netip.Addr) decode.Addr {
		if a.Is4() {
			b := a.As4()
			return decode.AddrFrom4(be32(b[:]))
		}
		p.IPVersion = 6
		b := a.As16()
		return decode.Addr{Hi: uint64(be32(b[:]))<<32 | uint64(be32(b[4:])), Lo: uint64(be32(b[8:]))<<32 | uint64(be32(b[12:]))}
	}
	p.Src, p.Dst, p.Clock = addr(src.Addr()), addr(dst.Addr()), p.TS
	a, b := mix(p.Src.Lo^p.Src.Hi, uint64(p.SrcPort)), mix(p.Dst.Lo^p.Dst.Hi, uint64(p.DstPort))
	p.Lane = uint8(mix(a+b, uint64(p.Proto)) >> 60)
	if proto == decode.TCP {
		if k.seq == nil {
			k.seq = map[[2]netip.AddrPort]uint32{}
		}
		way := [2]netip.AddrPort{src, dst}
		if flags&decode.SYN != 0 {
			k.seq[way] = 100
		}
		p.Seq = k.seq[way]
		k.seq[way] += uint32(len(payload))
		if flags&(decode.SYN|decode.FIN) != 0 {
			k.seq[way]++
		}
		p.Ack = k.seq[[2]netip.AddrPort{dst, src}]
	}
	k.ps = append(k.ps, p)
}

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// open opens a connection of TCP; say sends a text from its first end when it begins with "> ", else from the other.
func (k *talk) open(from, to string) {
	k.packet(decode.TCP, from, to, decode.SYN, "")
	k.packet(decode.TCP, to, from, decode.SYN|decode.ACK, "")
	k.packet(decode.TCP, from, to, decode.ACK, "")
}

func (k *talk) say(from, to string, texts ...string) {
	for _, text := range texts {
		if said, ok := strings.CutPrefix(text, "> "); ok {
			k.packet(decode.TCP, from, to, decode.ACK|decode.PSH, said+"\r\n")
		} else {
			k.packet(decode.TCP, to, from, decode.ACK|decode.PSH, text[2:]+"\r\n")
		}
	}
}

func (k *talk) close(from, to string) {
	k.packet(decode.TCP, from, to, decode.FIN|decode.ACK, "")
	k.packet(decode.TCP, to, from, decode.FIN|decode.ACK, "")
	k.packet(decode.TCP, from, to, decode.ACK, "")
}

// ends gives the closed of each connection by its ends, and its facts as text.
func ends(es []event.Event) map[string]string {
	control := map[uint64]string{}
	for i := range es {
		control[es[i].ID] = es[i].Remote.String()
	}
	m := map[string]string{}
	for i := range es {
		e := &es[i]
		if e.Kind != event.Closed {
			continue
		}
		s := ""
		if e.App != nil {
			s = e.App.Name
			for j := 0; ; j++ {
				fact := e.App.Fact(j)
				if fact == "" {
					break
				}
				s += " " + fact
			}
		}
		if e.Related != 0 {
			s += " by " + control[e.Related]
		}
		m[e.Local.String()+" "+e.Remote.String()] = s
	}
	return m
}

const (
	ftpClient = "10.0.0.1:40000"
	ftpServer = "192.0.2.1:21"
)

// login is an FTP session up to where files are asked for.
func login(k *talk) {
	k.open(ftpClient, ftpServer)
	k.say(ftpClient, ftpServer, "< 220 FTP ready", "> USER anna", "< 331 password please", "> PASS secret", "< 230 in")
}

func TestExpected(t *testing.T) {
	sdp := func(addr string, ports ...int) string {
		s := "v=0\r\nc=IN IP4 " + addr + "\r\n"
		for _, port := range ports {
			s += fmt.Sprintf("m=audio %d RTP/AVP 0\r\n", port)
		}
		return s
	}
	sip := func(first, body string) string {
		return fmt.Sprintf("%s\r\nFrom: <sip:a@b>\r\nTo: <sip:c@d>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", first, len(body), body)
	}
	for _, tc := range []struct {
		name string
		talk func(k *talk)
		want map[string]string // of what is not the control connection
	}{
		{"passive, and a file that looks like another protocol", func(k *talk) {
			login(k)
			k.say(ftpClient, ftpServer, "> PASV", "< 227 Entering Passive Mode (192,0,2,1,200,1).")
			k.open("10.0.0.1:40001", "192.0.2.1:51201")
			k.say(ftpClient, ftpServer, "> RETR log.txt", "< 150 here it is")
			k.say("10.0.0.1:40001", "192.0.2.1:51201", "< HTTP/1.1 200 OK\r\nServer: x\r\n\r\n")
			k.close("192.0.2.1:51201", "10.0.0.1:40001")
		}, map[string]string{"10.0.0.1:40001 192.0.2.1:51201": "ftp-data RETR log.txt anna by 192.0.2.1:21"}},
		{"a list, then a file, each by its own connection", func(k *talk) {
			login(k)
			for i, command := range []string{"LIST", "STOR b"} {
				data := fmt.Sprintf("10.0.0.1:%d", 40001+i)
				server := fmt.Sprintf("192.0.2.1:%d", 51201+i)
				k.say(ftpClient, ftpServer, "> EPSV", fmt.Sprintf("< 229 Extended (|||%d|)", 51201+i))
				k.open(data, server)
				k.say(ftpClient, ftpServer, "> "+command, "< 150 here")
				k.say(data, server, "> x")
				k.close(data, server)
				k.say(ftpClient, ftpServer, "< 226 done")
			}
		}, map[string]string{"10.0.0.1:40001 192.0.2.1:51201": "ftp-data LIST anna by 192.0.2.1:21",
			"10.0.0.1:40002 192.0.2.1:51202": "ftp-data STOR b anna by 192.0.2.1:21"}},
		{"passive, the start of the session not seen", func(k *talk) {
			k.say(ftpClient, ftpServer, "< 220 FTP ready", "> USER anna", "< 331 password please", "> PASS secret", "< 230 in", "> EPSV", "< 229 Extended (|||51201|)")
			k.open("10.0.0.1:40001", "192.0.2.1:51201")
			k.say("10.0.0.1:40001", "192.0.2.1:51201", "> x")
		}, map[string]string{"10.0.0.1:40001 192.0.2.1:51201": "ftp-data anna by 192.0.2.1:21"}},
		{"active", func(k *talk) {
			login(k)
			k.say(ftpClient, ftpServer, "> PORT 10,0,0,1,156,65", "< 200 ok", "> RETR f", "< 150 here")
			k.open("192.0.2.1:20", "10.0.0.1:40001")
			k.say("192.0.2.1:20", "10.0.0.1:40001", "> x")
		}, map[string]string{"192.0.2.1:20 10.0.0.1:40001": "ftp-data RETR f anna by 192.0.2.1:21"}},
		{"active over IPv6", func(k *talk) {
			a, b := "[2001:db8::1]:40000", "[2001:db8::2]:21"
			k.open(a, b)
			k.say(a, b, "< 220 FTP ready", "> USER anna", "< 230 in", "> EPRT |2|2001:db8::1|40001|", "< 200 ok", "> NLST", "< 150 here")
			k.open("[2001:db8::2]:20", "[2001:db8::1]:40001")
			k.say("[2001:db8::2]:20", "[2001:db8::1]:40001", "> x")
		}, map[string]string{"[2001:db8::2]:20 [2001:db8::1]:40001": "ftp-data NLST anna by [2001:db8::2]:21"}},
		{"the server tells an address that it has behind NAT", func(k *talk) {
			login(k)
			k.say(ftpClient, ftpServer, "> PASV", "< 227 Passive 192,168,1,5,200,1")
			k.open("10.0.0.1:40001", "192.0.2.1:51201")
			k.say("10.0.0.1:40001", "192.0.2.1:51201", "> x")
		}, map[string]string{"10.0.0.1:40001 192.0.2.1:51201": "ftp-data anna by 192.0.2.1:21"}},
		{"from server to server", func(k *talk) {
			login(k)
			k.say(ftpClient, ftpServer, "> PORT 203,0,113,9,200,1", "< 200 ok", "> RETR f", "< 150 here")
			k.open("192.0.2.1:20", "203.0.113.9:51201")
			k.say("192.0.2.1:20", "203.0.113.9:51201", "> x")
		}, map[string]string{"192.0.2.1:20 203.0.113.9:51201": "ftp-data RETR f anna by 192.0.2.1:21"}},
		{"a second connection, a stranger's and one that comes too late are not expected", func(k *talk) {
			login(k)
			k.say(ftpClient, ftpServer, "> EPSV", "< 229 Extended (|||51201|)")
			k.open("10.0.0.9:40001", "192.0.2.1:51201")
			k.open("10.0.0.1:40001", "192.0.2.1:51201")
			k.open("10.0.0.1:40002", "192.0.2.1:51201")
			k.say(ftpClient, ftpServer, "> EPSV", "< 229 Extended (|||51202|)")
			k.at += 4 * time.Minute
			k.open("10.0.0.1:40003", "192.0.2.1:51202")
		}, map[string]string{"10.0.0.9:40001 192.0.2.1:51201": "", "10.0.0.1:40001 192.0.2.1:51201": "ftp-data anna by 192.0.2.1:21",
			"10.0.0.1:40002 192.0.2.1:51201": "", "10.0.0.1:40003 192.0.2.1:51202": ""}},
		{"numbers that are no address", func(k *talk) {
			login(k)
			k.say(ftpClient, ftpServer, "> PASV", "< 227 Entering (300,0,2,1,200,1)", "< 229 Extended (|||99999|)", "< 227 Entering (0,0,0,0,0,0)", "> EPRT |1|x|51201|",
				"> PORT 1,2,3")
			k.open("10.0.0.1:40001", "192.0.2.1:51201")
		}, map[string]string{"10.0.0.1:40001 192.0.2.1:51201": ""}},
		{"a small file by TFTP", func(k *talk) {
			k.packet(decode.UDP, "10.0.0.1:40000", "192.0.2.1:69", 0, "\x00\x01boot.cfg\x00octet\x00")
			k.packet(decode.UDP, "192.0.2.1:50000", "10.0.0.1:40000", 0, "\x00\x03\x00\x01hello")
			k.packet(decode.UDP, "10.0.0.1:40000", "192.0.2.1:50000", 0, "\x00\x04\x00\x01")
		}, map[string]string{"10.0.0.1:40000 192.0.2.1:69": "tftp read boot.cfg", "192.0.2.1:50000 10.0.0.1:40000": "tftp read boot.cfg by 192.0.2.1:69"}},
		{"a call and its media, which come from behind a relay", func(k *talk) {
			k.packet(decode.UDP, "10.0.0.1:5060", "192.0.2.1:5060", 0, sip("INVITE sip:c@d SIP/2.0", sdp("10.0.0.2", 7000)))
			k.packet(decode.UDP, "192.0.2.1:5060", "10.0.0.1:5060", 0, sip("SIP/2.0 200 OK", sdp("192.0.2.7", 9000, 0)))
			k.packet(decode.UDP, "10.0.0.2:7000", "192.0.2.7:9000", 0, "anything, for it is encrypted")
			k.packet(decode.UDP, "192.0.2.9:9001", "10.0.0.2:7001", 0, "anything")
			// The next call over the same connection.
			k.packet(decode.UDP, "10.0.0.1:5060", "192.0.2.1:5060", 0, sip("INVITE sip:e@f SIP/2.0", sdp("10.0.0.2", 7010)))
			k.packet(decode.UDP, "192.0.2.8:9100", "10.0.0.2:7010", 0, "anything")
			k.packet(decode.UDP, "192.0.2.8:9100", "10.0.0.2:7012", 0, "anything")
		}, map[string]string{"10.0.0.2:7000 192.0.2.7:9000": "rtp by 192.0.2.1:5060", "192.0.2.9:9001 10.0.0.2:7001": "rtcp by 192.0.2.1:5060",
			"192.0.2.8:9100 10.0.0.2:7010": "rtp by 192.0.2.1:5060", "192.0.2.8:9100 10.0.0.2:7012": "", "10.0.0.1:5060 192.0.2.1:5060": "sip INVITE a@b c@d"}},
		{"a camera", func(k *talk) {
			a, b := "10.0.0.1:40000", "192.0.2.1:554"
			k.open(a, b)
			k.say(a, b, "> OPTIONS rtsp://c/ RTSP/1.0\r\nCSeq: 1\r\n", "< RTSP/1.0 200 OK\r\nCSeq: 1\r\n", "> SETUP rtsp://c/1 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP;unicast;client_port=7000-7001\r\n",
				"< RTSP/1.0 200 OK\r\nCSeq: 2\r\nTransport: RTP/AVP;unicast;client_port=7000-7001;server_port=9000-9001\r\n", "> PLAY rtsp://c/ RTSP/1.0\r\n", "< RTSP/1.0 200 OK\r\n")
			k.packet(decode.UDP, "192.0.2.1:9000", "10.0.0.1:7000", 0, "anything")
			k.packet(decode.UDP, "192.0.2.1:9001", "10.0.0.1:7001", 0, "anything")
		}, map[string]string{"192.0.2.1:9000 10.0.0.1:7000": "rtp by 192.0.2.1:554", "192.0.2.1:9001 10.0.0.1:7001": "rtcp by 192.0.2.1:554"}},
		{"content that is known is not renamed by a call", func(k *talk) {
			k.packet(decode.UDP, "10.0.0.1:5060", "192.0.2.1:5060", 0, sip("INVITE sip:c@d SIP/2.0", sdp("10.0.0.2", 7000)))
			k.packet(decode.UDP, "192.0.2.7:9000", "10.0.0.2:7000", 0, "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl")
			k.packet(decode.UDP, "10.0.0.2:7000", "192.0.2.7:9000", 0, "\x01\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl")
		}, map[string]string{"192.0.2.7:9000 10.0.0.2:7000": "stun binding by 192.0.2.1:5060"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var k talk
			tc.talk(&k)
			var first []event.Event
			for _, workers := range []int{1, 3, 16} {
				cfg := testConfig()
				cfg.Workers = workers
				es, _ := run(t, cfg, slices.Clone(k.ps), 2)
				checkContract(t, es)
				got := ends(es)
				for conn, want := range tc.want {
					if g, ok := got[conn]; g != want || !ok {
						t.Errorf("%d workers: %s is %q, want %q", workers, conn, g, want)
					}
				}
				if first == nil {
					first = es
				}
				if !slices.EqualFunc(es, first, sameEvent) {
					t.Errorf("%d workers give other events than one", workers)
				}
			}
		})
	}
}

// TestExpectedTLS keeps what is known of the TLS that data go through.
func TestExpectedTLS(t *testing.T) {
	sni := event.AppString("test_expected_sni", "")
	file := event.AppString("test_expected_file", "")
	parsed := &event.App{Name: "tls", Host: "data.example", HostSource: event.HostBySNI}
	parsed.SetStr(sni, "data.example")
	arranged := &event.App{Name: "ftp-data"}
	arranged.SetStr(file, "f")
	r := &related{expected: &expected{content: true}}
	a := r.join(parsed, arranged)
	if a.Name != "ftp-data" || a.Str(sni) != "data.example" || a.Str(file) != "f" || a.Host != "data.example" {
		t.Errorf("got %+v, want the facts of both", a)
	}
	if parsed.Name != "tls" || parsed.Has(file) || arranged.Has(sni) {
		t.Error("what events point at was changed")
	}
}

// TestExpectedIsBounded arranges connections that never come, and far more of them than are waited for.
func TestExpectedIsBounded(t *testing.T) {
	var x expectations
	b := event.NewBatch(nil)
	const n = 5 * expectedMax
	for i := range n {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 9)
		b.Said = append(b.Said[:0], event.Said{TS: int64(i), ID: 1, Expected: &event.Expected{At: at, Proto: 6, App: &event.App{}}})
		x.batch(b)
		if len(x.ends) > expectedMax || len(x.queue) > 4*expectedMax {
			t.Fatalf("%d connections are waited for, %d queued, want at most %d", len(x.ends), len(x.queue), expectedMax)
		}
	}
	if x.forgotten != n-expectedMax {
		t.Errorf("forgotten is %d, want %d", x.forgotten, n-expectedMax)
	}
	at := netip.MustParseAddrPort("10.0.0.0:9")
	for i := range n { // one end, told again and again
		b.Said = append(b.Said[:0], event.Said{TS: int64(n + i), ID: 1, Expected: &event.Expected{At: at, Proto: 6, App: &event.App{}}})
		x.batch(b)
		if len(x.ends) > expectedMax || len(x.queue) > 4*expectedMax {
			t.Fatalf("%d connections are waited for, %d queued, want at most %d", len(x.ends), len(x.queue), expectedMax)
		}
	}
	// What was told long ago is not waited for any more.
	b.Said = append(b.Said[:0], event.Said{TS: n * 2 * expectedNS, ID: 2, Expected: &event.Expected{At: at, Proto: 6, App: &event.App{}}})
	x.batch(b)
	if len(x.ends) != 1 {
		t.Errorf("%d connections are waited for, want 1", len(x.ends))
	}
	// What came and is closed is not looked for any more either.
	b.Said, b.Events = b.Said[:0], []event.Event{
		{Kind: event.New, ID: 3, Proto: 6, Remote: at, Start: n * 2 * expectedNS}, {Kind: event.New, ID: 4, Proto: 6, Local: at, Start: n * 2 * expectedNS}}
	x.batch(b)
	if b.Events[0].Related != 2 || b.Events[1].Related != 2 || x.ids.sum() != 2 {
		t.Errorf("related to %d and %d, %d are counted; want 2 each", b.Events[0].Related, b.Events[1].Related, x.ids.sum())
	}
	for i := range b.Events {
		b.Events[i].Kind = event.Closed
	}
	x.batch(b)
	if x.ids.sum() != len(x.related) || x.ports.sum() != len(x.ends) || len(x.related) != 0 {
		t.Errorf("%d related, %d counted; %d waited for, %d counted; want none related, and what is there counted",
			len(x.related), x.ids.sum(), len(x.ends), x.ports.sum())
	}
}

// TestExpectedAgain: an end that is arranged again is waited for from then on.
func TestExpectedAgain(t *testing.T) {
	var x expectations
	at, other := netip.MustParseAddrPort("192.0.2.1:9"), netip.MustParseAddrPort("192.0.2.2:9")
	for _, said := range []struct {
		ts int64
		by uint64
		at netip.AddrPort
	}{{0, 1, at}, {expectedNS / 2, 2, at}, {expectedNS + 1, 3, other}} {
		x.expect(&event.Said{TS: said.ts, ID: said.by, Expected: &event.Expected{At: said.at, Proto: 6, App: &event.App{}}})
	}
	b := event.NewBatch(nil)
	b.Events = append(b.Events, event.Event{Kind: event.New, ID: 4, Proto: 6, Remote: at, Start: expectedNS + 2})
	x.batch(b)
	if by := b.Events[0].Related; by != 2 {
		t.Errorf("related to %d, want to 2, which arranged it last", by)
	}
}

func (t *tally) sum() (n int) {
	for _, k := range t {
		n += int(k)
	}
	return n
}

// TestExpectedDoesNotAllocate: events of connections that nobody arranged, while others are waited for, and of one that
// somebody did.
func TestExpectedDoesNotAllocate(t *testing.T) {
	var x expectations
	at := netip.MustParseAddrPort("192.0.2.1:9")
	b := event.NewBatch(nil)
	b.Said = append(b.Said, event.Said{ID: 1, Expected: &event.Expected{At: at, Proto: 6, App: &event.App{Name: "ftp-data"}}})
	b.Events = append(b.Events, event.Event{Kind: event.New, ID: 2, Proto: 6, Remote: at})
	x.batch(b)
	if len(b.Events) != 1 || b.Events[0].Related != 1 {
		t.Fatalf("got %+v, want the connection joined", b.Events)
	}
	b.Said = nil
	other := netip.MustParseAddrPort("192.0.2.2:9")
	if n := testing.AllocsPerRun(1000, func() {
		b.Events = append(b.Events[:0], event.Event{Kind: event.New, ID: 3, Proto: 6, Local: other, Remote: other}, event.Event{Kind: event.Updated, ID: 2, Proto: 6, Remote: at},
			event.Event{Kind: event.Closed, ID: 3, Proto: 6})
		x.batch(b)
	}); n != 0 {
		t.Errorf("a batch allocates %v times, want 0", n)
	}
}

// TestExpectedShare: a connection that announces without end pushes out its own, not what others arranged.
func TestExpectedShare(t *testing.T) {
	var x expectations
	say := func(by uint64, port int) {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(by), byte(port >> 16), 1}), uint16(port))
		x.expect(&event.Said{TS: int64(by), ID: by, Expected: &event.Expected{At: at, Proto: uint16(decode.TCP)}})
	}
	say(1, 1000)
	for n := range 3 * expectedMax {
		say(2, n)
	}
	find := func(by uint64) bool {
		for end := range x.ends {
			if x.ends[end].by == by {
				return true
			}
		}
		return false
	}
	if !find(1) {
		t.Error("what another connection arranged was forgotten")
	}
	if say(3, 1000); !find(3) {
		t.Error("there is no room for what comes later")
	}
	if len(x.ends) > expectedMax || x.by[2] > expectedMax || x.forgotten < 2*expectedMax {
		t.Errorf("%d are waited for, %d of them the one's, %d forgotten", len(x.ends), x.by[2], x.forgotten)
	}
	x.expire(1 << 62)
	if len(x.ends) != 0 || len(x.by) != 0 {
		t.Errorf("%d ends and %d connections are kept after their time", len(x.ends), len(x.by))
	}
}
