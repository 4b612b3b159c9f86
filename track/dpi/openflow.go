package dpi

import "rustnet/track/event"

var fieldOpenFlowVersion = event.AppString("openflow_version", "Lower of the versions that both ends say hello with: 1.0 to 1.5.").Spelt(event.OneOf(openflowVersions[:]...))

var openflowFields = []*event.AppField{fieldOpenFlowVersion}

// openflowFirst: wire versions.
var openflowFirst = bytesIn("", 1, 6)

const (
	openflowHeaderLen = 8
	openflowMaxType   = 35
	openflowMaxHello  = 64
)

var openflowVersions = [...]string{"1.0", "1.1", "1.2", "1.3", "1.4", "1.5"}

// parseOpenFlow takes the hellos of both ends as proof (OpenFlow Switch Specification section 7.1.1), or where the
// start was not seen a chain of messages that add up.
func parseOpenFlow(c *call) verdict {
	v, other := &c.view[c.side], &c.view[1-c.side]
	b := v.b
	if len(b) > 1 && b[1] > openflowMaxType || len(b) > 1 && v.whole && b[1] != 0 {
		return no
	}
	if len(b) < openflowHeaderLen {
		return v.unfinished()
	}
	if !v.whole {
		own, telling := openflowChain(b)
		if own == 0 {
			return no
		}
		if _, also := openflowChain(other.b); len(other.b) >= openflowHeaderLen && other.b[0] == b[0] && be32(other.b[4:]) == be32(b[4:]) && be32(b[4:]) != 0 {
			own, telling = own+1, telling || also // a request and its answer have one number
		}
		if own > 1 && telling {
			return c.openflow(b[0])
		}
		return v.unfinished()
	}
	n := int(be16(b[2:]))
	if n < openflowHeaderLen || n > openflowMaxHello || n%8 != 0 {
		return no
	}
	if len(other.b) < openflowHeaderLen {
		if count, telling := openflowChain(b[min(n, len(b)):]); len(other.b) == 0 && count > 1 && telling && b[n] <= b[0] && c.unheard() {
			return c.openflow(b[n]) // they have agreed
		}
		return v.unfinished()
	}
	o := other.b
	if on := int(be16(o[2:])); o[0] < 1 || o[0] > 6 || o[1] != 0 || on < openflowHeaderLen || on > openflowMaxHello || on%8 != 0 {
		return no
	}
	// Elements say which versions: kind 1, length, bits. Without them eight bytes are all, and the ports have to speak too.
	if n == openflowHeaderLen && int(be16(o[2:])) == openflowHeaderLen && len(b) == n && len(o) == n {
		if !c.hasPort(6653) && !c.hasPort(6633) {
			return more
		}
	}
	return c.openflow(min(b[0], o[0]))
}

func (c *call) openflow(version byte) verdict {
	c.edit().SetStr(fieldOpenFlowVersion, openflowVersions[version-1])
	return c.finish()
}

// openflowChain counts the messages that b is made of, 0 when that is not all. It is telling when there are others than
// hellos and errors, for which packets of TPKT and TDS could be taken.
func openflowChain(b []byte) (count int, telling bool) {
	if len(b) == 0 {
		return 0, false
	}
	for version := b[0]; len(b) > 0; count++ {
		if len(b) < openflowHeaderLen || b[0] != version || b[1] > openflowMaxType {
			return 0, false
		}
		n := int(be16(b[2:]))
		if n < openflowHeaderLen || n > len(b) || b[1] == 0 && (n%8 != 0 || n > openflowMaxHello) {
			return 0, false
		}
		telling = telling || b[1] > 1
		b = b[n:]
	}
	return count, telling
}
