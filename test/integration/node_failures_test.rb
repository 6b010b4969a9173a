# frozen_string_literal: true

require "cgi"
require "json"
require "socket"

require_relative "support/integration_test"
require_relative "support/missing_library"

# Node applications and commands that do not start. The first line of the log and the page name the
# cause, and the remedy is for Node.
class NodeFailuresTest < IntegrationTest
  NODE = system("node --version >/dev/null 2>&1")
  FLAG = "--no-experimental-require-module"
  KNOWS_FLAG = system("node", FLAG, "--version", out: File::NULL, err: File::NULL)

  # Maps the site to its app.js or start command, and words of cause and remedy.
  EXPECTED = {
    "module.test" => ["require('./lib');", /Cannot find module 'nosuch'/,
                      /The package "nosuch" is not installed/, /npm ci/],
    "import.test" => ["import('nosuch').then(() => {});", /Cannot find package 'nosuch'/,
                      /The package "nosuch" is not installed/, /npm install nosuch/],
    "file.test" => ["require('./other');", %r{Cannot find module '\./other'}, /does not exist/,
                    /npm run build/],
    "syntax.test" => ["let a = 1;\nlet b = = 2;", /app\.js:2: Unexpected token/,
                      /JavaScript's grammar/, /node --check/],
    # The startup file is broken.mjs.
    "grammar.test" => ["", /SyntaxError: \S*broken\.mjs:2: Unexpected token/,
                       /JavaScript's grammar: \S*broken\.mjs:2\./, /node --check/],
    "import-grammar.test" => ["import('./broken.mjs');",
                              /SyntaxError: \S*broken\.mjs:2: Unexpected token/,
                              /JavaScript's grammar: \S*broken\.mjs:2\./, /node --check/],
    "grammar-behind.test" => ["", /SyntaxError: \S*broken\.mjs:2: Unexpected token/,
                              /JavaScript's grammar: \S*broken\.mjs:2\./, /node --check/],
    "json.test" => ["JSON.parse('{');", /SyntaxError: (?!\S*failures\.js).*JSON/, /has an error/,
                    /first lines of the backtrace/],
    "expression.test" => ["new RegExp('(');", /SyntaxError: Invalid regular expression/,
                          /has an error/, /first lines of the backtrace/],
    "esm.test" => ["require('./esm/index.js');", /ERR_REQUIRE_ESM/, /written for import/,
                   /import\(\)/],
    "scope.test" => ["import('./esm/index.js');", /require is not defined in ES module scope/,
                     /loaded as a module for import/, /\.cjs/],
    # Older Nodes require no module at all.
    "async.test" => ["require('./await.mjs');", /ERR_REQUIRE_(ASYNC_MODULE|ESM)/,
                     /written for import/, /import\(\)/],
    "native.test" => ["require('./damaged.node');", /ERR_DLOPEN_FAILED/, /native module/,
                      /npm rebuild/],
    "library.test" => ["require('./library.node');", /libnosuch\.so\.1/,
                       /system library libnosuch\.so\.1 is missing/, /apt-file search libnosuch/],
    "handler.test" => ["module.exports = (request, response) => response.end('never');",
                       /app\.js exports a function and never calls listen/,
                       /calls no function that it exports/, /createServer\(module\.exports\)/],
    "behind.test" => ["module.exports = (request, response) => response.end('never');",
                      /app\.js exports a function and never calls listen/,
                      /calls no function that it exports/, /createServer\(module\.exports\)/],
    "heap.test" => ["const kept = []; for (;;) kept.push(new Array(10000).fill(0.5));",
                    /signal 6.*JavaScript heap out of memory/, /memory that Node has/,
                    /--max-old-space-size/],
    "abort.test" => ["process.abort();", /signal 6/, /Node itself/, /npm rebuild/],
    "port.test" => ["require('net').createServer().listen(PORT, '127.0.0.1');", /EADDRINUSE/,
                    /another process uses it/, /ss -lptn/],
    "stream.test" => ["require('http2').createServer().on('stream', () => {}).listen(443);",
                      /ERR_PASSENGER_HTTP2_STREAMS/, /use http\.createServer/, /Protocols h2/],
    "silent.test" => ["setInterval(() => {}, 1000);", /nothing listens/,
                      /did not listen on its port/, /See its output/]
  }.freeze
  MORE = {
    "heap.test" => "SetEnv NODE_OPTIONS --max-old-space-size=20\n",
    "grammar.test" => "PassengerStartupFile broken.mjs\n",
    "grammar-behind.test" => "PassengerStartupFile broken.mjs\nSetEnv PASSENGER_NATIVE off\n",
    "esm.test" => KNOWS_FLAG ? "SetEnv NODE_OPTIONS #{FLAG}\n" : "",
    "behind.test" => "SetEnv PASSENGER_NATIVE off\n",
    # The only one that does not end by itself.
    "silent.test" => "PassengerStartTimeout 10\n"
  }.freeze
  COMMANDS = {
    "unknown.test" => ["nosuch --port $PORT", /was not found.*status 127/],
    "forbidden.test" => ["./app.js", /is not executable.*status 126/]
  }.freeze

  # As express-generator makes them; another author may omit the first line.
  WWW = "#!/usr/bin/env node\n" \
        "require('http').createServer(require('../app')).listen(process.env.PORT || 3000);\n"
  SCRIPTS = { "www.test" => WWW, "plain-www.test" => WWW.lines.last }.freeze

  serve do |made|
    made.set("PassengerMaxPoolSize", 20)
    SCRIPTS.each do |name, text|
      folder = SampleApps.written("module.exports = (_, response) => response.end('www');\n",
                                  "app.js")
      Dir.mkdir(File.join(folder, "bin"))
      File.write(File.join(folder, "bin/www"), text)
      TestEnvironment.hand_over(folder)
      made.site(name, folder, "PassengerStartupFile bin/www\n")
    end
    @port = TCPServer.new("127.0.0.1", 0)
    EXPECTED.each do |name, (text, *)|
      folder = SampleApps.written(text.sub("PORT", @port.addr[1].to_s), "app.js")
      File.write(File.join(folder, "lib.js"), "require('nosuch');")
      File.write(File.join(folder, "damaged.node"), "\x7FELF")
      File.write(File.join(folder, "broken.mjs"), "let a = 1;\nlet b = = 2;\n")
      File.write(File.join(folder, "await.mjs"), "await 1;\nexport default 2;\n")
      if name == "library.test" && MissingLibrary::THERE
        MissingLibrary.write(File.join(folder, "library.node"))
      end
      Dir.mkdir(File.join(folder, "esm"))
      File.write(File.join(folder, "esm/package.json"), '{"type": "module"}')
      File.write(File.join(folder, "esm/index.js"), "require('http');")
      TestEnvironment.hand_over(folder)
      made.site(name, folder, "PassengerFriendlyErrorPages On\n#{MORE[name]}")
    end
    listening = "require('http').createServer().listen(#{@port.addr[1]}, '127.0.0.1');"
    made.site("taken.test", SampleApps.written(listening, "app.js"),
              "PassengerAppStartCommand \"node app.js\"\n")
    made.site("nodeless.test",
              SampleApps.written('{"scripts": {"start": "true && node app.js"}}', "package.json"),
              "PassengerNodejs /opt/missing/node\nPassengerFriendlyErrorPages On\n")
    COMMANDS.each do |name, (command, *)|
      made.site(name, SampleApps.written("", "app.js"),
                "PassengerAppStartCommand \"#{command}\"\nPassengerFriendlyErrorPages On\n")
    end
  end

  def setup
    skip "there is no node" unless NODE
  end

  EXPECTED.each do |site, (_, message, cause, remedy)|
    define_method("test_#{site.tr('.-', '__')}_names_the_cause_and_the_remedy") do
      skip "there is no cc" if site == "library.test" && !MissingLibrary::THERE
      page = assert_status(500, client(site).get("/", "Accept" => "text/html")).body
      [message, cause, remedy].each { |words| assert_match(words, CGI.unescapeHTML(page)) }
      assert_match(message, first_line(site))
    end
  end

  # The remedy of handler.test.
  def test_a_startup_file_without_an_ending_is_for_node
    assert_equal(%w[www www], SCRIPTS.keys.map { |site| client(site).get("/").body })
  end

  COMMANDS.each do |site, (_, message)|
    define_method("test_#{site.tr('.', '_')}_says_what_the_shell_found") do
      page = assert_status(500, client(site).get("/", "Accept" => "text/html")).body
      assert_match(message, CGI.unescapeHTML(page))
      assert_match(/does not exist, or the application's user may not execute it/,
                   CGI.unescapeHTML(page))
      assert_match(message, first_line(site))
    end
  end

  def test_the_first_line_about_a_port_that_is_taken_has_cause_and_remedy
    %w[taken.test port.test].each do |site|
      assert_status 500, client(site).get("/")
      line = first_line(site)
      assert_match(/it opens a port or socket that another process uses \(EADDRINUSE\)/, line)
      assert_match(/let it open none but that of \$PORT; ss -lptn shows/, line)
    end
  end

  def test_a_node_that_does_not_exist_is_an_error_also_where_a_shell_runs_the_script
    page = assert_status(500, client("nodeless.test").get("/", "Accept" => "text/html")).body
    message = %r{PassengerNodejs .*/opt/missing/node.* could not be started: No such file}
    [CGI.unescapeHTML(page), first_line("nodeless.test")].each do |text|
      assert_match(message, text)
      assert_match(/correct the path, or remove the directive/, text)
    end
  end

  def test_a_backtrace_is_written_once_and_has_the_applications_lines_only
    assert_status 500, client("module.test").get("/")
    server.log.wait_for(/event=spawn\.failed app="#{root("module.test")}/)
    lines = server.log.text.lines.grep(/#{root("module.test")}/)
    assert_equal 1, lines.grep(/at Object.*lib\.js:1/).size
    assert_empty lines.grep(/node_loader\.js:\d|node:internal/)
  end

  private

  def first_line(site)
    server.log.wait_for(/event=spawn\.failed app="#{root(site)}.*/)
  end

  def root(site)
    server.configuration.sites.find { |one| one.name == site }.root
  end
end
