"use strict";

// A connection of the application, as from a proxy on this machine: so it is with other servers
// behind httpd.
const { Socket } = require("net");

const HOST = "127.0.0.1";
const FAMILY = "IPv4";

// Some applications, such as those of AdonisJS, ask only whether the socket has the member. Those
// behind a proxy set it themselves, for one request.
function tellEncrypted(socket, encrypted) {
    if (encrypted) {
        socket.encrypted = true;
    } else if ("encrypted" in socket) {
        delete socket.encrypted;
    }
}

class ProxiedSocket extends Socket {
    // `descriptor`: undefined for one that is not open.
    constructor(descriptor) {
        // Node copies the options and sets the last three as here. If they were new members, V8
        // would make hidden classes for each copy, and a socket would cost five times as much.
        super({
            fd: descriptor, allowHalfOpen: true, emitClose: false, autoDestroy: true, decodeStrings: false,
        });
        this._remotePort = 0;
    }

    // `head`: the RequestHead of a request that comes by it.
    serves(head) {
        this._remotePort = head.port;
        tellEncrypted(this, head.encrypted);
    }

    get remoteAddress() {
        return HOST;
    }

    get remoteFamily() {
        return FAMILY;
    }

    get remotePort() {
        return parseInt(this._remotePort, 10) || 0;
    }
}

module.exports = { ProxiedSocket, tellEncrypted };
