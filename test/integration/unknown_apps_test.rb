# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"

# Folders of applications whose startup file has a name that the module does not look for.
class UnknownAppsTest < IntegrationTest
  include CommandRunner

  CONTENTS = { "node.test" => "{}", "php.test" => "{}",
               "broken.test" => "{\n\"scripts\": {\n\"start\": \"node a.js\",\n}\n}\n" }.freeze
  BROWSER = { "Accept" => "text/html" }.freeze

  def self.sites
    { "node.test" => ["package.json", "production"], "express.test" => ["index.js", "development"],
      "sinatra.test" => %w[Gemfile development], "fastapi.test" => ["main.py", "development"],
      "broken.test" => ["package.json", "development"],
      "static.test" => ["notes.txt", "development"], "php.test" => ["package.json", "development"] }
  end

  serve do |made|
    sites.each do |name, (file, environment)|
      folder = SampleApps.written(CONTENTS.fetch(name, ""), file)
      File.write(File.join(folder, "public/page.txt"), "page")
      File.write(File.join(folder, "public/index.php"), "index") if name == "php.test"
      made.site(name, folder, "PassengerAppEnv #{environment}\n<IfModule mod_dir.c>\n" \
                              "DirectoryIndex index.php\n</IfModule>\n")
    end
    made.site("named.test", SampleApps.written("", "package.json"),
              "PassengerAppEnv development\nPassengerStartupFile server.js\n")
    other_sites(made)
    python = "PassengerPython /usr/bin/python3\nPassengerAppEnv development\n"
    made.site("excluded.test", SampleApps.written("", "config.ru"),
              "PassengerAppEnv development\nPassengerStartupFile nosuch.ru\n")
    made.site("project.test", SampleApps.written("", "manage.py"),
              "#{python}PassengerStartupFile site/wsgi.py\n")
    made.site("empty.test", django_folder, python)
  end

  # Without its wsgi.py. The package.json is that of its front end.
  def self.django_folder
    SampleApps.written("print('nothing')\n", "manage.py").tap do |folder|
      File.write(File.join(folder, "package.json"), '{"scripts": {"start": "node app.js"}}')
    end
  end

  # Sites whose URLs httpd answers by itself.
  def self.other_sites(made)
    module_file = File.join(TestEnvironment.modules_dir, "mod_autoindex.so")
    made.main_directives << "LoadModule autoindex_module #{module_file}\n"
    { "list.test" => ["main.py", "Options +Indexes"],
      "home.test" => ["main.py", "DirectoryIndex home.html"],
      "front.test" => ["main.py", "FallbackResource /front.html"],
      "pages.test" => ["package.json", ""] }.each do |name, (file, directive)|
      folder = SampleApps.written('{"scripts": {"start": "node app.js"}}', file)
      %w[home front index].each do |page|
        File.write(File.join(folder, "public/#{page}.html"), page) unless name == "list.test"
      end
      made.site(name, folder, "PassengerAppEnv development\n<Directory \"#{folder}/public\">\n" \
                              "#{directive}\n</Directory>\n")
    end
  end

  def test_a_page_names_the_file_that_was_found_and_the_directive_that_helps
    { "express.test" => ["index.js", "PassengerStartupFile index.js"],
      "fastapi.test" => ["main.py", "PassengerAppCallable"],
      "sinatra.test" => ["Gemfile", "ruby server.rb -o 127.0.0.1"] }.each do |host, (found, remedy)|
      ["/", "/posts/1"].each do |path|
        answer = client(host).get(path, BROWSER)
        assert_status 404, answer
        assert_includes answer.body, "No application was found here"
        assert_includes answer.body, "has #{found}, but none of the startup files"
        assert_includes answer.body, remedy
      end
    end
    page = client("project.test").get("/", BROWSER)
    assert_includes assert_status(404, page).body, "has manage.py, but none of the startup files " \
                                                   "that were looked for: site/wsgi.py"
    assert_includes page.body, "PassengerStartupFile with the path of the project&#39;s wsgi.py"
    assert_includes client("named.test").get("/", BROWSER).body, "looked for: server.js"
    page = client("excluded.test").get("/", BROWSER).body
    assert_includes page, "has config.ru, but none of the startup files that were looked for: " \
                          "nosuch.ru. What helps: PassengerStartupFile with a file that exists"
  end

  def test_a_manage_py_that_leads_to_no_application_is_an_error_that_names_the_remedy
    skip "there is no python" unless File.executable?("/usr/bin/python3")
    page = assert_status(500, client("empty.test").get("/", BROWSER)).body
    assert_includes page, "manage.py leads to no wsgi.py: name that file by PassengerStartupFile"
  end

  def test_the_log_says_it_once_and_production_has_httpd_s_page
    3.times { |i| assert_status 404, client("node.test").get("/posts/#{i}", BROWSER) }
    refute_includes client("node.test").get("/posts", BROWSER).body, "package.json"
    lines = server.log.text.lines.grep(/event=app\.unknown root="#{root('node')}"/)
    assert_equal 1, lines.size
    assert_match(/found="package\.json" looked_for="config\.ru, passenger_wsgi\.py, .*app\.js/,
                 lines[0])
    assert_includes lines[0], "npm start"
  end

  def test_a_package_json_that_cannot_be_read_is_named_with_the_line
    page = assert_status(404, client("broken.test").get("/posts", BROWSER)).body
    assert_includes page, "package.json of #{root('broken')} cannot be read: line 4 is not JSON."
    assert_includes page, "What helps: correct package.json"
    line = server.log.wait_for(/event=app\.unknown root="#{root('broken')}.*/)
    assert_includes line, 'found="package.json" problem="cannot be read: line 4 is not JSON" looked'
    File.write(File.join(root("broken"), "package.json"), "")
    eventually("the other reason") do
      client("broken.test").get("/posts", BROWSER).body.include?("it is empty, or longer than")
    end
  end

  def test_files_and_other_folders_are_httpd_s
    assert_equal "page", client("express.test").get("/page.txt").body
    assert_equal "index", client("php.test").get("/").body
    refute_includes client("static.test").get("/posts", BROWSER).body, "startup"
  end

  def test_what_httpd_answers_by_itself_stays_httpd_s
    assert_includes assert_status(200, client("list.test").get("/", BROWSER)).body, "Index of /"
    assert_equal "home", client("home.test").get("/", BROWSER).body
    assert_equal "front", client("front.test").get("/blog/1", BROWSER).body
    refute_match(/event=app\.unknown root="#{root('list')}|#{root('home')}|#{root('front')}"/,
                 server.log.text)
  end

  # package.json counts for nothing there.
  def test_a_site_with_an_index_page_is_no_unknown_application
    page = assert_status(404, client("pages.test").get("/missing", BROWSER)).body
    refute_includes page, "package.json"
    refute_match(/event=app\.unknown root="#{root('pages')}"/, server.log.text)
  end

  def test_explain_says_it_too
    output, _errors, status = command(
      CONFIG, "explain", "http://express.test:#{server.port}/", "--httpd",
      TestEnvironment.httpd, "--config", File.join(server.folder, "httpd.conf")
    )
    assert_equal 2, status
    assert_includes output, "PassengerStartupFile index.js"
  end
end
