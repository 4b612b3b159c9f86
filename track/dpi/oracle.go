package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldOracleService = event.AppString("oracle_service", "Service name or SID that the client asked for.")
	fieldOracleProgram = event.AppString("oracle_program", "Program of the client.")
	fieldOracleUser    = event.AppString("oracle_os_user", "User of the client's operating system.")
	fieldOracleHost    = event.AppString("oracle_client_host", "Name of the client's machine.")
)

var oracleFields = []*event.AppField{fieldOracleService, fieldOracleProgram, fieldOracleUser, fieldOracleHost}

// oracleFirst: the length of a connect packet.
var oracleFirst = bytesIn("", 0, 7)

const (
	oracleConnect    = 1
	oracleMaxConnect = 2 << 10
	oracleConnectLen = 26 + 2 // up to the length and the place of the connect data
)

// parseOracle reads the connect packet of TNS (Transparent Network Substrate), as far as its layout is public:
// length, checksum, type, flags; then version, service options, unit sizes, and the connect descriptor.
func parseOracle(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if len(b) > 4 && (b[2] != 0 || b[3] != 0 || b[4] != oracleConnect) {
		return no
	}
	if len(b) < oracleConnectLen {
		return v.unfinished()
	}
	n, version, compatible := int(be16(b)), int(be16(b[8:])), int(be16(b[10:]))
	size, at := int(be16(b[24:])), int(be16(b[26:]))
	if n < oracleConnectLen || n > oracleMaxConnect || b[6] != 0 || b[7] != 0 || version < 300 || version > 400 || compatible < 200 || compatible > version ||
		at < oracleConnectLen || at > n {
		return no
	}
	switch {
	case len(b) < n:
		return v.unfinished()
	case at+size != n: // a long descriptor comes in a packet of its own
		if at != n || size < 2 {
			return no
		}
		c.setClient(c.side)
		return c.finish()
	case size < 2 || b[at] != '(' || !readable(b[at:n]):
		return no
	}
	c.setClient(c.side)
	d := b[at:n]
	service := oracleValue(d, "SERVICE_NAME=")
	if service == nil {
		service = oracleValue(d, "(SID=")
	}
	c.fact(fieldOracleService, service)
	c.fact(fieldOracleProgram, oracleValue(d, "PROGRAM="))
	c.fact(fieldOracleUser, oracleValue(d, "USER="))
	if cid := bytes.Index(d, []byte("(CID=")); cid >= 0 {
		c.fact(fieldOracleHost, oracleValue(d[cid:], "HOST="))
	}
	return c.finish()
}

// oracleValue returns what stands behind a keyword in capitals.
func oracleValue(d []byte, key string) []byte {
	_, value, _ := bytes.Cut(d, []byte(key))
	if value, _, whole := bytes.Cut(value, []byte(")")); whole {
		return value
	}
	return nil
}
