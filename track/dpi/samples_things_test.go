package dpi

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"
)

// The samples of the signs of what runs in plants and at home, plays, talks and shares.

func crcLE(s string) string {
	return string(binary.LittleEndian.AppendUint32([]byte(s), crc32.ChecksumIEEE([]byte(s))))
}

func mavlinkTest(begin, message string, extra byte) string {
	sum := uint16(0xffff)
	for _, d := range []byte(message) {
		sum = crcCCITT(sum, d)
	}
	return begin + message + string(binary.LittleEndian.AppendUint16(nil, crcCCITT(sum, extra)))
}

func thingSamples() []sample {
	is := func(app string) facted { return facted{"app": app} }
	c1222 := "\x60\x30\xa2\x0f\x06\x0d\x60\x7c\x86\xf7\x54\x01\x16\x00\x01\x01\x40\x00\x01\xa4\x03\x02\x01\x01\xa6\x09\x06\x07\x60\x7c\x86\xf7\x54\x01\x16" +
		"\xa8\x04\x02\x02\x0f\x89\xbe\x07\x28\x05\x81\x03\x80\x01\x20"
	aarq := "\x60\x1d" + dlmsContext + "\x01\xbe\x10\x04\x0e\x01\x00\x00\x00\x06\x5f\x1f\x04\x00\x00\x1e\x1d\xff\xff"
	aare := "\x61\x29" + dlmsContext + "\x01\xa2\x03\x02\x01\x00\xa3\x05\xa1\x03\x02\x01\x00\xbe\x10\x04\x0e\x08\x00\x06\x5f\x1f\x04\x00\x00\x1e\x1d\xff\xff\x00\x07"
	melsecAsk := "\x0c\x00\x04\x00\x01\x04\x00\x00\x64\x00\x00\xa8\x03\x00"
	melsecAnswer := "\x08\x00\x00\x00" + nuls(6)
	slimproto := "HELO\x00\x00\x00\x24\x0c\x00\x00\x04\x20\x12\x34\x56" + nuls(28)
	snapHello := `{"Arch":"x86_64","ClientName":"Snapclient"}`
	snapHead := func(kind, id, refers string, json string) string {
		return kind + id + refers + "\xbc\x3a\x00\x00\x3a\x89\x06\x00\xbc\x3a\x00\x00\x0a\x21\x06\x00" + le32Text(uint32(len(json)+4)) + le32Text(uint32(len(json))) + json
	}
	trdpPd := func(kind string, data string) string {
		head := "\x00\x00\x00\x01\x01\x00" + kind + "\x00\x00\x03\xe8" + nuls(8) + be32Text(uint32(len(data))) + nuls(12)
		return crcLE(head) + data
	}
	trdpMd := func(kind string) string {
		return crcLE("\x00\x00\x00\x00\x01\x00" + kind + "\x00\x00\x03\xe9" + nuls(8) + nuls(4) + nuls(4) + "sessionsession16" + "\x00\x1e\x84\x80" + strings.Repeat("\x00", 64))
	}
	beast := "\x1a3\x00\x00\x12\x34\x56\x78\x40" + "\x8d\x48\x40\xd6\x20\x2c\xc3\x71\xc3\x2c\xe0\x57\x60\x98" + "\x1a2\x00\x00\x12\x34\x56\x1a\x1a\x40" + "\x5d\x48\x40\xd6\x20\x2c\xc3" + "\x1a1\x00\x00\x12\x34\x56\x79\x40\x12\x34"
	egd := "\x0d\x01\x01\x00\xc0\x00\x02\x01\x7b\x00\x00\x00\xbe\x8a\x7e\x38\x00\x81\x1b\x2c" + nuls(12) + "data"
	dis := func(version, kind, family string) string {
		return version + "\x01" + kind + family + "\x00\x00\x10\x00\x00\x90\x00\x00" + nuls(132)
	}
	ubnt := "\x02\x00\x0a\x04\x18\xd6\x01\x02\x03\xc0\x00\x02\x01\x0a\x00\x04\x00\x00\xde\x60\x0b\x00\x04node"
	lifx := func(kind string, body string) string {
		return string([]byte{byte(36 + len(body))}) + "\x00\x00\x14o+\x00y\x124Vx\x9a\xbc\x00\x00" + nuls(6) + "\x00\x01" + nuls(8) + kind + "\x00\x00\x00" + body
	}
	zeroTier := func() string {
		return "ivivivivdest5\x12\x34\x56\x78\x9a\x00macmacma\x01\x0c\x01\x0e\x00\x02" + nuls(8) + "\x12\x34\x56\x78\x9a\x00" + strings.Repeat("k", 64)
	}
	fastdHandshake := func(kind string) string {
		tlvs := "\x00\x00\x01\x00" + kind + "\x03\x00\x01\x00\x01\x04\x00\x01\x00\x01\x0d\x00\x03\x00v22\x05\x00\x0e\x00ec25519-fhmqvc\x06\x00\x20\x00" + strings.Repeat("k", 32)
		return "\x01\x00" + string([]byte{0, byte(len(tlvs))}) + tlvs
	}
	soulseekBody := "\x01\x00\x00\x00" + "\x04\x00\x00\x00anna" + le32Text(uint32(len(secret))) + secret + "\xa0\x00\x00\x00" + "\x20\x00\x00\x000123456789abcdef0123456789abcdef" + "\x01\x00\x00\x00"
	rwho := "\x01\x01\x00\x00\x69\x00\x00\x00\x00\x00\x00\x00" + "host" + nuls(28) + nuls(12) + "\x68\x00\x00\x00" + "tty1" + nuls(4) + "anna" + nuls(4) + "\x69\x00\x00\x00" + nuls(4)
	olsr := "\x00\x14\x00\x01\x01\x86\x00\x10\x0a\x00\x00\x01\x01\x00\x00\x01\x00\x00\x05\x03"
	nano := "RC\x14\x14\x12\x0a"
	bitcoin := func(magic string) string { return magic + "verack" + nuls(6) + nuls(4) + "\x5d\xf6\xe0\xe2" }
	ros := func(fields ...string) (head string) {
		for _, f := range fields {
			head += le32Text(uint32(len(f))) + f
		}
		return le32Text(uint32(len(head))) + head
	}
	tplink := func(json string) string {
		head := "\x02\x00\x00\x01" + string([]byte{0, byte(len(json))}) + "\x11\x00\x33\xdc\x87\x42"
		return head + be32Text(crc32.ChecksumIEEE([]byte(head+string(tplinkPlace)+json))) + json
	}
	random := strings.Repeat("r", 32)
	return []sample{
		streamOf("c1222", 50000, 1153, is("c1222"), "o"+c1222),
		datagramsOf("c1222 datagram", 50000, 1153, is("c1222"), "o"+c1222),
		streamOf("dlms", 50000, 4063, is("dlms"), "o"+aarq),
		streamOf("dlms wrapped", 50000, 4059, is("dlms"), "o\x00\x01\x00\x10\x00\x01\x00\x1f"+aarq, "r\x00\x01\x00\x01\x00\x10\x00\x2b"+aare),
		datagramsOf("dlms datagram", 50000, 4059, is("dlms"), "o\x00\x01\x00\x10\x00\x01\x00\x1f"+aarq),
		streamOf("dlms in frames", 50000, 4063, is("dlms"), "o\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e", "r\x7e\xa0\x1e\x21\x03\x73\xc3\x7a\x81\x80\x12\x05\x01\x80\x06\x01\x80\x07\x04\x00\x00\x00\x01\x08\x04\x00\x00\x00\x01\x53\x3b\x7e"),
		streamOf("iec62056-21", 50000, 8000, is("iec62056-21"), "o/?!\r\n", "r/LGZ4\\2ZMD3104100.B32\r\n", "o\x06050\r\n"),
		streamOf("iec62056-21 with an address", 50000, 8000, is("iec62056-21"), "o/?12345678!\r\n"),
		streamOf("iec62056-21 telegram", 50000, 8088, is("iec62056-21"), "r/ISK5\\2M550T-1012\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(251128140000W)\r\n"),
		streamOf("melsec", 50000, 5007, is("melsec"), "oP\x00\x00\xff\xff\x03\x00"+melsecAsk, "r\xd0\x00\x00\xff\xff\x03\x00"+melsecAnswer),
		streamOf("melsec 4E", 50000, 5007, is("melsec"), "oT\x00\x34\x12\x00\x00\x00\xff\xff\x03\x00"+melsecAsk, "r\xd4\x00\x34\x12\x00\x00\x00\xff\xff\x03\x00"+melsecAnswer),
		datagramsOf("melsec datagram", 50000, 5006, is("melsec"), "oP\x00\x00\xff\xff\x03\x00"+melsecAsk, "r\xd0\x00\x00\xff\xff\x03\x00"+melsecAnswer),
		streamOf("codesys", 50000, 11740, is("codesys"), "o\x00\x01\x17\xe8\x1c\x00\x00\x00\xc5\x6b\x40\x40\x00\x32\x2d\xdf"+nuls(12)),
		streamOf("focas", 50000, 8193, is("focas"), "o\xa0\xa0\xa0\xa0\x00\x01\x01\x01\x00\x02\x00\x02", "r\xa0\xa0\xa0\xa0\x00\x02\x01\x02\x00\x08"+nuls(8)),
		streamOf("niagara fox", 50000, 1911, is("niagara-fox"), "ofox a 1 -1 fox hello\n{\nfox.version=s:1.0\nid=i:1\n};;\n", "rfox a 0 -1 fox hello\n{\nfox.version=s:1.0\n};;\n"),
		streamOf("atg", 50000, 10001, is("atg"), "o\x01I20100\r\n", "r\x01\r\nI20100\r\n"),
		streamOf("lnet", 1023, 988, is("lnet"), "o\x00\x71\xce\xac\x01\x00\x00\x00\x83\x58\xa8\xc0\x00\x00\x02\x00"),
		streamOf("lnet greeting", 1023, 988, is("lnet"), "r"+"cirE\x03\x00\x00\x00\x84\x58\xa8\xc0\x00\x00\x02\x00"),
		datagramsOf("mavlink 2", 50000, 14550, is("mavlink"), "o"+mavlinkTest("\xfd", "\x09\x00\x00\x00\x01\x01\x00\x00\x00"+"\x00\x00\x00\x00\x06\x08\x00\x04\x03", mavlinkExtra)),
		datagramsOf("mavlink 2 of another kind", 50000, 14550, is("mavlink"), "o"+mavlinkTest("\xfd", "\x02\x00\x00\x02\x01\x00\x15\x00\x00\x01\x01", 159)),
		datagramsOf("mavlink 1", 50000, 14550, is("mavlink"), "o"+mavlinkTest("\xfe", "\x09\x00\x01\x01\x00\x00\x00\x00\x00\x06\x08\x00\x04\x03", mavlinkExtra)),
		streamOf("mavlink stream", 50000, 5760, is("mavlink"), "r"+mavlinkTest("\xfd", "\x09\x00\x00\x00\x01\x01\x00\x00\x00"+"\x00\x00\x00\x00\x06\x08\x00\x04\x03", mavlinkExtra)),
		streamOf("mavlink 1 stream", 50000, 5760, is("mavlink"), "r"+mavlinkTest("\xfe", "\x09\x00\x01\x01\x00\x00\x00\x00\x00\x06\x08\x00\x04\x03", mavlinkExtra)),
		streamOf("beast", 50000, 30005, is("beast"), "r"+beast),
		streamOf("sbs", 50000, 30003, is("sbs"), "rMSG,3,1,1,4840D6,1,2025/11/28,14:00:00.000,2025/11/28,14:00:00.000,,38000,,,52.2572,3.9194,,,0,,0,0\r\n"),
		streamOf("trdp", 50000, 17225, is("trdp"), "o"+trdpMd("Mr"), "r"+trdpMd("Mp")),
		datagramsOf("trdp process data", 50000, 17224, is("trdp"), "o"+trdpPd("Pd", "Hello World\x00")),
		datagramsOf("trdp message data", 50000, 17225, is("trdp"), "o"+trdpMd("Mr"), "r"+trdpMd("Mp")),
		streamOf("hdhomerun", 50000, 65001, is("hdhomerun"), "o"+crcLE("\x00\x04\x00\x0d\x03\x0b/sys/model\x00"), "r"+crcLE("\x00\x05\x00\x1f\x03\x0b/sys/model\x00\x04\x10hdhomerun4_dvbt\x00")),
		datagramsOf("hdhomerun search", 50000, 65001, is("hdhomerun"), "o"+crcLE("\x00\x02\x00\x0c\x01\x04\xff\xff\xff\xff\x02\x04\xff\xff\xff\xff"), "r"+crcLE("\x00\x03\x00\x0c\x01\x04\x00\x00\x00\x01\x02\x04\x10\x12\x34\x56")),
		streamOf("eiscp", 50000, 60128, is("eiscp"), "oISCP\x00\x00\x00\x10\x00\x00\x00\x0a\x01\x00\x00\x00!1PWRQSTN\r"),
		datagramsOf("eiscp search", 50000, 60128, is("eiscp"), "oISCP\x00\x00\x00\x10\x00\x00\x00\x0b\x01\x00\x00\x00!xECNQSTN\r\n"),
		streamOf("pjlink", 50000, 4352, is("pjlink"), "rPJLINK 0\r", "o%1POWR ?\r"),
		streamOf("pjlink with a password", 50000, 4352, is("pjlink"), "rPJLINK 1 498e4a67\r"),
		streamOf("slimproto", 50000, 3483, is("slimproto"), "o"+slimproto),
		streamOf("snapcast", 50000, 1704, is("snapcast"), "o"+snapHead("\x05\x00", "\x02\x00", "\x00\x00", snapHello), "r"+snapHead("\x03\x00", "\x00\x00", "\x02\x00", `{"bufferMs":1000}`)),
		streamOf("routeros", 50000, 8728, is("routeros"), "o\x06/login\x0b=name=admin\x00"),
		streamOf("xiaomi", 50000, 5222, is("xiaomi"), "o\xc2\xfe\x00\x05\x00\x00\x00\x36\x00\x02\x00\x16\x00\x00\x00\x18\x08\x00"),
		streamOf("aprs-is", 50000, 14580, is("aprs-is"), "r# aprsc 2.1.15-gc67551b\r\n", "ouser N0CALL pass -1 vers test 1\r\n"),
		streamOf("aprs-is of another server", 50000, 14580, is("aprs-is"), "r# javAPRSSrvr 4.3.0b17\r\n"),
		streamOf("aprs-is login", 50000, 14580, is("aprs-is"), "ouser N0CALL-5 pass 12345 vers test 1 filter r/33/-97/200\r\n"),
		streamOf("ntrip", 50000, 2101, is("ntrip"), "rSOURCETABLE 200 OK\r\nServer: NTRIP Caster\r\n"),
		datagramsOf("cipio", 2222, 2222, is("cipio"), "o\x02\x00\x02\x80\x08\x00\x78\x7b\x3a\x00\xe8\xcb\x5e\x04\xb1\x00\x06\x00\x03\x00data"),
		datagramsOf("cnip", 50000, 1628, is("cnip"), "o\x00\x1c\x01\x01\x00\x00\x00\x00\x6b\x8b\x45\x67\x00\x00\x00\x01\x00\x00\x00\x00\x09\x01\xa9\x01\xaa\x01\x23\x45"),
		datagramsOf("egd", 18246, 18246, is("egd"), "o"+egd),
		datagramsOf("esio", 1024, 6060, is("esio"), "oESIO\x00\x01\x00\x00\x00\x31\x76\x16\x00\x00\x00\x18\x00\x00\x00\x0d"),
		datagramsOf("sbus", 50000, 5050, is("sbus"), "o\x00\x00\x00\x0d\x01\x00\x00\x01\x00\x05\x14\x35\xf1"),
		datagramsOf("caneth", 50000, 11898, is("caneth"), "oISO11898\x01\x02\x6a\x12\xf1\x09"),
		datagramsOf("gvcp", 50000, 3956, is("gvcp"), "o\x42\x11\x00\x02\x00\x00\x00\x01", "r\x00\x00\x00\x03\x00\x04\x00\x01\x00\x02\x00\x00"),
		datagramsOf("gvcp answer", 50000, 3956, is("gvcp"), "r\x00\x00\x00\x81\x00\x04\x00\x07\x00\x00\x00\x01"),
		datagramsOf("dis", 3000, 3000, is("dis"), "o"+dis("\x07", "\x01", "\x01")),
		datagramsOf("dis of 1998", 3000, 3000, is("dis"), "o"+dis("\x06", "\x19", "\x04")),
		datagramsOf("dis of 1995", 3000, 3000, is("dis"), "o"+dis("\x05", "\x0f", "\x05")),
		datagramsOf("gwmp", 50000, 1700, is("gwmp"), "o\x02\x12\x34\x00\xaa\x55\x5a\x00\x00\x00\x00\x01"+`{"rxpk":[{"tmst":1}]}`, "r\x02\x12\x34\x01"),
		datagramsOf("gwmp to send", 50000, 1700, is("gwmp"), "r\x02\x00\x00\x03"+`{"txpk":{"imme":true}}`),
		datagramsOf("gwmp asked", 50000, 1700, is("gwmp"), "o\x02\x12\x34\x02\xaa\x55\x5a\x00\x00\x00\x00\x01", "r\x02\x12\x34\x04"),
		datagramsOf("matter", 5541, 5540, is("matter"), "o\x04\x00\x00\x00\x04\x03\x02\x01\x88\x77\x66\x55\x44\x33\x22\x11\x05\x20\x34\x12\x00\x00\x15\x30\x01\x20"+random+"\x24\x02\x07\x24\x03\x00\x28\x04\x18"),
		datagramsOf("matter answer", 5541, 5540, is("matter"), "r\x01\x00\x00\x00\x04\x03\x02\x01\x88\x77\x66\x55\x44\x33\x22\x11\x06\x31\x34\x12\x00\x00\x0d\x0c\x0b\x0a\x15\x30\x01\x20"+random+"\x24\x02\x09\x30\x03\x41"),
		datagramsOf("matter resumed", 5541, 5540, is("matter"), "r\x01\x00\x00\x00\x04\x03\x02\x01\x88\x77\x66\x55\x44\x33\x22\x11\x06\x33\x34\x12\x00\x00\x0d\x0c\x0b\x0a\x15\x30\x01\x10"+random+"\x24\x02\x09"),
		datagramsOf("tplink search", 50000, 20002, is("tplink-smarthome"), "o"+tplink(`{"params":{"rsa_key":"key"}}`)),
		streamOf("pdl-datastream", 50000, 9100, is("pdl-datastream"), "o\x1b%-12345X@PJL\r\n@PJL INFO ID\r\n"),
		streamOf("tcpros", 50000, 50001, facted{"app": "tcpros", "ros_topic": "/chatter", "ros_type": "std_msgs/String", "ros_caller": "/listener_1"},
			"o"+ros("callerid=/listener_1", "md5sum=992ce8a1687cec8c8bd883ec73ca41d1", "tcp_nodelay=0", "topic=/chatter", "type=std_msgs/String")),
		streamOf("tcpros answer", 50000, 50001, facted{"app": "tcpros", "ros_topic": "/chatter", "ros_type": "std_msgs/String", "ros_caller": "/talker"},
			"r"+ros("callerid=/talker", "latching=0", "md5sum=992ce8a1687cec8c8bd883ec73ca41d1", "message_definition=string data\n", "topic=/chatter", "type=std_msgs/String")+le32Text(9)+le32Text(5)+"hello"),
		streamOf("litecoin", 50000, 9333, facted{"app": "bitcoin", "bitcoin_command": "verack", "bitcoin_network": "litecoin"}, "o"+bitcoin("\xfb\xc0\xb6\xdb")),
		streamOf("testnet4", 50000, 48333, facted{"app": "bitcoin", "bitcoin_command": "verack", "bitcoin_network": "testnet4"}, "o"+bitcoin("\x1c\x16\x3f\x28")),
		streamOf("zcash", 50000, 8233, facted{"app": "bitcoin", "bitcoin_command": "verack", "bitcoin_network": "zcash"}, "o"+bitcoin("\x24\xe9\x27\x64")),
		streamOf("bitcoin-cash", 50000, 8333, facted{"app": "bitcoin", "bitcoin_command": "verack", "bitcoin_network": "bitcoin-cash"}, "o"+bitcoin("\xe3\xe1\xf3\xe8")),
		datagramsOf("mqttsn", 50000, 1883, is("mqttsn"), "o\x0a\x04\x04\x01\x00\x1enode", "r\x03\x05\x00"),
		datagramsOf("miio", 50000, 54321, is("miio"), "o\x21\x31\x00\x20"+strings.Repeat("\xff", 28), "r\x21\x31\x00\x20\x00\x00\x00\x00\x01\x02\x03\x04"+nuls(20)),
		datagramsOf("miio answer", 50000, 54321, is("miio"), "r\x21\x31\x00\x30\x00\x00\x00\x00\x01\x02\x03\x04"+strings.Repeat("s", 36)),
		datagramsOf("broadlink", 50000, 80, is("broadlink"), "o\x5a\xa5\xaa\x55\x5a\xa5\xaa\x55"+nuls(24)+"\x14\xee\x00\x00\x37\x27\x65\x00"),
		datagramsOf("ubdp", 50000, 10001, is("ubdp"), "o\x01\x00\x00\x00", "r\x01\x00\x00"+string([]byte{byte(len(ubnt))})+ubnt),
		datagramsOf("ubdp 2", 50000, 10001, is("ubdp"), "o\x02\x06\x00"+string([]byte{byte(len(ubnt))})+ubnt),
		datagramsOf("dhip", 50000, 37810, is("dhip"), "o\x20\x00\x00\x00DHIP"+nuls(8)+"\x14\x00\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00\x00\x00\x00\x00"+`{"method":"DHDiscover.search"}`),
		datagramsOf("sadp", 50000, 37020, is("sadp"), "o"+`<?xml version="1.0" encoding="utf-8"?><Probe><Uuid>13A888A9-F1B1-4020-AE9F-05607682D23B</Uuid><Types>inquiry</Types></Probe>`),
		datagramsOf("hf-a11", 50000, 48899, is("hf-a11"), "oHF-A11ASSISTHREAD"),
		datagramsOf("kinet", 50000, 6038, is("kinet"), "o\x04\x01\xdc\x4a\x01\x00\x01\x01"+nuls(8)+"\xff\xff\xff\xff"),
		datagramsOf("jellyfin", 50000, 7359, is("jellyfin"), "oWho is JellyfinServer?"),
		datagramsOf("jellyfin as others say it", 50000, 7359, is("jellyfin"), "owho is JellyfinServer?"),
		datagramsOf("emby", 50000, 7359, is("emby"), "owho is EmbyServer?"),
		datagramsOf("kdeconnect", 1716, 1716, is("kdeconnect"), "o"+`{"id":1700000000000,"type":"kdeconnect.identity","body":{"deviceId":"a1b2"}}`+"\n"),
		streamOf("kdeconnect stream", 50000, 1716, is("kdeconnect"), "o"+`{"id":1700000000000,"type":"kdeconnect.identity","body":{"deviceId":"a1b2"}}`+"\n"),
		datagramsOf("govee", 50000, 4001, is("govee"), "o"+`{"msg":{"cmd":"scan","data":{"account_topic":"reserve"}}}`),
		datagramsOf("wiz", 50000, 38899, is("wiz"), "o"+`{"method":"getPilot","params":{}}`, "r"+`{"method":"getPilot","env":"pro","result":{"mac":"a8bb50000001"}}`),
		datagramsOf("localsend", 53317, 53317, is("localsend"), "o"+`{"alias":"Nice Orange","version":"2.1","deviceModel":"Linux","deviceType":"desktop","fingerprint":"f","port":53317,"protocol":"https","download":false,"announce":true}`),
		streamOf("openrgb", 50000, 6742, is("openrgb"), "oORGB"+nuls(4)+"\x28\x00\x00\x00\x04\x00\x00\x00\x04\x00\x00\x00"),
		streamOf("synergy", 50000, 24800, is("synergy"), "r\x00\x00\x00\x0bBarrier\x00\x01\x00\x06", "o\x00\x00\x00\x13Barrier\x00\x01\x00\x06\x00\x00\x00\x04desk"),
		streamOf("citrix", 50000, 1494, is("citrix"), "r\x7f\x7fICA\x00\x7f\x7fICA\x00"),
		streamOf("nomachine", 50000, 4000, is("nomachine"), "oNXSH-8.14.2\n", "rNXD-8.14.2\n"),
		datagramsOf("lifx", 50000, 56700, is("lifx"), "o"+lifx("\x02", ""), "r"+lifx("\x03", "\x01\x7c\xdd\x00\x00")),

		streamOf("monero", 50000, 18080, is("monero"), "o\x01\x21\x01\x01\x01\x01\x01\x01\x06\x01\x00\x00\x00\x00\x00\x00\x01\xe9\x03\x00\x00"),
		streamOf("nano", 50000, 7075, is("nano"), "o"+nano+"\x05\x00"+strings.Repeat("c", 32), "r"+nano+"\x07\x00"+strings.Repeat("c", 200)),
		streamOf("directconnect hub", 50000, 411, is("directconnect"), "r$Lock EXTENDEDPROTOCOLABCABCABCABCABCABC Pk=DCPLUSPLUS0.673|", "o$Supports UserIP2 |$Key 1|"),
		streamOf("directconnect client", 50000, 412, is("directconnect"), "o$MyNick anna|$Lock EXTENDEDPROTOCOLABCABCABCABCABCABC Pk=DCPLUSPLUS0.673|"),
		streamOf("adc", 50000, 1511, is("directconnect"), "oHSUP ADBASE ADTIGR\n", "rISUP ADBASE ADTIGR ADPING ADUCMD\n"),
		streamOf("adc of clients", 50000, 1511, is("directconnect"), "oCSUP ADBASE ADTIGR\n", "rCSUP ADBASE ADTIGR\n"),
		streamOf("soulseek", 50000, 2242, facted{"app": "soulseek", "soulseek_user": "anna"}, "o"+le32Text(uint32(len(soulseekBody)))+soulseekBody),
		streamOf("aim", 50000, 5190, is("aim"), "r\x2a\x01\x00\x01\x00\x04\x00\x00\x00\x01"),
		streamOf("ymsg", 50000, 5050, is("ymsg"), "oYMSG\x00\x10\x00\x00\x00\x00\x00\x4c"+nuls(8)),
		streamOf("msnms", 50000, 1863, is("msnms"), "oVER 1 MSNP21 MSNP20 CVR0\r\n", "rVER 1 MSNP21\r\n"),
		streamOf("gadu-gadu", 50000, 8074, is("gadu-gadu"), "r\x01\x00\x00\x00\x04\x00\x00\x00\x12\x34\x56\x78"),
		streamOf("wow", 50000, 3724, is("wow"), "r0\x00WORLD OF WARCRAFT CONNECTION - SERVER TO CLIENT\x00"),
		streamOf("wow of today", 50000, 3724, is("wow"), "rWORLD OF WARCRAFT CONNECTION - SERVER TO CLIENT - V2\n", "oWORLD OF WARCRAFT CONNECTION - CLIENT TO SERVER - V2\n"),
		streamOf("terraria", 50000, 7777, is("terraria"), "o\x0f\x00\x01\x0bTerraria279"),
		streamOf("vtun", 50000, 5000, is("vtun"), "rVTUN server ver 3.X 05/14/2022\n"+nuls(18)),
		streamOf("cops", 50000, 3288, is("cops"), "o\x10\x06\x00\x01\x00\x00\x00\x14\x00\x0c\x0b\x01router\x00\x00", "r\x10\x07\x00\x01\x00\x00\x00\x10\x00\x08\x0a\x01\x00\x00\x00\x1e"),
		streamOf("msdp", 50000, 639, is("msdp"), "o\x04\x00\x03"),
		streamOf("msdp sources", 50000, 639, is("msdp"), "o\x01\x00\x14\x01\x0a\x00\x00\x01\x00\x00\x00\x20\xef\x01\x01\x01\x0a\x00\x00\x05"),
		streamOf("radmin", 50000, 4899, is("radmin"), "o\x01\x00\x00\x00\x01\x00\x00\x00\x08\x08", "r\x01\x00\x00\x00\x25\x00\x00\x02\x12\x08\x02\x00\x00\x0a"+nuls(32)),
		streamOf("radmin goes on", 50000, 4899, is("radmin"), "o\x01\x00\x00\x00\x05\x00\x00\x02\x27\x27\x02\x00\x00\x00", "r\x01\x00\x00\x00\x05\x00\x00\x00\x27\x27\x00\x00\x00\x00"),
		streamOf("ookla", 50000, 8080, is("ookla"), "oHI 8e17cb65-c6b5-4b39-adcc-97066a1e4537\n", "rHELLO 2.9 (2.9.2) 2022-11-30.2159.ffae0e0\n"),
		datagramsOf("mactelnet", 1061, 20561, is("mactelnet"), "o\x01\x00\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x99\xe6\x8a\x00\x15"+nuls(4), "r\x01\x02\x02\x00\x00\x00\x00\x99\x02\x00\x00\x00\x00\x01\x00\x15\xe6\x8a"+nuls(4)),
		datagramsOf("discord that stays", 61392, 50004, is("discord"), "o\x13\x37\xca\xfe\x0e\x00\x00\x00", "r\x13\x37\xca\xfe\x0e\x00\x00\x00"),
		datagramsOf("photon", 50173, 5055, is("photon"), "o\xff\xff\x00\x01\x00\x00\x00\x04\x12\x34\x56\x78\x02\xff\x01\x04\x00\x00\x00\x2c\x00\x00\x00\x01\x00\x00\x04\xb0\x00\x00\x80\x00\x00\x00\x00\x02"+nuls(20)),
		datagramsOf("zoom", 58327, 8801, is("zoom"), "o\x01\x00\x02sixteen unlike it"+nuls(90), "r\x02\x00\x01sixteen unlike it\x00\x5a"+nuls(13)),
		datagramsOf("zoom under way", 58327, 8801, is("zoom"), "r\x03\x00\x00\x00\x01\x76\x2a\x8d\x74\x00\x5a\x0e\x3e", "o\x04\x00\x00\x00\x01\x76\x2a\x8d\x74\x00\x5a\x0e\x3e"),
		datagramsOf("nintendo", 52119, 49432, is("nintendo"), "o\x32\xab\x98\x64\x84\x01\x12\x34"+nuls(40)),
		datagramsOf("roon", 50000, 9003, is("roon"), "oSOOD\x02Q\x10query_service_id\x00\x0200\x04_tid\x00\x011"),
		datagramsOf("ps-ddp", 50000, 9302, is("ps-ddp"), "oSRCH * HTTP/1.1\ndevice-discovery-protocol-version:00030010\n", "rHTTP/1.1 200 Ok\nhost-id:1234567890AB\nhost-type:PS5\n"),
		datagramsOf("dante", 50000, 8700, is("dante"), "o\xff\xff\x00\x20\x0b\xc8"+nuls(10)+"Audinate\x07\x31\x00\x63\x00\x00\x00\x64"),
		datagramsOf("dante control", 50000, 4440, is("dante"), "o\x27\xff\x00\x0a\xff\xff\x10\x00\x00\x00", "r\x27\xff\x00\x0a\xff\xff\x10\x00\x00\x01"),
		datagramsOf("crestron", 41794, 41794, is("crestron"), "o\x14\x00\x00\x00\x01\x04\x00\x03\x00\x00host"+nuls(252)),
		datagramsOf("gamespy", 50000, 25565, is("gamespy"), "o\xfe\xfd\x09\x01\x02\x03\x04", "r\x09\x01\x02\x03\x049513307\x00"),
		datagramsOf("kodi", 50000, 9777, is("kodi"), "oXBMC\x02\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x0c\x69\x29\x00\x00"+nuls(10)+"box\x00"+nuls(11)),
		datagramsOf("samp", 50000, 7777, is("samp"), "oSAMP\x7f\x00\x00\x01\x61\x1ei", "rSAMP\x7f\x00\x00\x01\x61\x1ei\x00\x00\x00\x64\x00"),
		streamOf("chargen", 50000, 19, is("chargen"), "r!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh\r\n"),
		streamOf("chargen with a space first", 50000, 19, is("chargen"), "r !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n"),
		datagramsOf("applemidi", 50000, 5004, is("applemidi"), "o\xff\xffIN\x00\x00\x00\x02\x12\x34\x56\x78\x9a\xbc\xde\xf0Mac\x00", "r\xff\xffOK\x00\x00\x00\x02\x12\x34\x56\x78\x9a\xbc\xde\xf1Pi\x00"),
		datagramsOf("applemidi clock", 50000, 5005, is("applemidi"), "o\xff\xffCK\x12\x34\x56\x78\x00\x00\x00\x00"+nuls(24)),
		datagramsOf("raop", 50000, 6002, is("raop"), "o\x80\xd2\x00\x07\x00\x00\x00\x00"+nuls(16)+"\xe6\x12\x34\x56\x12\x34\x56\x78", "r\x80\xd3\x00\x07\x00\x00\x00\x00\xe6\x12\x34\x56\x12\x34\x56\x78"+"\xe6\x12\x34\x57\x12\x34\x56\x78\xe6\x12\x34\x57\x12\x34\x56\x79"),
		datagramsOf("osc", 50000, 9001, is("osc"), "o/ch/01/mix/fader\x00\x00\x00\x00,fis\x00\x00\x00\x00\x3f\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x00"),
		datagramsOf("osc bundle", 50000, 9001, is("osc"), "o#bundle\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0c/a\x00\x00,i\x00\x00\x00\x00\x00\x01"),
		datagramsOf("mumble", 50000, 64738, is("mumble"), "o\x00\x00\x00\x00\x03\xd7\x20\x00\xfa\x76\x28\x7e", "r\x00\x01\x03\x04\x03\xd7\x20\x00\xfa\x76\x28\x7e\x00\x00\x00\x00\x00\x00\x00\x64\x00\x01\x19\x40"),
		datagramsOf("zerotier", 9993, 9993, is("zerotier"), "o"+zeroTier()),
		datagramsOf("nebula", 4243, 4242, is("nebula"), "o\x10"+nuls(14)+"\x01"+strings.Repeat("k", 100), "r\x10\x00\x00\x00\x72\xf9\x2c\xe7"+nuls(7)+"\x02"+strings.Repeat("k", 100)),
		datagramsOf("fastd", 10010, 10000, is("fastd"), "o"+fastdHandshake("\x01")),
		datagramsOf("fastd in a header of l2tp", 10010, 10000, is("fastd"), "r\xc8\x03\x00\x0c"+nuls(8)+fastdHandshake("\x02")),
		datagramsOf("n2n", 50000, 7654, is("n2n"), "o\x03\x02\x00\x05mynet"+nuls(15)+"\x12\x34\x56\x78\x9a\xbc"),
		datagramsOf("uftp", 50000, 1044, is("uftp"), "o\x40\x01\x00\x00\xc0\x00\x02\x01\xe6\x9b\x7b\x30\x00\x9d\x00\x00\x01\x06\x00\x14\x00\x00\x05\x14"+nuls(8)+"\xe6\x04\x04\x01\xe6\x05\x05\x54"),
		datagramsOf("minetest", 50000, 30000, is("minetest"), "o\x4f\x45\x74\x03\x00\x00\x00\x03\xff\xdc\x01\x00\x00"),
		datagramsOf("ssrp", 50000, 1434, is("ssrp"), "o\x03", "r\x05\x37\x00ServerName;DB1;InstanceName;SQLEXPRESS;IsClustered;No;;"),
		datagramsOf("ssrp of one instance", 50000, 1434, is("ssrp"), "o\x04SQLEXPRESS\x00"),
		datagramsOf("ssrp answer", 50000, 50001, is("ssrp"), "r\x05\x37\x00ServerName;DB1;InstanceName;SQLEXPRESS;IsClustered;No;;"),
		datagramsOf("pana", 50000, 716, is("pana"), "o\x00\x00\x00\x10\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01"),
		datagramsOf("cpha", 8116, 8116, is("cpha"), "o\x1a\x90\x0c\x31\x27\x85\x00\x01\x00\x16\x79\x3e\x00\x01\xff\xfe\xe0\x4a\x01\x00\x00\x02"),
		datagramsOf("who", 513, 513, is("who"), "o"+rwho),
		datagramsOf("olsr", 698, 698, is("olsr"), "o"+olsr),
		datagramsOf("aodv", 654, 654, is("aodv"), "o\x01\x40\x00\x01"+nuls(3)+"\x01"+"\x0a\x00\x00\x02"+nuls(4)+"\x0a\x00\x00\x01\x00\x00\x00\x01"),
		datagramsOf("aodv reply", 654, 654, is("aodv"), "o\x02\x00\x00\x00\x0a\x00\x00\x01\x00\x00\x00\x01\x0a\x00\x00\x01\x00\x00\x0b\xb8"),
		datagramsOf("chargen datagram", 50000, 19, is("chargen"), "o\x00", "r!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh\r\n"),
		datagramsOf("chargen datagram with a space first", 50000, 19, is("chargen"), "r !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n"),
	}
}

