"use strict";

const layout = require("./layout");
const log = require("./log");

const MOST_INTERIM = 16;
const CONTINUE = 100;
const INTERIM_LINE = /^HTTP\/1\.1 (1\d\d)[^\r\n]*\r\n/;

// The interim answers (100, 102, 103) of an exchange, which owns it. Node makes their text.
class InterimAnswers {
    constructor(exchange) {
        this._exchange = exchange;
        this._sent = 0;
        // The client waits until it is asked for its body.
        this.asks = false;
        // Node writes the text of an interim answer at present.
        this.isWritten = false;
    }

    askForBody() {
        this.asks = false;
        this._send(CONTINUE, "");
    }

    // `text`: what the application writes to its connection, not as the body of its answer.
    write(text, callback) {
        const exchange = this._exchange;
        const found = INTERIM_LINE.exec(text);
        if (found) {
            const status = Number(found[1]);
            const lines = text.slice(found[0].length, -2);
            if (status === CONTINUE) {
                this.asks = false;
            }
            if (!exchange.reply.started && this._sent++ < MOST_INTERIM && lines.length <= layout.PAYLOAD_LIMIT) {
                this._send(status, lines);
            }
        } else if (text !== "") {
            log.complain("answer.refused", {
                reason: "the application wrote to the connection beside its answer", ...exchange.head.subject,
            });
            exchange.socket.destroy();
        }
        if (callback) {
            process.nextTick(callback, null);
        }
    }

    _send(status, lines) {
        this._exchange.reply.send(layout.INTERIM, status, lines.length, lines);
    }
}

module.exports = { InterimAnswers };
