package summary

import (
	"encoding/binary"
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

func (k *keys) names() []string { return strings.Split(k.name, ",") }

// sums are the fields that the declaration says can be made one of several.
type sums struct {
	from, to []*event.Field
	num      []float64 // see share
}

func summable(from, to *event.Schema) sums {
	var s sums
	for _, f := range from.Fields {
		if f.Sum != event.NoSum {
			s.from, s.to = append(s.from, f), append(s.to, to.Lookup(f.Name))
		}
	}
	if len(s.from) > 64 {
		panic("summary: more fields with sums than share.has has bits")
	}
	return s
}

// groups adds records up by their values of some fields.
type groups struct {
	keys
	sums
	schema *event.Schema // of the rows
	byKey  map[string]*group
	all    []*group // those with a row, in the order in which they got it
	rest   *group   // what there was no room for
	max    int
	key    []byte
	ends   []int // of the values in key
}

// group is the sum of some connections.
type group struct {
	name   string        // its key in groups.byKey
	key    *event.Stored // the values that they share
	totals event.Totals
	merged uint64
	num    []float64 // nil = it has no row yet
	set    []bool
	series *series // nil = no bytes over time
	open   int     // connections that will be counted here, see groups.expect
}

// share is what a connection adds to each group that it is in.
type share struct {
	facts
	has uint64    // bit i: it has the value of sums.from[i]
	num []float64 // those values
}

func newGroups(k keys, s sums, rows *event.Schema) *groups {
	return &groups{keys: k, sums: s, schema: rows, byKey: map[string]*group{}, max: groupsMax, ends: make([]int, len(k.from))}
}

// keyOf gives what a record shares with its group, valid until the next.
func (g *groups) keyOf(e *event.Event) []byte {
	g.key = g.key[:0]
	for i, f := range g.keys.from {
		at := len(g.key)
		g.key = output.AppendText(g.key, f, e)
		g.ends[i] = len(g.key)
		g.key = binary.NativeEndian.AppendUint32(g.key, uint32(len(g.key)-at)) // a text can have any byte between its own
	}
	return g.key
}

// of finds the group that a record belongs to, and gives it a row.
func (g *groups) of(e *event.Event) *group {
	found := g.byKey[string(g.keyOf(e))]
	if found == nil && len(g.all) < g.max {
		found = g.make(e)
	}
	return g.list(found)
}

// expect finds the group in which a connection will be counted when it is over, as far as its last record says. The group gets its
// row then; nil is the rest. forget takes it back.
func (g *groups) expect(e *event.Event) *group {
	found := g.byKey[string(g.keyOf(e))]
	if found == nil && len(g.all) < g.max {
		found = g.make(e)
	}
	if found != nil {
		found.open++
	}
	return found
}

func (g *groups) forget(one *group) {
	if one == nil {
		return
	}
	if one.open--; one.open == 0 && one.num == nil {
		delete(g.byKey, one.name)
	}
}

// make makes the group of g.key, which e has.
func (g *groups) make(e *event.Event) *group {
	made := &group{name: string(g.key), key: event.NewStored(g.schema)}
	at := 0
	for i, f := range g.keys.from {
		if f.Type == event.String { // it can be long, and is there already
			made.key.SetStr(g.keys.to[i], made.name[at:g.ends[i]])
		} else {
			made.key.Copy(g.keys.to[i], f, e)
		}
		at = g.ends[i] + 4
	}
	g.byKey[made.name] = made
	return made
}

// list gives the group a row, or where there is no room for one the rest.
func (g *groups) list(one *group) *group {
	switch {
	case one != nil && one.num != nil:
		return one
	case one != nil && len(g.all) < g.max:
		g.all = append(g.all, one)
	case g.rest != nil:
		return g.rest
	default:
		one = &group{key: event.NewStored(g.schema)}
		g.rest = one
	}
	one.num, one.set = make([]float64, len(g.sums.from)), make([]bool, len(g.sums.from))
	return one
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

// copy makes groups that can be added to without changing g; counterpart gives a group's copy, for adding only.
func (g *groups) copy() (c *groups, counterpart func(*group) *group) {
	made := *g
	made.all, made.byKey = make([]*group, 0, len(g.all)), nil
	same := make(map[*group]*group, len(g.all))
	counterpart = func(one *group) *group {
		if one == nil || same[one] != nil {
			return same[one]
		}
		n := *one
		n.num, n.set = slices.Clone(one.num), slices.Clone(one.set)
		same[one] = &n
		return &n
	}
	for _, one := range g.all {
		made.all = append(made.all, counterpart(one))
	}
	made.rest = counterpart(g.rest)
	return &made, counterpart
}

// share is what a record's connection adds, valid until the next.
func (s *sums) share(e *event.Event, state facts) share {
	sh := share{facts: state, num: s.num[:0]}
	for i, f := range s.from {
		if v, ok := number(f, e); ok {
			sh.has |= 1 << i
			sh.num = append(sh.num, v)
		}
	}
	s.num = sh.num
	return sh
}

// add counts a connection in.
func (g *groups) add(e *event.Event, state facts) { g.count(g.of(e), g.share(e, state)) }

// count adds a connection's share to a group that has a row.
func (g *groups) count(to *group, sh share) {
	if to == g.rest {
		to.merged++
	}
	to.totals.Connections++
	for _, n := range []struct {
		is bool
		to *uint64
	}{{sh.open, &to.totals.Open}, {sh.failed, &to.totals.Failed}, {sh.partial, &to.totals.Partial}} {
		if n.is {
			*n.to++
		}
	}
	for i, f := range g.sums.from {
		if sh.has&(1<<i) == 0 {
			continue
		}
		v := sh.num[0]
		sh.num = sh.num[1:]
		switch {
		case f.Sum == event.Add:
			to.num[i] += v
		case !to.set[i], f.Sum == event.Least && v < to.num[i], f.Sum == event.Most && v > to.num[i]:
			to.num[i] = v
		}
		to.set[i] = true
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
type asker struct {
	reason, partial, proto *event.Field
	answers                event.Answers
}

func newAsker(s *event.Schema) asker {
	return asker{s.Lookup("reason"), s.Lookup("partial"), s.Lookup("proto"), s.Answers()}
}

func (a *asker) ask(e *event.Event) facts {
	var f facts
	f.partial, _ = a.partial.Bool(e)
	reason := a.reason.Str(e)
	f.open = e.Kind != event.Closed || reason == event.Exit.String()
	switch reason {
	case event.Rst.String(), event.Refused.String():
		f.failed = true
	case event.Timeout.String(): // most of what has no states ends with silence
		proto := a.proto.Str(e)
		f.failed = proto == "tcp" || proto == "sctp" || !f.partial && a.answers.Owed(e)
	case event.Destroyed.String(): // a program lost patience before the kernel did
		f.failed = !f.partial && a.answers.Owed(e)
	}
	return f
}

// rows makes the records of the groups. Over a period of so many seconds rates are the bytes' over that,
// otherwise the sum of the rates.
func (g *groups) rows(ts int64, period float64) []event.Event {
	rows := make([]event.Event, 0, len(g.all)+1)
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
	r.Grow(10 + len(g.sums.to)) // with what else is set here, and in the totals
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
