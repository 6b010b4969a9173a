"use strict";

// The addon (ext/node), and the memory that it shares with JavaScript.
const constants = require("os").constants;

const INTERFACE = 9;

const { errno } = constants;
exports.EAGAIN = -errno.EAGAIN;
exports.EINTR = -errno.EINTR;
exports.ENOBUFS = -errno.ENOBUFS;
// Of a send: the other end is shut down.
exports.GONE = new Set([errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF].map((error) => -error));

// Events of epoll(7).
exports.IN = 0x1;
exports.OUT = 0x4;
exports.ERR = 0x8;
exports.HUP = 0x10;
exports.RDHUP = 0x2000;
exports.EDGE = 0x80000000;

// Throws if this Node cannot load it.
exports.load = function (path) {
    const addon = require(path);
    if (addon.INTERFACE !== INTERFACE) {
        throw new Error(`${path} has the interface ${addon.INTERFACE} instead of ${INTERFACE}`);
    }
    const [received, descriptors] = addon.memory();
    // What receive() has received, as bytes and as numbers, and the descriptors that came with it.
    exports.received = Buffer.from(received);
    exports.words = new Uint32Array(received);
    exports.longs = new BigUint64Array(received, 0, 4);
    exports.descriptors = new Int32Array(descriptors);
    exports.addon = addon;
    exports.path = path;
    return addon;
};

// The bytes of a result of receive().
exports.sizeOf = (result) => result & 0xfffff;

// The descriptors of a result of receive(), which the caller owns.
exports.takeDescriptors = function (result) {
    return result < 0x100000 ? [] : Array.from(exports.descriptors.subarray(0, result >> 20));
};

exports.closeAll = function (descriptors) {
    descriptors.forEach((descriptor) => exports.addon.close(descriptor));
};
