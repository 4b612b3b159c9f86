package dpi

import (
	"bytes"
	"hash/crc32"
)

// Signs of databases, queues, logs and measurements, storage, what runs services, and developers' tools; and what must hold behind each.

var serviceStreamSigns = []sign{
	// Databases and caches.
	{app: "redis-cluster", begins: "RCmb\x00", middle: true, is: redisCluster}, // Redis' bus between nodes (cluster.h of Redis 7), both ends
	{app: "couchbase", begins: "\x80\x1f", from: client, is: couchbase},        // HELLO of Couchbase's binary protocol, as gocbcore 10 says it
	{app: "couchbase", begins: "\x81\x1f", from: server, is: couchbase},
	{app: "hbase", begins: "HBas\x00", from: client, is: hbase},               // HBase Reference Guide, appendix on the RPC
	{app: "hadoop", begins: "hrpc", from: client, is: hadoopIPC},              // Hadoop's RPC, of HDFS and YARN, as colinmarc/hdfs 2.4 says it
	{app: "hdfsdata", begins: "\x00\x1c", from: client, is: hdfsData},         // HDFS' blocks, version 28 of datatransfer.proto
	{app: "hdfsdata", begins: "\xde\xad\xbe\xef", from: client, is: hdfsSASL}, // likewise, when SASL comes first
	{app: "rethinkdb", begins: "\xc3\xbd\xc2\x34{", from: client},             // a driver's V1_0, as rethinkdb 2.4 for Python says it
	{app: "rethinkdb", begins: "RethinkDB ", is: rethinkCluster},              // between its servers, both ends
	{app: "arangodb", begins: "VST/1.0\r\n\r\n", from: client},                // ArangoDB's VelocyStream
	{app: "arangodb", begins: "VST/1.1\r\n\r\n", from: client},
	{app: "aerospike", begins: "\x02\x01\x00\x00\x00\x00", is: aerospikeInfo},                // Aerospike, as its client for Python 19 says it, both ends
	{app: "saphdb", begins: "\xff\xff\xff\xff\x04", from: client, is: sapHANA},               // SAP HANA SQL Command Network Protocol, as go-hdb 1.22 says it
	{app: "ignite", begins: "\x08\x00\x00\x00\x01\x01\x00", from: client, is: ignite},        // Apache Ignite's binary client protocol
	{app: "ignite", begins: "\x0e\x00\x00\x00\x01\x01\x00", from: client, is: ignite},        // likewise with features, as pyignite 0.6 says it
	{app: "galera", begins: "\x24\x00\x00\x02", from: server, is: galera},                    // Galera's group communication (gcomm), as galera 26.4 says it
	{app: "galera", begins: "\x84\x00\x00\x02", from: client, is: galera},                    // likewise
	{app: "tarantool", begins: "Tarantool ", from: server, is: tarantool},                    // its greeting
	{app: "tarantool", begins: "\xce\x00\x00", from: client, middle: true, is: tarantoolAsk}, // its client, when the greeting was not seen

	// Messages and calls.
	{app: "dubbo", begins: "\xda\xbb", middle: true, is: dubbo},                // Apache Dubbo 2, both ends
	{app: "pulsar", begins: "\x00\x00", is: pulsar},                            // Apache Pulsar, as its client for Go 0.19 says it
	{app: "rocketmq", begins: "\x00\x00", middle: true, is: rocketMQ},          // Apache RocketMQ's remoting, as its client for Go 2.1 says it
	{app: "hazelcast", begins: "CP2", from: client, is: hazelcast},             // Hazelcast's open binary client protocol 2, as its client for Python 5.7 says it
	{app: "artemis", begins: "ARTEMIS\x00", from: client},                      // ActiveMQ Artemis' core protocol
	{app: "mq", begins: "TSH", middle: true, is: ibmMQ},                        // IBM MQ, both ends
	{app: "mq", begins: "\xe3\xe2\xc8", middle: true, is: ibmMQ},               // likewise in EBCDIC
	{app: "nanomsg", begins: "\x00SP\x00\x00", is: scalability},                // nanomsg and nng, as pynng 0.9 says it, both ends
	{app: "jgroups", begins: "bela", is: jgroups},                              // JGroups over TCP, both ends
	{app: "t3", begins: "t3 ", from: client, is: weblogicAsk},                  // WebLogic's T3
	{app: "t3", begins: "HELO:", from: server, is: weblogic},                   // its answer
	{app: "mc-nmf", begins: "\x00\x01\x00\x01\x02\x02", from: client, is: nmf}, // [MC-NMF] 2.2.3, .NET's message framing
	{app: "brpc", begins: "PRPC\x00", middle: true, is: brpc},                  // Apache bRPC's baidu_std, both ends
	{app: "memberlist", begins: "\x09\x82\xa4Algo"},                            // between the nodes of Consul, Nomad or Serf, compressed, both ends
	{app: "rsocket", begins: "\x00\x00", from: client, is: rsocket},            // RSocket 1.0, as its client for Python 0.4 says it
	{app: "dbus", begins: "\x00AUTH ", from: client},                           // D-Bus over TCP, as libdbus 1.14 says it
	{app: "dbus", begins: "REJECTED EXTERNAL", from: server},                   // likewise
	{app: "dbus", begins: "OK ", from: server, is: dbus},                       // likewise
	{app: "ms-nrtp", begins: ".NET\x01\x00", is: nrtp},                         // [MS-NRTP] 2.2.3.3, .NET's remoting, both ends
	{app: "serf", begins: "\x82\xa7Command\xa9handshake\xa3Seq", from: client}, // Serf's RPC, as serf 0.9 says it
	{app: "serf", begins: "\x82\xa5Error\xa0\xa3Seq", from: server},
	{app: "saprouter", begins: "\x00\x00", from: client, is: sapAsk}, // SAProuter, as pysap 0.2 says it
	{app: "saprouter", begins: "\x00\x00", from: server, is: sapError},
	{app: "sapni", begins: "\x00\x00\x00\x08NI_PING\x00", from: client}, // SAP's NI, on which all its protocols run, when nothing else is said
	{app: "sapni", begins: "\x00\x00\x00\x08NI_PONG\x00", from: server},

	// Logs and measurements.
	{app: "relp", begins: "1 open ", from: client, is: relp}, // RELP, as librelp 1.11 says it
	{app: "relp", begins: "1 rsp ", from: server, is: relp},
	{app: "splunk", begins: "--splunk-cooked-mode-v", from: client},                     // from Splunk's forwarders
	{app: "fluentd", begins: "\x92", from: client, is: fluentd},                         // Fluentd's Forward Protocol v1
	{app: "fluentd", begins: "\x93", from: client, is: fluentd},                         // likewise
	{app: "fluentd", begins: "\x94", from: client, is: fluentd},                         // likewise
	{app: "fluentd", begins: "\x92\xa4HELO", from: server},                              // likewise
	{app: "fluentd", begins: "\x96\xa4PING", from: client},                              // likewise
	{app: "gelf", begins: `{"version":"1.`, from: client, is: gelf},                     // Graylog's format
	{app: "riemann", begins: "\x00\x00", from: client, is: riemann},                     // Riemann, as riemann-c-client 1.10 says it
	{app: "riemann", begins: "\x00\x00\x00\x02\x10\x01", from: server, is: riemannPort}, // likewise, that all is well
	{app: "opentsdb", begins: "put ", from: client, is: opentsdb},                       // OpenTSDB's lines
	{app: "graphite", begins: "\x00\x00", from: client, is: graphitePickle},             // Carbon's pickle protocol, as carbon 1.1 says it
	{app: "graphite", first: letters, from: client, is: graphite},                       // Graphite's lines
	{app: "influxdb", first: letters, from: client, is: influxdb},                       // InfluxDB's line protocol
	{app: "munin", begins: "# munin node at ", from: server},                            // as munin-node 2.0 says it
	{app: "ganglia", begins: `<?xml version="1.0" `, from: server, is: gangliaXML},      // as gmond 3.7 says it
	{app: "checkmk", begins: "<<<check_mk>>>\n", from: server},                          // an agent of Checkmk
	{app: "nrpe", begins: "\x00", is: nrpe},                                             // as nrpe 4.1 says it without TLS, both ends
	{app: "livestatus", begins: "GET ", from: client, is: livestatus},                   // Livestatus of Checkmk, Nagios and Icinga
	{app: "nut", begins: "LIST ", from: client, is: nutList},                            // Network UPS Tools, RFC 9271
	{app: "nut", begins: "GET VAR ", from: client},                                      // likewise
	{app: "nut", begins: "STARTTLS\n", from: client, is: nutPort},                       // likewise, as upsmon says it
	{app: "nut", begins: "USERNAME ", from: client, is: nutPort},                        // likewise
	{app: "nut", begins: "BEGIN LIST ", from: server, is: nutList},                      // likewise
	{app: "nut", begins: "ERR FEATURE-NOT-", from: server},                              // likewise
	{app: "apcupsd", begins: "\x00\x06status", from: client},                            // apcupsd's NIS, as apcaccess 3.14 says it
	{app: "apcupsd", begins: "\x00\x06events", from: client},                            // likewise
	{app: "apcupsd", begins: "\x00", from: server, is: apcupsd},                         // likewise
	{app: "gpsd", begins: `{"class":"VERSION","release":"`, from: server},               // as gpsd 3.22 says it
	{app: "gpsd", begins: "?WATCH={", from: client},                                     // likewise

	// What runs a machine or a service.
	{app: "varnish", begins: "107 59      \n", from: server},                    // varnish-cli(7), the greeting with a challenge
	{app: "varnish", begins: "200 ", from: server, is: varnish},                 // likewise, without one
	{app: "qmp", begins: `{"QMP": {"version": {"qemu": {`, from: server},        // QEMU 7.2's monitor
	{app: "haproxy-peers", begins: "HAProxyS ", from: client},                   // HAProxy's doc/peers.txt
	{app: "asterisk", begins: "Asterisk Call Manager/", from: server},           // Asterisk's manager
	{app: "freeswitch", begins: "Content-Type: auth/request\n\n", from: server}, // FreeSWITCH's event socket
	{app: "bacula", begins: "\x00\x00\x00", from: client, is: bacula},           // Bacula 9.6
	{app: "bacula", begins: "\x00\x00\x00", from: server, is: baculaChallenge},
	{app: "spamd", begins: "SPAMD/1.", from: server},                                    // SpamAssassin's spamd/PROTOCOL
	{app: "spamd", first: "CHEPRST", from: client, is: spamc},                           // likewise
	{app: "clamav", first: "nz", from: client, is: clamd},                               // clamd(8)
	{app: "milter", begins: "\x00\x00\x00\x0dO\x00\x00\x00", is: milter},                // the filter of a mail server, as go-milter 0.5 says it, both ends
	{app: "dovecot-auth", begins: "VERSION\t1\t", is: dovecotAuth},                      // Dovecot's authentication protocol 1.2, both ends
	{app: "usbip", begins: "\x01\x11\x80\x03\x00\x00\x00\x00", from: client},            // USB/IP (usbip_protocol.rst of Linux)
	{app: "usbip", begins: "\x01\x11\x80\x05\x00\x00\x00\x00", from: client},            // likewise, as usbip 2.0 says it
	{app: "usbip", begins: "\x01\x11\x00\x05\x00\x00\x00\x00", from: server},            // likewise
	{app: "sane", begins: "\x00\x00\x00\x00\x01", is: sane},                             // SANE's network protocol, as scanimage 1.2 says it, both ends
	{app: "rserve", begins: "Rsrv01", from: server, is: rserve},                         // Rserve's greeting
	{app: "postfix-policy", begins: "request=smtpd_access_policy\n", from: client},      // Postfix' SMTPD_POLICY_README
	{app: "vmware-authd", begins: "220 VMware Authentication Daemon Ver", from: server}, // ESX, port 902
	{app: "isns", begins: "\x00\x01", is: isns},                                         // RFC 4171 section 5.1, both ends
	{app: "ndmp", begins: "\x80\x00", is: ndmp},                                         // NDMP 2 to 4, both ends
	{app: "9p", begins: "\x13\x00\x00\x00", is: ninep},                                  // Plan 9's protocol, both ends
	{app: "9p", begins: "\x15\x00\x00\x00", is: ninep},                                  // likewise as diod 1.0 says it, 9P2000.L
	{app: "unison", begins: "Unison ", from: server, is: unison},                        // as unison 2.51 says it

	// Developers' tools.
	{app: "jdwp", begins: "JDWP-Handshake"},             // Java Debug Wire Protocol, both ends
	{app: "gdb", begins: "+$qSupported:", from: client}, // GDB's Remote Serial Protocol, as gdb 13.1 says it
	{app: "gdb", begins: "$qSupported:", from: client},
	{app: "gdb", begins: "+$QStartNoAckMode#b0", from: client}, // as LLDB begins
	{app: "gdb", begins: "+$PacketSize=", from: server},
	{app: "dap", begins: "Content-Length: ", is: debugAdapter},                 // Debug Adapter Protocol, both ends
	{app: "lsp", begins: "Content-Length: ", from: client, is: languageServer}, // Language Server Protocol
	{app: "dbgp", first: signDigits, from: client, is: dbgp},                   // DBGp, as Xdebug says it
	{app: "cvspserver", begins: "BEGIN AUTH REQUEST\n", from: client},
	{app: "cvspserver", begins: "BEGIN VERIFICATION REQUEST\n", from: client},
	{app: "cvspserver", begins: "I LOVE YOU\n", from: server},
	{app: "cvspserver", begins: "I HATE YOU\n", from: server},
	{app: "bzr", begins: "bzr message 3 (bzr 1.6)\n"}, // Bazaar and Breezy, both ends
	{app: "bzr", begins: "bzr request 2\n", from: client},
	{app: "bzr", begins: "bzr response 2\n", from: server},

	// Others that answer lines, and desktops far away.
	{app: "ident", first: signDigits, is: ident},                                      // RFC 1413, both ends
	{app: "dict", begins: "220 ", from: server, is: dict},                             // RFC 2229
	{app: "dict", begins: "CLIENT ", from: client, is: dictPort},                      // likewise
	{app: "dict", begins: "client ", from: client, is: dictPort},                      // as dict 1.13 says it
	{app: "poppassd", begins: "200 poppassd ", from: server},                          // as most of them say it
	{app: "guacd", begins: "6.select,", from: client, is: guacd},                      // Apache Guacamole's protocol, as pyguacamole 0.11 says it
	{app: "guacd", begins: "4.args,", from: server, is: guacd},                        // likewise
	{app: "lcdproc", begins: "connect LCDproc ", from: server},                        // as LCDd 0.5.9 says it
	{app: "i2p-sam", begins: "HELLO VERSION", from: client, is: sam},                  // I2P's SAM v3
	{app: "i2p-sam", begins: "HELLO REPLY RESULT=", from: server},                     // likewise
	{app: "nx", begins: "NXPROXY-", is: nx},                                           // as nxproxy 3.5.99 says it, both ends
	{app: "citrix", begins: "\x1aCGP/01"},                                             // ICA in its Common Gateway Protocol, both ends
	{app: "radmin", begins: "\x01\x00\x00\x00\x01\x00\x00\x00\x08\x08", from: client}, // Radmin 3
	{app: "radmin", begins: "\x01\x00\x00\x00\x25\x00\x00\x02\x12\x08\x02\x00", from: server},
}

