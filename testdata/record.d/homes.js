// A node that is looked for and one that looks, of the package that homes.sh has from npm: homes.js serve|ask ADDRESS.
const [what, address] = process.argv.slice(2);
const { DPT } = require(process.cwd() + "/build/record/node-homes/node_modules/@ethereumjs/devp2p");

const dpt = new DPT(new Uint8Array(32).fill(what == "serve" ? 1 : 2), { endpoint: { address: what == "serve" ? address : "192.0.2.10", udpPort: 30303, tcpPort: 30303 }, refreshInterval: 2000 });
dpt.events.on("error", () => {});
dpt.bind(30303, what == "serve" ? address : "192.0.2.10");
if (what == "ask") {
  dpt.bootstrap({ address, udpPort: 30303, tcpPort: 30303 }).catch(() => {});
  setTimeout(() => process.exit(), 6000);
} else {
  require("net").createServer().listen(30303, address); // for who waits until it is up
}
