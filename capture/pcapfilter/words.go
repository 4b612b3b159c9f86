package pcapfilter

import (
	"math"
	"strings"

	"rustnet/capture"
)

// word is a primitive that is a keyword with numbers at most.
func (g *generator) word(n *node) *cond {
	switch n.text {
	case "broadcast":
		return g.broadcast(n.text2)
	case "multicast":
		return g.multicast(n.text2)
	case "less":
		return not(g.vs.test(jumpGt, g.vs.get(value{op: valLen}), g.vs.num(n.num)))
	case "greater":
		return g.vs.test(jumpGe, g.vs.get(value{op: valLen}), g.vs.num(n.num))
	case "byte":
		return g.byteOp(n)
	case "inbound":
		return not(g.outbound())
	case "outbound":
		return g.outbound()
	case "ifindex":
		return g.ifIndex(n.num)
	case "vlan":
		return g.vlan(n.num, n.hasNum)
	case "mpls":
		return g.mpls(n.num, n.hasNum)
	case "pppoed":
		return g.proto(etherPPPoED)
	case "pppoes":
		return g.pppoes(n.num, n.hasNum)
	case "geneve":
		return g.geneve(n.num, n.hasNum)
	default:
		return g.llc(n.text2)
	}
}

func (g *generator) broadcast(proto string) *cond {
	switch proto {
	case "", "link":
		g.needEthernet("broadcast")
		all := []byte{255, 255, 255, 255, 255, 255}
		return g.ifInnerEthernet(g.bytesAt(g.linkHdr, 0, all))
	case "ip":
		// The netmask is not known, which tcpdump takes for 0.0.0.0 when it reads a file: what remains is
		// the two addresses that are broadcasts everywhere.
		dst := g.net(16, 4)
		return and(g.proto(etherIP), or(g.eq(dst, 0), g.eq(dst, math.MaxUint32)))
	}
	g.fail("%q has no broadcasts; broadcast goes with ether, ip or nothing before it", proto)
	return nil
}

func (g *generator) multicast(proto string) *cond {
	switch proto {
	case "", "link":
		g.needEthernet("multicast")
		return g.ifInnerEthernet(g.vs.test(jumpSet, g.at(g.linkHdr, 0, 1), g.vs.num(1)))
	case "ip":
		return and(g.proto(etherIP), g.vs.test(jumpGe, g.net(16, 1), g.vs.num(224)))
	case "ip6":
		return and(g.proto(etherIPv6), g.eq(g.net(24, 1), 255))
	}
	g.fail("%q has no multicasts; multicast goes with ether, ip, ip6 or nothing before it", proto)
	return nil
}

// byteOp is the old way to write ether[n] op v. & and | are true when the result is not zero; libpcap 1.10
// forgets to load the byte for those two.
func (g *generator) byteOp(n *node) *cond {
	b, v := g.at(g.linkHdr, n.num, 1), g.vs.num(n.num2)
	switch n.op {
	case "=":
		return g.vs.test(jumpEq, b, v)
	case "<":
		return not(g.vs.test(jumpGe, b, v))
	case ">":
		return g.vs.test(jumpGt, b, v)
	case "&":
		return not(g.eq(g.vs.alu(aluAnd, b, v), 0))
	default:
		return not(g.eq(g.vs.alu(aluOr, b, v), 0))
	}
}

func (g *generator) outbound() *cond {
	switch {
	case g.link == capture.LinkSLL:
		return g.eq(g.at(g.linkHdr, 0, 2), packetOutgoing)
	case g.link == capture.LinkSLL2:
		return g.eq(g.at(g.linkHdr, 10, 1), packetOutgoing)
	case g.o.Live:
		return g.eq(g.vs.load(nil, adPktType, 2), packetOutgoing)
	}
	g.fail("inbound and outbound are not known in a file of link type %s, only in live captures and Linux cooked ones", g.linkName())
	return nil
}

