package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldGnutellaAgent = event.AppString("gnutella_agent", "Program of the client.")

	gnutellaFields = []*event.AppField{fieldGnutellaAgent}

	gnutellaHello = bytesIn("G", 1, 0)
)

// parseGnutella reads a handshake (Gnutella 0.6): a line like HTTP's and headers.
func parseGnutella(c *call) verdict {
	v := &c.view[c.side]
	request, answer := v.begins("GNUTELLA CONNECT/0."), v.begins("GNUTELLA/0.")
	if request != match && answer != match {
		return max(request, answer)
	}
	head, whole := headSize(v.b, 0)
	if !whole && !v.gap && !v.fin && len(v.b) < 4<<10 {
		return more
	}
	c.edit()
	if request == match {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
		return c.finish()
	}
	for rest := v.b[:head]; len(rest) > 0; {
		line, size := cutLine(rest)
		if size == 0 {
			break
		}
		rest = rest[size:]
		if key, value, ok := bytes.Cut(line, []byte(":")); ok && equalFold(key, "user-agent") {
			c.fact(fieldGnutellaAgent, trimSpace(value))
		}
	}
	return c.finish()
}

const gnutellaHeaderLen = 23

// parseGnutellaDatagram knows a message by its header (Gnutella 0.6 section 2.2.1: identifier, kind, hops to go and gone, and a length with its
// low byte first, that must be the datagram's), one of the hash table that programs of it share, and the parts that gtk-gnutella cuts longer ones into.
func parseGnutellaDatagram(c *call) verdict {
	const ping, pong, vendor, standard, push, table, query, hits = 0, 1, 0x31, 0x32, 0x40, 0x44, 0x80, 0x81
	v := &c.view[c.side]
	b := v.b
	if b[21]|b[22] != 0 && b[0] != 'G' { // nearly all that is not
		return no
	}
	if be24(b) == 'G'<<16|'N'<<8|'D' || be24(b) == 'G'<<16|'T'<<8|'A' { // flags, number, part, of how many
		if b[3]&^0x1f == 0 && b[6] > 0 && (b[7] == 0 || b[6] <= b[7]) {
			return c.finish()
		}
		return no
	}
	if v.gap || len(b) != gnutellaHeaderLen+int(min(le32(b[19:]), 1<<16)) {
		return no
	}
	body := b[gnutellaHeaderLen:]
	switch b[16] {
	case vendor, standard: // whose it is, number, version
		if len(body) < 8 || !printable(body[:4]) && be32(body) != 0 {
			return no
		}
	case table: // version; the sender's maker
		if be16(b[17:]) > 0x0100 || len(body) < 20 || !printable(body[1:5]) {
			return no
		}
		return c.finish()
	case pong:
		if len(body) < 14 {
			return no
		}
	case ping: // marked as a newer program's, for nothing else may follow
		if b[8] != 0xff {
			return no
		}
	case push:
		if len(body) < 26 {
			return no
		}
	case query, hits:
		if len(body) < 4 || b[8] != 0xff {
			return no
		}
	default:
		return no
	}
	if b[17]+b[18] == 0 || b[17] > 16 || b[18] > 16 {
		return no
	}
	return c.finish()
}
