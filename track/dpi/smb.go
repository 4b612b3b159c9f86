package dpi

import (
	"bytes"
	"slices"

	"rustnet/track/event"
)

var (
	fieldSMBDialect = event.AppString("smb_dialect", "Dialect that the server chose: 2.0.2, 2.1, 3.0, 3.0.2, 3.1.1, NT LM 0.12, ….")
	fieldSMBShares  = event.AppList("smb_shares", "Shares that were opened, as \\\\host\\share.")
	fieldSMBUser    = event.AppString("smb_user", "User that logged in with NTLM, as DOMAIN\\user.")
	fieldSMBFiles   = event.AppList("smb_files", "First files, folders and pipes that were opened, by their paths in the shares (SMB 2 and 3, where it is not encrypted).")
	fieldSMBHost    = event.AppString("smb_client_host", "Name of the client's machine, as its NTLM login says.")
	fieldSMBServer  = event.AppString("smb_server", "Name of the server, as it says when it asks for that login.")
)

var smbFields = []*event.AppField{fieldSMBDialect, fieldSMBShares, fieldSMBUser, fieldSMBFiles, fieldSMBHost, fieldSMBServer}

var smbFirst = bytesIn("\x00", 0x81, 0x85)

const (
	smbMaxShares  = 8
	smbMaxFiles   = 8
	smbMaxMessage = 8 << 10 // of a message that is read
	nbssHeaderLen = 4
)

// smbState follows a connection; dialects are those that an SMB 1 client offers.
type smbState struct {
	dialects []string
	shares   []string
	files    []string
}

// parseSMB reads SMB 1 to 3 (MS-CIFS, MS-SMB2) inside the NetBIOS session service (RFC 1002 section 4.3), or
// inside its header alone. A session without SMB is named netbios-ssn.
func parseSMB(c *call) verdict {
	st, _ := c.f.state.(*smbState)
	if st == nil {
		switch got := smbStart(&c.view[c.side]); got {
		case match:
			st = &smbState{}
			c.f.state = st
			c.edit()
		case done:
			c.edit().Name = "netbios-ssn"
			return c.finish()
		default:
			return got
		}
	}
	for s := Orig; s <= Resp; s++ {
		if !c.smbSide(st, s) {
			return c.finish()
		}
	}
	return match
}

// smbStart judges a direction's first bytes: match is SMB, done a session of NetBIOS that holds something else.
func smbStart(v *view) verdict {
	b := v.b
	session := false
	for len(b) >= nbssHeaderLen {
		n := nbssHeaderLen + be24(b[1:])
		switch b[0] {
		case 0x00:
			if len(b) < nbssHeaderLen+4 {
				return smbWait(v, session)
			}
			if b[5] == 'S' && b[6] == 'M' && b[7] == 'B' && b[4] >= 0xfc && n >= nbssHeaderLen+16 {
				return match
			}
			if session {
				return done
			}
			return no
		case 0x81: // request with two names
			if n != nbssHeaderLen+2*netbiosNameLen && n < nbssHeaderLen+2*netbiosNameLen || n > 600 {
				return no
			}
			if len(b) < n {
				return smbWait(v, false)
			}
			if !netbiosName(b[nbssHeaderLen:], 0) {
				return no
			}
		case 0x82, 0x85: // yes; still there
			if n != nbssHeaderLen {
				return no
			}
		case 0x83: // no, and why
			if n != nbssHeaderLen+1 || len(b) > nbssHeaderLen && b[4] != 0x8f && (b[4] < 0x80 || b[4] > 0x83) {
				return no
			}
		default:
			return no
		}
		session = session || b[0] == 0x81
		if n >= len(b) {
			return smbWait(v, session)
		}
		b = b[n:]
	}
	return smbWait(v, session)
}

// smbWait is the answer while only the NetBIOS session was seen.
func smbWait(v *view, session bool) verdict {
	switch {
	case !v.gap && !v.fin:
		return more
	case session:
		return done
	}
	return no
}

