package summary

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"rustnet/track/event"
)

// order is what --sort says: fields, the first one first.
type order []sortKey

type sortKey struct {
	field      *event.Field
	descending bool
}

// parseOrder reads FIELD or -FIELD, several with commas. Numbers come largest first, everything else
// ascending; the minus turns it round.
func parseOrder(text string, schema *event.Schema) (order, error) {
	var o order
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		name, reversed := strings.CutPrefix(word, "-")
		if word == "" {
			continue
		}
		f := schema.Lookup(name)
		if f == nil {
			return nil, unknown("--sort", name, schema)
		}
		o = append(o, sortKey{f, (f.Type == event.Uint || f.Type == event.Float) != reversed})
	}
	return o, nil
}

// check says which field groups by these do not have.
func (o order) check(s sums, by ...keys) error {
	for _, k := range o {
		name := k.field.Name
		had := slices.Contains(s.to, k.field) || slices.Contains([]string{"v", "event", "ts", "group_by", "groups_merged",
			"connections", "connections_open", "connections_failed", "connections_partial"}, name)
		for _, by := range by {
			had = had || slices.Contains(by.to, k.field)
		}
		if !had {
			return fmt.Errorf("--sort: a group has no %s: that is neither in --group-by nor added up", name)
		}
	}
	return nil
}

func unknown(flag, name string, schema *event.Schema) error {
	hint := ""
	if near := schema.Nearest(name); near != "" {
		hint = fmt.Sprintf(" (did you mean %q?)", near)
	}
	return fmt.Errorf("%s: unknown field %q%s (rustnet fields lists them)", flag, name, hint)
}

// sort orders records; equal ones stay as they were. What a record lacks stands last either way.
func (o order) sort(events []event.Event) {
	if len(o) == 0 {
		return
	}
	at := make([]int32, len(events)) // events are large: they move once
	for i := range at {
		at[i] = int32(i)
	}
	slices.SortFunc(at, func(a, b int32) int {
		for _, k := range o {
			if c := k.compare(&events[a], &events[b]); c != 0 {
				return c
			}
		}
		return cmp.Compare(a, b)
	})
	sorted := make([]event.Event, len(events))
	for i, j := range at {
		sorted[i] = events[j]
	}
	copy(events, sorted)
}

func (k *sortKey) compare(a, b *event.Event) int {
	c, hasA, hasB := compareValues(k.field, a, b)
	switch {
	case !hasA || !hasB:
		if hasA == hasB {
			return 0
		} else if hasA {
			return -1
		}
		return 1
	case k.descending:
		return -c
	}
	return c
}

func compareValues(f *event.Field, a, b *event.Event) (c int, hasA, hasB bool) {
	switch f.Type {
	case event.Uint, event.ID:
		x, okX := f.Uint(a)
		y, okY := f.Uint(b)
		return cmp.Compare(x, y), okX, okY
	case event.Float:
		x, okX := f.Float(a)
		y, okY := f.Float(b)
		return cmp.Compare(x, y), okX, okY
	case event.Bool:
		x, okX := f.Bool(a)
		y, okY := f.Bool(b)
		if x == y {
			return 0, okX, okY
		} else if x {
			return -1, okX, okY
		}
		return 1, okX, okY
	case event.Addr:
		x, y := f.Addr(a), f.Addr(b)
		return x.Compare(y), x.IsValid(), y.IsValid()
	case event.Time:
		x, y := f.Time(a), f.Time(b)
		return cmp.Compare(x, y), x != 0, y != 0
	case event.List:
		x, y := f.List(a), f.List(b)
		return slices.Compare(x, y), len(x) > 0, len(y) > 0
	}
	x, y := f.Str(a), f.Str(b)
	return strings.Compare(x, y), x != "", y != ""
}
