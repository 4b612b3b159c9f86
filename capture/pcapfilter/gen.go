package pcapfilter

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"rustnet/capture"
)

// Ethernet types and 802.2 service access points by which network protocols are asked for, whatever the link type.
const (
	etherIP     = 0x0800
	etherARP    = 0x0806
	etherNS     = 0x0600
	etherMOPDL  = 0x6001
	etherMOPRC  = 0x6002
	etherDECnet = 0x6003
	etherLAT    = 0x6004
	etherSCA    = 0x6007
	etherTEB    = 0x6558 // Ethernet within a tunnel
	etherRARP   = 0x8035
	etherATalk  = 0x809b
	etherAARP   = 0x80f3
	etherVLAN   = 0x8100
	etherIPX    = 0x8137
	etherIPv6   = 0x86dd
	etherMPLS   = 0x8847
	etherPPPoED = 0x8863
	etherPPPoES = 0x8864
	etherQinQ   = 0x88a8
	etherQinQ2  = 0x9100

	etherMaxLength = 1500 // up to here the type field of Ethernet is a length

	sapIP      = 0x06
	sapSTP     = 0x42
	sapSNAP    = 0xaa
	sapIPX     = 0xe0
	sapNetBEUI = 0xf0
	sapISO     = 0xfe

	sll8023 = 1 // LINUX_SLL_P_802_3
	sll8022 = 4 // LINUX_SLL_P_802_2

	pppMPLS = 0x0281
)

const (
	protoICMP     = 1
	protoIGMP     = 2
	protoTCP      = 6
	protoIGRP     = 9
	protoUDP      = 17
	protoFragment = 44
	protoESP      = 50
	protoAH       = 51
	protoICMPv6   = 58
	protoNoNext   = 59
	protoPIM      = 103
	protoVRRP     = 112
	protoSCTP     = 132

	genevePort = 6081
)

// Offsets at which Linux gives a socket filter what is not in the packet (SKF_AD_OFF and SKF_AD_*,
// include/uapi/linux/filter.h).
const (
	adBase    = 0xfffff000
	adPktType = adBase + 4
	adIfIndex = adBase + 8
	adHAType  = adBase + 28
	adVLANTag = adBase + 44
	adVLANHas = adBase + 48

	packetOutgoing = 4 // PACKET_OUTGOING, also in the cooked headers
)

// offset is a place in the packet: a constant, and for what lies behind headers of unknown length a
// scratch word that holds the rest.
type offset struct {
	base *value
	k    uint32
}

// generator makes the condition of one expression for one link type. As in libpcap, vlan, mpls, pppoes
// and geneve move the places at which everything after them in the expression looks.
type generator struct {
	expr string
	o    Options
	res  Resolver
	vs   values

	link         capture.LinkType
	bigEndian    bool // byte order of the address family of LinkNull
	inGeneve     bool
	linkHdr      offset // link-layer header
	linkType     offset // its type field
	linkPayload  offset
	nl, nlNoSNAP uint32 // network header within the payload; the second when an 802.2 header without SNAP is there
	mplsLabels   int
	vlanTags     int
	words        uint32 // scratch words in use, from the top
	maxWords     uint32 // the most there were
	varGen       int
	loose        bool // libpcap does not optimise this expression, and so finds no contradictions in it
	pos          int  // of the node being generated, for errors
}

func newGenerator(expr string, o Options) (*generator, error) {
	g := &generator{expr: expr, o: o, res: o.Resolver.withDefaults(), vs: values{}, link: o.Link}
	switch o.Link {
	case capture.LinkEthernet:
		g.linkType.k, g.linkPayload.k, g.nlNoSNAP = 12, 14, 3
	case capture.LinkNull, capture.LinkLoop:
		g.linkPayload.k = 4
	case capture.LinkPPP:
		g.linkType.k, g.linkPayload.k = 2, 4
	case capture.LinkRaw, capture.LinkIPv4, capture.LinkIPv6: // begin with the IP header
	case capture.LinkSLL:
		g.linkType.k, g.linkPayload.k = 14, 16
	case capture.LinkSLL2:
		g.linkPayload.k = 20
	default:
		return nil, &Error{Expr: expr, Column: 1, Msg: "filters for link type " + strconv.Itoa(int(o.Link)) + " are not supported"}
	}
	return g, nil
}

// generate gives the condition for n.
func (g *generator) generate(n *node) (c *cond, err error) {
	defer catch(g.expr, &err)
	return g.node(n), nil
}

func (g *generator) fail(format string, args ...any) { fail(g.pos, format, args...) }

