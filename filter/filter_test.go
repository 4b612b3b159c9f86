package filter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"rustnet/track/event"
)

var (
	sni     = event.AppString("sni", "Server name.")
	status  = event.AppUint("http_status", "", "Status.")
	ech     = event.AppBool("ech", "Encrypted hello.")
	answers = event.AppList("dns_answers", "Answers.")
	schema  = event.NewSchema([]*event.AppField{sni, status, ech, answers})
)

func sample() *event.Event {
	app := &event.App{Name: "tls", Host: "example.io", HostSource: event.HostBySNI}
	app.SetStr(sni, "example.io")
	app.SetUint(status, 404)
	app.SetBool(ech, true)
	app.SetList(answers, []string{"10.1.2.3", "192.0.2.7"})
	return &event.Event{Kind: event.New, Proto: 6, Direction: event.Out, State: event.Established, ID: 0xabc, RemoteServes: true,
		TS: 1767225600e9, Start: 1767225599e9, Last: 1767225689e9,
		Local: netip.MustParseAddrPort("10.0.0.5:50000"), Remote: netip.MustParseAddrPort("93.184.216.34:443"),
		Tx: event.Side{Bytes: 3_000_000, Packets: 10}, App: app, Proc: &event.Proc{PID: 1234, Name: "curl", UID: 0, HasUID: true,
			Security: event.Security{Known: true, Caps: []string{"all"}, Seccomp: "disabled"}}}
}

