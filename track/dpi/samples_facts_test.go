package dpi

import "strings"

// factSamples are conversations in which users look for more than the protocol's name: who, whom, what for, and why not.
func factSamples() []sample {
	const turnID = "0123456789ab"
	address := func(kind int, xorPort int, addr uint32) string {
		return be16Text(kind) + "\x00\x08\x00\x01" + be16Text(xorPort^0x2112) + be32Text(addr^stunCookie)
	}
	turnLogin := "\x00\x06\x00\x04anna" + "\x00\x14\x00\x0cexample.test" + "\x00\x15\x00\x04once" + "\x00\x08\x00\x14" + nuls(20)
	dhcpv6IA := func(lease string) string { return dhcpv6Option(3, nuls(12)+lease) }
	lldp := func(kind int, value string) string { return be16Text(kind<<9|len(value)) + value }
	cdp := func(kind int, value string) string { return be16Text(kind) + be16Text(len(value)+4) + value }
	tgs := func(kind byte) string {
		names := tlv(0xa1, principal("alice"))
		if kind == kerberosTGSRep {
			return tlv(0x6d, tlv(berSequence, tlv(0xa0, berInt(5)), tlv(0xa1, berInt(13)), tlv(0xa3, tlv(berGeneral, "EXAMPLE.ORG")), tlv(0xa4, principal("alice")),
				tlv(0xa5, tlv(0x61, tlv(berSequence, tlv(0xa0, berInt(5)), tlv(0xa1, tlv(berGeneral, "EXAMPLE.ORG")), tlv(0xa2, principal("MSSQLSvc", "db.example.org")),
					tlv(0xa3, tlv(berSequence, tlv(0xa0, berInt(23)), tlv(0xa2, tlv(berOctets, "ticket")))))))))
		}
		return tlv(0x6c, tlv(berSequence, tlv(0xa1, berInt(5)), tlv(0xa2, berInt(12)), tlv(0xa4, tlv(berSequence, tlv(0xa0, tlv(3, "\x00\x40\x00\x00\x00")),
			names, tlv(0xa2, tlv(berGeneral, "EXAMPLE.ORG")), tlv(0xa3, principal("MSSQLSvc", "db.example.org"))))))
	}
	rpc := func(procedure uint32, credentials, argument string) string {
		call := "\x01\x02\x03\x04" + nuls(4) + be32Text(2) + be32Text(rpcMount) + be32Text(3) + be32Text(procedure) + credentials + nuls(8) + argument
		return be32Text(uint32(len(call))|1<<31) + call
	}
	xdr := func(s string) string { return be32Text(uint32(len(s))) + s + nuls(-len(s)&3) }
	rpcReply := be32Text(24|1<<31) + "\x01\x02\x03\x04" + be32Text(1) + nuls(16)
	tree := wide(`\\files\team`)
	create := func(path string) string {
		return smb2Test(5, false, "\x39\x00"+nuls(42)+"\x78\x00"+string([]byte{byte(len(wide(path))), 0})+nuls(8)+wide(path))
	}
	challenge := "NTLMSSP\x00\x02\x00\x00\x00" + nuls(8) + "\x01\x00\x00\x00" + "chalenge" + nuls(8)
	pairs := "\x01\x00\x0a\x00" + wide("FILES") + "\x03\x00\x1a\x00" + wide("files.exampl") + wide("e") + nuls(4)
	challenge += string([]byte{byte(len(pairs)), 0, byte(len(pairs)), 0, 48, 0, 0, 0}) + pairs
	ntlm := func(host string) string {
		h, u := wide(host), wide("anna")
		field := func(s string, at int) string {
			return string([]byte{byte(len(s)), 0, byte(len(s)), 0, byte(at), 0, 0, 0})
		}
		return "NTLMSSP\x00\x03\x00\x00\x00" + nuls(16) + field("", 72) + field(u, 72) + field(h, 72+len(u)) + nuls(8) + "\x01\x00\x00\x00" + nuls(8) + u + h
	}
	return []sample{
		datagramsOf("turn: relay and peer", 40000, 3478, facted{"app": "stun", "stun_method": "allocate", "stun_software": "server 1.0", "stun_mapped": "192.0.2.10:40000",
			"stun_relayed": "198.51.100.20:50000", "stun_peer": "203.0.113.9:7000", "stun_user": "anna", "stun_realm": "example.test"},
			"o"+stunTest(3, turnID, "\x00\x19\x00\x04\x11\x00\x00\x00"), "r"+stunTest(0x113, turnID, "\x00\x09\x00\x04\x00\x00\x04\x01\x00\x14\x00\x0cexample.test"),
			"o"+stunTest(3, turnID, "\x00\x19\x00\x04\x11\x00\x00\x00"+turnLogin),
			"r"+stunTest(0x103, turnID, address(stunXorRelayed, 50000, 0xc6336414)+address(stunXorMapped, 40000, 0xc000020a)+"\x80\x22\x00\x0aserver 1.0\x00\x00"),
			"o"+stunTest(9, turnID, "\x00\x0c\x00\x04\x40\x00\x00\x00"+address(stunXorPeer, 7000, 0xcb007109)+turnLogin)),
		datagramsOf("turn: refused", 40000, 3478, facted{"app": "stun", "stun_method": "allocate", "stun_error": "486"},
			"o"+stunTest(3, turnID, "\x00\x19\x00\x04\x11\x00\x00\x00"), "r"+stunTest(0x113, turnID, "\x00\x09\x00\x04\x00\x00\x04\x56")),
		datagramsOf("turn: a peer without a port", 40000, 3478, facted{"app": "stun", "stun_method": "create-permission", "stun_peer": "203.0.113.9"},
			"o"+stunTest(8, turnID, address(stunXorPeer, 0, 0xcb007109))),
		datagramsOf("ice: no user", 40000, 50000, facted{"app": "stun", "stun_method": "binding", "stun_mapped": "192.0.2.10:40000"},
			"o"+stunTest(1, turnID, "\x00\x06\x00\x09frag:anna\x00\x00\x00"), "r"+stunTest(0x101, turnID, address(stunXorMapped, 40000, 0xc000020a))),
		datagramsOf("radius: a station", 40000, 1812, facted{"app": "radius", "radius_code": "Access-Request", "radius_reply": "Access-Accept", "radius_user": "anna", "radius_nas_address": "192.0.2.2",
			"radius_calling_station": "02-00-00-00-00-0C", "radius_called_station": "02-00-00-00-00-01:office", "radius_framed_address": "192.0.2.77"},
			"o"+radiusTest(1, radiusAttribute(1, "anna"), radiusAttribute(4, "\xc0\x00\x02\x02"), radiusAttribute(8, "\xff\xff\xff\xfe"), radiusAttribute(31, "02-00-00-00-00-0C"), radiusAttribute(30, "02-00-00-00-00-01:office")),
			"r"+radiusTest(2, radiusAttribute(8, "\xc0\x00\x02\x4d"))),
		datagramsOf("radius: accounting", 40000, 1813, facted{"app": "radius", "radius_code": "Accounting-Request", "radius_reply": "Accounting-Response", "radius_user": "anna", "radius_accounting": "stop"},
			"o"+radiusTest(4, radiusAttribute(1, "anna"), radiusAttribute(40, "\x00\x00\x00\x02"), radiusAttribute(44, "7")), "r"+radiusTest(5)),
		datagramsOf("dhcp: by a relay", 67, 67, facted{"app": "dhcp", "dhcp_messages": "ACK", "dhcp_client": "02:00:00:00:00:0c", "dhcp_address": "192.0.2.77", "dhcp_server": "198.51.100.1",
			"dhcp_lease": "3600", "dhcp_domain": "example.test", "dhcp_relay": "192.0.2.1"},
			"o"+dhcpTest(2, "\xc0\x00\x02\x4d", "\x35\x01\x05\x36\x04\xc6\x33\x64\x01\x33\x04\x00\x00\x0e\x10\x0f\x0cexample.test")[:24]+"\xc0\x00\x02\x01"+
				dhcpTest(2, "\xc0\x00\x02\x4d", "\x35\x01\x05\x36\x04\xc6\x33\x64\x01\x33\x04\x00\x00\x0e\x10\x0f\x0cexample.test")[28:]),
		datagramsOf("dhcpv6: an address", 546, 547, facted{"app": "dhcpv6", "dhcp_messages": "REQUEST REPLY", "dhcp_client": "0003000102000000000c", "dhcp_server": "00030001020000000001",
			"dhcp_address": "2001:db8:1::55", "dhcp_lease": "7200"},
			"o\x03\x11\x22\x33"+dhcpv6Option(1, "\x00\x03\x00\x01\x02\x00\x00\x00\x00\x0c")+dhcpv6Option(2, "\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01")+
				dhcpv6IA(dhcpv6Option(5, "\x20\x01\x0d\xb8\x00\x01"+nuls(9)+"\x55"+nuls(8))),
			"r\x07\x11\x22\x33"+dhcpv6Option(1, "\x00\x03\x00\x01\x02\x00\x00\x00\x00\x0c")+dhcpv6Option(2, "\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01")+
				dhcpv6IA(dhcpv6Option(5, "\x20\x01\x0d\xb8\x00\x01"+nuls(9)+"\x55"+be32Text(3600)+be32Text(7200)))),
		datagramsOf("dhcpv6: a prefix", 547, 546, facted{"app": "dhcpv6", "dhcp_messages": "REPLY", "dhcp_server": "00030001020000000001", "dhcp_address": "2001:db8:40::/56", "dhcp_lease": "3600"},
			"o\x07\x11\x22\x33"+dhcpv6Option(2, "\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01")+
				dhcpv6Option(25, nuls(12)+dhcpv6Option(26, be32Text(1800)+be32Text(3600)+"\x38\x20\x01\x0d\xb8\x00\x40"+nuls(10)))),
		over("lldp: all of it", protoLLDP, facted{"app": "lldp", "lldp_chassis": "02:00:00:00:00:01", "lldp_port": "eth7", "lldp_system": "switch.example", "lldp_description": "Test OS 1",
			"lldp_port_description": "uplink", "lldp_address": "192.0.2.2", "lldp_vlan": "42", "lldp_capabilities": "bridge router"},
			"o"+lldp(1, "\x04\x02\x00\x00\x00\x00\x01")+lldp(2, "\x05eth7")+lldp(3, "\x00\x78")+lldp(4, "uplink")+lldp(5, "switch.example")+lldp(6, "Test OS 1\r\nCopyright")+
				lldp(7, "\x00\x1c\x00\x14")+lldp(8, "\x05\x01\xc0\x00\x02\x02\x02\x00\x00\x00\x01\x00")+lldp(127, "\x00\x80\xc2\x01\x00\x2a")+lldp(0, "")),
		over("cdp: all of it", protoCDP, facted{"app": "cdp", "cdp_device": "router", "cdp_port": "Gi0/1", "cdp_platform": "model 7", "cdp_version": "Test OS 1", "cdp_address": "192.0.2.2", "cdp_vlan": "42"},
			"o\x02\xb4\x00\x00"+cdp(1, "router")+cdp(2, "\x00\x00\x00\x01\x01\x01\xcc\x00\x04\xc0\x00\x02\x02")+cdp(3, "Gi0/1")+cdp(5, "Test OS 1\nCopyright")+cdp(6, "model 7")+cdp(10, "\x00\x2a")),
		datagramsOf("sip: its call", 5060, 5060, facted{"app": "sip", "sip_method": "INVITE", "sip_from": "anna@a.example", "sip_to": "bob@b.example", "sip_call_id": "a84b4c76@a.example", "sip_status": "486"},
			"oINVITE sip:bob@b.example SIP/2.0\r\nFrom: <sip:anna@a.example>;tag=1\r\nTo: <sip:bob@b.example>\r\ni: a84b4c76@a.example\r\n\r\n",
			"rSIP/2.0 486 Busy Here\r\nCall-ID: a84b4c76@a.example\r\n\r\n"),
		datagramsOf("snmp 3 without privacy", 50000, 161, facted{"app": "snmp", "snmp_version": "3", "snmp_pdu": "get", "snmp_user": "operator", "snmp_security": "authNoPriv", "snmp_engine": "8000656e67696e65",
			"snmp_oid": "1.3.6.1.2.1"},
			"o"+snmp3Test("\x05", "operator", tlv(berSequence, tlv(berOctets, "\x80\x00engine"), tlv(berOctets, ""), snmpPDUTest(0xa0)))),
		datagramsOf("snmp 3 whose boots and time have no zero before them", 50000, 161, facted{"app": "snmp", "snmp_version": "3", "snmp_pdu": "get", "snmp_user": "operator", "snmp_security": "authNoPriv",
			"snmp_engine": "8000656e67696e65", "snmp_oid": "1.3.6.1.2.1"},
			"o"+strings.Replace(snmp3Test("\x05", "operator", tlv(berSequence, tlv(berOctets, "\x80\x00engine"), tlv(berOctets, ""), snmpPDUTest(0xa0))), berInt(1)+berInt(2), berInt(0xdd)+berInt(0xdd), 1)),
		streamOf("ldap: a wrong password", 50000, 389, facted{"app": "ldap", "ldap_operation": "bind", "ldap_bind_name": "cn=anna", "ldap_auth": "simple", "ldap_result": "49"},
			"o"+ldapTest(1, tlv(0x60, berInt(3), tlv(berOctets, "cn=anna"), tlv(0x80, secret))), "r"+ldapTest(1, tlv(0x61, tlv(berEnumerated, "\x31"), tlv(berOctets), tlv(berOctets)))),
		streamOf("http: a server that does not understand its client, as nobody does", 50000, 8123, facted{"app": "http", "http_status": "400", "http_version": "1.1", "http_server": "s"},
			"oget / HTTP/1.1\r\nHost: a\r\n\r\n", "rHTTP/1.1 400 Bad Request\r\nServer: s\r\nContent-Length: 0\r\n\r\n"),
		streamOf("ldap: nothing but an answer to compare", 50000, 389, facted{"app": "ldap", "ldap_operation": "compare", "ldap_result": "6"},
			"o"+ldapTest(2, tlv(0x6e, tlv(berOctets, "cn=anna"), tlv(berSequence, tlv(berOctets, "cn"), tlv(berOctets, "x")))), "r"+ldapTest(2, tlv(0x6f, tlv(berEnumerated, "\x06"), tlv(berOctets), tlv(berOctets)))),
		datagramsOf("ldap over udp: nothing found", 50000, 389, facted{"app": "ldap", "ldap_operation": "search", "ldap_result": "32"},
			"o"+ldapSearch(2, ""), "r"+ldapTest(2, tlv(0x65, tlv(berEnumerated, "\x20"), tlv(berOctets), tlv(berOctets)))),
		datagramsOf("ldap over udp: found", 50000, 389, facted{"app": "ldap", "ldap_operation": "search", "ldap_result": "0"},
			"o"+ldapSearch(2, ""), "r"+ldapTest(2, tlv(0x64, tlv(berOctets), tlv(berSequence)))+ldapTest(2, tlv(0x65, tlv(berEnumerated, "\x00"), tlv(berOctets), tlv(berOctets)))),
		streamOf("smtp: over other hosts", 50000, 25, facted{"app": "smtp", "smtp_server": "mx ESMTP", "smtp_helo": "x", "smtp_from": "u@c"}, "r220 mx ESMTP\r\n", "oEHLO x\r\n", "oMAIL FROM:<@a,@b:u@c>\r\n"),
		streamOf("tds: a login of version 5, whose second packet is in the same segment", 50000, 5000, facted{"app": "tds", "tds_user": "anna"},
			"o\x02\x00\x02\x00"+nuls(4)+nuls(31)+"anna"+nuls(26)+"\x04"+secret+nuls(23)+"\x07"+nuls(411)+"\x02\x01\x00\x10\x00\x00\x01\x00"+nuls(8)),
		datagramsOf("kerberos: a ticket for a service", 50000, 88, facted{"app": "kerberos", "kerberos_realm": "EXAMPLE.ORG", "kerberos_client": "alice", "kerberos_service": "MSSQLSvc/db.example.org",
			"kerberos_type": "TGS", "kerberos_cipher": "rc4-hmac"}, "o"+tgs(kerberosTGSReq), "r"+tgs(kerberosTGSRep)),
		tcpSample("rdp refused", 3389, talk("C"+tpktTest("\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x00\x00\x00\x00"), "S"+tpktTest("\x0e\xd0\x00\x00\x12\x34\x00\x03\x00\x08\x00\x05\x00\x00\x00")),
			"app", "rdp", "rdp_requested", "rdp", "rdp_failure", "credssp-required"),
		tcpSample("bgp refused", 179, talk("C"+bgpTest(1, "\x04"+u16(64500)+u16(180)+"\x0a\x00\x00\x01\x00"), "S"+bgpTest(1, "\x04"+u16(64501)+u16(180)+"\x0a\x00\x00\x02\x00"), "S"+bgpTest(3, "\x02\x02\xfb\xf4")),
			"app", "bgp", "bgp_client_as", "64500", "bgp_server_as", "64501", "bgp_client_id", "10.0.0.1", "bgp_server_id", "10.0.0.2", "bgp_error", "open-message/2"),
		streamOf("smb: files", 50000, 445, facted{"app": "smb", "smb_dialect": "3.1.1", "smb_shares": `\\files\team`, "smb_user": "anna", "smb_client_host": "LAPTOP", "smb_server": "files.example",
			"smb_files": `reports\q1.xlsx srvsvc`},
			"o"+smb2Test(0, false, "\x24\x00\x01\x00"+nuls(32)+"\x11\x03"), "r"+smb2Test(0, true, "\x41\x00\x00\x00\x11\x03"+nuls(58)),
			"r"+smb2Test(1, true, "\x09\x00\x00\x00\x48\x00"+string([]byte{byte(len(challenge)), 0})+challenge),
			"o"+smb2Test(1, false, "\x19\x00\x00\x00"+nuls(8)+"\x58\x00"+string([]byte{byte(len(ntlm("LAPTOP"))), 0})+nuls(8)+ntlm("LAPTOP")),
			"o"+smb2Test(3, false, "\x09\x00\x00\x00\x48\x00"+string([]byte{byte(len(tree)), 0})+tree), "o"+create(`reports\q1.xlsx`), "o"+create(""), "o"+create(`reports\q1.xlsx`), "o"+create("srvsvc")),
		streamOf("rpc: a mount, behind a call that asks who is there", 700, 20048, facted{"app": "rpc", "rpc_program": "mount", "rpc_version": "3", "rpc_procedure": "1", "rpc_host": "laptop", "rpc_uid": "1000",
			"nfs_export": "/srv/team"}, "o"+rpc(0, nuls(8), ""), "r"+rpcReply, "o"+rpc(1, be32Text(1)+xdr("\x00\x00\x00\x07"+xdr("laptop")+be32Text(1000)+be32Text(100)+be32Text(0)), xdr("/srv/team"))),
		tcpSample("kafka: a topic", 9092, talk("C"+n32(u16(18)+u16(0)+u32(1)+n16("till-7")), "S"+n32(u32(1)+u16(0)+u32(0)), "C"+n32(u16(0)+u16(7)+u32(2)+n16("till-7")+"\xff\xff"+u16(1)+u32(30000)+u32(1)+n16("orders")+u32(1)+zeros(40))),
			"app", "kafka", "kafka_client_id", "till-7", "kafka_api", "ApiVersions", "kafka_topic", "orders"),
		tcpSample("kafka: a topic in the compact form", 9092, talk("C"+n32(u16(3)+u16(12)+u32(1)+n16("till-7")+"\x00\x02"+zeros(16)+"\x07orders\x00\x01\x00\x00")),
			"app", "kafka", "kafka_client_id", "till-7", "kafka_api", "Metadata", "kafka_topic", "orders"),
		tcpSample("kafka: fetched", 9092, talk("C"+n32(u16(1)+u16(11)+u32(1)+n16("till-7")+u32(-1)+u32(500)+u32(1)+u32(1<<20)+"\x00"+u32(0)+u32(-1)+u32(1)+n16("orders")+u32(1)+zeros(24)+u32(0)+n16(""))),
			"app", "kafka", "kafka_client_id", "till-7", "kafka_api", "Fetch", "kafka_topic", "orders"),
		tcpSample("socks 5: refused, IPv6", 1080, talk("C\x05\x01\x00", "S\x05\x00", "C\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x02"+zeros(9)+"\x20\x00\x50", "S\x05\x05\x00\x01"+zeros(6)),
			"app", "socks", "socks_version", "5", "socks_command", "connect", "socks_target", "[2001:db8:2::20]:80", "socks_reply", "refused"),
		tcpSample("socks 5: datagrams", 1080, talk("C\x05\x01\x00", "S\x05\x00", "C\x05\x03\x00\x01"+zeros(6), "S\x05\x00\x00\x01\xc6\x33\x64\x14\x9c\x40"),
			"app", "socks", "socks_version", "5", "socks_command", "udp-associate", "socks_reply", "granted"),
		datagramsOf("socks 5: relayed datagrams", 40000, 40001, facted{"app": "socks", "socks_version": "5", "socks_command": "udp-associate", "socks_target": "192.0.2.1:53"},
			"o\x00\x00\x00\x01\xc0\x00\x02\x01\x00\x35hello", "r\x00\x00\x00\x01\xc0\x00\x02\x01\x00\x35hello"),
		tcpSample("socks 4: somebody else", 1080, talk("C\x04\x01\x00\x50\xc0\x00\x02\x01anna\x00", "S\x00\x5d"+zeros(6)),
			"app", "socks", "socks_version", "4", "socks_command", "connect", "socks_target", "192.0.2.1:80", "socks_user", "anna", "socks_reply", "wrong-user"),
		tcpSample("socks 4: bind", 1080, talk("C\x04\x02\x00\x50\xc0\x00\x02\x01\x00", "S\x00\x5a"+zeros(6)),
			"app", "socks", "socks_version", "4", "socks_command", "bind", "socks_target", "192.0.2.1:80", "socks_reply", "granted"),
	}
}
