package dpi

import "rustnet/track/event"

var (
	fieldZMTPMechanism = event.AppString("zmtp_mechanism", "Security of the connection: NULL, PLAIN, CURVE or GSSAPI.").Spelt(event.OneOf(zmtpMechanisms...))

	zmtpFields = []*event.AppField{fieldZMTPMechanism}

	zmtpMechanisms = []string{"NULL", "PLAIN", "CURVE", "GSSAPI"}

	zmtpFirst = bytesIn("\xff", 1, 0)
)

// parseZMTP reads a greeting of ZeroMQ (ZMTP 3.0, RFC 23 of zeromq.org): a signature of ten bytes, version, mechanism. The
// signature is that of version 2, which has no mechanism, too.
func parseZMTP(c *call) verdict {
	const version, mechanism, length = 10, 12, 20
	v := &c.view[c.side]
	b := v.b
	for i := 1; i < min(len(b), 8); i++ {
		if b[i] != 0 {
			return no
		}
	}
	if len(b) > 9 && b[9] != 0x7f {
		return no
	}
	if len(b) <= version+1 {
		return v.unfinished()
	}
	if b[version] != 1 && b[version] != 2 && b[version] != 3 {
		return no
	}
	if b[version] < 3 {
		return c.finish()
	}
	if len(b) < mechanism+length {
		return v.unfinished()
	}
	name, _, _ := zeroText(b[mechanism : mechanism+length])
	known := spelled(name, zmtpMechanisms)
	if known == "" {
		return no
	}
	c.edit().SetStr(fieldZMTPMechanism, known)
	return c.finish()
}
