package dpi

import "rustnet/track/event"

var (
	fieldLDAPOperation = event.AppString("ldap_operation", "First operation: bind, search, add, modify, delete, compare, extended, ….").Spelt(ldapOperationForm)
	fieldLDAPBind      = event.AppString("ldap_bind_name", "Name that the client binds as; its password is never shown.")
	fieldLDAPAuth      = event.AppString("ldap_auth", "How the client proves who it is: simple, anonymous, or the SASL mechanism.")
	fieldLDAPBase      = event.AppString("ldap_base", "Where the first search begins.")
	fieldLDAPResult    = event.AppUint("ldap_result", "", "Code that the first operation was answered with (RFC 4511 section 4.1.9): 0 is success, 49 a wrong password, 14 asks for more of it.")
)

var ldapOperationForm = event.OneOf(namesOf(func(tag byte) string { name, _ := ldapOperation(tag); return name })...)

var ldapFields = []*event.AppField{fieldLDAPOperation, fieldLDAPBind, fieldLDAPAuth, fieldLDAPBase, fieldLDAPResult}

var ldapFirst = bytesIn("", berSequence, berSequence)

const (
	ldapMaxRequest  = 4 << 10 // of a request that is read
	ldapMaxRequests = 8
	ldapStartTLS    = "1.3.6.1.4.1.1466.20037" // RFC 4511 section 4.14.1
)

// ldapState follows a connection.
type ldapState struct {
	requests uint8
	tls      bool // STARTTLS was asked for
}

// ldapOperation names an operation (RFC 4511 section 4.2 and on); response tells who sends it.
func ldapOperation(tag byte) (name string, response bool) {
	switch tag {
	case 0x60:
		return "bind", false
	case 0x61:
		return "bind", true
	case 0x42:
		return "unbind", false
	case 0x63:
		return "search", false
	case 0x64, 0x65, 0x73:
		return "search", true
	case 0x66:
		return "modify", false
	case 0x67:
		return "modify", true
	case 0x68:
		return "add", false
	case 0x69:
		return "add", true
	case 0x4a:
		return "delete", false
	case 0x6b:
		return "delete", true
	case 0x6c:
		return "rename", false
	case 0x6d:
		return "rename", true
	case 0x6e:
		return "compare", false
	case 0x6f:
		return "compare", true
	case 0x50:
		return "abandon", false
	case 0x77:
		return "extended", false
	case 0x78:
		return "extended", true
	case 0x79:
		return "intermediate", true
	}
	return "", false
}

// ldapHead judges the head of a message: its size, where the operation is, its tag. size is 0 while bytes are missing, -1 when it is none.
func ldapHead(b []byte) (size, at int, tag byte) {
	head, size, ok := berHead(b)
	if !ok || b[0] != berSequence || head > 0 && size < head+5 {
		return -1, 0, 0
	}
	if head == 0 || len(b) < head+2 {
		return 0, 0, 0
	}
	n := int(b[head+1]) // of the message's number
	if b[head] != berInteger || n < 1 || n > 4 {
		return -1, 0, 0
	}
	at = head + 2 + n
	if len(b) <= at {
		return 0, 0, 0
	}
	if b[head+2]&0x80 != 0 {
		return -1, 0, 0
	}
	if name, _ := ldapOperation(b[at]); name == "" {
		return -1, 0, 0
	}
	ophead, opsize, ok := berHead(b[at:])
	if !ok || at+opsize > size {
		return -1, 0, 0
	}
	if ophead == 0 {
		return 0, 0, 0
	}
	if rest := at + opsize; rest < size { // controls
		if len(b) > rest && b[rest] != 0xa0 {
			return -1, 0, 0
		}
	}
	return size, at, b[at]
}

// ldapBody checks what an operation must begin with.
func ldapBody(tag byte, op []byte) bool {
	r := cursor{b: op}
	r.open(tag)
	switch tag {
	case 0x60:
		v := r.integer(berInteger)
		return !r.bad && v >= 1 && v <= 3
	case 0x63:
		r.expect(berOctets)
		scope, deref := r.integer(berEnumerated), r.integer(berEnumerated)
		return !r.bad && scope <= 3 && deref <= 3
	case 0x61, 0x65, 0x67, 0x69, 0x6b, 0x6d, 0x6f, 0x78:
		code := r.integer(berEnumerated)
		r.expect(berOctets)
		return !r.bad && code < 0x2000
	case 0x42:
		return len(op) == 2
	case 0x77:
		_, body := r.element()
		return !r.bad && len(op) > 2 && oneLine(body)
	case 0x64, 0x66, 0x68, 0x6c, 0x6e:
		r.expect(berOctets)
		return !r.bad
	}
	return true
}

