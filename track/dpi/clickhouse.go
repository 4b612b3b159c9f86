package dpi

import "rustnet/track/event"

var (
	fieldClickhouseAgent = event.AppString("clickhouse_client", "Program of the client.")
	fieldClickhouseUser  = event.AppString("clickhouse_user", "User that the client named.")
	fieldClickhouseDB    = event.AppString("clickhouse_database", "Database that the client named.")

	clickhouseFields = []*event.AppField{fieldClickhouseAgent, fieldClickhouseUser, fieldClickhouseDB}

	clickhouseFirst = bytesIn("\x00", 1, 0)
)

// parseClickHouse reads the client's hello (ClickHouse's documentation, native protocol): kind, name, versions, database, user, and
// a password that is not shown. Numbers and lengths are of variable size.
func parseClickHouse(c *call) verdict {
	const hello = 0
	v := &c.view[c.side]
	r := cursor{b: v.b}
	kind := r.mqttVarint()
	text := func() []byte { return r.bytes(r.mqttVarint()) }
	name := text()
	if kind != hello || len(name) > 64 || len(name) > 0 && (!textLine(name) || !containsFold(name, "clickhouse")) && !(c.hasPort(9000) && containsFold(name, "client")) {
		return no
	}
	if !r.bad && len(name) < 4 {
		return no
	}
	major := r.mqttVarint()
	r.mqttVarint()
	r.mqttVarint()
	database, user := text(), text()
	if r.bad {
		if len(v.b) > 512 {
			return no
		}
		return v.unfinished()
	}
	if c.side == Resp && v.whole || major > 100 {
		return no
	}
	if string(name) == "ClickHouse" { // the server's answer, whose next texts are others; no client has this name alone
		c.setClient(1 - c.side)
		return c.finish()
	}
	c.setClient(c.side)
	c.fact(fieldClickhouseAgent, name)
	c.fact(fieldClickhouseDB, database)
	c.fact(fieldClickhouseUser, user)
	return c.finish()
}
