package sockets

import "golang.org/x/sys/unix"

const portsFrom, portsTo = "net.inet.ip.portrange.first", "net.inet.ip.portrange.last"

const wideOnly = true

// list calls put for the sockets of one protocol.
func list(proto uint8, put func(Socket)) error {
	name := "net.inet.tcp.pcblist"
	if proto == UDP {
		name = "net.inet.udp.pcblist"
	}
	return withHolders(put, func(put func(Socket, uint64)) error {
		b, err := unix.SysctlRaw(name)
		if err == nil && !eachXinpcb(b, proto, put) {
			err = errCut
		}
		return err
	}, func() (holders, error) {
		b, err := unix.SysctlRaw("kern.file")
		return xfileHolders(b), err
	})
}
