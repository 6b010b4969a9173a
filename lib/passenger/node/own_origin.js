"use strict";

// Next.js sends some server actions to itself, with its visitor's cookies: by the port that its
// server has asked for. Here nothing of the application listens there, and somebody else may. Next
// keeps the origin in a variable. Without the variable Next would send such a request to the host
// that the client names. So the variable gets a host that does not exist, and this process's
// connections to that host reach the application's server.
const fs = require("fs");
const net = require("net");
const os = require("os");
const { join } = require("path");

const ORIGIN = "__NEXT_PRIVATE_ORIGIN";
// No name server knows such a name (RFC 2606).
const HOST = "passenger.invalid";

// The folder keeps other users away. It is there until the connection is.
function listenOnce(server, socket) {
    const folder = fs.mkdtempSync(join(os.tmpdir(), `passenger.${process.pid}.`));
    const path = join(folder, "socket");
    // As http.Server has its connections.
    const listener = net.createServer({ allowHalfOpen: true });
    const end = () => {
        listener.close();
        fs.rmSync(folder, { recursive: true, force: true });
    };
    listener.once("connection", (accepted) => {
        end();
        server.emit("connection", accepted);
    });
    listener.on("error", (error) => socket.destroy(error));
    socket.once("close", end);
    // In a worker of a cluster, too.
    listener.listen({ path, exclusive: true });
    return path;
}

function connectTo(server) {
    const { connect } = net.Socket.prototype;
    net.Socket.prototype.connect = function (...args) {
        // Node itself passes one list.
        const [options, ...rest] = Array.isArray(args[0]) ? args[0] : args;
        if (options === null || typeof options !== "object" || options.host !== HOST) {
            return connect.apply(this, args);
        }
        try {
            return connect.call(this, { path: listenOnce(server, this) }, ...rest.filter(Boolean));
        } catch (error) {
            // There is no folder. The caller has no listener for the error yet, and may write.
            this.connecting = true;
            setImmediate(() => this.destroy(error));
            return this;
        }
    };
}

// After all listeners of the server's event `listening`.
exports.takeOwnRequests = function (server) {
    if (process.env[ORIGIN]) {
        process.env[ORIGIN] = `http://${HOST}`;
        connectTo(server);
    }
};
