package dpi

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// Parts of binary messages. n8 and the like put a length before what they are given.
func u16(n int) string    { return string(binary.BigEndian.AppendUint16(nil, uint16(n))) }
func u32(n int) string    { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }
func l16(n int) string    { return string(binary.LittleEndian.AppendUint16(nil, uint16(n))) }
func l32(n int) string    { return string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }
func n8(s string) string  { return string([]byte{byte(len(s))}) + s }
func n16(s string) string { return u16(len(s)) + s }
func n32(s string) string { return u32(len(s)) + s }
func zeros(n int) string  { return strings.Repeat("\x00", n) }

// utf16 is for ASCII.
func utf16Test(s string) (t string) {
	for i := range len(s) {
		t += s[i:i+1] + "\x00"
	}
	return t
}

// talk makes messages from texts that begin with their side, C or S.
func talk(texts ...string) (list []message) {
	for _, t := range texts {
		side := Orig
		if t[0] == 'S' {
			side = Resp
		}
		list = append(list, message{side, []byte(t[1:])})
	}
	return list
}

func tcpSample(name string, port uint16, msgs []message, want ...string) sample {
	s := sample{name: name, tcp: true, orig: 40000, resp: port, msgs: msgs, want: map[string]string{}}
	for i := 0; i < len(want); i += 2 {
		s.want[want[i]] = want[i+1]
	}
	return s
}

func postgresMessage(kind, body string) string { return kind + u32(4+len(body)) + body }

func mysqlPacket(seq byte, body string) string {
	return l32(len(body))[:3] + string([]byte{seq}) + body
}

func mysqlGreetingTest(version string) string {
	return mysqlPacket(0, "\x0a"+version+"\x00"+l32(7)+"saltsalt\x00\xff\xf7\x21\x02\x00\xff\x81\x15"+zeros(10)+"moresaltsalt\x00mysql_native_password\x00")
}

func mongoMessage(request, response, op int, body string) string {
	return l32(16+len(body)) + l32(request) + l32(response) + l32(op) + body
}

// bson makes a document of elements.
func bson(elements string) string { return l32(4+len(elements)+1) + elements + "\x00" }

func cassandraTest(version byte, op byte, body string) string {
	return string([]byte{version, 0, 0, 1, op}) + n32(body)
}

func amqpTest(method int, body string) string {
	return "\x01\x00\x00" + n32(u32(method)+body) + "\xce"
}

func amqp1Test(kind byte, body string) string {
	return u32(8+len(body)) + string([]byte{2, kind, 0, 0}) + body
}

func tpktTest(body string) string { return "\x03\x00" + u16(4+len(body)) + body }

func tdsTest(kind byte, body string) string {
	return string([]byte{kind, 1}) + u16(8+len(body)) + "\x00\x00\x01\x00" + body
}

func tdsLoginTest(texts map[int]string) string {
	fixed := []byte(l32(0) + "\x04\x00\x00\x74" + l32(4096) + zeros(24) + zeros(58))
	var data string
	for _, at := range []int{36, 40, 44, 48, 68} {
		binary.LittleEndian.PutUint16(fixed[at:], uint16(len(fixed)+len(data)))
		binary.LittleEndian.PutUint16(fixed[at+2:], uint16(len(texts[at])))
		data += utf16Test(texts[at])
	}
	binary.LittleEndian.PutUint32(fixed, uint32(len(fixed)+len(data)))
	return string(fixed) + data
}

func bgpTest(kind byte, body string) string {
	return bgpMarker + u16(19+len(body)) + string([]byte{kind}) + body
}

func dnp3Test(control byte, to, from int) []byte {
	b := []byte("\x05\x64\x05" + string([]byte{control}) + l16(to) + l16(from))
	return binary.LittleEndian.AppendUint16(b, dnp3CRC(b))
}

// dnp3Data is a frame with data, in blocks with a checksum each.
func dnp3Data(control byte, to, from int, data string) []byte {
	b := []byte("\x05\x64" + string([]byte{byte(5 + len(data)), control}) + l16(to) + l16(from))
	b = binary.LittleEndian.AppendUint16(b, dnp3CRC(b))
	for ; len(data) > 0; data = data[min(16, len(data)):] {
		block := []byte(data[:min(16, len(data))])
		b = binary.LittleEndian.AppendUint16(append(b, block...), dnp3CRC(block))
	}
	return b
}

