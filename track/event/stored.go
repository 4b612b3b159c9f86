package event

import (
	"errors"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
)

// Stored holds a record by its fields' values, for records that no source made: those read back from
// where they were written, and sums of others. Fields of a Stored schema read it; everything in Event
// but Kind and Seq stays empty beside it. It is not changed once an event points at it.
type Stored struct {
	schema *Schema
	has    [storedWords]uint64
	values []storedValue // of the fields that are set, in the schema's order
	lists  [][]string
}

// storedWords bounds a schema to 640 fields.
const storedWords = 10

type storedValue struct {
	num uint64 // of a list, its place in lists
	str string
}

// Stored gives the same fields, with getters that read Event.Stored. Only seq is the event's own,
// because output gives it anew.
func (s *Schema) Stored() *Schema {
	if len(s.Fields) > 64*storedWords {
		panic("event: more fields than Stored holds; widen storedWords")
	}
	stored := &Schema{byName: map[string]*Field{}}
	for i, base := range s.Fields {
		f := &Field{Name: base.Name, Group: base.Group, Unit: base.Unit, Doc: base.Doc, Type: base.Type, Width: base.Width,
			Sum: base.Sum, form: base.form, stored: i + 1, parsed: base.parsed || base.app != 0}
		if base.form.read != nil {
			f.form = *base.form.read
		}
		if f.Name == "seq" {
			f.Uint = base.Uint
		} else {
			f.readStored(i)
		}
		stored.add(f)
	}
	return stored
}

// IsStored tells whether the fields read Event.Stored.
func (s *Schema) IsStored() bool { return len(s.Fields) > 0 && s.Fields[0].stored != 0 }

// ParseAddr reads an address of a record. netip takes anything for a zone, which is the name of an interface: quotes, line ends and
// what makes a terminal act are in none, and addresses are written as they are.
func ParseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	for _, c := range []byte(a.Zone()) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' || c == ',' || c == '\'' {
			return netip.Addr{}, errZone
		}
	}
	return a, err
}

var errZone = errors.New("an address with a zone that is the name of no interface")

func (f *Field) readStored(i int) {
	switch f.Type {
	case String:
		f.Str = func(e *Event) string { return e.Stored.at(i).str }
	case Uint, ID:
		f.Uint = func(e *Event) (uint64, bool) { return e.Stored.at(i).num, e.Stored.isSet(i) }
	case Float:
		f.Float = func(e *Event) (float64, bool) { return math.Float64frombits(e.Stored.at(i).num), e.Stored.isSet(i) }
	case Bool:
		f.Bool = func(e *Event) (v, ok bool) { return e.Stored.at(i).num != 0, e.Stored.isSet(i) }
	case Addr:
		f.Addr = func(e *Event) netip.Addr {
			a, _ := ParseAddr(e.Stored.at(i).str)
			return a
		}
	case Time:
		f.Time = func(e *Event) int64 { return int64(e.Stored.at(i).num) }
	case List:
		f.List = func(e *Event) []string {
			if !e.Stored.isSet(i) {
				return nil
			}
			return e.Stored.lists[e.Stored.at(i).num]
		}
	}
}

func (r *Stored) isSet(i int) bool { return r != nil && r.has[i>>6]&(1<<(i&63)) != 0 }

// rank is how many fields before i are set.
func (r *Stored) rank(i int) int {
	n := 0
	for _, w := range r.has[:i>>6] {
		n += bits.OnesCount64(w)
	}
	return n + bits.OnesCount64(r.has[i>>6]&(1<<(i&63)-1))
}

func (r *Stored) at(i int) storedValue {
	if !r.isSet(i) {
		return storedValue{}
	}
	return r.values[r.rank(i)]
}

// set is cheapest in the schema's order.
func (r *Stored) set(f *Field, v storedValue) {
	i := f.stored - 1
	at := r.rank(i)
	if r.isSet(i) {
		r.values[at] = v
		return
	}
	r.has[i>>6] |= 1 << (i & 63)
	r.values = append(r.values, storedValue{})
	copy(r.values[at+1:], r.values[at:])
	r.values[at] = v
}

// Unset makes a field absent.
func (r *Stored) Unset(f *Field) {
	if i := f.stored - 1; r.isSet(i) {
		at := r.rank(i)
		r.values = slices.Delete(r.values, at, at+1)
		r.has[i>>6] &^= 1 << (i & 63)
	}
}

