package remote

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	lookupTime  = 2 * time.Second // for one address
	lookupsMax  = 32              // at once
	queueMax    = 1024            // addresses that wait for their turn, where nobody waits for them
	nameLasts   = time.Hour       // the resolver does not tell how long an answer is valid
	noNameLasts = 10 * time.Minute
	failedLasts = time.Minute
)

// resolver asks for names of addresses, many at once, without anybody waiting for it.
type resolver struct {
	ask     func(ctx context.Context, addr string) ([]string, error)
	ctx     context.Context
	queue   []netip.Addr
	busy    int
	answers chan answer
}

type answer struct {
	addr  netip.Addr
	name  string // "" = it has none, or nobody said
	lasts time.Duration
	err   error // why nobody said
}

func newResolver(ctx context.Context) *resolver {
	return &resolver{ask: net.DefaultResolver.LookupAddr, ctx: ctx, answers: make(chan answer, lookupsMax)}
}

// start asks for an address; its answer comes over answers, and free is to be called for each.
func (r *resolver) start(addr netip.Addr) {
	if r.busy >= lookupsMax {
		r.queue = append(r.queue, addr)
		return
	}
	r.busy++
	go func() { r.answers <- r.lookup(addr) }()
}

// free lets the next one in the queue have its turn.
func (r *resolver) free() {
	r.busy--
	if len(r.queue) > 0 {
		next := r.queue[0]
		r.queue = r.queue[1:]
		r.start(next)
	}
}

func (r *resolver) lookup(addr netip.Addr) answer {
	ctx, cancel := context.WithTimeout(r.ctx, lookupTime)
	defer cancel()
	names, err := r.ask(ctx, addr.WithZone("").String())
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return answer{addr: addr, lasts: noNameLasts}
	case err != nil && len(names) == 0:
		return answer{addr: addr, lasts: failedLasts, err: err}
	case len(names) == 0:
		return answer{addr: addr, lasts: noNameLasts}
	}
	return answer{addr: addr, lasts: nameLasts, name: best(names)}
}

// best chooses the same of several names every time: one that says its domain before an alias, as of a line in the hosts file.
func best(names []string) string {
	for i, name := range names {
		names[i] = strings.ToLower(strings.TrimSuffix(name, "."))
	}
	return slices.MinFunc(names, func(a, b string) int {
		if x, y := strings.Contains(a, "."), strings.Contains(b, "."); x != y {
			if x {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
}

// askable tells whether anybody can be expected to know the address's name.
func askable(a netip.Addr) bool {
	return a.IsGlobalUnicast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
