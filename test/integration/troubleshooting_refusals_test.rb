# frozen_string_literal: true

require_relative "support/troubleshooting"

# Httpd answers instead of the application:
# doc/TROUBLESHOOTING.md#403
# doc/TROUBLESHOOTING.md#404-instead-of-the-application
class TroubleshootingRefusalsTest < TroubleshootingTest
  SERVED = "run proc { |_env| [200, {}, ['served']] }\n"

  def self.app(file = "config.ru", text = SERVED)
    SampleApps.written(text, file)
  end

  # Each symptom has an application of its own.
  serve do |made|
    made.main_directives << "LoadModule autoindex_module " \
                            "\"#{TestEnvironment.modules_dir}/mod_autoindex.so\"\n"
    denied = app
    made.site("denied.test", denied, refusing(denied))
    made.site("closed.test", app)
    made.site("unlisted.test", app, document_root: app("notes.txt"))
    made.site("forbidding.test", app("config.ru", "$stdout.sync = true\nrun proc { |_env|\n" \
                                                  "puts 'not for you'\n[403, {}, ['no']] }\n"))
    %w[rooted named].each { |name| made.site("#{name}.test", app("notes.txt")) }
    made.site("commanded.test", SampleApps.copy("http_app"))
    unknown = app("main.ru")
    File.write("#{unknown}/Gemfile", "gem 'rack'\n")
    made.site("unknown.test", unknown)
    made.site("node.test", app("index.js", <<~JS))
      require("http").createServer((_, answer) => answer.end("served")).listen(process.env.PORT);
    JS
    made.site("other.test", app)
    made.site("shop.test", app("notes.txt"), "Alias /shop #{app}/public\n")
    made.site("disabled.test", app, "PassengerEnabled off\n")
    made.site("handled.test", app, "SetHandler default-handler\n")
    made.site("rewritten.test", app, "RewriteEngine on\nRewriteRule .* - [R=404]\n")
    release = SampleApps.new_folder
    File.symlink("#{app}/public", "#{release}/html")
    made.site("linked.test", release, document_root: "#{release}/html")
    made.site("missing.test", app, "PassengerAppRoot #{app}\nPassengerStartupFile main.ru\n")
  end

  def self.refusing(root)
    "<Directory \"#{root}/public\">\n  Require all denied\n</Directory>\n"
  end

  def test_403_without_an_access_rule
    assert_status 403, get("denied")
    logged(/AH01630: client denied by server configuration/)
    configure("denied", self.class.refusing(root("denied")).sub("denied", "granted"))
    assert_cured "denied"
  end

  def test_403_without_the_right_to_enter_a_folder
    needs_root "a folder that httpd's user may not enter"
    File.chmod(0o700, root("closed"))
    File.chown(0, 0, root("closed"))
    assert_status 403, get("closed")
    line = logged(/AH00035: .*search permissions are missing/)
    assert_includes line, root("closed")
    system("chmod", "o+x", root("closed"))
    assert_cured "closed"
  end

  def test_403_where_httpd_finds_no_application
    assert_status 403, get("unlisted")
    logged(/AH01276: Cannot serve directory/)
    assert_includes explained("unlisted"), "no application"
    configure("unlisted", "PassengerAppRoot #{root('unlisted')}\n")
    assert_cured "unlisted"
  end

  def test_403_of_the_application
    answer = assert_status(403, get("forbidding"))
    assert_match(/mod_passenger/, answer["X-Powered-By"])
    logged(/output: not for you/)
    refute_match(/AH01630|AH00035|AH01276/, server.log.text(@log_position))
  end

  def test_404_without_a_startup_file_where_it_is_looked_for
    # Httpd itself answers the root of a host with 403 or 404.
    %w[rooted named commanded].each do |name|
      answer = assert_status(404, get(name, "/x"))
      refute answer["X-Powered-By"], name
      assert_includes explained(name, "/x"), "no application"
    end
    FileUtils.mv("#{root('named')}/notes.txt", "#{root('named')}/main.ru")
    server.graceful do
      site("rooted").directives = "PassengerAppRoot #{root('other')}\n"
      site("named").directives = "PassengerStartupFile main.ru\n"
      site("commanded").directives = "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n"
    end
    %w[rooted named].each { |name| assert_cured name, "served", "/x" }
    eventually("the start command") { get("commanded", "/head").code == "200" }
  end

  def test_404_where_the_document_root_does_not_end_in_public
    server.graceful { site("other").document_root = root("other") }
    eventually("404") { get("other", "/x").code == "404" }
    server.graceful { site("other").document_root = "#{root('other')}/public" }
    assert_cured "other", "served", "/x"
  end

  def test_404_with_a_startup_file_of_another_name
    assert_status 404, get("unknown", "/x")
    line = logged(/event=app\.unknown root="#{root('unknown')}"/)
    assert_match(/remedy="a config\.ru, or /, line)
    FileUtils.mv("#{root('unknown')}/main.ru", "#{root('unknown')}/config.ru")
    assert_cured "unknown", "served", "/x"
  end

  def test_404_with_a_startup_file_of_node_of_another_name
    skip "needs node" unless TestEnvironment.find_command("node")
    assert_status 404, get("node", "/x")
    directive = logged(/event=app\.unknown root="#{root('node')}"/)[/remedy="(\w+ index\.js)/, 1]
    assert_equal "PassengerStartupFile index.js", directive
    configure("node", "#{directive}\n")
    assert_cured "node", "served", "/x"
  end

  def test_404_of_another_virtual_host
    # A name that no virtual host has belongs to the first one.
    server.graceful { site("denied").directives = "Redirect 404 /\n" }
    blog = -> { server.client("blog.example").get("/") }
    eventually("404") { blog.call.code == "404" }
    server.graceful { site("other").directives = "ServerAlias blog.example\n" }
    eventually("the application") { blog.call.body == "served" }
  ensure
    server.graceful { site("denied").directives = self.class.refusing(root("denied")) }
  end

  def test_404_below_an_alias
    assert_status 404, get("shop", "/shop/x")
    configure("shop", "#{site('shop').directives}PassengerBaseURI /shop\n")
    assert_cured "shop", "served", "/shop/x"
  end

  def test_404_where_the_configuration_gives_the_place_to_another
    %w[disabled handled rewritten].each { |name| assert_status 404, get(name, "/x") }
    manifest = File.join(server.folder, "manifest")
    server.graceful { |made| made.set("PassengerDumpConfigManifest", manifest) }
    eventually("the manifest") { File.exist?(manifest) && File.read(manifest).include?("disabled") }
    server.graceful do |made|
      made.set("PassengerDumpConfigManifest", nil)
      %w[disabled handled rewritten].each { |name| site(name).directives = "" }
    end
    %w[disabled handled rewritten].each { |name| assert_cured name, "served", "/x" }
  end

  def test_404_where_the_document_root_is_a_link
    assert_status 404, get("linked", "/x")
    configure("linked", "PassengerResolveSymlinksInDocumentRoot on\n")
    assert_cured "linked", "served", "/x"
    configure("linked", "PassengerAppRoot #{root('other')}\n")
    assert_cured "linked", "served", "/x"
  end

  def test_a_missing_startup_file_of_a_named_folder
    assert_status 500, get("missing")
    assert_match(%r{/main\.ru}, logged(/event=request\.failed/))
  end
end
