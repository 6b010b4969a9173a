"use strict";

// Ends of an instance: SIGTERM and SIGINT, also beside listeners of the application, and with a
// request that hangs; and a start without the thread that the signs of life need.
const assert = require("assert");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const frames = require(join(LIBRARY, "frames"));
const { Instance, listenToSignals } = require(join(LIBRARY, "instance"));
const log = require(join(LIBRARY, "log"));

const reason = "the thread of heartbeats: Resource temporarily unavailable";
const told = [];
const control = {
    write: (...frame) => told.push(frame),
    beat() {
        throw new Error(reason);
    },
};
const { exit } = process;
log.event = () => {};
process.exit = (status) => {
    throw new Error(`exit ${status}`);
};
assert.throws(() => new Instance(control, { takeSignal() {} }, {})._begin(null, 1000), /^Error: exit 1$/);
process.exit = exit;
assert.deepStrictEqual(told.map((frame) => frame.slice(0, 4)),
    [[frames.FAILED, "starting threads", "Error", reason]]);

// A request that hangs keeps the instance for so long only.
const { setTimeout: usual } = global;
const limits = [];
global.setTimeout = (call, time) => limits.push([call, time]);
const kept = new Instance(control, { takeSignal() {} }, {});
kept._service = { finish() {}, busy: 1, streams: new Set() };
let ends = 0;
kept._endApplication = () => ends++;
kept.end();
global.setTimeout = usual;
assert.deepStrictEqual([limits.length, limits[0][1], ends], [1, 60_000, 0]);
limits[0][0]();
assert.strictEqual(ends, 1);

const SIGNALS = ["SIGTERM", "SIGINT"];
const calls = [];
const expected = SIGNALS.flatMap((signal) => [signal, "end"]);

function sendNext() {
    if (calls.length === expected.length) {
        assert.deepStrictEqual(calls, expected);
        clearTimeout(limit);
    } else {
        process.kill(process.pid, SIGNALS[calls.length / 2]);
    }
}

listenToSignals({
    end() {
        calls.push("end");
        setImmediate(sendNext);
    },
});
for (const signal of SIGNALS) {
    process.on(signal, () => calls.push(signal));
}
const limit = setTimeout(() => assert.fail(`only ${calls}`), 60_000);
sendNext();
