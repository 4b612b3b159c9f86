package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldSourceName = event.AppString("source_engine_name", "Name of the game server.")
	fieldSourceMap  = event.AppString("source_engine_map", "Map that is played.")
	fieldSourceGame = event.AppString("source_engine_game", "Folder of the game.")
)

var sourceFields = []*event.AppField{fieldSourceName, fieldSourceMap, fieldSourceGame}

// sourceFirst: packets that are not split.
var sourceFirst = bytesIn("\xff", 1, 0)

const (
	sourcePacket = "\xff\xff\xff\xff"
	sourceInfo   = sourcePacket + "TSource Engine Query\x00"
)

// parseSource reads the queries of game servers on the Source engine (Valve Developer Community, Server queries).
func parseSource(c *call) verdict {
	v := &c.view[c.side]
	b := v.b
	if st, ok := c.f.state.(*asker); ok {
		if c.side != st.client && c.sourceAnswer(b) {
			return c.finish()
		}
		return match
	}
	switch {
	case len(b) >= len(sourceInfo) && string(b[:len(sourceInfo)]) == sourceInfo && (len(b) == len(sourceInfo) || len(b) == len(sourceInfo)+4):
		c.f.state = &asker{client: c.side}
		c.setClient(c.side)
		c.edit()
		c.know()
		return match
	case len(b) > 20 && string(b[:4]) == sourcePacket && c.sourceAnswer(b):
		c.setClient(1 - c.side)
		return c.finish()
	}
	return no
}

// sourceAnswer reads an answer: protocol, name, map, folder and game, each with a zero behind, then at least eleven bytes.
func (c *call) sourceAnswer(b []byte) bool {
	if len(b) < 6 || b[4] != 'I' {
		return false
	}
	var texts [4][]byte
	rest := b[6:]
	for i := range texts {
		var ok bool
		if texts[i], rest, ok = zeroText(rest); !ok || len(texts[i]) > maxFactLen {
			return false
		}
	}
	const fixed = 2 + 1 + 1 + 1 + 1 + 1 + 1 + 1
	if len(rest) < fixed+2 || !oneLine(texts[0]) || !oneLine(texts[2]) || bytes.IndexByte([]byte("dlpDLP"), rest[5]) < 0 || bytes.IndexByte([]byte("lwmoLWMO"), rest[6]) < 0 {
		return false
	}
	c.fact(fieldSourceName, texts[0])
	c.fact(fieldSourceMap, texts[1])
	c.fact(fieldSourceGame, texts[2])
	return true
}
