package dpi

import (
	"maps"
	"strconv"
	"strings"
)

// over makes a sample of what runs over IP or a link without ports.
func over(name string, proto uint16, want map[string]string, said ...string) sample {
	s := datagramsOf(name, 0, 0, want, said...)
	s.over = proto
	return s
}

// summed puts the checksum of RFC 1071 into two bytes of a message.
func summed(s string, at int) string {
	b := []byte(s)
	sum := uint32(0)
	for i := range b {
		sum += uint32(b[i]) << (8 * (1 - i&1))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	b[at], b[at+1] = byte(^sum>>8), byte(^sum)
	return string(b)
}

func le16Text(n int) string    { return string([]byte{byte(n), byte(n >> 8)}) }
func le32Text(n uint32) string { return le16Text(int(n)) + le16Text(int(n>>16)) }

// moreSamples are the routers' and links' protocols, and the long tail.
func moreSamples() []sample {
	const mac1, mac2 = "\x02\x00\x00\x00\x00\x01", "\x02\x00\x00\x00\x00\x02"
	lldp := func(kind int, value string) string { return be16Text(kind<<9|len(value)) + value }
	cdp := func(kind int, value string) string { return be16Text(kind) + be16Text(len(value)+4) + value }
	eap := func(code byte, rest string) string {
		return "\x01\x00" + be16Text(len(rest)+4) + string([]byte{code, 7}) + be16Text(len(rest)+4) + rest
	}
	ip4 := "\x45\x00\x00\x14\x00\x00\x00\x00\x40\x11\x00\x00\xc0\x00\x02\x01\xc0\x00\x02\x02"
	avp := func(kind int, value string) string {
		return be16Text(0x8000|len(value)+6) + be16Text(0) + be16Text(kind) + value
	}
	l2tp := func(avps string) string {
		return "\xc8\x02" + be16Text(12+len(avps)) + "\x00\x00\x00\x00\x00\x00\x00\x00" + avps
	}
	raknet := raknetMagic
	dsi := func(flags, command byte, data string) string {
		return string([]byte{flags, command}) + "\x00\x01\x00\x00\x00\x00" + be32Text(uint32(len(data))) + nuls(4) + data
	}
	smpp := func(command, status, number uint32, body string) string {
		return be32Text(uint32(16+len(body))) + be32Text(command) + be32Text(status) + be32Text(number) + body
	}
	giop := func(minor byte, body string) string {
		return "GIOP\x01" + string([]byte{minor, 0, 0}) + be32Text(uint32(len(body))) + body
	}
	ajp := func(text string) string { return behind16(text) + "\x00" }
	bitcoin := func(command, body string) string {
		return "\xf9\xbe\xb4\xd9" + command + nuls(12-len(command)) + le32Text(uint32(len(body))) + "sum!" + body
	}
	fastcgi := func(kind byte, content string) string {
		return "\x01" + string([]byte{kind, 0, 1}) + be16Text(len(content)) + string([]byte{byte(-len(content) & 7), 0}) + content + nuls(-len(content)&7)
	}
	fastcgiBegun := fastcgi(1, "\x00\x01\x01"+nuls(5))
	variable := func(name, value string) string { // of FastCGI
		length := func(n int) string {
			if n < 0x80 {
				return string([]byte{byte(n)})
			}
			return be32Text(uint32(n) | 1<<31)
		}
		return length(len(name)) + length(len(value)) + name + value
	}
	uwsgi := func(of ...string) string {
		vars := ""
		for _, text := range of {
			vars += le16Text(len(text)) + text
		}
		return "\x00" + le16Text(len(vars)) + "\x00" + vars
	}
	scgi := func(of ...string) string {
		text := strings.Join(of, "\x00") + "\x00"
		return strconv.Itoa(len(text)) + ":" + text + ","
	}
	proxied := func(command, family byte, rest string) string {
		return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{command, family}) + behind16(rest)
	}
	get := "GET /a?token=" + secret + " HTTP/1.1\r\nHost: www.example\r\n\r\n"
	ok204 := "rHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
	behindProxy := func(more facted) facted {
		maps.Copy(more, facted{"app": "http", "host": "www.example by http", "http_method": "GET", "http_path": "/a", "http_version": "1.1", "http_host": "www.example", "http_status": "204", "http_requests": "1"})
		return more
	}
	drda := func(point int, number int, objects string) string {
		n := len(objects) + 10
		return be16Text(n) + "\xd0\x01" + be16Text(number) + be16Text(n-6) + be16Text(point) + objects
	}
	object := func(point int, value string) string { return be16Text(len(value)+4) + be16Text(point) + value }
	iscsi := func(opcode byte, text string) string {
		return string([]byte{opcode, 0x87, 0, 0, 0, 0}) + be16Text(len(text)) + nuls(40) + text + nuls(-len(text)&3)
	}
	return []sample{
		over("igmp", protoIGMP, facted{"app": "igmp", "igmp_type": "leave", "igmp_group": "233.252.0.1"},
			"o"+summed("\x22\x00\x00\x00\x00\x00\x00\x01\x03\x00\x00\x00\xe9\xfc\x00\x01", 2)),
		over("igmp query", protoIGMP, facted{"app": "igmp", "igmp_type": "query"}, "o"+summed("\x11\x64\x00\x00\x00\x00\x00\x00\x02\x7d\x00\x00", 2)),
		over("ospf", protoOSPF, facted{"app": "ospf", "ospf_version": "2", "ospf_type": "hello", "ospf_router": "192.0.2.1", "ospf_area": "0.0.0.7"},
			"o"+summed("\x02\x01\x00\x2c\xc0\x00\x02\x01\x00\x00\x00\x07\x00\x00\x00\x00"+nuls(8)+"\xff\xff\xff\x00\x00\x0a\x02\x01\x00\x00\x00\x28"+nuls(8), 12)),
		over("ospf with a password", protoOSPF, facted{"app": "ospf", "ospf_version": "2", "ospf_type": "hello", "ospf_router": "192.0.2.1", "ospf_area": "0.0.0.0"},
			"o\x02\x01\x00\x2c\xc0\x00\x02\x01\x00\x00\x00\x00\xab\xcd\x00\x01"+secret+"\x00"+"\xff\xff\xff\x00\x00\x0a\x02\x01\x00\x00\x00\x28"+nuls(8)),
		over("ospf v3", protoOSPF, facted{"app": "ospf", "ospf_version": "3", "ospf_type": "update", "ospf_router": "192.0.2.1", "ospf_area": "0.0.0.0"},
			"o\x03\x04\x00\x14\xc0\x00\x02\x01\x00\x00\x00\x00\x12\x34\x00\x00\x00\x00\x00\x00"),
		over("eigrp", protoEIGRP, facted{"app": "eigrp", "eigrp_type": "hello", "eigrp_as": "100"},
			"o"+summed("\x02\x05\x00\x00"+nuls(14)+"\x00\x64\x00\x01\x00\x0c\x01\x00\x01\x00\x00\x00\x00\x0f", 2)),
		over("pim", protoPIM, facted{"app": "pim", "pim_type": "join-prune"}, "o\x23\x00\x12\x34"+nuls(8)),
		over("vrrp 2", protoVRRP, facted{"app": "vrrp", "vrrp_version": "2", "vrrp_group": "51", "vrrp_priority": "100", "vrrp_address": "192.0.2.100"},
			"o\x21\x33\x64\x01\x01\x01\x12\x34\xc0\x00\x02\x64"+secret+"\x00"),
		over("vrrp 3", protoVRRP, facted{"app": "vrrp", "vrrp_version": "3", "vrrp_group": "5", "vrrp_priority": "255", "vrrp_address": "192.0.2.9"},
			"o\x31\x05\xff\x01\x00\x64\x12\x34\xc0\x00\x02\x09"),
		over("carp", protoVRRP, facted{"app": "carp", "vrrp_group": "3"}, "o\x21\x03\x00\x07\x00\x01\x12\x34"+strings.Repeat("x", 28)),
		over("esp", protoESP, facted{"app": "esp", "esp_spi": "0xc0ffee01"}, "o\xc0\xff\xee\x01\x00\x00\x00\x01"+strings.Repeat("e", 40)),
		over("sctp", protoSCTP, facted{"app": "m3ua"}, "o\x01\x00\x00\x14\x11\x11\x11\x11\x00\x01\x00\x00\x00\x0a\x00\x0a\x00\x00\x03\xe8", "r\x02\x00\x00\x14"+nuls(16),
			"o\x00\x03\x00\x14\x00\x00\x03\xe8\x00\x00\x00\x00\x00\x00\x00\x03data"),
		over("lldp", protoLLDP, facted{"app": "lldp", "lldp_chassis": "02:00:00:00:00:01", "lldp_port": "eth7", "lldp_system": "switch.example", "lldp_description": "Test OS 1"},
			"o"+lldp(1, "\x04"+mac1)+lldp(2, "\x05eth7")+lldp(3, "\x00\x78")+lldp(6, "Test OS 1")+lldp(5, "switch.example")+lldp(0, "")+nuls(8)),
		over("cdp", protoCDP, facted{"app": "cdp", "cdp_device": "router", "cdp_port": "Gi0/1", "cdp_platform": "model 7"},
			"o\x02\xb4\x12\x34"+cdp(1, "router")+cdp(3, "Gi0/1")+cdp(6, "model 7")),
		over("stp", protoSTP, facted{"app": "stp", "stp_version": "2", "stp_root": "32768.02:00:00:00:00:01", "stp_bridge": "32769.02:00:00:00:00:02"},
			"o\x00\x00\x02\x02\x3c\x80\x00"+mac1+"\x00\x00\x00\x04\x80\x01"+mac2+"\x80\x01\x01\x00\x14\x00\x02\x00\x0f\x00\x00"),
		over("eapol", protoEAPOL, facted{"app": "eapol", "eapol_type": "start", "eapol_identity": "anna", "eapol_method": "PEAP"},
			"o\x01\x01\x00\x00", "r"+eap(1, "\x01"), "o"+eap(2, "\x01anna"), "r"+eap(1, "\x19\x20"), "o"+eap(2, "\x19secret"), "r"+eap(3, "")),
		over("lacp", protoLACP, facted{"app": "lacp", "lacp_system": "02:00:00:00:00:01", "lacp_partner": "02:00:00:00:00:02"},
			"o\x01\x01\x01\x14\xff\xff"+mac1+nuls(10)+"\x02\x14\xff\xff"+mac2+nuls(10)+nuls(66)),
		over("ptp over ethernet", protoPTP, facted{"app": "ptp", "ptp_domain": "4"}, "o\x00\x02\x00\x2c\x04"+nuls(39)),

		datagramsOf("rip", 520, 520, facted{"app": "rip", "rip_version": "2", "rip_command": "response"},
			"o\x02\x02\x00\x00\xff\xff\x00\x02"+secret+nuls(9)+"\x00\x02\x00\x00\x0a\x00\x00\x00\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"),
		datagramsOf("ripng", 521, 521, facted{"app": "ripng", "rip_command": "request"}, "o\x01\x01\x00\x00"+nuls(19)+"\x10"),
		datagramsOf("babel", 6696, 6696, facted{"app": "babel"}, "o\x2a\x02\x00\x0c\x04\x06\x00\x00\x00\x01\x01\x90\x00\x01\x01\x00"),
		datagramsOf("gtp 1", 2123, 2123, facted{"app": "gtp", "gtp_version": "1", "gtp_message": "echo-request"}, "o\x32\x01\x00\x04\x00\x00\x00\x00\x00\x01\x00\x00"),
		datagramsOf("gtp 2", 2123, 2123, facted{"app": "gtp", "gtp_version": "2", "gtp_message": "create-session-request", "gtp_apn": "internet.example"},
			"o\x48\x20"+be16Text(8+4+17)+"\x00\x00\x00\x00\x00\x00\x01\x00\x47"+be16Text(17)+"\x00\x08internet\x07example"),
		datagramsOf("pfcp", 8805, 8805, facted{"app": "pfcp", "pfcp_message": "heartbeat-request"}, "o\x20\x01\x00\x0c\x00\x00\x01\x00\x00\x60\x00\x04\x00\x00\x00\x01"),
		datagramsOf("l2tp", 1701, 1701, facted{"app": "l2tp", "l2tp_host": "lac.example", "l2tp_vendor": "test"},
			"o"+l2tp(avp(0, "\x00\x01")+avp(2, "\x01\x00")+avp(7, "lac.example")+avp(8, "test"))),
		datagramsOf("teredo bubble", 3544, 40000, facted{"app": "teredo"},
			"o\x00\x00\x23\x45\x3f\xff\xfd\xfd\x60\x00\x00\x00\x00\x00\x3b\x15\x20\x01\x00\x00"+nuls(12)+"\x20\x01\x00\x00"+strings.Repeat("a", 12)),
		datagramsOf("lisp register", 4342, 4342, facted{"app": "lisp", "lisp_message": "map-register"}, "o\x30\x00\x00\x01nonce!!!\x00\x01\x00\x14"+strings.Repeat("h", 20)+nuls(24)),
		datagramsOf("lisp data", 4341, 4341, facted{"app": "lisp"}, "o\x80\x00\x00\x01\x00\x00\x00\x00"+ip4),
		datagramsOf("capwap", 40000, 5246, facted{"app": "capwap", "capwap_message": "discovery-request"}, "o\x00\x10\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x08\x00\x00\x14\x00\x01\x00"),
		datagramsOf("capwap dtls", 40000, 40001, facted{"app": "capwap"}, "o\x01\x00\x00\x00\x16\xfe\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10"+nuls(16)),
		datagramsOf("srvloc", 40000, 427, facted{"app": "srvloc", "slp_service": "service:printer"},
			"o\x02\x01"+"\x00"+be16Text(14+2+2+2+15+6)+"\x20\x00\x00\x00\x00\x00\x01"+behind16("en")+behind16("")+behind16("service:printer")+nuls(6)),
		datagramsOf("wsd", 40000, 3702, facted{"app": "wsd", "wsd_action": "Probe"},
			"o<?xml version=\"1.0\"?><e:Envelope xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><e:Header><a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></e:Header></e:Envelope>"),
		datagramsOf("wol", 40000, 9, facted{"app": "wol", "wol_target": "02:00:00:00:00:01"}, "o\xff\xff\xff\xff\xff\xff"+strings.Repeat(mac1, 16)+"secret"),
		datagramsOf("xdmcp", 40000, 177, facted{"app": "xdmcp", "xdmcp_message": "query"}, "o\x00\x01\x00\x02\x00\x01\x00"),
		datagramsOf("nat-pmp", 40000, 5351, facted{"app": "nat-pmp", "natpmp_request": "address", "natpmp_address": "203.0.113.7", "natpmp_port": "6881"},
			"o\x00\x00", "r\x00\x80\x00\x00\x00\x00\x00\x01\xcb\x00\x71\x07", "o\x00\x01\x00\x00\x1a\xe1\x00\x00\x00\x00\x0e\x10"),
		datagramsOf("pcp", 40000, 5351, facted{"app": "pcp", "natpmp_request": "map", "natpmp_port": "8080"},
			"o\x02\x01\x00\x00\x00\x00\x0e\x10"+nuls(16)+"nonce of 12.\x06\x00\x00\x00\x1f\x90\x00\x00"+nuls(16)),
		datagramsOf("db-lsp-disc", 17500, 17500, facted{"app": "db-lsp-disc"}, "o{\"host_int\": 1234567890, \"version\": [2, 0], \"displayname\": \"\", \"port\": 17500, \"namespaces\": [1, 2]}"),
		datagramsOf("syncthing", 21027, 21027, facted{"app": "syncthing"}, "o\x2e\xa7\xd9\x0b\x0a\x20"+strings.Repeat("i", 32)),
		datagramsOf("someip", 30490, 30490, facted{"app": "someip", "someip_service": "65535"}, "o\xff\xff\x81\x00\x00\x00\x00\x0c\x00\x00\x00\x01\x01\x01\x02\x00\xc0\x00\x00\x00"),
		datagramsOf("doip", 13400, 13400, facted{"app": "doip", "doip_type": "4", "doip_vin": "WTEST000000000001"}, "o\x02\xfd\x00\x04\x00\x00\x00\x20WTEST000000000001"+nuls(15)),
		streamOf("doip tcp", 40000, 7777, facted{"app": "doip", "doip_type": "5"}, "o\x02\xfd\x00\x05\x00\x00\x00\x07\x0e\x80\x00\x00\x00\x00\x00"),
		datagramsOf("knx", 3671, 3671, facted{"app": "knx", "knx_service": "513"}, "o\x06\x10\x02\x01\x00\x0e\x08\x01\xc0\x00\x02\x01\x0e\x57"),
		streamOf("knx tcp", 40000, 7777, facted{"app": "knx", "knx_service": "517"}, "o\x06\x10\x02\x05\x00\x1a"+nuls(20)),
		datagramsOf("rtps", 40000, 7400, facted{"app": "rtps", "rtps_vendor": "Cyclone DDS"}, "oRTPS\x02\x01\x01\x10"+strings.Repeat("g", 12)+"\x09\x01\x08\x00"+nuls(8)),
		datagramsOf("iax2", 40000, 4569, facted{"app": "iax2", "iax2_user": "anna", "iax2_called": "100", "iax2_calling": "200"},
			"o\x80\x01\x00\x00\x00\x00\x00\x03\x00\x00\x06\x01\x0b\x02\x00\x02\x01\x03100\x02\x03200\x06\x04anna\x10\x07"+secret),
		datagramsOf("raknet", 40000, 19132, facted{"app": "raknet", "raknet_server": "MCPE;Test;1"},
			"o\x01\x00\x00\x00\x00\x00\x00\x00\x01"+raknet+"\x00\x00\x00\x00\x00\x00\x00\x02", "r\x1c\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x03"+raknet+behind16("MCPE;Test;1")),
		datagramsOf("raknet of a game", 40000, 50000, facted{"app": "raknet"}, "o\x7b"+raknet+"\x05"+nuls(20)),
		datagramsOf("steam", 27036, 27036, facted{"app": "steam", "steam_host": "tower"},
			"o\xff\xff\xff\xff\x21\x4c\x5f\xa0"+le32Text(4)+"\x08\x01\x10\x02"+le32Text(13)+"\x08\x08\x10\x06\x18\x1c\x22\x05tower"),
		streamOf("steam tcp", 40000, 27017, facted{"app": "steam"}, "r"+le32Text(28)+"VT01"+nuls(28)),

		streamOf("whois", 40000, 7777, facted{"app": "whois", "whois_query": "example.com"},
			"oexample.com\r\n", "r   Domain Name: EXAMPLE.COM\r\n   Registry Domain ID: 1\r\n   Registrar: Test\r\n"),
		streamOf("whois no match", 40000, 7777, facted{"app": "whois", "whois_query": "nothing.example"}, "onothing.example\r\n", "rNo match for \"NOTHING.EXAMPLE\".\r\n"),
		streamOf("finger", 40000, 7777, facted{"app": "finger", "finger_user": "root"}, "oroot\r\n", "rLogin: root           \t\t\tName: root\r\nDirectory: /root\r\n"),
		streamOf("finger all", 40000, 7777, facted{"app": "finger"}, "o\r\n", "rLogin     Name       Tty      Idle  Login Time   Office\r\n"),
		streamOf("gopher", 40000, 7777, facted{"app": "gopher", "gopher_selector": "/docs"}, "o/docs\r\n", "r0About\t/about.txt\tgopher.example\t70\r\n.\r\n"),
		streamOf("rsh", 1023, 7777, facted{"app": "rsh", "rsh_user": "anna", "rsh_command": "mkdir"}, "o1022\x00", "oanna\x00root\x00mkdir "+secret+"\x00", "r\x00"),
		streamOf("rexec", 40000, 7777, facted{"app": "rexec", "rsh_user": "anna", "rsh_command": "ls"}, "o1022\x00anna\x00"+secret+"\x00ls -l\x00", "r\x00"),
		streamOf("rlogin", 1023, 7777, facted{"app": "rlogin", "rsh_user": "anna"}, "o\x00anna\x00root\x00xterm/38400\x00", "r\x00"),
		streamOf("iscsi", 40000, 7777, facted{"app": "iscsi", "iscsi_initiator": "iqn.2026-01.example:client", "iscsi_target": "iqn.2026-01.example:disk"},
			"o"+iscsi(0x43, "InitiatorName=iqn.2026-01.example:client\x00TargetName=iqn.2026-01.example:disk\x00SessionType=Normal\x00CHAP_R="+secret+"\x00")),
		streamOf("nbd", 40000, 7777, facted{"app": "nbd", "nbd_export": "disk"}, "rNBDMAGICIHAVEOPT\x00\x03", "o\x00\x00\x00\x03IHAVEOPT\x00\x00\x00\x08\x00\x00\x00\x00", "rreply", "oIHAVEOPT\x00\x00\x00\x07"+be32Text(10)+behind32("disk")+"\x00\x00"),
		streamOf("afp", 40000, 7777, facted{"app": "afp", "afp_server": "files"}, "o"+dsi(0, 3, ""), "r"+dsi(1, 3, nuls(8)+"\x80\x00\x05files"+nuls(20))),
		streamOf("svn", 40000, 7777, facted{"app": "svn", "svn_url": "svn://svn.example/p", "svn_client": "SVN/1.14.2"},
			"r( success ( 2 2 ( ) ( edit-pipeline svndiff1 ) ) ) ", "o( 2 ( edit-pipeline svndiff1 ) 19:svn://svn.example/p 10:SVN/1.14.2 ( ) ) "),
		streamOf("ceph", 40000, 7777, facted{"app": "ceph", "ceph_version": "2"}, "rceph v2\n\x10\x00"+nuls(16)),
		streamOf("ceph old", 40000, 7777, facted{"app": "ceph", "ceph_version": "027"}, "oceph v027"+nuls(16)),
		streamOf("stomp", 40000, 7777, facted{"app": "stomp", "stomp_host": "/", "stomp_user": "anna", "stomp_server": "Test/1"},
			"oCONNECT\nhost:/\nlogin:anna\npasscode:"+secret+"\n\n\x00", "rCONNECTED\nserver:Test/1\nversion:1.2\n\n\x00\n"),
		streamOf("zmtp", 40000, 7777, facted{"app": "zmtp", "zmtp_mechanism": "NULL"}, "o\xff"+nuls(8)+"\x7f\x03\x00NULL"+nuls(16)+nuls(32)),
		streamOf("zmtp 2", 40000, 7777, facted{"app": "zmtp"}, "o\xff"+nuls(7)+"\x01\x7f\x01\x05\x00\x00"),
		streamOf("beanstalk", 40000, 7777, facted{"app": "beanstalk", "beanstalk_command": "put"}, "oput 1024 0 60 5\r\nhello\r\n", "rINSERTED 1\r\n"),
		streamOf("beanstalk use", 40000, 7777, facted{"app": "beanstalk", "beanstalk_command": "use"}, "ouse jobs\r\n", "rUSING jobs\r\n"),
		streamOf("giop 1.0", 40000, 7777, facted{"app": "giop", "giop_operation": "get"},
			"o"+giop(0, be32Text(0)+be32Text(5)+"\x01\x00\x00\x00"+behind32("object")+"\x00\x00"+be32Text(4)+"get\x00"+be32Text(0)), "r"+giop(0, "")),
		streamOf("giop 1.2", 40000, 7777, facted{"app": "giop", "giop_operation": "_is_a"},
			"o"+giop(2, be32Text(5)+"\x03\x00\x00\x00\x00\x00\x00\x00"+behind32("key!")+be32Text(6)+"_is_a\x00"+nuls(2)+be32Text(0))),
		streamOf("proxy 1 http", 40000, 7777, behindProxy(facted{"proxy_version": "1", "proxy_client": "192.0.2.1:56324", "proxy_server": "198.51.100.2:80"}),
			"oPROXY TCP4 192.0.2.1 198.51.100.2 56324 80\r\n"+get, ok204),
		streamOf("proxy 1 ipv6, in two segments", 40000, 7777, behindProxy(facted{"proxy_version": "1", "proxy_client": "[2001:db8::1]:56324", "proxy_server": "[2001:db8::2]:80"}),
			"oPROXY TCP6 2001:db8::1 2001:DB8::2 56324 80\r\n", "o"+get, ok204),
		streamOf("proxy 1 unknown", 40000, 7777, behindProxy(facted{"proxy_version": "1"}), "oPROXY UNKNOWN ffff::1 x\r\n"+get, ok204),
		streamOf("proxy 2 http", 40000, 7777, behindProxy(facted{"proxy_version": "2", "proxy_client": "192.0.2.1:56324", "proxy_server": "198.51.100.2:443", "proxy_authority": "front.example"}),
			"o"+proxied(0x21, 0x11, "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb"+"\x01"+behind16("h2")+"\x02"+behind16("front.example")+"\x03"+behind16("crc!"))+get, ok204),
		streamOf("proxy 2 ipv6 ssh", 40000, 7777, facted{"app": "ssh", "proxy_version": "2", "proxy_client": "[2001:db8::1]:1", "proxy_server": "[2001:db8::2]:22", "ssh_server": "SSH-1.5-x", "ssh_client": "SSH-1.5-y"},
			"o"+proxied(0x21, 0x21, "\x20\x01\x0d\xb8"+nuls(11)+"\x01\x20\x01\x0d\xb8"+nuls(11)+"\x02\x00\x01\x00\x16"), "rSSH-1.5-x\n", "oSSH-1.5-y\n"),
		streamOf("proxy 2 of a unix socket", 40000, 7777, behindProxy(facted{"proxy_version": "2"}), "o"+proxied(0x21, 0x31, nuls(216))+get, ok204),
		streamOf("proxy 2 local", 40000, 7777, behindProxy(facted{"proxy_version": "2"}), "o"+proxied(0x20, 0, "")+get, ok204),
		streamOf("fastcgi", 40000, 7777, facted{"app": "fastcgi", "cgi_method": "POST", "cgi_path": "/shop", "cgi_host": "www.example", "cgi_script": "/srv/index.php", "cgi_status": "404"},
			"o"+fastcgiBegun+fastcgi(4, variable("QUERY_STRING", "token="+secret)+variable("REQUEST_METHOD", "POST")+variable("SERVER_NAME", "own.example")+variable("HTTP_COOKIE", strings.Repeat(secret, 20))+
				variable("REQUEST_URI", "/shop?token="+secret)+variable("HTTP_HOST", "www.example"))+fastcgi(4, variable("SCRIPT_FILENAME", "/srv/index.php"))+fastcgi(4, "")+fastcgi(5, "password="+secret)+fastcgi(5, ""),
			"r"+fastcgi(7, "a warning")+fastcgi(6, "Set-Cookie: "+secret+"\r\nStatus: 404 Not Found\r\n\r\nnone")+fastcgi(3, nuls(8))),
		streamOf("fastcgi 200", 40000, 7777, facted{"app": "fastcgi", "cgi_method": "GET", "cgi_path": "/x", "cgi_host": "own.example", "cgi_status": "200"},
			"o"+fastcgiBegun+fastcgi(4, variable("REQUEST_METHOD", "GET")+variable("SERVER_NAME", "own.example")+variable("SCRIPT_NAME", "/x"))+fastcgi(4, ""), "r"+fastcgi(6, "Content-Type: text/plain\r\n\r\n")),
		streamOf("uwsgi", 40000, 7777, facted{"app": "uwsgi", "cgi_method": "GET", "cgi_path": "/x", "cgi_host": "www.example", "cgi_status": "503"},
			"o"+uwsgi("QUERY_STRING", "token="+secret, "REQUEST_METHOD", "GET", "HTTP_AUTHORIZATION", "Basic "+secret, "REQUEST_URI", "/x?"+secret, "HTTP_HOST", "www.example", "SERVER_NAME", "_"),
			"rStatus: 503 Service Unavailable\r\n\r\n"),
		streamOf("scgi", 40000, 7777, facted{"app": "scgi", "cgi_method": "POST", "cgi_path": "/deepthought", "cgi_host": "own.example", "cgi_status": "200"},
			"o"+scgi("CONTENT_LENGTH", "27", "SCGI", "1", "REQUEST_METHOD", "POST", "REQUEST_URI", "/deepthought", "SERVER_NAME", "own.example")+"password="+secret, "rStatus: 200 OK\r\nContent-Type: text/plain\r\n\r\n42"),
		streamOf("ajp", 40000, 7777, facted{"app": "ajp", "ajp_method": "GET", "ajp_path": "/app/x", "ajp_host": "www.example"},
			"o\x12\x34"+behind16("\x02\x02"+ajp("HTTP/1.1")+ajp("/app/x")+ajp("192.0.2.1")+"\xff\xff"+ajp("www.example")+"\x00\x50\x00\x00\x01\xa0\x09"+ajp(secret)+"\x05"+ajp("q="+secret)+"\xff")),
		streamOf("elasticsearch", 40000, 7777, facted{"app": "elasticsearch"}, "oES"+be32Text(30)+nuls(7)+"\x01\x08"+be32Text(7170099)+nuls(17)),
		streamOf("clickhouse", 40000, 7777, facted{"app": "clickhouse", "clickhouse_client": "ClickHouse client", "clickhouse_user": "anna", "clickhouse_database": "shop"},
			"o\x00\x11ClickHouse client\x17\x08\xd4\xa9\x03\x04shop\x04anna\x07"+secret),
		streamOf("bolt", 40000, 7777, facted{"app": "bolt"}, "o\x60\x60\xb0\x17\x00\x00\x04\x04\x00\x00\x01\x04\x00\x00\x00\x04\x00\x00\x00\x03"),
		streamOf("drda", 40000, 7777, facted{"app": "drda", "drda_database": "MYDB2", "drda_user": "myuser"},
			"o"+drda(0x1041, 1, object(0x115e, "\x84\x82\xf2"))+drda(0x106d, 2, object(0x2110, "\xd4\xe8\xc4\xc2\xf2\x40\x40")),
			"r"+drda(0x1443, 1, object(0x115e, "x")), "o"+drda(0x106e, 2, object(0x11a1, secret)+object(0x11a0, "\x94\xa8\xa4\xa2\x85\x99"))),
		streamOf("drda with attributes", 40000, 7777, facted{"app": "drda", "drda_database": "shop", "drda_user": "anna"},
			"o"+drda(0x1041, 1, object(0x115e, "derby"))+drda(0x2001, 2, object(0x2110, "shop;create=true;bootPassword="+secret)+object(0x11a0, "anna"))),
		streamOf("drda with attributes in EBCDIC", 40000, 7777, facted{"app": "drda", "drda_database": "MYDB2", "drda_user": "myuser"},
			"o"+drda(0x1041, 1, object(0x115e, "\x84\x82\xf2"))+drda(0x2001, 2, object(0x2110, "\xd4\xe8\xc4\xc2\xf2\x5e\x82\x96\x96\xa3\xd7\x7e\xa2")+object(0x11a0, "\x94\xa8\xa4\xa2\x85\x99"))),
		streamOf("smpp", 40000, 7777, facted{"app": "smpp", "smpp_command": "2", "smpp_system_id": "anna"}, "o"+smpp(2, 0, 1, "anna\x00"+secret+"\x00SMPP\x004\x00\x00\x00"), "r"+smpp(0x80000002, 0, 1, "SMSC\x00")),
		streamOf("smpp link", 40000, 7777, facted{"app": "smpp", "smpp_command": "21"}, "o"+smpp(21, 0, 9, ""), "r"+smpp(0x80000015, 0, 9, "")),
		streamOf("skinny", 40000, 7777, facted{"app": "skinny", "skinny_device": "SEP020000000001"}, "o"+le32Text(44)+nuls(4)+le32Text(1)+"SEP020000000001\x00"+nuls(24)),
		streamOf("gnutella", 40000, 7777, facted{"app": "gnutella", "gnutella_agent": "gtk-gnutella/1"},
			"oGNUTELLA CONNECT/0.6\r\nListen-IP: 192.0.2.1:6346\r\nUser-Agent: gtk-gnutella/1\r\n\r\n", "rGNUTELLA/0.6 200 OK\r\nUser-Agent: Other\r\n\r\n"),
		streamOf("bitcoin", 40000, 7777, facted{"app": "bitcoin", "bitcoin_command": "version", "bitcoin_agent": "/Test:1/", "bitcoin_network": "bitcoin"}, "o"+bitcoin("version", nuls(80)+"\x08/Test:1/"+nuls(5))),
		streamOf("stratum", 40000, 7777, facted{"app": "stratum", "stratum_method": "mining.subscribe", "stratum_agent": "miner/1"},
			"o{\"id\": 1, \"method\": \"mining.subscribe\", \"params\": [\"miner/1\"]}\n", "r{\"id\":1,\"result\":[],\"error\":null}\n"),
		streamOf("stratum login", 40000, 7777, facted{"app": "stratum", "stratum_method": "login", "stratum_agent": "xmrig/6"},
			"o{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"wallet\",\"pass\":\""+secret+"\",\"agent\":\"xmrig/6\"}}\n"),
		streamOf("lpd", 721, 7777, facted{"app": "lpd", "lpd_queue": "lp"}, "o\x02lp\n", "r\x00", "o\x0210 cfA001host\n"),
		streamOf("managesieve", 40000, 7777, facted{"app": "managesieve", "managesieve_server": "Dovecot Pigeonhole"},
			"r\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n\"SIEVE\" \"fileinto\"\r\nOK \"ready\"\r\n", "oAUTHENTICATE \"PLAIN\" \"AHVzZXIAaHVudGVyMg==\"\r\n"),
		streamOf("distcc", 40000, 7777, facted{"app": "distcc"}, "oDIST00000001ARGC00000002ARGV00000002cc"),
		streamOf("adb", 40000, 7777, facted{"app": "adb", "adb_system": "device::ro.product.name=test"},
			"oCNXN"+le32Text(0x01000001)+le32Text(1<<20)+le32Text(42)+nuls(4)+le32Text(^uint32(0x4e584e43))+"device::ro.product.name=test;features=cmd;"),
	}
}
