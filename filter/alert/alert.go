// Package alert judges connections: by rules, which are expressions over one record, and by detectors of what
// no single record shows. It adds an alert behind the event that it is about. Time is that of the events, so
// that the same file gives the same alerts, and all that is kept is bounded.
package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rustnet/filter"
	"rustnet/track/event"
)

// Config is what a person decides about alerts.
type Config struct {
	Alert      map[string]string `mapsep:"none" placeholder:"NAME=EXPR" complete:"expression" help:"Add an alert for each connection for which this --filter expression is true; repeatable. Alerts pass --filter and --events."`
	Detect     []string          `placeholder:"a,b" complete:"first-contact,port-scan,syn-flood,udp-flood,icmp-flood,rogue-router,address-conflict,login-guessing,beacon,exfiltration,dns-tunnel,icmp-tunnel,nxdomain,failing,throttled,all" help:"Add alerts for what detectors find: first-contact, port-scan, syn-flood, udp-flood, icmp-flood, rogue-router, address-conflict, login-guessing, beacon, exfiltration, dns-tunnel, icmp-tunnel, nxdomain, failing, throttled, or all."`
	AlertEvery time.Duration     `default:"5m" placeholder:"D" help:"Least time between two alerts of one rule about the same program and remote end; those in between are counted, and with --learned also those of the run before."`
	Learned    string            `placeholder:"FILE" help:"File for what alerts remember from run to run: which were told when, and what first-contact and exfiltration learn. Of one run at a time."`
	// Commands tells that somebody runs commands for alerts, who says with Untold which did not succeed. What is remembered is kept
	// open until Close then.
	Commands bool `kong:"-"`

	Learn time.Duration `default:"24h" placeholder:"D" needs:"detect" help:"How long first-contact and exfiltration learn before they alert; first-contact so for each new program."`
}

// Any tells whether there is anything that gives alerts.
func (c Config) Any() bool { return len(c.Alert)+len(c.Detect) > 0 }

// Bounds of what is remembered: connections, and pairs of program and remote end.
const (
	connsMax = 1 << 16
	pairsMax = 1 << 15
)

// detector looks at each event of a connection.
type detector interface {
	// look tells whether it found something.
	look(s *seen) (found, bool)
	// why says in words what it found last.
	why(s *seen) string
}

type found struct {
	own     bool   // such alerts are throttled by what the detector says, which is a namer, and not by the program and the remote end
	pattern string // "" is the detector's name
	silent  bool   // only the pattern, no alert
}

// namer says in words by what alerts are throttled of what it found last.
type namer interface{ about(s *seen) about }

// detectors are all there are, by name.
var detectors = []struct {
	name string
	make func(*knowledge) detector
}{
	{"first-contact", func(k *knowledge) detector { return &contact{known: k, domains: newLRU[uint16](1 << 13)} }},
	{"port-scan", func(*knowledge) detector { return newScan() }},
	{"syn-flood", func(*knowledge) detector { return newFlood() }},
	{"udp-flood", func(*knowledge) detector { return newRush(false) }},
	{"icmp-flood", func(*knowledge) detector { return newRush(true) }},
	{"rogue-router", func(*knowledge) detector { return newRogue() }},
	{"address-conflict", func(*knowledge) detector { return newConflict() }},
	{"login-guessing", func(*knowledge) detector { return newGuessing() }},
	{"beacon", func(*knowledge) detector { return newBeacon() }},
	{"exfiltration", func(k *knowledge) detector { return newSending(k) }},
	{"dns-tunnel", func(*knowledge) detector { return newTunnel() }},
	{"icmp-tunnel", func(*knowledge) detector { return echo{} }},
	{"nxdomain", func(*knowledge) detector { return newNXDomain() }},
	{"failing", func(*knowledge) detector { return newFailing() }},
	{"throttled", func(*knowledge) detector { return newThrottled() }},
}

type rule struct {
	name    string
	program *filter.Program // nil for a detector
	uses    []*event.Field
	look    detector
	alerts  atomic.Uint64
}

// Stage adds the alerts.
type Stage struct {
	fields fields
	stored *event.Schema // of records that were read back; else nil
	rules  []*rule
	every  int64
	known  *knowledge
	warn   func(string)

	seen     seen
	once     *lru[struct{}]       // rules and connections
	patterns *lru[*event.Verdict] // connections
	begun    *lru[struct{}]       // connections of records that were read back; else nil
	marked   bool                 // there is one
	pool     event.Pool
	alerts   []event.Event // of the event at hand

	made, held, errs atomic.Uint64

	err  error         // what kept from the last saving
	over chan struct{} // closed when Run has ended, nil where nobody closes

	mu     sync.Mutex
	untold map[uint64]bool // Verdict.Told of alerts
}

