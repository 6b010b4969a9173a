"use strict";

// The objects of a request that its child has sent, on a connection of its own.
const http = require("http");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { ClientSocket } = require(join(LIBRARY, "client_socket"));
const { makeRequest, makeResponse, prepareServer } = require(join(LIBRARY, "http_server"));

exports.LIBRARY = LIBRARY;
exports.makeObjects = function (method = "GET") {
    const server = http.createServer();
    prepareServer(server);
    const socket = ClientSocket.of(server, { address: "192.0.2.1", port: "1" }, { announce() {} });
    const request = makeRequest(server, socket, { method, url: "/", lines: [] }, false);
    return { server, socket, request, response: makeResponse(server, request) };
};
