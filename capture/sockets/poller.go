package sockets

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// defaultInterval is the time between two readings. A reading costs the kernel about 1.2 µs a
// socket: at this interval, a thousand sockets take 0.3 % of a core.
const defaultInterval = 500 * time.Millisecond

// Poller reads the tables again and again: the source of connections where packets cannot be had.
type Poller struct {
	Interval time.Duration // between the starts of two readings, 0 = defaultInterval
	Max      int           // sockets kept of one reading, 0 = DefaultMax
	// Once makes it stop after the first reading.
	Once bool
	// Conns are the tables to read, which Run closes; without any it opens our own namespace's.
	Conns []*Conn

	free chan *Table
	// The connections of the reading before, and the cookies of this one: see confirm.
	before []Socket
	now    map[uint64]struct{}
}

// Tables on their way: one being filled, one being read, one between them.
const tables = 3

// Run sends a table every Interval until stop is done, and closes out. An incomplete reading is
// sent with its Err; Run fails only when the first one gives nothing at all.
func (p *Poller) Run(stop context.Context, out chan<- *Table) error {
	defer close(out)
	if len(p.Conns) == 0 {
		conn, err := Open()
		if err != nil {
			return err
		}
		p.Conns = []*Conn{conn}
	}
	defer func() {
		for _, c := range p.Conns {
			c.Close()
		}
	}()
	p.start()
	tick := time.NewTicker(p.Interval)
	defer tick.Stop()
	for first := true; ; first = false {
		t := p.table()
		p.read(t)
		if first && t.Err != nil && len(t.Sockets) == 0 {
			return fmt.Errorf("read socket tables: %w", t.Err)
		}
		select {
		case out <- t:
		case <-stop.Done():
			return nil
		}
		if p.Once {
			return nil
		}
		select {
		case <-tick.C:
		case <-stop.Done():
			return nil
		}
	}
}

func (p *Poller) start() {
	if p.Interval <= 0 {
		p.Interval = defaultInterval
	}
	if p.Max <= 0 {
		p.Max = DefaultMax
	}
	p.free = make(chan *Table, tables)
	p.now = map[uint64]struct{}{}
}

func (p *Poller) table() *Table {
	select {
	case t := <-p.free:
		return t
	default:
	}
	return &Table{release: func(t *Table) {
		select {
		case p.free <- t:
		default:
		}
	}}
}

func (p *Poller) read(t *Table) {
	t.TS = time.Now().UnixNano()
	t.Sockets, t.Failed, t.Lost, t.Err = t.Sockets[:0], t.Failed[:0], 0, nil
	for _, c := range p.Conns {
		first := len(t.Sockets)
		c.SetMax(p.Max - first)
		var err error
		t.Sockets, err = c.Dump(t.Sockets, TCP, UDP, UDPLite, SCTP)
		var bound uint32 // most sockets are bound to none, and of those that are many to the same
		var name string
		for i := first; i < len(t.Sockets); i++ {
			s := &t.Sockets[i]
			s.NetNS = c.netns
			if s.Iface != bound {
				bound, name = s.Iface, ""
				if bound != 0 {
					name = c.ifaceName(bound)
				}
			}
			s.IfaceName = name
		}
		t.Lost += c.Lost()
		t.Failed = append(t.Failed, c.Failed()...)
		t.Err = errors.Join(t.Err, err)
	}
	t.Ephemeral = p.Conns[0].ephemeralPorts()
	p.confirm(t)
}

// get asks the tables of the socket's namespace for it.
func (p *Poller) get(s *Socket) (Socket, error) {
	for _, c := range p.Conns {
		if c.netns == s.NetNS {
			got, err := c.Get(s.Proto, s.Local, s.Remote, s.Iface)
			got.NetNS = s.NetNS
			return got, err
		}
	}
	return Socket{}, ErrNotFound
}

// confirm looks up the TCP connections of the reading before that are missing from t, and adds
// those that are still there. The kernel's dump goes by position within a hash bucket, so one
// that vanishes between two parts of the dump can hide its neighbour; that one did not close.
func (p *Poller) confirm(t *Table) {
	if t.Lost > 0 { // the table is known to be short
		p.before = p.before[:0]
		return
	}
	clear(p.now)
	for i := range t.Sockets {
		p.now[t.Sockets[i].Cookie] = struct{}{}
	}
	for i := 0; i < len(p.before); i++ {
		b := &p.before[i]
		if _, ok := p.now[b.Cookie]; ok {
			continue
		}
		s, err := p.get(b)
		switch {
		case err == nil && s.Cookie == b.Cookie:
			s.HasInfo, s.IfaceName = false, b.IfaceName
			t.Sockets = append(t.Sockets, s)
		case err != nil && !errors.Is(err, ErrNotFound):
			t.Err = errors.Join(t.Err, fmt.Errorf("confirm that a socket closed: %w", err))
			t.Failed = append(t.Failed, b.Proto)
			i = len(p.before) // the next ones would fail as well
		}
	}
	p.before = p.before[:0]
	for i := range t.Sockets {
		s := &t.Sockets[i]
		if s.Proto == TCP && s.Cookie != 0 && s.State != Listen && s.State != TimeWait {
			p.before = append(p.before, *s)
		}
	}
}
