package dpi

import (
	"rustnet/track/event"
)

var (
	fieldZabbixRequest = event.AppString("zabbix_request", "Request of the first message, such as agent data or active checks.")
	fieldZabbixHost    = event.AppString("zabbix_host", "Host that the first message names.")

	zabbixFields = []*event.AppField{fieldZabbixRequest, fieldZabbixHost}

	zabbixFirst = bytesIn("Z", 1, 0)
)

// parseZabbix reads a message (Zabbix documentation, Header): magic, flags, two lengths, and JSON or an item's key.
func parseZabbix(c *call) verdict {
	const headerLen, compressed, large, maxData = 13, 2, 4, 1 << 30
	v := &c.view[c.side]
	if got := v.begins("ZBXD"); got != match {
		return got
	}
	b := v.b
	if len(b) < headerLen {
		return v.unfinished()
	}
	if b[4]&1 == 0 || b[4] > 1|compressed|large {
		return no
	}
	n := le32(b[5:])
	if n > maxData {
		return no
	}
	if b[4] == 1 && n > 0 && b[headerLen-1] == 0 {
		if want := headerLen + int(min(n, 512)); len(b) < want && !v.gap && !v.fin {
			return more
		}
		data := b[headerLen:min(len(b), headerLen+int(min(n, 512)))]
		c.fact(fieldZabbixRequest, jsonString(data, `"request"`))
		c.fact(fieldZabbixHost, jsonString(data, `"host"`))
	}
	return c.finish()
}
