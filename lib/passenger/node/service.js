"use strict";

// Takes requests from the Group's queue, many at once, on Node's event loop.
const { readFileSync } = require("fs");
const { Exchange } = require("./exchange");
const { prepareServer } = require("./http_server");
const layout = require("./layout");
const log = require("./log");
const { LongHead } = require("./long_head");
const native = require("./native");
const { RequestHead } = require("./request_head");
const { upgrade } = require("./upgrade");

// Requests that are taken in one turn of the loop: other processes take requests, too.
const MOST_AT_ONCE = 4;
// Milliseconds between looks at event streams.
const LOOK_INTERVAL = 10000;
const LIMIT_OF_FILES = /^Max open files +(\d+)/m;
const NO_BODY = Buffer.alloc(0);

// The process's limit of descriptors. 0: it has no room for this question.
function limitOfFiles() {
    try {
        return Number(LIMIT_OF_FILES.exec(readFileSync("/proc/self/limits", "latin1"))[1]);
    } catch {
        return 0;
    }
}

class Service {
    // `server`: the application's http.Server. `events`: what the instance is told. `takesAll`:
    // nothing limits its requests at once.
    constructor(server, channels, events, takesAll) {
        this._server = server;
        prepareServer(server);
        this._channels = channels;
        this._events = events;
        this._takesAll = takesAll;
        // The sources of former pool processes, then the source of the present one.
        this._sources = [];
        this._paused = false;
        this._finished = false;
        // Sockets of upgraded connections.
        this.upgraded = new Set();
        // Event streams that have the client's own socket: answers in work, though no request has a
        // claim.
        this.streams = new Set();
        this._looks = null;
        this._exchanges = new Set();
    }

    begin(source) {
        this._sources.push(source);
        this._paused = source.serve.paused;
        this._watch();
        this._tellIfIdle();
    }

    // Exchanges with a request of the application.
    requests() {
        return [...this._exchanges].filter((exchange) => exchange.head);
    }

    get busy() {
        return this._sources.reduce((sum, source) => sum + source.busy, 0);
    }

    // Another pool process serves. Requests of former ones are answered.
    replace(source) {
        if (this._finished) {
            source.close();
            return;
        }
        this._sources.push(source);
        const was = this._paused;
        this._paused = source.serve.paused;
        this._watch();
        this._forgetFormer();
        if (this._paused && !was) {
            this._tellIfIdle();
        }
    }

    pause() {
        if (!this._paused && !this._finished) {
            this._paused = true;
            this._watch();
            this._tellIfIdle();
        }
    }

    resume() {
        if (!this._paused || this._finished) {
            return;
        }
        this._paused = false;
        this._watch();
        this._events.resumed();
    }

    // Takes no further request. Calls done() when the last one in work has ended.
    finish(done) {
        this._finished = true;
        this._done = done;
        this._watch();
        this._tellIfIdle();
        this._checkDone();
    }

    // Not upgraded connections, as Node.
    destroyAll() {
        for (const { socket, channel } of [...this._exchanges]) {
            if (socket) {
                socket.destroy();
            } else if (channel.exchange instanceof LongHead) {
                channel.exchange.cutOff();
            }
            // Otherwise its last message waits for room, or the application decides about an
            // upgrade.
        }
        [...this.streams].forEach((stream) => stream.destroy());
    }

    // From a Source: its queue is readable.
    take(source) {
        for (let i = 0; i < MOST_AT_ONCE && source.hasRoom && !this._paused && !this._finished; i++) {
            if (!this._server.listening) {
                this._events.closed();
                return;
            }
            const size = source.receive();
            if (size === 0) {
                break;
            }
            this._begin(source, size);
        }
        if (source.ended || !source.hasRoom) {
            this._watch();
            this._forgetFormer();
        } else {
            // The own queue may have ended.
            source.watch(!this._paused && !this._finished);
        }
    }

    // From an Exchange, whose claim is free now. `gone`: its channel, if the child has given it up.
    ended(exchange, gone) {
        const { source } = exchange;
        this._exchanges.delete(exchange);
        const wasFull = !source.hasRoom;
        if (gone) {
            this._channels.drop(gone.id);
        }
        source.giveBack(exchange.cell, !exchange.skipped);
        if (!exchange.skipped) {
            this._events.answered();
        }
        this._afterEnd(source, wasFull);
    }

    // Whether one more client's socket leaves enough descriptors for all else.
    get hasRoomForClient() {
        return this.streams.size + this.upgraded.size < limitOfFiles() / 2;
    }

    // Connections of a server: close() waits for their end.
    connected(server, change) {
        server._connections += change;
        if (change < 0 && server._emitCloseIfDrained) {
            server._emitCloseIfDrained();
        }
    }

    // close() of its server waits for its end.
    streamBegun(stream, server) {
        this.connected(server, 1);
        this.streams.add(stream);
        if (!this._looks) {
            const look = () => this.streams.forEach((one) => one.look(performance.now()));
            this._looks = setInterval(look, LOOK_INTERVAL).unref();
        }
    }

