"use strict";

// node socket_io.js URL TRANSPORTS COUNT: connects so many clients; one of them says something, and
// all must hear it.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
process.removeAllListeners("warning");
const { io } = require("socket.io-client");

const [url, transports, count] = process.argv.slice(2);
let connected = 0;
let heard = 0;

function fail(why) {
    console.log(`${connected} of ${count} connected, ${heard} heard: ${why}`);
    process.exit(1);
}

setTimeout(() => fail("not within 60 s"), 60000);
const clients = Array.from({ length: Number(count) }, () => {
    const options = { transports: transports.split(","), forceNew: true, reconnection: false };
    const client = io(url, { ...options, rejectUnauthorized: false });
    client.on("connect", () => ++connected == count && clients[0].emit("say", "hello"));
    client.on("connect_error", (error) => fail(`${error.message} ${error.context?.status}`));
    client.on("disconnect", (reason) => reason.startsWith("io client") || fail(reason));
    client.on("said", () => {
        if (++heard == count) {
            clients.forEach((one) => one.close());
            console.log(`${heard} have heard it`);
            setTimeout(() => process.exit(0), 200);
        }
    });
    return client;
});
