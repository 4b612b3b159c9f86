# Servers and clients of the libraries that homes.sh has from PyPI: homes.py serve|ask PROTOCOL ADDRESS.
import socketserver
import sys
import time

what, protocol, address = sys.argv[1:]


def mms_serve():
    import pyiec61850 as iec
    model = iec.IedModel_create("bay")
    iec.LogicalNode_create("LLN0", iec.LogicalDevice_create("CTRL", model))
    server = iec.IedServer_create(model)
    iec.IedServer_start(server, 10102)
    while True:
        time.sleep(60)


def mms_ask():
    import pyiec61850 as iec
    connection = iec.IedConnection_create()
    iec.IedConnection_connect(connection, address, 10102)
    iec.IedConnection_getLogicalDeviceList(connection)
    iec.IedConnection_close(connection)


def tuya_serve():
    # An appliance that only closes: what its module answers is nothing that a library has.
    class Appliance(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(1024)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
    Server((address, 6668), Appliance).serve_forever()


def tuya_ask():
    import tinytuya
    for version in 3.3, 3.5:
        lamp = tinytuya.BulbDevice("bf0123456789abcdefghij", address, "0123456789abcdef", version=version,
                                   connection_timeout=2, connection_retry_limit=1)
        lamp.status()


globals()[f"{protocol}_{what}"]()
