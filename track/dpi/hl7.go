package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldHL7Message     = event.AppString("hl7_message", "Kind of the first message, such as ADT^A01.")
	fieldHL7Application = event.AppString("hl7_application", "Application that sends it.")
	fieldHL7Facility    = event.AppString("hl7_facility", "Facility that sends it.")

	hl7Fields = []*event.AppField{fieldHL7Message, fieldHL7Application, fieldHL7Facility}

	hl7First = bytesIn("\x0b", 1, 0)
)

// parseHL7 reads the header segment of a message of HL7 version 2 in its minimal framing (HL7 2.5 section 2.16.9, appendix C.4): a
// vertical tab, MSH, the separator, the encoding characters, then fields. Nothing of the patient is in it.
func parseHL7(c *call) verdict {
	const magic, encoding, maxHeader = "\x0bMSH", 4, 1 << 10
	v := &c.view[c.side]
	if got := v.begins(magic); got != match {
		return got
	}
	b := v.b[len(magic):]
	end := bytes.IndexByte(b, '\r')
	switch {
	case end < 0 && len(b) > maxHeader, len(b) > 0 && (b[0] <= ' ' || b[0] > '~' || b[0] >= '0' && b[0] <= '9'):
		return no
	case end < 0:
		return v.unfinished()
	}
	parts := bytes.Split(b[:end], b[:1]) // "", encoding characters, application, facility, their receivers, time, security, kind
	if len(parts) < 10 || len(parts[1]) < encoding-1 || len(parts[1]) > encoding+1 || !printable(parts[8]) {
		return no
	}
	c.setClient(c.side)
	c.fact(fieldHL7Application, parts[2])
	c.fact(fieldHL7Facility, parts[3])
	c.fact(fieldHL7Message, parts[8])
	return c.finish()
}
