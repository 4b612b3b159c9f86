package sockets

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h, nf_conntrack_common.h.
const (
	ctNew         = unix.NFNL_SUBSYS_CTNETLINK << 8
	ctGet         = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1
	ctDelete      = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2
	nfHeaderLen   = 4     // struct nfgenmsg
	groupsNewGone = 1 | 4 // NFNLGRP_CONNTRACK_NEW and _DESTROY, as bits
	ctaOrig       = 1
	ctaReply      = 2
	ctaStatus     = 3
	ctaStatusMask = 26
	ctaTupleIP    = 1
	ctaTupleProto = 2
	srcNAT        = 0x10 // IPS_SRC_NAT
	destNAT       = 0x20 // IPS_DST_NAT
	statusNAT     = srcNAT | destNAT
	natQueue      = 4 << 20
)

// NAT hears of translations. It belongs to one goroutine, and to the network namespace it was opened in.
type NAT struct {
	fd   int
	buf  []byte
	lost uint64
}

// OpenNAT begins to hear. It needs CAP_NET_ADMIN, and only for that. What is translated already is
// given to each before it returns.
func OpenNAT(each func(t *Translation)) (*NAT, error) {
	n := &NAT{fd: -1, buf: make([]byte, readLen)}
	err := n.open(each)
	if err != nil {
		n.Close()
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w (needs CAP_NET_ADMIN; try: sudo)", err)
		}
		return nil, fmt.Errorf("listen to conntrack: %w", err)
	}
	return n, nil
}

func (n *NAT) open(each func(*Translation)) (err error) {
	if n.fd, err = netfilter(); err != nil {
		return err
	}
	// Whoever asked for nothing else is told of every connection that is filtered: most have no NAT.
	if err := unix.SetsockoptSockFprog(n.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, onlyNAT()); err != nil {
		return err
	}
	if unix.SetsockoptInt(n.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, natQueue) != nil {
		unix.SetsockoptInt(n.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, natQueue) // as much as is allowed
	}
	if err := unix.Bind(n.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groupsNewGone}); err != nil {
		return err
	}
	tracked := conntracked()
	switch {
	case tracked == 0:
		return nil
	case tracked > 0 && tracked <= fewTracked:
		return n.dump(0, each)
	}
	// Those with both kinds of NAT come twice; kernels before 5.8 do not choose and give all.
	for _, kind := range []uint32{srcNAT, destNAT} {
		if err := n.dump(kind, each); err != nil {
			return err
		}
	}
	return nil
}

// fewTracked is of how many connections it costs less to be told of all of them than to have the kernel go through its table,
// which is of one size for all network namespaces, once for each kind of NAT.
const fewTracked = 10000

// conntracked is how many connections conntrack has in our network namespace; -1 = not known.
func conntracked() int {
	b, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(b)))
	if err != nil {
		return -1
	}
	return n
}

func netfilter() (int, error) {
	return unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
}

// onlyNAT lets those messages through whose status has one of statusNAT.
func onlyNAT() *unix.SockFprog {
	const skipHeaders, nlattr = nlHeaderLen + nfHeaderLen, 0xfffff000 + 12 // SKF_AD_OFF + SKF_AD_NLATTR
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_IMM, K: skipHeaders},
		{Code: unix.BPF_LDX | unix.BPF_IMM, K: ctaStatus},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: nlattr}, // where the attribute is, 0 = nowhere
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0, Jt: 3},
		{Code: unix.BPF_MISC | unix.BPF_TAX},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_IND, K: 4},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: statusNAT, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	return &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
}

