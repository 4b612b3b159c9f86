package dpi

import "strings"

// tailSamples are of appliances, industry, stores of logs and games. Each is made from the specification
// that its parser names.
func tailSamples() []sample {
	tacacs := func(kind, number byte, body string) string {
		return "\xc0" + string([]byte{kind, number, 0}) + "sess" + behind32(body)
	}
	wireFormat := func(version uint32) string {
		return behind32("\x01ActiveMQ" + be32Text(version) + "\x01" + behind32("options"))
	}
	title := func(s string) string { return s + strings.Repeat(" ", 16-len(s)) }
	associate := func(kind byte) string {
		body := "\x00\x01\x00\x00" + title("ARCHIVE") + title("MODALITY1") + nuls(32) + "\x10\x00" + behind16("1.2.840.10008.3.1.1.1")
		return string([]byte{kind, 0}) + behind32(body)
	}
	hl7 := "\x0bMSH|^~\\&|LAB|CLINIC|EHR|HOSPITAL|20260131080000||ORU^R01|4711|P|2.5\rPID|1||" + secret + "\r\x1c\r"
	tags := "\x02\x00\x00\x00" + "\x02\x01\x00\x01\x04\x00name" + "\x03\x01\x00\x11\x3c\x00\x00\x00"
	donkey := func(proto string, kind byte, body string) string {
		return proto + le32Text(uint32(1+len(body))) + string([]byte{kind}) + body
	}
	q931 := func(kind byte, elements string) string {
		return tpktTest("\x08\x02\x12\x34" + string([]byte{kind}) + elements)
	}
	z3950 := func(tag byte) string {
		return tlv(tag, "\x83\x02\x05\xe0", "\x84\x03\x00\xe9\xa2", "\x85\x04\x04\x00\x00\x00", "\x86\x04\x04\x00\x00\x00", "\x8c\x01\xff", "\x9f\x6e\x02\x38\x31", "\x9f\x6f\x03YAZ", "\x9f\x70\x06\x35.34.0")
	}
	connect := func(kind byte) string {
		return string([]byte{kind, 0, 128, 0}) + le32Text(128) + nuls(3) + "\x03" + nuls(116)
	}
	ams := func(flags uint16, data string) string {
		return "\x00\x00" + le32Text(uint32(32+len(data))) + "\x05\x01\x02\x03\x01\x01" + le16Text(851) + "\x05\x01\x02\x04\x01\x01" + le16Text(32800) +
			le16Text(2) + le16Text(int(flags)) + le32Text(uint32(len(data))) + nuls(4) + le32Text(7) + data
	}
	phasor := "\xaa\x41" + be16Text(18) + be16Text(7734) + "\x69\x00\x00\x00" + "\x00\x00\x00\x00" + be16Text(5)
	crc := uint16(0xffff)
	for i := range len(phasor) {
		crc ^= uint16(phasor[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	phasor += be16Text(int(crc))
	hart := func(kind byte) string {
		return "\x01" + string([]byte{kind}) + "\x00\x00\x00\x02\x00\x0d\x01\x00\x00\x75\x30"
	}
	item := func(kind int, value string) string { return be16Text(kind) + behind16(value) }
	peer := item(4, "\x00radio 5000")
	session := func(kind int) string {
		return be16Text(kind) + behind16(peer+item(5, "\x00\x00\xea\x60"))
	}
	tplink := func(s string) string {
		key, out := byte(0xab), []byte(nil)
		for i := range len(s) {
			key ^= s[i]
			out = append(out, key)
		}
		return string(out)
	}
	rx := func(kind, flags byte) string {
		return "\x69\x00\x00\x01" + "\x12\x34\x56\x78" + be32Text(1) + be32Text(1) + be32Text(1) + string([]byte{kind, flags, 0, 0}) + "\x00\x00" + be16Text(52) + "args"
	}
	mndp := "\x00\x00\x00\x07" + item(1, "\x02\x00\x00\x00\x00\x01") + item(5, "edge-router") + item(7, "7.16 (stable)") + item(8, "MikroTik") + item(12, "RB4011")
	noise := "WA\x06\x03\x00\x00\x24\x12\x22\x0a\x20" + strings.Repeat("e", 32)
	tuya := func(mark, end, head, body string) string {
		return "\x00\x00" + mark + head + behind32(body+"\x00\x00"+end)
	}
	sealed := "\x00\x00\x66\x99\x00\x00" + be32Text(7) + be32Text(0x13) + behind32(strings.Repeat("s", 40)) + "\x00\x00\x99\x66"
	discv4 := func(kind byte, list string) string {
		return strings.Repeat("h", 32) + strings.Repeat("s", 64) + "\x01" + string([]byte{kind}) + list
	}
	ends := "\xcb\x84\xc0\x00\x02\x0a\x82\x76\x5f\x82\x76\x5f"
	team := func(command byte, body string) string {
		return "\x17\x24" + string([]byte{command}) + le16Text(len(body)) + body
	}
	glbp := "\x01\x00" + be16Text(10) + "\x00\x00" + "\x02\x00\x00\x00\x00\x01" + "\x01\x1c" + nuls(26) + "\x02\x14" + nuls(18)
	bfcp := func(first, kind byte, attributes string) string {
		return string([]byte{first, kind}) + be16Text(len(attributes)/4) + be32Text(4711) + be16Text(3) + be16Text(9) + attributes
	}
	association := func(spdu byte) string {
		return tpktTest("\x02\xf0\x80" + string([]byte{spdu}) + "\x1e\x05\x06\x13\x01\x00\x16\x01\x02\xc1\x12\x60\x10\xa1\x07\x06\x05\x28\xca\x22\x02\x03\xa2\x05\x06\x03\x29\x01\x01")
	}
	guid := func(newer byte) string { return "8 bytes." + string([]byte{newer}) + "7 bytes" }
	erlangNode := "\x64\x48M\x00\x00\x06\x00\x05" + behind16("rabbit") + be16Text(0)
	cached := "http://www.example.com/a?" + secret + "\x00"
	pulse := func(packet string) string {
		return be32Text(uint32(len(packet))) + "\xff\xff\xff\xff" + nuls(12) + packet
	}
	property := func(key, value string) string {
		value += "\x00"
		return "t" + key + "\x00L" + be32Text(uint32(len(value))) + "x" + behind32(value)
	}
	transport := func(pid int, kind byte) string {
		return "\x47" + be16Text(pid) + string([]byte{kind}) + strings.Repeat("\xff", 184)
	}
	shake := func(version, field, kind uint32) string {
		return "\x80" + nuls(15) + be32Text(version) + be32Text(field) + be32Text(7) + be32Text(1500) + be32Text(8192) + be32Text(kind) + "sockbake" + nuls(16)
	}
	return []sample{
		streamOf("whatsapp", 50000, 5222, facted{"app": "whatsapp"}, "o"+noise, "r\x00\x00\x03\x1a\x01\x00"),
		streamOf("whatsapp that knows its way", 50000, 443, facted{"app": "whatsapp"}, "oED\x00\x01", "o\x00\x00\x04\x08\x05\x08\x02"+noise),
		datagramsOf("spotify", 57621, 57621, facted{"app": "spotify"}, "oSpotUdp0"+nuls(36)),
		datagramsOf("tuya", 49154, 6667, facted{"app": "tuya"}, "o"+tuya("\x55\xaa", "\xaa\x55", be32Text(0)+be32Text(0x13), strings.Repeat("e", 20))),
		streamOf("tuya over tcp", 50000, 6668, facted{"app": "tuya"}, "o"+tuya("\x55\xaa", "\xaa\x55", be32Text(1)+be32Text(10), strings.Repeat("e", 20))),
		datagramsOf("tuya sealed", 50000, 7000, facted{"app": "tuya"}, "o"+sealed),
		datagramsOf("ethereum ping", 30303, 30303, facted{"app": "ethereum"}, "o"+discv4(1, "\xdd\x04"+ends[:12]+ends[:12]+"\x84\x65\x00\x00")),
		datagramsOf("ethereum find", 30303, 30303, facted{"app": "ethereum"}, "o"+discv4(3, "\xf8\x47\xb8\x40"+strings.Repeat("k", 64)+"\x84\x65\x00\x00\x00")),
		datagramsOf("ethereum neighbours", 30303, 30303, facted{"app": "ethereum"}, "o"+discv4(4, "\xf9\x01\x07\xf9\x00\xff"+strings.Repeat("n", 255)+"\x84\x65\x00\x00\x00")),
		datagramsOf("dnscrypt", 50000, 443, facted{"app": "dnscrypt"}, "oown key."+strings.Repeat("q", 248), "rr6fnvWj8"+strings.Repeat("a", 248)),
		streamOf("rmi", 50000, 1099, facted{"app": "rmi"}, "oJRMI\x00\x02\x4b", "r\x4e"+behind16("192.0.2.10")+be32Text(50000)),
		streamOf("teamviewer", 50000, 5938, facted{"app": "teamviewer"}, "o"+team(0x28, nuls(24))),
		streamOf("teamviewer elsewhere", 50000, 443, facted{"app": "teamviewer"}, "o"+team(0x28, nuls(24))+team(0x3c, nuls(32))),
		datagramsOf("glbp", glbpPort, glbpPort, facted{"app": "glbp", "glbp_group": "10"}, "o"+glbp),
		datagramsOf("bfcp", 50000, 5070, facted{"app": "bfcp"}, "o"+bfcp(0x40, 1, "\x05\x04\x00\x01")),
		datagramsOf("bfcp without attributes", 50000, 5070, facted{"app": "bfcp"}, "o"+bfcp(0x40, 11, ""), "r"+bfcp(0x50, 15, "")),
		streamOf("bfcp over tcp", 50000, 5070, facted{"app": "bfcp"}, "o"+bfcp(0x20, 11, ""), "r"+bfcp(0x20, 12, "\x15\x06\x02\x04\x06\x00\x00\x00")),
		streamOf("mms", 50000, 102, facted{"app": "mms"}, "o"+tpktTest("\x11\xe0\x00\x00\x00\x01\x00\xc0\x01\x0a\xc1\x02\x00\x01\xc2\x02\x00\x01"),
			"r"+tpktTest("\x11\xd0\x00\x01\x00\x02\x00\xc0\x01\x0a\xc1\x02\x00\x01\xc2\x02\x00\x01"), "o"+association(13), "r"+association(14)),
		datagramsOf("gnutella vendor message", 6346, 50000, facted{"app": "gnutella"}, "o"+guid(0)+"\x31\x01\x00"+le32Text(9)+"\x00\x00\x00\x00\x0a\x00\x01\x00\x05"),
		datagramsOf("gnutella ping", 6346, 50000, facted{"app": "gnutella"}, "o"+guid(0xff)+"\x00\x01\x00"+le32Text(0)),
		datagramsOf("gnutella hash table", 6346, 50000, facted{"app": "gnutella"}, "o"+guid(0)+"\x44\x00\x00"+le32Text(58)+"\x05GTKG"+nuls(53)),
		datagramsOf("gnutella part", 6346, 50000, facted{"app": "gnutella"}, "oGND\x10\x3e\x9c\x01\x01"+strings.Repeat("z", 24)),
		datagramsOf("rdp over udp", 50000, 3389, facted{"app": "rdp"}, "o\xff\xff\xff\xff\x00\x40\x18\x01\x0b\x12\x7f\x15\x04\xd0\x04\xd0"+nuls(1216)),
		datagramsOf("capwap keep-alive", 50000, 5247, facted{"app": "capwap"}, "o\x00\x10\x02\x08\x00\x00\x00\x00"+be16Text(22)+"\x00\x23"+behind16(strings.Repeat("i", 16))),
		datagramsOf("capwap probe", 50000, 5247, facted{"app": "capwap"}, "o\x00\x10\x03\x00\x00\x00\x00\x00\x40\x00"+nuls(60)),
		streamOf("tacacs", 50000, 49, facted{"app": "tacacs", "tacacs_type": "authentication"}, "o"+tacacs(1, 1, "obfuscated"), "r"+tacacs(1, 2, "obfuscated too")),
		streamOf("tacacs accounting elsewhere", 50000, 50001, facted{"app": "tacacs", "tacacs_type": "accounting"}, "o"+tacacs(3, 1, "obfuscated"), "r"+tacacs(3, 2, "obfuscated too")),
		streamOf("icap", 50000, 1344, facted{"app": "icap", "icap_method": "REQMOD", "icap_service": "icap://av.example/scan", "icap_status": "204"},
			"oREQMOD icap://av.example/scan?"+secret+" ICAP/1.0\r\nHost: av.example\r\n\r\n", "rICAP/1.0 204 No Content\r\n\r\n"),
		streamOf("openwire", 50000, 61616, facted{"app": "openwire", "openwire_version": "12"}, "o"+wireFormat(12), "r"+wireFormat(10)),
		streamOf("dicom", 50000, 11112, facted{"app": "dicom", "dicom_called": "ARCHIVE", "dicom_calling": "MODALITY1"}, "o"+associate(1), "r"+associate(2)),
		streamOf("hl7", 50000, 2575, facted{"app": "hl7", "hl7_message": "ORU^R01", "hl7_application": "LAB", "hl7_facility": "CLINIC"}, "o"+hl7),
		streamOf("edonkey server", 50000, 4661, facted{"app": "edonkey"}, "o"+donkey("\xe3", 1, strings.Repeat("h", 16)+nuls(4)+"\x36\x12"+tags)),
		streamOf("edonkey client", 50000, 50001, facted{"app": "edonkey"}, "o"+donkey("\xe3", 1, "\x10"+strings.Repeat("h", 16)+nuls(4)+"\x36\x12"+tags)),
		streamOf("h323", 50000, 1720, facted{"app": "h323", "h323_calling": "100", "h323_called": "2000"},
			"o"+q931(5, "\x04\x03\x88\x93\xa5"+"\x6c\x05\x00\x80100"+"\x70\x05\x812000"+"\x7e"+behind16("\x05\x20\x80\x06")), "r"+q931(2, "\x7e"+behind16("\x05\x21\x80"))),
		streamOf("z3950", 50000, 210, facted{"app": "z3950", "z3950_implementation": "YAZ"}, "o"+z3950(0xb4), "r"+z3950(0xb5)),
		streamOf("rpki-rtr", 50000, 323, facted{"app": "rpki-rtr"}, "o\x01\x02\x00\x00\x00\x00\x00\x08", "r\x01\x03\x00\x07\x00\x00\x00\x08\x01\x04\x00\x00\x00\x00\x00\x14"),
		streamOf("rpki-rtr refused", 50000, 8282, facted{"app": "rpki-rtr"}, "o\x02\x02\x00\x00\x00\x00\x00\x08", "r\x02\x08\x00\x00\x00\x00\x00\x08"),
		streamOf("nvme-tcp", 50000, 4420, facted{"app": "nvme-tcp"}, "o"+connect(0), "r"+connect(1)),
		streamOf("lumberjack", 50000, 5044, facted{"app": "lumberjack"}, "o2W\x00\x00\x00\x0a2C\x00\x00\x00\x10", "r2A\x00\x00\x00\x0a"),
		streamOf("nsq", 50000, 4150, facted{"app": "nsq", "nsq_topic": "events"}, "o  V2IDENTIFY\n"+behind32("{}"), "r"+behind32("\x00\x00\x00\x00OK"), "oSUB events worker\n"),
		streamOf("iperf3", 50000, 5201, facted{"app": "iperf3"}, "oabcdefghijklmnopqrstuvwxyz234567abcd\x00", "r\x09"),
		streamOf("tinc", 50000, 655, facted{"app": "tinc", "tinc_node": "alpha"}, "o0 alpha 17.7\n", "r0 beta 17.7\n"),
		streamOf("ads", 50000, 48898, facted{"app": "ads", "ads_command": "read"}, "o"+ams(4, nuls(12)), "r"+ams(5, nuls(12))),
		datagramsOf("synphasor", 50000, 4713, facted{"app": "synphasor", "synphasor_frame": "command", "synphasor_id": "7734"}, "o"+phasor),
		streamOf("synphasor over tcp", 50000, 50001, facted{"app": "synphasor", "synphasor_frame": "command", "synphasor_id": "7734"}, "o"+phasor),
		streamOf("hart-ip", 50000, 5094, facted{"app": "hart-ip"}, "o"+hart(0), "r"+hart(1)),
		datagramsOf("hart-ip datagram", 50000, 5094, facted{"app": "hart-ip"}, "o"+hart(0)),
		datagramsOf("fins", 9600, 9600, facted{"app": "fins", "fins_command": "memory-area-read"},
			"o\x80\x00\x02\x00\x01\x00\x00\x02\x00\x07\x01\x01\x82\x00\x64\x00\x00\x01", "r\xc0\x00\x02\x00\x02\x00\x00\x01\x00\x07\x01\x01\x00\x00\x12\x34"),
		streamOf("fins over tcp", 50000, 9600, facted{"app": "fins", "fins_command": "controller-data-read"},
			"oFINS"+behind32(nuls(4)+nuls(4)+nuls(4)), "rFINS"+behind32("\x00\x00\x00\x01"+nuls(4)+"\x00\x00\x00\x02\x00\x00\x00\x01"),
			"oFINS"+behind32("\x00\x00\x00\x02"+nuls(4)+"\x80\x00\x02\x00\x01\x00\x00\x02\x00\x07\x05\x01\x00")),
		datagramsOf("dlep", 50000, 854, facted{"app": "dlep", "dlep_peer": "radio 5000"}, "oDLEP\x00\x01"+behind16(peer)),
		streamOf("dlep session", 50000, 854, facted{"app": "dlep", "dlep_peer": "radio 5000"}, "o"+session(1), "r"+session(2)),
		datagramsOf("tplink", 50000, 9999, facted{"app": "tplink-smarthome", "tplink_command": "system"}, "o"+tplink(`{"system":{"get_sysinfo":{}}}`)),
		streamOf("tplink over tcp", 50000, 9999, facted{"app": "tplink-smarthome", "tplink_command": "system"}, "o"+behind32(tplink(`{"system":{"get_sysinfo":{}}}`))),
		datagramsOf("rx", 7001, 7003, facted{"app": "rx", "rx_service": "52"}, "o"+rx(1, 5), "r"+rx(1, 4)),
		datagramsOf("roughtime", 50000, 2002, facted{"app": "roughtime"}, "oROUGHTIM"+le32Text(100)+nuls(100)),
		datagramsOf("teamspeak", 50000, 9987, facted{"app": "teamspeak"}, "oTS3INIT1\x00\x65\x00\x00\x88"+nuls(21)),
		datagramsOf("quake3", 50000, 27960, facted{"app": "quake3", "quake3_server": "The Arena"},
			"o\xff\xff\xff\xffgetstatus\n", "r\xff\xff\xff\xffstatusResponse\n\\g_gametype\\0\\sv_hostname\\The Arena\\mapname\\q3dm17\n0 48 \"player\"\n"),
		datagramsOf("mndp", 5678, 5678, facted{"app": "mndp", "mndp_identity": "edge-router", "mndp_version": "7.16 (stable)", "mndp_platform": "MikroTik", "mndp_board": "RB4011"}, "o"+mndp),
		streamOf("epmd lookup", 50000, 4369, facted{"app": "epmd", "epmd_request": "lookup", "epmd_node": "rabbit"}, "o"+behind16("zrabbit"), "rw\x00"+erlangNode),
		streamOf("epmd lookup in vain", 50000, 4369, facted{"app": "epmd", "epmd_request": "lookup", "epmd_node": "rabbit"}, "o"+behind16("zrabbit"), "rw\x01"),
		streamOf("epmd registration", 50000, 4369, facted{"app": "epmd", "epmd_request": "register", "epmd_node": "rabbit"}, "o"+behind16("x"+erlangNode), "rv\x00\x12\x34\x56\x78"),
		streamOf("epmd names", 50000, 4369, facted{"app": "epmd", "epmd_request": "names"}, "o"+behind16("n"), "r"+be32Text(4369)+"name rabbit at port 25672\n"),
		streamOf("erldp", 50000, 25672, facted{"app": "erldp", "erldp_client": "cli@a.example", "erldp_server": "rabbit@b.example", "erldp_status": "ok"},
			"o"+behind16("N"+nuls(3)+"\x0d\x07\xdf\x7f\xbd"+be32Text(7)+behind16("cli@a.example")), "r"+behind16("sok"), "r"+behind16("N"+nuls(3)+"\x0d\x07\xdf\x7f\xbd"+"chal"+be32Text(7)+behind16("rabbit@b.example"))),
		streamOf("erldp of old", 50000, 50001, facted{"app": "erldp", "erldp_client": "cli@a.example", "erldp_server": "rabbit@b.example", "erldp_status": "nok"},
			"o"+behind16("n\x00\x05\x00\x07\xdf\x7fcli@a.example"), "r"+behind16("snok"), "r"+behind16("n\x00\x05\x00\x07\xdf\x7fchalrabbit@b.example")),
		streamOf("spice", 50000, 5930, facted{"app": "spice", "spice_channel": "display"}, "oREDQ"+le32Text(2)+le32Text(2)+le32Text(26)+le32Text(99)+"\x02\x00"+le32Text(1)+le32Text(1)+le32Text(18)+nuls(8), "rREDQ"+le32Text(2)+le32Text(2)+le32Text(186)+nuls(4)+"\x30\x81\x9f"+nuls(183)),
		datagramsOf("icp", 3130, 3130, facted{"app": "icp", "icp_opcode": "query", "icp_url": "http://www.example.com/a", "icp_answer": "miss"},
			"o\x01\x02"+be16Text(24+len(cached))+be32Text(7)+nuls(16)+cached, "r\x03\x02"+be16Text(20+len(cached))+be32Text(7)+nuls(12)+cached),
		streamOf("pulseaudio", 50000, 4713, facted{"app": "pulseaudio", "pulseaudio_version": "35", "pulseaudio_client": "paplay"},
			"o"+pulse("L"+be32Text(8)+"L"+be32Text(0)+"L\x80\x00\x00\x23x"+behind32(secret)), "r"+pulse("L"+be32Text(2)+"L"+be32Text(0)+"L"+be32Text(35)),
			"o"+pulse("L"+be32Text(9)+"L"+be32Text(1)+"P"+property("media.format", "WAV")+property("application.name", "paplay")+"N")),
		datagramsOf("statsd", 50000, 8125, facted{"app": "statsd", "statsd_metric": "shop.orders"}, "oshop.orders:1|c|@0.1\nshop.time:320|ms\n"),
		datagramsOf("statsd with tags", 50000, 50001, facted{"app": "statsd", "statsd_metric": "shop.users"}, "oshop.users:anna bell|s|#env:test,shop"),
		streamOf("dns at the port of mdns", 50000, 5353, facted{"app": "dns", "dns_query": "a.example", "dns_type": "SOA", "dns_rcode": "REFUSED", "dns_queries": "1"},
			"o"+string(dnsPrefixed(dnsTest(7, 0x0100, "a.example", 6))), "r"+string(dnsPrefixed(dnsTest(7, 0x8185, "a.example", 6)))),
		datagramsOf("mp2t", 50000, 1234, facted{"app": "mp2t"}, "o"+transport(0, 0x10)+transport(0x1fff, 0x10)),
		datagramsOf("sap", 9875, 9875, facted{"app": "sap", "sap_session": "Concert"}, "o\x20\x00\xf6\xad\xc0\x00\x02\x0aapplication/sdp\x00v=0\r\no=- 0 0 IN IP4 192.0.2.10\r\ns=Concert\r\nt=0 0\r\n"),
		datagramsOf("sap over ipv6 without type", 9875, 9875, facted{"app": "sap", "sap_session": "Concert"}, "o\x30\x00\xf6\xad"+nuls(15)+"\x01v=0\no=- 0 0 IN IP4 192.0.2.10\ns=Concert\n"),
		datagramsOf("wccp", 2048, 2048, facted{"app": "wccp", "wccp_message": "here-i-am"}, "o"+be32Text(10)+"\x02\x00"+behind16("\x00\x00\x00\x04\x00\x00\x00\x00\x00\x01"+behind16(nuls(24)))),
		datagramsOf("wccp of version 1", 2048, 2048, facted{"app": "wccp", "wccp_message": "here-i-am"}, "o"+be32Text(7)+be32Text(4)+nuls(44)),
		datagramsOf("srt", 50000, 9710, facted{"app": "srt", "srt_encryption": "aes-128"}, "o"+shake(4, 2, 1), "r"+shake(5, 0x00024a17, 1)),
		datagramsOf("udt", 50000, 50001, facted{"app": "udt"}, "o"+shake(4, 1, 1), "r"+shake(4, 1, 0xffffffff)),
	}
}
