package dpi

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// TestHASSH holds the fingerprint to the example of its authors (https://github.com/salesforce/hassh), CyberDuck 6.7.1.
func TestHASSH(t *testing.T) {
	lists := strings.Split(`curve25519-sha256@libssh.org,diffie-hellman-group-exchange-sha256,ecdh-sha2-nistp521,ecdh-sha2-nistp384,ecdh-sha2-nistp256,diffie-hellman-group-exchange-sha1,diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,diffie-hellman-group14-sha256,diffie-hellman-group15-sha512,diffie-hellman-group16-sha512,diffie-hellman-group17-sha512,diffie-hellman-group18-sha512,diffie-hellman-group14-sha256@ssh.com,diffie-hellman-group15-sha256,diffie-hellman-group15-sha256@ssh.com,diffie-hellman-group15-sha384@ssh.com,diffie-hellman-group16-sha256,diffie-hellman-group16-sha384@ssh.com,diffie-hellman-group16-sha512@ssh.com,diffie-hellman-group18-sha512@ssh.com;aes128-cbc,aes128-ctr,aes192-cbc,aes192-ctr,aes256-cbc,aes256-ctr,blowfish-cbc,blowfish-ctr,cast128-cbc,cast128-ctr,idea-cbc,idea-ctr,serpent128-cbc,serpent128-ctr,serpent192-cbc,serpent192-ctr,serpent256-cbc,serpent256-ctr,3des-cbc,3des-ctr,twofish128-cbc,twofish128-ctr,twofish192-cbc,twofish192-ctr,twofish256-cbc,twofish256-ctr,twofish-cbc,arcfour,arcfour128,arcfour256;hmac-sha1,hmac-sha1-96,hmac-md5,hmac-md5-96,hmac-sha2-256,hmac-sha2-512;zlib@openssh.com,zlib,none`, ";")
	kex := sshTestKex(lists[0], "ssh-rsa", lists[1], "x", lists[2], "y", lists[3], "z")
	got := exchange(22, append([]byte("SSH-2.0-Cyberduck\r\n"), kex...), nil)
	subset(t, got, map[string]string{"hassh": "8a8ae540028bf433cd68356c1b9e8d5b", "ssh_client": "SSH-2.0-Cyberduck"})
}

func TestSSHBanners(t *testing.T) {
	got := exchange(9022, []byte("SSH-1.99-old\n"), []byte("welcome\r\nto this\r\nSSH-1.5-1.2.27\n"))
	subset(t, got, map[string]string{"app": "ssh", "ssh_client": "SSH-1.99-old", "ssh_server": "SSH-1.5-1.2.27"})
	got = exchange(22, []byte("SSH-2.0-c\r\n"), []byte(strings.Repeat("no trespassing\r\n", 500)+"SSH-2.0-s\r\n"))
	subset(t, got, map[string]string{"ssh_client": "SSH-2.0-c", "ssh_server": "SSH-2.0-s"})
	in := newInspector(Config{})
	got = runSegments(in, in.NewFlow(true, 40000, 22), []message{{Orig, []byte("SSH-2.0-c\r\n")}, {Resp, []byte("no tres")}, {Resp, []byte("passing\r\n\r\nSS")}, {Resp, []byte("H-2.0-s\r\n")}})
	subset(t, got, map[string]string{"ssh_client": "SSH-2.0-c", "ssh_server": "SSH-2.0-s"})
	for _, b := range []string{"SSH-x.0-y\r\n", "SSH-2.0\r\n", "SSHX", "SSH-2.0-" + strings.Repeat("a", 300) + "\r\n", "SSH-2.0-a\x01b\r\n"} {
		if got := exchange(22, []byte(b), nil); len(got) != 0 {
			t.Errorf("%q: got %v, want nothing", b, got)
		}
	}
	// Who opened it was not seen, and the server was heard first: in the middle, or with its SYN-ACK.
	for _, syn := range []bool{false, true} {
		f := in.NewFlow(true, 22, 40000)
		if syn {
			in.Segment(f, Orig, 0, true, false, nil, 0, 0)
		}
		in.Segment(f, Orig, 1, false, false, []byte("SSH-2.0-srv\r\n"), 13, 0)
		subset(t, facts(f.App()), map[string]string{"ssh_server": "SSH-2.0-srv", "ssh_client": ""})
	}
	// A SYN of another connection does not keep the bytes from being read.
	f := in.NewFlow(true, 40000, 22)
	in.Segment(f, Orig, 1<<30, true, false, nil, 0, 0)
	in.Segment(f, Orig, 1, false, false, []byte("SSH-2.0-srv\r\n"), 13, 0)
	subset(t, facts(f.App()), map[string]string{"ssh_client": "SSH-2.0-srv", "ssh_server": ""})
}

