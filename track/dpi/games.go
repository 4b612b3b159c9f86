package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldMinecraftServer   = event.AppString("minecraft_server", "Name or address of the server as the player entered it.")
	fieldMinecraftPlayer   = event.AppString("minecraft_player", "Name that the player logs in with.")
	fieldMinecraftProtocol = event.AppUint("minecraft_protocol", "", "Version of the protocol that the client speaks.")
	fieldSourceName        = event.AppString("source_engine_name", "Name of the game server.")
	fieldSourceMap         = event.AppString("source_engine_map", "Map that is played.")
	fieldSourceGame        = event.AppString("source_engine_game", "Folder of the game.")
)

var (
	minecraftFields = []*event.AppField{fieldMinecraftServer, fieldMinecraftPlayer, fieldMinecraftProtocol}
	sourceFields    = []*event.AppField{fieldSourceName, fieldSourceMap, fieldSourceGame}
)

const minecraftMaxHandshake = 1 + 5 + 2 + 255*4 + 2 + 1

// parseMinecraft reads the handshake of the Java edition and the login behind it (Minecraft protocol, as documented by its
// players): length, packet 0, version, server's address and port, and what is wanted: status, login or transfer.
func parseMinecraft(c *call) verdict {
	v := &c.view[c.side]
	r := cursor{b: v.b}
	n := r.mqttVarint() // the same numbers
	switch {
	case r.bad:
		return v.unfinished()
	case n < 7 || n > minecraftMaxHandshake || len(r.b) > 0 && r.b[0] != 0:
		return no
	case len(r.b) < n:
		if len(r.b) > 8 && !minecraftBegin(r.b) {
			return no
		}
		return v.unfinished()
	case !minecraftBegin(r.b):
		return no
	}
	packet := cursor{b: r.bytes(n)}
	packet.u8()
	version := packet.mqttVarint()
	server := packet.bytes(packet.mqttVarint())
	port := packet.u16()
	next := packet.u8()
	server, _, _ = bytes.Cut(server, []byte{0}) // mod loaders add marks behind a zero
	if packet.bad || len(packet.b) != 0 || next < 1 || next > 3 || port == 0 || !printable(server) {
		return no
	}
	login, whole := minecraftLogin(r.b)
	if next > 1 && !whole && !v.gap && !v.fin && v.whole {
		return more // the login comes at once
	}
	c.setClient(c.side)
	c.fact(fieldMinecraftServer, bytes.TrimSuffix(server, []byte(".")))
	c.edit().SetUint(fieldMinecraftProtocol, uint64(version))
	if next > 1 {
		c.fact(fieldMinecraftPlayer, login)
	}
	return c.finish()
}

// minecraftBegin judges the first bytes of a handshake: packet 0, a version, and an address that can be one.
func minecraftBegin(b []byte) bool {
	r := cursor{b: b}
	r.u8()
	version := r.mqttVarint()
	n := r.mqttVarint()
	return version > 0 && n > 0 && n <= 255*4 && !r.bad && len(r.b) > 0 && (alphanumeric(r.b[0]) || r.b[0] == ':' || r.b[0] == '[')
}

// minecraftLogin returns the name in a login's start, nil when it is something else.
func minecraftLogin(b []byte) (name []byte, whole bool) {
	r := cursor{b: b}
	n := r.mqttVarint()
	if n > 4<<10 {
		return nil, true
	}
	p := cursor{b: r.bytes(n)}
	if r.bad {
		return nil, false
	}
	if p.u8() != 0 {
		return nil, true
	}
	name = p.bytes(p.mqttVarint())
	if p.bad || len(name) > 16 {
		return nil, true
	}
	return name, true
}

var (
	fieldRakNetServer = event.AppString("raknet_server", "What a server says of itself, such as MCPE and its name.")
	fieldSteamHost    = event.AppString("steam_host", "Name of the machine that looks for others to stream with.")

	raknetFields = []*event.AppField{fieldRakNetServer}
	steamFields  = []*event.AppField{fieldSteamHost}
)

const raknetMagic = "\x00\xff\xff\x00\xfe\xfe\xfe\xfe\xfd\xfd\xfd\xfd\x12\x34\x56\x78"

