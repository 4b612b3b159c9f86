package dpi

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"

	"rustnet/track/event"
)

var (
	fieldSOCKSVersion = event.AppUint("socks_version", "", "Version of SOCKS: 4 or 5.")
	fieldSOCKSTarget  = event.AppString("socks_target", "Host and port that the client asked to be connected to.")
	fieldSOCKSUser    = event.AppString("socks_user", "User that the client named.")
	fieldSOCKSCommand = event.AppString("socks_command", "What the client asked for: connect, bind, udp-associate.").Spelt(socksCommandForm)
	fieldSOCKSReply   = event.AppString("socks_reply", "What it was answered: granted, refused, not-allowed, network-unreachable, host-unreachable, ttl-expired, ….").Spelt(socksReplyForm)
)

var socksReplyForm = event.OneOf(append(slices.Clone(socksReplies), socks4Replies...)...)

var socksCommandForm = event.OneOf(socksCommands...).Elsewhere(map[string]string{"udp": "udp-associate"})

var socksFields = []*event.AppField{fieldSOCKSVersion, fieldSOCKSTarget, fieldSOCKSUser, fieldSOCKSCommand, fieldSOCKSReply}

var (
	socksCommands = []string{1: "connect", 2: "bind", 3: "udp-associate"}
	// socksReplies is RFC 1928 section 6; socks4Replies are those of SOCKS 4, from 90 on.
	socksReplies = []string{"granted", "failure", "not-allowed", "network-unreachable", "host-unreachable", "refused", "ttl-expired",
		"command-not-supported", "address-not-supported"}
	socks4Replies = []string{"granted", "failure", "no-identd", "wrong-user"}
)

// datagramsSOCKS is what a client sends through a proxy's port for datagrams.
var datagramsSOCKS = &event.App{Name: "socks"}

var socksFirst = bytesIn("\x00\x04\x05", 1, 0)

// socksState follows a client up to what it says through the proxy.
type socksState struct {
	client Side
	alone  bool          // nothing was heard of one of them when the other's words were enough
	phase  [2]socksPhase // what comes next of client and proxy
}

type socksPhase uint8

const (
	socksMethods socksPhase = iota
	socksLogin
	socksRequest
	socksInside
)

const socksRelayLen = 3 + 1 + 4 + 2 // zeros, kind of address, address, port: the shortest head of a datagram

// parseSOCKS reads SOCKS 5 with or without a login (RFC 1928 and 1929) and SOCKS 4 and 4a. Its
// messages are so short that only request and answer together are proof.
func parseSOCKS(c *call) verdict {
	st, _ := c.f.state.(*socksState)
	if st == nil {
		own, other := &c.view[c.side], &c.view[1-c.side]
		client, kind := Orig, c.socksPair(Orig)
		if k := c.socksPair(Resp); k > kind { // an answer may also be what a hello begins with
			client, kind = Resp, k
		}
		if len(own.b) > 0 && own.b[0] == 5 && c.unheard() {
			switch got := socksGrants(own.b); {
			case socksAsks(own.b):
				client, kind = c.side, sure
			case got == match:
				client, kind = 1-c.side, sure
			case got == more:
				kind = alike
			}
		}
		switch {
		case own.gap || kind == unlike || kind == alike && own.fin && other.fin:
			return no
		case kind == alike:
			return more
		}
		st = &socksState{client: client, alone: len(other.b) == 0}
		c.f.state = st
		c.f.proxied = true
		c.setClient(client)
		version := c.view[client].b
		if st.alone {
			version = own.b
		}
		c.edit().SetUint(fieldSOCKSVersion, uint64(version[0]))
	}
	for c.socksClient(st) || c.socksProxy(st) {
	}
	if c.f.finished {
		c.know()
		return done
	}
	if st.phase[st.client] == socksInside && (st.phase[1-st.client] == socksInside || st.alone) || st.phase[1-st.client] == socksInside && st.alone {
		if c.f.app.Str(fieldSOCKSCommand) != socksCommands[1] { // nothing that names itself comes over this connection, or not for long
			c.know()
		}
		if len(c.view[Orig].b)+len(c.view[Resp].b) > 0 {
			c.inside()
		}
	}
	return match
}

