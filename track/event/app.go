package event

import (
	"math"
	"unsafe"
)

// App is what a connection speaks, by content. Parsers fill it through the fields they declare.
// Once an event points at an App it is not changed: Clone it, change the clone, replace.
type App struct {
	Name string // value of the field `app`: "tls", "http", "dns", …
	Host string // the name that the client gave to the server

	values     *AppValue // the first of n, with room for more
	has        uint32    // bit index & 31 of every field that is set: most questions are about one that is not
	n, room    uint8
	HostSource HostSource
}

// HostSource is how the remote end's name is known: the first ones are what the client gave to the server.
type HostSource uint8

const (
	NoHost HostSource = iota
	HostBySNI
	HostByHTTP
	HostByDNS // nobody named it to the server: a response said so of its address
	HostByPTR // reverse DNS said so
)

var hostSourceNames = [...]string{"", "sni", "http", "dns", "ptr"}

func (s HostSource) String() string { return hostSourceNames[s] }

// AppValue is the value of a field that is set. Every connection that is open keeps some, so it is as small as can be: a text or
// a list without its capacity, or a number, in two words.
type AppValue struct {
	p     unsafe.Pointer // the text's bytes, the list's texts, the large number
	n     uint32         // length of the text or the list; the lower bits of the number
	high  uint8          // the number's bits above n
	kind  valueKind
	Index uint16 // the field's AppIndex
}

type valueKind uint8

const (
	textValue valueKind = iota
	listValue
	numberValue
	secondsValue // a number of billions, as a time of whole seconds is
	largeValue   // a number that is too large for n and high
)

// Str gives a text, "" of what is none.
func (v *AppValue) Str() string {
	if v.kind != textValue {
		return ""
	}
	return unsafe.String((*byte)(v.p), v.n)
}

// List gives a list, nil of what is none. The caller must not change it.
func (v *AppValue) List() []string {
	if v.kind != listValue {
		return nil
	}
	return unsafe.Slice((*string)(v.p), v.n)
}

// Num gives a number, also of a Bool and a Time.
func (v *AppValue) Num() uint64 {
	n := uint64(v.high)<<32 | uint64(v.n)
	switch v.kind {
	case secondsValue:
		return n * 1e9
	case largeValue:
		return *(*uint64)(v.p)
	}
	return n
}

func (v *AppValue) setStr(s string) {
	v.p, v.n, v.kind = unsafe.Pointer(unsafe.StringData(s)), uint32(len(s)), textValue
}

func (v *AppValue) setList(l []string) {
	v.p, v.n, v.kind = unsafe.Pointer(unsafe.SliceData(l)), uint32(len(l)), listValue
}

func (v *AppValue) setNum(n uint64) {
	v.p, v.kind = nil, numberValue
	if n>>40 != 0 {
		if seconds := n / 1e9; seconds*1e9 == n {
			n, v.kind = seconds, secondsValue
		} else {
			large := n
			v.p, v.kind = unsafe.Pointer(&large), largeValue
		}
	}
	v.n, v.high = uint32(n), uint8(n>>32)
}

// roomyApp is an App with room for as many values as most protocols set, in one piece: a flood of
// connections that are told apart by little has as many of them. largeApp is one for those that set more.
type (
	roomyApp struct {
		App
		places [5]AppValue
	}
	largeApp struct {
		App
		places [10]AppValue
	}
)

// NewApp makes an empty App. The zero App is one, too, but grows when it is filled.
func NewApp() *App {
	a := &roomyApp{}
	a.App.values, a.App.room = &a.places[0], uint8(len(a.places))
	return &a.App
}

// NewLargeApp makes an empty App for what sets more than a few values.
func NewLargeApp() *App {
	a := &largeApp{}
	a.App.values, a.App.room = &a.places[0], uint8(len(a.places))
	return &a.App
}

// AppField is a field that a parser declares and fills. Make it once, in a package variable.
type AppField struct {
	Field
	index uint16
}

// MaxAppFields bounds how many fields parsers can declare.
const MaxAppFields = 512

var appFields int

func newAppField(name, unit, doc string, t Type) *AppField {
	if appFields >= MaxAppFields {
		panic("event: more than 512 application fields; widen App.has")
	}
	f := &AppField{Field: Field{Name: name, Unit: unit, Doc: doc, Type: t, app: uint16(appFields + 1), needs: partApp}, index: uint16(appFields)}
	appFields++
	return f
}

// AppString declares a text field.
func AppString(name, doc string) *AppField {
	f := newAppField(name, "", doc, String)
	f.Str = func(e *Event) string { return e.App.Str(f) }
	return f
}

// AppUint declares a number.
func AppUint(name, unit, doc string) *AppField {
	f := newAppField(name, unit, doc, Uint)
	f.Uint = func(e *Event) (uint64, bool) { return e.App.Uint(f) }
	return f
}

// AppBool declares a truth value; it is absent until it is set.
func AppBool(name, doc string) *AppField {
	f := newAppField(name, "", doc, Bool)
	f.Bool = func(e *Event) (bool, bool) { n, ok := e.App.Uint(f); return n != 0, ok }
	return f
}

// AppList declares a list of texts.
func AppList(name, doc string) *AppField {
	f := newAppField(name, "", doc, List)
	f.List = func(e *Event) []string { return e.App.List(f) }
	return f
}