func (g *generator) ifIndex(n uint32) *cond {
	switch {
	case g.link == capture.LinkSLL2:
		return g.eq(g.at(g.linkHdr, 4, 4), n)
	case g.o.Live:
		return g.eq(g.vs.load(nil, adIfIndex, 4), n)
	}
	g.fail("ifindex is not known in a file of link type %s, only in live captures and Linux cooked ones of version 2", g.linkName())
	return nil
}

// vlan tests for an 802.1Q or 802.1ad tag and moves what follows in the expression behind it.
func (g *generator) vlan(id uint32, hasID bool) *cond {
	if g.mplsLabels > 0 {
		g.fail("vlan cannot follow mpls")
	}
	if g.link != capture.LinkEthernet {
		g.fail("vlan goes with Ethernet only, this link type is %s", g.linkName())
	}
	if id > 0xfff {
		g.fail("VLAN %d is greater than 4095", id)
	}
	tag := or(g.proto(etherVLAN), g.proto(etherQinQ), g.proto(etherQinQ2))
	tci := g.net(0, 2)
	outermost := g.vlanTags == 0 && g.linkHdr == offset{}
	g.vlanTags++
	if g.o.Live && outermost && g.linkPayload.base == nil {
		return g.vlanLive(tag, tci, id, hasID)
	}
	g.linkPayload.k += 4
	g.linkType.k += 4
	if hasID {
		return and(tag, g.eqMask(tci, id, 0xfff))
	}
	return tag
}

// vlanLive: the kernel has taken the outermost tag off, or has not, packet by packet. A scratch word
// says by how much the rest is moved.
func (g *generator) vlanLive(tag *cond, tci *value, id uint32, hasID bool) *cond {
	word, moved := g.newVar()
	g.linkPayload.base, g.linkType.base = moved, moved
	taken := g.eq(g.vs.load(nil, adVLANHas, 1), 1)
	inPacket := and(set(assign{word, g.vs.num(4)}), tag)
	if hasID {
		taken = and(taken, g.eqMask(g.vs.load(nil, adVLANTag, 2), id, 0xfff))
		inPacket = and(inPacket, g.eqMask(tci, id, 0xfff))
	}
	return or(taken, inPacket)
}

// mpls tests for an MPLS label and moves what follows in the expression behind it.
func (g *generator) mpls(label uint32, hasLabel bool) *cond {
	var c *cond
	switch {
	case g.mplsLabels > 0: // the label before must not be the last
		c = g.eqMask(g.at(g.linkPayload, g.nl-2, 1), 0, 1)
	case g.link == capture.LinkEthernet:
		c = g.proto(etherMPLS)
	case g.link == capture.LinkPPP:
		c = g.proto(pppMPLS)
	default:
		g.fail("mpls goes with Ethernet and PPP, this link type is %s", g.linkName())
	}
	if hasLabel {
		if label > 0xfffff {
			g.fail("MPLS label %d is greater than 1048575", label)
		}
		c = and(c, g.eqMask(g.net(0, 4), label<<12, 0xfffff000))
	}
	g.nl += 4
	g.nlNoSNAP += 4
	g.mplsLabels++
	return c
}

// pppoes tests for a PPPoE session packet and makes what follows in the expression look into its PPP packet.
func (g *generator) pppoes(session uint32, hasSession bool) *cond {
	c := g.proto(etherPPPoES)
	if hasSession {
		if session > math.MaxUint16 {
			g.fail("PPPoE session %d is greater than 65535", session)
		}
		c = and(c, g.eqMask(g.net(0, 4), session, math.MaxUint16))
	}
	g.linkHdr = offset{base: g.linkPayload.base, k: g.linkPayload.k + g.nl + 6}
	g.linkType = g.linkHdr
	g.linkPayload.k = g.linkHdr.k + 2
	g.nl, g.nlNoSNAP = 0, 0
	g.link, g.inGeneve = capture.LinkPPP, false
	return c
}

