"use strict";

// Behind a bridge, Node's own parser makes requests with Express's prototypes, except upgrades.
const assert = require("assert");
const { once } = require("events");
const http = require("http");
const net = require("net");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { installConnections } = require(join(LIBRARY, "connections"));
const { adoptExpress } = require(join(LIBRARY, "express_objects"));

const seen = [];
const note = (request) => seen.push(Object.getPrototypeOf(request));
const express = Object.assign((request, response) => {
    note(request);
    response.end();
}, { request: Object.create(http.IncomingMessage.prototype) });
const server = http.createServer(express);
adoptExpress(server, server);
installConnections(server);
server.on("upgrade", (request, socket) => {
    note(request);
    socket.destroy();
});

async function ask(lines) {
    const socket = net.connect(server.address().port, "127.0.0.1");
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`);
    await once(socket.resume(), "close");
}

server.listen(0, "127.0.0.1", async () => {
    await ask("Connection: close\r\n");
    await ask("Connection: upgrade\r\nUpgrade: websocket\r\n");
    assert.strictEqual(seen.length, 2);
    assert.strictEqual(seen[0], express.request);
    assert.strictEqual(seen[1], http.IncomingMessage.prototype);
    server.close();
});
