"use strict";

// What becomes of the pieces of an answer, and of their callbacks.
const assert = require("assert");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { AnswerChunks } = require(join(LIBRARY, "answer_chunks"));

function chunksOf(...pieces) {
    const chunks = new AnswerChunks();
    pieces.forEach((piece) => chunks.add(...[].concat(piece)));
    return chunks;
}

// Text stays text, for Reply; with bytes beside it, it becomes bytes.
assert.strictEqual(chunksOf().take(), undefined);
assert.strictEqual(chunksOf("é").take(), "é");
assert.strictEqual(chunksOf(["é", "utf8"], ["b", "utf-8"], "").take(), "éb");
assert.deepStrictEqual(chunksOf("é", Buffer.from([255])).take(), Buffer.from([0xc3, 0xa9, 255]));
assert.deepStrictEqual(chunksOf(["6162", "hex"]).take(), Buffer.from("ab"));
assert.deepStrictEqual(chunksOf(["é", "latin1"], "é").take(), Buffer.from([0xe9, 0xc3, 0xa9]));
assert.deepStrictEqual(chunksOf(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)).take(), Buffer.from([2, 3]));

const chunks = chunksOf("abc", Buffer.alloc(4));
assert.strictEqual(chunks.size, 7);
chunks.take();
assert.deepStrictEqual([chunks.size, chunks.take()], [0, undefined]);

// Each callback is called once, after the present turn.
const heard = [];
const callback = (name) => (error) => heard.push([name, error && error.message]);
chunks.await(callback("first"));
chunks.await(callback("second"));
chunks.settle();
chunks.settle();
chunks.await(callback("third"));
chunks.settle(new Error("gone"));
chunks.await(callback("taken"));
const taken = chunks.takeCallbacks();
chunks.settle();
assert.deepStrictEqual(chunks.takeCallbacks(), []);
assert.deepStrictEqual([heard, taken.length], [[], 1]);
process.on("exit", () => {
    assert.deepStrictEqual(heard, [["first", null], ["second", null], ["third", "gone"]]);
});
