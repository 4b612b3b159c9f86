package summary

import (
	"slices"
	"strings"

	"rustnet/output"
	"rustnet/track/event"
)

// groupsMax bounds how many groups are told apart; what comes beyond is added up in one more.
const groupsMax = 1 << 16

// keys are the fields that records are grouped by, of the records' schema and of the rows'.
type keys struct {
	name     string // as in --group-by
	from, to []*event.Field
}

func parseKeys(names []string, from, to *event.Schema) (keys, error) {
	var k keys
	for _, name := range names {
		f := from.Lookup(name)
		if f == nil {
			return k, unknown("--group-by", name, from)
		}
		k.from, k.to = append(k.from, f), append(k.to, to.Lookup(name))
	}
	k.name = strings.Join(names, ",")
	return k, nil
}

// sums are the fields that the declaration says can be made one of several.
type sums struct{ from, to []*event.Field }

func summable(from, to *event.Schema) sums {
	var s sums
	for _, f := range from.Fields {
		if f.Sum != event.NoSum {
			s.from, s.to = append(s.from, f), append(s.to, to.Lookup(f.Name))
		}
	}
	return s
}

// groups adds records up by their values of some fields.
type groups struct {
	keys
	sums
	schema *event.Schema // of the rows
	byKey  map[string]*group
	all    []*group // as they came
	rest   *group   // what there was no room for
	max    int
	key    []byte
}

// group is the sum of some connections.
type group struct {
	key    *event.Stored // the values that they share
	totals event.Totals
	merged uint64
	num    []float64
	set    []bool
	series series
}

func newGroups(k keys, s sums, rows *event.Schema) *groups {
	return &groups{keys: k, sums: s, schema: rows, byKey: map[string]*group{}, max: groupsMax}
}

// keyOf gives what a record shares with its group, valid until the next.
func (g *groups) keyOf(e *event.Event) []byte {
	g.key = g.key[:0]
	for _, f := range g.keys.from {
		g.key = append(output.AppendText(g.key, f, e), 0)
	}
	return g.key
}

// of finds the group that a record belongs to.
func (g *groups) of(e *event.Event) *group {
	g.keyOf(e)
	if found := g.byKey[string(g.key)]; found != nil {
		return found
	}
	if len(g.all) >= g.max {
		if g.rest == nil {
			g.rest = g.make()
		}
		return g.rest
	}
	made := g.make()
	for i, f := range g.keys.from {
		made.key.Copy(g.keys.to[i], f, e)
	}
	g.byKey[string(g.key)] = made
	g.all = append(g.all, made)
	return made
}

func (g *groups) make() *group {
	return &group{key: event.NewStored(g.schema), num: make([]float64, len(g.sums.from)), set: make([]bool, len(g.sums.from))}
}

// drop forgets the groups whose key is known.
func (g *groups) drop(known func(key []byte) bool) {
	gone := map[*group]bool{}
	for key, one := range g.byKey {
		if known([]byte(key)) {
			gone[one] = true
			delete(g.byKey, key)
		}
	}
	g.all = slices.DeleteFunc(g.all, func(one *group) bool { return gone[one] })
}

// at is the group of the row with the same number.
func (g *groups) at(i int) *group {
	if i < len(g.all) {
		return g.all[i]
	}
	return g.rest
}

// tells is false where all records lack the values that they are grouped by.
func (g *groups) tells() bool {
	return len(g.all) > 1 || len(g.all) == 1 && !g.all[0].key.Empty()
}

// copy makes groups that can be added to without changing g.
func (g *groups) copy() *groups {
	c := *g
	c.byKey, c.all = make(map[string]*group, len(g.byKey)), make([]*group, 0, len(g.all))
	same := make(map[*group]*group, len(g.all))
	clone := func(one *group) *group {
		n := *one
		n.num, n.set = slices.Clone(one.num), slices.Clone(one.set)
		return &n
	}
	for _, one := range g.all {
		n := clone(one)
		c.all, same[one] = append(c.all, n), n
	}
	for key, one := range g.byKey {
		c.byKey[key] = same[one]
	}
	if g.rest != nil {
		c.rest = clone(g.rest)
	}
	return &c
}

