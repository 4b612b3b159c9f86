package dpi

import (
	"slices"
	"strings"

	"rustnet/track/event"
)

var (
	fieldDNSQuery   = event.AppString("dns_query", "Name of the first question, without the last dot; a dot within a label is \\.").Spelt(dnsQueryForm)
	fieldDNSType    = event.AppString("dns_type", "Type of the first question: A, AAAA, PTR, …; TYPE and the number where it has no name.").Spelt(dnsTypeForm)
	fieldDNSRcode   = event.AppString("dns_rcode", "What the first question was answered with: NOERROR, NXDOMAIN, SERVFAIL, …; absent until it was.").Spelt(dnsRcodeForm)
	fieldDNSAnswers = event.AppList("dns_answers", "Answers to dns_query: addresses, names and texts in the order they came.")
	fieldDNSQueries = event.AppUint("dns_queries", "", "Questions asked on the connection.")
	fieldDNSCut     = event.AppBool("dns_truncated", "True where the first question's answer did not fit (TC), so that clients ask again over TCP.")
)

var dnsRcodeForm = event.OneOf(dnsRcodes[:]...).OrNumber("RCODE", 1<<12-1, nameIn(dnsRcodes[:]))

var dnsTypeForm = event.OneOf(append(dnsTypes[:], listed(dnsHighTypes)...)...).OrNumber("TYPE", 1<<16-1,
	func(n uint64) string { return dnsTypeNamed(uint16(n)) })

var dnsQueryForm = event.Shaped("without a dot at its end", "", `(.*[^.])?|(.*\\)?\.`).Meaning(func(text string) string { return strings.TrimRight(text, ".") })

var dnsFields = []*event.AppField{fieldDNSQuery, fieldDNSType, fieldDNSRcode, fieldDNSAnswers, fieldDNSQueries, fieldDNSCut}

const (
	dnsHeaderLen = 12
	mdnsPort     = 5353
	llmnrPort    = 5355

	dnsMaxName    = 255
	dnsMaxAnswers = 32
	dnsMaxText    = 255
	dnsPending    = 8       // questions whose answers are waited for
	dnsMaxSteps   = 2 << 10 // labels and pointers that are gone over for the names of a message
	dnsUnanswered = 64      // messages without an answer to any: half of the connection is not in sight
)

// dnsState follows the questions and answers of a connection.
type dnsState struct {
	pending  []dnsQuestion // oldest first, at most dnsPending
	room     [2]dnsQuestion
	queries  uint32
	messages uint32
	qtype    uint16
	first    uint16
	asked    bool // the first question is known
	lost     bool // more were asked than pending holds
	answered bool // one of them was answered
	roles    bool // who asks is told
}

// dnsQuestion is a question that waits for its answer; about is the hash of name and type.
type dnsQuestion struct {
	ts    int64
	about uint32
	id    uint16
}

// dnsMessage is a message taken apart.
type dnsMessage struct {
	b          []byte
	id, flags  uint16
	counts     [4]int // questions, answers, authorities, additional
	qtype      uint16
	question   int // offset of the first question's name, 0 = none
	asked      int // offset behind the first question
	answers    int // offset of the first record
	rcode      uint16
	cut        bool   // the end is missing
	begun      bool   // and with it that of the first question; what there is of that is right
	records    [4]int // as counts, those that are whole
	aliases    bool   // some of them are
	sane, tidy bool   // sane: what RFC 1035 allows; tidy: also what everybody does
}

func (m *dnsMessage) response() bool { return m.flags&0x8000 != 0 }

func (m *dnsMessage) opcode() uint16 { return m.flags >> 11 & 15 }

// endless tells whether the response code may go on in what the capture cut: some codes above 15 have zeros below, and no answers.
func (m *dnsMessage) endless() bool {
	return m.cut && m.rcode == 0 && m.counts[1]+m.counts[2] == 0 && m.records[3] < m.counts[3]
}