// smbSide reads the messages of one side, and returns false when these are none.
func (c *call) smbSide(st *smbState, s Side) bool {
	v := &c.view[s]
	for len(v.b) >= nbssHeaderLen {
		n := nbssHeaderLen + be24(v.b[1:])
		if v.b[0] != 0 {
			if v.b[0] < 0x81 || v.b[0] > 0x85 {
				return false
			}
			c.skip(s, uint64(n))
			continue
		}
		if len(v.b) < min(n, nbssHeaderLen+32) {
			return true
		}
		whole := min(n, smbMaxMessage)
		if len(v.b) < whole && !v.gap && !v.fin && smbWanted(v.b[nbssHeaderLen:]) {
			return true
		}
		m := v.b[nbssHeaderLen:min(n, len(v.b))]
		if len(m) >= 32 && string(m[1:4]) == "SMB" {
			switch m[0] {
			case 0xff:
				c.smb1(st, s, m)
			case 0xfe:
				c.smb2(st, s, m)
			case 0xfd: // encrypted: the rest is not for us
				return false
			}
		}
		c.skip(s, uint64(n))
	}
	return true
}

// smbWanted tells whether a message's body is read: negotiation, login, opening of a share or a file.
func smbWanted(m []byte) bool {
	if m[0] == 0xff {
		return m[4] == 0x72 || m[4] == 0x73 || m[4] == 0x75
	}
	return m[0] == 0xfe && (le16(m[12:]) <= 3 || le16(m[12:]) == 5)
}

// smb2Dialects is MS-SMB2 section 2.2.4.
func smb2Dialect(n int) string {
	switch n {
	case 0x0202:
		return "2.0.2"
	case 0x0210:
		return "2.1"
	case 0x0300:
		return "3.0"
	case 0x0302:
		return "3.0.2"
	case 0x0311:
		return "3.1.1"
	}
	return "" // 0x02ff: to be negotiated once more
}

// smb2 reads the messages of an SMB 2 packet, which point at each other.
func (c *call) smb2(st *smbState, s Side, m []byte) {
	const head = 64
	for len(m) >= head+8 && string(m[:4]) == "\xfeSMB" && le16(m[4:]) == head {
		body := m[head:]
		response := m[16]&1 != 0
		c.setClient(s ^ sideIf(response))
		switch command := le16(m[12:]); {
		case command == 0 && response && le16(body) == 65:
			if d := smb2Dialect(le16(body[4:])); d != "" {
				c.edit().SetStr(fieldSMBDialect, d)
			}
			c.know()
		case command == 1 && !response && len(body) >= 16:
			c.ntlmUser(smbPart(m, le16(body[12:]), le16(body[14:])))
		case command == 1 && response:
			c.ntlmServer(smbPart(m, le16(body[4:]), le16(body[6:])))
		case command == 5 && !response && len(body) >= 48:
			if path, ok := utf16Text(c.hash[:0], smbPart(m, le16(body[44:]), le16(body[46:]))); ok {
				c.hash = path
				c.smbFile(st, path)
			}
		case command == 3 && !response:
			if path, ok := utf16Text(c.hash[:0], smbPart(m, le16(body[4:]), le16(body[6:]))); ok {
				c.hash = path
				c.smbShare(st, path)
			}
		}
		next := le32(m[20:])
		if next < head || uint64(next) > uint64(len(m)) {
			return
		}
		m = m[next:]
	}
}

// smbPart is the part of m that an offset and a length give, empty when it is not whole.
func smbPart(m []byte, at, n int) []byte {
	if at > len(m) || n > len(m)-at {
		return nil
	}
	return m[at : at+n]
}

// smbShare adds a share that is opened.
func (c *call) smbShare(st *smbState, path []byte) {
	if !oneLine(path) || len(st.shares) >= smbMaxShares || containsText(st.shares, path) {
		return
	}
	st.shares = append(st.shares[:len(st.shares):len(st.shares)], string(path))
	c.edit().SetList(fieldSMBShares, c.listed(st.shares))
}

// smbFile adds a file that is opened; a share's own folder has no name.
func (c *call) smbFile(st *smbState, path []byte) {
	if !oneLine(path) || len(st.files) >= smbMaxFiles || containsText(st.files, path) {
		return
	}
	st.files = append(st.files[:len(st.files):len(st.files)], string(path))
	c.edit().SetList(fieldSMBFiles, c.listed(st.files))
}