// TestAlmostThings: what looks like these and is not must stay without a name.
func TestAlmostThings(t *testing.T) {
	for _, s := range []sample{
		streamOf("another thing at the port of tanks", 50000, 10001, nil, "o\x01Iabcde\r\n"),
		streamOf("a tank's question at another port", 50000, 9999, nil, "o\x01I20100\r\n"),
		streamOf("an association of another application", 50000, 4059, nil, "o\x60\x1d\xa1\x09\x06\x07\x60\x85\x74\x05\x09\x01\x01"+nuls(20)),
		streamOf("a frame with a wrong checksum", 50000, 4063, nil, "o\x7e\xa0\x07\x03\x21\x93\x0f\x02\x7e"),
		streamOf("a path with a question", 50000, 8000, nil, "o/?a=b&c=d!\r\n"),
		streamOf("ones and a number", 50000, 7777, nil, "o"+strings.Repeat("\xff", 17)+"\x05\x05"+strings.Repeat("\xff", 30)),
		streamOf("ones and two numbers", 50000, 7777, nil, "o"+strings.Repeat("\xff", 16)+"\x00\x40\x02"+strings.Repeat("\xff", 45)),
		streamOf("a service of knx that there is none of", 50000, 3671, nil, "o\x06\x10\x05\x43\x00\x1a"+nuls(20)),
		streamOf("zeros that begin like a list of services", 50000, 7777, nil, "o\x04"+nuls(23)),
		streamOf("two messages of a receiver", 50000, 30005, nil, "r\x1a1\x00\x00\x12\x34\x56\x79\x40\x12\x34\x1a1\x00\x00\x12\x34\x56\x79\x40\x12\x34hello, world"),
		streamOf("a heartbeat with a wrong checksum", 50000, 5760, nil, "r"+mavlinkTest("\xfd", "\x09\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x06\x08\x00\x04\x03", 51)),
		streamOf("a welcome at another port", 50000, 9999, nil, "r\x01\x00\x00\x00\x04\x00\x00\x00\x12\x34\x56\x78"),
		streamOf("a login whose texts do not fit", 50000, 2242, nil, "o\x48\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x00anna\xff\xff\x00\x00"+nuls(60)),
		streamOf("version and nonsense", 50000, 1863, nil, "oVER one MSNP21\r\n"),
		datagramsOf("a query for another port", 50000, 7778, nil, "oSAMP\x7f\x00\x00\x01\x61\x1ei"),
		datagramsOf("a search with a wrong checksum", 50000, 20002, nil, "o\x02\x00\x00\x01\x00\x02\x11\x00\x33\xdc\x87\x42\x00\x00\x00\x00{}"),
		datagramsOf("an answer with another number", 50000, 1700, nil, "o\x02\x12\x34\x02\xaa\x55\x5a\x00\x00\x00\x00\x01", "r\x02\x12\x35\x04"),
		streamOf("fields of another protocol", 50000, 50001, nil, "o\x0c\x00\x00\x00\x08\x00\x00\x00name=val"),
		datagramsOf("a method at another port", 50000, 38888, nil, "o"+`{"method":"getPilot","params":{}}`),
		datagramsOf("an alias at another port", 50000, 53318, nil, "o"+`{"alias":"Nice Orange","fingerprint":"f"}`),
		datagramsOf("elements without an address", 50000, 10001, nil, "o\x02\x06\x00\x0c\x0b\x00\x01a\x0b\x00\x01b\x0b\x00\x01c"),
		streamOf("hello and whatever", 50000, 8080, nil, "rHELLO 2.9 (whatever) there\n"),
		streamOf("hi and whatever", 50000, 8080, nil, "oHI 8e17cb65-there\n"),
		datagramsOf("another vendor's status", 50000, 8700, nil, "o\xff\xff\x00\x20\x0b\xc8"+nuls(10)+"Somebody\x07\x31\x00\x63\x00\x00\x00\x64"),
		datagramsOf("a query with more behind it", 50000, 25565, nil, "o\xfe\xfd\x09\x01\x02\x03\x04\x05"),
		datagramsOf("a path and text", 50000, 9001, nil, "o/index.html\x00\x00\x00\x00 hello, world\x00"),
		datagramsOf("an address whose values do not fit", 50000, 9001, nil, "o/a\x00\x00,ii\x00\x00\x00\x00\x01"),
		datagramsOf("twelve bytes that begin with zeros, answered with others", 50000, 64738, nil, "o\x00\x00\x00\x00\x03\xd7\x20\x00\xfa\x76\x28\x7e", "r\x00\x01\x03\x04\x03\xd7\x20\x00\xfa\x76\x28\x7f"+nuls(12)),
		datagramsOf("zeros answered with zeros", 50000, 64738, nil, "o"+nuls(12), "r\x00\x01"+nuls(22)),
		datagramsOf("sbus with a wrong checksum", 50000, 5050, nil, "o\x00\x00\x00\x0d\x01\x00\x00\x01\x00\x05\x14\x82\x9d"),
		datagramsOf("a kind of another family", 3000, 3000, nil, "o\x07\x01\x01\x02\x00\x00\x10\x00\x00\x0c\x00\x00"),
		datagramsOf("one byte at another port than the browser's", 50000, 1435, nil, "o\x03"),
		datagramsOf("text at the browser's port", 50000, 1434, nil, "o\x04\x01\x01\x01\x01\x01"),
		datagramsOf("a hello of another than it says", 9993, 9993, nil, "oivivivivdest5\x12\x34\x56\x78\x9a\x00macmacma\x01\x0c\x01\x0e\x00\x02"+nuls(8)+"\x12\x34\x56\x78\x9b\x00"+strings.Repeat("k", 64)),
		datagramsOf("pana with something reserved", 50000, 716, nil, "o\x00\x01\x00\x10\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01"),
		datagramsOf("elements that do not fill the datagram", 50000, 10001, nil, "o\x02\x06\x00\x0c\x02\x00\x02ab\x0b\x00\x09node\x00"),
		datagramsOf("another identity in JSON", 1716, 1716, nil, "o"+`{"id":1,"type":"identity","body":{"deviceId":"a1b2"}}`),
		datagramsOf("a lamp's message with something reserved", 50000, 56700, nil, "o\x24\x00\x00\x34"+nuls(20)+"\x01"+nuls(7)+"\x02\x00\x00\x00"),
	} {
		t.Run(s.name, func(t *testing.T) {
			if got := run(t, &s); len(got) != 0 {
				t.Errorf("got %v, want nothing", got)
			}
		})
	}
}

