package dpi

import "bytes"

// parseEthereum knows the packets of node discovery (devp2p, discv4): hash, signature with its recovery bit, kind, and a list
// in RLP that fills the rest and begins as that kind does.
func parseEthereum(c *call) verdict {
	const recovery, kind, list = 32 + 64, 32 + 65, 32 + 66
	v := &c.view[c.side]
	b := v.b
	if b[recovery] > 1 || b[kind]-1 > 5 {
		return no
	}
	head, n := 1, int(b[list])-0xc0
	switch {
	case n < 0:
		return no
	case n > 0x37: // length of the length
		if head += n - 0x37; head > 3 || len(b) < list+head {
			return no
		}
		n = 0
		for _, digit := range b[list+1 : list+head] {
			n = n<<8 | int(digit)
		}
	}
	if !v.exactly(list+head+n) || len(b) < list+head+2 {
		return no
	}
	begins := [...]string{1: "\x04", 2: "", 3: "\xb8\x40", 4: "", 5: "\x84", 6: "\xa0"}
	body := b[list+head:]
	switch b[kind] {
	case 1:
		if body[0] != 3 && body[0] != 4 || body[1] < 0xc0 { // versions; where it is
			return no
		}
	case 2, 4:
		if body[0] < 0xc0 {
			return no
		}
	default:
		if !bytes.HasPrefix(body, []byte(begins[b[kind]])) {
			return no
		}
	}
	return c.finish()
}
