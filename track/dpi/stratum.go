package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldStratumMethod = event.AppString("stratum_method", "First method that a miner called.")
	fieldStratumAgent  = event.AppString("stratum_agent", "Program of the miner.")

	stratumFields = []*event.AppField{fieldStratumMethod, fieldStratumAgent}

	stratumFirst = bytesIn("{", 1, 0)
)

// parseStratum reads a miner's first call, JSON in a line. Who mines, and the password, are among the parameters, which are not shown.
func parseStratum(c *call) verdict {
	v := &c.view[c.side]
	line, whole := firstLine(v)
	if line == nil {
		return no
	}
	method := jsonString(line, `"method"`)
	switch {
	case bytes.HasPrefix(method, []byte("mining.")), oneOf(method, "eth_submitlogin eth_getwork eth_submitwork eth_submithashrate"),
		oneOf(method, "login submit keepalived") && bytes.Contains(line, []byte(`"params"`)) && bytes.Contains(line, []byte(`"id"`)):
	case whole:
		return no
	default:
		return v.unfinished()
	}
	if !whole {
		return v.unfinished()
	}
	c.setClient(c.side)
	c.fact(fieldStratumMethod, method)
	if string(method) == "mining.subscribe" {
		_, params, _ := bytes.Cut(line, []byte(`"params"`))
		if _, list, ok := bytes.Cut(params, []byte(`["`)); ok {
			agent, _, _ := bytes.Cut(list, []byte(`"`))
			c.fact(fieldStratumAgent, agent)
		}
	} else if agent := jsonString(line, `"agent"`); agent != nil {
		c.fact(fieldStratumAgent, agent)
	}
	return c.finish()
}
