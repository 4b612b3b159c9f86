package track

import (
	"encoding/binary"

	"rustnet/capture/decode"
)

// says takes the link address that the sender of an ARP message gives itself (RFC 826), the latest. Of the side's tcp it uses isn and acked.
func (s *side) says(p *decode.Packet) {
	const sender, length = 8, 6
	if b := p.Payload; len(b) >= sender+length && b[4] == length {
		s.setMAC(b[sender:])
	}
}

// Types of ICMPv6 with which routers and neighbours find each other (RFC 4861).
const (
	routerSolicitation    = 133
	routerAdvertisement   = 134
	neighbourSolicitation = 135
	neighbourAdvert       = 136
)

// neighbours tells whether messages of that type say which link address their sender has.
func neighbours(p decode.Proto, kind uint8) bool {
	return p == decode.ICMP6 && kind >= routerSolicitation && kind <= neighbourAdvert
}

// tells is says of neighbour discovery. Who speaks for another address than the one it sends from, as a proxy does, says nothing of itself.
func (s *side) tells(p *decode.Packet) {
	const source, target, length = 1, 2, 8 // options, and how long a link address makes them
	b, want, skip := p.Payload, byte(source), 0
	switch p.ICMPType {
	case routerAdvertisement:
		skip = 8 // how long neighbours stay reachable, and when they are asked again
	case neighbourSolicitation:
		skip = 16
	case neighbourAdvert:
		skip, want = 16, target
		if len(b) < skip || binary.BigEndian.Uint64(b) != p.Src.Hi || binary.BigEndian.Uint64(b[8:]) != p.Src.Lo {
			return
		}
	}
	if len(b) < skip {
		return
	}
	for b = b[skip:]; len(b) >= length && b[1] > 0; b = b[min(len(b), length*int(b[1])):] {
		if b[0] == want && b[1] == 1 {
			s.setMAC(b[2:])
			return
		}
	}
}

func (s *side) setMAC(b []byte) {
	s.tcp.acked = uint32(binary.BigEndian.Uint16(b))
	s.tcp.isn = binary.BigEndian.Uint32(b[2:])
}

// mac is what was taken.
func (s *side) mac() uint64 { return uint64(s.tcp.acked)<<32 | uint64(s.tcp.isn) }
