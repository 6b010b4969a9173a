"use strict";

// What an exchange tells the application of room for its answer.
const assert = require("assert");
const http = require("http");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { Exchange } = require(join(LIBRARY, "exchange"));
const { RequestBody } = require(join(LIBRARY, "request_body"));
const { NEED_DRAIN } = require(join(LIBRARY, "http_server"));

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
exchange.request = { push: () => true };
new RequestBody(exchange, undefined, 0, null, true)._pass([Buffer.alloc(10), false]);
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
