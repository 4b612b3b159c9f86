package pcapfilter

import "slices"

// block is one test of the program with where to go on; or, with jump 0, assignments that go on at yes. The
// two leaves have neither.
type block struct {
	jump    uint16
	x, y    *value
	sets    []assign
	yes, no *block
	mark    int // position in the order of the current pass
}

func (b *block) leaf() bool   { return b.yes == nil }
func (b *block) isTest() bool { return b.jump != 0 }

// graph is a program as blocks: acyclic, from root to the two leaves.
type graph struct {
	root, accept, reject *block
	first                *block // a test that decides nothing but, as in libpcap, still makes its loads first
	constFirst           bool   // the first test of the expression is no test of the packet
	made                 map[lowering]*block
}

type lowering struct {
	c       *cond
	yes, no *block
}

// newGraph turns a condition into blocks, its shared parts into shared blocks.
func newGraph(c *cond) *graph {
	g := &graph{accept: &block{}, reject: &block{}, made: map[lowering]*block{}}
	g.root = g.lower(c, g.accept, g.reject)
	for ; c.l != nil; c = c.l {
	}
	g.constFirst = c.kind == condConst
	g.made = nil
	return g
}

func (g *graph) lower(c *cond, yes, no *block) *block {
	switch c.kind {
	case condConst:
		if c.yes {
			return yes
		}
		return no
	case condNot:
		return g.lower(c.l, no, yes)
	}
	key := lowering{c, yes, no}
	if b := g.made[key]; b != nil {
		return b
	}
	var b *block
	switch c.kind {
	case condAnd:
		b = g.lower(c.l, g.lower(c.r, yes, no), no)
	case condOr:
		b = g.lower(c.l, yes, g.lower(c.r, yes, no))
	case condSet:
		b = &block{sets: c.sets, yes: yes, no: yes}
	default:
		b = &block{jump: c.jump, x: c.x, y: c.y, yes: yes, no: no}
	}
	g.made[key] = b
	return b
}

// order lists the blocks that can be reached, each before those it goes to, the leaves last.
func (g *graph) order() []*block {
	if g.root.leaf() {
		g.root.mark = 0
		return []*block{g.root}
	}
	var post []*block
	seen := map[*block]bool{g.accept: true, g.reject: true}
	var visit func(b *block)
	visit = func(b *block) {
		if seen[b] {
			return
		}
		seen[b] = true
		visit(b.no)
		visit(b.yes)
		post = append(post, b)
	}
	visit(g.root)
	slices.Reverse(post)
	post = append(post, g.accept, g.reject)
	for i, b := range post {
		b.mark = i
	}
	return post
}

// Limits of the optimiser: beyond them a program is right but longer than need be, and a contradiction in
// it may go unnoticed.
const (
	maxPasses = 200
	maxBlocks = 3000
	maxGather = 400 // blocks up to which tests are moved
	maxMoves  = 400
)

// optimize removes tests whose outcome is known from the tests before them, and puts tests of the same
// value next to each other. This is what libpcap's optimiser does, with two results that can be seen from
// outside: an expression that contradicts itself is noticed, and the order of loads, which decides about
// packets that were cut short, is the same.
//
// McCanne and Jacobson, "The BSD Packet Filter", USENIX 1993, and Begel, McCanne and Graham, "BPF+",
// SIGCOMM 1999, describe the method.
func (g *graph) optimize() {
	moves := 0
	for range maxPasses {
		blocks := g.order()
		if len(blocks) > maxBlocks {
			return
		}
		changed := g.thread(blocks)
		if len(blocks) <= maxGather && moves < maxMoves && g.gather() {
			moves++
			changed = true
		}
		if !changed {
			break
		}
	}
	g.share()
	first := g.root
	for g.root.isTest() && g.root.yes == g.root.no {
		g.root = g.root.yes
	}
	if g.root != first && !g.root.leaf() && !g.constFirst {
		g.first = first
	}
}

// edge is one way out of a block.
type edge struct {
	from *block
	yes  bool
}

func (e edge) target() **block {
	if e.yes {
		return &e.from.yes
	}
	return &e.from.no
}

type bits []uint64

func newBits(n int) bits      { return make(bits, (n+63)/64) }
func (s bits) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s bits) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s bits) intersect(t bits) {
	for i := range s {
		s[i] &= t[i]
	}
}

// edgeNumber: the two edges of the i-th block are 2i (no) and 2i+1 (yes).
func edgeNumber(b *block, yes bool) int {
	if yes {
		return 2*b.mark + 1
	}
	return 2 * b.mark
}

// dominators finds, for each block, the edges that every way to it takes.
func dominators(blocks []*block) []bits {
	dom := make([]bits, len(blocks))
	dom[0] = newBits(2 * len(blocks))
	flow := func(b *block, yes bool, to *block) {
		s := slices.Clone(dom[b.mark])
		s.add(edgeNumber(b, yes))
		if dom[to.mark] == nil {
			dom[to.mark] = s
		} else {
			dom[to.mark].intersect(s)
		}
	}
	for _, b := range blocks {
		if !b.leaf() && dom[b.mark] != nil {
			flow(b, false, b.no)
			flow(b, true, b.yes)
		}
	}
	return dom
}

