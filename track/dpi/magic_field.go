package dpi

import (
	"bytes"
	"hash/crc32"
)

// The signs of what runs in plants, in meters, in vehicles and at home.

var fieldStreamSigns = []sign{
	{app: "c1222", begins: "\x60", is: c1222},                               // ANSI C12.22, meters
	{app: "dlms", begins: "\x60", is: dlmsAssociate},                        // IEC 62056-5-3, meters; an association that is asked for
	{app: "dlms", begins: "\x00\x01\x00", is: dlmsWrapped},                  // the same in the wrapper of IEC 62056-4-7
	{app: "dlms", begins: "\x7e\xa0", is: dlmsHDLC},                         // and in the frames of IEC 62056-46
	{app: "iec62056-21", begins: "/?", from: client, is: iec62056Request},   // meters, their optical port behind a converter
	{app: "iec62056-21", begins: "/", from: server, is: iec62056Telegram},   // and what a P1 port says on its own
	{app: "melsec", begins: "P\x00\x00\xff\xff\x03\x00", from: client},      // SLMP, 3E frame to the station itself
	{app: "melsec", begins: "\xd0\x00\x00\xff\xff\x03\x00", from: server},   // its answer
	{app: "melsec", begins: "T\x00", from: client, is: melsec4E},            // 4E frame, which has a serial number
	{app: "melsec", begins: "\xd4\x00", from: server, is: melsec4E},         // its answer
	{app: "codesys", begins: "\x00\x01\x17\xe8", is: codesys},               // CODESYS V3, its blocks over TCP
	{app: "focas", begins: "\xa0\xa0\xa0\xa0\x00", is: focas},               // controls of machine tools by FANUC
	{app: "niagara-fox", begins: "fox a ", is: niagaraFox},                  // Niagara Fox, buildings
	{app: "atg", begins: "\x01", from: client, is: atg},                     // Veeder-Root TLS-350, what is in a fuel station's tanks
	{app: "lnet", begins: "\x00\x71\xce\xac\x01\x00\x00\x00", from: client}, // Lustre's network, the request of a connection
	{app: "lnet", begins: "cirE", is: lnetHello},                            // its greeting, both ends
	{app: "mavlink", begins: "\xfd", is: mavlink2},                          // MAVLink 2, drones
	{app: "mavlink", begins: "\xfe\x09", is: mavlink1},                      // MAVLink 1
	{app: "beast", begins: "\x1a", from: server, is: beast},                 // aircraft, as a receiver of Mode S hands them on
	{app: "sbs", begins: "MSG,", from: server, is: sbs},                     // the same as text, BaseStation's
	{app: "trdp", begins: "\x00", is: trdp},                                 // IEC 61375-2-3, trains: message data
	{app: "hdhomerun", begins: "\x00\x04", from: client, is: hdhomerun},     // tuners, a setting
	{app: "hdhomerun", begins: "\x00\x05", from: server, is: hdhomerun},     // its answer
	{app: "eiscp", begins: "ISCP\x00\x00\x00\x10"},                          // receivers by Onkyo
	{app: "pdl-datastream", begins: "\x1b%-12345X", from: client},           // what printers take at port 9100: the sequence that ends a language
	{app: "pjlink", begins: "PJLINK 0\r", from: server},                     // projectors; no password
	{app: "pjlink", begins: "PJLINK 1 ", from: server, is: pjlink},          // with one
	{app: "slimproto", begins: "HELO\x00\x00", from: client, is: slimproto}, // Squeezebox players
	{app: "snapcast", begins: "\x05\x00", from: client, is: snapcast},       // Snapcast, a hello
	{app: "snapcast", begins: "\x03\x00", from: server, is: snapcast},       // its answer
	{app: "routeros", begins: "\x06/login", from: client},                   // the interface of MikroTik's system for programs
	{app: "kdeconnect", begins: "{", is: kdeconnect},                        // an end announces itself, before TLS
	{app: "openrgb", begins: "ORGB", from: client, is: openRGB},             // OpenRGB, lights of a computer
	{app: "xiaomi", begins: "\xc2\xfe\x00\x05\x00", is: xiaomi},             // Xiaomi's push messages
	{app: "aprs-is", begins: "# aprsc ", from: server},                      // radio amateurs' network, its servers' greetings
	{app: "aprs-is", begins: "# javAPRSSrvr ", from: server},
	{app: "aprs-is", begins: "user ", from: client, is: aprsLogin}, // and a client of theirs
	{app: "ntrip", begins: "SOURCETABLE 200 OK\r\n", from: server}, // corrections of satellite positions; the list, when only that is seen
}

