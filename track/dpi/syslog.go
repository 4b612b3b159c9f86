package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldSyslogFacility = event.AppString("syslog_facility", "Facility of the first message, such as authpriv.").Spelt(event.OneOf(syslogFacilities[:]...))
	fieldSyslogSeverity = event.AppString("syslog_severity", "Severity of the first message, such as err.").Spelt(syslogSeverityForm)
	fieldSyslogHost     = event.AppString("syslog_host", "Host that the first message names.")
	fieldSyslogProgram  = event.AppString("syslog_program", "Program that the first message names.")
)

var syslogSeverityForm = event.OneOf(syslogSeverities[:]...).Elsewhere(map[string]string{"error": "err", "warn": "warning", "panic": "emerg", "emergency": "emerg",
	"critical": "crit", "informational": "info"}).Meaning(numberIn(syslogSeverities[:]))

var syslogFields = []*event.AppField{fieldSyslogFacility, fieldSyslogSeverity, fieldSyslogHost, fieldSyslogProgram}

var syslogFirst = bytesIn("<", '1', '9')

// Names by RFC 5424 section 6.2.1, as syslog(3) spells them.
var (
	syslogFacilities = [...]string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
		"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}
	syslogSeverities = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
)

// syslogMessage is the head of a message.
type syslogMessage struct {
	priority      int
	host, program []byte
}

// parseSyslog reads a message over UDP (RFC 5426).
func parseSyslog(c *call) verdict {
	b := c.view[c.side].b
	if b[0] != '<' {
		return no
	}
	m, ok, whole := readSyslog(b, true)
	if !ok || !whole {
		return no
	}
	c.syslogTell(&m)
	return done
}

// parseSyslogStream reads the first message over TCP: behind its length, or up to the end of its line (RFC 6587).
func parseSyslogStream(c *call) verdict {
	v := &c.view[c.side]
	b, framed := v.b, -1
	if digit(b[0]) {
		framed = 0
		for len(b) > 0 && digit(b[0]) && framed < 1<<16 {
			framed = framed*10 + int(b[0]-'0')
			b = b[1:]
		}
		switch {
		case len(b) > 0 && b[0] != ' ' || framed >= 1<<16 || framed != 0 && framed < 16 && len(b) > 0 && b[0] == ' ':
			return no
		case len(b) > 0:
			b = b[1:]
		}
		if len(b) > 0 && b[0] != '<' {
			return no
		}
	}
	var m syslogMessage
	ok, whole := true, false
	if len(b) > 0 {
		m, ok, whole = readSyslog(b, false)
	}
	if !ok || !whole && (v.gap || v.fin) {
		return no
	}
	if framed < 0 && whole { // only the line's end is the message's
		_, size := cutLine(v.b)
		whole = size > 0
		if !whole && (v.gap || v.fin || len(v.b) > 4<<10) {
			return no
		}
	}
	if !whole {
		return more
	}
	c.syslogTell(&m)
	return done
}

func (c *call) syslogTell(m *syslogMessage) {
	c.setClient(c.side)
	a := c.edit()
	a.SetStr(fieldSyslogFacility, syslogFacilities[m.priority>>3])
	a.SetStr(fieldSyslogSeverity, syslogSeverities[m.priority&7])
	c.setOnce(fieldSyslogHost, m.host)
	c.setOnce(fieldSyslogProgram, m.program)
	c.know()
}

