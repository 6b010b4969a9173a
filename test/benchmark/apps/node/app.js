"use strict";

// A short answer, one that waits for 100 ms, and long bodies. SOCKET names where the application
// listens behind a balancer.
const http = require("http");
const { Readable } = require("stream");

const PIECE = Buffer.alloc(65536, "x");
const DOWN = 1024 * 1024 * 1024;

function send(response, body) {
    response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": body.length });
    response.end(body);
}

function* pieces() {
    for (let left = DOWN; left > 0; left -= PIECE.length) {
        yield PIECE;
    }
}

http.createServer((request, response) => {
    if (request.url === "/down") {
        response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": DOWN });
        Readable.from(pieces(), { objectMode: false }).pipe(response);
    } else if (request.url === "/up") {
        let size = 0;
        request.on("data", (data) => { size += data.length; });
        request.on("end", () => send(response, String(size)));
    } else if (request.url === "/wait") {
        setTimeout(send, 100, response, "hello\n");
    } else {
        send(response, "hello\n");
    }
}).listen(process.env.SOCKET || 3000);
