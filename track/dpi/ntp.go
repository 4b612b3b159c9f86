package dpi

import (
	"bytes"
	"net/netip"

	"rustnet/track/event"
)

var (
	fieldNTPVersion   = event.AppUint("ntp_version", "", "Version of NTP in the first message.")
	fieldNTPMode      = event.AppString("ntp_mode", "Mode of the first message: client, server, symmetric, broadcast, control or private.").Spelt(event.OneOf(ntpModes[:]...))
	fieldNTPStratum   = event.AppUint("ntp_stratum", "", "Stratum of the server: 1 has its own clock.")
	fieldNTPReference = event.AppString("ntp_reference", "Where the server has its time from: the kind of its clock, or an address.")
)

var ntpFields = []*event.AppField{fieldNTPVersion, fieldNTPMode, fieldNTPStratum, fieldNTPReference}

// ntpFirst: leap indicator, version 1 to 4, mode 1 to 7.
var ntpFirst = func() *byteSet {
	var s byteSet
	for b := range 256 {
		if version, mode := b>>3&7, b&7; version >= 1 && version <= 4 && mode != 0 {
			s[b>>6] |= 1 << (b & 63)
		}
	}
	return &s
}()

const (
	ntpPort   = 123
	ntpLen    = 48
	ntpMaxLen = 1024 // with extensions and a key's digest
)

var ntpModes = [8]string{1: "symmetric", 2: "symmetric", 3: "client", 4: "server", 5: "broadcast", 6: "control", 7: "private"}

// parseNTP reads NTP (RFC 5905) and its predecessors. On other ports than its own a request must be answered with
// its own timestamp.
func parseNTP(c *call) verdict {
	b := c.view[c.side].b
	mode := b[0] & 7
	if mode >= 6 {
		if !c.hasPort(ntpPort) || !ntpControl(b, mode, c.view[c.side].gap) {
			return no
		}
		c.ntpHead(b)
		return c.finish()
	}
	if len(b) < ntpLen || len(b) > ntpMaxLen || !ntpExtended(b[ntpLen:], c.view[c.side].gap) || b[1] > 16 || b[2] > 24 && b[2] < 0xe8 {
		return no
	}
	if c.f.parser != 0 {
		c.ntpServer(b, mode)
		if mode == 3 || mode == 1 { // asked again, or shown twice by a mirror
			return match
		}
		return c.finish()
	}
	if !c.hasPort(ntpPort) && !c.ntpAnswers(b, mode) {
		return more
	}
	c.ntpHead(b)
	c.ntpServer(b, mode)
	if mode == 3 || mode == 1 {
		c.know()
		return match
	}
	return c.finish()
}

// ntpExtended tells whether b is extension fields and a digest, or nothing (RFC 7822).
func ntpExtended(b []byte, cut bool) bool {
	const least, longestDigest = 16, 4 + 64
	if len(b)%4 != 0 {
		return cut
	}
	for len(b) > longestDigest {
		n := int(be16(b[2:]))
		if n < least || n%4 != 0 {
			return false
		}
		if n > len(b) {
			return cut
		}
		b = b[n:]
	}
	return true
}

// ntpAnswers tells whether b and the datagram of the other end before it are a request and its answer, which
// repeats the request's transmit time as its origin.
func (c *call) ntpAnswers(b []byte, mode byte) bool {
	const origin, transmit = 24, 40
	if a, hi, ok := c.trail(trailNTP, 1-c.side); ok && mode == 4 {
		back := be64(b[origin:])
		return a == back&trailMask && hi == uint32(back>>32)
	}
	if sent := be64(b[transmit:]); mode == 3 && sent != 0 {
		c.leave(trailNTP, sent, uint32(sent>>32))
	}
	return false
}

func (c *call) ntpHead(b []byte) {
	a := c.edit()
	a.SetUint(fieldNTPVersion, uint64(b[0]>>3&7))
	a.SetStr(fieldNTPMode, ntpModes[b[0]&7])
	switch b[0] & 7 {
	case 3:
		c.setClient(c.side)
	case 4:
		c.setClient(1 - c.side)
	case 6:
		c.setClient(c.side ^ sideIf(b[1]&0x80 != 0))
	case 7:
		c.setClient(c.side ^ sideIf(b[0]&0x80 != 0))
	}
}

// ntpServer reads what a server tells of its clock.
func (c *call) ntpServer(b []byte, mode byte) {
	if mode == 3 || b[1] == 0 && mode != 4 {
		return
	}
	a := c.edit()
	a.SetUint(fieldNTPStratum, uint64(b[1]))
	id := b[12:16]
	switch {
	case b[1] <= 1: // four letters
		if id = bytes.TrimRight(id, "\x00 "); printable(id) {
			a.SetStr(fieldNTPReference, c.text(id))
		}
	case be32(id) != 0: // for a server over IPv6 a hash, which can not be told from an address
		c.hash = netip.AddrFrom4([4]byte(id)).AppendTo(c.hash[:0])
		a.SetStr(fieldNTPReference, c.text(c.hash))
	}
}

// ntpControl judges messages of ntpq (RFC 9327) and of ntpdc, whose form is ntpd's own.
func ntpControl(b []byte, mode byte, cut bool) bool {
	if mode == 6 {
		if len(b) < 12 || b[0]>>6 != 0 || b[1]&31 > 12 && b[1]&31 != 31 {
			return false
		}
		return cut || 12+int(be16(b[10:])) <= len(b)
	}
	if len(b) < 8 || b[2] != 0 && b[2] != 2 && b[2] != 3 || b[3] > 46 || b[6]>>4 != 0 {
		return false
	}
	items, size := int(be16(b[4:])&0xfff), int(be16(b[6:]))
	return cut || 8+items*size <= len(b)
}
