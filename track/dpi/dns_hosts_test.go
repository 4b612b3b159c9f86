package dpi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// dnsNamed makes a record of a name; pointers and labels as on the wire.
func dnsNamed(name string, kind uint16, ttl uint32, data string) string {
	b := binary.BigEndian.AppendUint16([]byte(name), kind)
	b = binary.BigEndian.AppendUint32(append(b, 0, 1), ttl)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(data)))) + data
}

// told is what responses said of addresses: "name address ttl" of each, "!" before what nobody asked for.
func told(tcp bool, orig, resp uint16, msgs ...message) (got []string) {
	in := newInspector(Config{Names: true})
	f := in.NewFlow(tcp, orig, resp)
	seq := [2]uint32{1, 1}
	for i, m := range msgs {
		if tcp {
			in.Segment(f, m.side, seq[m.side], false, false, m.b, uint32(len(m.b)), int64(i))
			seq[m.side] += uint32(len(m.b))
		} else {
			in.Datagram(f, m.side, m.b, uint32(len(m.b)), int64(i))
		}
		if a := in.TakeAnswer(); a != nil {
			for _, h := range a.Hosts {
				mark := ""
				if !a.Asked {
					mark = "!"
				}
				got = append(got, fmt.Sprintf("%s%s %s %d", mark, h.Name, h.Addr, h.TTL))
			}
		}
	}
	return got
}

