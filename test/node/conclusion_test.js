"use strict";

// Which connections are left when the next exchange of a channel begins before the end of the
// former, and when the application awaits the end of a connection.
const assert = require("assert");
const http = require("http");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { ClientSocket } = require(join(LIBRARY, "client_socket"));
const { conclude } = require(join(LIBRARY, "conclusion"));
const { prepareServer } = require(join(LIBRARY, "http_server"));

const server = http.createServer();
prepareServer(server);
const opened = new Set();
server.on("connection", (socket) => {
    opened.add(socket);
    socket.on("close", () => opened.delete(socket));
});

// `isWhole`: its body has come. `isRead`: the application reads it.
function exchangeOn(channel, isWhole, isRead, at = server) {
    const socket = ClientSocket.of(channel, at);
    socket.begin(null, { port: 1, encrypted: false });
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
    return { request, socket, channel };
}

const other = http.createServer();
prepareServer(other);

// The socket of a channel ends with an exchange only if the application has a listener for it.
function endsWith(listens) {
    const channel = { socket: null };
    const exchange = exchangeOn(channel, true, false, other);
    if (listens) {
        exchange.socket.once("close", () => ended.push(exchange.socket));
    }
    conclude(exchange);
    return ClientSocket.of(channel, other) !== exchange.socket && exchange.socket;
}
const ended = [];
const kept = endsWith(false);
const closed = [endsWith(true), endsWith(true)];

const channels = [];
for (const [isWhole, isRead] of [[true, false], [true, true], [false, false], [false, true]]) {
    const channel = { socket: null };
    const former = exchangeOn(channel, isWhole, isRead);
    const next = exchangeOn(channel, true, false);
    assert.notStrictEqual(next.socket, former.socket);
    conclude(former);
    assert.strictEqual(channel.socket, next.socket);
    former.request.resume();
    channels.push([channel, next]);
}
// The end of a body, and `close`, come in later turns of the loop.
setImmediate(() => setImmediate(() => {
    assert.strictEqual(kept, false);
    assert.deepStrictEqual(ended, closed);
    assert.strictEqual(opened.size, channels.length);
    for (const [channel, next] of channels) {
        assert.ok(opened.has(next.socket));
        conclude(next);
        assert.strictEqual(ClientSocket.of(channel, server), next.socket);
    }
    assert.strictEqual(opened.size, channels.length);
}));