var fieldSigns = []sign{
	{app: "artnet", begins: "Art-Net\x00", is: artnet},                    // Art-Net 4, lights on a stage
	{app: "acn", begins: "\x00\x10\x00\x00ASC-E1.17\x00\x00\x00"},         // ANSI E1.17 over UDP, streaming ACN (E1.31) among it
	{app: "matter", begins: "\x04\x00\x00\x00", from: client, is: matter}, // Matter, the start of a session
	{app: "matter", begins: "\x01\x00\x00\x00", from: server, is: matter}, // its answer
	{app: "c1222", begins: "\x60", is: c1222},
	{app: "dlms", begins: "\x00\x01\x00", is: dlmsWrapped},
	{app: "melsec", begins: "P\x00\x00\xff\xff\x03\x00", from: client, is: melsec3E},
	{app: "melsec", begins: "\xd0\x00\x00\xff\xff\x03\x00", from: server, is: melsec3E},
	{app: "cipio", begins: "\x02\x00\x02\x80\x08\x00", is: cipIO},       // EtherNet/IP, implicit messages
	{app: "cnip", begins: "\x00", is: cnip},                             // EN 14908-4, LonWorks over IP
	{app: "egd", begins: "\x0d\x01", is: egd},                           // Ethernet Global Data, controllers by GE
	{app: "esio", begins: "ESIO\x00", is: esio},                         // Ether-S-I/O, stations by Saia
	{app: "sbus", begins: "\x00\x00", is: sbus},                         // S-Bus over Ethernet, controllers by Saia
	{app: "trdp", begins: "\x00", is: trdp},                             // process data and message data
	{app: "caneth", begins: "ISO11898"},                                 // CAN over Ethernet
	{app: "gvcp", begins: "\x42", from: client, is: gvcp},               // GigE Vision, control of cameras
	{app: "gvcp", begins: "\x00\x00\x00", from: server, is: gvcpAnswer}, // its answers
	{app: "dis", begins: "\x05", is: dis},                               // IEEE 1278, simulations: versions of 1995,
	{app: "dis", begins: "\x06", is: dis},                               // 1998,
	{app: "dis", begins: "\x07", is: dis},                               // and 2012
	{app: "mavlink", begins: "\xfd", is: mavlink2},
	{app: "mavlink", begins: "\xfe\x09", is: mavlink1},
	{app: "gwmp", begins: "\x02", is: gwmp},                             // Semtech's packet forwarder, gateways of LoRaWAN
	{app: "mqttsn", first: mqttsnSizes, from: client, is: mqttsn},       // MQTT-SN 1.2, its CONNECT
	{app: "miio", begins: "\x21\x31", is: miio},                         // Xiaomi's things at home
	{app: "broadlink", begins: "\x5a\xa5\xaa\x55\x5a\xa5\xaa\x55"},      // Broadlink's remote controls
	{app: "ubdp", begins: "\x01\x00", is: ubdp},                         // Ubiquiti's discovery, version 1
	{app: "ubdp", begins: "\x02\x06", is: ubdp},                         // and 2, what a device says
	{app: "dhip", begins: "\x20\x00\x00\x00DHIP"},                       // Dahua's cameras, their search
	{app: "sadp", begins: "<?xml", is: sadp},                            // Hikvision's cameras, their search
	{app: "hdhomerun", begins: "\x00\x02", from: client, is: hdhomerun}, // the search
	{app: "hdhomerun", begins: "\x00\x03", from: server, is: hdhomerun}, // its answer
	{app: "eiscp", begins: "ISCP\x00\x00\x00\x10"},
	{app: "hf-a11", begins: "HF-A11ASSISTHREAD", from: client},        // the search for modules by Hi-Flying, as in lamps of many names
	{app: "kinet", begins: "\x04\x01\xdc\x4a\x01\x00"},                // lamps by Color Kinetics
	{app: "jellyfin", begins: "Who is JellyfinServer?", from: client}, // media servers, the search
	{app: "jellyfin", begins: "who is JellyfinServer?", from: client},
	{app: "emby", begins: "who is EmbyServer?", from: client},
	{app: "kdeconnect", begins: "{", is: kdeconnect}, // KDE Connect, an end announces itself
	{app: "govee", begins: `{"msg":{"cmd":"`},        // Govee's lamps
	{app: "wiz", begins: `{"`, is: wiz},              // WiZ's lamps
	{app: "localsend", begins: "{", is: localsend},   // LocalSend, an end announces itself
}

