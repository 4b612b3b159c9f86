package dpi

import "bytes"

// The signs of what plays, talks and shares: media, peer to peer, games, private networks, and the routers and old services of a LAN.

var peerStreamSigns = []sign{
	{app: "multistream", begins: "\x13/multistream/1.0.0\n"},                                      // libp2p, both ends
	{app: "monero", begins: "\x01\x21\x01\x01\x01\x01\x01\x01"},                                   // Levin, what nodes of Monero speak
	{app: "nano", begins: "R", is: nano},                                                          // Nano, its handshake
	{app: "directconnect", begins: "$Lock ", is: dcLock},                                          // NMDC, who is connected to
	{app: "directconnect", begins: "$MyNick ", from: client, is: dcNick},                          // and from one client to another
	{app: "directconnect", begins: "HSUP AD", from: client},                                       // ADC, a client to its hub
	{app: "directconnect", begins: "ISUP AD", from: server},                                       // the hub
	{app: "directconnect", begins: "CSUP AD"},                                                     // one client to another
	{app: "aim", begins: "\x2a\x01", is: oscar},                                                   // OSCAR, AIM's and ICQ's
	{app: "ymsg", begins: "YMSG\x00", is: ymsg},                                                   // Yahoo's messenger
	{app: "msnms", begins: "VER ", is: msnp},                                                      // Microsoft's
	{app: "gadu-gadu", begins: "\x01\x00\x00\x00\x04\x00\x00\x00", from: server, is: gaduGadu},    // Gadu-Gadu, its welcome
	{app: "wow", begins: "\x30\x00WORLD OF WARCRAFT CONNECTION - SERVER TO CLIENT", from: server}, // World of Warcraft
	{app: "wow", begins: "WORLD OF WARCRAFT CONNECTION - SERVER TO CLIENT", from: server},         // the same, since 2015
	{app: "wow", begins: "WORLD OF WARCRAFT CONNECTION - CLIENT TO SERVER", from: client},
	{app: "terraria", begins: "\x0f\x00\x01\x0bTerraria", from: client}, // Terraria, a client of a version of three digits
	{app: "ookla", begins: "HELLO ", from: server, is: ooklaServer},     // Speedtest, its servers
	{app: "ookla", begins: "HI ", from: client, is: ooklaClient},        // and clients
	{app: "synergy", begins: "\x00\x00\x00", is: synergy},               // Synergy, Barrier and Deskflow, a mouse for several computers
	{app: "citrix", begins: "\x7f\x7fICA\x00"},                          // Citrix ICA
	{app: "nomachine", begins: "NXSH-", is: nomachine},                  // NoMachine, either end's greeting
	{app: "nomachine", begins: "NXD-", is: nomachine},
	{app: "vtun", begins: "VTUN server ver ", from: server},                           // VTun
	{app: "cops", begins: "\x10", is: cops},                                           // Common Open Policy Service
	{app: "msdp", begins: "\x04\x00\x03", is: msdpPort},                               // Multicast Source Discovery, that it is still there
	{app: "msdp", begins: "\x01", is: msdp},                                           // and its sources
	{app: "radmin", begins: "\x01\x00\x00\x00\x01\x00\x00\x00\x08\x08", from: client}, // Radmin 3
	{app: "radmin", begins: "\x01\x00\x00\x00\x25", from: server, is: radminAnswer},   // its answer
	{app: "radmin", begins: "\x01\x00\x00\x00\x05\x00\x00", is: radminNext},           // the connections behind the first
	{app: "chargen", begins: "!\"#$%&'()*+,-./0123456789:", from: server},             // RFC 864
	{app: "chargen", begins: " !\"#$%&'()*+,-./0123456789:", from: server},
}

