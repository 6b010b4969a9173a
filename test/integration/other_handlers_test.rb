# frozen_string_literal: true

require_relative "support/integration_test"

# What another module of httpd was told to handle is not the application's, and what was told to
# nobody is.
class OtherHandlersTest < IntegrationTest
  def self.load_modules(made, *names)
    names.each do |name|
      file = File.join(TestEnvironment.modules_dir, "mod_#{name}.so")
      made.main_directives << "LoadModule #{name}_module #{file}\n"
    end
  end

  serve do |made|
    load_modules(made, "status", "dav", "dav_fs", "negotiation", "lua")
    @app = SampleApps.written("run proc { |env| [200, {}, ['app ' + env['REQUEST_METHOD']]] }")
    %w[public/dav locks].each do |name|
      FileUtils.mkdir(File.join(@app, name))
      TestEnvironment.hand_over(File.join(@app, name), TestEnvironment.web_user)
    end
    made.main_directives << "DavLockDB #{@app}/locks/db\n"
    made.site("handlers.test", @app, <<~CONF)
      <Location /status>
        SetHandler server-status
      </Location>
      <Location /status/none>
        SetHandler None
      </Location>
      <Location /expression>
        SetHandler "%{HTTP:X-Handler}"
      </Location>
      <Location /dav>
        Dav On
      </Location>
      ScriptAlias /scripts #{@app}/public/dav
      AddHandler cgi-script .cgi
    CONF
    dav_sites(made)
    fast_site(made)
    lua_site(made)
  end

  def self.fast_site(made)
    root = SampleApps.written("run proc { |env| [200, {}, ['app ' + env['PATH_INFO']]] }")
    FileUtils.mkdir_p(%w[from to].map { |name| File.join(root, "public/dav", name) })
    FileUtils.mkdir(File.join(root, "public/blog"))
    %w[terms blog].each { |name| File.write(File.join(root, "public/#{name}.en.html"), name) }
    TestEnvironment.hand_over(File.join(root, "public"))
    fast = "PassengerHighPerformance On\n"
    made.site("fast.test", root, "#{fast}<Location /dav>\nDav On\n</Location>\n")
    views = "AddType text/html .html\nAddLanguage en .en\n" \
            "<Location />\nOptions +MultiViews\n</Location>\n"
    made.site("views.test", root, views)
    made.site("fast-views.test", root, fast + views)
  end

  # A module that chooses its handler in any hook, as mod_jk does, and one of AddHandler.
  def self.lua_site(made)
    root = SampleApps.written("run proc { [200, {}, ['app']] }")
    File.write(File.join(root, "hooks.lua"), <<~LUA)
      function choose(r, place)
        if r.uri == place then r.handler = "server-status" end
        return apache2.DECLINED
      end
      function types(r)
        choose(r, "/typed")
        choose(r, "/typed-alone")
        return r.uri == "/typed-alone" and apache2.OK or apache2.DECLINED
      end
      function translate(r) return choose(r, "/early") end
      function fixups(r) return choose(r, "/late") end
    LUA
    TestEnvironment.hand_over(root)
    hooks = "LuaHookTranslateName #{root}/hooks.lua translate\n" \
            "LuaHookTypeChecker #{root}/hooks.lua types\n" \
            "LuaHookFixups #{root}/hooks.lua fixups\nAddHandler server-status .status\n"
    made.site("lua.test", root, hooks)
    made.site("fast-lua.test", root, "#{hooks}PassengerHighPerformance On\n")
  end

  # Folders of mod_dav: alone, below an application, and where an application is switched off.
  def self.dav_sites(made)
    { "alone" => "", "below" => "", "off" => "PassengerEnabled off" }.each do |name, more|
      root = SampleApps.written("run proc { [200, {}, ['app']] }")
      File.delete(File.join(root, "config.ru")) if name == "alone"
      { "#{name}.test" => "On", "#{name}-unslashed.test" => "Off" }.each do |host, slash|
        made.site(host, root, <<~CONF)
          DirectorySlash #{slash}
          <Directory "#{root}/public">
            Dav On
            #{more}
          </Directory>
        CONF
      end
    end
  end

  def test_set_handler_gives_a_place_to_a_module
    assert_match(/Server Status/, client.get("/status").body)
    assert_match(/Server Status/,
                 client.get("/expression", "X-Handler" => "server-status").body)
  end

  def test_set_handler_with_none_gives_a_place_back
    %w[/status/none /status/none/x /expression].each do |path|
      assert_equal "app GET", client.get(path).body, path
    end
    assert_equal "app GET", client.get("/expression", "X-Handler" => "none").body
  end

  def test_methods_of_web_dav_are_mod_davs_where_it_is_on
    assert_match(%r{\AHTTP/1\.1 201 }, ask("MKCOL", "/dav/new/"))
    assert_path_exists File.join(server.configuration.sites.first.root, "public/dav/new")
    assert_match(%r{\AHTTP/1\.1 201 }, ask("PUT", "/dav/new/file"))
    assert_equal "app GET", client.get("/dav/app").body
    assert_match(/app MKCOL\z/, ask("MKCOL", "/new/"))
  end

  def test_folders_of_web_dav_are_there_with_high_performance
    one = "Depth: 0\r\n"
    assert_match(%r{\AHTTP/1\.1 207 }, ask("PROPFIND", "/dav/", server, one, "fast.test"))
    to = "Destination: http://fast.test:#{server.port}/dav/to/\r\nOverwrite: F\r\n"
    assert_match(%r{\AHTTP/1\.1 412 }, ask("COPY", "/dav/from/", server, to, "fast.test"))
    assert_match(%r{\AHTTP/1\.1 405 }, ask("MKCOL", "/dav/to/", server, "", "fast.test"))
  end

  def test_multi_views_are_the_same_with_high_performance
    %w[views.test fast-views.test].each do |site|
      assert_equal "terms", client(site).get("/terms").body, site
      %w[/news /news/5 /blog].each do |path|
        assert_equal "app #{path}", client(site).get(path).body, site
      end
    end
  end

  def test_a_handler_that_a_module_chooses_in_a_hook_is_not_the_applications
    %w[lua.test fast-lua.test].each do |site|
      %w[/early /typed /typed-alone /late].each do |path|
        assert_match(/Server Status/, client(site).get(path).body, site + path)
      end
      %w[/x /x.status].each { |path| assert_equal "app", client(site).get(path).body, site + path }
    end
  end

  # The answer 200 would make a tunnel of the connection for a balancer in front of httpd.
  def test_a_request_for_a_tunnel_does_not_reach_the_application
    %w[handlers.test fast.test below.test].each do |site|
      assert_match(%r{\AHTTP/1\.1 405 }, ask("CONNECT", "#{site}:80", server, "", site))
    end
  end

  # A name with a handler alone is no script.
  def test_a_script_that_is_missing_is_not_the_applications
    %w[/scripts/nope /scripts/x.cgi].each { |path| assert_status 404, client.get(path) }
    refute_match(/app/, client.get("/scripts/").body)
    assert_equal "app GET", client.get("/nope.cgi").body
  end

  LONG = "x" * 256

  # httpd alone refuses such names. mod_dav must not see the folder above instead of the file.
  def test_a_name_that_is_too_long_never_means_the_folder_above_it
    server.configuration.sites[1..6].each do |site|
      folder = make_dav_folders(site)
      requests_with_long_names.each do |method, path, to|
        to &&= "Destination: http://#{site.name}:#{server.port}#{to}\r\n"
        answer = ask(method, path, server, to.to_s, site.name)
        assert_match(%r{\AHTTP/1\.1 403 }, answer, "#{site.name} #{method} #{path} #{to}")
      end
      assert_equal %w[files files/kept other other/kept],
                   Dir.glob("{files,other}{,/*}", base: folder).sort
    end
  end

  # A client for which httpd is told to speak HTTP/1.0.
  def test_an_answer_to_a_downgraded_client_has_no_chunks
    made = configuration do |one|
      one.site("old.test", SampleApps.written("run proc { [200, {}, %w[abc def].each] }"),
               "SetEnvIf User-Agent old downgrade-1.0 force-response-1.0\n")
    end
    with_server(made) do |server|
      text = ask("GET", "/", server, "User-Agent: old\r\nTE: trailers\r\n")
      assert_match(%r{\AHTTP/1\.0 200 .*\r\n\r\nabcdef\z}m, text)
      refute_match(/^Transfer-Encoding/, text)
    end
  end

  private

  def requests_with_long_names
    ["", "/", "/more"].flat_map do |rest|
      [["DELETE", "/files/#{LONG}#{rest}"], ["MKCOL", "/files/#{LONG}#{rest}"],
       ["COPY", "/files/", "/other/#{LONG}#{rest}"], ["MOVE", "/files/", "/other/#{LONG}#{rest}"],
       ["COPY", "/files/kept", "/other/#{LONG}#{rest}"],
       ["MOVE", "/files/kept", "/other/#{LONG}#{rest}"]]
    end
  end

  def make_dav_folders(site)
    folder = File.join(site.root, "public")
    %w[files other].each do |name|
      FileUtils.mkdir_p(File.join(folder, name))
      File.write(File.join(folder, name, "kept"), "kept")
    end
    TestEnvironment.hand_over(folder)
  end

  def ask(method, path, of = server, more = "", name = of.configuration.sites.first.name)
    socket = TCPSocket.new("127.0.0.1", of.port)
    socket.write("#{method} #{path} HTTP/1.1\r\nHost: #{name}\r\n#{more}" \
                 "Content-Length: 0\r\nConnection: close\r\n\r\n")
    socket.read
  ensure
    socket&.close
  end
end
