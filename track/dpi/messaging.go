package dpi

import (
	"bytes"

	"rustnet/track/event"
)

// Queues, remote calls and databases that AMQP, MQTT, Kafka and the like have a file of their own beside.

var (
	fieldSTOMPHost       = event.AppString("stomp_host", "Virtual host that the client asked for.")
	fieldSTOMPUser       = event.AppString("stomp_user", "User that the client named.")
	fieldSTOMPServer     = event.AppString("stomp_server", "What the server says it is.")
	fieldZMTPMechanism   = event.AppString("zmtp_mechanism", "Security of the connection: NULL, PLAIN, CURVE or GSSAPI.")
	fieldBeanstalkFirst  = event.AppString("beanstalk_command", "First command.")
	fieldGIOPOperation   = event.AppString("giop_operation", "Operation of the first request.")
	fieldAJPMethod       = event.AppString("ajp_method", "Method of the first request.")
	fieldAJPHost         = event.AppString("ajp_host", "Server name of the first request.")
	fieldAJPPath         = event.AppString("ajp_path", "Path of the first request.")
	fieldClickhouseAgent = event.AppString("clickhouse_client", "Program of the client.")
	fieldClickhouseUser  = event.AppString("clickhouse_user", "User that the client named.")
	fieldClickhouseDB    = event.AppString("clickhouse_database", "Database that the client named.")
	fieldDRDADatabase    = event.AppString("drda_database", "Database that the client named.")
	fieldDRDAUser        = event.AppString("drda_user", "User that the client named.")

	stompFields      = []*event.AppField{fieldSTOMPHost, fieldSTOMPUser, fieldSTOMPServer}
	zmtpFields       = []*event.AppField{fieldZMTPMechanism}
	beanstalkFields  = []*event.AppField{fieldBeanstalkFirst}
	giopFields       = []*event.AppField{fieldGIOPOperation}
	ajpFields        = []*event.AppField{fieldAJPMethod, fieldAJPHost, fieldAJPPath}
	clickhouseFields = []*event.AppField{fieldClickhouseAgent, fieldClickhouseUser, fieldClickhouseDB}
	drdaFields       = []*event.AppField{fieldDRDADatabase, fieldDRDAUser}

	stompFirst      = bytesIn("CS", 1, 0)
	zmtpFirst       = bytesIn("\xff", 1, 0)
	beanstalkFirst  = bytesIn("prwuikdslqbtIFURWOND", 1, 0)
	giopFirst       = bytesIn("G", 1, 0)
	ajpFirst        = bytesIn("\x12A", 1, 0)
	clickhouseFirst = bytesIn("\x00", 1, 0)
	boltFirst       = bytesIn("\x60", 1, 0)
	elasticFirst    = bytesIn("E", 1, 0)
	drdaFirst       = bytesIn("", 0, 0x7f)
)

// parseSTOMP reads CONNECT and CONNECTED of STOMP 1.0 to 1.2 (its specifications). The passcode is not shown.
func parseSTOMP(c *call) verdict {
	const maxHead = 4 << 10
	st, _ := c.f.state.(*asker)
	if st == nil {
		v := &c.view[c.side]
		b := trimFrame(v.b)
		command, size := cutLine(b)
		if size == 0 {
			if len(b) > 16 {
				return no
			}
			return v.unfinished()
		}
		switch string(command) {
		case "CONNECT", "STOMP":
			st = &asker{client: c.side}
		case "CONNECTED":
			st = &asker{client: 1 - c.side}
		default:
			return no
		}
		// A header, or the frame's end.
		next, size := cutLine(b[size:])
		if size == 0 {
			return v.unfinished()
		}
		if len(next) > 0 && bytes.IndexByte(next, ':') <= 0 {
			return no
		}
		c.f.state = st
		c.setClient(st.client)
		c.edit()
	}
	for s := Orig; s <= Resp; s++ {
		v := &c.view[s]
		head, _, whole := bytes.Cut(trimFrame(v.b), []byte{0})
		if len(v.b) == 0 || !whole && !v.gap && !v.fin && len(v.b) < maxHead {
			continue
		}
		for len(head) > 0 {
			line, size := cutLine(head)
			if size == 0 || len(line) == 0 && len(head) < len(v.b) {
				break
			}
			head = head[size:]
			key, value, _ := bytes.Cut(line, []byte(":"))
			switch {
			case s != st.client && string(key) == "server":
				c.setOnce(fieldSTOMPServer, value)
			case s == st.client && string(key) == "host":
				c.setOnce(fieldSTOMPHost, value)
			case s == st.client && string(key) == "login":
				c.setOnce(fieldSTOMPUser, value)
			}
		}
		v.b = nil
		if s != st.client {
			return c.finish()
		}
	}
	return match
}