var serviceSigns = []sign{
	{app: "memberlist", begins: "\x00", is: memberlistPing},        // as serf 0.9 says it
	{app: "memberlist", begins: "\x02\x82\xa7Payload"},             // likewise
	{app: "memberlist", begins: "\x09\x82\xa4Algo"},                // likewise
	{app: "memberlist", begins: "\x0c", is: memberlistSum},         // likewise
	{app: "gelf", begins: "\x1e\x0f", from: client, is: gelfChunk}, // Graylog's format, as graypy 2.1 says it
	{app: "gelf", begins: "\x78", from: client, is: gelfZlib},
	{app: "gelf", begins: "\x1f\x8b\x08", from: client, is: gelfPort},
	{app: "gelf", begins: `{"version":"1.`, from: client, is: gelf},
	{app: "ganglia", begins: "\x00\x00\x00", from: client, is: ganglia}, // gmond's packets, as gmond 3.7 says them
	{app: "amanda", begins: "Amanda ", is: amanda},
	{app: "graphite", first: letters, from: client, is: graphite},
	{app: "influxdb", first: letters, from: client, is: influxdb},
	{app: "cups", first: signDigits + "abcdef", is: cupsBrowse}, // CUPS' old browsing, as cups-browsed says it
}

const (
	letters    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	signDigits = "0123456789"
)

