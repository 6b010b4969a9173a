const path = require("path");
const { runServer } = require("verdaccio");

const here = (name) => path.join(__dirname, "data", name);
runServer({
  self_path: __dirname,
  storage: here("storage"),
  auth: { htpasswd: { file: here("htpasswd") } },
  packages: { "**": { access: "$all", publish: "$authenticated" } },
  log: { type: "stdout", format: "json", level: "warn" },
}).then((server) => server.listen(process.env.PORT || 4873));
