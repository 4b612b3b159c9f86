package dpi

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"rustnet/capture"
	"rustnet/capture/decode"
	"rustnet/capture/file"
)

const captures = "../../testdata"

var recordedOnce struct {
	sync.Once
	list []sample
}

// recorded gives the conversations of the project's captures: what real programs said, each up to the first byte
// that the capture lost or cut. want is what the parsers make of them.
func recorded(t testing.TB) []sample {
	t.Helper()
	recordedOnce.Do(func() {
		names, err := filepath.Glob(captures + "/*.pcap")
		if err != nil || len(names) == 0 {
			t.Fatalf("no captures in %s: %v", captures, err)
		}
		known := map[string]bool{} // many of the synthesised files wrap the same conversations
		for _, name := range names {
			for _, s := range conversations(t, name) {
				s.want = run(t, &s)
				if in := string(s.fuzzInput()); s.want["app"] != "" && !known[in] {
					known[in] = true
					recordedOnce.list = append(recordedOnce.list, s)
				}
			}
		}
	})
	if len(recordedOnce.list) == 0 {
		t.Fatal("no conversations in the captures")
	}
	return recordedOnce.list
}

// conversations reads those of one capture, in the order in which they begin.
func conversations(t testing.TB, name string) []sample {
	type ends struct {
		src, dst         decode.Addr
		srcPort, dstPort uint16
		proto            decode.Proto
	}
	type open struct {
		at   int
		next [2]uint32
		seen [2]bool
		cut  [2]bool // what follows cannot be put in its place
	}
	var list []sample
	known := map[ends]*open{}
	eachPacket(t, name, func(p *decode.Packet) {
		over := uint16(p.Proto)
		switch {
		case p.Proto == decode.TCP, p.Proto == decode.UDP:
			over = 0
		case !Inspects(over):
			return
		}
		e, side := ends{p.Src, p.Dst, p.SrcPort, p.DstPort, p.Proto}, Orig
		o := known[e]
		if o == nil {
			if o = known[ends{p.Dst, p.Src, p.DstPort, p.SrcPort, p.Proto}]; o != nil {
				side = Resp
			}
		}
		if o == nil || p.TCPFlags&(decode.SYN|decode.ACK) == decode.SYN && o.seen[side] && p.Seq+1 != o.next[side] {
			o = &open{at: len(list)}
			list = append(list, sample{name: strings.TrimSuffix(filepath.Base(name), ".pcap") + " " + strconv.Itoa(len(list)+1),
				tcp: p.Proto == decode.TCP, over: over, orig: p.SrcPort, resp: p.DstPort})
			known[e], side = o, Orig
		}
		if p.Proto == decode.TCP && !o.seen[side] {
			o.seen[side], o.next[side] = true, p.Seq
			if p.TCPFlags&decode.SYN != 0 {
				o.next[side]++
			}
		}
		if len(p.Payload) == 0 || o.cut[side] {
			return
		}
		b := p.Payload
		if p.Proto == decode.TCP {
			switch ahead := int32(p.Seq - o.next[side]); {
			case ahead > 0:
				o.cut[side] = true
				return
			case -int(ahead) >= len(b):
				return // sent again
			default:
				b = b[-ahead:]
			}
			o.next[side] += uint32(len(b))
		}
		o.cut[side] = p.PayloadLen > uint32(len(p.Payload))
		s := &list[o.at]
		s.msgs = append(s.msgs, message{side, append([]byte(nil), b...)})
	})
	return list
}

// eachPacket decodes a capture.
func eachPacket(t testing.TB, name string, do func(*decode.Packet)) {
	src, err := file.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	frames, packets := make(chan *capture.Frames), make(chan *decode.Packets)
	go func() { _ = src.Run(context.Background(), frames) }() // some end early on purpose
	go func() { _ = decode.New(decode.Config{}).Run(context.Background(), frames, packets) }()
	for b := range packets {
		for i := range b.Packets {
			do(&b.Packets[i])
		}
		b.Release()
	}
}

