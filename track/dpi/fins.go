package dpi

import "rustnet/track/event"

var (
	fieldFINSCommand = event.AppString("fins_command", "First command.").Spelt(event.OneOf(listed(finsCommands)...))

	finsFields = []*event.AppField{fieldFINSCommand}

	finsFirst = bytesIn("F\x80\x81\xc0\xc1", 1, 0)
)

const finsHeaderLen = 12

// parseFINS reads what Omron's controllers speak over UDP on their port (FINS Commands Reference Manual W227, section 3): control,
// reserved, gateways, two addresses, service, command.
func parseFINS(c *call) verdict {
	const response, maxGateways, port = 0x40, 7, 9600
	v := &c.view[c.side]
	b := v.b
	if !c.hasPort(port) || b[0] == 'F' || b[1] != 0 || b[2] > maxGateways || finsCommands[be16(b[10:])] == "" {
		return no
	}
	if b[0]&response == 0 {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	c.finsCommand(b[10:])
	return c.finish()
}

// parseFINSStream reads FINS over TCP: magic, length, what is done (0 and 1 exchange addresses, 2 carries a frame as above), error.
func parseFINSStream(c *call) verdict {
	const headerLen, frame, maxAction, maxLen = 16, 2, 6, 4 << 10
	_, known := c.f.state.(*asker)
	v := &c.view[c.side]
	for len(v.b) > 0 || !known {
		if got := v.begins("FINS"); got != match {
			return got
		}
		b := v.b
		if len(b) < headerLen {
			return v.unfinished()
		}
		n, action := be32(b[4:]), be32(b[8:])
		if n < 8 || n > maxLen || action > maxAction {
			return no
		}
		if action == frame && len(b) < headerLen+finsHeaderLen || len(b) < 8+int(n) {
			return v.unfinished()
		}
		if !known {
			st := &asker{client: 1 - c.side}
			if action != 1 && (action != frame || b[headerLen]&0x40 == 0) {
				st.client = c.side
			}
			c.f.state, known = st, true
			c.setClient(st.client)
			c.edit()
		}
		if action == frame {
			c.finsCommand(b[headerLen+10:])
			return c.finish()
		}
		c.eat(c.side, 8+int(n))
	}
	return match
}

// finsCommands are the commands that programs give, by their two codes. A datagram with another one is none.
var finsCommands = map[uint16]string{0x0101: "memory-area-read", 0x0102: "memory-area-write", 0x0103: "memory-area-fill",
	0x0104: "multiple-memory-area-read", 0x0105: "memory-area-transfer", 0x0201: "parameter-area-read", 0x0202: "parameter-area-write",
	0x0306: "program-area-read", 0x0307: "program-area-write", 0x0401: "run", 0x0402: "stop", 0x0501: "controller-data-read",
	0x0502: "connection-data-read", 0x0601: "controller-status-read", 0x0620: "cycle-time-read", 0x0701: "clock-read", 0x0702: "clock-write",
	0x0920: "message-read", 0x0c01: "access-right-acquire", 0x2101: "error-clear", 0x2102: "error-log-read"}

func (c *call) finsCommand(b []byte) {
	if name, ok := finsCommands[be16(b)]; ok && !c.f.app.Has(fieldFINSCommand) {
		c.edit().SetStr(fieldFINSCommand, name)
	}
	c.edit()
}
