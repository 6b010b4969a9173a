# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"

# The startup file is missing for a time, as while a release is put in place: the instances that
# serve go on.
class MissingStartupFileTest < IntegrationTest
  include CommandRunner

  FOUND = "passenger_wsgi.py"
  PYTHON = <<~PYTHON
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"python"]
  PYTHON

  def test_an_application_that_has_answered_answers_without_its_startup_file
    serve do |server, root|
      file = File.join(root, "config.ru")
      text = File.read(file)
      File.delete(file)
      assert_goes_on(server, 1.5)
      File.write(file, text)
      assert_goes_on(server, 0)
    end
  end

  def test_an_application_whose_folder_is_named_answers_without_its_startup_file
    serve(named: true) do |server, root|
      File.delete(File.join(root, "config.ru"))
      assert_goes_on(server, 1.5)
    end
  end

  def test_an_application_without_startup_file_and_instance_is_not_found
    serve do |server, root|
      text = File.read(File.join(root, "config.ru"))
      File.delete(File.join(root, "config.ru"))
      succeed(CONFIG, "detach-process", apps.first["instances"].first["pid"].to_s)
      eventually("404") { code(server) == "404" }
      File.write(File.join(root, "config.ru"), text)
      eventually("200") { code(server) == "200" }
    end
  end

  def test_a_release_with_another_startup_file_takes_over
    serve do |server, root|
      File.write(File.join(root, FOUND), PYTHON)
      File.delete(File.join(root, "config.ru"))
      FileUtils.touch(File.join(root, "tmp/restart.txt"))
      eventually("the new release") { server.client("app.test").get("/").body == "python" }
    end
  end

  # A build empties the folder of a site's pages for a moment. Then package.json makes it an
  # application.
  def test_a_site_is_a_site_again_when_its_page_is_back
    root = SampleApps.written('{"scripts": {"start": "node server.js"}}', "package.json")
    File.write(File.join(root, "server.js"), <<~JS)
      require("http").createServer((request, answer) => answer.end("node")).listen(3000);
    JS
    made = configuration do |one|
      one.use_one_child
      one.site("site.test", root)
    end
    with_server(made) do |server|
      assert_equal "node", server.client.get("/missing").body
      File.write(File.join(root, "public/index.html"), "page")
      eventually("404", within: 10) { server.client.get("/missing").code == "404" }
      assert_equal "page", server.client.get("/").body
    end
  end

  private

  # One child, and the application has answered it.
  def serve(named: false)
    root = SampleApps.written(SampleApps.saying("here"))
    made = configuration do |one|
      one.use_one_child
      one.site("app.test", root, named ? "PassengerAppRoot #{root}\n" : "")
    end
    with_server(made) do |server|
      @own_server = server
      assert_equal "200", code(server)
      yield server, root
    end
  end

  def code(server)
    server.client("app.test").get("/").code
  end

  # For so many seconds, in which httpd's child looks for the file more than once.
  def assert_goes_on(server, seconds)
    ends = monotonic + seconds
    codes = []
    loop do
      codes << code(server)
      break if monotonic > ends
    end
    assert_equal ["200"], codes.uniq
  end
end
