"use strict";

// Gives the application the client's connection, for another protocol such as WebSocket. The
// application has one end of a stream pair as its socket, and writes its answer there. Once it has
// agreed, it gets the client's own socket instead, or httpd gets the other end and passes all bytes
// on.
const { Chunks } = require("./chunks");
const { connectRequest } = require("./http_server");
const layout = require("./layout");
const log = require("./log");
const native = require("./native");
const poller = require("./poller");
const { askForClient, connect } = require("./transfer");
const { UpgradedSocket } = require("./upgraded_socket");

const SWITCHING_PROTOCOLS = 101;
const MOST_INTERIM = 16;
const BODILESS = new Set([204, 304]);
const STATUS_LINE = /^HTTP\/1\.[01] (\d\d\d)[^\r\n]*\r\n/;

// Reads the head of what the application answers, and decides.
class Upgrade {
    constructor(service, exchange, head, descriptor, socket) {
        this._service = service;
        this._exchange = exchange;
        this._head = head;
        this._descriptor = descriptor;
        this._socket = socket;
        // The bytes of a refusal that are still to come; Infinity: until the end.
        this._left = null;
        // The Chunks that parse its body, if it is chunked.
        this._chunks = null;
        this._interim = 0;
        this._released = false;
        // An event for each piece, and none while the answer waits for room.
        this._tag = poller.watch(descriptor, native.IN | native.RDHUP | native.EDGE, this);
        exchange.channel.exchange = this;
    }

    // The poller calls this for the stream. The reply channel calls it with `gone`, a boolean.
    onEvents(events, gone) {
        if (gone === undefined) {
            this._look((events & native.RDHUP) !== 0);
        } else if (gone) {
            this._exchange.reply.gone = true;
            this._end();
        } else if (events & native.OUT && this._exchange.reply.waits) {
            this._exchange.reply.sendWaiting();
            this._passOn();
        }
    }

    // `ended`: the application writes no more.
    _look(ended) {
        if (this._left !== null) {
            this._passOn();
            return;
        }
        const size = native.addon.peek(this._descriptor);
        if (size === native.EAGAIN || size === native.EINTR) {
            return;
        }
        const text = native.received.latin1Slice(0, Math.max(size, 0));
        const end = text.indexOf("\r\n\r\n");
        const line = STATUS_LINE.exec(text);
        if (end >= 0 && line) {
            this._decide(Number(line[1]), text.slice(line[0].length, end + 2), end + 4, ended);
        } else if (size <= 0 || end >= 0 || size > layout.MESSAGE_LIMIT || ended || this._socket.destroyed) {
            this._fail(size <= 0 ? "the application closed the connection" : "the answer is not HTTP/1");
        }
    }

    _decide(status, lines, size, ended) {
        native.addon.receive(this._descriptor, size);
        const { reply } = this._exchange;
        if (status < 200 && status !== SWITCHING_PROTOCOLS) {
            if (this._interim++ < MOST_INTERIM && lines.length <= layout.PAYLOAD_LIMIT) {
                reply.send(layout.INTERIM, status, lines.length, lines);
            }
            this._look(ended);
            return;
        }
        if (status !== SWITCHING_PROTOCOLS) {
            this._left = this._bodyLength(status, lines);
            reply.respond(status, lines, undefined, this._left === 0);
            this._passOn();
            return;
        }
        const isTransferred = this._exchange.flags & layout.TRANSFERABLE && this._service.hasRoomForClient;
        const handedOver = isTransferred ? this._transfer() : reply.sendStream(this._descriptor);
        if (handedOver) {
            if (!this._socket.destroyed) {
                this._service.upgraded.add(this._socket);
                this._socket.on("close", () => this._service.upgraded.delete(this._socket));
            }
            reply.respond(status, lines, undefined, true);
            this._release();
        } else {
            this._fail("no descriptor can be sent");
        }
    }

