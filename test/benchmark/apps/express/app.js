"use strict";

// A short answer of Express, which Debian's package has. SOCKET names where the application listens
// behind a balancer.
process.env.NODE_PATH = "/usr/share/nodejs";
require("module").Module._initPaths();
const express = require("express");

const app = express();
app.get("/hello", (request, response) => response.type("text/plain").send("hello\n"));
app.listen(process.env.SOCKET || 3000);
