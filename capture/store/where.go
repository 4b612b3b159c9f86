package store

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"rustnet/track/event"
)

// query makes SQL of a condition. The values go as parameters from ?2 on; ?1 is where reading goes on.
type query struct {
	search
	has map[string]map[string]bool // columns of the tables
}

func quote(name string) string { return `"` + name + `"` }

func (q *query) arg(v any) string {
	q.args = append(q.args, v)
	return "?" + strconv.Itoa(len(q.args)+1)
}

// find says which rows there are between two times that a filter may be true for.
func (q *query) find(cfg Config, filter *event.Condition) {
	and := []string{"1"}
	if !cfg.Since.IsZero() {
		q.indexed = true
		and = append(and, "c.ts >= "+q.arg(cfg.Since.UnixNano()))
	}
	if !cfg.Until.IsZero() {
		begin := "ifnull(c.start, c.ts)"
		if q.table == event.StoreEvents {
			begin, q.indexed = "c.ts", true
		}
		and = append(and, begin+" < "+q.arg(cfg.Until.UnixNano()))
	}
	if filter != nil {
		q.indexed = q.indexed || q.byIndex(filter)
		and = append(and, q.condition(filter))
	}
	q.where = strings.Join(and, " AND ")
}

// lossesOf finds the records of losses, which are kept among the events.
func lossesOf(cfg Config) string {
	where := "c.event = 'lost'"
	if !cfg.Since.IsZero() {
		where += fmt.Sprintf(" AND c.ts >= %d", cfg.Since.UnixNano())
	}
	if !cfg.Until.IsZero() {
		where += fmt.Sprintf(" AND c.ts < %d", cfg.Until.UnixNano())
	}
	return where
}

// byIndex tells whether a condition is found by an index rather than by going through all rows.
func (q *query) byIndex(c *event.Condition) bool {
	switch c.Op {
	case event.All:
		return slices.ContainsFunc(c.Of, q.byIndex)
	case event.Any:
		return !slices.ContainsFunc(c.Of, func(k *event.Condition) bool { return !q.byIndex(k) })
	case event.Always, event.Not:
		return false
	}
	if ofAbsent(c) {
		return false
	}
	if c.Field.Place() == event.PlaceProcess {
		return true
	}
	switch c.Field.Name {
	case "id":
		return c.Op == event.Equal || c.Op == event.Prefix
	case "host", "remote_addr":
		return q.table == event.StoreConnections && (c.Op == event.Equal || c.Op == event.Prefix)
	case "ts":
		return c.Op == event.Equal || c.Op == event.Greater || c.Op == event.GreaterEqual
	}
	return false
}

// condition is true where c is, else false or NULL.
func (q *query) condition(c *event.Condition) string {
	switch c.Op {
	case event.Always:
		return "1"
	case event.All, event.Any:
		word, text := " AND ", "1"
		if c.Op == event.Any {
			word, text = " OR ", "0"
		}
		var parts []string
		for _, k := range c.Of {
			parts = append(parts, q.condition(k))
		}
		if len(parts) > 0 {
			text = strings.Join(parts, word)
		}
		return "(" + text + ")"
	case event.Not:
		if !knows(c.Of[0]) {
			return "1"
		}
		return "NOT ifnull(" + q.condition(c.Of[0]) + ", 0)"
	}
	name := quote(c.Field.Name)
	switch c.Field.Place() {
	case event.PlaceColumn, event.PlaceStep:
		if !q.has[q.table][c.Field.Name] {
			return q.absent(c)
		}
		return q.compare("c."+name, c)
	case event.PlaceRest:
		return q.compare("(c."+event.StoreRest+" ->> '$."+c.Field.Name+"')", c)
	case event.PlaceProcess:
		if !q.has[event.StoreProcesses][c.Field.Name] {
			return q.absent(c)
		}
		text := "c." + event.StoreProcess + " IN (SELECT ref FROM process WHERE " + q.compare(name, c) + ")"
		if ofAbsent(c) {
			text = "(c." + event.StoreProcess + " IS NULL OR " + text + ")"
		}
		return text
	}
	return "1" // see knows
}

