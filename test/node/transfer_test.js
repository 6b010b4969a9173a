"use strict";

// The client's own socket in the place of the application's end of a stream pair, in each way in
// which the child answers. The argument is the addon's path.
const assert = require("assert");
const { once } = require("events");
const fs = require("fs");
const { connect: connectTo, createServer, Socket } = require("net");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const native = require(join(LIBRARY, "native"));
const poller = require(join(LIBRARY, "poller"));
const { askForClient, connect } = require(join(LIBRARY, "transfer"));
const { UpgradedSocket } = require(join(LIBRARY, "upgraded_socket"));

const HEAD = { port: "80", encrypted: false };

native.load(process.argv[2]);
poller.open();
native.addon.keepLoop(true);

// The caller closes the descriptor.
function duplicateOf(descriptor) {
    const [to, from] = native.addon.streamPair();
    assert.strictEqual(native.addon.sendStream(to, Buffer.from("x"), descriptor), 0);
    const [duplicate] = native.takeDescriptors(native.addon.receive(from, 1));
    native.closeAll([to, from]);
    return duplicate;
}

function socketOf(fd) {
    return new Socket({ fd, allowHalfOpen: true });
}

// Both ends of a connection with a client; of the server's end the descriptor.
async function tcpPair() {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = connectTo({ port: server.address().port, host: "127.0.0.1", allowHalfOpen: true });
    const [accepted] = await once(server, "connection");
    const given = duplicateOf(accepted._handle.fd);
    accepted.destroy();
    server.close();
    return [client, given];
}

// The application's socket, the child's end of the answers, and both ends of the client's
// connection.
async function scene() {
    const [client, given] = await tcpPair();
    const [other, own] = native.addon.streamPair();
    const socket = new UpgradedSocket(own, HEAD);
    socket.on("error", () => {});
    let child = -1;
    const sendStream = (descriptor) => {
        child = duplicateOf(descriptor);
        return true;
    };
    assert(askForClient({ sendStream }, (descriptor) => connect(socket, other, descriptor)));
    return { socket, child, given, client };
}

function answer({ child, given }) {
    assert.strictEqual(native.addon.sendStream(child, Buffer.from("C"), given), 0);
    native.closeAll([child, given]);
}

async function read(socket, length) {
    let text = "";
    while (text.length < length) {
        const piece = socket.read();
        if (piece === null) {
            await once(socket, "readable");
        } else {
            text += piece;
        }
    }
    return text;
}

async function assertTalks(socket, client) {
    client.write("question");
    assert.strictEqual(await read(socket, 8), "question");
    socket.write("answer");
    assert.strictEqual(await read(client, 6), "answer");
}

async function assertEnds(socket, client) {
    socket.end("goodbye");
    assert.strictEqual(await read(client, 7), "goodbye");
    client.read();
    const closed = once(socket, "close");
    await once(client.resume(), "end");
    client.end();
    socket.resume();
    await closed;
}

async function theClientsSocketIsTheApplications() {
    const made = await scene();
    const { socket, client } = made;
    socket.write("welcome ");
    answer(made);
    assert.strictEqual(await read(client, 8), "welcome ");
    await assertTalks(socket, client);
    const much = "x".repeat(5_000_000);
    socket.write(much);
    assert.strictEqual((await read(client, much.length)).length, much.length);
    await assertEnds(socket, client);
}

async function aSocketThatReadsGoesOnReading() {
    const made = await scene();
    const { socket, client } = made;
    const heard = once(socket, "data");
    await new Promise(setImmediate);
    answer(made);
    client.write("question");
    assert.strictEqual(String((await heard)[0]), "question");
    client.end();
    await once(socket, "end");
    socket.destroy();
    await once(client.resume(), "close");
}

async function bytesAndEndUnderWayReachTheClient() {
    const made = await scene();
    const { socket, client } = made;
    const much = "y".repeat(5_000_000);
    socket.end(much);
    answer(made);
    assert.strictEqual((await read(client, much.length)).length, much.length);
    await once(client.resume(), "end");
    client.end();
    await once(socket.resume(), "close");
}

async function theChildPassesTheBytesOn() {
    const { socket, child, given, client } = await scene();
    native.addon.close(given);
    client.destroy();
    const relay = socketOf(child);
    socket.write("welcome ");
    relay.write("R");
    assert.strictEqual(await read(relay, 8), "welcome ");
    await assertTalks(socket, relay);
    await assertEnds(socket, relay);
}

async function theApplicationsSocketEndsWithTheChild() {
    const { socket, child, given, client } = await scene();
    native.closeAll([child, given]);
    client.destroy();
    await once(socket, "close");
    assert.strictEqual(socket.destroyed, true);
}

async function anAnswerWithoutASocketEndsTheConnection() {
    const { socket, child, given, client } = await scene();
    socketOf(child).write("C");
    native.addon.close(given);
    client.destroy();
    await once(socket, "close");
}

async function anotherFileThanASocketEndsTheConnection() {
    const made = await scene();
    const file = fs.openSync(__filename);
    native.addon.close(made.given);
    answer({ child: made.child, given: file });
    await once(made.socket, "close");
    made.client.destroy();
}

// The application closes its side before the client's socket is here, and the client never closes
// its own.
async function noSocketStaysBehind() {
    const before = descriptors();
    const made = await scene();
    made.client.on("error", () => {});
    made.socket.write("goodbye");
    made.socket.destroy();
    answer(made);
    assert.strictEqual(await read(made.client, 7), "goodbye");
    await assertClientAloneStays(made, before);
}

// The application gives a client up that takes nothing of what is under way by the pair.
async function aClientThatReadsNothingIsGivenUpWithTheApplicationsSocket() {
    const { setTimeout: original } = Socket.prototype;
    Socket.prototype.setTimeout = function (milliseconds, ...rest) {
        return original.call(this, milliseconds / 200, ...rest);
    };
    const before = descriptors();
    const made = await scene();
    made.client.on("error", () => {});
    made.socket.write("z".repeat(20_000_000));
    answer(made);
    await once(made.client, "readable");
    let left;
    do {
        left = made.socket._handle.writeQueueSize;
        await pause(200);
    } while (made.socket._handle.writeQueueSize < left);
    assert(left > 0);
    made.socket.destroy();
    await assertClientAloneStays(made, before);
    Socket.prototype.setTimeout = original;
}

function pause(milliseconds) {
    return new Promise((done) => setTimeout(done, milliseconds));
}

function descriptors() {
    return fs.readdirSync("/proc/self/fd").length;
}

async function assertClientAloneStays(made, before) {
    const deadline = Date.now() + 60_000;
    while (descriptors() > before + 1) {
        assert(Date.now() < deadline, `${descriptors() - before} descriptors stay`);
        await pause(20);
    }
    made.client.destroy();
}

async function run() {
    await theClientsSocketIsTheApplications();
    await aSocketThatReadsGoesOnReading();
    await bytesAndEndUnderWayReachTheClient();
    await theChildPassesTheBytesOn();
    await theApplicationsSocketEndsWithTheChild();
    await anAnswerWithoutASocketEndsTheConnection();
    await anotherFileThanASocketEndsTheConnection();
    await noSocketStaysBehind();
    await aClientThatReadsNothingIsGivenUpWithTheApplicationsSocket();
}

run().then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
});