// ntlmServer reads the server's name out of the question for an NTLM login (MS-NLMP sections 2.2.1.2 and 2.2.2.1): that of DNS
// before that of NetBIOS.
func (c *call) ntlmServer(b []byte) {
	const netbios, dns = 1, 3
	i := bytes.Index(b, []byte("NTLMSSP\x00\x02\x00\x00\x00"))
	if i < 0 || len(b)-i < 48 || c.f.app.Has(fieldSMBServer) {
		return
	}
	b = b[i:]
	var names [4][]byte
	for r := smbPart(b, int(le32(b[44:])&0xffff), le16(b[40:])); len(r) >= 4; {
		kind, value := le16(r), smbPart(r, 4, le16(r[2:]))
		if kind == 0 || value == nil {
			break
		}
		if kind < len(names) {
			names[kind] = value
		}
		r = r[4+len(value):]
	}
	best := names[dns]
	if len(best) == 0 {
		best = names[netbios]
	}
	if name, ok := utf16Text(c.hash[:0], best); ok {
		c.hash = name
		c.fact(fieldSMBServer, name)
	}
}

// ntlmUser reads the names of an NTLM login (MS-NLMP section 2.2.1.3), wherever in b it begins.
func (c *call) ntlmUser(b []byte) {
	i := bytes.Index(b, []byte("NTLMSSP\x00\x03\x00\x00\x00"))
	if i < 0 || len(b)-i < 64 || c.f.app.Has(fieldSMBUser) {
		return
	}
	b = b[i:]
	unicode := b[60]&1 != 0
	if host := smbPart(b, int(le32(b[48:])&0xffff), le16(b[44:])); unicode && len(host) > 0 {
		if name, ok := utf16Text(c.hash[:0], host); ok {
			c.hash = name
			c.firstFact(fieldSMBHost, name)
		}
	}
	name := c.hash[:0]
	for _, at := range [...]int{28, 36} { // domain, user
		part := smbPart(b, int(le32(b[at+4:])&0xffff), le16(b[at:]))
		if at == 36 && len(part) == 0 {
			return // anonymous
		}
		if at == 36 && len(name) > 0 {
			name = append(name, '\\')
		}
		if !unicode {
			name = append(name, part...)
			continue
		}
		var ok bool
		if name, ok = utf16Text(name, part); !ok {
			return
		}
	}
	c.hash = name
	if oneLine(name) {
		c.edit().SetStr(fieldSMBUser, c.text(name))
	}
}

// smb1 reads a message of SMB 1 (MS-CIFS section 2.2.3).
func (c *call) smb1(st *smbState, s Side, m []byte) {
	const head = 32
	response := m[9]&0x80 != 0
	c.setClient(s ^ sideIf(response))
	body := m[head:]
	if len(body) < 3 {
		return
	}
	words := int(body[0])
	if len(body) < 1+2*words+2 {
		return
	}
	data := body[1+2*words+2:]
	switch m[4] {
	case 0x72:
		if !response {
			st.dialects = smb1Dialects(st.dialects[:0], data)
			return
		}
		if words > 0 {
			if n := le16(body[1:]); n < len(st.dialects) && smb2Wildcard(st.dialects[n]) == "" {
				c.edit().SetStr(fieldSMBDialect, st.dialects[n])
			}
		}
		c.know()
	case 0x73:
		if !response {
			c.ntlmUser(data)
		}
	case 0x75:
		if response || words < 4 {
			return
		}
		password := le16(body[1+2*3:])
		if password > len(data) {
			return
		}
		c.smb1Share(st, m, data[password:])
	}
}

// smb2Wildcard: these dialects in an SMB 1 offer lead to SMB 2, whose own negotiation follows.
func smb2Wildcard(d string) string {
	if d == "SMB 2.002" || d == "SMB 2.???" {
		return d
	}
	return ""
}

// smb1Dialects reads the client's offer: each behind a 2 and with a zero at its end.
func smb1Dialects(list []string, b []byte) []string {
	for len(b) > 1 && b[0] == 2 && len(list) < 16 {
		end := bytes.IndexByte(b, 0)
		if end < 0 || !oneLine(b[1:end]) {
			return slices.Clip(list)
		}
		list = append(list, string(b[1:end]))
		b = b[end+1:]
	}
	return list
}

// smb1Share reads the path that a tree connect names, behind the password.
func (c *call) smb1Share(st *smbState, m, b []byte) {
	if m[11]&0x80 != 0 { // Unicode, at an even distance from the header
		if (len(m)-len(b))&1 != 0 && len(b) > 0 {
			b = b[1:]
		}
		for i := 0; i+1 < len(b); i += 2 {
			if b[i] == 0 && b[i+1] == 0 {
				if path, ok := utf16Text(c.hash[:0], b[:i]); ok {
					c.hash = path
					c.smbShare(st, path)
				}
				return
			}
		}
		return
	}
	if end := bytes.IndexByte(b, 0); end > 0 {
		c.smbShare(st, b[:end])
	}
}