func TestMatch(t *testing.T) {
	full, bare := sample(), &event.Event{Kind: event.Closed, Proto: 17, Remote: netip.MustParseAddrPort("[2001:db8::1]:53"),
		Local: netip.MustParseAddrPort("[fe80::1]:4000")}
	for _, c := range []struct {
		expr       string
		full, bare bool
	}{
		{`true`, true, true},
		{`sni endsWith ".io"`, true, false},
		{`sni == ""`, false, true},
		{`process == "curl" && direction == "out"`, true, false},
		{`process in ["curl", "wget"]`, true, false},
		{`proto == 'udp' or remote_port == 443`, true, true},
		{`remote_port in [53, 443]`, true, true},
		{`remote_port in 1..100`, false, true},
		{`tx_bytes > MB(1)`, true, false},
		{`tx_bytes > MiB(2.5) && tx_bytes < GB(1) and tx_bytes > KB(tx_packets) and tx_bytes > KiB(1) && tx_bytes < GiB(1)`, true, false},
		{`duration == 90`, true, false},
		{`duration >= seconds("1m30s") and duration <= minutes(1.5) and duration < hours(1)`, true, false},
		{`duration < seconds(1)`, false, true},
		{`duration < days(1) and duration < seconds("1d") and days(1) == hours(24)`, true, true},
		{`ts + days(1) > ts and ts - hours(1.5) < ts and (ts + seconds("30d")) - ts == days(30)`, true, false}, // bare has no times
		{`ts - start < days(14) or ts - start >= days(14)`, true, false},
		{`start + days(14) < date("0001-01-02")`, false, true},
		{`date("2026-03-01") - date("2026-02-01") == days(28) and date("2026-03-01") - days(1e9) < date("2026-01-01")`, true, true},
		{`cidr(remote_addr, "93.0.0.0/8")`, true, false},
		{`cidr(remote_addr, "2001:db8::/32")`, false, true},
		{`cidr(remote_addr, "93.184.216.34")`, true, false},
		{`cidr(remote_addr, "::ffff:93.184.0.0/112")`, true, false},
		{`not cidr(remote_addr, "0.0.0.0/0")`, false, true},
		{`cidr(remote_addr, "93.0.0.0/8") || cidr(local_addr, "fe80::/10")`, true, true},
		{`any(dns_answers, cidr(#, "10.0.0.0/8"))`, true, false},
		{`any(dns_answers, private(#))`, true, false},
		{`host[0:7] == "objects" || host[0:7] == "example" && host[7:3] == "" and host[-2:] == "io" and host[90:99] == ""`, true, false},
		{`any(dns_answers, {# startsWith "192."})`, true, false},
		{`cidr(sni, "10.0.0.0/8")`, false, false},
		{`"192.0.2.7" in dns_answers`, true, false},
		{`len(dns_answers) == 2`, true, false},
		{`dns_answers[0] == "10.1.2.3"`, true, false},
		{`dns_answers[7] == "x"`, false, false},
		{`first(dns_answers) == "10.1.2.3"`, true, false},
		{`last(dns_answers) == "192.0.2.7" && get(dns_answers, -1) startsWith "192"`, true, false},
		{`first(filter(dns_answers, # endsWith ".7")) == "192.0.2.7"`, true, false},
		{`count(dns_answers, # matches "^1") == 2`, true, false},
		{`capable(caps, "cap_net_raw") and seccomp == "disabled" and not no_new_privs`, true, false},
		{`private(local_addr) and not private(remote_addr)`, true, true},
		{`remote_addr == "93.184.216.34" || remote_addr == "2001:db8::1"`, true, true},
		{`host matches "^EXAMPLE"`, false, false},
		{`lower(upper(host)) matches "^exam.*\\.io$"`, true, false},
		{`ech`, true, false},
		{`!ech`, false, true},
		{`http_status >= 400`, true, false},
		{`uid == 0`, true, true},
		{`id == "0000000000000abc"`, true, false},
		{`event == "closed"`, false, true},
		{`ts > date("2025-12-31") && start < date("2026-01-01T00:00:00Z")`, true, false},
		{`state in ["ESTABLISHED", "SYN_SENT"] ? remote_port == 443 : proto == "udp"`, true, true},
		{`seq == 0`, true, true},
		{`pid > 1000 && pid < 2000`, true, false},
	} {
		p, err := Compile(c.expr, schema)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		// Twice and interleaved: what is kept from one event may not show in the next.
		for range 2 {
			for _, e := range []struct {
				name  string
				event *event.Event
				want  bool
			}{{"full", full, c.full}, {"bare", bare, c.bare}} {
				got, err := p.Match(e.event)
				if err != nil || got != e.want {
					t.Errorf("%s on %s: got %v, %v, want %v", c.expr, e.name, got, err, e.want)
				}
			}
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for _, c := range []struct {
		expr   string
		column int
		want   string // the message's beginning
	}{
		{`snii endsWith ".io"`, 1, `unknown field "snii" (did you mean "sni"?)`},
		{`proto == "tcp" && prcess == "x"`, 19, `unknown field "prcess" (did you mean "process"?)`},
		{`process == nc`, 12, `unknown field "nc" (a text stands in quotes`},
		{`privat(remote_addr)`, 1, `unknown function "privat" (did you mean "private"?)`},
		{`process = "nc"`, 9, `unexpected "=" (== compares)`},
		{`remote_port == "443"`, 13, `== does not go between a number and a text (a number stands without quotes`},
		{`"1m" < duration`, 6, `< does not go between a text and a number (a number stands without quotes`},
		{`start < "2026-01-31"`, 7, `< does not go between a time and a text (a time is written as in: ts > date(`},
		{`1769846400 < ts`, 12, `< does not go between a number and a time (a time is written as in: ts > date(`},
		{`remote_port`, 1, `the filter must be true or false, but this is a number`},
		{`filter(dns_answers, # == "a")`, 1, `the filter must be true or false, but this is a list`},
		{`true ? 1 : true`, 1, `the filter must be true or false`},
		{`!sni`, 1, `! does not go before a text`},
		{`cidr(remote_addr, "10.0.0.0/88")`, 19, `"10.0.0.0/88" is not a network`},
		{`cidr(remote_addr, sni)`, 19, `the network must be written out`},
		{`cidr(remote_addr)`, 1, `cidr takes an address and a network`},
		{`cidr(remote_port, "10.0.0.0/8")`, 6, `cidr takes a text, not a number`},
		{`private(remote_port)`, 9, `private takes a text, not a number`},
		{`duration > seconds("soon")`, 20, `"soon" is not a duration`},
		{`ts > date("soon")`, 11, `"soon" is not a time`},
		{`duration("1s") > 1`, 1, `a field is not a function`},
		{`sni matches "("`, 5, "error parsing regexp"},
		{`any(1..1000000000, true)`, 6, `a range may only stand right of "in"`},
		{`1..3 == 2`, 2, `a range may only stand right of "in"`},
		{`true || 1..3`, 10, `a range may only stand right of "in"`},
		{`$env.sni == ""`, 1, `$env is not part of a filter`},
		{`let a = sni; a + a == ""`, 5, `a filter is one expression`},
		{`repeat("a", 1000000) == ""`, 1, `unknown function "repeat"`},
		{`len(map(dns_answers, # + #)) > 0`, 5, `a filter has no function "map"`},
		{`reduce(dns_answers, #acc + #) == ""`, 1, `a filter has no function "reduce"`},
		{`find(dns_answers, true) == ""`, 1, `a filter has no function "find"`},
		{`date(sni) > ts`, 1, `date takes one time`},
		{`MB(foo) > 1`, 4, `unknown field "foo"`},
		{`dns_answers[S] == "a"`, 13, `unknown field "S"`},
		{`first(hots) == "a"`, 7, `unknown field "hots" (did you mean "host"?)`},
		{`now() > ts`, 1, `unknown function "now"`},
		{`(`, 1, `the filter ends too early`},
		{``, 1, `the filter is empty`},
		{" \n ", 1, `the filter is empty`},
		{`test#0`, 5, "unexpected"},
		{`sni endswith "x"`, 5, `unknown operator "endswith" (did you mean "endsWith"?)`},
		{`sni == "é" and not (sni machtes "x")`, 25, `unknown operator "machtes" (did you mean "matches"?)`},
		{`pid == 1 AND uid == 0`, 10, `unknown operator "AND" (did you mean "and"?)`},
		{`NOT partial`, 1, `unknown operator "NOT" (did you mean "not"?)`},
		{`any(dns_answers, {# startwith "1"})`, 21, `unknown operator "startwith" (did you mean "startsWith"?)`},
		{`sni like "x"`, 5, `unknown operator "like" (did you mean "contains"?)`},
		{`sni is "x"`, 5, `unknown operator "is" (did you mean "=="?)`},
		{`sni =~ "x"`, 5, `unknown operator "=~" (did you mean "matches"?)`},
		{`sni ~ "x"`, 5, `unknown operator "~" (did you mean "matches"?)`},
		{`sni near "x"`, 5, `unknown operator "near" (in words there are and, or, `},
		{`pid == 1 uid == 0`, 10, `unexpected "uid" (conditions are joined with and, or)`},
		{`pid == 1 5`, 10, `unexpected "5"`},
		{`length(dns_answers) > 1`, 1, `unknown function "length" (did you mean "len"?)`},
		{`tx_bytes > mib(1)`, 12, `unknown function "mib" (did you mean "MiB"?)`},
		{`startswith(sni, "x")`, 1, `unknown function "startswith" (did you mean the operator, as in: sni startsWith "x"?)`},
		{`endsWith(sni, "x")`, 1, `"endsWith" is no function but stands in between, as in: sni endsWith "x"`},
		{`sni.endsWith("x")`, 5, `a field has no functions: write it as in: sni endsWith "x"`},
		{`sni.lower() == "x"`, 5, `a field has no functions: write it as in: lower(sni)`},
		{`tx_bytes > 10mb`, 14, `"10m" is not a number (a size is written as in MB(10)`},
		{`sni == "x`, 10, `the text is not closed with a quote`},
		// What no record has.
		{`event == "opened"`, 10, `event is never "opened" (did you mean "open"?)`},
		{`sni == "a" && proto == "TCP"`, 24, `proto is never "TCP" (did you mean "tcp"?)`},
		{`proto in ["udp", "ICMP"]`, 18, `proto is never "ICMP" (did you mean "icmp"?)`},
		{`remote_port in (80, 443)`, 19, `unexpected "," (a list stands in brackets`},
		{`remote_addr == 192.0.2.1`, 21, `unexpected ".2.1" (an address stands in quotes)`},
		{`remote_port == 80 & process == "nc"`, 19, `unexpected "&" (&& joins`},
		{`remote_port == 80 | process == "nc"`, 19, `unexpected "|" (|| joins`},
		{`host == null`, 9, `unknown field "null" (of what is not known a text is ""`},
		{`host && pid == 1`, 6, `&& does not go between a text and true or false (it joins`},
		{`remote_ip == "192.0.2.1"`, 1, `unknown field "remote_ip" (did you mean "remote_addr"?)`},
		{`remote_port in ["443"]`, 13, `a number is in no list of what is a text (a number stands without quotes`},
		{`proto == "6"`, 10, `proto is never "6" (did you mean "tcp"?)`},
		{`proto == "300"`, 10, `proto is never "300": it is a name, or the number where there is none`},
		{`proto == "stuff"`, 10, `proto is never "stuff"`},
		{`"outbound" != direction`, 1, `direction is never "outbound" (did you mean "out"?)`},
		{`state == "established"`, 10, `state is never "established" (did you mean "ESTABLISHED"?)`},
		{`reason == "reset"`, 11, `reason is never "reset" (`},
		{`tunnel == "VXLAN"`, 11, `tunnel is never "VXLAN" (did you mean "vxlan"?)`},
		{`country == "nl"`, 12, `country is never "nl" (did you mean "NL"?)`},
		{`country in ["NL", "Belgium"]`, 19, `country is never "Belgium": it is two capital letters (ISO 3166), as "NL"`},
		{`host == "App.Demo.io"`, 9, `host is never "App.Demo.io" (did you mean "app.demo.io"?)`},
		{`host == "app.demo.io."`, 9, `host is never "app.demo.io." (did you mean "app.demo.io"?)`},
		{`app == "https"`, 8, `app is never "https" (did you mean "tls"?)`},
		{`app in ["dns", "HTTP"]`, 16, `app is never "HTTP" (did you mean "http"?)`},
		{`remote_addr == "10.0.0.0/8"`, 16, `"10.0.0.0/8" is a network, as in: cidr(remote_addr, "10.0.0.0/8")`},
		{`remote_addr == "10.0.0.300"`, 16, `remote_addr is never "10.0.0.300": it is an address (host is the name), as "192.0.2.7"`},
		{`remote_addr == "2001:DB8::1"`, 16, `remote_addr is never "2001:DB8::1" (did you mean "2001:db8::1"?)`},
		{`local_addr != "fe80::1%eth0"`, 15, `local_addr is never "fe80::1%eth0" (did you mean "fe80::1"?)`},
		{`id == "0ABC"`, 7, `id is never "0ABC": it is 16 hexadecimal digits in small letters; startsWith takes the first of them, as "687e26803744002d"`},
		{`id startsWith "0ABC"`, 15, `id never begins with "0ABC" (did you mean "0abc"?)`},
		{`sni != nil`, 8, `sni is never nil: of what is not known a text is "", a number 0, a list empty`},
	} {
		_, err := Compile(c.expr, schema)
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("%s: got %v, want an *Error", c.expr, err)
			continue
		}
		if _, read := Compile(c.expr, schema.Stored()); read == nil {
			t.Errorf("%s: taken for records that are read back", c.expr)
		}
		if !strings.HasPrefix(e.Message, c.want) || e.Column != c.column {
			t.Errorf("%s: got column %d: %s\nwant column %d: %s", c.expr, e.Column, e.Message, c.column, c.want)
		}
	}
}

// TestNever: what is joined so that it never holds, or always, is said; what only looks like it is not.
func TestNever(t *testing.T) {
	for text, want := range map[string]string{
		`remote_port == 80 && remote_port == 443`:                                `remote_port is never both 80 and 443 (did you mean remote_port in [80, 443]?)`,
		`app == "dns" and sni == "" and app in ["http", "tls"]`:                  `app is never both "dns" and "http" or "tls" (did you mean app in ["dns", "http", "tls"]?)`,
		`remote_port > 1024 && remote_port < 80`:                                 `remote_port is never both > 1024 and < 80 (did you mean or?)`,
		`80 == remote_port && remote_port in 8000..8999`:                         `remote_port is never both 80 and 8000..8999 (did you mean or?)`,
		`rtt_ms >= 5 && rtt_ms < 5`:                                              `rtt_ms is never both >= 5 and < 5 (did you mean or?)`,
		`tx_bytes > MB(1) && tx_bytes < KB(1)`:                                   `tx_bytes is never both > 1000000 and < 1000 (did you mean or?)`,
		`app == "dns" && app != "dns"`:                                           `app is never both "dns" and other than "dns" (did you mean or?)`,
		`sni == "a" || app == "dns" && app == "tls"`:                             `app is never both "dns" and "tls" (did you mean app in ["dns", "tls"]?)`,
		`not (app == "dns" && app == "tls")`:                                     `app is never both "dns" and "tls" (did you mean app in ["dns", "tls"]?)`,
		`remote_port != 80 || remote_port != 443`:                                `remote_port is always other than 80 or other than 443 (did you mean not (remote_port in [80, 443])?)`,
		`ts > date("2026-02-01") && ts < date("2026-01-01")`:                     `ts is never both > date("2026-02-01T00:00:00Z") and < date("2026-01-01T00:00:00Z") (did you mean or?)`,
		`remote_addr == "192.0.2.1" && remote_addr == "198.51.100.1"`:            `remote_addr is never both "192.0.2.1" and "198.51.100.1" (did you mean remote_addr in ["192.0.2.1", "198.51.100.1"]?)`,
		strings.Repeat(`sni != "a" and `, 900) + `app == "dns" and app == "tls"`: `app is never both`,

		`remote_port > 80 && remote_port < 443`:                        "",
		`remote_port >= 80 && remote_port <= 80`:                       "",
		`remote_port != 80 && remote_port != 443`:                      "",
		`remote_port == 80 || remote_port == 443`:                      "",
		`remote_port == 80 || local_port == 443`:                       "",
		`remote_port == 80 && local_port == 443`:                       "",
		`app != "" && app != "dns"`:                                    "",
		`app == "dns" && app in ["dns", "tls"]`:                        "",
		`(app == "dns" || app == "tls") && app != "dns"`:               "",
		`app == "dns" || app == "tls" && remote_port == 443`:           "",
		`"a" in ancestors && "b" in ancestors`:                         "",
		`remote_port in [80, 443] && remote_port in 443..8443`:         "",
		`app != "dns" || app == "dns" && tx_bytes > 100`:               "",
		`ts > date("2026-01-31") && ts < date("2026-01-31T00:00:01Z")`: "",
		`sni == host && sni == "a"`:                                    "",
		`sni != host || sni != "a"`:                                    "",
	} {
		_, err := Compile(text, schema)
		if got := fmt.Sprint(err); (want == "") != (err == nil) || !strings.Contains(got, want) {
			t.Errorf("%.80s: got %s, want %s", text, got, want)
		}
	}
}

// TestNeverIsTrue: of what is said to hold never, or always, there is no record for which it is otherwise.
func TestNeverIsTrue(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	leaf := func() string {
		n := func() int { return r.IntN(6) }
		switch r.IntN(5) {
		case 0:
			return fmt.Sprintf("remote_port in [%d, %d]", n(), n())
		case 1:
			a := n()
			return fmt.Sprintf("remote_port in %d..%d", a, a+r.IntN(4))
		case 2:
			return fmt.Sprintf("%d %s remote_port", n(), []string{"==", "!=", "<", "<=", ">", ">="}[r.IntN(6)])
		}
		return fmt.Sprintf("remote_port %s %d", []string{"==", "!=", "<", "<=", ">", ">="}[r.IntN(6)], n())
	}
	refused := 0
	for range 3000 {
		a, b, op := leaf(), leaf(), []string{"&&", "||"}[r.IntN(2)]
		_, err := Compile(a+" "+op+" "+b, schema)
		if err == nil {
			continue
		}
		refused++
		left, errA := Compile(a, schema)
		right, errB := Compile(b, schema)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		for port := range uint16(12) {
			e := event.Event{Kind: event.New, Remote: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port)}
			holdsA, _ := left.Match(&e)
			holdsB, _ := right.Match(&e)
			if op == "&&" && holdsA && holdsB || op == "||" && !holdsA && !holdsB {
				t.Fatalf("%s %s %s: refused, and port %d is one: %v", a, op, b, port, err)
			}
		}
	}
	if refused < 200 {
		t.Errorf("only %d were refused", refused)
	}
}

