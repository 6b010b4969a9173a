"use strict";

// One request, from its claim to the last message of its answer. It makes the objects that
// http.Server makes of a request's text, and takes what http.ServerResponse writes.
const { AsyncResource } = require("async_hooks");
const { AnswerChunks } = require("./answer_chunks");
const { BegunAnswer } = require("./begun_answer");
const { ClientSocket } = require("./client_socket");
const { conclude, destroyed, isAwaited, reset } = require("./conclusion");
const { isEventStream, transfer } = require("./event_stream");
const { NEED_DRAIN, OWN_CONNECTION_LISTENERS, connectRequest, makeRequest, makeResponse, makeUpgradeRequest,
    publishStart, takeBegun, takesUpgrade, trailersOf } = require("./http_server");
const { InterimAnswers } = require("./interim_answers");
const layout = require("./layout");
const log = require("./log");
const native = require("./native");
const { Reply } = require("./reply");
const { RequestBody } = require("./request_body");

const { HUP, IN, OUT, RDHUP } = native;
// Bytes that are sent at once, instead of at the end of the turn.
const MUCH = 65536;

// Node sends a head with a text in one piece, and so both as UTF-8. Names of files in heads rely on
// it.
function asNodeSends(lines) {
    return /[\x80-\xff]/.test(lines) ? Buffer.from(lines).toString("latin1") : lines;
}

function onPrefinish() {
    const exchange = this.socket && this.socket.exchange;
    if (exchange) {
        exchange.end();
    }
}

function flushLater(exchange) {
    exchange.scheduled = false;
    exchange.flush(false);
}

function endOrHold(exchange) {
    if (exchange.bodyIsAwaited) {
        exchange.hold();
    } else {
        exchange.flush(true);
    }
}

function emitConnection(server, socket) {
    server.emit("connection", socket);
    // Newer Nodes give a resource the context of its making: what a listener has set.
    return new AsyncResource("PASSENGERREQUEST");
}

class Exchange {
    // `service` is told of the end (Service.ended()). `source`, `cell`: where the claim is.
    // `flags`: those of the request's message.
    constructor(service, source, cell, channel, ticket, flags) {
        this.service = service;
        this.source = source;
        this.cell = cell;
        this.channel = channel;
        this.ticket = ticket;
        this.flags = flags;
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
        this._chunks = new AnswerChunks();
        // Made when the request needs it.
        this._interim = null;
        // The answer is complete, apart from messages that wait for room.
        this._ending = false;
        // Node's answer was told to wait.
        this._isFull = false;
        // A BegunAnswer, or null.
        this._begun = null;
        this._isAborted = false;
    }

