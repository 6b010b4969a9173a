# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"

# passenger-config explain: which application serves a URL, and where each setting comes from.
class ExplainTest < IntegrationTest
  include CommandRunner

  serve do |made|
    blog = SampleApps.written(SampleApps.saying("blog"))
    File.write(File.join(blog, "public/static.txt"), "file")
    File.write(File.join(blog, "public/page.html"), "page")
    File.write(File.join(blog, "public/.htaccess"),
               "PassengerServerTiming On\nRewriteEngine On\nRewriteRule ^twice$ /once\n")
    made.site("blog.test", blog, <<~CONF)
      ServerAlias *.blog.test
      RailsEnv staging
      PassengerMinInstances 2
      PassengerSlowRequestLog 2
      PassengerQueueTarget 1500ms
      Redirect /old /new
      <Directory "#{blog}">
        AllowOverride All
        PassengerMinInstances 3
      </Directory>
      <Location /off>
        PassengerEnabled off
      </Location>
      <Location /status>
        SetHandler passenger-status
      </Location>
      <Location /denied>
        Require all denied
      </Location>
    CONF
    made.site("tls.test", SampleApps.written(SampleApps.saying("tls")), <<~CONF)
      RewriteEngine On
      RewriteCond %{HTTPS} off
      RewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=301,L]
      <If "%{HTTPS} == 'on'">
        PassengerServerTiming On
      </If>
    CONF
    made.site("fast.test", SampleApps.written(SampleApps.saying("fast")),
              "PassengerHighPerformance On\n")
    made.site("node.test", SampleApps.written("", "app.js"), "PassengerNodejs /opt/node\n")
    made.site("linked.test", linked, "")
    made.site("broken.test", SampleApps.written("", "nothing.rb"), "")
    made.site("missing.test", SampleApps.written("", "nothing.rb"),
              "PassengerAppRoot /var/empty/missing\n")
  end

  # A folder as Capistrano has it: `current` is a link to a release.
  def self.linked
    folder = SampleApps.new_folder
    File.symlink(SampleApps.written(SampleApps.saying("linked")), File.join(folder, "current"))
    File.join(folder, "current")
  end

  def test_it_names_the_host_the_application_and_what_runs_it
    told = explained("/posts?x=1")
    host = told["virtual_host"]
    assert_equal [true, "blog.test", configuration_file],
                 [told["served"], *host.values_at("name", "file")]
    assert_match(/VirtualHost/, line(host["line"]))
    app = told["application"]
    assert_equal [root("blog"), "#{root('blog')} (staging)", "config.ru", "rack", "staging",
                  RbConfig.ruby, ""],
                 app.values_at("root", "name", "startup_file", "type", "environment",
                               "interpreter", "problem")
    assert_status 200, client("blog.test").get("/posts?x=1")
    running = app("blog")
    assert_equal running["name"], app["name"]
    assert_equal running["user"], app["user"] if TestEnvironment.root?
  end

  def test_each_setting_has_the_file_and_line_that_it_comes_from
    settings = settings_of(explained("/"))
    { "PassengerAppEnv" => ["staging", "RailsEnv staging"],
      "PassengerMinInstances" => ["3", "PassengerMinInstances 3"],
      "PassengerSlowRequestLog" => ["2s", "PassengerSlowRequestLog 2"],
      "PassengerQueueTarget" => ["1500ms", "PassengerQueueTarget 1500ms"],
      "PassengerMaxPoolSize" => ["6", "PassengerMaxPoolSize 6"] }.each do |name, (value, text)|
      assert_equal value, settings[name]["value"]
      assert_equal [configuration_file], settings[name]["set_at"].map { |place| place["file"] }
      assert_equal text, line(settings[name]["set_at"][0]["line"]).strip
    end
    assert_equal({ "directive" => "PassengerServerTiming", "value" => "On",
                   "set_at" => [{ "file" => File.join(root("blog"), "public/.htaccess"),
                                  "line" => 1 }] }, settings["PassengerServerTiming"])
    assert_equal ["100, with PassengerQueueTarget 0", []],
                 settings["PassengerMaxRequestQueueSize"].values_at("value", "set_at")
  end

  def test_the_text_has_the_same
    text = succeed(CONFIG, *words("http://www.blog.test:#{server.port}/"))
    assert_match(/^Virtual host  blog\.test \(#{configuration_file}:\d+\)$/, text)
    assert_match(/^Application   #{root('blog')} \(staging\)$/, text)
    assert_match(/^  PassengerAppEnv +staging  \(#{configuration_file}:\d+\)$/, text)
    refute_match(/default\)$/, text)
    assert_match(/^  PassengerMaxRequestQueueSize +100, with PassengerQueueTarget 0  \(default\)$/,
                 succeed(CONFIG, *words(url("/")), "--all"))
  end

  def test_what_no_application_serves_has_the_reason
    { "/static.txt" => %r{the file .*/public/static\.txt exists},
      "/page" => %r{the file .*/public/page\.html exists},
      "/off/x" => /PassengerEnabled is Off here \(#{configuration_file}:\d+\)/,
      "/old/x" => %r{httpd redirects to http://.*/new/x \(302\)},
      "/status" => /SetHandler gives the request to "passenger-status"/,
      "/../x" => /status 400/ }.each do |path, reason|
      told = explained(path, 2)
      refute told["served"], path
      assert_match reason, told["reason"]
    end
    assert_match(/#{root('broken')} has none of config\.ru, passenger_wsgi\.py, .*app\.js/,
                 explained("/", 2, "broken.test")["reason"])
    assert_equal false, explained("/", 2, "elsewhere.invalid", 1)["served"]
  end

  def test_an_application_that_is_configured_and_missing_is_a_problem
    app = explained("/", 2, "missing.test")["application"]
    assert_match(%r{/var/empty/missing/config\.ru: No such file}, app["problem"])
  end

  def test_rewriting_in_a_folder_is_followed_and_access_is_not_checked
    assert explained("/twice")["served"]
    assert explained("/denied")["served"]
    assert_status 403, client("blog.test").get("/denied")
  end

  def test_other_kinds_and_ways_are_found_too
    assert explained("/x", 0, "fast.test")["served"]
    node = explained("/x", 0, "node.test")["application"]
    assert_equal %w[node app.js /opt/node], node.values_at("type", "startup_file", "interpreter")
    linked = explained("/x", 0, "linked.test")["application"]
    assert_equal [root("linked"), File.realpath(root("linked"))],
                 linked.values_at("root", "real_root")
  end

  def test_httpds_user_decides_what_is_there
    needs_root "httpd's children have another user"
    File.chmod(0o700, root("broken"))
    File.write(File.join(root("broken"), "config.ru"), SampleApps.saying("secret"))
    File.chown(0, 0, root("broken"))
    refute explained("/", 2, "broken.test")["served"]
  ensure
    if TestEnvironment.root?
      FileUtils.rm_f(File.join(root("broken"), "config.ru"))
      TestEnvironment.hand_over(root("broken"))
      File.chmod(0o755, root("broken"))
    end
  end

  def test_a_url_of_tls_is_a_request_over_tls
    plain = url("/posts", "tls.test")
    told = JSON.parse(succeed(CONFIG, *words(plain.sub("http:", "https:")), "--json"))
    assert told["served"], told["reason"]
    assert_equal "On", settings_of(told)["PassengerServerTiming"]["value"]
    assert_match(%r{httpd redirects to https://tls\.test},
                 explained("/posts", 2, "tls.test")["reason"])
  end

  # A module may run code that .htaccess names, as mod_lua does.
  def test_the_author_of_an_htaccess_file_gets_no_rights_of_root
    needs_root "root is what nobody may get"
    lua = File.join(TestEnvironment.modules_dir, "mod_lua.so")
    skip "no mod_lua" unless File.exist?(lua)
    told, script = %w[told attack.lua].map { |name| File.join(scratch, name) }
    File.write(script, <<~LUA)
      function attack(r)
        local file = io.open("#{told}", "w")
        for line in io.lines("/proc/self/status") do file:write(line, "\\n") end
        file:close()
        return apache2.DECLINED
      end
    LUA
    htaccess = File.join(root("fast"), "public/.htaccess")
    File.write(htaccess, "LuaHookFixups #{script} attack\n")
    conf = File.join(scratch, "lua.conf")
    File.write(conf, "LoadModule lua_module #{lua}\n#{File.read(configuration_file)}" \
                     "<Directory \"#{root('fast')}\">\nAllowOverride All\n</Directory>\n"
                       .sub("PassengerHighPerformance On", ""))
    command(CONFIG, "explain", url("/static", "fast.test"), "--httpd", httpd, "--config", conf)
    user = Etc.getpwnam(TestEnvironment.web_user)
    status = File.read(told)
    assert_equal [user.uid.to_s] * 4, status[/^Uid:(.*)/, 1].split
    assert_equal [user.gid.to_s] * 4, status[/^Gid:(.*)/, 1].split
    refute_includes status[/^Groups:(.*)/, 1].split, "0"
    assert_equal 0, status[/^CapEff:\s*(\h+)/, 1].to_i(16)
  ensure
    FileUtils.rm_f(htaccess) if htaccess
  end

  def test_a_broken_configuration_and_a_wrong_url_are_errors
    broken = File.join(scratch, "broken.conf")
    File.write(broken, "#{File.read(configuration_file)}\nPassengerMinInstances many\n")
    assert_fails 1, /PassengerMinInstances does not take "many"/, CONFIG, "explain", url("/"),
                 "--httpd", httpd, "--config", broken
    without = File.join(scratch, "without.conf")
    File.write(without, File.read(configuration_file)
                            .gsub(/^ *(LoadModule passenger|Passenger|Rails).*$/, ""))
    assert_fails 1, /loads no mod_passenger/, CONFIG, "explain", url("/"), "--httpd", httpd,
                 "--config", without
    assert_fails 1, /this is not a URL/, CONFIG, *words("ftp://blog.test/")
    assert_fails 1, /name a URL/, CONFIG, "explain"
  end

  private

  def configuration_file
    File.join(server.folder, "httpd.conf")
  end

  def httpd
    TestEnvironment.httpd
  end

  def url(path, site = "blog.test", port = server.port)
    "http://#{site}:#{port}#{path}"
  end

  def words(url)
    ["explain", url, "--httpd", httpd, "--config", configuration_file]
  end

  def explained(path, status = 0, site = "blog.test", port = server.port)
    output, errors, ended = command(CONFIG, *words(url(path, site, port)), "--json")
    assert_equal status, ended, "#{path}: #{errors}#{output}"
    JSON.parse(output)
  end

  def settings_of(told)
    told["settings"].to_h { |setting| [setting["directive"], setting] }
  end

  def line(number)
    File.readlines(configuration_file)[number - 1]
  end
end
