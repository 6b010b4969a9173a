"use strict";

// Which connections are left when the next request of a client begins before the end of the former,
// when the application awaits the end of a connection, and when no further request comes.
const assert = require("assert");
const http = require("http");
const { join } = require("path");

const timers = [];
const { setTimeout } = global;
global.setTimeout = (call) => {
    timers.push(call);
    return { refresh: () => timers.push(call), unref() { return this; } };
};
const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { ClientSocket } = require(join(LIBRARY, "client_socket"));
const { conclude } = require(join(LIBRARY, "conclusion"));
const { prepareServer } = require(join(LIBRARY, "http_server"));
global.setTimeout = setTimeout;

const server = http.createServer();
prepareServer(server);
const opened = new Set();
server.on("connection", (socket) => {
    opened.add(socket);
    socket.on("close", () => opened.delete(socket));
});

const announce = (socket) => server.emit("connection", socket);
const socketOf = (client) => ClientSocket.of(server, client, { announce });

// `isWhole`: its body has come. `isRead`: the application reads it.
function exchangeOf(client, isWhole, isRead) {
    const socket = socketOf(client);
    socket.begin(null, client);
    const request = new http.IncomingMessage(socket);
    if (isWhole) {
        request.push("body");
        request.push(null);
        request.complete = true;
    }
    if (isRead) {
        request.on("error", () => {});
        request.on("end", () => {});
        request.read(1);
    }
    return { request, socket };
}

let port = 0;
const clientAt = (address) => ({ address, port: String(++port), encrypted: false });
const nextOf = (client) => exchangeOf(client, true, false);

// A socket ends with an exchange only if the application has a listener for it.
function endsWith(listens) {
    const client = clientAt("192.0.2.1");
    const exchange = nextOf(client);
    if (listens) {
        exchange.socket.once("close", () => ended.push(exchange.socket));
    }
    conclude(exchange, true);
    return socketOf(client) !== exchange.socket && exchange.socket;
}
const ended = [];
const kept = endsWith(false);
const closed = [endsWith(true), endsWith(true)];
opened.clear();

// Only the same client's next request gets what the application keeps by the connection.
const first = clientAt("192.0.2.1");
const { socket: mine, request } = nextOf(first);
conclude({ socket: mine, request }, true);
assert.notStrictEqual(socketOf({ ...first, address: "192.0.2.2" }), mine);
assert.notStrictEqual(socketOf({ ...first, port: "65535" }), mine);
assert.strictEqual(socketOf(first), mine);
opened.clear();

const clients = [];
for (const [isWhole, isRead] of [[true, false], [true, true], [false, false], [false, true]]) {
    const client = clientAt("192.0.2.1");
    const former = exchangeOf(client, isWhole, isRead);
    const next = nextOf(client);
    assert.notStrictEqual(next.socket, former.socket);
    conclude(next, true);
    conclude(former, true);
    former.request.resume();
    clients.push([client, next]);
}
// The end of a body, and `close`, come in later turns of the loop.
const soon = (call) => setImmediate(() => setImmediate(call));
soon(() => {
    assert.strictEqual(kept, false);
    assert.deepStrictEqual(ended, closed);
    assert.strictEqual(opened.size, clients.length);
    for (const [client, next] of clients) {
        assert.ok(opened.has(next.socket));
        assert.strictEqual(socketOf(client), next.socket);
        next.socket.keep();
    }
    // Two periods later.
    for (let i = 0; i < 2; i++) {
        assert.strictEqual(opened.size, clients.length);
        timers.splice(0, Infinity, timers[timers.length - 1])[0]();
    }
    soon(() => {
        assert.strictEqual(opened.size, 0);
        const sockets = clients.map(([client, { socket }]) => socketOf(client) === socket);
        assert.ok(!sockets.includes(true));
    });
});
