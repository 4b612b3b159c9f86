package dpi

import (
	"strings"

	"rustnet/track/event"
)

var fieldDCERPCInterface = event.AppString("dcerpc_interface", "Interface that the client binds to, by its name where it is well known, else its UUID.").Spelt(dcerpcInterfaceForm)

var dcerpcInterfaceForm = event.OneOf(listed(dcerpcNames)...).
	Or("a name, or the UUID in small letters where it has none", "", `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).
	Where(func(text string) bool { return dcerpcNames[text] == "" }).Meaning(func(text string) string { return dcerpcNames[strings.ToLower(text)] })

var dcerpcFields = []*event.AppField{fieldDCERPCInterface}

var dcerpcFirst = bytesIn("\x04\x05", 1, 0)

const (
	dcerpcHeaderLen   = 16
	dcerpcDatagramLen = 80
)

// dcerpcNames are interfaces of Windows, by the first and last bytes of their UUID as it is written (MS-RPCE and the
// documents of each).
var dcerpcNames = map[string]string{
	"e1af8308-5d1f-11c9-91a4-08002b14a0fa": "epmapper",
	"12345778-1234-abcd-ef00-0123456789ab": "lsarpc",
	"12345778-1234-abcd-ef00-0123456789ac": "samr",
	"12345678-1234-abcd-ef00-01234567cffb": "netlogon",
	"12345678-1234-abcd-ef00-0123456789ab": "spoolss",
	"4b324fc8-1670-01d3-1278-5a47bf6ee188": "srvsvc",
	"6bffd098-a112-3610-9833-46c3f87e345a": "wkssvc",
	"367abb81-9844-35f1-ad32-98f038001003": "svcctl",
	"338cd001-2244-31f1-aaaa-900038001003": "winreg",
	"e3514235-4b06-11d1-ab04-00c04fc2dcd2": "drsuapi",
	"1ff70682-0a51-30e8-076d-740be8cee98b": "atsvc",
	"86d35949-83c9-4044-b424-db363231fd0c": "ITaskSchedulerService",
	"99fcfec4-5260-101b-bbcb-00aa0021347a": "IObjectExporter",
	"000001a0-0000-0000-c000-000000000046": "ISystemActivator",
	"4d9f4ab8-7d1c-11cf-861e-0020af6e7c57": "IActivation",
	"f5cc5a18-4264-101a-8c59-08002b2f8426": "nspi",
	"a4f1db00-ca47-1067-b31f-00dd010662da": "emsmdb",
	"82273fdc-e32a-18c3-3f78-827929dc23ea": "eventlog",
	"50abc2a4-574d-40b3-9d66-ee4fd5fba076": "dnsserver",
	"df1941c5-fe89-4e79-bf10-463657acf44d": "efsrpc",
}

// dcerpcHead judges the header of a connection-oriented PDU (DCE 1.1: RPC, chapter 12.6.3.1): its length, 0 while
// bytes are missing, -1 when it is none.
func dcerpcHead(b []byte) int {
	switch {
	case b[0] != 5, len(b) > 1 && b[1] > 1, len(b) > 2 && b[2] > 19, len(b) > 4 && b[4]&^0x11 != 0,
		len(b) > 5 && b[5] > 3, len(b) > 6 && b[6] != 0, len(b) > 7 && b[7] != 0:
		return -1
	case len(b) < dcerpcHeaderLen:
		return 0
	}
	n, auth := int(be16(b[8:])), int(be16(b[10:]))
	if b[4]&0x10 != 0 {
		n, auth = le16(b[8:]), le16(b[10:])
	}
	const bind, answer, longestBind = 11, 15, 8 << 10
	if n < dcerpcHeaderLen || auth > n-dcerpcHeaderLen || b[2] > 3 && b[2] < bind || b[2] >= bind && b[2] <= answer && n > longestBind {
		return -1
	}
	return n
}

// parseDCERPCStream reads DCE/RPC over TCP. A connection begins with a bind; one whose begin was not seen is
// recognised by PDUs that fill the segment.
func parseDCERPCStream(c *call) verdict {
	v := &c.view[c.side]
	if c.f.parser != 0 && len(v.b) == 0 {
		return match
	}
	n := dcerpcHead(v.b)
	switch {
	case n < 0:
		return no
	case n == 0 || len(v.b) < n && !v.gap && !v.fin:
		return more
	}
	kind := v.b[2]
	if kind == 11 || kind == 14 { // bind, alter context
		name, ok := c.dcerpcBind(v.b[:min(n, len(v.b))])
		if !ok {
			return no
		}
		c.setClient(c.side)
		c.edit().SetStr(fieldDCERPCInterface, name)
		return c.finish()
	}
	if kind == 12 && len(v.b) >= dcerpcHeaderLen+8 && dcerpcFragments(v.b) || !v.whole && n == len(v.b) && n >= dcerpcHeaderLen+8 {
		c.edit()
		c.setClient(c.side ^ sideIf(kind == 12 || kind == 2 || kind == 3))
		return c.finish()
	}
	return no
}

// dcerpcFragments tells whether the sizes that a bind or its answer offers are as large as everybody must be able to receive (chapter 12.6.3.1).
func dcerpcFragments(b []byte) bool {
	const must = 1432
	send, receive := int(be16(b[dcerpcHeaderLen:])), int(be16(b[dcerpcHeaderLen+2:]))
	if b[4]&0x10 != 0 {
		send, receive = le16(b[dcerpcHeaderLen:]), le16(b[dcerpcHeaderLen+2:])
	}
	return send >= must && receive >= must
}

// dcerpcBind reads the first interface of a bind: sizes, group, contexts, each with an abstract and transfer syntaxes.
func (c *call) dcerpcBind(b []byte) (name string, ok bool) {
	const first = dcerpcHeaderLen + 12 // of the contexts
	if len(b) < first+4+20 || b[dcerpcHeaderLen+8] == 0 || b[first+2] == 0 || !dcerpcFragments(b) {
		return "", false
	}
	return c.dcerpcUUID(b[first+4:], b[4]&0x10 != 0), true
}

// dcerpcUUID names an interface. The first three parts of a UUID have the sender's byte order.
func (c *call) dcerpcUUID(b []byte, little bool) string {
	order := [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	if little {
		order = [16]byte{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}
	}
	t := c.hash[:0]
	for i, at := range order {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			t = append(t, '-')
		}
		t = append(t, hexDigits[b[at]>>4], hexDigits[b[at]&15])
	}
	c.hash = t
	if name := dcerpcNames[string(t)]; name != "" {
		return name
	}
	return c.text(t)
}

// parseDCERPC reads the connectionless form (chapter 12.5.2): 80 bytes of header, then a body whose length it tells.
func parseDCERPC(c *call) verdict {
	const mostVersion, mostOperation = 255, 1023 // more than any interface has
	v := &c.view[c.side]
	b := v.b
	if len(b) < dcerpcDatagramLen || b[0] != 4 || b[1] > 10 || b[3]&^7 != 0 || b[4]&^0x11 != 0 || b[5] > 3 {
		return no
	}
	n := int(be16(b[74:]))
	little := b[4]&0x10 != 0
	if little {
		n = le16(b[74:])
	}
	version, operation := be32(b[60:]), be16(b[68:])
	if little {
		version, operation = le32(b[60:]), uint16(le16(b[68:]))
	}
	if !v.exactly(dcerpcDatagramLen+n) || version&0xffff > mostVersion || version>>16 > mostVersion || operation > mostOperation {
		return no
	}
	zero := true
	for _, d := range b[24:40] {
		zero = zero && d == 0
	}
	if zero {
		return no
	}
	c.edit().SetStr(fieldDCERPCInterface, c.dcerpcUUID(b[24:], little))
	switch b[1] {
	case 0, 1, 7, 8, 10: // request, ping, ack, cancel
		c.setClient(c.side)
	default:
		c.setClient(1 - c.side)
	}
	return c.finish()
}
