package pcapfilter

import (
	"fmt"
	"slices"
	"strings"
)

// maxNesting bounds parentheses and brackets within each other, and with them the parser's recursion.
const maxNesting = 500

type (
	dirQual  uint8
	typeQual uint8
)

// Direction qualifiers. The last ones exist for 802.11 only and are refused by name.
const (
	dirAny dirQual = iota // none given: either end
	dirSrc
	dirDst
	dirOr
	dirAnd
	dirWLAN
)

// Type qualifiers.
const (
	typeAny typeQual = iota // none given: host
	typeHost
	typeNet
	typePort
	typePortRange
	typeProto
	typeProtoChain
	typeGateway
)

// qual is what stands before a name or a number. It is inherited by the names that follow with and/or,
// so "tcp dst port ftp or 80" is "tcp dst port ftp or tcp dst port 80".
type qual struct {
	set   bool   // false: there is nothing to inherit
	proto string // a protocol keyword, or ""
	dir   dirQual
	typ   typeQual
}

type nodeKind uint8

const (
	nodeAnd      nodeKind = iota // x and y
	nodeOr                       // x or y
	nodeNot                      // not x
	nodeProto                    // text is a protocol keyword
	nodeName                     // q applied to a name
	nodeNumber                   // q applied to a number
	nodeIPv4                     // q applied to text, an address or a part of one
	nodeNetMask                  // q applied to text mask text2
	nodeNetBits                  // q applied to text/num
	nodeIPv6                     // q applied to text
	nodeNetBits6                 // q applied to text/num
	nodeMAC                      // q applied to text
	nodeRelation                 // left op right
	nodeWord                     // another primitive, text is its keyword
)

// node is a part of an expression that is true or false of a packet.
type node struct {
	kind        nodeKind
	pos         int // byte offset in the expression
	x, y        *node
	q           qual
	text, text2 string
	num, num2   uint32
	hasNum      bool
	op          string
	left, right *arith
}

// arith is a number computed from a packet.
type arith struct {
	op   string // an operator; "neg", "num", "len", or "load" for proto[x:size]
	pos  int
	x, y *arith
	num  uint32
	// for op "load"
	proto string
	size  uint32
}

var protoWords = wordSet(`link ip arp rarp sctp tcp udp icmp igmp igrp pim vrrp carp atalk aarp decnet lat sca mopdl moprc
	ip6 icmp6 ah esp iso esis isis l1 l2 iih lsp snp psnp csnp clnp stp ipx netbeui radio`)

// foreignWords belong to link types that rustnet does not read.
var foreignWords = map[string]string{
	"type": "802.11", "subtype": "802.11", "dir": "802.11", "addr1": "802.11", "addr2": "802.11", "addr3": "802.11",
	"addr4": "802.11", "ra": "802.11", "ta": "802.11", "lane": "ATM", "metac": "ATM", "bcc": "ATM", "oam": "ATM",
	"oamf4": "ATM", "oamf4ec": "ATM", "oamf4sc": "ATM", "sc": "ATM", "ilmic": "ATM", "vpi": "ATM", "vci": "ATM",
	"connectmsg": "ATM", "metaconnect": "ATM", "ifname": "OpenBSD PF log", "rset": "OpenBSD PF log",
	"rnr": "OpenBSD PF log", "srnr": "OpenBSD PF log", "reason": "OpenBSD PF log", "action": "OpenBSD PF log",
	"fisu": "SS7", "lssu": "SS7", "msu": "SS7", "hfisu": "SS7", "hlssu": "SS7", "hmsu": "SS7", "sio": "SS7",
	"opc": "SS7", "dpc": "SS7", "sls": "SS7", "hsio": "SS7", "hopc": "SS7", "hdpc": "SS7", "hsls": "SS7",
}

func wordSet(words string) map[string]bool {
	t := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		t[w] = true
	}
	return t
}

type parser struct {
	expr  string
	toks  []token
	at    int
	depth int
}

// parse turns an expression into a tree; nil for one that is empty and so takes every packet.
func parse(expr string) (n *node, err error) {
	p := &parser{expr: expr, toks: lexAll(expr)}
	defer catch(expr, &err)
	if p.peek().kind == tokEnd {
		return nil, nil
	}
	it := p.sequence(qual{}, false)
	if t := p.peek(); t.kind != tokEnd {
		p.unexpected(t, `"and", "or" or the end`)
	}
	return p.boolean(it), nil
}