// matter holds that a message of no session yet is the first that sets one up, or its answer (as matter.js says it):
// what either says begins with a number by chance, or one that it resumes.
func matter(c *call) verdict {
	const head, initiator, acknowledges, reliable, openPASE, openCASE, resume = 16, 1, 2, 4, 0x20, 0x30, 0x33
	b := c.view[c.side].b
	if len(b) < head+10 {
		return no
	}
	b = b[head:]
	flags, code := b[0], b[1]
	first := flags&initiator != 0
	if flags&^(initiator|acknowledges|reliable) != 0 || b[4] != 0 || b[5] != 0 || first && code != openPASE && code != openCASE ||
		!first && code != openPASE+1 && code != openCASE+1 && code != resume {
		return no
	}
	if b = b[6:]; flags&acknowledges != 0 {
		b = b[4:]
	}
	if len(b) < 4 || string(b[:3]) != "\x15\x30\x01" || b[3] != 32 && (b[3] != 16 || code != resume) {
		return no
	}
	return match
}

// c1222 holds that a message of ACSE is made of the elements that ANSI C12.22 (RFC 6142) has, in their order, and ends with the
// user's information, in an EXTERNAL.
func c1222(c *call) verdict {
	const external, callerInvocation = 0x28, 8
	v := &c.view[c.side]
	head, size, ok := berHead(v.b)
	if !ok || head > 0 && size > 64<<10 || !c.f.tcp && !v.exactly(size) {
		return no
	}
	if head == 0 || len(v.b) < size {
		if head > 0 && len(v.b) > head && v.b[head]&^0x07 != 0xa0 { // its first element
			return no
		}
		return v.unfinished()
	}
	r := cursor{b: v.b[head:size]}
	last, caller := byte(0), false
	for len(r.b) > 0 {
		tag, body := r.element()
		n := tag & 0x1f
		if r.bad || n <= last || tag&0xc0 != 0x80 || len(body) == 0 {
			return no
		}
		last, caller = n, caller || n == callerInvocation
		if n == 30 {
			if !caller || body[0] != external || len(r.b) > 0 {
				return no
			}
			return match
		}
	}
	return no
}

// dlmsContext is the element of an association that names what COSEM speaks; behind it is the number of the context.
const dlmsContext = "\xa1\x09\x06\x07\x60\x85\x74\x05\x08\x01"

// dlmsAssociation tells whether an association is that of DLMS (IEC 62056-5-3, AARQ and AARE), at the start of b.
func dlmsAssociation(b []byte) bool {
	if len(b) < 2+len(dlmsContext) || b[0]&^1 != 0x60 || b[1] >= 0x80 {
		return false
	}
	b = b[2:]
	if b[0] == 0x80 && len(b) > 4 { // the version of the protocol
		b = b[2+min(int(b[1]), 2):]
	}
	return bytes.HasPrefix(b, []byte(dlmsContext))
}

func dlmsAssociate(c *call) verdict {
	v := &c.view[c.side]
	if len(v.b) < 2+4+len(dlmsContext) {
		return v.unfinished()
	}
	if !dlmsAssociation(v.b) {
		return no
	}
	c.setClient(c.side)
	return match
}

func dlmsWrapped(c *call) verdict {
	const head, request = 8, 0x60
	v := &c.view[c.side]
	if len(v.b) < head+1 {
		return v.unfinished()
	}
	n := int(be16(v.b[6:]))
	if v.b[4] != 0 || v.b[head]&^1 != request || n < 0x1d || !c.f.tcp && !v.exactly(head+n) {
		return no
	}
	if len(v.b) < head+2+4+len(dlmsContext) {
		return v.unfinished()
	}
	if !dlmsAssociation(v.b[head:]) || int(v.b[head+1]) != n-2 {
		return no
	}
	c.setClient(c.side ^ sideIf(v.b[head] != request))
	return match
}

// dlmsHDLC holds that there is a frame that asks for a connection or grants it, and that its checksum (X.25's) is right.
func dlmsHDLC(c *call) verdict {
	const flag, snrm, ua = 0x7e, 0x93, 0x73
	v := &c.view[c.side]
	if len(v.b) < 3 {
		return v.unfinished()
	}
	n := int(v.b[2])
	if n < 7 {
		return no
	}
	if len(v.b) < n+2 {
		return v.unfinished()
	}
	b := v.b[1 : n+1]
	at := 2 // behind two addresses, whose last bytes are odd
	for range 2 {
		for end := at + 4; at < end && at < n-3 && b[at]&1 == 0; at++ {
		}
		at++
	}
	if v.b[n+1] != flag || at > n-3 || b[at] != snrm && b[at] != ua || crcX25(b) != 0xf0b8 {
		return no
	}
	c.setClient(c.side ^ sideIf(b[at] == ua))
	return match
}

// crcX25 is the remainder of bytes of which the last two are their checksum; it is always the same when that is right.
func crcX25(b []byte) uint16 {
	sum := uint16(0xffff)
	for _, d := range b {
		sum = crcCCITT(sum, d)
	}
	return sum
}

