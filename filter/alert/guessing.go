package alert

import (
	"fmt"
	"slices"

	"rustnet/track/event"
)

// Who guesses passwords is refused again and again, and never let in.
const (
	guessRow    = 6  // connections in a row that were refused, within guessWindow of each other
	guessRowWeb = 20 // a page without leave to see it has many parts
	guessWindow = int64(300e9)
)

type guessing struct {
	rows *lru[guesses] // by who and the protocol

	last guesses // that were found
}

type guesses struct {
	row     row
	servers distinct
}

func newGuessing() *guessing { return &guessing{rows: newLRU[guesses](pairsMax / 8)} }

func (d *guessing) look(s *seen) (found, bool) {
	if s.e.Kind != event.Closed || s.app == "" {
		return found{}, false
	}
	outcome := s.login()
	if outcome == noLogin {
		return found{}, false
	}
	key := mix(s.openerKey(), s.hash(s.app))
	if outcome == accepted {
		if p := d.rows.peek(key); p != nil {
			*p = guesses{}
		}
		return found{}, false
	}
	p, _ := d.rows.get(key)
	if p.row.n == 0 || s.start-p.row.last > guessWindow {
		*p = guesses{row: row{first: s.start}}
	}
	p.row.n++
	p.row.last = max(p.row.last, s.start)
	p.servers.add(uint32(s.servedKey()), s.start, guessWindow)
	most := guessRow
	if s.app == "http" {
		most = guessRowWeb
	}
	if p.row.n%most != 0 {
		return found{}, false
	}
	d.last = *p
	return found{own: true}, true
}

func (d *guessing) about(s *seen) about { return about{Program: s.opener(), What: s.app} }

func (d *guessing) why(s *seen) string {
	server, port, _ := s.served()
	where := ""
	if n := d.last.servers.n; n > 1 {
		where = fmt.Sprintf("%d servers, the last ", n)
	}
	return fmt.Sprintf("%s could not log in by %s to %s%s port %d: %d connections in a row in %s", s.openerName(), s.app, where, server, port, d.last.row.n,
		span(s.ts-d.last.row.first))
}

type login uint8

const (
	noLogin login = iota
	accepted
	refused
)

// login tells how the server answered the last login of a connection, as far as its protocol says so in the clear.
func (s *seen) login() login {
	switch s.app {
	case "ssh":
		return loginOf(text(s.f.sshLogin, s.e))
	case "ftp":
		return loginOf(text(s.f.ftpLogin, s.e))
	case "smtp":
		return loginOf(text(s.f.smtpLogin, s.e))
	case "imap":
		return loginOf(text(s.f.imapLogin, s.e))
	case "pop3":
		return loginOf(text(s.f.pop3Login, s.e))
	case "http":
		status, ok := number(s.f.httpLastStatus, s.e)
		if !ok {
			status, ok = number(s.f.httpStatus, s.e)
		}
		return refusedIf(ok, status, 401)
	case "mysql":
		code, ok := number(s.f.mysqlError, s.e)
		return refusedIf(ok, code, 1045) // access denied
	case "postgresql":
		switch text(s.f.postgresError, s.e) {
		case "28P01", "28000": // password, authorization
			return refused
		}
	case "ldap":
		code, ok := number(s.f.ldapResult, s.e)
		return refusedIf(ok, code, 49)
	case "kerberos":
		if text(s.f.kerberosCipher, s.e) != "" {
			return accepted
		}
		if code, _ := number(s.f.kerberosError, s.e); code == 6 || code == 24 { // nobody of that name, proof that fails
			return refused
		}
	case "mqtt":
		code, ok := number(s.f.mqttConnack, s.e)
		return refusedIf(ok, code, 4, 5, 134, 135)
	}
	return noLogin
}

func loginOf(text string) login {
	switch text {
	case "accepted":
		return accepted
	case "refused", "tried":
		return refused
	}
	return noLogin
}

func refusedIf(known bool, code uint64, codes ...uint64) login {
	switch {
	case !known:
		return noLogin
	case slices.Contains(codes, code):
		return refused
	}
	return accepted
}