// TestNotes: a shell's pattern is a text like any other, and is told of.
func TestNotes(t *testing.T) {
	for text, want := range map[string]string{
		`host == "*.demo.io"`:             `"*.demo.io" stands for itself, the star too (did you mean host endsWith ".demo.io"?)`,
		`process in ["nc", "python*"]`:    `"python*" stands for itself, the star too (did you mean process startsWith "python"?)`,
		`"*curl*" != cmdline && pid == 1`: `"*curl*" stands for itself, the star too (did you mean cmdline contains "curl"?)`,
		`sni == "a" || sni contains "*"`:  "",
		`cmdline == "*" && sni == "a*b"`:  "",
	} {
		p, err := Compile(text, schema)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.Notes(), "\n"); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`snii endsWith ".io"`, "unknown field \"snii\" (did you mean \"sni\"?)\n  snii endsWith \".io\"\n  ^"},
		{"sni == \"a\" &&\n\t hst == \"b\"", "unknown field \"hst\" (did you mean \"host\"?)\n    hst == \"b\"\n    ^"},
		{"sni == \"\x1b[31m\" && hst == \"\"", "unknown field \"hst\" (did you mean \"host\"?)\n  sni == \" [31m\" && hst == \"\"\n                    ^"},
	} {
		if _, err := Compile(c.expr, schema); err == nil || err.Error() != c.want {
			t.Errorf("%q: got\n%v\nwant\n%s", c.expr, err, c.want)
		}
	}
	_, err := Compile(strings.Repeat(`sni == "a" && `, 100)+`hst == ""`, schema)
	if err == nil || len(err.Error()) > 400 {
		t.Errorf("error in a long filter is not cut: %v", err)
	}
}

