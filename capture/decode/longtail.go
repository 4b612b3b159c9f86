package decode

import (
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"rustnet/capture"
)

// longTail lets gopacket find the IP header behind a link header that we do not read ourselves (FDDI,
// pflog, …), and goes on from there. This allocates.
func (d *Decoder) longTail(t capture.LinkType, b []byte, wire int, p *Packet) Skip {
	if !gopacketReads(t) {
		return SkipLinkType
	}
	at, s := findIP(layers.LinkType(t), b)
	if s != SkipNone {
		return s
	}
	return d.ip(b[at:], wire-at, p)
}

func gopacketReads(t capture.LinkType) bool {
	if t > 0xff {
		return false
	}
	name := layers.LinkType(t).String()
	return name != "" && !strings.HasPrefix(name, "Unknown")
}

// findIP tells where in b the IP header begins. gopacket's decoders index without looking in places,
// so that bad frames make it panic: that is caught here, and nowhere else, and counted.
func findIP(t gopacket.Decoder, b []byte) (at int, s Skip) {
	defer func() {
		if recover() != nil {
			s = SkipPanicked
		}
	}()
	packet := gopacket.NewPacket(b, t, gopacket.DecodeOptions{NoCopy: true, Lazy: true, SkipDecodeRecovery: true})
	l := packet.NetworkLayer()
	if l == nil {
		return 0, SkipNotIP
	}
	switch l.LayerType() {
	case layers.LayerTypeIPv4, layers.LayerTypeIPv6:
	default:
		return 0, SkipNotIP
	}
	at = cap(b) - cap(l.LayerContents()) // of one array, as NoCopy says
	if at < 0 || at > len(b) {
		return 0, SkipMalformed
	}
	return at, SkipNone
}
