"use strict";

// What an application that holds a server for TLS does to the one that stands in for it.
const assert = require("assert");
const http = require("http");
const https = require("https");
const { join } = require("path");

const library = process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger");
const { standIn } = require(join(library, "node/other_servers"));

const server = https.createServer();
const plain = standIn(server);
const called = [];
// As an instance does later.
plain.closeAllConnections = () => called.push("all");
plain.closeIdleConnections = () => called.push("idle");
if (https.Server.prototype.closeAllConnections) {
    server.closeAllConnections();
    server.closeIdleConnections();
    assert.deepStrictEqual(called, ["all", "idle"]);
}

// From Node 24 on the application may decide about upgrades.
const deciding = https.createServer();
deciding.shouldUpgradeCallback = function (request) {
    return this === deciding && request === "asked";
};
assert.strictEqual(standIn(deciding).shouldUpgradeCallback("asked"), true);

// Classes of the application.
class Own extends http.IncomingMessage {}
const own = https.createServer({ IncomingMessage: Own });
const symbol = Object.getOwnPropertySymbols(own).find((one) => one.description === "IncomingMessage");
assert.strictEqual(standIn(own)[symbol], Own);

// The callback of close() is called as soon as the server has ended.
let closed = 0;
process.on("exit", () => assert.strictEqual(closed, 2));
const ending = https.createServer();
const listening = standIn(ending);
ending.once("listening", () => {
    ending.close((error) => {
        closed += 1;
        assert.strictEqual(error, undefined);
    });
    // As Node's own server, which is closed already.
    ending.close((error) => {
        closed += 1;
        assert.strictEqual(error.code, "ERR_SERVER_NOT_RUNNING");
    });
});
listening.listen(0, "127.0.0.1");