// crcCCITT adds a byte to a checksum that goes from the lowest bit on, as X.25 and MAVLink have it.
func crcCCITT(sum uint16, d byte) uint16 {
	d ^= byte(sum)
	d ^= d << 4
	return sum>>8 ^ uint16(d)<<8 ^ uint16(d)<<3 ^ uint16(d>>4)
}

// iec62056Request holds that there is nothing but an address between the question and its end (IEC 62056-21).
func iec62056Request(c *call) verdict {
	const maxAddress = 32
	v := &c.view[c.side]
	for i, d := range v.b[2:] {
		switch {
		case d == '!':
			if rest := v.b[2+i:]; len(rest) < 3 && string(rest) == "!\r\n"[:len(rest)] {
				return v.unfinished()
			} else if len(rest) == 3 && string(rest) == "!\r\n" {
				return match
			}
			return no
		case i >= maxAddress || !digit(d) && (d|0x20 < 'a' || d|0x20 > 'z') && d != ' ':
			return no
		}
	}
	return v.unfinished()
}

// iec62056Telegram holds that a line that says who made the meter has an empty one behind it, and then a value with its code (DSMR P1).
func iec62056Telegram(c *call) verdict {
	const maxName = 40
	v := &c.view[c.side]
	for i := 1; i < min(len(v.b), 5); i++ {
		if d := v.b[i]; i < 4 && (d|0x20 < 'a' || d|0x20 > 'z') || i == 4 && !digit(d) {
			return no
		}
	}
	end := bytes.IndexByte(v.b[:min(len(v.b), maxName)], '\r')
	switch {
	case end < 0 && len(v.b) < maxName:
		return v.unfinished()
	case end < 5 || !oneLine(v.b[:end]):
		return no
	}
	rest := v.b[end:]
	for i := range min(len(rest), 10) {
		if d := rest[i]; i < 4 && d != "\r\n\r\n"[i] || (i == 4 || i == 6 || i == 8) && !digit(d) || i == 5 && d != '-' || i == 7 && d != ':' {
			return no
		}
	}
	if len(rest) < 9 {
		return v.unfinished()
	}
	return match
}

// melsec3E holds that the frame is as long as it says (as pymcprotocol 0.3 says it).
func melsec3E(c *call) verdict {
	const head = 9
	v := &c.view[c.side]
	if len(v.b) < head || !v.exactly(head+le16(v.b[7:])) {
		return no
	}
	return match
}

func melsec4E(c *call) verdict {
	const station = "\x00\x00\x00\xff\xff\x03\x00" // behind the serial number
	v := &c.view[c.side]
	if len(v.b) < 4+len(station) {
		return v.unfinished()
	}
	if string(v.b[4:4+len(station)]) != station {
		return no
	}
	return match
}

// codesys holds that a length stands behind the mark.
func codesys(c *call) verdict {
	v := &c.view[c.side]
	if len(v.b) < 8 {
		return v.unfinished()
	}
	if n := le32(v.b[4:]); n < 8 || n > 64<<10 {
		return no
	}
	return match
}

// focas holds that there are a version and a kind of message, as in https://github.com/diohpix/pyfanuc.
func focas(c *call) verdict {
	v := &c.view[c.side]
	if len(v.b) < 10 {
		return v.unfinished()
	}
	kind := be16(v.b[6:])
	switch kind {
	case 0x0101, 0x0201, 0x2101:
		c.setClient(c.side)
	case 0x0102, 0x0202, 0x2102, 0x2103:
		c.setClient(1 - c.side)
	default:
		return no
	}
	return match
}

// niagaraFox holds that the line is the greeting.
func niagaraFox(c *call) verdict {
	const maxLine = 40
	v := &c.view[c.side]
	line, size := cutLine(v.b)
	switch {
	case size == 0 && len(v.b) < maxLine:
		return v.unfinished()
	case size == 0 || !bytes.HasSuffix(line, []byte(" fox hello")):
		return no
	}
	return match
}

// atg holds that there is a function of the console's, on its port (TLS-350 serial interface): a letter and five digits.
func atg(c *call) verdict {
	const port = 10001
	v := &c.view[c.side]
	if !c.hasPort(port) {
		return no
	}
	for i := 1; i < min(len(v.b), 7); i++ {
		d := v.b[i]
		if letter := d | 0x20; i == 1 && letter != 'i' && letter != 's' || i > 1 && !digit(d) {
			return no
		}
	}
	if len(v.b) < 7 {
		return v.unfinished()
	}
	return match
}