func (g *generator) linkName() string {
	switch g.link {
	case capture.LinkEthernet:
		return "Ethernet"
	case capture.LinkNull, capture.LinkLoop:
		return "BSD loopback"
	case capture.LinkPPP:
		return "PPP"
	case capture.LinkSLL, capture.LinkSLL2:
		return "Linux cooked"
	default:
		return "raw IP"
	}
}

func (g *generator) node(n *node) *cond {
	switch n.kind {
	case nodeAnd:
		l := g.node(n.x)
		return and(l, g.node(n.y))
	case nodeOr:
		l := g.node(n.x)
		return or(l, g.node(n.y))
	case nodeNot:
		return not(g.node(n.x))
	}
	g.pos = n.pos
	switch n.kind {
	case nodeProto:
		return g.protoWord(n.text)
	case nodeName:
		return g.name(n)
	case nodeNumber:
		return g.number(n)
	case nodeIPv4, nodeNetBits, nodeNetMask:
		return g.ipv4(n)
	case nodeIPv6, nodeNetBits6:
		return g.ipv6(n)
	case nodeMAC:
		if n.q.proto != "link" || n.q.typ > typeHost {
			g.fail("%s is an Ethernet address; write \"ether host %s\", or ether src, or ether dst", n.text, n.text)
		}
		return g.etherHost(parseMAC(n.text), n.q.dir)
	case nodeRelation:
		return g.relation(n)
	default:
		return g.word(n)
	}
}

// Loads and comparisons.

func (g *generator) at(o offset, k uint32, size uint8) *value { return g.vs.load(o.base, o.k+k, size) }

func (g *generator) net(k uint32, size uint8) *value { return g.at(g.linkPayload, g.nl+k, size) }

func (g *generator) eq(v *value, k uint32) *cond { return g.vs.test(jumpEq, v, g.vs.num(k)) }

func (g *generator) eqMask(v *value, k, mask uint32) *cond {
	return g.eq(g.vs.alu(aluAnd, v, g.vs.num(mask)), k)
}

// bytesAt compares bytes, the last ones first, four at a time.
func (g *generator) bytesAt(o offset, k uint32, want []byte) *cond {
	var all []*cond
	for n := len(want); n > 0; {
		size := 4
		for size > n {
			size /= 2
		}
		n -= size
		var v uint32
		for _, b := range want[n : n+size] {
			v = v<<8 | uint32(b)
		}
		all = append(all, g.eq(g.at(o, k+uint32(n), uint8(size)), v))
	}
	return and(all...)
}

// newVar takes a scratch word.
func (g *generator) newVar() (word uint32, v *value) {
	if g.words == scratchWords {
		g.fail("too many tunnels in one expression")
	}
	g.words++
	g.maxWords = max(g.maxWords, g.words)
	word = scratchWords - g.words
	return word, g.sameVar(word)
}

// sameVar is a further assignment of a word, which the optimiser must not take for the one before.
func (g *generator) sameVar(word uint32) *value {
	g.varGen++
	return g.vs.get(value{op: valVar, k: word, gen: g.varGen})
}

// ipHeaderLen is the length of the IPv4 header plus the variable part of where it begins, so a
// transport header begins at that plus the constant part.
func (g *generator) ipHeaderLen() *value {
	k := g.linkPayload.k + g.nl
	if g.linkPayload.base == nil {
		return g.vs.get(value{op: valIPLen, k: k})
	}
	first := g.vs.load(g.linkPayload.base, k, 1)
	length := g.vs.alu(aluLsh, g.vs.alu(aluAnd, first, g.vs.num(15)), g.vs.num(2))
	return g.vs.alu(aluAdd, length, g.linkPayload.base)
}

func (g *generator) transport4(k uint32, size uint8) *value {
	return g.vs.load(g.ipHeaderLen(), g.linkPayload.k+g.nl+k, size)
}

func (g *generator) transport6(k uint32, size uint8) *value { return g.net(40+k, size) }

// Network protocols.

// proto tests the type field of the link layer. p is an Ethernet type, or a service access point when it is
// no more than etherMaxLength.
func (g *generator) proto(p uint32) *cond {
	if g.mplsLabels > 0 {
		return g.protoInMPLS(p)
	}
	switch g.link {
	case capture.LinkEthernet:
		return g.protoEthernet(p)
	case capture.LinkSLL:
		return g.protoSLL(p)
	case capture.LinkPPP:
		return g.eq(g.at(g.linkType, 0, 2), pppProto(p))
	case capture.LinkNull, capture.LinkLoop:
		return g.protoLoop(p)
	case capture.LinkRaw:
		switch p {
		case etherIP:
			return g.eqMask(g.at(g.linkHdr, 0, 1), 0x40, 0xf0)
		case etherIPv6:
			return g.eqMask(g.at(g.linkHdr, 0, 1), 0x60, 0xf0)
		}
		return truth(false)
	case capture.LinkIPv4:
		return truth(p == etherIP)
	case capture.LinkIPv6:
		return truth(p == etherIPv6)
	default: // SLL2
		return g.eq(g.at(g.linkType, 0, 2), p)
	}
}

