"use strict";

// Runs in a thread of its own. When the agent's question where the threads are stays unread, the
// main thread is blocked. It is interrupted by Node's inspector, in this process: no port is open.
const fs = require("fs");
const { Session } = require("inspector");
const { workerData } = require("worker_threads");
const { THREADS } = require("./frames");

const addon = require(workerData.addon);
// Milliseconds between two looks. A question that was there at both is late.
const PAUSE = 200;
// Milliseconds from one answer to the next question, unless a further one of the agent has come.
const AGAIN = 2000;
// Milliseconds after which the main thread runs no JavaScript. With two pauses before, this is less
// than the second that the agent gives an instance that it is about to kill.
const SILENT = 400;
const MOST_BYTES = 1024 * 1024;
const HEADER = 8;

let before = 0;
let answered = 0;
let askedAt = -AGAIN;
let asking = false;

function write(text) {
    try {
        fs.writeSync(2, text);
    } catch {
        // The error output is gone.
    }
}

// How many questions wait. The bytes begin with a frame, unless the main thread has read a part of
// one: then they make no sense.
function questions() {
    const bytes = addon.pending(workerData.control);
    let count = 0;
    for (let at = 0; at + HEADER <= bytes.length;) {
        const size = bytes.readUInt32LE(at);
        if (size > MOST_BYTES) {
            return count;
        }
        // With a field it asks for lines in the log.
        if (bytes.readUInt16LE(at + 4) === THREADS && size > 0) {
            count++;
        }
        at += HEADER + size;
    }
    return count;
}

// Connected only meanwhile: with a session Node keeps what the application prints.
function ask(count) {
    asking = true;
    askedAt = performance.now();
    const session = new Session();
    session.connectToMainThread();
    const silent = setTimeout(() => write(`Thread main of process ${process.pid}, whose event loop is blocked, ` +
        "runs no JavaScript at present: it is in a system call or in native code\n"), SILENT);
    const expression = `${workerData.call}(${count})`;
    session.post("Runtime.evaluate", { expression, returnByValue: true, silent: true }, (_, answer) => {
        clearTimeout(silent);
        session.disconnect();
        asking = false;
        const text = answer && answer.result.value;
        if (text) {
            answered = count;
            write(text);
        }
    });
}

setInterval(() => {
    const count = questions();
    const late = Math.min(count, before);
    before = count;
    answered = Math.min(answered, count);
    if (late > 0 && !asking && (late > answered || performance.now() - askedAt > AGAIN)) {
        ask(late);
    }
}, PAUSE);
