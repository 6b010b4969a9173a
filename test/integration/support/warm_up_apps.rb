# frozen_string_literal: true

require_relative "sample_apps"

# An application in each language. It answers with the number of requests that its process has had,
# and with the first of them. At /warm it fails or hangs if the variable MODE says so.
module WarmUpApps
  PYTHON = "/usr/bin/python3"

  RUBY = <<~'RUBY'
    count = 0
    first = nil
    run(lambda do |env|
      count += 1
      first ||= [env["REQUEST_METHOD"], "#{env['SCRIPT_NAME']}#{env['PATH_INFO']}",
                 env["QUERY_STRING"], env["HTTP_HOST"], env["HTTP_USER_AGENT"],
                 env["REMOTE_ADDR"], env["rack.url_scheme"], env["MODE"]].join(" ")
      path = env["PATH_INFO"]
      if path == "/warm"
        raise "no warm-up" if ENV["MODE"] == "fails"
        sleep if ENV["MODE"] == "hangs"
      end
      [200, { "content-type" => "text/plain" }, ["#{count} #{first}"]]
    end)
  RUBY

  WSGI = <<~'PYTHON'
    import os, time
    seen = []

    def application(env, start_response):
        seen.append(" ".join(env.get(name, "") for name in (
            "REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "HTTP_HOST", "HTTP_USER_AGENT",
            "REMOTE_ADDR", "wsgi.url_scheme", "MODE")))
        if env["PATH_INFO"] == "/warm":
            if os.environ.get("MODE") == "fails":
                raise ValueError("no warm-up")
            while os.environ.get("MODE") == "hangs":
                time.sleep(1)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [("%d %s" % (len(seen), seen[0])).encode()]
  PYTHON

  ASGI = <<~'PYTHON'
    import asyncio, os
    seen = []

    async def application(scope, receive, send):
        if scope["type"] != "http":
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        seen.append(" ".join((
            scope["method"], scope["path"], scope["query_string"].decode(), headers["host"],
            headers.get("user-agent", ""), scope["client"][0], scope["scheme"], "")))
        if scope["path"] == "/warm":
            if os.environ.get("MODE") == "fails":
                raise ValueError("no warm-up")
            while os.environ.get("MODE") == "hangs":
                await asyncio.sleep(1)
        assert not (await receive())["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        text = "%d %s" % (len(seen), seen[0])
        await send({"type": "http.response.body", "body": text.encode()})
  PYTHON

  NODE = <<~'JAVASCRIPT'
    const http = require("http");
    const seen = [];

    http.createServer((request, response) => {
        const { headers, method, socket } = request;
        const [path, query] = request.url.split("?");
        seen.push([method, path, query, headers.host, headers["user-agent"],
            headers["x-forwarded-for"], headers["x-forwarded-proto"] || "http", ""].join(" "));
        if (path === "/warm" && process.env.MODE === "fails") {
            response.statusCode = 500;
        }
        if (path !== "/warm" || process.env.MODE !== "hangs") {
            response.end(`${seen.length} ${seen[0]}`);
        }
    }).listen(3000);
  JAVASCRIPT

  CLUSTER = <<~JAVASCRIPT
    const cluster = require("cluster");

    if (cluster.isMaster) {
        cluster.fork();
    } else {
    #{NODE}
    }
  JAVASCRIPT

  # By language: the name and the text of the file, and the directives.
  ALL = {
    "ruby" => ["config.ru", RUBY, ""],
    "direct" => ["config.ru", RUBY, "PassengerSpawnMethod direct\n"],
    "threads" => ["config.ru", RUBY, "PassengerThreadCount 3\n"],
    "wsgi" => ["passenger_wsgi.py", WSGI, "PassengerPython #{PYTHON}\n"],
    "asgi" => ["passenger_asgi.py", ASGI, "PassengerPython #{PYTHON}\n"],
    "node" => ["app.js", NODE, ""],
    "command" => ["server.js", NODE.sub("listen(3000)", "listen(process.env.PORT, '127.0.0.1')"),
                  "PassengerAppStartCommand \"node server.js\"\n"],
    # This Node falls back to a bridge.
    "cluster" => ["app.js", CLUSTER, ""]
  }.freeze

  module_function

  # Adds a site for each language to the configuration.
  def add_to(made, name, directives, languages = ALL.keys)
    languages.each do |language|
      file, text, more = ALL.fetch(language)
      made.site("#{language}.#{name}.test", SampleApps.written(text, file), more + directives)
    end
  end
end
