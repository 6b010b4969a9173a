"use strict";

// Which servers make their requests and answers with Express's prototypes, and that V8 then gives
// all of them the same hidden class.
const assert = require("assert");
const { execFileSync } = require("child_process");
const diagnostics = require("diagnostics_channel");
const { once } = require("events");
const http = require("http");
const https = require("https");
const net = require("net");
const { join } = require("path");
const v8 = require("v8");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { adoptExpress, makePlain } = require(join(LIBRARY, "express_objects"));
const { makeRequest, makeUpgradeRequest } = require(join(LIBRARY, "http_server"));
const { symbolOf } = require(join(LIBRARY, "symbol_of"));
const { standIn } = require(join(LIBRARY, "other_servers"));

v8.setFlagsFromString("--allow-natives-syntax");
const haveSameMap = new Function("one", "other", "return %HaveSameMap(one, other)");

const isOfExpress = (application, request) => Object.getPrototypeOf(request) === application.request;
const pending = [];

// As express() makes it.
function express() {
    function application(request, response) {
        application.seen.push(isOfExpress(application, request),
            Object.getPrototypeOf(response) === application.response);
        request.res = response;
        response.req = request;
        Object.setPrototypeOf(request, application.request);
        Object.setPrototypeOf(response, application.response);
        application.trace = response.trace();
        request.params = {};
        response.locals = {};
        response.end(`query ${request.query}`);
        pending.push([request, response]);
    }
    application.seen = [];
    application.request = Object.create(http.IncomingMessage.prototype, {
        app: { value: application, configurable: true, enumerable: true, writable: true },
        query: { get: () => "of Express", configurable: true, enumerable: true },
    });
    application.response = Object.create(http.ServerResponse.prototype, {
        trace: {
            value: function trace() {
                return new Error().stack;
            },
        },
        app: { value: application, configurable: true, enumerable: true, writable: true },
    });
    return application;
}

// As engine.io and Primus attach themselves.
function attach(server, handle) {
    const listeners = server.listeners("request").slice(0);
    server.removeAllListeners("request");
    server.on("request", (request, response) => {
        handle(request);
        listeners.forEach((one) => one.call(server, request, response));
    });
}

async function ask(server, headers = {}) {
    if (!server.listening) {
        await once(server.listen(0, "127.0.0.1"), "listening");
    }
    const [response] = await once(http.get({ port: server.address().port, headers, agent: false }), "response");
    return String(await once(response, "data"));
}

async function served(make, expected, application = express(), query = "of Express") {
    const server = make(application);
    adoptExpress(server, server);
    assert.strictEqual(await ask(server), `query ${query}`);
    assert.deepStrictEqual(application.seen.splice(0), [expected, expected]);
    server.close();
}

function setQuery(request) {
    request.query = "own";
}

const plain = (application) => http.createServer(application);
const changed = (change) => (application) => {
    const server = plain(application);
    change(server, application);
    return server;
};

async function testServers() {
    await served(plain, true);
    await served((application) => http.createServer().on("request", application), true);
    await served((application) => http.createServer().addListener("request", application), true);
    await served(changed((server) => server.on("request", () => {})), true);
    await served(changed((server) => server.on("request", Object.assign(() => {}, express()))), true);
    // In these another listener might be the first one that sees the request.
    await served(changed((server) => server.prependListener("request", setQuery)), false, express(), "own");
    await served(changed((server) => attach(server, setQuery)), false, express(), "own");
    await served(changed((server) => server.on("checkContinue", () => {})), false);
    await served((application) => http.createServer((request, response) => application(request, response)), false);
}

// From Node 22.12 on subscribers learn of each answer that is made.
async function testNoAnswerIsMadeUp() {
    const channel = diagnostics.channel("http.server.response.created");
    const fail = () => assert.fail("an answer without a request");
    channel.subscribe(fail);
    const server = plain(express());
    adoptExpress(server, server);
    channel.unsubscribe(fail);
}

async function testOwnClasses() {
    class IncomingMessage extends http.IncomingMessage {}
    class ServerResponse extends http.ServerResponse {}
    await served((application) => http.createServer({ IncomingMessage }, application), false);
    await served((application) => http.createServer({ ServerResponse }, application), false);
    // A setter or getter in the way of what Node assigns.
    const application = express();
    Object.defineProperty(application.request, "url", { get: () => "own" });
    Object.defineProperty(application.response, "sendDate", { get: () => false });
    await served(plain, false, application);
}

// As Node's may become.
function testClasses() {
    const code = `const http = require("http");
        const { IncomingMessage } = http;
        http.IncomingMessage = class extends IncomingMessage {};
        const application = Object.assign(() => {}, { request: Object.create(http.IncomingMessage.prototype) });
        const server = http.createServer({ IncomingMessage: http.IncomingMessage }, application);
        require(process.argv[1]).adoptExpress(server, server);
        const symbol = Object.getOwnPropertySymbols(server).find((one) => one.description === "IncomingMessage");
        console.log(server[symbol] === http.IncomingMessage);`;
    const told = execFileSync(process.execPath, ["-e", code, join(LIBRARY, "express_objects")]);
    assert.strictEqual(String(told), "true\n");
}

// The prototypes of the application at this moment count.
async function testChanges() {
    const [first, second] = [express(), express()];
    const server = plain(first);
    adoptExpress(server, server);
    await ask(server);
    server.removeListener("request", first);
    server.on("request", second);
    await ask(server);
    assert.match(first.trace, / at ServerResponse.trace /);
    assert.deepStrictEqual([first.seen, second.seen], [[true, true], [true, true]]);
    second.request = Object.create(second.request);
    await ask(server);
    assert.deepStrictEqual(second.seen.slice(2), [true, true]);
    second.request = null;
    const symbol = symbolOf(server, "IncomingMessage");
    assert.strictEqual(server[symbol], http.IncomingMessage);
    server.close();
}

async function testUpgrades() {
    const application = express();
    const server = plain(application);
    adoptExpress(server, server);
    const head = { method: "GET", url: "/", lines: [], address: "192.0.2.1", port: "1" };
    assert.ok(isOfExpress(application, makeRequest(server, new net.Socket(), head, false)));
    assert.ok(!isOfExpress(application, makeUpgradeRequest(server, head)));
    class Own extends http.IncomingMessage {}
    const own = new Own();
    makePlain(own);
    assert.ok(own instanceof Own);
}

// The listeners are those of the server for TLS.
async function testTls() {
    const application = express();
    const server = https.createServer(application);
    const plainServer = standIn(server);
    adoptExpress(plainServer, server);
    const symbol = symbolOf(plainServer, "IncomingMessage");
    assert.ok(isOfExpress(application, new plainServer[symbol]()));
}

async function testHiddenClasses() {
    const server = plain(express());
    adoptExpress(server, server);
    // V8 takes back what room objects do not need when it has made some.
    for (let i = 0; i < 20; i++) {
        await ask(server);
    }
    const [[request, response], [otherRequest, otherResponse]] = pending.slice(-2);
    assert.ok(haveSameMap(request, otherRequest));
    assert.ok(haveSameMap(response, otherResponse));
    server.close();
}

(async () => {
    await testServers();
    await testNoAnswerIsMadeUp();
    await testOwnClasses();
    testClasses();
    await testChanges();
    await testUpgrades();
    await testTls();
    await testHiddenClasses();
})().catch((error) => {
    console.error(error);
    process.exit(1);
});
