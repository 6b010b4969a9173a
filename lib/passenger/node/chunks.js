"use strict";

// The longest line of a chunk's size, or of trailers.
const LONGEST_LINE = 4096;

// Takes the chunks of a body apart (RFC 9112, section 7.1), in whatever pieces they come. Trailers
// are dropped.
class Chunks {
    constructor() {
        this.ended = false;
        this._line = "";
        // Bytes of the present chunk that are still to come.
        this._left = 0;
        // A line is expected: the end of a chunk's bytes, a size, or a trailer.
        this._expected = "size";
    }

    // The bytes of the body in this piece. Throws if it is malformed.
    take(piece) {
        const bytes = [];
        let at = 0;
        while (at < piece.length && !this.ended) {
            if (this._left > 0) {
                const part = piece.subarray(at, at + this._left);
                bytes.push(part);
                at += part.length;
                this._left -= part.length;
            } else {
                const end = piece.indexOf(10, at);
                this._line += piece.latin1Slice(at, end < 0 ? piece.length : end);
                if (this._line.length > LONGEST_LINE) {
                    throw new Error("a line between chunks is too long");
                }
                at = end < 0 ? piece.length : end + 1;
                if (end >= 0) {
                    this._endLine(this._line.replace(/\r$/, ""));
                    this._line = "";
                }
            }
        }
        return Buffer.concat(bytes);
    }

    _endLine(line) {
        if (this._expected === "end") {
            this._check(line === "");
            this._expected = "size";
        } else if (this._expected === "trailer") {
            this.ended = line === "";
        } else {
            const [, digits] = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i.exec(line) || [];
            this._check(digits !== undefined);
            this._left = parseInt(digits, 16);
            this._expected = this._left === 0 ? "trailer" : "end";
        }
    }

    _check(isRight) {
        if (!isRight) {
            throw new Error("a chunk is malformed");
        }
    }
}

module.exports = { Chunks };
