"use strict";

// What is over at the end of an answer: the signal of its request does not hear that the next
// request's client has left, what a listener of `finish` writes is no error event, and the socket
// has counted the bytes. And which answers an exchange takes: Node's own, also by a Proxy, and
// one that the application has made.
const assert = require("assert");
const http = require("http");
const { join } = require("path");

// Node before 24 has no such signal; a stand-in tells that it would be detached.
let detached = false;
const { prototype } = http.IncomingMessage;
const known = Object.getOwnPropertySymbols(prototype).some((one) => one.description === "kDetachAbortSignal");
if (!known) {
    prototype[Symbol("kDetachAbortSignal")] = () => {
        detached = true;
    };
}
const { LIBRARY, makeObjects } = require("./objects");

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

const { Exchange } = require(join(LIBRARY, "exchange"));

// The messages of an exchange whose application calls answer(response, socket, request).
function messagesOf(answer, method = "GET") {
    const messages = [];
    const objects = makeObjects(method);
    const exchange = new Exchange({ ended() {}, connected() {} }, {}, 0, { release() {} }, 1, 0);
    exchange.reply = {
        started: false, waits: false, waiting: 0, gone: false,
        respond(status, lines, body, last) {
            this.started = true;
            messages.push(status, /x-own/i.test(lines), String(body), last);
        },
        data: (body, last) => messages.push(String(body), last),
        fail: (status) => messages.push("failed", status),
    };
    exchange._body = { isComing: false, close() {}, resume() {}, pause() {} };
    Object.assign(exchange, { server: objects.server, socket: objects.socket, head: { subject: {} } });
    objects.socket.exchange = exchange;
    exchange._makeObjects(objects.server, objects.request);
    answer(exchange.response, objects.socket, objects.request);
    return [messages, exchange];
}

const answers = [
    [[200, true, "hello", true], "GET", (one) => {
        new Proxy(one, {}).writeHead(200, { "X-Own": "yes" });
        one.end("hello");
    }],
    [[200, false, "undefined", true], "HEAD", (one) => {
        new Proxy(one, {}).writeHead(200);
        one.end();
    }],
];

// An own answer is begun before or after it gets the connection, and with or without a length.
for (const [method, begins, length] of [["GET", false], ["GET", true], ["GET", true, 8], ["HEAD", true]]) {
    const body = method === "HEAD" ? "undefined" : "own \u00e9\nx";
    answers.push([[201, true, body, true], method, (one, connection, request_) => {
        const own = new http.ServerResponse(request_);
        one.detachSocket(connection);
        if (!begins) {
            own.assignSocket(connection);
        }
        own.writeHead(201, { "X-Own": "yes", ...length && { "Content-Length": length } });
        own.write("own ");
        if (begins) {
            own.write(Buffer.from("\u00e9\n"));
            own.assignSocket(connection);
        } else {
            own.write("\u00e9\n");
        }
        own.end("x");
    }]);
}
const taken = answers.map(([expected, method, answer]) => [expected, ...messagesOf(answer, method)]);
process.on("exit", () => {
    for (const [expected, messages, exchange] of taken) {
        assert.deepStrictEqual([messages, exchange.over], [expected, true]);
    }
});
