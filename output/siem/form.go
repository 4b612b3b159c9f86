// Package siem writes records in the forms that others made: Zeek's conn.log, Suricata's EVE, Elastic's ECS
// and OCSF. Each form is a table of where our fields go, from which its encoder and its documentation are made.
package siem

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"rustnet/output"
	"rustnet/track/event"
)

// form declares one of them.
type form struct {
	name, title string
	version     string // of the schema that the names were checked against
	about       string // for people: which events it writes, and what to know
	kinds       kinds  // events that it has records for; others are not selected
	records     []record
	common      []target // at the beginning of each record
	flat        bool     // names with points are names, not objects
	time        func(x *encoder, dst []byte, ns int64) []byte
	// none lists the fields that have no place in it, with the reason.
	none []homeless
}

// record is one of the lines that an event can give.
type record struct {
	name    string
	on      kinds
	targets []target
	rest    rest // where the other fields go
	// Of a record that is about a part of the connection: it is written once, when all of ready are there or the
	// connection ends, if any of about is there.
	ready, about    []string
	onlyApp, notApp string // of connections that speak this, or not this
	ip              bool   // of protocols over IP only
}

// rest is the place that a schema has for what it has no name for.
type rest struct {
	at  string
	how restStyle
}

type restStyle uint8

const (
	noRest    restStyle = iota
	keywords            // an object of texts
	natural             // an object of values as they are
	variables           // a list of objects with a single text
)

// target says where a value goes.
type target struct {
	to   string
	from string // our field; "" where as makes the value by itself, "-" for none
	peer string // the field instead, where the remote end opened the connection; "" = from
	as   conversion
	on   kinds  // 0 = all
	when string // only where this field is there; else from goes to the rest
	typ  string // Zeek's type
	must bool   // whatever --fields says
	all  string // instead of from: fields with spaces between, whose values become one list; *_NAME are all that end so, host.name is this machine's name
}

type homeless struct {
	fields string // names with spaces between; NAME_* for all that begin so
	why    string
}

// kinds is a set of event.Kind.
type kinds uint16

func on(all ...event.Kind) (s kinds) {
	for _, k := range all {
		s |= 1 << k
	}
	return s
}

var forms = []*form{&zeek, &eve, &ecs, &ocsf}