var peerSigns = []sign{
	{app: "applemidi", begins: "\xff\xff", is: appleMIDI},                                                                      // RTP-MIDI, its sessions
	{app: "raop", begins: "\x80\xd2\x00\x07\x00\x00\x00\x00", is: raopTime},                                                    // AirPlay 1, a question for the time
	{app: "raop", begins: "\x80\xd3\x00\x07\x00\x00\x00\x00", is: raopTime},                                                    // its answer
	{app: "osc", begins: "#bundle\x00"},                                                                                        // Open Sound Control
	{app: "osc", begins: "/", is: osc},                                                                                         // a message alone
	{app: "mumble", begins: "\x00\x00\x00\x00", is: mumblePing},                                                                // Mumble, how a server is
	{app: "mumble", begins: "\x00\x01", is: mumblePong},                                                                        // its answer
	{app: "nebula", begins: "\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", from: client, is: nebulaHello}, // Nebula, a handshake
	{app: "nebula", begins: "\x10\x00\x00\x00", from: server, is: nebulaAnswer},                                                // its answer
	{app: "fastd", begins: "\x01\x00", is: fastd},                                                                              // fastd, a handshake
	{app: "fastd", begins: "\xc8\x03\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00", is: fastdInL2TP},                        // the same in the header that L2TP has
	{app: "n2n", begins: "\x03", is: n2n},                                                                                      // n2n 3
	{app: "uftp", begins: "\x40\x01", is: uftp},                                                                                // UFTP 4, an announcement
	{app: "mactelnet", begins: "\x01", is: macTelnet},                                                                          // MikroTik's, by the addresses of links
	{app: "discord", begins: "\x13\x37\xca\xfe", is: discordAlive},                                                             // a number that is sent back, for NAT
	{app: "photon", begins: "\xff\xff\x00\x01", from: client, is: photon},                                                      // Photon, games' rooms: a peer that has no number yet
	{app: "zoom", begins: "\x01\x00\x02", from: client, is: zoomAsks},                                                          // Zoom's media, how a client comes in
	{app: "zoom", begins: "\x02\x00\x01", from: server, is: zoomAnswers},
	{app: "zoom", begins: "\x03\x00\x00\x00\x01", is: zoomAsks}, // and how long the way takes
	{app: "zoom", begins: "\x04\x00\x00\x00\x01", is: zoomAnswers},
	{app: "nintendo", begins: "\x32\xab\x98\x64", is: nintendo},                                  // Pia, games of two consoles
	{app: "roon", begins: "SOOD\x02", is: roon},                                                  // Roon, the search for its parts
	{app: "ps-ddp", begins: "SRCH * HTTP/1.1\ndevice-discovery-protocol-version:", from: client}, // PlayStation, the search
	{app: "ps-ddp", begins: "HTTP/1.1 ", from: server, is: playStation},                          // its answer
	{app: "dante", begins: "\xff\xff", is: danteStatus},                                          // Dante, sound over IP: what devices say of themselves and are set to
	{app: "dante", begins: "\x27\xff", is: danteControl},                                         // and how sound is routed
	{app: "crestron", begins: "\x14\x00\x00\x00\x01\x04\x00\x03\x00\x00", from: client},          // Crestron, the search for its controls
	{app: "gamespy", begins: "\xfe\xfd\x09", from: client, is: gameSpy},                          // the fourth of GameSpy's queries, Minecraft's too: a question for a number
	{app: "kodi", begins: "XBMC\x02\x00", from: client},                                          // Kodi, its EventServer
	{app: "samp", begins: "SAMP", is: samp},                                                      // San Andreas Multiplayer, a question and its answer
	{app: "minetest", begins: "\x4f\x45\x74\x03", is: minetest},                                  // Luanti
	{app: "ssrp", begins: "\x05", from: server, is: sqlInstances},                                // SQL Server Resolution [MC-SQLR], the answer
	{app: "ssrp", first: "\x02\x03\x04", from: client, is: sqlBrowser},                           // the question
	{app: "pana", begins: "\x00\x00", is: pana},                                                  // RFC 5191
	{app: "cpha", begins: "\x1a\x90", is: cpha},                                                  // Check Point's clusters
	{app: "who", begins: "\x01\x01\x00\x00", is: rwho},                                           // rwhod
	{app: "olsr", begins: "\x00", is: olsr},                                                      // RFC 3626
	{app: "aodv", begins: "\x01", is: aodv},                                                      // RFC 3561, a request
	{app: "aodv", begins: "\x02", is: aodv},                                                      // and a reply
	{app: "chargen", begins: "!\"#$%&'()*+,-./0123456789:", from: server},
	{app: "chargen", begins: " !\"#$%&'()*+,-./0123456789:", from: server},
}

