"use strict";

// The start of an instance, in the process that the program `passenger-agent bridge` has become:
// control socket as descriptor 3, the options of LOAD in the file of descriptor 4. The application
// is loaded meanwhile. If another process, or something else than a server of Node's module http,
// serves it, this process becomes the bridge after all, which starts the application anew.
const cluster = require("cluster");
const fs = require("fs");
const net = require("net");
const { join } = require("path");
const exported = require("./exported");
const { MOST_TOLD } = require("./failures");
const frames = require("./frames");
const { CONTROL } = frames;
const { Instance, listenToSignals } = require("./instance");
const layout = require("./layout");
const log = require("./log");
const native = require("./native");
const poller = require("./poller");

const OPTIONS = 4;
// The thread_count of LOAD where PassengerForceMaxConcurrentRequestsPerProcess sets no limit
// (Options::NO_THREAD_LIMIT). SERVE may name fewer, while other instances have the rest.
const NO_THREAD_LIMIT = 8192;
const STARTED = "command started";
const LISTENS = "application listens";
// Milliseconds between two looks whether something else listens.
const PAUSE = 100;
// A timer of more milliseconds comes at once.
const LONGEST_TIMER = 0x7fffffff;
// Looks in a row that find a listener on PORT. A search for a free port listens for a moment.
const ENOUGH_LOOKS = 2;
const REMEDY = "The application must call listen() of a server of Node's module http; whatever port " +
    "it names, the server gets the module's socket. A server that listens only after a connection to " +
    "a database, say, needs that first.";

function options() {
    const size = fs.fstatSync(OPTIONS).size;
    const bytes = Buffer.alloc(size);
    fs.readSync(OPTIONS, bytes, 0, size, 0);
    // A frame LOAD.
    return frames.mapOf(bytes.subarray(8));
}

// During an upgrade a bridge of another version may start these files.
function checkVersion(agents) {
    if (agents !== undefined && agents !== String(layout.VERSION)) {
        const reason = `the agent has version ${agents} of the layouts, the installed files have ${layout.VERSION}: ` +
            "reload httpd";
        log.event("control.broken", { reason });
        process.exit(1);
    }
}

// Whether a process of this user listens on the port. Any user can take it, as long as the
// application has not.
function isOwn(port) {
    const hex = port.toString(16).toUpperCase().padStart(4, "0");
    // Local address, remote address, state (LISTEN), queues, timer, retransmissions, user.
    const line = new RegExp(`:${hex} \\S+ 0A \\S+ \\S+ \\S+ +${process.geteuid()} `);
    return ["/proc/net/tcp", "/proc/net/tcp6"].some((table) => {
        try {
            return line.test(fs.readFileSync(table, "latin1"));
        } catch {
            // A machine without IPv6.
            return false;
        }
    });
}

class Start {
    // `api`: the application's PhusionPassenger.
    constructor(api) {
        this._options = options();
        log.app = this._options.app_group_name;
        checkVersion(this._options.layout_version);
        this._environment = { ...process.env };
        native.load(this._options.native_code);
        [CONTROL, OPTIONS].forEach((descriptor) => native.addon.closeOnExec(descriptor, true));
        poller.open();
        this._control = new frames.FrameSocket(CONTROL);
        this._instance = new Instance(this._control, api, {
            stopTimeout: Number(this._options.stop_timeout || 5) * 1000,
            takesAll: Number(this._options.thread_count || 1) >= NO_THREAD_LIMIT,
            seesBlocked: ["slow_request_time", "max_request_time"]
                .some((time) => Number(this._options[time] || 0) > 0),
        });
        this._began = performance.now();
        this._control.write(frames.STEP, STARTED, "done", 0);
        this._control.write(frames.STEP, LISTENS, "begin", 0);
        this._folder = fs.mkdtempSync(join(this._options.spawn_dir || "/tmp", `passenger.${process.pid}.`));
        // Without a lock each agent that starts or ends removes the folder.
        this._lock = fs.openSync(this._folder);
        native.addon.lock(this._lock);
        this.path = join(this._folder, "socket");
        process.env.PASSENGER_SOCKET = this.path;
        // The application serves, or has failed.
        this.isOver = false;
        // A server of the application listens, or is about to.
        this._listens = false;
        listenToSignals(this._instance);
        // The agent or a signal has ended it, so that there is no failure to report.
        this._instance.onEarlyEnd = () => this._end();
        this._failure = null;
        this._onExit = (status) => this._fail(...this._failure ||
            ["", `${this._place()} exited with status ${status} before it listened${exported.reason()}\n${REMEDY}`,
                "", (status & 0xff) << 8]);
        process.once("exit", this._onExit);
        this._watchOthers();
    }