// varint reads a number of Protocol Buffers of up to two bytes.
func varint(b []byte) (n, size int) {
	switch {
	case len(b) > 0 && b[0] < 0x80:
		return int(b[0]), 1
	case len(b) > 1 && b[1] < 0x80:
		return int(b[0]&0x7f) | int(b[1])<<7, 2
	}
	return 0, 0
}

// redisCluster: the message's length, which has all slots in it, the version, and the kind.
func redisCluster(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 14 {
		return c.short()
	}
	return holds(be16(b[8:]) <= 1 && be16(b[12:]) < 16)
}

// couchbase: a header of 24 bytes as memcached's, without extras, status and CAS; of a request the agent and what it can in twos, of a response
// the twos alone.
func couchbase(c *call) verdict {
	const header = 24
	b := c.view[c.side].b
	if len(b) < header {
		return c.short()
	}
	key, body := int(be16(b[2:])), be32(b[8:])
	return holds(be32(b[4:]) == 0 && body <= 2048 && key <= int(body) && (int(body)-key)%2 == 0 && (key == 0 || b[0] == 0x80) && be64(b[16:]) == 0)
}

// hbase: who authenticates: nobody, Kerberos, or a digest.
func hbase(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 6 {
		return c.short()
	}
	return holds(b[5] >= 80 && b[5] <= 82)
}

// hadoopIPC: version 9, which is that since Hadoop 2, the class of the service, and no SASL or SASL.
func hadoopIPC(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 7 {
		return c.short()
	}
	return holds(b[4] == 9 && (b[6] == 0 || b[6] == 0xdf))
}

// hdfsData: an operation on a block, whose pool is named first in its innermost message.
func hdfsData(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 3 {
		return c.short()
	}
	if b[2] < 80 || b[2] > 88 {
		return no
	}
	_, n := varint(b[3:])
	for b = b[3+n:]; n > 0 && len(b) > 0 && b[0] == 0x0a; b = b[1+n:] {
		_, n = varint(b[1:])
		if n > 0 && bytes.HasPrefix(b[1+n:], []byte("BP-")) {
			return match
		}
	}
	if len(b) < 4 {
		return c.short()
	}
	return no
}

// hdfsSASL: the length of a message that begins with the status of success.
func hdfsSASL(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 7 {
		return c.short()
	}
	return holds(b[4] >= 2 && b[4] < 0x80 && b[5] == 8 && b[6] == 0)
}

// rethinkCluster: a version stands between both words.
func rethinkCluster(c *call) verdict {
	v := &c.view[c.side]
	line, ok := v.line(96)
	if !ok && len(v.b) < 96 {
		return c.short()
	}
	return holds(ok && bytes.HasSuffix(line, []byte(" cluster")))
}