// knows is false where the search must leave something to who reads the rows.
func knows(c *event.Condition) bool {
	for _, k := range c.Of {
		if !knows(k) {
			return false
		}
	}
	switch {
	case c.Field == nil:
		return true
	case c.Field.Place() == event.PlaceNone:
		return false
	}
	t, isTime := c.Value.(time.Time)
	// Beyond these years are more nanoseconds than 64 bits hold.
	return !isTime || t.Year() >= 1680 && t.Year() <= 2260 && c.Field.Place() != event.PlaceRest
}

func (q *query) absent(c *event.Condition) string {
	if ofAbsent(c) {
		return "1"
	}
	return "0"
}

// compare puts a column beside the value. Absent is NULL in the one, zero in the other.
func (q *query) compare(column string, c *event.Condition) string {
	text := q.operation(column, c)
	if ofAbsent(c) {
		return "(" + column + " IS NULL OR " + text + ")"
	}
	return text
}

var operators = map[event.Op]string{event.Equal: " = ", event.Unequal: " <> ", event.Less: " < ", event.LessEqual: " <= ",
	event.Greater: " > ", event.GreaterEqual: " >= "}

func (q *query) operation(column string, c *event.Condition) string {
	value, asText := c.Value, c.Field.Place() == event.PlaceRest // where identifiers are as JSON has them
	switch v := value.(type) {
	case uint64:
		if value = int64(v); asText {
			value = fmt.Sprintf("%016x", v)
		}
	case time.Time:
		if !knows(c) {
			return "1"
		}
		value = v.UnixNano()
	}
	if op := operators[c.Op]; op != "" {
		return column + op + q.arg(value)
	}
	text := value.(string)
	if text == "" {
		return "1"
	}
	switch c.Op {
	case event.Prefix:
		if c.Field.Type == event.ID && !asText {
			return q.identifiers(column, text)
		}
		from := column + " >= " + q.arg(text)
		if next := after(text); next != "" {
			return "(" + from + " AND " + column + " < " + q.arg(next) + ")"
		}
		return from
	case event.Suffix: // in bytes, as the filter counts
		return fmt.Sprintf("substr(CAST(%s AS BLOB), %d) = CAST(%s AS BLOB)", column, -len(text), q.arg(text))
	}
	return "instr(CAST(" + column + " AS BLOB), CAST(" + q.arg(text) + " AS BLOB)) > 0"
}

// after is the first text behind all that begin with s, "" where there is none.
func after(s string) string {
	b := []byte(s)
	for len(b) > 0 && b[len(b)-1] == 0xff {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return ""
	}
	b[len(b)-1]++
	return string(b)
}

// identifiers are those whose digits begin with the given ones.
func (q *query) identifiers(column, digits string) string {
	if len(digits) > 16 {
		return "0"
	}
	from, err := strconv.ParseUint(digits+"0000000000000000"[len(digits):], 16, 64)
	if err != nil {
		return "0"
	}
	to := from | math.MaxUint64>>(4*len(digits))
	if len(digits) == 16 {
		to = from
	}
	return "(" + column + " >= " + q.arg(int64(from)) + " AND " + column + " <= " + q.arg(int64(to)) + ")"
}

// ofAbsent tells whether the condition holds of a record that lacks the field.
func ofAbsent(c *event.Condition) bool {
	switch v := c.Value.(type) {
	case string:
		switch c.Op {
		case event.Prefix, event.Suffix, event.Contains:
			return v == ""
		}
		return holds(c.Op, cmp.Compare("", v))
	case int64:
		return holds(c.Op, cmp.Compare(0, v))
	case float64:
		return holds(c.Op, cmp.Compare(0, v))
	case bool:
		return holds(c.Op, cmp.Compare(0, map[bool]int{true: 1}[v]))
	case time.Time:
		return holds(c.Op, time.Time{}.Compare(v))
	}
	return c.Op == event.Unequal // an identifier, which every connection has
}

func holds(op event.Op, order int) bool {
	switch op {
	case event.Equal:
		return order == 0
	case event.Unequal:
		return order != 0
	case event.Less:
		return order < 0
	case event.LessEqual:
		return order <= 0
	case event.Greater:
		return order > 0
	}
	return order >= 0
}
