package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldMongoDatabase = event.AppString("mongodb_database", "Database that the first command which names one is for.")
	fieldMongoCommand  = event.AppString("mongodb_command", "First command, such as hello or find.")
	fieldMongoApp      = event.AppString("mongodb_application", "Name that the client gave its program.")
	fieldMongoUser     = event.AppString("mongodb_user", "User that the client asks the ways of login for in its first command.")
	fieldMongoDriver   = event.AppString("mongodb_driver", "Library that the client uses, with its version.")
)

var mongoFields = []*event.AppField{fieldMongoDatabase, fieldMongoCommand, fieldMongoApp, fieldMongoDriver, fieldMongoUser}

// Operation codes (MongoDB wire protocol).
const (
	mongoReply      = 1
	mongoQuery      = 2004
	mongoCommand    = 2010
	mongoCompressed = 2012
	mongoMsg        = 2013

	mongoHeaderLen = 16
	mongoMaxLen    = 48000000
)

// parseMongoDB reads the first message (MongoDB wire protocol): its length, its operation and the document in it must fit together.
func parseMongoDB(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	// The second half of the operation code is zero.
	if len(b) > 3 && b[3] > mongoMaxLen>>24 || len(b) > 14 && b[14] != 0 || len(b) > 15 && b[15] != 0 {
		return no
	}
	if len(b) < mongoHeaderLen+5 {
		return v.unfinished()
	}
	n, op := size32(le32(b)), le32(b[12:])
	if n < mongoHeaderLen+5 || n > mongoMaxLen || len(b) > n && v.whole && le32(b[8:]) == 0 && op != mongoQuery && op != mongoMsg {
		return no
	}
	request := le32(b[8:]) == 0
	body := b[mongoHeaderLen:min(n, len(b))]
	doc, name := -1, []byte(nil)
	switch op {
	case mongoQuery:
		text, rest, ok := zeroText(body[4:])
		switch {
		case !ok && len(body) < 4+maxFactLen:
			return v.unfinished()
		case !ok || !oneLine(text) || bytes.IndexByte(text, '.') <= 0:
			return no
		}
		name = text
		doc = len(body) - len(rest) + 8
	case mongoMsg:
		if le32(body)&^0x10003 != 0 || body[4] > 1 {
			return no
		}
		doc = 5
		if body[4] == 1 { // a sequence of documents comes first
			return no
		}
	case mongoReply:
		doc = 20
		if request {
			return no
		}
	case mongoCompressed:
		if v.whole || len(body) < 9 {
			return no
		}
		if inner := le32(body); (inner == mongoMsg || inner == mongoQuery || inner == mongoReply) && body[8] <= 3 && le32(body[4:]) <= mongoMaxLen {
			return c.finish()
		}
		return no
	default:
		return no
	}
	if len(body) < doc+5 {
		return v.unfinished()
	}
	// A length, and an element's type and name. Documents fill the message, but for a checksum or further ones.
	size := size32(le32(body[doc:]))
	if size < 5 || size > n-mongoHeaderLen-doc {
		return no
	}
	if len(b) < min(n, 512) && (!v.gap || len(body) < doc+8) {
		return v.unfinished()
	}
	d := body[doc:min(doc+size, len(body))]
	if size == 5 && d[4] != 0 || size > 5 && (d[4] == 0 || d[4] > 0x13 && d[4] != 0x7f && d[4] != 0xff) {
		return no
	}
	key, _, ok := zeroText(d[5:])
	if size > 5 && (!ok || !oneLine(key)) {
		return no
	}
	if request {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	if request {
		c.mongoNames(name, key, d)
	}
	return c.finish()
}

func (c *call) mongoNames(collection, command, doc []byte) {
	if collection != nil {
		database, rest, _ := bytes.Cut(collection, []byte("."))
		c.fact(fieldMongoDatabase, database)
		if string(rest) != "$cmd" {
			c.fact(fieldMongoCommand, []byte("query"))
			return
		}
	} else {
		c.fact(fieldMongoDatabase, bsonText(doc, "\x02$db\x00"))
	}
	if len(command) > 0 && command[0] != '$' {
		c.fact(fieldMongoCommand, command)
	}
	if _, user, ok := bytes.Cut(bsonText(doc, "\x02saslSupportedMechs\x00"), []byte(".")); ok { // behind the database that knows him
		c.fact(fieldMongoUser, user)
	}
	// What a client says of itself in its first command (MongoDB Handshake).
	if i := bytes.Index(doc, []byte("\x03application\x00")); i >= 0 {
		c.fact(fieldMongoApp, bsonText(doc[i:], "\x02name\x00"))
	}
	if i := bytes.Index(doc, []byte("\x03driver\x00")); i >= 0 {
		name, version := bsonText(doc[i:], "\x02name\x00"), bsonText(doc[i:], "\x02version\x00")
		if name != nil && (version != nil || !c.view[c.side].gap) {
			c.message = append(append(append(c.message[:0], name...), ' '), version...)
			c.fact(fieldMongoDriver, trimSpace(c.message))
		}
	}
}

// bsonText finds the text of a name, given with the zero behind it and the type before it: its length, itself, zero. nil is none.
func bsonText(doc []byte, name string) []byte {
	i := bytes.Index(doc, []byte(name))
	if i < 0 {
		return nil
	}
	b := doc[i+len(name):]
	if len(b) < 4 {
		return nil
	}
	n := size32(le32(b))
	if n <= 1 || n > maxFactLen || 4+n > len(b) {
		return nil
	}
	return b[4 : 4+n-1]
}
