"use strict";

const { Chunks } = require("./chunks");

// The text of an answer that the application began before it gave the answer its connection. Node
// then writes the head, too, and may have made chunks of the body.
class BegunAnswer {
    // `response`: its head is the first text.
    constructor({ _header: head, chunkedEncoding: hasChunks }) {
        this._head = head;
        this._chunks = hasChunks ? new Chunks() : null;
    }

    // The bytes of the body in what Node writes.
    take(data, encoding) {
        let piece = data;
        if (this._head !== "") {
            piece = data.slice(this._head.length);
            this._head = "";
        }
        const bytes = typeof piece === "string" ? Buffer.from(piece, encoding) : piece;
        return this._chunks === null ? bytes : this._chunks.take(bytes);
    }
}

module.exports = { BegunAnswer };
