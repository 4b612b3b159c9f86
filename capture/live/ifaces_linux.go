package live

import "rustnet/capture"

// keepGone bounds how many interfaces are remembered after they went, for frames of theirs that
// are still in a ring.
const keepGone = 256

// iface is what frames of one interface point at. It is replaced, never changed.
type iface struct {
	*capture.Interface
	index  int32
	hatype uint16
}

// ifaceTable names the interfaces that frames come from. Only Run's goroutine uses it.
type ifaceTable struct {
	query   *netlink
	byIndex map[int32]*iface
	last    *iface // what find gave last; never nil
	gone    []int32
}

func newIfaceTable(query *netlink, all []device) *ifaceTable {
	t := &ifaceTable{query: query, byIndex: make(map[int32]*iface), last: &iface{index: -1}}
	for _, d := range all {
		t.set(d)
	}
	return t
}

// set learns an interface, or its new name.
func (t *ifaceTable) set(d device) {
	if old := t.byIndex[int32(d.Index)]; old != nil && old.Name == d.Name && old.hatype == d.hatype {
		return
	}
	t.byIndex[int32(d.Index)] = &iface{
		Interface: &capture.Interface{Name: d.Name, Index: d.Index, Link: d.Link},
		index:     int32(d.Index), hatype: d.hatype,
	}
	t.last = &iface{index: -1}
}

// drop forgets an interface that is gone, in a while.
func (t *ifaceTable) drop(index int) {
	t.gone = append(t.gone, int32(index))
	if len(t.gone) > keepGone {
		delete(t.byIndex, t.gone[0])
		t.gone = t.gone[1:]
		t.last = &iface{index: -1}
	}
}

// find names the interface of a frame. One that is new, and of which no notice came yet, is asked
// for; one that came and went before we could ask has no name.
func (t *ifaceTable) find(index int32, hatype uint16) *iface {
	e := t.byIndex[index]
	if e == nil || e.hatype != hatype {
		t.refresh()
		e = t.byIndex[index]
	}
	if e == nil || e.hatype != hatype {
		t.set(device{Device: Device{Index: int(index), Link: linkOf(hatype)}, hatype: hatype})
		e = t.byIndex[index]
		t.drop(int(index))
	}
	t.last = e
	return e
}

func (t *ifaceTable) refresh() {
	all, err := t.query.devices()
	if err != nil {
		return // frames then come without the interface's name
	}
	for _, d := range all {
		t.set(d)
	}
}

// available tells whether there is what reads packets: always, it is part of the kernel.
func available() bool { return true }
