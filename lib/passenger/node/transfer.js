"use strict";

// Gets the client's own socket from the child (doc/PROTOCOLS.md, section 3.5).
const { Socket } = require("net");
const layout = require("./layout");
const log = require("./log");
const native = require("./native");
const poller = require("./poller");

// Milliseconds that a client has to take the rest, and then to close its side.
const TAKES_WITHIN = 60000;
const READS_WITHIN = 1000;

// Asks the child for the client's own socket. `then(descriptor)` gets that, or a stream by which
// the child passes the client's bytes on, and owns it; -1: the child has ended. False: no
// descriptor can be sent, and `then` is not called.
function askForClient(reply, then) {
    let pair;
    try {
        pair = native.addon.streamPair();
    } catch {
        return false;
    }
    const [own, childs] = pair;
    const sent = reply.sendStream(childs, layout.WANTS_CLIENT);
    native.addon.close(childs);
    if (!sent) {
        native.addon.close(own);
        return false;
    }
    awaitAnswer(own, then);
    return true;
}

function awaitAnswer(stream, then) {
    let tag = null;
    const onEvents = () => {
        const result = native.addon.receive(stream, 1);
        if (result === native.EAGAIN || result === native.EINTR) {
            return;
        }
        poller.unwatch(stream, tag);
        then(descriptorOf(result, stream));
    };
    try {
        tag = poller.watch(stream, native.IN | native.RDHUP, { onEvents });
    } catch {
        native.addon.close(stream);
        setImmediate(then, -1);
    }
}

// `result`: of receive().
function descriptorOf(result, stream) {
    const descriptors = result < 0 ? [] : native.takeDescriptors(result);
    const answer = result < 0 || native.sizeOf(result) === 0 ? 0 : native.received[0];
    if (answer === layout.TRANSFER_RELAY && descriptors.length === 0) {
        return stream;
    }
    native.addon.close(stream);
    if (answer === layout.TRANSFER_CLIENT) {
        // The child could send any file.
        if (descriptors.length === 1 && native.addon.isTcp(descriptors[0])) {
            return descriptors[0];
        }
        log.complain("connection.not_received",
            { remedy: "a higher limit of open files, or PassengerTransferConnections off" });
    }
    native.closeAll(descriptors);
    return -1;
}

// Puts the client's connection in the place of one end of a stream pair, which is the application's
// socket. Owns `client`, and `other`, the pair's other end.
function connect(socket, other, client) {
    if (client === -1) {
        native.addon.close(other);
        socket.destroy();
        return;
    }
    const written = writtenTo(other);
    // Otherwise bytes or the end of the application's side are still under way by the pair.
    if (socket._handle && !socket.destroyed && socket.writableLength === 0 && !socket.writableEnded) {
        if (replaceDescriptor(socket._handle, client) !== 0) {
            socket.destroy();
        }
        native.addon.close(other);
        if (written.length > 0) {
            socket.write(written);
        }
    } else {
        join(socket, other, client, written);
    }
}

// The bytes that the application has written to its end meanwhile.
function writtenTo(other) {
    const pieces = [];
    for (;;) {
        const result = native.addon.receive(other, layout.MESSAGE_LIMIT);
        if (result <= 0 && result !== native.EINTR) {
            return Buffer.concat(pieces);
        }
        if (result > 0) {
            pieces.push(Buffer.from(native.received.subarray(0, native.sizeOf(result))));
        }
    }
}

// libuv takes the descriptor for a new one when it reads on.
function replaceDescriptor(handle, descriptor) {
    const isReading = handle.reading;
    if (isReading) {
        handle.readStop();
    }
    const error = native.addon.replace(handle.fd, descriptor);
    if (isReading) {
        handle.readStart();
    }
    return error;
}

// Passes bytes on between an end of a pair and the client, and owns both. The end of the
// application's side, or of its `socket`, ends the connection, once the client has everything, or
// takes nothing for long.
function join(socket, other, client, first) {
    const [from, to] = [other, client].map((fd) => new Socket({ fd, allowHalfOpen: true }));
    const end = () => [from, to].forEach((one) => one.destroy());
    from.on("error", end);
    to.on("error", end);
    to.on("timeout", end);
    if (first.length > 0) {
        to.write(first);
    }
    from.pipe(to);
    to.pipe(from);
    const limit = () => to.setTimeout(TAKES_WITHIN);
    from.on("end", limit);
    // Bytes that wait for the client hide the end.
    if (socket.destroyed) {
        limit();
    } else {
        socket.on("close", limit);
    }
    to.on("finish", () => setTimeout(end, READS_WITHIN).unref());
}

module.exports = { askForClient, connect, TAKES_WITHIN };