func (g *generator) hasEtherLength() *cond {
	return not(g.vs.test(jumpGt, g.at(g.linkType, 0, 2), g.vs.num(etherMaxLength)))
}

func (g *generator) snap(oui uint32, proto uint16) *cond {
	h := []byte{sapSNAP, sapSNAP, 3, byte(oui >> 16), byte(oui >> 8), byte(oui), byte(proto >> 8), byte(proto)}
	return g.bytesAt(g.linkPayload, 0, h)
}

func (g *generator) protoEthernet(p uint32) *cond {
	typ := g.eq(g.at(g.linkType, 0, 2), p)
	switch {
	case p == sapISO || p == sapIP || p == sapNetBEUI:
		return and(g.hasEtherLength(), g.eq(g.at(g.linkPayload, 0, 2), p<<8|p))
	case p == sapIPX: // four encapsulations: the type, raw 802.3, 802.2 and SNAP
		in8023 := or(g.snap(0, etherIPX),
			or(g.eq(g.at(g.linkPayload, 0, 1), sapIPX), g.eq(g.at(g.linkPayload, 0, 2), 0xffff)))
		return or(g.eq(g.at(g.linkType, 0, 2), etherIPX), and(g.hasEtherLength(), in8023))
	case p == etherATalk:
		return or(typ, and(g.hasEtherLength(), g.snap(0x080007, etherATalk)))
	case p == etherAARP:
		return or(typ, and(g.hasEtherLength(), g.snap(0, etherAARP)))
	case p <= etherMaxLength:
		return and(g.hasEtherLength(), g.eq(g.at(g.linkType, 2, 1), p))
	}
	return typ
}

func (g *generator) protoSLL(p uint32) *cond {
	field := g.at(g.linkType, 0, 2)
	is8022 := g.eq(field, sll8022)
	switch {
	case p == sapISO || p == sapIP || p == sapNetBEUI:
		return and(is8022, g.eq(g.at(g.linkPayload, 0, 2), p<<8|p))
	case p == sapIPX:
		in8022 := or(g.eq(g.at(g.linkPayload, 0, 1), sapIPX), g.snap(0, etherIPX))
		return or(g.eq(field, etherIPX), or(g.eq(field, sll8023), and(is8022, in8022)))
	case p == etherATalk:
		return or(g.eq(field, p), and(is8022, g.snap(0x080007, etherATalk)))
	case p == etherAARP:
		return or(g.eq(field, p), and(is8022, g.snap(0, etherAARP)))
	case p <= etherMaxLength:
		return and(is8022, g.eq(g.at(g.linkHdr, g.linkPayload.k, 1), p))
	}
	return g.eq(field, p)
}

// protoLoop tests the address family. AF_INET6 differs between systems, so all three are taken.
func (g *generator) protoLoop(p uint32) *cond {
	var families []uint32
	switch p {
	case etherIP:
		families = []uint32{2}
	case etherIPv6:
		families = []uint32{24, 28, 30}
	default:
		return truth(false)
	}
	field := g.at(g.linkHdr, 0, 4)
	var all []*cond
	for _, f := range families {
		if g.link == capture.LinkNull && !g.bigEndian {
			f <<= 24
		}
		all = append(all, g.eq(field, f))
	}
	return or(all...)
}

func (g *generator) protoInMPLS(p uint32) *cond {
	version := uint32(0x40)
	switch p {
	case etherIP:
	case etherIPv6:
		version = 0x60
	default:
		g.fail("after mpls only ip and ip6, and what they carry, can be asked for")
	}
	bottom := g.eqMask(g.at(g.linkPayload, g.nl-2, 1), 1, 1)
	return and(bottom, g.eqMask(g.net(0, 1), version, 0xf0))
}

// pppProto is the PPP protocol number (RFC 1661) of an Ethernet type.
func pppProto(p uint32) uint32 {
	switch p {
	case etherIP:
		return 0x21
	case etherIPv6:
		return 0x57
	case etherDECnet:
		return 0x27
	case etherATalk:
		return 0x29
	case etherNS:
		return 0x25
	case sapISO:
		return 0x23
	case sapSTP:
		return 0x31
	case sapIPX:
		return 0x2b
	}
	return p
}

