package filter

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"

	"rustnet/track/event"
)

// builtins are the functions of expr that a filter has. Left out are those that build lists and texts of any
// size (map, repeat, split, reduce …), the clock (now: the same file must give the same events), and `duration`,
// which is a field here.
var builtins = []string{"all", "any", "none", "one", "count", "filter", "len", "sum",
	"min", "max", "abs", "ceil", "floor", "round", "string", "date",
	"lower", "upper", "trim", "trimPrefix", "trimSuffix", "hasPrefix", "hasSuffix", "indexOf", "lastIndexOf"}

// units are the helpers that make a number of a number: bytes from sizes, seconds from times.
var units = map[string]float64{"KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	"minutes": 60, "hours": 3600, "days": 86400}

// later, earlier and apart are what + and - are for times, which nothing can call by name.
const later, earlier, apart = "time#+", "time#-", "time#apart"

// Functions lists what an expression can call, in order.
func Functions() []string {
	names := append(slices.Clone(builtins), "cidr", "private", "capable", "seconds", "first", "last", "get")
	for name := range units {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// functions declares the helpers. The calls that the rewriter can answer while compiling never get here.
func functions() []expr.Option {
	options := []expr.Option{
		expr.Function("cidr", func(a ...any) (any, error) { return contains(a[1].(netip.Prefix), parseAddr(a[0].(string))), nil },
			new(func(string, netip.Prefix) bool)),
		expr.Function("private", func(a ...any) (any, error) { return isPrivate(parseAddr(a[0].(string))), nil },
			new(func(string) bool)),
		expr.Function("seconds", func(a ...any) (any, error) {
			if s, ok := a[0].(string); ok {
				return parseSeconds(s)
			}
			return number(a[0]), nil
		}, new(func(string) float64), new(func(int) float64), new(func(float64) float64)),
		expr.Function("capable", func(a ...any) (any, error) { return isCapable(a[0].([]string), a[1].(string)), nil },
			new(func([]string, string) bool)),
		// expr's own give nil for what is not there, on which == fails.
		expr.Function("first", func(a ...any) (any, error) { return element(a[0], 0), nil },
			new(func([]string) string), new(func([]any) string)),
		expr.Function("last", func(a ...any) (any, error) { return element(a[0], -1), nil },
			new(func([]string) string), new(func([]any) string)),
		expr.Function("get", func(a ...any) (any, error) { return element(a[0], a[1].(int)), nil },
			new(func([]string, int) string), new(func([]any, int) string)),
	}
	shift := func(sign float64) func(...any) (any, error) {
		return func(a ...any) (any, error) { return moved(a[0].(time.Time), sign*number(a[1])), nil }
	}
	for name, calc := range map[string]func(...any) (any, error){later: shift(1), earlier: shift(-1)} {
		options = append(options, expr.Function(name, calc,
			new(func(time.Time, int) time.Time), new(func(time.Time, float64) time.Time)))
	}
	options = append(options, expr.Operator("+", later), expr.Operator("-", earlier, apart),
		expr.Function(apart, func(a ...any) (any, error) { return between(a[0].(time.Time), a[1].(time.Time)), nil },
			new(func(time.Time, time.Time) float64)))
	for name, unit := range units {
		options = append(options, expr.Function(name, func(a ...any) (any, error) { return number(a[0]) * unit, nil },
			new(func(int) float64), new(func(float64) float64)))
	}
	return options
}

// moved adds seconds to a time. One that is absent stays so.
func moved(t time.Time, seconds float64) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(time.Duration(min(max(seconds*1e9, -math.MaxInt64/2), math.MaxInt64/2)))
}

// between gives seconds. Of an absent time there are none, and nothing is less or more than that.
func between(a, b time.Time) float64 {
	if a.IsZero() || b.IsZero() {
		return math.NaN()
	}
	return a.Sub(b).Seconds()
}

// element gives a list's text at i, counted from the end when negative, "" where there is none.
func element(list any, i int) string {
	switch l := list.(type) {
	case []string:
		if i < 0 {
			i += len(l)
		}
		if i >= 0 && i < len(l) {
			return l[i]
		}
	case []any:
		if i < 0 {
			i += len(l)
		}
		if i >= 0 && i < len(l) {
			s, _ := l[i].(string)
			return s
		}
	}
	return ""
}

// isCapable tells whether a capability is among the field caps, where "all" stands for every one.
func isCapable(caps []string, name string) bool {
	return len(caps) == 1 && caps[0] == "all" || slices.Contains(caps, name)
}

func number(v any) float64 {
	if n, ok := v.(int); ok {
		return float64(n)
	}
	return v.(float64)
}

func parseSeconds(s string) (float64, error) {
	d, err := event.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf(`%q is not a duration such as "1m30s" or "250ms"`, s)
	}
	return d.Seconds(), nil
}

func parseAddr(s string) netip.Addr {
	a, _ := netip.ParseAddr(s) // what is no address is in no network
	return a
}

func contains(p netip.Prefix, a netip.Addr) bool { return p.Contains(a.Unmap().WithZone("")) }

// isPrivate is for addresses that never leave a site: RFC 1918 and RFC 4193, shared (RFC 6598), link-local, loopback.
func isPrivate(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || shared.Contains(a)
}

var shared = netip.MustParsePrefix("100.64.0.0/10")

func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, aerr := netip.ParseAddr(s)
		if aerr != nil || a.Zone() != "" {
			return p, fmt.Errorf(`%q is not a network such as "10.0.0.0/8" or "2001:db8::/32"`, s)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// rewriter prepares the parsed expression: constants are made of helper calls with constant arguments, tests of
// address fields become inputs of their own, and what could run without bound is refused.
type rewriter struct {
	text   string
	schema *event.Schema
	env    map[string]any // name → a value of its type, which is what expr takes for the types
	tests  []input
	free   []string // names set aside in env for address tests
	ranges map[ast.Node]bool
	lists  map[*ast.PointerNode]*event.Field // whose member it is, as far as that is known
	uses   uses
	notes  []string // see Program.Notes
	err    error    // the leftmost
	errAt  int
}

// uses collects the identifiers of the finished tree.
type uses struct{ names []string }

func (u *uses) Visit(node *ast.Node) {
	if id, ok := (*node).(*ast.IdentifierNode); ok && !slices.Contains(u.names, id.Value) {
		u.names = append(u.names, id.Value)
	}
}

var zero = map[event.Type]any{event.String: "", event.Uint: 0, event.Float: 0.0, event.Bool: false,
	event.Addr: "", event.Time: time.Time{}, event.List: []string(nil), event.ID: ""}

func newRewriter(text string, schema *event.Schema) *rewriter {
	r := &rewriter{text: text, schema: schema, env: map[string]any{}, ranges: map[ast.Node]bool{}, lists: map[*ast.PointerNode]*event.Field{}}
	for _, f := range schema.Fields {
		r.env[f.Name] = zero[f.Type]
	}
	// A name that no expression can spell, for each call that may become an address test.
	for i := range strings.Count(text, "cidr") + strings.Count(text, "private") {
		name := fmt.Sprintf("test#%d", i)
		r.env[name] = false
		r.free = append(r.free, name)
	}
	return r
}

func (r *rewriter) inputs() []input {
	var all []input
	for _, name := range r.uses.names {
		if f := r.schema.Lookup(name); f != nil {
			all = append(all, input{name: name, field: f})
		}
	}
	for _, t := range r.tests {
		if slices.Contains(r.uses.names, t.name) {
			all = append(all, t)
		}
	}
	return all
}

func (r *rewriter) fail(n ast.Node, format string, args ...any) {
	if from := n.Location().From; r.err == nil || from < r.errAt {
		r.err, r.errAt = at(r.text, from, fmt.Sprintf(format, args...)), from
	}
}

// Visit sees children before their parents.
func (r *rewriter) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if n.Value == "$env" {
			r.fail(n, "$env is not part of a filter; name the field")
		} else if _, known := r.env[n.Value]; !known && !slices.Contains(Functions(), n.Value) && !strings.HasPrefix(n.Value, "time#") {
			// expr would say so too, but not within the arguments of a function with several signatures.
			r.fail(n, "%s", unknown(n.Value, r.text, n.Location().From, r.schema))
		}
	case *ast.VariableDeclaratorNode, *ast.SequenceNode:
		r.fail(n, "a filter is one expression, without let and ;")
	case *ast.BinaryNode:
		r.binary(n)
	case *ast.BuiltinNode:
		r.builtin(node, n)
	case *ast.MemberNode:
		// list[0] of an empty list is "", not an error.
		if _, named := n.Property.(*ast.StringNode); !named && !n.Method {
			ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: "get"}, Arguments: []ast.Node{n.Node, n.Property}})
		}
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			r.call(node, n, callee.Value)
		}
	}
	r.values(*node)
	for n := range r.ranges {
		if (*node) != n && r.rangeEscapes(*node, n) {
			r.fail(n, `a range may only stand right of "in", as in: remote_port in 1..1023`)
		}
	}
}

