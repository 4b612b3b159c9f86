package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// TestOwnConnection has a snapshot and the stream of events show a connection of this process.
func TestOwnConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	port := netip.MustParseAddrPort(listener.Addr().String()).Port()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"proto": "tcp", "direction": "local", "state": "ESTABLISHED", "process": filepath.Base(exe), "pid": float64(os.Getpid()), "process_source": "iphlpapi"}
	for _, tc := range []struct {
		args   []string
		events []string
	}{
		{[]string{"snapshot"}, []string{"open"}},
		{[]string{"--duration", "1s", "-q"}, []string{"new", "closed"}}, // since it ends
	} {
		status, rows := printedBy(t, append(tc.args, "--json", "--filter", fmt.Sprintf("remote_port == %d", port))...)
		if status != 0 || len(rows) != len(tc.events) {
			t.Fatalf("%s: status %d, %v, want %v", tc.args, status, rows, tc.events)
		}
		for i, r := range rows {
			if r["event"] != tc.events[i] {
				t.Errorf("%s: got %v, want %s", tc.args, r["event"], tc.events[i])
			}
			for name, want := range want {
				if r[name] != want {
					t.Errorf("%s: %s: got %v, want %v", tc.args, name, r[name], want)
				}
			}
		}
	}
}

// printedBy runs a command line and gives its status and records.
func printedBy(t *testing.T, args ...string) (status int, rows []map[string]any) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(r)
		all <- b
	}()
	stdout := os.Stdout
	os.Stdout = w
	status = run(args)
	os.Stdout = stdout
	w.Close()
	for d := json.NewDecoder(bytes.NewReader(<-all)); ; {
		var row map[string]any
		if err := d.Decode(&row); err == io.EOF {
			return status, rows
		} else if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
}