func enipTest(command, session int, data string) string {
	return l16(command) + l16(len(data)) + l32(session) + zeros(4+8+4) + data
}

func diameterTest(flags byte, command int, avps ...string) string {
	return "\x01" + u32(20 + len(strings.Join(avps, "")))[1:] + string([]byte{flags}) + u32(command)[1:] + u32(0) + u32(1) + u32(2) + strings.Join(avps, "")
}

func avp(code int, data string) string {
	return u32(code) + "\x40" + u32(8 + len(data))[1:] + data + zeros(-len(data)&3)
}

func http2Frame(kind, flags byte, stream int, body string) string {
	return u32(len(body))[1:] + string([]byte{kind, flags}) + u32(stream) + body
}

func headerBlock(fields ...string) string {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // a bytes.Buffer takes all
	}
	return b.String()
}

func amf0(s string) string { return "\x02" + n16(s) }

// rtmpTest is a client's handshake and its connect in chunks of 128 bytes.
func rtmpTest(command string) string {
	t := "\x03" + u32(77) + zeros(4) + strings.Repeat("r", rtmpHandshake-8) + strings.Repeat("s", rtmpHandshake) + "\x03" + zeros(3) + u32(len(command))[1:] + "\x14" + zeros(4)
	for len(command) > 128 {
		t += command[:128] + "\xc3"
		command = command[128:]
	}
	return t + command
}

