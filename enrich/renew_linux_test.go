package enrich

import (
	"testing"
	"time"

	"rustnet/bpf"
	"rustnet/track/event"
)

// told that makes updated of its own.
func newRenewing(t *testing.T) *told {
	b := newTold(t)
	b.renewals.every = time.Second
	b.hooks.process(bpf.Process, 20, 200, "sh", "sh\x00bin\x00", "sh\x00")
	b.hooks.socket(sockEvent(bpf.Used, 1, 20, 6, "10.0.0.1:40000", "192.0.2.1:443"))
	return b
}

// pass lets time go by, and gives what the stage says by itself.
func (b *told) pass(d time.Duration) []event.Event {
	b.clock = b.clock.Add(d)
	b.reached += int64(d)
	b.listen(false)
	out := b.ready
	b.ready = nil
	return out
}

func TestRenewed(t *testing.T) {
	b := newRenewing(t)
	e := outbound
	e.TS, e.Start, e.Tx = 100, 90, event.Side{Bytes: 7, Packets: 1, BytesDelta: 7}
	e.Interval = 5
	b.send(e, event.New)
	b.hooks.processAt(bpf.Renamed, 200, 20, 200, "worker")
	if out := b.pass(hopeEvery); len(out) != 0 {
		t.Fatalf("at once: got %+v, want nothing within the interval", out)
	}
	b.hooks.processAt(bpf.Renamed, 300, 20, 200, "worker 2")
	out := b.pass(time.Second)
	if len(out) != 1 {
		t.Fatalf("got %d events, want one for both changes", len(out))
	}
	got := out[0]
	wantOwner(t, "renamed twice", got.Proc, "ebpf 20 worker 2")
	if got.Kind != event.Updated || got.TS != 300 || got.ID != e.ID || got.Start != 90 || got.Tx.Bytes != 7 || got.Tx.BytesDelta != 0 || got.Interval != 0 {
		t.Errorf("got %+v, want what was told last, nothing more sent, at the time of the change", got)
	}
	if out := b.pass(time.Hour); len(out) != 0 {
		t.Errorf("later: got %+v, want it told once", out)
	}
	b.hooks.processAt(bpf.Renamed, 400, 20, 200, "worker 2") // as prctl with the same name
	if out := b.pass(time.Second); len(out) != 0 {
		t.Errorf("the same name once more: got %+v", out)
	}
	b.hooks.process(bpf.Process, 20, 200, "curl", "curl\x00bin\x00", "curl\x00") // exec in place
	out = b.pass(time.Second)
	if len(out) != 1 {
		t.Fatalf("exec: got %+v", out)
	}
	wantOwner(t, "exec", out[0].Proc, "ebpf 20 curl")
	b.hooks.process(bpf.Process, 21, 210, "heir", "", "")
	b.hooks.socket(sockEvent(bpf.Used, 1, 21, 6, "10.0.0.1:40000", "192.0.2.1:443"))
	if out = b.pass(time.Second); len(out) != 1 {
		t.Fatalf("handed on: got %+v", out)
	}
	wantOwner(t, "handed on", out[0].Proc, "ebpf 21 heir")
	if b.n.Renewed != 3 {
		t.Errorf("got %d renewed, want 3", b.n.Renewed)
	}
	b.hooks.processAt(bpf.Renamed, 500, 21, 210, "last words")
	b.listen(false)
	b.send(e, event.Closed)
	if out := b.pass(time.Hour); len(out) != 0 || b.kept != 0 || len(b.due) != 0 {
		t.Errorf("after closed: got %+v, %d kept, %d due", out, b.kept, len(b.due))
	}
}

