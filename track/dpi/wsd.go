package dpi

import (
	"bytes"

	"rustnet/track/event"
)

var (
	fieldWSDAction = event.AppString("wsd_action", "First message: Hello, Bye, Probe, ProbeMatches, Resolve or ResolveMatches.").Spelt(event.OneOf(wsdActions...))

	wsdFields = []*event.AppField{fieldWSDAction}

	wsdActions = []string{"Hello", "Bye", "Probe", "ProbeMatches", "Resolve", "ResolveMatches"}

	wsdFirst = bytesIn("<\xef", 1, 0)
)

// wsdNames are the namespaces of WS-Discovery (2005, and OASIS 1.1), which the action begins with.
var wsdNames = [...][]byte{[]byte("schemas.xmlsoap.org/ws/2005/04/discovery"), []byte("docs.oasis-open.org/ws-dd/ns/discovery/2009/01")}

func parseWSD(c *call) verdict {
	b := c.view[c.side].b
	b = b[:min(len(b), 2<<10)]
	found := false
	for _, name := range wsdNames {
		for rest := b; ; {
			i := bytes.Index(rest, name)
			if i < 0 {
				break
			}
			found = true
			rest = rest[i+len(name):]
			if action, ok := bytes.CutPrefix(rest, []byte("/")); ok {
				end := 0
				for end < len(action) && alphanumeric(action[end]) {
					end++
				}
				if known := spelled(action[:end], wsdActions); end < len(action) && known != "" && !c.f.app.Has(fieldWSDAction) {
					c.edit().SetStr(fieldWSDAction, known)
				}
			}
		}
	}
	if !found {
		return no
	}
	return c.finish()
}
