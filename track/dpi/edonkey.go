package dpi

var edonkeyFirst = bytesIn("\xe3\xc5", 1, 0)

// parseEDonkey reads the message that a client of eDonkey2000 or eMule begins with, or the answer to it: protocol, length, kind; of a
// client to another 16 as the size of the hash; hash, identifier, port, tags.
func parseEDonkey(c *call) verdict {
	const headerLen, hello, helloAnswer, hashLen, maxLen, maxTags = 6, 0x01, 0x4c, 16, 4 << 10, 32
	v := &c.view[c.side]
	b := v.b
	if len(b) > 5 && b[5] != hello && b[5] != helloAnswer {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n := le32(b[1:])
	if n < hashLen+10 || n > maxLen {
		return no
	}
	rest := b[headerLen:]
	if len(rest) > 0 && rest[0] == hashLen && b[5] == hello {
		rest = rest[1:]
	}
	if len(rest) < hashLen+4+2+4+1 {
		return v.unfinished()
	}
	tags, kind := le32(rest[hashLen+6:]), rest[hashLen+10]
	if tags == 0 || tags > maxTags || kind&^0x80 == 0 || kind&^0x80 > 0x20 {
		return no
	}
	if b[5] == hello {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	return c.finish()
}
