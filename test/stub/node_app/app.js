"use strict";

// What applications do with requests and answers of Node. /events tells what they have been told.
const { AsyncLocalStorage } = require("async_hooks");
const crypto = require("crypto");
const diagnostics = require("diagnostics_channel");
const http = require("http");
const { Readable, Writable, pipeline } = require("stream");
const zlib = require("zlib");

const events = [];
const storage = new AsyncLocalStorage();
const sockets = new WeakSet();

function note(what) {
    events.push(what);
}

function endsOf(request, response) {
    request.on("aborted", () => note("aborted"));
    request.on("error", (error) => note(`request error ${error.code}`));
    request.on("close", () => note("request close"));
    response.on("finish", () => note("finish"));
    response.on("close", () => note(`response close ${response.writableFinished}`));
}

function large(response, left) {
    if (left === 0) {
        response.end();
    } else if (response.write(Buffer.alloc(1 << 20, "x"))) {
        large(response, left - 1);
    } else {
        response.once("drain", () => large(response, left - 1));
    }
}

async function measure(request, response, pause) {
    const hash = crypto.createHash("sha1");
    let length = 0;
    for await (const piece of request) {
        hash.update(piece);
        length += piece.length;
        if (pause) {
            await new Promise(setImmediate);
        }
    }
    response.end(`${length} ${hash.digest("hex")}`);
}

// The answer ends first.
function save(request, response) {
    let length = 0;
    const file = new Writable({
        write(piece, encoding, done) {
            length += piece.length;
            note(`piece ${length}`);
            setImmediate(done);
        },
    });
    pipeline(request, file, (error) => note(`saved ${length} ${error ? error.code : "whole"}`));
    response.end("early");
}

function afterOne(response) {
    response.write("first");
    return (act) => setTimeout(act, 100);
}

// Newer Nodes refuse hints behind the head.
function writeHint(response, link) {
    try {
        response.writeEarlyHints({ link });
    } catch (error) {
        note(error.code);
    }
}

const PAGES = {
    "/events": (request, response) => response.end(events.splice(0).join("\n")),
    "/pid": (request, response) => response.end(String(process.pid)),
    "/text": (request, response) => response.end("h\u00e9llo"),
    "/latin": (request, response) => response.end("h\u00e9llo", "latin1"),
    "/binary": (request, response) => response.end(Buffer.from([0, 255, 10])),
    "/pieces": (request, response) => {
        response.write("a");
        setImmediate(() => response.write("b", () => response.end("c")));
    },
    "/chunked": (request, response) => {
        response.setHeader("Transfer-Encoding", "chunked");
        response.write("abc");
        response.end("def");
    },
    "/trailers": (request, response) => {
        response.writeHead(200, { Trailer: "X-End" });
        response.write("abc");
        response.addTrailers({ "X-End": "1" });
        response.end();
    },
    "/none": (request, response) => response.writeHead(204).end(),
    "/unchanged": (request, response) => response.writeHead(304, { ETag: "\"one\"" }).end(),
    "/length": (request, response) => {
        response.setHeader("Content-Length", 5);
        response.end("12345");
    },
    "/cookies": (request, response) => {
        response.setHeader("Set-Cookie", ["a=1", "b=2"]);
        response.setHeader("X-Unique", ["1", "2"]);
        response.end();
    },
    "/head": (request, response) => {
        response.setHeader("X-Long", "y".repeat(70000));
        response.end("body");
    },
    "/name": (request, response) => {
        response.setHeader("X-Name", "\u00e9");
        response.end("text");
    },
    "/gzip": (request, response) => {
        response.setHeader("X-Kind", "gzip");
        pipeline(Readable.from([Buffer.alloc(300000, "z")]), zlib.createGzip(), response, () => {});
    },
    "/echo": (request, response) => pipeline(request, response, () => {}),
    "/measure": (request, response) => measure(request, response, false),
    "/slowly": (request, response) => measure(request, response, true),
    "/save": save,
    "/traced": (request, response) => {
        let seen = "";
        request.on("data", (piece) => {
            seen += `${storage.getStore()} ${piece.length > 0}\n`;
        });
        request.on("end", () => response.end(`${seen}${storage.getStore()}`));
    },
    "/hints": (request, response) => {
        response.writeHead(200);
        writeHint(response, "</a.css>; rel=preload");
        response.write("a");
        setImmediate(() => {
            writeHint(response, "</late.css>; rel=preload");
            response.end("b");
        });
    },
    "/information": (request, response) => {
        if (response.writeInformation) {
            response.writeInformation(103, { Link: "</a.css>", "X-More": "yes" });
        } else {
            response.writeEarlyHints({ link: "</a.css>", "X-More": "yes" });
        }
        response.end("informed");
    },
    "/unsent": (request, response) => {
        response.on("close", () => note("closed"));
        response.write("begun", () => {
            // Is sent at the end of the turn.
            response.write("unsent", (error) => note(`written ${error ? error.code : "whole"}`));
            response.destroy();
        });
    },
    "/early": (request, response) => response.writeHead(413).end("too large"),
    "/refused": (request, response) => {
        response.writeHead(413).end("too large");
        request.destroy();
    },
    "/refused-later": (request, response) => setTimeout(() => {
        response.writeHead(413).end("too large");
        request.socket.end();
    }, 50),
    "/large": (request, response) => large(response, 40),
    "/timeout": (request, response) => response.setTimeout(50, () => response.end("late")),
    "/destroy": (request, response) => response.destroy(),
    "/destroy-request": (request) => request.destroy(),
    "/cut": (request, response) => afterOne(response)(() => response.destroy()),
    "/exit": (request, response) => afterOne(response)(() => process.exit(3)),
    "/throw": () => {
        throw new Error("thrown");
    },
    "/wait": (request, response) => {
        endsOf(request, response);
        note("wait");
    },
    "/done": (request, response) => {
        endsOf(request, response);
        request.resume();
        response.end("done");
    },
    "/late": (request, response) => {
        response.on("finish", () => response.write("late", (error) => note(error.code)));
        response.end("answer");
    },
    "/context": (request, response) => {
        const before = storage.getStore();
        storage.enterWith("seen");
        setImmediate(() => response.end(`${before} ${storage.getStore()}`));
    },
    "/request": (request, response) => {
        const { method, url, headers, rawHeaders, httpVersion, socket } = request;
        const { remoteAddress, remoteFamily, writable, readable } = socket;
        delete headers.host;
        response.end(JSON.stringify([method, url, headers, rawHeaders.slice(2), httpVersion, remoteAddress,
            remoteFamily, writable, readable, socket.setNoDelay() === socket, server.listening,
            typeof server.address(), request.complete, response.headersSent, response.writableEnded]));
    },
};

