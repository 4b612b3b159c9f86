package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var fieldMemcachedCommand = event.AppString("memcached_command", "First command of the client.")

var memcachedFields = []*event.AppField{fieldMemcachedCommand}

var memcachedFirst = bytesIn("\x80\x81gsarpcditvfmVESNDOCHM", '0', '9')

// memcached is the text protocol (memcached's doc/protocol.txt).
var memcached = dialogue{server: memcachedServerLike, client: memcachedClientLike,
	fromServer: func(*call, *dialogueState, []byte) step { return goOn }, fromClient: memcachedClient}

// parseMemcached reads the text protocol and the binary one.
func parseMemcached(c *call) verdict {
	v := &c.view[c.side]
	if _, text := c.f.state.(*dialogueState); !text && len(v.b) > 0 && v.b[0]&0xfe == 0x80 {
		return c.memcachedBinary(v)
	}
	return memcached.run(c)
}

func memcachedServerLike(line []byte) likeness {
	word, rest := cutWord(line)
	switch string(word) {
	case "STORED", "NOT_STORED", "EXISTS", "NOT_FOUND", "DELETED", "TOUCHED", "END", "OK", "ERROR", "MN":
		if len(rest) == 0 {
			return alike
		}
	case "HD", "EN", "NS", "EX", "NF", "VA", "ME": // of the meta commands, with flags
		return alike
	case "CLIENT_ERROR", "SERVER_ERROR", "VERSION", "STAT":
		if len(rest) > 0 {
			return alike
		}
	case "VALUE":
		_, rest = cutWord(rest)
		if numbers(rest, 2, 3) {
			return alike
		}
	}
	if n, ok := decimal(line); ok && n < 1<<62 { // of incr and decr
		return alike
	}
	return unlike
}

func memcachedClientLike(line []byte) likeness {
	word, rest := cutWord(line)
	key, args := cutWord(rest)
	switch string(word) {
	case "mn":
		if len(rest) == 0 {
			return alike
		}
	case "ms":
		size, _ := cutWord(args)
		if len(key) > 0 && len(key) <= 250 && numbers(size, 1, 1) {
			return alike
		}
	case "get", "gets", "gat", "gats", "delete", "mg", "md", "ma", "me":
		if len(key) > 0 && len(key) <= 250 {
			return alike
		}
	case "set", "add", "replace", "append", "prepend", "cas":
		args = bytes.TrimSuffix(args, []byte(" noreply"))
		if len(key) > 0 && len(key) <= 250 && numbers(args, 3, 4) {
			return sure
		}
	case "incr", "decr", "touch":
		if len(key) > 0 && numbers(bytes.TrimSuffix(args, []byte(" noreply")), 1, 1) {
			return alike
		}
	case "version":
		if len(rest) == 0 {
			return alike
		}
	case "flush_all", "verbosity":
		if numbers(bytes.TrimSuffix(bytes.TrimSuffix(rest, []byte("noreply")), []byte(" ")), 0, 1) {
			return alike
		}
	case "stats":
		return alike
	}
	return unlike
}

func memcachedClient(c *call, _ *dialogueState, line []byte) step {
	c.setOnce(fieldMemcachedCommand, firstWord(line))
	return stop
}

// memcachedOpcodes names the binary commands; with each goes the length of its extras.
var memcachedOpcodes = [...]struct {
	name   string
	extras int
	key    bool
}{0: {"get", 0, true}, 1: {"set", 8, true}, 2: {"add", 8, true}, 3: {"replace", 8, true}, 4: {"delete", 0, true}, 5: {"incr", 20, true}, 6: {"decr", 20, true},
	7: {"quit", 0, false}, 9: {"getq", 0, true}, 0x0a: {"noop", 0, false}, 0x0b: {"version", 0, false}, 0x0c: {"getk", 0, true}, 0x0d: {"getkq", 0, true},
	0x0e: {"append", 0, true}, 0x0f: {"prepend", 0, true}, 0x11: {"setq", 8, true}, 0x20: {"sasl_list", 0, false}, 0x21: {"sasl_auth", 0, true}}

// memcachedBinary recognises a request of the binary protocol, whose lengths must add up and fit the command.
func (c *call) memcachedBinary(v *view) verdict {
	const header = 24
	b := v.b
	if len(b) > 1 && (b[0] != 0x80 || int(b[1]) >= len(memcachedOpcodes) || memcachedOpcodes[b[1]].name == "") ||
		len(b) > 4 && int(b[4]) != memcachedOpcodes[b[1]].extras || len(b) > 5 && b[5] != 0 {
		return no
	}
	if len(b) < header {
		if v.gap || v.fin {
			return no
		}
		return more
	}
	op := &memcachedOpcodes[b[1]]
	key, body := int(be16(b[2:])), be32(b[8:])
	value := int64(body) - int64(key+op.extras)
	hasValue := b[1]&0xf <= 3 && b[1] != 0 || b[1] == 0x0e || b[1] == 0x0f || b[1] == 0x21
	if key > 250 || op.key != (key > 0) || value < 0 || value > 0 && !hasValue || value > 1<<27 || be16(b[6:]) > 1023 {
		return no
	}
	c.setClient(c.side)
	c.edit().SetStr(fieldMemcachedCommand, op.name)
	c.know()
	return done
}

// parseMemcachedUDP reads the text protocol behind the frame header that it has over UDP.
func parseMemcachedUDP(c *call) verdict {
	b := c.view[c.side].b
	// Request identifier, number of the datagram, how many there are, two bytes that are 0.
	if be16(b[4:]) == 0 || be16(b[2:]) >= be16(b[4:]) || be16(b[6:]) != 0 {
		return no
	}
	line, size := cutLine(b[8:])
	switch {
	case size == 0 || !textLine(line):
		return no
	case memcachedClientLike(line) != unlike:
		c.setClient(c.side)
		c.edit().SetStr(fieldMemcachedCommand, c.text(firstWord(line)))
	case memcachedServerLike(line) != unlike && !digit(line[0]):
		c.setClient(1 - c.side)
	default:
		return no
	}
	c.know()
	return done
}
