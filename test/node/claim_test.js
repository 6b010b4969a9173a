"use strict";

// Runs the cases of test/claims/cases, whose first lines say the form, with the addon. The argument
// is its path.
const assert = require("assert");
const fs = require("fs");
const os = require("os");
const path = require("path");

const addon = require(process.argv[2]);
const CELLS = 1024;
const CLAIMS = 64 + 32 * CELLS;
const MARKS = 16512 + 8 * 65536;

function memoryFile(length) {
    const name = path.join(os.tmpdir(), `claims.${process.pid}`);
    const descriptor = fs.openSync(name, "wx+");
    fs.unlinkSync(name);
    fs.ftruncateSync(descriptor, length);
    return descriptor;
}

function write(file, at, ...numbers) {
    const bytes = Buffer.alloc(8 * numbers.length);
    numbers.forEach((one, i) => bytes.writeBigUInt64LE(BigInt(one), 8 * i));
    fs.writeSync(file, bytes, 0, bytes.length, at);
}

// The claim in the cell; behind it the count of answered requests, and when the last one ended.
function cell(file, number, offset = 0) {
    const bytes = Buffer.alloc(16);
    fs.readSync(file, bytes, 0, 16, 64 + 32 * number + offset);
    return [bytes.readBigUInt64LE(0), bytes.readBigUInt64LE(8)];
}

function run(lines) {
    const files = [memoryFile(CLAIMS), memoryFile(MARKS)];
    const claims = addon.openClaims(files[0], files[1], CELLS);
    const begin = process.hrtime.bigint();
    for (const line of lines) {
        const [name, ...words] = line.split(" ");
        const outcome = name === "take" || name === "counted" ? words.pop() : "";
        const numbers = words.map(BigInt);
        const [first, ...rest] = numbers.map(Number);
        if (name === "mark") {
            write(files[1], 16512 + 8 * first, numbers[1]);
        } else if (name === "cell") {
            write(files[0], 64 + 32 * first, ...numbers.slice(1));
        } else if (name === "take") {
            assert.strictEqual(addon.claim(claims, first, numbers[1], rest[1]), outcome === "run", line);
        } else if (name === "clear") {
            addon.clearClaim(claims, first);
        } else if (name === "complete") {
            addon.completeClaim(claims, first);
        } else if (name === "answered") {
            write(files[0], 80 + 32 * first, numbers[1]);
        } else if (name === "counted") {
            const [count, lastUsed] = cell(files[0], first, 16);
            assert.strictEqual(count, numbers[1], line);
            const [earliest, latest] = outcome === "used" ? [begin, process.hrtime.bigint()] : [0n, 0n];
            assert(lastUsed >= earliest && lastUsed <= latest, `${line}: ${lastUsed}`);
        } else if (name === "expect") {
            assert.deepStrictEqual(cell(files[0], first), numbers.slice(1), line);
        } else {
            assert.fail(`no such statement: ${line}`);
        }
    }
    addon.closeClaims(claims);
    assert.strictEqual(addon.claim(claims, 1, 0x50011n, 9), false, "closed claims run nothing");
    files.forEach((file) => fs.closeSync(file));
}

const text = fs.readFileSync(path.join(__dirname, "../claims/cases"), "utf8");
const cases = text.split(/^case /m).slice(1);
assert(cases.length > 10);
for (const one of cases) {
    const [title, ...lines] = one.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    try {
        run(lines);
    } catch (error) {
        error.message = `case ${title}: ${error.message}`;
        throw error;
    }
}
