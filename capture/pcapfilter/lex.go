package pcapfilter

import (
	"net/netip"
	"strings"
)

type tokenKind uint8

const (
	tokEnd   tokenKind = iota
	tokWord            // a name that is no keyword: host, port or protocol name, or a range such as 80-90
	tokKey             // a keyword; token.text is its canonical spelling
	tokNum             // a number or a named constant; token.num
	tokIPv4            // two to four numbers with dots
	tokIPv6            //
	tokMAC             //
	tokARC             // $xx, an ARCnet address
	tokOp              // an operator or bracket; token.text is its canonical spelling
	tokWrong           // token.text says what is wrong
)

type token struct {
	kind tokenKind
	text string
	num  uint32
	pos  int // byte offset in the expression
	end  int
}

// keywords maps each reserved word to the spelling the parser knows it by. Words for link types
// that rustnet does not read are here too, so that they are refused by name.
var keywords = wordTable(map[string]string{
	"link": "ether ppp slip fddi tr wlan", "esis": "es-is", "isis": "is-is",
	"len": "length", "and": "&&", "or": "||", "not": "!",
	"dir": "direction", "addr1": "address1", "addr2": "address2", "addr3": "address3", "addr4": "address4",
	"ifname": "on", "rset": "ruleset", "rnr": "rulenum", "srnr": "subrulenum", "lssu": "lsu",
}, `dst src link arp rarp ip sctp tcp udp icmp igmp igrp pim vrrp carp radio ip6 icmp6 ah esp
	atalk aarp decnet lat sca moprc mopdl iso esis isis l1 l2 iih lsp snp csnp psnp clnp stp ipx netbeui
	host net mask port portrange proto protochain gateway type subtype dir addr1 addr2 addr3 addr4 ra ta
	less greater byte broadcast multicast and or not len inbound outbound ifindex
	vlan mpls pppoed pppoes geneve lane llc metac bcc oam oamf4 oamf4ec oamf4sc sc ilmic vpi vci
	connectmsg metaconnect ifname rset rnr srnr reason action
	fisu lssu msu hfisu hlssu hmsu sio opc dpc sls hsio hopc hdpc hsls`)

func wordTable(aliases map[string]string, words string) map[string]string {
	t := map[string]string{}
	for w := range strings.FieldsSeq(words) {
		t[w] = w
		for a := range strings.FieldsSeq(aliases[w]) {
			t[a] = w
		}
	}
	return t
}

// constants are the names that stand for numbers: field offsets, ICMP types and TCP flags.
var constants = map[string]uint32{
	"icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1, "tcpflags": 13,
	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8,
	"icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12,
	"icmp-tstamp": 13, "icmp-tstampreply": 14, "icmp-ireq": 15, "icmp-ireqreply": 16,
	"icmp-maskreq": 17, "icmp-maskreply": 18,
	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3, "icmp6-parameterproblem": 4,
	"icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-multicastlistenerquery": 130,
	"icmp6-multicastlistenerreportv1": 131, "icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133,
	"icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
	"icmp6-routerrenum": 138, "icmp6-nodeinformationquery": 139, "icmp6-nodeinformationresponse": 140,
	"icmp6-ineighbordiscoverysolicit": 141, "icmp6-ineighbordiscoveryadvert": 142,
	"icmp6-multicastlistenerreportv2": 143, "icmp6-homeagentdiscoveryrequest": 144,
	"icmp6-homeagentdiscoveryreply": 145, "icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147,
	"icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149, "icmp6-multicastrouteradvert": 151,
	"icmp6-multicastroutersolicit": 152, "icmp6-multicastrouterterm": 153,
	"tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,
}

// lexAll splits an expression. The last token is tokEnd, or tokWrong where the expression cannot be split.
//
// The rule is lex's: the longest match wins, and at equal length an address wins over a number, and both
// over a word. So 80-90 is one word, 1.2.3.4 an address, aa-bb-cc-dd-ee-ff an Ethernet address.
func lexAll(s string) []token {
	var toks []token
	for i := 0; ; {
		for i < len(s) && strings.IndexByte(" \r\n\t", s[i]) >= 0 {
			i++
		}
		if i == len(s) {
			return append(toks, token{kind: tokEnd, pos: i, end: i})
		}
		t := lexOne(s[i:])
		t.pos, t.end = i, i+t.end
		toks = append(toks, t)
		if t.kind == tokWrong {
			return toks
		}
		i = t.end
	}
}

