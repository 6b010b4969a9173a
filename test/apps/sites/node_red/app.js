const http = require("http");
const express = require("express");
const RED = require("node-red");

const app = express();
const server = http.createServer(app);
RED.init(server, {
  httpAdminRoot: "/", httpNodeRoot: "/api", userDir: `${__dirname}/data`, flowFile: "flows.json",
  logging: { console: { level: "warn", metrics: false, audit: false } },
  telemetry: { enabled: false, updateNotification: false },
});
app.use("/api", RED.httpNode);
app.use("/", RED.httpAdmin);
RED.start().then(() => server.listen(process.env.PORT || 1880));
