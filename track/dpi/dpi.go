// Package dpi says what a connection speaks, from its first bytes. It knows no operating system,
// file, clock or network: bytes and packet times go in, facts come out.
//
// Every protocol is one parser in a file of its own and one line of the table below. The Inspector
// puts TCP bytes in order, asks the parsers, and stops when there is nothing more to learn.
package dpi

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"rustnet/track/event"
)

// Side is an end of a connection: the one that opened it, or the other.
type Side uint8

// Orig opened the connection, as far as the packets told.
const (
	Orig Side = iota
	Resp
)

// Result says what a packet's bytes brought.
type Result uint8

const (
	// Known: what the protocol tells at its start is complete; a record that waited need wait no longer.
	Known Result = 1 << iota
	// Finished: nothing more is wanted of this connection; the flow can be freed.
	Finished
	// Ended: the protocol's exchange came to its orderly end (every DNS query answered). Cleared by new bytes.
	Ended
)

// Config sets the bounds of the inspection.
type Config struct {
	MaxBytes      int  `help:"Payload kept of each direction of a connection until its protocol is known." default:"16384" placeholder:"BYTES" least:"512"`
	MaxTotalBytes int  `help:"Payload kept of all connections together." default:"33554432" placeholder:"BYTES" least:"65536"`
	Unsafe        bool `name:"unsafe-payload-fields" help:"Show what may be secret: query strings, sessions in paths, MQTT users without a password."`
	Names         bool `kong:"-"` // keep what DNS responses say of addresses, see Inspector.Answer
	// Caught is told what a parser stumbled over (it panicked) and where; its connection is looked at no more. Several goroutines call it. nil = nothing
	// is caught.
	Caught func(what string) `kong:"-"`
}

// parser is one line of the table. The names that First and Ports give only save work: they
// are never proof.
type parser struct {
	Name string
	Also []string  // other names of applications that it gives
	TCP  parseFunc // nil when the protocol does not run over TCP
	UDP  parseFunc
	// Over reads what runs over IP or a link without ports, by the number Proto that decode gives it.
	Over  parseFunc
	Proto uint16
	// First holds every byte that can begin the protocol, in either direction; nil is any. Stream is First over TCP, where that
	// is less than over UDP.
	First, Stream *byteSet
	// Text: over TCP both directions begin with a line of text. One with a control character in it is not asked about.
	Text bool
	// Asked: the direction of the end that opened the connection does; without it nothing is told of the answer.
	Asked bool
	// TCPZeros and UDPZeros are bits that are never set in the first eight bytes of a direction, see zeroBits.
	TCPZeros, UDPZeros uint64
	// Min is the length of the shortest datagram there is.
	Min   int
	Ports []uint16
	// Own: a datagram that goes neither to nor from one of Ports is never told as the protocol's.
	Own bool
	// Follow is how many bytes of each direction are looked at in all, once the protocol is known.
	Follow uint32
	Fields []*event.AppField
}