// Nobody's expression may cost without bound, in compiling or in running.
func TestHostileExpressions(t *testing.T) {
	if _, err := Compile(strings.Repeat("(", 30000)+"true"+strings.Repeat(")", 30000), schema); err != nil {
		t.Errorf("deep parentheses: %v", err)
	}
	for name, x := range map[string]string{
		"too long":    strings.Repeat(" ", maxLength) + "true",
		"many nodes":  strings.Repeat("true && ", 6000) + "true",
		"deep not":    strings.Repeat("!", 30000) + "true",
		"huge regexp": `sni matches "((((a{100}){100}){100}){100})"`,
	} {
		if _, err := Compile(x, schema); err == nil {
			t.Errorf("%s: compiled, want an error", name)
		}
	}
}

func TestLostAlwaysPasses(t *testing.T) {
	p, err := Compile(`false`, schema)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := p.Match(&event.Event{Kind: event.Lost}); !ok || err != nil {
		t.Errorf("lost: got %v, %v, want true", ok, err)
	}
}

func TestOnlyNamedFieldsAreRead(t *testing.T) {
	p, err := Compile(`sni endsWith ".io" && cidr(remote_addr, "10.0.0.0/8") && private(local_addr)`, schema)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.Fields()); got != "[sni remote_addr local_addr]" {
		t.Errorf("fields read: got %s, want [sni remote_addr local_addr]", got)
	}
}