// dump asks for those that are there with a kind of NAT, 0 = with any or none, on a socket of its own, where notices do not come between.
func (n *NAT) dump(kind uint32, each func(*Translation)) error {
	fd, err := netfilter()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}); err != nil {
		return err
	}
	req := make([]byte, nlHeaderLen+nfHeaderLen+16)
	if kind == 0 {
		req = req[:nlHeaderLen+nfHeaderLen]
	}
	binary.NativeEndian.PutUint32(req, uint32(len(req)))
	binary.NativeEndian.PutUint16(req[4:], ctGet)
	binary.NativeEndian.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	attrs := req[nlHeaderLen+nfHeaderLen:]
	for i, a := range []uint16{ctaStatus, ctaStatusMask}[:len(attrs)/8] {
		b := attrs[8*i:]
		binary.NativeEndian.PutUint16(b, 8)
		binary.NativeEndian.PutUint16(b[2:], a)
		binary.BigEndian.PutUint32(b[4:], kind)
	}
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for {
		got, _, err := unix.Recvfrom(fd, n.buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		done, err := n.messages(n.buf[:got], func(t *Translation, _ bool) { each(t) })
		if done || err != nil {
			return err
		}
	}
}

// Drain gives what was told since the last time to each: new translations, and those that have gone. It
// never waits.
func (n *NAT) Drain(each func(t *Translation, gone bool)) {
	for {
		got, _, err := unix.Recvfrom(n.fd, n.buf, unix.MSG_DONTWAIT)
		switch err {
		case nil:
			n.messages(n.buf[:got], each)
		case unix.EINTR:
		case unix.ENOBUFS: // some did not fit; how many is not told
			n.lost++
		default:
			return
		}
	}
}

// Lost counts how often there was no room for what was told.
func (n *NAT) Lost() uint64 { return n.lost }

// Close ends it.
func (n *NAT) Close() error {
	if n.fd < 0 {
		return nil
	}
	fd := n.fd
	n.fd = -1
	return unix.Close(fd)
}

func (n *NAT) messages(b []byte, each func(*Translation, bool)) (done bool, err error) {
	for len(b) > 0 {
		m, rest, ok := nextMessage(b)
		if !ok {
			return done, nil
		}
		b = rest
		switch m.kind {
		case unix.NLMSG_DONE:
			return true, m.doneErr()
		case unix.NLMSG_ERROR:
			return true, m.err()
		case ctNew, ctDelete:
			var t Translation
			if len(m.body) >= nfHeaderLen && parseTranslation(m.body[nfHeaderLen:], &t) {
				each(&t, m.kind == ctDelete)
			}
		}
	}
	return false, nil
}

// parseTranslation reads the attributes of a connection. It is false for those without NAT, or without ports.
func parseTranslation(b []byte, t *Translation) bool {
	var proto uint8
	attributes(b, func(kind uint16, v []byte) {
		switch kind {
		case ctaOrig:
			t.From, t.To, t.Proto = parseTuple(v)
		case ctaReply:
			t.Dest, t.Source, proto = parseTuple(v)
		}
	})
	echo := proto == ICMP || proto == ICMP6 // whose identifier may be 0
	return t.Proto == proto && (echo || t.From.Port() != 0 && t.Source.Port() != 0) && (t.From != t.Source || t.To != t.Dest)
}

// parseTuple reads one direction: from where to where. Protocols without ports have none, but for ICMP's echo.
func parseTuple(b []byte) (from, to netip.AddrPort, proto uint8) {
	var src, dst netip.Addr
	var sport, dport uint16
	attributes(b, func(kind uint16, v []byte) {
		attributes(v, func(inner uint16, v []byte) {
			switch {
			case kind == ctaTupleIP && (inner == 1 || inner == 3): // CTA_IP_V4_SRC, CTA_IP_V6_SRC
				src, _ = netip.AddrFromSlice(v)
			case kind == ctaTupleIP && (inner == 2 || inner == 4):
				dst, _ = netip.AddrFromSlice(v)
			case kind == ctaTupleProto && inner == 1 && len(v) == 1: // CTA_PROTO_NUM
				proto = v[0]
			case kind == ctaTupleProto && inner == 2 && len(v) == 2:
				sport = binary.BigEndian.Uint16(v)
			case kind == ctaTupleProto && inner == 3 && len(v) == 2:
				dport = binary.BigEndian.Uint16(v)
			case kind == ctaTupleProto && (inner == 4 || inner == 7) && len(v) == 2: // CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_ID
				sport = binary.BigEndian.Uint16(v)
				dport = sport
			}
		})
	})
	return netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport), proto
}
