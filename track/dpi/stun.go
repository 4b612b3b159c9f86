package dpi

import (
	"net/netip"

	"rustnet/track/event"
)

var (
	fieldSTUNMethod   = event.AppString("stun_method", "First method of STUN or TURN: binding, allocate, refresh, …, or its number.").Spelt(stunMethodForm)
	fieldSTUNSoftware = event.AppString("stun_software", "Program that one end says it is.")
	fieldSTUNMapped   = event.AppString("stun_mapped", "Address and port under which the server sees the client.").Spelt(stunForm)
	fieldSTUNRelayed  = event.AppString("stun_relayed", "Address and port that a TURN server relays for the client.").Spelt(stunForm)
	fieldSTUNPeer     = event.AppString("stun_peer", "First peer, with its port where it is told, that a TURN client wants to exchange data with.").Spelt(stunForm)
	fieldSTUNUser     = event.AppString("stun_user", "User that logs in to a TURN server.")
	fieldSTUNRealm    = event.AppString("stun_realm", "Realm of that login.")
	fieldSTUNError    = event.AppUint("stun_error", "", "First code that a request was refused with; not 401 and 438, which only ask for a login.")
)

var stunMethodForm = event.OneOf(stunMethods[:]...).OrNumber("", 1<<12-1, nameIn(stunMethods[:]))

var stunFields = []*event.AppField{fieldSTUNMethod, fieldSTUNSoftware, fieldSTUNMapped, fieldSTUNRelayed, fieldSTUNPeer, fieldSTUNUser, fieldSTUNRealm, fieldSTUNError}

var stunForm = event.Endpoint.Or("an address and a port", "192.0.2.7:443", `[0-9a-f.:\[\]]+`)

var stunFirst = bytesIn("", 0, 0x3f)

const (
	stunHeaderLen = 20
	stunCookie    = 0x2112a442 // RFC 8489 section 5
	stunMaxWait   = 24         // messages after which no more is wanted
)

// stunMethods is https://www.iana.org/assignments/stun-parameters, with the shared secret of RFC 3489.
var stunMethods = [...]string{1: "binding", 2: "shared-secret", 3: "allocate", 4: "refresh", 6: "send", 7: "data", 8: "create-permission",
	9: "channel-bind", 10: "connect", 11: "connection-bind", 12: "connection-attempt"}

// Attributes (RFC 8489 section 14, RFC 8656 section 18).
const (
	stunMapped       = 0x0001
	stunUsername     = 0x0006
	stunErrorCode    = 0x0009
	stunXorPeer      = 0x0012
	stunRealm        = 0x0014
	stunXorRelayed   = 0x0016
	stunXorMapped    = 0x0020
	stunSoftware     = 0x8022
	stunUnauthorized = 401
	stunStaleNonce   = 438
)

type stunState struct {
	messages uint8
	turn     bool // a relay is asked for
}

// stunMessage judges the header and attributes of the message that begins b; size is its length. ok is false when it is none.
func stunMessage(b []byte) (size int, cookie, ok bool) {
	if len(b) < stunHeaderLen || b[0]&0xc0 != 0 {
		return 0, false, false
	}
	size = stunHeaderLen + int(be16(b[2:]))
	if be32(b[4:]) == stunCookie { // Microsoft's TURN has attributes that are not padded
		return size, true, true
	}
	if b[3]&3 != 0 {
		return 0, false, false
	}
	known := 0
	r := cursor{b: b[stunHeaderLen:min(size, len(b))]}
	for len(r.b) >= 4 {
		kind, n := r.u16(), r.u16()
		if kind != 0 && kind <= 0x2b || kind >= 0x8000 {
			known++
		}
		if len(r.b) < n && len(b) < size {
			break // cut by the capture
		}
		r.bytes(n)
		if pad := -n & 3; !r.bad && len(r.b) >= pad { // RFC 3489 knew no padding
			r.bytes(pad)
		}
		if r.bad {
			return 0, false, false
		}
	}
	kind := be16(b)
	old := kind&^0x0110 == 1 || kind&^0x0110 == 2 || kind&^0x0110 == 3 // and early TURN
	return size, false, old && be16(b)&0x0110 != 0x0010 && (known > 0 || size == stunHeaderLen || kind == 1)
}

// parseSTUN reads STUN (RFC 8489), TURN (RFC 8656) and STUN as it was before the cookie (RFC 3489), of which a
// message must have attributes, or be answered with its own identifier.
func parseSTUN(c *call) verdict {
	v := &c.view[c.side]
	size, cookie, ok := stunMessage(v.b)
	if c.f.parser != 0 {
		if ok {
			return c.stunFacts(v.b)
		}
		// What the two were looking for each other for: mostly DTLS (RFC 7983), whose keys are SRTP's.
		if size, ok := dtlsRecord(v.b); ok && v.b[0] == tlsHandshake && v.exactly(size) {
			c.become("dtls")
		}
		return match
	}
	hinted := c.hasPort(3478) || c.hasPort(3479)
	// Zoom sends one zero more than the length says.
	if !ok || !v.exactly(size) && !(hinted && len(v.b) == size+1 && v.b[size] == 0) {
		return more // something that keeps the way open, perhaps
	}
	if !cookie && !hinted && !c.stunAnswers(v.b) {
		return more
	}
	return c.stunFacts(v.b)
}

