package dpi

import (
	"bytes"
	"hash/maphash"
	"reflect"

	"rustnet/track/event"
)

// memo keeps what was worked out of bytes, so that what many connections have in common is worked out once. Bytes have
// the pair of places that a keyed hash gives them, which nobody outside can know, and take the place of those that were there
// longer: it never grows. What a place holds is told by the bytes themselves, never by their hash.
type memo[V any] struct {
	seed    maphash.Seed
	longest int // of what is kept
	places  []remembered[V]
	other   remembered[V] // of what is longer
}

type remembered[V any] struct {
	key   []byte
	known bool // value is the key's: a parser may have ended before it was
	value V
}

func (p *remembered[V]) set(value V) { p.value, p.known = value, true }

// newMemo makes one of so many places, a power of two from two on.
func newMemo[V any](seed maphash.Seed, places, longest int) memo[V] {
	return memo[V]{seed: seed, longest: longest, places: make([]remembered[V], places)}
}

// find returns the place of the bytes, whose value the caller sets when it is not known.
func (m *memo[V]) find(key []byte) *remembered[V] {
	p := &m.other
	if len(key) <= m.longest {
		at := maphash.Bytes(m.seed, key) & uint64(len(m.places)-1) &^ 1
		p = &m.places[at]
		if bytes.Equal(p.key, key) {
			return p
		}
		older := &m.places[at+1]
		if bytes.Equal(older.key, key) {
			return older
		}
		*p, *older = *older, *p
		p.key = append(p.key[:0], key...)
	}
	p.known = false
	return p
}

// names gives equal texts one string, so that what most connections say costs no memory. A text that
// falls into the place of another takes it.
type names struct {
	seed  maphash.Seed
	texts [1024]string
}

const maxNameLen = event.LongText

// listed is l, which is about to be set.
func (in *common) listed(l []string) []string {
	in.sawLong = in.sawLong || len(l) > event.LongList
	return l
}

// text returns b as a string.
func (in *common) text(b []byte) string {
	if len(b) > maxNameLen {
		in.sawLong = true
		return string(b)
	}
	s := &in.names.texts[maphash.Bytes(in.names.seed, b)%uint64(len(in.names.texts))]
	if *s != string(b) {
		*s = string(b)
	}
	return *s
}

// pool keeps values to use again: those of connections come and go as fast as packets, and are alike.
type pool[T any] struct{ free []*T }

// poolChunk is how many bytes of new values are made at a time.
const poolChunk = 4000

func (p *pool[T]) get() *T {
	if len(p.free) == 0 {
		chunk := make([]T, max(1, poolChunk/int(reflect.TypeFor[T]().Size())))
		for i := range chunk {
			p.free = append(p.free, &chunk[i])
		}
	}
	last := len(p.free) - 1
	v := p.free[last]
	p.free = p.free[:last]
	return v
}

// put takes back a value that nobody uses any more.
func (p *pool[T]) put(v *T) {
	var zero T
	*v = zero
	p.free = append(p.free, v)
}