// parseRakNet reads the messages before a connection (RakNet's source, MessageIdentifiers.h). They hold a magic number right
// behind their kind, of which games have their own, or behind a time, or behind that and the server's number.
func parseRakNet(c *call) verdict {
	const ping, pingOpen, open, openMore, pong, time, server = 1, 2, 5, 7, 0x1c, 8, 8
	b := c.view[c.side].b
	at := 0
	for _, at = range [...]int{1, 1 + time, 1 + time + server, 0} {
		if at > 0 && len(b) >= at+len(raknetMagic) && string(b[at:at+len(raknetMagic)]) == raknetMagic {
			break
		}
	}
	if at == 0 {
		return no
	}
	c.edit()
	switch b[0] {
	case ping, pingOpen, open, openMore:
		c.setClient(c.side)
		c.know()
		return match
	case pong:
		r := cursor{b: b[at+len(raknetMagic):]}
		if text := r.vector16(); !r.bad {
			c.fact(fieldRakNetServer, text)
		}
	}
	return c.finish()
}

// parseSteam reads the search for other machines to stream to, and the connection to Valve's servers, over UDP and TCP,
// by their magic numbers (SteamKit's and SteamDatabase's protocol files).
func parseSteam(c *call) verdict {
	const discovery, overUDP, overTCP = "\xff\xff\xff\xff\x21\x4c\x5f\xa0", "VS01", "VT01"
	v := &c.view[c.side]
	b := v.b
	if c.f.tcp { // a length before it
		if len(b) > 4 && b[4] != 'V' {
			return no
		}
		if len(b) < 8 {
			return v.unfinished()
		}
		if n := le32(b); string(b[4:8]) != overTCP || n == 0 || n > 1<<20 {
			return no
		}
		return c.finish()
	}
	switch {
	case len(b) >= 36 && string(b[:4]) == overUDP:
	case len(b) >= 16 && string(b[:8]) == discovery:
		c.steamHost(b[8:])
	default:
		return no
	}
	return c.finish()
}

// steamHost looks for the host's name, field 4 of a broadcast's body in protocol buffers, behind header and length.
func (c *call) steamHost(b []byte) {
	const text, hostname = 2, 4
	n := le32(b)
	if n > 1<<10 || int(n)+8 > len(b) {
		return
	}
	b = b[4+n:]
	r := cursor{b: b[4:]}
	for len(r.b) > 0 {
		tag := r.mqttVarint()
		switch tag & 7 {
		case 0:
			r.mqttVarint()
		case 1:
			r.bytes(8)
		case text:
			if body := r.bytes(r.mqttVarint()); tag>>3 == hostname && !r.bad {
				c.firstFact(fieldSteamHost, body)
				return
			}
		case 5:
			r.bytes(4)
		default:
			return
		}
	}
}

// sourceFirst: packets that are not split.
var sourceFirst = bytesIn("\xff", 1, 0)

const (
	sourcePacket = "\xff\xff\xff\xff"
	sourceInfo   = sourcePacket + "TSource Engine Query\x00"
)

// parseSource reads the queries of game servers on the Source engine (Valve Developer Community, Server queries).
func parseSource(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if st, ok := c.f.state.(*asker); ok {
		if c.side != st.client && c.sourceAnswer(b) {
			return c.finish()
		}
		return match
	}
	switch {
	case len(b) >= len(sourceInfo) && string(b[:len(sourceInfo)]) == sourceInfo && (len(b) == len(sourceInfo) || len(b) == len(sourceInfo)+4):
		c.f.state = &asker{client: c.side}
		c.setClient(c.side)
		c.edit()
		c.know()
		return match
	case len(b) > 20 && string(b[:4]) == sourcePacket && c.sourceAnswer(b):
		c.setClient(1 - c.side)
		return c.finish()
	}
	return no
}

// sourceAnswer reads an answer: protocol, name, map, folder and game, each with a zero behind, then at least eleven bytes.
func (c *call) sourceAnswer(b []byte) bool {
	if len(b) < 6 || b[4] != 'I' {
		return false
	}
	var texts [4][]byte
	rest := b[6:]
	for i := range texts {
		var ok bool
		if texts[i], rest, ok = zeroText(rest); !ok || len(texts[i]) > maxFactLen {
			return false
		}
	}
	const fixed = 2 + 1 + 1 + 1 + 1 + 1 + 1 + 1
	if len(rest) < fixed+2 || !oneLine(texts[0]) || !oneLine(texts[2]) || bytes.IndexByte([]byte("dlpDLP"), rest[5]) < 0 || bytes.IndexByte([]byte("lwmoLWMO"), rest[6]) < 0 {
		return false
	}
	c.fact(fieldSourceName, texts[0])
	c.fact(fieldSourceMap, texts[1])
	c.fact(fieldSourceGame, texts[2])
	return true
}
