package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldTFTPFile = event.AppString("tftp_file", "File that was asked for or sent.")
	fieldTFTPMode = event.AppString("tftp_operation", "What was asked for: read or write.").Spelt(tftpOperationForm)
)

var tftpOperationForm = event.OneOf("read", "write").Elsewhere(map[string]string{"get": "read", "rrq": "read", "put": "write", "wrq": "write"})

var tftpFields = []*event.AppField{fieldTFTPFile, fieldTFTPMode}

var tftpFirst = bytesIn("\x00", 1, 0)

// Operations (RFC 1350, RFC 2347 for the last).
const (
	tftpRead  = 1
	tftpWrite = 2
	tftpData  = 3
	tftpError = 5
	tftpOACK  = 6

	tftpFull = 4 + 512 // a block with its head
)

// parseTFTP reads requests, and recognises transfers, whose first datagram comes from another port than the one
// that was asked.
func parseTFTP(c *call) verdict {
	b := c.view[c.side].b
	if b[0] != 0 || c.view[c.side].gap && b[1] != tftpData {
		return no
	}
	switch op := b[1]; op {
	case tftpRead, tftpWrite:
		return c.tftpRequest(op, b[2:])
	case tftpOACK:
		if !tftpOptions(b[2:], true) {
			return no
		}
		c.setClient(1 - c.side)
	case tftpError:
		if text, ended := bytes.CutSuffix(b[4:], []byte{0}); b[2] != 0 || b[3] > 8 || !ended || len(text) < 4 || !textLine(text) {
			return no
		}
		c.setClient(1 - c.side)
	case tftpData:
		// The first block, which is full unless it is the only one. Less than that is no proof, and an
		// acknowledgement of four bytes is none at all.
		if be16(b[2:]) != 1 || len(b) != tftpFull {
			return no
		}
		c.setClient(Resp) // the server answers from a port of its own, and so opens this one
	default:
		return no
	}
	c.edit()
	c.know()
	return done
}

// tftpRequest reads a request: file, mode and options, each with a zero behind it.
func (c *call) tftpRequest(op byte, b []byte) verdict {
	file, rest, ok := bytes.Cut(b, []byte{0})
	if !ok || len(file) > 255 || !textLine(file) {
		return no
	}
	mode, rest, ok := bytes.Cut(rest, []byte{0})
	if !ok || !oneOf(mode, "octet netascii mail") || !tftpOptions(rest, false) {
		return no
	}
	c.setClient(c.side)
	operation := "read"
	if op == tftpWrite {
		operation = "write"
	}
	a := c.edit()
	a.SetStr(fieldTFTPMode, operation)
	c.setOnce(fieldTFTPFile, file)
	// The transfer goes to the port that asked, from one that the server chooses (RFC 1350 section 4).
	port := c.f.orig
	if c.side == Resp {
		port = c.f.resp
	}
	transfer := &event.App{Name: "tftp"}
	c.expect(Expected{At: c.side, Port: port, Once: true, App: transfer.With(a)})
	c.know()
	return done
}

// tftpOptions tells whether b is pairs of an option and its value (RFC 2347). Some clients fill up with zeros.
func tftpOptions(b []byte, some bool) bool {
	known := false
	for len(b) > 0 && b[0] != 0 {
		name, rest, ok := bytes.Cut(b, []byte{0})
		if !ok {
			return false
		}
		value, rest, ok := bytes.Cut(rest, []byte{0})
		if !ok || !textLine(name) || !textLine(value) || len(value) == 0 {
			return false
		}
		known = known || oneOf(name, "blksize tsize timeout windowsize multicast rollover utimeout blksize2")
		b = rest
	}
	return (known || !some) && len(bytes.Trim(b, "\x00")) == 0
}
