package output

import (
	"iter"
	"math"
	"math/bits"
	"strconv"

	"rustnet/track/event"
)

// cells are the columns of a form in which each has its place, and its value as a text. Of some five hundred a record fills forty.
type cells struct {
	columns []cellColumn
	// asked has a bit for each column that is to be asked, for each set of parts that an event can have; those of the application are
	// found by what is set. Where one of its fields stands is in place, by its AppIndex.
	asked  [event.NumParts][]uint64
	place  [event.MaxAppFields]uint16
	filled []uint64 // scratch: the columns of this record
	values []uint8  // scratch: which of the values that are set belongs to a column
}

type cellColumn struct {
	field *event.Field
	stamp stamp
	app   bool
}

func newCells(fields []*event.Field, timeFormat string) cells {
	c := cells{values: make([]uint8, len(fields))}
	for i := range c.place {
		c.place[i] = nowhere
	}
	for i, f := range fields {
		index, app := f.AppIndex()
		if app {
			c.place[index] = uint16(i)
		}
		c.columns = append(c.columns, cellColumn{f, newStamp(timeFormat), app})
	}
	return c
}

// of gives the columns that may have a value, in their order, and what append wants to know of them.
func (c *cells) of(e *event.Event) iter.Seq2[int, *event.AppValue] {
	return func(yield func(int, *event.AppValue) bool) {
		has := e.Parts()
		if c.asked[has] == nil {
			c.plan(has)
		}
		c.filled = append(c.filled[:0], c.asked[has]...)
		var values []event.AppValue
		if e.App != nil {
			values = e.App.Values()
		}
		for i := range values {
			if at := c.place[values[i].Index%event.MaxAppFields]; at != nowhere {
				c.filled[at/64] |= 1 << (at % 64)
				c.values[at] = uint8(i)
			}
		}
		for word, filled := range c.filled {
			for ; filled != 0; filled &= filled - 1 {
				at := 64*word + bits.TrailingZeros64(filled)
				var v *event.AppValue
				if c.columns[at].app {
					v = &values[c.values[at]]
				}
				if !yield(at, v) {
					return
				}
			}
		}
	}
}

// plan makes the set of columns to ask of events that have these parts.
func (c *cells) plan(has event.Part) {
	set := make([]uint64, (len(c.columns)+63)/64)
	for i := range c.columns {
		if c := &c.columns[i]; !c.app && c.field.Needs()&^has == 0 {
			set[i/64] |= 1 << (i % 64)
		}
	}
	c.asked[has] = set
}

// append writes the text of a column that of gave.
func (c *cells) append(dst []byte, at int, v *event.AppValue, e *event.Event) []byte {
	column := &c.columns[at]
	if v == nil {
		return appendValue(dst, column.field, &column.stamp, e)
	}
	switch column.field.Type {
	case event.String:
		return append(dst, v.Str()...)
	case event.List:
		return appendJoined(dst, v.List())
	case event.Uint:
		return appendUint(dst, v.Num())
	case event.Bool:
		return strconv.AppendBool(dst, v.Num() != 0)
	case event.Time:
		if ns := int64(v.Num()); ns != 0 {
			return column.stamp.append(dst, ns)
		}
	}
	return dst
}

// AppendText appends a field's value as text, nothing when it is absent.
func AppendText(dst []byte, f *event.Field, e *event.Event) []byte {
	st := stamp{number: true}
	return appendValue(dst, f, &st, e)
}

// AppendShown appends it as tables of kept records show it: times in timeFormat, or else with their day.
func AppendShown(dst []byte, f *event.Field, e *event.Event, timeFormat string) []byte {
	if timeFormat == "" || timeFormat == "local" {
		timeFormat = dated
	}
	st := dayStamp(timeFormat)
	return appendValue(dst, f, &st, e)
}

// appendValue writes a value as it is, texts unescaped; nothing when it is absent.
func appendValue(dst []byte, f *event.Field, st *stamp, e *event.Event) []byte {
	switch f.Type {
	case event.String:
		if f.Append != nil {
			return f.Append(dst, e)
		}
		return append(dst, f.Str(e)...)
	case event.Uint:
		if n, ok := f.Uint(e); ok {
			return appendUint(dst, n)
		}
	case event.ID:
		if n, ok := f.Uint(e); ok {
			return appendHex(dst, n)
		}
	case event.Float:
		if n, ok := f.Float(e); ok && !math.IsNaN(n) && !math.IsInf(n, 0) {
			return appendFloat(dst, n)
		}
	case event.Bool:
		if b, ok := f.Bool(e); ok {
			return strconv.AppendBool(dst, b)
		}
	case event.Addr:
		if a := f.Addr(e); a.IsValid() {
			return appendAddr(dst, a)
		}
	case event.Time:
		if ns := f.Time(e); ns != 0 {
			return st.append(dst, ns)
		}
	case event.List:
		return appendJoined(dst, f.List(e))
	}
	return dst
}

func appendJoined(dst []byte, texts []string) []byte {
	for i, s := range texts {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, s...)
	}
	return dst
}
