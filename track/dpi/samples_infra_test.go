package dpi

import (
	"encoding/binary"
	"maps"
	"strings"
	"testing"
	"unicode/utf16"
)

// tlv makes an element of BER.
func tlv(tag byte, parts ...string) string {
	body := strings.Join(parts, "")
	if len(body) < 0x80 {
		return string([]byte{tag, byte(len(body))}) + body
	}
	return string([]byte{tag, 0x82, byte(len(body) >> 8), byte(len(body))}) + body
}

func berInt(n byte) string { return tlv(berInteger, string([]byte{n})) }

func be16Text(n int) string    { return string([]byte{byte(n >> 8), byte(n)}) }
func be32Text(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }
func nuls(n int) string        { return strings.Repeat("\x00", n) }

// behind16 and behind32 put a length before a message.
func behind16(s string) string { return be16Text(len(s)) + s }
func behind32(s string) string { return be32Text(uint32(len(s))) + s }

func wide(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

// datagramsOf and streamOf make samples of what the origin (o) and the responder (r) say in turn, each behind that letter.
func datagramsOf(name string, orig, resp uint16, want map[string]string, said ...string) sample {
	s := sample{name: name, orig: orig, resp: resp, want: want}
	for _, m := range said {
		side := Orig
		if m[0] == 'r' {
			side = Resp
		}
		s.msgs = append(s.msgs, message{side, []byte(m[1:])})
	}
	return s
}

func streamOf(name string, orig, resp uint16, want map[string]string, said ...string) sample {
	s := datagramsOf(name, orig, resp, want, said...)
	s.tcp = true
	return s
}

type facted = map[string]string

const secret = "hunter2" // must never be shown

func snmpTest(version byte, community string, pdu byte) string {
	return tlv(berSequence, berInt(version), tlv(berOctets, community), snmpPDUTest(pdu))
}

func snmpPDUTest(pdu byte) string {
	return tlv(pdu, tlv(berInteger, "\x12\x34\x56"), berInt(0), berInt(0), tlv(berSequence, tlv(berSequence, tlv(6, "\x2b\x06\x01\x02\x01"), tlv(5))))
}

func snmp3Test(flags, user string, scoped string) string {
	return tlv(berSequence, berInt(3), tlv(berSequence, berInt(7), tlv(berInteger, "\x00\xff\xe3"), tlv(berOctets, flags), berInt(3)),
		tlv(berOctets, tlv(berSequence, tlv(berOctets, "\x80\x00engine"), berInt(1), berInt(2), tlv(berOctets, user), tlv(berOctets, nuls(12)), tlv(berOctets, "saltsalt"))), scoped)
}

func ntpTest(first, stratum byte, reference, origin, transmit string) string {
	return string([]byte{first, stratum, 6, 0xec}) + nuls(8) + reference + nuls(8) + origin + nuls(8) + transmit
}

func dhcpTest(op byte, given string, options string) string {
	return string([]byte{op, 1, 6, 0}) + "\x11\x22\x33\x44" + nuls(8) + given + nuls(8) + "\x02\x00\x00\x00\x00\x0c" + nuls(10+192) + "\x63\x82\x53\x63" + options + "\xff"
}

func dhcpv6Option(kind int, body string) string { return be16Text(kind) + behind16(body) }

func stunTest(kind int, id, attributes string) string {
	return be16Text(kind) + be16Text(len(attributes)) + "\x21\x12\xa4\x42" + id + attributes
}

func netbiosTest(name string, kind byte) string {
	b := []byte{32}
	for i := range 16 {
		c := byte(' ')
		if i < len(name) {
			c = name[i]
		}
		if i == 15 {
			c = kind
		}
		b = append(b, 'A'+c>>4, 'A'+c&15)
	}
	return string(append(b, 0))
}

// smb2Test makes an SMB 2 message behind its length.
func smb2Test(command int, response bool, body string) string {
	flags := "\x00"
	if response {
		flags = "\x01"
	}
	return behind32("\xfeSMB\x40\x00" + nuls(6) + string([]byte{byte(command), 0, 0, 0}) + flags + nuls(3) + nuls(4) + nuls(40) + body)
}

func smb1Test(command, flags byte, words, data string) string {
	return behind32("\xffSMB" + string([]byte{command}) + nuls(4) + string([]byte{flags, 0, 0x80}) + nuls(20) +
		string([]byte{byte(len(words) / 2)}) + words + string([]byte{byte(len(data)), byte(len(data) >> 8)}) + data)
}

func ntlmTest(domain, user string) string {
	at := 72
	field := func(s string) string {
		f := string([]byte{byte(len(s)), 0, byte(len(s)), 0, byte(at), 0, 0, 0})
		at += len(s)
		return f
	}
	d, u := field(wide(domain)), field(wide(user))
	return "NTLMSSP\x00\x03\x00\x00\x00" + nuls(16) + d + u + nuls(16) + "\x01\x00\x00\x00" + nuls(8) + wide(domain) + wide(user)
}

func ldapTest(id byte, op string) string { return tlv(berSequence, berInt(id), op) }

func ldapResult(id, tag byte) string {
	return ldapTest(id, tlv(tag, tlv(berEnumerated, "\x00"), tlv(berOctets), tlv(berOctets)))
}

func ldapSearch(id byte, base string) string {
	return ldapTest(id, tlv(0x63, tlv(berOctets, base), tlv(berEnumerated, "\x02"), tlv(berEnumerated, "\x00"), berInt(0), berInt(0), tlv(1, "\x00"), tlv(0x87, "objectClass"), tlv(berSequence)))
}

func principal(parts ...string) string {
	var list string
	for _, p := range parts {
		list += tlv(berGeneral, p)
	}
	return tlv(berSequence, tlv(0xa0, berInt(1)), tlv(0xa1, tlv(berSequence, list)))
}

func kerberosTest(kind byte) string {
	switch kind {
	case kerberosASReq:
		return tlv(0x6a, tlv(berSequence, tlv(0xa1, berInt(5)), tlv(0xa2, berInt(10)), tlv(0xa4, tlv(berSequence, tlv(0xa0, tlv(3, "\x00\x40\x00\x00\x00")),
			tlv(0xa1, principal("alice")), tlv(0xa2, tlv(berGeneral, "EXAMPLE.ORG")), tlv(0xa3, principal("krbtgt", "EXAMPLE.ORG"))))))
	case kerberosError:
		return tlv(0x7e, tlv(berSequence, tlv(0xa0, berInt(5)), tlv(0xa1, berInt(30)), tlv(0xa4, tlv(0x18, "20260101000000Z")), tlv(0xa5, berInt(1)),
			tlv(0xa6, berInt(25)), tlv(0xa9, tlv(berGeneral, "EXAMPLE.ORG")), tlv(0xaa, principal("krbtgt", "EXAMPLE.ORG"))))
	}
	return tlv(0x6b, tlv(berSequence, tlv(0xa0, berInt(5)), tlv(0xa1, berInt(11)), tlv(0xa3, tlv(berGeneral, "EXAMPLE.ORG")), tlv(0xa4, principal("alice")),
		tlv(0xa5, tlv(0x61, tlv(berSequence, tlv(0xa0, berInt(5)), tlv(0xa1, tlv(berGeneral, "EXAMPLE.ORG")), tlv(0xa2, principal("krbtgt", "EXAMPLE.ORG")))))))
}

func radiusTest(code byte, attributes ...string) string {
	all := strings.Join(attributes, "")
	return string([]byte{code, 7}) + be16Text(20+len(all)) + "0123456789abcdef" + all
}

func radiusAttribute(kind byte, s string) string { return string([]byte{kind, byte(2 + len(s))}) + s }

func rpcTest(program, version uint32) string {
	return "\x01\x02\x03\x04" + nuls(4) + be32Text(2) + be32Text(program) + be32Text(version) + be32Text(0) + nuls(16)
}

func isakmpTest(version byte, exchange, flags byte, next byte, responder, payloads string) string {
	return "initiatr" + responder + string([]byte{next, version, exchange, flags}) + nuls(4) + be32Text(uint32(28+len(payloads))) + payloads
}

func behind24(s string) string { return "\x00" + behind16(s) }

func dtlsTest(kind byte, seq, at, size int, part string) string {
	m := string([]byte{kind, 0}) + be16Text(size) + "\x00\x00\x00" + be16Text(at) + "\x00" + be16Text(len(part)) + part
	return "\x16\xfe\xfd\x00\x00" + nuls(4) + be16Text(seq) + behind16(m)
}

var dtlsTestHello = "\xfe\xfd" + strings.Repeat("r", 32) + "\x00\x00\x00\x04\xc0\x2b\xc0\x2f\x01\x00" +
	behind16("\x00\x00"+behind16(behind16("\x00"+behind16("peer.example.org")))+"\x00\x0a\x00\x04\x00\x02\x00\x1d"+"\x00\x0d\x00\x04\x00\x02\x04\x03")

func rtpTest(kind byte, seq int, ts uint32) string {
	return "\x80" + string([]byte{kind}) + be16Text(seq) + be32Text(ts) + "\x12\x34\x56\x78" + strings.Repeat("\xd5", 40)
}

func bacnetTest(function byte, rest string) string {
	return "\x81" + string([]byte{function}) + be16Text(4+len(rest)) + rest
}

func collectdPart(kind int, s string) string { return be16Text(kind) + be16Text(4+len(s)) + s }

// How WireGuard begins, and what Tailscale says before.
var (
	wireguardBegin = "\x01\x00\x00\x00idx1" + strings.Repeat("x", 140)
	tailscalePing  = disco + strings.Repeat("k", 32) + strings.Repeat("n", 24) + strings.Repeat("s", 16+46)
)

// infraSamples are the samples of the protocols that networks themselves, Windows' networks and calls are made of.
func infraSamples() []sample {
	stunID := "twelve bytes"
	mapped := "\x00\x20\x00\x08\x00\x01" + be16Text(40000^0x2112) + be32Text(0xc000020a^stunCookie)
	vpnClient, vpnServer := "\x38clientid", "\x40serverid"
	dhtID := "20:abcdefghij0123456789"
	dtlsWant := facted{"app": "dtls", "host": "peer.example.org by sni", "sni": "peer.example.org", "tls_version": "DTLS 1.2", "tls_resumed": "0",
		"tls_cipher": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ja3": md5Hex("65277,49195-49199,0-10-13,29,"), "ja3s": md5Hex("65277,49195,"),
		"ja4": "dd2d020300_" + sha12("c02b,c02f") + "_" + sha12("000a,000d_0403")}
	dtlsServer := "\xfe\xfd" + strings.Repeat("s", 32) + "\x00\xc0\x2b\x00"
	stunDTLS := maps.Clone(dtlsWant)
	cert := string(testServerCert().Certificate[0])
	dtlsCert := behind24(behind24(cert) + behind24(strings.Repeat("z", 900))) // another behind it
	dtlsShown := maps.Clone(dtlsWant)
	maps.Copy(dtlsShown, certificateFacts(testServerCert()))
	stunDTLS["app"], stunDTLS["stun_method"], stunDTLS["stun_mapped"] = "stun", "binding", "192.0.2.10:40000"
	smbWant := facted{"app": "smb", "smb_dialect": "3.1.1", "smb_shares": `\\files\IPC$ \\files\team`, "smb_user": `CORP\alice`}
	smbTree := func(path string) string {
		return smb2Test(3, false, "\x09\x00\x00\x00\x48\x00"+string([]byte{byte(len(wide(path))), 0})+wide(path))
	}
	login := ntlmTest("CORP", "alice")
	return []sample{
		datagramsOf("snmp 1", 50000, 161, facted{"app": "snmp", "snmp_version": "1", "snmp_pdu": "get-next", "snmp_oid": "1.3.6.1.2.1"}, "o"+snmpTest(0, secret, 0xa1)),
		datagramsOf("snmp 2c on another port", 50000, 10161, facted{"app": "snmp", "snmp_version": "2c", "snmp_pdu": "get-bulk", "snmp_oid": "1.3.6.1.2.1"}, "o"+snmpTest(1, secret, 0xa5)),
		datagramsOf("snmp 3", 50000, 161, facted{"app": "snmp", "snmp_version": "3", "snmp_pdu": "get", "snmp_user": "operator", "snmp_security": "authPriv", "snmp_engine": "8000656e67696e65"},
			"o"+snmp3Test("\x04", "", tlv(berSequence, tlv(berOctets), tlv(berOctets), tlv(0xa0, berInt(9), berInt(0), berInt(0), tlv(berSequence)))),
			"o"+snmp3Test("\x07", "operator", tlv(berOctets, "encrypted"))),
		datagramsOf("ntp", 50000, 123, facted{"app": "ntp", "ntp_version": "4", "ntp_mode": "client", "ntp_stratum": "1", "ntp_reference": "GPS"},
			"o"+ntpTest(0x23, 0, nuls(4), nuls(8), "transmit"), "r"+ntpTest(0x24, 1, "GPS\x00", "transmit", "whatever")),
		datagramsOf("ntp, every datagram twice", 50000, 123, facted{"app": "ntp", "ntp_version": "4", "ntp_mode": "client", "ntp_stratum": "1", "ntp_reference": "GPS"},
			"o"+ntpTest(0x23, 0, nuls(4), nuls(8), "transmit"), "o"+ntpTest(0x23, 0, nuls(4), nuls(8), "transmit"),
			"r"+ntpTest(0x24, 1, "GPS\x00", "transmit", "whatever"), "r"+ntpTest(0x24, 1, "GPS\x00", "transmit", "whatever")),
		datagramsOf("ntp on another port", 50000, 11123, facted{"app": "ntp", "ntp_version": "4", "ntp_mode": "server", "ntp_stratum": "2", "ntp_reference": "192.0.2.1"},
			"o"+ntpTest(0x23, 0, nuls(4), nuls(8), "transmit"), "r"+ntpTest(0x24, 2, "\xc0\x00\x02\x01", "transmit", "whatever")),
		datagramsOf("ntp control", 50000, 123, facted{"app": "ntp", "ntp_version": "2", "ntp_mode": "control"}, "o\x16\x02\x00\x01"+nuls(8)),
		datagramsOf("dhcp", 68, 67, facted{"app": "dhcp", "dhcp_messages": "REQUEST ACK", "dhcp_hostname": "laptop", "dhcp_vendor_class": "android-dhcp-14", "dhcp_lease": "3600",
			"dhcp_fingerprint": "1,3,6", "dhcp_client": "02:00:00:00:00:0c", "dhcp_address": "192.0.2.10"},
			"o"+dhcpTest(1, nuls(4), "\x35\x01\x03\x32\x04\xc0\x00\x02\x0a\x0c\x06laptop\x3c\x0fandroid-dhcp-14\x37\x03\x01\x03\x06"),
			"r"+dhcpTest(2, "\xc0\x00\x02\x0a", "\x35\x01\x05\x33\x04\x00\x00\x0e\x10")),
		datagramsOf("dhcpv6", 546, 547, facted{"app": "dhcpv6", "dhcp_messages": "SOLICIT", "dhcp_hostname": "laptop.example", "dhcp_client": "0003000102000000000c", "dhcp_vendor_class": "MSFT 5.0"},
			"o\x01\x11\x22\x33"+dhcpv6Option(1, "\x00\x03\x00\x01\x02\x00\x00\x00\x00\x0c")+dhcpv6Option(16, "\x00\x00\x01\x37"+behind16("MSFT 5.0"))+
				dhcpv6Option(39, "\x00\x06laptop\x07example\x00")),
		datagramsOf("stun", 40000, 3478, facted{"app": "stun", "stun_method": "binding", "stun_software": "server 1.0", "stun_mapped": "192.0.2.10:40000"},
			"o"+stunTest(1, stunID, "\x00\x06\x00\x07"+secret+"\x00"), "r"+stunTest(0x101, stunID, mapped+"\x80\x22\x00\x0aserver 1.0\x00\x00")),
		datagramsOf("stun before the cookie", 40000, 50001, facted{"app": "stun", "stun_method": "binding", "stun_mapped": "192.0.2.10:40000"},
			"o\x00\x01\x00\x00sixteen bytes id", "r\x01\x01\x00\x0csixteen bytes id\x00\x01\x00\x08\x00\x01\x9c\x40\xc0\x00\x02\x0a"),
		datagramsOf("stun, then dtls", 40000, 50001, stunDTLS, "o"+stunTest(1, stunID, ""), "r"+stunTest(0x101, stunID, mapped),
			"o"+dtlsTest(1, 0, 0, len(dtlsTestHello), dtlsTestHello), "r"+dtlsTest(2, 0, 0, len(dtlsServer), dtlsServer)),
		streamOf("turn over tcp", 40000, 3478, facted{"app": "stun", "stun_method": "allocate", "stun_software": "server 1.0", "stun_mapped": "192.0.2.10:40000"},
			"o"+stunTest(3, stunID, ""), "r"+stunTest(0x103, stunID, mapped+"\x80\x22\x00\x0aserver 1.0\x00\x00")),
		datagramsOf("netbios-ns", 137, 137, facted{"app": "netbios-ns", "netbios_name": "WORKGROUP"},
			"o\x12\x34\x01\x10\x00\x01\x00\x00\x00\x00\x00\x00"+netbiosTest("WORKGROUP", 0x1d)+"\x00\x20\x00\x01"),
		datagramsOf("netbios-dgm", 138, 138, facted{"app": "netbios-dgm", "netbios_name": "LAPTOP"},
			"o\x11\x02\x12\x34\xc0\x00\x02\x0a\x00\x8a"+be16Text(2*34)+"\x00\x00"+netbiosTest("LAPTOP", 0)+netbiosTest("WORKGROUP", 0x1d)),
		streamOf("smb 3", 50000, 445, smbWant,
			"o"+smb1Test(0x72, 0x18, "", "\x02NT LM 0.12\x00\x02SMB 2.???\x00"), "r"+smb2Test(0, true, "\x41\x00\x01\x00\xff\x02"+nuls(60)),
			"r"+smb2Test(0, true, "\x41\x00\x01\x00\x11\x03"+nuls(60)), "o"+smb2Test(1, false, "\x19\x00"+nuls(10)+"\x58\x00"+string([]byte{byte(len(login)), 0})+nuls(8)+login),
			"o"+smbTree(`\\files\IPC$`), "o"+smbTree(`\\files\team`), "r"+behind32("\xfdSMB"+nuls(60))),
		streamOf("smb 1", 50000, 139, facted{"app": "smb", "smb_dialect": "NT LM 0.12", "smb_shares": `\\FILES\C`},
			"o"+smb1Test(0x72, 0x18, "", "\x02LANMAN1.0\x00\x02NT LM 0.12\x00"), "r"+smb1Test(0x72, 0x98, "\x01\x00"+nuls(32), ""),
			"o"+smb1Test(0x75, 0x18, "\xff\x00\x00\x00\x00\x00\x08\x00", secret+"\x00"+"\x00"+wide(`\\FILES\C`)+"\x00\x00A:\x00")),
		streamOf("netbios-ssn", 50000, 139, facted{"app": "netbios-ssn"}, "o"+netbiosSession, "o"+behind32("something else than SMB")),
		streamOf("dcerpc", 50000, 49152, facted{"app": "dcerpc", "dcerpc_interface": "epmapper"},
			"o\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00\x00\x00\x01\x00\x00\x00\xb8\x10\xb8\x10\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00"+
				"\x08\x83\xaf\xe1\x1f\x5d\xc9\x11\x91\xa4\x08\x00\x2b\x14\xa0\xfa\x03\x00\x00\x00"+"\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\x00\x00\x00"),
		datagramsOf("dcerpc over udp", 50000, 1025, facted{"app": "dcerpc", "dcerpc_interface": "000001a0-0000-0000-1000-000000000046"},
			"o\x04\x00\x00\x00\x10\x00\x00\x00"+nuls(16)+"\xa0\x01\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x46"+nuls(34)+"\x04\x00"+nuls(4)+"data"),
		streamOf("ldap", 50000, 10389, facted{"app": "ldap", "ldap_operation": "bind", "ldap_bind_name": "cn=admin,dc=example", "ldap_auth": "simple", "ldap_base": "dc=example", "ldap_result": "0"},
			"o"+ldapTest(1, tlv(0x60, berInt(3), tlv(berOctets, "cn=admin,dc=example"), tlv(0x80, secret))), "r"+ldapResult(1, 0x61), "o"+ldapSearch(2, "dc=example")),
		datagramsOf("ldap over udp", 50000, 389, facted{"app": "ldap", "ldap_operation": "search"}, "o"+ldapSearch(2, "")),
		datagramsOf("kerberos", 50000, 88, facted{"app": "kerberos", "kerberos_realm": "EXAMPLE.ORG", "kerberos_client": "alice", "kerberos_service": "krbtgt/EXAMPLE.ORG", "kerberos_error": "25", "kerberos_type": "AS"},
			"o"+kerberosTest(kerberosASReq), "r"+kerberosTest(kerberosError)),
		streamOf("kerberos over tcp", 50000, 10088, facted{"app": "kerberos", "kerberos_realm": "EXAMPLE.ORG", "kerberos_client": "alice", "kerberos_service": "krbtgt/EXAMPLE.ORG", "kerberos_type": "AS"},
			"o"+behind32(kerberosTest(kerberosASReq)), "r"+behind32(kerberosTest(kerberosASRep))),
		datagramsOf("radius", 50000, 1812, facted{"app": "radius", "radius_code": "Access-Request", "radius_reply": "Access-Reject", "radius_user": "alice", "radius_nas": "switch1"},
			"o"+radiusTest(1, radiusAttribute(1, "alice"), radiusAttribute(2, secret+nuls(9)), radiusAttribute(32, "switch1")), "r"+radiusTest(3)),
		datagramsOf("rpc", 50000, 700, facted{"app": "rpc", "rpc_program": "portmap", "rpc_version": "2"}, "o"+rpcTest(100000, 2)),
		streamOf("rpc over tcp", 50000, 700, facted{"app": "rpc", "rpc_program": "nfs", "rpc_version": "4"}, "o\x80\x00\x00\x28"+rpcTest(100003, 4)),
		streamOf("rpc of glusterfs", 50000, 24007, facted{"app": "rpc", "rpc_program": "gluster-cli", "rpc_version": "2"}, "o\x80\x00\x00\x28"+rpcTest(1238463, 2)),
		datagramsOf("isakmp 1", 500, 500, facted{"app": "isakmp", "isakmp_version": "1", "isakmp_exchange": "aggressive"},
			"o"+isakmpTest(0x10, 4, 0, 1, nuls(8), "\x0d\x00\x00\x08sa  \x00\x00\x00\x08vend")),
		datagramsOf("isakmp 2 through nat", 4500, 4500, facted{"app": "isakmp", "isakmp_version": "2", "isakmp_exchange": "IKE_AUTH"},
			"o"+nuls(4)+isakmpTest(0x20, 35, 8, 46, "respondr", "\x27\x00\x00\x10encrypted...")),
		datagramsOf("esp through nat", 4500, 4500, facted{"app": "esp"}, "o\x12\x34\x56\x78\x00\x00\x00\x01"+strings.Repeat("e", 40), "r\x99\x34\x56\x78\x00\x00\x00\x07"+strings.Repeat("e", 40), "o\x12\x34\x56\x78\x00\x00\x00\x02"+strings.Repeat("e", 40)),
		datagramsOf("wireguard", 50000, 5555, facted{"app": "wireguard"}, "o"+wireguardBegin, "r\x02\x00\x00\x00idx2idx1"+strings.Repeat("y", 80)),
		datagramsOf("tailscale", 41641, 50000, facted{"app": "tailscale"}, "o"+tailscalePing, "r"+tailscalePing),
		datagramsOf("wireguard under way", 50000, 5555, facted{"app": "wireguard"}, "o\x04\x00\x00\x00idx1\x07"+nuls(7)+strings.Repeat("z", 32), "o\x04\x00\x00\x00idx1\x08"+nuls(7)+strings.Repeat("z", 48)),
		datagramsOf("openvpn", 50000, 5555, facted{"app": "openvpn"}, "o"+vpnClient+nuls(5), "r"+vpnServer+"\x01"+nuls(4)+"clientid"+nuls(4)),
		streamOf("openvpn over tcp", 50000, 5555, facted{"app": "openvpn"}, "o"+behind16(vpnClient+nuls(5)), "r"+behind16(vpnServer+"\x01"+nuls(4)+"clientid"+nuls(4))),
		datagramsOf("dtls", 50000, 5684, dtlsWant, "o"+dtlsTest(1, 0, 0, len(dtlsTestHello), dtlsTestHello), "r"+dtlsTest(2, 0, 0, len(dtlsServer), dtlsServer)),
		datagramsOf("dtls in parts", 50000, 5684, dtlsWant, "o"+dtlsTest(1, 0, 0, len(dtlsTestHello), dtlsTestHello[:60]),
			"o"+dtlsTest(1, 1, 60, len(dtlsTestHello), dtlsTestHello[60:]), "r"+dtlsTest(2, 0, 0, len(dtlsServer), dtlsServer)),
		datagramsOf("dtls with a certificate in parts", 50000, 5684, dtlsShown, "o"+dtlsTest(1, 0, 0, len(dtlsTestHello), dtlsTestHello),
			"r"+dtlsTest(2, 0, 0, len(dtlsServer), dtlsServer)+dtlsTest(11, 1, 0, len(dtlsCert), dtlsCert[:4]), "r"+dtlsTest(11, 2, 4, len(dtlsCert), dtlsCert[4:200]),
			"r"+dtlsTest(11, 3, 200, len(dtlsCert), dtlsCert[200:800])),
		datagramsOf("dtls under way", 50000, 5684, facted{"app": "dtls"}, "o\x17\xfe\xfd\x00\x01\x00\x00\x00\x00\x00\x09"+behind16(strings.Repeat("x", 40))),
		datagramsOf("rtp", 20000, 30000, facted{"app": "rtp", "rtp_payload": "PCMA", "rtp_ssrc": "305419896"}, "o"+rtpTest(0x88, 100, 1600), "r"+rtpTest(0x08, 7, 16), "o"+rtpTest(8, 101, 1760), "o"+rtpTest(8, 102, 1920)),
		datagramsOf("rtcp", 20001, 30001, facted{"app": "rtcp"}, "o\x80\xc8\x00\x06ssrc"+nuls(20)+"\x81\xca\x00\x04ssrc\x01\x06a@b.de"+nuls(4)),
		datagramsOf("srtcp, a report and the next", 20001, 30001, facted{"app": "rtcp"}, "o\x80\xc9\x00\x01ssrcencrypted", "o\x80\xc9\x00\x01ssrcis more of"),
		streamOf("bittorrent", 50000, 50001, facted{"app": "bittorrent", "bittorrent_infohash": "3031323334353637383961626364656667686970", "bittorrent_client": "-TR4040-"},
			"o"+bittorrentGreeting+nuls(8)+"0123456789abcdefghip"+"-TR4040-abcdefghijkl"),
		datagramsOf("bittorrent dht", 50000, 50001, facted{"app": "bittorrent", "bittorrent_infohash": "6d6e6f707172737475767778797a313233343536"},
			"od1:ad2:id"+dhtID+"9:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe"),
		datagramsOf("bittorrent utp", 50000, 50001, facted{"app": "bittorrent"}, "o\x41\x00\x12\x34timetime"+nuls(4)+"\x00\x01\x00\x00", "r\x21\x00\x12\x34timetime"+nuls(4)+"\x77\x77\x00\x01"),
		datagramsOf("bittorrent tracker", 50000, 50001, facted{"app": "bittorrent"}, "o\x00\x00\x04\x17\x27\x10\x19\x80\x00\x00\x00\x00abcd"),
		datagramsOf("mgcp", 50000, 50001, facted{"app": "mgcp", "mgcp_command": "CRCX", "mgcp_endpoint": "aaln/1@gw.example"}, "oCRCX 1204 aaln/1@gw.example MGCP 1.0\r\nC: A3C47F\r\n"),
		datagramsOf("megaco", 50000, 2944, facted{"app": "megaco"}, "oMEGACO/1 [192.0.2.1]:2944\r\nTransaction = 1 {\r\n}"),
		datagramsOf("bfd", 50000, 3784, facted{"app": "bfd", "bfd_state": "down"}, "o\x20\x40\x03\x18\x00\x00\x00\x01"+nuls(4)+"\x00\x0f\x42\x40\x00\x0f\x42\x40"+nuls(4)),
		datagramsOf("hsrp", 1985, 1985, facted{"app": "hsrp", "hsrp_group": "1", "hsrp_address": "192.0.2.254", "hsrp_state": "active"}, "o\x00\x00\x10\x03\x0a\x78\x01\x00"+"cisco\x00\x00\x00"+"\xc0\x00\x02\xfe"),
		datagramsOf("hsrp 2", 1985, 1985, facted{"app": "hsrp", "hsrp_group": "300", "hsrp_address": "192.0.2.254", "hsrp_state": "standby"},
			"o\x01\x28\x02\x00\x05\x04\x01\x2c"+"\x02\x00\x00\x00\x00\x01"+"\x00\x00\x00\x64\x00\x00\x0b\xb8\x00\x00\x27\x10"+"\xc0\x00\x02\xfe"+nuls(12)),
		datagramsOf("ptp", 319, 319, facted{"app": "ptp", "ptp_domain": "3"}, "o\x00\x02\x00\x2c\x03"+nuls(39)),
		datagramsOf("ipmi", 50000, 1623, facted{"app": "rmcp"}, "o\x06\x00\xff\x07\x00"+nuls(8)+"\x09\x20\x18\xc8\x81\x00\x38\x8e\x04\xb5"),
		datagramsOf("ipmi 2", 50000, 1623, facted{"app": "rmcp"}, "o\x06\x00\xff\x07\x06\x10"+nuls(8)+"\x20\x00"+nuls(32)),
		datagramsOf("netflow 5", 50000, 2055, facted{"app": "netflow", "netflow_version": "5"}, "o\x00\x05\x00\x01\x00\x00\x00\x01\x69\x00\x00\x00"+nuls(12+48)),
		datagramsOf("ipfix", 50000, 4739, facted{"app": "netflow", "netflow_version": "10"}, "o\x00\x0a\x00\x1c\x69\x00\x00\x00"+nuls(8)+"\x00\x02\x00\x0c\x01\x00\x00\x01\x00\x08\x00\x04"),
		datagramsOf("sflow", 50000, 6343, facted{"app": "sflow", "sflow_agent": "192.0.2.1"}, "o\x00\x00\x00\x05\x00\x00\x00\x01\xc0\x00\x02\x01"+nuls(12)+"\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x04data"),
		datagramsOf("coap", 50000, 5683, facted{"app": "coap", "coap_method": "GET", "coap_path": "/temperature", "coap_code": "2.05"},
			"o\x42\x01\x12\x34tk\xbbtemperature", "r\x62\x45\x12\x34tk\xc0\xff22.5"),
		datagramsOf("coap on another port", 50000, 50001, facted{"app": "coap", "coap_method": "GET", "coap_code": "2.05"}, "o\x42\x01\x12\x34tk\xb1a", "r\x62\x45\x12\x34tk\xc0\xff22.5"),
		streamOf("coap over tcp", 50000, 5683, facted{"app": "coap", "coap_method": "GET", "coap_path": "/temp", "coap_code": "2.05"},
			"o\x50\xe1\x23\x10\x00\x00\x20", "r\x50\xe1\x23\x10\x00\x00\x20", "o\x52\x01tk\xb4temp", "r\x52\x45tk\xff22.5"),
		streamOf("coap over tcp on another port, with a long message", 50000, 50001, facted{"app": "coap", "coap_method": "POST", "coap_path": "/log", "coap_code": "4.04"},
			"o\xd0\x02\xe1\x23\x10\x00\x00\x2a0123456789", "r\x00\xe1", "o\xe1\x06\xee\x02k\xb3log\xff"+nuls(269+1774-5), "r\x01\x84k"),
		datagramsOf("bacnet", 47808, 47808, facted{"app": "bacnet", "bacnet_service": "who-is"}, "o"+bacnetTest(11, "\x01\x20\xff\xff\x00\xff\x10\x08")),
		datagramsOf("bacnet device", 47808, 47808, facted{"app": "bacnet", "bacnet_service": "who-is", "bacnet_device": "1001"}, "o"+bacnetTest(10, "\x01\x00\x10\x08"),
			"r"+bacnetTest(10, "\x01\x00\x10\x00\xc4\x02\x00\x03\xe9\x22\x04\x00\x91\x03\x22\x03\xe7")),
		datagramsOf("bjnp", 8611, 8611, facted{"app": "bjnp"}, "oBJNP\x01\x01"+nuls(10)),
		datagramsOf("collectd", 50000, 25826, facted{"app": "collectd", "collectd_host": "node1.example"}, "o"+collectdPart(0, "node1.example\x00")+collectdPart(8, "timetime")+collectdPart(2, "cpu\x00")),
	}
}

var netbiosSession = "\x81\x00\x00\x44" + netbiosTest("FILES", 0x20) + netbiosTest("CLIENT", 0)

// TestSMBInSession: only what is inside a session of NetBIOS tells what it is.
// TestTailscale holds that a path which Tailscale looked for is WireGuard's once that goes over it.
func TestTailscale(t *testing.T) {
	s := datagramsOf("", 41641, 50000, nil, "o"+tailscalePing, "r"+tailscalePing, "o"+wireguardBegin, "r\x02\x00\x00\x00idx2idx1"+strings.Repeat("y", 80))
	if got := s.on(newInspector(Config{})); got["app"] != "wireguard" {
		t.Errorf("got %v, want wireguard", got)
	}
}

func TestSMBInSession(t *testing.T) {
	s := streamOf("", 50000, 139, nil, "o"+netbiosSession, "r\x82\x00\x00\x00", "o"+smb1Test(0x72, 0x18, "", "\x02NT LM 0.12\x00"), "r"+smb1Test(0x72, 0x98, nuls(34), ""))
	if got := run(t, &s); got["app"] != "smb" || got["smb_dialect"] != "NT LM 0.12" {
		t.Errorf("got %v, want smb with its dialect", got)
	}
}

// TestAlmostInfra: what looks like these protocols and is not must stay without a name.
func TestAlmostInfra(t *testing.T) {
	for _, s := range []sample{
		datagramsOf("snmp with a byte too much", 50000, 161, nil, "o"+snmpTest(0, "public", 0xa1)+"x"),
		datagramsOf("snmp with a PDU of the other version", 50000, 161, nil, "o"+snmpTest(0, "public", 0xa5)),
		datagramsOf("ntp answered with another time", 50000, 11123, nil, "o"+ntpTest(0x23, 0, nuls(4), nuls(8), "transmit"), "r"+ntpTest(0x24, 2, "\xc0\x00\x02\x01", "Transmit", "whatever")),
		datagramsOf("text at the port of ntp", 50000, 123, nil, "oVALUES of sensors", "oNAME=sensor, VALUE=12"),
		datagramsOf("more than there is, for ntpq", 50000, 123, nil, "o\x16\x02\x00\x01"+nuls(6)+"\x00\x20whatever"),
		datagramsOf("ntp that looks like a call of rpc", 50000, 50001, nil, "o\x24\x00\x06\xe9"+nuls(7)+"\x02INIT"+nuls(32)),
		datagramsOf("an element in BER at the port of ptp", 50000, 319, nil, "o\x30\x82"+be16Text(60)+strings.Repeat("\x02\x01\x05", 20)),
		datagramsOf("ptp with what it does not control", 319, 319, nil, "o\x00\x02\x00\x2c"+nuls(28)+"\x30"+nuls(11)),
		datagramsOf("lisp with more records than there is room for", 4342, 4342, nil, "o\x20\x00\x00\x03"+nuls(28)),
		datagramsOf("text at the port of lisp", 50000, 4342, nil, "op\x00\x00\x00 what this is about, in words"),
		datagramsOf("zeros at the port of hsrp", 1985, 1985, nil, "o"+nuls(20)),
		datagramsOf("hsrp that holds for less than it waits", 1985, 1985, nil, "o\x00\x00\x10\x0a\x03\x64\x01\x00cisco\x00\x00\x00\x0a\x00\x00\x01"),
		datagramsOf("hsrp from another port", 50000, 1985, nil, "o\x00\x00\x10\x03\x0a\x64\x01\x00cisco\x00\x00\x00\x0a\x00\x00\x01"),
		datagramsOf("hsrp in no state", 1985, 1985, nil, "o\x00\x00\x05\x03\x0a\x64\x01\x00cisco\x00\x00\x00\x0a\x00\x00\x01"),
		datagramsOf("iax2 with a version of other than two bytes", 50000, 5001, nil, "o\x80\x01\x00\x00"+nuls(4)+"\x00\x00\x06\x01\x0b\x03abc"),
		datagramsOf("iax2 of a call under way, at another port", 50000, 5001, nil, "o\x80\x01\x00\x02"+nuls(4)+"\x03\x04\x06\x04\x09\x04abcd"),
		datagramsOf("zeros that begin like a binding request", 50000, 50001, nil, "o\x00\x01\x00\x00"+nuls(16), "r\x01\x01\x00\x00"+nuls(16)),
		datagramsOf("srtcp, one report twice", 20000, 30000, nil, "o\x80\xc9\x00\x01ssrcencrypted", "o\x80\xc9\x00\x01ssrcencrypted"),
		datagramsOf("one packet like rtp", 20000, 30000, nil, "o"+rtpTest(8, 100, 1600)),
		datagramsOf("rtp of two sources", 20000, 30000, nil, "o"+rtpTest(8, 100, 1600), "o\x80\x08\x00\x65"+be32Text(1760)+"\x12\x34\x56\x79"+strings.Repeat("\xd5", 40)),
		datagramsOf("packets with numbers far apart", 20000, 30000, nil, "o"+rtpTest(8, 100, 1600), "o"+rtpTest(8, 10100, 1760)),
		datagramsOf("a reset of openvpn and another session", 50000, 5555, nil, "o\x38clientid"+nuls(5), "r\x40serverid\x01"+nuls(4)+"elsewhat"+nuls(4)),
		datagramsOf("a handshake of wireguard answered to another", 50000, 5555, nil, "o\x01\x00\x00\x00idx1"+strings.Repeat("x", 140), "r\x02\x00\x00\x00idx2idx3"+strings.Repeat("y", 80)),
		datagramsOf("utp with another connection", 50000, 50001, nil, "o\x41\x00\x12\x34timetime"+nuls(4)+"\x00\x01\x00\x00", "r\x21\x00\x12\x99timetime"+nuls(4)+"\x77\x77\x00\x01"),
		datagramsOf("a dictionary that is not the hash table's", 50000, 50001, nil, "od3:abci1e3:defi2ee"),
		datagramsOf("isakmp with a wrong length", 500, 500, nil, "o"+isakmpTest(0x10, 4, 0, 1, nuls(8), "\x0d\x00\x00\x08sa  \x00\x00\x00\x08vend")+"x"),
		datagramsOf("radius away from its ports without a name", 50000, 50001, nil, "o"+radiusTest(1, radiusAttribute(6, "\x00\x00\x00\x02"))),
		datagramsOf("coap answered with another token", 50000, 50001, nil, "o\x42\x01\x12\x34tk\xb1a", "r\x62\x45\x12\x34tx\xc0\xff22.5"),
		datagramsOf("tuya without its end", 50000, 6667, nil, "o\x00\x00\x55\xaa"+nuls(8)+behind32(nuls(20))),
		datagramsOf("a datagram as long as a ping of ethereum", 30303, 30303, nil, "o"+nuls(32+65)+"\x01\xc4\x05\xc0\x84\x65"),
		datagramsOf("glbp with an unknown part", 3222, 3222, nil, "o\x01\x00\x00\x0a"+nuls(8)+"\x09\x04\x00\x00"),
		datagramsOf("zeros as long as gnutella's header", 6346, 50000, nil, "o"+nuls(23)),
		datagramsOf("bfcp answered to another", 50000, 5070, nil, "o\x40\x0b\x00\x00"+be32Text(1)+"\x00\x01\x00\x01", "r\x50\x0f\x00\x00"+be32Text(1)+"\x00\x02\x00\x01"),
		datagramsOf("rdp over udp that begins with an answer", 50000, 3389, nil, "o\xff\xff\xff\xff\x00\x40\x00\x05\x0b\x12\x7f\x15\x04\xd0\x04\xd0"),
		streamOf("two letters of whatsapp", 50000, 5222, nil, "oWA\x06\x03\x00\x00\x24\x13\x22"+nuls(40)),
		streamOf("teamviewer's mark alone", 50000, 443, nil, "o\x17\x24\x28\x03\x00abcdef"),
		streamOf("another association than that of mms", 50000, 102, nil, "o"+tpktTest("\x02\xf0\x80\x0d\x0a\x60\x08\xa1\x06\x06\x04\x28\xca\x22\x09")),
		streamOf("settings of coap that nobody answers", 50000, 50001, nil, "o\x50\xe1\x23\x10\x00\x00\x20", "rhello there"),
		streamOf("settings of coap with a critical option", 50000, 5683, nil, "o\x20\xe1\x11a"),
		datagramsOf("text in the place of coap", 50000, 5683, nil, "oGET /index.html"),
		streamOf("rpc of another version", 50000, 2049, nil, "o\x80\x00\x00\x28\x01\x02\x03\x04"+nuls(4)+be32Text(3)+be32Text(100003)+nuls(24)),
		streamOf("a certificate in the place of ldap", 50000, 389, nil, "o"+tlv(berSequence, tlv(berSequence, berInt(1), strings.Repeat("x", 40)))),
		streamOf("four bytes of length and no smb", 50000, 445, nil, "o"+behind32("SMB and something else")),
		datagramsOf("a number like discord's that is not sent back", 61392, 50004, nil, "o\x13\x37\xca\xfe\x0e\x00\x00\x00", "r\x13\x37\xca\xfe\x0f\x00\x00\x00"),
		datagramsOf("photon that does not connect", 50173, 5055, nil, "o\xff\xff\x00\x01\x00\x00\x00\x04\x12\x34\x56\x78\x05\xff\x01\x04\x00\x00\x00\x2c"+nuls(36)),
		datagramsOf("zoom that is answered another's", 58327, 8801, nil, "r\x03\x00\x00\x00\x01\x76\x2a\x8d\x74\x00\x5a\x0e\x3e", "o\x04\x00\x00\x00\x01\x76\x2a\x8d\x74\x00\x5a\x0e\x3f"),
		datagramsOf("zoom that nobody answers", 58327, 8801, nil, "r\x03\x00\x00\x00\x01\x76\x2a\x8d\x74\x00\x5a\x0e\x3e", "r\x04\x00\x00\x00\x01\x76\x2a\x8d\x74\x00\x5a\x0e\x3e"),
		// Own formats of nobody's interest, of which these were once taken for something.
		streamOf("a kind and a length, like modbus of two units", 50000, 9999, nil, "o\x06\x01\x00\x00\x00\x03\x08\xab\x07", "o\x06\x02\x00\x00\x00\x06\x00\x5aabcd"),
		streamOf("a kind and a length, like hart-ip", 50000, 9999, nil, "o\x01\x00\x00\x00\x0fw\x00\x0d\x00\xea\x0c\x94\x0fversion"),
		streamOf("a length, a number and JSON, like skinny", 50000, 9999, nil, "o\xa9\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00{\"count\":555,\"ok\":{\"alt\":917}}"),
		datagramsOf("a length, a number and words, like sap", 50000, 9999, nil, "o\x24\x00\x00\x00\x01pong=hello=exec=start=state=mode"),
		streamOf("a length and words, like iscsi", 50000, 9999, nil, "o#O\x00\x00\x00\x00\x00\x06"+nuls(40)+"state:mode=login"),
		streamOf("a kind and a length, like knx", 50000, 9999, nil, "o\x06\x10\x02\x02\x00\x0eE\x00\x02\x08\x0cE\x00\x02\x06\x38{\"exec\":false}"),
		datagramsOf("small numbers, like netflow", 50000, 9999, nil, "o\x00\x09\x0c\x00"+nuls(16)+"\x01\x0f\x00\x08\xcb\x8e\x00\xf1"),
		datagramsOf("small numbers, like wccp", 50000, 9999, nil, "o\x00\x00\x00\x07\x00\x00\x00\x04{\x00\x00J\x00\x0c\x05"+nuls(30)),
		streamOf("small numbers, like smpp", 50000, 9999, nil, "o"+be32Text(60)+be32Text(9)+nuls(4)+be32Text(0x73000020)+"%\x00\x07\x00%\x00\x00\x08"+nuls(36)),
		streamOf("a length and text, like socks", 50000, 9999, nil, "o\x05\x1blist:task:light:query:state", "r\x05\x00"),
		datagramsOf("small numbers at the port of ntp", 50000, 123, nil, "o\x1b\x00\x00\x00"+strings.Repeat("\x07\x00\x03\x00", 39)),
		streamOf("a kind, a length and numbers, like dcerpc", 50000, 9999, nil, "o\x05\x01\x0b\x00\x00\x00\x00\x00\x00\x44"+nuls(6)+"\x00\x63\x00\x00"+strings.Repeat("\x01", 48)),
		datagramsOf("small numbers, like dcerpc", 50000, 9999, nil, "o\x04\x00\x0e\x00\x00\x00\x00\x00"+nuls(16)+"\x04\x04"+nuls(34)+"\x0e\xd1\x00\x0e"+nuls(16)),
		datagramsOf("a length, a number and data, like quic's retry", 50000, 9999, nil, "o\xfb\x00\x00\x00\x01\x00\x00\x00\x84\xa1x\x84\xa4data\x84\xa4file\x93\x04"+strings.Repeat("x", 40)),
		datagramsOf("small numbers, like quic's 0-RTT", 50000, 9999, nil, "o\xdc\x00\x00\x00\x01\x07\x00\x80\x04\x00\x07\xa2\x00\x009b\x1e"+nuls(60)),
		datagramsOf("a kind and a length at the port of pcp", 50000, 5351, nil, "o\x02\x00\x14time_data_error_pong!"),
		datagramsOf("a mapping of pcp that is not whole", 50000, 5351, nil, "o\x02\x01\x00\x00"+nuls(28)),
		datagramsOf("two letters and a length at the port of gtp", 50000, 2123, nil, "oAK"+behind16("\x00\x00\x00\x02state|run|open")),
		datagramsOf("two letters and a length at the port of gtp'", 50000, 3386, nil, "oXM\x00\x03\x00\x00\x00\x00lon"),
		datagramsOf("protobuf at the port of pfcp", 50000, 8805, nil, "o'\x0a"+"\x0e"+("get:close:user\x12\x49\x11\x77\x10\xb4\x4c"+strings.Repeat("ab", 20))),
		streamOf("more numbers, like tls", 50000, 9999, nil, "o\x16\x03\x00\x00\x02\x02\x00\x00\x9c\x00\x00\x00"+strings.Repeat("\x85\x00\x00\x00", 10)),
		streamOf("numbers of four bytes, like tls", 50000, 9999, nil, "o\x16\x03\x00\x00\x4a\x01\x00\x00\x66\x03\x00\x00"+strings.Repeat("\xbc\x01\x00\x00", 15)),
	} {
		t.Run(s.name, func(t *testing.T) {
			if got := run(t, &s); len(got) != 0 {
				t.Errorf("got %v, want nothing", got)
			}
		})
	}
}