// ipProto tests for IPv4 or IPv6 packets that carry protocol p. IPv6 is followed through a fragment
// header and no other extension header.
func (g *generator) ipProto(p uint32) *cond { return or(g.ip4Proto(p), g.ip6Proto(p)) }

func (g *generator) ip4Proto(p uint32) *cond {
	return and(g.proto(etherIP), g.eq(g.net(9, 1), p))
}

func (g *generator) ip6Proto(p uint32) *cond {
	inFragment := and(g.eq(g.net(6, 1), protoFragment), g.eq(g.net(40, 1), p))
	return and(g.proto(etherIPv6), or(g.eq(g.net(6, 1), p), inFragment))
}

func (g *generator) isoProto(p uint32) *cond {
	return and(g.proto(sapISO), g.eq(g.at(g.linkPayload, g.nlNoSNAP, 1), p))
}

// isisTypes tests for IS-IS packets of one of some types (ISO 10589).
func (g *generator) isisTypes(types ...uint32) *cond {
	var all []*cond
	for _, t := range types {
		all = append(all, g.isisType(t))
	}
	return or(all...)
}

func (g *generator) isisType(t uint32) *cond {
	return and(g.isoProto(0x83), g.eq(g.at(g.linkPayload, g.nlNoSNAP+4, 1), t))
}

var linkProtos = map[string]uint32{
	"ip": etherIP, "ip6": etherIPv6, "arp": etherARP, "rarp": etherRARP, "atalk": etherATalk, "aarp": etherAARP,
	"decnet": etherDECnet, "lat": etherLAT, "sca": etherSCA, "mopdl": etherMOPDL, "moprc": etherMOPRC,
	"iso": sapISO, "stp": sapSTP, "ipx": sapIPX, "netbeui": sapNetBEUI,
}

var (
	anyIPProtos = map[string]uint32{
		"tcp": protoTCP, "udp": protoUDP, "sctp": protoSCTP, "pim": protoPIM, "ah": protoAH, "esp": protoESP,
	}
	ip4Protos = map[string]uint32{
		"icmp": protoICMP, "igmp": protoIGMP, "igrp": protoIGRP, "vrrp": protoVRRP, "carp": protoVRRP,
	}
	isoProtos = map[string]uint32{"clnp": 0x81, "esis": 0x82, "isis": 0x83}
	isisWords = map[string][]uint32{
		"l1": {26, 24, 18, 15, 17}, "l2": {27, 25, 20, 16, 17}, "iih": {17, 15, 16}, "lsp": {18, 20},
		"snp": {27, 26, 24, 25}, "csnp": {24, 25}, "psnp": {26, 27},
	}
)

// protoWord is a protocol keyword that stands alone.
func (g *generator) protoWord(w string) *cond {
	if p, ok := linkProtos[w]; ok {
		return g.proto(p)
	}
	if p, ok := anyIPProtos[w]; ok {
		return g.ipProto(p)
	}
	if p, ok := ip4Protos[w]; ok {
		return g.ip4Proto(p)
	}
	if p, ok := isoProtos[w]; ok {
		return g.isoProto(p)
	}
	if types, ok := isisWords[w]; ok {
		return g.isisTypes(types...)
	}
	if w == "icmp6" {
		return g.ip6Proto(protoICMPv6)
	}
	g.fail("%q says nothing alone; write what of it, as in \"ether host ADDRESS\" or \"ether proto NUMBER\"", w)
	return nil
}

// protoNumber is "q proto p".
func (g *generator) protoNumber(q qual, p uint32) *cond {
	switch q.proto {
	case "":
		return g.ipProto(p)
	case "link":
		return g.proto(p)
	case "ip":
		return g.ip4Proto(p)
	case "ip6":
		return g.ip6Proto(p)
	case "iso":
		return g.isoProto(p)
	case "isis":
		return g.isisType(p)
	}
	g.fail("%q carries no protocol numbers; proto goes with ip, ip6, ether, iso or isis", q.proto)
	return nil
}

// chainSteps is how many IPv6 extension and authentication headers protochain follows.
const chainSteps = 8

// protoChain looks for a protocol behind extension headers. libpcap does it with a loop, which no kernel
// takes; here the loop is unrolled, so it can be used live and ends after chainSteps headers.
func (g *generator) protoChain(q qual, p uint32) *cond {
	if g.linkPayload.base != nil {
		g.fail("protochain cannot be used after geneve, nor after vlan in a live capture")
	}
	g.loose = true
	switch q.proto {
	case "":
		l := g.chainFrom(etherIP, p, g.net(9, 1), g.ipHeaderLen())
		return or(l, g.chainFrom(etherIPv6, p, g.net(6, 1), g.vs.num(40)))
	case "ip":
		return g.chainFrom(etherIP, p, g.net(9, 1), g.ipHeaderLen())
	case "ip6":
		return g.chainFrom(etherIPv6, p, g.net(6, 1), g.vs.num(40))
	}
	g.fail("protochain goes with ip or ip6, not with %s", q.proto)
	return nil
}

