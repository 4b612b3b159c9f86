package event

import (
	"fmt"
	"strings"
	"time"
)

// Condition is what a filter says of fields, in a form that a store can look up. It is neutral between who
// makes it, which knows the language, and who reads it, which knows the store. It never promises more than:
// what the filter keeps fulfils it. An absent field is compared as "", 0, false or the zero time.
type Condition struct {
	Op    Op
	Field *Field
	// Value is of the field's type: string of String and Addr, uint64 of ID, int64 of Uint, float64 of Float (and of
	// Uint where it has a fraction), bool, time.Time.
	Value any
	Of    []*Condition // of All, Any, Not
}

// Op is what a Condition says.
type Op uint8

// Always holds of every record: nothing is known. Prefix, Suffix and Contains are for texts; Begins lists texts one of
// which an address's spelling begins with.
const (
	Always Op = iota
	All
	Any
	Not
	Equal
	Unequal
	Less
	LessEqual
	Greater
	GreaterEqual
	Prefix
	Suffix
	Contains
)

var opNames = [...]string{"always", "all", "any", "not", "==", "!=", "<", "<=", ">", ">=", "startsWith", "endsWith", "contains"}

func (o Op) String() string { return opNames[o] }

// String is for people and tests.
func (c *Condition) String() string {
	switch c.Op {
	case Always:
		return "always"
	case All, Any, Not:
		var parts []string
		for _, k := range c.Of {
			parts = append(parts, k.String())
		}
		return c.Op.String() + "(" + strings.Join(parts, ", ") + ")"
	}
	if t, ok := c.Value.(time.Time); ok {
		return c.Field.Name + " " + c.Op.String() + " " + t.Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("%s %s %#v", c.Field.Name, c.Op, c.Value)
}
