"use strict";

// Loaded before a Node application (node --require). Its first HTTP server listens on the socket of
// its bridge, whatever port it asks for. Any further server listens where it asks to.
const http = require("http");
const net = require("net");

const path = process.env.PASSENGER_SOCKET;
const listen = net.Server.prototype.listen;
let taken = false;

net.Server.prototype.listen = function (...args) {
    if (taken || !path || !(this instanceof http.Server)) {
        return listen.apply(this, args);
    }
    taken = true;
    const callback = args.reverse().find((argument) => typeof argument === "function");
    return callback ? listen.call(this, path, callback) : listen.call(this, path);
};
