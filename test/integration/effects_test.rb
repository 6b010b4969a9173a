# frozen_string_literal: true

require_relative "support/integration_test"

# Effects of directives on an application that no other test file covers: kind, interpreter,
# address, Bundler.
class EffectsTest < IntegrationTest
  NODE = system("node --version >/dev/null 2>&1")
  PYTHON = File.executable?("/usr/bin/python3")

  RACK = <<~'RUBY'
    text = "rack #{__FILE__.split('/').last} #{ENV['INTERPRETER']}"
    run proc { [200, { "Content-Type" => "text/plain" }, [text]] }
  RUBY
  WSGI = <<~'PYTHON'
    import os

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        text = "wsgi %s %s" % (os.path.basename(__file__), os.environ.get("INTERPRETER", ""))
        return [text.encode()]
  PYTHON
  NODE_APP = <<~'JAVASCRIPT'
    require("http").createServer((request, response) => {
        const file = require("path").basename(__filename);
        response.end("node " + file + " " + (process.env.INTERPRETER || ""));
    }).listen(3000);
  JAVASCRIPT

  # Answers whether Bundler was loaded before Passenger's code.
  BUNDLER = <<~'RUBY'
    first = %w[/bundler.rb /frame_socket.rb].map do |name|
      $LOADED_FEATURES.index { |path| path.end_with?(name) } || -1
    end
    text = "#{first[0] != -1} #{first[0] < first[1]}"
    run proc { [200, { "Content-Type" => "text/plain" }, [text]] }
  RUBY

  # Listens on the given address.
  ADDRESSED = <<~'RUBY'
    require "socket"
    server = TCPServer.new(ARGV[0], Integer(ARGV[1]))
    loop do
      socket = server.accept
      nil until socket.gets.to_s.strip.empty?
      size = socket.local_address.ip_address.size
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: #{size}\r\nConnection: close\r\n\r\n" \
                   "#{socket.local_address.ip_address}")
      socket.close
    end
  RUBY

  def self.folder_with(files)
    SampleApps.written("").tap do |folder|
      File.delete(File.join(folder, "config.ru"))
      files.each { |name, text| File.write(File.join(folder, name), text) }
      TestEnvironment.hand_over(folder)
    end
  end

  # A program that notes its use, in the environment of the program that it stands for.
  def self.wrapper(program)
    path = File.join(SampleApps.new_folder, "wrapper")
    File.write(path, "#!/bin/sh\nINTERPRETER=wrapped exec #{program} \"$@\"\n")
    File.chmod(0o755, path)
    path
  end

  serve do |made|
    made.set("PassengerMaxPoolSize", 20)
    all = folder_with("config.ru" => RACK, "passenger_wsgi.py" => WSGI, "app.js" => NODE_APP,
                      "other.ru" => RACK, "other.py" => WSGI, "other.js" => NODE_APP,
                      "other.ts" => NODE_APP, "other.cts" => NODE_APP, "other" => WSGI)
    { "detected" => "", "rack" => "PassengerAppType rack", "ruby" => "PassengerAppType ruby",
      "wsgi" => "PassengerAppType wsgi",
      "python" => "PassengerAppType python", "node" => "PassengerAppType node",
      "other-ru" => "PassengerStartupFile other.ru",
      "other-py" => "PassengerStartupFile other.py", "other-js" => "PassengerStartupFile other.js",
      "other-ts" => "PassengerStartupFile other.ts",
      "other-cts" => "PassengerStartupFile other.cts",
      "other" => "PassengerAppType wsgi\nPassengerStartupFile other",
      "own-ruby" => "PassengerRuby #{wrapper(RbConfig.ruby)}",
      "own-python" => "PassengerAppType wsgi\nPassengerPython #{wrapper('/usr/bin/python3')}",
      "own-node" => "PassengerAppType node\nPassengerNodejs #{wrapper('node')}" }
        .each do |name, lines|
      made.site("#{name}.test", all, "#{lines}\nPassengerAppGroupName effects-#{name}\n")
    end
    bundled = { "config.ru" => BUNDLER, "Gemfile" => "gem 'rack'\n" }
    made.site("preloaded.test", folder_with(bundled), "PassengerPreloadBundler on\n")
    made.site("not-preloaded.test", folder_with(bundled))
    made.site("addressed.test", folder_with("server.rb" => ADDRESSED), <<~CONF)
      PassengerAppStartCommand "#{RbConfig.ruby} server.rb 127.0.0.2 $PORT"
      PassengerDirectInstanceRequestAddress 127.0.0.2
    CONF
    made.site("lost.test", folder_with("server.rb" => ADDRESSED), <<~CONF)
      PassengerAppStartCommand "#{RbConfig.ruby} server.rb 127.0.0.2 $PORT"
      PassengerStartTimeout 2
    CONF
  end

  def test_the_type_of_an_application_is_detected_or_configured
    assert_equal ["rack config.ru "] * 3, %w[detected rack ruby].map { |name| says(name) }
    if PYTHON
      assert_equal ["wsgi passenger_wsgi.py "] * 2, %w[wsgi python].map { |name| says(name) }
    end
    assert_equal "node app.js ", says("node") if NODE
  end

  def test_the_type_follows_from_the_extension_of_a_renamed_startup_file
    assert_equal "rack other.ru ", says("other-ru")
    if PYTHON
      assert_equal ["wsgi other.py ", "wsgi other "], %w[other-py other].map { |name| says(name) }
    end
    return unless NODE

    assert_equal ["node other.js ", "node other.ts ", "node other.cts "],
                 %w[other-js other-ts other-cts].map { |name| says(name) }
  end

  def test_an_application_may_have_an_interpreter_of_its_own
    assert_equal "rack config.ru wrapped", says("own-ruby")
    assert_equal "wsgi passenger_wsgi.py wrapped", says("own-python") if PYTHON
    assert_equal "node app.js wrapped", says("own-node") if NODE
  end

  def test_preload_bundler_sets_bundler_up_first
    assert_equal "true true", says("preloaded")
    assert_equal "true false", says("not-preloaded")
  end

  def test_an_application_may_listen_on_another_address
    assert_equal "127.0.0.2", says("addressed")
    assert_status 500, client("lost.test").get("/")
  end

  private

  def says(name)
    assert_status(200, client("#{name}.test").get("/")).body
  end
end
