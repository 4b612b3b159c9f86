package dpi

import "bytes"

var dropboxFirst = bytesIn("{", 1, 0)

// parseDropbox reads Dropbox's search for others in the network: JSON that names the host and its shared folders.
func parseDropbox(c *call) verdict {
	b := c.view[c.side].b
	if !bytes.Contains(b, []byte(`"host_int":`)) || !bytes.Contains(b, []byte(`"namespaces":`)) && !bytes.Contains(b, []byte(`"displayname":`)) {
		return no
	}
	return c.finish()
}
