"use strict";

// Loaded before a Node application (node --require), which it gives a title. The first HTTP server
// gets the application's requests, whatever port it asks for. Any further server listens where it
// asks to. As with Phusion Passenger, an application that calls
// PhusionPassenger.configure({ autoInstall: false }) gets the requests for listen("passenger"), and
// the event `exit` of that object tells it that it has to end.
const cluster = require("cluster");
const fs = require("fs");
const http = require("http");
const net = require("net");
const { dirname } = require("path");
const { isMainThread } = require("worker_threads");
const { adoptExpress } = require("./express_objects");
const { failStart, reportFailures } = require("./failures");
const log = require("./log");
const { isOther, standIn } = require("./other_servers");
const { takeOwnRequests } = require("./own_origin");
const { PhusionPassenger } = require("./phusion_passenger");

process.title = `Passenger NodeApp: ${process.cwd()} (${process.env.PASSENGER_APP_ENV})`;

// The pid of the instance (start.js), which the agent has started. Otherwise there is a bridge, or
// this is a process or thread that the application has made.
const instance = Number(process.env.PASSENGER_INSTANCE || 0);
delete process.env.PASSENGER_INSTANCE;
const api = new PhusionPassenger();
const start = instance ? begin() : null;
const path = process.env.PASSENGER_SOCKET;
const listen = net.Server.prototype.listen;
const endReports = path ? reportFailures(path, start) : () => {};
let taken = !path;
let anyServer = true;

api.configure = (options) => {
    anyServer = !options || options.autoInstall !== false;
};
global.PhusionPassenger = api;
if (path && !start && isMainThread) {
    api.takeSignal(() => true);
}

function begin() {
    try {
        return require("./start").start(instance, api);
    } catch (error) {
        failStart(error);
        return process.exit(1);
    }
}

function asksForPassenger([place]) {
    const name = place && typeof place === "object" ? place.path : place;
    return name === "passenger" || name === "/passenger";
}

// An application may have several processes; those of a cluster share the socket.
function isFree() {
    return cluster.isWorker || fs.existsSync(dirname(path)) && !fs.existsSync(path);
}

// Fastify listens on each address of `localhost`, on the port of its first server. That server has
// no port here, and Node would choose one by itself, which each user of the machine reaches past
// httpd.
function lacksPort([options]) {
    return options !== null && typeof options === "object" && typeof options.host === "string" &&
        "port" in options && options.port === undefined;
}

function refuseToListen(server, { host }) {
    const reason = "it names an address and no port, as Fastify does for the further addresses of localhost";
    log.event("node.listen_refused", { host, reason });
    const error = Object.assign(new Error(`this server does not listen: ${reason}`), { code: "EADDRNOTAVAIL" });
    process.nextTick(() => server.listenerCount("error") > 0 && server.emit("error", error));
    return server;
}

net.Server.prototype.listen = function (...args) {
    const speaksHttp = this instanceof http.Server || isOther(this);
    if (path && taken && speaksHttp && lacksPort(args)) {
        return refuseToListen(this, args[0]);
    }
    if (taken || !speaksHttp || !(anyServer || asksForPassenger(args)) || !isFree()) {
        return listen.apply(this, args);
    }
    taken = true;
    const server = isOther(this) ? standIn(this) : this;
    adoptExpress(server, this);
    if (start) {
        start.begin(server, this);
    } else {
        require("./connections").installConnections(server);
    }
    this.prependOnceListener("listening", () => {
        // A search for a free port closes its server at once.
        const leave = () => {
            taken = false;
        };
        this.prependOnceListener("close", leave);
        setImmediate(() => {
            if (server.listening) {
                this.removeListener("close", leave);
                endReports();
            }
        });
        process.nextTick(takeOwnRequests, server);
    });
    const { signal } = Object(args[0]);
    const callback = args.reverse().find((argument) => typeof argument === "function");
    if (callback) {
        this.once("listening", callback);
    }
    listen.call(server, signal ? { path, signal } : path);
    return this;
};
