"use strict";

// A queue that the kernel does not watch is read from time to time, until it can be watched. The
// requests that are read there do not belong to an earlier one.
const assert = require("assert");
const { AsyncLocalStorage } = require("async_hooks");
const { errno } = require("os").constants;
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const log = require(join(LIBRARY, "log"));
const native = require(join(LIBRARY, "native"));
const { Source } = require(join(LIBRARY, "source"));

const logged = [];
log.event = (name, { reason }) => logged.push(`${name} ${reason}`);
let result = -errno.ENOSPC;
const unwatched = [];
native.addon = {
    close() {}, openClaims: () => 1, unwatch: (descriptor) => unwatched.push(descriptor), watchShared: () => result,
    // The own queue still can be watched.
    watch: (descriptor) => descriptor === 8 ? 0 : result,
};
const timers = [];
global.setTimeout = (call) => {
    timers.push(call);
    return { unref() {} };
};

const taken = [];
const storage = new AsyncLocalStorage();
const stores = [];
for (const stickyId of [0, 7]) {
    result = -errno.ENOSPC;
    const source = new Source({
        number: (i) => [0, 1, 0, 0, stickyId, 0, 0, 0, 0][i], text: () => "an application",
        takeDescriptors: (count) => [5, 6, 7, 8].slice(0, count),
    }, { take: (from) => taken.push(from) && stores.push(storage.getStore()) });
    storage.run("of a request", () => source.watch(true));
    assert.deepStrictEqual([source.isWatched, timers.length], [false, 1]);
    storage.run("of a request", timers.pop());
    assert.strictEqual(taken.pop(), source);
    result = 0;
    source.watch(true);
    assert.deepStrictEqual([source.isWatched, timers.length], [true, 0]);
}
assert.deepStrictEqual(stores, [undefined, undefined]);
assert.deepStrictEqual(unwatched, [8]);
assert.deepStrictEqual(logged, Array(2).fill("queue.not_watched descriptor 5 cannot be watched: ENOSPC"));