// dataSamples are conversations of binary protocols, put together by their specifications.
func dataSamples() []sample {
	rpc := headerBlock(":method", "POST", ":scheme", "http", ":path", "/pkg.Service/Call?x=secret", ":authority", "rpc.example:50051",
		"content-type", "application/grpc", "user-agent", "grpc-go/1.60", "authorization", "secret")
	list := []sample{
		tcpSample("http2 grpc", 50051, talk("C"+http2Preface+http2Frame(4, 0, 0, "\x00\x04\x00\x10\x00\x00"), "S"+http2Frame(4, 0, 0, "")+http2Frame(4, 1, 0, ""),
			"C"+http2Frame(4, 1, 0, "")+http2Frame(1, http2Padded|http2Priority, 1, "\x02"+zeros(5)+rpc[:20]+"\x00\x00")+http2Frame(9, 4, 1, rpc[20:])+http2Frame(0, 1, 1, "\x00\x00\x00\x00\x05hello"),
			"S"+http2Frame(1, 4, 1, headerBlock(":status", "200", "content-type", "application/grpc"))+http2Frame(0, 0, 1, "\x00\x00\x00\x00\x05world"),
			"S"+http2Frame(1, 5, 1, headerBlock("grpc-status", "5", "grpc-message", "secret"))),
			"app", "http2", "grpc_status", "NOT_FOUND", "host", "rpc.example by http", "http_method", "POST", "http_path", "/pkg.Service/Call", "http_host", "rpc.example:50051",
			"http_user_agent", "grpc-go/1.60", "http_version", "2", "http_status", "200", "http_content_type", "application/grpc", "grpc", "1", "http_requests", "1"),
		tcpSample("postgresql", 5432, talk("C"+u32(8)+u32(postgresSSL), "SN",
			"C"+u32(8+48)+u32(postgresV3)+"user\x00alice\x00database\x00shop\x00application_name\x00psql\x00\x00", "S"+postgresMessage("R", u32(3)), "C"+postgresMessage("p", "secret\x00"),
			"S"+postgresMessage("R", u32(0))+postgresMessage("S", "server_version\x0016.2\x00")+postgresMessage("K", zeros(8))+postgresMessage("Z", "I")),
			"app", "postgresql", "postgresql_user", "alice", "postgresql_database", "shop", "postgresql_application", "psql", "postgresql_version", "16.2"),
		tcpSample("postgresql refused", 5433, talk("C"+u32(8+12)+u32(postgresV3)+"user\x00alice\x00\x00", "S"+postgresMessage("E", "SFATAL\x00C28000\x00Mno\x00\x00")),
			"app", "postgresql", "postgresql_user", "alice", "postgresql_database", "alice", "postgresql_error", "28000"),
		tcpSample("mysql", 3306, talk("S"+mysqlGreetingTest("5.5.5-10.11.6-MariaDB-0+deb12u1"),
			"C"+mysqlPacket(1, l32(mysqlProto41|mysqlWithDB|mysqlSecure)+l32(1<<24)+"\x21"+zeros(23)+"alice\x00"+n8("twentybytesofsecret!")+"shop\x00"),
			"S"+mysqlPacket(2, "\xfemysql_native_password\x00"), "C"+mysqlPacket(3, "secret"), "S"+mysqlPacket(4, "\xff\x15\x04#28000Access denied")),
			"app", "mysql", "mysql_version", "10.11.6-MariaDB-0+deb12u1", "mysql_user", "alice", "mysql_schema", "shop", "mysql_error", "1045"),
		tcpSample("mysql refused", 3307, talk("S"+mysqlPacket(0, "\xff\x6a\x04Host 'a' is not allowed to connect to this server")), "app", "mysql", "mysql_error", "1130"),
		tcpSample("tds", 1433, talk("C"+tdsTest(tdsPrelogin, "\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\x10\x00\x03\xe8\x00\x00\x02"),
			"S"+tdsTest(tdsResponse, "\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\x10\x00\x03\xe8\x00\x00\x02"),
			"C"+tdsTest(tdsLogin7, tdsLoginTest(map[int]string{36: "desk", 40: "alice", 44: "secret", 48: "tool", 68: "shop"}))),
			"app", "tds", "tds_user", "alice", "tds_database", "shop", "tds_application", "tool", "tds_client_host", "desk", "tds_server_version", "16.0.1000"),
		tcpSample("oracle", 1521, talk("C"+func() string {
			d := "(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=shop.example)(CID=(PROGRAM=sqlplus)(HOST=desk)(USER=alice)))(ADDRESS=(PROTOCOL=TCP)(HOST=192.0.2.1)(PORT=1521)))"
			return u16(34+len(d)) + u16(0) + "\x01\x00" + u16(0) + u16(314) + u16(300) + zeros(12) + u16(len(d)) + u16(34) + zeros(6) + d
		}()), "app", "oracle", "oracle_service", "shop.example", "oracle_program", "sqlplus", "oracle_os_user", "alice", "oracle_client_host", "desk"),
		tcpSample("mongodb", 27017, talk("C"+mongoMessage(1, 0, mongoMsg, zeros(5)+bson("\x10hello\x00"+l32(1)+"\x02$db\x00"+l32(6)+"admin\x00")),
			"S"+mongoMessage(2, 1, mongoMsg, zeros(5)+bson("\x08helloOk\x00\x01"))), "app", "mongodb", "mongodb_command", "hello", "mongodb_database", "admin"),
		tcpSample("mongodb query", 27018, talk("C"+mongoMessage(1, 0, mongoQuery, zeros(4)+"admin.$cmd\x00"+l32(0)+l32(-1)+bson("\x10ismaster\x00"+l32(1)))),
			"app", "mongodb", "mongodb_command", "ismaster", "mongodb_database", "admin"),
		tcpSample("cassandra", 9042, talk("C"+cassandraTest(4, cassandraOptions, ""), "S"+cassandraTest(0x84, cassandraSupported, u16(1)+n16("CQL_VERSION")+u16(1)+n16("3.4.6")),
			"C"+cassandraTest(4, cassandraStartup, u16(2)+n16("CQL_VERSION")+n16("3.4.5")+n16("DRIVER_NAME")+n16("driver x")), "S"+cassandraTest(0x84, 2, "")),
			"app", "cassandra", "cassandra_cql_version", "3.4.5", "cassandra_driver", "driver x", "cassandra_protocol", "4"),
		tcpSample("cassandra version refused", 9043, talk("C"+cassandraTest(66, cassandraOptions, ""),
			"S"+cassandraTest(0x84, cassandraError, "\x00\x00\x00\x0a"+n16("Invalid or unsupported protocol version (66)"))), "app", "cassandra"),
		tcpSample("cassandra user", 9044, talk("C"+cassandraTest(4, cassandraStartup, u16(1)+n16("CQL_VERSION")+n16("3.4.5")), "S"+cassandraTest(0x84, 3, n16("org.example.Auth")),
			"C"+cassandraTest(4, cassandraAuthResponse, "\x00\x00\x00\x0c\x00anna\x00"+secret)), "app", "cassandra", "cassandra_cql_version", "3.4.5", "cassandra_protocol", "4", "cassandra_user", "anna"),
		tcpSample("kafka", 9092, talk("C"+n32(u16(18)+u16(3)+u32(7)+n16("rdkafka")+"\x00\x08librdkafka\x061.0\x00")), "app", "kafka", "kafka_client_id", "rdkafka", "kafka_api", "ApiVersions"),
		tcpSample("kafka answered", 19092, talk("C"+n32(u16(3)+u16(1)+u32(9)+n16("")+u32(0)), "S"+n32(u32(9)+u32(0)+u32(0))), "app", "kafka", "kafka_api", "Metadata"),
		tcpSample("amqp 0-9-1", 5672, talk("CAMQP\x00\x00\x09\x01", "S"+amqpTest(amqpStart, "\x00\x09"+n32(n8("product")+"S"+n32("Rabbit"))+n32("PLAIN")+n32("en_US")),
			"C"+amqpTest(amqpStartOk, n32(n8("product")+"S"+n32("client"))+n8("PLAIN")+n32("\x00alice\x00secret")+n8("en_US")),
			"C"+amqpTest(amqpOpen, n8("/shop")+"\x00\x00"), "S"+amqpTest(amqpOpenOk, "\x00")),
			"app", "amqp", "amqp_version", "0-9-1", "amqp_product", "Rabbit", "amqp_user", "alice", "amqp_vhost", "/shop"),
		tcpSample("amqp 1.0", 5673, talk("CAMQP\x03\x01\x00\x00", "SAMQP\x03\x01\x00\x00",
			"C"+amqp1Test(1, "\x00\x53\x41\xc0\x19\x03\xa3"+n8("PLAIN")+"\xa0"+n8("\x00alice\x00secret")+"\x40"), "S"+amqp1Test(1, "\x00\x53\x44\xc0\x03\x01\x50\x00"),
			"CAMQP\x00\x01\x00\x00"+amqp1Test(0, "\x00\x53\x10\xc0\x12\x02\xa1"+n8("box")+"\xa1"+n8("mq.example"))),
			"app", "amqp", "amqp_version", "1.0", "amqp_user", "alice", "amqp_container", "box", "amqp_vhost", "mq.example"),
		tcpSample("mqtt 3.1.1", 1883, talk("C\x10"+n8(n16("MQTT")+"\x04\xc2\x00\x3c"+n16("sensor-1")+n16("alice")+n16("secret")), "S\x20\x02\x00\x05"),
			"app", "mqtt", "mqtt_version", "3.1.1", "mqtt_client_id", "sensor-1", "mqtt_connack", "5", "mqtt_user", "alice"),
		tcpSample("mqtt 5", 18830, talk("C\x10"+n8(n16("MQTT")+"\x05\x02\x00\x3c"+"\x05\x11\x00\x00\x00\x0a"+n16("sensor-2")), "S\x20\x03\x00\x00\x00"),
			"app", "mqtt", "mqtt_version", "5.0", "mqtt_client_id", "sensor-2", "mqtt_connack", "0"),
		tcpSample("mqtt with a will", 1883, talk("C\x10"+n8(n16("MQTT")+"\x04\x86\x00\x3c"+n16("s")+n16("gone/s")+n16("secret")+n16("alice")), "S\x20\x02\x00\x00", "C\xc0\x00", "S\xd0\x00",
			"C\x30"+n8(n16("home/kitchen")+"21.5")+"\x30"+n8(n16("home/cellar")+"12")), "app", "mqtt", "mqtt_version", "3.1.1", "mqtt_client_id", "s", "mqtt_connack", "0", "mqtt_topic", "home/kitchen"),
		tcpSample("mqtt 5 subscription", 18830, talk("C\x10"+n8(n16("MQTT")+"\x05\x06\x00\x3c"+"\x00"+n16("s")+"\x05\x18\x00\x00\x00\x09"+n16("gone")+n16("x"))+"\x82"+n8("\x00\x01\x02\x0b\x07"+n16("home/+/set")+"\x01"), "S\x20\x03\x00\x00\x00"),
			"app", "mqtt", "mqtt_version", "5.0", "mqtt_client_id", "s", "mqtt_connack", "0", "mqtt_topic", "home/+/set"),
		tcpSample("mongodb client", 27017, talk("C"+mongoMessage(1, 0, mongoMsg, zeros(5)+bson("\x10hello\x00"+l32(1)+"\x03client\x00"+bson("\x03application\x00"+bson("\x02name\x00"+l32(5)+"till\x00")+"\x03driver\x00"+bson("\x02name\x00"+l32(8)+"PyMongo\x00\x02version\x00"+l32(4)+"4.3\x00"))+
			"\x02$db\x00"+l32(6)+"admin\x00"))), "app", "mongodb", "mongodb_command", "hello", "mongodb_database", "admin", "mongodb_application", "till", "mongodb_driver", "PyMongo 4.3"),
		tcpSample("zookeeper", 2181, talk("C"+n32(zeros(12)+u32(30000)+zeros(8)+n32(zeros(16))+"\x00"), "S"+n32(u32(0)+u32(30000)+"sessions"+n32(zeros(16))+"\x00")), "app", "zookeeper"),
		tcpSample("gearman", 4730, talk("C\x00REQ"+u32(7)+n32("reverse\x00\x00text"), "S\x00RES"+u32(8)+n32("H:1")), "app", "gearman"),
		tcpSample("thrift", 9090, talk("C"+n32("\x80\x01\x00\x01"+n32("ping")+u32(1)+"\x00"), "S"+n32("\x80\x01\x00\x02"+n32("ping")+u32(1)+"\x00")), "app", "thrift", "thrift_method", "ping"),
		tcpSample("fix", 9878, talk("C8=FIX.4.4\x019=65\x0135=A\x0149=BUYER\x0156=SELLER\x0134=1\x0152=20240101-00:00:00\x0198=0\x01108=30\x0110=123\x01"),
			"app", "fix", "fix_version", "FIX.4.4", "fix_sender", "BUYER", "fix_target", "SELLER"),
		tcpSample("zabbix", 10051, talk("CZBXD\x01"+l32(48)+zeros(4)+`{"request":"active checks","host":"web-1","x":1}`), "app", "zabbix", "zabbix_request", "active checks", "zabbix_host", "web-1"),
		tcpSample("rdp", 3389, talk("C"+tpktTest("\x2c\xe0\x00\x00\x00\x00\x00Cookie: mstshash=alice.smith\r\n\x01\x00\x08\x00\x0b\x00\x00\x00"),
			"S"+tpktTest("\x0e\xd0\x00\x00\x12\x34\x00\x02\x1f\x08\x00\x00\x00\x00\x00")),
			"app", "rdp", "rdp_cookie", "alice.smith", "rdp_requested", "tls credssp credssp-ex", "rdp_selected", "rdp"),
		tcpSample("rdp old", 3390, talk("C"+tpktTest("\x06\xe0\x00\x00\x00\x00\x00"), "S"+tpktTest("\x06\xd0\x00\x00\x12\x34\x00"), "C"+tpktTest("\x02\xf0\x80\x7f\x65\x82\x01\x94")), "app", "rdp"),
		tcpSample("vnc", 5900, talk("SRFB 003.008\n", "CRFB 003.008\n", "S\x02\x01\x02", "C\x02", "S"+strings.Repeat("r", 16)), "app", "vnc", "vnc_version", "3.8", "vnc_security", "vnc"),
		tcpSample("vnc 3.3", 5901, talk("SRFB 003.008\n", "CRFB 003.003\n", "S"+u32(1)), "app", "vnc", "vnc_version", "3.8", "vnc_security", "none"),
		tcpSample("x11", 6000, talk("Cl\x00\x0b\x00\x00\x00\x12\x00\x10\x00\x00\x00MIT-MAGIC-COOKIE-1\x00\x00sixteen secrets!"), "app", "x11"),
		tcpSample("x11 open", 6001, talk("CB\x00"+u16(11)+zeros(8), "S\x01\x00"+u16(11)+u16(0)+u16(2)+zeros(8)), "app", "x11"),
		tcpSample("rtmp", 1935, talk("C"+rtmpTest(amf0("connect")+"\x00"+zeros(8)+"\x03"+n16("app")+amf0("live?key=secret")+n16("flashVer")+amf0(strings.Repeat("v", 90))+
			n16("tcUrl")+amf0("rtmp://video.example/live?key=secret")+"\x00\x00\x09")), "app", "rtmp", "rtmp_app", "live", "rtmp_url", "rtmp://video.example/live"),
		tcpSample("minecraft", 25565, talk("C"+n8("\x00\xfd\x05"+n8("play.example.org")+u16(25565)+"\x02")+n8("\x00"+n8("Steve")+zeros(16))),
			"app", "minecraft", "minecraft_server", "play.example.org", "minecraft_player", "Steve", "minecraft_protocol", "765"),
		tcpSample("bgp", 179, talk("C"+bgpTest(1, "\x04"+u16(23456)+u16(180)+"\x0a\x00\x00\x01"+n8("\x02"+n8("\x41"+n8("\xfa\x56\xea\x01")))), "S"+bgpTest(1, "\x04"+u16(64501)+u16(180)+"\x0a\x00\x00\x02\x00"),
			"C"+bgpTest(4, ""), "S"+bgpTest(4, "")), "app", "bgp", "bgp_client_as", "4200000001", "bgp_server_as", "64501", "bgp_client_id", "10.0.0.1", "bgp_server_id", "10.0.0.2"),
		tcpSample("ldp", 646, talk("C"+u16(1)+n16("\x0a\x00\x00\x01"+u16(0)+u16(0x200)+n16(u32(1)+u16(0x500)+n16(zeros(14))))), "app", "ldp"),
		tcpSample("openflow", 6653, talk("S\x04\x00\x00\x08"+u32(1), "C\x05\x00\x00\x10"+u32(2)+"\x00\x01\x00\x08"+u32(0x32)), "app", "openflow", "openflow_version", "1.3"),
		tcpSample("diameter", 3868, talk("C"+diameterTest(0x80, 257, avp(264, "pcef.example"), avp(296, "example"), avp(257, "\x00\x01\x0a\x00\x00\x01")),
			"S"+diameterTest(0, 257, avp(268, u32(2001)), avp(264, "pcrf.example"), avp(296, "example"))),
			"app", "diameter", "diameter_origin_host", "pcef.example", "diameter_origin_realm", "example"),
		tcpSample("pptp", 1723, talk("C"+u16(156)+u16(1)+u32(0x1a2b3c4d)+u16(1)+u16(0)+zeros(16)+"desk"+zeros(60)+"maker"+zeros(59)), "app", "pptp", "pptp_host", "desk"),
		tcpSample("modbus", 502, talk("C\x00\x01\x00\x00\x00\x06\x11\x03\x00\x6b\x00\x03", "S\x00\x01\x00\x00\x00\x09\x11\x03\x06\x02\x2b\x00\x00\x00\x64"), "app", "modbus", "modbus_unit", "17", "modbus_function", "3", "modbus_address", "107"),
		tcpSample("modbus answered", 503, talk("C\x00\x01\x00\x00\x00\x02\x05\x11", "S\x00\x01\x00\x00\x00\x05\x05\x11\x02\x01\xff"), "app", "modbus", "modbus_unit", "5", "modbus_function", "17"),
		tcpSample("dnp3", 20000, []message{{Orig, dnp3Test(0xc0, 10, 1)}, {Resp, dnp3Test(0x00, 1, 10)}}, "app", "dnp3", "dnp3_master", "1", "dnp3_outstation", "10"),
		{name: "dnp3 over udp", orig: 40000, resp: 20000, msgs: []message{{Orig, dnp3Data(0xc4, 10, 1, "\xc0\xc1\x01\x3c\x02\x06")}, {Resp, dnp3Test(0x00, 1, 10)}},
			want: facted{"app": "dnp3", "dnp3_master": "1", "dnp3_outstation": "10", "dnp3_function": "READ"}},
		tcpSample("dnp3 function", 20000, []message{{Orig, dnp3Test(0xc9, 10, 1)}, {Resp, dnp3Test(0x0b, 1, 10)}, // the link's state, then data
			{Orig, dnp3Data(0xc4, 10, 1, "\xc0\xc1\x05\x0c\x01\x28\x01\x00\x07\x00\x01\x01\x64\x00\x00\x00\x64\x00\x00\x00\x00")}},
			"app", "dnp3", "dnp3_master", "1", "dnp3_outstation", "10", "dnp3_function", "DIRECT_OPERATE"),
		tcpSample("s7comm", 102, talk("C"+tpktTest("\x11\xe0\x00\x00\x00\x01\x00\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x01\x22"), "S"+tpktTest("\x11\xd0\x00\x01\x00\x02\x00\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x01\x22"),
			"C"+tpktTest("\x02\xf0\x80\x32\x01\x00\x00\x00\x00\x00\x08\x00\x00\xf0\x00\x00\x01\x00\x01\x01\xe0")), "app", "s7comm", "s7comm_rack", "1", "s7comm_slot", "2"),
		tcpSample("enip", 44818, talk("C"+enipTest(enipRegister, 0, "\x01\x00\x00\x00"), "S"+enipTest(enipRegister, 7, "\x01\x00\x00\x00")), "app", "enip"),
		tcpSample("iec104", 2404, talk("C\x68\x04\x07\x00\x00\x00", "S\x68\x04\x0b\x00\x00\x00", "C\x68\x04\x43\x00\x00\x00", "S\x68\x04\x83\x00\x00\x00"), "app", "iec104"),
		tcpSample("iec104 asdu", 2405, talk("C\x68\x0e\x00\x00\x00\x00\x64\x01\x06\x00\x2f\x00\x00\x00\x00\x14"), "app", "iec104", "iec104_address", "47", "iec104_type", "C_IC_NA_1"),
		tcpSample("iec104 all stations, then one", 2406, talk("C\x68\x04\x07\x00\x00\x00", "S\x68\x04\x0b\x00\x00\x00", "C\x68\x0e\x00\x00\x00\x00\x64\x01\x06\x00\xff\xff\x00\x00\x00\x14",
			"S\x68\x0e\x00\x00\x02\x00\x64\x01\x07\x00\x2f\x00\x00\x00\x00\x14"), "app", "iec104", "iec104_address", "47", "iec104_type", "C_IC_NA_1"),
		tcpSample("opcua", 4840, talk("CHELF"+l32(32+24)+l32(0)+l32(65536)+l32(65536)+l32(0)+l32(0)+l32(24)+"opc.tcp://plc.example:1/"), "app", "opcua", "opcua_endpoint", "opc.tcp://plc.example:1/"),
		tcpSample("hislip", 4880, talk("CHS\x00\x00\x01\x00xx"+u32(0)+n32("hislip0")), "app", "hislip", "hislip_subaddress", "hislip0"),
		{name: "source engine", orig: 40000, resp: 27015, msgs: talk("C"+sourceInfo, "S"+sourcePacket+"I\x11Fun server\x00de_dust2\x00cstrike\x00Counter-Strike\x00\x0a\x00\x05\x10\x00dl\x00\x011.0\x00"),
			want: map[string]string{"app": "source_engine", "source_engine_name": "Fun server", "source_engine_map": "de_dust2", "source_engine_game": "cstrike"}},
		{name: "enip identity", orig: 40000, resp: 44818, msgs: talk("C"+enipTest(enipListIdentity, 0, ""), "S"+enipTest(enipListIdentity, 0, l16(1)+l16(enipIdentity)+l16(33+4+1)+zeros(32)+n8("PLC")+zeros(2))),
			want: map[string]string{"app": "enip", "enip_product": "PLC"}},
	}
	return list
}

