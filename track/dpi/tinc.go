package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldTincNode = event.AppString("tinc_node", "Name of the node that connects.")

	tincFields = []*event.AppField{fieldTincNode}

	tincFirst = bytesIn("0", 1, 0)
)

// parseTinc reads the line that both ends of a meta connection begin with: 0, a name, the version 17 and perhaps a minor one.
func parseTinc(c *call) verdict {
	v := &c.view[c.side]
	line, whole := firstLine(v)
	rest, ok := bytes.CutPrefix(line, []byte("0 "))
	switch {
	case line == nil, len(line) > 1 && !ok:
		return no
	case !whole:
		return v.unfinished()
	}
	name, version, _ := bytes.Cut(rest, []byte(" "))
	if version, ok = bytes.CutPrefix(version, []byte("17")); !ok || len(name) == 0 || len(version) > 3 || len(version) > 0 && version[0] != '.' {
		return no
	}
	for _, x := range name {
		if (x < '0' || x > '9') && (x|0x20 < 'a' || x|0x20 > 'z') && x != '_' && x != '^' && x != '+' && x != '/' && x != '=' && x != '-' {
			return no
		}
	}
	if c.side == Orig {
		c.setClient(Orig)
		c.firstFact(fieldTincNode, name)
	}
	c.edit()
	return c.finish()
}