// trimFrame takes away the line ends that may stand between frames.
func trimFrame(b []byte) []byte { return bytes.TrimLeft(b, "\r\n") }

// parseZMTP reads a greeting of ZeroMQ (ZMTP 3.0, RFC 23 of zeromq.org): a signature of ten bytes, version, mechanism. The
// signature is that of version 2, which has no mechanism, too.
func parseZMTP(c *call) verdict {
	const version, mechanism, length = 10, 12, 20
	v := &c.view[c.side]
	b := v.b
	for i := 1; i < min(len(b), 8); i++ {
		if b[i] != 0 {
			return no
		}
	}
	if len(b) > 9 && b[9] != 0x7f {
		return no
	}
	if len(b) <= version+1 {
		return v.unfinished()
	}
	if b[version] != 1 && b[version] != 2 && b[version] != 3 {
		return no
	}
	if b[version] < 3 {
		return c.finish()
	}
	if len(b) < mechanism+length {
		return v.unfinished()
	}
	name, _, _ := zeroText(b[mechanism : mechanism+length])
	if !oneOf(name, "null plain curve gssapi") {
		return no
	}
	c.fact(fieldZMTPMechanism, name)
	return c.finish()
}

// parseBeanstalk reads the first command or answer (beanstalkd's protocol.txt). Commands that others have, too, need an answer.
func parseBeanstalk(c *call) verdict {
	for client := Orig; client <= Resp; client++ {
		line, whole := firstLine(&c.view[client])
		word, rest := cutWord(line)
		if !whole || string(bytes.ToLower(word)) != string(word) {
			continue
		}
		switch {
		case string(word) == "put": // priority, delay, time to run, bytes
			parts := bytes.Fields(rest)
			if len(parts) != 4 || !digits(parts[0], 10) || !digits(parts[1], 10) || !digits(parts[2], 10) || !digits(parts[3], 10) {
				return no
			}
		case oneOf(word, "reserve-with-timeout list-tubes list-tubes-watched list-tube-used stats-job stats-tube pause-tube peek-ready peek-delayed peek-buried reserve-job kick-job"):
		case oneOf(word, "use watch ignore") && len(rest) > 0 && len(firstWord(rest)) == len(rest), oneOf(word, "reserve stats") && len(rest) == 0:
			if answer, _ := firstLine(&c.view[1-client]); !oneOf(firstWord(answer), "using watching reserved not_ignored") {
				continue
			}
		default:
			continue
		}
		c.setClient(client)
		c.fact(fieldBeanstalkFirst, word)
		return c.finish()
	}
	v := &c.view[c.side]
	line, whole := firstLine(v)
	word := firstWord(line)
	if line == nil || whole && !oneOf(word, "use watch ignore reserve stats using watching reserved inserted not_ignored") {
		return no
	}
	return v.unfinished()
}

// parseGIOP reads a message's header and the operation of a request (CORBA 3.3 part 2 chapter 9.4).
func parseGIOP(c *call) verdict {
	const headerLen, request, maxType, maxLen = 12, 0, 7, 1 << 24
	v := &c.view[c.side]
	if got := v.begins("GIOP"); got != match {
		return got
	}
	b := v.b
	if len(b) < headerLen {
		return v.unfinished()
	}
	if b[4] != 1 || b[5] > 3 || b[7] > maxType {
		return no
	}
	size := be32
	if b[6]&1 != 0 {
		size = le32
	}
	if size(b[8:]) > maxLen {
		return no
	}
	if b[7] != request {
		if b[7] == 1 {
			c.setClient(1 - c.side)
		}
		return c.finish()
	}
	if want := headerLen + int(min(size(b[8:]), 1<<10)); len(b) < want && !v.gap && !v.fin {
		return more
	}
	c.setClient(c.side)
	c.edit()
	c.fact(fieldGIOPOperation, giopOperation(b[headerLen:min(len(b), 1<<10)], b[5], size))
	return c.finish()
}

