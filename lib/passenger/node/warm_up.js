"use strict";

// Gives the application the requests of PassengerWarmUp before the instance takes others. Node's
// own parser reads them, from a connection that has no descriptor. This is not a health check:
// whatever comes of the requests, the instance serves, unless the process ends of them.
const { Duplex } = require("stream");
const log = require("./log");
const { RequestHead } = require("./request_head");

// Statuses from here on are failures.
const FAILURES = 500;
const HOST = "127.0.0.1";
// A timer of more milliseconds comes at once.
const LONGEST_TIMER = 0x7fffffff;
// Bytes of an answer in which its status must come.
const HEAD_LIMIT = 65536;
// The head behind any interim answers.
const STATUS = /^(?:HTTP\/1\.\d 1\d\d[^]*?\r\n\r\n)*HTTP\/1\.\d ([2-9]\d\d)/;

// The server's end of the connection. Drops the answer.
class WarmUpSocket extends Duplex {
    // `over` is called once the application has ended the connection.
    constructor(text, encrypted, over) {
        super({ allowHalfOpen: true });
        this._text = text;
        this._head = "";
        this.encrypted = encrypted;
        this.remoteAddress = HOST;
        this.remoteFamily = "IPv4";
        this.remotePort = 0;
        // What the application or Node emits here concerns this connection only.
        this.on("error", () => {});
        this.once("close", over);
        this.once("finish", () => this.destroy());
    }

    // 0: the application has not answered yet.
    get status() {
        const found = STATUS.exec(this._head);
        return found ? Number(found[1]) : 0;
    }

    // As a socket of Node's module net has them.
    setTimeout() {
        return this;
    }

    setNoDelay() {
        return this;
    }

    setKeepAlive() {
        return this;
    }

    ref() {
        return this;
    }

    unref() {
        return this;
    }

    destroySoon() {
        this.end();
    }

    // The client does not leave before the end of the answer.
    _read() {
        if (this._text) {
            const text = this._text;
            this._text = "";
            this.push(text, "latin1");
        }
    }

    _write(chunk, _, done) {
        if (this._head.length < HEAD_LIMIT) {
            this._head += chunk.latin1Slice(0, Math.min(chunk.length, HEAD_LIMIT));
        }
        done();
    }
}

function textOf(head) {
    const lines = [`${head.method} ${head.url} HTTP/1.1`];
    for (let i = 0; i < head.lines.length; i += 2) {
        lines.push(`${head.lines[i]}: ${head.lines[i + 1]}`);
    }
    return [...lines, "Connection: close", "", ""].join("\r\n");
}

class WarmUp {
    // `frame`: SERVE. Its time limit counts from now on.
    constructor(frame) {
        this._heads = frame.fields.slice(9).map((field) => new RequestHead(field.toString("latin1")));
        this._limit = frame.number(8, 0);
        this._timer = null;
        this._socket = null;
    }

    // Calls done() after the last answer, or when the time is over; or thrown() with an exception
    // that nobody has caught.
    run(server, done, thrown) {
        if (this._heads.length === 0) {
            done();
            return;
        }
        this._server = server;
        this._done = done;
        // An application with a listener of its own decides itself whether it goes on.
        this._onException = (error) => {
            if (process.listenerCount("uncaughtException") === 1) {
                thrown(error);
            }
        };
        process.on("uncaughtException", this._onException);
        this._timer = setTimeout(() => {
            this._heads = [];
            this._failed({ reason: `no answer within ${this._limit} ms of the instance's start` });
        }, Math.min(this._limit, LONGEST_TIMER));
        this._next();
    }

    _next() {
        const head = this._heads.shift();
        if (!head) {
            clearTimeout(this._timer);
            process.removeListener("uncaughtException", this._onException);
            this._done();
            return;
        }
        this._path = head.url;
        this._began = performance.now();
        const socket = new WarmUpSocket(textOf(head), head.encrypted, () => this._ended(socket));
        this._socket = socket;
        this._server.emit("connection", socket);
    }

    _ended(socket) {
        if (socket !== this._socket) {
            return;
        }
        const { status } = socket;
        if (status === 0) {
            this._failed({ reason: "the application did not answer" });
        } else if (!socket.writableFinished) {
            this._failed({ status, reason: "the answer was broken off" });
        } else if (status >= FAILURES) {
            this._failed({ status });
        } else {
            this._socket = null;
            log.event("warm_up.done", { path: this._path, status, ms: Math.round(performance.now() - this._began) });
            this._next();
        }
    }

    _failed(fields) {
        const socket = this._socket;
        if (socket) {
            this._socket = null;
            log.event("warm_up.failed", { path: this._path, ...fields });
            socket.destroy();
            this._next();
        }
    }
}

module.exports = { WarmUp };
