"use strict";

// What an application sees of its event stream before the client's own socket is there, and then;
// and that a jump of the system's clock ends none. The argument is the addon's path.
const assert = require("assert");
const { join } = require("path");
const { LIBRARY, makeObjects } = require("./objects");
const { EventStream } = require(join(LIBRARY, "event_stream"));
const native = require(join(LIBRARY, "native"));
const { TAKES_WITHIN } = require(join(LIBRARY, "transfer"));

const { server, socket, request, response } = makeObjects();
response.assignSocket(socket);
response.writeHead(200, { "content-type": "text/event-stream" });
const service = { streamBegun() {}, streamEnded() {} };
const called = [];
let ended = false;
process.on("exit", () => assert.ok(ended));
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
    let look = null;
    let now = 0;
    global.setInterval = (call) => {
        look = call;
        return { unref() {} };
    };
    // Ubuntu 24.04's Node has it read-only, in the prototype of its prototype.
    Object.defineProperty(performance, "now", { value: () => now });
    Date.now = () => now + (now > 0 ? 3600_000 : 0);
    const { socket: connection } = response;
    response.end(() => setImmediate(() => {
        look();
        now = 1;
        look();
        assert.strictEqual(connection.destroyed, false);
        // The client takes nothing for long.
        now = TAKES_WITHIN;
        look();
        assert.strictEqual(connection.destroyed, true);
        native.addon.close(other);
        ended = true;
    }));
});