// giopOperation finds the name behind what is addressed: before version 1.2 contexts and the object's key come first, since
// then the key with its kind. Lists have their length before them, and numbers stand at multiples of their size.
func giopOperation(b []byte, minor byte, size func([]byte) uint32) []byte {
	at := 0
	number := func() int {
		at = (at + 3) &^ 3
		if at+4 > len(b) {
			at = len(b) + 1
			return 0
		}
		at += 4
		return int(min(size(b[at-4:]), 1<<16))
	}
	skip := func(n int) { at = min(at+n, len(b)+1) }
	if minor < 2 {
		for n := number(); n > 0 && at <= len(b); n-- { // contexts
			number()
			skip(number())
		}
		number() // request
		skip(1)  // is an answer expected
		if minor == 1 {
			skip(3)
		}
		skip(number())
	} else {
		number()
		skip(1 + 3)
		at = (at + 3) &^ 3
		if at+2 > len(b) || b[at] != 0 || b[at+1] != 0 { // by key is what all do
			return nil
		}
		skip(2)
		skip(number())
	}
	n := number()
	if n < 2 || at+n > len(b) || b[at+n-1] != 0 {
		return nil
	}
	return b[at : at+n-1]
}

var ajpMethods = []string{1: "OPTIONS", 2: "GET", 3: "HEAD", 4: "POST", 5: "PUT", 6: "DELETE", 7: "TRACE", 8: "PROPFIND", 9: "PROPPATCH", 10: "MKCOL", 11: "COPY",
	12: "MOVE", 13: "LOCK", 14: "UNLOCK"}

// parseAJP reads a forwarded request (Tomcat's AJP/1.3): magic, length, kind, method, then texts.
func parseAJP(c *call) verdict {
	const forward, ping = 2, 10
	v := &c.view[c.side]
	if v.b[0] == 'A' { // an answer: AB, a length, send body, headers, end, get body or pong
		if got := v.begins("AB"); got != match {
			return got
		}
		if len(v.b) < 5 {
			return v.unfinished()
		}
		if n := be16(v.b[2:]); n == 0 || n > 16<<10 || v.b[4] < 3 || v.b[4] > 9 {
			return no
		}
		// So little is proof only behind a request, which would have been known.
		return more
	}
	if got := v.begins("\x12\x34"); got != match {
		return got
	}
	if len(v.b) < 6 {
		return v.unfinished()
	}
	n := int(be16(v.b[2:]))
	if v.b[4] == ping && n == 1 {
		c.setClient(c.side)
		return c.finish()
	}
	if v.b[4] != forward || int(v.b[5]) >= len(ajpMethods) && v.b[5] != 0xff || v.b[5] == 0 || n < 10 || n > 16<<10 {
		return no
	}
	if len(v.b) < 4+n && !v.gap && !v.fin {
		return more
	}
	r := cursor{b: v.b[6:min(len(v.b), 4+n)]}
	text := func() []byte {
		n := r.u16()
		if n == 0xffff { // none
			return nil
		}
		b := r.bytes(n)
		r.bytes(1)
		return b
	}
	text() // protocol
	path := text()
	text() // address and name of the client
	text()
	host := text()
	c.setClient(c.side)
	c.named(fieldAJPMethod, ajpMethods, int(v.b[5]))
	if !r.bad {
		c.fact(fieldAJPPath, path)
		c.fact(fieldAJPHost, host)
	}
	return c.finish()
}

