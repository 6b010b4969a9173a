"use strict";

const { ProxiedSocket } = require("./proxied_socket");

// The application's end of a stream pair, in place of a connection that httpd has with a client.
class UpgradedSocket extends ProxiedSocket {
    constructor(descriptor, head) {
        super(descriptor);
        this.serves(head);
    }
}

module.exports = { UpgradedSocket };
