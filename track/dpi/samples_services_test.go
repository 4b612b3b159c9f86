package dpi

import (
	"encoding/binary"
	"testing"
)

// serviceSamples are of databases, queues, logs and measurements, storage, what runs services, and developers' tools.
func serviceSamples() []sample {
	is := func(app string) facted { return facted{"app": app} }
	return []sample{
		streamOf("firebird", 50000, 3050, facted{"app": "gdsdb", "gdsdb_database": "/srv/db/shop.fdb", "gdsdb_user": "sysdba"},
			"o"+u32(1)+u32(19)+u32(3)+u32(36)+u32(16)+"/srv/db/shop.fdb"+u32(1)+u32(28)+"\x09\x06sysdba\x08\x03Srp\x01\x04root\x04\x02vm\x06\x00\x00"+
				"\xff\xff\x80\x0f"+u32(1)+u32(0)+u32(5)+u32(12), "r"+u32(98)+"\xff\xff\x80\x0f"+u32(1)+u32(5)+u32(1)),
		streamOf("firebird answer", 50000, 3050, is("gdsdb"), "r"+u32(98)+"\xff\xff\x80\x0f"+u32(1)+u32(5)+u32(1)),
		streamOf("redis cluster", 50000, 16379, is("redis-cluster"), "oRCmb\x00\x00\x08\xd0\x00\x01\x1bY\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0055d177045667475ec628985194c3967c3a4181df", "rRCmb\x00\x00\x08\xd0\x00\x01\x1bZ\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x005219bb8f843098ec62e43dc26b8049b04885c2ee"),
		streamOf("couchbase", 50000, 11210, is("couchbase"), "o\x80\x1f\x00@\x00\x00\x00\x00\x00\x00\x00\\\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00{\"a\":\"gocbcore/v10.8.1\",\"i\":\"e3c22200b8ed14ed/9b832ca5c7619f30\"}\x00\x02\x00\x06\x00\x08\x00\x1e\x00\x1d\x00\x0c\x00\x07\x00\x0b\x00\x10\x00\x17\x00\x19\x00\x14\x00\x1c\x00\x11", "r\x81\x1f\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x06"),
		streamOf("couchbase alone", 50000, 11210, is("couchbase"), "r\x81\x1f\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x06"),
		streamOf("hbase", 50000, 16020, is("hbase"), "oHBas\x00P\x00\x00\x00 "),
		streamOf("hadoop", 50000, 8020, is("hadoop"), "ohrpc\x09\x00\x00\x00\x00\x00R\x18\x08\x02\x10\x00\x18\x05\"\x10nOIMOpXVX2OPZdwE8\x12\x06\n\x04anna\x1a.org.apache.hadoop.hdfs.protocol.ClientProtocol"),
		streamOf("hdfs block", 50000, 9866, is("hdfsdata"), "o\x00\x1cQB\n;\n1\n/\n$BP-526805057-127.0.0.1-1411980876842\x10\xc9\xe0\xc3\x80\x04\x18\xe9\x07\x12\x06client\x10\x00\x18\x80\x08"),
		streamOf("hdfs block with SASL", 50000, 9866, is("hdfsdata"), "o\xde\xad\xbe\xef\x04\x08\x00\x12\x00"),
		streamOf("rethinkdb", 50000, 28015, is("rethinkdb"), "o\xc3\xbd\xc24{\"protocol_version\":0,\"authentication_method\":\"SCRAM-SHA-256\",\"authentication\":\"n,,n=admin,r=XyZUTVYs5pjP7LMATT/8LGRU\"}\x00"),
		streamOf("rethinkdb cluster", 50000, 29015, is("rethinkdb"), "oRethinkDB 2.4.1~0buster cluster\n\x00", "rRethinkDB 2.4.1~0buster cluster\n\x00"),
		streamOf("arangodb", 50000, 8529, is("arangodb"), "oVST/1.1\r\n\r\n"),
		streamOf("arangodb 1.0", 50000, 8529, is("arangodb"), "oVST/1.0\r\n\r\n"),
		streamOf("aerospike", 50000, 3000, is("aerospike"), "o\x02\x01\x00\x00\x00\x00\x00 node\npartition-generation\nbuild\n", "r\x02\x01\x00\x00\x00\x00\x002node\x09BB9020011AC4202\npartition-generation\x090\nbuild\x096\n"),
		streamOf("hana", 50000, 30015, is("saphdb"), "o\xff\xff\xff\xff\x04\x14\x00\x04\x01\x00\x00\x01\x01\x01"),
		streamOf("ignite", 50000, 10800, is("ignite"), "o\x0e\x00\x00\x00\x01\x01\x00\x07\x00\x00\x00\x02\x0c\x01\x00\x00\x00\x04"),
		streamOf("ignite without features", 50000, 10800, is("ignite"), "o\x08\x00\x00\x00\x01\x01\x00\x02\x00\x00\x00\x02"),
		streamOf("tarantool request", 50000, 3301, is("tarantool"), "o\xce\x00\x00\x00\x18\x82\x01\x01\x00\x01\x86\x10\xcd\x01\x19\x11\x00\x14\x02\x13\x00\x12\xce\xff\xff\xff\xff \x90"),
		streamOf("dubbo", 50000, 20880, is("dubbo"), "o\xda\xbb\xc2\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x1a\x052.0.2\x13org.example.Greeter", "r\xda\xbb\x02\x14\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x03\x91\x05x"),
		streamOf("dubbo answer", 50000, 20880, is("dubbo"), "r\xda\xbb\x02\x14\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x03\x91\x05x"),
		streamOf("pulsar", 50000, 6650, is("pulsar"), "o\x00\x00\x00%\x00\x00\x00!\x08\x02\x12\x1d\n\x11Pulsar-Go-v0.19.0 \x14*\x00R\x04\x08\x01\x10\x01", "r\x00\x00\x00'\x00\x00\x00#\x08\x03\x1a\x1f\n\x12Pulsar Server3.2.0\x10\x13\x18\x80\x80\xc0\x02\"\x02 \x01"),
		streamOf("pulsar answer", 50000, 6650, is("pulsar"), "r\x00\x00\x00'\x00\x00\x00#\x08\x03\x1a\x1f\n\x12Pulsar Server3.2.0\x10\x13\x18\x80\x80\xc0\x02\"\x02 \x01"),
		streamOf("rocketmq", 50000, 9876, is("rocketmq"), "o\x00\x00\x00h\x00\x00\x00d{\"code\":105,\"language\":\"GO\",\"version\":317,\"opaque\":1,\"flag\":0,\"remark\":\"\",\"extFields\":{\"topic\":\"t\"}}", "r\x00\x00\x00\x83\x00\x00\x00\x7f{\"code\":17,\"flag\":1,\"language\":\"JAVA\",\"opaque\":1,\"remark\":\"No topic route info\",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":401}"),
		streamOf("hazelcast", 50000, 5701, is("hazelcast"), "oCP2(\x00\x00\x00\x00\xc1\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x00\xcaA%$\x18m~g\x83\xc9\xd1\xbdS\".\x87\x01\x09\x00\x00\x00\x00\x00dev"),
		streamOf("artemis", 50000, 61616, is("artemis"), "oARTEMIS\x00\x00\x00`'"),
		streamOf("ibm mq", 50000, 1414, is("mq"), "oTSH \x00\x00\x00\\\x02\x011\x00\x00\x00\x00\x00\x00\x00\x00\x00\"\x02\x00\x003\x03\x00\x00ID  \n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		streamOf("ibm mq conversation", 50000, 1414, is("mq"), "rTSHM\x00\x00\x00d\x00\x00\x00\x00\x00\x00\x00\x00\x02\x010\x00\x00\x00\x00\x00\x00\x00\x00\x00\"\x02\x00\x003\x03\x00\x00ID  \n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		streamOf("ibm mq of a mainframe", 50000, 1414, is("mq"), "o\xe3\xe2\xc8@\x00\x00\x00\\\x01\x011\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x11\x01\xf4\x00\x00\xc9\xc4@@\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		streamOf("nanomsg", 50000, 5560, is("nanomsg"), "o\x00SP\x00\x000\x00\x00", "r\x00SP\x00\x001\x00\x00"),
		streamOf("jgroups", 50000, 7800, is("jgroups"), "obela!@\x00\x07\x04\n\x00\x00\x01\x1ex"),
		streamOf("t3", 50000, 7001, is("t3"), "ot3 12.1.2\nAS:2048\nHL:19\n\n", "rHELO:12.1.2.0.0.false\nAS:2048\nHL:19\n\n"),
		streamOf("t3 answer", 50000, 7001, is("t3"), "rHELO:12.1.2.0.0.false\nAS:2048\nHL:19\n\n"),
		streamOf("net.tcp", 50000, 808, is("mc-nmf"), "o\x00\x01\x00\x01\x02\x02\x20net.tcp://server.example:808/svc\x03\x08\x0c"),
		streamOf("brpc", 50000, 8000, is("brpc"), "oPRPC\x00\x00\x004\x00\x00\x00'\n\x1d\n\x13example.EchoService\x12\x04Echo", "rPRPC\x00\x00\x00\x19\x00\x00\x00\x0c\x12\x02\x08\x00"),
		streamOf("memberlist stream", 50000, 7946, is("memberlist"), "o\x09\x82\xa4Algo\x00\xa3Buf\xda\x00\xc5\x00\r"),
		streamOf("serf", 50000, 7373, is("serf"), "o\x82\xa7Command\xa9handshake\xa3Seq\x00\x81\xa7Version\x01", "r\x82\xa5Error\xa0\xa3Seq\x00"),
		streamOf("sap router", 50000, 3299, is("saprouter"), "o\x00\x00\x007NI_ROUTE\x00\x02(\x02\x00\x00", "r\x00\x00\x00PNI_RTERR\x00(\x00\x00\xff\xff\xff\xa4"),
		streamOf("sap router ping", 50000, 3299, is("sapni"), "r\x00\x00\x00\x08NI_PONG\x00"),
		streamOf("sap router asked", 50000, 3299, is("sapni"), "o\x00\x00\x00\x08NI_PING\x00"),
		streamOf("relp", 50000, 2514, is("relp"), "o1 open 86 relp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog\n", "r1 rsp 93 200 OK\nrelp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog\n"),
		streamOf("relp answer", 50000, 2514, is("relp"), "r1 rsp 93 200 OK\nrelp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog\n"),
		streamOf("splunk", 50000, 9997, is("splunk"), "o--splunk-cooked-mode-v3--\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		streamOf("fluentd", 50000, 24224, is("fluentd"), "o\x93\xaaapp.follow\xd7\x00k\n\xdcB-\x04\xf0\xb3\x81\xa4from\xa1a"),
		streamOf("fluentd in seconds", 50000, 24224, is("fluentd"), "o\x93\xaaapp.follow\xcek\n\xdcB\x81\xa4from\xa1a"),
		streamOf("fluentd packed", 50000, 24224, is("fluentd"), "o\x93\xa3app\xc4\x10\x92\xd7\x00k\n\xdcB-\x04\xf0\xb3\x81\xa1a\xa1b\x81\xa4size\x01"),
		streamOf("fluentd with a key", 50000, 24224, is("fluentd"), "r\x92\xa4HELO\x83\xa5nonce\xc4\x02ab", "o\x96\xa4PING\xa4host"),
		streamOf("gelf", 50000, 12201, is("gelf"), "o{\"version\":\"1.1\",\"host\":\"web\",\"short_message\":\"hello\",\"timestamp\":1795873858.95,\"level\":3}\x00"),
		streamOf("riemann", 50000, 5555, is("riemann"), "o\x00\x00\x00)2'\x12\x02ok\x1a\x01aJ\x1c\n\x08x-client\x12\x10riemann-c-clienth\x02", "r\x00\x00\x00\x02\x10\x01"),
		streamOf("opentsdb", 50000, 4242, is("opentsdb"), "oput sys.cpu.user 1356998400 42.5 host=webserver01 cpu=0\n"),
		streamOf("graphite", 50000, 2003, is("graphite"), "oservers.web.load 0.42 1795873858\n"),
		streamOf("influxdb", 50000, 9009, is("influxdb"), "ocpu,host=web usage=42.5,idle=3i 1795873858000000000\n"),
		streamOf("munin", 50000, 4949, is("munin"), "r# munin node at h.example\n", "olist\n"),
		streamOf("ganglia xml", 50000, 8649, is("ganglia"), "r<?xml version=\"1.0\" encoding=\"ISO-8859-1\" standalone=\"yes\"?>\n<!DOCTYPE GANGLIA_XML [\n"),
		streamOf("checkmk", 50000, 6556, is("checkmk"), "r<<<check_mk>>>\nVersion: 2.2.0\nAgentOS: linux\n"),
		streamOf("nrpe", 50000, 5666, is("nrpe"), "o\x00\x04\x00\x01\xb3Y\xa4}\x00\x00\x00\x00\x00\x00\x03\xfca"+nuls(1019), "r\x00\x04\x00\x02\xb6N\xde\x92\x00\x00\x00\x00\x00\x00\x00\x03hi\x00"),
		streamOf("nrpe 2", 50000, 5666, is("nrpe"), "o\x00\x02\x00\x01\xda\x65\x92\x7f\x39<a"+nuls(1023)+"b1", "r\x00\x02\x00\x02\xefj\xcf>\x00\x00hi"+nuls(1022)+"Lv"),
		streamOf("galera", 50000, 4567, is("galera"), "r\x24\x00\x00\x02\x6e\xc4\xfe\x03\x00\x01\x10\x00\x60\x23\xe6\xb9\xeb\x35\x11\xf1\x9a\x46\xc2\x5d\x83\x2f\xe8\xd7\x64\x4a\xba\xdb\xeb\x35\x11\xf1\x97\xa6\x8a\xb5\x43\x66\xab\x01"),
		streamOf("galera answer", 50000, 4567, is("galera"), "o\x84\x00\x00\x02\xcd\x2e\xb2\x77\x00\x02\x15\x00\x64\x4a\x70\x35\xeb\x35\x11\xf1\x8a\x92\x03\xe0\xca\x50\x79\x3b"+
			"\x64\x4a\xba\xdb\xeb\x35\x11\xf1\x97\xa6\x8a\xb5\x43\x66\xab\x01tcp://127.0.0.1:4569"+nuls(44)+"c"+nuls(31)),
		streamOf("graphite pickle", 50000, 2004, is("graphite"), "o\x00\x00\x00\x3a\x80\x02]q\x00X\x10\x00\x00\x00servers.web.loadq\x01JB\xdc\nkG?\xda\xe1G\xae\x14z\xe1\x86q\x02\x86q\x03a."),
		streamOf("tarantool later", 50000, 3301, is("tarantool"), "o\xce\x00\x00\x00\x0e\x82\x00\x01\x01\xcf\x00\x00\x00\x00\x00\x00\x01\x00\x80\x00\x00\x00"),
		streamOf("livestatus", 50000, 6557, is("livestatus"), "oGET hosts\nColumns: name\n\n"),
		streamOf("nut", 50000, 3493, is("nut"), "oLIST VAR ups\n", "rBEGIN LIST VAR ups\n"),
		streamOf("nut answer", 50000, 3493, is("nut"), "rBEGIN LIST UPS\nUPS ups \"Description unavailable\"\nEND LIST UPS\n"),
		streamOf("nut secured", 50000, 3493, is("nut"), "oSTARTTLS\n", "rERR FEATURE-NOT-CONFIGURED\n"),
		streamOf("apcupsd", 50000, 3551, is("apcupsd"), "o\x00\x06status", "r\x00\x18APC      : 001,019,0449\n"),
		streamOf("apcupsd events", 50000, 3551, is("apcupsd"), "o\x00\x06events"),
		streamOf("apcupsd answer", 50000, 3551, is("apcupsd"), "r\x00\x18APC      : 001,019,0449\n"),
		streamOf("gpsd", 50000, 2947, is("gpsd"), "r{\"class\":\"VERSION\",\"release\":\"3.22\",\"rev\":\"3.22\",\"proto_major\":3,\"proto_minor\":14}\r\n", "o?WATCH={\"enable\":true,\"json\":true};\n"),
		streamOf("varnish", 50000, 6082, is("varnish"), "r107 59      \njlvukyyiqshuttdrrfvebhbanociqeow\n\nAuthentication required.\n\n", "oauth c6a5\n"),
		streamOf("varnish without a secret", 50000, 6082, is("varnish"), "r200 277     \n-----------------------------\nVarnish Cache CLI 1.0\n-----------------------------\n"),
		streamOf("qmp", 50000, 4444, is("qmp"), "r{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"Debian 1:7.2\"}, \"capabilities\": [\"oob\"]}}\r\n", "o{\"execute\":\"qmp_capabilities\"}\n"),
		streamOf("haproxy peers", 50000, 10001, is("haproxy-peers"), "oHAProxyS 2.1\nme\nyou 2910 1\n", "r200\n\x00\x00"),
		streamOf("asterisk", 50000, 5038, is("asterisk"), "rAsterisk Call Manager/2.10.4\r\n", "oAction: Login\r\n"),
		streamOf("freeswitch", 50000, 8021, is("freeswitch"), "rContent-Type: auth/request\n\n", "oauth x\n\n"),
		streamOf("bacula", 50000, 9101, is("bacula"), "o\x00\x00\x00\x1eHello *UserAgent* calling 100\n", "r\x00\x00\x00.auth cram-md5 <399556357.1795874247@fd> ssl=0\n"),
		streamOf("bacula answer", 50000, 9102, is("bacula"), "r\x00\x00\x00.auth cram-md5 <399556357.1795874247@fd> ssl=0\n"),
		streamOf("spamd", 50000, 783, is("spamd"), "oPING SPAMC/1.2\r\n\r\n", "rSPAMD/1.5 0 PONG\r\n"),
		streamOf("clamd", 50000, 3310, is("clamav"), "ozINSTREAM\x00\x00\x00\x00\x05hello", "rstream: OK\x00"),
		streamOf("postfix policy", 50000, 10023, is("postfix-policy"), "orequest=smtpd_access_policy\nprotocol_state=RCPT\n", "raction=DUNNO\n\n"),
		streamOf("vmware", 50000, 902, is("vmware-authd"), "r220 VMware Authentication Daemon Version 1.10: SSL Required, ServerDaemonProtocol:SOAP, MKSDisplayProtocol:VNC , ,\r\n"),
		streamOf("isns", 50000, 3205, is("isns"), "o\x00\x01\x00\x03\x00@\x8c\x00\x00\x01\x00\x00\x00\x00\x00 \x00\x00\x00(iqn.1993-08.org.debian:01:bc182f0763e\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00 \x00\x00\x00\x00\x00\x00\x00\x00", "r\x00\x01\x80\x03\x00\x04L\x00\x00\x01\x00\x00\x00\x00\x00\x09"),
		streamOf("isns answer", 50000, 3205, is("isns"), "r\x00\x01\x80\x03\x00\x04L\x00\x00\x01\x00\x00\x00\x00\x00\x09"),
		streamOf("ndmp", 50000, 10000, is("ndmp"), "r\x80\x00\x00$\x00\x00\x00\x01e\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00", "o\x80\x00\x00\x1c\x00\x00\x00\x01e\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04"),
		streamOf("9p", 50000, 564, is("9p"), "o\x15\x00\x00\x00d\xff\xff\x00\x00\x01\x00\x08\x009P2000.L", "r\x15\x00\x00\x00e\xff\xff\x00\x00\x01\x00\x08\x009P2000.L"),
		streamOf("9p of plan 9", 50000, 564, is("9p"), "o\x13\x00\x00\x00d\xff\xff\x00 \x00\x00\x06\x009P2000"),
		streamOf("unison", 50000, 9999, is("unison"), "rUnison 2.51 with OCaml >= 4.01.2\n\x01\x00\x00\x00o"),
		streamOf("gdb", 50000, 1234, is("gdb"), "o+$qSupported:multiprocess+;swbreak+;xmlRegisters=i386#77", "r+$PacketSize=47ff;QPassSignals+"),
		streamOf("gdb without a sign", 50000, 1234, is("gdb"), "o$qSupported:multiprocess+;swbreak+;xmlRegisters=i386#77"),
		streamOf("lldb", 50000, 1234, is("gdb"), "o+$QStartNoAckMode#b0", "r+$OK#9a"),
		streamOf("gdb answer", 50000, 1234, is("gdb"), "r+$PacketSize=47ff;QPassSignals+"),
		streamOf("debugpy", 50000, 5678, is("dap"), "rContent-Length: 138\r\n\r\n{\"seq\": 1, \"type\": \"event\", \"event\": \"output\", \"body\": {\"category\": \"telemetry\", \"output\": \"ptvsd\", \"data\": {\"packageVersion\": \"1.8.22\"}}}", "oContent-Length: 110\r\n\r\n{\"seq\":1,\"type\":\"request\",\"command\":\"initialize\",\"arguments\":{\"adapterID\":\"a\",\"clientID\":\"b\",\"pathFormat\":\"path\"}}"),
		streamOf("debug adapter", 50000, 4711, is("dap"), "oContent-Length: 110\r\n\r\n{\"seq\":1,\"type\":\"request\",\"command\":\"initialize\",\"arguments\":{\"adapterID\":\"a\",\"clientID\":\"b\",\"pathFormat\":\"path\"}}", "rContent-Length: 84\r\n\r\n{\"type\":\"response\",\"request_seq\":1,\"success\":true,\"command\":\"initialize\",\"seq\":1}"),
		streamOf("language server", 50000, 2087, is("lsp"), "oContent-Length: 93\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"processId\":null,\"capabilities\":{}}}"),
		streamOf("xdebug", 50000, 9003, is("dbgp"), "o467\x00<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<init xmlns=\"urn:debugger_protocol_v1\" xmlns:xdebug=\"https://xdebug.org/dbgp/xdebug\">"),
		streamOf("cvs", 50000, 2401, is("cvspserver"), "oBEGIN AUTH REQUEST\n/srv/cvs\nroot\nA!\nEND AUTH REQUEST\n", "rI HATE YOU\n"),
		streamOf("cvs verified", 50000, 2401, is("cvspserver"), "oBEGIN VERIFICATION REQUEST\n/srv/cvs\nroot\nA!\nEND VERIFICATION REQUEST\n", "rI LOVE YOU\n"),
		streamOf("perforce", 50000, 1666, facted{"app": "perforce", "perforce_user": "anna", "perforce_command": "info"},
			"o"+perforceTest("cmpfile", "", "client", "100", "host", "vm", "sndbuf", "2954879", "func", "protocol")+
				perforceTest("prog", "P4API/LINUX26X86_64/2026.1/2972966", "client", "vm", "cwd", "/home/anna", "user", "anna", "clientCase", "0", "func", "user-info")),
		streamOf("bazaar", 50000, 4155, is("bzr"), "obzr message 3 (bzr 1.6)\n\x00\x00\x00\x1cd16:Software version5:3.3.2e", "rbzr message 3 (bzr 1.6)\n\x00\x00\x00\x1cd16:Software version5:3.3.2e"),
		streamOf("bazaar 2", 50000, 4155, is("bzr"), "obzr request 2\nget\x01a\n", "rbzr response 2\nsuccess\n"),
		streamOf("ident", 50000, 113, is("ident"), "o6193, 113\r\n", "r6193,113:ERROR:NO-USER\r\n"),
		streamOf("ident elsewhere", 50000, 1113, is("ident"), "r6193, 23 : USERID : UNIX : anna\r\n"),
		streamOf("dict", 50000, 2628, is("dict"), "oclient \"dict 1.13.0/rf on Linux\"\r\ndefine * \"hello\"\r\n", "r220 vm dictd 1.13.0/rf on Linux <auth.mime> <1.13627.1795873824@vm>\r\n250 ok\r\n"),
		streamOf("dict of curl", 50000, 2628, is("dict"), "oCLIENT libcurl 7.88.1\r\nDEFINE ! hello\r\nQUIT\r\n"),
		streamOf("dict answer", 50000, 2629, is("dict"), "r220 vm dictd 1.13.0/rf on Linux <auth.mime> <1.13627.1795873824@vm>\r\n250 ok\r\n"),
		streamOf("poppassd", 50000, 106, is("poppassd"), "r200 poppassd v1.8.5 hello, who are you?\r\n", "ouser anna\r\n"),
		streamOf("rsocket", 50000, 7000, is("rsocket"), "o\x00\x00\x34\x00\x00\x00\x00\x04\x00\x00\x01\x00\x00\x00\x00\x03\xe8\x00\x09\x27\xc0\x10application/json\x10application/json"),
		streamOf("dbus", 50000, 12434, is("dbus"), "o\x00AUTH EXTERNAL 30\r\n", "rREJECTED EXTERNAL ANONYMOUS\r\n"),
		streamOf("dbus answer", 50000, 12434, is("dbus"), "rOK 2c1b449f34be650f81df04ff6b0ae48f\r\n"),
		streamOf("dbus refusal", 50000, 12434, is("dbus"), "rREJECTED EXTERNAL ANONYMOUS\r\n"),
		streamOf("net remoting", 50000, 8085, is("ms-nrtp"), "o.NET\x01\x00\x00\x00\x00\x00\x86\x00\x00\x00\x04\x00\x01\x01\x1a\x00\x00\x00tcp://server.example:8085/a", "r.NET\x01\x00\x02\x00\x00\x00\x10\x00\x00\x00\x00\x00"),
		streamOf("milter", 50000, 8891, is("milter"), "o\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x00\x01\x00\x00\x00\x00", "r\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x00\x01\x00\x00\x00\x00"),
		streamOf("dovecot auth", 50000, 12345, is("dovecot-auth"), "oVERSION\t1\t2\nCPID\t1\n", "rVERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t10630\n"),
		streamOf("dovecot auth answer", 50000, 12345, is("dovecot-auth"), "rVERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t10630\n"),
		streamOf("usbip", 50000, 3240, is("usbip"), "o\x01\x11\x80\x05\x00\x00\x00\x00", "r\x01\x11\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00"),
		streamOf("usbip answer", 50000, 3240, is("usbip"), "r\x01\x11\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00"),
		streamOf("usbip import", 50000, 3240, is("usbip"), "o\x01\x11\x80\x03\x00\x00\x00\x001-1"+nuls(29)),
		streamOf("sane", 50000, 6566, is("sane"), "o\x00\x00\x00\x00\x01\x01\x00\x03\x00\x00\x00\x00", "r\x00\x00\x00\x00\x01\x01\x00\x03"),
		streamOf("rserve", 50000, 6311, is("rserve"), "rRsrv0103QAP1\r\n\r\n--------------\r\n"),
		streamOf("guacd", 50000, 4822, is("guacd"), "o6.select,3.vnc;", "r4.args,13.VERSION_1_1_0,8.hostname,4.port;"),
		streamOf("guacd answer", 50000, 4822, is("guacd"), "r4.args,13.VERSION_1_1_0,8.hostname,4.port;"),
		streamOf("lcdproc", 50000, 13666, is("lcdproc"), "ohello\n", "rconnect LCDproc 0.5.9 protocol 0.3 lcd wid 20 hgt 4 cellwid 5 cellhgt 8\n"),
		streamOf("sam", 50000, 7656, is("i2p-sam"), "oHELLO VERSION MIN=3.0 MAX=3.3\n", "rHELLO REPLY RESULT=OK VERSION=3.3\n"),
		streamOf("sam answer", 50000, 7656, is("i2p-sam"), "rHELLO REPLY RESULT=OK VERSION=3.3\n"),
		streamOf("nx", 50000, 4008, is("nx"), "oNXPROXY-3.5.0-3.5.99 stream=default,data=default ", "rNXPROXY-3.5.0-3.5.99 link=lan,pack=adaptive-9,cache=0 "),
		streamOf("cgp", 50000, 2598, is("citrix"), "o\x1aCGP/01\x01", "r\x1aCGP/01\x01"),
		streamOf("radmin", 50000, 4899, is("radmin"), "o\x01\x00\x00\x00\x01\x00\x00\x00\x08\x08", "r\x01\x00\x00\x00%\x00\x00\x02\x12\x08\x02\x00\x00\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		streamOf("radmin answer", 50000, 4899, is("radmin"), "r\x01\x00\x00\x00%\x00\x00\x02\x12\x08\x02\x00\x00\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		datagramsOf("memberlist ping", 50000, 7946, is("memberlist"), "o\x00\x85\xa4Node\xa1a\xa5SeqNo\x01\xaaSourceAddr\xa4\x7f\x00\x00\x01\xaaSourceNode\xa1b\xaaSourcePort\xcd\x1f\x0b"),
		datagramsOf("memberlist ack", 50000, 7946, is("memberlist"), "r\x02\x82\xa7Payload\xda\x00\x82\x01\x84\xaa"),
		datagramsOf("memberlist compressed", 50000, 7946, is("memberlist"), "o\x09\x82\xa4Algo\x00\xa3Buf\xda\x00z\x00\x0f\x08"),
		datagramsOf("memberlist with a sum", 50000, 7946, is("memberlist"), "o\x0c\x06\xc6[\xe6\x07\x02\x00;\x00;\x04\x86\xa4Addr\xa4\x7f\x00\x00\x01\xabIncarnation\x01\xa4Meta\xa2\xff\x80\xa4Node\xa1b\xa4Port\xcd\x1f\x0b\xa3Vsn\xa6\x01\x05\x02\x02\x05\x05\x04\x86\xa4Addr\xa4\x7f\x00\x00\x01\xabIncarnation\x01\xa4Meta\xa2\xff\x80\xa4Node\xa1a\xa4Port\xcd\x1f\n\xa3Vsn\xa6\x01\x05\x02\x02\x05\x05"),
		datagramsOf("gelf", 50000, 12201, is("gelf"), "o{\"version\":\"1.0\",\"host\":\"vm\",\"short_message\":\"hello\",\"timestamp\":1795873858.9,\"level\":3}"),
		datagramsOf("gelf zlib", 50000, 12201, is("gelf"), "ox\x9c5\x8e\xcd\x0e\x820\x10\x84_\xc5\xecI\x13\xe4GD("),
		datagramsOf("gelf gzip", 50000, 12201, is("gelf"), "o\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x035\x8e\xcd\x0e"+nuls(16)),
		datagramsOf("gelf pieces", 50000, 12202, is("gelf"), "o\x1e\x0f%\xca\xf0\xd3\xfcS\xfa\xa3\x00\x03x\x9c5\x98\xdb\x8e\x1c"),
		datagramsOf("ganglia", 50000, 8649, is("ganglia"), "o\x00\x00\x00\x84\x00\x00\x00\x02vm\x00\x00\x00\x00\x00\x09heartbeat\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02%u\x00\x00k\n\xdc\xd8"),
		datagramsOf("ganglia of a metric", 50000, 8649, is("ganglia"), "o\x00\x00\x00\x80\x00\x00\x00\x02vm\x00\x00\x00\x00\x00\x09heartbeat\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06uint32\x00\x00\x00\x00"),
		datagramsOf("amanda", 50000, 10080, is("amanda"), "oAmanda 2.6 REQ HANDLE 000-00000000 SEQ 0\nSERVICE noop\n"),
		datagramsOf("graphite", 50000, 2003, is("graphite"), "oservers.web.load 0.42 1795873858\n"),
		datagramsOf("influxdb", 50000, 8089, is("influxdb"), "ocpu,host=web usage=42.5"),
		datagramsOf("cups", 50000, 631, is("cups"), "o2 3 ipp://printer.example:631/printers/a \"here\" \"A printer\" \"Make\"\n"),
	}
}

// perforceTest makes a message of variables and their values.
func perforceTest(variables ...string) string {
	var body []byte
	for i := 0; i < len(variables); i += 2 {
		body = append(append(body, variables[i]...), 0)
		body = binary.LittleEndian.AppendUint32(body, uint32(len(variables[i+1])))
		body = append(append(body, variables[i+1]...), 0)
	}
	head := binary.LittleEndian.AppendUint32([]byte{0}, uint32(len(body)))
	head[0] = head[1] ^ head[2] ^ head[3] ^ head[4]
	return string(head) + string(body)
}

// TestSignsNotNamed sends what begins as a protocol does and does not go on so.
func TestSignsNotNamed(t *testing.T) {
	stream := []string{
		"\xda\xbb\xc2\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x1a", // a request has no status
		"\xda\xbb\x02\x15\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x03", // no status of a response
		"\x00\x00\x00\x25\x00\x00\x00\x20\x08\x02\x12\x1d\x0a\x11Pulsar",   // lengths that do not fit
		"\x00\x00\x00\x68\x00\x00\x00\x64{\"kode\":105}",
		"\x00\x1c\x51\x10\x0a\x08\x0a\x06BPBPBP",
		"\xde\xad\xbe\xef\x00\x00\x00\x01", "TSH \x00\x00\x00\x05\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00",
		"TSHIRTS ARE CHEAP TODAY\n", "\x00SP\x00\x00\x10\x00\x01", "bela\x00\x00\x00\x05", "belaboured words here\n",
		"t3 bird\nAS:2048\n", "HELO: world\r\nAS:1\r\n", "\x00\x01\x00\x01\x02\x02\x0fhttp://example.org",
		"\x93\x01\xa1a\xa1b" + nuls(20), "\x93\xa4sub1\xa4name\xa5value and more", "\x92\xa3one\x92\xa3two\xa5three" + nuls(20),
		"{\"version\":\"1.0\",\"text\":\"hello\"}\n", "put metric now 1 a=b\n",
		"load 0.42 1795873858\n", "a.b 0.42 late\n", "a.b 0.42 1795873858 more\n", "a.b one 1795873858\n",
		"cpu usage=1\n", "cpu usage=1 1795873858\n", "GET hosts.txt\n", "GET /status\n", "LIST\n", "LIST files\n", "STARTTLS\n", "USERNAME anna\n",
		"200 12          x", "200 nothing     \n", "\x00\x00\x00\x1eHello *UserAgent* kalling 100\n",
		"\x00\x01\x00\x03\x00\x40\x8c\x00\x00\x01\x00\x01", "\x00\x01\x00\x03\x00\x40\xcc\x00\x00\x01\x00\x00", "\x00\x01\x00\x03\x00\x41\x8c\x00\x00\x01\x00\x00",
		"\x15\x00\x00\x00\x64\xff\xff\x00\x00\x01\x00\x07\x009P2000.L", "Unison of all\n", "\x24\x00\x00\x02\x6e\xc4\xfe\x03\x00\x01\x10\x00" + nuls(32),
		"\x00\x04\x00\x01\xb3\x59\xa4\x7d\x00\x00\x00\x00\x00\x00\x03\xfcb" + nuls(1019), "\x00\x02\x00\x01" + nuls(1032),
		"Content-Length: 5\r\n\r\nhello", "Content-Length: 17\r\n\r\n{\"type\":\"event\"}", "Content-Length: 26\r\n\r\n{\"seq\":1,\"type\":\"request\"}", "Content-Length: 40\r\n\r\n{\"jsonrpc\":\"2.0\",\"method\":\"shutdown\"}",
		"467\x00<?xml version=\"1.0\"?>\n<other/>", "6193, 23\r\n", "6193, 23 : OTHER : x\r\n", "70000, 23 : USERID : UNIX : anna\r\n",
		"220 <one> <two three>\r\n", "220 mail.example <one> ready\r\n", "220 mail.example <a@b.example> <c@d.example>\r\n", "CLIENT one\r\n", "HELLO VERSIONS\n", "HELLO world\n",
		"NXPROXY-one", "OK 2c1b449f34be650f81df04ff6b0ae48\r\n", "OK hello\r\n", "\x00AUTHORS", "VERSION\t1\t2\nOTHER\t1\n" + nuls(20), "Rsrv0103QAP2\r\n", "6.select,vnc;", "4.args,one",
		"\x00\x00\x00\x0dO\x00\x00\x00\x09\x00\x00\x00\x01", "\x00\x00\x00\x00\x01\x05\x00\x03\x00\x00\x00\x00", "\x00\x00\x34\x00\x00\x00\x00\x04\x00\x00\x02\x00\x00\x00\x00\x03\xe8", ".NET\x01\x00\x05\x00\x00\x00", "1 open the door\n", "1 rsp 3 500 no\n", "zebra\x00", "nothing\n", "CHECK this\r\n", "PING pong\r\n",
	}
	datagrams := []string{
		"\x00\x85\xa4Name\xa1a\xa5SeqNo\x01", "\x0c\x00\x00\x00\x01\x07\x02" + nuls(20), "\x1e\x0f12345678\x00\x02 text", "\x1e\x0f12345678\x01\x02\x78\x9c",
		"\x78\x9c\x35\x8e" + nuls(20), "\x1f\x8b\x08" + nuls(20), "\x00\x00\x00\x84\x00\x00\x00\x02vm\x01\x00\x00\x00\x00\x01a\x00\x00\x00",
		"Amanda 2.6 RAN AWAY WITH US", "2 3 http://a.example/", "load 0.42 1795873858\n", "cpu,host=web usage=42.5",
	}
	in := newInspector(Config{})
	for _, tcp := range []bool{true, false} {
		all := stream
		if !tcp {
			all = datagrams
		}
		for _, said := range all {
			for side := Orig; side <= Resp; side++ {
				s := sample{tcp: tcp, orig: 40000, resp: 7777, msgs: []message{{side, []byte(said)}}}
				if got := s.on(in); len(got) > 0 {
					t.Errorf("%q: got %v, want nothing", said, got)
				}
			}
		}
	}
}
