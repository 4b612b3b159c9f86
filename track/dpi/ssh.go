package dpi

import (
	"bytes"
	"strings"

	"rustnet/track/event"
)

var (
	fieldSSHClient   = event.AppString("ssh_client", "Identification of the client, such as SSH-2.0-OpenSSH_9.2.").Spelt(sshForm)
	fieldSSHServer   = event.AppString("ssh_server", "Identification of the server.").Spelt(sshForm)
	fieldHASSH       = event.AppString("hassh", "HASSH fingerprint of the client.").Spelt(event.Hex(32))
	fieldHASSHServer = event.AppString("hassh_server", "HASSH fingerprint of the server.").Spelt(event.Hex(32))
	fieldSSHLogin    = event.AppString("ssh_login", "What became of the client's login, as the sizes of the server's answers tell: accepted, or tried while it was not.").Spelt(event.OneOf("tried", "accepted"))
)

var sshFields = []*event.AppField{fieldSSHClient, fieldSSHServer, fieldHASSH, fieldHASSHServer, fieldSSHLogin}

var sshForm = event.Shaped("the whole line", "SSH-2.0-OpenSSH_9.2", `SSH-.*`)

var sshFirst = bytesIn("S", 1, 0)

const (
	sshMaxLine   = 255   // RFC 4253 section 4.2
	sshMaxLines  = 1024  // what OpenSSH's client reads
	sshMaxPacket = 35000 // section 6.1
	sshKexInit   = 20    // RFC 4250 section 4.1.2
	sshNewKeys   = 21
	sshMaxOffer  = 512 // bytes of names; programs that know all there are need less
	sshRefusals  = 72  // bytes that a refusal is longer than a success at most
	sshIDPrefix  = "SSH-"
)

// sshState follows both sides up to their key exchange offers, and then the sizes of what they say until the client is in.
type sshState struct {
	banner, kex, keyed [2]bool // keyed: what follows is encrypted
	client             Side
	lines              uint16
	old                bool // SSH 1, which has no such offer
	asked              bool // the client said something behind its keys
	served             bool // it was answered
	whole              bool // a segment of the answer ended where one that lets the client in does
	vague              bool // what is a refusal is not sure any more
	answer             int  // bytes of the answer so far
	refusal            int  // bytes of the last one
	success            int  // of one that lets the client in; 0 = not known
	offers             [2]sshOffers
}

// sshOffers is what a side can do from the server to the client.
type sshOffers struct{ ciphers, macs string }

