package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"rustnet/capture"
)

// netlink is an rtnetlink(7) socket. It stays in the network namespace it was opened in, whatever
// thread uses it.
type netlink struct {
	fd  int
	seq uint32
	buf []byte
}

// openNetlink opens a socket that is told of the groups' changes (RTMGRP_), or with groups 0 one
// to ask with. Sockets for both are kept apart so that answers and notices never mix.
func openNetlink(groups uint32) (*netlink, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, noSocket("netlink", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind netlink socket: %w", err)
	}
	// The kernel sends at most 32 KiB at a time to a reader that offers as much.
	return &netlink{fd: fd, buf: make([]byte, 64<<10)}, nil
}

func (n *netlink) close() { unix.Close(n.fd) }

var errDumpChanged = errors.New("the table kept changing while it was read")

// dump asks for a whole table (RTM_GETLINK, RTM_GETADDR) and returns the messages it consists of.
func (n *netlink) dump(kind uint16) ([]byte, error) {
	for range 5 {
		all, err := n.dumpOnce(kind)
		if !errors.Is(err, errDumpChanged) {
			return all, err
		}
	}
	return nil, fmt.Errorf("netlink dump: %w", errDumpChanged)
}

func (n *netlink) dumpOnce(kind uint16) ([]byte, error) {
	n.seq++
	req := make([]byte, unix.SizeofNlMsghdr+unix.SizeofIfInfomsg) // ifaddrmsg is shorter; zeros mean all
	binary.NativeEndian.PutUint32(req[0:], uint32(len(req)))
	binary.NativeEndian.PutUint16(req[4:], kind)
	binary.NativeEndian.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(req[8:], n.seq)
	if err := unix.Sendto(n.fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("netlink dump: %w", err)
	}
	var all []byte
	changed := false
	for {
		got, _, err := unix.Recvfrom(n.fd, n.buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("netlink dump: %w", err)
		}
		done := false
		eachMessage(n.buf[:got], func(h unix.NlMsghdr, body []byte) {
			switch {
			case h.Seq != n.seq: // left over from a dump that was given up
			case h.Type == unix.NLMSG_DONE || h.Type == unix.NLMSG_ERROR:
				done = true
				if len(body) >= 4 {
					if code := int32(binary.NativeEndian.Uint32(body)); code < 0 {
						err = fmt.Errorf("netlink dump: %w", unix.Errno(-code))
					}
				}
			}
			changed = changed || h.Flags&unix.NLM_F_DUMP_INTR != 0
		})
		all = append(all, n.buf[:got]...)
		if err != nil {
			return nil, err
		}
		if done && changed {
			return nil, errDumpChanged
		}
		if done {
			return all, nil
		}
	}
}

// eachMessage calls f for every whole netlink message in b.
func eachMessage(b []byte, f func(h unix.NlMsghdr, body []byte)) {
	for len(b) >= unix.SizeofNlMsghdr {
		h := unix.NlMsghdr{
			Len:   binary.NativeEndian.Uint32(b),
			Type:  binary.NativeEndian.Uint16(b[4:]),
			Flags: binary.NativeEndian.Uint16(b[6:]),
			Seq:   binary.NativeEndian.Uint32(b[8:]),
		}
		if h.Len < unix.SizeofNlMsghdr || uint64(h.Len) > uint64(len(b)) {
			return
		}
		f(h, b[unix.SizeofNlMsghdr:h.Len])
		b = b[min(align4(int(h.Len)), len(b)):]
	}
}

// eachAttr calls f for every whole attribute in b.
func eachAttr(b []byte, f func(kind uint16, value []byte)) {
	for len(b) >= unix.SizeofRtAttr {
		n, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if n < unix.SizeofRtAttr || n > len(b) {
			return
		}
		f(kind&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofRtAttr:n])
		b = b[min(align4(n), len(b)):]
	}
}

func align4(n int) int { return (n + 3) &^ 3 }

// device is a Device with what only this package asks for.
type device struct {
	Device
	hatype uint16 // ARPHRD_
}

