"use strict";

// SIGTERM and SIGINT end an instance, also beside listeners of the application.
const assert = require("assert");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { listenToSignals } = require(join(LIBRARY, "instance"));

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