// add counts a connection in.
func (g *groups) add(e *event.Event, state facts) {
	to := g.of(e)
	if to == g.rest {
		to.merged++
	}
	to.count(state)
	for i, f := range g.sums.from {
		v, ok := number(f, e)
		if !ok {
			continue
		}
		switch {
		case f.Sum == event.Add:
			to.num[i] += v
		case !to.set[i], f.Sum == event.Least && v < to.num[i], f.Sum == event.Most && v > to.num[i]:
			to.num[i] = v
		}
		to.set[i] = true
	}
}

func (g *group) count(s facts) {
	g.totals.Connections++
	for _, n := range []struct {
		is bool
		to *uint64
	}{{s.open, &g.totals.Open}, {s.failed, &g.totals.Failed}, {s.partial, &g.totals.Partial}} {
		if n.is {
			*n.to++
		}
	}
}

// number is a field's value to be added up or compared; of times it is exact to the microsecond.
func number(f *event.Field, e *event.Event) (float64, bool) {
	switch f.Type {
	case event.Uint:
		n, ok := f.Uint(e)
		return float64(n), ok
	case event.Float:
		return f.Float(e)
	case event.Time:
		ns := f.Time(e)
		return float64(ns / 1000), ns != 0
	}
	return 0, false
}

// facts are what a summary asks of a connection besides its sums.
type facts struct{ open, failed, partial bool }

// asker reads the facts from the fields of a schema.
type asker struct{ event, reason, partial, proto, direction, tx, rx *event.Field }

func newAsker(s *event.Schema) asker {
	return asker{s.Lookup("event"), s.Lookup("reason"), s.Lookup("partial"), s.Lookup("proto"), s.Lookup("direction"),
		s.Lookup("tx_packets"), s.Lookup("rx_packets")}
}

func (a *asker) ask(e *event.Event) facts {
	var f facts
	f.partial, _ = a.partial.Bool(e)
	reason := a.reason.Str(e)
	f.open = e.Kind != event.Closed || reason == event.Exit.String()
	f.failed = reason == event.Rst.String() || reason == event.Refused.String() || reason == event.Timeout.String() ||
		reason == event.Destroyed.String() && !f.partial && a.unanswered(e)
	return f
}

// unanswered is of TCP, where a program lost patience before the kernel did: no packet came from the end that was called.
func (a *asker) unanswered(e *event.Event) bool {
	answers := a.rx
	if a.direction.Str(e) == "in" {
		answers = a.tx
	}
	n, known := answers.Uint(e)
	return known && n == 0 && a.proto.Str(e) == "tcp"
}

// rows makes the records of the groups. Over a period of so many seconds rates are the bytes' over that,
// otherwise the sum of the rates.
func (g *groups) rows(ts int64, period float64) []event.Event {
	var rows []event.Event
	for _, one := range g.all {
		rows = append(rows, g.row(one, ts, period))
	}
	if g.rest != nil {
		row := g.row(g.rest, ts, period)
		row.Stored.SetUint(g.schema.Lookup("groups_merged"), g.rest.merged)
		rows = append(rows, row)
	}
	return rows
}

func (g *groups) row(one *group, ts int64, period float64) event.Event {
	to, r := g.schema, one.key.Clone()
	r.SetUint(to.Lookup("v"), event.Version)
	r.SetStr(to.Lookup("event"), event.Group.String())
	r.SetTime(to.Lookup("ts"), ts)
	r.SetStr(to.Lookup("group_by"), g.name)
	t := &one.totals
	for name, n := range map[string]uint64{"connections": t.Connections, "connections_open": t.Open,
		"connections_failed": t.Failed, "connections_partial": t.Partial} {
		r.SetUint(to.Lookup(name), n)
	}
	for i, f := range g.sums.to {
		value, set := one.num[i], one.set[i]
		if bytes, isRate := strings.CutSuffix(f.Name, "_rate"); isRate && period > 0 {
			for j, b := range g.sums.to {
				if b.Name == bytes+"_bytes" {
					value, set = round(one.num[j]/period), one.set[j]
				}
			}
		}
		if set {
			setNumber(r, f, value)
		}
	}
	return event.Event{Kind: event.Group, TS: ts, Stored: r}
}

// round keeps one decimal, as rates have it.
func round(f float64) float64 { return float64(int64(f*10+0.5)) / 10 }

func setNumber(r *event.Stored, f *event.Field, v float64) {
	switch f.Type {
	case event.Uint:
		r.SetUint(f, uint64(v))
	case event.Time:
		r.SetTime(f, int64(v)*1000)
	default:
		r.SetFloat(f, v)
	}
}