// sapHANA: the versions of product and protocol, the latter in either order, and at most the option of the order.
func sapHANA(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 14 {
		return c.short()
	}
	return holds(b[7] == 4 && b[8]|b[9] == 1 && b[10] == 0 && b[11] <= 1 && b[12] <= 1 && b[13] <= 1)
}

// aerospikeInfo: the length of lines of text.
func aerospikeInfo(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 12 {
		return c.short()
	}
	size := int(be16(b[6:]))
	return holds(size > 4 && readable(b[8:min(len(b), 8+size)]) && (len(b) < 8+size || b[8+size-1] == '\n'))
}

// ignite: version 1.x of the handshake, from a thin client, and nothing behind it; the longer one goes on with an array of bytes.
func ignite(c *call) verdict {
	const array = 12
	b := c.view[c.side].b
	if len(b) < 4+int(b[0]) {
		return c.short()
	}
	return holds(len(b) == 4+int(b[0]) && b[7] < 16 && b[8] == 0 && b[10] == 0 && b[11] == 2 && (len(b) == 12 || b[12] == array))
}

// tarantool holds that the greeting is two lines of 64 bytes, padded with spaces (Tarantool 3 reference, binary protocol).
func tarantool(c *call) verdict {
	const line = 64
	v := &c.view[c.side]
	if len(v.b) < 2*line {
		return v.unfinished()
	}
	if v.b[line-1] != '\n' || v.b[2*line-1] != '\n' || !oneLine(v.b[:line-1]) || !oneLine(v.b[line:2*line-1]) {
		return no
	}
	return match
}

// tarantoolAsk: a map of the kind of request and its number, in either order.
func tarantoolAsk(c *call) verdict {
	const kind, number = 0, 1
	b := c.view[c.side].b
	if len(b) < 18 {
		return c.short()
	}
	if b[5] != 0x82 && b[5] != 0x83 {
		return no
	}
	switch b = b[6:]; {
	case b[0] == kind:
		return holds(b[1] < 0x80 && b[2] == number && (b[3] < 0x80 || b[3] >= 0xcc && b[3] <= 0xcf))
	case b[0] == number:
		size := 1 // as MessagePack has numbers
		if b[1] >= 0xcc && b[1] <= 0xcf {
			size += 1 << (b[1] - 0xcc)
		} else if b[1] >= 0x80 {
			return no
		}
		return holds(b[1+size] == kind && b[2+size] < 0x80)
	}
	return no
}