// Empty tells whether no field is set.
func (r *Stored) Empty() bool { return len(r.values) == 0 }

// SetStr sets a text, of an Addr its spelling; the empty one is absent.
func (r *Stored) SetStr(f *Field, s string) {
	if s != "" {
		r.set(f, storedValue{str: s})
	}
}

// SetUint sets a number or an ID.
func (r *Stored) SetUint(f *Field, n uint64) { r.set(f, storedValue{num: n}) }

// SetFloat sets a number.
func (r *Stored) SetFloat(f *Field, n float64) { r.set(f, storedValue{num: math.Float64bits(n)}) }

// SetBool sets a truth value.
func (r *Stored) SetBool(f *Field, b bool) {
	var n uint64
	if b {
		n = 1
	}
	r.set(f, storedValue{num: n})
}

// SetTime sets nanoseconds since the epoch; 0 is absent.
func (r *Stored) SetTime(f *Field, ns int64) {
	if ns != 0 {
		r.set(f, storedValue{num: uint64(ns)})
	}
}

// SetList sets a list, which must not be changed afterwards; an empty one is absent.
func (r *Stored) SetList(f *Field, l []string) {
	if len(l) > 0 {
		r.lists = append(r.lists, l)
		r.set(f, storedValue{num: uint64(len(r.lists) - 1)})
	}
}

// Copy sets f to what from, a field of the same type of any schema, gives for e. Its texts are r's own: those of a record that was
// read back are part of all that was read with it.
func (r *Stored) Copy(f, from *Field, e *Event) {
	switch from.Type {
	case String:
		r.SetStr(f, strings.Clone(from.Str(e)))
	case Uint, ID:
		if n, ok := from.Uint(e); ok {
			r.SetUint(f, n)
		}
	case Float:
		if n, ok := from.Float(e); ok {
			r.SetFloat(f, n)
		}
	case Bool:
		if b, ok := from.Bool(e); ok {
			r.SetBool(f, b)
		}
	case Addr:
		if a := from.Addr(e); a.IsValid() {
			r.SetStr(f, a.String())
		}
	case Time:
		r.SetTime(f, from.Time(e))
	case List:
		list := slices.Clone(from.List(e))
		for i := range list {
			list[i] = strings.Clone(list[i])
		}
		r.SetList(f, list)
	}
}

// fact is App.Fact for a record that was read back, whose order is the schema's.
func (r *Stored) fact(n int) string {
	for w, word := range r.has {
		for ; word != 0; word &= word - 1 {
			i := w<<6 + bits.TrailingZeros64(word)
			if f := r.schema.Fields[i]; !f.parsed || f.Type != String {
				continue
			}
			if n--; n < 0 {
				return r.at(i).str
			}
		}
	}
	return ""
}

// NewStored makes an empty record of a Stored schema.
func NewStored(schema *Schema) *Stored { return &Stored{schema: schema} }

// Clone copies r, so that the copy can be added to while events point at r.
func (r *Stored) Clone() *Stored {
	c := *r
	c.values, c.lists = slices.Clone(r.values), slices.Clone(r.lists)
	return &c
}

// Grow makes room for n more fields.
func (r *Stored) Grow(n int) { r.values = slices.Grow(r.values, n) }

// Storage makes many Stored with few allocations. What it made lives as long as any of its neighbours do.
type Storage struct {
	schema  *Schema
	records []Stored
	last    *Stored
	values  []storedValue
}

// NewStorage makes records for a Stored schema.
func NewStorage(schema *Schema) *Storage { return &Storage{schema: schema} }

// storageRecords is how many records share their memory; storageValues what most of them need.
const (
	storageRecords = 128
	storageValues  = 64
)

// New gives an empty record. The one that it gave before must be complete: somebody may be reading it, and
// what is set on it now would be written over this one's values.
func (s *Storage) New() *Stored {
	if s.last != nil {
		s.values = s.values[min(len(s.last.values), len(s.values)):]
	}
	if len(s.records) == 0 {
		s.records = make([]Stored, storageRecords)
	}
	if len(s.values) < storageValues {
		s.values = make([]storedValue, storageRecords*storageValues/2)
	}
	r := &s.records[0]
	s.records = s.records[1:]
	r.schema, r.values = s.schema, s.values[:0]
	s.last = r
	return r
}
