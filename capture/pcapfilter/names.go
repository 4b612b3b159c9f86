package pcapfilter

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// Resolver turns the names of an expression into numbers. A nil function stands for the default, and none
// is called unless the expression has such a name; only Host uses the network, and only for "host NAME".
type Resolver struct {
	Host  func(name string) ([]netip.Addr, error)        // default: the system's resolver, up to 5 s
	Port  func(proto, name string) (uint16, bool)        // proto is "tcp" or "udp"; default: /etc/services, then well-known ports
	Proto func(name string) (uint8, bool)                // default: /etc/protocols, then well-known protocols
	Net   func(name string) (addr, mask uint32, ok bool) // default: /etc/networks
	Ether func(name string) ([6]byte, bool)              // default: /etc/ethers
}

func (r Resolver) withDefaults() Resolver {
	if r.Host == nil {
		r.Host = lookupHost
	}
	if r.Port == nil {
		r.Port = lookupPort
	}
	if r.Proto == nil {
		r.Proto = lookupProto
	}
	if r.Net == nil {
		r.Net = lookupNet
	}
	if r.Ether == nil {
		r.Ether = lookupEther
	}
	return r
}

// remembering asks for each host once, though the expression is compiled several times.
func (r Resolver) remembering() Resolver {
	type answer struct {
		addrs []netip.Addr
		err   error
	}
	ask, known := r.withDefaults().Host, map[string]answer{}
	r.Host = func(name string) ([]netip.Addr, error) {
		a, ok := known[name]
		if !ok {
			a.addrs, a.err = ask(name)
			known[name] = a
		}
		return a.addrs, a.err
	}
	return r
}

func lookupHost(name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}

func lookupPort(proto, name string) (uint16, bool) {
	for f := range fileLines("/etc/services") {
		num, p, ok := strings.Cut(second(f), "/")
		if ok && p == proto && named(f, name) {
			if n, err := strconv.ParseUint(num, 10, 16); err == nil {
				return uint16(n), true
			}
		}
	}
	s, ok := wellKnownPorts[name]
	if !ok || proto == "tcp" && s.udpOnly || proto == "udp" && s.tcpOnly {
		return 0, false
	}
	return s.port, true
}

func lookupProto(name string) (uint8, bool) {
	for f := range fileLines("/etc/protocols") {
		if named(f, name) {
			if n, err := strconv.ParseUint(second(f), 10, 8); err == nil {
				return uint8(n), true
			}
		}
	}
	n, ok := wellKnownProtos[name]
	return n, ok
}

// lookupNet: as libpcap has it, "10" is 10.0.0.0/8, but "10.0.0.0" is a single address.
func lookupNet(name string) (addr, mask uint32, ok bool) {
	for f := range fileLines("/etc/networks") {
		if named(f, name) {
			if v, _, good := parsePartialIPv4(second(f)); good && v != 0 {
				addr, mask = leftJustify(v)
				return addr, mask, true
			}
		}
	}
	return 0, 0, false
}

func lookupEther(name string) ([6]byte, bool) {
	for f := range fileLines("/etc/ethers") {
		if len(f) > 1 && f[1] == name && macLen(f[0]) == len(f[0]) {
			return parseMAC(f[0]), true
		}
	}
	return [6]byte{}, false
}

// fileLines gives the fields of each line of one of the system's tables, without comments. A file that
// is not there has no lines.
func fileLines(path string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		file, err := os.Open(path)
		if err != nil {
			return
		}
		defer file.Close()
		for sc := bufio.NewScanner(file); sc.Scan(); {
			line, _, _ := strings.Cut(sc.Text(), "#")
			if f := strings.Fields(line); len(f) > 1 && !yield(f) {
				return
			}
		}
	}
}

func second(f []string) string { return f[1] }

// named: the first field is the name, those after the second are other names.
func named(f []string, name string) bool {
	for i, s := range f {
		if i != 1 && s == name {
			return true
		}
	}
	return false
}

type service struct {
	port             uint16
	tcpOnly, udpOnly bool
}

// wellKnownPorts serve where there is no /etc/services: the names people filter by (IANA's registry).
var wellKnownPorts = map[string]service{
	"echo": {port: 7}, "discard": {port: 9}, "daytime": {port: 13}, "ftp-data": {20, true, false}, "ftp": {21, true, false},
	"ssh": {22, true, false}, "telnet": {23, true, false}, "smtp": {25, true, false}, "time": {port: 37},
	"whois": {43, true, false}, "tacacs": {port: 49}, "domain": {port: 53}, "bootps": {67, false, true},
	"bootpc": {68, false, true}, "tftp": {69, false, true}, "gopher": {70, true, false}, "finger": {79, true, false},
	"http": {80, true, false}, "kerberos": {port: 88}, "pop3": {110, true, false}, "sunrpc": {port: 111},
	"auth": {113, true, false}, "nntp": {119, true, false}, "ntp": {123, false, true}, "netbios-ns": {137, false, true},
	"netbios-dgm": {138, false, true}, "netbios-ssn": {139, true, false}, "imap2": {143, true, false},
	"imap": {143, true, false}, "snmp": {port: 161}, "snmp-trap": {port: 162}, "bgp": {179, true, false},
	"irc": {port: 194}, "ldap": {port: 389}, "https": {port: 443}, "microsoft-ds": {port: 445}, "isakmp": {500, false, true},
	"syslog": {514, false, true}, "submission": {587, true, false}, "ldaps": {port: 636}, "rsync": {873, true, false},
	"domain-s": {port: 853}, "imaps": {993, true, false}, "pop3s": {995, true, false}, "openvpn": {port: 1194},
	"ms-sql-s": {1433, true, false}, "radius": {1812, false, true}, "radius-acct": {1813, false, true},
	"nfs": {port: 2049}, "mysql": {3306, true, false}, "postgresql": {5432, true, false}, "sip": {port: 5060},
	"sip-tls": {port: 5061}, "xmpp-client": {5222, true, false}, "mdns": {5353, false, true}, "amqp": {port: 5672},
	"http-alt": {port: 8080},
}

// wellKnownProtos serve where there is no /etc/protocols.
var wellKnownProtos = map[string]uint8{
	"hopopt": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "st": 5, "tcp": 6, "egp": 8, "igp": 9, "udp": 17,
	"xns-idp": 22, "rdp": 27, "iso-tp4": 29, "dccp": 33, "xtp": 36, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44,
	"idrp": 45, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "skip": 57, "ipv6-icmp": 58, "ipv6-nonxt": 59,
	"ipv6-opts": 60, "eigrp": 88, "ospf": 89, "ax.25": 93, "ipip": 94, "etherip": 97, "encap": 98, "pim": 103,
	"ipcomp": 108, "vrrp": 112, "l2tp": 115, "isis": 124, "sctp": 132, "fc": 133, "udplite": 136, "mpls-in-ip": 137,
}
