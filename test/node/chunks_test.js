"use strict";

const assert = require("assert");
const { join } = require("path");

const library = process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger");
const { Chunks } = require(join(library, "node/chunks"));

const text = Buffer.from("3\r\nabc\r\n00a;name=value\r\n0123456789\r\n0\r\nX-End: 1\r\n\r\nrest");
for (let size = 1; size <= text.length; size++) {
    const chunks = new Chunks();
    let body = "";
    for (let at = 0; at < text.length; at += size) {
        body += chunks.take(text.subarray(at, at + size));
    }
    assert.deepStrictEqual([body, chunks.ended], ["abc0123456789", true], `pieces of ${size}`);
}
const begun = new Chunks();
assert.deepStrictEqual([String(begun.take(Buffer.from("5\r\nab"))), begun.ended], ["ab", false]);
for (const malformed of ["x\r\n", "3\r\nabcd\r\n", "-1\r\n", "1234567890123\r\n", "\r\n", "1".repeat(5000)]) {
    assert.throws(() => new Chunks().take(Buffer.from(malformed)), /chunk/, malformed);
}
