package output

import (
	"context"
	"sync"

	"rustnet/track/event"
)

// Branch is a stage that hands everything on, and a copy of it to a last stage of its own. What goes wrong
// there does not hold up or end the others.
type Branch struct {
	run  func(context.Context, <-chan *event.Batch) error
	pool event.Pool

	mu  sync.Mutex
	err error
}

// NewBranch makes the stage; run is that of the last stage.
func NewBranch(run func(context.Context, <-chan *event.Batch) error) *Branch {
	return &Branch{run: run, pool: event.NewPool(16)}
}

// Err is what its last stage ended with.
func (s *Branch) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Run passes on what comes until in is closed, closes out, and waits for its last stage.
func (s *Branch) Run(ctx context.Context, in <-chan *event.Batch, out chan<- *event.Batch) error {
	copies, ended := make(chan *event.Batch, 16), make(chan struct{})
	go func() {
		defer close(ended)
		err := s.run(ctx, copies)
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
		for b := range copies {
			b.Release()
		}
	}()
	err := s.pass(ctx, in, out, copies)
	close(copies)
	close(out)
	if err == nil {
		select {
		case <-ended:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return err
}

func (s *Branch) pass(ctx context.Context, in <-chan *event.Batch, out, copies chan<- *event.Batch) error {
	for b := range in {
		c := s.pool.Get()
		c.Now = b.Now
		c.Events = append(c.Events, b.Events...)
		if err := c.Send(ctx, copies); err != nil {
			return err
		}
		if err := b.Send(ctx, out); err != nil {
			return err
		}
	}
	return nil
}