// socksPair judges what both sides said, if the given one is the client.
func (c *call) socksPair(client Side) likeness {
	hello, answer := &c.view[client], &c.view[1-client]
	if len(hello.b) == 0 && hello.gap || len(answer.b) == 0 && answer.gap ||
		len(hello.b) > 0 && len(answer.b) > 0 && (hello.b[0] == 4) != (answer.b[0] == 0) {
		return unlike
	}
	return min(socksHello(hello.b), socksAnswer(answer.b))
}

// socksAsks tells whether a client's methods of SOCKS 5 are followed by a request, perhaps behind a login, and so by what needs no answer to be known by.
func socksAsks(b []byte) bool {
	if len(b) < 3 || b[1] == 0 || len(b) < 2+int(b[1]) || !socksOffers(b[2:2+int(b[1])]) {
		return false
	}
	b = b[2+int(b[1]):]
	if len(b) > 2 && b[0] == 1 && b[1] > 0 { // user and password
		user := int(b[1])
		if len(b) < 3+user || !textLine(b[2:2+user]) || len(b) < 3+user+int(b[2+user]) {
			return false
		}
		b = b[3+user+int(b[2+user]):]
	}
	return len(b) > 3 && b[1] > 0 && int(b[1]) < len(socksCommands) && socksEnd(b)
}

// socksGrants tells whether a proxy's choice of a method is followed by what it answers a request.
func socksGrants(b []byte) verdict {
	const login = "\x05\x02\x01\x00"
	switch {
	case len(b) < 2 || len(b) < len(login) && b[1] == 2:
		return more
	case b[1] == 2 && string(b[:len(login)]) == login:
		b = b[len(login):]
	case b[1] == 0:
		b = b[2:]
	default:
		return no
	}
	switch {
	case len(b) > 0 && b[0] != 5 || len(b) > 1 && int(b[1]) >= len(socksReplies) || len(b) > 2 && b[2] != 0:
		return no
	case len(b) < 4 || !socksEnd(b):
		return more
	}
	return match
}

// socksEnd tells whether a request or reply of SOCKS 5 is there up to its port.
func socksEnd(b []byte) bool {
	size := 10
	switch {
	case b[0] != 5 || b[2] != 0:
		return false
	case b[3] == 3 && len(b) > 4:
		size = 7 + int(b[4])
		if len(b) < size || !printable(b[5:size-2]) {
			return false
		}
	case b[3] == 4:
		size = 22
	case b[3] != 1:
		return false
	}
	return len(b) >= size
}

// socksHello judges a client's first message: sure when it is whole, alike when it may become so.
func socksHello(b []byte) likeness {
	if len(b) == 0 {
		return alike
	}
	switch b[0] {
	case 5:
		switch {
		case len(b) < 2, b[1] > 0 && len(b) < 2+int(b[1]):
			return alike
		case b[1] == 0 || !socksOffers(b[2:2+int(b[1])]):
			return unlike
		}
		return sure
	case 4:
		if len(b) > 1 && b[1] != 1 && b[1] != 2 {
			return unlike
		}
		if size, ok := socks4Size(b); !ok {
			return unlike
		} else if size > 0 {
			return sure
		}
		return alike
	}
	return unlike
}

// socksOffers tells whether b can be methods: those that IANA has, and private ones.
func socksOffers(b []byte) bool {
	const last, private, none = 9, 0x80, 0xff
	for _, method := range b {
		if method > last && method < private || method == none {
			return false
		}
	}
	return true
}

