"use strict";

// What becomes of a stream pair that the kernel does not watch, and of one where the application
// does not listen, or closes at once, or whose client is lost. The argument is the addon's path.
const assert = require("assert");
const { AsyncResource } = require("async_hooks");
const fs = require("fs");
const http = require("http");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { prepareServer } = require(join(LIBRARY, "http_server"));
const layout = require(join(LIBRARY, "layout"));
const native = require(join(LIBRARY, "native"));
const poller = require(join(LIBRARY, "poller"));
const { upgrade } = require(join(LIBRARY, "upgrade"));

const sockets = () => fs.readdirSync("/proc/self/fd").filter((number) => {
    try {
        return fs.readlinkSync(`/proc/self/fd/${number}`).startsWith("socket:");
    } catch {
        return false;
    }
}).length;

native.load(process.argv[2]);
poller.watch = () => {
    throw new Error("no space is left");
};
const before = sockets();
const failures = [];
const channel = {};
upgrade({}, { channel, fail: (status) => failures.push(status) }, {}, { method: "GET", url: "/", lines: [] });
assert.deepStrictEqual(failures, [503]);
// The exchange, which answers, still has the channel.
assert.strictEqual(channel.exchange, undefined);

const server = http.createServer();
prepareServer(server);
let ends = 0;
server.on("connection", (socket) => socket.on("close", () => ends++));
poller.watch = () => 1;
const announce = (socket) => server.emit("connection", socket);
const exchange = { channel, announce, resource: new AsyncResource("TEST") };
upgrade({ connected() {} }, exchange, server, {}, new http.IncomingMessage());
server.on("upgrade", (request, socket) => socket.destroy(new Error("reset")));
server.on("clientError", assert.fail);
upgrade({ connected() {} }, exchange, server, {}, new http.IncomingMessage());
// A socket closes its descriptor in a later turn of the loop.
const deadline = Date.now() + 60_000;
// As `terminate()` of ws in a listener of "connection".
const closeAtOnce = () => {
    const upgraded = new Set();
    let watched;
    poller.watch = (descriptor, events, handler) => {
        watched = handler;
    };
    poller.unwatch = () => {};
    server.removeAllListeners("upgrade").on("upgrade", (request, socket) => {
        socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
        socket.destroy();
        socket.on("close", () => {
            watched.onEvents(native.IN | native.RDHUP);
            assert.deepStrictEqual([handedOver, upgraded.size], [true, 0]);
        });
    });
    let handedOver = false;
    // httpd passes the bytes on, since the client's socket would take too many descriptors.
    const sendStream = (_, flags = 0) => {
        assert.strictEqual(flags, 0);
        return true;
    };
    const reply = { sendStream, respond() {} };
    const taken = { ...exchange, flags: layout.TRANSFERABLE, reply, handedOver: () => (handedOver = true) };
    upgrade({ connected() {}, upgraded, hasRoomForClient: false }, taken, server, {}, new http.IncomingMessage());
};
const look = () => {
    // The other ends of these pairs are the Upgrades'.
    if ((ends < 2 || sockets() !== before + 2) && Date.now() < deadline) {
        setTimeout(look, 5);
        return;
    }
    assert.deepStrictEqual([ends, sockets()], [2, before + 2]);
    closeAtOnce();
};
look();
