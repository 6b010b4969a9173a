"use strict";

const express = require("express");
const { WebSocketServer } = require("ws");

const app = express();
app.get("/", (_request, response) => response.send("hello from Express"));
app.get("/client", (request, response) =>
    response.json({ path: request.originalUrl, ips: request.get("X-Forwarded-For") }));
app.post("/echo", express.text({ limit: "10mb", type: () => true }),
    (request, response) => response.send(request.body));
app.get("/slow", (_request, response) => setTimeout(() => response.send("slept"), 300));
app.get("/events", (_request, response) => {
    response.type("text/event-stream");
    for (let i = 0; i < 3; i++) {
        setTimeout(() => response.write(`data: ${i}\n\n`), i * 100);
    }
    setTimeout(() => response.end(), 300);
});
app.get("/crash", () => process.exit(3));
// Like most applications: with a bridge, no process listens on port 3000.
const server = app.listen(process.env.OWN_PORT ? process.env.PORT : 3000);
new WebSocketServer({ server, path: "/web_socket" }).on("connection", (socket) => {
    socket.on("message", (data) => socket.send(String(data).toUpperCase()));
});