// geneve tests for a Geneve packet (RFC 8926) and makes what follows in the expression look into what it
// carries: an Ethernet frame, or a network packet whose type the Geneve header has.
func (g *generator) geneve(vni uint32, hasVNI bool) *cond {
	if vni > 0xffffff {
		g.fail("Geneve network %d is greater than 16777215", vni)
	}
	g.loose = true
	check := func(p uint32, load func(uint32, uint8) *value, transport *cond) *cond {
		c := and(g.proto(p), and(transport, g.eq(load(2, 2), genevePort)), g.eqMask(load(8, 1), 0, 0xc0))
		if hasVNI {
			c = and(c, g.eqMask(load(12, 4), vni<<8, 0xffffff00))
		}
		return c
	}
	v4 := check(etherIP, g.transport4, and(g.eq(g.net(9, 1), protoUDP), g.notLaterFragment()))
	v6 := check(etherIPv6, g.transport6, g.eq(g.net(6, 1), protoUDP))

	k := g.linkPayload.k + g.nl + 8 // to the Geneve header, beyond the IP header and what is variable before it
	length6 := g.vs.num(40)
	if g.linkPayload.base != nil {
		length6 = g.vs.alu(aluAdd, g.linkPayload.base, length6)
	}
	headerWord, header := g.newVar()
	typeWord, typ := g.newVar()
	hdrWord, hdr := g.newVar()
	payloadWord, payload := g.newVar()
	v4 = and(v4, set(assign{headerWord, g.vs.alu(aluAdd, g.ipHeaderLen(), g.vs.num(k))}))
	v6 = and(v6, set(assign{headerWord, g.vs.alu(aluAdd, length6, g.vs.num(k))}))

	options := g.vs.alu(aluMul, g.vs.alu(aluAnd, g.vs.load(header, 0, 1), g.vs.num(0x3f)), g.vs.num(4))
	end := g.vs.alu(aluAdd, g.vs.alu(aluAdd, options, g.vs.num(8)), header)
	find := set(
		assign{typeWord, g.vs.alu(aluAdd, header, g.vs.num(2))},
		assign{hdrWord, end},
		assign{payloadWord, hdr})
	isEthernet := g.eq(g.vs.load(header, 2, 2), etherTEB)
	skipEthernet := set(
		assign{typeWord, g.vs.alu(aluAdd, hdr, g.vs.num(12))},
		assign{payloadWord, g.vs.alu(aluAdd, hdr, g.vs.num(14))})

	g.linkType, g.linkHdr, g.linkPayload = offset{base: typ}, offset{base: hdr}, offset{base: payload}
	g.nl = 0
	g.link, g.inGeneve = capture.LinkEthernet, true
	return and(or(v4, v6), find, or(and(isEthernet, skipEthernet), truth(true)))
}

var llcTypes = map[string]uint32{ // S and U frames, by the bits of their control field
	"rr": 0x01, "rnr": 0x05, "rej": 0x09,
	"ui": 0x03, "ua": 0x63, "disc": 0x43, "dm": 0x0f, "sabme": 0x6f, "test": 0xe3, "xid": 0xaf, "frmr": 0x87,
}

func (g *generator) llc(kind string) *cond {
	g.needEthernet("llc")
	is8022 := and(g.hasEtherLength(), not(g.eq(g.at(g.linkPayload, 0, 2), 0xffff)))
	control := g.at(g.linkPayload, 2, 1)
	switch strings.ToLower(kind) {
	case "":
		return is8022
	case "i":
		return and(is8022, not(g.vs.test(jumpSet, control, g.vs.num(1))))
	case "s":
		return and(is8022, g.eqMask(control, 1, 3))
	case "u":
		return and(is8022, g.eqMask(control, 3, 3))
	}
	v, ok := llcTypes[strings.ToLower(kind)]
	if !ok {
		g.fail("unknown kind of LLC frame %q; i, s, u, rr, rnr, rej, ui, ua, disc, sabme, test, xid and frmr are known", kind)
	}
	mask := uint32(0xef)
	if v&3 == 1 {
		mask = 0x0f
	}
	return and(is8022, g.eqMask(control, v, mask))
}

// Arithmetic.

var aluOps = map[string]uint16{
	"+": aluAdd, "-": aluSub, "*": aluMul, "/": aluDiv, "%": aluMod, "&": aluAnd, "|": aluOr, "^": aluXor,
	"<<": aluLsh, ">>": aluRsh,
}

