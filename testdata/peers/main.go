//go:build linux

// Command peers is the programs at both ends of the captures that no packaged program makes on
// purpose: a server whose ports each misbehave in one way, and clients to match. record.sh runs it
// inside its namespaces.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("usage: peers serve|tls|pipeline|reset|halfclose|reuse|simopen|trickle|keepalive|fetch|ntp [flags]"))
	}
	f := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	addr := f.String("addr", "", "`host:port` to connect to")
	local := f.String("local", "", "local `host:port`")
	sni := f.String("sni", "", "server name")
	alpn := f.String("alpn", "", "comma-separated protocols")
	curve := f.String("curve", "", "pq for X25519MLKEM768, x25519, p256; empty for Go's own list")
	cert := f.String("cert", "", "certificate `file`")
	key := f.String("key", "", "key `file`")
	bytes := f.Int("bytes", 1000, "how much to send or to ask for")
	times := f.Int("n", 1, "how often")
	every := f.Duration("every", 100*time.Millisecond, "time between two")
	if err := f.Parse(os.Args[2:]); err != nil {
		fail(err)
	}
	var err error
	switch os.Args[1] {
	case "serve":
		err = serve(*addr, *cert, *key)
	case "tls":
		err = tlsClient(*addr, *sni, *alpn, *curve, *times)
	case "pipeline":
		err = pipeline(*addr, *sni)
	case "reset":
		err = reset(*addr, *bytes)
	case "halfclose":
		err = halfClose(*addr)
	case "reuse":
		err = reuse(*local, *addr, *times)
	case "simopen":
		err = simultaneousOpen(*local, *addr)
	case "trickle":
		err = trickle(*addr, *times, *every)
	case "keepalive":
		err = keepAlive(*addr)
	case "fetch":
		err = fetch(*addr, *bytes)
	case "ntp":
		err = ntpClient(*addr)
	default:
		err = fmt.Errorf("unknown part %q", os.Args[1])
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "peers:", err)
	os.Exit(1)
}

// serve opens every port on addr and [::] and never returns unless one cannot be had.
func serve(addr, cert, key string) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	tcp := map[string]func(*net.TCPConn){
		"7001": func(c *net.TCPConn) { io.Copy(c, c) },
		"7002": serveReset,
		"7003": serveHalfClose,
		"7004": serveBytes,
		"7005": func(c *net.TCPConn) { time.Sleep(100 * time.Millisecond) }, // closes with unread data: RST
		"2525": func(c *net.TCPConn) { serveSMTP(c, pair) },
		"3128": serveConnect,
		"9443": func(c *net.TCPConn) {
			serveTLS(c, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}})
		},
		"9444": func(c *net.TCPConn) { // asks for another key share: HelloRetryRequest
			serveTLS(c, &tls.Config{Certificates: []tls.Certificate{pair}, CurvePreferences: []tls.CurveID{tls.CurveP256}})
		},
	}
	failed := make(chan error)
	for port, handle := range tcp {
		l, err := net.Listen("tcp", net.JoinHostPort(addr, port))
		if err != nil {
			return err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					failed <- err
					return
				}
				go func() { defer c.Close(); handle(c.(*net.TCPConn)) }()
			}
		}()
	}
	for port, answer := range map[string]func([]byte) []byte{"7007": func(b []byte) []byte { return b }, "123": ntpAnswer} {
		c, err := net.ListenPacket("udp", net.JoinHostPort(addr, port))
		if err != nil {
			return err
		}
		go func() {
			b := make([]byte, 2048)
			for {
				n, from, err := c.ReadFrom(b)
				if err != nil {
					failed <- err
					return
				}
				c.WriteTo(answer(b[:n]), from)
			}
		}()
	}
	return <-failed
}

// serveReset answers a line with data and then resets while the client is still sending.
func serveReset(c *net.TCPConn) {
	bufio.NewReader(c).ReadString('\n')
	c.Write([]byte(strings.Repeat("reset ", 200)))
	time.Sleep(50 * time.Millisecond)
	c.SetLinger(0)
}

// serveHalfClose answers only after the client has closed its direction.
func serveHalfClose(c *net.TCPConn) {
	b, _ := io.ReadAll(c)
	time.Sleep(50 * time.Millisecond)
	fmt.Fprintf(c, "%d bytes read\n", len(b))
	time.Sleep(50 * time.Millisecond)
	c.Write([]byte("and that is all\n"))
}

// serveBytes sends as many bytes as the line asks for.
func serveBytes(c *net.TCPConn) {
	var n int
	if _, err := fmt.Fscanln(c, &n); err == nil {
		c.Write([]byte(strings.Repeat("0123456789abcdef", n/16)))
	}
}

func serveTLS(c net.Conn, conf *tls.Config) {
	t := tls.Server(c, conf)
	line, err := bufio.NewReader(t).ReadString('\n')
	if err != nil {
		return
	}
	io.WriteString(t, line)
	t.Close()
}

// serveSMTP speaks just enough of RFC 5321 and RFC 3207 to come to TLS.
func serveSMTP(c net.Conn, pair tls.Certificate) {
	io.WriteString(c, "220 mail.example.test ESMTP\r\n")
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch word := strings.ToUpper(strings.Fields(line + " x")[0]); word {
		case "EHLO":
			io.WriteString(c, "250-mail.example.test\r\n250-SIZE 1000000\r\n250 STARTTLS\r\n")
		case "STARTTLS":
			io.WriteString(c, "220 go ahead\r\n")
			serveTLS(c, &tls.Config{Certificates: []tls.Certificate{pair}})
			return
		default:
			io.WriteString(c, "250 ok\r\n")
		}
	}
}

