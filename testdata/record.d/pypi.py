# Servers and clients of the libraries that pypi.sh has from PyPI: pypi.py serve|ask PROTOCOL ADDRESS OWN.
import asyncio
import sys
import time

what, protocol, address, own = sys.argv[1:]


def forever():
    while True:
        time.sleep(60)


def dnp3_serve():
    from dnp3_python.dnp3station.outstation import MyOutStation
    from pydnp3 import opendnp3
    station = MyOutStation(outstation_ip=address, port=20000, master_id=2, outstation_id=10)
    station.start()
    station.apply_update(opendnp3.Analog(4.8), 0)
    forever()


def dnp3_ask():
    from dnp3_python.dnp3station.master import MyMaster
    from pydnp3 import opendnp3
    master = MyMaster(master_ip=own, outstation_ip=address, port=20000, master_id=2, outstation_id=10)
    master.start()
    time.sleep(2)
    master.send_direct_operate_command(opendnp3.ControlRelayOutputBlock(opendnp3.ControlCode.LATCH_ON), 3)
    time.sleep(1)
    master.shutdown()


def bacnet_application(name, instance, at):
    from bacpypes3.app import Application
    from bacpypes3.argparse import SimpleArgumentParser
    return Application.from_args(SimpleArgumentParser().parse_args(
        ["--name", name, "--instance", instance, "--address", at + "/24"]))


def bacnet_serve():
    async def run():
        bacnet_application("heating", "1001", address)
        await asyncio.Event().wait()
    asyncio.run(run())


def bacnet_ask():
    from bacpypes3.apdu import ErrorRejectAbortNack
    from bacpypes3.pdu import Address

    async def run():
        app = bacnet_application("panel", "2002", own)
        heating = Address(address)
        await app.who_is(1000, 1100, heating, timeout=2)
        for name in "object-name", "vendor-name", "profile-name":
            try:
                await app.read_property(heating, "device,1001", name)
            except ErrorRejectAbortNack:
                pass
        try:
            await app.write_property(heating, "device,1001", "description", "cellar")
        except ErrorRejectAbortNack:
            pass
        app.close()
    asyncio.run(run())


def s7comm_serve():
    from snap7.server import Server
    from snap7.type import SrvArea
    server = Server(log=False)
    server.register_area(SrvArea.DB, 7, bytearray(64))
    server.start(102)
    forever()


def s7comm_ask():
    from snap7.client import Client
    client = Client()
    client.connect(address, 0, 2)
    for call in (client.get_cpu_info, client.get_cpu_state, lambda: client.db_read(7, 0, 8),
                 lambda: client.db_write(7, 4, b"\x01\x02"), lambda: client.db_read(99, 0, 8)):
        try:
            call()
        except Exception as err:  # some of it is asked for in vain
            print(err)
    client.disconnect()


def opcua_serve():
    from asyncua import Server

    async def run():
        server = Server()
        await server.init()
        server.set_endpoint(f"opc.tcp://{address}:4840/plant")
        async with server:
            await asyncio.Event().wait()
    asyncio.run(run())


def opcua_ask():
    from asyncua import Client

    async def run():
        async with Client(f"opc.tcp://{address}:4840/plant") as client:
            await client.nodes.server.get_children()
    asyncio.run(run())


def iec104_serve():
    import c104
    server = c104.Server(ip=address, port=2404)
    point = server.add_station(common_address=47).add_point(io_address=11, type=c104.Type.M_ME_NC_1)
    point.value = 230.5
    server.start()
    forever()


def iec104_ask():
    import c104
    client = c104.Client()
    connection = client.add_connection(ip=address, port=2404, init=c104.Init.ALL)
    client.start()
    time.sleep(2)
    connection.disconnect()
    time.sleep(0.5)
    client.stop()


def ads_serve():
    from pyads.testserver import AdsTestServer, AdvancedHandler
    AdsTestServer(handler=AdvancedHandler(), ip_address=address, port=48898).start()
    forever()


def ads_ask():
    import pyads
    pyads.open_port()
    pyads.set_local_address(own + ".1.1")
    pyads.close_port()
    plc = pyads.Connection(address + ".1.1", pyads.PORT_TC3PLC1, address)
    with plc:
        plc.read_device_info()
        plc.read_state()


def cassandra_serve():
    """Answers of a node as the protocol's specification has them, version 4, since no server is to be had."""
    import struct

    def text(s):
        return struct.pack(">H", len(s)) + s.encode()

    def rows(names, *values):
        head = struct.pack(">iii", 2, 1, len(names)) + text("system") + text("local") + b"".join(text(n) + b"\0\x0d" for n in names)
        return head + struct.pack(">i", len(values)) + b"".join(struct.pack(">i", len(v)) + v.encode() for row in values for v in row)

    def answer(opcode, body):
        if opcode == 5:
            values = {"CQL_VERSION": ["3.4.6"], "COMPRESSION": ["snappy", "lz4"], "PROTOCOL_VERSIONS": ["3/v3", "4/v4", "5/v5"]}
            return 6, struct.pack(">H", len(values)) + b"".join(
                text(k) + struct.pack(">H", len(v)) + b"".join(map(text, v)) for k, v in values.items())
        if opcode == 1:
            return 3, text("org.apache.cassandra.auth.PasswordAuthenticator")
        if opcode == 15:
            return 16, struct.pack(">i", -1)
        if opcode == 7:
            query = body[4:4 + struct.unpack(">i", body[:4])[0]].decode()
            if "system.local" in query:
                return 8, rows(("key", "cluster_name", "data_center", "rack", "release_version"), ("local", "Test", "dc1", "r1", "4.1.0"))
            if query.startswith("USE"):
                return 8, struct.pack(">i", 3) + text("shop")
            return 8, rows(("key",)) if query.startswith("SELECT") else struct.pack(">i", 1)
        return 2, b""

    async def node(reader, writer):
        try:
            while True:
                version, _, stream, opcode, size = struct.unpack(">BBhBi", await reader.readexactly(9))
                body = await reader.readexactly(size)
                kind, reply = (0, struct.pack(">i", 10) + text(f"Invalid or unsupported protocol version ({version}); supported versions are (3/v3, 4/v4, 5/v5)")) \
                    if version not in (3, 4) else answer(opcode, body)
                writer.write(struct.pack(">BBhBi", 0x80 | min(version, 4), 0, stream, kind, len(reply)) + reply)
        except asyncio.IncompleteReadError:
            writer.close()

    async def run():
        async with await asyncio.start_server(node, address, 9042) as server:
            await server.serve_forever()
    asyncio.run(run())


def cassandra_ask():
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import Cluster
    cluster = Cluster([address], auth_provider=PlainTextAuthProvider("anna", "secret"), schema_metadata_enabled=False, token_metadata_enabled=False)
    cluster.connect("shop").execute("INSERT INTO orders (item, amount) VALUES ('tea', 2)")
    cluster.shutdown()


globals()[f"{protocol}_{what}"]()
