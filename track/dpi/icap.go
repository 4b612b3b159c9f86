package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldICAPMethod  = event.AppString("icap_method", "First method: REQMOD, RESPMOD or OPTIONS.").Spelt(event.OneOf(icapMethods...))
	fieldICAPService = event.AppString("icap_service", "Service that it was asked of, as a URL without its query.")
	fieldICAPStatus  = event.AppUint("icap_status", "", "Status of the first response.")

	icapFields = []*event.AppField{fieldICAPMethod, fieldICAPService, fieldICAPStatus}

	icapMethods = []string{"REQMOD", "RESPMOD", "OPTIONS"}

	icapFirst = bytesIn("ROI", 1, 0)
)

// parseICAP reads the first request line or status line (RFC 3507 sections 4.3.2 and 4.3.3).
func parseICAP(c *call) verdict {
	v := &c.view[c.side]
	line, whole := firstLine(v)
	if line == nil {
		return no
	}
	if status, ok := bytes.CutPrefix(line, []byte("ICAP/1.0 ")); ok && whole && len(status) >= 3 {
		n, ok := decimal(status[:3])
		if !ok {
			return no
		}
		c.setClient(1 - c.side)
		c.firstNumber(fieldICAPStatus, n)
		return c.finish()
	}
	method, rest, _ := bytes.Cut(line, []byte(" "))
	url, version, _ := bytes.Cut(rest, []byte(" "))
	known := spelled(method, icapMethods)
	switch {
	case !whole:
		return v.unfinished()
	case known == "", !bytes.HasPrefix(url, []byte("icap://")), string(version) != "ICAP/1.0":
		return no
	}
	c.setClient(c.side)
	if !c.f.app.Has(fieldICAPMethod) {
		c.edit().SetStr(fieldICAPMethod, known)
	}
	c.firstFact(fieldICAPService, c.shownURL(url))
	c.know()
	return match
}