// parseSSH reads the identification lines and the algorithms offered (RFC 4253 sections 4.2 and 7.1), and how the login ends.
func parseSSH(c *call) verdict {
	st, _ := c.f.state.(*sshState)
	if st == nil {
		v := &c.view[c.side]
		switch line, size := sshBanner(v); {
		case size < 0 && v.gap && len(v.b) >= len("SSH-2.0-") && (string(v.b[:8]) == "SSH-2.0-" || string(v.b[:8]) == "SSH-1.99"):
			return c.finish() // cut within what it is
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
	if !st.banner[0] || !st.banner[1] || !st.old && !(st.kex[0] && st.kex[1]) {
		return match
	}
	if st.success == 0 {
		c.know()
		if st.success = sshSuccess(st.offers[st.client], st.offers[1-st.client]); st.success == 0 {
			return done
		}
		st.offers = [2]sshOffers{}
	}
	if !c.sshKeyed(st, c.side) {
		return done
	}
	return match
}

// sshKeyed reads what a side says after its offer. It returns false when there is nothing more to learn.
func (c *call) sshKeyed(st *sshState, s Side) bool {
	v := &c.view[s]
	for !st.keyed[s] && len(v.b) >= 6 {
		n := size32(be32(v.b))
		if n < 2 || n > sshMaxPacket {
			return false
		}
		if len(v.b) < 4+n {
			break
		}
		st.keyed[s] = v.b[5] == sshNewKeys
		c.eat(s, 4+n)
	}
	if v.gap || v.fin && !st.keyed[s] {
		return false
	}
	if !st.keyed[s] {
		return true
	}
	said := len(v.b)
	c.eat(s, said)
	switch {
	case s != st.client:
		if st.asked { // else extensions, which nobody asks for (RFC 8308)
			st.answer = min(st.answer+said, 1<<20)
			st.whole = st.whole || st.answer == st.success
		}
	case said > 0 || v.fin: // the answer is whole
		if st.answer > 0 && c.sshAnswered(st) || v.fin {
			return false
		}
		st.asked, st.answer, st.whole = true, 0, false
	}
	return true
}

// sshAnswered judges one answer of the server, and tells whether it let the client in. The first is that it can log in at all; refusals have
// one size, as each says what can be tried.
func (c *call) sshAnswered(st *sshState) bool {
	first := !st.served
	st.served = true
	switch more := st.answer - st.success; {
	case first:
	case more == 0, more > sshRefusals && st.whole: // or what the server says of itself came right behind it
		c.edit().SetStr(fieldSSHLogin, "accepted")
		return true
	case more > sshRefusals:
		st.vague = st.refusal != 0 // a key that would do, or a session that began unseen; before the first refusal a banner
	case more < 16 || st.vague:
	case st.answer == st.refusal:
		c.edit().SetStr(fieldSSHLogin, "tried")
	default:
		st.refusal = st.answer
	}
	return false
}

// sshSuccess gives the size of SSH_MSG_USERAUTH_SUCCESS, which has one byte (RFC 4252 section 5.1) and so is smaller than all other answers to
// a login, whatever they are encrypted with; 0 where the algorithms are not known. The client's order decides (RFC 4253 section 7.1).
func sshSuccess(client, server sshOffers) int {
	cipher := sshChosen(client.ciphers, server.ciphers)
	switch {
	case strings.HasPrefix(cipher, "chacha20-poly1305"):
		return 4 + 8 + 16
	case strings.Contains(cipher, "gcm"), strings.HasPrefix(cipher, "AEAD_AES_"):
		return 4 + 16 + 16
	case !strings.HasPrefix(cipher, "aes"):
		return 0
	}
	mac := sshChosen(client.macs, server.macs)
	name, etm := strings.CutSuffix(mac, "-etm@openssh.com")
	tag := sshTags[strings.TrimSuffix(name, "@openssh.com")]
	switch {
	case tag == 0:
		return 0
	case etm: // the length is not encrypted
		return 4 + 16 + tag
	}
	return 16 + tag
}

// sshTags are the sizes of what messages are authenticated by.
var sshTags = map[string]int{"hmac-sha2-256": 32, "hmac-sha2-512": 64, "hmac-sha1": 20, "hmac-sha1-96": 12, "hmac-md5": 16, "hmac-md5-96": 12, "umac-64": 8, "umac-128": 16}

// sshChosen is the first of the client's names that the server has, too.
func sshChosen(client, server string) string {
	for name := range strings.SplitSeq(client, ",") {
		for other := range strings.SplitSeq(server, ",") {
			if name == other {
				return name
			}
		}
	}
	return ""
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
	c.sshOffer(st, s, v.b[5:4+n])
	c.eat(s, 4+n)
	return true
}

// sshOffer makes the fingerprint of https://github.com/salesforce/hassh: the MD5 of the key exchange,
// cipher, MAC and compression lists, in the direction that the side sends in.
func (c *call) sshOffer(st *sshState, s Side, b []byte) {
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
	if s != st.client {
		field, dir = fieldHASSHServer, 1
	}
	h := append(c.hash[:0], lists[0]...)
	for _, i := range []int{2, 4, 6} {
		h = append(append(h, ';'), lists[i+dir]...)
	}
	c.hash = h
	c.edit().SetStr(field, c.md5Text())
	if max(len(lists[3]), len(lists[5])) <= sshMaxOffer {
		st.offers[s] = sshOffers{string(lists[3]), string(lists[5])}
	}
}
