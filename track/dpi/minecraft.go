package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldMinecraftServer   = event.AppString("minecraft_server", "Name or address of the server as the player entered it.")
	fieldMinecraftPlayer   = event.AppString("minecraft_player", "Name that the player logs in with.")
	fieldMinecraftProtocol = event.AppUint("minecraft_protocol", "", "Version of the protocol that the client speaks.")
)

var minecraftFields = []*event.AppField{fieldMinecraftServer, fieldMinecraftPlayer, fieldMinecraftProtocol}

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
