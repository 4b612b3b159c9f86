package sockets

import "net/netip"

// Translation is a connection whose ends the kernel's NAT changes, as conntrack has it. Of an ICMP echo the identifier,
// which NAT may change as well, is the port of both ends.
type Translation struct {
	Proto uint8
	// From and To are the ends that the one that opened it knows: its own, and the one it meant.
	From, To netip.AddrPort
	// Source and Dest are what the other end knows: where it comes from, and its own.
	Source, Dest netip.AddrPort
}