// parseDNS reads DNS (RFC 1035), multicast DNS (RFC 6762) and LLMNR (RFC 4795), which differ in their
// port and address only.
func parseDNS(c *call) verdict {
	v := &c.view[c.side]
	hinted := c.dnsHinted()
	var m dnsMessage
	m.parse(v.b, v.gap, hinted)
	if c.f.parser != 0 && m.question != 0 {
		m.sane = true // broken behind the question: what is whole counts
	}
	if m.begun && !m.sane {
		return c.dnsCut(&m)
	}
	if !m.sane || !hinted && (!m.tidy || m.cut) {
		if c.f.parser != 0 || hinted {
			return more
		}
		return no
	}
	c.dnsMessage(&m)
	if st := c.f.state.(*dnsState); st.messages >= dnsUnanswered && st.lost && !st.answered {
		return done
	}
	return match
}

// dnsCut is for a message that the snap length cut within its question, on one of the ports: who asks is told, and by whom it is answered.
func (c *call) dnsCut(m *dnsMessage) verdict {
	a := c.edit()
	switch {
	case a.Name != "":
	case c.multicast():
		a.Name = "mdns"
	case c.hasPort(llmnrPort):
		a.Name = "llmnr"
	}
	if c.f.client == 0 && !c.multicast() {
		c.setClient(c.side ^ sideIf(m.response()))
	}
	return match
}

func (c *call) dnsHinted() bool { return c.hasPort(53) || c.hasPort(mdnsPort) || c.hasPort(llmnrPort) }

// multicast tells multicast DNS, which has no transactions and is not spoken over TCP.
func (c *call) multicast() bool { return !c.f.tcp && c.hasPort(mdnsPort) && !c.hasPort(53) }

// parseDNSStream reads DNS over TCP: every message behind its length (RFC 7766 section 8).
func parseDNSStream(c *call) verdict {
	known := c.f.parser != 0
	s := c.side
	v := &c.view[s]
	for len(v.b) > 0 {
		if len(v.b) < 2 {
			break
		}
		n := int(be16(v.b))
		if n < dnsHeaderLen {
			return dnsOver(known)
		}
		have := v.b[2:min(len(v.b), 2+n)]
		// Of a message longer than may be kept, such as a zone transfer's, the beginning must do.
		cut := len(have) < n && (v.gap || v.fin || len(v.b) >= c.max)
		if len(have) < n && !cut {
			if !known && len(have) >= dnsHeaderLen && !dnsHeaderSane(have) {
				return no
			}
			break
		}
		var m dnsMessage
		sure := known || c.hasPort(53) || c.hasPort(llmnrPort)
		m.parse(have, cut, sure)
		if !m.sane || !sure && (!m.tidy || cut) || !known && cut && m.question == 0 && m.records[1] == 0 {
			return dnsOver(known)
		}
		c.dnsMessage(&m)
		known = true
		c.skip(s, uint64(2+n))
	}
	switch {
	case known:
		return match
	case v.gap || v.fin:
		return no
	}
	return more
}

// dnsOver is the verdict on bytes that are no message.
func dnsOver(known bool) verdict {
	if known {
		return done
	}
	return no
}

// dnsHeaderSane checks flags and counts: at least a question, or a response.
func dnsHeaderSane(b []byte) bool {
	flags := be16(b[2:])
	opcode := flags >> 11 & 15
	if opcode > 6 || opcode == 3 {
		return false
	}
	asked, answers, authorities, additional := dnsCounts(b)
	return (asked > 0 && asked <= 64 || flags&0x8000 != 0) && asked+answers+authorities+additional <= len(b)+4096
}

// dnsCounts are how many records a header says that each section has.
func dnsCounts(b []byte) (asked, answers, authorities, additional int) {
	n := be64(b[4:])
	return int(n >> 48), int(n >> 32 & 0xffff), int(n >> 16 & 0xffff), int(n & 0xffff)
}