// Answers to requests for an upgrade.
const SWITCHES = {
    "/switch": (socket) => {
        socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" +
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: capitals\r\n\r\n");
        socket.pipe(socket);
    },
    "/unchanged": (socket) => socket.write("HTTP/1.1 304 Not Modified\r\nETag: \"one\"\r\n\r\n"),
    "/none": (socket) => socket.write("HTTP/1.1 204 No Content\r\n\r\n"),
    "/broken": (socket) => socket.end("HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
    // With chunks.
    "/refuse": (socket, request) => {
        const response = new http.ServerResponse(request);
        response.assignSocket(socket);
        response.writeHead(403);
        response.write("for");
        setImmediate(() => response.end("bidden"));
    },
};

class Request extends http.IncomingMessage {}

diagnostics.channel("http.server.request.start").subscribe(({ request, response, socket, server: where }) => {
    if (request.url === "/traced") {
        storage.enterWith(`traced ${response.req === request} ${where === server && socket === request.socket}`);
    }
});
diagnostics.channel("http.server.response.finish").subscribe(({ request, response }) => {
    if (request.url === "/traced") {
        note(`finished ${response.statusCode}`);
    }
});

// From Node 24 on.
const shouldUpgradeCallback = (request) => request.url !== "/text";
const server = http.createServer({ IncomingMessage: Request, shouldUpgradeCallback, uniqueHeaders: ["x-unique"] },
    (request, response) => PAGES[request.url.split("?")[0]](request, response));
server.once("connection", () => note("first"));
server.on("upgrade", (request, socket) => {
    note(`upgrade ${request instanceof Request} ${sockets.has(socket)}`);
    socket.on("error", () => {});
    SWITCHES[request.url](socket, request);
});
server.on("clientError", (error, socket) => {
    note(`client error ${error.code}`);
    socket.destroy();
});
server.on("connection", (socket) => {
    sockets.add(socket);
    note(`connection ${socket.remoteAddress}`);
});
server.listen(3000, "0.0.0.0");
