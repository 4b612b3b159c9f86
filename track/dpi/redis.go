package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var fieldRedisCommand = event.AppString("redis_command", "First command of the client.")

var redisFields = []*event.AppField{fieldRedisCommand}

var redisFirst = bytesIn("*+-:$%PIASGCEFHKLDMQTRpiasgcefhkldmqtr", 1, 0)

// redisInline are the commands that people and probes send as a line of their own.
const redisInline = "ping info auth select get set command quit client config keys flushall flushdb echo hello exists del monitor dbsize time role save slaveof replicaof"

// parseRedis recognises RESP (https://redis.io/docs/latest/develop/reference/protocol-spec/) by the first request.
func parseRedis(c *call) verdict {
	v, other := &c.view[c.side], &c.view[1-c.side]
	kind := v.b[0]
	if c.side == Resp && v.whole && kind == '*' { // an answer
		kind = ':'
	}
	switch kind {
	case '*':
		command, ok, whole := redisArray(v.b)
		switch {
		case !ok, !whole && (v.gap || v.fin):
			return no
		case !whole:
			return more
		}
		c.setClient(c.side)
		c.edit().SetStr(fieldRedisCommand, c.text(command))
	case '+', '-', ':', '$', '%':
		line, whole := firstLine(v)
		if line == nil {
			return no
		}
		if !whole {
			return more
		}
		command, fits := redisLine(other)
		if !redisReply(line) || len(other.b) > 0 && !fits || len(other.b) == 0 && other.gap {
			return no
		}
		if !fits || command == nil {
			return more
		}
		if !c.redisAnswers(command, line) {
			return no
		}
		c.setClient(1 - c.side)
		c.edit().SetStr(fieldRedisCommand, c.text(command))
	default:
		command, fits := redisLine(v)
		if !fits {
			return no
		}
		if command == nil || len(other.b) == 0 && !other.gap {
			return more
		}
		answer, whole := firstLine(other)
		if answer == nil || whole && !redisReply(answer) {
			return no
		}
		if !whole {
			return more
		}
		if !c.redisAnswers(command, answer) {
			return no
		}
		c.setClient(c.side)
		c.edit().SetStr(fieldRedisCommand, c.text(command))
	}
	c.know()
	return done
}

// redisArray reads the head of an array whose first element is a command: "*2\r\n$3\r\nGET\r\n".
func redisArray(b []byte) (command []byte, ok, whole bool) {
	elements, b, ok := redisNumber(b, '*')
	if !ok || b == nil {
		return nil, ok, false
	}
	size, b, ok := redisNumber(b, '$')
	if !ok || b == nil || elements == 0 || size == 0 || size > 32 {
		return nil, ok && b == nil, false
	}
	for i := range min(len(b), size) {
		if !alphanumeric(b[i]) && b[i] != '_' && b[i] != '-' && b[i] != '.' {
			return nil, false, false
		}
	}
	if len(b) < size+2 {
		return nil, true, false
	}
	return b[:size], b[size] == '\r' && b[size+1] == '\n' && !digit(b[0]), true
}

// redisNumber reads a type's byte, a number and the end of the line; rest is nil while that is not whole.
func redisNumber(b []byte, kind byte) (n int, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, true
	}
	if b[0] != kind {
		return 0, nil, false
	}
	for i, x := range b[1:] {
		switch {
		case digit(x) && i < 7:
			n = n*10 + int(x-'0')
		case x == '\r' && i > 0:
			if len(b) < i+3 {
				return n, nil, true
			}
			return n, b[i+3:], b[i+2] == '\n'
		default:
			return 0, nil, false
		}
	}
	return 0, nil, true
}

// redisLine reads an inline command. fits is whether it may be one, command is set when it is whole.
func redisLine(v *view) (command []byte, fits bool) {
	if len(v.b) == 0 {
		return nil, !v.gap
	}
	line, whole := firstLine(v)
	if line == nil {
		return nil, false
	}
	if !whole {
		return nil, len(v.b) < 512
	}
	word := firstWord(line)
	if !oneOf(word, redisInline) {
		return nil, false
	}
	return word, true
}

// redisAnswers tells whether a reply is one to an inline command that nobody else gives: POP3 and NATS have some of the same words, "+OK" and "-ERR".
func (c *call) redisAnswers(command, reply []byte) bool {
	own := c.hasPort(redisPort)
	switch text := reply[1:]; reply[0] {
	case '+':
		switch {
		case equalFold(command, "ping"):
			return string(text) == "PONG"
		case equalFold(command, "quit"):
			return own
		}
		return string(text) == "OK" || string(text) == "QUEUED" || bytes.HasPrefix(text, []byte("Background "))
	case '-':
		word, rest := cutWord(text)
		return own || string(word) != "ERR" || !oneOf(command, "auth quit") && !bytes.HasPrefix(rest, []byte("'"))
	}
	return true
}

const redisPort = 6379

// redisReply tells whether a line is a simple reply.
func redisReply(line []byte) bool {
	if len(line) < 2 {
		return false
	}
	_, number := decimal(bytes.TrimPrefix(line[1:], []byte("-")))
	switch line[0] {
	case '+':
		return true
	case '-': // errors begin with a word in capitals
		word := firstWord(line[1:])
		for _, x := range word {
			if x < 'A' || x > 'Z' {
				return false
			}
		}
		return len(word) >= 3
	case ':', '$', '*', '%', '~', '>': // the last ones are RESP3's
		return number
	}
	return false
}
