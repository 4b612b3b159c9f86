package dpi

import (
	"bytes"

	"rustnet/track/event"
)

// Disks and files over the network, beside SMB, NFS and rsync.

var (
	fieldISCSIInitiator = event.AppString("iscsi_initiator", "Name of the initiator.")
	fieldISCSITarget    = event.AppString("iscsi_target", "Name of the target that it logs in to.")
	fieldNBDExport      = event.AppString("nbd_export", "Export that was asked for first.")
	fieldAFPServer      = event.AppString("afp_server", "Name of the server.")
	fieldSVNURL         = event.AppString("svn_url", "Repository that the client named.")
	fieldSVNClient      = event.AppString("svn_client", "Program of the client.")
	fieldCephBanner     = event.AppString("ceph_version", "Version of the messenger that was told first.")

	iscsiFields = []*event.AppField{fieldISCSIInitiator, fieldISCSITarget}
	nbdFields   = []*event.AppField{fieldNBDExport}
	afpFields   = []*event.AppField{fieldAFPServer}
	svnFields   = []*event.AppField{fieldSVNURL, fieldSVNClient}
	cephFields  = []*event.AppField{fieldCephBanner}

	iscsiFirst = bytesIn("\x03\x23\x43", 1, 0)
	nbdFirst   = bytesIn("N", 1, 0)
	afpFirst   = bytesIn("", 0, 1)
	svnFirst   = bytesIn("(", 1, 0)
	cephFirst  = bytesIn("c", 1, 0)
)

