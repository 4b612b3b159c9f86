package track

import (
	"encoding/binary"

	"rustnet/capture/decode"
)

// says takes the link address that the sender of an ARP message gives itself (RFC 826), the latest. Of the side's tcp it uses isn and acked.
func (s *side) says(p *decode.Packet) {
	const sender, length = 8, 6
	if b := p.Payload; len(b) >= sender+length && b[4] == length {
		s.tcp.acked = uint32(binary.BigEndian.Uint16(b[sender:]))
		s.tcp.isn = binary.BigEndian.Uint32(b[sender+2:])
	}
}

// mac is what says took.
func (s *side) mac() uint64 { return uint64(s.tcp.acked)<<32 | uint64(s.tcp.isn) }