// table holds all parsers. Those whose port fits are asked first, then the others, in this order.
var table = []parser{
	{Name: "tls", TCP: parseTLS, First: tlsFirst, Ports: []uint16{443, 465, 563, 636, 853, 989, 990, 992, 993, 995, 5061, 5671, 8443, 8883}, Follow: 64 << 10, Fields: tlsFields},
	{Name: "http", TCP: parseHTTP, First: httpFirst, Ports: []uint16{80, 591, 3128, 5000, 5985, 8000, 8008, 8080, 8081, 8888}, Follow: 16 << 20, Fields: httpFields},
	{Name: "ssh", TCP: parseSSH, First: sshFirst, Ports: []uint16{22, 830, 2222}, Follow: 32 << 10, Fields: sshFields},
	{Name: "dns", Also: []string{"mdns", "llmnr"}, TCP: parseDNSStream, UDP: parseDNS, Min: dnsHeaderLen, Ports: []uint16{53, mdnsPort, llmnrPort}, Follow: 64 << 20, Fields: dnsFields},
	{Name: "quic", UDP: parseQUIC, First: quicFirst, Min: 21, Ports: []uint16{443, 80, 853, 4433, 8443}, Follow: 64 << 10, Fields: quicFields},
	{Name: "smtp", TCP: parseSMTP, First: smtpFirst, Text: true, Ports: []uint16{25, 24, 587, 2525}, Follow: 32 << 10, Fields: smtpFields},
	{Name: "ftp", Also: []string{"ftp-data"}, TCP: parseFTP, First: ftpFirst, Text: true, Ports: []uint16{21, 2121}, Follow: 1 << 20, Fields: ftpFields},
	{Name: "pop3", TCP: parsePOP3, First: pop3First, Text: true, Ports: []uint16{110}, Follow: 16 << 10, Fields: pop3Fields},
	{Name: "imap", TCP: parseIMAP, First: imapFirst, Text: true, Ports: []uint16{143}, Follow: 16 << 10, Fields: imapFields},
	{Name: "nntp", TCP: parseNNTP, First: nntpFirst, Text: true, Ports: []uint16{119, 433}, Follow: 16 << 10, Fields: nntpFields},
	{Name: "irc", TCP: parseIRC, First: ircFirst, Text: true, Ports: []uint16{6667, 194, 6666, 6668, 6669, 7000}, Follow: 16 << 10, Fields: ircFields},
	{Name: "xmpp", TCP: parseXMPP, First: xmppFirst, Ports: []uint16{5222, 5269}, Follow: 16 << 10, Fields: xmppFields},
	{Name: "telnet", TCP: parseTelnet, First: telnetFirst, Ports: []uint16{23}, Follow: 4 << 10, Fields: telnetFields},
	{Name: "rsync", TCP: parseRsync, First: rsyncFirst, Ports: []uint16{873}, Follow: 4 << 10, Fields: rsyncFields},
	{Name: "git", TCP: parseGit, First: gitFirst, Ports: []uint16{9418}, Follow: 4 << 10, Fields: gitFields},
	{Name: "sip", TCP: parseSIPStream, UDP: parseSIP, First: sipFirst, Min: 20, Text: true, Ports: []uint16{5060}, Follow: 1 << 20, Fields: sipFields},
	{Name: "rtsp", TCP: parseRTSP, First: rtspFirst, Text: true, Ports: []uint16{554, 8554}, Follow: 64 << 10, Fields: rtspFields},
	{Name: "syslog", TCP: parseSyslogStream, UDP: parseSyslog, First: syslogFirst, Min: 8, Ports: []uint16{514, 601}, Follow: 8 << 10, Fields: syslogFields},
	{Name: "socks", TCP: parseSOCKS, UDP: parseSOCKSDatagram, First: socksFirst, Min: socksRelayLen, Ports: []uint16{1080, 9050}, Follow: 32 << 10, Fields: socksFields},
	{Name: "proxy-protocol", TCP: parseProxy, First: proxyFirst, Follow: 4 << 10, Fields: proxyFields},
	{Name: "redis", TCP: parseRedis, First: redisFirst, Text: true, Ports: []uint16{redisPort}, Follow: 8 << 10, Fields: redisFields},
	{Name: "memcached", TCP: parseMemcached, UDP: parseMemcachedUDP, Min: 12, Stream: memcachedFirst, UDPZeros: zeroBits("\x00\x00\x00\x00\x00\x00\xff\xff"), Ports: []uint16{11211}, Follow: 8 << 10, Fields: memcachedFields},
	{Name: "nats", TCP: parseNATS, First: natsFirst, Text: true, Ports: []uint16{4222}, Follow: 32 << 10, Fields: natsFields},
	{Name: "ssdp", UDP: parseSSDP, First: ssdpFirst, Min: 20, Ports: []uint16{1900}, Follow: 8 << 10, Fields: ssdpFields},
	{Name: "tftp", UDP: parseTFTP, First: tftpFirst, Min: 4, Ports: []uint16{69}, Follow: 8 << 10, Fields: tftpFields},
	{Name: "http2", TCP: parseHTTP2, First: http2First, Ports: []uint16{80, 8080, 50051}, Follow: 16 << 20, Fields: http2Fields},
	{Name: "postgresql", TCP: parsePostgreSQL, First: postgresFirst, Ports: []uint16{5432}, Follow: 32 << 10, Fields: postgresFields},
	{Name: "mysql", TCP: parseMySQL, TCPZeros: zeroBits("\x00\x00\xff\xfe"), Ports: []uint16{3306}, Follow: 32 << 10, Fields: mysqlFields},
	{Name: "tds", TCP: parseTDS, First: tdsFirst, Ports: []uint16{1433}, Follow: 32 << 10, Fields: tdsFields},
	{Name: "oracle", TCP: parseOracle, First: oracleFirst, Ports: []uint16{1521}, Follow: 8 << 10, Fields: oracleFields},
	{Name: "mongodb", TCP: parseMongoDB, TCPZeros: zeroBits("\x00\x00\x00\xfc"), Ports: []uint16{27017}, Follow: 16 << 10, Fields: mongoFields},
	{Name: "cassandra", TCP: parseCassandra, First: cassandraFirst, Ports: []uint16{9042}, Follow: 32 << 10, Fields: cassandraFields},
	{Name: "kafka", TCP: parseKafka, First: kafkaFirst, Ports: []uint16{9092}, Follow: 32 << 10, Fields: kafkaFields},
	{Name: "amqp", TCP: parseAMQP, First: amqpFirst, Ports: []uint16{5672}, Follow: 32 << 10, Fields: amqpFields},
	{Name: "mqtt", TCP: parseMQTT, First: mqttFirst, Ports: []uint16{mqttPort}, Follow: 16 << 10, Fields: mqttFields},
	{Name: "zookeeper", TCP: parseZooKeeper, First: zookeeperFirst, Ports: []uint16{2181}, Follow: 4 << 10},
	{Name: "gearman", TCP: parseGearman, First: gearmanFirst, Ports: []uint16{4730}, Follow: 4 << 10},
	{Name: "thrift", TCP: parseThrift, First: thriftFirst, Ports: []uint16{9090}, Follow: 4 << 10, Fields: thriftFields},
	{Name: "fix", TCP: parseFIX, First: fixFirst, Ports: []uint16{9878}, Follow: 8 << 10, Fields: fixFields},
	{Name: "zabbix", TCP: parseZabbix, First: zabbixFirst, Ports: []uint16{10050, 10051}, Follow: 4 << 10, Fields: zabbixFields},
	{Name: "rdp", TCP: parseRDP, UDP: parseRDPDatagram, Stream: tpktFirst, First: rdpFirst, Min: rdpSYNLen, Ports: []uint16{3389}, Follow: 32 << 10, Fields: rdpFields},
	{Name: "vnc", TCP: parseVNC, First: vncFirst, Ports: []uint16{5900, 5901}, Follow: 4 << 10, Fields: vncFields},
	{Name: "x11", TCP: parseX11, First: x11First, Ports: []uint16{6000, 6010}, Follow: 4 << 10},
	{Name: "rtmp", TCP: parseRTMP, First: rtmpFirst, Ports: []uint16{1935}, Follow: 16 << 10, Fields: rtmpFields},
	{Name: "minecraft", TCP: parseMinecraft, TCPZeros: zeroBits("\x00\x70"), Ports: []uint16{25565}, Follow: 8 << 10, Fields: minecraftFields},
	{Name: "source_engine", UDP: parseSource, First: sourceFirst, Min: 21, Ports: []uint16{27015}, Follow: 16 << 10, Fields: sourceFields},
	{Name: "bgp", TCP: parseBGP, First: bgpFirst, Ports: []uint16{bgpPort}, Follow: 16 << 10, Fields: bgpFields},
	{Name: "ldp", TCP: parseLDP, UDP: parseLDP, First: ldpFirst, Min: 18, Ports: []uint16{646}, Follow: 4 << 10},
	{Name: "openflow", TCP: parseOpenFlow, First: openflowFirst, Ports: []uint16{6653, 6633}, Follow: 4 << 10, Fields: openflowFields},
	{Name: "diameter", TCP: parseDiameter, First: diameterFirst, Ports: []uint16{3868}, Follow: 16 << 10, Fields: diameterFields},
	{Name: "pptp", TCP: parsePPTP, First: pptpFirst, Ports: []uint16{1723}, Follow: 4 << 10, Fields: pptpFields},
	{Name: "modbus", TCP: parseModbus, TCPZeros: zeroBits("\x00\x00\xff\xff\xff"), Ports: []uint16{502}, Follow: 8 << 10, Fields: modbusFields},
	{Name: "dnp3", TCP: parseDNP3, UDP: parseDNP3, First: dnp3First, Min: dnp3HeaderLen, Ports: []uint16{20000}, Follow: 4 << 10, Fields: dnp3Fields},
	{Name: "s7comm", TCP: parseS7, First: tpktFirst, Ports: []uint16{102}, Follow: 8 << 10, Fields: s7Fields},
	{Name: "enip", TCP: parseENIP, UDP: parseENIP, First: enipFirst, Min: enipHeaderLen, Ports: []uint16{44818}, Follow: 8 << 10, Fields: enipFields},
	{Name: "iec104", TCP: parseIEC104, First: iec104First, Ports: []uint16{2404}, Follow: 8 << 10, Fields: iec104Fields},
	{Name: "opcua", TCP: parseOPCUA, First: opcuaFirst, Ports: []uint16{4840}, Follow: 8 << 10, Fields: opcuaFields},
	{Name: "hislip", TCP: parseHiSLIP, First: hislipFirst, Ports: []uint16{4880}, Follow: 4 << 10, Fields: hislipFields},
	{Name: "smb", Also: []string{"netbios-ssn"}, TCP: parseSMB, First: smbFirst, Ports: []uint16{445, 139}, Follow: 128 << 10, Fields: smbFields},
	{Name: "dcerpc", TCP: parseDCERPCStream, UDP: parseDCERPC, First: dcerpcFirst, Min: dcerpcDatagramLen, Ports: []uint16{135}, Follow: 16 << 10, Fields: dcerpcFields},
	{Name: "netbios-ns", UDP: parseNetBIOSName, Min: 50, UDPZeros: zeroBits("\x00\x00\x00\x00\xff\xc0\xff\xc0"), Ports: []uint16{137}, Follow: 4 << 10, Fields: netbiosFields},
	{Name: "netbios-dgm", UDP: parseNetBIOSDatagram, First: netbiosDgmFirst, Min: 10, Ports: []uint16{138}, Follow: 4 << 10},
	{Name: "ldap", TCP: parseLDAP, UDP: parseLDAPDatagram, First: ldapFirst, Min: 8, Ports: []uint16{389, 3268}, Follow: 32 << 10, Fields: ldapFields},
	{Name: "kerberos", TCP: parseKerberosStream, UDP: parseKerberos, First: kerberosFirst, Min: 16, Ports: []uint16{88}, Follow: 64 << 10, Fields: kerberosFields},
	{Name: "radius", UDP: parseRADIUS, First: radiusFirst, Min: radiusHeaderLen, Ports: []uint16{1812, 1813, 1645, 1646, 3799}, Follow: 16 << 10, Fields: radiusFields},
	{Name: "dhcp", UDP: parseDHCP, First: dhcpFirst, Min: dhcpCut, Ports: []uint16{67, 68}, Follow: 16 << 10, Fields: dhcpFields},
	{Name: "dhcpv6", UDP: parseDHCPv6, First: dhcpv6First, Min: 8, Ports: []uint16{546, 547}, Own: true, Follow: 16 << 10},
	{Name: "ntp", UDP: parseNTP, First: ntpFirst, Min: 8, Ports: []uint16{ntpPort}, Follow: 2 << 10, Fields: ntpFields},
	{Name: "snmp", UDP: parseSNMP, First: snmpFirst, Min: 16, Ports: []uint16{161, 162}, Follow: 16 << 10, Fields: snmpFields},
	{Name: "rpc", TCP: parseRPCStream, UDP: parseRPC, Min: 20, Stream: rpcFirst, UDPZeros: zeroBits("\x00\x00\x00\x00\xff\xff\xff\xfe"), Ports: []uint16{111, 2049}, Follow: 4 << 10, Fields: rpcFields},
	{Name: "dtls", UDP: parseDTLS, First: dtlsFirst, Min: dtlsHeaderLen, Ports: []uint16{443, 4433, 5684}, Follow: 64 << 10},
	{Name: "stun", TCP: parseSTUNStream, UDP: parseSTUN, First: stunFirst, Min: stunHeaderLen, Ports: []uint16{3478, 3479, 19302}, Follow: 16 << 10, Fields: stunFields},
	{Name: "isakmp", UDP: parseISAKMP, Min: 1, Ports: []uint16{500, isakmpNATPort}, Follow: 4 << 10, Fields: isakmpFields},
	{Name: "wireguard", Also: []string{"tailscale"}, UDP: parseWireGuard, First: wireguardFirst, Min: wireguardData, Ports: []uint16{51820, 41641}, Follow: 4 << 10},
	{Name: "openvpn", TCP: parseOpenVPNStream, UDP: parseOpenVPN, First: openvpnFirst, Min: openvpnPlainLen, Ports: []uint16{openvpnPort}, Follow: 4 << 10},
	{Name: "bittorrent", TCP: parseBitTorrentStream, UDP: parseBitTorrent, First: bittorrentFirst, Min: 16, Ports: []uint16{6881}, Follow: 4 << 10, Fields: bittorrentFields},
	{Name: "mgcp", UDP: parseMGCP, First: mgcpFirst, Min: 8, Ports: []uint16{2427, 2727}, Follow: 4 << 10, Fields: mgcpFields},
	{Name: "megaco", UDP: parseMegaco, First: megacoFirst, Min: 8, Ports: []uint16{2944}, Follow: 4 << 10},
	{Name: "bfd", UDP: parseBFD, First: bfdFirst, Min: bfdLen, Ports: []uint16{3784, 4784}, Follow: 4 << 10, Fields: bfdFields},
	{Name: "hsrp", UDP: parseHSRP, First: hsrpFirst, Min: hsrpLen, Ports: []uint16{1985, 2029}, Own: true, Follow: 4 << 10, Fields: hsrpFields},
	{Name: "ptp", UDP: parsePTP, Over: parsePTP, Proto: protoPTP, First: ptpFirst, Min: 34, Ports: []uint16{319, 320}, Own: true, Follow: 4 << 10, Fields: ptpFields},
	{Name: "rmcp", UDP: parseRMCP, First: rmcpFirst, Min: 4, Ports: []uint16{623, 664}, Follow: 4 << 10},
	{Name: "netflow", UDP: parseNetFlow, First: netflowFirst, Min: 24, Ports: []uint16{2055, 4739, 9995}, Follow: 4 << 10, Fields: netflowFields},
	{Name: "sflow", UDP: parseSFlow, First: sflowFirst, Min: 28, Ports: []uint16{6343}, Follow: 4 << 10, Fields: sflowFields},
	{Name: "coap", TCP: parseCoAPStream, UDP: parseCoAP, First: coapAnyFirst, Stream: coapStreamFirst, Min: 4, Ports: []uint16{5683}, Follow: 4 << 10, Fields: coapFields},
	{Name: "bacnet", UDP: parseBACnet, First: bacnetFirst, Min: 4, Ports: []uint16{47808}, Follow: 4 << 10, Fields: bacnetFields},
	{Name: "bjnp", UDP: parseBJNP, First: bjnpFirst, Min: bjnpHeaderLen, Ports: []uint16{8611, 8612}, Follow: 4 << 10},
	{Name: "collectd", UDP: parseCollectd, First: collectdFirst, Min: 5, Ports: []uint16{25826}, Follow: 4 << 10, Fields: collectdFields},
	{Name: "rtcp", UDP: parseRTCP, First: rtpFirst, Min: 8, Ports: []uint16{5005}, Follow: 4 << 10},
	{Name: "rtp", UDP: parseRTP, First: rtpFirst, Min: rtpHeaderLen, Ports: []uint16{5004}, Follow: 4 << 10, Fields: rtpFields},
	{Name: "rip", Also: []string{"ripng"}, UDP: parseRIP, First: ripFirst, Min: ripHeaderLen + ripEntryLen, Ports: []uint16{520, 521}, Follow: 4 << 10, Fields: ripFields},
	{Name: "babel", UDP: parseBabel, First: babelFirst, Min: 6, Ports: []uint16{6696}, Follow: 4 << 10},
	{Name: "gtp", UDP: parseGTP, First: gtpFirst, Min: 8, Ports: []uint16{2123, 2152, 3386}, Own: true, Follow: 4 << 10, Fields: gtpFields},
	{Name: "pfcp", UDP: parsePFCP, First: pfcpFirst, Min: 8, Ports: []uint16{8805}, Own: true, Follow: 4 << 10, Fields: pfcpFields},
	{Name: "l2tp", UDP: parseL2TP, Min: 8, UDPZeros: zeroBits("\x00\x0c"), Ports: []uint16{1701}, Follow: 4 << 10, Fields: l2tpFields},
	{Name: "teredo", UDP: parseTeredo, First: teredoFirst, Min: 40, Ports: []uint16{3544}, Follow: 4 << 10},
	{Name: "lisp", UDP: parseLISP, Min: 16, Ports: []uint16{4341, 4342}, Own: true, Follow: 4 << 10, Fields: lispFields},
	{Name: "capwap", UDP: parseCAPWAP, First: capwapFirst, Min: 16, Ports: []uint16{5246, 5247}, Follow: 4 << 10, Fields: capwapFields},
	{Name: "srvloc", UDP: parseSLP, First: slpFirst, Min: 12, Ports: []uint16{427}, Follow: 4 << 10, Fields: slpFields},
	{Name: "wsd", UDP: parseWSD, First: wsdFirst, Min: 100, Ports: []uint16{3702}, Follow: 8 << 10, Fields: wsdFields},
	{Name: "wol", UDP: parseWoL, First: wolFirst, Min: 102, Ports: []uint16{9, 7}, Follow: 4 << 10, Fields: wolFields},
	{Name: "xdmcp", UDP: parseXDMCP, First: xdmcpFirst, Min: 6, Ports: []uint16{177}, Own: true, Follow: 4 << 10, Fields: xdmcpFields},
	{Name: "nat-pmp", Also: []string{"pcp"}, UDP: parseNATPMP, First: natpmpFirst, Min: 2, Ports: []uint16{5351, 5350}, Own: true, Follow: 4 << 10, Fields: natpmpFields},
	{Name: "db-lsp-disc", UDP: parseDropbox, First: dropboxFirst, Min: 40, Ports: []uint16{17500}, Follow: 4 << 10},
	{Name: "syncthing", UDP: parseSyncthing, First: syncthingFirst, Min: 16, Ports: []uint16{21027}, Follow: 4 << 10},
	{Name: "someip", UDP: parseSOMEIP, Min: 16, Ports: []uint16{30490}, Follow: 4 << 10, Fields: someipFields},
	{Name: "doip", TCP: parseDoIP, UDP: parseDoIP, First: doipFirst, Min: 8, Ports: []uint16{13400}, Follow: 4 << 10, Fields: doipFields},
	{Name: "knx", TCP: parseKNX, UDP: parseKNX, First: knxFirst, Min: 8, Ports: []uint16{3671}, Follow: 4 << 10, Fields: knxFields},
	{Name: "rtps", UDP: parseRTPS, First: rtpsFirst, Min: 20, Ports: []uint16{7400}, Follow: 4 << 10, Fields: rtpsFields},
	{Name: "iax2", UDP: parseIAX2, First: iax2First, Min: 12, Ports: []uint16{4569}, Follow: 4 << 10, Fields: iax2Fields},
	{Name: "raknet", UDP: parseRakNet, Min: 17, Ports: []uint16{19132}, Follow: 4 << 10, Fields: raknetFields},
	{Name: "steam", TCP: parseSteam, UDP: parseSteam, Min: 16, TCPZeros: zeroBits("\x00\x00\x00\x00\xa9\xab\xcf\xce"), Ports: []uint16{27036, 27017}, Follow: 4 << 10, Fields: steamFields},
	{Name: "whois", TCP: parseWhois, Asked: true, Ports: []uint16{43}, Follow: 4 << 10, Fields: whoisFields},
	{Name: "finger", TCP: parseFinger, Asked: true, Ports: []uint16{79}, Follow: 4 << 10, Fields: fingerFields},
	{Name: "gopher", TCP: parseGopher, Asked: true, Ports: []uint16{70}, Follow: 4 << 10, Fields: gopherFields},
	{Name: "rsh", Also: []string{"rexec", "rlogin"}, TCP: parseRsh, First: rshFirst, Ports: []uint16{514, 513, 512}, Follow: 4 << 10, Fields: rshFields},
	{Name: "iscsi", TCP: parseISCSI, First: iscsiFirst, Ports: []uint16{3260}, Follow: 8 << 10, Fields: iscsiFields},
	{Name: "nbd", TCP: parseNBD, First: nbdFirst, Ports: []uint16{10809}, Follow: 4 << 10, Fields: nbdFields},
	{Name: "afp", TCP: parseAFP, First: afpFirst, Ports: []uint16{548}, Follow: 8 << 10, Fields: afpFields},
	{Name: "svn", TCP: parseSVN, First: svnFirst, Ports: []uint16{3690}, Follow: 8 << 10, Fields: svnFields},
	{Name: "perforce", TCP: parsePerforce, TCPZeros: zeroBits("\x00\x00\x00\xff\xff\x80"), Ports: []uint16{1666}, Follow: 16 << 10, Fields: perforceFields},
	{Name: "ceph", TCP: parseCeph, First: cephFirst, Ports: []uint16{6789, 3300, 6800}, Follow: 4 << 10, Fields: cephFields},
	{Name: "stomp", TCP: parseSTOMP, First: stompFirst, Ports: []uint16{61613}, Follow: 8 << 10, Fields: stompFields},
	{Name: "zmtp", TCP: parseZMTP, First: zmtpFirst, Ports: []uint16{5555}, Follow: 4 << 10, Fields: zmtpFields},
	{Name: "beanstalk", TCP: parseBeanstalk, First: beanstalkFirst, Ports: []uint16{11300}, Follow: 4 << 10, Fields: beanstalkFields},
	{Name: "giop", TCP: parseGIOP, First: giopFirst, Ports: []uint16{2809, 683}, Follow: 4 << 10, Fields: giopFields},
	{Name: "fastcgi", TCP: parseFastCGI, First: fastcgiFirst, Ports: []uint16{9000}, Follow: 64 << 10, Fields: cgiFields},
	{Name: "uwsgi", TCP: parseUWSGI, First: uwsgiFirst, Ports: []uint16{3031}, Follow: 64 << 10},
	{Name: "scgi", TCP: parseSCGI, First: scgiFirst, Ports: []uint16{4000}, Follow: 64 << 10},
	{Name: "ajp", TCP: parseAJP, First: ajpFirst, Ports: []uint16{8009}, Follow: 16 << 10, Fields: ajpFields},
	{Name: "elasticsearch", TCP: parseElastic, First: elasticFirst, Ports: []uint16{9300}, Follow: 4 << 10},
	{Name: "clickhouse", TCP: parseClickHouse, First: clickhouseFirst, Ports: []uint16{9000}, Follow: 4 << 10, Fields: clickhouseFields},
	{Name: "bolt", TCP: parseBolt, First: boltFirst, Ports: []uint16{7687}, Follow: 4 << 10},
	{Name: "drda", TCP: parseDRDA, First: drdaFirst, TCPZeros: zeroBits("\x00\x00\x2f"), Ports: []uint16{50000, 1527, 446}, Follow: 16 << 10, Fields: drdaFields},
	{Name: "gdsdb", TCP: parseGDS, First: gdsFirst, Ports: []uint16{3050}, Follow: 8 << 10, Fields: gdsFields},
	{Name: "smpp", TCP: parseSMPP, First: smppFirst, Ports: []uint16{2775}, Follow: 4 << 10, Fields: smppFields},
	{Name: "skinny", TCP: parseSkinny, TCPZeros: zeroBits("\x00\x00\xff\xff"), Ports: []uint16{2000}, Follow: 4 << 10, Fields: skinnyFields},
	{Name: "gnutella", TCP: parseGnutella, UDP: parseGnutellaDatagram, Stream: gnutellaHello, Min: gnutellaHeaderLen, Ports: []uint16{6346}, Follow: 8 << 10, Fields: gnutellaFields},
	{Name: "bitcoin", TCP: parseBitcoin, First: bitcoinFirst, Ports: []uint16{8333, 18333}, Follow: 4 << 10, Fields: bitcoinFields},
	{Name: "stratum", TCP: parseStratum, First: stratumFirst, Text: true, Ports: []uint16{3333, 4444}, Follow: 8 << 10, Fields: stratumFields},
	{Name: "lpd", TCP: parseLPD, First: lpdFirst, Ports: []uint16{515}, Follow: 4 << 10, Fields: lpdFields},
	{Name: "managesieve", TCP: parseManageSieve, First: sieveFirst, Text: true, Ports: []uint16{4190}, Follow: 8 << 10, Fields: sieveFields},
	{Name: "distcc", TCP: parseDistcc, First: distccFirst, Ports: []uint16{3632}, Follow: 4 << 10},
	{Name: "adb", TCP: parseADB, First: adbFirst, Ports: []uint16{5555}, Follow: 8 << 10, Fields: adbFields},
	{Name: "tacacs", TCP: parseTACACS, First: tacacsFirst, Ports: []uint16{49}, Follow: 4 << 10, Fields: tacacsFields},
	{Name: "icap", TCP: parseICAP, First: icapFirst, Text: true, Ports: []uint16{1344}, Follow: 8 << 10, Fields: icapFields},
	{Name: "openwire", TCP: parseOpenWire, First: openwireFirst, Ports: []uint16{61616}, Follow: 4 << 10, Fields: openwireFields},
	{Name: "dicom", TCP: parseDICOM, First: dicomFirst, Ports: []uint16{104, 11112}, Follow: 4 << 10, Fields: dicomFields},
	{Name: "hl7", TCP: parseHL7, First: hl7First, Ports: []uint16{2575}, Follow: 4 << 10, Fields: hl7Fields},
	{Name: "edonkey", TCP: parseEDonkey, First: edonkeyFirst, Ports: []uint16{4661, 4662}, Follow: 4 << 10},
	{Name: "h323", TCP: parseH323, First: tpktFirst, Ports: []uint16{1720}, Follow: 8 << 10, Fields: h323Fields},
	{Name: "z3950", TCP: parseZ3950, First: z3950First, Ports: []uint16{210}, Follow: 4 << 10, Fields: z3950Fields},
	{Name: "rpki-rtr", TCP: parseRPKIRTR, First: rpkirtrFirst, Ports: []uint16{323}, Follow: 4 << 10},
	{Name: "nvme-tcp", TCP: parseNVMeTCP, First: nvmetcpFirst, Ports: []uint16{4420, 8009}, Follow: 4 << 10},
	{Name: "lumberjack", TCP: parseLumberjack, First: lumberjackFirst, Ports: []uint16{5044}, Follow: 4 << 10},
	{Name: "nsq", TCP: parseNSQ, First: nsqFirst, Ports: []uint16{4150}, Follow: 32 << 10, Fields: nsqFields},
	{Name: "iperf3", TCP: parseIperf3, First: iperf3First, Ports: []uint16{5201}, Follow: 4 << 10},
	{Name: "tinc", TCP: parseTinc, First: tincFirst, Text: true, Ports: []uint16{655}, Follow: 4 << 10, Fields: tincFields},
	{Name: "ads", TCP: parseADS, First: adsFirst, Ports: []uint16{48898}, Follow: 4 << 10, Fields: adsFields},
	{Name: "synphasor", TCP: parseSynphasor, UDP: parseSynphasor, First: synphasorFirst, Min: 16, Ports: []uint16{4712, 4713}, Follow: 8 << 10, Fields: synphasorFields},
	{Name: "hart-ip", TCP: parseHARTIP, UDP: parseHARTIP, First: hartipFirst, Min: 13, Ports: []uint16{5094}, Follow: 4 << 10},
	{Name: "fins", TCP: parseFINSStream, UDP: parseFINS, First: finsFirst, Min: finsHeaderLen, Ports: []uint16{9600}, Own: true, Follow: 4 << 10, Fields: finsFields},
	{Name: "dlep", TCP: parseDLEPStream, UDP: parseDLEP, First: dlepFirst, Min: 8, Ports: []uint16{854}, Follow: 4 << 10, Fields: dlepFields},
	{Name: "tplink-smarthome", TCP: parseTPLinkStream, UDP: parseTPLink, First: tplinkFirst, Min: 8, Ports: []uint16{9999}, Follow: 4 << 10, Fields: tplinkFields},
	{Name: "rx", UDP: parseRx, Min: 28, Ports: []uint16{7000, 7001, 7002, 7003, 7005}, Follow: 4 << 10, Fields: rxFields},
	{Name: "roughtime", UDP: parseRoughtime, First: roughtimeFirst, Min: 12, Ports: []uint16{2002}, Follow: 4 << 10},
	{Name: "teamspeak", UDP: parseTeamSpeak, First: teamspeakFirst, Min: 8, Ports: []uint16{9987}, Follow: 4 << 10},
	{Name: "quake3", UDP: parseQuake3, First: quakeFirst, Min: 10, Ports: []uint16{27960}, Follow: 4 << 10, Fields: quakeFields},
	{Name: "mndp", UDP: parseMNDP, Min: 14, UDPZeros: zeroBits("\x00\x00\x00\x00\xff\xfe\xff\xf9"), Ports: []uint16{5678}, Follow: 4 << 10, Fields: mndpFields},
	{Name: "whatsapp", TCP: parseWhatsApp, First: whatsappFirst, Ports: []uint16{5222}, Follow: 4 << 10},
	{Name: "spotify", UDP: parseSpotify, First: spotifyFirst, Min: 8, Ports: []uint16{57621}, Follow: 4 << 10},
	{Name: "tuya", TCP: parseTuya, UDP: parseTuya, First: tuyaFirst, Min: 24, UDPZeros: zeroBits("\xff\xff\x88\x44"), TCPZeros: zeroBits("\xff\xff\x88\x44"), Ports: []uint16{6666, 6667, 6668, 7000}, Follow: 4 << 10},
	{Name: "ethereum", UDP: parseEthereum, Min: 100, Ports: []uint16{30303}, Follow: 4 << 10},
	{Name: "dnscrypt", UDP: parseDNSCrypt, First: dnscryptFirst, Min: dnscryptMin, Ports: []uint16{443}, Follow: 8 << 10},
	{Name: "rmi", TCP: parseRMI, First: rmiFirst, Ports: []uint16{1099}, Follow: 4 << 10},
	{Name: "teamviewer", TCP: parseTeamViewer, First: teamviewerFirst, Ports: []uint16{teamviewerPort}, Follow: 4 << 10},
	{Name: "glbp", UDP: parseGLBP, First: glbpFirst, Min: 14, Ports: []uint16{glbpPort}, Own: true, Follow: 4 << 10, Fields: glbpFields},
	{Name: "bfcp", TCP: parseBFCPStream, UDP: parseBFCP, First: bfcpFirst, Min: bfcpHeaderLen, Ports: []uint16{5070}, Follow: 4 << 10},
	{Name: "mms", TCP: parseMMS, First: tpktFirst, Ports: []uint16{102}, Follow: 8 << 10},
	{Name: "epmd", TCP: parseEPMD, First: epmdFirst, Ports: []uint16{4369}, Follow: 4 << 10, Fields: epmdFields},
	{Name: "erldp", TCP: parseErlDP, First: erldpFirst, TCPZeros: zeroBits("\xfc"), Ports: []uint16{25672}, Follow: 4 << 10, Fields: erldpFields},
	{Name: "spice", TCP: parseSpice, First: spiceFirst, Ports: []uint16{5900, 5930}, Follow: 4 << 10, Fields: spiceFields},
	{Name: "icp", UDP: parseICP, First: icpFirst, Min: icpHeaderLen + 1, UDPZeros: zeroBits("\x00\xfd"), Ports: []uint16{3130}, Follow: 4 << 10, Fields: icpFields},
	{Name: "mpd", TCP: parseMPD, First: mpdFirst, Text: true, Ports: []uint16{6600}, Follow: 8 << 10, Fields: mpdFields},
	{Name: "pulseaudio", TCP: parsePulse, First: pulseFirst, TCPZeros: zeroBits("\xff\xff"), Ports: []uint16{4713}, Follow: 16 << 10, Fields: pulseFields},
	{Name: "statsd", UDP: parseStatsD, First: statsdFirst, Min: 5, Ports: []uint16{8125}, Follow: 4 << 10, Fields: statsdFields},
	{Name: "mp2t", UDP: parseMP2T, First: mp2tFirst, Min: mp2tMin, Ports: []uint16{1234}, Follow: 4 << 10},
	{Name: "sap", UDP: parseSAP, First: sapFirst, Min: 16, Ports: []uint16{9875}, Follow: 4 << 10, Fields: sapFields},
	{Name: "wccp", UDP: parseWCCP, Min: 24, UDPZeros: zeroBits("\xff\xff\xff\xf0\xfd\xfe"), Ports: []uint16{wccpPort}, Follow: 4 << 10, Fields: wccpFields},
	{Name: "srt", Also: []string{"udt"}, UDP: parseSRT, First: srtFirst, Min: srtHandshakeLen, UDPZeros: zeroBits("\x7f\xff\xff\xff\xff\xff\xff\xff"), Ports: []uint16{9000, 9710}, Follow: 4 << 10, Fields: srtFields},
	{Name: "soulseek", TCP: parseSoulseek, TCPZeros: zeroBits("\x00\xfe\xff\xff\xfe\xff\xff\xff"), Ports: []uint16{2242}, Follow: 4 << 10, Fields: soulseekFields},
	{Name: "tcpros", TCP: parseTCPROS, TCPZeros: zeroBits("\x00\x00\xff\xff\x00\x00\xff\xff"), Ports: []uint16{11311}, Follow: 4 << 10, Fields: tcprosFields},
	{Name: "lifx", UDP: parseLIFX, Min: 36, UDPZeros: zeroBits("\x00\xfc\xff\xcb"), Ports: []uint16{56700}, Follow: 4 << 10},
	{Name: "zerotier", UDP: parseZeroTier, Min: 47, Ports: []uint16{9993}, Own: true, Follow: 4 << 10},
	{Name: "acn", Also: signNames(streamSigns, datagramSigns), TCP: parseMagic, UDP: parseMagicDatagram, Stream: tcpMagicFirst, First: magicFirst, Min: 1, Ports: []uint16{4001, 5568}, Follow: 4 << 10},
	{Name: "igmp", Over: parseIGMP, Proto: protoIGMP, Follow: 1 << 10, Fields: igmpFields},
	{Name: "esp", Over: parseESP, Proto: protoESP, Follow: 1 << 10, Fields: espFields},
	{Name: "eigrp", Over: parseEIGRP, Proto: protoEIGRP, Follow: 1 << 10, Fields: eigrpFields},
	{Name: "ospf", Over: parseOSPF, Proto: protoOSPF, Follow: 1 << 10, Fields: ospfFields},
	{Name: "pim", Over: parsePIM, Proto: protoPIM, Follow: 1 << 10, Fields: pimFields},
	{Name: "vrrp", Also: []string{"carp"}, Over: parseVRRP, Proto: protoVRRP, Follow: 1 << 10, Fields: vrrpFields},
	{Name: "sctp", Also: listed(sctpPayloads), Over: parseSCTP, Proto: protoSCTP, Follow: 64 << 10},
	{Name: "lldp", Over: parseLLDP, Proto: protoLLDP, Follow: 1 << 10, Fields: lldpFields},
	{Name: "cdp", Over: parseCDP, Proto: protoCDP, Follow: 1 << 10, Fields: cdpFields},
	{Name: "stp", Over: parseSTP, Proto: protoSTP, Follow: 1 << 10, Fields: stpFields},
	{Name: "eapol", Over: parseEAPOL, Proto: protoEAPOL, Follow: 16 << 10, Fields: eapolFields},
	{Name: "lacp", Over: parseLACP, Proto: protoLACP, Follow: 1 << 10, Fields: lacpFields},
}

