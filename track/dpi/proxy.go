package dpi

import (
	"net/netip"

	"rustnet/track/event"
)

var (
	fieldProxyVersion   = event.AppUint("proxy_version", "", "Version of the PROXY protocol: 1 or 2.")
	fieldProxyClient    = event.AppString("proxy_client", "Address and port of the client that a load balancer connects for.").Spelt(event.Endpoint)
	fieldProxyServer    = event.AppString("proxy_server", "Address and port that this client connected to.").Spelt(event.Endpoint)
	fieldProxyAuthority = event.AppString("proxy_authority", "Host name that this client asked for, where the load balancer tells.")

	proxyFields = []*event.AppField{fieldProxyVersion, fieldProxyClient, fieldProxyServer, fieldProxyAuthority}

	proxyFirst = bytesIn("P\r", 1, 0)
)

const (
	proxyTextLen   = 107 // the longest header of version 1, with its line's end
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyHeadLen   = 16
)

// parseProxy reads the header that a load balancer puts before what its client says (HAProxy's proxy-protocol.txt, versions 1 and
// 2). The connection speaks what follows, which gives it its name.
func parseProxy(c *call) verdict {
	v := &c.view[c.side]
	if c.f.headed {
		return no
	}
	size, got := 0, no
	if v.b[0] == 'P' {
		size, got = c.proxyText(v)
	} else {
		size, got = c.proxyBinary(v)
	}
	if got != match {
		return got
	}
	c.setClient(c.side)
	c.eat(c.side, size)
	c.inside()
	c.f.headed = true
	return match
}

// proxyText reads version 1, a line: PROXY TCP4 source destination port port. UNKNOWN may be followed by anything.
func (c *call) proxyText(v *view) (size int, got verdict) {
	if got = v.begins("PROXY "); got != match {
		return 0, got
	}
	line, size := cutLine(v.b)
	switch {
	case size == 0 && len(v.b) < proxyTextLen && textLine(trimCR(v.b)):
		return 0, v.unfinished()
	case size == 0 || size > proxyTextLen || size != len(line)+2 || !textLine(line):
		return 0, no
	}
	_, rest := cutWord(line)
	family, rest := cutWord(rest)
	var ends [4][]byte
	for i := range ends {
		ends[i], rest = cutWord(rest)
	}
	if string(family) == "UNKNOWN" {
		c.edit().SetUint(fieldProxyVersion, 1)
		return size, match
	}
	from, ok := proxyEnd(ends[0], ends[2], string(family))
	to, fine := proxyEnd(ends[1], ends[3], string(family))
	if !ok || !fine || len(rest) > 0 {
		return 0, no
	}
	c.edit().SetUint(fieldProxyVersion, 1)
	c.endpoint(fieldProxyClient, from)
	c.endpoint(fieldProxyServer, to)
	return size, match
}

func proxyEnd(addr, port []byte, family string) (end netip.AddrPort, ok bool) {
	a, err := netip.ParseAddr(string(addr))
	n := 0
	for _, d := range port {
		n = n*10 + int(d-'0')
	}
	ok = err == nil && a.Zone() == "" && (family == "TCP4" && a.Is4() || family == "TCP6" && a.Is6()) && len(port) > 0 && digits(port, 5) && n <= 0xffff
	return netip.AddrPortFrom(a, uint16(n)), ok
}

// proxyBinary reads version 2: signature, version and command, family and transport, length, addresses, and what else is told.
func (c *call) proxyBinary(v *view) (size int, got verdict) {
	const local, proxied = 0x20, 0x21
	if got = v.begins(proxySignature); got != match {
		return 0, got
	}
	if len(v.b) < proxyHeadLen {
		return 0, v.unfinished()
	}
	command, family, transport := v.b[12], v.b[13]>>4, v.b[13]&15
	if command != local && command != proxied || family > 3 || transport > 2 {
		return 0, no
	}
	size = proxyHeadLen + int(be16(v.b[14:]))
	if len(v.b) < size {
		return 0, v.unfinished()
	}
	c.edit().SetUint(fieldProxyVersion, 2)
	r := cursor{b: v.b[proxyHeadLen:size]}
	addr := [...]int{1: 4, 2: 16, 3: 108}[family] // of a unix socket: its path
	from, to := r.bytes(addr), r.bytes(addr)
	if command == local || r.bad || addr == 0 {
		return size, match // a check of the balancer's own, or of whom is not said
	}
	if family < 3 {
		ports := r.bytes(4)
		if r.bad {
			return size, match
		}
		client, _ := netip.AddrFromSlice(from) // the lengths are right
		server, _ := netip.AddrFromSlice(to)
		c.endpoint(fieldProxyClient, netip.AddrPortFrom(client, be16(ports)))
		c.endpoint(fieldProxyServer, netip.AddrPortFrom(server, be16(ports[2:])))
	}
	const authority = 2
	for len(r.b) >= 3 {
		kind, value := r.u8(), r.vector16()
		if kind == authority && hostName(value) {
			c.fact(fieldProxyAuthority, value)
		}
	}
	return size, match
}
