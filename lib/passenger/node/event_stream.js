"use strict";

// An answer of the type text/event-stream may go on for as long as its client listens. It gets the
// client's own socket: it holds no thread of httpd, and no place of the instance.
const { conclude, emitClose, reset } = require("./conclusion");
const { NEED_DRAIN } = require("./http_server");
const { askForClient } = require("./transfer");
const { UpgradedSocket } = require("./upgraded_socket");

const TYPE = /^content-type:[ \t]*text\/event-stream[ \t]*[;\r]/im;
const FRAMING = /^transfer-encoding:/im;
const LENGTH_OR_CODING = /^content-(length|encoding):/im;

function tellRoom(response) {
    if (response[NEED_DRAIN] && !response.finished) {
        response[NEED_DRAIN] = false;
        response.emit("drain");
    }
}

class EventStream {
    constructor({ service, server, request, response, socket }, head) {
        this._service = service;
        this._server = server;
        this._request = request;
        this._response = response;
        // The one that the request had so far. The application may hold it.
        this._former = socket;
        this._head = head;
        this._concluded = false;
        service.streams.add(this);
        // Until the client's socket is here, the answer keeps what is written.
        response.detachSocket(socket);
        response.chunkedEncoding = true;
        response.once("finish", () => this._finished());
    }

    // `first`: what the application has written so far.
    open(descriptor, first) {
        if (descriptor === -1) {
            this._left();
            return;
        }
        const connection = new UpgradedSocket(descriptor, this._head);
        this._connection = connection;
        this._service.adopt(connection, this._server);
        connection.on("error", () => {});
        connection.on("end", () => connection.destroy());
        connection.on("close", () => this._left());
        connection.on("drain", () => tellRoom(this._response));
        connection.on("timeout", () => this._timedOut());
        connection.setTimeout(this._former.timeout || 0);
        this._former.setTimeout(0);
        this._former.once("close", () => connection.destroy());
        if (this._former.destroyed) {
            connection.destroy();
            return;
        }
        if (first !== undefined && first.length > 0) {
            connection.write(`${Buffer.byteLength(first).toString(16)}\r\n`);
            connection.write(first);
            connection.write("\r\n");
        }
        this._response.assignSocket(connection);
        if (!connection.writableNeedDrain) {
            tellRoom(this._response);
        }
        connection.resume();
    }

    _timedOut() {
        const { _response: response, _connection: connection } = this;
        if (!response.emit("timeout", connection) && !this._server.emit("timeout", connection)) {
            connection.destroy();
        }
    }

    _finished() {
        this._concluded = true;
        conclude({ request: this._request, response: this._response, socket: this._former, channel: {} });
        this._connection.destroySoon();
    }

    // The connection is closed.
    _left() {
        this._service.streamEnded(this);
        this._former.destroy();
        if (!this._concluded) {
            this._concluded = true;
            this._request.destroy(reset());
            process.nextTick(emitClose, this._response);
        }
    }
}

// Whether an answer with these header lines, which goes on, is for this way.
exports.isEventStream = (status, lines) => status === 200 && TYPE.test(lines) && !LENGTH_OR_CODING.test(lines);

// False: no descriptor can be sent, and the answer goes the usual way.
exports.transfer = function (exchange, head, lines, first) {
    const { reply, resource } = exchange;
    let stream = null;
    const asked = askForClient(reply, (descriptor) => resource.runInAsyncScope(() => stream.open(descriptor, first)));
    if (asked) {
        stream = new EventStream(exchange, head);
        reply.respond(200, FRAMING.test(lines) ? lines : `${lines}Transfer-Encoding: chunked\r\n`, undefined, true);
    }
    return asked;
};
