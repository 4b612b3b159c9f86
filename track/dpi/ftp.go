package dpi

import (
	"bytes"
	"net/netip"

	"rustnet/track/event"
)

var (
	fieldFTPUser    = event.AppString("ftp_user", "User that the client named; of a data connection (app ftp-data), too.")
	fieldFTPServer  = event.AppString("ftp_server", "Greeting of the server, without its code.")
	fieldFTPFile    = event.AppString("ftp_file", "First file that was asked for or sent (RETR, STOR, APPE); of a data connection, what it carries.")
	fieldFTPCommand = event.AppString("ftp_command", "First transfer that was asked for: RETR, STOR, LIST, …; of a data connection, its own.").Spelt(ftpCommandForm)
	fieldFTPLogin   = loginField("ftp_login")
)

var ftpCommandForm = event.OneOf("RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD")

var ftpFields = []*event.AppField{fieldFTPUser, fieldFTPServer, fieldFTPFile, fieldFTPCommand, fieldFTPLogin}

var ftpFirst = bytesIn("1235UPAFSTECuapfstec", 1, 0)

// ftp is FTP's control connection with AUTH TLS (RFC 959, 2228 and 4217).
var ftp = dialogue{server: ftpServerLike, client: ftpClientLike, fromServer: ftpServer, fromClient: ftpClient, port: 21}

func parseFTP(c *call) verdict { return ftp.run(c) }

func ftpServerLike(line []byte) likeness {
	code, _, text := reply(line)
	switch {
	case code == 220 && containsFold(text, "ftp"), code == 227 && containsFold(text, "entering passive mode ("),
		code == 229 && containsFold(text, "(|||"), code == 234 && containsFold(text, "auth"),
		code == 331 && containsFold(text, "password"):
		return sure
	case code == 220 && containsFold(text, "smtp"):
		return unlike
	case code == 220, code == 120, code == 421, code == 500, code == 530:
		return alike
	}
	return unlike
}

func ftpClientLike(line []byte) likeness {
	word, rest := cutWord(line)
	switch {
	case equalFold(word, "auth") && oneOf(rest, "tls ssl tls-c tls-p gssapi"), equalFold(word, "port") && ftpPort(rest):
		return sure
	case equalFold(word, "user") && len(rest) > 0, equalFold(word, "type") && oneOf(firstWord(rest), "a i l"), equalFold(word, "opts") && len(rest) > 0,
		oneOf(word, "feat syst pasv epsv stat pbsz clnt pwd"):
		return alike
	}
	return unlike
}

// ftpPort tells whether b is the argument of PORT.
func ftpPort(b []byte) bool {
	_, ok := ftpAddress(b)
	return ok
}

// ftpAddress reads an address and a port as six decimals (RFC 959 section 4.1.2).
func ftpAddress(b []byte) (at netip.AddrPort, ok bool) {
	var n [6]byte
	for i := range n {
		part, rest, more := bytes.Cut(b, []byte(","))
		v, ok := decimal(part)
		if !ok || v > 255 || more != (i < len(n)-1) {
			return at, false
		}
		n[i], b = byte(v), rest
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(n[:4])), be16(n[4:])), true
}

// ftpPassive finds the six numbers in the text of a reply 227, which need not stand between parentheses (RFC 1123
// section 4.1.2.6).
func ftpPassive(text []byte) (at netip.AddrPort, ok bool) {
	for len(text) > 0 && !digit(text[0]) {
		text = text[1:]
	}
	end := 0
	for end < len(text) && (digit(text[end]) || text[end] == ',') {
		end++
	}
	return ftpAddress(text[:end])
}

// ftpExtended reads |1|address|port| (RFC 2428 section 2); the reply to EPSV leaves family and address out. Any
// character may be the delimiter.
func ftpExtended(b []byte) (at netip.AddrPort, ok bool) {
	if len(b) < 5 {
		return at, false
	}
	parts := bytes.Split(b[1:], b[:1])
	if len(parts) != 4 || len(parts[3]) > 0 {
		return at, false
	}
	port, ok := decimal(parts[2])
	if !ok || port > 0xffff {
		return at, false
	}
	var addr netip.Addr
	if len(parts[1]) > 0 {
		var err error
		if addr, err = netip.ParseAddr(string(parts[1])); err != nil || addr.Zone() != "" {
			return at, false
		}
	}
	return netip.AddrPortFrom(addr, uint16(port)), true
}