var ruleName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// New compiles the rules against the schema of the records and opens what was learned. nil is: there is
// nothing to judge.
func New(cfg Config, schema *event.Schema, warn func(string)) (*Stage, error) {
	s := &Stage{every: int64(cfg.AlertEvery), warn: warn, once: newLRU[struct{}](2 * connsMax),
		patterns: newLRU[*event.Verdict](connsMax), pool: event.NewPool(16)}
	if cfg.Commands {
		s.over, s.untold = make(chan struct{}), map[uint64]bool{}
	}
	s.fields.find(schema)
	s.seen.f, s.seen.names = &s.fields, newNames()
	if schema.IsStored() {
		s.stored = schema
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Alert)) {
		r, err := parseRule(name, cfg.Alert[name], schema)
		if err != nil {
			return nil, err
		}
		s.rules = append(s.rules, r)
	}
	wanted, err := parseDetectors(cfg.Detect)
	if err != nil {
		return nil, err
	}
	if s.stored != nil && len(wanted) > 0 {
		s.begun = newLRU[struct{}](4 * connsMax)
	}
	for _, name := range wanted {
		if _, taken := cfg.Alert[name]; taken {
			return nil, fmt.Errorf("--alert: %s is a detector's name", name)
		}
	}
	if !cfg.Any() {
		if cfg.Learned != "" {
			return nil, errors.New("--learned is for what alerts remember: --alert and --detect ask for some")
		}
		return nil, nil
	}
	if s.known, err = openKnowledge(cfg.Learned, int64(cfg.Learn), s.seen.names); err != nil {
		return nil, err
	}
	for _, d := range detectors {
		if !slices.Contains(wanted, d.name) {
			continue
		}
		s.rules = append(s.rules, &rule{name: d.name, look: d.make(s.known)})
	}
	return s, nil
}

func parseRule(name, text string, schema *event.Schema) (*rule, error) {
	trimmed := strings.TrimSpace(name)
	if strings.HasPrefix(text, "=") || !ruleName.MatchString(trimmed) {
		return nil, fmt.Errorf(`--alert: %q is not NAME=EXPR, as in 'upload=tx_bytes > MB(10)'`, name+"="+text)
	}
	name = trimmed
	program, err := filter.Compile(text, schema)
	if err != nil {
		return nil, fmt.Errorf("--alert %s: %w", name, err)
	}
	r := &rule{name: name, program: program}
	for _, field := range program.Fields() {
		if f := schema.Lookup(field); f != nil && !slices.Contains(r.uses, f) {
			r.uses = append(r.uses, f)
		}
	}
	return r, nil
}

func parseDetectors(words []string) ([]string, error) {
	var all, wanted []string
	for _, d := range detectors {
		all = append(all, d.name)
	}
	for _, w := range event.Words(words...) {
		switch {
		case w == "all":
			wanted = all
		case slices.Contains(all, w):
			wanted = append(wanted, w)
		default:
			hint := "one of " + strings.Join(all, ", ") + ", or all"
			near := event.Nearest(w, all)
			if i := slices.IndexFunc(all, func(name string) bool { return len(w) > 2 && strings.Contains(name, w) }); near == "" && i >= 0 {
				near = all[i]
			}
			if near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			return nil, fmt.Errorf("--detect: unknown detector %q (%s)", w, hint)
		}
	}
	return wanted, nil
}

// Rule is one of --alert.
type Rule struct {
	Name    string
	Program *filter.Program
}

// Rules are those that a person wrote.
func (s *Stage) Rules() (all []Rule) {
	for _, r := range s.rules {
		if r.program != nil {
			all = append(all, Rule{r.name, r.program})
		}
	}
	return all
}

// Run adds alerts to what comes until in is closed, and closes out.
func (s *Stage) Run(ctx context.Context, in <-chan *event.Batch, out chan<- *event.Batch) error {
	defer close(out)
	err := s.run(ctx, in, out)
	if s.over == nil {
		s.err = s.known.close() // also where nobody took the records
	} else {
		s.err = s.known.save()
		close(s.over)
	}
	return err
}

// Untold notes that nobody was told of an alert after all, so that the next run tells of it. In this run it counts as told: it stands
// among the records, and these do not depend on what a command does. It may be called from any goroutine.
func (s *Stage) Untold(v *event.Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.untold[v.Told] = true
}

