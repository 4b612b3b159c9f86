package dpi

import (
	"bytes"
	"maps"
	"strings"
	"testing"
)

// TestGreetingCut: of a greeting whose end the capture cut, what is there tells the protocol, by its words or by the port; what
// it says is not told, and nothing else is made of what follows.
func TestGreetingCut(t *testing.T) {
	for _, c := range []struct {
		name         string
		port         uint16
		server, said string
		want         map[string]string
	}{
		{"pop3 by its words", 7777, "+OK POP3 server re", "AUTH\r\n", map[string]string{"app": "pop3"}},
		{"pop3 by its port", 110, "+OK Dov", "USER anna\r\n", map[string]string{"app": "pop3", "pop3_user": "anna"}},
		{"smtp", 25, "220 mx.example ESM", "EHLO client.example\r\n", map[string]string{"app": "smtp", "smtp_helo": "client.example"}},
		{"ftp", 21, "220 Welcome to", "USER anna\r\n", map[string]string{"app": "ftp", "ftp_user": "anna"}},
		{"none of them", 7777, "hello wor", "whatever\r\n", nil},
		{"no text", 110, "+OK \x01\x02", "whatever\r\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := newInspector(Config{})
			f := in.NewFlow(true, 40000, c.port)
			in.Segment(f, Orig, 0, true, false, nil, 0, 0)
			in.Segment(f, Resp, 0, true, false, nil, 0, 0)
			in.Segment(f, Resp, 1, false, false, []byte(c.server), uint32(len(c.server)+30), 0)
			in.Segment(f, Orig, 1, false, false, []byte(c.said), uint32(len(c.said)), 1)
			answer := "-ERR what\r\n"
			in.Segment(f, Resp, uint32(len(c.server)+31), false, false, []byte(answer), uint32(len(answer)), 2)
			if got := facts(f.App()); !maps.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			in.Free(f)
		})
	}
}

// TestTextNotNamed sends what looks like one of the protocols and is not, or not enough to tell.
func TestTextNotNamed(t *testing.T) {
	for _, tc := range []struct {
		name           string
		tcp            bool
		client, server string
	}{
		{"220 alone", true, "", "220 ready\r\n"},
		{"220 and nonsense", true, "HOWDY\r\n", "220 ready\r\n"},
		{"+OK alone", true, "", "+OK\r\n"},
		{"+OK and nonsense", true, "HOWDY\r\n", "+OK ready\r\n"},
		{"* OK alone", true, "", "* OK hello\r\n"},
		{"200 alone", true, "", "200 OK\r\n"},
		{"user alone", true, "USER anna\r\n", ""},
		{"nick alone", true, "NICK anna\r\n", ""},
		{"two words", true, "a list\r\n", "something\r\n"},
		{"one option of telnet", true, "", "\xff\xfd\x18"},
		{"audio that begins like telnet", true, "", "\xff\xfb\x90\x64\x00\x00"},
		{"a hello of socks alone", true, "\x05\x01\x00", ""},
		{"socks with a wrong answer", true, "\x05\x01\x00", "\x05\x33"},
		{"socks 4 answered like 5", true, "\x04\x01\x00\x50\x7f\x00\x00\x01\x00", "\x05\x00"},
		{"markup", true, "<?xml version='1.0'?><stream:stream to='a'>", ""},
		{"an element", true, "<iq type='get' id='1'/>", ""},
		{"git with a wrong length", true, "0020git-upload-pack /p.git\x00host=git.example\x00", ""},
		{"a git command nobody knows", true, "001agit-delete-all /p.git\x00\x00", ""},
		{"get alone", true, "get key\r\n", ""},
		{"get and html", true, "get /\r\n", "<html>\r\n"},
		{"ping alone", true, "PING\r\n", ""},
		{"an array of nothing", true, "*0\r\n$4\r\nPING\r\n", ""},
		{"user and words", true, "USER anna wants to go\r\n", ""},
		{"a shorter hello and a word", true, "HELO sensor12\r\n", ""},
		{"hello and words", true, "EHLO world, how are you\r\n", ""},
		{"version of something", true, "version 2 of it\r\n", "STAT a b\r\n"},
		{"flush and a word", true, "flush_all now\r\n", "OK\r\n"},
		{"pop3 from the middle", true, "AUTH NTLM\r\n", "-ERR not here\r\n"},
		{"nats from the middle", true, "PING\r\n", "+OK\r\n"},
		{"nats from the middle, refused", true, "PING\r\n", "-ERR 'Unknown Protocol Operation'\r\n"},
		{"a setting and more than OK", true, "SET a b\r\n", "+OK set\r\n"},
		{"rtsp with no version", true, "DESCRIBE rtsp://a/b\r\n\r\n", ""},
		{"priority alone", true, "<13>hello\n", ""},
		{"priority too high", false, "<192>Oct 11 22:14:15 h p: x", ""},
		{"priority with a zero", false, "<034>Oct 11 22:14:15 h p: x", ""},
		{"priority without a time", false, "<34>hello, world", ""},
		{"priority and a colon somewhere", false, "<34>" + strings.Repeat("word ", 12) + ": x", ""},
		{"block of tftp that is not full", false, "\x00\x03\x00\x01abc", "\x00\x04\x00\x01"},
		{"tftp with another mode", false, "\x00\x01file\x00base64\x00", ""},
		{"notify that is no ssdp", false, "NOTIFY * HTTP/1.1\r\nHost: a\r\n\r\n", ""},
		{"http over udp", false, "HTTP/1.1 200 OK\r\nServer: a\r\n\r\n", ""},
		{"memcached with more datagrams than there are", false, "\x00\x01\x00\x02\x00\x01\x00\x00stats\r\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := sample{tcp: tc.tcp, orig: 40000, resp: 7777}
			if tc.client != "" {
				s.msgs = append(s.msgs, message{Orig, []byte(tc.client)})
			}
			if tc.server != "" {
				s.msgs = append(s.msgs, message{Resp, []byte(tc.server)})
			}
			if got := run(t, &s); len(got) != 0 {
				t.Errorf("got %v, want nothing", got)
			}
		})
	}
}