// parseISCSI reads a login (RFC 7143 section 11.12): a header of 48 bytes and texts of key and value. Secrets are in keys that
// are not shown.
func parseISCSI(c *call) verdict {
	const headerLen, request, answer, maxText = 48, 0x03, 0x23, 8 << 10
	v := &c.view[c.side]
	b := v.b
	if len(b) > 3 && (b[2] != 0 || b[3] != 0) {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n := be24(b[5:])
	if b[4] != 0 || n > maxText || b[1]&0x30 != 0 {
		return no
	}
	if b[0] == answer { // the request was missed
		if n == 0 || len(b) > headerLen && !bytes.Contains(b[headerLen:], []byte("=")) {
			return no
		}
		c.setClient(1 - c.side)
		return c.finish()
	}
	if b[0]&0x40 == 0 || n == 0 {
		return no
	}
	if len(b) < headerLen+n && !v.gap {
		return v.unfinished()
	}
	known := false
	for text := b[headerLen:min(len(b), headerLen+n)]; len(text) > 0; {
		pair, rest, whole := zeroText(text)
		text = rest
		key, value, ok := bytes.Cut(pair, []byte("="))
		if !whole {
			break
		}
		if len(pair) > 0 && !ok {
			return no
		}
		switch string(key) {
		case "InitiatorName":
			c.firstFact(fieldISCSIInitiator, value)
			known = true
		case "TargetName":
			c.firstFact(fieldISCSITarget, value)
		case "AuthMethod", "SessionType", "HeaderDigest", "MaxRecvDataSegmentLength":
			known = true
		}
	}
	if !known {
		return no
	}
	c.setClient(c.side)
	return c.finish()
}

// parseNBD reads the beginning of the protocol (the NBD project's proto.md): the server greets, the client asks with options.
func parseNBD(c *call) verdict {
	const magic, newStyle, oldStyle, option = "NBDMAGIC", "IHAVEOPT", "\x00\x00\x42\x02\x81\x86\x12\x53", "IHAVEOPT"
	const exportName, info, goOn, optionLen, flags = 1, 6, 7, 16, 4
	st, _ := c.f.state.(*asker)
	if st == nil {
		v := &c.view[c.side]
		if got := v.begins(magic); got != match {
			return got
		}
		if len(v.b) < 16 {
			return v.unfinished()
		}
		if kind := string(v.b[8:16]); kind != newStyle && kind != oldStyle {
			return no
		}
		st = &asker{client: 1 - c.side}
		c.f.state = st
		c.setClient(st.client)
		c.edit()
	}
	v := &c.view[1-st.client]
	v.b = nil // what the server says further tells nothing
	if v = &c.view[st.client]; len(v.b) < flags+optionLen {
		return match
	}
	b := v.b[flags:]
	if string(b[:8]) != option {
		return done
	}
	kind, n := be32(b[8:]), int(min(be32(b[12:]), 4<<10))
	if len(b) < optionLen+n {
		return match
	}
	switch body := b[optionLen : optionLen+n]; {
	case kind == exportName:
		c.fact(fieldNBDExport, body)
	case (kind == info || kind == goOn) && n > 4:
		r := cursor{b: body}
		if name := r.bytes(int(min(r.u32(), 4<<10))); !r.bad {
			c.fact(fieldNBDExport, name)
		}
	default: // another option first: structured replies, TLS
		c.eat(st.client, optionLen+n)
		return match
	}
	return c.finish()
}

// parseAFP reads DSI's header (Apple's AFP Reference): flags, command, request, error or offset, length, four zeros.
func parseAFP(c *call) verdict {
	const headerLen, status, maxLen = 16, 3, 1 << 24
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && (b[1] == 0 || b[1] > 8) {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n := be32(b[8:])
	// A session begins with the status or the opening, whose numbers are small.
	if n > maxLen || be32(b[12:]) != 0 || be16(b[2:]) > 16 && v.whole || b[0] == 0 && be32(b[4:]) > maxLen || b[1] == 1 && n != 0 ||
		b[1] == status && b[0] == 0 && n > 2 || b[1] == 4 && n > 64 {
		return no
	}
	if b[1] != status && b[1] != 4 && b[1] != 2 {
		return no
	}
	client := c.side
	if b[0] == 0 { // a question: the answer with the same number proves it
		answer := &c.view[1-c.side]
		if len(answer.b) < headerLen {
			if answer.gap || answer.fin {
				return no
			}
			return more
		}
		b, v = answer.b, answer
		if b[0] != 1 || b[1] != c.view[c.side].b[1] || string(b[2:4]) != string(c.view[c.side].b[2:4]) || be32(b[12:]) != 0 {
			return no
		}
	} else {
		question := c.view[1-c.side].b
		if len(question) < headerLen || question[0] != 0 || question[1] != b[1] || string(question[2:4]) != string(b[2:4]) || be32(question[12:]) != 0 {
			return no
		}
		client = 1 - c.side
	}
	if want := headerLen + int(min(be32(b[8:]), 1<<10)); b[1] == status && len(b) < want && !v.gap && !v.fin {
		return more
	}
	c.setClient(client)
	if b[1] != status {
		return c.finish()
	}
	// The server's information block has its name as a text with its length before it, behind offsets and flags.
	r := cursor{b: b[headerLen:]}
	r.bytes(10)
	name := r.vector8()
	c.edit()
	if !r.bad && len(name) > 0 {
		c.fact(fieldAFPServer, name)
	}
	return c.finish()
}

// parseSVN reads the greeting of svnserve and the client's answer (Subversion's source, ra_svn/protocol).
func parseSVN(c *call) verdict {
	const greeting, answer = "( success ( ", "( "
	st, _ := c.f.state.(*asker)
	if st == nil {
		v := &c.view[c.side]
		if got := v.begins(greeting); got != match {
			return got
		}
		if len(v.b) < len(greeting)+3 {
			return v.unfinished()
		}
		if !digit(v.b[len(greeting)]) {
			return no
		}
		st = &asker{client: 1 - c.side}
		c.f.state = st
		c.setClient(st.client)
		c.edit()
	}
	c.view[1-st.client].b = nil
	v := &c.view[st.client]
	if len(v.b) == 0 {
		return match
	}
	if v.begins(answer) == no || len(v.b) > 2<<10 {
		return done
	}
	url, client, whole := svnAnswer(v.b)
	if !whole {
		if v.gap || v.fin {
			return done
		}
		return match
	}
	c.fact(fieldSVNURL, url)
	c.fact(fieldSVNClient, client)
	return c.finish()
}

// svnAnswer takes "( 2 ( capabilities ) 21:svn://host/repository 12:SVN/1.14.2 ( ) ) " apart: the texts with their lengths.
func svnAnswer(b []byte) (url, client []byte, whole bool) {
	at := bytes.Index(b, []byte(") "))
	if at < 0 {
		return nil, nil, false
	}
	for b, i := b[at+2:], 0; i < 2; i++ {
		n, rest, ok := bytes.Cut(b, []byte(":"))
		if !ok {
			return nil, nil, false
		}
		size, ok := decimal(n)
		if !ok || size > maxFactLen {
			return nil, nil, true
		}
		if len(rest) < int(size)+1 {
			return nil, nil, false
		}
		if i == 0 {
			url = rest[:size]
		} else {
			client = rest[:size]
		}
		b = rest[size+1:]
	}
	return url, client, true
}

// parseCeph reads the banner of messenger 1 or 2 (Ceph's documentation, msgr2 protocol).
func parseCeph(c *call) verdict {
	v := &c.view[c.side]
	if got := v.begins("ceph v"); got != match {
		return got
	}
	if len(v.b) < 9 {
		return v.unfinished()
	}
	switch {
	case string(v.b[6:8]) == "2\n":
		c.fact(fieldCephBanner, v.b[6:7])
	case digits(v.b[6:9], 3): // one version for all numbers: 027
		c.fact(fieldCephBanner, v.b[6:9])
	default:
		return no
	}
	return c.finish()
}