func (g *generator) chainFrom(etherType, p uint32, proto, at *value) *cond {
	protoWord, _ := g.newVar()
	atWord, _ := g.newVar()
	g.words -= 2 // another chain may use them again
	k := g.linkPayload.k + g.nl
	var step func(n int, proto, at *value) *cond
	step = func(n int, proto, at *value) *cond {
		if n == 0 {
			return g.eq(proto, p)
		}
		byteAt := func(k2 uint32) *value { return g.vs.load(at, k+k2, 1) }
		length := func(more, unit uint32) *value {
			units := g.vs.alu(aluAdd, byteAt(1), g.vs.num(more))
			return g.vs.alu(aluAdd, g.vs.alu(aluMul, units, g.vs.num(unit)), at)
		}
		nextProto, nextAt := g.sameVar(protoWord), g.sameVar(atWord)
		advance := func(more, unit uint32) *cond {
			return set(assign{protoWord, byteAt(0)}, assign{atWord, length(more, unit)})
		}
		c := and(g.eq(proto, protoAH), advance(2, 4))
		if etherType == etherIPv6 {
			ext := or(g.eq(proto, 0), g.eq(proto, 60), g.eq(proto, 43), g.eq(proto, protoFragment))
			c = or(and(ext, advance(1, 8)), c)
		}
		c = and(c, step(n-1, nextProto, nextAt))
		return or(g.eq(proto, p), and(not(g.eq(proto, protoNoNext)), c))
	}
	return and(g.proto(etherType), step(chainSteps, proto, at))
}

// Hosts and nets.

func (g *generator) name(n *node) *cond {
	q := n.q
	switch q.typ {
	case typeNet:
		addr, mask, ok := g.res.Net(n.text)
		if !ok {
			g.fail("unknown network %q; write the address, as in \"net 192.168.0.0/16\"", n.text)
		}
		return g.host4(addr, mask, q)
	case typeAny, typeHost:
		return g.hostName(n.text, q)
	case typePort:
		g.needPortProto(q)
		port, proto := g.portName(n.text)
		return g.ports(g.portProto(q, proto, n.text), q.dir, port, port)
	case typePortRange:
		g.needPortProto(q)
		return g.portRangeName(n.text, q)
	case typeProto:
		return g.protoNumber(q, g.protoName(n.text, q))
	case typeProtoChain:
		return g.protoChain(q, g.protoName(n.text, q))
	default:
		g.fail("gateway is not supported (nor is it by libpcap built with IPv6); write \"ether host MAC and not host ADDRESS\"")
		return nil
	}
}

func (g *generator) number(n *node) *cond {
	q, v := n.q, n.num
	switch q.typ {
	case typeAny, typeHost, typeNet:
		mask := uint32(math.MaxUint32)
		switch {
		case q.proto == "decnet":
			return g.decnetHost(v, q.dir)
		case q.proto == "link":
			g.fail("%d is no Ethernet address; write six bytes, as in 00:11:22:33:44:55", v)
		case q.typ == typeNet:
			v, mask = leftJustify(v)
		}
		return g.host4(v, mask, q)
	case typePort, typePortRange:
		g.needPortProto(q)
		if v > math.MaxUint16 {
			g.fail("port %d is greater than 65535", v)
		}
		return g.ports(g.portProto(q, "", ""), q.dir, v, v)
	case typeProto:
		g.noDir(q)
		return g.protoNumber(q, v)
	case typeProtoChain:
		return g.protoChain(q, v)
	default:
		g.fail("gateway needs a host name")
		return nil
	}
}

func (g *generator) noDir(q qual) {
	if q.dir != dirAny {
		g.fail("proto has no src or dst")
	}
}

// leftJustify makes a network address and its mask of a number such as 10 (10.0.0.0/8).
func leftJustify(v uint32) (addr, mask uint32) {
	for mask = math.MaxUint32; v != 0 && v>>24 == 0; {
		v, mask = v<<8, mask<<8
	}
	return v, mask
}

