package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"rustnet/capture/live"
)

// TestOwnConnection has a snapshot show a connection of this process.
func TestOwnConnection(t *testing.T) {
	listener, client, server := connection(t)
	defer listener.Close()
	defer client.Close()
	defer server.Close()
	port := netip.MustParseAddrPort(listener.Addr().String()).Port()
	status, rows := printedBy(t, "snapshot", "--json", "--filter", fmt.Sprintf("remote_port == %d", port))
	if status != 0 || len(rows) != 1 {
		t.Fatalf("status %d, %v, want one record", status, rows)
	}
	ours(t, rows[0], map[string]any{"event": "open", "proto": "tcp", "direction": "local", "state": "ESTABLISHED"})
}

// TestOwnPackets has the stream of events show what this process says over loopback, with what the packets say and whose they are.
func TestOwnPackets(t *testing.T) {
	if src, err := live.Open(live.Config{}); err != nil {
		t.Skip("packets are not captured here: ", err)
	} else {
		src.Close()
	}
	ports, failed := make(chan [2]uint16, 1), make(chan error, 1)
	go func() {
		time.Sleep(2 * time.Second) // by then it captures
		listener, client, server := connection(t)
		defer listener.Close()
		to, send := datagram(t)
		ports <- [2]uint16{netip.MustParseAddrPort(listener.Addr().String()).Port(), to}
		_, err := client.Write([]byte("GET /here HTTP/1.1\r\nHost: app.demo.io\r\n\r\n"))
		send([]byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x04test\x00\x00\x01\x00\x01"))
		if err == nil { // what is not read makes of an end a reset
			_, err = server.Read(make([]byte, 100))
		}
		time.Sleep(200 * time.Millisecond) // to be looked up in the tables
		server.Close()
		client.Close()
		failed <- err
	}()
	status, rows := printedBy(t, "--json", "--duration", "5s", "-q", "--events", "closed", "--filter", fmt.Sprintf("pid == %d", os.Getpid()))
	at, err := <-ports, <-failed
	if status != 0 || err != nil {
		t.Fatalf("status %d, %v", status, err)
	}
	for _, want := range []map[string]any{
		{"proto": "tcp", "app": "http", "http_path": "/here", "host": "app.demo.io", "reason": "fin", "remote_port": float64(at[0]), "direction": "local"},
		{"proto": "udp", "app": "dns", "dns_query": "www.example.test", "remote_port": float64(at[1]), "direction": "local"},
	} {
		i := slices.IndexFunc(rows, func(r map[string]any) bool {
			return r["remote_port"] == want["remote_port"] && r["proto"] == want["proto"]
		})
		if i < 0 {
			t.Errorf("no record of %v among %v", want, rows)
			continue
		}
		ours(t, rows[i], want)
	}
}

// TestCommand has only the connections of a command shown, or of what it started, and ends with its status.
func TestCommand(t *testing.T) {
	if how := os.Getenv("BE_A_COMMAND"); how != "" {
		if how == "parent" {
			child := exec.Command(os.Args[0], "-test.run", "^TestCommand$")
			child.Env = append(os.Environ(), "BE_A_COMMAND=child")
			_ = child.Run()
			os.Exit(7)
		}
		time.Sleep(500 * time.Millisecond)
		listener, client, server := connection(t)
		_, err := client.Write([]byte("GET /by/the/command HTTP/1.1\r\nHost: app.demo.io\r\n\r\n"))
		_, err2 := server.Read(make([]byte, 100))
		time.Sleep(500 * time.Millisecond)
		server.Close()
		client.Close()
		listener.Close()
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		return
	}
	if src, err := live.Open(live.Config{}); err != nil {
		t.Skip("packets are not captured here: ", err)
	} else {
		src.Close()
	}
	over := make(chan bool)
	go func() { // somebody else's, meanwhile
		for {
			select {
			case <-over:
				return
			case <-time.After(100 * time.Millisecond):
				listener, client, server := connection(t)
				client.Close()
				server.Close()
				listener.Close()
			}
		}
	}()
	t.Setenv("BE_A_COMMAND", "parent")
	status, rows := printedBy(t, "--json", "-q", "--events", "closed", "--", os.Args[0], "-test.run", "^TestCommand$")
	close(over)
	if status != 7 || len(rows) != 1 || rows[0]["http_path"] != "/by/the/command" || rows[0]["pid"] == float64(os.Getpid()) || rows[0]["process_source"] != "iphlpapi" {
		t.Errorf("status %d, %v", status, rows)
	}
	if status, rows := printedBy(t, "--json", "-q", "--", "nosuchcommand"); status != 127 || len(rows) != 0 {
		t.Errorf("of one that is not there: status %d, %v", status, rows)
	}
}

// connection is one over loopback, with its listening socket.
func connection(t *testing.T) (listener net.Listener, client, server net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		client, err = net.Dial("tcp", listener.Addr().String())
	}
	if err == nil {
		server, err = listener.Accept()
	}
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	return listener, client, server
}

// datagram gives what sends one over loopback, and to which port. Under Wine net has no UDP: it makes a call that Wine lacks.
func datagram(t *testing.T) (port uint16, send func([]byte)) {
	var sockets [2]windows.Handle
	for i := range sockets {
		s, err := windows.Socket(windows.AF_INET, windows.SOCK_DGRAM, windows.IPPROTO_UDP)
		if err == nil {
			t.Cleanup(func() { windows.Closesocket(s) })
			err = windows.Bind(s, &windows.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
		}
		if err != nil {
			t.Error(err)
			runtime.Goexit()
		}
		sockets[i] = s
	}
	to, err := windows.Getsockname(sockets[0])
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	return uint16(to.(*windows.SockaddrInet4).Port), func(b []byte) {
		if err := windows.Sendto(sockets[1], b, 0, to); err != nil {
			t.Error(err)
		}
	}
}

// ours compares a record with what it is to have, and the process of its local end with this one.
func ours(t *testing.T, r, want map[string]any) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want["process"], want["pid"], want["process_source"] = filepath.Base(exe), float64(os.Getpid()), "iphlpapi"
	for name, want := range want {
		if r[name] != want {
			t.Errorf("%v: %s: got %v, want %v", r["remote_port"], name, r[name], want)
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