// parseElastic reads a header of Elasticsearch's transport (its source, TcpHeader): magic, length, request, status, version.
func parseElastic(c *call) verdict {
	const headerLen, maxLen = 19, 1 << 28
	v := &c.view[c.side]
	if got := v.begins("ES"); got != match {
		return got
	}
	if len(v.b) < headerLen {
		return v.unfinished()
	}
	b := v.b
	if n := be32(b[2:]); n < headerLen-6 || n > maxLen || b[14] > 0x0f || be32(b[15:]) < 1000000 || be32(b[15:]) > 10000000 && be32(b[15:])&0x08000000 == 0 {
		return no
	}
	if b[14]&1 == 0 {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	return c.finish()
}

// parseClickHouse reads the client's hello (ClickHouse's documentation, native protocol): kind, name, versions, database, user, and
// a password that is not shown. Numbers and lengths are of variable size.
func parseClickHouse(c *call) verdict {
	const hello = 0
	v := &c.view[c.side]
	r := cursor{b: v.b}
	kind := r.mqttVarint()
	text := func() []byte { return r.bytes(r.mqttVarint()) }
	name := text()
	if kind != hello || len(name) > 64 || len(name) > 0 && (!textLine(name) || !containsFold(name, "clickhouse")) && !(c.hasPort(9000) && containsFold(name, "client")) {
		return no
	}
	if !r.bad && len(name) < 4 {
		return no
	}
	major := r.mqttVarint()
	r.mqttVarint()
	r.mqttVarint()
	database, user := text(), text()
	if r.bad {
		if len(v.b) > 512 {
			return no
		}
		return v.unfinished()
	}
	if c.side == Resp && v.whole || major > 100 {
		return no
	}
	c.setClient(c.side)
	c.fact(fieldClickhouseAgent, name)
	c.fact(fieldClickhouseDB, database)
	c.fact(fieldClickhouseUser, user)
	return c.finish()
}

// parseBolt knows Neo4j's protocol by its magic number, which four versions follow.
func parseBolt(c *call) verdict {
	v := &c.view[c.side]
	if got := v.begins("\x60\x60\xb0\x17"); got != match {
		return got
	}
	if len(v.b) < 20 {
		return v.unfinished()
	}
	c.setClient(c.side)
	return c.finish()
}

// parseDRDA reads the first messages of Db2 and Derby (The Open Group, DDM Level 3): length, magic, form, number; then length
// and code point of each object. The password, whose code point is 0x11a1, is not shown.
func parseDRDA(c *call) verdict {
	const headerLen, magic, excsat, database, user = 10, 0xd0, 0x1041, 0x2110, 0x11a0
	const maxSeen = 4 << 10
	v := &c.view[c.side]
	b := v.b
	if c.f.state == nil {
		if len(b) > 2 && b[2] != magic {
			return no
		}
		if len(b) < headerLen {
			return v.unfinished()
		}
		n, point := int(be16(b)), be16(b[8:])
		if n < headerLen || int(be16(b[6:])) != n-6 || b[3]&0x88 != 0 || point != excsat && point != 0x1443 && point>>8 != 0x10 && point>>8 != 0x20 && point>>8 != 0x12 && point>>8 != 0x22 {
			return no
		}
		client := c.side
		if point == 0x1443 || point>>8 == 0x12 || point>>8 == 0x22 {
			client = 1 - c.side
		}
		c.f.state = &asker{client: client}
		c.setClient(client)
		c.edit()
	}
	client := c.f.state.(*asker).client
	c.view[1-client].b = nil
	v = &c.view[client]
	for len(v.b) >= headerLen {
		n := int(be16(v.b))
		if n < headerLen || v.b[2] != magic {
			return done
		}
		if len(v.b) < n {
			if v.gap || v.fin || len(v.b) > maxSeen {
				return done
			}
			return match
		}
		for r := (cursor{b: v.b[headerLen:n]}); len(r.b) >= 4; {
			size, point := r.u16(), r.u16()
			body := r.bytes(max(0, size-4))
			if r.bad || size < 4 {
				break
			}
			switch point {
			case database:
				c.ebcdic(fieldDRDADatabase, body)
			case user:
				c.ebcdic(fieldDRDAUser, body)
			}
		}
		c.eat(client, n)
		if c.f.app.Has(fieldDRDADatabase) && c.f.app.Has(fieldDRDAUser) {
			return c.finish()
		}
	}
	return match
}

// ebcdic sets a name in EBCDIC or, in newer versions, UTF-8.
func (c *call) ebcdic(f *event.AppField, b []byte) {
	text := c.hash[:0]
	for _, d := range b {
		switch low := d & 15; {
		case d < 0x40 || d == 0x40:
			d = ' '
		case d < 0x80 && alphanumeric(d): // no EBCDIC
		case d >= 0xf0 && d <= 0xf9:
			d = '0' + low
		case d == 0x6d:
			d = '_'
		case d == 0x4b:
			d = '.'
		case d == 0x60:
			d = '-'
		case low >= 1 && low <= 9 && d>>4 == 0x8, low >= 1 && low <= 9 && d>>4 == 0xc:
			d = "aA"[d>>6&1] + low - 1
		case low >= 1 && low <= 9 && d>>4 == 0x9, low >= 1 && low <= 9 && d>>4 == 0xd:
			d = "jJ"[d>>6&1] + low - 1
		case low >= 2 && low <= 9 && d>>4 == 0xa, low >= 2 && low <= 9 && d>>4 == 0xe:
			d = "sS"[d>>6&1] + low - 2
		default:
			return
		}
		text = append(text, d)
	}
	c.hash = text
	if text = bytes.TrimSpace(text); len(text) > 0 {
		c.firstFact(f, text)
	}
}
