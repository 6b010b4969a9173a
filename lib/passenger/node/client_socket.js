"use strict";

// What the application sees as the client's connection. No byte of HTTP goes through it.
const { ProxiedSocket } = require("./proxied_socket");

function onTimeout() {
    const response = this._httpMessage;
    const request = this.exchange && this.exchange.request;
    const heard = [
        request && !request.complete && request.emit("timeout", this), response && response.emit("timeout", this),
        this.server.emit("timeout", this),
    ];
    if (!heard.some(Boolean)) {
        this.destroy();
    }
}

function onError(error) {
    this.server.emit("clientError", error, this);
}

// The socket object of a reply channel, from one exchange to the next, as long as these end
// cleanly.
class ClientSocket extends ProxiedSocket {
    // That of the channel, unless its last exchange is not over for the application.
    static of(channel, server) {
        const former = channel.socket;
        if (former && !former.destroyed && former.concluded && former.server === server) {
            former.concluded = false;
            return former;
        }
        const socket = new ClientSocket(server);
        channel.socket = socket;
        server.emit("connection", socket);
        return socket;
    }

    constructor(server) {
        super();
        this.server = server;
        // The exchange that is in work.
        this.exchange = null;
        this._httpMessage = null;
        // conclude() has ended the last exchange for the application.
        this.concluded = false;
        // Bytes of bodies of requests, and of answers with their heads.
        this.received = 0;
        this.sent = 0;
        this._closers = 0;
        this.on("timeout", onTimeout);
        this.on("error", onError);
    }

    // Begins the next exchange.
    begin(exchange, head) {
        this.exchange = exchange;
        this._closers = this.listenerCount("close");
        this.serves(head);
        if (this.server.timeout || this.timeout) {
            this.setTimeout(this.server.timeout);
        }
    }

    // Whether code of this request awaits the end of the socket, to clean up.
    get isAwaited() {
        return this.listenerCount("close") > this._closers;
    }

    // A Unix socket has no address.
    get localAddress() {
        return undefined;
    }

    get localPort() {
        return undefined;
    }

    get pending() {
        return false;
    }

    get bytesRead() {
        return this.received;
    }

    get bytesWritten() {
        return this.sent;
    }

    // All that is written in one turn of the event loop is one message, anyway.
    get writableCorked() {
        return 1;
    }

    get writableLength() {
        return this.exchange ? this.exchange.waiting : 0;
    }

    cork() {
        return undefined;
    }

    uncork() {
        return undefined;
    }

    // Node's answer writes its body here, and its interim answers.
    write(data, encoding, callback) {
        const done = typeof encoding === "function" ? encoding : callback;
        if (!this.exchange) {
            if (done) {
                process.nextTick(done, new Error("the exchange on this connection is over"));
            }
            return false;
        }
        if (this.timeout) {
            this._refreshTimeout();
        }
        const coding = done === encoding ? undefined : encoding;
        this.sent += Buffer.byteLength(data, coding);
        return this.exchange.write(data, coding, done);
    }

    // The application closes the connection.
    end(...parts) {
        const callback = parts.find((part) => typeof part === "function");
        if (callback) {
            this.once("close", callback);
        }
        this.destroy();
        return this;
    }

    // Node asks for the body of a request.
    resume() {
        if (this.exchange) {
            this.exchange.resumeBody();
        }
        return this;
    }

    pause() {
        if (this.exchange) {
            this.exchange.pauseBody();
        }
        return this;
    }

    ref() {
        return this;
    }

    unref() {
        return this;
    }

    _read() {
        return undefined;
    }

    _destroy(error, callback) {
        const { exchange } = this;
        if (exchange) {
            exchange.cutOff();
        }
        super._destroy(error, callback);
    }

    _refreshTimeout() {
        this._unrefTimer();
    }
}

module.exports = { ClientSocket };
