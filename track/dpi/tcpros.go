package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldROSTopic  = event.AppString("ros_topic", "Topic or service that the connection is for.")
	fieldROSType   = event.AppString("ros_type", "Type of its messages, as std_msgs/String.")
	fieldROSCaller = event.AppString("ros_caller", "Name of the first node that says it.")

	tcprosFields = []*event.AppField{fieldROSTopic, fieldROSType, fieldROSCaller}

	tcprosNames = []string{"callerid", "error", "latching", "md5sum", "message_definition", "persistent", "probe", "request_type", "response_type", "service", "tcp_nodelay", "topic", "type"}
)

// parseTCPROS reads the header that both nodes of ROS 1 begin a connection with (http://wiki.ros.org/ROS/TCPROS): its length, and fields with theirs.
func parseTCPROS(c *call) verdict {
	const maxHead, maxName = 64<<10 - 1, 20
	v := &c.view[c.side]
	b := v.b
	if len(b) < 8 {
		return v.unfinished()
	}
	size, first := size32(le32(b)), size32(le32(b[4:]))
	if size < 8 || size > maxHead || first < 2 || first > size-4 || !v.whole {
		return no
	}
	name, _, ok := bytes.Cut(b[8:min(len(b), 8+first, 8+maxName)], []byte{'='})
	switch {
	case !ok && len(b) < 8+min(first, maxName):
		return v.unfinished()
	case !ok || spelled(name, tcprosNames) == "":
		return no
	case len(b) < 4+size && !v.gap && !v.fin && len(b) < 4<<10:
		return more
	}
	r := cursor{b: b[4:min(len(b), 4+size)]}
	for len(r.b) >= 4 {
		n := le32(r.bytes(4))
		if n > uint32(len(r.b)) {
			break
		}
		name, value, _ := bytes.Cut(r.bytes(int(n)), []byte{'='})
		switch string(name) {
		case "topic", "service":
			c.firstFact(fieldROSTopic, value)
		case "type":
			c.firstFact(fieldROSType, value)
		case "callerid":
			c.firstFact(fieldROSCaller, value)
		case "tcp_nodelay", "persistent", "probe":
			c.setClient(c.side)
		case "latching", "message_definition", "request_type", "response_type":
			c.setClient(1 - c.side)
		}
	}
	return c.finish()
}
