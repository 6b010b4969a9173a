"use strict";

// One request, from its claim to the last message of its answer. It makes the objects that
// http.Server makes of a request's text, and takes what http.ServerResponse writes.
const { AsyncResource } = require("async_hooks");
const { ClientSocket } = require("./client_socket");
const { conclude, destroyed, isAwaited, reset } = require("./conclusion");
const { isEventStream, transfer } = require("./event_stream");
const { NEED_DRAIN, makeRequest, onFinish, publishStart, responseClass, trailersOf } = require("./http_server");
const { askForBody, writeInterim } = require("./interim");
const layout = require("./layout");
const log = require("./log");
const native = require("./native");
const { Reply } = require("./reply");
const { RequestBody } = require("./request_body");

const { HUP, IN, OUT, RDHUP } = native;
// Bytes that are sent at once, instead of at the end of the turn.
const MUCH = 65536;
// Milliseconds that an application may pause while it reads a body behind its answer.
const READS_WITHIN = 10000;

// Node sends a head with a text in one piece, and so both as UTF-8. Names of files in heads rely on it.
function asNodeSends(lines) {
    return /[\x80-\xff]/.test(lines) ? Buffer.from(lines).toString("latin1") : lines;
}

function onPrefinish() {
    const exchange = this.socket && this.socket.exchange;
    if (exchange && exchange.response === this) {
        exchange.end();
    }
}

function flushLater(exchange) {
    exchange.scheduled = false;
    exchange.flush(false);
}

function callAll(callbacks, error) {
    callbacks.forEach((callback) => callback(error));
}

function endOrHold(exchange) {
    if (exchange.bodyIsAwaited) {
        exchange.hold();
    } else {
        exchange.flush(true);
    }
}

class Exchange {
    // `service` is told of the end (Service.ended()). `source`, `cell`: where the claim is.
    constructor(service, source, cell, channel, ticket) {
        this.service = service;
        this.source = source;
        this.cell = cell;
        this.channel = channel;
        this.ticket = ticket;
        this.reply = null;
        this.over = false;
        this.skipped = false;
        this.request = null;
        this.response = null;
        this.socket = null;
        this.server = null;
        // The event loop's turn has data for a message.
        this.scheduled = false;
        this.resource = null;
        this.head = null;
        // Milliseconds, as performance.now().
        this.since = performance.now();
        this._body = null;
        this._chunks = [];
        this._size = 0;
        this._callbacks = [];
        // The answer is complete, apart from messages that wait for room.
        this._ending = false;
        // Node's answer was told to wait.
        this._isFull = false;
        this._isAborted = false;
        // The timer of an answer that is complete, apart from its last message: hold().
        this._holding = null;
        // The child can give the client's own socket away: for another protocol; for the rest of an answer.
        this.transferable = this.streamTransferable = false;
        // The client waits until it is asked for its body.
        this.asks = false;
        this.takesTrailers = false;
        this.mayHaveFile = false; // in place of BODY messages
        // write() gets the text of an interim answer.
        this.writesInterim = false;
        // Interim answers so far.
        this.hints = 0;
    }

    // `queued`: microseconds from the sending of the request until the instance took it.
    open(queued) {
        this.channel.exchange = this;
        this.reply = new Reply(this.channel, this.ticket, queued, this.source.stickyId);
    }

    // The request was withdrawn.
    skip() {
        this.reply.send(layout.SKIPPED | layout.LAST);
        this.skipped = this._ending = true;
        this._settle();
    }

    refuse(reason) {
        log.complain("request.malformed", { reason });
        this.fail(500, "Internal Server Error");
    }

    // An answer in place of the application's.
    fail(status, text) {
        this.reply.fail(status, text);
        this._ending = true;
        this._settle();
    }

    // `head`: a RequestHead. `body`: its bytes, or null, if they follow on the channel; `first`: those
    // that came behind a long head.
    run(server, head, body, resends, first = null) {
        this.server = server;
        this.service.connected(server, 1);
        this.head = head;
        const follows = body === null;
        this._body = new RequestBody(this, follows ? head.length : body.length, resends, first, follows);
        if (!follows) {
            head.addFraming(head.mayHaveBody || body.length > 0 ? body.length : null);
        } else if (head.mayHaveBody) {
            head.addFraming(head.length);
            this.asks = head.hasExpect;
            if (this.asks) {
                head.addExpectation();
            }
        }
        if (!(follows && head.mayHaveBody) && head.wantsUpgrade()) {
            head.addUpgrade();
            if (server.listenerCount("upgrade") > 0) {
                this.service.upgrade(this, server, head);
                return;
            }
        }
        this.socket = this._socketFor(server);
        this.socket.begin(this, head);
        if (this.socket.destroyed) {
            // By a listener of `connection`.
            this.cutOff();
            return;
        }
        this.resource = new AsyncResource("PASSENGERREQUEST");
        try {
            this.resource.runInAsyncScope(this._start, this);
        } finally {
            // The application may have thrown, and go on.
            if (!follows && this.request && !this.request.destroyed) {
                this.resource.runInAsyncScope(this._body.give, this._body, body);
            }
            if (this.channel.gone && !this.over) {
                this._inScope(this.clientLeft);
            }
        }
    }

