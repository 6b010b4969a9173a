"use strict";

// What an application sees of its event stream before the client's own socket is there.
const assert = require("assert");
const http = require("http");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { ClientSocket } = require(join(LIBRARY, "client_socket"));
const { EventStream } = require(join(LIBRARY, "event_stream"));
const { makeRequest, makeResponse, prepareServer } = require(join(LIBRARY, "http_server"));

const server = http.createServer();
prepareServer(server);
const socket = ClientSocket.of({ socket: null }, server);
const request = makeRequest(server, socket, { method: "GET", url: "/", lines: [] }, false);
const response = makeResponse(server, request);
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