func TestDNSHosts(t *testing.T) {
	const (
		addr  = "\xc0\x00\x02\x01" // 192.0.2.1
		addr2 = "\xc0\x00\x02\x02"
		asked = "\xc0\x0c"
		other = "\x05other\x07example\x00"
		third = "\x05third\x07example\x00"
	)
	query := dnsTest(9, 0x0100, "www.example", 1)
	reply := func(answers ...string) []byte { return dnsTest(9, 0x8180, "www.example", 1, answers...) }
	ask := func(response []byte) []message { return []message{{Orig, query}, {Resp, response}} }
	additional := reply(dnsNamed(asked, 1, 60, addr), dnsNamed("\x02ns"+other, 1, 60, addr2))
	additional[7], additional[11] = 1, 1
	upper := bytes.ToUpper(query[12:23])
	mixed := append(append(bytes.Clone(query[:12]), upper...), query[23:]...)
	for _, c := range []struct {
		name       string
		orig, resp uint16
		msgs       []message
		want       string
	}{
		{"addresses", 4000, 53, ask(reply(dnsNamed(asked, 1, 60, addr), dnsNamed(asked, 1, 90, addr2))), "www.example 192.0.2.1 60, www.example 192.0.2.2 90"},
		{"alias", 4000, 53, ask(reply(dnsNamed(asked, 5, 30, other), dnsNamed(other, 1, 60, addr))), "www.example 192.0.2.1 30"},
		{"aliases, last first", 4000, 53, ask(reply(dnsNamed(third, 1, 60, addr), dnsNamed(other, 5, 20, third), dnsNamed(asked, 5, 30, other))), "www.example 192.0.2.1 20"},
		{"alias that leads round", 4000, 53, ask(reply(dnsNamed(asked, 5, 30, other), dnsNamed(other, 5, 30, asked), dnsNamed(third, 1, 60, addr))), ""},
		{"alias of something else", 4000, 53, ask(reply(dnsNamed(other, 5, 30, third), dnsNamed(third, 1, 60, addr))), ""},
		{"address of something else", 4000, 53, ask(reply(dnsNamed(other, 1, 60, addr))), ""},
		{"longer name", 4000, 53, ask(reply(dnsNamed("\x01x\xc0\x0c", 1, 60, addr), dnsNamed("\xc0\x10", 1, 60, addr))), ""},
		{"address beside the answer", 4000, 53, ask(additional), "www.example 192.0.2.1 60"},
		{"letters' case", 4000, 53, []message{{Orig, mixed}, {Resp, reply(dnsNamed("\x03wWw\x07eXaMPLe\x00", 1, 60, addr))}}, "www.example 192.0.2.1 60"},
		{"class", 4000, 53, ask(reply(strings.Replace(dnsNamed(asked, 1, 60, addr), "\x00\x01\x00\x01", "\x00\x01\x00\x03", 1))), ""},
		{"hints", 4000, 53, []message{{Orig, dnsTest(9, 0x0100, "www.example", 65)},
			{Resp, dnsTest(9, 0x8180, "www.example", 65, dnsNamed(asked, 65, 60, "\x00\x01\x00\x00\x01\x00\x03\x02h2\x00\x04\x00\x08"+addr+addr2+"\x00\x06\x00\x10"+strings.Repeat("\x20", 16)))}},
			"www.example 192.0.2.1 60, www.example 192.0.2.2 60, www.example 2020:2020:2020:2020:2020:2020:2020:2020 60"},
		{"hints of another", 4000, 53, ask(reply(dnsNamed(asked, 65, 60, "\x00\x01"+other+"\x00\x04\x00\x04"+addr))), ""},
		{"no such name", 4000, 53, ask(dnsTest(9, 0x8183, "www.example", 1, dnsNamed(asked, 1, 60, addr))), ""},
		{"not asked", 4000, 53, []message{{Resp, reply(dnsNamed(asked, 1, 60, addr))}}, ""},
		{"another number", 4000, 53, []message{{Orig, query}, {Resp, dnsTest(8, 0x8180, "www.example", 1, dnsNamed(asked, 1, 60, addr))}}, ""},
		{"another question", 4000, 53, []message{{Orig, query}, {Resp, dnsTest(9, 0x8180, "bad.example", 1, dnsNamed(asked, 1, 60, addr))}}, ""},
		{"another type", 4000, 53, []message{{Orig, query}, {Resp, dnsTest(9, 0x8180, "www.example", 28, dnsNamed(asked, 1, 60, addr))}}, ""},
		{"answered twice", 4000, 53, []message{{Orig, query}, {Resp, reply(dnsNamed(asked, 1, 60, addr))}, {Resp, reply(dnsNamed(asked, 1, 60, addr2))}}, "www.example 192.0.2.1 60"},
		{"no name of a host", 4000, 53, []message{{Orig, dnsTest(9, 0x0100, "a b\x1b.example", 1)}, {Resp, dnsTest(9, 0x8180, "a b\x1b.example", 1, dnsNamed(asked, 1, 60, addr))}}, ""},
		{"multicast", 5353, 5353, []message{{Orig, dnsTest(0, 0x8400, "box.local", 1, dnsNamed("\x03Box\x05local\x00", 1, 120, addr))}}, "!box.local 192.0.2.1 120"},
		{"LLMNR", 5355, 4000, []message{{Orig, dnsTest(7, 0x8000, "box", 1, dnsNamed(asked, 1, 30, addr))}}, "!box 192.0.2.1 30"},
		{"LLMNR, asked", 4000, 5355, []message{{Orig, dnsTest(7, 0, "box", 1)}, {Resp, dnsTest(7, 0x8000, "box", 1, dnsNamed(asked, 1, 30, addr))}}, "box 192.0.2.1 30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(told(false, c.orig, c.resp, c.msgs...), ", "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}

	// Every message of a connection counts, and of a stream as well: many are open, the oldest are given up.
	var stream, udp []message
	var want []string
	for i := range 40 {
		name := fmt.Sprintf("h%d.example", i)
		q, r := dnsTest(uint16(i), 0x0100, name, 1), dnsTest(uint16(i), 0x8180, name, 1, dnsNamed(asked, 1, 60, addr))
		udp = append(udp, message{Orig, q}, message{Resp, r})
		stream = append(stream, message{Orig, dnsPrefixed(q)}, message{Resp, dnsPrefixed(r)})
		want = append(want, name+" 192.0.2.1 60")
	}
	if got := told(false, 4000, 53, udp...); strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("datagrams: got %q", got)
	}
	if got := told(true, 4000, 53, stream...); strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("stream: got %q", got)
	}
	if got := newInspector(Config{}); got.TakeAnswer() != nil {
		t.Error("an answer without having been asked for one")
	}
}
