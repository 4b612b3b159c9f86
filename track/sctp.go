package track

import (
	"encoding/binary"

	"rustnet/capture/decode"
	"rustnet/track/event"
)

// Chunks of SCTP that begin or end an association (RFC 9260 §3.2).
const (
	chunkInit             = 1
	chunkInitACK          = 2
	chunkAbort            = 6
	chunkShutdownComplete = 14
)

// firstChunk is the kind of the chunk that a packet of SCTP begins with, ok as far as the capture has it.
func firstChunk(p *decode.Packet) (kind byte, ok bool) {
	if len(p.Payload) == 0 {
		return 0, false
	}
	return p.Payload[0], true
}

// sctpEnd tells whether what side s sent ends the association, and how. Of the sides' tcp it uses isn, for the tag that
// each wants to have in what it is sent.
func (c *conn) sctpEnd(p *decode.Packet, s int) event.Reason {
	t, o := &c.sides[s].tcp, &c.sides[1-s].tcp
	for b := p.Payload; len(b) >= 4; {
		kind, reflected, n := b[0], b[1]&1 != 0, (int(binary.BigEndian.Uint16(b[2:]))+3)&^3
		switch kind {
		case chunkInit, chunkInitACK:
			if len(b) >= 8 {
				t.isn = binary.BigEndian.Uint32(b[4:])
				t.set(hasISN)
			}
		case chunkAbort, chunkShutdownComplete:
			tag := o
			if reflected {
				tag = t
			}
			switch {
			case tag.is(hasISN) && tag.isn != p.Seq: // forged or stale (RFC 9260 §8.5.1)
			case kind == chunkShutdownComplete:
				return event.Fin
			case s == 1 && !t.is(hasISN) && o.is(hasISN):
				return event.Refused
			default:
				return event.Rst
			}
		}
		if n < 4 || n > len(b) {
			break
		}
		b = b[n:]
	}
	return event.NoReason
}