// parse takes a message apart. It visits every record, so that chance does not look like DNS. Where other things make sure that
// it is, nobody asks whether it is tidy.
func (m *dnsMessage) parse(b []byte, cut, sure bool) {
	m.b, m.cut = b, cut
	if len(b) < dnsHeaderLen || !dnsHeaderSane(b) {
		return
	}
	m.id, m.flags = be16(b), be16(b[2:])
	m.rcode = m.flags & 15
	m.counts[0], m.counts[1], m.counts[2], m.counts[3] = dnsCounts(b)
	opcode := m.opcode()
	m.tidy = !sure && m.counts[0] == 1 && m.flags&0x40 == 0 && (opcode == 0 || opcode == 4 || opcode == 5)
	if !m.response() {
		// A query has no answers; opcode 5 (UPDATE) uses the other sections for its own ends.
		m.tidy = m.tidy && m.rcode == 0 && m.flags&0x0680 == 0 && (opcode != 0 || m.counts[1] == 0 && m.counts[2] <= 1) && m.counts[3] <= 2
	} else if m.counts[0] == 0 && m.counts[1]+m.counts[2] == 0 && len(b) > dnsHeaderLen && m.counts[3] == 0 {
		return
	}
	at, ok := m.questions()
	if !ok {
		m.begun = cut && sure && m.counts[0] == 1 && opcode == 0 && m.flags&0x40 == 0 && dnsCutName(b[dnsHeaderLen:])
		return
	}
	m.answers = at
	for section := 1; section <= 3; section++ {
		for range m.counts[section] {
			r, ok := m.record(at)
			if !ok {
				m.sane = cut
				return
			}
			if r.kind == dnsOPT { // the upper bits of the response code (RFC 6891 section 6.1.3)
				m.rcode |= uint16(r.ttl>>24) << 4
			}
			m.aliases = m.aliases || r.kind == dnsCNAME
			m.records[section]++
			at = r.end
		}
	}
	m.tidy = m.tidy && at == len(b)
	m.sane = at == len(b) || m.question > 0 && len(b)-at <= 16 || cut
}

// dnsCutName tells whether b is a name of letters of host names, or the beginning of one and a part of what follows it.
func dnsCutName(b []byte) bool {
	labels := 0
	for len(b) > 0 && b[0] != 0 {
		n := int(b[0])
		if n > 63 {
			return false
		}
		for _, ch := range b[1:min(1+n, len(b))] {
			if !alphanumeric(ch) && ch != '-' && ch != '_' {
				return false
			}
		}
		labels++
		b = b[min(1+n, len(b)):]
	}
	return labels > 0 && len(b) < 5
}

// questions visits the questions and returns the offset behind them.
func (m *dnsMessage) questions() (at int, ok bool) {
	at = dnsHeaderLen
	for range m.counts[0] {
		next, ok := dnsSkipName(m.b, at)
		if !ok || next+4 > len(m.b) {
			return 0, false
		}
		class := be16(m.b[next+2:]) &^ 0x8000 // mDNS asks for a unicast answer with the top bit
		if class != 1 && class != 3 && class != 4 && class != 254 && class != 255 {
			return 0, false
		}
		m.tidy = m.tidy && dnsPrintable(m.b, at) && !netbiosName(m.b, at)
		if m.question == 0 {
			m.question, m.asked, m.qtype = at, next+4, be16(m.b[next:])
		}
		at = next + 4
	}
	return at, true
}

// netbiosName tells the names of the NetBIOS name service, whose messages are else like DNS (RFC 1001 section 14.1).
func netbiosName(b []byte, at int) bool {
	if b[at] != 32 {
		return false
	}
	for _, c := range b[at+1 : at+33] {
		if c < 'A' || c > 'P' {
			return false
		}
	}
	return true
}

