package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldMGCPCommand  = event.AppString("mgcp_command", "First command: CRCX, NTFY, RQNT, ….").Spelt(event.OneOf(mgcpCommands...))
	fieldMGCPEndpoint = event.AppString("mgcp_endpoint", "Endpoint that the first command is about.")
)

var mgcpFields = []*event.AppField{fieldMGCPCommand, fieldMGCPEndpoint}

var mgcpFirst = bytesIn("EADNRCMeadnrcm", '1', '5')

// mgcpCommands may be written in any case.
var mgcpCommands = []string{"EPCF", "CRCX", "MDCX", "DLCX", "RQNT", "NTFY", "AUEP", "AUCX", "RSIP", "MESG"}

// parseMGCP reads MGCP 1.0 (RFC 3435): a command with its transaction, endpoint and version, or, on its ports only,
// an answer.
func parseMGCP(c *call) verdict {
	b := c.view[c.side].b
	end := bytes.IndexAny(b[:min(len(b), maxFactLen)], "\r\n")
	if end < 0 || !oneLine(b[:end]) {
		return no
	}
	word, rest, ok := bytes.Cut(b[:end], []byte{' '})
	if !ok {
		return no
	}
	number, rest, _ := bytes.Cut(rest, []byte{' '})
	if n, ok := decimal(number); !ok || n == 0 || n > 999999999 {
		return no
	}
	if len(word) == 3 {
		if _, ok := decimal(word); !ok || !c.hasPort(2427) && !c.hasPort(2727) {
			return no
		}
		c.setClient(1 - c.side)
		return c.finish()
	}
	endpoint, version, ok := bytes.Cut(rest, []byte{' '})
	if !ok || !bytes.HasPrefix(version, []byte("MGCP ")) || !printable(endpoint) {
		return no
	}
	command := spelled(word, mgcpCommands)
	if command == "" {
		return no
	}
	c.setClient(c.side)
	a := c.edit()
	a.SetStr(fieldMGCPCommand, command)
	a.SetStr(fieldMGCPEndpoint, c.text(endpoint))
	return c.finish()
}
