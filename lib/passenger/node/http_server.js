"use strict";

// What Node's http.Server has for itself, and what its answers and connections do otherwise here.
const diagnostics = require("diagnostics_channel");
const http = require("http");
const { ClientSocket } = require("./client_socket");
const { emitClose } = require("./conclusion");
const { makePlain } = require("./express_objects");
const { PAYLOAD_LIMIT } = require("./layout");
const { ProxiedSocket } = require("./proxied_socket");
const { symbolOf } = require("./symbol_of");
const { UpgradedSocket } = require("./upgraded_socket");

const sample = http.createServer();
const REQUEST_CLASS = symbolOf(sample, "IncomingMessage");
const RESPONSE_CLASS = symbolOf(sample, "ServerResponse");
// The option uniqueHeaders. Node before 18.3 has none.
const UNIQUE_HEADERS = symbolOf(sample, "kUniqueHeaders");
// From Node 24 on: takes the signal of `request.signal` off the connection, on which other requests
// follow.
const DETACH_SIGNAL = symbolOf(http.IncomingMessage.prototype, "kDetachAbortSignal");
const NEED_DRAIN = symbolOf(new http.ServerResponse({ method: "GET", httpVersionMajor: 1, httpVersionMinor: 1 }),
    "kNeedDrain");

// httpd frames the body, so its text has no chunks. Applications such as Express change the
// prototype of an answer, so that a class of its own could lose the method.
const storeHeader = http.ServerResponse.prototype._storeHeader;
http.ServerResponse.prototype._storeHeader = function (firstLine, headers) {
    const isOurs = this.socket instanceof ClientSocket;
    const exchange = isOurs ? this.socket.exchange : null;
    // The application may give the connection an answer that it has made itself. A Proxy of Node's
    // answer is none.
    if (exchange && exchange.response !== this && this.socket._httpMessage === this && !exchange.response._header) {
        adopt(this);
        exchange.answerBy(this);
    }
    storeHeader.call(this, firstLine, headers);
    if (isOurs) {
        this.socket.sent += this._header.length;
        this.chunkedEncoding = false;
        // write() gets the body only, and send() takes the head from the answer.
        this._headerSent = true;
    }
};

// The text of interim answers comes by the same way as that of the body.
for (const name of ["writeContinue", "writeProcessing", "writeEarlyHints"]) {
    const method = http.ServerResponse.prototype[name];
    // Older Nodes have not all of them.
    if (method) {
        http.ServerResponse.prototype[name] = function (...parts) {
            const exchange = this.socket instanceof ClientSocket ? this.socket.exchange : null;
            if (!exchange) {
                return method.apply(this, parts);
            }
            const { interim } = exchange;
            interim.isWritten = true;
            try {
                return method.apply(this, parts);
            } finally {
                interim.isWritten = false;
            }
        };
    }
}

// Node's own listener, which would parse HTTP.
const [connectionListener] = sample.listeners("connection");

exports.OWN_CONNECTION_LISTENERS = 1;

// Keeps Node from parsing HTTP on our connections. An application may have others.
exports.prepareServer = function (server) {
    server.removeListener("connection", connectionListener);
    server.prependListener("connection", (socket) => {
        if (!(socket instanceof ClientSocket || socket instanceof UpgradedSocket)) {
            connectionListener.call(server, socket);
        }
    });
};

const started = diagnostics.channel("http.server.request.start");
const finished = diagnostics.channel("http.server.response.finish");

// False: nobody has subscribed.
function publish(channel, request, response, socket) {
    const { hasSubscribers } = channel;
    if (hasSubscribers) {
        channel.publish({ request, response, socket, server: socket.server });
    }
    return hasSubscribers;
}

exports.publishStart = (request, response, socket) => publish(started, request, response, socket);

// Before the application's listeners, as Node's own: what these write is late, and no error event.
function onFinish() {
    // The application's own answer may have another request.
    if (DETACH_SIGNAL && this.req[DETACH_SIGNAL]) {
        this.req[DETACH_SIGNAL]();
    }
    if (this.socket) {
        publish(finished, this.req, this, this.socket);
        this.detachSocket(this.socket);
    }
    process.nextTick(emitClose, this);
}

function adopt(response) {
    // httpd has a connection of its own with the client.
    response._removedConnection = true;
    response.on("finish", onFinish);
}

// The answer of the application's own that the socket has, if its text began before. Or null.
exports.takeBegun = function ({ response, socket }) {
    const own = socket._httpMessage;
    if (!own || own === response || !own._header || response._header) {
        return null;
    }
    adopt(own);
    return own;
};

// What the application has given to addTrailers(), as lines. More than a message takes is dropped.
exports.trailersOf = ({ _trailer }) => _trailer && _trailer.length <= PAYLOAD_LIMIT ? _trailer : "";

function makeRequest(server, socket, head, upgrade) {
    const request = new (server[REQUEST_CLASS] || http.IncomingMessage)(socket);
    request.httpVersionMajor = request.httpVersionMinor = 1;
    request.httpVersion = "1.1";
    request.joinDuplicateHeaders = server.joinDuplicateHeaders;
    request.method = head.method;
    request.url = head.url;
    request.upgrade = upgrade;
    request.passengerRequestId = head.requestId;
    request._addHeaderLines(head.lines, head.lines.length);
    return request;
}

// The connection depends on whether the application takes the upgrade: connectRequest() follows.
exports.makeUpgradeRequest = function (server, head) {
    const socket = new ProxiedSocket();
    socket.server = server;
    socket.serves(head);
    const request = makeRequest(server, socket, head, true);
    makePlain(request);
    return request;
};

// From Node 24 on the application may decide by the request.
exports.takesUpgrade = (server, request) => server.shouldUpgradeCallback
    ? Boolean(server.shouldUpgradeCallback(request)) : server.listenerCount("upgrade") > 0;

exports.connectRequest = function (request, socket, upgrade) {
    request.socket = request.client = socket;
    request.upgrade = upgrade;
};
exports.makeRequest = makeRequest;

exports.makeResponse = function (server, request) {
    const response = new (server[RESPONSE_CLASS] || http.ServerResponse)(request, {
        highWaterMark: request.socket.writableHighWaterMark,
        rejectNonStandardBodyWrites: server.rejectNonStandardBodyWrites,
    });
    if (UNIQUE_HEADERS) {
        response[UNIQUE_HEADERS] = server[UNIQUE_HEADERS];
    }
    adopt(response);
    return response;
};
exports.NEED_DRAIN = NEED_DRAIN;
