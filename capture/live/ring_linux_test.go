package live

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"rustnet/capture"
)

// written is a block as the kernel would write it, with n frames of size bytes.
func written(n, size int) []byte {
	mem := make([]byte, minBlock)
	h := (*unix.TpacketHdrV1)(unsafe.Pointer(&mem[blockHeader]))
	h.Block_status = unix.TP_STATUS_USER
	h.Num_pkts = uint32(n)
	h.Offset_to_first_pkt = 48
	at := 48
	for i := range n {
		ph := (*unix.Tpacket3Hdr)(unsafe.Pointer(&mem[at]))
		sll := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&mem[at+sllOffset]))
		*ph = unix.Tpacket3Hdr{
			Next_offset: uint32((82 + size + 7) &^ 7),
			Sec:         1_700_000_000, Nsec: uint32(i), Snaplen: uint32(size), Len: uint32(size + i),
			Status: unix.TP_STATUS_USER, Mac: 82, Net: 96,
		}
		*sll = unix.RawSockaddrLinklayer{Protocol: protoIP, Ifindex: int32(1 + i%2), Hatype: unix.ARPHRD_ETHER}
		switch i % 4 {
		case 1:
			sll.Pkttype = unix.PACKET_OUTGOING
		case 2:
			ph.Status |= unix.TP_STATUS_VLAN_VALID
			ph.Hv1.Vlan_tci = uint32(i)
		case 3:
			sll.Ifindex, sll.Hatype = 3, unix.ARPHRD_INFINIBAND
		}
		copy(mem[at+82:], bytes.Repeat([]byte{byte(i)}, size))
		if at += int(ph.Next_offset); i == n-1 {
			ph.Next_offset = 0
		}
	}
	return mem
}

func testTable() *ifaceTable {
	var all []device
	for i, hatype := range []uint16{unix.ARPHRD_ETHER, unix.ARPHRD_ETHER, unix.ARPHRD_INFINIBAND} {
		all = append(all, device{Device: Device{Name: string(rune('a' + i)), Index: i + 1, Link: linkOf(hatype)}, hatype: hatype})
	}
	return newIfaceTable(&netlink{fd: -1, buf: make([]byte, 64)}, all)
}

func TestFill(t *testing.T) {
	const n = 300
	blk := &block{mem: written(n, 60)}
	table, f := testTable(), &capture.Frames{}
	c, ok := fill(f, blk.mem, blk.start(), table, 0)
	if !ok || len(f.Frames) != batchFrames || c.left != n-batchFrames {
		t.Fatalf("got %d frames, %d left, %v; want %d, %d left", len(f.Frames), c.left, ok, batchFrames, n-batchFrames)
	}
	rest := &capture.Frames{}
	if c, ok = fill(rest, blk.mem, c, table, 0); !ok || len(rest.Frames) != n-batchFrames || c.left != 0 {
		t.Fatalf("got %d frames, %d left, %v; want the rest", len(rest.Frames), c.left, ok)
	}
	for i, fr := range append(f.Frames, rest.Frames...) {
		want := capture.Frame{TS: 1_700_000_000*1e9 + int64(i), Len: uint32(60 + i), Link: capture.LinkEthernet, Dir: capture.DirIn}
		want.Data = bytes.Repeat([]byte{byte(i)}, 60)
		name := []string{"a", "b"}[i%2]
		switch i % 4 {
		case 1:
			want.Dir = capture.DirOut
		case 2:
			want.VLANs, want.VLAN = true, uint16(i)
		case 3: // the 14 bytes between mac and net are left out
			name, want.Link = "c", capture.LinkRaw
			want.Len, want.Data = want.Len-14, want.Data[14:]
		}
		if fr.TS != want.TS || fr.Len != want.Len || fr.Link != want.Link || fr.Dir != want.Dir || fr.VLAN != want.VLAN ||
			fr.VLANs != want.VLANs || !bytes.Equal(fr.Data, want.Data) || fr.Iface.Name != name || cap(fr.Data) != len(fr.Data) {
			t.Fatalf("frame %d: got %+v of %s, want %+v of %s", i, fr, fr.Iface.Name, want, name)
		}
	}
}

func TestUnknownLinkLayer(t *testing.T) {
	mem := written(4, 60)
	at := 48 + 3*((82+60+7)&^7)
	sll := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&mem[at+sllOffset]))
	sll.Protocol = networkOrder(unix.ETH_P_ARP)
	f := &capture.Frames{}
	fill(f, mem, (&block{mem: mem}).start(), testTable(), 0)
	if fr := f.Frames[3]; fr.Link != linkUnknown || len(fr.Data) != 60 || fr.Len != 63 {
		t.Errorf("got link type %d and %d bytes, want the whole frame of no known type", fr.Link, len(fr.Data))
	}
}

