const express = require("express");
const session = require("express-session");
const root = express();
const trusting = (trust, secure) => {
  const app = express();
  app.set("trust proxy", trust);
  app.use(express.urlencoded({ extended: false }));
  app.use(session({ secret: "s", resave: false, saveUninitialized: false, cookie: { secure } }));
  app.post("/login", (req, res) => { req.session.user = req.body.user; res.redirect("user"); });
  app.get("/user", (req, res) => res.send(String(req.session.user)));
  app.get("/slow", (req, res) => setTimeout(() => res.send(String(req.session.user)), 500));
  app.get("/about", ({ protocol, ip, socket }, res) =>
    res.json({ protocol, ip, address: socket.remoteAddress, pid: process.pid }));
  return app;
};
root.use("/one", trusting(1, true));
root.use("/all", trusting(true, true));
root.use("/loopback", trusting("loopback", true));
root.use("/auto", trusting("loopback", "auto"));
root.listen(process.env.PORT || 3000);
