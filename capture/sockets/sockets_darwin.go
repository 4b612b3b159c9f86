package sockets

import "golang.org/x/sys/unix"

const portsFrom, portsTo = "net.inet.ip.portrange.first", "net.inet.ip.portrange.last"

const wideOnly = false

// list calls put for the sockets of one protocol.
func list(proto uint8, put func(Socket)) error {
	name := "net.inet.tcp.pcblist_n"
	if proto == UDP {
		name = "net.inet.udp.pcblist_n"
	}
	b, err := unix.SysctlRaw(name)
	if err == nil && !eachPCB(b, proto, put) {
		err = errCut
	}
	return err
}