// An interface that nobody knows of gives frames without a name, and is remembered as that.
func TestNamelessInterface(t *testing.T) {
	table := testTable()
	a := table.find(77, unix.ARPHRD_NONE)
	if a.Name != "" || a.Index != 77 || a.Link != capture.LinkRaw {
		t.Errorf("got %+v, want a raw IP interface 77 without name", *a.Interface)
	}
	if b := table.find(77, unix.ARPHRD_NONE); b != a {
		t.Error("asked again, it is another one")
	}
	for i := range 1000 {
		table.find(int32(100+i), unix.ARPHRD_NONE)
	}
	if n := len(table.byIndex); n > keepGone+10 {
		t.Errorf("%d interfaces are remembered, want at most about %d", n, keepGone)
	}
}

func TestLinkTypes(t *testing.T) {
	for hatype, want := range map[uint16]capture.LinkType{
		unix.ARPHRD_ETHER: 1, unix.ARPHRD_LOOPBACK: 1, unix.ARPHRD_NONE: 101, unix.ARPHRD_PPP: 101, unix.ARPHRD_SIT: 101,
		unix.ARPHRD_IPGRE: 101, unix.ARPHRD_IEEE80211: 105, unix.ARPHRD_IEEE80211_PRISM: 119, unix.ARPHRD_IEEE80211_RADIOTAP: 127,
	} {
		if got := linkOf(hatype); got != want {
			t.Errorf("ARPHRD %d: got link type %d, want %d", hatype, got, want)
		}
	}
}

// FuzzFill checks that a block that makes no sense ends there and is never read beyond.
func FuzzFill(f *testing.F) {
	whole := written(8, 60)
	f.Add(whole[:1500], uint32(48), uint32(8))
	f.Add(whole[:700], uint32(48), uint32(8))
	f.Add(make([]byte, 200), uint32(0), uint32(1<<32-1))
	table := testTable()
	f.Fuzz(func(t *testing.T, b []byte, at, left uint32) {
		mem := make([]byte, len(b)) // aligned, as a ring is
		copy(mem, b)
		checkFill(t, mem, cursor{at, left}, table)
	})
}

func TestFillOfEveryPrefix(t *testing.T) {
	whole := written(8, 60)[:48+8*144]
	for n := range len(whole) {
		mem := append(make([]byte, 0, n+8), whole[:n]...)
		frames := checkFill(t, mem, cursor{48, 8}, testTable())
		if want := max(0, n-48-142+144) / 144; frames != min(want, 8) {
			t.Fatalf("%d bytes: got %d frames, want %d", n, frames, want)
		}
	}
}

func checkFill(t *testing.T, mem []byte, c cursor, table *ifaceTable) (frames int) {
	t.Helper()
	f := &capture.Frames{}
	for range 4 {
		before := c.left
		var ok bool
		f.Frames = f.Frames[:0]
		c, ok = fill(f, mem, c, table, 0)
		if int(before-c.left) != len(f.Frames) || len(f.Frames) > batchFrames {
			t.Fatalf("got %d frames, count went from %d to %d", len(f.Frames), before, c.left)
		}
		for _, fr := range f.Frames {
			if fr.Iface == nil || len(fr.Data) > len(mem) {
				t.Fatalf("got frame %+v", fr)
			}
		}
		frames += len(f.Frames)
		if !ok || c.left == 0 {
			break
		}
	}
	return frames
}

// A ring without a kernel, to look at how blocks are lent.
func fakeRing(blocks int) *ring {
	r := &ring{blocks: make([]block, blocks), mem: []byte{}}
	r.refs.Store(1)
	for i := range r.blocks {
		r.blocks[i].ring = r
		r.blocks[i].mem = written(batchFrames+1, 60)
	}
	return r
}

func TestBlocksGoBackWhenTheLastPartDoes(t *testing.T) {
	r, table := fakeRing(2), testTable()
	s := &Source{ifaces: table, rings: []*ring{r}, life: newLife()}
	out := make(chan *capture.Frames, 10)
	for range 5 { // more than there are
		s.deliver(t.Context(), out)
	}
	if len(out) != 4 || r.ready() != nil || !r.dry() {
		t.Fatalf("got %d batches of 2 blocks, want 4, and nothing more to have", len(out))
	}
	a1, a2, b1, b2 := <-out, <-out, <-out, <-out
	status := func(i int) uint32 { return r.blocks[i].header().Block_status }
	b2.Release()
	a1.Release()
	if status(0) == unix.TP_STATUS_KERNEL || status(1) == unix.TP_STATUS_KERNEL {
		t.Error("a block went back before all of its parts did")
	}
	b1.Release()
	if status(0) == unix.TP_STATUS_KERNEL || status(1) != unix.TP_STATUS_KERNEL {
		t.Error("the second block is not back, or the first is")
	}
	a2.Release()
	if status(0) != unix.TP_STATUS_KERNEL || r.refs.Load() != 1 {
		t.Errorf("the first block is not back, or %d blocks count as lent", r.refs.Load()-1)
	}
	if r.dry() {
		t.Error("a block that was not opened yet counts as looked at")
	}
	r.blocks[0].header().Block_status = unix.TP_STATUS_USER // the kernel filled it
	if r.ready() != &r.blocks[0] {
		t.Error("the first block does not come again")
	}
}

