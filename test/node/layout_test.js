"use strict";

// Compares lib/passenger/node/layout.js with what is recorded for its version (test/layouts).
const assert = require("assert");
const fs = require("fs");
const path = require("path");

const layout = require(path.join(process.env.PASSENGER_LIB || path.join(__dirname, "../../lib/passenger"),
    "node/layout.js"));
const NAMES = {
    MESSAGE_LIMIT: "MAX_MESSAGE", REQUEST_HEADER: "RequestHeader", REQUEST_HEAD_LIMIT: "MAX_ENVIRONMENT",
    BODY_FOLLOWS: "BODY_FOLLOWS", STREAM: "STREAM", TRANSFERABLE: "TRANSFERABLE",
    STREAM_TRANSFERABLE: "STREAM_TRANSFERABLE", TAKES_TRAILERS: "TAKES_TRAILERS", REPLY_HEADER: "MessageHeader",
    REPLY_HEAD_LIMIT: "MAX_RESPONSE_HEAD", STALE_LIMIT: "MAX_DISCARDED", RESPONSE: "RESPONSE", DATA: "DATA",
    INTERIM: "INTERIM", SKIPPED: "SKIPPED", ABORTED: "ABORTED", HIJACKED: "HIJACKED", TRAILERS: "TRAILERS",
    BODY: "BODY", BODY_IN_FILE: "BODY_IN_FILE", BODY_FILE: "BODY_FILE",
    CLAIMS: "Claims.CELLS",
};

const lines = fs.readFileSync(path.join(__dirname, `../layouts/${layout.VERSION}`), "utf8").split("\n");
const recorded = new Map(lines.map((line) => [line.split(" ")[0], parseInt(line.split(" ")[1], 10)]));
const others = { VERSION: 15, FILE_MESSAGE: 32, PAYLOAD_LIMIT: 65576, QUEUED_LIMIT: 0xffffffff,
    LAST: recorded.get("LAST") << 8, WANTS_CLIENT: recorded.get("WANTS_CLIENT") << 8,
    TRANSFER_CLIENT: recorded.get("TransferAnswer.CLIENT"),
    TRANSFER_RELAY: recorded.get("TransferAnswer.RELAY") };
const expected = Object.entries(NAMES).map(([name, there]) => [name, recorded.get(there)]);
assert.deepStrictEqual({ ...layout }, { ...Object.fromEntries(expected), ...others });

const frames = require(path.join(process.env.PASSENGER_LIB || path.join(__dirname, "../../lib/passenger"),
    "node/frames.js"));
const types = fs.readFileSync(path.join(__dirname, "../layouts/frames-1"), "utf8").trim().split("\n")
    .map((line) => line.split(" ")).map(([name, number]) => [name, Number(number)]);
const ours = Object.entries(frames).filter(([name, value]) => typeof value === "number" && name !== "CONTROL");
assert.deepStrictEqual({ ...Object.fromEntries(types), ...Object.fromEntries(ours) }, Object.fromEntries(types));

// As ServeTest of the C++ side, by the same file.
const names = fs.readFileSync(path.join(__dirname, "../layouts/serve-1"), "utf8").trim().split("\n")
    .map((name) => name.replace(/_./g, (part) => part[1].toUpperCase()));
const served = frames.serveOf({ number: (index) => index, text: (index) => index });
const paused = frames.serveOf({ number: (index) => (index === 7 ? 1 : 0), text: () => "" });
assert.deepStrictEqual([paused.paused, paused.warmsUp], [true, false]);
assert.deepStrictEqual(Object.keys(served), names);
assert.deepStrictEqual(Object.values(served).slice(0, 7), [0, 1, 2, 3, 4, 5, 6]);
