package dpi

import (
	"bytes"

	"rustnet/track/event"
)

// What a web server and the program behind it say to each other is the same in FastCGI, SCGI and uwsgi: the variables of CGI (RFC 3875),
// and what a program of CGI answers. Only the way to pack them is each one's own.

var (
	fieldCGIMethod = event.AppString("cgi_method", "Method of the first request that a web server hands on.")
	fieldCGIHost   = event.AppString("cgi_host", "Host of this request.")
	fieldCGIPath   = event.AppString("cgi_path", "Path of this request.")
	fieldCGIScript = event.AppString("cgi_script", "File of the script that is to answer it.")
	fieldCGIStatus = event.AppUint("cgi_status", "", "Status of the answer.")

	cgiFields = []*event.AppField{fieldCGIMethod, fieldCGIHost, fieldCGIPath, fieldCGIScript, fieldCGIStatus}
)

// cgiState is what the three keep of a connection.
type cgiState struct {
	client Side
	asked  bool // all of the request's variables were read
	ended  bool // so was the answer
	// What the server calls itself and the script, where the request does not say more.
	server, script string

	left   int // of a record of FastCGI, in bytes
	beside int // bytes behind it that say nothing
}

// cgiVariable takes what may be shown of a request: no cookies, no logins, no query.
func (c *call) cgiVariable(st *cgiState, name, value []byte) {
	switch string(name) {
	case "REQUEST_METHOD":
		c.firstFact(fieldCGIMethod, value)
	case "HTTP_HOST":
		c.firstFact(fieldCGIHost, withoutUser(value))
	case "REQUEST_URI":
		c.firstFact(fieldCGIPath, c.shownPath(value))
	case "SCRIPT_FILENAME":
		c.firstFact(fieldCGIScript, value)
	case "SERVER_NAME":
		if string(value) != "_" && oneLine(value) { // that of a server of nginx which takes any
			st.server = c.text(value)
		}
	case "SCRIPT_NAME", "DOCUMENT_URI":
		if value = c.shownPath(value); oneLine(value) {
			st.script = c.text(value)
		}
	}
}

// cgiAsked ends the variables. What the client wrote itself is better than what the server made of it.
func (c *call) cgiAsked(st *cgiState) {
	st.asked = true
	if st.server != "" && !c.f.app.Has(fieldCGIHost) {
		c.edit().SetStr(fieldCGIHost, st.server)
	}
	if st.script != "" && !c.f.app.Has(fieldCGIPath) {
		c.edit().SetStr(fieldCGIPath, st.script)
	}
	c.know()
}

// cgiName tells whether b can be the name of a variable.
func cgiName(b []byte) bool {
	for _, d := range b {
		if (d < 'A' || d > 'Z') && d != '_' && !digit(d) {
			return false
		}
	}
	return len(b) > 0 && len(b) < 64
}

// cgiAnswer reads the status of an answer, which is 200 where the program names none (RFC 3875 section 6.3.3), or that of HTTP. b is
// what there is of it, all of it where last says so. It is false while more must come.
func (c *call) cgiAnswer(b []byte, last bool) bool {
	status := uint64(200)
	for {
		line, size := cutLine(b)
		if size == 0 {
			return last
		}
		if len(line) == 0 {
			break
		}
		b = b[size:]
		name, value, _ := bytes.Cut(line, []byte(":"))
		if hasPrefixFold(line, "http/1.") {
			_, value = cutWord(line)
		} else if !equalFold(name, "status") {
			continue
		}
		code := firstWord(trimSpace(value))
		if len(code) != 3 || !digits(code, 3) {
			return true
		}
		status = uint64(code[0]-'0')*100 + uint64(code[1]-'0')*10 + uint64(code[2]-'0')
		break
	}
	c.firstNumber(fieldCGIStatus, status)
	return true
}

// cgiAnswered is the rest of a connection that carries one request: its body says nothing, its answer the status.
func (c *call) cgiAnswered(st *cgiState) verdict {
	c.view[st.client].b = nil
	v := &c.view[1-st.client]
	if len(v.b) > 0 && c.cgiAnswer(v.b, v.gap || v.fin) {
		return done
	}
	return match
}