// serveConnect is an HTTP proxy that knows CONNECT (RFC 9110 §9.3.6).
func serveConnect(c *net.TCPConn) {
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	port := req.URL.Port()
	up, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer up.Close()
	io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { io.Copy(up, r); up.(*net.TCPConn).CloseWrite() }()
	io.Copy(c, up)
}

func tlsClient(addr, sni, alpn, curve string, times int) error {
	conf := &tls.Config{ServerName: sni, InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	if alpn != "" {
		conf.NextProtos = strings.Split(alpn, ",")
	}
	switch curve {
	case "pq":
		conf.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768, tls.X25519}
	case "x25519":
		conf.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	case "p256":
		conf.CurvePreferences = []tls.CurveID{tls.CurveP256}
	}
	for range times {
		c, err := tls.Dial("tcp", addr, conf)
		if err != nil {
			return err
		}
		fmt.Fprintln(c, "hello")
		io.ReadAll(c)
		c.Close()
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// pipeline sends several requests in one go and a last one, with its body in a segment of its own.
func pipeline(addr, host string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	req := func(method, path, rest string) string {
		return method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: peers/1\r\n" + rest + "\r\n"
	}
	io.WriteString(c, req("GET", "/one", "")+req("HEAD", "/two", "")+req("GET", "/missing", ""))
	time.Sleep(50 * time.Millisecond)
	io.WriteString(c, req("POST", "/api/last", "Content-Length: 4\r\nConnection: close\r\n"))
	time.Sleep(20 * time.Millisecond)
	io.WriteString(c, "a=b\n")
	_, err = io.ReadAll(c)
	return err
}

// reset makes the server reset while data is under way; that the connection breaks is the point.
func reset(addr string, n int) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	io.WriteString(c, "go\n")
	io.WriteString(c, strings.Repeat("x", n))
	if _, err = io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("read %s: got %v, want a reset", addr, err)
	}
	return nil
}

func halfClose(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	io.WriteString(c, "a question, whole\n")
	c.(*net.TCPConn).CloseWrite()
	_, err = io.ReadAll(c)
	return err
}

// reuse opens the same four-tuple times times, ending each with FIN by the server's side last or
// with a reset, so that the port is free again at once.
func reuse(local, addr string, times int) error {
	d := net.Dialer{Control: func(_, _ string, rc syscall.RawConn) error {
		var err error
		rc.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
		return err
	}}
	var err error
	if d.LocalAddr, err = net.ResolveTCPAddr("tcp", local); err != nil {
		return err
	}
	for i := range times {
		c, err := d.Dial("tcp", addr)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
		fmt.Fprintf(c, "round %d\n", i+1)
		c.Read(make([]byte, 100))
		if i%2 == 0 {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
			continue
		}
		// An orderly end, after which this side stays in TIME_WAIT; the next round is allowed
		// into it by SO_REUSEADDR on bind and tcp_tw_reuse on connect (timestamps, one second).
		c.Close()
		time.Sleep(1200 * time.Millisecond)
	}
	return nil
}

// simultaneousOpen connects without a listener until both SYNs cross (RFC 9293 §3.5).
func simultaneousOpen(local, addr string) error {
	d := net.Dialer{Control: func(_, _ string, rc syscall.RawConn) error {
		var err error
		rc.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
		return err
	}}
	var err error
	if d.LocalAddr, err = net.ResolveTCPAddr("tcp", local); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	io.WriteString(c, "hello from "+local+"\n")
	c.Read(make([]byte, 100))
	time.Sleep(100 * time.Millisecond)
	return nil
}

func trickle(addr string, times int, every time.Duration) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range times {
		fmt.Fprintf(c, "line %d\n", i)
		c.Read(make([]byte, 100))
		time.Sleep(every)
	}
	return nil
}

// keepAlive leaves a connection idle with keep-alive probes every second.
func keepAlive(addr string) error {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 5}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	io.WriteString(c, "then silence\n")
	c.Read(make([]byte, 100))
	time.Sleep(3500 * time.Millisecond)
	return nil
}

func fetch(addr string, n int) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprintln(c, n)
	_, err = io.Copy(io.Discard, c)
	return err
}

// ntpAnswer turns a client's packet into a server's (RFC 5905 §7.3): mode 4, stratum 2.
func ntpAnswer(b []byte) []byte {
	a := make([]byte, 48)
	if len(b) < 48 {
		return a
	}
	a[0], a[1], a[2], a[3] = 4<<3|4, 2, 6, 0xe9
	copy(a[12:], "\xc6\x33\x64\x14")
	copy(a[24:], b[40:48])
	for _, at := range []int{16, 32, 40} {
		copy(a[at:], b[40:48])
	}
	return a
}

func ntpClient(addr string) error {
	c, err := net.Dial("udp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	q := make([]byte, 48)
	q[0] = 4<<3 | 3
	s := uint32(time.Now().Unix() + 2208988800)
	q[40], q[41], q[42], q[43] = byte(s>>24), byte(s>>16), byte(s>>8), byte(s)
	if _, err := c.Write(q); err != nil {
		return err
	}
	c.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, err = c.Read(q)
	return err
}
