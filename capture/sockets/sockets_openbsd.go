package sockets

import (
	"math"

	"golang.org/x/sys/unix"
)

const portsFrom, portsTo = "net.inet.ip.portfirst", "net.inet.ip.portlast"

const wideOnly = true

// list calls put for the sockets of one protocol. The list is asked for by what of it, how long a record is, and how many.
func list(proto uint8, put func(Socket)) error {
	const byPID, all = 2, -1
	b, err := unix.SysctlRaw("kern.file", byPID, all, openbsdFile.size, math.MaxInt32)
	if err == nil {
		eachKinfoFile(b, proto, put)
	}
	return err
}