// socks4Size is the length of a SOCKS 4 request: user and, in 4a, host end with a zero. It is 0 while they do not.
func socks4Size(b []byte) (size int, ok bool) {
	if len(b) < 9 {
		return 0, true
	}
	size = 8
	texts := 1
	if be24(b[4:]) == 0 && b[7] != 0 { // 0.0.0.x: 4a
		texts = 2
	}
	for range texts {
		end := bytes.IndexByte(b[size:], 0)
		if end < 0 {
			return 0, len(b) < 600 && textLine(b[size:])
		}
		if !textLine(b[size : size+end]) {
			return 0, false
		}
		size += end + 1
	}
	return size, true
}

// socksAnswer judges a proxy's first message.
func socksAnswer(b []byte) likeness {
	switch {
	case len(b) == 0:
		return alike
	case b[0] == 5 && len(b) >= 2:
		if b[1] > 9 && b[1] != 0xff || len(b) != 2 {
			return unlike
		}
		return sure
	case b[0] == 0 && len(b) >= 2:
		if b[1] < 90 || b[1] > 93 {
			return unlike
		}
		if len(b) < 8 {
			return alike
		}
		return sure
	case b[0] == 0 || b[0] == 5:
		return alike
	}
	return unlike
}

// socksClient reads a message of the client, and returns true when there was one.
func (c *call) socksClient(st *socksState) bool {
	v, phase := &c.view[st.client], &st.phase[st.client]
	b := v.b
	if len(b) < 2 {
		return false
	}
	switch {
	case *phase == socksMethods && b[0] == 4:
		size, ok := socks4Size(b)
		if !ok || size == 0 {
			return false
		}
		c.named(fieldSOCKSCommand, socksCommands, int(b[1]))
		user, rest, _ := bytes.Cut(b[8:size], []byte{0})
		c.setOnce(fieldSOCKSUser, user)
		host := rest[:max(len(rest)-1, 0)]
		if len(host) == 0 {
			host = nil
		}
		c.socksTarget(host, b[4:8], be16(b[2:]))
		c.eat(st.client, size)
		*phase = socksInside
	case *phase == socksMethods:
		if len(b) < 2+int(b[1]) {
			return false
		}
		c.eat(st.client, 2+int(b[1]))
		*phase = socksRequest // or a login: the next message's version tells
	case *phase == socksRequest && b[0] == 1: // RFC 1929: version, user, password
		user := int(b[1])
		if len(b) < 3+user || len(b) < 3+user+int(b[2+user]) {
			return false
		}
		if textLine(b[2 : 2+user]) {
			c.setOnce(fieldSOCKSUser, b[2:2+user])
		}
		c.eat(st.client, 3+user+int(b[2+user]))
	case *phase == socksRequest && b[0] == 5:
		size, ok := c.socksAddress(b, true)
		if !ok {
			c.f.finished = true
			return false
		}
		if size == 0 {
			return false
		}
		c.eat(st.client, size)
		*phase = socksInside
	case *phase == socksRequest:
		c.f.finished = true
		return false
	default:
		return false
	}
	return true
}

// socksAddress returns the length of a request or reply of SOCKS 5 (RFC 1928 sections 4 and 6), 0 while it is not
// whole; of a request it tells the target.
func (c *call) socksAddress(b []byte, request bool) (size int, ok bool) {
	if len(b) < 5 {
		return 0, true
	}
	if b[0] != 5 || b[2] != 0 {
		return 0, false
	}
	switch at := 4; b[3] {
	case 1:
		size = at + 4 + 2
	case 3:
		size = at + 1 + int(b[4]) + 2
	case 4:
		size = at + 16 + 2
	default:
		return 0, false
	}
	if len(b) < size {
		return 0, true
	}
	if request {
		c.named(fieldSOCKSCommand, socksCommands, int(b[1]))
		port := be16(b[size-2:])
		if b[3] == 3 {
			c.socksTarget(b[5:size-2], nil, port)
		} else {
			c.socksTarget(nil, b[4:size-2], port)
		}
	}
	return size, true
}

