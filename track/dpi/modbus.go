package dpi

import "rustnet/track/event"

var (
	fieldModbusUnit     = event.AppUint("modbus_unit", "", "Unit that the first answered request is for.")
	fieldModbusFunction = event.AppUint("modbus_function", "", "Function code of that request.")
	fieldModbusAddress  = event.AppUint("modbus_address", "", "First coil or register that it is about, counted from 0.")
)

var modbusFields = []*event.AppField{fieldModbusUnit, fieldModbusFunction, fieldModbusAddress}

const (
	modbusHeaderLen = 7   // with the unit
	modbusMaxLen    = 254 // of what the length counts: unit and PDU
	modbusFailed    = 0x80
	modbusMaxSeen   = 16 // messages of each side that are compared
)

// modbusMessage is a header and a PDU (MODBUS Messaging on TCP/IP Implementation Guide section 3.1.3).
type modbusMessage struct {
	transaction uint16
	unit        byte
	pdu         []byte
}

func (m *modbusMessage) read(b []byte) (rest []byte, got verdict) {
	if len(b) > 4 && (b[2] != 0 || b[3] != 0 || b[4] != 0) || len(b) > 5 && (b[5] < 2 || b[5] > modbusMaxLen) {
		return nil, no
	}
	if len(b) < 6 || len(b) < 6+int(b[5]) {
		return nil, more
	}
	end := 6 + int(b[5])
	m.transaction, m.unit, m.pdu = be16(b), b[6], b[modbusHeaderLen:end]
	return b[end:], match
}

// parseModbus takes as proof a request of the common kinds, or a request and the answer to it, or two messages of
// one side: a single one of the others is little more than a length.
func parseModbus(c *call) verdict {
	v := &c.view[c.side]
	var m modbusMessage
	known, values := 0, false
	var unit byte
	b := v.b
	for i := 0; len(b) > 0 && i < modbusMaxSeen; i++ {
		rest, got := m.read(b)
		if got == no {
			return no
		}
		if got == more {
			break
		}
		if i == 0 && len(rest) == 0 && modbusStrict(m.pdu) {
			return c.modbus(c.side, &m)
		}
		if o, answer := c.modbusOther(&m); o.pdu != nil {
			if answer {
				return c.modbus(c.side, &m)
			}
			return c.modbus(1-c.side, &o)
		}
		if i == 0 {
			unit = m.unit
		} else if unit != m.unit {
			break // units are asked in turn, too; but so little is no proof then
		}
		if f := m.pdu[0]; f < modbusFailed && modbusRequest(m.pdu) || f > modbusFailed && len(m.pdu) <= 3 && len(m.pdu) > 1 && m.pdu[1] >= 1 && m.pdu[1] <= 11 {
			known++
		} else if modbusValues(m.pdu) && c.unheard() {
			known++
			values = true
		}
		b = rest
	}
	if known > 1 && len(b) == 0 {
		c.setClient(c.side)
		if m.pdu[0] > modbusFailed || values {
			c.setClient(1 - c.side)
		}
		return c.finish()
	}
	return v.unfinished()
}

// modbus tells of a request.
func (c *call) modbus(client Side, request *modbusMessage) verdict {
	c.setClient(client)
	c.edit().SetUint(fieldModbusUnit, uint64(request.unit))
	c.edit().SetUint(fieldModbusFunction, uint64(request.pdu[0]))
	switch request.pdu[0] {
	case 1, 2, 3, 4, 5, 6, 15, 16, 0x16, 0x17:
		c.edit().SetUint(fieldModbusAddress, uint64(be16(request.pdu[1:])))
	}
	return c.finish()
}

// modbusOther finds the message of the other side that belongs to m, and tells whether it is m's answer.
func (c *call) modbusOther(m *modbusMessage) (o modbusMessage, answer bool) {
	other := c.view[1-c.side].b
	for i := 0; len(other) > 0 && i < modbusMaxSeen; i++ {
		rest, got := o.read(other)
		if got != match {
			break
		}
		other = rest
		if o.transaction != m.transaction || o.unit != m.unit {
			continue
		}
		answer = modbusPair(m.pdu, o.pdu)
		if asked := modbusPair(o.pdu, m.pdu); asked && (!answer || c.side == Resp) { // both, when the answer repeats the request
			return o, false
		} else if answer {
			return o, true
		}
	}
	return modbusMessage{}, false
}

// modbusPair tells whether a response fits its request (MODBUS Application Protocol Specification section 6).
func modbusPair(request, response []byte) bool {
	f := request[0]
	if f == 0 || f >= modbusFailed || response[0]&^modbusFailed != f || !modbusRequest(request) {
		return false
	}
	if response[0] != f {
		return len(response) == 2 && response[1] >= 1 && response[1] <= 11
	}
	switch f {
	case 1, 2, 3, 4, 0x17:
		return len(response) >= 2 && len(response) == 2+int(response[1])
	case 5, 6, 0x16:
		return len(response) == len(request)
	case 15, 16:
		return len(response) == 5 && string(response) == string(request[:5])
	}
	return true
}

// modbusValues tells whether b answers a read: as many bytes as it says, whole registers.
func modbusValues(b []byte) bool {
	return len(b) > 2 && len(b) == 2+int(b[1]) && (b[0] == 1 || b[0] == 2 || (b[0] == 3 || b[0] == 4) && b[1]%2 == 0)
}

// modbusStrict tells whether b is a request in which hardly a byte is free: reads, whose quantity has a limit, and
// writes, whose lengths must fit.
func modbusStrict(b []byte) bool {
	if !modbusRequest(b) {
		return false
	}
	switch b[0] {
	case 1, 2:
		return be16(b[3:]) >= 1 && be16(b[3:]) <= 2000
	case 3, 4:
		return be16(b[3:]) >= 1 && be16(b[3:]) <= 125
	case 5:
		return (b[3] == 0 || b[3] == 0xff) && b[4] == 0
	case 15:
		return int(b[5]) == (int(be16(b[3:]))+7)/8
	case 16:
		return int(b[5]) == 2*int(be16(b[3:]))
	}
	return false
}

// modbusRequest tells whether b can be a request.
func modbusRequest(b []byte) bool {
	switch b[0] {
	case 1, 2, 3, 4, 5, 6:
		return len(b) == 5
	case 15, 16:
		return len(b) >= 6 && len(b) == 6+int(b[5])
	case 0x16:
		return len(b) == 7
	case 0x17:
		return len(b) >= 10 && len(b) == 10+int(b[9])
	case 7, 11, 12, 17:
		return len(b) == 1
	case 8:
		return len(b) >= 3
	case 0x14, 0x15, 0x18, 0x2b, 0x5a: // file records, queues, device identification, and one of a maker
		return len(b) >= 2
	}
	return false
}