// nano holds that it is a handshake of a network's nodes, whose version lies between the least and the greatest they speak, and what of it is there
// follows (https://docs.nano.org/protocol-design/networking).
func nano(c *call) verdict {
	const head, least, greatest, handshake, query, response, newer, cookie = 8, 13, 64, 0x0a, 1, 2, 4, 32
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && (b[1] < 'A' || b[1] > 'C') && b[1] != 'X' { // the networks
		return no
	}
	if len(b) < head {
		return v.unfinished()
	}
	flags := le16(b[6:])
	if b[2] > greatest || b[2] < b[3] || b[3] < b[4] || b[4] < least || b[5] != handshake || flags&(query|response) == 0 || flags&^(query|response|newer) != 0 {
		return no
	}
	if len(b) < head+cookie {
		return v.unfinished()
	}
	return match
}

// dcLock holds that a lock and who made it stand up to a bar (NMDC).
func dcLock(c *call) verdict {
	const maxLock = 512
	v := &c.view[c.side]
	b := v.b[:min(len(v.b), maxLock)]
	end := bytes.IndexByte(b, '|')
	switch {
	case end < 0 && len(b) < maxLock && !v.fin && !v.gap:
		return more
	case end < 0 || !bytes.Contains(b[:end], []byte(" Pk=")) && !bytes.HasPrefix(b, []byte("$Lock EXTENDEDPROTOCOL")):
		return no
	}
	if c.side == Resp { // the hub; between clients the one that connects says its name first
		c.setClient(Orig)
	}
	return match
}

func dcNick(c *call) verdict {
	const maxNick = 128
	v := &c.view[c.side]
	b := v.b[:min(len(v.b), maxNick)]
	end := bytes.IndexByte(b, '|')
	if end >= 0 && oneLine(b[:end]) {
		rest := b[end+1:]
		if n := min(len(rest), len("$Lock ")); string(rest[:n]) == "$Lock "[:n] {
			if n == len("$Lock ") {
				return match
			}
			return v.unfinished()
		}
		return no
	}
	if len(b) == maxNick || end >= 0 {
		return no
	}
	return v.unfinished()
}

func isHexDigit(d byte) bool { return digit(d) || d|0x20 >= 'a' && d|0x20 <= 'f' }

// oscar holds that the first frame is that of a new connection and has the version (OSCAR, FLAP), and what it is followed by its length.
func oscar(c *call) verdict {
	const head = 6
	v := &c.view[c.side]
	if len(v.b) < head+4 {
		return v.unfinished()
	}
	n := int(be16(v.b[4:]))
	if n < 4 || n > 2<<10 || be32(v.b[head:]) != 1 {
		return no
	}
	if n == 4 {
		return match
	}
	if len(v.b) < head+4+4 {
		return v.unfinished()
	}
	if kind, size := be16(v.b[head+4:]), int(be16(v.b[head+6:])); kind == 0 || kind > 0x100 || size == 0 || size > n-8 || size < n/8 {
		return no
	}
	return match
}

// ymsg holds that the version is small and nothing behind it but the vendor's number, and the kind one there is (YMSG 9 to 19).
func ymsg(c *call) verdict {
	const head, maxVersion, maxService = 20, 20, 0x500
	v := &c.view[c.side]
	if len(v.b) < head {
		return v.unfinished()
	}
	if v.b[5] > maxVersion || be16(v.b[10:]) == 0 || be16(v.b[10:]) > maxService {
		return no
	}
	return match
}

// msnp holds that the line has a number and the versions that are offered or taken.
func msnp(c *call) verdict {
	line, got := c.view[c.side].wholeLine(200)
	if got != match {
		return got
	}
	rest := bytes.TrimLeft(line[len("VER "):], "0123456789")
	if !oneLine(line) || len(rest) == len(line)-len("VER ") || !bytes.HasPrefix(rest, []byte(" MSNP")) {
		return no
	}
	return match
}

func gaduGadu(c *call) verdict {
	const port = 8074
	if !c.hasPort(port) {
		return no
	}
	return match
}