func (g *generator) ipv4(n *node) *cond {
	q := n.q
	switch q.typ {
	case typePort, typePortRange, typeProto, typeProtoChain, typeGateway:
		g.fail("%s is an address, not what the word before it asks for", n.text)
	}
	if n.kind == nodeIPv4 && q.proto == "decnet" {
		return g.decnetHost(g.decnetAddr(n.text), q.dir)
	}
	addr, bits := g.partialIPv4(n.text)
	mask := uint32(math.MaxUint32) << (32 - bits)
	addr <<= 32 - bits
	switch n.kind {
	case nodeIPv4:
		if q.proto == "link" {
			g.fail("%s is no Ethernet address; write \"host %s\" or six bytes, as in 00:11:22:33:44:55", n.text, n.text)
		}
		return g.host4(addr, mask, q)
	case nodeNetMask:
		m, bits := g.partialIPv4(n.text2)
		mask = m << (32 - bits)
	case nodeNetBits:
		if n.num > 32 {
			g.fail("a prefix of an IPv4 address has at most 32 bits, not %d", n.num)
		}
		mask = uint32(uint64(math.MaxUint32) << (32 - n.num))
	}
	if addr&^mask != 0 {
		g.fail("%s has bits set beyond the mask; the network is %s", n.text, dotted(addr&mask))
	}
	if q.typ != typeNet {
		g.fail("a mask goes with net; write \"net %s\"", n.text)
	}
	return g.host4(addr, mask, q)
}

func dotted(a uint32) string {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, a))).String()
}

func (g *generator) partialIPv4(s string) (addr uint32, bits int) {
	addr, bits, ok := parsePartialIPv4(s)
	if !ok {
		g.fail("%s is no IPv4 address", s)
	}
	return addr, bits
}

// parsePartialIPv4 reads one to four decimal bytes, and says how many bits they make.
func parsePartialIPv4(s string) (addr uint32, bits int, ok bool) {
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || bits == 32 {
			return 0, 0, false
		}
		addr, bits = addr<<8|uint32(n), bits+8
	}
	return addr, bits, true
}

// host4 tests the addresses of IPv4, ARP and RARP packets, or of the one that is asked for.
func (g *generator) host4(addr, mask uint32, q qual) *cond {
	g.noWLAN(q.dir)
	ip := func() *cond { return g.addr4(etherIP, 12, 16, addr, mask, q.dir) }
	arp := func(p uint32) *cond { return g.addr4(p, 14, 24, addr, mask, q.dir) }
	switch q.proto {
	case "":
		if g.mplsLabels > 0 {
			return ip()
		}
		l := ip()
		return or(l, arp(etherARP), arp(etherRARP))
	case "ip":
		return ip()
	case "arp":
		return arp(etherARP)
	case "rarp":
		return arp(etherRARP)
	case "decnet":
		return g.decnetHost(addr, q.dir)
	case "ip6":
		g.fail("ip6 goes with IPv6 addresses, this is an IPv4 address")
	}
	g.fail("%q has no IPv4 addresses; write ip, arp or rarp before it, or nothing", q.proto)
	return nil
}

func (g *generator) noWLAN(d dirQual) {
	if d == dirWLAN {
		g.fail("addr1 to addr4, ra and ta are for 802.11 frames, which this link type does not have")
	}
}

// eitherEnd makes the test of one end into the test that the direction asks for.
func eitherEnd(d dirQual, src, dst func() *cond) *cond {
	switch d {
	case dirSrc:
		return src()
	case dirDst:
		return dst()
	case dirAnd:
		return and(src(), dst())
	default:
		return or(src(), dst())
	}
}

func (g *generator) addr4(p, src, dst, addr, mask uint32, d dirQual) *cond {
	end := func(k uint32) func() *cond {
		return func() *cond { return and(g.proto(p), g.eqMask(g.net(k, 4), addr, mask)) }
	}
	return eitherEnd(d, end(src), end(dst))
}

func (g *generator) ipv6(n *node) *cond {
	a, err := netip.ParseAddr(n.text)
	if err != nil {
		g.fail("%s is no IPv6 address", n.text)
	}
	bits := 128
	if n.kind == nodeNetBits6 {
		if n.num > 128 {
			g.fail("a prefix of an IPv6 address has at most 128 bits, not %d", n.num)
		}
		bits = int(n.num)
	}
	if p := netip.PrefixFrom(a, bits); p.Masked().Addr() != a {
		g.fail("%s has bits set beyond the mask; the network is %s", n.text, p.Masked())
	}
	switch n.q.typ {
	case typeAny, typeHost:
		if bits != 128 {
			g.fail("a mask goes with net; write \"net %s/%d\"", n.text, bits)
		}
	case typeNet:
	default:
		g.fail("%s is an address, not what the word before it asks for", n.text)
	}
	return g.host6(a, bits, n.q)
}

