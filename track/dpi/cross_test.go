package dpi

import "testing"

// TestNobodyElseClaims gives each conversation, of the samples and of the captures, to every other parser alone: none may
// take it for its own, whatever the order of the table and the ports. And with ports that hint at nothing it must be
// what it is on its own, or nothing.
func TestNobodyElseClaims(t *testing.T) {
	all := append(samples(), recorded(t)...)
	var alone []*Inspector
	for i := range table {
		alone = append(alone, onlyParser(i))
	}
	// A parser that hands a connection over has the name of the first, which alone it cannot find; but behind the header of a proxy, that of the second.
	inside := map[[2]string]bool{{"nats", "tls"}: true, {"stun", "dtls"}: true,
		{"tls", "http"}:   true, // a request in the clear, that a server of TLS refuses
		{"uwsgi", "http"}: true} // its answer
	// Only the port tells these from what they otherwise are.
	byPort := map[[2]string]bool{{"rsh", "rexec"}: true, {"mdns", "dns"}: true, {"llmnr", "dns"}: true}
	full := newInspector(Config{Names: true})
	for j := range all {
		s := &all[j]
		want := s.want["app"]
		for i := range table {
			if s.over != 0 && (table[i].Over == nil || table[i].Proto != s.over) {
				continue
			}
			if got := s.on(alone[i])["app"]; got != "" && got != want && !inside[[2]string{want, got}] && (got != "proxy-protocol" || s.want["proxy_version"] == "") {
				t.Errorf("%s: is %s, and %s alone takes it for %s", s.name, want, table[i].Name, got)
			}
		}
		moved := *s
		moved.orig, moved.resp = 40001, 40002
		if got := moved.on(full)["app"]; got != "" && got != want && s.over == 0 && !byPort[[2]string{want, got}] {
			t.Errorf("%s: is %s, and on other ports %s", s.name, want, got)
		}
	}
}

// TestOwnPorts holds that a parser which is only asked where its port is would not say anything elsewhere.
func TestOwnPorts(t *testing.T) {
	own := 0
	for _, s := range append(samples(), recorded(t)...) {
		i := theFinder().index[s.want["app"]]
		if s.tcp || s.over != 0 || s.want["app"] == "" || !table[i].Own {
			continue
		}
		own++
		in := onlyParser(int(i))
		if got := s.on(in); got["app"] != s.want["app"] {
			t.Errorf("%s: got %v, want %s", s.name, got, s.want["app"])
		}
		s.orig, s.resp = 40001, 40002
		if got := s.on(in); len(got) > 0 {
			t.Errorf("%s on other ports: got %v, want nothing", s.name, got)
		}
	}
	if own < 9 {
		t.Errorf("%d conversations of such parsers, want at least one of each", own)
	}
}
