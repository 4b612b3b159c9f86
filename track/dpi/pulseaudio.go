package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldPulseVersion = event.AppUint("pulseaudio_version", "", "Version of the protocol that the client speaks.")
	fieldPulseClient  = event.AppString("pulseaudio_client", "Name that the client's program gave.")

	pulseFields = []*event.AppField{fieldPulseVersion, fieldPulseClient}

	pulseFirst = bytesIn("\x00", 1, 0)
)

const (
	pulseDescriptor = 20 // length, channel, offset, flags
	pulseHead       = pulseDescriptor + 10
)

// parsePulse reads PulseAudio's native protocol (its PROTOCOL file and tagstruct.c): the client begins with a packet of control that says its
// version and proves that it may, then says what it is. The cookie is a secret.
func parsePulse(c *call) verdict {
	const auth, setName, maxLen = 8, 9, 8 << 10
	st, _ := c.f.state.(*asker)
	if st == nil {
		v := &c.view[c.side]
		if len(v.b) > 1 && be16(v.b) != 0 || len(v.b) >= 8 && be32(v.b[4:]) != ^uint32(0) {
			return no
		}
		if len(v.b) < pulseHead+5 {
			return v.unfinished()
		}
		if pulseCommand(v.b) != auth || v.b[pulseHead] != 'L' {
			return no
		}
		st = &asker{client: c.side}
		c.f.state = st
		c.setClient(c.side)
		c.edit().SetUint(fieldPulseVersion, uint64(be16(v.b[pulseHead+3:]))) // the upper half are flags
		c.know()
	}
	c.view[1-st.client].b = nil
	v := &c.view[st.client]
	for len(v.b) >= pulseHead {
		if be32(v.b) > maxLen {
			return done
		}
		n := size32(be32(v.b))
		if len(v.b) < pulseDescriptor+n {
			break
		}
		packet := v.b[:pulseDescriptor+n]
		c.eat(st.client, len(packet))
		if len(packet) <= pulseHead || pulseCommand(packet) != setName {
			continue
		}
		name := packet[pulseHead+1:]
		if packet[pulseHead] == 'P' {
			name = pulseProperty(name, "application.name")
		}
		name, _, _ = bytes.Cut(name, []byte{0})
		c.fact(fieldPulseClient, name)
		return done
	}
	if v.gap || v.fin {
		return done
	}
	return match
}

// pulseCommand gives the command of a packet of control, 0 of what is none.
func pulseCommand(b []byte) uint32 {
	if be32(b[4:]) != ^uint32(0) || be32(b[8:])|be32(b[12:])|be32(b[16:]) != 0 || b[20] != 'L' || b[25] != 'L' {
		return 0
	}
	return be32(b[21:])
}

// pulseProperty finds a property in a list of keys and values.
func pulseProperty(b []byte, key string) []byte {
	r := cursor{b: b}
	for r.u8() == 't' && !r.bad {
		name, rest, ok := zeroText(r.b)
		r.b = rest
		if !ok || r.u8() != 'L' {
			return nil
		}
		r.u32()
		if r.u8() != 'x' {
			return nil
		}
		n := r.u32()
		if n > uint32(len(r.b)) {
			return nil
		}
		value := r.bytes(int(n))
		if string(name) == key {
			return value
		}
	}
	return nil
}
