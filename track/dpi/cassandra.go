package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldCassandraVersion = event.AppString("cassandra_cql_version", "CQL version that the client asked for.")
	fieldCassandraDriver  = event.AppString("cassandra_driver", "Driver of the client.")
	fieldCassandraProto   = event.AppUint("cassandra_protocol", "", "Version of the native protocol.")
)

var cassandraFields = []*event.AppField{fieldCassandraVersion, fieldCassandraDriver, fieldCassandraProto}

// cassandraFirst: versions 1 to 5 of requests and responses.
var cassandraFirst = bytesIn("\x81\x82\x83\x84\x85", 1, 5)

// Operation codes (Cassandra native protocol v4 section 2.4).
const (
	cassandraStartup   = 1
	cassandraOptions   = 5
	cassandraSupported = 6
)

// cassandraFrame is a frame's header; size is with the header.
type cassandraFrame struct {
	version, op byte
	response    bool
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
	h.op = b[n-5]
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

// cassandraState waits for STARTUP after OPTIONS and its answer.
type cassandraState struct{ client Side }

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
	default:
		return no
	}
	var o cassandraFrame
	other := c.view[1-c.side].b
	if len(other) == 0 {
		return v.unfinished()
	}
	ok, whole = o.read(other)
	switch {
	case !ok:
		return no
	case !whole:
		return more
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

var cassandraCQL = []byte("\x00\x0bCQL_VERSION")

// cassandraClient reads what the client sends up to STARTUP.
func (c *call) cassandraClient(st *cassandraState) verdict {
	c.view[1-st.client].b = nil
	v := &c.view[st.client]
	for len(v.b) > 0 {
		var h cassandraFrame
		switch ok, whole := h.read(v.b); {
		case !ok || h.size > 1<<12:
			return no
		case !whole:
			return match
		}
		if h.op == cassandraStartup {
			if !bytes.Contains(h.body, cassandraCQL) {
				return no
			}
			c.setClient(st.client)
			c.edit().SetUint(fieldCassandraProto, uint64(h.version))
			c.cassandraOptions(h.body)
			return c.finish()
		}
		c.eat(st.client, h.size)
	}
	return match
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
