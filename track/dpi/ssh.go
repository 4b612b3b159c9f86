package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldSSHClient   = event.AppString("ssh_client", "Identification of the client, such as SSH-2.0-OpenSSH_9.2.").Spelt(sshForm)
	fieldSSHServer   = event.AppString("ssh_server", "Identification of the server.").Spelt(sshForm)
	fieldHASSH       = event.AppString("hassh", "HASSH fingerprint of the client.").Spelt(event.Hex(32))
	fieldHASSHServer = event.AppString("hassh_server", "HASSH fingerprint of the server.").Spelt(event.Hex(32))
)

var sshFields = []*event.AppField{fieldSSHClient, fieldSSHServer, fieldHASSH, fieldHASSHServer}

var sshForm = event.Shaped("the whole line", "SSH-2.0-OpenSSH_9.2", `SSH-.*`)

var sshFirst = bytesIn("S", 1, 0)

const (
	sshMaxLine   = 255   // RFC 4253 section 4.2
	sshMaxLines  = 1024  // what OpenSSH's client reads
	sshMaxPacket = 35000 // section 6.1
	sshKexInit   = 20    // RFC 4250 section 4.1.2
	sshIDPrefix  = "SSH-"
)

// sshState follows both sides up to their key exchange offers.
type sshState struct {
	banner, kex [2]bool
	client      Side
	lines       uint16
	old         bool // SSH 1, which has no such offer
}

// parseSSH reads the identification lines and the algorithms offered (RFC 4253 sections 4.2 and 7.1).
func parseSSH(c *call) verdict {
	st, _ := c.f.state.(*sshState)
	if st == nil {
		v := &c.view[c.side]
		switch line, size := sshBanner(v); {
		case size < 0:
			return no
		case line == nil:
			return more
		}
		st = &sshState{client: Orig}
		if !(c.view[Orig].whole && c.view[Resp].whole) && c.f.orig == 22 && c.f.resp != 22 {
			st.client = Resp // the handshake was not seen, or only the half of it that answers
		}
		c.setClient(st.client)
		c.f.state = st
	}
	for s := Orig; s <= Resp; s++ {
		if !c.sshSide(st, s) {
			c.know()
			return done
		}
	}
	if st.banner[0] && st.banner[1] && (st.old || st.kex[0] && st.kex[1]) {
		c.know()
		return done
	}
	return match
}

// sshBanner returns the identification line; nil and 0 while it is not whole, nil and -1 when it is none.
func sshBanner(v *view) (line []byte, size int) {
	n := min(len(v.b), len(sshIDPrefix))
	if string(v.b[:n]) != sshIDPrefix[:n] {
		return nil, -1
	}
	line, size = cutLine(v.b)
	// Some old devices end the line, or fill it up, with zeros.
	if zero := bytes.IndexByte(v.b, 0); zero > 0 && (line == nil || zero < len(line)) {
		line, size = v.b[:zero:zero], zero+1
	}
	if line == nil {
		if v.gap || v.fin || len(v.b) > sshMaxLine {
			return nil, -1
		}
		return nil, 0
	}
	// "SSH-", the version with its dot, "-".
	rest := line[len(sshIDPrefix):]
	dash := bytes.IndexByte(rest, '-')
	if len(line) > sshMaxLine || dash < 3 || dash > 5 || !digit(rest[0]) || rest[1] != '.' || !digit(rest[2]) {
		return nil, -1
	}
	for _, b := range line {
		if b < ' ' || b == 0x7f {
			return nil, -1
		}
	}
	return line, size
}

// sshSide reads what one side sent. It returns false when that is not SSH any more.
func (c *call) sshSide(st *sshState, s Side) bool {
	v := &c.view[s]
	if len(v.b) == 0 {
		return true
	}
	if !st.banner[s] {
		line, size := sshBanner(v)
		for size < 0 { // a server may send other lines first (RFC 4253 section 4.2)
			_, n := cutLine(v.b)
			if n == 0 && s != st.client && len(v.b) <= sshMaxLine && !v.gap && !v.fin {
				return true // the line goes on in the next segment
			}
			if s == st.client || n == 0 || n > sshMaxLine || st.lines == sshMaxLines {
				return false
			}
			st.lines++
			c.eat(s, n)
			if len(v.b) == 0 {
				return true
			}
			line, size = sshBanner(v)
		}
		if line == nil {
			return true
		}
		st.banner[s] = true
		st.old = st.old || string(line[:len("SSH-1.")]) == "SSH-1." && string(line[:len("SSH-1.99")]) != "SSH-1.99"
		// Both sides' lines look alike: the one that opened the connection is the client.
		field := fieldSSHServer
		if s == st.client {
			field = fieldSSHClient
		}
		c.edit().SetStr(field, c.text(line))
		c.eat(s, size)
	}
	if st.old || st.kex[s] || len(v.b) < 6 {
		return true
	}
	n := size32(be32(v.b))
	if n < 2+17 || n > sshMaxPacket || v.b[5] != sshKexInit {
		st.kex[s] = true // something else is first: nothing to learn
		return true
	}
	if len(v.b) < 4+n {
		return true
	}
	st.kex[s] = true
	c.sshOffer(s == st.client, v.b[5:4+n])
	c.eat(s, 4+n)
	return true
}

// sshOffer makes the fingerprint of https://github.com/salesforce/hassh: the MD5 of the key exchange,
// cipher, MAC and compression lists, in the direction that the side sends in.
func (c *call) sshOffer(client bool, b []byte) {
	r := cursor{b: b}
	r.bytes(1 + 16) // message, cookie
	var lists [8][]byte
	for i := range lists {
		n := r.bytes(4)
		if n == nil || be32(n) > sshMaxPacket {
			return
		}
		lists[i] = r.bytes(size32(be32(n)))
	}
	if r.bad {
		return
	}
	// kex, host key, then each twice: client to server, server to client.
	field, dir := fieldHASSH, 0
	if !client {
		field, dir = fieldHASSHServer, 1
	}
	h := append(c.hash[:0], lists[0]...)
	for _, i := range []int{2, 4, 6} {
		h = append(append(h, ';'), lists[i+dir]...)
	}
	c.hash = h
	c.edit().SetStr(field, c.md5Text())
}
