package dpi

import "rustnet/track/event"

var (
	fieldKerberosRealm   = event.AppString("kerberos_realm", "Realm of the service, or of the client where only that is told.")
	fieldKerberosClient  = event.AppString("kerberos_client", "Principal that asks.")
	fieldKerberosService = event.AppString("kerberos_service", "Principal that a ticket is asked for, such as krbtgt/EXAMPLE.ORG.")
	fieldKerberosError   = event.AppUint("kerberos_error", "", "First error code (RFC 4120 section 7.5.9); 25 only asks for proof.")
	fieldKerberosType    = event.AppString("kerberos_type", "What the first request is for: AS (a login), TGS (a ticket for a service).").Spelt(kerberosTypeForm)
	fieldKerberosCipher  = event.AppString("kerberos_cipher", "Encryption of the first ticket that was given: aes256-cts-hmac-sha1-96, rc4-hmac, …, or its number.").Spelt(numberedForm(kerberosCiphers))
)

var kerberosTypeForm = event.OneOf("AS", "TGS").Elsewhere(map[string]string{"as-req": "AS", "as_req": "AS", "tgs-req": "TGS", "tgs_req": "TGS"})

var kerberosFields = []*event.AppField{fieldKerberosRealm, fieldKerberosClient, fieldKerberosService, fieldKerberosError, fieldKerberosType, fieldKerberosCipher}

// kerberosCiphers are of https://www.iana.org/assignments/kerberos-parameters.
var kerberosCiphers = map[byte]string{1: "des-cbc-crc", 3: "des-cbc-md5", 16: "des3-cbc-sha1-kd", 17: "aes128-cts-hmac-sha1-96", 18: "aes256-cts-hmac-sha1-96",
	19: "aes128-cts-hmac-sha256-128", 20: "aes256-cts-hmac-sha384-192", 23: "rc4-hmac", 24: "rc4-hmac-exp", 25: "camellia128-cts-cmac", 26: "camellia256-cts-cmac"}

// kerberosFirst: the tags of the messages, and the first byte of the length that they are behind over TCP.
var kerberosFirst = bytesIn("\x00\x7e\x74\x75\x76", 0x6a, 0x6f)

const kerberosMaxLen = 256 << 10

// Message types (RFC 4120 section 7.5.7); the tag is 0x60 and the type.
const (
	kerberosASReq  = 10
	kerberosASRep  = 11
	kerberosTGSReq = 12
	kerberosTGSRep = 13
	kerberosError  = 30
)

var kerberosTypes = []string{kerberosASReq: "AS", kerberosASRep: "AS", kerberosTGSReq: "TGS", kerberosTGSRep: "TGS"}

// kerberosMessage judges the head of a message of size bytes and returns its type and a cursor behind the version and type. ok is false when it is none.
func kerberosMessage(b []byte, size int) (kind byte, r cursor, ok bool) {
	head, n, ok := berHead(b)
	if !ok || head == 0 || n != size || b[0] < 0x60 {
		return 0, r, false
	}
	kind = b[0] - 0x60
	r.b = b[head:]
	r.open(berSequence)
	version, typ := byte(0xa0), byte(0xa1)
	if kind == kerberosASReq || kind == kerberosTGSReq {
		version, typ = 0xa1, 0xa2
	}
	if r.bad {
		return 0, r, false
	}
	v := cursor{b: r.expect(version)}
	t := cursor{b: r.expect(typ)}
	return kind, r, v.integer(berInteger) == 5 && t.integer(berInteger) == int64(kind)
}

// parseKerberos reads Kerberos 5 over UDP (RFC 4120).
func parseKerberos(c *call) verdict {
	v := &c.view[c.side]
	head, size, ok := berHead(v.b)
	if !ok || head == 0 || !v.exactly(size) {
		return no
	}
	kind, r, ok := kerberosMessage(v.b, size)
	if !ok {
		return no
	}
	return c.kerberosFacts(kind, &r)
}

