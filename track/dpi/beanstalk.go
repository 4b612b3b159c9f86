package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldBeanstalkFirst = event.AppString("beanstalk_command", "First command.").Spelt(event.Small)

	beanstalkFields = []*event.AppField{fieldBeanstalkFirst}

	beanstalkFirst = bytesIn("prwuikdslqbtIFURWOND", 1, 0)
)

// beanstalkMaxWord is as long as the longest command.
const beanstalkMaxWord = len("reserve-with-timeout")

// parseBeanstalk reads the first command or answer (beanstalkd's protocol.txt). Commands that others have, too, need an answer.
func parseBeanstalk(c *call) verdict {
	for client := Orig; client <= Resp; client++ {
		line, whole := firstLine(&c.view[client])
		word, rest := cutWord(line)
		if !whole || len(word) > beanstalkMaxWord || string(bytes.ToLower(word)) != string(word) {
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
	if other := &c.view[1-c.side]; whole && !v.gap && !other.gap && !other.fin {
		return more // also when this end has said all that it will
	}
	return v.unfinished()
}
