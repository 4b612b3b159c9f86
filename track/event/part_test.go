package event

import (
	"net/netip"
	"strconv"
	"testing"
	"unsafe"
)

// TestEventLayout: what every record asks for lies together.
func TestEventLayout(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("the layout is that of processors of 64 bits")
	}
	const line = 64
	var e Event
	if n := unsafe.Sizeof(e); n != 6*line {
		t.Errorf("an event has %d bytes, want %d", n, 6*line)
	}
	for name, p := range map[string]struct{ got, want uintptr }{
		"Local":  {unsafe.Offsetof(e.Local), line},
		"Tx":     {unsafe.Offsetof(e.Tx), 2 * line},
		"Start":  {unsafe.Offsetof(e.Start), 3 * line},
		"Proc":   {unsafe.Offsetof(e.Proc), 4 * line},
		"Totals": {unsafe.Offsetof(e.Totals), 5 * line},
	} {
		if p.got != p.want {
			t.Errorf("%s is at %d, want %d", name, p.got, p.want)
		}
	}
}

// TestEventsAreAligned: the lines of TestEventLayout are the cache's.
func TestEventsAreAligned(t *testing.T) {
	b := NewPool(1).Get()
	for range 5 * Room {
		b.Events = append(b.Events, Event{})
		if at := uintptr(unsafe.Pointer(&b.Events[0])); at%64 != 0 {
			t.Fatalf("with room for %d events, the first is %d bytes behind a line's beginning", cap(b.Events), at%64)
		}
	}
}

// TestNeeds takes one thing after the other from an event that has all: the fields that need it are gone,
// and no others.
func TestNeeds(t *testing.T) {
	number := AppUint("needs_number", "", "Of the test.")
	schema := NewSchema([]*AppField{number})
	full := func() *Event {
		app := &App{Name: "x"}
		app.SetUint(number, 1)
		proc := &Proc{PID: 1, PPID: 2, HasUID: true, UID: 3, Name: "n", Exe: "/n", ExeDeleted: true, Cmdline: "n", User: "u", Parent: "p",
			Ancestors: []string{"p"}, Source: "ebpf", NetNS: 4, Cgroup: &Cgroup{"a", "b", "c", "d", "e", "f", "g", "h", "i"},
			Security: Security{Known: true, Caps: []string{"all"}, UserNS: 5, Seccomp: "s", NoNewPrivs: true, Label: "l"}}
		end := netip.MustParseAddrPort("192.0.2.1:1")
		return &Event{Kind: Closed, Proto: 6, VLAN: 1, NetNS: 1, Tunnel: 2, TunnelID: 1, HasICMP: true, LocalMAC: 1, RemoteMAC: 1,
			Interval: 1e9, Related: 1, HasPayload: true,
			Local: end, NAT: &NAT{end, end}, App: app, Proc: proc, Peer: proc, LostWhere: InKernel, LostCount: 1,
			Totals: &Totals{1, 1, 1, 1, 1, 1, 1, 1}}
	}
	for _, f := range schema.Fields {
		if e := full(); f.Needs()&partReport != 0 && read(f, e) {
			t.Errorf("%s is there of a connection", f.Name)
		}
	}
	for name, take := range map[string]func(*Event){
		"App":    func(e *Event) { e.App = nil },
		"link":   func(e *Event) { e.VLAN, e.NetNS, e.Tunnel, e.HasICMP, e.LocalMAC, e.RemoteMAC = 0, 0, 0, false, 0, 0 },
		"NAT":    func(e *Event) { e.NAT = nil },
		"Proc":   func(e *Event) { e.Proc = nil },
		"Peer":   func(e *Event) { e.Peer = nil },
		"TCP":    func(e *Event) { e.Proto = 17 },
		"rate":   func(e *Event) { e.Interval = 0 },
		"seldom": func(e *Event) { e.Related, e.HasPayload = 0, false },
	} {
		before, after := full(), full()
		take(after)
		missing := before.Parts() &^ after.Parts()
		if missing == 0 {
			t.Errorf("%s: the event has the same parts without it", name)
		}
		for _, f := range schema.Fields {
			if f.Needs()&missing != 0 && read(f, after) {
				t.Errorf("%s: %s is there without it", name, f.Name)
			}
			if f.Needs()&missing == 0 && read(f, before) != read(f, after) && name != "App" {
				t.Errorf("%s: %s went with it, and does not say that it needs it", name, f.Name)
			}
		}
	}
}
