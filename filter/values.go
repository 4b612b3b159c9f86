package filter

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"rustnet/track/event"
)

// What a field can never be, no record has: a filter that asks for it would be silent for ever, which looks like nothing having
// happened. It is a mistake as an unknown field is. What fields can be they declare themselves (event.Form).

// spelt is a text that an expression is about, and how it is spelt.
type spelt struct {
	name  string // of the field, or what was done to it
	verb  string // with the name before it: "dns_type is", "caps has"
	field *event.Field
	form  *event.Form // nil = any
}

// spelt tells what a part of an expression is; ok is false for what is no field's text.
func (r *rewriter) spelt(node ast.Node) (s spelt, ok bool) {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		if f := r.schema.Lookup(n.Value); f != nil && f.Type != event.List {
			return spelt{f.Name, "is", f, f.Form()}, true
		}
	case *ast.PointerNode:
		return memberOf(r.lists[n])
	case *ast.CallNode:
		if callee, named := n.Callee.(*ast.IdentifierNode); named && len(n.Arguments) > 0 && slices.Contains([]string{"first", "last", "get"}, callee.Value) {
			return memberOf(r.list(n.Arguments[0]))
		}
	case *ast.BuiltinNode:
		if form := letters[n.Name]; form != nil && len(n.Arguments) == 1 {
			return spelt{n.Name, "gives", nil, form}, true
		}
	}
	return s, false
}

// letters are the functions whose result has one kind of letters.
var letters = map[string]*event.Form{"lower": &event.Small, "upper": &event.Capital}

func memberOf(list *event.Field) (s spelt, ok bool) {
	if list == nil {
		return s, false
	}
	return spelt{list.Name, "has", list, list.Form()}, true
}

// list gives the field whose members, all or some, a part of an expression is; nil where it is none.
func (r *rewriter) list(node ast.Node) *event.Field {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		if f := r.schema.Lookup(n.Value); f != nil && f.Type == event.List {
			return f
		}
	case *ast.BuiltinNode:
		if n.Name == "filter" && len(n.Arguments) > 0 {
			return r.list(n.Arguments[0])
		}
	}
	return nil
}

// inPlaces are the operators and functions that ask for a part of a text.
var inPlaces = map[string]event.Op{"startsWith": event.Prefix, "hasPrefix": event.Prefix, "endsWith": event.Suffix, "hasSuffix": event.Suffix, "contains": event.Contains}

// values looks at what texts are compared with where that is written out.
func (r *rewriter) values(node ast.Node) {
	switch n := node.(type) {
	case *ast.BinaryNode:
		switch n.Operator {
		case "&&", "and", "||", "or":
			r.join(n)
		case "in":
			if list := r.list(n.Right); list != nil {
				s, _ := memberOf(list)
				r.compared(s, event.Equal, n.Left)
				return
			}
			if list := r.list(n.Left); list != nil {
				r.fail(n.Left, `%s is a list and in no other (did you mean any(%s, # in ["a", "b"])?)`, list.Name, list.Name)
			}
			r.against(n.Left, event.Equal, n.Right)
		case "==", "!=":
			for list, text := range map[*event.Field]ast.Node{r.list(n.Left): n.Right, r.list(n.Right): n.Left} {
				if text, ok := text.(*ast.StringNode); ok && list != nil {
					r.fail(n, `%s is a list (did you mean %q in %s?)`, list.Name, text.Value, list.Name)
				}
			}
			r.against(n.Left, event.Equal, n.Right)
			r.against(n.Right, event.Equal, n.Left)
		default:
			if op, ok := inPlaces[n.Operator]; ok {
				r.against(n.Left, op, n.Right)
			}
		}
	case *ast.BuiltinNode:
		if op, ok := inPlaces[n.Name]; ok && len(n.Arguments) == 2 {
			r.against(n.Arguments[0], op, n.Arguments[1])
		}
		r.members(n)
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok && callee.Value == "capable" && len(n.Arguments) == 2 {
			if s, ok := memberOf(r.list(n.Arguments[0])); ok {
				r.compared(s, event.Equal, n.Arguments[1])
			}
		}
	}
}

