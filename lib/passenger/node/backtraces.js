"use strict";

// What the process does at present, for people: where its main thread is, and the requests in work.
// While the event loop runs, this thread is asked and can answer itself. A loop that is blocked is
// seen by another thread (blocked_loop.js), which calls `where` between two steps of this one.
const { join } = require("path");
const { Worker } = require("worker_threads");
const log = require("./log");
const native = require("./native");

const MOST_FRAMES = 100;
const MOST_REQUESTS = 10;
// The other thread calls it by this name.
const WHERE = Symbol.for("passenger.where");
const TITLE = `Thread main of process ${process.pid}`;

// The frames of the code that was interrupted. An application may have replaced Node's own forms.
function interruptedFrames() {
    const { prepareStackTrace, stackTraceLimit } = Error;
    Error.prepareStackTrace = undefined;
    Error.stackTraceLimit = MOST_FRAMES;
    try {
        return new Error().stack.split("\n").slice(1)
            .filter((line) => !line.includes(__filename) && !line.includes("at <anonymous>:"));
    } finally {
        Error.prepareStackTrace = prepareStackTrace;
        Error.stackTraceLimit = stackTraceLimit;
    }
}

// Such as `Timeout 2, TCPSocketWrap 1`.
function activeResources() {
    const counts = new Map();
    // Not before Node 17.3.
    const names = process.getActiveResourcesInfo ? process.getActiveResourcesInfo() : [];
    names.forEach((name) => counts.set(name, (counts.get(name) || 0) + 1));
    return [...counts].map(([name, count]) => `${name} ${count}`).join(", ");
}

class Backtraces {
    // `service`: the instance's Service.
    constructor(service) {
        this._service = service;
        this._worker = null;
        // Questions of the agent that this thread has not read, and the other one has answered.
        this._told = 0;
    }

    // From now on a blocked event loop is seen.
    watch(control) {
        if (this._worker) {
            return;
        }
        Object.defineProperty(globalThis, WHERE, { value: (asked) => this._where(asked), configurable: true });
        try {
            this._worker = new Worker(join(__dirname, "blocked_loop.js"), {
                workerData: { addon: native.path, control, call: `globalThis[Symbol.for("${WHERE.description}")]` },
                // Without the loader of Node applications.
                argv: [], execArgv: [], env: {}, resourceLimits: { maxOldGenerationSizeMb: 32 },
            });
            this._worker.on("error", (error) => log.event("backtraces.none", { reason: error.message }));
            this._worker.unref();
        } catch (error) {
            log.event("backtraces.none", { reason: error.message });
        }
    }

    // The agent asks for it in the log.
    log() {
        if (this._told > 0) {
            this._told--;
        } else {
            log.write(this.text());
        }
    }

    text() {
        const active = activeResources();
        return `${TITLE} is not blocked: its event loop takes events\n${this._requests()}` +
            `${active ? `    active: ${active}\n` : ""}`;
    }

    // From the other thread. `asked`: how many questions this thread has not read. Empty: there is
    // nothing to tell.
    _where(asked) {
        const frames = asked > this._told ? interruptedFrames() : [];
        if (frames.length === 0) {
            return "";
        }
        this._told = asked;
        return `${TITLE}, whose event loop is blocked:\n${frames.join("\n")}\n${this._requests()}`;
    }

    _requests() {
        const now = performance.now();
        const requests = this._service.requests();
        const lines = requests.slice(0, MOST_REQUESTS).map(({ head, since }) =>
            `    in work for ${((now - since) / 1000).toFixed(1)} s: ${head.method} ${head.url}` +
            `${head.id ? ` (${head.id})` : ""}\n`);
        const left = requests.length - lines.length;
        return `${lines.join("")}${left > 0 ? `    and ${left} others\n` : ""}`;
    }
}

exports.Backtraces = Backtraces;