    // `queued`: microseconds from the sending of the request until the instance took it.
    open(queued) {
        this.channel.exchange = this;
        this.reply = new Reply(this.channel, this.ticket, queued, this.source.serve.stickyId);
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

    // `head`: a RequestHead. `body`: its bytes, or null, if they follow on the channel; `first`:
    // those that came behind a long head.
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
            if (head.hasExpect) {
                this.interim.asks = true;
                head.addExpectation();
            }
        }
        this.resource = new AsyncResource("PASSENGERREQUEST");
        let asked = null;
        if ((follows ? !head.mayHaveBody : body.length === 0) && head.wantsUpgrade()) {
            head.addUpgrade();
            asked = makeUpgradeRequest(server, head);
            if (this.resource.runInAsyncScope(takesUpgrade, null, server, asked)) {
                this.service.upgrade(this, server, head, asked);
                return;
            }
        }
        this.socket = ClientSocket.of(server, head, this);
        this.socket.begin(this, head);
        if (this.socket.destroyed) {
            // By a listener of `connection`.
            this.cutOff();
            return;
        }
        try {
            this.resource.runInAsyncScope(this._start, this, asked);
        } finally {
            // The application may have thrown, and go on.
            if (!follows && this.request) {
                this.resource.runInAsyncScope(this._body.give, this._body, body);
            }
            if (this.channel.gone && !this.over) {
                this._inScope(this.clientLeft);
            }
        }
    }

    // Tells the application of the connection. What its listener sets in an AsyncLocalStorage is
    // for this request, not for those of other clients. Without such a listener no scope is needed.
    announce(socket) {
        const { server } = this;
        if (server.listenerCount("connection") > OWN_CONNECTION_LISTENERS) {
            this.resource = this.resource.runInAsyncScope(emitConnection, null, server, socket);
        } else {
            server.emit("connection", socket);
        }
    }

    answerBy(response) {
        response.on("prefinish", onPrefinish);
        this.response = response;
    }

    // From Node's answer. False: the application should wait for `drain`.
    write(data, encoding, callback) {
        if (!this.response._header && !this._takeBegun() || this._interim !== null && this._interim.isWritten) {
            this.interim.write(String(data), callback);
            return true;
        }
        if (this._begun === null) {
            this._chunks.add(data, encoding);
        } else {
            this._chunks.add(this._begun.take(data, encoding));
        }
        if (callback) {
            this._chunks.await(callback);
        }
        if (this._chunks.size >= MUCH) {
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

    // The application may have begun an answer of its own before it gave that this connection.
    _takeBegun() {
        const own = takeBegun(this);
        if (own !== null) {
            this._begun = new BegunAnswer(own);
            this.answerBy(own);
        }
        return own !== null;
    }

    // Bytes that httpd has not taken.
    get waiting() {
        return this._chunks.size + this.reply.waiting;
    }

    get interim() {
        if (this._interim === null) {
            this._interim = new InterimAnswers(this);
        }
        return this._interim;
    }

    flush(last) {
        if (this.over || this._ending || this.response === null || !this.response._header) {
            return;
        }
        const body = this._chunks.take();
        this._ending = last;
        const trailers = last && (this.flags & layout.TAKES_TRAILERS) !== 0 ? trailersOf(this.response) : "";
        const ends = last && trailers === "";
        if (!this.reply.started) {
            const head = this.response._header;
            const raw = head.slice(head.indexOf("\r\n") + 2, -2);
            const lines = typeof body === "string" ? asNodeSends(raw) : raw;
            const status = Number(head.slice(9, 12));
            if (!last && this.flags & layout.STREAM_TRANSFERABLE && isEventStream(status, raw) &&
                this.service.hasRoomForClient && transfer(this, lines, body, this._chunks)) {
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
        this.socket.exchange = null;
        this.socket = null;
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

    // The application reads on behind its answer.
    hold() {
        this._body.holdAnswer();
        this.flush(false);
    }

    // A part of the body has come, or a part of the answer has gone.
    progressed() {
        if (this.socket && this.socket.timeout) {
            this.socket._refreshTimeout();
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
        const { socket } = this;
        this.reply.gone = true;
        try {
            if (socket && !this.over && !socket.destroyed) {
                socket.emit("end");
            }
        } finally {
            this._afterSending();
        }
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
        if (this.response && this.response.writableEnded) {
            // The answer is complete, and only the body was awaited.
            this.flush(true);
            return;
        }
        if (!this.reply.gone) {
            const started = this.reply.started;
            if (!started) {
                log.complain("answer.refused",
                    { reason: "the application closed the connection", ...this.head.subject });
            }
            this.reply.fail(502, "Bad Gateway");
        }
        this._ending = true;
        this._abort();
        this._settle();
    }

    // Node wants the body of the request.
    resumeBody() {
        if (this._asks && !this.reply.started && !this.over) {
            this._interim.askForBody();
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

    // `asked`: the request, if it was made to ask the application about an upgrade, or null.
    _start(asked) {
        if (asked) {
            connectRequest(asked, this.socket, false);
        }
        this._makeObjects(this.server, asked || makeRequest(this.server, this.socket, this.head, false));
        this._emit();
    }

    _makeObjects(server, request) {
        const response = makeResponse(server, request);
        this.answerBy(response);
        if (publishStart(request, response, this.socket)) {
            // Newer Nodes give a resource the context of its making: what a subscriber has set.
            this.resource = new AsyncResource("PASSENGERREQUEST");
        }
        response.assignSocket(this.socket);
        this.request = request;
    }

    // The client waits until it is asked for its body.
    get _asks() {
        return this._interim !== null && this._interim.asks;
    }

    _emit() {
        const { request, response, server } = this;
        if (!this._asks) {
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
        this._chunks.settle();
        if (this._ending) {
            this._settle();
            if (this.socket && !this._isAborted) {
                process.nextTick(conclude, this, true);
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
        this._chunks.settle(destroyed());
        socket.exchange = null;
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