// Close forgets in the file what was not told, once Run and the commands have ended.
func (s *Stage) Close() {
	if s == nil || s.over == nil {
		return
	}
	select {
	case <-s.over:
	default: // left behind
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.untell(s.untold)
	s.err = cmp.Or(s.known.close(), s.err)
}

func (s *Stage) run(ctx context.Context, in <-chan *event.Batch, out chan<- *event.Batch) error {
	var saved int64
	for b := range in {
		b = s.batch(b)
		now := b.Now
		if err := s.known.noteTold(); err != nil {
			s.warn(err.Error())
		}
		if err := b.Send(ctx, out); err != nil {
			return err
		}
		if now-saved > int64(saveEvery) {
			if saved != 0 {
				if err := s.known.save(); err != nil {
					s.warn(err.Error())
				}
			}
			saved = now
		}
	}
	return nil
}

// Err is what kept what is remembered from being kept, once Run has ended.
func (s *Stage) Err() error { return s.err }

// Records are none: the alerts are among those that go on.
func (s *Stage) Records() uint64 { return 0 }

// batch gives b, or where there are alerts another one in its place.
func (s *Stage) batch(b *event.Batch) *event.Batch {
	var with *event.Batch
	for i := range b.Events {
		e := &b.Events[i]
		if e.Kind == event.New || e.Kind == event.Updated || e.Kind == event.Closed {
			s.judge(e)
		}
		if with == nil && len(s.alerts) > 0 {
			with = s.pool.Get()
			with.Now = b.Now
			with.Events = append(with.Events, b.Events[:i]...)
		}
		if with != nil {
			with.Events = append(append(with.Events, *e), s.alerts...)
			s.alerts = s.alerts[:0]
		}
	}
	if with == nil {
		return b
	}
	b.Release()
	return with
}

// judge asks all rules about an event, marks it, and leaves the alerts in s.alerts.
func (s *Stage) judge(e *event.Event) {
	s.seen.fill(e)
	if s.seen.first = e.Kind == event.New; s.begun != nil {
		_, s.seen.first = s.begun.get(s.seen.id)
	}
	for _, r := range s.rules {
		if r.program != nil {
			switch holds, err := r.program.Match(e); {
			case err != nil:
				s.errs.Add(1)
			case holds:
				s.fire(r, found{}, e)
			}
			continue
		}
		if f, ok := r.look.look(&s.seen); ok {
			if f.pattern == "" {
				f.pattern = r.name
			}
			s.mark(f.pattern)
			if !f.silent {
				s.fire(r, f, e)
			}
		}
	}
	if !s.marked {
		return
	}
	if v := s.patterns.peek(s.seen.id); v != nil && *v != nil {
		s.show(e, *v)
		for i := range s.alerts {
			s.show(&s.alerts[i], *v)
		}
	}
}

// fire makes an alert, unless the rule has told of this connection, or of its ends a short time ago.
func (s *Stage) fire(r *rule, f found, e *event.Event) {
	ruleKey := s.seen.hash(r.name)
	if _, fresh := s.once.get(mix(ruleKey, s.seen.id)); !fresh {
		return
	}
	var of about
	key := mix(s.seen.who, s.seen.whom)
	if f.own {
		of = r.look.(namer).about(&s.seen)
		key = s.seen.names.about(&of)
	}
	t, fresh := s.known.told.get(mix(ruleKey, key))
	t.held++
	if since := s.seen.ts - t.last; !fresh && since < s.every && since > -s.every { // of a file from long ago nothing was told
		s.held.Add(1)
		s.known.dirty = true
		return
	}
	s.made.Add(1)
	r.alerts.Add(1)
	s.known.tellings++
	v := event.Verdict{Rule: r.name, Count: t.held, Told: s.known.tellings}
	if r.look != nil {
		v.Reason = r.look.why(&s.seen)
	} else {
		v.Reason = r.values(&s.seen)
	}
	s.alerts = append(s.alerts, s.alert(e, v))
	t.last, t.held, t.telling = s.seen.ts, 0, s.known.tellings
	if !f.own {
		of = s.seen.about()
	}
	s.known.tell(t, r.name, of)
}

// alert is the connection as it is, without what would be counted twice.
func (s *Stage) alert(e *event.Event, v event.Verdict) event.Event {
	a := *e
	a.Kind, a.Verdict = event.Alert, &v
	a.Tx.BytesDelta, a.Rx.BytesDelta, a.Interval = 0, 0, 0
	if s.stored != nil {
		f, r := &s.fields, e.Stored.Clone()
		for _, delta := range []*event.Field{f.txDelta, f.rxDelta} {
			if _, ok := delta.Uint(e); ok {
				r.SetUint(delta, 0)
			}
		}
		r.Unset(f.txRate)
		r.Unset(f.rxRate)
		r.SetStr(f.event, event.Alert.String())
		r.SetStr(f.alert, v.Rule)
		r.SetStr(f.alertReason, v.Reason)
		r.SetUint(f.alertCount, v.Count)
		a.Stored = r
	}
	return a
}

// mark notes what the connection's traffic is like, for this event and those to come.
func (s *Stage) mark(pattern string) {
	v, _ := s.patterns.get(s.seen.id)
	if *v != nil && slices.Contains((*v).Patterns, pattern) {
		return
	}
	next := &event.Verdict{}
	if *v != nil {
		next.Patterns = slices.Clone((*v).Patterns)
	}
	next.Patterns = append(next.Patterns, pattern)
	*v, s.marked = next, true
}

// show puts the patterns into an event.
func (s *Stage) show(e *event.Event, v *event.Verdict) {
	switch {
	case e.Verdict == v:
	case s.stored != nil:
		e.Stored = e.Stored.Clone()
		e.Stored.SetList(s.fields.pattern, v.Patterns)
	case e.Verdict != nil:
		all := *e.Verdict
		all.Patterns = v.Patterns
		e.Verdict = &all
	default:
		e.Verdict = v
	}
}

// values is the reason of a rule: whose connection it is, and what else the fields are that it asks for.
func (r *rule) values(s *seen) string {
	var ends, said []string
	if s.name != "" || s.local.IsValid() {
		ends = append(ends, s.subject())
	}
	if s.host != "" || s.remote.IsValid() {
		ends = append(ends, s.object())
		if s.rport != 0 {
			ends[len(ends)-1] += fmt.Sprintf(" port %d", s.rport)
		}
	}
	for _, f := range r.uses {
		if f == s.f.process || f == s.f.host || f == s.f.remoteAddr || f == s.f.remotePort {
			continue
		}
		if v := valueText(f, s.e); v != "" {
			said = append(said, f.Name+" "+v)
		}
	}
	who, what := strings.Join(ends, " with "), strings.Join(said, ", ")
	switch {
	case who != "" && what != "":
		return who + ": " + what
	case who+what != "":
		return who + what
	}
	return "the rule holds"
}

func valueText(f *event.Field, e *event.Event) string {
	switch f.Type {
	case event.String:
		return f.Str(e)
	case event.Uint:
		if n, ok := f.Uint(e); ok {
			return strconv.FormatUint(n, 10)
		}
	case event.ID:
		if n, ok := f.Uint(e); ok {
			return fmt.Sprintf("%016x", n)
		}
	case event.Float:
		if n, ok := f.Float(e); ok {
			return strconv.FormatFloat(n, 'f', -1, 64)
		}
	case event.Bool:
		if b, ok := f.Bool(e); ok {
			return strconv.FormatBool(b)
		}
	case event.Addr:
		if a := f.Addr(e); a.IsValid() {
			return a.String()
		}
	case event.Time:
		if ns := f.Time(e); ns != 0 {
			return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000Z")
		}
	case event.List:
		return strings.Join(f.List(e), " ")
	}
	return ""
}

// Report says for people what was told, and what was not. It may be asked at any time.
func (s *Stage) Report() string {
	if s == nil {
		return ""
	}
	made := s.made.Load()
	if made == 0 && s.errs.Load() == 0 && s.held.Load() == 0 {
		return "no alerts"
	}
	by := map[string]uint64{}
	for _, r := range s.rules {
		if n := r.alerts.Load(); n > 0 {
			by[r.name] = n
		}
	}
	names := slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		if by[a] != by[b] {
			return int(by[b]) - int(by[a])
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", by[name], name)
	}
	text := "no alerts"
	if made > 0 {
		text = fmt.Sprintf("%s (%s)", event.Count(made, "alert"), strings.Join(names, ", "))
	}
	if n := s.held.Load(); n > 0 {
		text += fmt.Sprintf(", %d held back by --alert-every", n)
	}
	if n := s.errs.Load(); n > 0 {
		text += ", " + event.Count(n, "time") + " a rule could not be answered"
	}
	return text
}
