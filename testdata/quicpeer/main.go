// Command quicpeer makes the QUIC connections of quic.pcap. It is a module of its own, so that the
// library it uses never enters rustnet's.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/quic-go/quic-go"
)

func main() {
	listen := flag.String("listen", "", "be a server on `host:port`")
	retry := flag.Bool("retry", false, "server: send Retry before anything else")
	connect := flag.String("connect", "", "be a client of `host:port`")
	sni := flag.String("sni", "", "server name")
	alpn := flag.String("alpn", "h3", "comma-separated protocols")
	v2 := flag.Bool("v2", false, "client: QUIC version 2 (RFC 9369)")
	cert := flag.String("cert", "", "certificate `file`")
	key := flag.String("key", "", "key `file`")
	flag.Parse()
	var err error
	if *listen != "" {
		err = serve(*listen, *cert, *key, strings.Split(*alpn, ","), *retry)
	} else {
		err = ask(*connect, *sni, strings.Split(*alpn, ","), *v2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quicpeer:", err)
		os.Exit(1)
	}
}

func serve(addr, cert, key string, alpn []string, retry bool) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	t := quic.Transport{Conn: c, VerifySourceAddress: func(net.Addr) bool { return retry }}
	l, err := t.Listen(&tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: alpn},
		&quic.Config{Versions: []quic.Version{quic.Version1, quic.Version2}})
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept(context.Background())
		if err != nil {
			return err
		}
		go func() {
			s, err := conn.AcceptStream(context.Background())
			if err != nil {
				return
			}
			io.Copy(s, s)
			s.Close()
		}()
	}
}

func ask(addr, sni string, alpn []string, v2 bool) error {
	conf := &quic.Config{Versions: []quic.Version{quic.Version1}}
	if v2 {
		conf.Versions[0] = quic.Version2
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := quic.DialAddr(ctx, addr, &tls.Config{ServerName: sni, InsecureSkipVerify: true, NextProtos: alpn}, conf)
	if err != nil {
		return err
	}
	s, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	io.WriteString(s, "hello over quic\n")
	s.Close()
	if _, err := io.ReadAll(s); err != nil {
		return err
	}
	return conn.CloseWithError(0, "")
}
