"use strict";

// Loaded before a Node application (node --require), which it gives a title. The first HTTP server
// listens on the socket of the bridge, whatever port it asks for. Any further server listens where
// it asks to. As with Phusion Passenger, an application that calls
// PhusionPassenger.configure({ autoInstall: false }) gets the socket for listen("passenger").
const http = require("http");
const net = require("net");

process.title = `Passenger NodeApp: ${process.cwd()} (${process.env.PASSENGER_APP_ENV})`;

const path = process.env.PASSENGER_SOCKET;
const listen = net.Server.prototype.listen;
let taken = false;
let anyServer = true;

global.PhusionPassenger = {
    configure(options) {
        anyServer = !options || options.autoInstall !== false;
    },
};

function asksForPassenger([place]) {
    const name = place && typeof place === "object" ? place.path : place;
    return name === "passenger" || name === "/passenger";
}

net.Server.prototype.listen = function (...args) {
    if (taken || !path || !(this instanceof http.Server) || !(anyServer || asksForPassenger(args))) {
        return listen.apply(this, args);
    }
    taken = true;
    const callback = args.reverse().find((argument) => typeof argument === "function");
    return callback ? listen.call(this, path, callback) : listen.call(this, path);
};