// sameTest is what tests must share for the outcome of one to say something about another.
type sameTest struct {
	jump uint16
	x    *value
}

// thread lets each edge skip the tests that are decided once it is taken.
func (g *graph) thread(blocks []*block) (changed bool) {
	dom := dominators(blocks)
	alike := map[sameTest][]*block{}
	for _, b := range blocks {
		if b.isTest() {
			k := sameTest{b.jump, b.x}
			alike[k] = append(alike[k], b)
		}
	}
	for _, b := range slices.Backward(blocks) {
		if b.leaf() {
			continue
		}
		for _, yes := range []bool{true, false} {
			known := slices.Clone(dom[b.mark])
			known.add(edgeNumber(b, yes))
			to := edge{b, yes}.target()
			for {
				next := skip(*to, known, alike)
				if next == *to {
					break
				}
				*to, changed = next, true
			}
		}
		if !b.isTest() {
			b.no = b.yes
		}
	}
	return changed
}

// skip gives the block that b leads to for certain when the edges in known were taken, or b.
func skip(b *block, known bits, alike map[sameTest][]*block) *block {
	if !b.isTest() {
		return b
	}
	if b.yes == b.no {
		return b.yes
	}
	for _, a := range alike[sameTest{b.jump, b.x}] {
		yes, no := known.has(edgeNumber(a, true)), known.has(edgeNumber(a, false))
		switch {
		case yes == no: // neither was taken; both cannot be unless they go to the same block
		case a.y == b.y && yes:
			return b.yes
		case a.y == b.y:
			return b.no
		case yes && b.jump == jumpEq && a.y.op == valConst && b.y.op == valConst:
			return b.no // it equals another number
		}
	}
	return b
}

// gather looks for one chain of alternatives (or of conditions) in which a test looks at the value that was
// looked at right before the chain, and moves that test to its front. It reports whether it found one.
func (g *graph) gather() bool {
	blocks := g.order()
	into := make([][]edge, len(blocks))
	for _, b := range blocks {
		if !b.leaf() {
			into[b.yes.mark] = append(into[b.yes.mark], edge{b, true})
			into[b.no.mark] = append(into[b.no.mark], edge{b, false})
		}
	}
	var dom []bits
	for _, b := range slices.Backward(blocks) {
		if len(into[b.mark]) == 0 || !b.isTest() {
			continue
		}
		seen := into[b.mark][0].from.x
		for _, e := range into[b.mark] {
			if !e.from.isTest() || e.from.x != seen {
				seen = nil
			}
		}
		if seen == nil || b.x == seen {
			continue
		}
		for _, alternatives := range []bool{true, false} {
			last, found := chainTo(b, seen, alternatives)
			if found == nil {
				continue
			}
			if dom == nil {
				dom = blockDominators(blocks, into)
			}
			if !dom[found.mark].has(b.mark) {
				continue
			}
			moveUp(b, last, found, into[b.mark], alternatives)
			return true
		}
	}
	return false
}

// chainTo follows the chain that begins with b and finds a test of v in it, and the test before that.
func chainTo(b *block, v *value, alternatives bool) (before, found *block) {
	exit := func(c *block) *block {
		if alternatives {
			return c.yes
		}
		return c.no
	}
	on := func(c *block) *block {
		if alternatives {
			return c.no
		}
		return c.yes
	}
	before = b
	for c := on(b); c.isTest() && exit(c) == exit(b); before, c = c, on(c) {
		if c.x == v {
			return before, c
		}
	}
	return nil, nil
}

func moveUp(b, before, found *block, into []edge, alternatives bool) {
	if alternatives {
		before.no, found.no = found.no, b
	} else {
		before.yes, found.yes = found.yes, b
	}
	for _, e := range into {
		*e.target() = found
	}
}

// blockDominators finds, for each block, the blocks that every way to it passes, itself included.
func blockDominators(blocks []*block, into [][]edge) []bits {
	dom := make([]bits, len(blocks))
	for i := range blocks {
		for _, e := range into[i] {
			if dom[i] == nil {
				dom[i] = slices.Clone(dom[e.from.mark])
			} else {
				dom[i].intersect(dom[e.from.mark])
			}
		}
		if dom[i] == nil {
			dom[i] = newBits(len(blocks))
		}
		dom[i].add(i)
	}
	return dom
}

// share makes one block of those that do the same and go on alike.
func (g *graph) share() {
	type shape struct {
		jump    uint16
		x, y    *value
		yes, no *block
	}
	shapes := map[shape]*block{}
	same := map[*block]*block{}
	get := func(b *block) *block {
		if s := same[b]; s != nil {
			return s
		}
		return b
	}
	for _, b := range slices.Backward(g.order()) {
		if b.leaf() {
			continue
		}
		b.yes, b.no = get(b.yes), get(b.no)
		if !b.isTest() {
			continue
		}
		k := shape{b.jump, b.x, b.y, b.yes, b.no}
		if first := shapes[k]; first != nil {
			same[b] = first
		} else {
			shapes[k] = b
		}
	}
	g.root = get(g.root)
}
