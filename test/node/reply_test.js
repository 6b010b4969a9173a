"use strict";

// A message that the kernel refuses is no sign that the client has left: the answer ends by a last
// message, and then its claim is cleared.
const assert = require("assert");
const { errno } = require("os").constants;
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const layout = require(join(LIBRARY, "layout"));
const log = require(join(LIBRARY, "log"));
const native = require(join(LIBRARY, "native"));
const { Reply } = require(join(LIBRARY, "reply"));

const logged = [];
log.event = (name, { reason }) => logged.push(`${name} ${reason}`);
const LONGEST = 1000;
let full = false;
const sent = [];
native.addon = {
    send: (descriptor, ticket, type, status, headLength, queued, stickyId, head, body) => {
        if (body && body.length > LONGEST) {
            return -errno.EMSGSIZE;
        }
        return full ? native.EAGAIN : (sent.push(type), 0);
    },
};
const CUT = layout.ABORTED | layout.LAST;
const newReply = () => new Reply({ descriptor: 5, awaitRoom() {} }, 1, 0, 0);

const reply = newReply();
reply.respond(200, "", Buffer.alloc(10), false);
reply.data(Buffer.alloc(2 * LONGEST), true);
reply.data(Buffer.alloc(10), false);
assert.deepStrictEqual([sent.splice(0), reply.gone], [[layout.RESPONSE, CUT], true]);
assert.deepStrictEqual(logged.splice(0), ["request.failed a message of the answer cannot be sent: EMSGSIZE"]);

// The last message waits for room, and none follows it.
const waiting = newReply();
full = true;
waiting.respond(200, "", Buffer.alloc(2 * LONGEST), false);
waiting.data(Buffer.alloc(10), true);
assert.deepStrictEqual([waiting.waits, waiting.gone], [true, false]);
full = false;
waiting.sendWaiting();
assert.deepStrictEqual([sent.splice(0), waiting.waits, waiting.gone], [[CUT], false, true]);

// Without a last message the claim must stay.
const { exit } = process;
process.exit = (status) => {
    throw new Error(`exit ${status}`);
};
native.addon.send = () => -errno.EPERM;
assert.throws(() => newReply().respond(200, "", undefined, true), /^Error: exit 1$/);
process.exit = exit;

native.addon.send = () => -errno.EPIPE;
const left = newReply();
logged.length = 0;
left.respond(200, "", undefined, true);
assert.deepStrictEqual([left.gone, logged], [true, []]);