// number is a value and what must be true of a packet before it can be computed; nil is nothing.
type number struct {
	v     *value
	first *cond
}

func bothFirst(a, b *cond) *cond {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return and(a, b)
}

func (g *generator) relation(n *node) *cond {
	l := g.arith(n.left)
	r := g.arith(n.right)
	g.pos = n.pos
	var c *cond
	switch n.op {
	case "=":
		c = g.vs.test(jumpEq, l.v, r.v)
	case "!=":
		c = not(g.vs.test(jumpEq, l.v, r.v))
	case ">":
		c = g.vs.test(jumpGt, l.v, r.v)
	case "<=":
		c = not(g.vs.test(jumpGt, l.v, r.v))
	case ">=":
		c = g.vs.test(jumpGe, l.v, r.v)
	default:
		c = not(g.vs.test(jumpGe, l.v, r.v))
	}
	if first := bothFirst(l.first, r.first); first != nil {
		return and(first, c)
	}
	return c
}

func (g *generator) arith(a *arith) number {
	switch a.op {
	case "num":
		return number{v: g.vs.num(a.num)}
	case "len":
		return number{v: g.vs.get(value{op: valLen})}
	case "neg":
		x := g.arith(a.x)
		return number{g.vs.neg(x.v), x.first}
	case "load":
		return g.load(a)
	}
	x := g.arith(a.x)
	y := g.arith(a.y)
	op := aluOps[a.op]
	if y.v.op == valConst {
		switch {
		case (op == aluDiv || op == aluMod) && y.v.k == 0:
			fail(a.pos, "division by zero")
		case (op == aluLsh || op == aluRsh) && y.v.k > 31:
			fail(a.pos, "shift by %d bits, of a number that has 32", y.v.k)
		}
	}
	// What the right operand needs of the packet is not asked for: neither does libpcap.
	return number{g.vs.alu(op, x.v, y.v), x.first}
}

// load is proto[index:size]. The packet must be of that protocol, and for transport protocols over IPv4 and no
// later fragment: libpcap looks for them over IPv4 only.
func (g *generator) load(a *arith) number {
	index := g.arith(a.x)
	g.pos = a.pos
	size := uint8(a.size)
	is := func() *cond { return g.protoWord(a.proto) }
	switch a.proto {
	case "link":
		return number{g.loadAt(g.linkHdr, 0, index.v, size), index.first}
	case "ip", "ip6", "arp", "rarp", "atalk", "decnet", "sca", "lat", "moprc", "mopdl":
		return number{g.loadAt(g.linkPayload, g.nl, index.v, size), bothFirst(index.first, is())}
	case "tcp", "udp", "sctp", "icmp", "igmp", "igrp", "pim", "vrrp", "carp":
		first := and(g.proto(etherIP), bothFirst(index.first, and(is(), g.notLaterFragment())))
		k, base := g.linkPayload.k+g.nl, g.ipHeaderLen()
		if index.v.op == valConst {
			k += index.v.k
		} else {
			base = g.vs.alu(aluAdd, index.v, base)
		}
		return number{g.vs.loadWritten(base, k, size), first}
	case "icmp6":
		first := bothFirst(bothFirst(index.first, g.proto(etherIPv6)), g.eq(g.net(6, 1), protoICMPv6))
		return number{g.loadAt(g.linkPayload, g.nl+40, index.v, size), first}
	}
	g.fail("nothing can be loaded from %q; the protocols that can be are ether, ip, ip6, arp, rarp, tcp, udp, icmp, icmp6, sctp, igmp, pim and the like", a.proto)
	return number{}
}

func (g *generator) loadAt(o offset, k uint32, index *value, size uint8) *value {
	base := index
	if o.base != nil {
		base = g.vs.alu(aluAdd, index, o.base)
	}
	v := g.vs.loadWritten(base, o.k+k, size)
	if g.o.Live && v.x == nil && v.k >= 1<<31 {
		g.fail("an offset before the packet; the kernel takes none") // it has other things there
	}
	return v
}
