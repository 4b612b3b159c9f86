package alert

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math/bits"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"rustnet/track/event"
)

// fields are those that detectors read. They come from the schema, so that records that are read back are
// judged like those of a source.
type fields struct {
	event, ts, start, id, proto, localAddr, localPort, remoteAddr, remotePort, direction, history, reason, partial,
	txBytes, rxBytes, txPackets, rxPackets, txDelta, rxDelta, txRate, rxRate, txRetransmits, rxRetransmits,
	app, host, process, exe, country, dnsQuery, dnsType, dnsQueries, dnsRcode, httpStatus, icmpType,
	httpLastStatus, sshLogin, ftpLogin, smtpLogin, imapLogin, pop3Login, mysqlError, postgresError, ldapResult, kerberosError, kerberosCipher, mqttConnack,
	iface, vlan, localMAC, remoteMAC,
	alert, alertReason, alertCount, pattern *event.Field

	answers event.Answers
}

func (f *fields) find(schema *event.Schema) {
	f.answers = schema.Answers()
	for name, to := range map[string]**event.Field{"event": &f.event, "ts": &f.ts, "start": &f.start, "id": &f.id, "proto": &f.proto,
		"local_addr": &f.localAddr, "local_port": &f.localPort, "remote_addr": &f.remoteAddr, "remote_port": &f.remotePort,
		"direction": &f.direction, "history": &f.history, "reason": &f.reason, "partial": &f.partial, "tx_bytes": &f.txBytes,
		"rx_bytes": &f.rxBytes, "tx_packets": &f.txPackets, "rx_packets": &f.rxPackets, "tx_bytes_delta": &f.txDelta,
		"rx_bytes_delta": &f.rxDelta, "tx_rate": &f.txRate, "rx_rate": &f.rxRate, "tx_retransmits": &f.txRetransmits,
		"rx_retransmits": &f.rxRetransmits, "app": &f.app, "host": &f.host, "process": &f.process, "exe": &f.exe,
		"country": &f.country, "dns_query": &f.dnsQuery, "dns_type": &f.dnsType, "dns_queries": &f.dnsQueries, "dns_rcode": &f.dnsRcode,
		"http_status": &f.httpStatus, "icmp_type": &f.icmpType, "http_last_status": &f.httpLastStatus, "ssh_login": &f.sshLogin,
		"ftp_login": &f.ftpLogin, "smtp_login": &f.smtpLogin, "imap_login": &f.imapLogin, "pop3_login": &f.pop3Login, "mysql_error": &f.mysqlError, "postgresql_error": &f.postgresError, "ldap_result": &f.ldapResult,
		"kerberos_error": &f.kerberosError, "kerberos_cipher": &f.kerberosCipher, "mqtt_connack": &f.mqttConnack, "iface": &f.iface, "vlan": &f.vlan, "local_mac": &f.localMAC, "remote_mac": &f.remoteMAC, "alert": &f.alert, "alert_reason": &f.alertReason, "alert_count": &f.alertCount, "pattern": &f.pattern} {
		*to = schema.Lookup(name) // nil for what a schema does not have
	}
}

func text(f *event.Field, e *event.Event) string {
	if f == nil {
		return ""
	}
	return f.Str(e)
}

func number(f *event.Field, e *event.Event) (uint64, bool) {
	if f == nil {
		return 0, false
	}
	return f.Uint(e)
}

// seen is an event as detectors look at it: which program talks to what.
type seen struct {
	e *event.Event
	f *fields
	names

	ts, start     int64
	id            uint64
	proto, app    string
	local, remote netip.Addr
	lport, rport  uint64
	in, out       bool // the remote end opened it, or this machine
	partial       bool
	first         bool // its first record: of a source that is new; what is kept may have its end only
	reason        string
	host          string // of the remote end, "" where only its address is known

	program string // executable, or name; "" where no process is known
	name    string // as people say it
	who     uint64 // the program, or where none is known the address of the end that opened the connection
	whom    uint64 // the other end: its host, or address
}

func (s *seen) fill(e *event.Event) {
	f := s.f
	s.e, s.ts, s.start = e, f.ts.Time(e), f.start.Time(e)
	s.id, _ = f.id.Uint(e)
	s.proto, s.app, s.reason, s.host = f.proto.Str(e), f.app.Str(e), f.reason.Str(e), f.host.Str(e)
	s.local, s.remote = f.localAddr.Addr(e).Unmap(), f.remoteAddr.Addr(e).Unmap()
	s.lport, _ = f.localPort.Uint(e)
	s.rport, _ = f.remotePort.Uint(e)
	direction := f.direction.Str(e)
	s.in, s.out = direction == "in", direction == "out"
	s.partial, _ = f.partial.Bool(e)
	s.name = f.process.Str(e)
	if s.program = f.exe.Str(e); s.program == "" {
		s.program = s.name
	}
	if s.program != "" {
		s.who = s.hash(s.program)
	} else {
		s.who = s.addr(s.local)
	}
	if s.host != "" {
		s.whom = s.hash(s.host)
	} else {
		s.whom = s.addr(s.remote)
	}
}

// subject names who is judged, for people: the program, or the address.
func (s *seen) subject() string {
	if s.name != "" {
		return s.name
	}
	return s.local.String()
}

