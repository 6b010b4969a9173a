"use strict";

// The signal of an answered request does not hear that the next request's client has left. Node 20
// has no such signal.
const assert = require("assert");
const http = require("http");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { ClientSocket } = require(join(LIBRARY, "client_socket"));
const { makeRequest, makeResponse, prepareServer } = require(join(LIBRARY, "http_server"));

const server = http.createServer();
prepareServer(server);
const socket = ClientSocket.of({ socket: null }, server);
const request = makeRequest(server, socket, { method: "GET", url: "/", lines: [] }, false);
const response = makeResponse(server, request);
const { signal } = request;
const before = socket.listenerCount("close");
response.emit("finish");
socket.emit("close");
if (signal) {
    assert.strictEqual(socket.listenerCount("close"), before - 1);
    assert.strictEqual(signal.aborted, false);
}
