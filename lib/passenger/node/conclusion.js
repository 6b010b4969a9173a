"use strict";

// The end of an exchange for the application's objects.

function reset() {
    return Object.assign(new Error("aborted"), { code: "ECONNRESET" });
}

function emitClose(message) {
    if (!message._closed) {
        message.destroyed = true;
        message._closed = true;
        message.emit("close");
    }
}

// Whether the application has begun to read: as Node's server decides.
function isRead(request) {
    return request._consuming || request._readableState.resumeScheduled;
}

// Whether the end of its body matters to somebody.
exports.isAwaited = function (request) {
    return !request.destroyed && !request._dumped && isRead(request) &&
        ["data", "readable", "end"].some((name) => request.listenerCount(name) > 0);
};

function endInError() {
    if (this.readableLength === 0) {
        this.destroy(reset());
    } else {
        // Otherwise the stream takes this call for one that goes on.
        this.push("");
    }
}

// No more of the body comes. What has come is read first.
function breakOff(request) {
    request._read = endInError;
    if (request.readableLength === 0) {
        request.destroy(reset());
    } else {
        request.push("");
    }
}

// After the last message and the event `finish`, for the request and its connection. `maybeKept`:
// the client's next request may get it.
exports.conclude = function ({ request, socket }, maybeKept) {
    if (!isRead(request) || request.readableFlowing && !exports.isAwaited(request)) {
        request._dump();
    }
    let keeps = maybeKept && !socket.isAwaited;
    if (request.complete && request.readableEnded) {
        request.destroy();
    } else if (request.complete || request._dumped) {
        request.on("end", request.destroy);
        if (!request._dumped) {
            // The application reads what has come.
            keeps = false;
            request.once("close", () => socket.destroy());
        }
        if (!request.complete) {
            request.complete = true;
            request.push(null);
        }
    } else {
        keeps = false;
        // Without the error, which would be the event `clientError`.
        socket.destroy();
        breakOff(request);
    }
    if (keeps) {
        socket.keep();
    } else if (request.destroyed || request._dumped) {
        socket.destroy();
    }
};

// The error for callbacks of bytes that are not sent.
exports.destroyed = function () {
    return Object.assign(new Error("the client's connection is closed"), { code: "ERR_STREAM_DESTROYED" });
};

exports.emitClose = emitClose;
exports.reset = reset;
