"use strict";

// A connection of the application, as from a proxy on this machine: so it is with other servers
// behind httpd.
const { Socket } = require("net");

const HOST = "127.0.0.1";
const FAMILY = "IPv4";

class ProxiedSocket extends Socket {
    // `descriptor`: undefined for one that is not open.
    constructor(descriptor) {
        // Node copies the options and sets the last three as here. If they were new members, V8
        // would make hidden classes for each copy, and a socket would cost five times as much.
        super({
            fd: descriptor, allowHalfOpen: true, emitClose: false, autoDestroy: true, decodeStrings: false,
        });
        this._remotePort = 0;
        this._encrypted = false;
    }

    // `head`: the RequestHead of a request that comes by it.
    serves(head) {
        this._remotePort = head.port;
        this._encrypted = head.encrypted;
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

    // Applications behind a proxy set it, too.
    get encrypted() {
        return this._encrypted;
    }

    set encrypted(value) {
        this._encrypted = value;
    }
}

module.exports = { ProxiedSocket };
