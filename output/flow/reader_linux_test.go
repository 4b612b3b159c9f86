package flow

import (
	"os"
	"testing"
	"time"
)

func TestWatchReader(t *testing.T) {
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pw.Close()
	gone := watchReader(t.Context(), pw)
	select {
	case <-gone:
		t.Fatal("the reader is said to be gone while it is there")
	case <-time.After(20 * time.Millisecond):
	}
	pr.Close()
	select {
	case <-gone:
	case <-time.After(60 * time.Second):
		t.Fatal("nobody noticed that the reader left")
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	select {
	case <-watchReader(t.Context(), file):
		t.Fatal("a regular file has no reader that could leave")
	case <-time.After(20 * time.Millisecond):
	}
}
