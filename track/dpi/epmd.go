package dpi

import "rustnet/track/event"

var epmdRequests = map[byte]string{'x': "register", 'z': "lookup", 'n': "names"}

var (
	fieldEPMDRequest = event.AppString("epmd_request", "What the client asked for: register, lookup, names.").Spelt(event.OneOf(listed(epmdRequests)...))
	fieldEPMDNode    = event.AppString("epmd_node", "Node that the client registered or looked up.")

	epmdFields = []*event.AppField{fieldEPMDRequest, fieldEPMDNode}

	epmdFirst = bytesIn("\x00w", 1, 0)
)

// parseEPMD reads the one request that a connection to Erlang's port mapper has (the distribution protocol of the Erlang
// documentation), and its answer, without which a question for a node's port could be anything.
func parseEPMD(c *call) verdict {
	const node, hidden, tcp, found = 77, 72, 0, 12
	v, other := &c.view[Orig], &c.view[Resp]
	b := v.b
	if len(b) > 1 && b[0] != 0 || len(b) > 2 && epmdRequests[b[2]] == "" || len(b) == 0 || !v.whole {
		return no
	}
	if len(b) < 3 || len(b) < 2+int(be16(b)) {
		return v.unfinished()
	}
	if len(b) != 2+int(be16(b)) {
		return no
	}
	kind, name, answer := b[2], b[3:], other.b
	switch kind {
	case 'x':
		r := cursor{b: b[3:]}
		port, of, over, high, low := r.u16(), r.u8(), r.u8(), r.u16(), r.u16()
		name = r.vector16()
		r.vector16()
		if r.bad || len(r.b) > 0 || port == 0 || of != node && of != hidden || over != tcp || low == 0 || low > high || high > 9 || !erlangName(name) {
			return no
		}
	case 'z': // the answer: how it went, then what was registered
		if !erlangName(name) || len(answer) > 0 && answer[0] != 'w' || len(answer) > 1 && answer[1] != 0 && len(answer) > 2 {
			return no
		}
		if len(answer) < 2 || answer[1] == 0 && len(answer) < found+len(name) {
			return other.unfinished()
		}
		if answer[1] == 0 && (be16(answer[found-2:]) != uint16(len(name)) || string(answer[found:found+len(name)]) != string(name)) {
			return no
		}
	case 'n': // the answer: the port that was asked, then a line for each node
		if len(name) > 0 {
			return no
		}
		if len(answer) < 4 {
			return other.unfinished()
		}
		if be32(answer) != uint32(c.f.resp) {
			return no
		}
	}
	c.setClient(Orig)
	c.edit().SetStr(fieldEPMDRequest, epmdRequests[kind])
	if len(name) > 0 {
		c.fact(fieldEPMDNode, name)
	}
	return c.finish()
}

// erlangName tells whether b can be a node's name, with or without its host.
func erlangName(b []byte) bool {
	for _, x := range b {
		if x <= ' ' || x == 0x7f {
			return false
		}
	}
	return len(b) > 0 && len(b) <= maxFactLen
}
