"use strict";

// What an exchange tells the application of room for its answer, and asks it about upgrades; and
// which clients' sockets an instance takes.
const assert = require("assert");
const { AsyncLocalStorage, AsyncResource } = require("async_hooks");
const { execFileSync } = require("child_process");
const http = require("http");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const layout = require(join(LIBRARY, "layout"));
const log = require(join(LIBRARY, "log"));
const { Exchange } = require(join(LIBRARY, "exchange"));
const { RequestBody } = require(join(LIBRARY, "request_body"));
const { NEED_DRAIN, prepareServer } = require(join(LIBRARY, "http_server"));
const { RequestHead } = require(join(LIBRARY, "request_head"));
const { Service } = require(join(LIBRARY, "service"));

const heard = [];
const response = {
    _header: "HTTP/1.1 200 OK\r\n\r\n", finished: false, [NEED_DRAIN]: true, emit: (name) => heard.push(name),
};
const reply = { started: true, waits: true, waiting: 100000, gone: false, data() {}, sendWaiting() {} };
const exchange = Object.assign(new Exchange({}, {}, 0, {}, 1, 0), { reply, response });

// The child has taken a part: little waits now, and still the application waits for `drain`.
assert.strictEqual(exchange.write(Buffer.alloc(10)), false);
reply.waiting = 10;
assert.strictEqual(exchange.write(Buffer.alloc(10)), false);
reply.waits = false;
reply.waiting = 0;
exchange.flush(false);
process.nextTick(() => {
    assert.deepStrictEqual(heard, ["drain"]);
    assert.strictEqual(exchange.write(Buffer.alloc(10)), true);
});

// Each piece of a body, and of an answer, begins the connection's timeout anew.
let refreshed = 0;
exchange.socket = { timeout: 1000, _refreshTimeout: () => refreshed++ };
exchange.request = { push: () => true, socket: { received: 5 } };
new RequestBody(exchange, undefined, 0, null, true)._pass([Buffer.alloc(10), false]);
assert.strictEqual(exchange.request.socket.received, 15);
exchange.onEvents(require(join(LIBRARY, "native")).OUT, false);
assert.strictEqual(refreshed, 1);
reply.waits = true;
exchange.onEvents(require(join(LIBRARY, "native")).OUT, false);
assert.strictEqual(refreshed, 2);
reply.waits = false;

// An application may close the connection behind a complete answer, while the body still comes.
const answered = [];
const refused = Object.assign(new Exchange({ ended() {}, connected() {} }, {}, 0, { release() {} }, 1, 0), {
    reply: { respond: (...parts) => answered.push(parts), fail: (...parts) => answered.push(parts) },
    response: { _header: "HTTP/1.1 413 Payload Too Large\r\nX-A: b\r\n\r\n", writableEnded: true },
    head: { subject: {} },
});
refused._body = new RequestBody(refused, 100, 0, null, true);
refused._chunks.add("too big");
refused.cutOff();
assert.deepStrictEqual(answered, [[413, "X-A: b\r\n", "too big", true]]);
assert.strictEqual(refused.over, true);

// The child does not ask its client for a body once the answer has begun. Only an application that
// waits for the body in vain is cut off, if it is silent.
const timers = [];
const silent = { over: false, reply: { started: true, sent: 1 }, request: new http.IncomingMessage({}) };
silent.socket = { destroy: () => silent.cut++ };
silent.cut = 0;
silent.request.resume();
const { setTimeout: usual } = global;
global.setTimeout = (call) => {
    timers.push(call);
    return { unref() {} };
};
new RequestBody(silent, 100, 0, null, true)._childEnds();
timers.shift()();
assert.strictEqual(silent.cut, 0);
silent.request.on("end", () => {});
timers.shift()();
assert.strictEqual(silent.cut, 1);
assert.deepStrictEqual(timers, []);
global.setTimeout = usual;

// The process has no descriptor for the body's file. The client's request is right.
const native = require(join(LIBRARY, "native"));
native.received = Buffer.alloc(layout.FILE_MESSAGE);
native.words = new Uint32Array(native.received.buffer, native.received.byteOffset, 8);
native.words[0] = 1;
native.received[8] = layout.BODY_FILE;
native.addon = { receive: () => layout.FILE_MESSAGE };
log.event = () => {};
const failed = [];
const short = { channel: {}, ticket: 1, flags: layout.BODY_IN_FILE, clientLeft: () => failed.push("left") };
short.reply = { waits: false, fail: (...parts) => failed.push(...parts) };
new RequestBody(short, 200000, 0, null, true).resume();
assert.deepStrictEqual(failed, [503, "Service Unavailable", "left"]);

