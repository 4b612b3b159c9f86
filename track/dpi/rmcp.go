package dpi

var rmcpFirst = bytesIn("\x06", 1, 0)

// parseRMCP recognises RMCP (DSP0136 chapter 3.2) and IPMI inside it (IPMI 2.0 section 13).
func parseRMCP(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if b[0] != 6 || b[1] != 0 {
		return no
	}
	switch {
	case b[3] == 0x86 && len(b) == 4: // an acknowledgement of ASF
		if !c.hasPort(623) && !c.hasPort(664) {
			return no
		}
	case b[3] == 6: // ASF: its enterprise number, kind, tag, length
		if len(b) < 12 || be32(b[4:]) != 4542 || !v.exactly(12+int(b[11])) {
			return no
		}
	case b[3] == 7 && len(b) > 5 && b[4] == 6: // IPMI 2.0
		head := 16
		if b[5]&0x3f == 2 { // with an enterprise's number and identifier
			head = 22
		}
		if len(b) < head {
			return no
		}
		if n := head + le16(b[head-2:]); n > len(b) && !v.gap || b[5]&0x40 == 0 && n != len(b) && !v.gap {
			return no
		}
	case b[3] == 7 && len(b) >= 14 && b[4] <= 5 && b[2] == 0xff: // 1.5, with a code when it is authenticated
		head := 14
		if b[4] != 0 {
			head += 16
		}
		// Some put a byte behind it, so that the frame does not have a length that old hardware stumbles over.
		if len(b) < head || !v.exactly(head+int(b[head-1])) && !v.exactly(head+int(b[head-1])+1) {
			return no
		}
	default:
		return no
	}
	return c.finish()
}
