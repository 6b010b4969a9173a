"use strict";

// What is over at the end of an answer: the signal of its request does not hear that the next
// request's client has left, what a listener of `finish` writes is no error event, and the socket
// has counted the bytes.
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
response.assignSocket(socket);
socket.exchange = {
    response, waiting: 0, write: (data, encoding, callback) => process.nextTick(callback || (() => {})),
};
const heard = [];
response.on("finish", () => {
    heard.push(response.socket === null && socket._httpMessage === null);
    heard.push(socket.bytesWritten - response._header.length);
    response.write("late", (error) => heard.push(error.code));
});
response.on("close", () => heard.push("close"));
response.on("error", (error) => heard.push(error));
response.write("\u00e9");
response.end(Buffer.alloc(5));
process.on("exit", () => {
    socket.emit("close");
    assert.strictEqual(known ? !signal.aborted : detached, true);
    assert.deepStrictEqual(heard, [true, 7, "close", "ERR_STREAM_WRITE_AFTER_END"]);
});
