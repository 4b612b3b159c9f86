package dpi

import "rustnet/track/event"

var (
	fieldGDSDatabase = event.AppString("gdsdb_database", "Database that the client connected to: a path or an alias.")
	fieldGDSUser     = event.AppString("gdsdb_user", "User that the client says it is.")

	gdsFields = []*event.AppField{fieldGDSDatabase, fieldGDSUser}

	gdsFirst = bytesIn("\x00", 1, 0)
)

// parseGDS reads how a connection to Firebird or InterBase begins (Firebird's src/remote/protocol.h, as isql 3.0 says it): op_connect, which has
// the versions of CONNECT and the client's architecture, the database and who connects; or that it was accepted, and in which version.
func parseGDS(c *call) verdict {
	const opConnect, opAttach, opAccept, opAcceptData, opCondAccept, login = 1, 19, 3, 94, 98, 9
	v := &c.view[c.side]
	if !v.whole {
		return no
	}
	b := v.b
	if len(b) < 16 {
		if got := v.begins("\x00\x00\x00"); got == no {
			return no
		}
		return v.unfinished()
	}
	switch be32(b) {
	case opAccept, opAcceptData, opCondAccept:
		if be32(b[4:])>>8 != 0xffff80 || be32(b[8:]) > 64 || be32(b[12:])&^0xff > 0x100 {
			return no
		}
		c.setClient(1 - c.side)
		return c.finish()
	case opConnect:
		if version := be32(b[8:]); be32(b[4:]) != opAttach || version != 2 && version != 3 || be32(b[12:]) > 64 {
			return no
		}
	default:
		return no
	}
	r := cursor{b: b[16:]}
	database := r.bytes(int(min(r.u32(), maxFactLen+1)))
	r.bytes(-len(database) & 3)
	r.u32() // how many protocols are offered
	who := r.bytes(int(min(r.u32(), 4<<10)))
	if r.bad && !v.gap && !v.fin {
		return more // what is cut is enough to be known by
	}
	c.setClient(c.side)
	c.fact(fieldGDSDatabase, database)
	for w := (cursor{b: who}); len(w.b) > 2; {
		kind := w.u8()
		if text := w.vector8(); !w.bad && kind == login {
			c.firstFact(fieldGDSUser, text)
		}
	}
	return c.finish()
}
