package dpi

import "rustnet/track/event"

var (
	fieldSMPPSystem  = event.AppString("smpp_system_id", "Who binds.")
	fieldSMPPCommand = event.AppUint("smpp_command", "", "Command id of the first message.")

	smppFields = []*event.AppField{fieldSMPPSystem, fieldSMPPCommand}

	smppFirst = bytesIn("\x00", 1, 0)
)

// smppCommand tells the requests of SMPP 3.4 (section 5.1.2.1).
func smppCommand(n uint32) bool {
	switch n {
	case 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x0b, 0x15, 0x21, 0x102, 0x103, 0x111, 0x112, 0x113:
		return true
	}
	return false
}

// smppAddressed tells whether a message begins with a kind of service, a source, and a destination that is not empty (sections 4.4.1, 4.6.1, 4.7.1).
func smppAddressed(b []byte, cut bool) bool {
	const maxService, maxAddress = 5, 64
	service, b, ok := zeroText(b)
	if !ok || len(service) > maxService || len(service) > 0 && !printable(service) {
		return false
	}
	for _, may := range []bool{true, false} { // be empty
		if len(b) < 3 {
			return cut && !may
		}
		address, rest, ok := zeroText(b[2:])
		if !ok {
			return cut
		}
		if b[0] > 8 || b[1] > 18 || len(address) > maxAddress || len(address) == 0 && !may || len(address) > 0 && !printable(address) {
			return false
		}
		b = rest
	}
	return true
}

// smppParameters tells whether optional parameters fill what is left of a message (section 5.3): tag, length, value.
func smppParameters(b []byte, cut bool) bool {
	for len(b) >= 4 {
		n := int(be16(b[2:]))
		if be16(b) == 0 || len(b) < 4+n {
			return cut && be16(b) != 0
		}
		b = b[4+n:]
	}
	return cut || len(b) == 0
}

const answerBit = 1 << 31

// parseSMPP reads messages (SMPP 3.4 section 3.2): length, command, status, number. A bind names its system; the
// password behind that is not shown.
func parseSMPP(c *call) verdict {
	const headerLen, maxLen, nack, receiver, transmitter, transceiver = 16, 16 << 10, answerBit, 1, 2, 9
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && b[1] != 0 || len(b) > 4 && b[4]&0x7f != 0 {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n, command, status, number := be32(b), be32(b[4:]), be32(b[8:]), be32(b[12:])
	kind := command &^ answerBit
	if n < headerLen || n > maxLen || command != nack && !smppCommand(kind) || command&answerBit == 0 && status != 0 || status > 0x4ff || number == 0 || number > 1<<31-1 {
		return no
	}
	if len(b) < int(n) && !v.gap {
		return v.unfinished()
	}
	bind := kind == receiver || kind == transmitter || kind == transceiver
	body := b[headerLen:min(len(b), int(n))]
	switch {
	case bind:
		system, rest, ok := zeroText(body)
		if !ok && status == 0 || len(system) > 15 || !printable(system) && (len(system) > 0 || ok && len(rest) == 0 && !v.gap) {
			return no
		}
		if command&answerBit != 0 {
			if ok && !smppParameters(rest, v.gap) {
				return no
			}
			break
		}
		secret, rest, ok := zeroText(rest)
		if kind, _, typed := zeroText(rest); !ok || len(secret) > 16 || !textLine(secret) || len(system) == 0 || !typed || !textLine(kind) {
			return no
		}
		c.fact(fieldSMPPSystem, system)
	case n == headerLen: // so little needs a second, or an answer
		answer := c.view[1-c.side].b
		if len(b) >= 2*headerLen && be32(b[headerLen:]) >= headerLen && be32(b[headerLen:]) <= maxLen && smppCommand(be32(b[headerLen+4:])&^answerBit) {
			break
		}
		if len(answer) < headerLen || be32(answer[12:]) != number || be32(answer[4:])^command != answerBit {
			return v.unfinished()
		}
	case kind != 4 && kind != 5 && kind != 0x103: // those that say nothing by themselves
		return no
	case command&answerBit != 0: // the number that the message was given (section 4.4.2)
		message, rest, ok := zeroText(body)
		if !ok && !v.gap || len(message) > 64 || len(message) > 0 && !printable(message) || ok && !smppParameters(rest, v.gap) {
			return no
		}
	case !smppAddressed(body, v.gap):
		return no
	}
	c.edit().SetUint(fieldSMPPCommand, uint64(kind))
	if command&answerBit == 0 && kind != 5 {
		c.setClient(c.side)
	}
	return c.finish()
}