func TestStage(t *testing.T) {
	p, err := Compile(`remote_port == 443`, schema)
	if err != nil {
		t.Fatal(err)
	}
	s := NewStage(p)
	in, out := make(chan *event.Batch, 4), make(chan *event.Batch, 4)
	batch := event.NewBatch(nil)
	batch.Now = 7
	for i := range 5 {
		e := *sample()
		e.ID = uint64(i)
		if i%2 == 1 {
			e.Remote = netip.AddrPortFrom(e.Remote.Addr(), 80)
		}
		batch.Events = append(batch.Events, e)
	}
	batch.Events = append(batch.Events, event.Event{Kind: event.Lost})
	in <- batch
	empty := event.NewBatch(nil)
	empty.Now = 9
	in <- empty
	close(in)
	if err := s.Run(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	var got []uint64
	b := <-out
	for _, e := range b.Events {
		got = append(got, e.ID)
	}
	if fmt.Sprint(got) != "[0 2 4 0]" || b.Now != 7 {
		t.Errorf("kept %v at %d, want [0 2 4 0] at 7", got, b.Now)
	}
	if b.RuledOut != nil {
		t.Errorf("told %v, though nobody asked", b.RuledOut)
	}
	s.TellRuledOut()
	s.filter(batch) // all of it passes
	batch.Events = append(batch.Events, event.Event{Kind: event.Closed, ID: 77})
	s.filter(batch)
	if want := []event.Ruling{{ID: 77, Kind: event.Closed}}; !slices.Equal(batch.RuledOut, want) || len(batch.Events) != 4 {
		t.Errorf("told %v of %d events, want %v", batch.RuledOut, len(batch.Events), want)
	}
	if batch.Release(); len(batch.RuledOut) != 0 {
		t.Error("what was ruled out stays in a batch that is used again")
	}
	if b := <-out; b != empty || b.Now != 9 {
		t.Error("a batch without events did not go on")
	}
	if _, open := <-out; open {
		t.Error("out is not closed")
	}
	if st := s.Stats(); st.FilteredOut != 3 || st.Errors != 0 {
		t.Errorf("stats: got %+v, want 3 filtered out", st)
	}
}

// A stage that nobody reads from ends with its context, and gives back what it holds.
func TestStageStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	released := 0
	in, out := make(chan *event.Batch, 1), make(chan *event.Batch)
	in <- event.NewBatch(func(*event.Batch) { released++ })
	cancel()
	if err := NewStage(nil).Run(ctx, in, out); !errors.Is(err, context.Canceled) || released != 1 {
		t.Errorf("got %v with %d batches released, want context canceled with 1", err, released)
	}
}