// lnetHello holds that a version stands behind the mark, in the same order of bytes.
func lnetHello(c *call) verdict {
	v := &c.view[c.side]
	if len(v.b) < 8 {
		return v.unfinished()
	}
	if n := le32(v.b[4:]); n < 2 || n > 4 {
		return no
	}
	return match
}

// mavlinkExtra is what the checksum of a heartbeat has in it of its layout (https://mavlink.io/en/guide/serialization.html).
const mavlinkExtra = 50

// mavlink2 holds that the checksum is right. What a message adds to it of its layout, one byte, is only known of the heartbeat.
func mavlink2(c *call) verdict {
	const head = 10
	v := &c.view[c.side]
	if len(v.b) < head {
		return v.unfinished()
	}
	n, kind := int(v.b[1]), le24(v.b[7:])
	if v.b[2]&^1 != 0 || v.b[3] != 0 || kind >= 1<<16 || kind == 0 && n > 9 || c.f.tcp && kind != 0 {
		return no
	}
	if len(v.b) < head+n+2 {
		return v.unfinished()
	}
	signature := 13 * int(v.b[2])
	if !c.f.tcp && len(v.b) > head+n+2+signature && v.b[head+n+2+signature] != 0xfd { // another message
		return no
	}
	return mavlinkSum(v.b[1:head+n], le16(v.b[head+n:]), kind)
}

// mavlink1 is of the heartbeat alone, which every system sends once a second.
func mavlink1(c *call) verdict {
	const head, heartbeat, n = 6, 0, 9
	v := &c.view[c.side]
	if len(v.b) < head+n+2 {
		return v.unfinished()
	}
	if v.b[5] != heartbeat {
		return no
	}
	return mavlinkSum(v.b[1:head+n], le16(v.b[head+n:]), heartbeat)
}

func mavlinkSum(b []byte, want, kind int) verdict {
	sum := uint16(0xffff)
	for _, d := range b {
		sum = crcCCITT(sum, d)
	}
	if kind == 0 {
		if int(crcCCITT(sum, mavlinkExtra)) != want {
			return no
		}
		return match
	}
	for extra := range 256 {
		if int(crcCCITT(sum, byte(extra))) == want {
			return match
		}
	}
	return no
}

// beast holds that there are three messages behind each other (https://wiki.jetvision.de/wiki/Mode-S_Beast:Data_Output_Formats). A mark
// inside of one is doubled.
func beast(c *call) verdict {
	const mark, times = 0x1a, 3
	v := &c.view[c.side]
	b := v.b
	for range times {
		if len(b) < 2 {
			return v.unfinished()
		}
		n := 7 // time and signal
		switch b[1] {
		case '1':
			n += 2
		case '2':
			n += 7
		case '3':
			n += 14
		default:
			return no
		}
		if b[0] != mark {
			return no
		}
		for b = b[2:]; n > 0; n-- {
			if len(b) == 0 || b[0] == mark && len(b) == 1 {
				return v.unfinished()
			}
			if b[0] == mark {
				if b[1] != mark {
					return no
				}
				b = b[1:]
			}
			b = b[1:]
		}
	}
	return match
}

// sbs holds that the line has the fields of a message about an aircraft, which are mostly empty (http://woodair.net/sbs/article/barebones42_socket_data.htm).
func sbs(c *call) verdict {
	const maxLine, commas = 255, 21
	v := &c.view[c.side]
	line, size := cutLine(v.b)
	switch {
	case len(v.b) > 4 && (v.b[4] < '1' || v.b[4] > '8'), len(v.b) > 5 && v.b[5] != ',':
		return no
	case size == 0 && len(v.b) < maxLine:
		return v.unfinished()
	case size == 0 || !oneLine(line) || bytes.Count(line, []byte(",")) != commas:
		return no
	}
	return match
}

// trdp holds that the header has a version, a kind and the right checksum (IEC 61375-2-3 annex A).
func trdp(c *call) verdict {
	const processHead, messageHead, sum = 40, 116, 4
	v := &c.view[c.side]
	if len(v.b) < 8 {
		return v.unfinished()
	}
	head := processHead
	switch string(v.b[6:8]) {
	case "Pd", "Pr", "Pp", "Pe":
	case "Mn", "Mr", "Mp", "Mq", "Mc", "Me":
		head = messageHead
	default:
		return no
	}
	if v.b[4] != 1 || c.f.tcp && head == processHead {
		return no
	}
	if len(v.b) < head {
		return v.unfinished()
	}
	if crc32.ChecksumIEEE(v.b[:head-sum]) != le32(v.b[head-sum:]) {
		return no
	}
	switch v.b[7] {
	case 'r', 'n', 'c': // who asks, tells or confirms
		c.setClient(c.side)
	case 'p', 'q':
		if head == messageHead {
			c.setClient(1 - c.side)
		}
	}
	return match
}