func (r *rewriter) binary(n *ast.BinaryNode) {
	switch n.Operator {
	case "..":
		r.ranges[n] = true
	case "in":
		delete(r.ranges, n.Right)
	}
}

// rangeEscapes is true when parent is not the operator `in` that would have taken the range away.
func (r *rewriter) rangeEscapes(parent, n ast.Node) bool {
	b, ok := parent.(*ast.BinaryNode)
	return !ok || b.Operator != "in" || b.Right != n
}

func (r *rewriter) builtin(node *ast.Node, n *ast.BuiltinNode) {
	if !slices.Contains(builtins, n.Name) { // those that take a predicate cannot be disabled
		r.fail(n, "a filter has no function %q", n.Name)
		return
	}
	if n.Name != "date" {
		return
	}
	if len(n.Arguments) == 1 {
		if s, ok := n.Arguments[0].(*ast.StringNode); ok {
			t, err := parseDate(s.Value)
			if err != nil {
				r.fail(s, "%v", err)
				return
			}
			ast.Patch(node, &ast.ConstantNode{Value: t})
			return
		}
	}
	r.fail(n, `date takes one time that is written out, as in: ts > date("2026-01-31T08:00:00Z")`)
}

func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf(`%q is not a time such as "2026-01-31" or "2026-01-31T08:00:00Z"`, s)
}