    // From Node's answer. False: the application should wait for `drain`.
    write(data, encoding, callback) {
        if (!this.response._header || this.writesInterim) {
            writeInterim(this, String(data), callback);
            return true;
        }
        if (data.length > 0) {
            const isUtf8 = !encoding || encoding === "utf8" || encoding === "utf-8" || encoding === "buffer";
            if (typeof data !== "string") {
                this._chunks.push(Buffer.isBuffer(data) ? data
                    : Buffer.from(data.buffer, data.byteOffset, data.byteLength));
            } else {
                this._chunks.push(isUtf8 ? data : Buffer.from(data, encoding));
            }
            this._size += data.length;
        }
        if (callback) {
            this._callbacks.push(callback);
        }
        if (this._size >= MUCH) {
            this.flush(false);
        } else if (!this.scheduled) {
            this.scheduled = true;
            process.nextTick(flushLater, this);
        }
        if (this.waiting >= MUCH) {
            this._isFull = true;
        }
        return !this._isFull;
    }

    // Bytes that httpd has not taken.
    get waiting() {
        return this._size + this.reply.waiting;
    }

    flush(last) {
        if (this.over || this._ending || this.response === null || !this.response._header) {
            return;
        }
        const chunks = this._chunks;
        const body = chunks.length < 2 ? chunks[0] : this._joined();
        if (chunks.length > 0) {
            this._chunks = [];
        }
        this._size = 0;
        this._ending = last;
        const trailers = last && this.takesTrailers ? trailersOf(this.response) : "";
        const ends = last && trailers === "";
        if (!this.reply.started) {
            const head = this.response._header;
            const raw = head.slice(head.indexOf("\r\n") + 2, -2);
            const lines = typeof body === "string" ? asNodeSends(raw) : raw;
            const status = Number(head.slice(9, 12));
            if (!last && this.streamTransferable && isEventStream(status, raw) && this.service.hasRoomForClient &&
                transfer(this, lines, body, this._callbacks)) {
                this._leave();
                return;
            }
            this.reply.respond(status, lines, body, ends);
        } else if (body !== undefined || ends) {
            this.reply.data(body, ends);
        }
        if (trailers !== "") {
            this.reply.send(layout.TRAILERS | layout.LAST, 0, trailers.length, trailers);
        }
        this._afterSending();
    }

    // The answer goes on by the client's own socket.
    _leave() {
        this._callbacks = [];
        this.socket.exchange = null;
        this.socket = this.channel.socket = null;
        this.handedOver();
    }

    // Node's answer has ended.
    end() {
        if (this.over) {
            return;
        }
        if (this._body.isComing) {
            // The application may begin to read after end().
            process.nextTick(endOrHold, this);
        } else {
            this.flush(true);
        }
    }

    get bodyIsAwaited() {
        return !this.over && !this._ending && this._body.isComing && isAwaited(this.request);
    }

    // The application reads on behind its answer. The child drops the rest of a body after the last
    // message, so that waits.
    hold() {
        let before = -1;
        this._holding = setInterval(() => {
            const { arrived, isPaused } = this._body;
            if (isPaused && arrived === before) {
                this.bodyEnded();
            }
            before = arrived;
        }, READS_WITHIN).unref();
        this.flush(false);
    }

    // A part of the body has come, or a part of the answer has gone.
    progressed() {
        if (this.socket && this.socket.timeout) {
            this.socket._refreshTimeout();
        }
    }

    // No more of the body comes, or is read.
    bodyEnded() {
        if (this._holding) {
            clearInterval(this._holding);
            this._holding = null;
            this.flush(true);
        }
    }

    onEvents(events, gone) {
        if (gone || events & HUP) {
            this._inScope(this.clientLeft);
            return;
        }
        if (events & OUT && this.reply.waits) {
            this.reply.sendWaiting();
            this.progressed();
            this._inScope(this._afterSending);
        }
        if (events & (IN | RDHUP) && !this.over && this._body) {
            this._inScope(this._body.onReadable, this._body);
        }
    }

    // The child has given the exchange up.
    clientLeft() {
        this.reply.gone = true;
        this._afterSending();
    }