// ftpData is what the next data connection is known by.
type ftpData struct {
	port uint16
	addr netip.Addr // as it was said
	at   Side
	told bool // the transfer that it is for was asked
}

// ftpExpect says that a data connection will have an end at a port. The address that is said beside it is wrong behind
// NAT, where clients go to the server that they know; between two servers it is somebody else's.
func (c *call) ftpExpect(st *dialogueState, at Side, to netip.AddrPort) {
	if len(c.expected) == maxExpected { // of the packet there is no room for more
		return
	}
	st.data = &ftpData{port: to.Port(), addr: to.Addr(), at: at}
	c.ftpTell(st, &event.App{Name: "ftp-data"}, false)
}

func (c *call) ftpTell(st *dialogueState, a *event.App, more bool) {
	if user := c.f.app.Str(fieldFTPUser); user != "" {
		a.SetStr(fieldFTPUser, user)
	}
	d := st.data
	if d.addr.IsValid() && !d.addr.IsUnspecified() {
		c.expect(Expected{Addr: d.addr, At: d.at, Port: d.port, TCP: true, Anybody: true, Once: true, Content: true, More: more, App: a})
	}
	c.expect(Expected{At: d.at, Port: d.port, TCP: true, Once: true, Content: true, More: more, App: a}) // takes the place of the same address
}

// ftpTransfer takes the command that a data connection is for.
func (c *call) ftpTransfer(st *dialogueState, command, file []byte) {
	name := c.text(bytes.ToUpper(command))
	if !c.f.app.Has(fieldFTPCommand) {
		c.edit().SetStr(fieldFTPCommand, name)
	}
	if oneOf(command, "retr stor appe") {
		c.setOnce(fieldFTPFile, file)
	} else {
		file = nil
	}
	if st.data == nil || st.data.told {
		return
	}
	st.data.told = true
	a := &event.App{Name: "ftp-data"}
	a.SetStr(fieldFTPCommand, name)
	if len(file) > 0 {
		a.SetStr(fieldFTPFile, c.text(file))
	}
	c.ftpTell(st, a, true)
}

func ftpClient(c *call, st *dialogueState, line []byte) step {
	word, rest := cutWord(line)
	switch {
	case equalFold(word, "user"):
		c.setOnce(fieldFTPUser, rest)
	case equalFold(word, "auth") && oneOf(rest, "tls ssl tls-c tls-p"):
		st.secure = true
	case equalFold(word, "port"):
		if at, ok := ftpAddress(rest); ok {
			c.ftpExpect(st, st.client, at)
		}
	case equalFold(word, "eprt"):
		if at, ok := ftpExtended(rest); ok && at.Addr().IsValid() {
			c.ftpExpect(st, st.client, at)
		}
	case oneOf(word, "retr stor appe stou list nlst mlsd"):
		c.ftpTransfer(st, word, rest)
		return knowing
	case equalFold(word, "quit"):
		return stop
	}
	return goOn
}

func ftpServer(c *call, st *dialogueState, line []byte) step {
	code, last, text := reply(line)
	switch {
	case code == 220 && st.greets(c):
		c.setOnce(fieldFTPServer, text)
	case code == 227:
		if at, ok := ftpPassive(text); ok {
			c.ftpExpect(st, 1-st.client, at)
		}
	case code == 229:
		if open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')'); open >= 0 && end > open {
			if at, ok := ftpExtended(text[open+1 : end]); ok {
				c.ftpExpect(st, 1-st.client, at)
			}
		}
	case code == 230:
		c.login(fieldFTPLogin, true)
		return knowing
	case code == 530 && last && c.f.app.Has(fieldFTPUser): // without a user it asks for one
		c.login(fieldFTPLogin, false)
		return knowing
	case st.secure && last && (code == 234 || code == 334):
		return secured
	case st.secure && last && code >= 400:
		st.secure = false
	}
	return goOn
}
