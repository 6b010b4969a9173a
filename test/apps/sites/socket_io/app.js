const server = require("http").createServer((req, res) => res.end(String(process.pid)));
const io = new (require("socket.io").Server)(server);
io.on("connection", (socket) => socket.on("say", (text) => io.emit("said", text)));
server.listen(3000);