func TestMatchAllocs(t *testing.T) {
	p, err := Compile(`sni endsWith ".io" && remote_port in [443, 8443] && cidr(remote_addr, "93.0.0.0/8") && tx_bytes > MB(1)`, schema)
	if err != nil {
		t.Fatal(err)
	}
	e := sample()
	if n := testing.AllocsPerRun(1000, func() { _, _ = p.Match(e) }); n != 0 {
		t.Errorf("Match allocates %v times on equal events, want 0", n)
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, x := range []string{`sni endsWith ".io"`, `process == "nc" && direction == "out"`,
		`cidr(remote_addr, "10.0.0.0/8") && tx_bytes > MB(1)`, `sni matches "^[a-z0-9.-]+\\.io$"`, `any(dns_answers, private(#))`,
		`ts > date("2026-01-01") && "10.1.2.3" in dns_answers`} {
		b.Run(x, func(b *testing.B) {
			p, err := Compile(x, schema)
			if err != nil {
				b.Fatal(err)
			}
			// Events that differ in every field that is often different.
			events := make([]event.Event, 64)
			for i := range events {
				e := sample()
				e.TS += int64(i)
				e.Tx.Bytes += uint64(i)
				e.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), uint16(i))
				e.App.SetStr(sni, fmt.Sprintf("host%d.example.io", i))
				e.Proc = &event.Proc{PID: uint32(i), Name: []string{"nc", "curl"}[i%2]}
				events[i] = *e
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := p.Match(&events[i%64]); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// Whatever is typed: an error or a program, and a program gives an answer on any event.
func FuzzCompile(f *testing.F) {
	for _, x := range []string{`sni endsWith ".io"`, `cidr(remote_addr, "10.0.0.0/8") or private(#)`, `any(dns_answers, {# in ["a"]})`,
		`tx_bytes > MB(1.5) && duration < seconds("1m")`, `dns_answers[0] matches "^a"`, `ts > date("2026-01-01")`, `a ?? b?.c | d()`,
		"sni == `x`\n//", `find(dns_answers, true)[1:2] == ""`, `{"a": 1}.a == 1`, `[1, 2][3] == 1`, `remote_port in 1..9`} {
		f.Add(x)
	}
	full, bare := sample(), &event.Event{}
	f.Fuzz(func(t *testing.T, x string) {
		p, err := Compile(x, schema)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Message == "" {
				t.Fatalf("error is not an *Error with a text: %v", err)
			}
			if utf8.ValidString(x) && strings.ContainsAny(err.Error(), "\x1b\r") {
				t.Fatalf("error carries control characters: %q", err)
			}
			return
		}
		for _, e := range []*event.Event{full, bare} {
			_, _ = p.Match(e)
		}
	})
}

// What an expression says of fields is put into a condition; what else it says is left out, and the opposite
// of what is only partly known is not known at all.
// TestValues: what a record can have is taken, also where that is nothing.
func TestValues(t *testing.T) {
	for _, f := range schema.Fields {
		form := f.Form()
		if form == nil {
			continue
		}
		if words := form.Words(); len(words) > 0 {
			words = words[:min(len(words), 200)]
			text := `["` + strings.Join(words, `", "`) + `"]`
			expr := fmt.Sprintf("%s in %s || %q != %s", f.Name, text, words[0], f.Name)
			if f.Type == event.List {
				expr = fmt.Sprintf("any(%s, # in %s)", f.Name, text)
			}
			if _, err := Compile(expr, schema); err != nil {
				t.Errorf("%s: %v", expr, err)
			}
		}
	}
	for _, expr := range []string{`proto == "253"`, `event == "stats"`, `remote_addr == "" || remote_addr == "2001:db8::1" || remote_addr == "::ffff:10.0.0.1"`,
		`app == "" || app == "whatever"`, `id == "0000000000000abc"`, `iface == "TCP"`, `country == "NL" || country == ""`, `host in ["", "app.demo.io", "nas"]`, `sni == "App.Demo.io."`, `remote_addr in ["10.0.0.1", "10.0.0.2"]`} {
		if _, err := Compile(expr, schema); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

// TestConditionOfChanged: of a field that gets its value later nothing is told, and nothing of its opposite.
func TestConditionOfChanged(t *testing.T) {
	changed := func(name string) bool { return name == "host" }
	for expr, want := range map[string]string{
		`host == "a"`:                       "always",
		`!(host == "a") && process == "nc"`: `process == "nc"`,
		`host == "a" || process == "nc"`:    "always",
		`host in ["a", "b"]`:                "always",
	} {
		if got := Condition(expr, schema, changed).String(); got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}

func TestCondition(t *testing.T) {
	for expr, want := range map[string]string{
		`process == "curl"`:                                   `process == "curl"`,
		`443 <= remote_port and not partial`:                  `all(remote_port >= 443, not(partial == true))`,
		`process == "a" && host matches "^x"`:                 `process == "a"`,
		`process == "a" || host matches "^x"`:                 `always`,
		`not (process == "a" && host matches "^x")`:           `always`,
		`not (process == "a" || uid != 0)`:                    `not(any(process == "a", uid != 0))`,
		`remote_port in [53, 443]`:                            `any(remote_port == 53, remote_port == 443)`,
		`remote_port in 1..1023`:                              `all(remote_port >= 1, remote_port <= 1023)`,
		`sni endsWith ".io" and host contains "x"`:            `all(sni endsWith ".io", host contains "x")`,
		`".io" endsWith sni`:                                  `always`,
		`tx_bytes > MiB(1.5) and duration < seconds("1m30s")`: `all(tx_bytes > 1572864, duration < 90)`,
		`ts >= date("2026-01-31")`:                            `ts >= 2026-01-31T00:00:00Z`,
		`id == "0000000000000abc"`:                            `id == 0xabc`,
		`id startsWith "0abc"`:                                `always`,
		`id > "0000000000000abc"`:                             `always`,
		`cidr(remote_addr, "10.1.0.0/15")`:                    `any(remote_addr startsWith "10.", remote_addr startsWith "::ffff:10.")`,
		`cidr(remote_addr, "10.1.2.0/24")`:                    `any(remote_addr startsWith "10.1.2.", remote_addr startsWith "::ffff:10.1.2.")`,
		`cidr(remote_addr, "10.1.2.3")`:                       `any(remote_addr startsWith "10.1.2.3", remote_addr startsWith "::ffff:10.1.2.3")`,
		`cidr(remote_addr, "2001:db8:0:5::/64")`:              `any(remote_addr startsWith "2001:db8:")`,
		`cidr(remote_addr, "0.0.0.0/0")`:                      `always`,
		`not cidr(remote_addr, "10.0.0.0/8")`:                 `always`,
		`private(remote_addr)`:                                `always`,
		`any(dns_answers, # == "x")`:                          `always`,
		`uid == pid`:                                          `always`,
		`process == "a" ? true : false`:                       `always`,
		`false`:                                               `any()`,
		`ech`:                                                 `ech == true`,
		`ech != true && tx_bytes > -1.5`:                      `all(ech != true, tx_bytes > -1.5)`,
	} {
		if _, err := Compile(expr, schema); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
		if got := Condition(expr, schema, nil).String(); got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}
