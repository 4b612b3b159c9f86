package dpi

import (
	"net/netip"

	"rustnet/track/event"
)

var fieldSFlowAgent = event.AppString("sflow_agent", "Address that the sender gives itself.").Spelt(event.Address)

var sflowFields = []*event.AppField{fieldSFlowAgent}

var sflowFirst = bytesIn("\x00", 1, 0)

const sflowMaxSamples = 256

// parseSFlow reads sFlow 5 (https://sflow.org/sflow_version_5.txt), whose samples must fill the datagram.
func parseSFlow(c *call) verdict {
	v := &c.view[c.side]
	r := cursor{b: v.b}
	head := r.bytes(8)
	if head == nil || be32(head) != 5 {
		return no
	}
	var agent []byte
	switch be32(head[4:]) {
	case 1:
		agent = r.bytes(4)
	case 2:
		agent = r.bytes(16)
	}
	rest := r.bytes(16) // sub-agent, sequence, uptime, samples
	if agent == nil || rest == nil || be32(rest[12:]) == 0 || be32(rest[12:]) > sflowMaxSamples {
		return no
	}
	for range be32(rest[12:]) {
		s := r.bytes(8)
		if s == nil || be32(s[4:]) > 1<<16 || be32(s)&0xfff > 16 {
			if s == nil && v.gap {
				break
			}
			return no
		}
		if r.bytes(size32(be32(s[4:]))); r.bad && !v.gap {
			return no
		}
	}
	if len(r.b) > 0 {
		return no
	}
	addr, _ := netip.AddrFromSlice(agent)
	c.hash = addr.AppendTo(c.hash[:0])
	c.edit().SetStr(fieldSFlowAgent, c.text(c.hash))
	c.setClient(c.side)
	return c.finish()
}