func lookup(name string) *form {
	i := slices.IndexFunc(forms, func(f *form) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return forms[i]
}

// encoder writes the records of one form. It is for one goroutine.
type encoder struct {
	form    *form
	fields  known
	records []compiled
	host    string // name of this machine, where the records are about it
	zeek    *tsv   // Zeek's own form; nil for JSON

	has        event.Part // of the event at hand
	apps       uint64     // of it: a bit for each field of parsers that it has, see appBit
	kind       kinds
	in         int    // 1 where the remote end opened its connection
	name       string // of the record at hand
	who        []other
	stamp      *output.Stamp // of the place at hand
	time, date output.Stamp
	buf        []byte // a value under way
	all        []byte // a list under way
	spare      []byte // another
	list       []int  // scratch: their places

	// told remembers which records about a part were written before their connection's end.
	told map[uint64]uint16
	// toldMax bounds it: when it is full, all is forgotten, and a record may come twice.
	toldMax int
}

// known are fields that conversions look at besides their own.
type known struct {
	direction, proto, history, reason, partial, state, start, duration, app, tx, rx, txPackets, rxPackets *event.Field
	id, icmpType, icmpCode, localAddr, container, queryType                                               *event.Field
	answers                                                                                               event.Answers
}

// compiled is a record made ready for a schema.
type compiled struct {
	*record
	root         node
	others       others
	ready, about []*event.Field
}

// node is a member of an object: an object itself, a value, or the rest. What tells that nothing comes of it stands first: of most
// nodes an event touches no more.
type node struct {
	needs [2]event.Part
	on    kinds
	rest  bool
	apps  [2]uint64 // where it is not 0: nothing comes of it unless the event has one of these, see encoder.apps
	when  *event.Field
	key   []byte // "name": and what is the same for all
	from  [2]*event.Field
	kids  []node
	all   []member
	as    conversion
	name  string
	stamp output.Stamp // what changes once a second is kept from one record to the next
}

// member is one of the fields that make a list together; nil is this machine's name.
type member struct {
	field *event.Field
	apps  uint64 // as of node
}

// appBit stands for a field of a parser; 0 of others. Some share theirs: it tells at once what most events lack, and that is most.
func appBit(f *event.Field) uint64 {
	if i, app := f.AppIndex(); app {
		return 1 << (i & 63)
	}
	return 0
}

// others are the fields that go to the rest.
type others struct {
	how   restStyle
	core  []other
	app   []other
	place [event.MaxAppFields]int16 // 1 + place in app, by AppIndex
}

type other struct {
	field  *event.Field
	needs  event.Part
	key    []byte
	unless *event.Field
}

func newOther(f *event.Field) other {
	return other{field: f, needs: f.Needs(), key: append(output.AppendJSON(nil, f.Name), ':')}
}

// New makes the encoder of the form that cfg.Schema names. It is what output.Config.Encoder is for.
func New(cfg output.Config, schema *event.Schema) (output.Encoder, error) {
	f := lookup(cfg.Schema)
	switch {
	case f == nil:
		return nil, fmt.Errorf("--schema: unknown schema %q (zeek, ecs, ocsf or eve)", cfg.Schema)
	case cfg.Format == output.CSV:
		return nil, fmt.Errorf("--csv: --schema %s says what a line looks like (--json is also for zeek)", f.name)
	case cfg.TimeFormat != "":
		return nil, fmt.Errorf("--time-format: --schema %s says what times look like", f.name)
	}
	selected, err := output.SelectFields(cfg.Fields, schema, f.defaults(schema))
	if err != nil {
		return nil, err
	}
	for _, s := range selected {
		if why := f.why(s.Name); why != "" {
			return nil, fmt.Errorf("--fields: %s has no place in --schema %s: %s", s.Name, f.name, why)
		}
	}
	x := &encoder{form: f, host: cfg.Host, told: map[uint64]uint16{}, toldMax: 1 << 17}
	x.fields.find(schema)
	for _, name := range []string{"process", "pid", "user"} {
		if i := slices.IndexFunc(selected, func(s *event.Field) bool { return s.Name == name }); i >= 0 {
			x.who = append(x.who, newOther(selected[i]))
		}
	}
	for i := range f.records {
		x.records = append(x.records, f.compile(&f.records[i], schema, selected))
	}
	if f == &zeek && cfg.Format != output.JSON {
		x.zeek = newTSV(&x.records[0].root)
	}
	return x, nil
}

func (k *known) find(schema *event.Schema) {
	k.answers = schema.Answers()
	for name, f := range map[string]**event.Field{"id": &k.id, "direction": &k.direction, "proto": &k.proto, "history": &k.history, "reason": &k.reason, "partial": &k.partial,
		"state": &k.state, "start": &k.start, "duration": &k.duration, "dns_type": &k.queryType, "app": &k.app,
		"tx_bytes": &k.tx, "rx_bytes": &k.rx, "tx_packets": &k.txPackets, "rx_packets": &k.rxPackets,
		"icmp_type": &k.icmpType, "icmp_code": &k.icmpCode,
		"local_addr": &k.localAddr, "container": &k.container} {
		*f = schema.Lookup(name)
	}
}

// defaults are the fields that are written when nobody says which: all that have a place.
func (f *form) defaults(schema *event.Schema) []*event.Field {
	var all []*event.Field
	mapped := f.sources()
	for _, field := range schema.Fields {
		if mapped[field.Name] || f.why(field.Name) == "" && (!f.flat || slices.Contains(zeekAdded, field.Name)) {
			all = append(all, field)
		}
	}
	return all
}

// sources are the fields that there are targets for.
func (f *form) sources() map[string]bool {
	m := map[string]bool{}
	for i := range f.records {
		for _, targets := range [][]target{f.common, f.records[i].targets} {
			for j := range targets {
				for _, name := range targets[j].uses() {
					m[name] = true
				}
			}
		}
	}
	return m
}

// why is the reason for which a field has no place; "" where it has one.
func (f *form) why(name string) string {
	for _, h := range f.none {
		for word := range strings.FieldsSeq(h.fields) {
			if prefix, ok := strings.CutSuffix(word, "*"); word == name || ok && strings.HasPrefix(name, prefix) {
				return h.why
			}
		}
	}
	return ""
}

// uses are the fields that a target is made of.
func (t *target) uses() (names []string) {
	for _, n := range []string{t.from, t.peer} {
		if n != "" && n != "-" {
			names = append(names, n)
		}
	}
	return names
}

// compiler makes a record of a form for the fields that are selected.
type compiler struct {
	form     *form
	schema   *event.Schema
	selected []*event.Field
	placed   map[string]string // fields that have a place, and the condition for it
}

func (f *form) compile(r *record, schema *event.Schema, selected []*event.Field) compiled {
	m := &compiler{f, schema, selected, map[string]string{}}
	c := compiled{record: r, others: others{how: r.rest.how}}
	for _, t := range slices.Concat(f.common, r.targets) {
		if n, wanted := m.node(&t); wanted {
			path := []string{t.to}
			if !f.flat {
				path = strings.Split(t.to, ".")
			}
			c.root.add(path, n)
		}
	}
	if r.rest.how != noRest {
		c.root.add(strings.Split(r.rest.at, "."), node{rest: true})
		m.others(&c.others)
	} else if f.flat {
		for _, s := range selected {
			if _, ok := m.placed[s.Name]; !ok {
				c.root.add([]string{addedColumn(s)}, node{from: [2]*event.Field{s, s}, needs: [2]event.Part{s.Needs(), s.Needs()}})
			}
		}
	}
	c.root.prune()
	for _, name := range r.ready {
		c.ready = append(c.ready, m.field(name))
	}
	for _, name := range r.about {
		c.about = append(c.about, m.field(name))
	}
	return c
}

// field gives the field of that name, nil where a target names none.
func (m *compiler) field(name string) *event.Field {
	if name == "" || name == "-" {
		return nil
	}
	field := m.schema.Lookup(name)
	if field == nil {
		panic("siem: " + m.form.name + " maps " + name + ", which is no field") // TestDeclarations
	}
	return field
}

func (m *compiler) chosen(name string) bool {
	return slices.ContainsFunc(m.selected, func(s *event.Field) bool { return s.Name == name })
}

// node is what a target becomes, if any of its fields is selected.
func (m *compiler) node(t *target) (n node, wanted bool) {
	uses := t.uses()
	if !t.must && len(uses) > 0 && !slices.ContainsFunc(uses, m.chosen) {
		return n, false
	}
	for _, name := range uses {
		if was, ok := m.placed[name]; !ok || was != "" {
			m.placed[name] = t.when
		}
	}
	n = node{as: t.as, on: t.on, when: m.field(t.when), key: []byte(t.as.fixed)}
	for name := range strings.FieldsSeq(t.all) {
		switch end, several := strings.CutPrefix(name, "*"); {
		case name == "host.name":
			n.all = append(n.all, member{})
		case several:
			for _, s := range m.selected {
				if strings.HasSuffix(s.Name, end) {
					n.all = append(n.all, member{s, appBit(s)})
				}
			}
		case m.chosen(name):
			n.all = append(n.all, member{m.field(name), appBit(m.field(name))})
		}
	}
	if t.all != "" && len(n.all) == 0 {
		return n, false
	}
	n.from = [2]*event.Field{m.field(t.from), m.field(cmp.Or(t.peer, t.from))}
	for i, from := range n.from {
		switch {
		case from == nil && n.from[1-i] != nil: // it is for the other role
			n.needs[i] = ^event.Part(0)
		case from != nil:
			if n.needs[i] = from.Needs(); t.as.make == nil || t.as.alone {
				n.apps[i] = appBit(from)
			}
		}
	}
	return n, true
}

// others takes the fields that have no place of their own, or not always.
func (m *compiler) others(rest *others) {
	for _, s := range m.selected {
		when, ok := m.placed[s.Name]
		if ok && when == "" {
			continue
		}
		o := newOther(s)
		o.unless = m.field(when)
		if index, app := s.AppIndex(); app {
			rest.app = append(rest.app, o)
			rest.place[index] = int16(len(rest.app))
		} else {
			rest.core = append(rest.core, o)
		}
	}
}

// add puts n in its place, making the objects above it.
func (n *node) add(path []string, leaf node) {
	i := slices.IndexFunc(n.kids, func(k node) bool { return k.name == path[0] && len(k.kids) > 0 && len(path) > 1 })
	if i < 0 {
		kid := node{}
		if len(path) == 1 {
			kid = leaf
		}
		kid.name, kid.key = path[0], append(append(output.AppendJSON(nil, path[0]), ':'), kid.key...)
		n.kids = append(n.kids, kid)
		i = len(n.kids) - 1
	}
	if len(path) > 1 {
		n.kids[i].add(path[1:], leaf)
	}
}

// prune finds out what all members of each object need.
func (n *node) prune() {
	for i := range n.kids {
		k := &n.kids[i]
		if k.prune(); len(k.kids) == 0 {
			continue
		}
		for role := range k.needs {
			k.needs[role] = ^event.Part(0)
			for j := range k.kids {
				k.needs[role] &= k.kids[j].needs[role]
				k.apps[role] |= k.kids[j].apps[role]
			}
			if slices.ContainsFunc(k.kids, func(kid node) bool { return kid.apps[role] == 0 }) {
				k.apps[role] = 0
			}
		}
	}
}

// Header is what a file begins with.
func (x *encoder) Header(dst []byte) []byte {
	if x.zeek == nil {
		return dst
	}
	return x.zeek.header(dst)
}

// Writes tells whether the form has records for such events.
func (x *encoder) Writes(k event.Kind) bool { return x.form.kinds&on(k) != 0 }

// Record appends the lines that the event gives, of some none.
func (x *encoder) Record(dst []byte, e *event.Event) []byte {
	x.kind, x.has, x.apps, x.in = on(e.Kind), e.Parts(), 0, 0
	if e.App != nil {
		for i, values := 0, e.App.Values(); i < len(values); i++ {
			x.apps |= 1 << (values[i].Index & 63)
		}
	}
	if x.fields.direction.Str(e) == event.In.String() {
		x.in = 1
	}
	ends := e.Kind == event.Closed || e.Kind == event.Open
	for i := range x.records {
		r := &x.records[i]
		if r.on&x.kind == 0 || !x.about(r, e, ends, 1<<i) {
			continue
		}
		x.name = r.name
		if x.zeek != nil {
			dst = x.zeek.record(dst, x, e)
			continue
		}
		dst = append(dst, '{')
		dst = x.object(dst, &r.root, r, e)
		dst[len(dst)-1] = '}'
		dst = append(dst, '\n')
	}
	if ends && len(x.told) > 0 {
		delete(x.told, x.id(e))
	}
	return dst
}

// about tells whether the record is to be written now.
func (x *encoder) about(r *compiled, e *event.Event, ends bool, bit uint16) bool {
	if r.ip && x.ipVersion(e) == 0 {
		return false
	}
	if len(r.about) == 0 {
		return true
	}
	if app := x.fields.app.Str(e); r.onlyApp != "" && app != r.onlyApp || r.notApp != "" && app == r.notApp {
		return false
	}
	if !slices.ContainsFunc(r.about, func(f *event.Field) bool { return isSet(f, e) }) {
		return false
	}
	id := x.id(e)
	if x.told[id]&bit != 0 {
		return false
	}
	if ends {
		return true
	}
	for _, f := range r.ready {
		if !isSet(f, e) {
			return false
		}
	}
	if len(x.told) >= x.toldMax {
		clear(x.told)
	}
	x.told[id] |= bit
	return true
}

func (x *encoder) id(e *event.Event) uint64 {
	id, _ := x.fields.id.Uint(e)
	return id
}

// object appends the members of n, a comma behind each.
func (x *encoder) object(dst []byte, n *node, r *compiled, e *event.Event) []byte {
	for i := range n.kids {
		k := &n.kids[i]
		if apps := k.apps[x.in]; k.needs[x.in]&^x.has != 0 || apps != 0 && apps&x.apps == 0 || k.on != 0 && k.on&x.kind == 0 || k.when != nil && !isSet(k.when, e) {
			continue
		}
		start := len(dst)
		dst = append(dst, k.key...)
		filled := len(dst)
		switch {
		case k.as.fixed != "":
			dst = append(dst, ',')
			continue
		case k.rest:
			x.stamp = &x.time
			dst = x.rest(dst, &r.others, e)
		case len(k.kids) > 0:
			dst = append(dst, '{')
			if dst = x.object(dst, k, r, e); len(dst) > filled+1 {
				dst[len(dst)-1] = '}'
			} else {
				dst = dst[:filled]
			}
		case k.as.make == nil && len(k.all) == 0:
			if f := k.from[x.in]; f != nil {
				x.stamp = &k.stamp
				dst = x.field(dst, f, e, "")
			}
		default:
			x.stamp = &k.stamp
			v := x.value(k, e)
			dst = x.json(dst, &v)
		}
		if len(dst) == filled {
			dst = dst[:start]
			continue
		}
		dst = append(dst, ',')
	}
	return dst
}

// value is what a node's field becomes.
func (x *encoder) value(k *node, e *event.Event) value {
	f := k.from[x.in]
	if len(k.all) > 0 {
		return x.together(k.all, e)
	}
	if k.as.make != nil {
		return k.as.make(x, f, e)
	}
	if f == nil {
		return value{}
	}
	return x.plain(f, e)
}

// rest appends the fields that have no name of their own in the schema.
func (x *encoder) rest(dst []byte, o *others, e *event.Event) []byte {
	start, open, end := len(dst), byte('{'), byte('}')
	if o.how == variables {
		open, end = '[', ']'
	}
	dst = append(dst, open)
	for i := range o.core {
		if o.core[i].needs&^x.has == 0 {
			dst = x.other(dst, &o.core[i], o.how, e)
		}
	}
	if len(o.app) > 0 && e.App != nil {
		x.list = x.list[:0]
		for _, v := range e.App.Values() {
			if at := o.place[v.Index]; at > 0 {
				x.list = append(x.list, int(at)-1)
			}
		}
		slices.Sort(x.list)
		for _, at := range x.list {
			dst = x.other(dst, &o.app[at], o.how, e)
		}
	}
	if len(dst) == start+1 {
		return dst[:start]
	}
	dst[len(dst)-1] = end
	return dst
}

func (x *encoder) other(dst []byte, o *other, how restStyle, e *event.Event) []byte {
	if o.unless != nil && isSet(o.unless, e) {
		return dst
	}
	start, quote := len(dst), `"`
	switch how {
	case natural:
		quote = ""
	case variables:
		dst = append(dst, '{')
	}
	dst = append(dst, o.key...)
	filled := len(dst)
	if l := o.field; how == variables && l.Type == event.List {
		dst = joined(dst, l.List(e))
	} else {
		dst = x.field(dst, l, e, quote)
	}
	if len(dst) == filled {
		return dst[:start]
	}
	if how == variables {
		dst = append(dst, '}')
	}
	return append(dst, ',')
}
