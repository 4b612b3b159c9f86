package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldGopherSelector = event.AppString("gopher_selector", "Selector that was asked for; without what was searched for.")

	gopherFields = []*event.AppField{fieldGopherSelector}
)

// parseGopher knows a menu (RFC 1436 section 2): each line has a kind, a text, and behind tabs a selector, a host and a port.
// A file that is asked for is nothing but its bytes, and so no proof.
func parseGopher(c *call) verdict {
	line, answer, v := c.asked()
	if v != match {
		return v
	}
	row, size := cutLine(answer)
	if size == 0 {
		return c.undecided()
	}
	kind := byte(0)
	if len(row) > 0 {
		kind = row[0]
	}
	parts := bytes.Split(row, []byte("\t"))
	if len(parts) < 4 || bytes.IndexByte([]byte("0123456789+TgIhisMd;p:"), kind) < 0 || len(parts[2]) == 0 {
		return no
	}
	if _, ok := decimal(trimSpace(parts[3])); !ok {
		return no
	}
	c.setClient(Orig)
	selector, _, _ := bytes.Cut(line, []byte("\t"))
	c.fact(fieldGopherSelector, selector)
	return c.finish()
}