// ooklaServer holds that a version and again one, in brackets, stand behind the word.
func ooklaServer(c *call) verdict {
	line, got := c.view[c.side].wholeLine(80)
	if got != match {
		return got
	}
	word, rest := cutWord(line[len("HELLO "):])
	if len(word) < 3 || len(bytes.Trim(word, "0123456789.")) > 0 || !beginsAs(rest, "("+string(word)) || len(rest) < 8 {
		return no
	}
	return match
}

// ooklaClient holds that an identity stands behind the word, as RFC 9562 writes it.
func ooklaClient(c *call) verdict {
	const at, size = 3, 36
	v := &c.view[c.side]
	for i := at; i < min(len(v.b), at+size+1); i++ {
		d := v.b[i]
		switch n := i - at; {
		case n == size && d != '\n' && d != '\r' && d != ' ':
			return no
		case n == 8 || n == 13 || n == 18 || n == 23:
			if d != '-' {
				return no
			}
		case n < size && !isHexDigit(d):
			return no
		}
	}
	if len(v.b) <= at+size {
		return v.unfinished()
	}
	return match
}

// synergy holds that the greeting has its length before it, and versions behind its name.
func synergy(c *call) verdict {
	const head, greeting, maxName = 4, 11, 200
	v := &c.view[c.side]
	b := v.b
	if len(b) > head && !beginsAs(b[head:], "Synergy") && !beginsAs(b[head:], "Barrier") || len(b) > head-1 && (b[3] < greeting || b[3] > maxName) {
		return no
	}
	if len(b) < head+greeting {
		return v.unfinished()
	}
	if be16(b[head+7:]) != 1 || be16(b[head+9:]) > 32 {
		return no
	}
	c.setClient(c.side ^ sideIf(b[3] == greeting)) // a client says its name too
	return match
}

// nomachine holds that a version stands behind the word, and nothing else in the line.
func nomachine(c *call) verdict {
	const maxLine = 16
	v := &c.view[c.side]
	line, size := cutLine(v.b)
	if size == 0 && len(v.b) < maxLine {
		return v.unfinished()
	}
	_, version, _ := bytes.Cut(line, []byte{'-'})
	if size == 0 || len(version) < 3 || len(bytes.Trim(version, "0123456789.")) > 0 {
		return no
	}
	return match
}

// cops holds that the first message is a client's that it is there, with its name, or that it is taken, with a timer (RFC 2748 sections 3.6 and 3.7).
func cops(c *call) verdict {
	const head, open, accept, name, timer = 8, 6, 7, 0x0b01, 0x0a01
	v := &c.view[c.side]
	if len(v.b) > 1 && v.b[1] != open && v.b[1] != accept {
		return no
	}
	if len(v.b) < head+4 {
		return v.unfinished()
	}
	n, object, kind := be32(v.b[4:]), uint32(be16(v.b[head:])), be16(v.b[head+2:])
	if n > 4<<10 || n&3 != 0 || object < 8 || head+object > n {
		return no
	}
	switch {
	case v.b[1] == open && kind == name:
		c.setClient(c.side)
	case v.b[1] == accept && kind == timer && object == 8:
		c.setClient(1 - c.side)
	default:
		return no
	}
	return match
}

const msdpTCP = 639

func msdpPort(c *call) verdict {
	if !c.hasPort(msdpTCP) {
		return no
	}
	return match
}

// msdp holds that there are sources of groups, on its port: what is reserved is zero, the prefix whole, the group a multicast one (RFC 3618 section 12.2.1).
func msdp(c *call) verdict {
	const head, entry, prefix = 8, 12, 32
	v := &c.view[c.side]
	b := v.b
	if !c.hasPort(msdpTCP) {
		return no
	}
	if len(b) < head+entry {
		return v.unfinished()
	}
	if n := int(be16(b[1:])); b[3] == 0 || n < head+entry*int(b[3]) || be32(b[head:]) != prefix || b[head+4]&0xf0 != 0xe0 {
		return no
	}
	return match
}

// radminAnswer holds what the answer to the first question has where it is always the same.
func radminAnswer(c *call) verdict {
	v := &c.view[c.side]
	if len(v.b) < 14 {
		return v.unfinished()
	}
	if be32(v.b[7:]) != 0x02120802 || v.b[13] != 0x0a {
		return no
	}
	return match
}

