"use strict";

// What an application sees of its event stream before the client's own socket is there, and then.
// The argument is the addon's path.
const assert = require("assert");
const { join } = require("path");
const { LIBRARY, makeObjects } = require("./objects");
const { EventStream } = require(join(LIBRARY, "event_stream"));
const native = require(join(LIBRARY, "native"));

const { server, socket, request, response } = makeObjects();
response.assignSocket(socket);
response.writeHead(200, { "content-type": "text/event-stream" });
const service = { streamBegun() {}, streamEnded() {} };
const called = [];
const stream = new EventStream({ service, server, head: {}, request, response, socket },
    [(error) => called.push(error)]);

// What is written waits in the answer, although it has a socket.
assert.strictEqual(response.socket, socket);
response.socket.setKeepAlive(true);
response.write("data: early\n\n");
assert.ok(response.outputSize > 0);
assert.strictEqual(socket.writableLength, 0);

native.load(process.argv[2]);
const [client, other] = native.addon.streamPair();
stream.open(client);
assert.strictEqual(response.outputSize, 0);
process.nextTick(() => {
    assert.deepStrictEqual(called, [null]);
    stream.destroy();
    native.addon.close(other);
});
