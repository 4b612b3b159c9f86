package sockets

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
)

// procNetFile names the table in /proc/net of a protocol, IPv4 or IPv6.
func procNetFile(f int, proto uint8) string {
	switch proto {
	case TCP:
		return [2]string{"tcp", "tcp6"}[f]
	case UDP:
		return [2]string{"udp", "udp6"}[f]
	case UDPLite:
		return [2]string{"udplite", "udplite6"}[f]
	case Raw:
		return [2]string{"raw", "raw6"}[f]
	case ICMP:
		return [2]string{"icmp", ""}[f]
	case ICMP6:
		return [2]string{"", "icmp6"}[f]
	}
	return ""
}

// readProcNet reads one table as text: for ping sockets, which sock_diag does not have, and for
// kernels without the sock_diag module. A table that is not there is empty.
func (c *Conn) readProcNet(dst []Socket, f int, proto uint8, limit int) ([]Socket, error) {
	name := procNetFile(f, proto)
	if name == "" {
		return dst, nil
	}
	file, err := os.Open(c.proc + "/" + name)
	if errors.Is(err, os.ErrNotExist) {
		return dst, nil
	}
	if err != nil {
		return dst, fmt.Errorf("read socket table: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var s Socket
		if !parseProcNet(lines.Bytes(), f, proto, &s) {
			continue // the heading
		}
		if len(dst) >= limit {
			c.lost++
			continue
		}
		dst = append(dst, s)
	}
	if err := lines.Err(); err != nil {
		return dst, fmt.Errorf("read socket table %s: %w", file.Name(), err)
	}
	return dst, nil
}

// getProcNet does Get's work on the text tables: the best match wins, as in the kernel.
func (c *Conn) getProcNet(f int, proto uint8, local, remote netip.AddrPort) (Socket, error) {
	var all []Socket
	for family := f; family < 2; family++ { // IPv4 may live in IPv6 sockets
		var err error
		if all, err = c.readProcNet(all, family, proto, c.max); err != nil {
			return Socket{}, err
		}
	}
	best, score := -1, 0
	for i := range all {
		if n := matchScore(&all[i], local, remote); n > score {
			best, score = i, n
		}
	}
	if best < 0 {
		return Socket{}, ErrNotFound
	}
	return all[best], nil
}

// matchScore says how well a socket fits a packet between local and remote; 0 = not at all.
func matchScore(s *Socket, local, remote netip.AddrPort) int {
	score := 1
	if s.Raw {
		if s.Proto != uint8(local.Port()) {
			return 0
		}
	} else if s.Local.Port() != local.Port() {
		return 0
	}
	switch a := s.Local.Addr(); {
	case a == local.Addr().Unmap():
		score++
	case !a.IsUnspecified() || a.Is4() && !local.Addr().Unmap().Is4():
		return 0
	}
	switch r := s.Remote; {
	case r.Addr() == remote.Addr().Unmap() && (s.Raw || r.Port() == remote.Port()):
		score += 2
	case r.Port() != 0 || !r.Addr().IsUnspecified():
		return 0
	case s.Proto == TCP && s.State != Listen:
		return 0
	}
	return score
}

// parseProcNet reads one line of /proc/net/tcp and its like (Documentation/networking/proc_net_tcp.rst):
//
//	sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
func parseProcNet(line []byte, f int, proto uint8, s *Socket) bool {
	var col [10][]byte
	rest := line
	for i := range col {
		rest = bytes.TrimLeft(rest, " ")
		end := bytes.IndexByte(rest, ' ')
		if end < 0 {
			end = len(rest)
		}
		if end == 0 {
			return false
		}
		col[i], rest = rest[:end], rest[end:]
	}
	*s = Socket{Proto: proto}
	var ok [5]bool
	var state, uid, inode uint64
	s.Local, ok[0] = parseHexAddr(col[1], f)
	s.Remote, ok[1] = parseHexAddr(col[2], f)
	state, ok[2] = parseUint(col[3], 16, 8)
	uid, ok[3] = parseUint(col[7], 10, 32)
	inode, ok[4] = parseUint(col[9], 10, 32)
	if ok != [5]bool{true, true, true, true, true} {
		return false
	}
	s.State, s.UID, s.Inode = uint8(state), uint32(uid), uint32(inode)
	if proto == Raw {
		s.Raw, s.Proto = true, uint8(s.Local.Port())
		s.Local = netip.AddrPortFrom(s.Local.Addr(), 0)
		s.Remote = netip.AddrPortFrom(s.Remote.Addr(), 0)
	}
	return true
}

func parseUint(b []byte, base, bits int) (uint64, bool) {
	n, err := strconv.ParseUint(string(b), base, bits)
	return n, err == nil
}

// parseHexAddr reads an address printed as 32-bit words in the machine's byte order, and a port.
func parseHexAddr(b []byte, f int) (netip.AddrPort, bool) {
	digits := [2]int{8, 32}[f]
	if len(b) != digits+5 || b[digits] != ':' {
		return netip.AddrPort{}, false
	}
	var raw [16]byte
	for i := 0; i < digits/8; i++ {
		word, ok := parseUint(b[8*i:8*i+8], 16, 32)
		if !ok {
			return netip.AddrPort{}, false
		}
		binary.NativeEndian.PutUint32(raw[4*i:], uint32(word))
	}
	port, ok := parseUint(b[digits+1:], 16, 16)
	if !ok {
		return netip.AddrPort{}, false
	}
	a := netip.AddrFrom16(raw).Unmap()
	if f == 0 {
		a = netip.AddrFrom4([4]byte(raw[:4]))
	}
	return netip.AddrPortFrom(a, uint16(port)), true
}

// ephemeralPorts reads the range of local ports that the kernel gives out; the default of
// Linux when it cannot be read.
func (c *Conn) ephemeralPorts() [2]uint16 {
	b, err := os.ReadFile(c.proc + "/../sys/net/ipv4/ip_local_port_range")
	f := bytes.Fields(b)
	if err == nil && len(f) == 2 {
		lo, ok1 := parseUint(f[0], 10, 16)
		hi, ok2 := parseUint(f[1], 10, 16)
		if ok1 && ok2 {
			return [2]uint16{uint16(lo), uint16(hi)}
		}
	}
	return [2]uint16{32768, 60999}
}
