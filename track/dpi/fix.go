package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldFIXVersion = event.AppString("fix_version", "BeginString, such as FIX.4.4.").Spelt(event.Shaped("as it was sent", "FIX.4.4", `FIX.*`))
	fieldFIXSender  = event.AppString("fix_sender", "SenderCompID of the end that opened the connection.")
	fieldFIXTarget  = event.AppString("fix_target", "CompID of the other end.")
)

var fixFields = []*event.AppField{fieldFIXVersion, fieldFIXSender, fieldFIXTarget}

var fixFirst = bytesIn("8", 1, 0)

const fixMaxHeader = 1 << 10

// parseFIX reads the standard header of the first message (FIX session protocol: BeginString, BodyLength, MsgType come first).
func parseFIX(c *call) verdict {
	v := &c.view[c.side]
	if got := v.begins("8=FIX"); got != match {
		return got
	}
	version, rest, ok := fixField(v.b, "8=")
	length, rest, ok2 := fixField(rest, "9=")
	kind, _, ok3 := fixField(rest, "35=")
	if !ok || !ok2 || !ok3 {
		if len(v.b) > 64 {
			return no
		}
		return v.unfinished()
	}
	n, isNumber := decimal(length)
	if !isNumber || n > 1<<20 || len(kind) > 3 || !printable(version) || !printable(kind) {
		return no
	}
	header := rest[:min(len(rest), int(n), fixMaxHeader)]
	if len(rest) < min(int(n), fixMaxHeader) && !v.gap && !v.fin {
		return more
	}
	sender, target := fixValue(header, "\x0149="), fixValue(header, "\x0156=")
	if sender == nil || target == nil { // short cuts leave the names out; then the checksum must stand in its place
		if n > fixMaxHeader {
			return no
		}
		if len(rest) < int(n)+len("10=000\x01") {
			return v.unfinished()
		}
		sum, _, ok := fixField(rest[n:], "10=")
		if _, isNumber := decimal(sum); !ok || !isNumber || len(sum) != 3 {
			return no
		}
	}
	if c.side == Resp {
		sender, target = target, sender
	}
	c.fact(fieldFIXVersion, version)
	c.fact(fieldFIXSender, sender)
	c.fact(fieldFIXTarget, target)
	return c.finish()
}

func fixField(b []byte, tag string) (value, rest []byte, ok bool) {
	if len(b) < len(tag) || string(b[:len(tag)]) != tag {
		return nil, nil, false
	}
	return bytes.Cut(b[len(tag):], []byte{1})
}

func fixValue(b []byte, tag string) []byte {
	i := bytes.Index(b, []byte(tag))
	if i < 0 {
		return nil
	}
	value, _, ok := bytes.Cut(b[i+len(tag):], []byte{1})
	if !ok {
		return nil
	}
	return value
}