// hdhomerun holds that the packet is as long as it says, and the checksum is right (libhdhomerun, hdhomerun_pkt.h).
func hdhomerun(c *call) verdict {
	const head, sum = 4, 4
	v := &c.view[c.side]
	if len(v.b) < head {
		return v.unfinished()
	}
	n := head + int(be16(v.b[2:]))
	if n > 4<<10 || !c.f.tcp && !v.exactly(n+sum) {
		return no
	}
	if len(v.b) < n+sum {
		return v.unfinished()
	}
	if crc32.ChecksumIEEE(v.b[:n]) != le32(v.b[n:]) {
		return no
	}
	return match
}

// pjlink holds that eight digits and a line's end stand behind the greeting (PJLink class 1).
func pjlink(c *call) verdict {
	const at, n = 9, 8
	v := &c.view[c.side]
	for i := at; i < min(len(v.b), at+n+1); i++ {
		if d := v.b[i]; i < at+n && !isHexDigit(d) || i == at+n && d != '\r' {
			return no
		}
	}
	if len(v.b) < at+n+1 {
		return v.unfinished()
	}
	return match
}

// slimproto holds that the greeting has the length and the kind of a player (https://lyrion.org/reference/slimproto-protocol/).
func slimproto(c *call) verdict {
	v := &c.view[c.side]
	if len(v.b) < 10 {
		return v.unfinished()
	}
	if be32(v.b[4:]) < 10 || v.b[8] < 2 || v.b[8] > 32 {
		return no
	}
	return match
}

// snapcast holds that the payload is text in JSON, of which the header and its own length say how long it is (Snapcast, binary protocol).
func snapcast(c *call) verdict {
	const payload = 26
	v := &c.view[c.side]
	if len(v.b) < payload+6 {
		return v.unfinished()
	}
	n := le32(v.b[payload:])
	if le32(v.b[10:]) >= 1e6 || le32(v.b[18:]) >= 1e6 || n < 2 || n > 64<<10 || le32(v.b[22:]) != n+4 || string(v.b[payload+4:payload+6]) != "{\"" {
		return no
	}
	return match
}

// aprsLogin holds that there are a call sign and a pass code, a number (http://www.aprs-is.net/Connecting.aspx).
func aprsLogin(c *call) verdict {
	line, got := c.view[c.side].wholeLine(128)
	if got != match {
		return got
	}
	name, rest := cutWord(line[len("user "):])
	word, rest := cutWord(rest)
	code, _ := cutWord(rest)
	if code = bytes.TrimPrefix(code, []byte("-")); len(name) == 0 || string(word) != "pass" || len(code) == 0 || !digits(code, 5) {
		return no
	}
	return match
}

// openRGB holds that a client asks for the version, or says its name (OpenRGB SDK).
func openRGB(c *call) verdict {
	const version, name = 40, 50
	v := &c.view[c.side]
	if len(v.b) < 16 {
		return v.unfinished()
	}
	kind, n := le32(v.b[8:]), le32(v.b[12:])
	if le32(v.b[4:]) != 0 || kind != version && kind != name || n > 1<<10 {
		return no
	}
	return match
}

// xiaomi holds that a length stands behind the mark and then what all first messages have.
func xiaomi(c *call) verdict {
	v := &c.view[c.side]
	if len(v.b) < 12 {
		return v.unfinished()
	}
	if be32(v.b[8:]) != 0x00020016 {
		return no
	}
	return match
}

// cipIO holds that there are two items as long as the datagram, the address of a connection with its number and data for it (CIP volume 2).
func cipIO(c *call) verdict {
	const data, head = 0xb1, 18
	v := &c.view[c.side]
	if len(v.b) < head || le16(v.b[14:]) != data || !v.exactly(head+le16(v.b[16:])) {
		return no
	}
	return match
}

// cnip holds that the packet is as long as it says, of the version there is, on its ports (EN 14908-4).
func cnip(c *call) verdict {
	const port, head = 1628, 20
	v := &c.view[c.side]
	b := v.b
	if len(b) < head || b[2] != 1 || b[3] != 1 && b[3]&0xf0 != 0x60 && b[3]&0xf0 != 0x70 || b[4] != 0 || !v.exactly(int(be16(b))) || !c.hasPort(port) && !c.hasPort(port+1) {
		return no
	}
	return match
}

// egd holds that what says how a production went is in its bounds, and what is reserved is zero, on its port (GE, EGD).
func egd(c *call) verdict {
	const port, head, statuses = 18246, 32, 31
	b := c.view[c.side].b
	if len(b) < head || !c.hasPort(port) || le32(b[16:]) >= 1e9 || le32(b[20:]) >= statuses || le32(b[28:]) != 0 {
		return no
	}
	return match
}

