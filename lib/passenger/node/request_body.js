"use strict";

// The body of a request, which comes in BODY messages while the application reads it, or in a file.
const { STATUS_CODES } = require("http");
const { BAD_REQUEST, BodyFile } = require("./body_file");
const { isAwaited } = require("./conclusion");
const layout = require("./layout");
const log = require("./log");
const native = require("./native");

// Milliseconds.
const SILENCE = 1000;
// Milliseconds that an application may pause while it reads a body behind its answer.
const READS_WITHIN = 10000;
// The status of an answer of a process without a descriptor for the body.
const UNAVAILABLE = 503;
// Pieces that are taken at once: the event loop has other work, too.
const MOST_PIECES = 4;

class RequestBody {
    // `length`: of the whole body; undefined: unknown. `resends`: BODY messages of so many earlier
    // tickets count, too. `first`: bytes that came behind the rest of a long head. `follows`: it
    // comes in messages, or as a file.
    constructor(exchange, length, resends, first, follows) {
        this._exchange = exchange;
        this._left = length;
        this._resends = resends;
        this._stale = 0;
        this._flows = false;
        this._ended = false;
        this._first = first;
        this._follows = follows;
        this._file = null;
        this._quota = MOST_PIECES;
        this._goesOn = false;
        // Bytes that the application's request has got.
        this._arrived = 0;
        // The timer of an answer that is complete, apart from its last message.
        this._holding = null;
    }

    get isComing() {
        return this._follows && !this._ended;
    }

    // The child drops the rest of a body after the last message of the answer. So that message
    // waits until the body ends, or the application pauses for long.
    holdAnswer() {
        let before = -1;
        this._holding = setInterval(() => {
            if (!this._flows && this._arrived === before) {
                this.releaseAnswer();
            }
            before = this._arrived;
        }, READS_WITHIN).unref();
    }

    releaseAnswer() {
        if (this._holding) {
            clearInterval(this._holding);
            this._holding = null;
            this._exchange.flush(true);
        }
    }

    // The whole body has come with the request. The answer may be over by now.
    give(bytes) {
        this._ended = true;
        const { request } = this._exchange;
        request.complete = true;
        request.socket.received += bytes.length;
        if (bytes.length > 0 && !request._dumped) {
            request.push(bytes);
        }
        request.push(null);
    }

    resume() {
        this._flows = true;
        this._take();
    }

    pause() {
        this._flows = false;
    }

    close() {
        this._ended = true;
        clearInterval(this._holding);
        this._closeFile();
    }

    onReadable() {
        this._quota = MOST_PIECES;
        this._take();
    }

    // Node asks for more during push(), so that the quota is that of the whole turn.
    _take() {
        while (this._flows && !this._ended) {
            if (this._quota === 0) {
                this._goOnLater();
                return;
            }
            const piece = this._next();
            if (piece === null) {
                return;
            }
            this._quota--;
            this._pass(piece);
        }
    }

    _goOnLater() {
        if (!this._goesOn) {
            this._goesOn = true;
            setImmediate(() => {
                this._goesOn = false;
                this._exchange.onEvents(native.IN, false);
            });
        }
    }

    // A piece and whether it is the last one. Null: nothing has come, or nothing will.
    _next() {
        if (this._first) {
            const first = this._first;
            this._first = null;
            return [first, false];
        }
        let piece = this._file ? this._file.next()
            : nextPiece(this._exchange.channel, this._exchange.ticket, this._resends, this,
                this._exchange.flags & layout.BODY_IN_FILE);
        if (piece instanceof BodyFile) {
            this._file = piece;
            piece = piece.next();
        }
        if (piece === undefined) {
            this._childEnds();
            return null;
        }
        if (typeof piece === "number") {
            this._breakOff(piece);
            return null;
        }
        if (piece && piece[1]) {
            this._closeFile();
        }
        return piece;
    }

    _closeFile() {
        if (this._file) {
            this._file.close();
            this._file = null;
        }
    }