// members looks into what a function like any asks of each member of a list, which was looked at before it was known whose members they are.
func (r *rewriter) members(n *ast.BuiltinNode) {
	if len(n.Arguments) != 2 {
		return
	}
	predicate, ok := n.Arguments[1].(*ast.PredicateNode)
	list := r.list(n.Arguments[0])
	if !ok || list == nil {
		return
	}
	m := &memberVisitor{r: r, list: list}
	ast.Walk(&predicate.Node, m)
	m.again = true
	ast.Walk(&predicate.Node, m)
}

// memberVisitor gives the members of a predicate, but for those of predicates in it, their list, and then looks at what they are compared with.
type memberVisitor struct {
	r     *rewriter
	list  *event.Field
	again bool
}

func (m *memberVisitor) Visit(node *ast.Node) {
	p, ok := (*node).(*ast.PointerNode)
	switch {
	case m.again:
		if inner, ok := (*node).(*ast.BuiltinNode); !ok || inPlaces[inner.Name] != 0 {
			m.r.values(*node)
		}
	case ok && p.Name == "" && m.r.lists[p] == nil:
		m.r.lists[p] = m.list
	}
}

// against looks at a field's text and what stands beside it: a text, or a list of them.
func (r *rewriter) against(text ast.Node, op event.Op, value ast.Node) {
	s, ok := r.spelt(text)
	if !ok {
		return
	}
	if list, ok := value.(*ast.ArrayNode); ok {
		for _, v := range list.Nodes {
			r.compared(s, op, v)
		}
		return
	}
	r.compared(s, op, value)
}

// compared looks at one value. The empty text asks whether there is a value at all.
func (r *rewriter) compared(s spelt, op event.Op, value ast.Node) {
	switch v := value.(type) {
	case *ast.StringNode:
		if s.form != nil && !s.form.Can(op, v.Value) {
			r.fail(v, "%s", s.never(op, v.Value))
		} else if op == event.Equal && s.field != nil && s.field.Type == event.String {
			r.glob(s.name, v.Value)
		}
	case *ast.NilNode:
		if s.field != nil {
			r.fail(v, `%s is never nil: of what is not known a text is "", a number 0, a list empty`, s.name)
		}
	}
}

// glob notes a text as a shell's patterns are, which may be meant as it stands but seldom is.
func (r *rewriter) glob(name, text string) {
	part, op := strings.Trim(text, "*"), ""
	switch begins, ends := strings.HasPrefix(text, "*"), strings.HasSuffix(text, "*"); {
	case part == "" || strings.Contains(part, "*"):
		return
	case begins && ends:
		op = "contains"
	case begins:
		op = "endsWith"
	case ends:
		op = "startsWith"
	default:
		return
	}
	note := fmt.Sprintf("%q stands for itself, the star too (did you mean %s %s %q?)", text, name, op, part)
	if !slices.Contains(r.notes, note) {
		r.notes = append(r.notes, note)
	}
}

// never says that it can not be, what was meant, or else what it can be.
func (s *spelt) never(op event.Op, text string) string {
	if s.field != nil && s.field.Type == event.Addr && op == event.Equal {
		if _, err := netip.ParsePrefix(text); err == nil {
			return fmt.Sprintf("%q is a network, as in: cidr(%s, %q)", text, s.name, text)
		}
	}
	asked := map[event.Op]string{event.Prefix: "begins with", event.Suffix: "ends with", event.Contains: "contains"}[op]
	if asked == "" {
		asked = s.verb
	}
	said := fmt.Sprintf("%s never %s %q", s.name, asked, text)
	if asked == "is" {
		said = fmt.Sprintf("%s is never %q", s.name, text)
	}
	const few = 16 // words that are worth listing
	switch near, words := s.form.Nearest(op, text), s.form.Words(); {
	case near != "":
		return said + fmt.Sprintf(" (did you mean %q?)", near)
	case s.form.What != "" && s.form.Example != "":
		return said + fmt.Sprintf(": it is %s, as %q", s.form.What, s.form.Example)
	case s.form.What != "":
		return said + ": it is " + s.form.What
	case len(words) <= few:
		return said + " (it is one of " + strings.Join(words, ", ") + ")"
	}
	return said
}