func radminNext(c *call) verdict {
	const size = 14
	v := &c.view[c.side]
	if len(v.b) < size {
		return v.unfinished()
	}
	if be16(v.b[8:]) != 0x2727 || v.b[11] != 0 || v.b[12] != 0 || v.b[13] != 0 {
		return no
	}
	return match
}

// appleMIDI holds that the command is one there is, and its length or version right (Apple, MIDI Network Driver Protocol).
func appleMIDI(c *call) verdict {
	const version, token, clock = 2, 16, 36
	v := &c.view[c.side]
	b := v.b
	if len(b) < 12 {
		return no
	}
	switch string(b[2:4]) {
	case "IN", "OK", "NO", "BY":
		if len(b) < token || be32(b[4:]) != version {
			return no
		}
		c.setClient(c.side ^ sideIf(b[2] == 'O' || b[2] == 'N'))
	case "CK":
		if !v.exactly(clock) || b[8] > 2 || b[9] != 0 || b[10] != 0 || b[11] != 0 {
			return no
		}
	default:
		return no
	}
	return match
}

// raopTime holds that the message is as long as it is always.
func raopTime(c *call) verdict {
	if !c.view[c.side].exactly(32) {
		return no
	}
	return match
}

// osc holds that there are an address and types, filled up with zeros, and as many values as the types say (Open Sound Control 1.0).
func osc(c *call) verdict {
	v := &c.view[c.side]
	if v.gap || len(v.b)&3 != 0 {
		return no
	}
	address, rest, ok := oscText(v.b)
	if !ok || len(address) < 2 {
		return no
	}
	types, rest, ok := oscText(rest)
	if !ok || len(types) < 1 || types[0] != ',' {
		return no
	}
	for _, kind := range types[1:] {
		n := 0
		switch kind {
		case 'i', 'f', 'c', 'r', 'm':
			n = 4
		case 'h', 't', 'd':
			n = 8
		case 's', 'S':
			if _, rest, ok = oscText(rest); !ok {
				return no
			}
		case 'b':
			if len(rest) < 4 || be32(rest) > uint32(len(rest)) {
				return no
			}
			n = 4 + (size32(be32(rest))+3)&^3
		case 'T', 'F', 'N', 'I', '[', ']':
		default:
			return no
		}
		if n > len(rest) {
			return no
		}
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return no
	}
	return match
}

// oscText cuts a text that zeros fill up to a multiple of four bytes, one at least.
func oscText(b []byte) (text, rest []byte, ok bool) {
	end := bytes.IndexByte(b, 0)
	if end < 1 || !oneLine(b[:end]) {
		return nil, nil, false
	}
	n := (end + 4) &^ 3
	if n > len(b) || !allZero(b[end:n]) {
		return nil, nil, false
	}
	return b[:end], b[n:], true
}

// mumblePing keeps the number that the answer has again (Mumble protocol, ping of servers by UDP).
func mumblePing(c *call) verdict {
	const size = 12
	v := &c.view[c.side]
	if !v.exactly(size) || len(v.b) < size {
		return no
	}
	c.leave(trailMumble, uint64(be32(v.b[4:])), be32(v.b[8:]))
	return more
}

func mumblePong(c *call) verdict {
	const size = 24
	v := &c.view[c.side]
	if !v.exactly(size) || len(v.b) < 12 {
		return no
	}
	if high, low, ok := c.trail(trailMumble, 1-c.side); !ok || high != uint64(be32(v.b[4:])) || low != be32(v.b[8:]) || high|uint64(low) == 0 {
		return no
	}
	c.setClient(1 - c.side)
	return match
}

// nebulaKeys is how much a handshake has at least behind its header, two keys.
const nebulaKeys = 64

func nebulaHello(c *call) verdict {
	if v := &c.view[c.side]; v.wire() < 16+nebulaKeys {
		return no
	}
	return match
}

// nebulaAnswer holds that the second message of a handshake goes to a number of the first one's.
func nebulaAnswer(c *call) verdict {
	const head = 16
	v := &c.view[c.side]
	b := v.b
	if len(b) < head || v.wire() < head+nebulaKeys || be32(b[4:]) == 0 || string(b[8:head]) != "\x00\x00\x00\x00\x00\x00\x00\x02" {
		return no
	}
	return match
}

