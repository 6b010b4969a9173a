"use strict";

// The signal of an answered request does not hear that the next request's client has left.
const assert = require("assert");
const http = require("http");

// Node before 24 has no such signal; a stand-in tells that it would be detached.
let detached = false;
const { prototype } = http.IncomingMessage;
const known = Object.getOwnPropertySymbols(prototype).some((one) => one.description === "kDetachAbortSignal");
if (!known) {
    prototype[Symbol("kDetachAbortSignal")] = () => {
        detached = true;
    };
}
const { makeObjects } = require("./objects");

const { socket, request, response } = makeObjects();
const { signal } = request;
response.emit("finish");
socket.emit("close");
assert.strictEqual(known ? !signal.aborted : detached, true);
