package alert

// lru keeps the max most recently asked for of what a detector knows, by hash. It is how memory stays
// bounded whatever the traffic: what has not been asked for for longest is forgotten.
type lru[V any] struct {
	max        int
	at         map[uint64]int32
	slots      []slot[V]
	head, tail int32 // the latest, the oldest
	forgotten  uint64
}

type slot[V any] struct {
	key        uint64
	prev, next int32
	v          V
}

func newLRU[V any](max int) *lru[V] {
	return &lru[V]{max: max, at: map[uint64]int32{}, head: -1, tail: -1}
}

// get gives what is known of key, made new if there is nothing. It stays valid until the next get.
func (l *lru[V]) get(key uint64) (v *V, fresh bool) {
	i, known := l.at[key]
	switch {
	case known && i == l.head:
		return &l.slots[i].v, false
	case known:
		l.unlink(i)
	case len(l.slots) < l.max:
		i = int32(len(l.slots))
		l.slots = append(l.slots, slot[V]{key: key})
		l.at[key] = i
	default:
		i = l.tail
		l.unlink(i)
		delete(l.at, l.slots[i].key)
		l.slots[i] = slot[V]{key: key}
		l.at[key] = i
		l.forgotten++
	}
	s := &l.slots[i]
	s.prev, s.next = -1, l.head
	if l.head >= 0 {
		l.slots[l.head].prev = i
	} else {
		l.tail = i
	}
	l.head = i
	return &s.v, !known
}

// peek gives what is known of key, nil for nothing, and leaves its age as it is.
func (l *lru[V]) peek(key uint64) *V {
	if i, known := l.at[key]; known {
		return &l.slots[i].v
	}
	return nil
}

func (l *lru[V]) unlink(i int32) {
	s := &l.slots[i]
	if s.prev >= 0 {
		l.slots[s.prev].next = s.next
	} else {
		l.head = s.next
	}
	if s.next >= 0 {
		l.slots[s.next].prev = s.prev
	} else {
		l.tail = s.prev
	}
}

// oldestFirst calls f with all there is.
func (l *lru[V]) oldestFirst(f func(v *V)) {
	for i := l.tail; i >= 0; i = l.slots[i].prev {
		f(&l.slots[i].v)
	}
}