// TestSSHLogin: the size of an answer tells whether the client is in, with what OpenSSH, libssh and others agree upon.
func TestSSHLogin(t *testing.T) {
	const all = "aes192-ctr,aes256-gcm@openssh.com,aes128-cbc,chacha20-poly1305@openssh.com,aes128-ctr,3des-cbc"
	const macs = "hmac-sha2-512,umac-64-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha1,hmac-sha2-256"
	said := func(s Side, n int) message { return message{s, bytes.Repeat([]byte{0xa5}, n)} }
	keys := []byte("\x00\x00\x00\x0c\x0a\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	reply := append([]byte("\x00\x00\x00\x2c\x0a\x1f"), make([]byte, 42)...)
	for _, tc := range []struct {
		name, cipher, mac string
		said              []message // encrypted
		want              string
	}{
		{"at once", "chacha20-poly1305@openssh.com", "", []message{said(Orig, 44), said(Resp, 44), said(Orig, 68), said(Resp, 28), said(Orig, 112)}, "accepted"},
		{"after two passwords", "aes256-gcm@openssh.com", "", []message{said(Orig, 52), said(Resp, 52), said(Orig, 68), said(Resp, 68), said(Orig, 84), said(Resp, 68), said(Orig, 84), said(Resp, 36), said(Resp, 600), said(Orig, 112)}, "accepted"},
		{"guessing", "chacha20-poly1305@openssh.com", "", []message{said(Orig, 44), said(Resp, 44), said(Orig, 68), said(Resp, 52), said(Orig, 76), said(Resp, 52), said(Orig, 76), said(Resp, 76)}, "tried"},
		{"guessing, with a banner", "chacha20-poly1305@openssh.com", "", []message{said(Orig, 44), said(Resp, 44), said(Orig, 68), said(Resp, 500), said(Resp, 52), said(Orig, 76), said(Resp, 52), said(Orig, 76), said(Resp, 52), said(Orig, 76)}, "tried"},
		{"with a key", "chacha20-poly1305@openssh.com", "", []message{said(Orig, 44), said(Resp, 44), said(Orig, 68), said(Resp, 52), said(Orig, 350), said(Resp, 330), said(Orig, 600), said(Resp, 28), said(Orig, 112)}, "accepted"},
		{"a session that began unseen", "chacha20-poly1305@openssh.com", "", []message{said(Orig, 44), said(Resp, 44), said(Orig, 68), said(Resp, 52), said(Orig, 76), said(Resp, 728), said(Orig, 112), said(Resp, 52), said(Orig, 36), said(Resp, 52), said(Orig, 36)}, ""},
		{"asked only what there is", "chacha20-poly1305@openssh.com", "", []message{said(Orig, 44), said(Resp, 44), said(Orig, 68), said(Resp, 52)}, ""},
		{"extensions first", "aes192-ctr", "hmac-sha2-256-etm@openssh.com", []message{said(Resp, 28), said(Orig, 180), said(Resp, 68), said(Orig, 84), said(Resp, 300), said(Resp, 84), said(Orig, 150), said(Resp, 52), said(Orig, 112)}, "accepted"},
		{"mac of the plain text", "aes128-cbc", "hmac-sha1", []message{said(Orig, 52), said(Resp, 52), said(Orig, 84), said(Resp, 36), said(Orig, 112)}, "accepted"},
		{"short mac", "aes128-ctr", "umac-64-etm@openssh.com", []message{said(Orig, 44), said(Resp, 44), said(Orig, 84), said(Resp, 28), said(Orig, 112)}, "accepted"},
		{"a cipher with other blocks", "3des-cbc", "hmac-sha1", []message{said(Orig, 52), said(Resp, 52), said(Orig, 84), said(Resp, 52), said(Orig, 84), said(Resp, 36)}, ""},
		{"a cipher of its own", "x@example.org", "hmac-sha1", []message{said(Orig, 52), said(Resp, 52), said(Orig, 84), said(Resp, 52), said(Orig, 84), said(Resp, 36)}, ""},
	} {
		in := newInspector(Config{})
		got := runSegments(in, in.NewFlow(true, 40000, 2022), append([]message{{Orig, []byte("SSH-2.0-c\r\n")}, {Resp, []byte("SSH-2.0-s\r\n")},
			{Orig, sshTestKex("k", "h", "c", "y@example.org,"+tc.cipher, "m", "z@example.org,"+tc.mac, "none", "none")},
			{Resp, sshTestKex("k", "h", "c", all+",x@example.org", "m", macs, "none", "none")},
			{Orig, reply}, {Resp, slices.Concat(reply, keys, bytes.Repeat([]byte{0xa5}, 300))}, {Orig, keys}}, tc.said...))
		if got["ssh_login"] != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got["ssh_login"], tc.want)
		}
	}
}