func (r *rewriter) call(node *ast.Node, n *ast.CallNode, name string) {
	switch {
	case name == "cidr":
		r.cidr(node, n)
	case name == "private" && len(n.Arguments) == 1:
		r.addrTest(node, n.Arguments[0], isPrivate)
	case name == "seconds" && len(n.Arguments) == 1:
		if s, ok := n.Arguments[0].(*ast.StringNode); ok {
			v, err := parseSeconds(s.Value)
			if err != nil {
				r.fail(s, "%v", err)
			}
			ast.Patch(node, &ast.FloatNode{Value: v})
			return
		}
		r.unit(node, n, 1)
	case units[name] != 0 && len(n.Arguments) == 1:
		r.unit(node, n, units[name])
	}
}

// unit puts the number in the place of a call such as MB(1.5).
func (r *rewriter) unit(node *ast.Node, n *ast.CallNode, unit float64) {
	var v float64
	switch a := n.Arguments[0].(type) {
	case *ast.IntegerNode:
		v = float64(a.Value) * unit
	case *ast.FloatNode:
		v = a.Value * unit
	default:
		return
	}
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		ast.Patch(node, &ast.IntegerNode{Value: int(v)})
	} else {
		ast.Patch(node, &ast.FloatNode{Value: v})
	}
}

func (r *rewriter) cidr(node *ast.Node, n *ast.CallNode) {
	if len(n.Arguments) != 2 {
		r.fail(n, `cidr takes an address and a network, as in: cidr(remote_addr, "10.0.0.0/8")`)
		return
	}
	switch network := n.Arguments[1].(type) {
	case *ast.ConstantNode: // a prefix already: expr visits more than once
	case *ast.StringNode:
		p, err := parsePrefix(network.Value)
		if err != nil {
			r.fail(network, "%v", err)
			return
		}
		if r.addrTest(node, n.Arguments[0], func(a netip.Addr) bool { return contains(p, a) }) {
			return
		}
		ast.Patch(&n.Arguments[1], &ast.ConstantNode{Value: p})
	default:
		r.fail(network, `the network must be written out, as in: cidr(remote_addr, "10.0.0.0/8")`)
	}
}

// addrTest replaces a call on an address field by an input that holds the answer.
func (r *rewriter) addrTest(node *ast.Node, arg ast.Node, test func(netip.Addr) bool) bool {
	id, ok := arg.(*ast.IdentifierNode)
	if !ok || len(r.free) == 0 {
		return false
	}
	f := r.schema.Lookup(id.Value)
	if f == nil || f.Type != event.Addr {
		return false
	}
	r.tests = append(r.tests, input{name: r.free[0], field: f, test: test})
	ast.Patch(node, &ast.IdentifierNode{Value: r.free[0]})
	r.free = r.free[1:]
	return true
}
