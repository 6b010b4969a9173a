"use strict";

// An answer of the type text/event-stream may go on for as long as its client listens. It gets the
// client's own socket: it holds no thread of httpd, and no place of the instance.
const { conclude, destroyed, emitClose, reset } = require("./conclusion");
const { NEED_DRAIN } = require("./http_server");
const native = require("./native");
const { askForClient, TAKES_WITHIN } = require("./transfer");
const { UpgradedSocket } = require("./upgraded_socket");

const TYPE = /^content-type:[ \t]*text\/event-stream[ \t]*[;\r]/im;
const FRAMING = /^transfer-encoding:/im;
// Bytes that a client may send behind its request.
const MOST_DROPPED = 65536;
// Milliseconds within which a client that has received the whole answer must close its side.
const CLOSES_WITHIN = 2000;
// Milliseconds between two checks of that.
const LAST_LOOKS_INTERVAL = 500;
const LENGTH_OR_CODING = /^content-(length|encoding):/im;

function tellRoom(response) {
    if (response[NEED_DRAIN] && !response.finished) {
        response[NEED_DRAIN] = false;
        response.emit("drain");
    }
}

function callAll(callbacks, error = null) {
    callbacks.splice(0).forEach((callback) => callback(error));
}

class EventStream {
    // `callbacks`: of what the application has written so far.
    constructor({ service, server, head, request, response, socket }, callbacks) {
        this._service = service;
        this._server = server;
        this._request = request;
        this._response = response;
        // The request's former socket object. The application may still hold a reference.
        this._former = socket;
        this._connection = null;
        this._head = head;
        this._callbacks = callbacks;
        this._concluded = false;
        this._dropped = 0;
        this._lastLooks = null;
        // For look(): bytes that the client has taken, and since when it has taken no more.
        this._taken = 0;
        this._stuckSince = null;
        service.streamBegun(this, server);
        // Until the client's socket is here, the answer keeps what is written. The application may
        // use the answer's socket all the same.
        response.detachSocket(socket);
        response.socket = socket;
        response.chunkedEncoding = true;
        response.once("finish", () => this._finished());
    }

    // `first`: what the application has written so far.
    open(descriptor, first) {
        const connection = descriptor === -1 ? null : this._socketOf(descriptor);
        if (!connection) {
            this._left();
            return;
        }
        this._connection = connection;
        connection.server = this._server;
        connection.on("error", () => {});
        connection.on("end", () => connection.destroy());
        connection.on("close", () => this._left());
        connection.on("drain", () => tellRoom(this._response));
        connection.on("timeout", () => this._timedOut());
        this._takeOverFrom(this._former);
        if (this._former.destroyed) {
            connection.destroy();
            return;
        }
        connection.on("data", (data) => this._drop(data));
        if (first !== undefined && first.length > 0) {
            connection.write(`${Buffer.byteLength(first).toString(16)}\r\n`);
            connection.write(first);
            connection.write("\r\n", (error) => callAll(this._callbacks, error));
        } else {
            process.nextTick(callAll, this._callbacks);
        }
        this._response.assignSocket(connection);
        if (!connection.writableNeedDrain) {
            tellRoom(this._response);
        }
    }

    destroy() {
        this._former.destroy();
        if (this._connection) {
            this._connection.destroy();
        }
    }

    // From time to time. A client that takes nothing for long has gone, or is an attack.
    look(now) {
        const { _connection: connection } = this;
        const handle = connection && connection._handle;
        if (!handle || connection.writableLength === 0) {
            this._stuckSince = null;
            return;
        }
        const taken = handle.bytesWritten - handle.writeQueueSize;
        if (this._stuckSince === null || taken !== this._taken) {
            this._taken = taken;
            this._stuckSince = now;
        } else if (now - this._stuckSince >= TAKES_WITHIN) {
            connection.destroy();
        }
    }

    // Drops bytes behind the request.
    _drop(data) {
        this._dropped += data.length;
        if (this._dropped > MOST_DROPPED) {
            this._connection.destroy();
        }
    }

    // A close with unread bytes would take sent ones away from the client. So the connection is
    // read until the client closes its side, or has had everything for a while, or takes nothing
    // for long.
    _close() {
        const { _connection: connection } = this;
        let [unsent, since] = [Infinity, performance.now()];
        const look = () => {
            const left = connection._handle ? native.addon.unsent(connection._handle.fd) : 0;
            if (left !== unsent) {
                [unsent, since] = [left, performance.now()];
            } else if (performance.now() - since >= (left > 0 ? TAKES_WITHIN : CLOSES_WITHIN)) {
                connection.destroy();
            }
        };
        connection.end(() => {
            if (!connection.destroyed) {
                this._lastLooks = setInterval(look, LAST_LOOKS_INTERVAL).unref();
            }
        });
    }

    // Null: the process cannot use it.
    _socketOf(descriptor) {
        try {
            return new UpgradedSocket(descriptor, this._head);
        } catch {
            native.addon.close(descriptor);
            return null;
        }
    }

    _takeOverFrom(former) {
        const { _connection: connection } = this;
        connection.setTimeout(former.timeout || 0);
        former.setTimeout(0);
        former.setTimeout = (...parts) => {
            connection.setTimeout(...parts);
            return former;
        };
        // After the end it may close with the request, before the client has everything.
        former.once("close", () => this._concluded || connection.destroy());
    }

    _timedOut() {
        const { _response: response, _connection: connection } = this;
        if (!response.emit("timeout", connection) && !this._server.emit("timeout", connection)) {
            connection.destroy();
        }
    }

    _finished() {
        this._concluded = true;
        conclude({ request: this._request, socket: this._former }, false);
        this._close();
    }

    // The connection is closed.
    _left() {
        clearInterval(this._lastLooks);
        this._service.streamEnded(this, this._server);
        this._former.destroy();
        callAll(this._callbacks, destroyed());
        if (!this._concluded) {
            this._concluded = true;
            this._request.destroy(reset());
            process.nextTick(emitClose, this._response);
        }
    }
}

// Whether an answer with these header lines, which goes on, is for this way.
exports.isEventStream = (status, lines) => status === 200 && TYPE.test(lines) && !LENGTH_OR_CODING.test(lines);

// `chunks`: those of the answer, whose callbacks the stream calls. False: no descriptor can be
// sent, and the answer goes the usual way.
exports.transfer = function (exchange, lines, first, chunks) {
    const { reply, resource } = exchange;
    let stream = null;
    const asked = askForClient(reply, (descriptor) => resource.runInAsyncScope(() => stream.open(descriptor, first)));
    if (asked) {
        stream = new EventStream(exchange, chunks.takeCallbacks());
        reply.respond(200, FRAMING.test(lines) ? lines : `${lines}Transfer-Encoding: chunked\r\n`, undefined, true);
    }
    return asked;
};
exports.EventStream = EventStream;
