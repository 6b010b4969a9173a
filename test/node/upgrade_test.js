"use strict";

// What becomes of a stream pair that the kernel does not watch. The argument is the addon's path.
const assert = require("assert");
const fs = require("fs");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const native = require(join(LIBRARY, "native"));
const poller = require(join(LIBRARY, "poller"));
const { upgrade } = require(join(LIBRARY, "upgrade"));

const sockets = () => fs.readdirSync("/proc/self/fd").filter((number) => {
    try {
        return fs.readlinkSync(`/proc/self/fd/${number}`).startsWith("socket:");
    } catch {
        return false;
    }
}).length;

native.load(process.argv[2]);
poller.watch = () => {
    throw new Error("no space is left");
};
const before = sockets();
const failures = [];
const channel = {};
upgrade({}, { channel, fail: (status) => failures.push(status) }, {}, { method: "GET", url: "/", lines: [] });
assert.deepStrictEqual(failures, [503]);
// The exchange, which answers, still has the channel.
assert.strictEqual(channel.exchange, undefined);
// A socket closes its descriptor in a later turn of the loop.
const deadline = Date.now() + 60_000;
const look = () => {
    if (sockets() !== before && Date.now() < deadline) {
        setTimeout(look, 5);
        return;
    }
    assert.strictEqual(sockets(), before);
};
look();
