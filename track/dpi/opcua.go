package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var fieldOPCUAEndpoint = event.AppString("opcua_endpoint", "Endpoint URL that the client asked for.")

var opcuaFields = []*event.AppField{fieldOPCUAEndpoint}

var opcuaFirst = bytesIn("HAOMCE", 1, 0)

// parseOPCUA reads the first message of the binary protocol over TCP (OPC 10000-6 section 7.1.2).
func parseOPCUA(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if len(b) < 16 {
		if n := min(len(b), 4); n > 0 && !opcuaType(b[:n]) || len(b) > 7 && b[7] != 0 {
			return no
		}
		return v.unfinished()
	}
	n := size32(le32(b[4:]))
	if !opcuaType(b[:4]) || n < 12 || n > 1<<24 {
		return no
	}
	switch b[0] {
	case 'H': // version, sizes of buffers and messages, URL
		if n < 32 || n > 32+4096 || len(b) > n {
			return no
		}
		if len(b) < n {
			return v.unfinished()
		}
		if url := b[32:]; size32(le32(b[28:])) != len(url) || le32(b[12:]) < 1024 {
			return no
		} else if bytes.HasPrefix(url, []byte("opc.")) {
			c.fact(fieldOPCUAEndpoint, c.shownURL(url))
		}
		c.setClient(c.side)
	case 'A': // the same without URL
		if n != 28 || len(b) != n || le32(b[12:]) < 1024 {
			return no
		}
		c.setClient(1 - c.side)
	default: // in the middle of a connection
		if v.whole || len(b) != n {
			return no
		}
	}
	return c.finish()
}

func opcuaType(b []byte) bool {
	for _, t := range [...]string{"HELF", "ACKF", "ERRF", "OPNF", "CLOF", "MSGF", "MSGC", "MSGA"} {
		if t[:len(b)] == string(b) {
			return true
		}
	}
	return false
}
