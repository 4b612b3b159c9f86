package dpi

import (
	"bytes"
	"net/netip"

	"rustnet/track/event"
)

// What an expected connection of media is: nobody changes these.
var (
	mediaRTP  = &event.App{Name: "rtp"}
	mediaRTCP = &event.App{Name: "rtcp"}
)

// expectMedia says that an end will receive RTP at a port, and RTCP at another. Media come from wherever the other
// end's are, which is not where its signalling is.
func (c *call) expectMedia(at Side, addr netip.Addr, rtp, rtcp uint16) {
	c.expect(Expected{Addr: addr, At: at, Port: rtp, Anybody: true, App: mediaRTP})
	if rtcp != rtp {
		c.expect(Expected{Addr: addr, At: at, Port: rtcp, Anybody: true, App: mediaRTCP})
	}
}

// sdp reads the addresses and ports of a description of media (RFC 8866 sections 5.7 and 5.14): a line for each medium, behind
// it, or before all, a line with its address.
func (c *call) sdp(at Side, b []byte) {
	var session, addr netip.Addr
	var rtp, rtcp uint64
	flush := func() {
		if !addr.IsValid() {
			addr = session
		}
		if rtp != 0 && addr.IsValid() && !addr.IsUnspecified() { // port 0 refuses, the address 0.0.0.0 holds
			c.expectMedia(at, addr, uint16(rtp), uint16(rtcp))
		}
	}
	media := false
	for len(b) > 0 {
		line, size := cutLine(b)
		if size == 0 {
			line, size = b, len(b)
		}
		b = b[size:]
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		switch value := line[2:]; line[0] {
		case 'c':
			if media {
				addr = sdpAddress(value)
			} else {
				session = sdpAddress(value)
			}
		case 'm':
			flush()
			media, addr, rtp, rtcp = true, netip.Addr{}, 0, 0
			_, rest := cutWord(value)
			number, rest := cutWord(rest)
			number, _, _ = bytes.Cut(number, []byte("/")) // how many ports
			if port, ok := decimal(number); ok && port < 0xffff && bytes.Contains(firstWord(rest), []byte("RTP/")) {
				rtp, rtcp = port, port+1 // RFC 3550 section 11
			}
		case 'a':
			if number, ok := bytes.CutPrefix(value, []byte("rtcp:")); ok && rtp != 0 { // RFC 3605
				if port, ok := decimal(firstWord(number)); ok && port <= 0xffff {
					rtcp = port
				}
			}
		}
	}
	flush()
}

// sdpAddress reads "IN IP4 198.51.100.1"; a multicast address has its range behind it.
func sdpAddress(b []byte) netip.Addr {
	network, rest := cutWord(b)
	family, rest := cutWord(rest)
	if !equalFold(network, "in") || !oneOf(family, "ip4 ip6") {
		return netip.Addr{}
	}
	text, _, _ := bytes.Cut(firstWord(rest), []byte("/"))
	addr, err := netip.ParseAddr(string(text))
	if err != nil || addr.Zone() != "" { // a name
		return netip.Addr{}
	}
	return addr.Unmap()
}
