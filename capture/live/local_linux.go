package live

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Local is the set of this machine's addresses, kept current. Any goroutine may ask it.
type Local struct {
	addresses
	notice *os.File
	query  *netlink
	ended  chan struct{}
}

// WatchLocal reads the addresses of all interfaces and follows their changes until Close.
// It needs no privilege.
func WatchLocal() (*Local, error) {
	n, err := openNetlink(unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if err != nil {
		return nil, fmt.Errorf("watch local addresses: %w", err)
	}
	unix.SetNonblock(n.fd, true) // os.File then waits without holding a thread
	l := &Local{notice: os.NewFile(uintptr(n.fd), "rtnetlink"), ended: make(chan struct{})}
	if l.query, err = openNetlink(0); err == nil {
		err = l.refresh()
	}
	if err != nil {
		l.notice.Close()
		if l.query != nil {
			l.query.close()
		}
		return nil, fmt.Errorf("watch local addresses: %w", err)
	}
	go l.follow(n.buf)
	return l, nil
}

// Close ends the watch; the set stays as it was last.
func (l *Local) Close() error {
	err := l.notice.Close()
	<-l.ended
	return err
}

func (l *Local) follow(buf []byte) {
	defer close(l.ended)
	defer l.query.close()
	rc, err := l.notice.SyscallConn()
	for err == nil {
		var readErr error
		err = rc.Read(func(fd uintptr) bool {
			var any bool
			any, readErr = drain(int(fd), buf)
			return any || readErr != nil
		})
		if errors.Is(err, os.ErrDeadlineExceeded) { // one that is gone has stayed long enough
			err = l.notice.SetReadDeadline(time.Now().Add(goneStays)) // should the list fail now
		}
		if err == nil && readErr == nil {
			// Which address came or went is not asked: several interfaces may have the same.
			// A list that fails is made up for by the next notice.
			l.refresh()
		}
		err = errors.Join(err, readErr)
	}
}

// drain reads what there is, so that many changes at once cost one look.
func drain(fd int, buf []byte) (any bool, err error) {
	for {
		_, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		switch err {
		case nil, unix.ENOBUFS: // ENOBUFS: there were more than the socket could hold
			any = true
		case unix.EINTR:
		case unix.EAGAIN:
			return any, nil
		default:
			return any, err
		}
	}
}

func (l *Local) refresh() error {
	table, err := l.query.dump(unix.RTM_GETADDR)
	if err != nil {
		return err
	}
	var there []netip.Addr
	eachMessage(table, func(h unix.NlMsghdr, body []byte) {
		if h.Type != unix.RTM_NEWADDR {
			return
		}
		if a, ok := parseAddr(body); ok {
			there = append(there, a)
		}
	})
	l.notice.SetReadDeadline(l.replace(time.Now(), there))
	return nil
}

// parseAddr reads the body of an RTM_NEWADDR. On point-to-point interfaces IFA_ADDRESS is the
// other end, and IFA_LOCAL is ours; IPv6 mostly has IFA_ADDRESS alone.
func parseAddr(body []byte) (a netip.Addr, ok bool) {
	if len(body) < unix.SizeofIfAddrmsg {
		return a, false
	}
	local := false
	eachAttr(body[unix.SizeofIfAddrmsg:], func(kind uint16, value []byte) {
		if kind != unix.IFA_LOCAL && (kind != unix.IFA_ADDRESS || local) {
			return
		}
		if v, valid := netip.AddrFromSlice(value); valid {
			a, ok = v.Unmap(), true
			local = kind == unix.IFA_LOCAL
		}
	})
	return a, ok
}
