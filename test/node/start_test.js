"use strict";

// A bridge of another version starts these files, as between an upgrade and httpd's reload.
const assert = require("assert");
const { spawnSync } = require("child_process");
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
