// Command quicpeer makes the QUIC connections of the captures. It is a module of its own, so that the
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
	versions := flag.String("versions", "", "comma-separated `numbers` of QUIC's versions, the one to begin with first (default 1,2 of a server, 1 of a client)")
	again := flag.Bool("again", false, "client: connect a second time, and send before the server answers (0-RTT)")
	cert := flag.String("cert", "", "certificate `file`")
	key := flag.String("key", "", "key `file`")
	flag.Parse()
	var err error
	if *listen != "" {
		err = serve(*listen, *cert, *key, strings.Split(*alpn, ","), quicVersions(*versions, "1,2"), *retry)
	} else {
		conf := &tls.Config{ServerName: *sni, InsecureSkipVerify: true, NextProtos: strings.Split(*alpn, ","), ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		err = ask(*connect, conf, quicVersions(*versions, "1"))
		if err == nil && *again {
			err = ask(*connect, conf, quicVersions(*versions, "1"))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quicpeer:", err)
		os.Exit(1)
	}
}

// quicVersions reads a list of versions.
func quicVersions(list, otherwise string) (all []quic.Version) {
	if list == "" {
		list = otherwise
	}
	for _, n := range strings.Split(list, ",") {
		all = append(all, map[string]quic.Version{"1": quic.Version1, "2": quic.Version2}[n])
	}
	return all
}

func serve(addr, cert, key string, alpn []string, versions []quic.Version, retry bool) error {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	t := quic.Transport{Conn: c, VerifySourceAddress: func(net.Addr) bool { return retry }}
	l, err := t.ListenEarly(&tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: alpn}, &quic.Config{Versions: versions, Allow0RTT: true})
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

func ask(addr string, tlsConf *tls.Config, versions []quic.Version) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := quic.DialAddrEarly(ctx, addr, tlsConf, &quic.Config{Versions: versions})
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