// dnsMessage tells what a message brings. Its names may lead over each other by thousands of pointers, each of them; so what is read of
// them has a bound together, behind which they are none.
func (c *call) dnsMessage(m *dnsMessage) {
	c.steps = 0
	st, _ := c.f.state.(*dnsState)
	if st == nil {
		st = c.dns.get()
		st.pending = st.room[:0]
		c.f.state = st
		if a := c.edit(); a.Name == "" && c.multicast() {
			a.Name = "mdns"
		} else if a.Name == "" && c.hasPort(llmnrPort) {
			a.Name = "llmnr"
		}
	}
	st.messages++
	if !st.roles && !c.multicast() {
		st.roles = true
		client := c.side
		if m.response() {
			client = 1 - c.side
		}
		c.setClient(client)
	}
	if m.response() {
		c.dnsResponse(st, m)
	} else {
		c.dnsQuery(st, m)
	}
	c.f.ended = !c.f.tcp && len(st.pending) == 0 && !st.lost && m.response() && !c.multicast()
}

// about hashes the first question: name, type and class, whatever the case of the letters (RFC 4343).
func (m *dnsMessage) about() uint32 {
	const prime = 0x9e3779b97f4a7c15
	b := m.b[m.question:m.asked]
	if len(b) == 0 {
		return 0
	}
	h := uint64(len(b))
	for ; len(b) > 8; b = b[8:] {
		h = (h ^ lower8(le64(b))) * prime
		h ^= h >> 32
	}
	last := le64(m.b[m.asked-8:]) // behind a header, so that there are as many
	h = (h ^ lower8(last>>(64-8*len(b)))) * prime
	return uint32(h >> 32)
}

// dnsQuery notes a question; the same one sent again is not another.
func (c *call) dnsQuery(st *dnsState, m *dnsMessage) {
	about := m.about()
	for i := range st.pending {
		if q := &st.pending[i]; q.id == m.id && q.about == about && !c.multicast() {
			return
		}
	}
	st.queries += uint32(m.counts[0])
	c.edit().SetUint(fieldDNSQueries, uint64(st.queries))
	c.dnsFirst(st, m)
	if c.multicast() {
		return
	}
	if len(st.pending) == dnsPending {
		st.lost = true
		st.pending = slices.Delete(st.pending, 0, 1)
	}
	st.pending = append(st.pending, dnsQuestion{ts: c.ts, id: m.id, about: about})
}

// dnsTake finds the question that a response answers, and tells whether it is also about what was asked.
func (c *call) dnsTake(st *dnsState, m *dnsMessage) (asked bool) {
	for i, q := range st.pending {
		if q.id != m.id {
			continue
		}
		if us := (c.ts - q.ts) / 1000; us > 0 && us < 1<<31 && (c.f.rtt == 0 || uint32(us) < c.f.rtt) {
			c.f.rtt = uint32(us)
		}
		st.pending = slices.Delete(st.pending, i, i+1)
		st.answered = true
		return m.question != 0 && q.about == m.about()
	}
	return false
}

// dnsFirst keeps the connection's first question.
func (c *call) dnsFirst(st *dnsState, m *dnsMessage) {
	if st.asked || m.question == 0 {
		return
	}
	name, ok := c.dnsName(c.hash[:0], m.b, m.question)
	c.hash = name
	if !ok {
		return
	}
	st.asked, st.first, st.qtype = true, m.id, m.qtype
	a := c.edit()
	a.SetStr(fieldDNSQuery, c.text(name))
	a.SetStr(fieldDNSType, c.dnsTypeName(m.qtype))
}

// dnsResponse joins a response with its question.
func (c *call) dnsResponse(st *dnsState, m *dnsMessage) {
	asked := c.dnsTake(st, m)
	first := c.f.app.Str(fieldDNSQuery)
	same := st.asked && m.question != 0 && m.asksFor(first)
	if c.cfg.Names {
		name := "" // of the question, where it is known already
		if same {
			name = first
		}
		c.dnsHosts(m, asked, name)
	}
	c.dnsFirst(st, m)
	if c.multicast() {
		c.dnsAnswers(m)
		return
	}
	if !st.asked {
		return
	}
	about := same || c.dnsAbout(st, m)
	if (m.id == st.first || about && m.qtype == st.qtype) && !m.endless() && !c.f.app.Has(fieldDNSRcode) {
		c.edit().SetStr(fieldDNSRcode, c.dnsRcodeName(m.rcode))
		if m.flags&0x0200 != 0 {
			c.f.app.SetBool(fieldDNSCut, true)
		}
		c.know()
	}
	if about && m.opcode() == 0 { // of UPDATE they are conditions (RFC 2136 section 2.4)
		c.dnsAnswers(m)
	}
}

