"use strict";

// The body of a request that httpd has kept in a file. Owns the descriptor. Its position is its
// own: httpd shares that of the descriptor. httpd empties the file when the exchange is over.
const { readSync } = require("fs");
const native = require("./native");

// Bytes that are read at once. They are in memory, as a rule: httpd has just written them.
const PIECE = 65536;
// The status of an answer without the body, in place of the application's.
const BAD_REQUEST = 400;

class BodyFile {
    constructor(descriptor, size) {
        this._descriptor = descriptor;
        this._size = size;
        this._at = 0;
    }

    // As nextPiece() of request_body.js. BAD_REQUEST: httpd has emptied the file.
    next() {
        const piece = Buffer.allocUnsafeSlow(Math.min(PIECE, this._size - this._at));
        const size = piece.length === 0 ? 0 : this._read(piece);
        if (size === 0 && piece.length > 0) {
            return BAD_REQUEST;
        }
        this._at += size;
        return [piece.subarray(0, size), this._at === this._size];
    }

    close() {
        native.addon.close(this._descriptor);
    }

    _read(piece) {
        try {
            return readSync(this._descriptor, piece, 0, piece.length, this._at);
        } catch {
            return 0;
        }
    }
}

module.exports = { BAD_REQUEST, BodyFile };
