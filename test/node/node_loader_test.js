"use strict";

// Where the further servers of an application listen.
const assert = require("assert");
const fs = require("fs");
const http = require("http");
const os = require("os");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const folder = fs.mkdtempSync(join(os.tmpdir(), "passenger."));
process.on("exit", () => fs.rmSync(folder, { recursive: true }));
process.env.PASSENGER_SOCKET = join(folder, "socket");
delete process.env.PASSENGER_INSTANCE;
require(join(LIBRARY, "node_loader"));
const logged = [];
require(join(LIBRARY, "log")).event = (name, fields) => logged.push([name, fields.host]);

const first = http.createServer();
const told = [];
first.listen({ host: "localhost", port: 3000 }, () => {
    assert.strictEqual(first.address(), process.env.PASSENGER_SOCKET);
    // As Fastify does for each address of `localhost`. The other one has no listener for the error.
    const options = { host: "127.0.0.1", port: first.address().port };
    const refused = [http.createServer(), http.createServer()];
    refused[0].on("error", (error) => told.push(error.code));
    refused.forEach((server) => assert.strictEqual(server.listen(options), server));
    const usual = http.createServer().listen({ host: "127.0.0.1", port: 0 }, () => {
        assert.ok(usual.address().port > 0);
        assert.deepStrictEqual(refused.map((server) => server.listening), [false, false]);
        assert.deepStrictEqual(told, ["EADDRNOTAVAIL"]);
        assert.deepStrictEqual(logged, Array(2).fill(["node.listen_refused", "127.0.0.1"]));
        usual.close();
        first.close();
    });
});
