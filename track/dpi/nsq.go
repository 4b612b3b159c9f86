package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldNSQTopic = event.AppString("nsq_topic", "Topic of the first subscription or message.")

	nsqFields = []*event.AppField{fieldNSQTopic}

	nsqFirst = bytesIn(" ", 1, 0)
)

// parseNSQ reads what a client of nsqd begins with: the version, then commands of a line, of which IDENTIFY has a body behind it.
func parseNSQ(c *call) verdict {
	const magic, maxBody = "  V2", 16 << 10
	v := &c.view[c.side]
	if got := v.begins(magic); got != match {
		return got
	}
	b := v.b[len(magic):]
	if body, ok := bytes.CutPrefix(b, []byte("IDENTIFY\n")); ok {
		if len(body) < 4 {
			return v.unfinished()
		}
		n := be32(body)
		if n > maxBody {
			return no
		}
		b = body[min(4+int(n), len(body)):]
	}
	line, _, whole := bytes.Cut(b, []byte("\n"))
	command, rest, _ := bytes.Cut(line, []byte(" "))
	switch {
	case whole && !oneOf(command, "sub pub mpub dpub rdy fin nop cls auth touch req"), len(b) > 256 && !whole:
		return no
	case !whole:
		return v.unfinished()
	}
	c.edit()
	c.setClient(c.side)
	if oneOf(command, "sub pub mpub dpub") {
		topic, _, _ := bytes.Cut(rest, []byte(" "))
		c.firstFact(fieldNSQTopic, topic)
	}
	return c.finish()
}