// fastd holds that a handshake is as long as it says, and of records, of which the first says which of three it is, and one has the sender's key (as fastd 22 says it).
func fastd(c *call) verdict {
	v := &c.view[c.side]
	return c.fastdHandshake(v.b, v.wire())
}

func fastdInL2TP(c *call) verdict {
	const head = 12
	v := &c.view[c.side]
	return c.fastdHandshake(v.b[head:], v.wire()-head)
}

func (c *call) fastdHandshake(b []byte, wire int) verdict {
	const head, senderKey, keyLen = 4, 6, 32
	if len(b) < head+5 || wire != head+int(be16(b[2:])) || string(b[head:head+4]) != "\x00\x00\x01\x00" || b[head+4] < 1 || b[head+4] > 3 {
		return no
	}
	answer, keyed := b[head+4] == 2, false
	for b = b[head:]; len(b) >= 4 && !keyed; {
		n := 4 + le16(b[2:])
		keyed = le16(b) == senderKey && n == 4+keyLen
		b = b[min(n, len(b)):]
	}
	if !keyed {
		return no
	}
	c.setClient(c.side ^ sideIf(answer))
	return match
}

// n2n holds that there are a life, a kind and the name of a community that zeros fill up (n2n 3, wire.c).
func n2n(c *call) verdict {
	const head, community, kinds, maxLife = 4, 20, 0x1f, 16
	b := c.view[c.side].b
	if len(b) < head+community || b[1] == 0 || b[1] > maxLife || b[2] != 0 || b[3]&kinds == 0 || b[3]&kinds > 11 {
		return no
	}
	name := b[head : head+community]
	end := bytes.IndexByte(name, 0)
	if end < 1 || !oneLine(name[:end]) || !allZero(name[end:]) || end > 16 {
		return no
	}
	return match
}

// uftp holds that the header's kind is that of what it announces, whose length in words fits (as UFTP 4.10 says it).
func uftp(c *call) verdict {
	const port, head = 1044, 16
	v := &c.view[c.side]
	b := v.b
	if !c.hasPort(port) || len(b) < head+2 || b[head] != b[1] || !v.exactly(head+4*int(b[head+1])) && v.wire() < head+4*int(b[head+1]) || b[head+1] < 4 {
		return no
	}
	return match
}

// macTelnet holds that there are a kind and, on the side that its direction says, the number of the protocol, at its port.
func macTelnet(c *call) verdict {
	const port, head, protocol = 20561, 22, 0x0015
	b := c.view[c.side].b
	if !c.hasPort(port) || len(b) < head || b[1] > 5 && b[1] != 0xff {
		return no
	}
	switch uint16(protocol) {
	case be16(b[16:]):
		c.setClient(c.side)
	case be16(b[14:]):
		c.setClient(1 - c.side)
	default:
		return no
	}
	return match
}

// discordAlive holds that one end repeats the number of the other.
func discordAlive(c *call) verdict {
	const size = 8
	v := &c.view[c.side]
	if !v.exactly(size) || len(v.b) < size {
		return no
	}
	number := be32(v.b[4:])
	if _, asked, ok := c.trail(trailDiscord, 1-c.side); ok && asked == number {
		return match
	}
	c.leave(trailDiscord, 0, number)
	return more
}

// photon reads the first datagram of Photon, which is ENet's kin: behind peer, flags, how many commands, a time and a number that both keep stands the one
// command that connects, on no channel, and its length, which fills the datagram.
func photon(c *call) verdict {
	const head, connect, size = 12, "\x02\xff\x01\x04\x00\x00\x00\x2c", 44
	v := &c.view[c.side]
	return holds(v.exactly(head+size) && len(v.b) >= head+len(connect) && string(v.b[head:head+len(connect)]) == connect)
}

// zoomAsks keeps what its answer repeats. The first message of a client is long.
func zoomAsks(c *call) verdict {
	a, low, ok := c.zoomMessage(1, 80)
	if !ok {
		return no
	}
	c.leave(trailZoom, a, low)
	return more
}