func (p *parser) peek() token { return p.toks[p.at] }

func (p *parser) after() token { return p.toks[min(p.at+1, len(p.toks)-1)] }

func (p *parser) next() token {
	t := p.toks[p.at]
	if p.at < len(p.toks)-1 {
		p.at++
	}
	return t
}

func (t token) isKey(words ...string) bool { return t.kind == tokKey && slices.Contains(words, t.text) }
func (t token) isOp(ops ...string) bool    { return t.kind == tokOp && slices.Contains(ops, t.text) }
func (t token) isProto() bool              { return t.kind == tokKey && protoWords[t.text] }

func (p *parser) accept(op string) bool {
	if p.peek().isOp(op) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(op, where string) {
	if !p.accept(op) {
		p.unexpected(p.peek(), fmt.Sprintf("%q %s", op, where))
	}
}

func (p *parser) expectNum(what string) uint32 {
	if p.peek().kind != tokNum {
		p.unexpected(p.peek(), what)
	}
	return p.next().num
}

func (p *parser) enter(t token) {
	if p.depth++; p.depth > maxNesting {
		fail(t.pos, "more than %d parentheses, brackets or nots within each other", maxNesting)
	}
}

// unexpected reports a token that cannot stand where it does; want says what can.
func (p *parser) unexpected(t token, want string) {
	switch t.kind {
	case tokEnd:
		fail(t.pos, "the expression ends here, but %s must follow", want)
	case tokWrong:
		fail(t.pos, "%s", t.text)
	case tokWord:
		if s := nearestKeyword(t.text); s != "" {
			fail(t.pos, "unknown word %q, want %s; did you mean %q?", t.text, want, s)
		}
		fail(t.pos, "%q cannot stand here, want %s (a name needs a word such as host, net, port or proto before it)", t.text, want)
	}
	fail(t.pos, "%q cannot stand here, want %s", p.expr[t.pos:t.end], want)
}

type itemKind uint8

const (
	itemBool  itemKind = iota // a complete condition
	itemID                    // a name or address that took its qualifiers from before
	itemGroup                 // a list of those in parentheses
	itemNum                   // a bare number: an inherited port, or the start of arithmetic
	itemArith                 // arithmetic that nothing was compared with yet
)

// item is what the parser read when it cannot know yet whether it is a condition or a number.
type item struct {
	kind itemKind
	n    *node
	a    *arith
	q    qual // what a following name inherits
	pos  int
}

// boolean makes a condition of an item, or says why it is none.
func (p *parser) boolean(it item) *node {
	switch it.kind {
	case itemNum:
		p.needQual(it.q, it.pos)
		return &node{kind: nodeNumber, pos: it.pos, q: it.q, num: it.a.num}
	case itemArith:
		p.unexpected(p.peek(), "a comparison such as = or >")
	}
	return it.n
}

func (p *parser) needQual(q qual, pos int) {
	if !q.set {
		fail(pos, "nothing says what this is; put a word such as host, net, port or proto before it")
	}
}

// sequence reads conditions joined by and/or, which bind equally and to the left. It stops before
// what cannot follow. ids says that a name may stand first, without qualifiers of its own.
func (p *parser) sequence(q qual, ids bool) item {
	first := p.unit(q, ids)
	op := p.peek()
	if !op.isKey("and", "or") {
		return first
	}
	if first.kind == itemNum && !ids {
		p.needQual(qual{}, first.pos)
	}
	// A list that begins with a bare name goes on with bare names; one that begins with a
	// condition may have both.
	list := first.kind == itemNum || first.kind == itemID
	if first.kind == itemGroup {
		fail(op.pos, "a list in parentheses cannot begin with another list in parentheses")
	}
	acc := first
	acc.n = p.boolean(first)
	for op = p.peek(); op.isKey("and", "or"); op = p.peek() {
		p.next()
		var it item
		if list {
			it = p.id(acc.q)
		} else {
			it = p.unit(acc.q, true)
		}
		kind := nodeAnd
		if op.text == "or" {
			kind = nodeOr
		}
		acc = item{kind: itemBool, n: &node{kind: kind, pos: op.pos, x: acc.n, y: p.boolean(it)}, q: it.q}
	}
	if list {
		acc.kind = itemID
	}
	return acc
}

// unit reads one condition, or a part of one: see item.
func (p *parser) unit(q qual, ids bool) item {
	t := p.peek()
	switch {
	case t.isKey("not"):
		p.next()
		p.enter(t)
		it := p.unit(q, ids)
		p.depth--
		kind := itemBool
		switch it.kind {
		case itemID, itemGroup, itemNum:
			if kind = itemID; !ids {
				p.needQual(qual{}, it.pos)
			}
		}
		return item{kind: kind, n: &node{kind: nodeNot, pos: t.pos, x: p.boolean(it)}, q: it.q, pos: t.pos}
	case t.isOp("("):
		it := p.parens(q, ids)
		if it.kind == itemNum || it.kind == itemArith {
			return p.relation(it, q)
		}
		return it
	case t.kind == tokNum || t.isOp("-") || t.isKey("len") || t.isProto() && p.after().isOp("["):
		return p.relation(p.primary(), q)
	case t.kind == tokKey:
		return p.primitive()
	case ids && p.startsID(t):
		return p.id(q)
	case t.kind == tokIPv4 || t.kind == tokIPv6 || t.kind == tokMAC:
		p.needQual(qual{}, t.pos)
	}
	p.unexpected(t, "a condition")
	return item{}
}

// parens reads what stands in parentheses where a condition, a list of names or a number may stand.
func (p *parser) parens(q qual, ids bool) item {
	t := p.next()
	p.enter(t)
	it := p.sequence(q, ids)
	p.depth--
	if it.kind == itemBool {
		it.n = p.boolean(it)
		it.q = q
	}
	switch it.kind {
	case itemGroup:
		fail(t.pos, "doubled parentheses around a list of names")
	case itemID:
		it.kind = itemGroup
	}
	it.pos = t.pos
	p.expect(")", "to close the parenthesis at column "+fmt.Sprint(t.pos+1))
	return it
}

// relation goes on after the first operand of what may be a comparison.
func (p *parser) relation(first item, q qual) item {
	first.q = q
	if op := p.peek(); op.isOp("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>") {
		first.a = p.arithFrom(first.a, 0)
		first.kind = itemArith
	}
	op := p.peek()
	if !op.isOp("=", "!=", "<", ">", "<=", ">=") {
		return first
	}
	p.next()
	n := &node{kind: nodeRelation, pos: op.pos, op: op.text, left: first.a}
	n.right = p.arith(0)
	return item{kind: itemBool, n: n, pos: first.pos}
}

// precedence of the operators that have one. "%" and "^" have none: see arithFrom.
var precedence = map[string]int{"|": 1, "&": 2, "<<": 3, ">>": 3, "+": 4, "-": 4, "*": 5, "/": 5}

func (p *parser) arith(above int) *arith { return p.arithFrom(p.primary().a, above) }

// arithFrom reads operators that bind tighter than above, and their right operands.
//
// libpcap's grammar gives "%" and "^" no precedence, so they bind their left operand tighter and their
// right operand looser than anything: "a + b % c + d" is "a + (b % (c + d))". So it is here.
func (p *parser) arithFrom(left *arith, above int) *arith {
	for {
		op := p.peek()
		if op.kind != tokOp {
			return left
		}
		prec := precedence[op.text]
		if loose := op.isOp("%", "^"); !loose && prec <= above {
			return left
		}
		p.next()
		p.enter(op)
		left = &arith{op: op.text, pos: op.pos, x: left, y: p.arith(prec)}
		p.depth--
	}
}

// primary reads a number, len, proto[…], a negation or arithmetic in parentheses.
func (p *parser) primary() item {
	t := p.peek()
	p.enter(t)
	defer func() { p.depth-- }()
	switch {
	case t.kind == tokNum:
		p.next()
		return item{kind: itemNum, a: &arith{op: "num", pos: t.pos, num: t.num}, pos: t.pos}
	case t.isKey("len"):
		p.next()
		return item{kind: itemArith, a: &arith{op: "len", pos: t.pos}, pos: t.pos}
	case t.isOp("-"):
		p.next()
		// The sign binds tighter than any operator that has a precedence.
		return item{kind: itemArith, a: &arith{op: "neg", pos: t.pos, x: p.arith(9)}, pos: t.pos}
	case t.isOp("("):
		p.next()
		it := item{kind: itemArith, a: p.arith(0), pos: t.pos}
		p.expect(")", "to close the parenthesis at column "+fmt.Sprint(t.pos+1))
		return it
	case t.isProto():
		return p.load()
	}
	p.unexpected(t, "a number, len or proto[offset:size]")
	return item{}
}

func (p *parser) load() item {
	t := p.next()
	p.expect("[", "as in tcp[13], or a comparison needs a number here")
	a := &arith{op: "load", pos: t.pos, proto: t.text, size: 1, x: p.arith(0)}
	if p.accept(":") {
		at := p.peek().pos
		a.size = p.expectNum("a size of 1, 2 or 4 bytes")
		if a.size != 1 && a.size != 2 && a.size != 4 {
			fail(at, "cannot load %d bytes, the size must be 1, 2 or 4", a.size)
		}
	}
	p.expect("]", "after the offset")
	return item{kind: itemArith, a: a, pos: t.pos}
}

func (p *parser) startsID(t token) bool {
	switch t.kind {
	case tokWord, tokIPv4, tokIPv6, tokMAC, tokARC:
		return true
	}
	return false
}

// id reads a name, an address or a number that q applies to, or a list of those in parentheses.
func (p *parser) id(q qual) item {
	t := p.peek()
	switch {
	case t.isKey("not"):
		p.next()
		p.enter(t)
		it := p.id(q)
		p.depth--
		return item{kind: itemID, n: &node{kind: nodeNot, pos: t.pos, x: p.boolean(it)}, q: it.q, pos: t.pos}
	case t.isOp("("):
		it := p.idParens(q)
		return it
	case t.kind == tokNum:
		p.next()
		return item{kind: itemNum, a: &arith{num: t.num}, q: q, pos: t.pos}
	case p.startsID(t):
		p.next()
		p.needQual(q, t.pos)
		return item{kind: itemID, n: p.address(t, q), q: q, pos: t.pos}
	}
	p.unexpected(t, "a name, an address or a number")
	return item{}
}

// idParens reads a list of names in parentheses, or a number in them.
func (p *parser) idParens(q qual) item {
	t := p.next()
	p.enter(t)
	first := p.id(q)
	p.depth--
	if op := p.peek(); op.isKey("and", "or") {
		if first.kind == itemGroup {
			fail(op.pos, "a list in parentheses cannot begin with another list in parentheses")
		}
		first.n, first.kind = p.boolean(first), itemID
		for op = p.peek(); op.isKey("and", "or"); op = p.peek() {
			p.next()
			it := p.id(first.q)
			kind := nodeAnd
			if op.text == "or" {
				kind = nodeOr
			}
			first = item{kind: itemID, n: &node{kind: kind, pos: op.pos, x: first.n, y: p.boolean(it)}, q: it.q}
		}
	}
	switch first.kind {
	case itemGroup:
		fail(t.pos, "doubled parentheses around a list of names")
	case itemID:
		first.kind = itemGroup
	}
	first.pos = t.pos
	p.expect(")", "to close the parenthesis at column "+fmt.Sprint(t.pos+1))
	return first
}

// address makes the node of a name or address that was just read.
func (p *parser) address(t token, q qual) *node {
	n := &node{pos: t.pos, q: q, text: t.text}
	switch t.kind {
	case tokWord:
		n.kind = nodeName
	case tokMAC:
		n.kind = nodeMAC
	case tokARC:
		fail(t.pos, "$%s is an ARCnet address, which this link type does not have", t.text)
	case tokIPv6:
		n.kind = nodeIPv6
		if p.accept("/") {
			n.kind, n.num = nodeNetBits6, p.expectNum("a prefix length")
		}
	case tokIPv4:
		n.kind = nodeIPv4
		switch {
		case p.accept("/"):
			n.kind, n.num = nodeNetBits, p.expectNum("a prefix length")
		case p.peek().isKey("mask"):
			p.next()
			if m := p.peek(); m.kind != tokIPv4 {
				p.unexpected(m, "a netmask such as 255.255.255.0")
			}
			n.kind, n.text2 = nodeNetMask, p.next().text
		}
	}
	return n
}

// primitive reads a condition that begins with a keyword.
func (p *parser) primitive() item {
	t := p.peek()
	q, isHead := p.head()
	if isHead {
		it := p.id(q)
		if it.kind == itemNum || it.kind == itemGroup {
			it.n = p.boolean(it)
		}
		return item{kind: itemBool, n: it.n, q: it.q, pos: t.pos}
	}
	n := &node{kind: nodeWord, pos: t.pos, text: t.text}
	if w := p.peek(); w.isKey("broadcast", "multicast") {
		p.next()
		n.text, n.text2 = w.text, q.proto
		return item{kind: itemBool, n: n, pos: t.pos}
	}
	if q.proto != "" {
		n.kind = nodeProto
		return item{kind: itemBool, n: n, pos: t.pos}
	}
	p.next()
	switch t.text {
	case "less", "greater":
		n.num = p.expectNum("a number of bytes")
	case "ifindex":
		n.num = p.expectNum("the number of an interface")
	case "byte":
		n.num = p.expectNum("an offset in bytes")
		if !p.peek().isOp("=", "<", ">", "&", "|") {
			p.unexpected(p.peek(), `one of = < > & |`)
		}
		n.op = p.next().text
		n.num2 = p.expectNum("a number")
	case "vlan", "mpls", "pppoes", "geneve":
		n.num, n.hasNum = p.optionalNum()
	case "inbound", "outbound", "pppoed":
	case "llc":
		if w := p.peek(); w.kind == tokWord || w.isKey("rnr") {
			n.text2 = p.next().text
		}
	default:
		if what := foreignWords[t.text]; what != "" {
			fail(t.pos, "%q is about %s frames, which this link type does not have", t.text, what)
		}
		p.at--
		p.unexpected(t, "a condition")
	}
	return item{kind: itemBool, n: n, pos: t.pos}
}

// head reads qualifiers. It is false when there is a protocol at most, which q then has.
func (p *parser) head() (q qual, ok bool) {
	q.set = true
	if p.peek().isProto() {
		q.proto = p.next().text
	}
	t := p.peek()
	if t.isKey("src", "dst") {
		ok = true
		p.next()
		q.dir = p.direction(t.text)
		t = p.peek()
	} else if t.isKey("addr1", "addr2", "addr3", "addr4", "ra", "ta") {
		p.next()
		q.dir, ok = dirWLAN, true
		t = p.peek()
	} else if t.isKey("proto", "protochain", "gateway") {
		p.next()
		q.typ = map[string]typeQual{"proto": typeProto, "protochain": typeProtoChain, "gateway": typeGateway}[t.text]
		return q, true
	}
	if t.isKey("host", "net", "port", "portrange") {
		p.next()
		q.typ = map[string]typeQual{"host": typeHost, "net": typeNet, "port": typePort, "portrange": typePortRange}[t.text]
		ok = true
	}
	return q, ok
}

// direction goes on after src or dst, of which the other may follow with and/or.
func (p *parser) direction(first string) dirQual {
	other, d := "dst", dirSrc
	if first == "dst" {
		other, d = "src", dirDst
	}
	if op := p.peek(); op.isKey("and", "or") {
		p.next()
		if !p.peek().isKey(other) {
			p.unexpected(p.peek(), fmt.Sprintf("%q, as in \"%s %s %s\"", other, first, op.text, other))
		}
		p.next()
		if d = dirAnd; op.text == "or" {
			d = dirOr
		}
	}
	return d
}

// optionalNum reads a number that may stand in parentheses, if there is one.
func (p *parser) optionalNum() (n uint32, ok bool) {
	at, depth := p.at, 0
	for p.accept("(") {
		depth++
	}
	if t := p.peek(); t.kind != tokNum {
		if depth > 0 {
			p.unexpected(t, "a number")
		}
		p.at = at
		return 0, false
	}
	n = p.next().num
	for ; depth > 0; depth-- {
		p.expect(")", "after the number")
	}
	return n, true
}

// nearestKeyword is the keyword that word was most likely meant to be, or "".
func nearestKeyword(word string) string {
	best, least := "", 3
	if len(word) < 4 {
		least = 2
	}
	for k := range keywords {
		if d := editDistance(word, k, least); d < least || d == least && best != "" && k < best {
			best, least = k, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours; beyond limit it is
// no longer exact.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			d := prev[j-1]
			if a[i-1] != b[j-1] {
				d++
			}
			d = min(d, prev[j]+1, cur[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, prev2[j-2]+1)
			}
			cur[j] = d
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
