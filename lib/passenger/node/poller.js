"use strict";

// Tells objects of events on their descriptors, in the event loop. Each has a method
// onEvents(events).
const { getSystemErrorName } = require("util");
const native = require("./native");

// The tag of the shared queues' events, which do not tell the queue.
const SHARED = 0;
const MOST_TAGS = 0xffffffff;

const handlers = new Map();
const sharers = new Map();
let news = null;
let lastTag = 0;

function deliver(events, count) {
    let at = 0;
    try {
        while (at < count) {
            const handler = handlers.get(events[2 * at]);
            const which = events[2 * at + 1];
            at++;
            if (handler) {
                handler.onEvents(which);
            }
        }
    } finally {
        // The application has thrown, and perhaps goes on.
        if (at < count) {
            const rest = events.slice(2 * at, 2 * count);
            setImmediate(deliver, rest, count - at);
        }
    }
}

exports.open = function () {
    news = native.addon.openPoller((count) => deliver(news, count));
};

handlers.set(SHARED, {
    onEvents(events) {
        sharers.forEach((handler) => handler.onEvents(events));
    },
});

// Returns the tag by which the others name the object. Throws where the kernel watches no more.
exports.watch = function (descriptor, events, handler) {
    lastTag = lastTag % MOST_TAGS + 1;
    handlers.set(lastTag, handler);
    const result = native.addon.watch(descriptor, events, lastTag);
    if (result !== 0) {
        handlers.delete(lastTag);
        const code = getSystemErrorName(result);
        throw Object.assign(new Error(`descriptor ${descriptor} cannot be watched: ${code}`), { code });
    }
    return lastTag;
};

exports.watchFor = function (descriptor, events, tag) {
    native.addon.watchFor(descriptor, events, tag);
};

// Before the descriptor is closed.
exports.unwatch = function (descriptor, tag) {
    handlers.delete(tag);
    native.addon.unwatch(descriptor);
};

// A queue from which other processes take messages, too: a message wakes one of those that wait. It
// is the first event that this process sees then, so no other event keeps it from taking the
// message. False: the queue cannot be watched so here.
exports.watchShared = function (queue, handler) {
    if (native.addon.watchShared(queue) !== 0) {
        return false;
    }
    sharers.set(queue, handler);
    return true;
};

exports.unwatchShared = function (queue) {
    sharers.delete(queue);
    native.addon.unwatchShared(queue);
};
