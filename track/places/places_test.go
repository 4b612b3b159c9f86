package places

import (
	"math/rand/v2"
	"testing"
)

// TestAgainstMap: it finds what was put in and not taken out, and nothing else, whatever the hashes have in common.
func TestAgainstMap(t *testing.T) {
	for _, c := range []struct {
		name   string
		hashes uint32 // how many there are
		step   uint32 // between two of them
	}{
		{"far apart", 1 << 30, 1},
		{"side by side", 200, 1},
		{"few", 7, 1 << 20},
		{"all at the end", 5, 1<<16 - 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			x := New()
			hash, model := map[uint32]uint32{}, map[uint32]map[uint32]bool{} // of places; places of a hash
			check := func() {
				t.Helper()
				for h, want := range model {
					got := map[uint32]bool{}
					for at, from := x.First(h); at != 0; at, from = x.Next(h, from) {
						if got[at-1] || !want[at-1] {
							t.Fatalf("hash %x: place %d found, twice or without being there", h, at-1)
						}
						got[at-1] = true
					}
					if len(got) != len(want) {
						t.Fatalf("hash %x: %d places found, want %d", h, len(got), len(want))
					}
				}
				if x.Len() != len(hash) || len(x.slots) < 2*len(hash) {
					t.Fatalf("%d places in %d slots, want %d in twice as many", x.Len(), len(x.slots), len(hash))
				}
			}
			for i := range 20_000 {
				place := r.Uint32N(500)
				if h, there := hash[place]; there {
					x.Remove(h, place)
					delete(hash, place)
					delete(model[h], place)
				} else {
					h := r.Uint32N(c.hashes) * c.step
					x.Add(h, place)
					hash[place] = h
					if model[h] == nil {
						model[h] = map[uint32]bool{}
					}
					model[h][place] = true
				}
				if i%1000 == 999 {
					check()
				}
			}
			if len(x.slots) > 1024 {
				t.Errorf("%d slots for 500 places at most", len(x.slots))
			}
		})
	}
}
