package filter

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"rustnet/track/event"
)

// Condition gives what is known of every record that the expression keeps, for stores that can look that up
// instead of reading all. What it does not understand it leaves out: the records found are still to be
// matched. text is one that Compile takes, with the same schema. Of fields for which changed says so (nil = none) nothing is
// told: when the filter sees them they may have other values than where the condition is tried.
func Condition(text string, schema *event.Schema, changed func(name string) bool) *event.Condition {
	tree, err := parser.Parse(text)
	if err != nil {
		return &event.Condition{}
	}
	c, _ := (&conditions{schema, changed}).of(tree.Node)
	return c
}

type conditions struct {
	schema  *event.Schema
	changed func(name string) bool
}

// field gives what may be told of; nil for all else.
func (t *conditions) field(name string) *event.Field {
	if t.changed != nil && t.changed(name) {
		return nil
	}
	return t.schema.Lookup(name)
}

var always = &event.Condition{}

// of translates a node. With exact the condition holds of nothing else, so that its opposite is known too.
func (t *conditions) of(node ast.Node) (c *event.Condition, exact bool) {
	switch n := node.(type) {
	case *ast.BoolNode:
		if n.Value {
			return always, true
		}
		return &event.Condition{Op: event.Any}, true // of nothing
	case *ast.IdentifierNode:
		if f := t.field(n.Value); f != nil && f.Type == event.Bool {
			return &event.Condition{Op: event.Equal, Field: f, Value: true}, true
		}
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			if c, exact := t.of(n.Node); exact {
				return &event.Condition{Op: event.Not, Of: []*event.Condition{c}}, true
			}
		}
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok && callee.Value == "cidr" && len(n.Arguments) == 2 {
			return t.network(n.Arguments[0], n.Arguments[1]), false
		}
	case *ast.BinaryNode:
		return t.binary(n)
	}
	return always, false
}

func (t *conditions) binary(n *ast.BinaryNode) (*event.Condition, bool) {
	switch n.Operator {
	case "&&", "and":
		a, exactA := t.of(n.Left)
		b, exactB := t.of(n.Right)
		switch {
		case a.Op == event.Always:
			return b, exactA && exactB
		case b.Op == event.Always:
			return a, exactA && exactB
		}
		return &event.Condition{Op: event.All, Of: []*event.Condition{a, b}}, exactA && exactB
	case "||", "or":
		a, exactA := t.of(n.Left)
		b, exactB := t.of(n.Right)
		if a.Op == event.Always || b.Op == event.Always {
			return always, exactA && exactB
		}
		return &event.Condition{Op: event.Any, Of: []*event.Condition{a, b}}, exactA && exactB
	case "in":
		return t.among(n)
	}
	op, ok := comparisons[n.Operator]
	if !ok {
		return always, false
	}
	left, right := n.Left, n.Right
	if _, named := left.(*ast.IdentifierNode); !named {
		if op.turned == event.Always {
			return always, false
		}
		left, right, op.op = right, left, op.turned
	}
	return t.compare(left, op.op, right)
}

// comparisons are the operators between a field and a value; turned is for the value standing left.
var comparisons = map[string]struct{ op, turned event.Op }{
	"==": {event.Equal, event.Equal}, "!=": {event.Unequal, event.Unequal},
	"<": {event.Less, event.Greater}, "<=": {event.LessEqual, event.GreaterEqual},
	">": {event.Greater, event.Less}, ">=": {event.GreaterEqual, event.LessEqual},
	"startsWith": {event.Prefix, event.Always}, "endsWith": {event.Suffix, event.Always}, "contains": {event.Contains, event.Always},
}

// compare is exact or tells nothing.
func (t *conditions) compare(left ast.Node, op event.Op, right ast.Node) (*event.Condition, bool) {
	id, ok := left.(*ast.IdentifierNode)
	if !ok {
		return always, false
	}
	f := t.field(id.Value)
	v := constant(right)
	if f == nil || v == nil {
		return always, false
	}
	ordered := op >= event.Less && op <= event.GreaterEqual
	switch f.Type {
	case event.String, event.Addr:
		if _, ok = v.(string); !ok {
			return always, false
		}
	case event.ID:
		text, ok := v.(string)
		n, err := strconv.ParseUint(text, 16, 64)
		if !ok || err != nil || op != event.Equal && op != event.Unequal || text != fmt.Sprintf("%016x", n) {
			return always, false
		}
		v = n
	case event.Uint:
		switch n := v.(type) {
		case int64:
		case float64:
			if math.Abs(n) >= 1<<53 {
				return always, false
			}
		default:
			return always, false
		}
	case event.Float:
		switch n := v.(type) {
		case int64:
			v = float64(n)
		case float64:
		default:
			return always, false
		}
	case event.Bool:
		if _, ok = v.(bool); !ok || ordered {
			return always, false
		}
	case event.Time:
		if _, ok = v.(time.Time); !ok {
			return always, false
		}
	default:
		return always, false
	}
	return &event.Condition{Op: op, Field: f, Value: v}, true
}

