package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldCassandraVersion = event.AppString("cassandra_cql_version", "CQL version that the client asked for.")
	fieldCassandraDriver  = event.AppString("cassandra_driver", "Driver of the client.")
	fieldCassandraProto   = event.AppUint("cassandra_protocol", "", "Version of the native protocol.")
	fieldCassandraUser    = event.AppString("cassandra_user", "User that the client named.")
)

var cassandraFields = []*event.AppField{fieldCassandraVersion, fieldCassandraDriver, fieldCassandraProto, fieldCassandraUser}

// cassandraFirst: versions 1 to 6 of requests and responses, and 65 and 66 of requests, which are DataStax' and what drivers try first.
var cassandraFirst = bytesIn("\x81\x82\x83\x84\x85\x86\x41\x42", 1, 6)

// Operation codes (Cassandra native protocol v4 section 2.4).
const (
	cassandraError        = 0
	cassandraStartup      = 1
	cassandraAuthenticate = 3
	cassandraOptions      = 5
	cassandraSupported    = 6
	cassandraAuthResponse = 15

	cassandraSegments = 5 // from this version on frames are in segments behind STARTUP
)

// cassandraFrame is a frame's header; size is with the header.
type cassandraFrame struct {
	version, op byte
	response    bool
	packed      bool // its body is compressed
	stream      int
	size        int
	body        []byte // what is there of it
}

// read takes a header apart: nine bytes, eight before version 3 (section 2). ok is false when it can not be one.
func (h *cassandraFrame) read(b []byte) (ok, whole bool) {
	if len(b) == 0 {
		return true, false
	}
	h.version, h.response = b[0]&0x7f, b[0]&0x80 != 0
	n := 9
	if h.version < 3 {
		n = 8
	}
	if len(b) > 1 && b[1]&^0x1f != 0 {
		return false, false
	}
	if len(b) < n {
		return true, false
	}
	h.op, h.packed = b[n-5], b[1]&1 != 0
	h.stream = int(b[2])
	if n == 9 {
		h.stream = int(be16(b[2:]))
	}
	length := be32(b[n-4:])
	if h.op > 0x10 || length > 1<<20 {
		return false, false
	}
	h.size = n + int(length)
	h.body = b[n:min(len(b), h.size)]
	return true, len(b) >= h.size
}

// cassandraState waits for STARTUP after OPTIONS and its answer, and for a user after STARTUP.
type cassandraState struct {
	client  Side
	started bool
}

// parseCassandra takes STARTUP as proof, or OPTIONS and the answer that fits it.
func parseCassandra(c *call) verdict {
	if st, ok := c.f.state.(*cassandraState); ok {
		return c.cassandraClient(st)
	}
	v := &c.view[c.side]
	var h cassandraFrame
	ok, whole := h.read(v.b)
	switch {
	case !ok || h.size > 1<<12:
		return no
	case !whole:
		return v.unfinished()
	case !h.response && h.op == cassandraStartup:
		return c.cassandraClient(&cassandraState{client: c.side})
	case !h.response && h.op == cassandraOptions && len(h.body) == 0:
	case h.response && h.op == cassandraSupported && bytes.Contains(h.body, cassandraCQL):
	case h.refuses():
	default:
		return no
	}
	var o cassandraFrame
	other := c.view[1-c.side].b
	if len(other) == 0 {
		return c.cassandraAlone(&h)
	}
	ok, whole = o.read(other)
	switch {
	case !ok:
		return no
	case !whole:
		return more
	case h.refuses() && !o.response && o.op == cassandraOptions && len(o.body) == 0:
		c.setClient(1 - c.side)
		return c.finish()
	case o.refuses() && !h.response:
		c.setClient(c.side)
		return c.finish()
	case o.response == h.response || o.version != h.version || o.stream != h.stream:
		return no
	}
	st := &cassandraState{client: c.side}
	response := &o
	if h.response {
		st.client, response = 1-c.side, &h
	}
	if response.op != cassandraSupported || !bytes.Contains(response.body, cassandraCQL) {
		return no
	}
	c.setClient(st.client)
	c.edit()
	c.f.state = st
	return c.cassandraClient(st)
}

// cassandraAlone judges what a side begins with while nothing is seen of the other: a server's answer says enough, and so does what follows OPTIONS.
func (c *call) cassandraAlone(h *cassandraFrame) verdict {
	v := &c.view[c.side]
	if h.response {
		if !c.unheard() {
			return v.unfinished()
		}
		c.setClient(1 - c.side)
		return c.finish()
	}
	var next cassandraFrame
	if ok, whole := next.read(v.b[h.size:]); ok && whole && next.op == cassandraStartup && next.version == h.version {
		return c.cassandraClient(&cassandraState{client: c.side})
	}
	return v.unfinished()
}

// refuses tells whether a frame is the answer to a version that the server does not speak, told in one that it does.
func (h *cassandraFrame) refuses() bool {
	return h.response && h.op == cassandraError && bytes.HasPrefix(h.body, []byte("\x00\x00\x00\x0a")) && bytes.Contains(h.body, []byte("protocol version"))
}

var cassandraCQL = []byte("\x00\x0bCQL_VERSION")

// cassandraClient reads what the client sends up to STARTUP.
func (c *call) cassandraClient(st *cassandraState) verdict {
	server := &c.view[1-st.client]
	if !st.started {
		server.b = nil
	}
	v := &c.view[st.client]
	for len(v.b) > 0 {
		var h cassandraFrame
		switch ok, whole := h.read(v.b); {
		case !ok || h.size > 1<<12:
			return no
		case !whole:
			return match
		}
		switch {
		case st.started:
			if h.op == cassandraAuthResponse && !h.packed && len(h.body) > 4 {
				c.cassandraLogin(h.body[4:])
			}
			return c.finish()
		case h.op == cassandraStartup:
			if !bytes.Contains(h.body, cassandraCQL) {
				return no
			}
			c.setClient(st.client)
			c.edit().SetUint(fieldCassandraProto, uint64(h.version))
			c.cassandraOptions(h.body)
			c.f.state = st
			if st.started = true; h.version >= cassandraSegments {
				return c.finish()
			}
		}
		c.eat(st.client, h.size)
	}
	if st.started && len(server.b) > 0 {
		var h cassandraFrame
		switch ok, whole := h.read(server.b); {
		case !ok, whole && h.op != cassandraAuthenticate:
			return c.finish() // it lets everybody in
		case whole:
			c.eat(1-st.client, h.size)
		}
	}
	return match
}

// cassandraLogin reads the first words of PasswordAuthenticator, which are those of SASL's PLAIN (RFC 4616): who acts, who logs in, a
// password that is not shown.
func (c *call) cassandraLogin(b []byte) {
	if _, rest, ok := bytes.Cut(b, []byte{0}); ok {
		if user, _, ok := bytes.Cut(rest, []byte{0}); ok && textLine(user) {
			c.fact(fieldCassandraUser, user)
		}
	}
}

// cassandraOptions reads a string map (section 3).
func (c *call) cassandraOptions(b []byte) {
	r := cursor{b: b}
	for n := r.u16(); n > 0 && !r.bad; n-- {
		switch key, value := r.vector16(), r.vector16(); string(key) {
		case "CQL_VERSION":
			c.fact(fieldCassandraVersion, value)
		case "DRIVER_NAME":
			c.fact(fieldCassandraDriver, value)
		}
	}
}