// parseDevice reads the body of an RTM_NEWLINK or RTM_DELLINK; ok is false for messages about
// something else, as bridges send about their ports.
func parseDevice(body []byte) (d device, ok bool) {
	if len(body) < unix.SizeofIfInfomsg || body[0] != unix.AF_UNSPEC {
		return d, false
	}
	d.hatype = binary.NativeEndian.Uint16(body[2:])
	d.Index = int(int32(binary.NativeEndian.Uint32(body[4:])))
	d.Up = binary.NativeEndian.Uint32(body[8:])&unix.IFF_UP != 0
	d.Link = linkOf(d.hatype)
	eachAttr(body[unix.SizeofIfInfomsg:], func(kind uint16, value []byte) {
		switch kind {
		case unix.IFLA_IFNAME:
			d.Name = unix.ByteSliceToString(value)
		case unix.IFLA_MTU:
			if len(value) >= 4 {
				d.MTU = int(binary.NativeEndian.Uint32(value))
			}
		case unix.IFLA_ADDRESS:
			if len(value) == 6 && d.hatype != unix.ARPHRD_LOOPBACK {
				d.MAC = net.HardwareAddr(value).String()
			}
		case unix.IFLA_LINKINFO:
			eachAttr(value, func(kind uint16, value []byte) {
				if kind == unix.IFLA_INFO_KIND {
					d.Kind = unix.ByteSliceToString(value)
				}
			})
		case unix.IFLA_PROP_LIST:
			eachAttr(value, func(kind uint16, value []byte) {
				if kind == unix.IFLA_ALT_IFNAME {
					d.AltNames = append(d.AltNames, unix.ByteSliceToString(value))
				}
			})
		}
	})
	if d.Kind == "" {
		d.Kind = kindOf[d.hatype]
	}
	return d, d.Index > 0 && d.Name != ""
}

// kindOf names devices that no kind of link made.
var kindOf = map[uint16]string{unix.ARPHRD_ETHER: "ethernet", unix.ARPHRD_LOOPBACK: "loopback", unix.ARPHRD_PPP: "ppp",
	unix.ARPHRD_IEEE80211: "wlan", unix.ARPHRD_IEEE80211_PRISM: "wlan", unix.ARPHRD_IEEE80211_RADIOTAP: "wlan",
	unix.ARPHRD_TUNNEL: "ipip", unix.ARPHRD_TUNNEL6: "ip6tnl", unix.ARPHRD_SIT: "sit", unix.ARPHRD_IPGRE: "gre", unix.ARPHRD_CAN: "can",
	unix.ARPHRD_INFINIBAND: "infiniband"}

// linkOf says how frames of a device look. Devices that are neither Ethernet nor 802.11 give IP
// packets: what stands before the IP header there is left out, see skipLink.
func linkOf(hatype uint16) capture.LinkType {
	switch hatype {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return capture.LinkEthernet
	case unix.ARPHRD_IEEE80211:
		return link80211
	case unix.ARPHRD_IEEE80211_PRISM:
		return linkPrism
	case unix.ARPHRD_IEEE80211_RADIOTAP:
		return linkRadiotap
	}
	return capture.LinkRaw
}

// devices asks for all network interfaces.
func (n *netlink) devices() ([]device, error) {
	table, err := n.dump(unix.RTM_GETLINK)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var all []device
	eachMessage(table, func(h unix.NlMsghdr, body []byte) {
		if d, ok := parseDevice(body); ok && h.Type == unix.RTM_NEWLINK {
			all = append(all, d)
		}
	})
	return all, nil
}

// Interfaces lists the network interfaces of this machine (of the calling thread's network
// namespace), in the kernel's order.
func Interfaces() ([]Device, error) {
	n, err := openNetlink(0)
	if err != nil {
		return nil, err
	}
	defer n.close()
	all, err := n.devices()
	if err != nil {
		return nil, err
	}
	table, err := n.dump(unix.RTM_GETADDR)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	addrs := map[int][]netip.Prefix{}
	eachMessage(table, func(h unix.NlMsghdr, body []byte) {
		if a, ok := parseAddr(body); ok && h.Type == unix.RTM_NEWADDR {
			index := int(binary.NativeEndian.Uint32(body[4:]))
			addrs[index] = append(addrs[index], netip.PrefixFrom(a, int(body[1])))
		}
	})
	list := make([]Device, len(all))
	for i, d := range all {
		list[i] = d.Device
		list[i].Addrs = addrs[d.Index]
	}
	return list, nil
}

// findDevice looks an interface up by its name or one of its other names.
func findDevice(all []device, name string) (device, error) {
	i := slices.IndexFunc(all, func(d device) bool { return d.Called(name) })
	if i >= 0 {
		return all[i], nil
	}
	var names []string
	for _, d := range all {
		names = append(append(names, d.Name), d.AltNames...)
	}
	return device{}, noInterface(name, names)
}

// noSocket is the error of a socket that could not be opened: it wraps ErrNoDriver where its whole family is kept from us.
func noSocket(family string, err error) error {
	switch err {
	case unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT, unix.ENOSYS:
		return fmt.Errorf("open %s socket: %w: %w (by RestrictAddressFamilies= of a service, by another system call filter, or by this kernel)", family, ErrNoDriver, err)
	}
	return fmt.Errorf("open %s socket: %w", family, err)
}

// needsRaw is the error of a packet socket that was refused: it says how to get one.
func needsRaw(err error) error {
	exe, xerr := os.Executable()
	if xerr != nil || strings.ContainsAny(exe, " '\"\\$") {
		exe = "/path/to/rustnet"
	}
	return fmt.Errorf("open packet socket (needs CAP_NET_RAW: run with sudo, or once: sudo setcap %s+ep %s): %w", Capabilities, exe, err)
}