// parseFunc judges the bytes of c.view[c.side] and, where it wants, what is kept of the other side.
//
// Before the connection is a parser's, the bytes are all there are from the direction's start
// on, and the parser must not set fields unless it answers match or done. From then on it is asked
// about every new byte; it takes bytes away with eat and skip, and what it leaves is kept.
type parseFunc func(c *call) verdict

// verdict is a parser's answer.
type verdict uint8

const (
	// no: these bytes are another protocol's. The parser is not asked about this direction again.
	no verdict = iota
	// more: they may be mine, when more comes.
	more
	// match: they are mine; the other parsers are out, and I am asked again when more comes.
	match
	// done: they are mine and nothing more is wanted.
	done
)

// Fields returns the fields of all parsers in the order of the schema.
func Fields() []*event.AppField {
	var all []*event.AppField
	for i := range table {
		for _, f := range table[i].Fields {
			f.Group = table[i].Name
			all = append(all, f)
		}
	}
	return all
}

// Apps lists the names of all applications that parsers tell.
func Apps() (all []string) {
	for i := range table {
		all = append(append(all, table[i].Name), table[i].Also...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// parserSet is a set of lines of the table.
type parserSet [4]uint64

var everyParser = parserSet{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}

func (s *parserSet) add(i int) { s[i>>6] |= 1 << (i & 63) }

func (s *parserSet) keep(of *parserSet) {
	for w := range s {
		s[w] &= of[w]
	}
}

func (s *parserSet) drop(those *parserSet) {
	for w := range s {
		s[w] &^= those[w]
	}
}

func (s *parserSet) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// zeroBits makes the number of which bits of eight bytes are zero, from a mask for each byte.
func zeroBits(masks string) uint64 {
	var b [8]byte
	copy(b[:], masks)
	return binary.LittleEndian.Uint64(b[:])
}

// byteSet is a set of byte values.
type byteSet [4]uint64

func (s *byteSet) has(b byte) bool { return s[b>>6]&(1<<(b&63)) != 0 }

// bytesIn makes the set of the bytes of s and of the range from lo to hi.
func bytesIn(s string, lo, hi byte) *byteSet {
	var set byteSet
	for i := range len(s) {
		set[s[i]>>6] |= 1 << (s[i] & 63)
	}
	for b := int(lo); b <= int(hi); b++ {
		set[b>>6] |= 1 << (b & 63)
	}
	return &set
}