// galera: the sum (CRC-32C) of a handshake's length and of itself.
func galera(c *call) verdict {
	const head = 8
	b := c.view[c.side].b
	if len(b) < head+int(b[0]) {
		if len(b) > head && b[head] != 0 {
			return no
		}
		return c.short()
	}
	sum := crc32.Update(crc32.Update(0, castagnoli, b[:1]), castagnoli, noBytes[:3])
	return holds(crc32.Update(sum, castagnoli, b[head:head+int(b[0])]) == le32(b[4:]))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// dubbo: how the body is serialised, a status where it is a response, and the body's length.
func dubbo(c *call) verdict {
	const request, twoWay, format, header = 0x80, 0x40, 0x1f, 16
	b := c.view[c.side].b
	if len(b) < header {
		return c.short()
	}
	size := be32(b[12:])
	if b[2]&format == 0 || size == 0 || size > 8<<20 {
		return no
	}
	if b[2]&request != 0 {
		return c.spoken(b[3] == 0, true)
	}
	return c.spoken(b[2]&twoWay == 0 && b[3]%5 == 0 && b[3] >= 20 && b[3] <= 100, false)
}

// pulsar: the lengths of a frame and of its command, which is CONNECT or CONNECTED, and whose only field is as long as that.
func pulsar(c *call) verdict {
	const connect, connected = 2, 3
	b := c.view[c.side].b
	if len(b) < 13 {
		return c.short()
	}
	size, n := varint(b[11:])
	return c.spoken(be32(b) == be32(b[4:])+4 && b[8] == 8 && (b[9] == connect && b[10] == 0x12 || b[9] == connected && b[10] == 0x1a) && n > 0 && uint32(3+n+size) == be32(b[4:]),
		b[9] == connect)
}

// rocketMQ: the lengths of all and of a header, in JSON.
func rocketMQ(c *call) verdict {
	const code = `{"code":`
	b := c.view[c.side].b
	if len(b) < 8+len(code) {
		return c.short()
	}
	return holds(b[4] == 0 && be24(b[5:])+4 <= size32(be32(b)) && string(b[8:8+len(code)]) == code)
}

// hazelcast: an only frame, of a client who says who it is.
func hazelcast(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 13 {
		return c.short()
	}
	size := le32(b[3:])
	return holds(size >= 22 && size < 256 && b[8]&0xc0 == 0xc0 && (le32(b[9:]) == 0x100 || le32(b[9:]) == 0x200))
}

// ibmMQ: the length of a segment, which multiplexed conversations number; the order of bytes, and the kind.
func ibmMQ(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 18 {
		return c.short()
	}
	at := 8
	switch b[3] {
	case ' ', 0x40, 'C', 0xc3:
	case 'M', 0xd4:
		at = 16
	default:
		return no
	}
	size := be32(b[4:])
	return holds((b[3] < 0x80 && b[3] != 0x40) == (b[0] == 'T') && size >= 28 && size < 1<<20 && (b[at] == 1 || b[at] == 2) && b[at+1] != 0)
}

// scalability: the kind of socket and two zeros.
func scalability(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 8 {
		return c.short()
	}
	return holds(b[6]|b[7] == 0)
}

// jgroups: a version, and the length of an address of either kind.
func jgroups(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 8 {
		return c.short()
	}
	return holds(be16(b[6:]) == 7 || be16(b[6:]) == 19)
}

// weblogicAsk: a version, then a line of what the client bears.
func weblogicAsk(c *call) verdict { return c.weblogicLines(len("t3 ")) }

func weblogic(c *call) verdict { return c.weblogicLines(len("HELO:")) }

func (c *call) weblogicLines(at int) verdict {
	v := &c.view[c.side]
	line, ok := v.line(64)
	if !ok && len(v.b) < 64 || len(v.b) < len(line)+4 {
		return c.short()
	}
	return holds(ok && len(line) > at && digit(line[at]) && bytes.HasPrefix(v.b[len(line):], []byte("\nAS:")))
}

// nmf: the length and the scheme of where the message goes.
func nmf(c *call) verdict {
	const scheme = "net.tcp://"
	b := c.view[c.side].b
	if len(b) < 8+len(scheme) {
		return c.short()
	}
	_, n := varint(b[6:])
	return holds(n > 0 && string(b[6+n:6+n+len(scheme)]) == scheme)
}

// brpc: the lengths of all and of what describes it, which is a request or a response.
func brpc(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 13 {
		return c.short()
	}
	return c.spoken(be32(b[8:]) <= be32(b[4:]) && (b[12] == 0x0a || b[12] == 0x12), b[12] == 0x0a)
}

// sapAsk: behind the length of a message there is what is asked for.
func sapAsk(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 15 {
		return c.short()
	}
	return holds(string(b[4:13]) == "NI_ROUTE\x00" || string(b[4:15]) == "ROUTER_ADM\x00")
}

// sapError: likewise that it failed.
func sapError(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 13 {
		return c.short()
	}
	return holds(string(b[4:13]) == "NI_RTERR\x00")
}

// relp: the length of an offer, or of a status and one.
func relp(c *call) verdict {
	v := &c.view[c.side]
	line, ok := v.line(64)
	if !ok {
		if len(v.b) < 64 {
			return c.short()
		}
		return no
	}
	_, rest := cutWord(line)
	_, rest = cutWord(rest)
	size, rest := cutWord(rest)
	_, ok = decimal(size)
	return holds(ok && (bytes.HasPrefix(rest, []byte("relp_version=")) || bytes.HasPrefix(rest, []byte("200 OK"))))
}

// fluentd: an array of a tag, then the time and a record; or an array of those, packed or not.
func fluentd(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 2 {
		return c.short()
	}
	at, size := 2, int(b[1]&0x1f)
	switch {
	case b[1]&0xe0 == 0xa0 && size > 0:
	case b[1] == 0xd9:
		if len(b) < 3 {
			return c.short()
		}
		at, size = 3, int(b[2])
	default:
		return no
	}
	if tag := b[at:min(len(b), at+size)]; len(tag) > 0 && !oneLine(tag) {
		return no
	}
	if b = b[min(len(b), at+size):]; len(b) < 20 { // an entry is no shorter, nor what packs it
		if len(b) == 0 || b[0] != 0xce && b[0] != 0xd7 {
			return c.short()
		}
	}
	if n := fluentdTime(b); n > 0 {
		if len(b) == n {
			return c.short()
		}
		return holds(b[n]&0xf0 == 0x80 || b[n] == 0xde)
	}
	n := 0
	switch {
	case b[0]&0xf0 == 0x90:
		n = 1
	case b[0] == 0xdc, b[0] == 0xc5, b[0] == 0xda:
		n = 3
	case b[0] == 0xc4, b[0] == 0xd9:
		n = 2
	case b[0] == 0xdd, b[0] == 0xc6, b[0] == 0xdb:
		n = 5
	case b[0] == 0xce && len(b) < 5, b[0] == 0xd7 && len(b) < 10:
		return c.short()
	default:
		return no
	}
	if n == len(b) {
		return c.short()
	}
	if b[n] == 0x1f && len(b) > n+2 { // compressed
		return holds(b[n+1] == 0x8b && b[n+2] == 8)
	}
	return holds(b[n] == 0x92 && fluentdTime(b[n+1:]) > 0)
}

// fluentdTime tells how long a time is at the start of b: seconds, or an EventTime, since 2004 at the earliest.
func fluentdTime(b []byte) int {
	switch {
	case len(b) >= 5 && b[0] == 0xce && b[1] >= 0x40 && b[1] < 0xc0:
		return 5
	case len(b) >= 10 && b[0] == 0xd7 && b[1] == 0 && b[2] >= 0x40 && b[2] < 0xc0:
		return 10
	}
	return 0
}

// gelf: a message that has its text.
func gelf(c *call) verdict {
	const most = 4 << 10
	v := &c.view[c.side]
	if bytes.Contains(v.b[:min(len(v.b), most)], []byte(`"short_message":`)) || bytes.Contains(v.b[:min(len(v.b), most)], []byte(`"short_message" :`)) {
		return match
	}
	if len(v.b) < most {
		return c.short()
	}
	return no
}

// gelfChunk: a place among at most 128, and in the first what a message begins with; elsewhere the port.
func gelfChunk(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 14 || b[10] >= b[11] || b[11] > 128 {
		return no
	}
	begins := be16(b[12:])
	return holds(b[10] == 0 && (begins == 0x1f8b || begins == '{'<<8|'"' || b[12] == 0x78 && begins%31 == 0) || c.hasPort(gelfUDP))
}

const gelfUDP = 12201

// gelfZlib: zlib's header (RFC 1950 section 2.2), and the port.
func gelfZlib(c *call) verdict {
	b := c.view[c.side].b
	return holds(c.hasPort(gelfUDP) && len(b) > 8 && be16(b)%31 == 0)
}

// gelfPort: gzip and the port.
func gelfPort(c *call) verdict { return holds(c.hasPort(gelfUDP) && len(c.view[c.side].b) > 18) }

// riemann: the length of a message of events, of the first of them, and one of its fields.
func riemann(c *call) verdict {
	const events = 0x32
	b := c.view[c.side].b
	if len(b) < 9 {
		return c.short()
	}
	size, n := varint(b[5:])
	if b[4] != events || n == 0 || size == 0 || 5+n+size > 4+size32(be32(b)) {
		return no
	}
	switch b[5+n] { // time, state, service, host, description, tags, ttl, attributes
	case 0x08, 0x12, 0x1a, 0x22, 0x2a, 0x3a, 0x45, 0x4a:
	default:
		return no
	}
	next := 5 + n + size
	return holds(next == 4+size32(be32(b)) || next < len(b) && b[next] == events)
}

// riemannPort: so little is said that the port must be Riemann's.
func riemannPort(c *call) verdict { return holds(c.hasPort(5555)) }

// lineOf3 cuts a line into its first two words and the rest.
func lineOf3(line []byte) (first, second, rest []byte) {
	first, rest = cutWord(line)
	second, rest = cutWord(rest)
	return first, second, rest
}

// opentsdb: "put", a metric, when, what, and at least one tag.
func opentsdb(c *call) verdict {
	v := &c.view[c.side]
	line, ok := v.line(1 << 10)
	if !ok {
		if len(v.b) < 1<<10 && textLine(trimCR(v.b)) {
			return c.short()
		}
		return no
	}
	metric, when, rest := lineOf3(line[len("put "):])
	value, tags := cutWord(rest)
	return holds(metricName(metric) && (len(when) == 10 || len(when) == 13) && digits(when, 13) && number(value) && bytes.IndexByte(tags, '=') > 0 && textLine(line))
}

// metricName tells whether b is what measurements are named like.
func metricName(b []byte) bool {
	for _, d := range b {
		if !alphanumeric(d) && bytes.IndexByte([]byte("._-/:;=,~*#@%"), d) < 0 {
			return false
		}
	}
	return len(b) > 0
}

// number tells whether b is a decimal number, whole or not.
func number(b []byte) bool {
	some := false
	for i, d := range b {
		switch {
		case digit(d):
			some = true
		case d == '-' || d == '+', d == '.', d == 'e' && i > 0, d == 'E' && i > 0:
		default:
			return false
		}
	}
	return some && len(b) < 32
}

// lineLike asks about the first line of a text while its first word can still become a metric's name.
func (c *call) lineLike() (line []byte, v verdict) {
	const most = 1 << 10
	w := &c.view[c.side]
	b := w.b[:min(len(w.b), most)]
	for i, d := range b {
		if d == ' ' {
			break
		}
		if i > 255 || !metricName(b[i:i+1]) {
			return nil, no
		}
	}
	line, ok := w.line(most)
	switch {
	case ok && textLine(line):
		return line, match
	case !c.f.tcp && !w.gap && textLine(b):
		return b, match // a datagram's last line need not end
	case ok || len(w.b) >= most || !textLine(trimCR(b)):
		return nil, no
	}
	return nil, c.short()
}

// graphite: a metric with a point in its name, or with tags, what, and when (Carbon's plaintext protocol).
func graphite(c *call) verdict {
	b := c.view[c.side].b
	if word, _ := cutWord(b[:min(len(b), 256)]); len(word) < len(b) && !bytes.ContainsAny(word, ".;") {
		return no
	}
	line, v := c.lineLike()
	if v != match {
		return v
	}
	metric, value, when := lineOf3(line)
	if dot := bytes.IndexAny(metric, ".;"); dot <= 0 || dot == len(metric)-1 {
		return no
	}
	return holds(number(value) && len(when) == 10 && digits(when, 10) && when[0] != '0')
}

// graphitePickle: a list in pickle's protocol 2, which begins with a metric's name.
func graphitePickle(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 20 {
		return c.short()
	}
	if string(b[4:8]) != "\x80\x02]q" {
		return no
	}
	b = b[9:]
	if b[0] == '(' {
		b = b[1:]
	}
	return holds(b[0] == 'X' && le32(b[1:]) < 1<<10 && b[1]|b[2] != 0 && metricName(b[5:min(len(b), 5+le16(b[1:]))]))
}

// influxdb: a measurement with its tags, fields, and when, in nanoseconds; on its own port the time may be missing.
func influxdb(c *call) verdict {
	line, v := c.lineLike()
	if v != match {
		return v
	}
	_, fields, when := lineOf3(line)
	equals := bytes.IndexByte(fields, '=')
	if equals <= 0 || equals == len(fields)-1 || !metricName(fields[:equals]) || bytes.IndexByte(fields, '"') >= 0 {
		return no
	}
	return holds(len(when) == 19 && digits(when, 19) || len(when) == 0 && !c.f.tcp && c.hasPort(8089))
}

// gangliaXML: the name of the document.
func gangliaXML(c *call) verdict {
	return c.within(128, "<!DOCTYPE GANGLIA_XML ")
}

// ganglia: the kind of packet, the names of a host and a metric, and whether the host is another.
func ganglia(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 12 || b[3] < 128 || b[3] > 135 {
		return no
	}
	r := cursor{b: b[4:]}
	for range 2 {
		n := size32(r.u32())
		if r.bad || n <= 0 || n > 255 || !oneLine(r.bytes(n)) {
			return no
		}
		for _, pad := range r.bytes(-n & 3) {
			if pad != 0 {
				return no
			}
		}
	}
	spoof := r.u32()
	return holds(!r.bad && spoof <= 1)
}

// nrpe: the sum of a packet of version 2, which has 1036 bytes, or of version 4, which says how many.
func nrpe(c *call) verdict {
	const sumAt, v2, v4head, most = 4, 1036, 16, 4 << 10
	b := c.view[c.side].b
	if len(b) < v4head {
		return c.short()
	}
	if b[1] != 2 && b[1] != 4 || b[2] != 0 || b[3] != 1 && b[3] != 2 {
		return no
	}
	size := v2
	if b[1] == 4 {
		size = v4head + int(min(be32(b[12:]), most))
	}
	if len(b) < size {
		return c.short()
	}
	sum := crc32.Update(crc32.ChecksumIEEE(b[:sumAt]), crc32.IEEETable, noBytes[:])
	return c.spoken(crc32.Update(sum, crc32.IEEETable, b[sumAt+4:size]) == be32(b[sumAt:]), b[3] == 1)
}

var noBytes [4]byte

// livestatus: a table, alone on its line.
func livestatus(c *call) verdict {
	v := &c.view[c.side]
	line, ok := v.line(40)
	if !ok {
		if len(v.b) < 40 {
			return c.short()
		}
		return no
	}
	return holds(line[0] == 'G' && oneOf(line[len("GET "):], "hosts services hostgroups servicegroups contacts contactgroups commands comments downtimes hostsbygroup "+
		"servicesbygroup servicesbyhostgroup statehist timeperiods log status columns"))
}

// nutPort: others say so, too.
func nutPort(c *call) verdict { return holds(c.hasPort(3493)) }

// nutList: what is listed.
func nutList(c *call) verdict {
	v := &c.view[c.side]
	line, ok := v.line(80)
	if !ok {
		if len(v.b) < 80 {
			return c.short()
		}
		return no
	}
	what, _, _ := lineOf3(line[bytes.Index(line, []byte("LIST "))+len("LIST "):])
	return holds(oneOf(what, "ups var rw cmd enum range client"))
}

// apcupsd: the length of a line, and how a status begins.
func apcupsd(c *call) verdict {
	const apc = "APC      : "
	b := c.view[c.side].b
	if len(b) < 2+len(apc) {
		return c.short()
	}
	return holds(string(b[2:2+len(apc)]) == apc)
}

// varnish: the length of an answer, and who greets.
func varnish(c *call) verdict {
	const head = 13
	v := &c.view[c.side]
	if len(v.b) < head {
		return c.short()
	}
	if _, ok := decimal(trimSpace(v.b[len("200 ") : head-1])); !ok || v.b[head-1] != '\n' {
		return no
	}
	return c.within(80, "\nVarnish Cache CLI ")
}

// bacula: the length of a greeting, and who calls.
func bacula(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 4 {
		return c.short()
	}
	size := 4 + size32(be32(b))
	if len(b) < size {
		if len(b) > 10 && string(b[4:10]) != "Hello " {
			return no
		}
		return c.short()
	}
	return holds(size > 20 && string(b[4:10]) == "Hello " && bytes.Contains(b[10:size], []byte(" calling")) && oneLine(bytes.TrimSuffix(b[4:size], []byte("\n"))))
}

// baculaChallenge: how it is answered.
func baculaChallenge(c *call) verdict {
	const auth = "auth cram-md5 <"
	b := c.view[c.side].b
	if len(b) < 4+len(auth) {
		return c.short()
	}
	return holds(string(b[4:4+len(auth)]) == auth)
}

// amanda: the version of a header, and the kind of packet.
func amanda(c *call) verdict {
	b := c.view[c.side].b[len("Amanda "):]
	if len(b) < 8 || !digit(b[0]) || b[1] != '.' {
		return no
	}
	version, kind, rest := lineOf3(b)
	_, ok := decimal(version[2:])
	return holds(ok && oneOf(kind, "req rep prep ack nak") && bytes.HasPrefix(rest, []byte("HANDLE ")))
}

// spamc: a command, and the protocol's version.
func spamc(c *call) verdict {
	const version = " SPAMC/1."
	v := &c.view[c.side]
	b := v.b[:min(len(v.b), 40)]
	at := bytes.IndexByte(b, ' ')
	if at < 0 && len(b) < 16 && metricName(b) || at > 0 && len(b) < at+len(version) && bytes.HasPrefix([]byte(version), b[at:]) {
		return c.short()
	}
	return holds(at > 0 && bytes.HasPrefix(b[at:], []byte(version)) && oneOf(b[:at], "check headers ping process report report_ifspam skip symbols tell"))
}

// clamd: a command, and how it ends.
func clamd(c *call) verdict {
	b := c.view[c.side].b
	end := byte('\n')
	if b[0] == 'z' {
		end = 0
	}
	at := bytes.IndexByte(b[:min(len(b), 16)], end)
	if at < 0 && len(b) < 16 && metricName(b) {
		return c.short()
	}
	return holds(at > 0 && oneOf(b[1:at], "instream idsession ping version versioncommands"))
}

// isns: a function, a length in fours, that the message is whole and whose it is.
func isns(c *call) verdict {
	const header, client, server, whole = 12, 0x8000, 0x4000, 0x0c00
	b := c.view[c.side].b
	if len(b) < header {
		return c.short()
	}
	function, size, flags := be16(b[2:]), be16(b[4:]), be16(b[6:])
	return c.spoken(function&0x7fff != 0 && function&0x7f00 == 0 && size%4 == 0 && (flags == client|whole || flags == server|whole) && be16(b[10:]) == 0, flags&client != 0)
}

// ndmp: a fragment of a request, which is no answer and has no error: the server's NOTIFY_CONNECTED or the client's CONNECT_OPEN; and a version.
func ndmp(c *call) verdict {
	const head, notifyConnected, connectOpen = 28, 0x502, 0x900
	b := c.view[c.side].b
	if len(b) < head+4 {
		return c.short()
	}
	size, kind := int(be16(b[2:])), be32(b[16:])
	if be32(b[4:]) > 1 || be32(b[12:]) != 0 || be64(b[20:]) != 0 {
		return no
	}
	return c.spoken(kind == connectOpen && size == 28 && be32(b[head:]) <= 4 || kind == notifyConnected && size >= 36 && be32(b[head:]) <= 2, kind == connectOpen)
}

// ninep: Tversion or Rversion without a tag, and the version.
func ninep(c *call) verdict {
	const request, response, version = 100, 101, "9P2000"
	b := c.view[c.side].b
	if len(b) < 13+len(version) {
		return c.short()
	}
	return c.spoken((b[4] == request || b[4] == response) && b[5]&b[6] == 0xff && le16(b[11:]) == int(b[0])-13 && string(b[13:13+len(version)]) == version, b[4] == request)
}

// unison: a version, or the name of the protocol.
func unison(c *call) verdict {
	b := c.view[c.side].b[len("Unison "):]
	if len(b) < 4 {
		return c.short()
	}
	return holds(string(b[:4]) == "RPC\n" || digit(b[0]) && b[1] == '.' && digit(b[2]))
}

// contentLength returns a message of JSON behind its length, at most as much of it as says what it is; nil is none.
func (c *call) contentLength() (message []byte, v verdict) {
	const most = 1 << 10
	w := &c.view[c.side]
	b := w.b[:min(len(w.b), most)]
	at := bytes.Index(b, []byte("\r\n\r\n"))
	if at < 0 {
		if len(w.b) < 128 {
			return nil, c.short()
		}
		return nil, no
	}
	if line, _ := cutLine(b); !digits(line[len("Content-Length: "):], 9) {
		return nil, no
	}
	if message = b[at+4:]; len(message) == 0 {
		return nil, c.short()
	}
	return message, match
}

// debugAdapter: a message with a number, that asks for something, answers, or tells what happened.
func debugAdapter(c *call) verdict {
	b, v := c.contentLength()
	if v != match {
		return v
	}
	if b[0] == '{' && bytes.Contains(b, []byte(`"seq":`)) {
		command := len(jsonString(b, `"command"`)) > 0
		switch string(jsonString(b, `"type"`)) {
		case "request":
			if command {
				return c.spoken(true, true)
			}
		case "response":
			if command && bytes.Contains(b, []byte(`"request_seq":`)) {
				return c.spoken(true, false)
			}
		case "event":
			if len(jsonString(b, `"event"`)) > 0 {
				return c.spoken(true, false)
			}
		}
	}
	return c.unlikeUntil(b)
}

// languageServer: JSON-RPC that asks for the first thing there is to ask.
func languageServer(c *call) verdict {
	b, v := c.contentLength()
	if v != match {
		return v
	}
	if b[0] == '{' && bytes.Contains(b, []byte(`"jsonrpc":`)) && bytes.Equal(jsonString(b, `"method"`), []byte("initialize")) {
		return match
	}
	return c.unlikeUntil(b)
}

// unlikeUntil is the answer about JSON in which what is looked for was not found yet.
func (c *call) unlikeUntil(b []byte) verdict {
	if b[0] == '{' && len(c.view[c.side].b) < 1<<10 && len(b) < 900 {
		return c.short()
	}
	return no
}

// dbgp: the length of a document, and its name space.
func dbgp(c *call) verdict {
	const most = 192
	v := &c.view[c.side]
	b := v.b[:min(len(v.b), most)]
	at := bytes.IndexByte(b, 0)
	switch {
	case at < 0 && len(b) < 8 && digits(b, 8):
		return c.short()
	case at <= 0 || !digits(b[:at], 7):
		return no
	case bytes.Contains(b, []byte(`<init xmlns="urn:debugger_protocol_v1"`)):
		return match
	case len(b) < most:
		return c.short()
	}
	return no
}

// ident: two ports, then what was found out; a question alone only where its port is.
func ident(c *call) verdict {
	const port, most = 113, 128
	v := &c.view[c.side]
	b := v.b[:min(len(v.b), most)]
	for _, d := range b {
		if d == ':' || d == '\r' || d == '\n' {
			break
		}
		if !digit(d) && d != ' ' && d != ',' {
			return no
		}
	}
	line, ok := v.line(most)
	if !ok {
		if len(b) < most {
			return c.short()
		}
		return no
	}
	ports, found, answers := bytes.Cut(line, []byte(":"))
	one, other, ok := bytes.Cut(ports, []byte(","))
	if !ok || !identPort(one) || !identPort(other) {
		return no
	}
	if !answers {
		return c.spoken(c.hasPort(port), true)
	}
	kind, _, ok := bytes.Cut(found, []byte(":"))
	return c.spoken(ok && oneOf(trimSpace(kind), "userid error"), false)
}

func identPort(b []byte) bool {
	n, ok := decimal(trimSpace(b))
	return ok && n < 1<<16
}

// dict: at the end of the greeting there are what the server can and the number of the connection.
func dict(c *call) verdict {
	v := &c.view[c.side]
	line, ok := v.line(512)
	if !ok {
		if len(v.b) < 512 {
			return c.short()
		}
		return no
	}
	_, rest, ok := bytes.Cut(line, []byte(" <"))
	can, id, last := bytes.Cut(rest, []byte("> <"))
	return holds(ok && last && metricName(can) && bytes.IndexByte(can, '@') < 0 && bytes.IndexByte(id, '@') > 0 && bytes.IndexByte(id, ' ') < 0 && bytes.IndexByte(id, '>') == len(id)-1)
}

// dictPort: others may say so, too.
func dictPort(c *call) verdict { return holds(c.hasPort(2628)) }

// sam: what is behind the words.
func sam(c *call) verdict {
	b := c.view[c.side].b[len("HELLO VERSION"):]
	if len(b) == 0 {
		return c.short()
	}
	return holds(b[0] == ' ' || b[0] == '\n')
}

// nx: a version.
func nx(c *call) verdict {
	b := c.view[c.side].b[len("NXPROXY-"):]
	if len(b) < 2 {
		return c.short()
	}
	return holds(digit(b[0]) && b[1] == '.')
}

// rsocket: the frame SETUP of the connection's own stream, version 1.0, and the kind of its metadata in words.
func rsocket(c *call) verdict {
	const setup, resume = 1 << 2, 0x80
	b := c.view[c.side].b
	if len(b) < 24 {
		return c.short()
	}
	if be32(b[3:]) != 0 || b[7]&0xfc != setup || b[8]&resume != 0 || be32(b[9:]) != 0x10000 || be32(b[13:]) == 0 || b[17] >= 0x80 {
		return no
	}
	words := b[22:min(len(b), 22+int(b[21]))]
	return holds(len(words) > 0 && oneLine(words))
}

// dbus: the server's identifier, in hexadecimal.
func dbus(c *call) verdict {
	const size = len("OK ") + 32
	v := &c.view[c.side]
	line, ok := v.line(size + 2)
	if !ok {
		if len(v.b) < size+2 {
			return c.short()
		}
		return no
	}
	if len(line) != size {
		return no
	}
	for id := line[len("OK "):]; len(id) > 0; id = id[8:] {
		if !hexWord(id[:8]) {
			return no
		}
	}
	return match
}

// nrtp: a request, one without an answer, or an answer; its length is told, or comes in parts.
func nrtp(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 10 {
		return c.short()
	}
	return c.spoken(le16(b[6:]) <= 2 && le16(b[8:]) <= 1, le16(b[6:]) < 2)
}

// milter: the version of SMFIC_OPTNEG, of which the length was told.
func milter(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 9 {
		return c.short()
	}
	return holds(b[8] >= 2 && b[8] <= 6)
}

// dovecotAuth: the next line is a mechanism of the server, or the client's process.
func dovecotAuth(c *call) verdict {
	const most = 32
	v := &c.view[c.side]
	_, size := cutLine(v.b[:min(len(v.b), most)])
	if len(v.b) < most && (size == 0 || len(v.b) < size+len("MECH\t")) {
		return c.short()
	}
	next := v.b[size:]
	asks := bytes.HasPrefix(next, []byte("CPID\t"))
	return c.spoken(size > 0 && (asks || bytes.HasPrefix(next, []byte("MECH\t"))), asks)
}

// sane: the version of SANE and of the protocol, which an answer repeats; small numbers, so that the port must be SANE's, too.
func sane(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 8 {
		return c.short()
	}
	return holds(b[5] <= 1 && be16(b[6:]) == 3 && c.hasPort(6566))
}

// rserve: the version, and the protocol.
func rserve(c *call) verdict {
	b := c.view[c.side].b
	if len(b) < 12 {
		return c.short()
	}
	return holds(digit(b[6]) && digit(b[7]) && string(b[8:12]) == "QAP1")
}

// guacd: the length of the next element.
func guacd(c *call) verdict {
	b := c.view[c.side].b
	_, next, _ := bytes.Cut(b, []byte(","))
	n := 0
	for n < len(next) && n < 3 && digit(next[n]) {
		n++
	}
	if n == len(next) {
		return c.short()
	}
	return holds(n > 0 && next[n] == '.')
}

// memberlistPing: a map, whose first key is the node's.
func memberlistPing(c *call) verdict {
	b := c.view[c.side].b
	return holds(len(b) > 12 && b[1]&0xf0 == 0x80 && string(b[2:7]) == "\xa4Node")
}

// memberlistSum: the sum of all behind it, which begins with the kind of message.
func memberlistSum(c *call) verdict {
	v := &c.view[c.side]
	return holds(!v.gap && len(v.b) > 8 && v.b[5] <= 13 && crc32.ChecksumIEEE(v.b[5:]) == be32(v.b[1:]))
}

// cupsBrowse: the kind and the state of a printer in hexadecimal, and where it is.
func cupsBrowse(c *call) verdict {
	b := c.view[c.side].b
	kind, state, where := lineOf3(b[:min(len(b), 64)])
	return holds(hexWord(kind) && hexWord(state) && len(state) == 1 && bytes.HasPrefix(where, []byte("ipp://")))
}

func hexWord(b []byte) bool {
	for _, d := range b {
		if !isHexDigit(d) {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 8
}
