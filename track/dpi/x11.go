package dpi

// x11First: the byte order of a client, the answers of a server.
var x11First = bytesIn("Bl\x00\x01\x02", 1, 0)

// parseX11 reads a client's connection setup (X Window System Protocol, chapter 8): byte order, version 11.0, the
// lengths of the authorisation's name and data, and the name. The data is a secret.
func parseX11(c *call) verdict {
	const headerLen = 12
	client := c.side
	if b := c.view[c.side].b; b[0] <= 2 { // a server's answer is looked at where the client's words need it
		client = 1 - client
		if b := c.view[client].b; len(b) < headerLen || b[0] != 'B' && b[0] != 'l' {
			return no
		}
	}
	v := &c.view[client]
	b := v.b
	if len(b) < headerLen {
		if len(b) > 5 && b[2]+b[3] != 11 {
			return no
		}
		return v.unfinished()
	}
	major, minor, name, data := int(be16(b[2:])), be16(b[4:]), int(be16(b[6:])), int(be16(b[8:]))
	if b[0] == 'l' {
		major, name, data = le16(b[2:]), le16(b[6:]), le16(b[8:])
	}
	size := headerLen + (name+3)&^3 + (data+3)&^3
	switch {
	case major != 11 || minor != 0 || name > 64 || data > 1024 || len(b) > size:
		return no
	case len(b) < size:
		return v.unfinished()
	case name > 0 && !printable(b[headerLen:headerLen+name]):
		return no
	case name == 0: // no more than twelve bytes: the server's answer must fit
		o := c.view[1-client].b
		if len(o) < 8 {
			return c.view[c.side].unfinished()
		}
		answer, length := int(be16(o[2:])), 4*int(be16(o[6:]))
		if b[0] == 'l' {
			answer, length = le16(o[2:]), 4*le16(o[6:])
		}
		if o[0] > 2 || answer != 11 || length == 0 {
			return no
		}
	}
	c.setClient(client)
	return c.finish()
}
