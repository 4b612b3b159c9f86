package dpi

import "rustnet/track/event"

var (
	fieldGIOPOperation = event.AppString("giop_operation", "Operation of the first request.")

	giopFields = []*event.AppField{fieldGIOPOperation}

	giopFirst = bytesIn("G", 1, 0)
)

// parseGIOP reads a message's header and the operation of a request (CORBA 3.3 part 2 chapter 9.4).
func parseGIOP(c *call) verdict {
	const headerLen, request, maxType, maxLen = 12, 0, 7, 1 << 24
	v := &c.view[c.side]
	if got := v.begins("GIOP"); got != match {
		return got
	}
	b := v.b
	if len(b) < headerLen {
		return v.unfinished()
	}
	if b[4] != 1 || b[5] > 3 || b[7] > maxType {
		return no
	}
	size := be32
	if b[6]&1 != 0 {
		size = le32
	}
	if size(b[8:]) > maxLen {
		return no
	}
	if b[7] != request {
		if b[7] == 1 {
			c.setClient(1 - c.side)
		}
		return c.finish()
	}
	if want := headerLen + int(min(size(b[8:]), 1<<10)); len(b) < want && !v.gap && !v.fin {
		return more
	}
	c.setClient(c.side)
	c.edit()
	c.fact(fieldGIOPOperation, giopOperation(b[headerLen:min(len(b), 1<<10)], b[5], size))
	return c.finish()
}

// giopOperation finds the name behind what is addressed: before version 1.2 contexts and the object's key come first, since
// then the key with its kind. Lists have their length before them, and numbers stand at multiples of their size.
func giopOperation(b []byte, minor byte, size func([]byte) uint32) []byte {
	at := 0
	number := func() int {
		at = (at + 3) &^ 3
		if at+4 > len(b) {
			at = len(b) + 1
			return 0
		}
		at += 4
		return int(min(size(b[at-4:]), 1<<16))
	}
	skip := func(n int) { at = min(at+n, len(b)+1) }
	if minor < 2 {
		for n := number(); n > 0 && at <= len(b); n-- { // contexts
			number()
			skip(number())
		}
		number() // request
		skip(1)  // is an answer expected
		if minor == 1 {
			skip(3)
		}
		skip(number())
	} else {
		number()
		skip(1 + 3)
		at = (at + 3) &^ 3
		if at+2 > len(b) || b[at] != 0 || b[at+1] != 0 { // by key is what all do
			return nil
		}
		skip(2)
		skip(number())
	}
	n := number()
	if n < 2 || at+n > len(b) || b[at+n-1] != 0 {
		return nil
	}
	return b[at : at+n-1]
}
