const app = require("express")();
const streams = new Set();
app.get("/events", (req, res) => {
  res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
  res.write(": welcome\n\n");
  streams.add(res);
  req.on("close", () => streams.delete(res));
});
app.post("/news", (req, res) => {
  streams.forEach((stream) => stream.write("data: news\n\n"));
  res.send(String(streams.size));
});
app.get("/streams", (req, res) => res.send(String(streams.size)));
app.listen(3000);
