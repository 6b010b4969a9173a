"use strict";

// Where the further servers of an application listen, and how Next.js reaches its own. A first
// server that closes at once, as a search for a free port, leaves its place to the next one.
const assert = require("assert");
const { once } = require("events");
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

const ORIGIN = "__NEXT_PRIVATE_ORIGIN";
const first = http.createServer((request, response) => response.end(`own ${request.url}`));
// As Next.js does.
first.on("listening", () => {
    process.env[ORIGIN] = "http://localhost:3000";
});

async function askItself() {
    const origin = process.env[ORIGIN];
    const [response] = await once(http.get(`${origin}/get`), "response");
    assert.strictEqual((await once(response, "data")).toString(), "own /get");
    // Node 16 has no fetch().
    if (typeof fetch === "function") {
        assert.strictEqual(await (await fetch(`${origin}/fetch`, { method: "POST", body: "b" })).text(), "own /fetch");
    }
    process.env.TMPDIR = join(folder, "missing");
    const [error] = await once(http.get(origin, { agent: false }), "error");
    assert.strictEqual(error.code, "ENOENT");
    delete process.env.TMPDIR;
    const left = fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith(`passenger.${process.pid}.`));
    assert.deepStrictEqual(left, []);
}

const told = [];
const probe = http.createServer();
const probing = new Promise((resolve) => {
    probe.listen(3000, () => probe.close(resolve));
});
probing.then(() => first.listen({ host: "localhost", port: 3000 }, () => {
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
        askItself().then(() => {
            first.close();
            process.exit();
        });
    });
}));
