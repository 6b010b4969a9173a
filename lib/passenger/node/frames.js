"use strict";

// Frames of section 4 of doc/PROTOCOLS.md, and the socket that carries them.
const native = require("./native");
const poller = require("./poller");

// The descriptor of the control socket.
const CONTROL = 3;
const HEADER = 8;
const MOST_BYTES = 1024 * 1024;
const MOST_FIELDS = 65535;

Object.assign(exports, {
    STEP: 50, LOADED: 51, FAILED: 52, SERVE: 55, READY: 56, FETCH: 57, CHANNEL: 58, NO_CHANNEL: 59, DROP: 60,
    FINISH: 61, LIMIT_REACHED: 62, PAUSE: 63, HEARTBEAT: 82, THREADS: 83,
    // The time that an instance gives the requests that it has when FINISH comes.
    FINISH_SECONDS: 60,
});

class ProtocolError extends Error {}

// Fields as Buffers. Throws ProtocolError.
function fieldsOf(body) {
    const fields = [];
    let at = 0;
    while (at < body.length) {
        const end = at + 4 <= body.length ? at + 4 + body.readUInt32LE(at) : Infinity;
        if (end > body.length || fields.length === MOST_FIELDS) {
            throw new ProtocolError("a field reaches beyond its frame");
        }
        fields.push(body.subarray(at + 4, end));
        at = end;
    }
    return fields;
}

// A map's fields, as texts.
function mapOf(body) {
    const texts = fieldsOf(body).map(String);
    const result = {};
    for (let i = 0; i + 1 < texts.length; i += 2) {
        result[texts[i]] = texts[i + 1];
    }
    return result;
}

function encode(type, fields) {
    const parts = [Buffer.alloc(HEADER)];
    let size = 0;
    for (const field of fields) {
        const bytes = Buffer.from(String(field));
        const length = Buffer.alloc(4);
        length.writeUInt32LE(bytes.length);
        parts.push(length, bytes);
        size += 4 + bytes.length;
    }
    parts[0].writeUInt32LE(size, 0);
    parts[0].writeUInt16LE(type, 4);
    return Buffer.concat(parts);
}

// A frame that has come. Its reader owns its descriptors.
class Frame {
    constructor(type, fields, descriptors) {
        this.type = type;
        this.fields = fields;
        this.descriptors = descriptors;
    }

    text(index) {
        if (index >= this.fields.length) {
            throw new ProtocolError(`frame ${this.type} has no field ${index}`);
        }
        return String(this.fields[index]);
    }

    number(index) {
        return Number(this._digits(index));
    }

    // A BigInt: ids of channels pass 2^53, beyond which numbers are rounded.
    id(index) {
        return BigInt(this._digits(index));
    }

    takeDescriptors(count) {
        if (this.descriptors.length !== count) {
            const came = this.descriptors.length;
            this.close();
            throw new ProtocolError(`frame ${this.type} came with ${came} descriptors instead of ${count}`);
        }
        const result = this.descriptors;
        this.descriptors = [];
        return result;
    }

    close() {
        native.closeAll(this.descriptors);
        this.descriptors = [];
    }

    _digits(index) {
        const text = this.text(index);
        if (!/^\d{1,20}$/.test(text)) {
            throw new ProtocolError(`field ${index} of frame ${this.type} is not a number`);
        }
        return text;
    }
}

// What a SERVE says, in the order of its fields. Throws ProtocolError.
function serveOf(frame) {
    const [number, flag] = [(i) => frame.number(i), (i) => frame.number(i) === 1];
    return {
        cell: number(0), threads: number(1), app: frame.text(2), maxRequests: number(3), stickyId: number(4),
        reforkAfter: number(5), heartbeatInterval: number(6), paused: flag(7), warmsUp: flag(8),
    };
}

// The control socket, a SOCK_STREAM end. `onFrame(frame)` is called for each frame, and
// onEnd(reason) once: the peer has gone, or has broken the protocol.
class FrameSocket {
    constructor(descriptor) {
        this.descriptor = descriptor;
        this.onFrame = null;
        this.onEnd = null;
        this._ended = false;
        this._expect(HEADER, false);
        poller.watch(descriptor, native.IN, this);
    }

    // False: the peer has gone.
    write(type, ...fields) {
        return native.addon.sendFrame(this.descriptor, encode(type, fields)) === 0;
    }

    // Sends frames without fields by a thread, while there is room for them: heartbeats
    // (PassengerHeartbeatTimeout).
    beat(type, milliseconds) {
        native.addon.beat(this.descriptor, encode(type, []), milliseconds);
    }

    onEvents() {
        try {
            while (!this._ended && this._receive()) {
                // The next part.
            }
        } catch (error) {
            if (!(error instanceof ProtocolError)) {
                throw error;
            }
            this._end(error.message);
        }
    }

    _expect(size, isBody) {
        this._buffer = Buffer.alloc(size);
        this._have = 0;
        this._isBody = isBody;
    }

    // The descriptors come with a frame's first byte. False: nothing is there.
    _receive() {
        if (this._have < this._buffer.length) {
            const result = native.addon.receive(this.descriptor, this._buffer.length - this._have);
            if (result === native.EAGAIN || result === native.EINTR) {
                return false;
            }
            if (result <= 0) {
                this._end("");
                return false;
            }
            const size = native.sizeOf(result);
            const descriptors = native.takeDescriptors(result);
            if (this._isBody || this._have > 0) {
                native.closeAll(descriptors);
            } else {
                this._descriptors = descriptors;
            }
            native.received.copy(this._buffer, this._have, 0, size);
            this._have += size;
        }
        if (this._have === this._buffer.length) {
            this._take();
        }
        return true;
    }

    _take() {
        const buffer = this._buffer;
        if (!this._isBody) {
            this._type = buffer.readUInt16LE(4);
            const size = buffer.readUInt32LE(0);
            const [said, came] = [buffer.readUInt16LE(6), this._descriptors.length];
            // A CHANNEL comes without its descriptor if the process has no room for it.
            const isLost = this._type === exports.CHANNEL && came === 0;
            if (size > MOST_BYTES || said !== came && !isLost) {
                native.closeAll(this._descriptors);
                throw new ProtocolError(`a frame of ${size} bytes, or with other descriptors than it says`);
            }
            this._expect(size, true);
            return;
        }
        const frame = new Frame(this._type, fieldsOf(buffer), this._descriptors);
        this._expect(HEADER, false);
        this.onFrame(frame);
    }

    _end(reason) {
        if (!this._ended) {
            this._ended = true;
            native.addon.unwatch(this.descriptor);
            this.onEnd(reason);
        }
    }
}

Object.assign(exports, { CONTROL, FrameSocket, ProtocolError, encode, mapOf, serveOf });