// TestCaptures cuts what real programs said into other pieces and cuts it short: the same comes out, or less of it.
func TestCaptures(t *testing.T) {
	in := newInspector(Config{})
	cuts := 40
	if testing.Short() {
		cuts = 5
	}
	for _, s := range recorded(t) {
		t.Run(s.name, func(t *testing.T) {
			if s.tcp {
				for _, n := range []int{1, 3, 17, 256, 1448} {
					if got, _ := play(in, &s, cut(s.msgs, n)); !maps.Equal(got, s.want) {
						t.Errorf("in pieces of %d: got %v\nwant %v", n, got, s.want)
					}
				}
			}
			want := s.want
			if s.tcp { // at its end also what the capture cut is looked at
				f := s.flow(in)
				runSegments(in, f, s.msgs)
				in.End(f, 1e9)
				want = facts(f.App())
				in.Free(f)
			}
			for i, m := range s.msgs {
				for k := 0; k < len(m.b); k += 1 + len(m.b)/cuts {
					f := s.flow(in)
					if s.tcp {
						runSegments(in, f, append(s.msgs[:i:i], message{m.side, m.b[:k]}))
						in.End(f, 1e9)
					} else {
						for j, p := range s.msgs[:i+1] { // the last one as the capture would cut it
							b := p.b
							if j == i {
								b = b[:k]
							}
							in.Datagram(f, p.side, b, uint32(len(p.b)), int64(j+1)*1e6)
						}
					}
					if c := contradiction(facts(f.App()), want); c != "" {
						t.Errorf("message %d, %d of %d bytes: %s", i, k, len(m.b), c)
					}
					in.Free(f)
				}
			}
		})
	}
}

// TestSnapLength cuts every packet of what real programs said as a short snap length does: the same comes out, or less of it.
func TestSnapLength(t *testing.T) {
	in := newInspector(Config{})
	enough := map[string]int{"dhcp": 22, "dns": 42, "http": 10, "isakmp": 22, "iscsi": 62, "kafka": 42, "mongodb": 62, "mysql": 30, "scgi": 30, "ssh": 10, "tls": 10, "uwsgi": 62, "xmpp": 62} // bytes that tell, of each packet
	for _, s := range recorded(t) {
		answered := slices.ContainsFunc(s.msgs, func(m message) bool { return bytes.HasPrefix(m.b, []byte("HTTP/1.")) })
		t.Run(s.name, func(t *testing.T) {
			for _, kept := range []int{2, 10, 22, 26, 30, 42, 54, 62, 86, 94, 118, 134, 158, 190, 214} { // behind the headers, of 64 to 256 bytes
				f := s.flow(in)
				seq := [2]uint32{1000, 2000}
				for side := Orig; s.tcp && side <= Resp; side++ {
					in.Segment(f, side, seq[side]-1, true, false, nil, 0, 0)
				}
				for i, m := range s.msgs {
					b, ts := m.b[:min(kept, len(m.b))], int64(i+1)*1e6
					if s.tcp {
						in.Segment(f, m.side, seq[m.side], false, false, b, uint32(len(m.b)), ts)
						seq[m.side] += uint32(len(m.b))
					} else {
						in.Datagram(f, m.side, b, uint32(len(m.b)), ts)
					}
				}
				in.End(f, 1e9)
				got := facts(f.App())
				delete(got, "dns_answers")                     // of one answer or another
				if !(kept <= 30 && s.want["app"] == "uwsgi") { // ends within its first variable
					if c := contradiction(got, s.want); c != "" {
						t.Errorf("%d bytes of each packet: %s", kept, c)
					}
				}
				if n := enough[s.want["app"]]; n > 0 && kept >= n && got["app"] == "" && (s.want["app"] != "http" || answered) {
					t.Errorf("%d bytes of each packet: not known for %s", kept, s.want["app"])
				}
				in.Free(f)
			}
		})
	}
}

// TestAnswerFirst: where the first packet that was seen is an answer, what it tells is still the server's.
func TestAnswerFirst(t *testing.T) {
	in := newInspector(Config{})
	for _, s := range []sample{
		streamOf("bgp", 179, 40000, facted{"app": "bgp", "bgp_server_as": "64501", "bgp_server_id": "10.0.0.2", "bgp_client_as": "64500", "bgp_client_id": "10.0.0.1"},
			"o"+bgpTest(1, "\x04"+u16(64501)+u16(180)+"\x0a\x00\x00\x02\x00"), "r"+bgpTest(1, "\x04"+u16(64500)+u16(180)+"\x0a\x00\x00\x01\x00")),
		streamOf("clickhouse", 9000, 40000, facted{"app": "clickhouse"}, "o\x00\x0aClickHouse\x17\x08\xd4\xa9\x03\x07Etc/UTC\x02vm\x01"),
		streamOf("zookeeper", 2181, 40000, facted{}, "o"+u32(20)+u32(4)+u32(0)+u32(7)+u32(0)+u32(0)+u32(0)), // no SMPP, though its numbers agree
		streamOf("smpp", 40000, 7777, facted{"app": "smpp", "smpp_command": "4"}, "o"+u32(16+1+2+5+2+4)+u32(4)+u32(0)+u32(1)+"\x00\x01\x011234\x00\x01\x01567\x00"),
	} {
		t.Run(s.name, func(t *testing.T) {
			f := s.flow(in)
			runSegments(in, f, s.msgs)
			in.End(f, 1e9)
			if got := facts(f.App()); !maps.Equal(got, s.want) {
				t.Errorf("got %v, want %v", got, s.want)
			}
			in.Free(f)
		})
	}
}