    _pass([bytes, isLast]) {
        const { request } = this._exchange;
        this._exchange.progressed();
        let piece = bytes;
        if (this._left !== undefined) {
            // Bytes beyond the length that the client gave are cut.
            piece = bytes.subarray(0, this._left);
            this._left -= piece.length;
        }
        if (isLast && this._left > 0) {
            this._breakOff(BAD_REQUEST);
            return;
        }
        this._ended = isLast;
        if (isLast) {
            request.complete = true;
        }
        this._arrived += piece.length;
        request.socket.received += piece.length;
        if (piece.length > 0 && !request._dumped && !request.push(piece)) {
            this._flows = false;
        }
        if (isLast) {
            request.push(null);
            this.releaseAnswer();
        }
    }

    // The child has given the exchange up; or the answer has begun, and the child does not ask its
    // client for the body.
    _childEnds() {
        this._ended = true;
        if (!this._exchange.reply.started) {
            this._exchange.clientLeft();
        } else {
            this.releaseAnswer();
            this._awaitSilence(this._exchange.reply.sent);
        }
    }

    // Within its answer the application waits for the body, if somebody listens and it says nothing
    // for a second.
    _awaitSilence(sent) {
        const { reply, request, socket } = this._exchange;
        setTimeout(() => {
            if (this._exchange.over) {
                return;
            }
            if (reply.sent === sent && isAwaited(request)) {
                socket.destroy();
            } else {
                this._awaitSilence(reply.sent);
            }
        }, SILENCE).unref();
    }

    _breakOff(status) {
        this._ended = true;
        const { response } = this._exchange;
        if (response && response.writableEnded) {
            this.releaseAnswer();
        } else {
            breakOff(this._exchange, status);
        }
    }
}

// The body is not whole. The child waits for an answer, unless it is gone: then none can be sent.
function breakOff(exchange, status) {
    exchange.reply.fail(status, STATUS_CODES[status]);
    if (exchange.reply.waits) {
        exchange.handedOver();
    } else {
        // Drops the channel: more may come on it.
        exchange.clientLeft();
    }
}

// Receives the next piece of the body, or of the rest of the head. Returns one of:
// - [piece, isLast];
// - null: nothing has come;
// - undefined: the child has given the exchange up;
// - a number: the status of the answer, since the body is lost, or `state._stale` counts too many
//   bytes of other exchanges;
// - with `mayBeFile`: a BodyFile, which the caller owns.
function nextPiece(channel, ticket, resends, state, mayBeFile) {
    for (;;) {
        const result = native.addon.receive(channel.descriptor, layout.MESSAGE_LIMIT + 1);
        if (result === native.EAGAIN) {
            return null;
        }
        if (result === native.EINTR) {
            continue;
        }
        if (result <= 0) {
            return undefined;
        }
        const size = native.sizeOf(result);
        const descriptors = native.takeDescriptors(result);
        const { words, received } = native;
        const itsTicket = size < layout.REPLY_HEADER ? 0 : words[0] + words[1] * 0x100000000;
        const counts = itsTicket > 0 && itsTicket >= ticket - resends && itsTicket <= ticket;
        if (mayBeFile && counts && received[8] === layout.BODY_FILE && size === layout.FILE_MESSAGE) {
            if (descriptors.length === 1) {
                return new BodyFile(descriptors[0], words[6] + words[7] * 0x100000000);
            }
            log.complain("body.not_received", { remedy: "a higher limit of open files" });
            return UNAVAILABLE;
        }
        native.closeAll(descriptors);
        if (counts && received[8] === layout.BODY && size <= layout.MESSAGE_LIMIT) {
            return [Buffer.from(received.subarray(layout.REPLY_HEADER, size)), (received[9] & 1) !== 0];
        }
        // Messages of an earlier exchange are dropped, up to a limit.
        state._stale += Math.max(size, layout.REPLY_HEADER);
        if (state._stale > layout.STALE_LIMIT) {
            log.complain("request.malformed", { reason: "too many messages of other exchanges on the reply channel" });
            return BAD_REQUEST;
        }
    }
}

module.exports = { RequestBody, breakOff, nextPiece };
