"use strict";

// Writes events to standard error; the agent collects that output into its log. A line is one
// event: its name, then its fields.
const fs = require("fs");

const LINES = 10;
const INTERVAL = 10000;

const complaints = { since: -INTERVAL, lines: 0, leftOut: 0 };

// The name of the application's group. Each event has the name once it is set.
exports.app = null;

function escaped(character) {
    if (character === '"' || character === "\\") {
        return `\\${character}`;
    }
    const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0");
    return character === "\n" ? "\\n" : `\\x${code}`;
}

function shown(value) {
    return typeof value === "number" ? String(value) : `"${String(value).replace(/["\\\x00-\x1f\x7f]/g, escaped)}"`;
}

// A log that cannot be written does not fail the request that logs. The application may have
// replaced process.stderr.
exports.write = function (text) {
    try {
        fs.writeSync(2, text);
    } catch {
        // The error output is gone.
    }
};

exports.event = function (name, fields = {}) {
    const all = exports.app === null ? fields : { app: exports.app, ...fields };
    exports.write(`event=${name}${Object.entries(all).map(([key, value]) => ` ${key}=${shown(value)}`).join("")}\n`);
};

// An event that a peer without trust can cause as often as it likes. At most ten lines are written
// in ten seconds; the next line says how many were left out.
exports.complain = function (name, fields = {}) {
    const now = performance.now();
    if (now - complaints.since >= INTERVAL) {
        complaints.since = now;
        complaints.lines = 0;
    }
    if (++complaints.lines > LINES) {
        complaints.leftOut++;
        return;
    }
    const more = complaints.leftOut ? { left_out: complaints.leftOut } : {};
    complaints.leftOut = 0;
    exports.event(name, { ...fields, ...more });
};
