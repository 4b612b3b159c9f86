package sockets

import (
	"math"

	"golang.org/x/sys/unix"
)

const portsFrom, portsTo = "net.inet.ip.anonportmin", "net.inet.ip.anonportmax"

const wideOnly = false

// list calls put for the sockets of one protocol. A list is asked for by what of it (all), how long a record is, and how many.
func list(proto uint8, put func(Socket)) error {
	names := []string{"net.inet.tcp.pcblist", "net.inet6.tcp6.pcblist"}
	if proto == UDP {
		names = []string{"net.inet.udp.pcblist", "net.inet6.udp6.pcblist"}
	}
	return withHolders(put, func(put func(Socket, uint64)) error {
		for _, name := range names {
			b, err := unix.SysctlRaw(name, 0, 0, kinfoPCB.size, math.MaxInt32)
			if err != nil {
				return err
			}
			eachKinfoPCB(b, proto, put)
		}
		return nil
	}, func() (holders, error) {
		const byPID, all = 2, -1
		b, err := unix.SysctlRaw("kern.file2", byPID, all, netbsdFile.size, math.MaxInt32)
		return kinfoHolders(b), err
	})
}
