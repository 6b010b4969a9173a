"use strict";

// A connection of the application, as from a proxy on this machine: so it is with other servers
// behind httpd.
const { Socket } = require("net");

const HOST = "127.0.0.1";
const FAMILY = "IPv4";

class ProxiedSocket extends Socket {
    constructor(options) {
        super({ allowHalfOpen: true, ...options });
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