    // From an Upgrade: the connection is the application's, or its answer is complete.
    handedOver() {
        this._ending = true;
        this._afterSending();
    }

    // The application has closed the connection, or the answer cannot be finished.
    cutOff() {
        if (this.over || this._ending) {
            return;
        }
        if (this._holding) {
            this.bodyEnded();
            return;
        }
        if (!this.reply.gone) {
            const started = this.reply.started;
            if (!started) {
                log.complain("answer.refused", { reason: "the application closed the connection", ...this.head.subject });
            }
            this.reply.fail(502, "Bad Gateway");
        }
        this._ending = true;
        this._abort();
        this._settle();
    }

    // Node wants the body of the request.
    resumeBody() {
        if (this.asks && !this.reply.started && !this.over) {
            askForBody(this);
        }
        if (!this.over) {
            this._body.resume();
        }
    }

    pauseBody() {
        if (this._body) {
            this._body.pause();
        }
    }

    _start() {
        this._makeObjects(this.server, this.head);
        this._emit();
    }

    _makeObjects(server, head) {
        const request = makeRequest(server, this.socket, head, false);
        const response = new (responseClass(server))(request, {
            highWaterMark: this.socket.writableHighWaterMark,
            rejectNonStandardBodyWrites: server.rejectNonStandardBodyWrites,
        });
        // httpd has a connection of its own with the client.
        response._removedConnection = true;
        response.on("prefinish", onPrefinish);
        response.on("finish", onFinish);
        if (publishStart(request, response, this.socket)) {
            // Newer Nodes give a resource the context of its making: what a subscriber has set.
            this.resource = new AsyncResource("PASSENGERREQUEST");
        }
        response.assignSocket(this.socket);
        this.request = request;
        this.response = response;
    }

    // That of the channel, unless its last exchange is not over for the application.
    _socketFor(server) {
        const former = this.channel.socket;
        if (former && !former.destroyed && !former._httpMessage && former.server === server) {
            return former;
        }
        const socket = new ClientSocket(server);
        this.channel.socket = socket;
        server.emit("connection", socket);
        return socket;
    }

    _emit() {
        const { request, response, server } = this;
        if (!this.asks) {
            server.emit("request", request, response);
            return;
        }
        response._expect_continue = true;
        // Otherwise the client is asked for the body when the application reads it.
        server.emit(server.listenerCount("checkContinue") > 0 ? "checkContinue" : "request", request, response);
    }

    _inScope(method, object = this) {
        if (this.resource) {
            this.resource.runInAsyncScope(method, object);
        } else {
            method.call(object);
        }
    }

    _joined() {
        const chunks = this._chunks;
        return chunks.every((one) => typeof one === "string") ? chunks.join("")
            : Buffer.concat(chunks.map((one) => typeof one === "string" ? Buffer.from(one) : one));
    }

    _afterSending() {
        if (this.over) {
            return;
        }
        if (this.reply.gone) {
            this._ending = true;
            this._abort();
            this._settle();
            return;
        }
        if (this.reply.waits) {
            return;
        }
        if (this._callbacks.length > 0) {
            process.nextTick(callAll, this._callbacks);
            this._callbacks = [];
        }
        if (this._ending) {
            this._settle();
            if (this.socket && !this._isAborted) {
                process.nextTick(conclude, this);
            }
        } else if (this._isFull) {
            this._isFull = false;
            this._tellRoom();
        }
    }

    _tellRoom() {
        const { response } = this;
        if (!response.finished && response[NEED_DRAIN]) {
            response[NEED_DRAIN] = false;
            process.nextTick(() => response.emit("drain"));
        }
    }

    // Tells the application that its client has left, or ends what it has cut off itself.
    _abort() {
        const { socket, request } = this;
        if (!socket || this._isAborted) {
            return;
        }
        this._isAborted = true;
        if (this._callbacks.length > 0) {
            process.nextTick(callAll, this._callbacks, destroyed());
            this._callbacks = [];
        }
        socket.exchange = null;
        this.channel.socket = null;
        socket.destroy();
        if (request) {
            request.destroy(reset());
        }
    }

    // The last message is sent, or none can be: the claim is free.
    _settle() {
        if (this.over || this.reply.waits && !this.reply.gone) {
            return;
        }
        this.over = true;
        clearInterval(this._holding);
        if (this.socket) {
            this.socket.exchange = null;
        }
        if (this._body) {
            this._body.close();
        }
        const { channel, server } = this;
        channel.release();
        this.service.ended(this, this.reply.gone ? channel : null);
        if (server) {
            this.service.connected(server, -1);
        }
    }
}

module.exports = { Exchange };
