package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldSSDPMethod   = event.AppString("ssdp_method", "M-SEARCH, NOTIFY or RESPONSE.").Spelt(event.OneOf("M-SEARCH", "NOTIFY", "RESPONSE"))
	fieldSSDPTarget   = event.AppString("ssdp_target", "What is searched for or announced (ST or NT).")
	fieldSSDPServer   = event.AppString("ssdp_server", "Product of the one that sends (Server or User-Agent).")
	fieldSSDPLocation = event.AppString("ssdp_location", "Where the device describes itself, without user and query string.")
)

var ssdpFields = []*event.AppField{fieldSSDPMethod, fieldSSDPTarget, fieldSSDPServer, fieldSSDPLocation}

var ssdpFirst = bytesIn("MNH", 1, 0)

// parseSSDP reads a message of SSDP (UPnP Device Architecture 2.0 section 1).
func parseSSDP(c *call) verdict {
	b := c.view[c.side].b
	line, size := cutLine(b)
	if size == 0 {
		return no
	}
	method, client := "", c.side
	switch {
	case bytes.HasPrefix(line, []byte("M-SEARCH * HTTP/1.")):
		method = "M-SEARCH"
	case bytes.HasPrefix(line, []byte("NOTIFY * HTTP/1.")) && headerValue(b, "nts", "nt") != nil:
		method = "NOTIFY"
	case bytes.HasPrefix(line, []byte("HTTP/1.1 200")) && (headerValue(b, "st", "") != nil || headerValue(b, "usn", "") != nil):
		method, client = "RESPONSE", 1-c.side
	default:
		return no
	}
	c.setClient(client)
	c.edit().SetStr(fieldSSDPMethod, method)
	c.setOnce(fieldSSDPTarget, headerValue(b, "st", "nt"))
	c.setOnce(fieldSSDPServer, headerValue(b, "server", "user-agent"))
	c.setOnce(fieldSSDPLocation, c.shownURL(headerValue(b, "location", "al")))
	c.know()
	return done
}
