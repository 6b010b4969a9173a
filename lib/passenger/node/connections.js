"use strict";

// Connections of the bridge (ext/common/bridge/RequestHead.cpp) look to the application like those
// of a proxy on this machine. The bridge's last header line tells the port of the client's
// connection to httpd, the request's id, and whether the connection is encrypted. The line is taken
// away before the application sees the request. A client cannot write it: only the last line of a
// request of the bridge counts.
const { IncomingMessage } = require("http");
const { Socket } = require("net");
const { makePlain } = require("./express_objects");
const { tellEncrypted } = require("./proxied_socket");

const CLIENT = "Passenger-Client";
const ID = /^\d* id=([^ ]+)/;
const client = Symbol("passenger.client");

// A prototype, since properties of its own would make each socket slow.
const shown = Object.create(Socket.prototype, {
    remoteAddress: { get: () => "127.0.0.1" },
    remoteFamily: { get: () => "IPv4" },
    remotePort: {
        get() {
            return parseInt(this[client].line, 10) || 0;
        },
    },
});

function describe(socket) {
    socket[client] = { line: "" };
    Object.setPrototypeOf(socket, shown);
}

// Node's parser gives each message its header lines by this method, before any event of it.
const addHeaderLines = IncomingMessage.prototype._addHeaderLines;
IncomingMessage.prototype._addHeaderLines = function (lines, count) {
    if (this.upgrade) {
        makePlain(this);
    }
    const state = this.socket && this.socket[client];
    if (!state || this.complete || !lines || lines[lines.length - 2] !== CLIENT) {
        return addHeaderLines.call(this, lines, count);
    }
    state.line = lines.pop();
    lines.pop();
    tellEncrypted(this.socket, state.line.endsWith(" https"));
    const id = ID.exec(state.line);
    this.passengerRequestId = id ? id[1] : undefined;
    return addHeaderLines.call(this, lines, Math.min(count, lines.length));
};

// Before the server's own listener, which reads the first request.
exports.installConnections = function (server) {
    server.prependListener("connection", describe);
};