// TestDataMiddle holds that sessions whose start was not seen are known by what comes later, and what only looks alike is not.
func TestDataMiddle(t *testing.T) {
	in := newInspector(Config{})
	for _, v := range []struct{ b, want string }{
		{postgresMessage("Q", "select 1\x00"), "postgresql"},
		{postgresMessage("T", zeros(2)) + postgresMessage("C", "SELECT 0\x00") + postgresMessage("Z", "I"), "postgresql"},
		{postgresMessage("Q", "select 1"), ""},
		{mysqlPacket(0, "\x03select 1"), "mysql"},
		{mysqlPacket(0, "\x03selected 1"), ""},
		{mysqlPacket(1, "\x03select 1"), ""},
		{amqpTest(60<<16|40, "\x00\x00") + "\x08\x00\x00\x00\x00\x00\x00\xce", "amqp"},
		{amqpTest(65<<16|40, "\x00\x00"), ""},
		{"\x30" + n8(n16("a/b/c")+"21.5"), "mqtt"},
		{"\x30" + n8(n16("a/#/c")+"21.5"), ""},
		{"\x82" + n8("\x00\x01"+n16("a/#")+"\x00"), "mqtt"},
		{"\xc0\x00", ""},
		{http2Frame(1, 5, 3, headerBlock(":method", "GET", ":scheme", "http", ":path", "/x")), "http2"},
		{http2Frame(1, 5, 3, headerBlock("x", "y")), ""},
		{"\x04\x02\x00\x08" + u32(1) + "\x04\x03\x00\x08" + u32(2), "openflow"},
		{"\x68\x04\x01\x00\x02\x00", ""},
		{"\x68\x04\x01\x00\x02\x00\x68\x04\x43\x00\x00\x00", "iec104"},
	} {
		f := in.NewFlow(true, 50000, 50001)
		in.Segment(f, Orig, 5, false, false, []byte(v.b), uint32(len(v.b)), 0)
		if got := facts(f.App())["app"]; got != v.want {
			t.Errorf("%q: app is %q, want %q", v.b, got, v.want)
		}
		in.Free(f)
	}
}