func zoomAnswers(c *call) verdict {
	a, low, ok := c.zoomMessage(2, 23)
	asked, askedLow, left := c.trail(trailZoom, 1-c.side)
	return holds(ok && left && asked == a && askedLow == low && a != 0)
}

// zoomMessage gives the number of a probe, or of the message of kind hello, which has that many bytes at least.
func (c *call) zoomMessage(hello byte, least int) (a uint64, low uint32, ok bool) {
	const probe = 13
	v := &c.view[c.side]
	if v.b[0] == hello && len(v.b) < least || v.b[0] != hello && !v.exactly(probe) || len(v.b) < probe {
		return 0, 0, false
	}
	a, low = zoomNumber(v.b)
	return a, low, true
}

// zoomNumber is what stands behind the kind of a message and, in probes, behind a number of four bytes.
func zoomNumber(b []byte) (a uint64, low uint32) {
	if b[0] <= 2 {
		return be64(b[3:]) >> 8, be32(b[10:])
	}
	return be64(b[5:]) >> 8, uint32(b[12])
}

// nintendo holds that there is a version behind the mark (Pia, of Switch's games).
func nintendo(c *call) verdict {
	const head, versions, encrypted = 16, 32, 0x80
	b := c.view[c.side].b
	if len(b) < head || b[4]&^encrypted == 0 || b[4]&^encrypted > versions {
		return no
	}
	return match
}

// roon holds that it is a question or an answer, and begins with a name.
func roon(c *call) verdict {
	const head = 7
	b := c.view[c.side].b
	if len(b) < head || b[5] != 'Q' && b[5] != 'R' || b[6] == 0 || len(b) < head+int(b[6]) || !oneLine(b[head:head+int(b[6])]) {
		return no
	}
	c.setClient(c.side ^ sideIf(b[5] == 'R'))
	return match
}

// playStation holds that what is answered begins with the host's identity.
func playStation(c *call) verdict {
	const maxHead = 48
	b := c.view[c.side].b
	if !bytes.Contains(b[:min(len(b), maxHead)], []byte("\nhost-id:")) {
		return no
	}
	return match
}

// danteStatus holds that the length is the datagram's, and whose protocol it is (as netaudio says it).
func danteStatus(c *call) verdict {
	const vendor = "Audinate"
	v := &c.view[c.side]
	if len(v.b) < 16+len(vendor) || !v.exactly(int(be16(v.b[2:]))) || string(v.b[16:16+len(vendor)]) != vendor {
		return no
	}
	return match
}

// danteControl holds that the length is the datagram's and there is an operation, at its port.
func danteControl(c *call) verdict {
	const port, head = 4440, 10
	v := &c.view[c.side]
	if !c.hasPort(port) || len(v.b) < head || !v.exactly(int(be16(v.b[2:]))) || v.b[6] < 0x10 || v.b[6] > 0x3f {
		return no
	}
	c.setClient(c.side ^ sideIf(be16(v.b[8:]) != 0)) // an answer says how it went
	return match
}

// gameSpy holds that there is a session and nothing else, or what older servers want too.
func gameSpy(c *call) verdict {
	v := &c.view[c.side]
	if !v.exactly(7) && (!v.exactly(11) || len(v.b) < 11 || be32(v.b[7:]) != 0xffffff01) {
		return no
	}
	return match
}

// samp holds that the port is the server's and there is a kind of question (SA-MP, query mechanism).
func samp(c *call) verdict {
	const head = 11
	b := c.view[c.side].b
	if len(b) < head || !bytes.ContainsRune([]byte("ircdxpo"), rune(b[10])) || !c.hasPort(uint16(le16(b[8:]))) {
		return no
	}
	c.setClient(c.side ^ sideIf(!c.portOf(1-c.side, uint16(le16(b[8:])))))
	return match
}

// portOf tells whether an end has a port.
func (c *call) portOf(s Side, port uint16) bool {
	if s == Orig {
		return c.f.orig == port
	}
	return c.f.resp == port
}

// minetest holds that there are the number of an end and of a channel (Luanti, network/mtp).
func minetest(c *call) verdict {
	const server, newcomer, channels, kinds = 1, 0, 3, 4
	b := c.view[c.side].b
	if len(b) < 8 || b[6] >= channels || b[7] >= kinds {
		return no
	}
	c.setClient(c.side ^ sideIf(be16(b[4:]) == server))
	return match
}

