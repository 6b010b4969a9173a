"use strict";

// The end of a kept connection belongs to no request: not to the one that it has served, and not to
// the one that has been the first on a quiet server. The events of an end are those of net.Socket.
const assert = require("assert");
const { AsyncLocalStorage } = require("async_hooks");
const http = require("http");
const { join } = require("path");

const PERIOD = 20;
const { setTimeout } = global;
global.setTimeout = (call) => setTimeout(call, PERIOD);
const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { ClientSocket } = require(join(LIBRARY, "client_socket"));
const { prepareServer } = require(join(LIBRARY, "http_server"));
global.setTimeout = setTimeout;

const visitors = ["one", "two", "three"];
const storage = new AsyncLocalStorage();
const server = http.createServer();
prepareServer(server);
const stores = [];
// Keeps the process; the timer under test does not.
const running = setTimeout(() => assert.fail(`closed: ${stores.length}`), 60000);
server.on("connection", (socket) => socket.on("close", (hadError) => {
    assert.strictEqual(hadError, false);
    stores.push(storage.getStore());
    if (stores.length === visitors.length) {
        clearTimeout(running);
        assert.deepStrictEqual(stores, visitors.map(() => undefined));
    }
}));
const announce = (socket) => server.emit("connection", socket);
// The timer has fired by then, with nothing to do.
setTimeout(() => {
    visitors.forEach((visitor, i) => storage.run(visitor, () => {
        ClientSocket.of(server, { address: "192.0.2.1", port: String(i + 1) }, { announce }).keep();
    }));
}, 3 * PERIOD);

// Of one that its client ends, and of one that the application destroys.
const events = [];
const others = http.createServer();
others.on("clientError", (error) => events.push(error.message));
for (const end of ["drop", "destroy"]) {
    const socket = new ClientSocket(others, "client");
    socket.on("end", () => events.push(`${end}: end`)).on("close", (had) => events.push(`${end}: ${had}`));
    socket.on("timeout", () => assert.fail("a timeout")).setTimeout(PERIOD);
    socket[end](...end === "destroy" ? [new Error("its error")] : []);
}
setTimeout(() => {
    assert.deepStrictEqual(events, ["drop: end", "drop: false", "its error", "destroy: true"]);
}, 3 * PERIOD);