// dnsAbout tells whether a message is about the connection's first question, of whatever type.
func (c *call) dnsAbout(st *dnsState, m *dnsMessage) bool {
	if m.question == 0 {
		return m.id == st.first
	}
	name, ok := c.dnsName(c.hash[:0], m.b, m.question)
	c.hash = name
	return ok && sameName(name, c.f.app.Str(fieldDNSQuery))
}

// asksFor tells whether the first question's name lies in the message as it is written, letter by letter. Most do: a name in
// other letters, compressed, or with a backslash (dnsName) may be the same all the same.
func (m *dnsMessage) asksFor(name string) bool {
	if strings.IndexByte(name, '\\') >= 0 {
		return false
	}
	at := m.question
	for len(name) > 0 {
		n := int(m.b[at])
		if n == 0 || n > 63 || n > len(name) || at+1+n >= m.asked {
			return false
		}
		if string(m.b[at+1:at+1+n]) != name[:n] || strings.IndexByte(name[:n], '.') >= 0 {
			return false
		}
		at, name = at+1+n, name[n:]
		if len(name) > 0 {
			if name[0] != '.' || len(name) == 1 {
				return false
			}
			name = name[1:]
		}
	}
	return m.b[at] == 0
}

// sameName compares names as RFC 4343 has it: the case of ASCII letters does not count.
func sameName(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// dnsAnswers adds a message's answers, as far as they were not there.
func (c *call) dnsAnswers(m *dnsMessage) {
	told := c.f.app.List(fieldDNSAnswers)
	var list []string
	if key := c.dnsAddresses(m); key != nil && told == nil {
		place := c.addresses.find(key)
		if !place.known {
			place.set(c.dnsTexts(m, nil))
		}
		list = place.value
	} else {
		list = c.dnsTexts(m, told)
	}
	if len(list) > len(told) {
		c.edit().SetList(fieldDNSAnswers, c.listed(list))
	}
}

// dnsAddresses returns what the answers say where all of them are addresses, as most are; nil where not. Popular names
// have the same ones for many who ask.
func (c *call) dnsAddresses(m *dnsMessage) []byte {
	at, key := m.answers, c.hash[:0]
	for range m.records[1] {
		r, _ := m.record(at)
		n := r.end - r.data
		if r.kind != dnsA && r.kind != dnsAAAA || n != 4 && n != 16 {
			return nil
		}
		key = append(append(key, byte(n)), m.b[r.data:r.end]...)
		at = r.end
	}
	c.hash = key
	if len(key) == 0 {
		return nil
	}
	return key
}

// dnsTexts returns what was told and, behind it, what else the answers say.
func (c *call) dnsTexts(m *dnsMessage, told []string) []string {
	at, list := m.answers, append(c.list[:0], told...) // the one told before is not changed
	for range m.records[1] {
		r, _ := m.record(at)
		at = r.end
		if len(list) >= dnsMaxAnswers {
			break
		}
		if (r.kind == dnsRRSIG || r.kind == dnsNSEC) && r.kind != m.qtype && m.qtype != dnsANY {
			continue // proof of what is beside it
		}
		text, ok := c.dnsData(c.hash[:0], m.b, &r)
		c.hash = text
		if !ok || len(text) == 0 || len(text) > 4*dnsMaxText {
			continue
		}
		if !containsText(list, text) {
			list = append(list, c.text(text))
		}
	}
	if len(list) > len(told) {
		told = slices.Clone(list)
	}
	clear(list)
	c.list = list
	return told
}

func containsText(list []string, text []byte) bool {
	for _, s := range list {
		if s == string(text) {
			return true
		}
	}
	return false
}
