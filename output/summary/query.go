package summary

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"

	"rustnet/output"
	"rustnet/track/event"
)

// rowsMax bounds how many records are sorted; with --top it is as many as are asked for.
const rowsMax = 1 << 20

// Query is the last stage of a command that shows records that were read back: sorted, cut, or added up by what
// they have in common. All are seen before the first is shown.
type Query struct {
	show        *Show
	rows        []row
	losses      []event.Event
	groups      *groups
	first, last int64
	ts, start   *event.Field
	max         int

	latest  uint64        // 0 = all are taken, in their order
	probe   *output.Stage // tells which records are written, of what is cut at latest
	stopped chan struct{} // closed when those are there

	newSince int64 // 0 = all groups are shown
	before   map[uint64]struct{}
	seed     maphash.Seed
	compared uint64 // connections from before
}

// row is as much of an event as one that was read back has.
type row struct {
	kind   event.Kind
	stored *event.Stored
}

// NewQuery checks the configuration and makes the stage; fields are the records', which are Stored ones.
func NewQuery(cfg Config, out output.Config, fields *event.Schema, w io.Writer) (*Query, error) {
	show, err := New(cfg, out, fields, w)
	if err != nil {
		return nil, err
	}
	q := &Query{show: show, ts: fields.Lookup("ts"), start: fields.Lookup("start"), max: rowsMax, latest: cfg.Latest, stopped: make(chan struct{})}
	out.Count = 0
	if q.probe, err = output.New(out, fields, io.Discard); err != nil {
		return nil, err
	}
	if len(show.keys.from) > 0 {
		q.groups = newGroups(show.keys, show.sums, show.fields)
	}
	if !cfg.NewSince.IsZero() {
		if q.groups == nil {
			return nil, errors.New("--new-since is about groups: --group-by process,host says of which")
		}
		q.newSince, q.before, q.seed = cfg.NewSince.UnixNano(), map[uint64]struct{}{}, maphash.MakeSeed()
	}
	return q, nil
}

// Events is how many records were written.
func (q *Query) Events() uint64 { return q.show.Events() }

// Stopped is closed when Config.Latest records are there, and what comes from then on is passed over.
func (q *Query) Stopped() <-chan struct{} { return q.stopped }

// Run takes all there is, and shows it when in is closed.
func (q *Query) Run(ctx context.Context, in <-chan *event.Batch) error {
	return output.UnlessOver(ctx, func() error {
		var err error
		for b := range in {
			for i := range b.Events {
				if err == nil {
					err = q.take(&b.Events[i])
				}
			}
			b.Release()
		}
		if err != nil {
			return err
		}
		return q.end()
	})
}

// period is the seconds that the connections of groups took altogether. What each did in its last moment says
// nothing of them.
func (q *Query) period() float64 {
	if q.first == 0 {
		return 0
	}
	return float64(q.last-q.first) / 1e9
}

// Report says for people what groups were compared with.
func (q *Query) Report() string {
	switch {
	case q.newSince == 0:
		return ""
	case q.compared == 0:
		return ", all that there is: nothing is known from before --new-since"
	}
	return ", compared with " + event.Count(q.compared, "connection") + " from before"
}

// beforeMax bounds the groups that are known from before, by 8 bytes each.
const beforeMax = 1 << 20

// known tells whether there is something from before of the group with this key.
func (q *Query) known(key []byte) bool {
	_, known := q.before[maphash.Bytes(q.seed, key)]
	return known
}

// old tells whether a connection is from before, or of a group that was seen then, as far as that is known already.
func (q *Query) old(e *event.Event) (bool, error) {
	key := q.groups.keyOf(e)
	if begin := cmp.Or(q.start.Time(e), q.ts.Time(e)); begin >= q.newSince {
		return q.known(key), nil
	}
	q.compared++
	if q.before[maphash.Bytes(q.seed, key)] = struct{}{}; len(q.before) > beforeMax {
		return true, fmt.Errorf("more than %d groups from before --new-since: ask for fewer with --since or --filter", beforeMax)
	}
	return true, nil
}

func (q *Query) take(e *event.Event) error {
	if q.latest > 0 && q.probe.Stats().Events() == q.latest {
		return nil
	}
	q.last = max(q.last, q.ts.Time(e))
	if e.Kind == event.Lost {
		q.losses = append(q.losses, *e)
		return nil
	}
	if q.newSince != 0 {
		q.first = q.newSince
		if old, err := q.old(e); old || err != nil {
			return err
		}
	}
	if begin := q.start.Time(e); begin != 0 && (q.first == 0 || begin < q.first) {
		q.first = begin
	}
	if q.groups != nil {
		q.groups.add(e, q.show.ask.ask(e))
		return nil
	}
	q.rows = append(q.rows, row{e.Kind, e.Stored})
	if q.latest > 0 {
		if err := q.probe.Frame([]event.Event{*e}); err != nil {
			return err
		}
		if q.probe.Stats().Events() == q.latest {
			close(q.stopped)
		}
	}
	top := q.show.cfg.Top
	switch {
	case top > 0 && len(q.rows) > 2*top+1024: // keep only what may be among the first
		kept := q.arranged()
		for i := range kept {
			q.rows[i] = row{kept[i].Kind, kept[i].Stored}
		}
		clear(q.rows[len(kept):])
		q.rows = q.rows[:len(kept)]
	case top == 0 && len(q.rows) > q.max:
		return fmt.Errorf("more than %d records to bring into order: ask for fewer with --top, --count, --since or --filter", q.max)
	}
	return nil
}

// arranged gives the rows in order, and no more than --top.
func (q *Query) arranged() []event.Event {
	events := make([]event.Event, len(q.rows))
	for i, r := range q.rows {
		events[i] = event.Event{Kind: r.kind, Stored: r.stored}
	}
	if q.latest > 0 {
		slices.Reverse(events)
	}
	return q.show.first(events)
}

func (q *Query) end() error {
	if q.latest > 0 {
		slices.Reverse(q.losses)
	}
	if q.newSince != 0 {
		q.groups.drop(q.known) // where what is from before came later
	}
	if q.groups == nil {
		return q.show.write(append(q.losses, q.arranged()...))
	}
	return q.show.write(append(q.show.storedLosses(q.losses), q.show.first(q.groups.rows(q.last, q.period()))...))
}