// TestDataHandover holds that TLS inside is read where a server agrees to it.
func TestDataHandover(t *testing.T) {
	hello := tlsSample(&tls.Config{MinVersion: tls.VersionTLS13}, nil)
	for app, before := range map[string][]message{
		"postgresql": talk("C"+u32(8)+u32(postgresSSL), "SS"),
		"mysql":      talk("S"+mysqlGreetingTest("8.0.36"), "C"+mysqlPacket(1, l32(mysqlProto41|mysqlSSL)+l32(1<<24)+"\x21"+zeros(23))),
		"amqp":       talk("CAMQP\x02\x01\x00\x00", "SAMQP\x02\x01\x00\x00"),
		"rdp":        talk("C"+tpktTest("\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"), "S"+tpktTest("\x0e\xd0\x00\x00\x12\x34\x00\x02\x1f\x08\x00\x02\x00\x00\x00")),
	} {
		s := sample{tcp: true, orig: 40000, resp: 9999, msgs: append(before, hello.msgs...)}
		got := run(t, &s)
		if got["app"] != app || got["sni"] != "host.example.org" || got["tls_version"] != "1.3" {
			t.Errorf("%s: got %v, want app, sni and version", app, got)
		}
	}
}

// TestNoise holds that bytes by chance get no name: from nowhere, and as short frames whose length is right, which
// is what most binary protocols of nobody's interest look like.
func TestNoise(t *testing.T) {
	in := newInspector(Config{})
	r := rand.New(rand.NewPCG(1, 2))
	ports := []uint16{502, 1433, 1883, 2404, 3306, 5432, 5672, 6653, 9042, 9092, 20000, 27017, 44818, 50000}
	for i := range 60000 {
		f := in.NewFlow(true, 40000, ports[i%len(ports)])
		start := i%2 == 0
		for side := Orig; side <= Resp; side++ {
			b := make([]byte, 8+r.IntN(56))
			for j := range b {
				two := r.Uint32()
				b[j] = byte(two) & byte(two>>8) // small numbers are more common than large ones
			}
			switch i % 5 {
			case 1:
				binary.BigEndian.PutUint32(b, uint32(len(b)-4))
			case 2:
				binary.LittleEndian.PutUint32(b, uint32(len(b)))
			case 3:
				binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
			case 4:
				b[1] = byte(len(b) - 2)
			}
			if start {
				in.Segment(f, side, 99, true, false, nil, 0, 0)
			}
			in.Segment(f, side, 100, false, false, b, uint32(len(b)), 0)
			if got := facts(f.App()); len(got) > 0 {
				t.Errorf("%x of side %d, start seen %v: got %v, want nothing", b, side, start, got)
			}
		}
		in.Free(f)
	}
}
