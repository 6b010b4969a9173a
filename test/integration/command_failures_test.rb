# frozen_string_literal: true

require "cgi"
require "socket"

require_relative "support/integration_test"
require_relative "support/missing_library"

# Start commands that end by themselves. The first line of the log has the error that they print
# last, and the page its cause.
class CommandFailuresTest < IntegrationTest
  PROGRAMS = {
    "node" => system("node --version >/dev/null 2>&1"),
    "npm" => system("npm --version >/dev/null 2>&1"),
    "python3" => system("python3 --version >/dev/null 2>&1"),
    "./serve" => MissingLibrary::THERE
  }.freeze

  # Maps the site to its command, the content of the file `program`, words of the first line, of the
  # cause and of the remedy.
  EXPECTED = {
    "python.test" => ["python3 program", "import nosuch",
                      /status 1 .*: ModuleNotFoundError: No module named 'nosuch'/,
                      /A module is not installed/, /-m pip install nosuch/],
    "python_syntax.test" => ["python3 program", "x = (\n", /: SyntaxError: /, /Python's grammar/,
                             /py_compile/],
    "node.test" => ["node program", "require('nosuch');",
                    /status 1 .*: Error \[MODULE_NOT_FOUND\]: Cannot find module 'nosuch'/,
                    /The package "nosuch" is not installed/, /npm ci/],
    "node_heap.test" => ["node --max-old-space-size=20 program",
                         "const kept = []; for (;;) kept.push(new Array(10000).fill(0.5));",
                         /signal 6.*JavaScript heap out of memory/, /memory that Node has/,
                         /--max-old-space-size/],
    "node_port.test" => ["node program", "require('net').createServer().listen(USED, '127.0.0.1');",
                         /Error \[EADDRINUSE\]: .*; it opens a port/, /another process uses it/,
                         /ss -lptn/],
    "npm.test" => ["npm start", "", /status \d+ .*: npm .*Could not read package\.json/,
                   /with this error: npm .*Could not read package\.json/, /by hand/],
    "ruby.test" => ["#{RbConfig.ruby} program", "require 'nosuch'",
                    /status 1 .*: LoadError: cannot load such file -- nosuch/,
                    /does not find the library "nosuch"/, /Gemfile/],
    "library.test" => ["./serve", "", /status 127.*libnosuch\.so\.1/,
                       /system library libnosuch\.so\.1 is missing/, /apt-file search libnosuch/],
    "killed.test" => ["kill -KILL $$", "", /was killed by signal 9/, /no memory left/, /dmesg/],
    "of_shell.test" => ["exit 137", "", /status 137 \(killed by signal 9 \(Killed\)\)/,
                        /no memory left/, /dmesg/],
    "other.test" => ["echo panic: no settings >&2; echo bye; exit 2", "",
                     /status 2 .*: panic: no settings/, /with this error: panic: no settings/,
                     /by hand/],
    "over.test" => ["exit 0", "", /exited with status 0 before it listened/,
                    /by itself with status 0/, /in the foreground/]
  }.freeze

  serve do |made|
    made.set("PassengerMaxPoolSize", 20)
    @port = TCPServer.new("127.0.0.1", 0)
    EXPECTED.each do |name, (command, text, *)|
      folder = SampleApps.written(text.sub("USED", @port.addr[1].to_s), "program")
      if command == "./serve" && MissingLibrary::THERE
        MissingLibrary.write(File.join(folder, command), module_of: false)
      end
      made.site(name, folder, "PassengerAppStartCommand \"#{command}\"\n" \
                              "PassengerFriendlyErrorPages On\n")
    end
  end

  EXPECTED.each do |site, (command, _, line, cause, remedy)|
    define_method("test_the_report_of_#{site.tr('.', '_')}") do
      program = command[/\A\S+/]
      skip "there is no #{program}" unless PROGRAMS.fetch(program, true)
      page = assert_status(500, client(site).get("/", "Accept" => "text/html")).body
      shown = CGI.unescapeHTML(page)
      [line, cause, remedy].each { |words| assert_match(words, shown) }
      refute_match(/did not listen on its port/, shown)
      root = server.configuration.sites.find { |one| one.name == site }.root
      assert_match(line, server.log.wait_for(/event=spawn\.failed app="#{root}.*/))
    end
  end
end