// esio holds that there is a kind of telegram: transfer, data or acknowledgement.
func esio(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 20 || b[5] > 2 || b[6] != 0 {
		return no
	}
	return match
}

// sbus holds that the telegram is as long as it says and its checksum right, at its port (Saia PCD).
func sbus(c *call) verdict {
	const port, least = 5050, 12
	v := &c.view[c.side]
	b := v.b
	if !c.hasPort(port) || len(b) < least || b[4] > 1 || b[5] != 0 || b[8] > 2 || be32(b) != uint32(len(b)) || v.gap {
		return no
	}
	if crc16(0, b) != 0 {
		return no
	}
	if b[8] == 0 {
		c.setClient(c.side)
	} else {
		c.setClient(1 - c.side)
	}
	return match
}

const gvcpPort = 3956

// gvcp holds that there is a command there is, as long as the datagram, with a number that is not zero (GigE Vision 2.0).
func gvcp(c *call) verdict {
	const head = 8
	v := &c.view[c.side]
	b := v.b
	if len(b) < head || !c.hasPort(gvcpPort) || b[1]&0x0e != 0 || !gvcpCommand(be16(b[2:])) || !v.exactly(head+int(be16(b[4:]))) || be16(b[6:]) == 0 {
		return no
	}
	return match
}

func gvcpAnswer(c *call) verdict {
	const head = 8
	v := &c.view[c.side]
	b := v.b
	if len(b) < head || !c.hasPort(gvcpPort) || b[3]&1 == 0 || !gvcpCommand(be16(b[2:])-1) || !v.exactly(head+int(be16(b[4:]))) {
		return no
	}
	return match
}

// gvcpCommand tells whether there is a command of that number; its answer has the next one.
func gvcpCommand(n uint16) bool {
	switch n {
	case 0x0002, 0x0004, 0x0040, 0x0080, 0x0082, 0x0084, 0x0086, 0x00c0, 0x00c2:
		return true
	}
	return false
}

// disFamily has the family of each kind of PDU, from the first (IEEE 1278.1-2012, as opendis has it).
const disFamily = "\x01\x02\x02\x01\x03\x03\x03\x03\x03\x03\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05\x06\x06" +
	"\x04\x04\x04\x06\x06\x06\x04\x04\x07\x07\x07\x07\x08\x08\x08\x08\x09\x09\x09\x09\x09\x0b\x0b\x0b" +
	"\x0b\x0b\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x0a\x01\x01\x02\x02\x0d\x0d\x01"

// dis holds that kind and family go together, the length is the datagram's, and the padding zero.
func dis(c *call) verdict {
	const head, padding = 12, 11
	v := &c.view[c.side]
	b := v.b
	if len(b) < head || b[2] == 0 || int(b[2]) > len(disFamily) || b[3] != disFamily[b[2]-1] || b[padding] != 0 || !v.exactly(int(be16(b[8:]))) {
		return no
	}
	if b[0] < 7 && b[padding-1] != 0 { // since 2012 a status
		return no
	}
	return match
}

// gwmp holds that what a gateway received, or has to send, is text in JSON that begins as Semtech's PROTOCOL.TXT has it. A gateway asks for what it has
// to send on a socket of its own: there the answer has the question's number.
func gwmp(c *call) verdict {
	const pushData, pullData, pullResponse, pullAnswer, eui, head = 0, 2, 3, 4, 8, 4
	v := &c.view[c.side]
	b := v.b
	if len(b) < head {
		return no
	}
	number := uint64(be16(b[1:]))
	switch rest := b[head:]; {
	case b[3] == pushData && len(rest) > eui:
		if rest = rest[eui:]; !bytes.HasPrefix(rest, []byte(`{"rxpk":`)) && !bytes.HasPrefix(rest, []byte(`{"stat":`)) {
			return no
		}
		c.setClient(c.side)
	case b[3] == pullResponse && bytes.HasPrefix(rest, []byte(`{"txpk":`)):
		c.setClient(1 - c.side)
	case b[3] == pullData && v.exactly(head+eui):
		c.leave(trailGWMP, number, 0)
		return more
	case b[3] == pullAnswer && v.exactly(head):
		if asked, _, ok := c.trail(trailGWMP, 1-c.side); !ok || asked != number {
			return no
		}
		c.setClient(1 - c.side)
	default:
		return no
	}
	return match
}

// mqttsnSizes are the lengths that a CONNECT can have, with a name of 1 to 23 bytes.
const mqttsnSizes = "\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d"

