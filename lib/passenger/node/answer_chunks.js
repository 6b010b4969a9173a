"use strict";

function callAll(callbacks, error) {
    callbacks.forEach((callback) => callback(error));
}

// The parts of an answer that the application has written since the last message, and their
// callbacks. The exchange owns them.
class AnswerChunks {
    constructor() {
        // Characters of texts, bytes of other parts.
        this.size = 0;
        // Null: there are none.
        this._chunks = null;
        this._callbacks = null;
    }

    // `data`: text, or bytes.
    add(data, encoding) {
        if (data.length === 0) {
            return;
        }
        let chunk = data;
        if (typeof data !== "string") {
            chunk = Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
        } else if (encoding && encoding !== "utf8" && encoding !== "utf-8" && encoding !== "buffer") {
            chunk = Buffer.from(data, encoding);
        }
        if (this._chunks === null) {
            this._chunks = [chunk];
        } else {
            this._chunks.push(chunk);
        }
        this.size += data.length;
    }

    // `callback` is called once what has been added so far has gone, or cannot go.
    await(callback) {
        if (this._callbacks === null) {
            this._callbacks = [callback];
        } else {
            this._callbacks.push(callback);
        }
    }

    // All chunks in one: text, if all are text, or a Buffer. Undefined: there are none.
    take() {
        const chunks = this._chunks;
        if (chunks === null) {
            return undefined;
        }
        this._chunks = null;
        this.size = 0;
        if (chunks.length === 1) {
            return chunks[0];
        }
        return chunks.every((one) => typeof one === "string") ? chunks.join("")
            : Buffer.concat(chunks.map((one) => typeof one === "string" ? Buffer.from(one) : one));
    }

    // The caller calls them.
    takeCallbacks() {
        const callbacks = this._callbacks || [];
        this._callbacks = null;
        return callbacks;
    }

    // Calls the callbacks, each with `error` if the chunks cannot go, after the present turn.
    settle(error = null) {
        if (this._callbacks !== null) {
            process.nextTick(callAll, this._callbacks, error);
            this._callbacks = null;
        }
    }
}

module.exports = { AnswerChunks };
