"use strict";

// Why the application did not start, for the bridge (ext/common/bridge/AppKeeper.cpp) and so for
// the agent's report: the file `failure` beside the socket has the exception's class, its message
// and its backtrace, with a NUL between each two. Node then prints nothing: the report is in the
// log.
const fs = require("fs");
const { dirname, join } = require("path");
const { isMainThread } = require("worker_threads");
const exported = require("./exported");
const log = require("./log");

// In the environment of what the process starts.
const MARK = "PASSENGER_FAILURES_REPORTED";

const OURS = [`${__dirname}/`, "node:internal/"];

function isForeign(line) {
    return !(/^\s+at /.test(line) && OURS.some((place) => line.includes(place)));
}

// The stack begins with the line in a file, for an error of grammar, and has the message before the
// first frame.
function describe(error) {
    if (!(error instanceof Error)) {
        return [typeof error, String(error), ""];
    }
    const stack = String(error.stack);
    const name = error.code ? `${error.name} [${error.code}]` : error.name;
    const place = error instanceof SyntaxError && /^(?:file:\/\/)?(\/.*:\d+)\n/.exec(stack);
    const message = place ? `${place[1]}: ${error.message}` : error.message;
    return [name, message, stack.split("\n").filter(isForeign).join("\n")];
}

// Whether a module of ECMAScript breaks the grammar: Node's loader raises it. JSON.parse or RegExp
// are the first frame of their own errors.
function isOfModule(error, message) {
    const [frame] = /^ +at .*/m.exec(error.stack) || [""];
    return error instanceof SyntaxError && !message.startsWith("/") && frame.includes("node:internal/");
}

// Characters of a message or a backtrace in a frame.
const MOST_TOLD = 0x40000;

Object.assign(exports, { MOST_TOLD, describe });

function writeFailure(socket, parts) {
    try {
        fs.writeFileSync(join(dirname(socket), "failure"), parts.join("\0"));
    } catch {
        process.stderr.write(`${parts[2] || parts[1]}\n`);
    }
}

// Node cannot be an instance, and without the addon it cannot become a bridge.
exports.failStart = function (error) {
    const { CONTROL, FAILED, encode } = require("./frames");
    const reason = `Node ${process.version} (${process.execPath}, ${process.arch}) cannot take requests itself`;
    const message = `${reason}: ${error.message}\nThe line "SetEnv PASSENGER_NATIVE off" in the virtual host has it ` +
        "served behind a bridge, which needs no native code. Node 16 and later can load the native code, if they " +
        "are of the same architecture and C library as the module.";
    log.event("app.load_failed", { step: "command started", reason: message.split("\n")[0] });
    fs.writeSync(CONTROL, encode(FAILED, ["command started", "", message, String(error.stack)]));
};

// Only of the process that the bridge has started: the processes and threads that it makes itself
// print their errors as Node does. `start`: of an instance, which tells the agent itself; or null.
exports.reportFailures = function (socket, start) {
    if (!isMainThread || process.env[MARK]) {
        return () => {};
    }
    process.env[MARK] = "1";
    function report(error) {
        if (start ? start.isOver : fs.existsSync(socket)) {
            // The application serves already, perhaps by a process of its own.
            process.removeListener("uncaughtException", report);
            throw error;
        }
        const parts = describe(error);
        if (isOfModule(error, parts[1])) {
            // Only Node knows file and line, and prints them. Of a process that ends without a
            // report, the agent reads the output.
            if (start) {
                start.leaveWithoutReport();
            }
            throw error;
        }
        if (start) {
            start.keepFailure(parts);
        } else {
            writeFailure(socket, parts);
        }
        // An application with a listener of its own decides itself whether it goes on.
        if (process.listenerCount("uncaughtException") === 1) {
            process.exit(1);
        }
    }
    function reportExports(status) {
        if (status === 0 && exported.reason() && !fs.existsSync(socket)) {
            writeFailure(socket, ["", `the application exited with status ${status} before it listened` +
                exported.reason(), ""]);
        }
    }
    process.on("uncaughtException", report);
    if (!start) {
        process.once("exit", reportExports);
    }
    return () => {
        process.removeListener("uncaughtException", report);
        process.removeListener("exit", reportExports);
    };
};
