"use strict";

// Puts the client's own socket in the place of the application's end of a stream pair: the child
// answers WANTS_CLIENT (doc/PROTOCOLS.md, section 3.5).
const { Socket } = require("net");
const layout = require("./layout");
const native = require("./native");
const poller = require("./poller");

class Transfer {
    // `socket`: the application's. `other`: the other end of its stream pair. `answers`: the stream
    // on which the child answers. Owns both descriptors.
    constructor(socket, other, answers) {
        this._socket = socket;
        this._other = other;
        this._answers = answers;
        try {
            this._tag = poller.watch(answers, native.IN | native.RDHUP, this);
        } catch (error) {
            native.closeAll([other, answers]);
            socket.destroy(error);
        }
    }

    // The child has answered, or has ended.
    onEvents() {
        const result = native.addon.receive(this._answers, 1);
        if (result === native.EAGAIN || result === native.EINTR) {
            return;
        }
        poller.unwatch(this._answers, this._tag);
        const descriptors = result < 0 ? [] : native.takeDescriptors(result);
        const answer = result < 0 || native.sizeOf(result) === 0 ? 0 : native.received[0];
        if (answer === layout.TRANSFER_CLIENT && descriptors.length === 1) {
            native.addon.close(this._answers);
            this._connect(descriptors[0]);
        } else if (answer === layout.TRANSFER_RELAY && descriptors.length === 0) {
            this._connect(this._answers);
        } else {
            native.closeAll([...descriptors, this._answers, this._other]);
            this._socket.destroy();
        }
    }

    // `client`: the client's socket, or a stream by which the child passes the client's bytes on.
    _connect(client) {
        const socket = this._socket;
        const written = this._written();
        // Otherwise bytes or the end of the application's side are still under way by its stream.
        if (socket._handle && !socket.destroyed && socket.writableLength === 0 && !socket.writableEnded) {
            replaceDescriptor(socket._handle, client);
            native.addon.close(this._other);
            if (written.length > 0) {
                socket.write(written);
            }
        } else {
            join(this._other, client, written);
        }
    }

    // What the application has written behind the head of its answer.
    _written() {
        const pieces = [];
        for (;;) {
            const result = native.addon.receive(this._other, layout.MESSAGE_LIMIT);
            if (result <= 0 && result !== native.EINTR) {
                return Buffer.concat(pieces);
            }
            if (result > 0) {
                pieces.push(Buffer.from(native.received.subarray(0, native.sizeOf(result))));
            }
        }
    }
}

// libuv takes the descriptor for a new one when it reads on.
function replaceDescriptor(handle, descriptor) {
    const isReading = handle.reading;
    if (isReading) {
        handle.readStop();
    }
    native.addon.replace(handle.fd, descriptor);
    if (isReading) {
        handle.readStart();
    }
}

// Passes bytes on between two descriptors, which it owns, until both sides have ended.
function join(other, client, first) {
    const [from, to] = [other, client].map((fd) => new Socket({ fd, allowHalfOpen: true }));
    if (first.length > 0) {
        to.write(first);
    }
    [[from, to], [to, from]].forEach(([one, two]) => {
        one.on("error", () => two.destroy());
        one.pipe(two);
    });
}

module.exports = { Transfer };