// A server that accepts late, on a connection on which nothing moves.
func TestRenewedWhenAccepted(t *testing.T) {
	b := newTold(t)
	b.renewals.every = time.Second
	b.procs.programs[20], b.procs.programs[21] = program{comm: "master"}, program{comm: "worker"}
	b.hooks.socket(sockEvent(bpf.Listens, 1, 20, 6, "0.0.0.0:80", "0.0.0.0:0"))
	in := conn(1, 6, event.In, "10.0.0.1:80", "192.0.2.1:50000")
	wantOwner(t, "new", b.send(in, event.New).Proc, "listener 20 master")
	if out := b.pass(time.Minute); len(out) != 0 || len(b.hopes) != 1 {
		t.Fatalf("before accept: got %+v, %d hopes", out, len(b.hopes))
	}
	e := sockEvent(bpf.Used, 2, 21, 6, "10.0.0.1:80", "192.0.2.1:50000")
	e.TS = 77
	b.hooks.socket(e)
	out := b.pass(time.Second)
	if len(out) != 1 || out[0].Kind != event.Updated || out[0].TS != 77 {
		t.Fatalf("accepted: got %+v, want an updated of that time", out)
	}
	wantOwner(t, "accepted", out[0].Proc, "ebpf 21 worker")
	if out := b.pass(time.Minute); len(out) != 0 || len(b.hopes) != 0 {
		t.Errorf("afterwards: got %+v, %d hopes", out, len(b.hopes))
	}
	other := conn(2, 6, event.In, "10.0.0.1:80", "192.0.2.1:50001")
	b.send(other, event.New)
	b.send(other, event.Closed)
	if b.pass(time.Minute); len(b.hopes) != 0 || b.kept != 1 {
		t.Errorf("closed before it was accepted: %d hopes, %d kept", len(b.hopes), b.kept)
	}
}

func TestRenewedWithTheNext(t *testing.T) {
	b := newRenewing(t)
	b.send(outbound, event.New)
	b.hooks.process(bpf.Renamed, 20, 200, "worker", "", "")
	b.pass(hopeEvery)
	wantOwner(t, "the tracker's own", b.send(outbound, event.Updated).Proc, "ebpf 20 worker")
	if out := b.pass(time.Hour); len(out) != 0 {
		t.Errorf("afterwards: got %+v, want it told once", out)
	}
}

// TestRenewedInOrder: the times of a connection's events do not go back, and that of its end is when it ended.
func TestRenewedInOrder(t *testing.T) {
	const change = 2e9
	for _, tc := range []struct {
		name     string
		reached  int64      // packet time when the change is due
		kind     event.Kind // of the tracker's event that follows
		ts, want int64      // its time, and as it goes out
		renewed  bool       // before it
	}{
		{"an updated of a packet before", change + 1e9, event.Updated, change - 5e6, change, true},
		{"an updated of a packet after", change + 1e9, event.Updated, change + 5e6, change + 5e6, true},
		{"closed after", change + 1e9, event.Closed, change + 1, change + 1, true},
		{"closed before, as is told right after", change + 5e6, event.Closed, change - 5e6, change - 5e6, false},
		{"closed before, as is found out late", change + 1e9, event.Closed, change - 5e6, change, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newRenewing(t)
			first := outbound
			first.TS = change - 1e9
			b.send(first, event.New)
			b.hooks.processAt(bpf.Renamed, change, 20, 200, "worker")
			b.reached = tc.reached - 1e9
			out := b.pass(time.Second)
			if renewed := len(out) == 1 && out[0].TS == change; renewed != tc.renewed {
				t.Errorf("got %+v, want it renewed at the change: %v", out, tc.renewed)
			}
			e := first
			e.TS = tc.ts
			got := b.send(e, tc.kind)
			wantOwner(t, "the next", got.Proc, "ebpf 20 worker")
			if got.TS != tc.want {
				t.Errorf("the next is of %d, want %d", got.TS, tc.want)
			}
			if out := b.pass(time.Hour); len(out) != 0 {
				t.Errorf("afterwards: got %+v", out)
			}
		})
	}
}