    // False: no descriptor can be sent.
    _transfer() {
        const { _socket: socket, _descriptor: other } = this;
        if (!askForClient(this._exchange.reply, (client) => connect(socket, other, client))) {
            return false;
        }
        poller.unwatch(other, this._tag);
        this._descriptor = -1;
        return true;
    }

    _bodyLength(status, lines) {
        if (BODILESS.has(status) || this._head.method === "HEAD") {
            return 0;
        }
        if (/^transfer-encoding:.*\bchunked[ \t]*\r$/im.test(lines)) {
            this._chunks = new Chunks();
            return Infinity;
        }
        const length = /^content-length:[ \t]*(\d{1,15})[ \t]*\r$/im.exec(lines);
        return length ? Number(length[1]) : Infinity;
    }

    // The body of a refusal.
    _passOn() {
        while (this._left > 0 && !this._exchange.reply.waits) {
            const result = native.addon.receive(this._descriptor, Math.min(this._left, layout.PAYLOAD_LIMIT));
            if (result === native.EAGAIN || result === native.EINTR) {
                return;
            }
            const piece = Buffer.from(native.received.subarray(0, native.sizeOf(Math.max(result, 0))));
            const cut = piece.length === 0 && this._left !== Infinity;
            this._left = piece.length === 0 ? 0 : this._left - piece.length;
            if (cut) {
                this._exchange.reply.send(layout.ABORTED | layout.LAST);
            } else if (this._chunks) {
                this._passChunks(piece);
            } else {
                this._exchange.reply.data(piece, this._left === 0);
            }
        }
        if (this._left === 0) {
            this._end();
        }
    }

    _passChunks(piece) {
        const { reply } = this._exchange;
        let body;
        try {
            body = this._chunks.take(piece);
            if (this._left === 0 && !this._chunks.ended) {
                throw new Error("the last chunk is missing");
            }
        } catch (error) {
            log.complain("answer.refused", { reason: error.message, ...this._head.subject });
            reply.fail(502, "Bad Gateway");
            this._left = 0;
            return;
        }
        if (this._chunks.ended) {
            this._left = 0;
        }
        reply.data(body, this._left === 0);
    }

    _fail(reason) {
        log.complain("answer.refused", { reason, ...this._head.subject });
        this._exchange.reply.fail(502, "Bad Gateway");
        this._end();
    }

    _end() {
        this._socket.destroy();
        this._release();
    }

    _release() {
        if (this._released) {
            return;
        }
        this._released = true;
        if (this._descriptor !== -1) {
            poller.unwatch(this._descriptor, this._tag);
            native.addon.close(this._descriptor);
            this._descriptor = -1;
        }
        this._exchange.channel.exchange = this._exchange;
        this._exchange.handedOver();
    }
}

// Makes the stream pair and its Upgrade. Returns the application's socket. Null: the process has
// too few descriptors left, or the kernel watches no more.
function begin(service, exchange, head) {
    let pair = [];
    let socket = null;
    try {
        pair = native.addon.streamPair();
        socket = new UpgradedSocket(pair[1], head);
        new Upgrade(service, exchange, head, pair[0], socket);
        return socket;
    } catch (error) {
        if (socket) {
            socket.destroy();
            pair.pop();
        }
        pair.forEach((descriptor) => native.addon.close(descriptor));
        log.complain("answer.refused", { reason: error.message, ...head.subject });
        return null;
    }
}

exports.upgrade = function (service, exchange, server, head, request) {
    const socket = begin(service, exchange, head);
    if (!socket) {
        exchange.fail(503, "Service Unavailable");
        return;
    }
    socket.server = server;
    // close() of the server waits for its end.
    socket._server = server;
    service.connected(server, 1);
    // Node would end the process of an application without a listener.
    socket.on("error", () => {});
    exchange.announce(socket);
    connectRequest(request, socket, true);
    request.complete = true;
    request.push(null);
    exchange.resource.runInAsyncScope(() => {
        // As Node's server, where the application has taken the upgrade and does not listen.
        if (!server.emit("upgrade", request, socket, Buffer.alloc(0))) {
            socket.destroy();
        }
    });
};
