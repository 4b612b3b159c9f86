package dpi

import "rustnet/track/event"

var (
	fieldRPCProgram   = event.AppString("rpc_program", "Program that is called, by its name where it is well known: portmap, nfs, mount, ….").Spelt(rpcProgramForm)
	fieldRPCVersion   = event.AppUint("rpc_version", "", "Version of that program.")
	fieldRPCProcedure = event.AppUint("rpc_procedure", "", "Number of the first procedure that was called and is not 0, which only asks whether somebody is there.")
	fieldRPCHost      = event.AppString("rpc_host", "Name of the client's machine, as its credentials say (AUTH_SYS).")
	fieldRPCUID       = event.AppUint("rpc_uid", "", "User that calls, as its credentials say.")
	fieldNFSExport    = event.AppString("nfs_export", "Path that was asked to be mounted.")
)

var rpcProgramForm = event.OneOf(listed(rpcPrograms)...).OrNumber("", 1<<32-1, func(n uint64) string { return rpcPrograms[uint32(n)] }).
	Elsewhere(map[string]string{"portmapper": "portmap", "rpcbind": "portmap", "mountd": "mount", "lockd": "nlockmgr"})

var rpcFields = []*event.AppField{fieldRPCProgram, fieldRPCVersion, fieldRPCProcedure, fieldRPCHost, fieldRPCUID, fieldNFSExport}

const (
	rpcCallLen  = 40
	rpcReplyLen = 24
	rpcMaxAuth  = 400
	rpcMaxCall  = 2 << 10 // of a call that is read
	rpcMaxCalls = 8       // that are looked at for one that does something
	rpcMount    = 100005
)

// rpcState counts the calls of a connection that only asked whether somebody is there.
type rpcState struct{ calls uint8 }

// rpcPrograms are among those of https://www.iana.org/assignments/rpc-program-numbers, and GlusterFS' own.
var rpcPrograms = map[uint32]string{100000: "portmap", 100001: "rstat", 100002: "rusers", 100003: "nfs", 100004: "ypserv", 100005: "mount",
	100007: "ypbind", 100008: "wall", 100009: "yppasswd", 100011: "rquota", 100012: "spray", 100017: "rexec", 100020: "llockmgr", 100021: "nlockmgr",
	100024: "status", 100026: "bootparam", 100068: "cmsd", 100083: "ttdbserver", 100227: "nfs_acl", 100300: "nisd", 150001: "pcnfsd", 300019: "amd",
	391002: "fam", 395183: "vxi11", 395184: "vxi11-abort", 1238433: "gluster-mgmt", 1238437: "gluster-friend", 1238463: "gluster-cli", 1298437: "glusterfs",
	4867634: "gluster-brick", 14398633: "gluster-handshake", 34123456: "gluster-portmap", 52743234: "gluster-callback", 123451501: "gluster-dump"}

// rpcCall judges the call that begins b (RFC 5531 section 9); cut allows for its end to be missing.
func rpcCall(b []byte, cut bool) bool {
	if len(b) < rpcCallLen || be32(b[4:]) != 0 || be32(b[8:]) != 2 {
		return false
	}
	// Version 0, which asks what versions there are, is many zeros: only those that are well known are asked.
	program, version := be32(b[12:]), be32(b[16:])
	if program == 0 || program >= 0x60000000 || version > 32 || version == 0 && rpcPrograms[program] == "" || be32(b[20:]) > 255 {
		return false
	}
	r := cursor{b: b[24:]}
	for range 2 { // credentials, verifier
		head := r.bytes(8)
		if head == nil {
			return cut
		}
		flavor, n := be32(head), be32(head[4:])
		if !rpcFlavor(flavor) || n > rpcMaxAuth {
			return false
		}
		if r.bytes(int(n+3) &^ 3); r.bad {
			return cut
		}
	}
	return true
}

func rpcFlavor(n uint32) bool { return n <= 7 || n/100000 == 3 && n < 400000 }

// rpcReply judges a reply: accepted or denied.
func rpcReply(b []byte) bool {
	if len(b) < rpcReplyLen-4 || be32(b[4:]) != 1 {
		return false
	}
	if be32(b[8:]) == 1 {
		return be32(b[12:]) <= 1 && be32(b[16:]) <= 13
	}
	return be32(b[8:]) == 0 && len(b) >= rpcReplyLen && rpcFlavor(be32(b[12:])) && be32(b[16:]) <= rpcMaxAuth
}

// rpcFirst: over TCP, the upper byte of a fragment's length, with the bit of the last one.
var rpcFirst = bytesIn("\x00\x80", 1, 0)

