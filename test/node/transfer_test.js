"use strict";

// The client's own socket in the place of the application's end of a stream pair, in each way in which
// the child answers. The argument is the addon's path.
const assert = require("assert");
const { once } = require("events");
const { Socket } = require("net");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const native = require(join(LIBRARY, "native"));
const poller = require(join(LIBRARY, "poller"));
const { Transfer } = require(join(LIBRARY, "transfer"));
const { UpgradedSocket } = require(join(LIBRARY, "upgraded_socket"));

const HEAD = { port: "80", encrypted: false };

native.load(process.argv[2]);
poller.open();
native.addon.keepLoop(true);

function socketOf(fd) {
    return new Socket({ fd, allowHalfOpen: true });
}

// The application's socket, the child's end of the answers, and both ends of the client's connection.
function scene() {
    const { streamPair } = native.addon;
    const [other, own] = streamPair();
    const [answers, child] = streamPair();
    const [client, given] = streamPair();
    const socket = new UpgradedSocket(own, HEAD);
    socket.on("error", () => {});
    new Transfer(socket, other, answers);
    return { socket, child, given, client: socketOf(client) };
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
    const made = scene();
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
    const made = scene();
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
    const made = scene();
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
    const { socket, child, given, client } = scene();
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
    const { socket, child, given, client } = scene();
    native.closeAll([child, given]);
    client.destroy();
    await once(socket, "close");
    assert.strictEqual(socket.destroyed, true);
}

async function anAnswerWithoutASocketEndsTheConnection() {
    const { socket, child, given, client } = scene();
    socketOf(child).write("C");
    native.addon.close(given);
    client.destroy();
    await once(socket, "close");
}

async function run() {
    await theClientsSocketIsTheApplications();
    await aSocketThatReadsGoesOnReading();
    await bytesAndEndUnderWayReachTheClient();
    await theChildPassesTheBytesOn();
    await theApplicationsSocketEndsWithTheChild();
    await anAnswerWithoutASocketEndsTheConnection();
}

run().then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
});