func TestDeliverAllocatesNothing(t *testing.T) {
	r, table := fakeRing(4), testTable()
	s := &Source{ifaces: table, rings: []*ring{r}, life: newLife()}
	out := make(chan *capture.Frames, 10)
	ctx := t.Context()
	round := func() {
		s.deliver(ctx, out)
		for len(out) > 0 {
			(<-out).Release()
		}
		for i := range r.blocks {
			r.blocks[i].header().Block_status = unix.TP_STATUS_USER
		}
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("a block of %d frames costs %v allocations, want 0", batchFrames+1, n)
	}
}

// message builds a netlink message.
func message(kind uint16, body ...[]byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, 0)
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, make([]byte, 10)...)
	for _, p := range body {
		b = append(b, p...)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func attr(kind uint16, value string) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func linkBody(family byte, index uint32, flags uint32) []byte {
	b := []byte{family, 0}
	b = binary.NativeEndian.AppendUint16(b, unix.ARPHRD_ETHER)
	b = binary.NativeEndian.AppendUint32(b, index)
	b = binary.NativeEndian.AppendUint32(b, flags)
	return append(b, 0, 0, 0, 0)
}

func netlinkSeeds() [][]byte {
	alt := attr(unix.IFLA_PROP_LIST|unix.NLA_F_NESTED, string(attr(unix.IFLA_ALT_IFNAME, "uplink\x00")))
	up := message(unix.RTM_NEWLINK, linkBody(unix.AF_UNSPEC, 7, unix.IFF_UP), attr(unix.IFLA_IFNAME, "eth0\x00"), alt)
	port := message(unix.RTM_DELLINK, linkBody(unix.AF_BRIDGE, 7, 0), attr(unix.IFLA_IFNAME, "eth0\x00"))
	addr := message(unix.RTM_NEWADDR, []byte{unix.AF_INET, 24, 0, 0, 1, 0, 0, 0},
		attr(unix.IFA_ADDRESS, "\x0a\x00\x00\x02"), attr(unix.IFA_LOCAL, "\x0a\x00\x00\x01"), attr(unix.IFA_ADDRESS, "\x0a\x00\x00\x03"))
	return [][]byte{append(append(up, port...), addr...), up, port, addr}
}

func parseAll(b []byte) (devices []device, addrs []string) {
	eachMessage(b, func(_ unix.NlMsghdr, body []byte) {
		if d, ok := parseDevice(body); ok {
			devices = append(devices, d)
		}
		if a, ok := parseAddr(body); ok {
			addrs = append(addrs, a.String())
		}
	})
	return devices, addrs
}

func TestParseNetlink(t *testing.T) {
	devices, _ := parseAll(netlinkSeeds()[1])
	if len(devices) != 1 || devices[0].Name != "eth0" || devices[0].Index != 7 || !devices[0].Up || !devices[0].Called("uplink") {
		t.Errorf("got %+v, want eth0, also called uplink, index 7, up", devices)
	}
	if devices, _ := parseAll(netlinkSeeds()[2]); len(devices) != 0 {
		t.Errorf("got %+v of a bridge's port, want nothing", devices)
	}
	if _, addrs := parseAll(netlinkSeeds()[3]); len(addrs) != 1 || addrs[0] != "10.0.0.1" {
		t.Errorf("got %v, want our end of the link, 10.0.0.1", addrs)
	}
	for _, b := range netlinkSeeds() {
		for n := range b {
			parseAll(b[:n:n])
		}
	}
}

func FuzzNetlink(f *testing.F) {
	for _, b := range netlinkSeeds() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		devices, _ := parseAll(b)
		for _, d := range devices {
			if d.Index <= 0 || d.Name == "" {
				t.Errorf("got device %+v", d)
			}
		}
	})
}

func BenchmarkDeliver(b *testing.B) {
	r, table := fakeRing(64), testTable()
	s := &Source{ifaces: table, rings: []*ring{r}, life: newLife()}
	out := make(chan *capture.Frames, 10)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		r.blocks[r.next].header().Block_status = unix.TP_STATUS_USER
		s.deliver(ctx, out)
		for len(out) > 0 {
			(<-out).Release()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(batchFrames+1), "ns/frame")
}

// TestSmallerRing: where there is less memory for rings than they should have, that is said once.
func TestSmallerRing(t *testing.T) {
	var said []string
	s := &Source{cfg: Config{Warn: func(text string) { said = append(said, text) }}}
	s.rings = []*ring{{mem: make([]byte, 1<<20)}}
	s.tellSmaller()
	if len(said) > 0 {
		t.Errorf("of one that is whole: said %q", said)
	}
	s.rings = append(s.rings, &ring{asked: 4 << 20, mem: make([]byte, 2<<20)}, &ring{asked: 4 << 20, mem: make([]byte, 2<<20)})
	s.tellSmaller()
	if len(said) != 1 || !strings.Contains(said[0], "4096 KiB: it has 2048") {
		t.Errorf("said %q", said)
	}
}
