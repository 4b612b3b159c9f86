package dpi

import (
	"bytes"

	"rustnet/track/event"
)

// Phones and messages, and other protocols of a magic number and little else.

var (
	fieldSMPPSystem      = event.AppString("smpp_system_id", "Who binds.")
	fieldSMPPCommand     = event.AppUint("smpp_command", "", "Command id of the first message.")
	fieldSkinnyDevice    = event.AppString("skinny_device", "Name of the phone that registers.")
	fieldGnutellaAgent   = event.AppString("gnutella_agent", "Program of the client.")
	fieldBitcoinCommand  = event.AppString("bitcoin_command", "First message.")
	fieldBitcoinAgent    = event.AppString("bitcoin_agent", "Program of the first end that says it.")
	fieldStratumMethod   = event.AppString("stratum_method", "First method that a miner called.")
	fieldStratumAgent    = event.AppString("stratum_agent", "Program of the miner.")
	fieldLPDQueue        = event.AppString("lpd_queue", "Queue of the printer.")
	fieldManageSieveName = event.AppString("managesieve_server", "What the server says it is.")
	fieldADBSystem       = event.AppString("adb_system", "What the first end says it is: host, or device with its product.")

	smppFields     = []*event.AppField{fieldSMPPSystem, fieldSMPPCommand}
	skinnyFields   = []*event.AppField{fieldSkinnyDevice}
	gnutellaFields = []*event.AppField{fieldGnutellaAgent}
	bitcoinFields  = []*event.AppField{fieldBitcoinCommand, fieldBitcoinAgent}
	stratumFields  = []*event.AppField{fieldStratumMethod, fieldStratumAgent}
	lpdFields      = []*event.AppField{fieldLPDQueue}
	sieveFields    = []*event.AppField{fieldManageSieveName}
	adbFields      = []*event.AppField{fieldADBSystem}

	smppFirst     = bytesIn("\x00", 1, 0)
	gnutellaFirst = bytesIn("G", 1, 0)
	bitcoinFirst  = bytesIn("\xf9\x0b\xfa\x0a\xfb\xc0", 1, 0)
	stratumFirst  = bytesIn("{", 1, 0)
	lpdFirst      = bytesIn("", 0, 5)
	sieveFirst    = bytesIn("\"", 1, 0)
	distccFirst   = bytesIn("D", 1, 0)
	adbFirst      = bytesIn("C", 1, 0)
)

// smppCommand tells the requests of SMPP 3.4 (section 5.1.2.1).
func smppCommand(n uint32) bool {
	switch n {
	case 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x0b, 0x15, 0x21, 0x102, 0x103, 0x111, 0x112, 0x113:
		return true
	}
	return false
}

const answerBit = 1 << 31

