package flow

import (
	"fmt"
	"io"
	"strings"

	"rustnet/output"
)

// Teller prints a line for people, if its level (error, warn or info) is wanted.
type Teller func(level, format string, args ...any)

// NewTeller tells w what is at least as grave as limit.
func NewTeller(w io.Writer, limit string) Teller {
	rank := map[string]int{"error": 0, "warn": 1, "info": 2}
	return func(level, format string, args ...any) {
		if rank[level] <= rank[limit] {
			fmt.Fprintf(w, "rustnet: %s\n", output.ForPeople(fmt.Sprintf(format, args...)))
		}
	}
}

// sentence joins what stages say of themselves; most have nothing to say.
func sentence(parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, ", ")
}
