# frozen_string_literal: true

require "rbconfig"

require_relative "support/integration_test"

# Servers of their own behind the bridge, started as doc/NODE.md and doc/PYTHON.md show it, and what
# their applications see of a client that leaves a request without an answer. Each application
# writes into the file `notes`.
class OtherServersTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  WAYS = %i[close abort close_write].freeze

  NODE = <<~'JAVASCRIPT'
    const fs = require("fs");
    const note = (text) => fs.appendFileSync("notes", `${text}\n`);
    require("http").createServer((request, response) => {
      if (request.url === "/") return response.end("hello");
      response.on("close", () => note("closed"));
      note("begun");
    }).listen(process.env.PORT);
  JAVASCRIPT

  ASGI = <<~'PYTHON'
    def note(text):
        with open("notes", "a") as notes:
            notes.write(text + "\n")

    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        if scope["path"] == "/":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})
            return
        note("begun")
        while (await receive())["type"] != "http.disconnect":
            pass
        note("closed")
  PYTHON

  # A worker of gunicorn stands in the application until that goes on.
  WSGI = <<~'PYTHON'
    import os, time

    def note(text):
        with open("notes", "a") as notes:
            notes.write(text + "\n")

    def silent():
        note("begun")
        try:
            while not os.path.exists("go-on"):
                time.sleep(0.02)
            os.remove("go-on")
            for _ in range(1000):
                yield b"x" * 10000
            note("not reached")
        finally:
            note("closed")

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"] if environ["PATH_INFO"] == "/" else silent()
  PYTHON

  GO = <<~'GO'
    package main

    import (
        "fmt"
        "net/http"
        "os"
    )

    func note(text string) {
        file, err := os.OpenFile("notes", os.O_APPEND|os.O_WRONLY, 0)
        if err != nil {
            panic(err)
        }
        defer file.Close()
        fmt.Fprintln(file, text)
    }

    func main() {
        http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
            fmt.Fprint(w, "hello")
        })
        http.HandleFunc("/silent", func(w http.ResponseWriter, r *http.Request) {
            note("begun")
            <-r.Context().Done()
            note("closed")
        })
        panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
    }
  GO

  Server = Struct.new(:file, :text, :command, :needs, :missing, keyword_init: true)
  SERVERS = {
    "node" => Server.new(file: "server.js", text: NODE, command: "exec node server.js",
                         needs: "node --version", missing: "node"),
    "uvicorn" => Server.new(file: "main.py", text: ASGI, needs: "#{PYTHON} -m uvicorn --version",
                            missing: "uvicorn (Debian: uvicorn)",
                            command: "exec #{PYTHON} -m uvicorn main:app --uds $PASSENGER_SOCKET"),
    "gunicorn" => Server.new(file: "main.py", text: WSGI, needs: "gunicorn --version",
                             missing: "gunicorn (Debian: gunicorn)",
                             command: "exec gunicorn main:app --bind unix:$PASSENGER_SOCKET"),
    "go" => Server.new(file: "main.go", text: GO, command: "exec ./server", needs: "go version",
                       missing: "go (Debian: golang-go)")
  }.freeze
  AVAILABLE = SERVERS.select { |_, one| system("#{one.needs} >/dev/null 2>&1") }.freeze

  serve do |made|
    made.set("PassengerMaxPoolSize", SERVERS.size)
    AVAILABLE.each do |name, one|
      folder = SampleApps.written(one.text, one.file)
      compile(folder) if name == "go"
      File.write(File.join(folder, "notes"), "")
      TestEnvironment.hand_over(folder)
      made.site("#{name}.test", folder, "PassengerMaxInstances 1\n" \
                                        "PassengerAppStartCommand \"#{one.command}\"\n")
    end
  end

  # Go keeps what it has compiled in a folder of the build.
  def self.compile(folder)
    environment = { "GO111MODULE" => "off", "GOFLAGS" => "", "GOPATH" => File.join(folder, "path"),
                    "GOCACHE" => File.join(TestEnvironment::WORK_DIR, "go-cache") }
    output, status = Open3.capture2e(environment, "go", "build", "-o", "server", "main.go",
                                     chdir: folder)
    raise "go build failed:\n#{output}" unless status.success?
  end

  SERVERS.each_key do |name|
    define_method("test_#{name}_is_served_and_sees_each_client_that_leaves") do
      skip "there is no #{SERVERS[name].missing}" unless AVAILABLE.key?(name)
      assert_equal "hello", assert_status(200, client("#{name}.test").get("/")).body
      WAYS.each.with_index(1) { |way, number| assert_seen(name, way, number) }
      assert_equal "hello", assert_status(200, client("#{name}.test").get("/")).body
    end
  end

  private

  # The application goes on once httpd has noticed that the client has gone.
  def assert_seen(name, way, number)
    raw = server.raw("#{name}.test").request("GET", "/silent")
    eventually("the request is in work") { notes(name).count("begun") == number }
    before = given_up
    raw.public_send(way)
    eventually("httpd notices") { given_up > before }
    FileUtils.touch(File.join(root(name), "go-on")) if name == "gunicorn"
    eventually("#{name} sees it after #{way}") { notes(name).count("closed") == number }
    assert_equal %w[begun closed] * number, notes(name)
  ensure
    raw&.close
  end

  def given_up
    server.log.count(/event=request\.given_up.*client left/)
  end

  def notes(name)
    File.readlines(File.join(root(name), "notes"), chomp: true)
  end

  def root(name)
    server.configuration.sites.find { |one| one.name == "#{name}.test" }.root
  end
end
