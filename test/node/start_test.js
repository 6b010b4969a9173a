"use strict";

// A bridge of another version starts these files, as between an upgrade and httpd's reload. The
// argument is the path of the addon.
const assert = require("assert");
const { spawn, spawnSync } = require("child_process");
const fs = require("fs");
const os = require("os");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { VERSION } = require(join(LIBRARY, "layout"));
const { encode } = require(join(LIBRARY, "frames"));
const LOAD = 49;

const folder = fs.mkdtempSync(join(os.tmpdir(), "passenger."));
process.on("exit", () => fs.rmSync(folder, { recursive: true }));
const file = join(folder, "options");
fs.writeFileSync(file, encode(LOAD, ["app_group_name", "blog", "layout_version", VERSION + 1]));
const { status, stderr } = spawnSync(process.execPath, ["--require", join(LIBRARY, "node_loader"), "-e", "0"],
    { env: { PASSENGER_INSTANCE: "1" }, stdio: ["ignore", "pipe", "pipe", "pipe", fs.openSync(file)] });
assert.strictEqual(String(stderr), `event=control.broken app="blog" reason="the agent has version ${VERSION + 1} of ` +
    `the layouts, the installed files have ${VERSION}: reload httpd"\n`);
assert.strictEqual(status, 1);

// The process is not the one that the agent has started, and the bridge is missing.
fs.writeFileSync(file, encode(LOAD, ["layout_version", VERSION, "native_code", process.argv[2], "spawn_dir", folder,
    "start_timeout", 60, "bridge", "/missing/bridge"]));
const started = spawn(process.execPath, ["--require", join(LIBRARY, "node_loader"), "-e", "0"],
    { env: { PASSENGER_INSTANCE: "1" }, stdio: ["ignore", "ignore", "ignore", "pipe", fs.openSync(file)] });
let told = "";
started.stdio[3].on("data", (bytes) => {
    told += bytes;
});
started.on("close", (code) => {
    assert.strictEqual(code, 1);
    assert.match(told, /the bridge "\/missing\/bridge" could not be started/);
});
