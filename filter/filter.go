// Package filter keeps the events that an expression is true for.
//
// The expression is in the language of expr-lang.org over the fields of the record: flat names, typed
// by the schema, where an absent text is "", an absent number 0 and an absent list empty. Nothing in it
// can loop over more than an event's own lists, so that no expression takes more than a bounded time.
package filter

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"rustnet/track/event"
)

// maxLength and maxNodes bound what is compiled; a person's longest filters are a few hundred bytes.
const (
	maxLength = 64 << 10
	maxNodes  = 5000
)

// Program is a compiled filter. It belongs to one goroutine.
type Program struct {
	code *vm.Program
	vm   vm.VM
	env  map[string]any
	// inputs are what the expression names, and only that.
	inputs []input
	notes  []string
}

// Notes says what is probably meant otherwise, and yet may be so.
func (p *Program) Notes() []string { return p.notes }

// Compile checks expr against the schema. What is wrong with it is said by an *Error.
func Compile(text string, schema *event.Schema) (*Program, error) {
	if len(text) > maxLength {
		return nil, &Error{Message: fmt.Sprintf("the filter is %d bytes long, more than %d", len(text), maxLength)}
	}
	if strings.TrimSpace(text) == "" {
		return nil, &Error{Expr: text, Line: 1, Column: 1, Message: "the filter is empty"}
	}
	r := newRewriter(text, schema)
	options := append(functions(), expr.Env(r.env), expr.AsBool(), expr.WarnOnAny(), expr.MaxNodes(maxNodes),
		expr.Patch(r), expr.Patch(&r.uses), expr.DisableAllBuiltins())
	for _, name := range builtins {
		options = append(options, expr.EnableBuiltin(name))
	}
	code, err := expr.Compile(text, options...)
	if r.err != nil { // ours say more than what expr makes of the same place
		return nil, r.err
	}
	if err != nil {
		return nil, explain(err, text, schema)
	}
	p := &Program{code: code, env: map[string]any{}, inputs: r.inputs(), notes: r.notes}
	for i := range p.inputs {
		p.inputs[i].put(p.env, r.env[p.inputs[i].name])
	}
	return p, nil
}

// Match tells whether the expression is true for e. Records of losses are always kept: a filter that
// hid them would make the rest look complete. So are totals, which are no connection's, and alerts, which
// somebody asked for by name.
func (p *Program) Match(e *event.Event) (bool, error) {
	if e.Kind == event.Lost || e.Kind == event.Stats || e.Kind == event.Alert {
		return true, nil
	}
	for i := range p.inputs {
		p.inputs[i].fill(p.env, e)
	}
	v, err := p.vm.Run(p.code, p.env)
	if err != nil {
		return false, err
	}
	keep, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("filter gave a %T instead of true or false", v)
	}
	return keep, nil
}

// Fields lists the names of the fields that are read for each event.
func (p *Program) Fields() []string {
	var names []string
	for i := range p.inputs {
		names = append(names, p.inputs[i].field.Name)
	}
	return names
}

// input is one thing the expression reads: a field, or a test of an address field that is made
// outside of the virtual machine because it is cheaper there. The boxed value is only made anew
// when it differs from the event's before, which for most fields is seldom.
type input struct {
	name  string // in the environment
	field *event.Field
	test  func(netip.Addr) bool // for an address test

	set  bool
	str  string
	num  uint64
	flt  float64
	addr netip.Addr
	list []string
}

func (in *input) put(env map[string]any, v any) { env[in.name] = v }

func (in *input) fill(env map[string]any, e *event.Event) {
	f := in.field
	switch f.Type {
	case event.String:
		if s := f.Str(e); s != in.str || !in.set {
			in.str = s
			in.put(env, s)
		}
	case event.Uint:
		if n, _ := f.Uint(e); n != in.num || !in.set {
			in.num = n
			in.put(env, int(n))
		}
	case event.ID:
		if n, ok := f.Uint(e); n != in.num || !in.set {
			in.num = n
			text := ""
			if ok {
				text = fmt.Sprintf("%016x", n)
			}
			in.put(env, text)
		}
	case event.Float:
		if n, _ := f.Float(e); n != in.flt || !in.set {
			in.flt = n
			in.put(env, n)
		}
	case event.Bool:
		b, _ := f.Bool(e)
		in.put(env, b)
	case event.Addr:
		if a := f.Addr(e); a != in.addr || !in.set {
			in.addr = a
			if in.test != nil {
				in.put(env, in.test(a))
			} else {
				in.put(env, addrText(a))
			}
		}
	case event.Time:
		if n := f.Time(e); uint64(n) != in.num || !in.set {
			in.num = uint64(n)
			var t time.Time
			if n != 0 {
				t = time.Unix(0, n).UTC()
			}
			in.put(env, t)
		}
	case event.List:
		// Published lists never change, so the same storage holds the same texts.
		l := f.List(e)
		if len(l) != len(in.list) || unsafe.SliceData(l) != unsafe.SliceData(in.list) || !in.set {
			in.list = l
			in.put(env, l)
		}
	}
	in.set = true
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// Stage keeps what a program is true for.
type Stage struct {
	program *Program
	tell    bool
	out     atomic.Uint64
	errs    atomic.Uint64
}

// NewStage makes the stage of a program, or of nil, which keeps everything.
func NewStage(p *Program) *Stage { return &Stage{program: p} }

// TellRuledOut makes the stage say in each batch what it took out. It must be called before Run.
func (s *Stage) TellRuledOut() { s.tell = true }

// Stats is what the stage did so far.
type Stats struct {
	FilteredOut uint64 // events the expression was not true for, the failed ones among them
	Errors      uint64 // events the expression failed on
}

// Stats may be asked at any time, from any goroutine.
func (s *Stage) Stats() Stats { return Stats{FilteredOut: s.out.Load(), Errors: s.errs.Load()} }

// Stage is Run, nil where everything is kept: then no goroutine need hand on what passes.
func (s *Stage) Stage() func(context.Context, <-chan *event.Batch, chan<- *event.Batch) error {
	if s.program == nil {
		return nil
	}
	return s.Run
}

// Run filters batches in place until in is closed, and closes out. Batches without events go on, for
// the time they carry. When ctx ends it returns with its error; what it holds then is given back.
func (s *Stage) Run(ctx context.Context, in <-chan *event.Batch, out chan<- *event.Batch) error {
	defer close(out)
	for b := range in {
		s.filter(b)
		select {
		case out <- b: // the batch is out's from here on
		case <-ctx.Done():
			b.Release()
			return ctx.Err()
		}
	}
	return nil
}

func (s *Stage) filter(b *event.Batch) {
	if s.program == nil {
		return
	}
	n := 0
	var errs uint64
	for i := range b.Events {
		keep, err := s.program.Match(&b.Events[i])
		if err != nil {
			errs++
		}
		if !keep {
			if s.tell {
				b.RuledOut = append(b.RuledOut, event.Ruling{ID: b.Events[i].ID, Kind: b.Events[i].Kind})
			}
			continue
		}
		if n != i {
			b.Events[n] = b.Events[i]
		}
		n++
	}
	s.out.Add(uint64(len(b.Events) - n))
	s.errs.Add(errs)
	clear(b.Events[n:]) // let go of what the dropped ones point at
	b.Events = b.Events[:n]
}
