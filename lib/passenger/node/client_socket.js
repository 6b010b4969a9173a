"use strict";

// What the application sees as the client's connection. No byte of HTTP goes through it.
const { AsyncResource } = require("async_hooks");
const { ProxiedSocket } = require("./proxied_socket");
const { symbolOf } = require("./symbol_of");

// Milliseconds, as Node's keepAliveTimeout. One without a request ends after one to two of these.
const KEPT_FOR = 5000;
const MOST_KEPT = 1000;
// The member of a net.Socket with its timer.
const TIMER = symbolOf(new ProxiedSocket(), "timeout");
// Those without a request, by their clients' addresses and ports, the oldest first.
const kept = new Map();
let period = 0;
const timer = setTimeout(() => {
    for (const socket of kept.values()) {
        if (socket.keptIn === period) {
            break;
        }
        socket.drop();
    }
    period++;
    if (kept.size > 0) {
        arm();
    }
}, KEPT_FOR).unref();
// Node gives a timer that has fired to the request that arms it, and the sockets are others', too.
const arm = AsyncResource.bind(() => timer.refresh());

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

// What an application keeps by the connection is the client's: only a request from the same address
// and port gets the object. The next one gets it if that comes soon, and this one ends cleanly.
class ClientSocket extends ProxiedSocket {
    // `head`: the RequestHead of the request. `exchange` announces a new socket.
    static of(server, head, exchange) {
        const client = `${head.address} ${head.port}`;
        const former = kept.get(client);
        if (former) {
            kept.delete(client);
            if (!former.destroyed) {
                return former;
            }
        }
        if (kept.size > MOST_KEPT) {
            kept.values().next().value.drop();
        }
        const socket = new ClientSocket(server, client);
        exchange.announce(socket);
        return socket;
    }

    constructor(server, client) {
        super();
        this.server = server;
        this._client = client;
        this.keptIn = 0;
        this.exchange = null;
        this._httpMessage = null;
        // Bytes of bodies of requests, and of answers with their heads.
        this.received = 0;
        this.sent = 0;
        this._closers = 0;
        this.on("timeout", onTimeout);
        this.on("error", onError);
    }

    begin(exchange, head) {
        this.exchange = exchange;
        this._closers = this.listenerCount("close");
        this.serves(head);
        if (this.server.timeout || this.timeout) {
            this.setTimeout(this.server.timeout);
        }
    }

    // An HTTP/2 connection has several requests at once, but only one is kept.
    keep() {
        if (kept.has(this._client)) {
            this.destroy();
            return;
        }
        if (kept.size === 0) {
            arm();
        }
        this.keptIn = period;
        kept.set(this._client, this);
    }

    // As if the client closed it.
    drop() {
        kept.delete(this._client);
        // Code of the application may throw.
        process.nextTick(() => this.emit("end"));
        this.destroy();
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
        clearTimeout(this[TIMER]);
        callback(error);
        // Without a handle net.Socket would not tell whether there was an error.
        process.nextTick(() => this.emit("close", Boolean(error)));
    }

    _refreshTimeout() {
        this._unrefTimer();
    }
}

module.exports = { ClientSocket };
