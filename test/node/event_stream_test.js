"use strict";

// What an application sees of its event stream before the client's own socket is there.
const assert = require("assert");
const { join } = require("path");
const { LIBRARY, makeObjects } = require("./objects");
const { EventStream } = require(join(LIBRARY, "event_stream"));

const { server, socket, request, response } = makeObjects();
response.assignSocket(socket);
response.writeHead(200, { "content-type": "text/event-stream" });
const service = { streamBegun() {} };
new EventStream({ service, server, head: {}, request, response, socket }, []);

// What is written waits in the answer, although it has a socket.
assert.strictEqual(response.socket, socket);
response.socket.setKeepAlive(true);
response.write("data: early\n\n");
assert.ok(response.outputSize > 0);
assert.strictEqual(socket.writableLength, 0);
