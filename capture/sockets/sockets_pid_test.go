//go:build darwin || freebsd || netbsd || openbsd || windows

package sockets

import (
	"net/netip"
	"testing"
)

// TestFind: which of several sockets one between two ends is. Each is proto, state, local, remote, process.
func TestFind(t *testing.T) {
	ap := netip.MustParseAddrPort
	tcp := func(state uint8, local, remote string, pid uint32) Socket {
		return Socket{Proto: TCP, State: state, Local: ap(local), Remote: ap(remote), Inode: pid}
	}
	udp := func(local string, pid uint32) Socket { return tcp(Close, local, "0.0.0.0:0", pid).as(UDP) }
	for _, tc := range []struct {
		name          string
		sockets       []Socket
		local, remote string
		want          uint32 // process, 0 = none
	}{
		{"a connection before who listens", []Socket{tcp(Listen, "192.0.2.1:80", "0.0.0.0:0", 1), tcp(Established, "192.0.2.1:80", "192.0.2.9:4000", 2)}, "192.0.2.1:80", "192.0.2.9:4000", 2},
		{"another's connection", []Socket{tcp(Listen, "192.0.2.1:80", "0.0.0.0:0", 1), tcp(Established, "192.0.2.1:80", "192.0.2.9:4001", 2)}, "192.0.2.1:80", "192.0.2.9:4000", 1},
		{"who listens at the address before who does at any", []Socket{tcp(Listen, "0.0.0.0:80", "0.0.0.0:0", 1), tcp(Listen, "192.0.2.1:80", "0.0.0.0:0", 2)}, "192.0.2.1:80", "192.0.2.9:4000", 2},
		{"who listens at any", []Socket{tcp(Listen, "0.0.0.0:80", "0.0.0.0:0", 1), tcp(Listen, "192.0.2.2:80", "0.0.0.0:0", 2)}, "192.0.2.1:80", "192.0.2.9:4000", 1},
		{"IPv4 to who listens at both", []Socket{tcp(Listen, "[::]:80", "0.0.0.0:0", 1)}, "192.0.2.1:80", "192.0.2.9:4000", 1},
		{"IPv4 before both", []Socket{tcp(Listen, "[::]:80", "0.0.0.0:0", 1), tcp(Listen, "0.0.0.0:80", "0.0.0.0:0", 2)}, "192.0.2.1:80", "192.0.2.9:4000", 2},
		{"IPv4 not to who listens at IPv6 only", []Socket{{Proto: TCP, State: Listen, Local: ap("[::]:80"), V6Only: true, Inode: 1}}, "192.0.2.1:80", "192.0.2.9:4000", 0},
		{"IPv6 not to IPv4", []Socket{tcp(Listen, "0.0.0.0:80", "0.0.0.0:0", 1)}, "[2001:db8::1]:80", "[2001:db8::9]:4000", 0},
		{"a datagram to its address", []Socket{udp("0.0.0.0:53", 1), udp("127.0.0.1:53", 2)}, "127.0.0.1:53", "127.0.0.1:4000", 2},
		{"a connected one", []Socket{udp("192.0.2.1:6000", 1), tcp(Close, "192.0.2.1:6000", "192.0.2.53:53", 2).as(UDP)}, "192.0.2.1:6000", "192.0.2.53:53", 2},
		{"not one that is connected elsewhere", []Socket{tcp(Close, "192.0.2.1:6000", "192.0.2.53:53", 2).as(UDP)}, "192.0.2.1:6000", "192.0.2.54:53", 0},
		{"another port", []Socket{udp("0.0.0.0:54", 1)}, "127.0.0.1:53", "127.0.0.1:4000", 0},
		{"one process twice", []Socket{udp("0.0.0.0:5353", 1), udp("0.0.0.0:5353", 1)}, "192.0.2.1:5353", "192.0.2.9:5353", 1},
		{"two processes", []Socket{udp("0.0.0.0:5353", 1), udp("0.0.0.0:5353", 2)}, "192.0.2.1:5353", "192.0.2.9:5353", 0},
		{"two processes, one of them at the address", []Socket{udp("0.0.0.0:5353", 1), udp("0.0.0.0:5353", 2), udp("192.0.2.1:5353", 3)}, "192.0.2.1:5353", "192.0.2.9:5353", 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := latest{sockets: tc.sockets}
			s, ok := l.find(ap(tc.local), ap(tc.remote))
			if ok != (tc.want != 0) || s.Inode != tc.want {
				t.Errorf("got %+v, %v, want that of process %d", s, ok, tc.want)
			}
		})
	}
}

func (s Socket) as(proto uint8) Socket {
	s.Proto = proto
	return s
}
