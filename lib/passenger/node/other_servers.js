"use strict";

// Servers for TLS and HTTP/2 that get the socket of the bridge, which speaks HTTP/1.1 without TLS:
// httpd does both with the clients. An HTTP server listens there, and its requests go to the
// listeners of the application's server.
const http = require("http");
const https = require("https");
const { symbolOf } = require("./symbol_of");

// The events of http.Server that are passed on; the others concern the connection.
const FORWARDED = new Set(["request", "upgrade", "connect", "checkContinue", "checkExpectation",
    "clientError", "dropRequest", "listening", "close", "error"]);

const isHttp2 = (server) => /^Http2(Secure)?Server$/.test(server.constructor.name);

exports.isOther = (server) => server instanceof https.Server || isHttp2(server);

// Returns the server that listens in place of this one.
exports.standIn = function (server) {
    if (isHttp2(server) && (server.listenerCount("request") === 0 || server.listenerCount("stream") > 1)) {
        const error = new Error("this http2 server listens for streams, which httpd does not hand over: use " +
            "http.createServer, or its event 'request'. httpd speaks HTTP/2 with clients (mod_http2, Protocols h2)");
        error.code = "ERR_PASSENGER_HTTP2_STREAMS";
        throw error;
    }
    // Only servers of https have the symbols.
    const [IncomingMessage, ServerResponse] = ["IncomingMessage", "ServerResponse"]
        .map((name) => server[symbolOf(server, name)]);
    const plain = http.createServer({ IncomingMessage, ServerResponse });
    const { emit, listenerCount, once } = plain;
    plain.emit = (name, ...rest) => emit.call(FORWARDED.has(name) ? server : plain, name, ...rest);
    plain.listenerCount = (name, ...rest) => listenerCount.call(FORWARDED.has(name) ? server : plain, name, ...rest);
    // close(callback) of Node waits for the event by this.
    plain.once = (name, listener) => once.call(FORWARDED.has(name) ? server : plain, name, listener);
    if (server.shouldUpgradeCallback) {
        plain.shouldUpgradeCallback = (request) => server.shouldUpgradeCallback(request);
    }
    server.address = () => plain.address();
    server.close = (callback) => {
        plain.close(callback);
        return server;
    };
    for (const name of ["closeAllConnections", "closeIdleConnections"]) {
        // Older Nodes have neither.
        if (plain[name]) {
            server[name] = () => plain[name]();
        }
    }
    Object.defineProperty(server, "listening", { get: () => plain.listening });
    process.stderr.write("the server for TLS or HTTP/2 gets requests as HTTP/1.1: httpd does both with the clients\n");
    return plain;
};
