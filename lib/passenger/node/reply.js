"use strict";

// The messages of one answer. Messages for which the child has no room wait here.
const { getSystemErrorName } = require("util");
const layout = require("./layout");
const log = require("./log");
const native = require("./native");

const { LAST, PAYLOAD_LIMIT, RESPONSE, DATA } = layout;
// A text is made bytes first if it may need more than a message has room for.
const LONGEST_TEXT = 16384;

class Reply {
    constructor(channel, ticket, queued, stickyId) {
        this._channel = channel;
        this._ticket = ticket;
        this._queued = queued;
        this._stickyId = stickyId;
        // The head was sent.
        this.started = false;
        // The child has given the exchange up, or a message could not be sent.
        this.gone = false;
        // A message could not be sent: the next one is the last.
        this._isCut = false;
        // Messages that httpd has taken.
        this.sent = 0;
        // Bytes that wait.
        this.waiting = 0;
        this._messages = [];
    }

    get waits() {
        return this._messages.length > 0;
    }

    // Sends status, header lines and the first bytes of the body: text, or a Buffer, or undefined.
    respond(status, head, body, last) {
        this.started = true;
        if (head.length <= LONGEST_TEXT && (body === undefined || body.length <= LONGEST_TEXT)) {
            this._post([RESPONSE | (last ? LAST : 0), status, head.length, head, body]);
            return;
        }
        const lines = Buffer.from(head, "latin1");
        const rest = typeof body === "string" ? Buffer.from(body) : body || Buffer.alloc(0);
        const first = lines.length <= PAYLOAD_LIMIT ? head : undefined;
        const bytes = first === undefined ? Buffer.concat([lines, rest]) : rest;
        const room = first === undefined ? PAYLOAD_LIMIT : PAYLOAD_LIMIT - lines.length;
        const ends = last && bytes.length <= room;
        this._post([RESPONSE | (ends ? LAST : 0), status, lines.length, first, bytes.subarray(0, room)]);
        if (!ends) {
            this.data(bytes.subarray(room), last);
        }
    }

    // Sends more of the body. Sends no empty message, unless it is the last one.
    data(body, last) {
        let rest = typeof body === "string" && body.length > LONGEST_TEXT ? Buffer.from(body) : body;
        while (rest !== undefined && rest.length > PAYLOAD_LIMIT) {
            this._post([DATA, 0, 0, undefined, rest.subarray(0, PAYLOAD_LIMIT)]);
            rest = rest.subarray(PAYLOAD_LIMIT);
        }
        if (last || rest !== undefined && rest.length > 0) {
            this._post([DATA | (last ? LAST : 0), 0, 0, undefined, rest]);
        }
    }

    // Another message, with `head` of Latin-1.
    send(type, status = 0, headLength = 0, head = undefined) {
        this._post([type, status, headLength, head, undefined]);
    }

    // Gives the child one end of a stream in place of the client's connection. `flags`:
    // WANTS_CLIENT, or 0. False: it cannot.
    sendStream(descriptor, flags = 0) {
        const header = Buffer.alloc(layout.REPLY_HEADER);
        header.writeBigUInt64LE(BigInt(this._ticket), 0);
        header.writeUInt16LE(layout.HIJACKED | flags, 8);
        header.writeUInt32LE(this._queued, 16);
        header.writeUInt32LE(this._stickyId, 20);
        return !this.waits && native.addon.sendStream(this._channel.descriptor, header, descriptor) === 0;
    }

    // Ends an answer in place of the application.
    fail(status, text) {
        if (this.started) {
            this.send(layout.ABORTED | LAST);
        } else {
            this.respond(status, `Content-Type: text/plain\r\nContent-Length: ${text.length}\r\n`, text, true);
        }
    }

    // The child has room again.
    sendWaiting() {
        const messages = this._messages;
        let sent = 0;
        while (!this.gone && sent < messages.length && this._send(messages[sent])) {
            const body = messages[sent][4];
            this.waiting -= body ? body.length : 0;
            sent++;
        }
        messages.splice(0, sent);
        if (!this.gone) {
            this._channel.awaitRoom(this.waits);
        }
    }

    _post(message) {
        if (this.gone) {
            return;
        }
        if (this.waits || !this._send(message)) {
            if (!this.waits) {
                this._channel.awaitRoom(true);
            }
            this._messages.push(message);
            this.waiting += message[4] ? message[4].length : 0;
        }
    }

    // False: there is no room. A child that is gone has room for all.
    _send(message) {
        const [type, status, headLength, head, body] = message;
        const answers = (type & 0xff) === RESPONSE;
        const { addon } = native;
        let result;
        do {
            result = addon.send(this._channel.descriptor, this._ticket, type, status, headLength,
                answers ? this._queued : 0, answers ? this._stickyId : 0, head, body);
        } while (result === native.EINTR);
        if (result === native.EAGAIN || result === native.ENOBUFS) {
            return false;
        }
        if (result !== 0 && !native.GONE.has(result)) {
            this._cut(message, result);
            return this._send(message);
        }
        this.sent++;
        if (result !== 0 || this._isCut) {
            this.gone = true;
            this._messages = [];
            this.waiting = 0;
        }
        return true;
    }

    // Without a last message the claim must not be cleared: the child would send the request again.
    _cut(message, error) {
        log.event("request.failed", { reason: `a message of the answer cannot be sent: ${getSystemErrorName(error)}` });
        if (this._isCut) {
            // The claim stays, so that the agent sends LOST.
            process.exit(1);
        }
        this._isCut = true;
        message.splice(0, message.length, layout.ABORTED | LAST, 0, 0, undefined, undefined);
    }
}

module.exports = { Reply };
