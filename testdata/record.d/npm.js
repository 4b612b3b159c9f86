// Servers and clients of the packages that npm.sh has from npm: npm.js serve|ask PROTOCOL ADDRESS.
const [what, protocol, address] = process.argv.slice(2);
const from = (name) => require(process.cwd() + "/build/record/node/node_modules/" + name);

const talks = {
  minecraft: {
    serve() {
      const mc = from("minecraft-protocol");
      const server = mc.createServer({ host: address, port: 25565, "online-mode": false, version: "1.20.4", motd: "A test", maxPlayers: 5 });
      server.on("playerJoin", (client) => client.end("Come back later"));
    },
    ask() {
      const mc = from("minecraft-protocol");
      mc.ping({ host: address, port: 25565, version: "1.20.4" }, () => {
        const client = mc.createClient({ host: address, port: 25565, username: "anna", version: "1.20.4", auth: "offline" });
        for (const end of ["end", "error", "disconnect", "kick_disconnect"]) client.on(end, () => process.exit());
      });
    },
  },
  smpp: {
    serve() {
      from("smpp").createServer((session) => {
        session.on("bind_transceiver", (pdu) => session.send(pdu.response({ system_id: "centre" })));
        session.on("submit_sm", (pdu) => session.send(pdu.response({ message_id: "1" })));
        session.on("unbind", (pdu) => { session.send(pdu.response()); session.close(); });
      }).listen(2775, address);
    },
    ask() {
      const session = from("smpp").connect(`smpp://${address}:2775`, () => {
        session.bind_transceiver({ system_id: "shop", password: "secret", system_type: "till" }, () =>
          session.submit_sm({ source_addr: "shop", destination_addr: "4670000000", short_message: "ready" }, () =>
            session.unbind(() => session.close())));
      });
    },
  },
  mongodb: {
    async ask() {
      const { MongoClient } = from("mongodb");
      const client = new MongoClient(`mongodb://anna:secret@${address}:27017/shop?directConnection=true`, { appName: "till", serverSelectionTimeoutMS: 8000 });
      const orders = client.db("shop").collection("orders");
      await orders.insertOne({ item: "tea", amount: 2 });
      await orders.find({ item: "tea" }).toArray();
      await client.close();
    },
  },
};

talks[protocol][what]();
