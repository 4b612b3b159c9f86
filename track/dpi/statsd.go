package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldStatsDMetric = event.AppString("statsd_metric", "Name of the first metric.")

	statsdFields = []*event.AppField{fieldStatsDMetric}

	statsdFirst = func() *byteSet {
		set := bytesIn("_", '0', '9')
		for b := byte('A'); b <= 'Z'; b++ {
			set[b>>6] |= 1<<(b&63) | 1<<(b&63+' ')
		}
		return set
	}()
)

// parseStatsD knows a datagram of metrics (StatsD's docs/metric_types.md, and the tags that DogStatsD adds): lines of
// name:value|type, then |@rate, |#tags and the like.
func parseStatsD(c *call) verdict {
	v := &c.view[c.side]
	at := 0
	for at < len(v.b) && statsdNameByte(v.b[at]) {
		at++
	}
	if at == 0 || at > 200 || at == len(v.b) || v.b[at] != ':' {
		return no
	}
	metric, rest := v.b[:at], v.b[at+1:]
	if end := bytes.IndexByte(rest, '\n'); end >= 0 {
		rest = rest[:end]
	} else if v.gap {
		return no
	}
	value, rest, ok := bytes.Cut(rest, []byte("|"))
	kind, options, more := bytes.Cut(rest, []byte("|"))
	if !ok || len(value) == 0 || !textLine(rest) || !oneOf(kind, "c g ms h s d m kv") || more && (len(options) == 0 || bytes.IndexByte([]byte("@#cTe"), options[0]) < 0) {
		return no
	}
	if kind[0] != 's' { // members of a set may be any text
		for _, b := range value {
			if !digit(b) && bytes.IndexByte([]byte("+-.e:"), b) < 0 {
				return no
			}
		}
	} else if !textLine(value) {
		return no
	}
	c.setClient(c.side)
	c.fact(fieldStatsDMetric, metric)
	return c.finish()
}

func statsdNameByte(b byte) bool {
	return alphanumeric(b) || b == '.' || b == '_' || b == '-' || b == '/' || b == ',' || b == '=' || b == ';'
}
