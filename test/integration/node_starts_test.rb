# frozen_string_literal: true

require "json"
require "socket"

require_relative "support/integration_test"

# How a Node application is found and started, which Node runs it, and how it ends.
class NodeStartsTest < IntegrationTest
  NODE = system("node --version >/dev/null 2>&1")

  SERVER = <<~'JS'
    const text = `${require("path").basename(__filename)} ${process.env.npm_name || ""}`.trim();
    require("http").createServer((request, response) => response.end(text)).listen(3000);
  JS
  # Packages are where this file says.
  PNP = <<~'JS'
    const modules = require("module");
    const resolve = modules._resolveFilename;
    modules._resolveFilename = (name, ...more) => {
        return resolve(name === "zipped" ? "path" : name, ...more);
    };
  JS
  PNP_SERVER = SERVER.sub('"path"', '"zipped"')
  NPM = <<~'JS'
    const names = ["npm_package_name", "npm_package_version", "npm_lifecycle_event"];
    const text = names.map((name) => process.env[name]).join(" ");
    require("http").createServer((request, response) => response.end(text)).listen(3000);
  JS
  ENDING = <<~'JS'
    const fs = require("fs");
    process.on("SIGTERM", () => setTimeout(() => {
        fs.writeFileSync("ended", "");
        process.exit(0);
    }, 3000));
    const answer = (request, response) => response.end(String(process.pid));
    require("http").createServer(answer).listen(process.env.OWN ? process.env.PORT : 80);
  JS
  # As for Phusion Passenger. The listener of SIGTERM is that of a library.
  EXIT = <<~'JS'
    const fs = require("fs");
    const note = (text) => fs.appendFileSync("ended", `${text} `);
    if (process.env.LIBRARY) process.on("SIGTERM", () => note("signal"));
    const server = require("http").createServer((request, response) => {
        if (request.url !== "/slow") return response.end(String(process.pid));
        fs.writeFileSync("begun", "");
        const look = () => fs.existsSync("go-on") && response.end("slow");
        fs.watchFile("go-on", { interval: 50 }, look);
    });
    PhusionPassenger.on("exit", () => {
        note(fs.existsSync("go-on") || !fs.existsSync("begun") ? "exit" : "too early");
        fs.unwatchFile("go-on");
        server.close(() => setTimeout(() => process.exit(note("closed")), 500));
    });
    server.listen(80);
  JS
  MESSAGE = <<~'JS'
    process.on("message", (message) => {
        require("fs").writeFileSync("ended", message);
        process.exit(0);
    });
    const answer = (request, response) => response.end(String(process.pid));
    require("http").createServer(answer).listen(80);
  JS
  OPTIONS = <<~'JS'
    PhusionPassenger.once("exit", () => {}).removeAllListeners("exit");
    const { options, shutting_down } = PhusionPassenger;
    const text = JSON.stringify([options, shutting_down, process.env.PWD]);
    require("http").createServer((request, response) => response.end(text)).listen(80);
  JS
  SECURE = <<~'JS'
    require("https").createServer({}, (request, response) => response.end("https")).listen(443);
  JS
  HTTP2 = <<~'JS'
    require("http2").createServer((request, response) => response.end("http2")).listen(443);
  JS

  # It listens once it may.
  LATER = <<~'JS'
    const fs = require("fs");
    fs.writeFileSync("pid", String(process.pid));
    fs.writeFileSync("new-port", process.env.PORT);
    fs.renameSync("new-port", "port");
    const server = require("http").createServer((request, response) => response.end("later"));
    const timer = setInterval(() => {
        if (fs.existsSync("go-on")) {
            clearInterval(timer);
            server.listen(process.env.PORT);
        }
    }, 20);
  JS
  # Looks whether PORT is free, as some libraries do, until something has connected there.
  SEARCHING = <<~'JS'
    const server = require("http").createServer((request, response) => response.end("searched"));
    require("net").createServer(function (socket) {
        socket.destroy();
        this.close(() => setTimeout(() => server.listen(process.env.PORT), 500));
    }).listen(process.env.PORT, "127.0.0.1");
  JS
  # As a search for a free port by a server of http.
  PROBING = <<~'JS'
    const http = require("http");
    const probe = http.createServer().listen(3000, () => probe.close(() => {
        http.createServer((request, response) => response.end("probed")).listen(3000);
    }));
  JS
  CLOSING = <<~'JS'
    const server = require("http").createServer();
    server.listen(3000, () => setImmediate(() => server.close()));
  JS

  # The program of a Node says its version, and which program it is.
  VERSIONS = <<~'JS'
    const text = `${process.version} ${process.env.NVM_NODE || "usual"}`;
    require("http").createServer((request, response) => response.end(text)).listen(3000);
  JS
  # Programs in the folders of nvm, fnm, mise, Volta and n, by the versions that their folders name.
  PROGRAMS = { "90.1.0" => ".nvm/versions/node/v90.1.0/bin/node",
               "90.2.0" => ".nvm/versions/node/v90.2.0/bin/node",
               "91.0.0" => ".local/share/fnm/node-versions/v91.0.0/installation/bin/node",
               "92.0.0" => ".local/share/mise/installs/node/92.0.0/bin/node",
               "93.0.0" => ".volta/tools/image/node/93.0.0/bin/node",
               "94.0.0" => "nvm of the site/versions/node/v94.0.0/bin/node",
               "95.0.0" => "prefix/n/versions/node/95.0.0/bin/node" }.freeze
  # What .nvmrc says, and the version that it chooses among these and the usual one.
  WISHES = { "90" => "90.2.0", "# production\n\nv90.1.0 # here" => "90.1.0",
             "v90.1.0" => "90.1.0", "91.0" => "91.0.0", "92" => "92.0.0",
             "93" => "93.0.0", "lts/*" => "usual", "node" => "usual" }.freeze
  # Files of asdf, mise and Volta, and the version that they choose. 99 is not installed.
  FILES = [
    ["92.0.0", { ".tool-versions" => "ruby 3.1.0\n# nodejs 93\nnodejs 92.0.0 91.0.0 # here" }],
    ["92.0.0", { ".tool-versions" => "nodejs 99.0.0 92.0.0" }],
    ["91.0.0", { ".tool-versions" => "node lts",
                 "package.json" => '{"engines": {"node": "91"}}' }],
    ["usual", { ".tool-versions" => "nodejs 99.0.0 system 92.0.0",
                "package.json" => '{"engines": {"node": "91"}}' }],
    ["91.0.0", { "package.json" => '{"volta": {"node": "91.0.0"}, "engines": {"node": "93"}}' }],
    ["91.0.0", { "package.json" => '{"volta": {"node": "99.0.0"}, "engines": {"node": "91"}}' }]
  ].freeze
  # Where a variable names the Nodes of nvm or n.
  NAMED = { "NVM_DIR" => ["nvm of the site", "94.0.0"],
            "N_PREFIX" => ["prefix", "95.0.0"] }.freeze

  class << self
    # A home with these programs. Each one executes the usual Node.
    def home_with_nodes
      node = File.realpath(TestEnvironment.find_command("node"))
      nodes = PROGRAMS.to_h do |version, path|
        [path, "#!/bin/sh\nexport NVM_NODE=#{version}\nexec #{node} \"$@\"\n"]
      end
      folder({ ".profile" => "" }.merge(nodes))
    end

    def package(**content)
      JSON.generate({ name: "tried" }.merge(content))
    end

    # @param files by their names
    def folder(files)
      first, *others = files.to_a
      SampleApps.written(first[1], first[0]).tap do |folder|
        others.each do |name, text|
          path = File.join(folder, name)
          FileUtils.mkdir_p(File.dirname(path))
          File.write(path, text)
          File.chmod(0o755, path) if text.start_with?("#!")
        end
        TestEnvironment.hand_over(folder)
      end
    end

    def sites
      start = package(scripts: { start: "shown && node own.js" }, main: "main.js")
      npm = package(scripts: { start: "node app/main.js", prestart: "exit 1" }, version: "1.2.3")
      {
        "app.test" => { "app.js" => SERVER, "package.json" => package(main: "x.js") },
        "start.test" => { "package.json" => start, "own.js" => SERVER, "server.js" => "exit",
                          "node_modules/.bin/shown" => "#!/bin/sh\necho the start script runs\n" },
        "server.test" => { "package.json" => package(main: "main.js"), "server.js" => SERVER,
                           "main.js" => "exit" },
        "main.test" => { "package.json" => package(main: "./lib/main"), "lib/main.js" => SERVER,
                         "index.js" => "exit" },
        "index.test" => { "package.json" => package, "index.js" => SERVER },
        "npm.test" => { "package.json" => npm, "app/main.js" => NPM },
        "made.test" => { "package.json" => start, "public/index.html" => "made by a generator" },
        "pages.test" => { "package.json" => start, "public/index.php" => "<?php" },
        "broken.test" => { "package.json" => "{", "notes.txt" => "" },
        "https.test" => { "app.js" => SECURE }, "http2.test" => { "app.js" => HTTP2 },
        "missing.test" => { "app.js" => SERVER, ".nvmrc" => "v4.0.1\n" },
        "forging.test" => { "app.js" => SERVER, ".nvmrc" => "v4\" used=\"v4\e[31m\\\n" },
        "lines.test" => {
          "app.js" => SERVER, "package.json" => package(engines: { node: "v4\nevent=made.up\x7f" })
        },
        "unknown.test" => { "app.js" => SERVER, ".nvmrc" => "lts/-1\n" },
        "replacing.test" => {
          "own.js" => SERVER.sub("3000", "process.env.PORT"),
          "package.json" => package(scripts: { start: "NODE_OPTIONS='--no-warnings' node own.js" })
        },
        "adding.test" => {
          "own.js" => SERVER,
          "package.json" => package(
            scripts: { start: "NODE_OPTIONS=\"$NODE_OPTIONS --no-warnings\" node own.js" }
          )
        },
        "fitting.test" => { "app.js" => SERVER, ".node-version" => ">=4" },
        "pnp.test" => { "app.js" => PNP_SERVER, ".pnp.cjs" => PNP },
        "pnp-shell.test" => {
          "own.js" => PNP_SERVER, ".pnp.cjs" => PNP,
          "package.json" => package(scripts: { start: "true && node own.js" })
        },
        "later.test" => { "app.js" => LATER }, "searching.test" => { "app.js" => SEARCHING },
        "probing.test" => { "app.js" => PROBING }, "closing.test" => { "app.js" => CLOSING }
      }
    end
  end

  serve do |made|
    made.set("PassengerMaxPoolSize", 36)
    sites.each { |name, files| made.site(name, folder(files)) }
    nodes = home_with_nodes
    home = "SetEnv HOME #{nodes}\n"
    made.site("engines.test", folder("app.js" => VERSIONS,
                                     "package.json" => package(engines: { node: "~90.1" })), home)
    WISHES.each_key.with_index do |wish, i|
      made.site("wish#{i}.test", folder("app.js" => VERSIONS, ".nvmrc" => "#{wish}\n"), home)
    end
    FILES.each.with_index do |(_, files), i|
      made.site("files#{i}.test", folder({ "app.js" => VERSIONS }.merge(files)), home)
    end
    NAMED.each do |variable, (place, version)|
      made.site("#{variable}.test", folder("app.js" => VERSIONS, ".nvmrc" => version),
                "#{home}SetEnv #{variable} \"#{nodes}/#{place}\"\n")
    end
    made.site("ending.test", folder("app.js" => ENDING), "PassengerMinInstances 0\n")
    # The shell ends at once, and the application has its time all the same.
    made.site("shell.test", folder("app.js" => ENDING),
              "PassengerAppStartCommand \"OWN=1 node app.js\"\n")
    made.site("hasty.test", folder("app.js" => ENDING), "PassengerStopTimeout 1\n")
    %w[nodejs meteor].each do |type|
      made.site("#{type}.test", folder("main.js" => SERVER),
                "PassengerAppType #{type}\nPassengerStartupFile main.js\n")
    end
    bridged = "SetEnv PASSENGER_NATIVE off\n"
    made.site("exit.test", folder("app.js" => EXIT), "SetEnv LIBRARY 1\n")
    made.site("exit-bridged.test", folder("app.js" => EXIT), bridged)
    made.site("exit-both.test", folder("app.js" => EXIT), "#{bridged}SetEnv LIBRARY 1\n")
    made.site("message.test", folder("app.js" => MESSAGE))
    made.site("options.test", folder("app.js" => OPTIONS), "PassengerAppEnv staging\n")
    made.site("options-bridged.test", folder("app.js" => OPTIONS), bridged)
  end

  def setup
    skip "there is no node" unless NODE
  end

  def test_app_js_is_found_before_package_json
    assert_equal "app.js", body("app.test")
  end

  def test_package_json_says_what_starts
    assert_equal "own.js", body("start.test")
    server.log.wait_for(/the start script runs/)
    assert_equal "server.js", body("server.test")
    assert_equal "main.js", body("main.test")
    assert_equal "index.js", body("index.test")
  end

  def test_a_script_of_package_json_has_npm_s_variables_and_is_run_alone
    assert_equal "tried 1.2.3 start", body("npm.test")
    server.log.wait_for(/event=node\.script_left_out.*#{root("npm.test")}.*script="prestart"/)
  end

  def test_the_types_nodejs_and_meteor_are_node
    assert_equal %w[main.js main.js], [body("nodejs.test"), body("meteor.test")]
  end

  def test_a_folder_of_pages_is_no_application
    assert_status 404, client("pages.test").get("/posts")
    assert_status 404, client("made.test").get("/posts")
    assert_status 404, client("broken.test").get("/posts")
  end

  def test_servers_for_tls_and_http2_are_served
    assert_equal "https", body("https.test")
    assert_equal "http2", body("http2.test")
  end

  def test_a_version_of_node_that_is_not_installed_is_named_in_the_log
    assert_equal "app.js", body("missing.test")
    line = server.log.wait_for(/event=node\.version_missing.*#{root("missing.test")}.*/)
    assert_match(/wanted="v4\.0\.1" file="\.nvmrc" used="v\d+\.\d+\.\d+" remedy="/, line)
    assert_equal "app.js", body("fitting.test")
    refute_match(/event=node\.version_missing.*#{root("fitting.test")}/, server.log.text)
  end

  def test_nvmrc_and_engines_choose_among_the_installed_nodes
    usual = `node --version`.strip
    WISHES.each_value.with_index do |program, i|
      assert_equal "#{usual} #{program}", body("wish#{i}.test")
    end
    assert_equal "#{usual} 90.1.0", body("engines.test")
    refute_match(/event=node\.version_missing.*#{root("wish0.test")}/, server.log.text)
  end

  def test_the_files_of_asdf_and_volta_choose_among_them_as_well
    FILES.each.with_index do |(version, _), i|
      assert_includes body("files#{i}.test"), " #{version}"
      refute_match(/event=node\.version_missing.*#{root("files#{i}.test")}/, server.log.text)
    end
  end

  def test_variables_of_nvm_and_n_name_their_folders
    NAMED.each { |name, (_, version)| assert_includes body("#{name}.test"), " #{version}" }
  end

  def test_a_wish_that_is_not_understood_is_named_as_such
    assert_equal "app.js", body("unknown.test")
    line = server.log.wait_for(/event=node\.version_missing.*#{root("unknown.test")}.*/)
    assert_includes line, 'remedy="this text is not understood: write a version, such as 24,'
  end

  def test_packages_of_yarns_plug_and_play_are_found
    assert_equal "app.js", body("pnp.test")
    assert_equal "own.js", body("pnp-shell.test")
  end

  def test_a_script_that_replaces_node_options_is_named_in_the_log
    assert_equal "own.js", body("replacing.test")
    line = server.log.wait_for(/event=node\.bridged.*#{root("replacing.test")}.*/)
    assert_includes line, "sets NODE_OPTIONS, so its server must listen on PORT"
    assert_equal "own.js", body("adding.test")
    line = server.log.wait_for(/event=node\.bridged.*#{root("adding.test")}.*/)
    assert_includes line, "starts something else than node FILE"
  end

  def test_a_wish_for_a_version_forges_neither_a_line_nor_a_field_of_the_log
    %w[forging.test lines.test].each { |site| assert_equal "app.js", body(site) }
    line = server.log.wait_for(/event=node\.version_missing.*#{root("forging.test")}.*/)
    assert_includes line, 'wanted="v4\\" used=\\"v4?[31m\\\\" file=".nvmrc" used="v'
    line = server.log.wait_for(/event=node\.version_missing.*#{root("lines.test")}.*/)
    assert_includes line, 'wanted="v4?event=made.up?" file="package.json" used="v'
  end

  def test_another_users_listener_on_the_port_gives_an_application_no_bridge
    skip "needs root" unless TestEnvironment.root?
    answer = Thread.new { body("later.test") }
    eventually("the application runs") { File.exist?(File.join(root("later.test"), "port")) }
    port = Integer(File.read(File.join(root("later.test"), "port")))
    assert_folder_is_locked File.read(File.join(root("later.test"), "pid"))
    TCPServer.open("127.0.0.1", port) do |other|
      4.times do
        eventually("a look") { other.accept_nonblock(exception: false) != :wait_readable }
      end
      FileUtils.touch(File.join(root("later.test"), "go-on"))
      assert_equal "later", answer.value
    end
    refute_match(/event=node\.bridged app="#{root("later.test")}/, server.log.text)
  end

  def test_an_application_may_look_whether_its_port_is_free
    assert_equal "searched", body("searching.test")
    refute_match(/event=node\.bridged app="#{root("searching.test")}/, server.log.text)
    assert_equal "probed", body("probing.test")
    refute_match(/event=spawn\.killed app="#{root("probing.test")}/, server.log.text)
  end

  def test_the_report_says_that_the_server_of_the_application_was_closed
    assert_status 500, client("closing.test").get("/")
    assert_match(/app="#{root("closing.test")}.*closed its server before it served a request/,
                 server.log.text)
  end

  # It needs three seconds.
  def test_an_application_has_five_seconds_for_its_end_unless_it_is_set
    %w[ending.test shell.test hasty.test].each do |site|
      pid = Integer(body(site))
      replace(site, pid)
      eventually("the old one has ended") { !ProcessInfo.read(pid)&.alive? }
    end
    %w[ending.test shell.test].each do |site|
      assert File.exist?(File.join(root(site), "ended")), site
    end
    refute File.exist?(File.join(root("hasty.test"), "ended"))
  end

  def test_the_event_exit_of_phusion_passenger_comes_once_and_alone_when_requests_are_answered
    %w[exit.test exit-bridged.test exit-both.test].each do |site|
      pid = Integer(body(site))
      slow = Thread.new { client(site).get("/slow").body }
      eventually("it is in work") { File.exist?(File.join(root(site), "begun")) }
      replace(site, pid)
      FileUtils.touch(File.join(root(site), "go-on"))
      assert_equal "slow", slow.value
      assert_ended(site, pid, "exit closed ")
    end
  end

  def test_the_message_shutdown_comes_at_the_end_as_with_phusion_passenger
    pid = Integer(body("message.test"))
    replace("message.test", pid)
    assert_ended("message.test", pid, "shutdown")
  end

  def test_phusion_passengers_options_and_the_environment_tell_the_application
    { "options.test" => "staging", "options-bridged.test" => "production" }.each do |site, name|
      options, ends, folder = JSON.parse(body(site))
      root = File.realpath(root(site))
      assert_equal({ "app_root" => root, "app_type" => "node", "base_uri" => "/",
                     "environment" => name, "startup_file" => File.join(root, "app.js") }, options)
      assert_equal [false, root], [ends, folder]
    end
  end

  private

  def replace(site, pid)
    FileUtils.touch(File.join(root(site), "tmp/restart.txt"))
    eventually("another process") { body(site) != pid.to_s }
  end

  # An agent that starts or ends removes folders without a lock.
  def assert_folder_is_locked(pid)
    folder, = Dir.glob(File.join(server.spawn_dir, "passenger.#{pid}.*"))
    refute File.open(folder) { |it| it.flock(File::LOCK_EX | File::LOCK_NB) }, folder
  end

  def assert_ended(site, pid, note)
    eventually("#{site} has ended") { !ProcessInfo.read(pid)&.alive? }
    assert_equal note, File.read(File.join(root(site), "ended")), site
  end

  def body(site)
    assert_status(200, client(site).get("/")).body
  end

  def root(site)
    server.configuration.sites.find { |one| one.name == site }.root
  end
end