// parseLDAPDatagram reads LDAP over UDP, of which Active Directory's clients ask one search. What is found and the result come in one datagram.
func parseLDAPDatagram(c *call) verdict {
	const search, entry, result = 0x63, 0x64, 0x65
	v := &c.view[c.side]
	st, _ := c.f.state.(*ldapState)
	if st == nil {
		st = &ldapState{}
	}
	for b := v.b; len(b) > 0; {
		size, at, tag := ldapHead(b)
		if size <= 0 || !v.gap && size > len(b) || tag != search && tag != entry && tag != result || !ldapBody(tag, b[at:]) {
			if c.f.state == nil {
				return no
			}
			break
		}
		c.f.state = st
		c.ldapMessage(st, c.side, b[at:min(size, len(b))], tag)
		if tag == result {
			return c.finish()
		}
		b = b[min(size, len(b)):]
	}
	c.know()
	return match
}

// parseLDAP reads LDAP 2 and 3 (RFC 4511).
func parseLDAP(c *call) verdict {
	st, _ := c.f.state.(*ldapState)
	if st == nil {
		v := &c.view[c.side]
		size, at, tag := ldapHead(v.b)
		switch {
		case size < 0:
			return no
		case size == 0 || len(v.b) < min(size, ldapMaxRequest) && !v.gap && !v.fin:
			return v.unfinished()
		case !ldapBody(tag, v.b[at:]):
			return no
		}
		st = &ldapState{}
		c.f.state = st
		c.edit()
		_, response := ldapOperation(tag)
		c.setClient(c.side ^ sideIf(response))
	}
	client := Side(c.f.client - 1)
	for _, s := range [2]Side{client, 1 - client} {
		if got := c.ldapSide(st, s); got != match || c.f.state == nil {
			return got
		}
	}
	return match
}

// ldapSide reads the messages of one side.
func (c *call) ldapSide(st *ldapState, s Side) verdict {
	v := &c.view[s]
	for len(v.b) > 0 {
		if st.tls && v.b[0] == tlsHandshake { // it was let, if out of sight
			c.become("tls")
			return match
		}
		size, at, tag := ldapHead(v.b)
		switch {
		case size < 0: // SASL may wrap what follows a bind
			return c.finish()
		case size == 0:
			return match
		}
		if len(v.b) < min(size, ldapMaxRequest) && !v.gap && !v.fin && tag != 0x64 && tag != 0x73 && tag != 0x79 {
			return match
		}
		secure := c.ldapMessage(st, s, v.b[at:min(size, len(v.b))], tag)
		c.skip(s, uint64(size))
		if secure {
			c.become("tls")
			return match
		}
		if tag == 0x42 || st.requests >= ldapMaxRequests || c.f.app.Has(fieldLDAPBase) && c.f.app.Has(fieldLDAPBind) {
			return c.finish()
		}
	}
	return match
}

// ldapMessage reads an operation, and returns true when TLS follows it.
func (c *call) ldapMessage(st *ldapState, s Side, op []byte, tag byte) (secure bool) {
	name, response := ldapOperation(tag)
	r := cursor{b: op}
	r.open(tag)
	if response {
		c.setClient(1 - s)
		c.know()
		if tag == 0x64 || tag == 0x73 || tag == 0x79 { // the result comes behind these
			return false
		}
		code := r.integer(berEnumerated)
		if code >= 0 {
			c.firstNumber(fieldLDAPResult, uint64(code))
		}
		return tag == 0x78 && st.tls && code == 0
	}
	c.setClient(s)
	if st.requests++; st.requests == 1 {
		c.edit().SetStr(fieldLDAPOperation, name)
	}
	switch tag {
	case 0x60:
		c.ldapBind(&r)
	case 0x63:
		if base := r.expect(berOctets); !r.bad {
			c.firstFact(fieldLDAPBase, base)
		}
	case 0x77:
		st.tls = string(r.expect(0x80)) == ldapStartTLS
	}
	return false
}

func (c *call) ldapBind(r *cursor) {
	r.integer(berInteger)
	name := r.expect(berOctets)
	if r.bad {
		return
	}
	c.firstFact(fieldLDAPBind, name)
	if len(r.b) < 2 {
		return
	}
	switch r.b[0] {
	case 0x80:
		if r.b[1] == 0 {
			c.firstFact(fieldLDAPAuth, []byte("anonymous"))
		} else {
			c.firstFact(fieldLDAPAuth, []byte("simple"))
		}
	case 0xa3:
		r.open(0xa3)
		if mechanism := r.expect(berOctets); !r.bad {
			c.firstFact(fieldLDAPAuth, mechanism)
		}
	}
}