    streamEnded(stream, server) {
        if (!this.streams.delete(stream)) {
            return;
        }
        this.connected(server, -1);
        if (this.streams.size === 0) {
            clearInterval(this._looks);
            this._looks = null;
        }
        this._checkDone();
    }

    upgrade(exchange, server, head, request) {
        upgrade(this, exchange, server, head, request);
    }

    _begin(source, size) {
        // Otherwise the message names no channel for an answer.
        if (size < layout.REQUEST_HEADER) {
            log.complain("request.malformed", { bytes: size });
            return;
        }
        const { words, received } = native;
        const [seconds, nanoseconds] = process.hrtime();
        const sentAt = (words[6] + words[7] * 0x100000000) / 1000;
        const fields = {
            version: received[0], flags: received[1], resends: received[2] + received[3] * 256, headLength: words[1],
            channelId: native.longs[1], ticket: words[4] + words[5] * 0x100000000,
            queued: Math.min(Math.max(Math.round(seconds * 1e6 + nanoseconds / 1000 - sentAt), 0), layout.QUEUED_LIMIT),
            size,
        };
        const cell = source.takeCell();
        const channel = this._channels.find(fields.channelId);
        if (channel) {
            this._handle(source, cell, channel, fields, received);
            return;
        }
        const message = Buffer.from(received.subarray(0, size));
        this._channels.ask(fields.channelId, (found) => {
            if (found) {
                this._handle(source, cell, found, fields, message);
            } else {
                // The request is not claimed and not run: the child finds it not begun.
                const wasFull = !source.hasRoom;
                source.giveBack(cell, false);
                this._afterEnd(source, wasFull);
            }
        });
    }

    _handle(source, cell, channel, fields, message) {
        const runs = source.claim(cell, fields.channelId, fields.ticket);
        const { headLength, size } = fields;
        // The place of a stream would go to a request, while the application is busy with the
        // stream.
        const flags = this._takesAll ? fields.flags : fields.flags & ~layout.STREAM_TRANSFERABLE;
        const exchange = new Exchange(this, source, cell, channel, fields.ticket, flags);
        this._exchanges.add(exchange);
        exchange.open(fields.queued);
        if (!runs) {
            exchange.skip();
        } else if (fields.version !== layout.VERSION) {
            exchange.refuse(`version ${fields.version}`);
        } else if (size > layout.MESSAGE_LIMIT || headLength > layout.REQUEST_HEAD_LIMIT) {
            exchange.refuse("the message or its head is too long");
        } else if (flags & layout.STREAM) {
            exchange.refuse("Node instances take no stream exchanges");
        } else {
            this._run(exchange, fields, message);
        }
    }

    _run(exchange, { headLength, size, resends }, message) {
        const begin = layout.REQUEST_HEADER;
        const end = begin + headLength;
        if (exchange.flags & layout.BODY_FOLLOWS) {
            if (end <= size) {
                exchange.run(this._server, new RequestHead(message.latin1Slice(begin, end)), null, resends);
            } else {
                new LongHead(this, exchange, resends, Buffer.from(message.subarray(begin, size)), headLength).look();
            }
        } else if (size < end) {
            exchange.refuse("the head ends early");
        } else {
            const head = new RequestHead(message.latin1Slice(begin, end));
            const body = end === size ? NO_BODY : Buffer.from(message.subarray(end, size));
            exchange.run(this._server, head, body, resends);
        }
    }

    // The head is whole now.
    runLong(exchange, resends, bytes, headLength, isLast) {
        const head = new RequestHead(bytes.latin1Slice(0, headLength));
        const rest = bytes.subarray(headLength);
        if (isLast) {
            exchange.run(this._server, head, rest, resends);
        } else {
            exchange.run(this._server, head, null, resends, rest);
        }
    }

    _watch() {
        const opened = !this._paused && !this._finished;
        this._sources.forEach((source) => source.watch(opened));
    }

    _forgetFormer() {
        const last = this._sources.length - 1;
        this._sources = this._sources.filter((source, i) => {
            if (i === last || !source.ended || source.busy > 0) {
                return true;
            }
            source.close();
            return false;
        });
    }

    _afterEnd(source, wasFull) {
        if (wasFull) {
            this._watch();
        }
        if (this._sources.length > 1) {
            this._forgetFormer();
        }
        this._tellIfIdle();
        this._checkDone();
    }

    // Also at the instance's end if event streams go on: another instance may serve meanwhile.
    _tellIfIdle() {
        if ((this._finished ? this.streams.size > 0 : this._paused) && this.busy === 0) {
            this._events.paused();
        }
    }

    _checkDone() {
        if (this._finished && this._done && this.busy === 0 && this.streams.size === 0) {
            const done = this._done;
            this._done = null;
            done();
        }
    }
}

module.exports = { Service };