// Both ends, one socket of many connections, and one whose socket is closed.
func TestRenewedAll(t *testing.T) {
	b := newTold(t)
	b.renewals.every = time.Second
	b.hooks.process(bpf.Process, 20, 200, "client", "", "")
	b.hooks.process(bpf.Process, 21, 210, "server", "", "")
	b.hooks.socket(sockEvent(bpf.Used, 1, 20, 17, "[::1]:40000", "[::1]:80"))
	b.hooks.socket(sockEvent(bpf.Used, 2, 20, 17, "[::1]:40001", "[::1]:80"))
	b.hooks.socket(sockEvent(bpf.Used, 3, 21, 17, "[::]:80", "[::]:0"))
	one, two := conn(1, 17, event.Local, "[::1]:40000", "[::1]:80"), conn(2, 17, event.Local, "[::1]:40001", "[::1]:80")
	b.send(one, event.New)
	b.send(two, event.New)
	b.hooks.process(bpf.Renamed, 21, 210, "served", "", "")
	out := b.pass(time.Second)
	if len(out) != 2 {
		t.Fatalf("got %+v, want both", out)
	}
	for _, e := range out {
		wantOwner(t, "process", e.Proc, "ebpf 20 client")
		wantOwner(t, "peer", e.Peer, "ebpf 21 served")
	}
	e := sockEvent(bpf.Released, 1, 20, 17, "[::]:0", "[::]:0")
	b.hooks.socket(e)
	b.hooks.process(bpf.Renamed, 20, 200, "gone on", "", "")
	out = b.pass(time.Second)
	if len(out) != 1 || out[0].ID != 2 {
		t.Fatalf("got %+v, want only the connection whose socket is open", out)
	}
	b.renewals.every = 0
	b.send(conn(3, 17, event.Local, "[::1]:40001", "[::1]:80"), event.New)
	if b.kept != 2 {
		t.Errorf("got %d events kept, want none more without an interval", b.kept)
	}
}

func TestRenewedIsBounded(t *testing.T) {
	b := newRenewing(t)
	b.kept = keptMax
	b.send(outbound, event.New)
	b.hooks.process(bpf.Renamed, 20, 200, "worker", "", "")
	if out := b.pass(time.Second); len(out) != 0 {
		t.Errorf("got %+v, want no room for it", out)
	}
	wantOwner(t, "with the next event", b.send(outbound, event.Updated).Proc, "ebpf 20 worker")
}

func TestKeepAllocatesNothing(t *testing.T) {
	b := newRenewing(t)
	b.send(outbound, event.New)
	e := outbound
	e.Kind = event.Updated
	if n := testing.AllocsPerRun(1000, func() { b.event(&e) }); n != 0 {
		t.Errorf("an event allocates %v times, want 0", n)
	}
}

