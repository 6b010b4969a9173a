"use strict";

// The agent learns of a channel that the kernel does not watch. No request waits for it, nor for an
// agent that does not answer.
const assert = require("assert");
const { errno } = require("os").constants;
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { Channels } = require(join(LIBRARY, "channels"));
const frames = require(join(LIBRARY, "frames"));
const log = require(join(LIBRARY, "log"));
const native = require(join(LIBRARY, "native"));

const logged = [];
log.event = (name, { reason }) => logged.push(`${name} ${reason}`);
const closed = [];
native.addon = { close: (descriptor) => closed.push(descriptor), watch: () => -errno.ENOSPC };

const told = [];
const found = [];
const channels = new Channels({ write: (...frame) => told.push(frame) });
channels.ask(7n, (channel) => found.push(channel));
channels.add(7n, 5);
assert.deepStrictEqual(told, [[frames.FETCH, 7n], [frames.NO_CHANNEL, 7n]]);
assert.deepStrictEqual([found, closed, channels.find(7n)], [[null], [5], undefined]);
assert.deepStrictEqual(logged, ["channel.not_watched descriptor 5 cannot be watched: ENOSPC"]);

const silent = new Channels({ write: (...frame) => told.push(frame) }, 10);
told.length = 0;
found.length = 0;
silent.ask(8n, (channel) => found.push(channel));
setTimeout(() => {
    assert.deepStrictEqual([found, told], [[null], [[frames.FETCH, 8n]]]);
    // The late answer.
    silent.ask(8n, (channel) => found.push(channel));
    native.addon.watch = () => 0;
    silent.add(8n, 6);
    assert.deepStrictEqual([found.length, found[1].id, told.length], [2, 8n, 1]);
    assert.strictEqual(silent.find(8n), found[1]);
}, 50);