// sqlInstances holds that the answer is as long as it says and is the list of a server's instances.
func sqlInstances(c *call) verdict {
	v := &c.view[c.side]
	if len(v.b) < 14 || !v.exactly(3+le16(v.b[1:])) || !bytes.HasPrefix(v.b[3:], []byte("ServerName;")) {
		return no
	}
	return match
}

// sqlBrowser holds that the question goes to the browser's port and has nothing behind it, or a name.
func sqlBrowser(c *call) verdict {
	const port, instance = 1434, 4
	v := &c.view[c.side]
	if !c.portOf(1-c.side, port) {
		return no
	}
	if v.b[0] != instance {
		if !v.exactly(1) {
			return no
		}
		return match
	}
	name, rest, ok := zeroText(v.b[1:])
	if !ok || len(rest) > 0 || len(name) < 2 || len(name) > 32 || !graphic(name) {
		return no
	}
	return match
}

// graphic tells whether b is ASCII that can be seen.
func graphic(b []byte) bool {
	for _, d := range b {
		if d <= ' ' || d > '~' {
			return false
		}
	}
	return true
}

// pana holds that what is reserved is zero, the length the datagram's, and that there is a kind of message, with values that fill it, at its port (RFC 5191
// sections 6.2 and 6.3).
func pana(c *call) verdict {
	const port, head, flags, kinds, valueHead = 716, 16, 0xfc00, 4, 8
	v := &c.view[c.side]
	b := v.b
	if !c.hasPort(port) || len(b) < head || !v.exactly(int(be16(b[2:]))) || be16(b[4:])&^flags != 0 || be16(b[6:]) == 0 || be16(b[6:]) > kinds {
		return no
	}
	for b = b[head:]; len(b) >= valueHead; {
		n := valueHead + (int(be16(b[4:]))+3)&^3
		if be16(b) == 0 || be16(b[6:]) != 0 || n > len(b) && !v.gap {
			return no
		}
		b = b[min(n, len(b)):]
	}
	if len(b) > 0 && !v.gap {
		return no
	}
	return match
}

// cpha holds that both ends have the port of the protocol.
func cpha(c *call) verdict {
	const port, head = 8116, 20
	if c.f.orig != port || c.f.resp != port || len(c.view[c.side].b) < head {
		return no
	}
	return match
}

// rwho holds that a name is filled up with zeros, and that users follow, 24 bytes each (protocols/rwhod.h).
func rwho(c *call) verdict {
	const port, head, name, users = 513, 60, 12, 24
	v := &c.view[c.side]
	b := v.b
	if !c.hasPort(port) || len(b) < head || (v.wire()-head)%users != 0 {
		return no
	}
	text, rest, ok := zeroText(b[name : name+32])
	if !ok || !oneLine(text) || !allZero(rest) {
		return no
	}
	return match
}

// olsr holds that the messages fill the packet, each from an end and with a life, on its port (RFC 3626 section 3.3).
func olsr(c *call) verdict {
	const port, head, message = 698, 4, 12
	v := &c.view[c.side]
	b := v.b
	if !c.hasPort(port) || v.gap || len(b) < head+message || int(be16(b)) != len(b) {
		return no
	}
	for b = b[head:]; len(b) >= message; {
		n := int(be16(b[2:]))
		if b[0] == 0 || b[0] > 4 && b[0] < 128 || n < message || n > len(b) || b[8] == 0 {
			return no
		}
		b = b[n:]
	}
	if len(b) > 0 {
		return no
	}
	return match
}

// aodv holds that a request or reply is as long as it must be, with nothing in what is reserved, on its port (RFC 3561 sections 5.1 and 5.2).
func aodv(c *call) verdict {
	const port, request, reply = 654, 24, 20
	v := &c.view[c.side]
	b := v.b
	if !c.hasPort(port) || len(b) < 4 {
		return no
	}
	if b[0] == 1 && v.exactly(request) && b[1]&0x07 == 0 && b[2] == 0 || b[0] == 2 && v.exactly(reply) && b[1]&0x3f == 0 && b[2]&0xe0 == 0 {
		return match
	}
	return no
}