func TestFollowed(t *testing.T) {
	ours := func(kind bpf.Kind, cookie uint64, pid uint32, local, remote string) bpf.SocketEvent {
		e := sockEvent(kind, cookie, pid, 6, local, remote)
		e.Flags = bpf.Followed
		return e
	}
	theirs := func(kind bpf.Kind, cookie uint64, pid uint32, local, remote string) bpf.SocketEvent {
		return sockEvent(kind, cookie, pid, 6, local, remote)
	}
	const a, z, any, none = "10.0.0.1:40000", "10.0.0.1:80", "0.0.0.0:80", "0.0.0.0:0"
	type step struct {
		tell []bpf.SocketEvent
		kind event.Kind
		want []event.Kind
	}
	for _, tc := range []struct {
		name  string
		steps []step
	}{
		{"its own", []step{{[]bpf.SocketEvent{ours(bpf.Used, 1, 20, a, z), theirs(bpf.Used, 2, 21, z, a)}, event.New, []event.Kind{event.New}},
			{nil, event.Updated, []event.Kind{event.Updated}}, {nil, event.Closed, []event.Kind{event.Closed}}}},
		{"to it", []step{{[]bpf.SocketEvent{theirs(bpf.Used, 1, 20, a, z), ours(bpf.Used, 2, 21, z, a)}, event.New, []event.Kind{event.New}},
			{nil, event.Closed, []event.Kind{event.Closed}}}},
		{"it only listens yet", []step{{[]bpf.SocketEvent{theirs(bpf.Used, 1, 20, a, z), ours(bpf.Listens, 2, 21, any, none)}, event.New, []event.Kind{event.New}}}},
		{"another's", []step{{[]bpf.SocketEvent{theirs(bpf.Used, 1, 20, a, z), theirs(bpf.Used, 2, 21, z, a)}, event.New, nil}, {nil, event.Updated, nil}, {nil, event.Closed, nil}}},
		{"nobody's", []step{{nil, event.New, nil}, {nil, event.Closed, nil}}},
		{"handed to it", []step{{[]bpf.SocketEvent{theirs(bpf.Used, 1, 20, a, z)}, event.New, nil}, {[]bpf.SocketEvent{ours(bpf.Used, 1, 22, a, z)}, event.Updated, []event.Kind{event.New}},
			{nil, event.Updated, []event.Kind{event.Updated}}, {nil, event.Closed, []event.Kind{event.Closed}}}},
		{"handed to it, and nothing more", []step{{[]bpf.SocketEvent{theirs(bpf.Used, 1, 20, a, z)}, event.New, nil},
			{[]bpf.SocketEvent{ours(bpf.Used, 1, 22, a, z)}, event.Closed, []event.Kind{event.New, event.Closed}}}},
		{"handed on", []step{{[]bpf.SocketEvent{ours(bpf.Used, 1, 20, a, z)}, event.New, []event.Kind{event.New}}, {[]bpf.SocketEvent{theirs(bpf.Used, 1, 22, a, z)}, event.Closed, []event.Kind{event.Closed}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newTold(t)
			b.follow.on = true
			for _, pid := range []uint32{20, 21, 22} {
				b.procs.programs[pid] = program{comm: "p"}
			}
			left, sum := 0, uint64(0)
			for i, s := range tc.steps {
				for _, e := range s.tell {
					b.hooks.socket(e)
				}
				e := conn(1, 6, event.Local, a, z)
				e.Kind, e.Start, e.Tx = s.kind, 5, event.Side{Bytes: uint64(i + 1), BytesDelta: 1}
				b.listen(false)
				goes := b.event(&e)
				out := b.pass(holdFor)
				if goes {
					out = append(out, e)
				}
				var kinds []event.Kind
				for _, e := range out {
					kinds = append(kinds, e.Kind)
					if sum += e.Tx.BytesDelta; sum != e.Tx.Bytes {
						t.Errorf("step %d: what was sent since adds up to %d, want %d", i, sum, e.Tx.Bytes)
					}
					if e.Kind == event.New && e.TS != 5 && i > 0 || (e.Proc == nil || !e.Proc.Followed) && (e.Peer == nil || !e.Peer.Followed) && tc.name != "handed on" {
						t.Errorf("step %d: got %+v", i, e)
					}
				}
				if len(kinds) != len(s.want) || len(kinds) > 0 && (kinds[0] != s.want[0] || kinds[len(kinds)-1] != s.want[len(kinds)-1]) {
					t.Errorf("step %d: got %v, want %v", i, kinds, s.want)
				}
				if len(s.want) == 0 {
					left++
				}
				last := s.kind == event.Closed
				if open, _ := b.Followed(); last && open != 0 || !last && len(s.want) > 0 && open != 1 {
					t.Errorf("step %d: %d are open", i, open)
				}
			}
			if int(b.n.Others) != left {
				t.Errorf("got %d left out, want %d", b.n.Others, left)
			}
		})
	}
}

// TestFollowedWithoutPorts: a connection that has no end of its own is not waited for when its socket is gone.
func TestFollowedWithoutPorts(t *testing.T) {
	b := newTold(t)
	b.follow.on, b.kernel.follow = true, 1
	b.procs.programs[20] = program{comm: "ping"}
	used, released := raw(1, 20), sockEvent(bpf.Released, 1, 20, 1, "0.0.0.0:0", "0.0.0.0:0")
	used.Flags = bpf.Followed
	open := func(want int) {
		t.Helper()
		if got, _ := b.Followed(); got != want {
			t.Errorf("got %d open, want %d", got, want)
		}
	}
	first, second := ping(event.Out, "10.0.0.1:0", 5), ping(event.Out, "10.0.0.1:0", 5)
	first.ID, second.ID = 1, 2
	second.Remote = ap("192.0.2.9:0")
	b.hooks.socket(used)
	b.send(first, event.New)
	open(1)
	b.hooks.socket(released)
	b.listen(false)
	open(0)
	b.send(second, event.New) // what was on its way to us
	open(0)
	b.send(first, event.Closed)
	b.send(second, event.Closed)
	open(0)
}

// Where the kernel does not tell of forks, ancestors do.
func TestFollowedByAncestors(t *testing.T) {
	b := newTold(t)
	b.hooks.forgetful, b.follow.on, b.kernel.follow = true, true, 1 // the parent in the hooks' words
	b.hooks.process(bpf.Process, 20, 200, "child", "", "")
	b.hooks.socket(sockEvent(bpf.Used, 1, 20, 6, "10.0.0.1:40000", "192.0.2.1:443"))
	if p := b.send(outbound, event.New).Proc; p == nil || !p.Followed {
		t.Errorf("got %+v, want it followed", p)
	}
}
