package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldDICOMCalled  = event.AppString("dicom_called", "Title of the application that is called.")
	fieldDICOMCalling = event.AppString("dicom_calling", "Title of the application that calls.")

	dicomFields = []*event.AppField{fieldDICOMCalled, fieldDICOMCalling}

	dicomFirst = bytesIn("", 1, 2)
)

// parseDICOM reads A-ASSOCIATE-RQ or -AC (DICOM PS3.8 sections 9.3.2 and 9.3.3): type, length, version, titles, 32 bytes of nothing, items.
func parseDICOM(c *call) verdict {
	const headerLen, fixed, request, context = 6, 74, 1, 0x10
	v := &c.view[c.side]
	b := v.b
	switch {
	case len(b) > 1 && b[1] != 0, len(b) > 7 && be16(b[6:])&1 == 0:
		return no
	case len(b) <= fixed:
		return v.unfinished()
	}
	n := be32(b[2:])
	called, calling := bytes.Trim(b[10:26], " \x00"), bytes.Trim(b[26:42], " \x00")
	if n < fixed-headerLen || n > 1<<20 || b[8]|b[9] != 0 || len(bytes.Trim(b[42:fixed], "\x00")) != 0 || b[fixed] != context || !printable(called) || !printable(calling) {
		return no
	}
	client := c.side
	if b[0] != request {
		client = 1 - c.side
	}
	c.setClient(client)
	c.firstFact(fieldDICOMCalled, called)
	c.firstFact(fieldDICOMCalling, calling)
	return c.finish()
}
