package event

import (
	_ "embed"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// protoNames spells IANA's keywords (https://www.iana.org/assignments/protocol-numbers) in lower
// case, but for those that everybody knows by a shorter name: icmp6 (ipv6-icmp), ospf (ospfigp).
// A number without a keyword is its own name. The link protocols of package decode follow from 256.
var protoNames = func() (names [linkProto + len(linkNames)]string) {
	assigned := map[uint8]string{
		0: "hopopt", 1: "icmp", 2: "igmp", 3: "ggp", 4: "ipv4", 5: "st", 6: "tcp", 7: "cbt", 8: "egp", 9: "igp",
		10: "bbn-rcc-mon", 11: "nvp-ii", 12: "pup", 13: "argus", 14: "emcon", 15: "xnet", 16: "chaos", 17: "udp",
		18: "mux", 19: "dcn-meas", 20: "hmp", 21: "prm", 22: "xns-idp", 23: "trunk-1", 24: "trunk-2", 25: "leaf-1",
		26: "leaf-2", 27: "rdp", 28: "irtp", 29: "iso-tp4", 30: "netblt", 31: "mfe-nsp", 32: "merit-inp", 33: "dccp",
		34: "3pc", 35: "idpr", 36: "xtp", 37: "ddp", 38: "idpr-cmtp", 39: "tp++", 40: "il", 41: "ipv6", 42: "sdrp",
		43: "ipv6-route", 44: "ipv6-frag", 45: "idrp", 46: "rsvp", 47: "gre", 48: "dsr", 49: "bna", 50: "esp",
		51: "ah", 52: "i-nlsp", 53: "swipe", 54: "min-ipv4", 55: "mobile", 56: "tlsp", 57: "skip", 58: "icmp6",
		59: "ipv6-nonxt", 60: "ipv6-opts", 62: "cftp", 64: "sat-expak", 65: "kryptolan", 66: "rvd", 67: "ippc",
		69: "sat-mon", 70: "visa", 71: "ipcv", 72: "cpnx", 73: "cphb", 74: "wsn", 75: "pvp", 76: "br-sat-mon",
		77: "sun-nd", 78: "wb-mon", 79: "wb-expak", 80: "iso-ip", 81: "vmtp", 82: "secure-vmtp", 83: "vines",
		84: "iptm", 85: "nsfnet-igp", 86: "dgp", 87: "tcf", 88: "eigrp", 89: "ospf", 90: "sprite-rpc", 91: "larp",
		92: "mtp", 93: "ax.25", 94: "ipip", 95: "micp", 96: "scc-sp", 97: "etherip", 98: "encap", 100: "gmtp",
		101: "ifmp", 102: "pnni", 103: "pim", 104: "aris", 105: "scps", 106: "qnx", 107: "a/n", 108: "ipcomp",
		109: "snp", 110: "compaq-peer", 111: "ipx-in-ip", 112: "vrrp", 113: "pgm", 115: "l2tp", 116: "ddx",
		117: "iatp", 118: "stp-ip", 119: "srp", 120: "uti", 121: "smp", 122: "sm", 123: "ptp-ip", 124: "isis",
		125: "fire", 126: "crtp", 127: "crudp", 128: "sscopmce", 129: "iplt", 130: "sps", 131: "pipe", 132: "sctp",
		133: "fc", 134: "rsvp-e2e-ignore", 135: "mobility-header", 136: "udplite", 137: "mpls-in-ip", 138: "manet",
		139: "hip", 140: "shim6", 141: "wesp", 142: "rohc", 143: "ethernet", 144: "aggfrag", 145: "nsh",
		146: "homa", 147: "bit-emu",
	}
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	for p, name := range assigned {
		names[p] = name
	}
	copy(names[linkProto:], linkNames[:])
	return names
}()

// linkProto is the first number of decode's link protocols, linkNames their names in its order.
const linkProto = 256

var linkNames = [...]string{"arp", "lldp", "cdp", "stp", "eapol", "lacp", "ptp"}

// namedProtos lists the protocols that have a name.
func namedProtos() []string {
	return slices.DeleteFunc(slices.Clone(protoNames[:]), func(name string) bool { _, err := strconv.Atoi(name); return err == nil })
}

// ProtoName gives a protocol's name in the spelling of the field `proto`, the number where it has none.
// IANA's STP (118) and PTP (123) are stp-ip and ptp-ip: stp and ptp are the link protocols.
func ProtoName(p uint16) string {
	if int(p) < len(protoNames) {
		return protoNames[p]
	}
	return strconv.Itoa(int(p))
}

// Capabilities are those of capabilities(7), by number.
var Capabilities = [...]string{"cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill",
	"cap_setgid", "cap_setuid", "cap_setpcap", "cap_linux_immutable", "cap_net_bind_service", "cap_net_broadcast", "cap_net_admin",
	"cap_net_raw", "cap_ipc_lock", "cap_ipc_owner", "cap_sys_module", "cap_sys_rawio", "cap_sys_chroot", "cap_sys_ptrace",
	"cap_sys_pacct", "cap_sys_admin", "cap_sys_boot", "cap_sys_nice", "cap_sys_resource", "cap_sys_time", "cap_sys_tty_config",
	"cap_mknod", "cap_lease", "cap_audit_write", "cap_audit_control", "cap_setfcap", "cap_mac_override", "cap_mac_admin",
	"cap_syslog", "cap_wake_alarm", "cap_block_suspend", "cap_audit_read", "cap_perfmon", "cap_bpf", "cap_checkpoint_restore"}

// SeccompModes are the kernel's SECCOMP_MODE_, by number.
var SeccompModes = [...]string{"disabled", "strict", "filter"}

// servicesText is IANA's port register in lines of port, name and transports (t u s for TCP, UDP, SCTP).
//
//go:embed services.txt
var servicesText string

//go:generate go run services_gen.go

// services finds the name of a port of one transport. Most ports have none, which 8 kB tell; a name's place is how many there are
// of the ports below.
type services struct {
	named [1 << 16 / 64]uint64 // a bit for each port
	below [1 << 16 / 64]uint16 // names of the ports before each of these
	names []place
}

// place is where a name stands in servicesText: its start above 8 bits of its length. Short as it is, it costs less at the start of a run.
type place uint32

func (p place) name() string { return servicesText[p>>8:][:p&0xff] }

func (s *services) name(port uint16) string {
	word, bit := s.named[port/64], uint64(1)<<(port%64)
	if word&bit == 0 {
		return ""
	}
	return s.names[int(s.below[port/64])+bits.OnesCount64(word&(bit-1))].name()
}

const transports = "tus"

var (
	readServices sync.Once // when the first name is asked for
	allServices  [len(transports)]services
)

func loadServices() {
	for i, n := range [...]int{6 << 10, 6 << 10, 128} { // about
		allServices[i].names = make([]place, 0, n)
	}
	for at := 0; at < len(servicesText); at++ { // in the order of ports
		port := 0
		for ; servicesText[at] != ' '; at++ {
			port = port*10 + int(servicesText[at]-'0')
		}
		at++
		name := place(at<<8 | strings.IndexByte(servicesText[at:], ' '))
		for at += int(name & 0xff); servicesText[at] != '\n'; at++ {
			if i := strings.IndexByte(transports, servicesText[at]); i >= 0 {
				s := &allServices[i]
				s.named[port/64] |= 1 << (port % 64)
				s.names = append(s.names, name)
			}
		}
	}
	for i := range allServices {
		s, n := &allServices[i], 0
		for w := range s.named {
			s.below[w] = uint16(n)
			n += bits.OnesCount64(s.named[w])
		}
	}
}

// serviceName gives IANA's name of a port, "" when it has none or the transport has no ports.
// UDP-Lite shares UDP's ports (RFC 3828 §5).
func serviceName(proto, port uint16) string {
	var transport int
	switch proto {
	case 6:
		transport = 0
	case 17, 136:
		transport = 1
	case 132:
		transport = 2
	default:
		return ""
	}
	readServices.Do(loadServices)
	return allServices[transport].name(port)
}

// serviceNames lists what `service` can be.
var serviceNames = sync.OnceValue(func() (all []string) {
	readServices.Do(loadServices)
	for i := range allServices {
		for _, at := range allServices[i].names {
			all = append(all, at.name())
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
})

// service names the port of the end that was connected to.
func (e *Event) service() string {
	if !e.conn() {
		return ""
	}
	if e.RemoteServes {
		return serviceName(e.Proto, e.Remote.Port())
	}
	return serviceName(e.Proto, e.Local.Port())
}