    // The application's server `shown` is to listen: the caller makes `server` do so on `path`,
    // which is the same one, or stands in for it.
    begin(server, shown) {
        this._listens = true;
        shown.prependOnceListener("listening", () => {
            process.env.PASSENGER_SOCKET = "";
            // A search for a free port closes its server at once.
            const leave = () => {
                this._listens = false;
                process.env.PASSENGER_SOCKET = this.path;
            };
            shown.prependOnceListener("close", leave);
            setImmediate(() => {
                if (server.listening) {
                    shown.removeListener("close", leave);
                    this._loaded(server, shown);
                }
            });
        });
    }

    _loaded(server, shown) {
        this._end();
        native.addon.keepLoop(true);
        this._tellStep("done");
        shown.once("close", () => {
            if (!this._instance.serves) {
                this._report("", `${this._place()} closed its server before it served a request\n${REMEDY}`, "");
            }
            this._instance.end();
        });
        this._instance.loaded(server);
    }

    // Records an uncaught exception as the reason for the process's end.
    keepFailure(parts) {
        this._failure = parts;
    }

    // The process ends now, and its output has the reason.
    leaveWithoutReport() {
        this._end();
    }

    // No server reads what the application has begun: the process begins anew, as a bridge.
    becomeBridge(reason) {
        this._end();
        log.event("node.bridged", { reason });
        // Node closes its standard streams, too, in programs that it executes.
        [0, 1, 2, CONTROL, OPTIONS].forEach((descriptor) => native.addon.closeOnExec(descriptor, false));
        // Node lets a pipe not block, and the bridge and the application would lose what has no
        // room.
        [1, 2].forEach((descriptor) => native.addon.block(descriptor));
        const environment = Object.entries(this._environment).map(([name, value]) => `${name}=${value}`);
        try {
            native.addon.exec([this._options.bridge, "bridge-again"], environment);
        } catch (error) {
            this._report("", `the bridge "${this._options.bridge}" could not be started: ${error.message}`, "");
            process.reallyExit(1);
        }
    }

    _watchOthers() {
        const port = Number(process.env.PORT);
        const host = this._options.instance_address || "127.0.0.1";
        let looks = 0;
        this._timer = setInterval(() => {
            if (this._listens) {
                return;
            }
            if (fs.existsSync(this.path)) {
                this.becomeBridge("another process of the application, or another thread, listens");
            }
            const socket = net.connect(port, host);
            socket.unref();
            socket.on("error", () => {
                looks = 0;
            });
            socket.on("connect", () => {
                socket.destroy();
                looks = isOwn(port) ? looks + 1 : 0;
                if (looks >= ENOUGH_LOOKS && !this.isOver && !this._listens) {
                    this.becomeBridge("the application listens on PORT, with something else than http.Server");
                }
            });
        }, PAUSE).unref();
        const fork = cluster.fork;
        if (cluster.isPrimary || cluster.isMaster) {
            cluster.fork = (...args) => {
                if (!this.isOver && !this._listens) {
                    this.becomeBridge("the application is a cluster of processes");
                }
                return fork.apply(cluster, args);
            };
        }
        const limit = Number(this._options.start_timeout) * 1000;
        const now = Number(process.hrtime.bigint() / 1000000n);
        // During an upgrade an older bridge names no deadline.
        const left = Number(this._options.start_deadline || now + limit) - now;
        this._limit = setTimeout(() => {
            this._fail("", `${this._place()} runs, but nothing listens on ${host} port ${port} (PORT) or ` +
                `${this.path} after PassengerStartTimeout, ${limit / 1000} seconds${exported.reason()}\n${REMEDY}`, "");
            process.reallyExit(1);
        }, Math.min(Math.max(left - Math.min(500, limit / 4), 1), LONGEST_TIMER)).unref();
    }

    _place() {
        return `the command "${this._options.shown_command}"`;
    }

    // `status`: as wait(2) would have it, of an application that ends by itself.
    _fail(name, message, backtrace, ...status) {
        if (this.isOver) {
            return;
        }
        this._end();
        this._report(name, message, backtrace, ...status);
    }

    _report(name, message, backtrace, ...status) {
        const line = message.split("\n")[0];
        log.event("app.load_failed", { step: LISTENS, reason: name ? `${name}: ${line}` : line });
        this._tellStep("failed");
        this._control.write(frames.FAILED, LISTENS, name, message.slice(0, MOST_TOLD), backtrace.slice(0, MOST_TOLD),
            ...status);
    }

    _tellStep(state) {
        this._control.write(frames.STEP, LISTENS, state, Math.round(performance.now() - this._began));
    }

    _end() {
        if (!this.isOver) {
            native.addon.close(this._lock);
        }
        this.isOver = true;
        clearInterval(this._timer);
        clearTimeout(this._limit);
        process.removeListener("exit", this._onExit);
        fs.rmSync(this._folder, { recursive: true, force: true });
    }
}

// `pid`: of the program that the agent has started. `api`: the application's PhusionPassenger.
// Throws if this Node cannot do it.
exports.start = function (pid, api) {
    const start = new Start(api);
    if (pid !== process.pid) {
        start.becomeBridge("the program of PassengerNodejs is not Node itself: it starts Node as another process");
    }
    return start;
};