// TestSignsNoise holds that bytes by chance, small numbers with right lengths among them, are taken for nothing where no port is a protocol's.
func TestSignsNoise(t *testing.T) {
	in := onlyParser(int(theFinder().index["acn"]))
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 400_000 {
		b := make([]byte, 4+r.IntN(60))
		for j := range b {
			x := r.Uint32()
			switch b[j] = byte(x) & byte(x>>8); i % 3 {
			case 1:
				b[j] &= byte(x >> 16)
			case 2:
				b[j] &= 3
			}
		}
		n := uint16(len(b))
		switch i % 5 {
		case 0:
			binary.BigEndian.PutUint16(b, n)
		case 1:
			binary.BigEndian.PutUint16(b[2:], n-uint16(r.IntN(2)*4))
		case 2:
			b[0] = byte(n)
		case 3:
			binary.LittleEndian.PutUint16(b[2:], n)
		}
		tcp := i&1 == 0
		f := in.NewFlow(tcp, 40000, 50001)
		if side := Side(i >> 1 & 1); tcp {
			in.Segment(f, side, 99, true, false, nil, 0, 0)
			in.Segment(f, side, 100, false, false, b, uint32(n), 0)
		} else {
			in.Datagram(f, side, b, uint32(n), 0)
		}
		if got := facts(f.App()); len(got) > 0 {
			t.Errorf("%x over TCP %v: got %v, want nothing", b, tcp, got)
		}
		in.Free(f)
	}
}
