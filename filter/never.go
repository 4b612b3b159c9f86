package filter

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"

	"rustnet/track/event"
)

// Conditions that are joined wrongly are a mistake like a value that never is: a port that is 80 and 443 is none, and each is other
// than 80 or other than 443. It is found between two comparisons of one field with what is written out.

// bound is what a comparison leaves of a field: some values, a range of numbers, or all but one.
type bound struct {
	node             ast.Node
	field            *event.Field
	only             []any // texts and numbers
	but              any
	low, high        float64
	lowOut, highOut  bool // low and high are not in it
	isRange, inTimes bool
}

// boundsMax is how many conditions on a side are looked at. Lists that a program made are longer, and people's mistakes are not in them.
const boundsMax = 32

// bounds gives those of the conditions that are joined by an operator, behind those there are.
func (r *rewriter) bounds(all []bound, node ast.Node, joined ...string) []bound {
	n, ok := node.(*ast.BinaryNode)
	switch {
	case !ok || len(all) >= boundsMax:
		return all
	case slices.Contains(joined, n.Operator): // the right side is the short one
		return r.bounds(r.bounds(all, n.Right, joined...), n.Left, joined...)
	}
	if b, ok := r.bound(n); ok {
		all = append(all, b)
	}
	return all
}

func (r *rewriter) bound(n *ast.BinaryNode) (b bound, ok bool) {
	left, op, right := n.Left, n.Operator, n.Right
	if _, named := left.(*ast.IdentifierNode); !named {
		left, right = right, left
		turned := map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
		if op = turned[op]; op == "" {
			return b, false
		}
	}
	name, named := left.(*ast.IdentifierNode)
	if !named {
		return b, false
	}
	b = bound{node: n, field: r.schema.Lookup(name.Value), low: math.Inf(-1), high: math.Inf(1)}
	if b.field == nil || b.field.Type == event.List || b.field.Type == event.Bool {
		return b, false
	}
	b.inTimes = b.field.Type == event.Time
	if op == "in" {
		switch set := right.(type) {
		case *ast.ArrayNode:
			for _, k := range set.Nodes {
				v := b.value(k)
				if v == nil {
					return b, false
				}
				b.only = append(b.only, v)
			}
			return b, len(b.only) > 0
		case *ast.BinaryNode:
			low, isLow := b.value(set.Left).(float64)
			high, isHigh := b.value(set.Right).(float64)
			b.low, b.high, b.isRange = low, high, true
			return b, set.Operator == ".." && isLow && isHigh
		}
		return b, false
	}
	v := b.value(right)
	if v == nil {
		return b, false
	}
	switch op {
	case "==":
		b.only = []any{v}
		return b, true
	case "!=":
		b.but = v
		return b, true
	}
	limit, isNumber := v.(float64)
	if b.isRange = true; !isNumber {
		return b, false
	}
	switch op {
	case "<", "<=":
		b.high, b.highOut = limit, op == "<"
	case ">", ">=":
		b.low, b.lowOut = limit, op == ">"
	default:
		return b, false
	}
	return b, true
}

// value is a text or number that is written out, of times the microseconds; nil for all else.
func (b *bound) value(node ast.Node) any {
	if c, ok := node.(*ast.ConstantNode); ok {
		if t, ok := c.Value.(time.Time); ok && b.inTimes {
			return float64(t.UnixMicro())
		}
		return nil
	}
	switch v := constant(node).(type) {
	case string:
		return v
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return nil
}

// apart tells whether no value is in both.
func (b *bound) apart(other *bound) bool {
	switch {
	case b.but != nil || other.but != nil:
		but, only := b, other
		if b.but == nil {
			but, only = other, b
		}
		return len(only.only) > 0 && !slices.ContainsFunc(only.only, func(v any) bool { return v != but.but })
	case b.only == nil && other.only == nil:
		low, high := max(b.low, other.low), min(b.high, other.high)
		return low > high || low == high && !b.inTimes && !(b.has(low) && other.has(low))
	case b.only == nil:
		return other.apart(b)
	}
	return !slices.ContainsFunc(b.only, other.has)
}

func (b *bound) has(v any) bool {
	n, isNumber := v.(float64)
	switch {
	case b.but != nil:
		return v != b.but
	case b.only != nil:
		return slices.Contains(b.only, v)
	}
	return isNumber && (n > b.low || n == b.low && !b.lowOut) && (n < b.high || n == b.high && !b.highOut)
}

// join looks at the two sides of an operator that joins conditions.
func (r *rewriter) join(n *ast.BinaryNode) {
	all := n.Operator == "&&" || n.Operator == "and"
	joined := []string{"&&", "and"}
	if !all {
		joined = []string{"||", "or"}
	}
	left, right := r.bounds(nil, n.Left, joined...), r.bounds(nil, n.Right, joined...)
	for _, a := range left {
		for _, b := range right {
			name := a.field.Name
			switch {
			case a.field != b.field:
			case all && a.apart(&b):
				hint := "or"
				if len(a.only) > 0 && len(b.only) > 0 {
					hint = fmt.Sprintf("%s in [%s]", name, a.list(&b))
				}
				r.fail(b.node, "%s is never both %s and %s (did you mean %s?)", name, a.said(), b.said(), hint)
			case !all && a.but != nil && b.but != nil && a.but != b.but:
				r.fail(b.node, "%[1]s is always other than %[2]s or other than %[3]s (did you mean not (%[1]s in [%[2]s, %[3]s])?)", name, a.text(a.but), b.text(b.but))
			}
		}
	}
}

// list has the values of two that are apart.
func (b *bound) list(other *bound) string {
	var all []string
	for _, v := range slices.Concat(b.only, other.only) {
		all = append(all, b.text(v))
	}
	return strings.Join(all, ", ")
}

func (b *bound) text(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case float64:
		if b.inTimes {
			return fmt.Sprintf("date(%q)", time.UnixMicro(int64(v)).UTC().Format(time.RFC3339Nano))
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// said is what a comparison asks for.
func (b *bound) said() string {
	switch {
	case b.but != nil:
		return "other than " + b.text(b.but)
	case b.only != nil:
		var words []string
		for _, v := range b.only {
			words = append(words, b.text(v))
		}
		return strings.Join(words, " or ")
	case !math.IsInf(b.low, 0) && !math.IsInf(b.high, 0):
		return b.text(b.low) + ".." + b.text(b.high)
	case !math.IsInf(b.low, 0):
		return map[bool]string{true: "> ", false: ">= "}[b.lowOut] + b.text(b.low)
	}
	return map[bool]string{true: "< ", false: "<= "}[b.highOut] + b.text(b.high)
}