// lexOne reads the token at the start of s, with its length in token.end.
func lexOne(s string) token {
	if n := operatorLen(s); n > 0 && !(s[0] == ':' && ipv6Len(s) > 0) {
		return operatorToken(s[:n])
	}
	switch {
	case s[0] == '$':
		if n := hexRun(s[1:], 2); n > 0 {
			return token{kind: tokARC, text: s[1 : 1+n], end: 1 + n}
		}
	case s[0] == '\\':
		if n := strings.IndexAny(s[1:]+" ", " !()\n\t"); n > 0 {
			return token{kind: tokWord, text: s[1 : 1+n], end: 1 + n}
		}
		return token{kind: tokWrong, text: `"\" must stand before a name`, end: 1}
	}
	best := token{kind: tokWrong, end: 1}
	try := func(kind tokenKind, n int) {
		if n > 0 && (best.kind == tokWrong || n > best.end) {
			best = token{kind: kind, text: s[:n], end: n}
		}
	}
	try(tokMAC, macLen(s))
	try(tokNum, numberLen(s))
	try(tokIPv4, dottedLen(s))
	try(tokIPv6, ipv6Len(s))
	try(tokWord, wordLen(s))
	if n := hexColonRun(s); n > best.end && strings.Count(s[:n], ":") > 1 {
		return token{kind: tokWrong, text: "\"" + s[:n] + "\" is neither an Ethernet nor an IPv6 address", end: n}
	}
	switch best.kind {
	case tokNum:
		var wrong string
		if best.num, wrong = parseNumber(best.text); wrong != "" {
			best.kind, best.text = tokWrong, wrong
		}
	case tokWord:
		if k, ok := keywords[best.text]; ok {
			best.kind, best.text = tokKey, k
		} else if n, ok := constants[best.text]; ok {
			best.kind, best.num = tokNum, n
		}
	case tokWrong:
		best.text = "unexpected character " + quoteFirst(s)
	}
	return best
}

func quoteFirst(s string) string {
	for _, r := range s {
		return "\"" + strings.ToValidUTF8(string(r), "?") + "\""
	}
	return `""`
}

func operatorLen(s string) int {
	if len(s) > 1 {
		switch s[:2] {
		case ">=", "<=", "!=", "==", "<<", ">>", "&&", "||":
			return 2
		}
	}
	if strings.IndexByte("+-*/%:[]!<>()&|^=", s[0]) >= 0 {
		return 1
	}
	return 0
}

func operatorToken(s string) token {
	t := token{kind: tokOp, text: s, end: len(s)}
	switch s {
	case "==":
		t.text = "="
	case "&&", "||", "!":
		t.kind, t.text = tokKey, map[string]string{"&&": "and", "||": "or", "!": "not"}[s]
	}
	return t
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }
func isWord(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.'
}

// hexRun counts the hexadecimal digits s begins with, up to most.
func hexRun(s string, most int) int {
	n := 0
	for n < len(s) && n < most && isHex(s[n]) {
		n++
	}
	return n
}

func hexColonRun(s string) int {
	n := 0
	for n < len(s) && (isHex(s[n]) || s[n] == ':') {
		n++
	}
	return n
}

// numberLen: decimal digits, or 0x and hexadecimal ones.
func numberLen(s string) int {
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && isHex(s[2]) {
		return 2 + hexRun(s[2:], len(s))
	}
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func dottedLen(s string) int {
	end := 0
	for i, parts := 0, 1; parts <= 4; parts++ {
		n := numberLen(s[i:])
		if n == 0 {
			break
		}
		i += n
		if parts > 1 {
			end = i
		}
		if i == len(s) || s[i] != '.' {
			break
		}
		i++
	}
	return end
}

// macLen: six hexadecimal bytes joined by one of ":-.", three groups of four digits joined by ".",
// or twelve digits.
func macLen(s string) int {
	best := 0
	if hexRun(s, 12) == 12 {
		best = 12
	}
	for _, form := range []struct {
		sep          byte
		parts, digit int
	}{{':', 6, 2}, {'-', 6, 2}, {'.', 6, 2}, {'.', 3, 4}} {
		i := 0
		for part := 1; ; part++ {
			n := hexRun(s[i:], form.digit)
			if n == 0 || form.digit == 4 && n < 4 {
				break
			}
			i += n
			if part == form.parts {
				best = max(best, i)
				break
			}
			if i == len(s) || s[i] != form.sep {
				break
			}
			i++
		}
	}
	return best
}

// ipv6Len is the length of the longest IPv6 address that s begins with.
func ipv6Len(s string) int {
	n := 0
	for n < len(s) && n < 45 && (isHex(s[n]) || s[n] == ':' || s[n] == '.') {
		n++
	}
	if strings.Count(s[:n], ":") < 2 {
		return 0
	}
	for ; n >= 2; n-- {
		if a, err := netip.ParseAddr(s[:n]); err == nil && a.Is6() {
			return n
		}
	}
	return 0
}

// wordLen: letters, digits, dots, and within the word also "-" and "_".
func wordLen(s string) int {
	end := 0
	for i := 0; i < len(s) && (isWord(s[i]) || i > 0 && (s[i] == '-' || s[i] == '_')); i++ {
		if i == 0 && s[i] == '.' {
			return 0
		}
		if isWord(s[i]) {
			end = i + 1
		}
	}
	return end
}

// parseNumber reads decimal, octal (leading 0) and hexadecimal (0x) numbers of 32 bits.
func parseNumber(s string) (n uint32, wrong string) {
	base, digits := uint64(10), s
	switch {
	case len(s) > 2 && (s[1] == 'x' || s[1] == 'X'):
		base, digits = 16, s[2:]
	case s[0] == '0':
		base, digits = 8, s[1:]
	}
	var v uint64
	for _, c := range []byte(digits) {
		d := uint64(hexDigit(c))
		if d >= base {
			return 0, "number " + s + " begins with 0, so it is octal, and has a digit that is not"
		}
		if v = v*base + d; v > 1<<32-1 {
			return 0, "number " + s + " does not fit 32 bits"
		}
	}
	return uint32(v), ""
}

func hexDigit(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}