// programText is what a habit is kept under.
func (s *seen) programText() string {
	if s.program != "" {
		return s.program
	}
	return addrText(s.local)
}

// about is what alerts are throttled by where their detector does not say.
func (s *seen) about() about {
	if s.host != "" {
		return about{Program: s.programText(), Host: s.host}
	}
	return about{Program: s.programText(), Address: addrText(s.remote)}
}

// opener is what stands for who opened the connection: the program, or the address of the other end.
func (s *seen) opener() string {
	if s.in {
		return addrText(s.remote)
	}
	return s.programText()
}

// openerKey and openerName are of the same, as keys and for people.
func (s *seen) openerKey() uint64 {
	if s.in {
		return s.addr(s.remote)
	}
	return s.who
}

func (s *seen) openerName() string {
	if s.in {
		return s.remote.String()
	}
	return s.subject()
}

// addrText is "" for none.
func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// served gives the end that was connected to, and the opener's address.
func (s *seen) served() (server netip.Addr, port uint64, opener netip.Addr) {
	if s.in {
		return s.local, s.lport, s.remote
	}
	return s.remote, s.rport, s.local
}

// servedKey stands for the end that was called, and its port.
func (s *seen) servedKey() uint64 {
	server, port, _ := s.served()
	return mix(s.addr(server), port)
}

func (s *seen) aboutServed() about {
	server, port, _ := s.served()
	return about{Address: addrText(server), Port: port}
}

// history tells whether the connection's history has any of these letters.
func (s *seen) history(letters string) bool {
	if s.e.Stored != nil {
		return strings.ContainsAny(s.f.history.Str(s.e), letters)
	}
	for _, c := range s.e.History {
		if c != 0 && strings.IndexByte(letters, c) >= 0 {
			return true
		}
	}
	return false
}

// object names the remote end.
func (s *seen) object() string {
	if s.host != "" {
		return s.host
	}
	return s.remote.String()
}

// failed tells of a closed connection that the other end refused or did not answer.
func (s *seen) failed() bool {
	if s.partial {
		return false
	}
	switch s.reason {
	case "refused":
		return true
	case "timeout", "destroyed":
		return s.f.answers.None(s.e)
	}
	return false
}

// asksEcho tells of an ICMP echo request.
func (s *seen) asksEcho() bool {
	kind, _ := number(s.f.icmpType, s.e)
	return kind == 8 || kind == 128
}

// exchanged is how many bytes the opener sent, and the other end.
func (s *seen) exchanged() (opener, other uint64) { return s.byOpener(s.bytes()) }

// byOpener puts what was sent and received in the order of who opened the connection.
func (s *seen) byOpener(tx, rx uint64) (opener, other uint64) {
	if s.in {
		return rx, tx
	}
	return tx, rx
}

func (s *seen) bytes() (tx, rx uint64) {
	tx, _ = number(s.f.txBytes, s.e)
	rx, _ = number(s.f.rxBytes, s.e)
	return tx, rx
}

// link is the network that the connection was seen in; linkText is that as it is kept.
func (s *seen) link() uint64 {
	vlan, _ := number(s.f.vlan, s.e)
	return mix(s.hash(text(s.f.iface, s.e)), vlan)
}

func (s *seen) linkText() string {
	vlan, _ := number(s.f.vlan, s.e)
	return fmt.Sprintf("%s vlan %d", text(s.f.iface, s.e), vlan)
}

// names makes keys of texts and addresses. The seed is new in each run, so that nobody can choose names that collide.
type names struct {
	seed   maphash.Seed
	secret uint64 // for numbers
}

func newNames() names {
	seed := maphash.MakeSeed()
	return names{seed, maphash.String(seed, "")}
}

func (n names) hash(text string) uint64 { return maphash.String(n.seed, text) }

func (n names) addr(a netip.Addr) uint64 {
	b := a.As16()
	return mix(n.secret, binary.NativeEndian.Uint64(b[:8]), binary.NativeEndian.Uint64(b[8:]))
}

func mix(a uint64, more ...uint64) uint64 {
	for _, b := range more {
		hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, bits.RotateLeft64(b, 32)^0xd6e8feb86659fd93)
		a = hi ^ lo
	}
	return a
}

// external is an address that is not of this site: data that goes there leaves.
func external(a netip.Addr) bool {
	return a.IsValid() && a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a) && a != broadcast
}

var (
	shared    = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// one is an address of one machine, as opposed to a group's.
func one(a netip.Addr) bool {
	return a.IsValid() && !a.IsMulticast() && a != broadcast && !a.IsUnspecified()
}

// domain is what somebody registered: example.co.uk of www.example.co.uk.
func domain(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if d, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return d
	}
	return host
}

// network is the neighbourhood of an address, as those of one service change within it.
func network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if external(a) {
		bits = 24
		if a.Is6() {
			bits = 48
		}
	}
	p, _ := a.WithZone("").Prefix(bits)
	return p
}

// span is a time between two events, for people.
func span(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	text := d.Round(time.Second).String()
	for _, none := range []string{"m0s", "h0m"} { // 10m of 10m0s, but 3m30s as it is
		if strings.HasSuffix(text, none) {
			text = text[:len(text)-2]
		}
	}
	return text
}