// amongMax bounds the list right of `in` that is looked up.
const amongMax = 256

// among is `in` a list, or a range of numbers.
func (t *conditions) among(n *ast.BinaryNode) (*event.Condition, bool) {
	switch r := n.Right.(type) {
	case *ast.BinaryNode:
		if r.Operator != ".." {
			return always, false
		}
		from, exactFrom := t.compare(n.Left, event.GreaterEqual, r.Left)
		to, exactTo := t.compare(n.Left, event.LessEqual, r.Right)
		if !exactFrom || !exactTo || from.Field.Type != event.Uint {
			return always, false
		}
		return &event.Condition{Op: event.All, Of: []*event.Condition{from, to}}, true
	case *ast.ArrayNode:
		any := &event.Condition{Op: event.Any}
		for _, k := range r.Nodes {
			c, exact := t.compare(n.Left, event.Equal, k)
			if !exact || len(any.Of) >= amongMax {
				return always, false
			}
			any.Of = append(any.Of, c)
		}
		return any, true
	}
	return always, false
}

// constant gives the value that is written out: a text, a number, a size, a time; nil for anything else.
func constant(node ast.Node) any {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.IntegerNode:
		return int64(n.Value)
	case *ast.FloatNode:
		return n.Value
	case *ast.BoolNode:
		return n.Value
	case *ast.UnaryNode:
		switch v := constant(n.Node).(type) {
		case int64:
			if n.Operator == "-" {
				return -v
			}
		case float64:
			if n.Operator == "-" {
				return -v
			}
		}
	case *ast.BuiltinNode:
		if n.Name == "date" && len(n.Arguments) == 1 {
			if s, ok := n.Arguments[0].(*ast.StringNode); ok {
				if d, err := parseDate(s.Value); err == nil {
					return d
				}
			}
		}
	case *ast.CallNode:
		return called(n)
	}
	return nil
}

// called is constant for a helper that makes a number.
func called(n *ast.CallNode) any {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok || len(n.Arguments) != 1 {
		return nil
	}
	unit := units[callee.Value]
	if callee.Value == "seconds" {
		unit = 1
	}
	if unit == 0 {
		return nil
	}
	var v float64
	switch a := constant(n.Arguments[0]).(type) {
	case int64:
		v = float64(a) * unit
	case float64:
		v = a * unit
	case string:
		s, err := parseSeconds(a)
		if err != nil || callee.Value != "seconds" {
			return nil
		}
		v = s
	default:
		return nil
	}
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return int64(v)
	}
	return v
}

// network is the test of an address field: its addresses are spelt with the same beginnings.
func (t *conditions) network(field, network ast.Node) *event.Condition {
	id, isName := field.(*ast.IdentifierNode)
	text, isText := network.(*ast.StringNode)
	if !isName || !isText {
		return always
	}
	f := t.field(id.Value)
	p, err := parsePrefix(text.Value)
	if f == nil || f.Type != event.Addr || err != nil {
		return always
	}
	begins := beginnings(p)
	if len(begins) == 0 {
		return always
	}
	c := &event.Condition{Op: event.Any}
	for _, b := range begins {
		c.Of = append(c.Of, &event.Condition{Op: event.Prefix, Field: f, Value: b})
	}
	return c
}

// beginnings lists texts so that each address of the network is spelt (RFC 5952) with one of them in front.
// They are as long as whole octets and groups allow; groups of zero end them, since those may be left out.
func beginnings(p netip.Prefix) []string {
	if p.Addr().Is4() {
		octets := strings.Split(p.Addr().String(), ".")[:p.Bits()/8]
		if len(octets) == 0 {
			return nil
		}
		text := strings.Join(octets, ".")
		if len(octets) < 4 {
			text += "."
		}
		return []string{text, "::ffff:" + text}
	}
	a := p.Addr().As16()
	var text strings.Builder
	for i := range p.Bits() / 16 {
		group := uint64(a[2*i])<<8 | uint64(a[2*i+1])
		if group == 0 {
			break
		}
		text.WriteString(strconv.FormatUint(group, 16))
		if i < 7 {
			text.WriteByte(':')
		}
	}
	if text.Len() == 0 {
		return nil
	}
	return []string{text.String()}
}
