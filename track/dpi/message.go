package dpi

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"rustnet/track/event"
)

// What parsers share: the answer about a message that is not whole yet, facts as they are set, and names of numbers.

// unfinished is the answer while a message is not whole: no when the rest will not come.
func (v *view) unfinished() verdict {
	if v.gap || v.fin {
		return no
	}
	return more
}

// alone tells whether only one side is there to judge by, and all of it: nothing came of the other, nor will, or its packets do not come by here.
func (c *call) alone() bool {
	own, other := &c.view[c.side], &c.view[1-c.side]
	return len(other.b) == 0 && !other.gap && (own.gap || own.fin && (other.fin || !c.f.dir[1-c.side].is(started)))
}

// unheard tells whether nothing came of the other side's packets so far, not even its SYN, or is to come: where what one side says is told without doubt,
// there is nothing to wait for.
func (c *call) unheard() bool {
	other := 1 - c.side
	return len(c.view[other].b) == 0 && !c.view[other].gap && !c.f.dir[other].is(started) || c.alone()
}

// begins compares with what the protocol begins with: match, more while b is too short to tell, or no.
func (v *view) begins(magic string) verdict {
	n := min(len(v.b), len(magic))
	switch {
	case string(v.b[:n]) != magic[:n]:
		return no
	case n < len(magic):
		return v.unfinished()
	}
	return match
}

// fact sets a text field when b is fit to be shown.
func (c *call) fact(f *event.AppField, b []byte) {
	if oneLine(b) {
		c.edit().SetStr(f, c.text(b))
	}
}

// firstFact is fact for a field that the first message that tells it decides.
func (c *call) firstFact(f *event.AppField, b []byte) {
	if !c.f.app.Has(f) {
		c.fact(f, b)
	}
}

// firstNumber sets a number that was not set before.
func (c *call) firstNumber(f *event.AppField, n uint64) {
	if !c.f.app.Has(f) {
		c.edit().SetUint(f, n)
	}
}

// address sets a field to an IP address of 4 or 16 bytes, when it is one that something can have.
func (c *call) address(f *event.AppField, b []byte) {
	if addr, ok := netip.AddrFromSlice(b); ok && !addr.IsUnspecified() && !c.f.app.Has(f) {
		c.hash = addr.AppendTo(c.hash[:0])
		c.edit().SetStr(f, c.text(c.hash))
	}
}

// endpoint sets a field to an address and a port.
func (c *call) endpoint(f *event.AppField, end netip.AddrPort) {
	c.hash = end.AppendTo(c.hash[:0])
	c.edit().SetStr(f, c.text(c.hash))
}

// mac sets a field to a link's address.
func (c *call) mac(f *event.AppField, b []byte) {
	if len(b) == 6 && !c.f.app.Has(f) {
		c.hash = appendMAC(c.hash[:0], b)
		c.edit().SetStr(f, c.text(c.hash))
	}
}

func appendMAC(dst, b []byte) []byte {
	for i, d := range b {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, hexDigits[d>>4], hexDigits[d&15])
	}
	return dst
}

// sums tells whether b together with its checksum adds up to nothing (RFC 1071); what the capture cut may.
func (v *view) sums(b []byte) bool {
	if v.gap {
		return true
	}
	sum := uint32(0)
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(be16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return sum == 0xffff
}

// crc16 goes on with a checksum of CCITT's polynomial, the highest bit first.
func crc16(sum uint16, b []byte) uint16 {
	for _, d := range b {
		sum ^= uint16(d) << 8
		for range 8 {
			sum = sum<<1 ^ sum>>15*0x1021
		}
	}
	return sum
}

// named sets a text field to a name out of a list by number, when there is one.
func (c *call) named(f *event.AppField, names []string, i int) {
	if i >= 0 && i < len(names) && names[i] != "" && !c.f.app.Has(f) {
		c.edit().SetStr(f, names[i])
	}
}

// numberedForm is the form of a field that call.numbered sets.
func numberedForm(names map[byte]string) event.Form {
	return event.OneOf(listed(names)...).OrNumber("", 255, func(n uint64) string { return names[byte(n)] })
}

// listed gives the names of a map by number.
func listed[K comparable](names map[K]string) []string { return slices.Sorted(maps.Values(names)) }

// nameIn gives the name that a number has in a list, "" where it has none.
func nameIn(names []string) func(uint64) string {
	return func(n uint64) string {
		if n < uint64(len(names)) {
			return names[n]
		}
		return ""
	}
}

// numberIn gives the name in a list of what is asked for by its number.
func numberIn(names []string) func(string) string {
	return func(text string) string {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return ""
		}
		return nameIn(names)(n)
	}
}

// namesOf lists the names that a function gives to numbers.
func namesOf(name func(byte) string) (all []string) {
	for n := range 256 {
		if text := name(byte(n)); text != "" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}

// asker is the state of a parser that waits for what the client asks, or what it is answered.
type asker struct{ client Side }

// finish ends the inspection with a match.
func (c *call) finish() verdict {
	c.edit()
	c.know()
	return done
}

// numbered sets a text field to the name of a kind of message, or to its number.
func (c *call) numbered(f *event.AppField, names map[byte]string, kind byte) {
	name := names[kind]
	if name == "" {
		c.hash = appendUint(c.hash[:0], uint64(kind))
		name = c.text(c.hash)
	}
	c.edit().SetStr(f, name)
}

// setOnce sets a field to a text of the wire that is not empty, unless an earlier one was set.
func (c *call) setOnce(f *event.AppField, b []byte) {
	if len(b) > 0 && !c.f.app.Has(f) {
		c.edit().SetStr(f, c.text(b))
	}
}

// sideIf is 1, which turns a Side round, when the condition holds.
func sideIf(cond bool) Side {
	if cond {
		return 1
	}
	return 0
}
