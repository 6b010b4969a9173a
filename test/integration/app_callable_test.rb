# frozen_string_literal: true

require_relative "support/integration_test"

# PassengerAppCallable: what the startup file of a Python application calls the application.
class AppCallableTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  FLASK = system("#{PYTHON} -c 'import flask' >/dev/null 2>&1")
  APP = <<~'PYTHON'
    from flask import Flask

    app = Flask(__name__)

    @app.route("/")
    def hello():
        return "the object app"

    def create_app():
        made = Flask("made")
        made.add_url_rule("/", view_func=lambda: "what create_app() has made")
        return made

    class web:
        app = create_app()

    async def asgi(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"the function asgi"})
  PYTHON
  # By site: the directives, and the answer.
  SITES = {
    "app" => ["PassengerAppType wsgi\nPassengerAppCallable app\n", "the object app"],
    "factory" => ["PassengerAppCallable create_app()\n", "what create_app() has made"],
    "attribute" => ["PassengerAppCallable web.app\nPassengerSpawnMethod direct\n",
                    "what create_app() has made"],
    "asgi" => ["PassengerAppType asgi\nPassengerAppCallable asgi\n", "the function asgi"]
  }.freeze
  # The same of sites with the module wiki.web, and no startup file.
  MODULES = {
    "module" => ["PassengerAppCallable wiki.web:app\n", "the object app"],
    "module-asgi" => ["PassengerAppType asgi\nPassengerAppCallable wiki.web:asgi\n",
                      "the function asgi"],
    "module-factory" => ["PassengerAppType wsgi\nPassengerAppCallable wiki.web:create_app()\n" \
                         "PassengerSpawnMethod direct\n", "what create_app() has made"]
  }.freeze

  def self.package
    root = SampleApps.written("", "README")
    Dir.mkdir(File.join(root, "wiki"))
    File.write(File.join(root, "wiki/web.py"), APP)
    TestEnvironment.hand_over(root)
  end

  serve do |made|
    made.set("PassengerMaxPoolSize", 12)
    made.set("PassengerPython", PYTHON)
    more = "PassengerStartupFile app.py\n"
    SITES.each do |site, (lines, _)|
      made.site("#{site}.test", SampleApps.written(APP, "app.py"), more + lines)
    end
    MODULES.each { |site, (lines, _)| made.site("#{site}.test", package, lines) }
    { "missing" => "wiki", "missing-module" => "wiki.site:app" }.each do |site, name|
      made.site("#{site}.test", SampleApps.written(APP, "app.py"),
                "#{more}PassengerAppCallable #{name}\nPassengerFriendlyErrorPages on\n")
    end
    made.site("missing-name.test", package,
              "PassengerAppCallable wiki.web:wiki\nPassengerFriendlyErrorPages on\n")
    made.site("rack.test", SampleApps.written(SampleApps.saying("from Ruby")),
              "PassengerAppCallable wiki:app\n")
  end

  def setup
    skip "there is no Flask for #{PYTHON} (Debian: python3-flask)" unless FLASK || name == LAST
  end

  SITES.merge(MODULES).each do |site, (_, text)|
    define_method("test_the_application_of_the_site_#{site.tr('-', '_')}_answers") do
      assert_equal text, assert_status(200, client("#{site}.test").get("/")).body
    end
  end

  def test_a_name_that_is_not_there_is_reported_with_the_file_and_the_remedy
    shown = page_of("missing")
    root = server.configuration.sites.find { |one| one.name == "missing.test" }.root
    said = "#{root}/app.py defines no \"wiki\". It defines \"app\": PassengerAppCallable app"
    [said, "The startup file, or the module, has no object called wiki.",
     "create_app() for a function"]
      .each { |text| assert_includes shown, text }
    server.log.wait_for(/event=spawn.failed .*#{Regexp.escape(root)}.*defines no .*wiki/)
  end

  def test_a_module_or_a_name_in_it_that_is_not_there_is_reported
    assert_includes page_of("missing-module"), "No module named 'wiki' (in #{PYTHON})"
    said = "the module wiki.web defines no \"wiki\". It defines \"app\": " \
           "PassengerAppCallable wiki.web:app"
    assert_includes page_of("missing-name"), said
  end

  def test_it_has_no_effect_on_an_application_of_another_kind
    assert_equal "from Ruby", assert_status(200, client("rack.test").get("/")).body
  end

  private

  def page_of(site)
    page = assert_status(500, client("#{site}.test").get("/")).body
    page.gsub("&quot;", '"').gsub("&#39;", "'").gsub(/<[^>]*>/, "")
  end
end