func (c *call) socksTarget(host, addr []byte, port uint16) {
	text := ""
	switch a, ok := netip.AddrFromSlice(addr); {
	case host != nil && printable(host):
		text = string(host) + ":" + strconv.Itoa(int(port))
	case host == nil && ok:
		text = netip.AddrPortFrom(a, port).String()
	default:
		return
	}
	if c.f.app.Str(fieldSOCKSCommand) == socksCommands[3] { // where the client's datagrams will come from, mostly not known yet
		return
	}
	if !c.f.app.Has(fieldSOCKSTarget) {
		c.edit().SetStr(fieldSOCKSTarget, text)
	}
}

// socksProxy reads a message of the proxy, and returns true when there was one.
func (c *call) socksProxy(st *socksState) bool {
	s := 1 - st.client
	v, phase := &c.view[s], &st.phase[s]
	b := v.b
	if len(b) < 2 {
		return false
	}
	switch {
	case *phase == socksMethods && b[0] == 0:
		if len(b) < 8 {
			return false
		}
		c.named(fieldSOCKSReply, socks4Replies, int(b[1])-90)
		c.f.finished = b[1] != 90
		c.eat(s, 8)
		*phase = socksInside
	case *phase == socksMethods:
		c.f.finished = b[1] == 0xff
		*phase = socksRequest
		if b[1] == 2 {
			*phase = socksLogin
		}
		c.eat(s, 2)
	case *phase == socksLogin:
		c.f.finished = b[1] != 0
		*phase = socksRequest
		c.eat(s, 2)
	case *phase == socksRequest:
		size, ok := c.socksAddress(b, false)
		if ok && size > 0 {
			c.named(fieldSOCKSReply, socksReplies, int(b[1]))
		}
		if !ok || size > 0 && b[1] != 0 {
			c.f.finished = true
			return false
		}
		if size == 0 {
			return false
		}
		if c.f.app.Str(fieldSOCKSCommand) == socksCommands[3] && b[3] != 3 {
			c.socksRelay(s, b[4:size-2], be16(b[size-2:]))
		}
		c.eat(s, size)
		*phase = socksInside
	default:
		return false
	}
	return !c.f.finished
}

// socksRelay says that the client's datagrams will go to a port of the proxy (RFC 1928 section 7), whose address it need not name.
func (c *call) socksRelay(proxy Side, addr []byte, port uint16) {
	if a, ok := netip.AddrFromSlice(addr); ok && !a.IsUnspecified() {
		c.expect(Expected{Addr: a.Unmap(), At: proxy, Port: port, App: datagramsSOCKS})
	}
	c.expect(Expected{At: proxy, Port: port, App: datagramsSOCKS})
}

// parseSOCKSDatagram reads the head that the datagrams of SOCKS 5 have on their way through the proxy: whom they are for, or from. One
// says little; what comes back from whom another went to is proof.
func parseSOCKSDatagram(c *call) verdict {
	b := c.view[c.side].b
	size := socksRelayLen
	switch {
	case b[0] != 0 || b[1] != 0 || b[2] != 0: // fragments are nobody's
		return no
	case b[3] == 4:
		size = socksRelayLen + 12
	case b[3] != 1: // a name, in place of which comes an address
		return no
	}
	if len(b) < size || be16(b[size-2:]) == 0 {
		return no
	}
	h := uint64(14695981039346656037) // FNV-1a
	for _, d := range b[3:size] {
		h = (h ^ uint64(d)) * 1099511628211
	}
	if a, low, ok := c.trail(trailSOCKS, 1-c.side); !ok || a != h>>8 || low != uint32(h) {
		c.leave(trailSOCKS, h>>8, uint32(h))
		return more
	}
	c.setClient(1 - c.side)
	c.edit().SetUint(fieldSOCKSVersion, 5)
	c.socksTarget(nil, b[4:size-2], be16(b[size-2:]))
	c.f.app.SetStr(fieldSOCKSCommand, socksCommands[3])
	return c.finish()
}
