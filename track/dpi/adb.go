package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldADBSystem = event.AppString("adb_system", "What the first end says it is: host, or device with its product.")

	adbFields = []*event.AppField{fieldADBSystem}

	adbFirst = bytesIn("C", 1, 0)
)

// parseADB reads the first message (Android's protocol.txt): command, version, size, length, checksum, the command inverted.
func parseADB(c *call) verdict {
	const headerLen = 24
	v := &c.view[c.side]
	if got := v.begins("CNXN"); got != match {
		return got
	}
	if len(v.b) < headerLen {
		return v.unfinished()
	}
	b := v.b
	n := le32(b[12:])
	if le32(b) != ^le32(b[20:]) || n > 4<<10 {
		return no
	}
	if len(b) < headerLen+int(n) && !v.gap && !v.fin {
		return more
	}
	if len(b) >= headerLen+int(n) {
		system, _, _ := zeroText(b[headerLen : headerLen+int(n)])
		c.fact(fieldADBSystem, firstSystem(system))
	}
	return c.finish()
}

// firstSystem leaves out the features behind the kind, serial number and product.
func firstSystem(b []byte) []byte {
	if i := bytes.Index(b, []byte("features=")); i >= 0 {
		b = bytes.TrimRight(b[:i], ";:")
	}
	return b
}