// A client that leaves: code that awaits the socket's end may throw, and sends nothing any more.
for (const listen of [() => { throw new Error("of the application"); }, (socket) => socket.exchange.cutOff()]) {
    const left = new Exchange({ streams: new Set(), upgraded: new Set() }, {}, 0, {}, 1, 0);
    const done = [];
    left.reply = { waits: false, fail: (...parts) => done.push(...parts) };
    left._afterSending = () => done.push(left.reply.gone);
    left.socket = { destroyed: false, exchange: left, emit: () => listen(left.socket) };
    try {
        left.clientLeft();
    } catch (error) {
        done.push(error.message);
    }
    assert.strictEqual(done[0], true, done.join());
    assert.ok(!done.includes(502), done.join());
}

// Half of the process's descriptors are for other things than the sockets of clients.
const room = Object.create(Service.prototype, { streams: { value: new Set() }, upgraded: { value: new Set() } });
execFileSync("prlimit", ["--pid", process.pid, "--nofile=100:"]);
for (let i = 0; i < 50; i++) {
    assert.strictEqual(room.hasRoomForClient, true);
    (i % 2 === 0 ? room.streams : room.upgraded).add(i);
}
assert.strictEqual(room.hasRoomForClient, false);
const kept = [];
const stream = Object.assign(new Exchange(room, {}, 0, {}, 1, layout.STREAM_TRANSFERABLE), {
    reply: { respond: (...parts) => kept.push(parts) },
    response: { _header: "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" },
});
stream.flush(false);
assert.deepStrictEqual(kept, [[200, "Content-Type: text/event-stream\r\n", undefined, false]]);

// The application may decide by the request whether it takes an upgrade. A refused one is a
// usual request.
const server = http.createServer();
const asked = [];
const requests = [];
server.shouldUpgradeCallback = (request) => asked.push(request) && request.url === "/socket";
server.on("request", (request) => requests.push(request));
const upgraded = [];
const upgrades = { connected() {}, upgrade: (of, where, head, request) => upgraded.push(request) };
for (const path of ["/page", "/socket"]) {
    const head = new RequestHead(["REQUEST_METHOD", "GET", "REQUEST_URI", path, "SERVER_PROTOCOL", "HTTP/1.1",
        "HTTP_CONNECTION", "upgrade", "HTTP_UPGRADE", "chat", "REMOTE_PORT", "4711", ""].join("\0"));
    new Exchange(upgrades, {}, 0, {}, 1, 0).run(server, head, Buffer.alloc(0), 0);
    assert.strictEqual(asked[asked.length - 1].socket.remotePort, 4711);
}
assert.deepStrictEqual([requests.length, upgraded.length], [1, 1]);
assert.ok(requests[0] === asked[0] && upgraded[0] === asked[1]);
assert.deepStrictEqual([requests[0].upgrade, requests[0].socket.server === server], [false, true]);
assert.deepStrictEqual([requests[0].headers.upgrade, upgraded[0].upgrade], ["chat", true]);

// What a listener of `connection` sets is there for its client's first request, not for another's.
// All requests begin in the one resource of the poller.
const storage = new AsyncLocalStorage();
const poller = new AsyncResource("POLLER");
const stores = [];
let connections = 0;
const visited = http.createServer(() => stores.push(storage.getStore()));
prepareServer(visited);
const visit = (port) => {
    const head = new RequestHead(["REQUEST_METHOD", "GET", "REQUEST_URI", "/", "SERVER_PROTOCOL", "HTTP/1.1",
        "REMOTE_ADDR", "192.0.2.1", "REMOTE_PORT", port, ""].join("\0"));
    const taken = new Exchange({ connected() {} }, {}, 0, {}, 1, 0);
    poller.runInAsyncScope(taken.run, taken, visited, head, Buffer.alloc(0), 0);
    taken.response.detachSocket(taken.socket);
    taken.socket.keep();
};
visit("1");
visited.on("connection", () => storage.enterWith(++connections));
for (const port of ["2", "3", "2", "1"]) {
    visit(port);
}
assert.deepStrictEqual([connections, stores], [2, [undefined, 1, 2, undefined, undefined]]);