// parseKerberosStream reads it over TCP, behind lengths (section 7.2.2).
func parseKerberosStream(c *call) verdict {
	for s := Orig; s <= Resp; s++ {
		v := &c.view[s]
		for len(v.b) > 0 {
			if len(v.b) < 4+16 {
				break
			}
			n := size32(be32(v.b))
			if n < 16 || n > kerberosMaxLen {
				return no
			}
			if v.b[4] < 0x6a || v.b[4] > 0x7e {
				return no
			}
			if len(v.b) < min(4+n, c.max) && !v.gap && !v.fin {
				if head, size, ok := berHead(v.b[4:]); !ok || head == 0 || size != n {
					return no
				}
				break
			}
			kind, r, ok := kerberosMessage(v.b[4:min(4+n, len(v.b))], n)
			if !ok {
				return no
			}
			side := c.side
			c.side = s
			got := c.kerberosFacts(kind, &r)
			c.side = side
			if got == done {
				return done
			}
			c.f.state = kerberosSeen
			c.skip(s, uint64(4+n))
		}
	}
	if c.f.state == kerberosSeen {
		return match
	}
	return c.view[c.side].unfinished()
}

// kerberosSeen is the state of a connection whose request was read.
var kerberosSeen any = new(byte)

// kerberosFacts reads what a message tells. The answer to a request ends it.
func (c *call) kerberosFacts(kind byte, r *cursor) verdict {
	c.edit()
	switch kind {
	case kerberosASReq, kerberosTGSReq:
		c.setClient(c.side)
		c.named(fieldKerberosType, kerberosTypes, int(kind))
		if len(r.b) > 0 && r.b[0] == 0xa3 {
			r.element() // proof
		}
		if r.open(0xa4); !r.bad {
			r.open(berSequence)
			c.kerberosNames(r, 0xa2, 0xa1, 0xa3)
		}
		c.know()
		return match
	case kerberosASRep, kerberosTGSRep:
		c.setClient(1 - c.side)
		c.named(fieldKerberosType, kerberosTypes, int(kind))
		c.kerberosReply(r)
	case kerberosError:
		c.setClient(1 - c.side)
		c.kerberosNames(r, 0xa9, 0xa8, 0xaa)
	}
	return c.finish()
}

// kerberosReply reads the client's names and those in the clear part of the ticket.
func (c *call) kerberosReply(r *cursor) {
	for len(r.b) > 0 {
		if r.b[0] == 0xa5 {
			r.open(0xa5)
			r.open(0x61)
			r.open(berSequence)
			r.expect(0xa0)
			c.kerberosNames(r, 0xa1, 0, 0xa2)
			return
		}
		tag, body := r.element()
		if r.bad {
			return
		}
		if tag == 0xa4 {
			c.kerberosPrincipal(fieldKerberosClient, body)
		}
	}
}

// kerberosNames reads the elements that have the tags of realm, client and service, and an error's code.
func (c *call) kerberosNames(r *cursor, realm, client, service byte) {
	isError := realm == 0xa9
	for len(r.b) > 0 {
		tag, body := r.element()
		if r.bad {
			return
		}
		switch tag {
		case realm:
			name := cursor{b: body}
			if text := name.expect(berGeneral); !name.bad {
				c.firstFact(fieldKerberosRealm, text)
			}
		case client:
			c.kerberosPrincipal(fieldKerberosClient, body)
		case service:
			c.kerberosPrincipal(fieldKerberosService, body)
		case 0xa3: // of a ticket, behind its names: what it is encrypted with
			if client != 0 || c.f.app.Has(fieldKerberosCipher) {
				continue
			}
			secret := cursor{b: body}
			secret.open(berSequence)
			number := cursor{b: secret.expect(0xa0)}
			if n := number.integer(berInteger); n > 0 && n < 256 {
				c.numbered(fieldKerberosCipher, kerberosCiphers, byte(n))
			}
		case 0xa6:
			code := cursor{b: body}
			if n := code.integer(berInteger); isError && n >= 0 {
				c.firstNumber(fieldKerberosError, uint64(n))
			}
		}
	}
}

// kerberosPrincipal sets a name of several parts.
func (c *call) kerberosPrincipal(f *event.AppField, b []byte) {
	r := cursor{b: b}
	r.open(berSequence)
	r.expect(0xa0) // its kind
	parts := cursor{b: r.expect(0xa1)}
	parts.open(berSequence)
	c.hash = c.hash[:0]
	for len(parts.b) > 0 {
		part := parts.expect(berGeneral)
		if len(c.hash) > 0 {
			c.hash = append(c.hash, '/')
		}
		c.hash = append(c.hash, part...)
	}
	if !r.bad && !parts.bad {
		c.firstFact(f, c.hash)
	}
}