// TestTextMiddle is what can be told when the start of a connection was not seen.
func TestTextMiddle(t *testing.T) {
	for first, want := range map[string]string{
		"MAIL FROM:<a@b>\r\n":                                 "smtp",
		"227 Entering Passive Mode (192,0,2,1,200,1)\r\n":     "ftp",
		":anna!a@h PRIVMSG #test :hello\r\n":                  "irc",
		"<iq type='get' id='1' to='example.org'><ping/></iq>": "xmpp",
		"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n":                      "redis",
		"SIP/2.0 180 Ringing\r\nFrom: <sip:a@b>\r\n\r\n":      "sip",
		"a9 AUTHENTICATE PLAIN\r\n":                           "imap",
		"APOP anna 0123456789abcdef0123456789abcdef\r\n":      "pop3",
		"400 NNTP server unavailable.  Try later!\r\n":        "nntp",
		"AUTHINFO USER anna\r\n":                              "nntp",
	} {
		in := newInspector(Config{})
		f := in.NewFlow(true, 40000, 7777)
		in.Segment(f, Orig, 1000, false, false, []byte(first), uint32(len(first)), 1)
		if got := facts(f.App())["app"]; got != want {
			t.Errorf("%q: app is %q, want %q", first, got, want)
		}
		in.Free(f)
	}
	// No greeting, and a name that is none: the answer tells.
	in := newInspector(Config{})
	f := in.NewFlow(true, 40000, 7777)
	for side, b := range []string{"EHLO my computer\r\n", "451 later\r\n"} {
		in.Segment(f, Side(side), 1000, false, false, []byte(b), uint32(len(b)), 1)
	}
	if got := facts(f.App()); got["app"] != "smtp" || got["smtp_helo"] != "my computer" {
		t.Errorf("got %v, want smtp and the name", got)
	}
}

// TestTextLine asks about every byte at every place of lines up to three words long, which are gone through by eight bytes.
func TestTextLine(t *testing.T) {
	for _, around := range []byte{'a', ' ', 0xff, '\t'} {
		for size := 1; size <= 24; size++ {
			line := bytes.Repeat([]byte{around}, size)
			for at := range line {
				for b := range 256 {
					line[at] = byte(b)
					if got, want := textLine(line), byte(b) >= ' ' && b != 0x7f || b == '\t'; got != want {
						t.Fatalf("%q: got %v, want %v", line, got, want)
					}
				}
				line[at] = around
			}
		}
	}
	if !textLine(nil) {
		t.Error("nothing is a line of text, too")
	}
}