// stunAnswers tells whether b repeats the identifier of the other end's message before it.
func (c *call) stunAnswers(b []byte) bool {
	hi, lo := be64(b[4:]), be64(b[12:])
	key := hi ^ lo>>8
	if a, b, ok := c.trail(trailSTUN, 1-c.side); ok && a == key&trailMask && b == uint32(lo) {
		return true
	}
	if hi != 0 && lo != 0 && b[0]&1 == 0 {
		c.leave(trailSTUN, key, uint32(lo))
	}
	return false
}

// parseSTUNStream reads STUN over TCP, as it is or behind lengths (RFC 4571).
func parseSTUNStream(c *call) verdict {
	v := &c.view[c.side]
	for len(v.b) > 0 {
		b, skip := v.b, 0
		if len(b) < 2+8 {
			break
		}
		if be32(b[4:]) != stunCookie {
			if be32(b[6:]) != stunCookie {
				if c.f.parser != 0 {
					return done // channel data
				}
				return no
			}
			b, skip = b[2:], 2
		}
		n := stunHeaderLen + int(be16(b[2:]))
		if b[0]&0xc0 != 0 || skip > 0 && int(be16(v.b)) != n {
			return no
		}
		if len(b) < n && !v.gap && !v.fin {
			break
		}
		if _, _, ok := stunMessage(b); !ok {
			return no
		}
		got := c.stunFacts(b[:min(n, len(b))])
		if got == done {
			return done
		}
		c.skip(c.side, uint64(skip+n))
	}
	if c.f.state != nil {
		return match
	}
	return more
}

// stunFacts reads what a message tells.
func (c *call) stunFacts(b []byte) verdict {
	st, _ := c.f.state.(*stunState)
	a := c.edit()
	kind := int(be16(b))
	class := kind>>4&1 | kind>>7&2 // request, indication, success, error
	if st == nil {
		method := kind&15 | kind>>1&0x70 | kind>>2&0xf80
		st = &stunState{turn: method >= 3}
		c.f.state = st
		if method < len(stunMethods) && stunMethods[method] != "" {
			a.SetStr(fieldSTUNMethod, stunMethods[method])
		} else {
			a.SetStr(fieldSTUNMethod, c.text(appendUint(nil, uint64(method))))
		}
		c.setClient(c.side ^ sideIf(class >= 2))
	}
	c.stunAttributes(b)
	if st.messages++; class >= 2 {
		c.know()
	}
	if a := c.f.app; st.messages >= stunMaxWait || a.Has(fieldSTUNMapped) && a.Has(fieldSTUNSoftware) && (!st.turn || a.Has(fieldSTUNPeer)) {
		return c.finish()
	}
	return match
}

func (c *call) stunAttributes(b []byte) {
	cookie := be32(b[4:]) == stunCookie
	var user, realm []byte
	for r := (cursor{b: b[stunHeaderLen:min(len(b), stunHeaderLen+int(be16(b[2:])))]}); len(r.b) >= 4; {
		kind, body := r.u16(), r.vector16()
		if r.bad {
			break
		}
		r.bytes(min(-len(body)&3, len(r.b)))
		switch {
		case kind == stunSoftware:
			c.firstFact(fieldSTUNSoftware, trimZeros(body))
		case kind == stunMapped && !cookie:
			c.stunAddress(fieldSTUNMapped, b, body, false)
		case !cookie: // the others are younger than it
		case kind == stunXorMapped:
			c.stunAddress(fieldSTUNMapped, b, body, true)
		case kind == stunXorRelayed:
			c.stunAddress(fieldSTUNRelayed, b, body, true)
		case kind == stunXorPeer:
			c.stunAddress(fieldSTUNPeer, b, body, true)
		case kind == stunUsername:
			user = body
		case kind == stunRealm:
			realm = body
		case kind == stunErrorCode && len(body) >= 4:
			if code := uint64(body[2]&7)*100 + uint64(body[3]); code >= 300 && code != stunUnauthorized && code != stunStaleNonce {
				c.firstNumber(fieldSTUNError, code)
			}
		}
	}
	if realm != nil { // without one the user is a part of ICE's, which says nothing (RFC 8445 section 7.2.2)
		c.firstFact(fieldSTUNUser, user)
		c.firstFact(fieldSTUNRealm, realm)
	}
}

// stunAddress sets a field, unless it is set, to an address of a message, which may be hidden from devices that would translate it
// (RFC 8489 sections 14.1 and 14.2).
func (c *call) stunAddress(f *event.AppField, b, body []byte, xor bool) {
	var ip [16]byte
	n := len(body) - 4
	if n != 4 && n != 16 || body[1] != byte(1+n/16) || c.f.app.Has(f) {
		return
	}
	port := be16(body[2:])
	copy(ip[:], body[4:])
	if xor {
		port ^= stunCookie >> 16
		for i := range n {
			ip[i] ^= b[4+i] // cookie and identifier
		}
	}
	addr := netip.AddrFrom16(ip)
	if n == 4 {
		addr = netip.AddrFrom4([4]byte(ip[:4]))
	}
	if port != 0 {
		c.endpoint(f, netip.AddrPortFrom(addr, port))
		return
	}
	c.hash = addr.AppendTo(c.hash[:0])
	c.edit().SetStr(f, c.text(c.hash))
}