// TestMutilated gives what real programs said as a bad tap would: one direction alone, from the middle on, with holes, cut short. What is named then is
// what it was, what that carried where its beginning is not there to be seen, or a header before it whose name the capture has.
func TestMutilated(t *testing.T) {
	carried := map[string]string{"ftp-data": "http", "http": "http2 tls", "icap": "http", "isakmp": "esp", "socks": "http tls", "tls": "http", "uwsgi": "http"}
	for _, app := range []string{"ftp", "imap", "ldap", "managesieve", "mysql", "nntp", "pop3", "postgresql", "rdp", "smtp", "xmpp"} {
		carried[app] = "tls"
	}
	const everything = 1 << 16
	in := newInspector(Config{})
	for _, s := range recorded(t) {
		msgs := cut(s.msgs, everything)
		try := func(what string, start bool, most int, lost func(i, of int, side Side) bool) {
			f := s.flow(in)
			defer in.Free(f)
			for side := Orig; s.tcp && start && side <= Resp; side++ {
				in.Segment(f, side, testISN, true, false, nil, 0, 0)
			}
			var of [2]int
			for i, m := range msgs {
				of[m.side]++
				if lost(i, of[m.side]-1, m.side) {
					continue
				}
				b := m.b[:min(most, len(m.b))]
				if s.tcp {
					in.Segment(f, m.side, m.seq, false, false, b, uint32(len(m.b)), int64(i)*1e6)
				} else {
					in.Datagram(f, m.side, b, uint32(len(m.b)), int64(i)*1e6)
				}
			}
			in.End(f, 1e12)
			if got := facts(f.App())["app"]; got != "" && got != s.want["app"] && !strings.HasPrefix(s.name, got+" ") && !slices.Contains(strings.Fields(carried[s.want["app"]]), got) {
				t.Errorf("%s, %s: got %q, want %q or nothing", s.name, what, got, s.want["app"])
			}
		}
		for mute := range Side(3) { // 2 = nobody
			for _, start := range []bool{true, false} {
				for skip := range min(12, len(msgs)) {
					try(fmt.Sprintf("without side %d, start %v, %d lost", mute, start, skip), start, everything, func(i, _ int, side Side) bool { return side == mute || i < skip })
				}
				for _, most := range []int{1, 4, 10, 26, 42, 58, 74, 106} {
					try(fmt.Sprintf("without side %d, start %v, %d bytes", mute, start, most), start, most, func(_, _ int, side Side) bool { return side == mute })
				}
			}
			for every := 2; every < 6; every++ {
				for which := range every {
					try(fmt.Sprintf("without side %d and the %d. of %d", mute, which, every), true, everything, func(_, of int, side Side) bool { return side == mute || of%every == which })
				}
			}
		}
	}
}

// TestUpgradeOutOfSight: what turns into TLS has its name too where only the client was captured, and where the answer that lets it
// comes behind the client's hello.
func TestUpgradeOutOfSight(t *testing.T) {
	tried := map[string]bool{}
	for _, s := range recorded(t) {
		if s.want["sni"] == "" || !s.tcp {
			continue
		}
		hello := slices.IndexFunc(s.msgs, func(m message) bool { return len(m.b) > 6 && m.b[0] == tlsHandshake && m.b[5] == 1 })
		if hello < 1 || s.msgs[hello-1].side == s.msgs[hello].side || s.want["app"] == "socks" {
			continue
		}
		tried[s.want["app"]] = true
		nobodys := slices.Contains([]string{"managesieve", "nntp", "pop3"}, s.want["app"]) // so is a client that says one word before
		t.Run(s.name, func(t *testing.T) {
			alone, late := s, s
			alone.msgs = slices.DeleteFunc(slices.Clone(s.msgs), func(m message) bool { return m.side != s.msgs[hello].side })
			if got := run(t, &alone); !nobodys && s.want["ja4"] != "" && got["sni"] != s.want["sni"] {
				t.Errorf("client alone: got %v, want %v", got, s.want)
			}
			late.msgs = slices.Clone(s.msgs)
			late.msgs[hello-1], late.msgs[hello] = late.msgs[hello], late.msgs[hello-1]
			got, want := run(t, &late), maps.Clone(s.want)
			for _, of := range []string{"rdp_selected", "http_status", "http_version", "ldap_result"} { // the answer's own words may go by
				delete(got, of)
				delete(want, of)
			}
			if !maps.Equal(got, want) {
				t.Errorf("answer behind the hello: got %v, want %v", got, want)
			}
		})
	}
	for _, app := range []string{"smtp", "imap", "pop3", "ftp", "xmpp", "ldap", "postgresql", "http", "rdp"} {
		if !tried[app] {
			t.Errorf("no capture of %s that turns into TLS", app)
		}
	}
}