// parseSMPP reads messages (SMPP 3.4 section 3.2): length, command, status, number. A bind names its system; the
// password behind that is not shown.
func parseSMPP(c *call) verdict {
	const headerLen, maxLen, nack, receiver, transmitter, transceiver = 16, 16 << 10, answerBit, 1, 2, 9
	v := &c.view[c.side]
	b := v.b
	if len(b) > 1 && b[1] != 0 || len(b) > 4 && b[4]&0x7f != 0 {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n, command, status, number := be32(b), be32(b[4:]), be32(b[8:]), be32(b[12:])
	kind := command &^ answerBit
	if n < headerLen || n > maxLen || command != nack && !smppCommand(kind) || command&answerBit == 0 && status != 0 || status > 0x4ff || number == 0 || number > 1<<31-1 {
		return no
	}
	if len(b) < int(n) && !v.gap {
		return v.unfinished()
	}
	bind := kind == receiver || kind == transmitter || kind == transceiver
	body := b[headerLen:min(len(b), int(n))]
	switch {
	case bind:
		system, rest, ok := zeroText(body)
		if !ok && status == 0 || len(system) > 15 || !printable(system) && len(system) > 0 {
			return no
		}
		if command&answerBit == 0 {
			secret, rest, ok := zeroText(rest)
			if _, _, typed := zeroText(rest); !ok || len(secret) > 16 || !typed {
				return no
			}
		}
		if command&answerBit == 0 {
			c.fact(fieldSMPPSystem, system)
		}
	case n == headerLen: // so little needs a second, or an answer
		answer := c.view[1-c.side].b
		if len(b) >= 2*headerLen && be32(b[headerLen:]) >= headerLen && be32(b[headerLen:]) <= maxLen && smppCommand(be32(b[headerLen+4:])&^answerBit) {
			break
		}
		if len(answer) < headerLen || be32(answer[12:]) != number || be32(answer[4:])^command != answerBit {
			return v.unfinished()
		}
	case kind != 4 && kind != 5 && kind != 0x103: // those that say nothing by themselves
		return no
	}
	c.edit().SetUint(fieldSMPPCommand, uint64(kind))
	if command&answerBit == 0 && kind != 5 {
		c.setClient(c.side)
	}
	return c.finish()
}

// parseSkinny reads a phone's registration (Cisco's SCCP, as Wireshark's dissector shows it): length, version, message, all
// with the low byte first.
func parseSkinny(c *call) verdict {
	const headerLen, register, nameLen, maxLen = 12, 1, 16, 4 << 10
	v := &c.view[c.side]
	b := v.b
	if len(b) > 3 && (b[2] != 0 || b[3] != 0) {
		return no
	}
	if len(b) < headerLen {
		return v.unfinished()
	}
	n := le32(b)
	if n < 4 || n > maxLen || le32(b[4:]) > 0x20 || le32(b[8:]) != register || n < 4+nameLen+16 {
		return no
	}
	if len(b) < headerLen+nameLen {
		return v.unfinished()
	}
	name, _, _ := zeroText(b[headerLen : headerLen+nameLen])
	if len(name) < 6 || !printable(name) {
		return no
	}
	c.setClient(c.side)
	c.fact(fieldSkinnyDevice, name)
	return c.finish()
}

// parseGnutella reads a handshake (Gnutella 0.6): a line like HTTP's and headers.
func parseGnutella(c *call) verdict {
	v := &c.view[c.side]
	request, answer := v.begins("GNUTELLA CONNECT/0."), v.begins("GNUTELLA/0.")
	if request != match && answer != match {
		return max(request, answer)
	}
	head, whole := headSize(v.b)
	if !whole && !v.gap && !v.fin && len(v.b) < 4<<10 {
		return more
	}
	c.edit()
	if request == match {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
		return c.finish()
	}
	for rest := v.b[:head]; len(rest) > 0; {
		line, size := cutLine(rest)
		if size == 0 {
			break
		}
		rest = rest[size:]
		if key, value, ok := bytes.Cut(line, []byte(":")); ok && equalFold(key, "user-agent") {
			c.fact(fieldGnutellaAgent, trimSpace(value))
		}
	}
	return c.finish()
}

// parseBitcoin reads a message (Bitcoin developer reference, P2P network): the magic number of a network, command, length,
// checksum. The first one has the program in it.
func parseBitcoin(c *call) verdict {
	const headerLen, maxLen, agentAt = 24, 4 << 20, 80
	v := &c.view[c.side]
	known := false
	for _, magic := range [...]string{"\xf9\xbe\xb4\xd9", "\x0b\x11\x09\x07", "\xfa\xbf\xb5\xda", "\x0a\x03\xcf\x40", "\xfb\xc0\xb6\xdb", "\xc0\xc0\xc0\xc0"} {
		switch v.begins(magic) {
		case match:
			known = true
		case more:
			return more
		}
	}
	if !known {
		return no
	}
	b := v.b
	if len(b) < headerLen {
		return v.unfinished()
	}
	command, _, _ := zeroText(b[4:16])
	n := le32(b[16:])
	if len(command) < 2 || n > maxLen {
		return no
	}
	for _, ch := range command {
		if ch < 'a' || ch > 'z' {
			if ch < '0' || ch > '9' {
				return no
			}
		}
	}
	if string(command) == "version" {
		if len(b) < headerLen+int(min(n, 512)) && !v.gap && !v.fin {
			return more
		}
		if body := b[headerLen:]; len(body) > agentAt {
			r := cursor{b: body[agentAt:]}
			if agent := r.vector8(); !r.bad {
				c.fact(fieldBitcoinAgent, agent)
			}
		}
	}
	c.setClient(Orig)
	c.fact(fieldBitcoinCommand, command)
	return c.finish()
}

// parseStratum reads a miner's first call, JSON in a line. Who mines, and the password, are among the parameters, which are not shown.
func parseStratum(c *call) verdict {
	v := &c.view[c.side]
	line, whole := firstLine(v)
	if line == nil {
		return no
	}
	method := jsonString(line, `"method"`)
	switch {
	case bytes.HasPrefix(method, []byte("mining.")), oneOf(method, "eth_submitlogin eth_getwork eth_submitwork eth_submithashrate"),
		oneOf(method, "login submit keepalived") && bytes.Contains(line, []byte(`"params"`)) && bytes.Contains(line, []byte(`"id"`)):
	case whole:
		return no
	default:
		return v.unfinished()
	}
	if !whole {
		return v.unfinished()
	}
	c.setClient(c.side)
	c.fact(fieldStratumMethod, method)
	if string(method) == "mining.subscribe" {
		_, params, _ := bytes.Cut(line, []byte(`"params"`))
		if _, list, ok := bytes.Cut(params, []byte(`["`)); ok {
			agent, _, _ := bytes.Cut(list, []byte(`"`))
			c.fact(fieldStratumAgent, agent)
		}
	} else if agent := jsonString(line, `"agent"`); agent != nil {
		c.fact(fieldStratumAgent, agent)
	}
	return c.finish()
}

// parseLPD reads a command for a printer's queue (RFC 1179 section 5) and the answer to one that sends a job: a zero.
func parseLPD(c *call) verdict {
	const receive, maxName = 2, 64
	v, other := &c.view[Orig], &c.view[Resp]
	b := v.b
	if !v.whole || len(b) > 512 || len(other.b) > 8 || len(b) > 0 && (b[0] == 0 || b[0] > 5) || len(other.b) > 0 && other.b[0] != 0 && (len(b) == 0 || b[0] == receive) {
		return no
	}
	if len(b) == 0 {
		return v.unfinished()
	}
	line, size := cutLine(b)
	if size == 0 {
		if len(b) > 1 && !printable(b[1:]) || len(b) > maxName {
			return no
		}
		return v.unfinished()
	}
	queue := firstWord(line[1:])
	if len(queue) == 0 || len(queue) > maxName || !textLine(line[1:]) || size < len(b) && (b[size] == 0 || b[size] > 3) {
		return no
	}
	// The job's own commands begin once the printer says yes.
	if line[0] == receive && len(other.b) > 0 && other.b[0] == 0 && (size < len(b) && b[size] <= 3 || c.hasPort(515)) ||
		line[0] != receive && c.hasPort(515) && (line[0] == 3 || line[0] == 4) {
		c.setClient(Orig)
		c.fact(fieldLPDQueue, queue)
		return c.finish()
	}
	return v.unfinished()
}

// managesieve is ManageSieve with STARTTLS (RFC 5804): the server greets with its capabilities.
var managesieve = dialogue{server: sieveServerLike, client: func([]byte) likeness { return unlike }, fromServer: sieveServer, fromClient: sieveClient}

func parseManageSieve(c *call) verdict { return managesieve.run(c) }

func sieveServerLike(line []byte) likeness {
	if bytes.HasPrefix(line, []byte(`"IMPLEMENTATION" "`)) || bytes.HasPrefix(line, []byte(`"SIEVE" "`)) {
		return sure
	}
	return unlike
}

func sieveServer(c *call, st *dialogueState, line []byte) step {
	switch {
	case bytes.HasPrefix(line, []byte(`"IMPLEMENTATION" "`)):
		name, _, _ := bytes.Cut(line[len(`"IMPLEMENTATION" "`):], []byte(`"`))
		c.setOnce(fieldManageSieveName, name)
	case st.secure && len(line) >= 2 && equalFold(line[:2], "ok"):
		return secured
	case st.secure && len(line) >= 2 && equalFold(line[:2], "no"):
		st.secure = false
	}
	return goOn
}

func sieveClient(_ *call, st *dialogueState, line []byte) step {
	switch word := firstWord(line); {
	case equalFold(word, "starttls"):
		st.secure = true
	case equalFold(word, "authenticate"): // nothing of what follows is kept
		return stop
	case equalFold(word, "logout"):
		return stop
	}
	return goOn
}

// parseDistcc reads the first token of a job or its answer (distcc's protocol-1.txt).
func parseDistcc(c *call) verdict {
	v := &c.view[c.side]
	request, answer := v.begins("DIST0000000"), v.begins("DONE0000000")
	if request != match && answer != match {
		return max(request, answer)
	}
	if len(v.b) < 16 {
		return v.unfinished()
	}
	if b := v.b[11]; b < '1' || b > '3' {
		return no
	}
	if request == match {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	return c.finish()
}

// parseADB reads the first message (Android's protocol.txt): command, version, size, length, checksum, the command inverted.
func parseADB(c *call) verdict {
	const headerLen = 24
	v := &c.view[c.side]
	if got := v.begins("CNXN"); got != match {
		return got
	}
	if len(v.b) < headerLen {
		return v.unfinished()
	}
	b := v.b
	n := le32(b[12:])
	if le32(b) != ^le32(b[20:]) || n > 4<<10 {
		return no
	}
	if len(b) < headerLen+int(n) && !v.gap && !v.fin {
		return more
	}
	if len(b) >= headerLen+int(n) {
		system, _, _ := zeroText(b[headerLen : headerLen+int(n)])
		c.fact(fieldADBSystem, firstSystem(system))
	}
	return c.finish()
}

// firstSystem leaves out the features behind the kind, serial number and product.
func firstSystem(b []byte) []byte {
	if i := bytes.Index(b, []byte("features=")); i >= 0 {
		b = bytes.TrimRight(b[:i], ";:")
	}
	return b
}