// readSyslog reads the head of a message by RFC 5424 or, as RFC 3164 describes it, by custom. whole is
// false while b may become one. Many devices send a priority but no time; loose takes that where a tag stands in
// its place, and is only for what is a whole message.
func readSyslog(b []byte, loose bool) (m syslogMessage, ok, whole bool) {
	n := 1
	for n < len(b) && n < 5 && digit(b[n]) {
		m.priority = m.priority*10 + int(b[n]-'0')
		n++
	}
	if n == len(b) {
		return m, n < 5, false
	}
	if b[n] != '>' || n == 1 || n > 2 && b[1] == '0' || m.priority > 191 {
		return m, false, false
	}
	head := b[n+1:]
	if end := bytes.IndexByte(head, '\n'); end >= 0 {
		head = head[:end]
	}
	head = head[:min(len(head), 480)]
	if len(head) == 0 {
		return m, true, false
	}
	if len(head) == 1 && digit(head[0]) {
		return m, true, false
	}
	if digit(head[0]) && head[0] != '0' && head[1] == ' ' {
		ok = m.read5424(head[2:])
		return m, ok, m.program != nil
	}
	const stamp = len("Jan _2 15:04:05")
	switch {
	case len(head) > stamp && syslogTime(head):
		whole = m.read3164(head[stamp:])
		return m, true, whole
	case digit(head[0]) && isoTimePrefix(head): // with the newer time, as rsyslog forwards it
		space := bytes.IndexByte(head, ' ')
		if space < len(isoTime) {
			return m, space < 0 && len(head) < len(isoTime)+16, false
		}
		whole = m.read3164(head[space:])
		return m, true, whole
	case len(head) <= stamp && !loose:
		return m, syslogTimePrefix(head), false
	}
	// "<PRI>program[pid]: text", or "<PRI>number: time: text" of routers
	text := trimCR(bytes.TrimRight(head, "\x00"))
	tag := bytes.Index(text, []byte(": "))
	if !loose || tag < 1 || tag > 48 || !textLine(text) {
		return m, false, false
	}
	if name := firstWord(text); len(name) == tag+1 && !digit(name[0]) {
		m.program = syslogTag(name)
	}
	return m, true, true
}

const syslogMonths = "JanFebMarAprMayJunJulAugSepOctNovDec"

// syslogTime tells whether b begins with a time like "Jan  2 15:04:05".
func syslogTime(b []byte) bool {
	return syslogTimePrefix(b) && (b[4] == ' ' || digit(b[4])) && digit(b[5])
}

func syslogTimePrefix(b []byte) bool {
	const pattern = "Mmm _9 99:99:99"
	if n := min(len(b), 3); n == 3 && bytes.Index([]byte(syslogMonths), b[:3])%3 != 0 || b[0] < 'A' || b[0] > 'S' {
		return false
	}
	for i := 3; i < min(len(b), len(pattern)); i++ {
		switch want := pattern[i]; {
		case want == '9' && !digit(b[i]), want == '_' && b[i] != ' ' && !digit(b[i]), (want == ' ' || want == ':') && b[i] != want:
			return false
		}
	}
	return true
}

// read3164 reads host and program behind the time: " host program[pid]: text". It returns false when neither is whole.
func (m *syslogMessage) read3164(b []byte) bool {
	if len(b) == 0 || b[0] != ' ' {
		return len(b) > 0
	}
	first, rest := cutWord(b[1:])
	if len(rest) == 0 {
		return false
	}
	if program := syslogTag(first); program != nil { // the host is left out by local senders
		m.program = program
		return true
	}
	if printable(first) {
		m.host = first
	}
	m.program = syslogTag(firstWord(rest))
	return m.program != nil || bytes.IndexByte(rest, ' ') >= 0
}

// syslogTag takes the program's name out of "program[pid]:", nil when it is none.
func syslogTag(b []byte) []byte {
	if len(b) < 2 || b[len(b)-1] != ':' || !printable(b) {
		return nil
	}
	b = b[:len(b)-1]
	if open := bytes.IndexByte(b, '['); open >= 0 {
		b = b[:open]
	}
	if len(b) == 0 || len(b) > 48 {
		return nil
	}
	return b
}

const isoTime = "9999-99-99T99:99:99"

// isoTimePrefix tells whether b begins with a time by RFC 3339, as far as it goes.
func isoTimePrefix(b []byte) bool {
	for i := range min(len(b), len(isoTime)) {
		if want := isoTime[i]; want == '9' && !digit(b[i]) || want != '9' && b[i] != want {
			return false
		}
	}
	return true
}

// read5424 reads "time host program pid id": a time by RFC 3339 or "-", then words. It returns false when b can
// not become that.
func (m *syslogMessage) read5424(b []byte) bool {
	if len(b) > 0 && b[0] != '-' && !isoTimePrefix(b) {
		return false
	}
	var words [4][]byte
	for i := range words {
		end := bytes.IndexByte(b, ' ')
		if end < 0 {
			return true
		}
		if words[i], b = b[:end], b[end+1:]; !printable(words[i]) {
			return false
		}
	}
	if string(words[1]) != "-" {
		m.host = words[1]
	}
	m.program = words[2]
	if string(m.program) == "-" {
		m.program = []byte{}
	}
	return true
}