func (g *generator) host6(a netip.Addr, bits int, q qual) *cond {
	if q.proto != "" && q.proto != "ip6" {
		g.fail("%q has no IPv6 addresses; write ip6 before it, or nothing", q.proto)
	}
	g.noWLAN(q.dir)
	b := a.As16()
	end := func(k uint32) func() *cond {
		return func() *cond {
			c := g.proto(etherIPv6)
			for i := range 4 {
				ones := min(max(bits-32*i, 0), 32)
				mask := uint32(uint64(math.MaxUint32) << (32 - ones))
				c = and(c, g.eqMask(g.net(k+uint32(4*i), 4), binary.BigEndian.Uint32(b[4*i:]), mask))
			}
			return c
		}
	}
	return eitherEnd(q.dir, end(8), end(24))
}

func (g *generator) hostName(name string, q qual) *cond {
	switch q.proto {
	case "link":
		g.needEthernet("ether host")
		mac, ok := g.res.Ether(name)
		if !ok {
			g.fail("unknown Ethernet host %q; write its address, as in 00:11:22:33:44:55", name)
		}
		return g.etherHost(mac, q.dir)
	case "decnet":
		g.fail("DECnet names are not supported; write the address, as in \"decnet host 10.15\"")
	}
	addrs, err := g.res.Host(name)
	if err != nil {
		g.fail("unknown host %q: %v", name, err)
	}
	var all []*cond
	for _, a := range addrs {
		switch {
		case a.Is4() && q.proto == "ip6" || a.Is6() && q.proto == "ip":
		case a.Is4():
			b := a.As4()
			all = append(all, g.host4(binary.BigEndian.Uint32(b[:]), math.MaxUint32, q))
		default:
			all = append(all, g.host6(a, 128, q))
		}
	}
	if len(all) == 0 {
		g.fail("host %q has no address of the family asked for", name)
	}
	return or(all...)
}

func (g *generator) needEthernet(what string) {
	if g.link != capture.LinkEthernet {
		g.fail("%s goes with Ethernet only, this link type is %s", what, g.linkName())
	}
}

// innerEthernet tests, after geneve, that an Ethernet header is in the tunnel; nil elsewhere.
func (g *generator) innerEthernet() *cond {
	if !g.inGeneve {
		return nil
	}
	return not(g.vs.test(jumpEq, g.linkHdr.base, g.linkPayload.base))
}

func (g *generator) ifInnerEthernet(c *cond) *cond {
	if inner := g.innerEthernet(); inner != nil {
		return and(inner, c)
	}
	return c
}

func (g *generator) etherHost(mac [6]byte, d dirQual) *cond {
	g.needEthernet("an Ethernet address")
	g.noWLAN(d)
	return g.ifInnerEthernet(eitherEnd(d,
		func() *cond { return g.bytesAt(g.linkHdr, 6, mac[:]) },
		func() *cond { return g.bytesAt(g.linkHdr, 0, mac[:]) }))
}

// parseMAC reads what macLen took.
func parseMAC(s string) (mac [6]byte) {
	for i := range mac {
		if strings.IndexByte(":.-", s[0]) >= 0 {
			s = s[1:]
		}
		n := hexRun(s, 2)
		for _, c := range []byte(s[:n]) {
			mac[i] = mac[i]<<4 | hexDigit(c)
		}
		s = s[n:]
	}
	return mac
}

func (g *generator) decnetAddr(s string) uint32 {
	area, node, ok := strings.Cut(s, ".")
	a, err1 := strconv.ParseUint(area, 10, 32)
	n, err2 := strconv.ParseUint(node, 10, 32)
	if !ok || err1 != nil || err2 != nil {
		g.fail("%s is no DECnet address; write area.node, as in 10.15", s)
	}
	return uint32(a<<10&0xfc00 | n&0x3ff)
}

// decnetHost looks into long and short data packets with no or one byte of padding. Numbers of DECnet
// are little-endian.
func (g *generator) decnetHost(addr uint32, d dirQual) *cond {
	g.noWLAN(d)
	swapped := addr<<8&0xff00 | addr>>8&0xff
	end := func(long, short uint32) func() *cond {
		return func() *cond {
			padded := func(flags, k uint32) *cond {
				return and(g.eqMask(g.net(2, 2), flags, 0xff07), g.eq(g.net(3+k, 2), swapped))
			}
			plain := func(flags, k uint32) *cond {
				return and(g.eqMask(g.net(2, 1), flags, 7), g.eq(g.net(2+k, 2), swapped))
			}
			return and(g.proto(etherDECnet),
				or(plain(2, short), or(padded(0x8102, short), or(plain(6, long), padded(0x8106, long)))))
		}
	}
	return eitherEnd(d, end(15, 3), end(7, 1))
}