// AppTime declares a time.
func AppTime(name, doc string) *AppField {
	f := newAppField(name, "", doc, Time)
	f.Time = func(e *Event) int64 { n, _ := e.App.Uint(f); return int64(n) }
	return f
}

// Spelt says how the field spells its texts.
func (f *AppField) Spelt(form Form) *AppField {
	f.form = form
	return f
}

func (a *App) get(index uint16) *AppValue {
	if a == nil || a.has&(1<<(index&31)) == 0 {
		return nil
	}
	values := a.Values()
	for i := range values {
		if values[i].Index == index {
			return &values[i]
		}
	}
	return nil
}

// Has tells whether f was set.
func (a *App) Has(f *AppField) bool { return a.get(f.index) != nil }

// Str returns the text of f, "" when it was not set.
func (a *App) Str(f *AppField) string {
	if v := a.get(f.index); v != nil {
		return v.Str()
	}
	return ""
}

// Uint returns the number of f, and whether it was set.
func (a *App) Uint(f *AppField) (uint64, bool) {
	if v := a.get(f.index); v != nil {
		return v.Num(), true
	}
	return 0, false
}

// List returns the list of f, nil when it was not set. The caller must not change it.
func (a *App) List(f *AppField) []string {
	if v := a.get(f.index); v != nil {
		return v.List()
	}
	return nil
}

// Values gives what is set, in the order in which it was. The caller must not change it.
func (a *App) Values() []AppValue {
	if a == nil {
		return nil
	}
	return unsafe.Slice(a.values, a.n)
}

// Values are long that are texts of more bytes or lists of more texts than that.
const (
	LongText = 256
	LongList = 8
)

func (v *AppValue) long() (bytes int) {
	switch {
	case v.kind == textValue && v.n > LongText:
		return int(v.n)
	case v.kind == listValue && v.n > LongList:
		for _, s := range v.List() {
			bytes += int(unsafe.Sizeof(s)) + len(s)
		}
	}
	return bytes
}

// Long is how many bytes a's long values take.
func (a *App) Long() (bytes int) {
	values := a.Values()
	for i := range values {
		bytes += values[i].long()
	}
	return bytes
}

// DropLong takes the long values out and tells how many they were.
func (a *App) DropLong() (dropped int) {
	values := a.Values()
	n := 0
	a.has = 0
	for _, v := range values {
		if v.long() > 0 {
			continue
		}
		values[n] = v
		a.has |= 1 << (v.Index & 31)
		n++
	}
	clear(values[n:])
	a.n = uint8(n)
	return len(values) - n
}

// Fact returns the text that was set i-th, for a line that says in short what the connection is about;
// "" when that is no text, or there are fewer.
func (a *App) Fact(i int) string {
	values := a.Values()
	if i >= len(values) {
		return ""
	}
	return values[i].Str()
}

func (a *App) set(index uint16) *AppValue {
	if v := a.get(index); v != nil {
		return v
	}
	if a.n == a.room {
		a.grow(2 * int(a.n))
	}
	v := (*AppValue)(unsafe.Add(unsafe.Pointer(a.values), uintptr(a.n)*unsafe.Sizeof(AppValue{})))
	a.n++
	a.has |= 1 << (index & 31)
	v.Index = index
	return v
}

// grow makes room for n values at least, and at most for as many as there can be: of those beyond, which no connection has,
// the last one stands.
func (a *App) grow(n int) {
	places := make([]AppValue, min(max(n, 4), math.MaxUint8))
	if copy(places, a.Values()) == math.MaxUint8 {
		a.n--
		places[a.n] = AppValue{}
	}
	a.values, a.room = &places[0], uint8(len(places))
}

// SetStr sets a text field.
func (a *App) SetStr(f *AppField, s string) { a.set(f.index).setStr(s) }

// SetUint sets a number.
func (a *App) SetUint(f *AppField, n uint64) { a.set(f.index).setNum(n) }

// SetTime sets a time in nanoseconds since the epoch. That itself, which stands for no time, is set a nanosecond later.
func (a *App) SetTime(f *AppField, ns int64) {
	if ns == 0 {
		ns = 1
	}
	a.set(f.index).setNum(uint64(ns))
}

// SetBool sets a truth value.
func (a *App) SetBool(f *AppField, b bool) {
	n := uint64(0)
	if b {
		n = 1
	}
	a.set(f.index).setNum(n)
}

// SetList sets a list, which must not be changed afterwards.
func (a *App) SetList(f *AppField, l []string) { a.set(f.index).setList(l) }

// With returns a copy of a that also has what only b says; a where that is nothing.
func (a *App) With(b *App) *App {
	c := a
	for _, v := range b.Values() {
		if a.get(v.Index) != nil {
			continue
		}
		if c == a {
			c = a.Clone()
		}
		*c.set(v.Index) = v
	}
	return c
}

// Clone copies a, so that the copy can be changed while events point at a.
func (a *App) Clone() *App {
	c := NewApp()
	if a.n > c.room {
		c = NewLargeApp()
	}
	if a.n > c.room {
		c.grow(int(a.n) + 4)
	}
	places, room := c.values, c.room
	*c = *a
	c.values, c.room = places, room
	copy(c.Values(), a.Values())
	return c
}