// mqttsn holds that the message asks for a connection, as long as the datagram, by a client with a name, on one of the usual ports (MQTT-SN 1.2, section 5.4.4).
func mqttsn(c *call) verdict {
	const connect, protocol, known = 4, 1, 0x0c
	v := &c.view[c.side]
	b := v.b
	if len(b) < 7 || !v.exactly(int(b[0])) || b[1] != connect || b[2]&^known != 0 || b[3] != protocol || !oneLine(b[6:]) ||
		!c.hasPort(mqttPort) && !c.hasPort(1884) && !c.hasPort(10000) {
		return no
	}
	return match
}

// miio holds that the length is the datagram's, and that it is a greeting, or its four bytes are zero (https://github.com/OpenMiHome/mihome-binary-protocol).
func miio(c *call) verdict {
	const head = 32
	v := &c.view[c.side]
	b := v.b
	if len(b) < 8 || !v.exactly(int(be16(b[2:]))) || be16(b[2:]) < head {
		return no
	}
	switch be32(b[4:]) {
	case 0:
		return match
	case ^uint32(0):
		if be16(b[2:]) == head {
			c.setClient(c.side)
			return match
		}
	}
	return no
}

// ubdp holds that what a device says is made of elements that fill the datagram, its address among them; a question has none and is known by its port.
func ubdp(c *call) verdict {
	const port, head, least = 10001, 4, 3
	v := &c.view[c.side]
	b := v.b
	if len(b) < head || !v.exactly(head+int(be16(b[2:]))) || v.gap {
		return no
	}
	b = b[head:]
	if len(b) == 0 {
		if !c.hasPort(port) {
			return no
		}
		c.setClient(c.side)
		return match
	}
	elements, address := 0, false
	for ; len(b) >= 3; elements++ {
		n := 3 + int(be16(b[1:]))
		if n > len(b) {
			return no
		}
		address = address || b[0] == 1 && n == 3+6 || b[0] == 2 && n == 3+6+4
		b = b[n:]
	}
	if len(b) > 0 || elements < least || !address {
		return no
	}
	return match
}

// sadp holds that the markup is that of the search and of its answers.
func sadp(c *call) verdict {
	const maxHead = 80
	b := c.view[c.side].b
	_, rest, ok := bytes.Cut(b[:min(len(b), maxHead)], []byte("?>"))
	if !ok {
		return no
	}
	rest = bytes.TrimLeft(rest, "\r\n")
	switch {
	case bytes.HasPrefix(rest, []byte("<Probe><Uuid>")), bytes.HasPrefix(rest, []byte("<Probe>\r\n<Uuid>")):
		c.setClient(c.side)
	case bytes.HasPrefix(rest, []byte("<ProbeMatch>")):
	default:
		return no
	}
	return match
}

// kdeconnect holds that the text is the identity of an end (KDE Connect, protocol versions 7 and 8), whatever order its names are in.
func kdeconnect(c *call) verdict {
	const most = 8 << 10
	v := &c.view[c.side]
	b := v.b[:min(len(v.b), most)]
	if c.f.tcp && !beginsAs(b, `{"id":`) && !beginsAs(b, `{"body":{"`) && !beginsAs(b, `{"type":"`) {
		return no
	}
	if bytes.Contains(b, []byte(`"type":"kdeconnect.identity"`)) {
		return match
	}
	if c.f.tcp && len(b) < most && bytes.IndexByte(b, '\n') < 0 {
		return v.unfinished()
	}
	return no
}

// beginsAs tells whether b begins with a text, as far as it goes.
func beginsAs(b []byte, text string) bool {
	n := min(len(b), len(text))
	return string(b[:n]) == text[:n]
}

// wiz holds that the text asks a lamp for something or answers that, at its port.
func wiz(c *call) verdict {
	const port, maxHead = 38899, 64
	b := c.view[c.side].b
	if !c.hasPort(port) && !c.hasPort(port+1) || !bytes.Contains(b[:min(len(b), maxHead)], []byte(`"method":"`)) {
		return no
	}
	return match
}

// localsend holds that an end says how it is called and which certificate it has, at the port (LocalSend protocol 2).
func localsend(c *call) verdict {
	const port = 53317
	b := c.view[c.side].b
	if !c.hasPort(port) || !bytes.Contains(b, []byte(`"alias":`)) || !bytes.Contains(b, []byte(`"fingerprint":`)) {
		return no
	}
	return match
}

// artnet holds that there is an operation and a version behind it (Art-Net 4 specification, table of ArtPoll); replies have an address there.
func artnet(c *call) verdict {
	const opPollReply = 0x2100
	b := c.view[c.side].b
	if len(b) < 12 || le16(b[8:]) != opPollReply && be16(b[10:]) != 14 {
		return no
	}
	return match
}