// Ports.

func (g *generator) needPortProto(q qual) {
	switch q.proto {
	case "", "tcp", "udp", "sctp":
	default:
		g.fail("%q has no ports; port goes with tcp, udp, sctp or nothing before it", q.proto)
	}
}

// portProto is the transport protocol a port test is for, 0 for all. named is the protocol the services table
// has the port's name for.
func (g *generator) portProto(q qual, named, name string) uint32 {
	if q.proto != "" && named != "" && q.proto != named {
		g.fail("port %q is a %s port", name, named)
	}
	if q.proto != "" {
		named = q.proto
	}
	return anyIPProtos[named]
}

// portName looks up a port; proto is "" when the name stands for it with both TCP and UDP.
func (g *generator) portName(name string) (port uint32, proto string) {
	if n, err := strconv.ParseUint(name, 10, 16); err == nil {
		return uint32(n), ""
	}
	tcp, isTCP := g.res.Port("tcp", name)
	udp, isUDP := g.res.Port("udp", name)
	switch {
	case isTCP && isUDP && tcp == udp:
		return uint32(tcp), ""
	case isTCP:
		return uint32(tcp), "tcp"
	case isUDP:
		return uint32(udp), "udp"
	}
	g.fail("unknown port %q; write its number", name)
	return 0, ""
}

func (g *generator) portRangeName(name string, q qual) *cond {
	first, last, ok := strings.Cut(name, "-")
	if !ok || first == "" || last == "" {
		g.fail("%q is no range of ports; write two ports with a dash between, as in 6000-6008", name)
	}
	low, lowProto := g.rangeEnd(first)
	high, highProto := g.rangeEnd(last)
	if lowProto != highProto {
		lowProto = ""
	}
	return g.ports(g.portProto(q, lowProto, name), q.dir, min(low, high), max(low, high))
}

func (g *generator) rangeEnd(s string) (uint32, string) {
	if strings.Trim(s, "0123456789") == "" {
		if n, err := strconv.ParseUint(s, 10, 16); err == nil {
			return uint32(n), ""
		}
		g.fail("port %s is greater than 65535", s)
	}
	return g.portName(s)
}

// ports tests for ports from low to high, with transport protocol proto or, if that is 0, any that has them.
// IPv4 fragments other than the first have no ports; IPv6 extension headers are not followed.
func (g *generator) ports(proto uint32, d dirQual, low, high uint32) *cond {
	if d == dirWLAN {
		g.fail("addr1 to addr4, ra and ta do not go with ports")
	}
	over6 := func(p uint32) *cond { return and(g.eq(g.net(6, 1), p), g.portEnds(g.transport6, d, low, high)) }
	over4 := func(p uint32) *cond {
		return and(and(g.eq(g.net(9, 1), p), g.notLaterFragment()), g.portEnds(g.transport4, d, low, high))
	}
	each := func(over func(uint32) *cond) *cond {
		if proto != 0 {
			return over(proto)
		}
		return or(over(protoSCTP), or(over(protoTCP), over(protoUDP)))
	}
	return or(and(g.proto(etherIPv6), each(over6)), and(g.proto(etherIP), each(over4)))
}

func (g *generator) notLaterFragment() *cond {
	return not(g.vs.test(jumpSet, g.net(6, 2), g.vs.num(0x1fff)))
}

func (g *generator) portEnds(load func(uint32, uint8) *value, d dirQual, low, high uint32) *cond {
	end := func(k uint32) func() *cond {
		return func() *cond {
			v := load(k, 2)
			if low == high {
				return g.eq(v, low)
			}
			return and(g.vs.test(jumpGe, v, g.vs.num(low)), not(g.vs.test(jumpGt, v, g.vs.num(high))))
		}
	}
	return eitherEnd(d, end(0), end(2))
}

func (g *generator) protoName(name string, q qual) uint32 {
	g.noDir(q)
	var p uint32
	ok := false
	switch q.proto {
	case "", "ip", "ip6":
		var n uint8
		n, ok = g.res.Proto(name)
		p = uint32(n)
	case "link":
		if p, ok = linkProtos[name]; !ok && name == "loopback" {
			p, ok = 0x9000, true
		}
	case "iso":
		p, ok = isoProtos[name]
	default:
		g.fail("%q carries no protocols that have names; proto NAME goes with ip, ip6, ether or iso", q.proto)
	}
	if !ok {
		g.fail("unknown protocol %q; write its number", name)
	}
	return p
}