// parseRPC reads Sun's RPC over UDP. A reply alone counts on the port mapper's and NFS' ports only.
func parseRPC(c *call) verdict {
	v := &c.view[c.side]
	switch {
	case rpcCall(v.b, v.gap):
		return c.rpcFacts(v.b, c.side)
	case c.f.parser != 0:
		return match
	case rpcReply(v.b) && (c.hasPort(111) || c.hasPort(2049)):
		return c.rpcServes(c.side)
	}
	return no
}

// parseRPCStream reads it over TCP, in records of fragments (section 11).
func parseRPCStream(c *call) verdict {
	if c.f.parser != 0 {
		client := Side(c.f.client - 1)
		c.view[1-client].b = nil
		return c.rpcRecords(client)
	}
	v := &c.view[c.side]
	b := v.b
	if len(b) >= 12 && (be32(b[8:]) > 1 || be32(b)&0x7fffffff < rpcReplyLen-4 || be32(b)&0x7fffffff > 8<<20) {
		return no
	}
	if len(b) < 4+rpcCallLen {
		if len(b) >= 4+rpcReplyLen && size32(be32(b)&0x7fffffff) == len(b)-4 && rpcReply(b[4:]) && (c.hasPort(111) || c.hasPort(2049)) {
			return c.rpcServes(c.side)
		}
		return v.unfinished()
	}
	n := size32(be32(b) & 0x7fffffff)
	m := b[4:min(len(b), 4+n)]
	if n < rpcCallLen || !rpcCall(m, len(m) < n) {
		if n >= rpcReplyLen && rpcReply(m) && (c.hasPort(111) || c.hasPort(2049)) {
			return c.rpcServes(c.side)
		}
		return no
	}
	return c.rpcRecords(c.side)
}

// rpcRecords reads the calls of one side up to one that does something.
func (c *call) rpcRecords(s Side) verdict {
	v := &c.view[s]
	for len(v.b) >= 4+rpcCallLen {
		n := size32(be32(v.b) & 0x7fffffff)
		m := v.b[4:min(len(v.b), 4+n)]
		if n < rpcCallLen || !rpcCall(m, len(m) < n) {
			return c.finish()
		}
		if len(m) < min(n, rpcMaxCall) && !v.gap && !v.fin {
			break
		}
		if got := c.rpcFacts(m, s); got != match {
			return got
		}
		c.skip(s, uint64(4+n))
	}
	if c.f.state == nil {
		return v.unfinished()
	}
	return match
}

// rpcServes ends with a reply, whose call was not seen.
func (c *call) rpcServes(s Side) verdict {
	c.edit()
	c.setClient(1 - s)
	return c.finish()
}

// rpcFacts tells of a call.
func (c *call) rpcFacts(b []byte, s Side) verdict {
	c.setClient(s)
	a := c.edit()
	program, procedure := be32(b[12:]), be32(b[20:])
	if name := rpcPrograms[program]; name != "" {
		a.SetStr(fieldRPCProgram, name)
	} else {
		c.hash = appendUint(c.hash[:0], uint64(program))
		a.SetStr(fieldRPCProgram, c.text(c.hash))
	}
	a.SetUint(fieldRPCVersion, uint64(be32(b[16:])))
	if procedure != 0 {
		c.firstNumber(fieldRPCProcedure, uint64(procedure))
	}
	r := cursor{b: b[24:]}
	flavor, credentials := r.u32(), cursor{b: r.opaque()}
	if flavor == 1 && !r.bad { // AUTH_SYS: a stamp, the machine, the user, groups (appendix A)
		credentials.bytes(4)
		host, uid := credentials.opaque(), credentials.u32()
		if !credentials.bad {
			c.firstFact(fieldRPCHost, host)
			c.firstNumber(fieldRPCUID, uint64(uid))
		}
	}
	r.u32()
	r.opaque()
	if path := r.opaque(); program == rpcMount && procedure == 1 && !r.bad { // RFC 1813 section 5.2.1
		c.firstFact(fieldNFSExport, path)
	}
	st, _ := c.f.state.(*rpcState)
	if st == nil {
		st = &rpcState{}
		c.f.state = st
	}
	if st.calls++; procedure != 0 || st.calls == rpcMaxCalls {
		return c.finish()
	}
	c.know()
	return match
}

// opaque reads bytes behind their length, filled up to a multiple of four (RFC 4506 section 4.10).
func (r *cursor) opaque() []byte {
	n := r.u32()
	if n > rpcMaxCall {
		r.b, r.bad = nil, true
		return nil
	}
	b := r.bytes(int(n))
	r.bytes(min(int(-n&3), len(r.b)))
	return b
}
