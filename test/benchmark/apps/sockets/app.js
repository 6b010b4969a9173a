"use strict";

// WebSockets that send each short message back. SOCKET names where the application listens behind a
// proxy.
const { createHash } = require("crypto");
const http = require("http");

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const HEAD = 2;
const MASK = 4;

// The frame without its mask; the length is below 126.
function unmasked(frame) {
    const length = frame[1] & 127;
    const answer = Buffer.alloc(HEAD + length);
    answer[0] = frame[0];
    answer[1] = length;
    for (let i = 0; i < length; i++) {
        answer[HEAD + i] = frame[HEAD + MASK + i] ^ frame[HEAD + (i % MASK)];
    }
    return answer;
}

const server = http.createServer((request, response) => response.end("hello\n"));
server.on("upgrade", (request, socket) => {
    const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + GUID).digest("base64");
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
    let left = Buffer.alloc(0);
    socket.on("data", (data) => {
        left = left.length > 0 ? Buffer.concat([left, data]) : data;
        while (left.length >= HEAD && left.length >= HEAD + MASK + (left[1] & 127)) {
            const size = HEAD + MASK + (left[1] & 127);
            socket.write(unmasked(left.subarray(0, size)));
            left = left.subarray(size);
        }
    });
    socket.on("error", () => socket.destroy());
});
server.listen(process.env.SOCKET || 3000);
