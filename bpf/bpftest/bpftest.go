// Package bpftest is for tests that load programs into the kernel: by which rung of the ladder they are to do so.
package bpftest

import (
	"os"
	"strings"
)

// Rung is what the environment's TEST_RUNG asks for: some of the words older (as if the kernel were older than 5.12),
// noring (than 5.8) and btf=FILE, with commas between them. Without it, it is the best that there is.
type Rung struct {
	Older, NoRing bool
	Types         string
}

// Asked reads it.
func Asked() (r Rung) {
	for word := range strings.SplitSeq(os.Getenv("TEST_RUNG"), ",") {
		switch name, value, _ := strings.Cut(word, "="); name {
		case "older":
			r.Older = true
		case "noring":
			r.NoRing = true
		case "btf":
			r.Types = value
		}
	}
	return r
}
