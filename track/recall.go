package track

import (
	"net/netip"

	"rustnet/capture"
	"rustnet/capture/decode"
	"rustnet/track/event"
)

// recalledMax bounds the texts that are held of what a file says of its connections.
const recalledMax = 256 << 20

// recalls has what a file of packets says of the connections in it, which rustnet wrote there when they were captured.
type recalls struct {
	beside []byte // the comment of the packet at hand
	known  map[uint64]recalled
	held   int // bytes
}

type recalled struct {
	text string // as it stood there last
	*event.Recorded
}

// comments are those of the batch; none where nobody reads them.
func (w *worker) comments(b *decode.Packets) []capture.Comment {
	w.beside = nil
	if w.cfg.Recall == nil || b.Frames == nil {
		return nil
	}
	return b.Frames.Comments
}

// besides takes up what stands beside a frame of the batch, and gives what stands behind.
func (w *worker) besides(said []capture.Comment, frame uint64) []capture.Comment {
	w.beside = nil
	for len(said) > 0 && uint64(said[0].Frame) <= frame {
		if uint64(said[0].Frame) == frame {
			w.beside = said[0].Text
		}
		said = said[1:]
	}
	return said
}

// recall takes what stands beside a packet of the connection.
func (w *worker) recall(c *conn) {
	was := w.known[c.id]
	if string(w.beside) == was.text {
		w.beside = nil
		return
	}
	text := string(w.beside)
	w.beside = nil
	if w.held+len(text)-len(was.text) > recalledMax/w.of {
		w.Unrecalled++
		return
	}
	r := w.cfg.Recall(text)
	if r == nil || !c.turn(r) {
		return
	}
	if w.known == nil {
		w.known = map[uint64]recalled{}
	}
	c.dirty = true
	w.held += len(text) - len(was.text)
	w.known[c.id] = recalled{text, r}
}

// turn makes that end local which was when the packet was captured. It is false where neither end is: then it is
// another connection that is spoken of.
func (c *conn) turn(r *event.Recorded) bool {
	k := &c.key
	side := uint8(0)
	if k.version == 0 {
		switch r.LocalMAC {
		case k.src.Lo:
		case k.dst.Lo:
			side = 1
		default:
			return false
		}
	} else {
		srcPort, dstPort := k.srcPort, k.dstPort
		if k.proto == decode.ICMP || k.proto == decode.ICMP6 {
			srcPort, dstPort = 0, 0 // see fill
		}
		switch r.Local {
		case netip.AddrPortFrom(k.src.Netip(k.version), srcPort):
		case netip.AddrPortFrom(k.dst.Netip(k.version), dstPort):
			side = 1
		default:
			return false
		}
	}
	if c.published {
		return c.localSide == side // the ends are not swapped any more
	}
	c.recorded, c.settled, c.localSide, c.direction = true, true, side, r.Direction
	return true
}

// remember puts onto an event what the file says of its connection.
func (w *worker) remember(e *event.Event) {
	if len(w.known) == 0 {
		return
	}
	if r := w.known[e.ID].Recorded; r != nil {
		e.Proc, e.Peer, e.RemoteName, e.NameSource = r.Proc, r.Peer, r.Name, r.NameSource
		e.NetNS, e.NAT, e.About = r.NetNS, r.NAT, r.About
	}
}

// forget lets go of what was said of a connection.
func (w *worker) forget(c *conn) {
	if len(w.known) > 0 {
		w.held -= len(w.known[c.id].text)
		delete(w.known, c.id)
	}
}
