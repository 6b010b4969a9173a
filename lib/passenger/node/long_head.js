"use strict";

const { BAD_REQUEST } = require("./body_file");
const { breakOff, nextPiece } = require("./request_body");

// A head whose rest comes in BODY messages, with the body behind it.
class LongHead {
    constructor(service, exchange, resends, bytes, length) {
        this._service = service;
        this._exchange = exchange;
        this._resends = resends;
        this._pieces = [bytes];
        this._missing = length - bytes.length;
        this._length = length;
        this._stale = 0;
        exchange.channel.exchange = this;
    }

    onEvents() {
        this.look();
    }

    // The application closes all connections.
    cutOff() {
        this._exchange.channel.exchange = this._exchange;
        this._exchange.fail(502, "Bad Gateway");
    }

    look() {
        const { channel, ticket } = this._exchange;
        while (this._missing > 0) {
            const piece = nextPiece(channel, ticket, this._resends, this);
            if (piece === null) {
                return;
            }
            if (!Array.isArray(piece) || piece[1] && piece[0].length < this._missing) {
                channel.exchange = this._exchange;
                breakOff(this._exchange, BAD_REQUEST);
                return;
            }
            this._pieces.push(piece[0]);
            this._missing -= piece[0].length;
            if (this._missing <= 0) {
                channel.exchange = this._exchange;
                const bytes = Buffer.concat(this._pieces);
                this._service.runLong(this._exchange, this._resends, bytes, this._length, piece[1]);
            }
        }
    }
}

module.exports = { LongHead };
