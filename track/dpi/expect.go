package dpi

import (
	"net/netip"

	"rustnet/track/event"
)

// Expected is another connection that this one arranged. One end of it is known by its port, and by an address or by
// which end of this connection it is.
type Expected struct {
	Addr netip.Addr // invalid: that of the end At
	At   Side
	Port uint16
	TCP  bool
	// Anybody: the other end need not be this connection's.
	Anybody             bool
	Once, Content, More bool // as in event.Expected
	App                 *event.App
}

// maxExpected bounds what one packet may arrange: a call of several media offers two ports for each.
const maxExpected = 16

// expect says that another connection was arranged.
func (c *call) expect(x Expected) {
	if x.Port != 0 && len(c.expected) < maxExpected {
		c.expected = append(c.expected, x)
	}
}

// TakeExpected gives, once, the connections that the packet shown last arranged. They are the Inspector's: valid until
// it is shown the next packet.
func (in *Inspector) TakeExpected() []Expected {
	x := in.expected
	in.expected = in.expected[:0]
	return x
}
