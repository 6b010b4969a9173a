# frozen_string_literal: true

require "base64"
require "digest"
require "json"
require "zlib"
require_relative "support/integration_test"

# httpd's other modules treat applications like files.
class NeighboursTest < IntegrationTest
  SEES = <<~RUBY
    require "json"
    at_load = ENV.to_h
    run proc { |env|
      seen = env.select { |_, value| value.is_a?(String) }.merge("at_load" => at_load)
      missing = env["PATH_INFO"].start_with?("/missing")
      status = missing ? 404 : Integer(env.fetch("REDIRECT_STATUS", "200"))
      [status, { "Content-Type" => "application/json" }, [JSON.generate(seen)]]
    }
  RUBY
  MODULES = %w[authn_core authn_file auth_basic authz_user authz_host access_compat filter deflate
               expires remoteip proxy
               proxy_http autoindex].freeze

  def self.app
    @app ||= SampleApps.written(SEES).tap do |folder|
      public_folder = File.join(folder, "public")
      folders = %w[docs list shut posts hidden kept/album]
      FileUtils.mkdir_p(folders.map { |name| File.join(public_folder, name) })
      { "file.txt" => "a file\n", "docs/index.html" => "index of docs\n",
        "list/entry.txt" => "an entry\n",
        "shut/file.txt" => "shut\n", "posts.html" => "cached posts\n",
        "posts/1.html" => "cached post\n",
        "former.html" => "another page\n", "kept/journal.html" => "kept journal\n",
        "kept/album/index.html" => "kept album\n", "guarded.html" => "guarded\n",
        "denied.html" => "a page for those who are denied\n",
        ".htaccess" => "RewriteEngine on\nRewriteRule ^hta/(.*)$ /by-hta/$1 [QSA]\n" \
                       "SetEnv HTA yes\n" }
        .each { |name, text| File.write(File.join(public_folder, name), text) }
      TestEnvironment.hand_over(folder)
    end
  end

  serve do |made|
    made.main_directives << MODULES.map do |name|
      "LoadModule #{name}_module \"#{TestEnvironment.modules_dir}/mod_#{name}.so\"\n"
    end.join
    users = File.join(SampleApps.new_folder, "users")
    File.write(users, "ann:{SHA}#{Base64.strict_encode64(Digest::SHA1.digest('secret'))}\n")
    folder = "#{app}/public"
    login = "AuthType Basic\nAuthName x\nAuthUserFile #{users}\nRequire valid-user\n"
    made.site("rewrite.test", app, <<~CONF)
      RewriteEngine on
      RewriteRule ^/old/(.*)$ /new/$1 [PT]
      RewriteRule ^/query/(.*)$ /new?id=$1 [PT,QSA]
      RewriteRule ^/stays/(.*)$ /elsewhere/$1
      RewriteRule ^/gone$ - [G]
      RewriteRule ^/moved$ /target [R=301]
      RewriteRule ^/as-file$ /file.txt
      RewriteRule ^/(?:journal|former)$ /kept/journal
      RewriteRule ^/(?:shut-)?album$ /kept/album
      <Location /shut-album/index.html>
        Require all denied
      </Location>
      RewriteRule ^/guarded\\.html$ /guard [PT]
      RewriteRule ^/marked - [E=MARK:yes]
      RewriteRule ^/backend/(.*)$ http://127.0.0.1:%{SERVER_PORT}/$1 [P]
      RewriteCond %{HTTP_HOST} ^127
      RewriteRule ^ /behind%{REQUEST_URI} [PT]
      ErrorDocument 410 /gone-page
    CONF
    made.site("directory.test", app, <<~CONF)
      <Directory "#{folder}">
        RewriteEngine on
        RewriteRule ^old/(.*)$ /new/$1?b=2 [QSA]
        RewriteRule ^outside$ http://example.test/x [R=302]
        RewriteRule ^forbidden - [F]
        RewriteCond %{REQUEST_FILENAME} !-f
        RewriteRule ^front/(.*)$ /controller/$1 [END]
      </Directory>
    CONF
    override = "<Directory \"#{folder}\">\n  AllowOverride All\n</Directory>\n"
    made.site("htaccess.test", app, override)
    made.site("fast.test", app, <<~CONF)
      #{override}
      PassengerHighPerformance on
      DirectoryIndex index.html
      <Directory "#{folder}/shut">
        Require all denied
      </Directory>
      <Location "/placed">
        #{login}
      </Location>
    CONF
    made.site("part-fast.test", app,
              "#{override}<Location /fast>\n  PassengerHighPerformance on\n</Location>\n")
    made.site("folders.test", app, <<~CONF)
      DirectoryIndex index.html
      <Directory "#{folder}">
        Options +Indexes
      </Directory>
      <Location "/list/">
        PassengerEnabled off
      </Location>
      Alias /aliased "#{folder}/list"
      Redirect /redirected /target
    CONF
    made.site("login.test", app, <<~CONF)
      <Location "/">
        #{login}
      </Location>
      <Location "/either">
        Order deny,allow
        Allow from 127.0.0.1
        Satisfy Any
      </Location>
      <Location "/open">
        AuthType None
        Require all granted
      </Location>
      ErrorDocument 401 /open/login
    CONF
    # The pages are in the place that asks for the password.
    { "inside.test" => "", "unreadable.test" => "AuthUserFile #{users}-nowhere\n" }
      .each do |site, change|
        made.site(site, app, <<~CONF)
          PassengerErrorOverride on
          <Location "/">
            #{login}#{change}
            RewriteEngine on
            RewriteRule gone$ - [G]
          </Location>
          ErrorDocument 401 /told
          ErrorDocument 404 /told
          ErrorDocument 410 /told
          ErrorDocument 500 /told
        CONF
      end
    made.site("filters.test", app, <<~CONF)
      SetOutputFilter DEFLATE
      ExpiresActive on
      ExpiresDefault "access plus 1 hour"
      Header set X-Set yes
      Header unset X-Powered-By
      RequestHeader set X-Asked yes
      RequestHeader unset X-Secret
      RemoteIPHeader X-Client
      RemoteIPInternalProxy 127.0.0.1
      ProxyPass /dead http://127.0.0.1:1/
    CONF
    made.site("early.test", app, <<~CONF)
      RequestHeader set X-Asked yes early
      RequestHeader unset X-Secret early
      RequestHeader set X-Sendfile-Type X-Sendfile early
      RequestHeader set X-Accel-Limit-Rate 7 early
      RequestHeader unset X-Accel-Charset early
      RequestHeader add X-Accel-Expires ours early
      RequestHeader append X-Asked twice
      RequestHeader append X-Sendfile-Type twice
    CONF
    made.site("errors.test", app, <<~CONF)
      ErrorDocument 403 /denied.html
      ErrorDocument 404 "httpd's own 404"
      <Location "/closed">
        Require all denied
      </Location>
      <Location "/shut-out">
        Require all denied
        ErrorDocument 403 /told?by=app
      </Location>
      <Location "/plain/">
        PassengerEnabled off
      </Location>
    CONF
    made.site("environment.test", app, <<~CONF)
      SetEnv SAMPLE set
      SetEnvIf Request_URI "^/blue" COLOUR=blue
      SetEnvIf X-Version "(.*)" VERSION_OF_CLIENT=$1
      PassEnv PATH
      PassengerAppGroupName neighbours-environment
    CONF
  end

  def test_rewriting_in_the_server_is_what_the_application_sees
    assert_equal ["/new/a%20b", "/new/a%20b?c=d"],
                 see("/old/a%20b?c=d", "rewrite.test").values_at("PATH_INFO", "REQUEST_URI")
    assert_equal ["/new", "/new?id=7&c=d"],
                 see("/query/7?c=d", "rewrite.test").values_at("PATH_INFO", "REQUEST_URI")
    assert_equal "yes", see("/marked", "rewrite.test")["MARK"]
  end

  def test_a_rewritten_file_name_alone_leaves_the_url
    assert_equal "/stays/x", see("/stays/x", "rewrite.test")["PATH_INFO"]
    assert_equal "a file\n", get("/as-file", "rewrite.test").body
  end

  def test_rewriting_may_redirect_and_refuse
    assert_equal "http://rewrite.test:#{server.port}/target",
                 assert_status(301, get("/moved", "rewrite.test"))["Location"]
    assert_equal "http://example.test/x",
                 assert_status(302, get("/outside", "directory.test"))["Location"]
    assert_status 403, get("/forbidden", "directory.test")
  end

  def test_rewriting_may_proxy
    seen = see("/backend/x", "rewrite.test")
    assert_equal ["/behind/x", "127.0.0.1"], seen.values_at("PATH_INFO", "HTTP_X_FORWARDED_FOR")
  end

  def test_rewriting_in_a_directory_section_is_what_the_application_sees
    assert_equal ["/new/a%20b", "b=2&c=d", "/new/a%20b?b=2&c=d"],
                 see("/old/a%20b?c=d", "directory.test")
                   .values_at("PATH_INFO", "QUERY_STRING", "REQUEST_URI")
    assert_equal "/controller/x/y", see("/front/x/y", "directory.test")["PATH_INFO"]
  end

  def test_rewriting_in_an_htaccess_file_is_what_the_application_sees
    seen = see("/hta/x%20y?c=d", "htaccess.test")
    assert_equal ["/by-hta/x%20y", "/by-hta/x%20y?c=d", "yes"],
                 seen.values_at("PATH_INFO", "REQUEST_URI", "HTA")
  end

  def test_high_performance_means_no_htaccess_file_and_no_directory_section
    assert_equal ["/hta/x", nil], see("/hta/x", "fast.test").values_at("PATH_INFO", "HTA")
    assert_equal "/shut/x", see("/shut/x", "fast.test")["PATH_INFO"]
    assert_equal "/list/", see("/list/", "fast.test")["PATH_INFO"]
  end

  def test_high_performance_leaves_files_and_cached_pages_as_they_are
    assert_equal "a file\n", get("/file.txt", "fast.test").body
    assert_equal "cached posts\n", get("/posts", "fast.test").body
    assert_equal "index of docs\n", get("/docs/", "fast.test").body
    assert_status 403, get("/shut/file.txt", "fast.test")
  end

  def test_high_performance_leaves_location_sections_as_they_are
    assert_status 401, get("/placed/x", "fast.test")
    assert_equal "ann", see("/placed/x", "fast.test", login)["REMOTE_USER"]
  end

  def test_high_performance_may_be_for_a_location_alone
    assert_equal "/by-hta/x", see("/hta/x", "part-fast.test")["PATH_INFO"]
    assert_nil see("/fast/x", "part-fast.test")["HTA"]
    assert_equal "yes", see("/slow/x", "part-fast.test")["HTA"]
  end

  def test_a_folders_index_is_served_and_a_folder_without_one_is_the_applications
    assert_equal "index of docs\n", get("/docs/", "folders.test").body
    assert_equal "/hidden/", see("/hidden/", "folders.test")["PATH_INFO"]
    assert_equal "/hidden", see("/hidden", "folders.test")["PATH_INFO"]
  end

  def test_folders_are_listed_where_there_is_no_application
    assert_includes get("/list/", "folders.test").body, "entry.txt"
  end

  def test_aliases_and_redirects_come_first
    assert_equal "an entry\n", get("/aliased/entry.txt", "folders.test").body
    assert_equal "/aliased/x", see("/aliased/x", "folders.test")["PATH_INFO"]
    assert_match(%r{/target\z}, assert_status(302, get("/redirected", "folders.test"))["Location"])
  end

  def test_httpd_asks_for_a_password
    assert_equal "Basic realm=\"x\"",
                 assert_status(401, get("/x", "login.test"))["WWW-Authenticate"]
    seen = see("/x", "login.test", login)
    assert_equal %w[ann Basic], seen.values_at("REMOTE_USER", "AUTH_TYPE")
    assert_status 401, get("/x", "login.test", login("wrong"))
  end

  def test_the_page_for_unauthorized_clients_may_be_the_applications
    body = assert_status(401, get("/x", "login.test")).body
    assert_equal ["/open/login", "401"], JSON.parse(body).values_at("PATH_INFO", "REDIRECT_STATUS")
  end

  # mod_auth_basic has the name before it looks at the password.
  def test_an_error_page_gets_no_name_that_httpd_has_not_verified
    { "inside.test" => 401, "unreadable.test" => 500 }.each do |site, status|
      answer = assert_status(status, get("/x", site, login("wrong")))
      assert_equal ["/told", "/x", nil, nil],
                   JSON.parse(answer.body)
                       .values_at("PATH_INFO", "REDIRECT_URL", "REMOTE_USER", "AUTH_TYPE")
    end
  end

  def test_an_error_page_gets_the_name_that_httpd_has_verified
    { "/missing" => 404, "/gone" => 410 }.each do |path, status|
      answer = assert_status(status, get(path, "inside.test", login))
      assert_equal ["/told", path, "ann", "Basic"],
                   JSON.parse(answer.body)
                       .values_at("PATH_INFO", "REDIRECT_URL", "REMOTE_USER", "AUTH_TYPE")
    end
  end

  def test_satisfy_any_lets_in_by_address
    assert_nil see("/either/x", "login.test")["REMOTE_USER"]
  end

  def test_filters_work_on_answers
    response = get("/x", "filters.test", "Accept-Encoding" => "gzip")
    assert_equal "gzip", response["Content-Encoding"]
    assert_equal "/x", JSON.parse(Zlib.gunzip(response.body))["PATH_INFO"]
    assert_equal ["yes", nil, "max-age=3600"],
                 %w[X-Set X-Powered-By Cache-Control].map { |name| response[name] }
  end

  def test_headers_and_addresses_of_requests_are_as_httpd_makes_them
    seen = see("/x", "filters.test", "X-Client" => "192.0.2.7", "X-Secret" => "no")
    assert_equal ["192.0.2.7", "yes", nil],
                 seen.values_at("REMOTE_ADDR", "HTTP_X_ASKED", "HTTP_X_SECRET")
  end

  def test_early_headers_reach_the_application_and_a_clients_forged_ones_do_not
    forged = %w[X-Sendfile-Type X-Accel-Limit-Rate X-Accel-Charset X-Accel-Expires
                X-Accel-Mapping].to_h { |name| [name, "forged"] }
    [{}, forged].each do |sent|
      seen = see("/x", "early.test", sent.merge("X-Asked" => "no", "X-Secret" => "no"))
      expected = { "X_ASKED" => "yes, twice", "X_SENDFILE_TYPE" => "X-Sendfile, twice",
                   "X_ACCEL_LIMIT_RATE" => "7", "X_ACCEL_EXPIRES" => "ours" }
      assert_equal(expected.transform_keys { |name| "HTTP_#{name}" },
                   seen.select { |name, _| name.match?(/\AHTTP_X_/) })
    end
  end

  def test_proxied_paths_do_not_reach_the_application
    assert_status 503, get("/dead/x", "filters.test")
  end

  def test_httpds_errors_have_its_error_documents_and_the_applications_its_own
    assert_equal "a page for those who are denied\n",
                 assert_status(403, get("/closed", "errors.test")).body
    assert_equal "httpd's own 404", assert_status(404, get("/plain/x", "errors.test")).body
    answer = assert_status(404, get("/missing", "errors.test"))
    assert_equal "/missing", JSON.parse(answer.body)["PATH_INFO"]
  end

  def test_an_error_document_may_be_the_applications
    seen = JSON.parse(assert_status(403, get("/shut-out/x", "errors.test")).body)
    assert_equal ["/told", "by=app", "/shut-out/x", "403"],
                 seen.values_at("PATH_INFO", "QUERY_STRING", "REDIRECT_URL", "REDIRECT_STATUS")
    assert_equal "/gone-page",
                 JSON.parse(assert_status(410, get("/gone", "rewrite.test")).body)["PATH_INFO"]
  end

  def test_variables_are_in_the_request_and_in_the_process
    seen = see("/blue", "environment.test", "X-Version" => "7")
    assert_equal %w[set blue 7], seen.values_at("SAMPLE", "COLOUR", "VERSION_OF_CLIENT")
    assert_equal "set", seen["at_load"]["SAMPLE"]
    refute_nil seen["PATH"]
    assert_nil see("/red", "environment.test")["COLOUR"]
  end

  def test_a_cached_page_is_served_although_there_is_a_folder_of_that_name
    assert_equal "cached posts\n", assert_status(200, get("/posts", "folders.test")).body
    assert_equal "cached posts\n", get("/posts?page=1", "folders.test").body
    assert_equal "cached post\n", get("/posts/1", "folders.test").body
    assert_equal "/posts/", see("/posts/", "folders.test")["PATH_INFO"]
  end

  def test_no_page_is_served_whose_own_url_leads_elsewhere
    %w[/journal /former /album /shut-album /guarded].each do |path|
      assert_equal path, see(path, "rewrite.test")["PATH_INFO"]
    end
  end

  def test_a_folders_index_is_its_cached_page_without_a_redirect
    %w[folders.test fast.test].each do |site|
      ["/docs", "/docs?page=1", "/docs/"].each do |path|
        assert_equal "index of docs\n", assert_status(200, get(path, site)).body
      end
      assert_equal "14", assert_status(200, client(site).head("/docs"))["Content-Length"]
      assert_equal ["POST", "/docs"],
                   JSON.parse(client(site).post("/docs").body)
                       .values_at("REQUEST_METHOD", "PATH_INFO")
    end
  end

  def test_only_get_and_head_have_cached_pages
    raw = server.raw("folders.test")
    head = raw.request("HEAD", "/posts").response(head: true)
    assert_equal ["13", "text/html"], [head["Content-Length"], head["Content-Type"]]
    %w[POST PUT DELETE OPTIONS].each do |method|
      response = raw.request(method, "/posts", "Content-Length" => "0").response
      assert_equal method, JSON.parse(response.body)["REQUEST_METHOD"]
    end
  ensure
    raw&.close
  end

  def test_files_and_cached_pages_have_httpds_tags_and_ranges
    %w[/file.txt /posts].each do |path|
      whole = get(path, "folders.test")
      assert_status 304, get(path, "folders.test", "If-None-Match" => whole["ETag"])
      assert_status 304, get(path, "folders.test", "If-Modified-Since" => whole["Last-Modified"])
      part = assert_status(206, get(path, "folders.test", "Range" => "bytes=2-4"))
      assert_equal whole.body[2..4], part.body
    end
  end

  private

  def login(password = "secret")
    { "Authorization" => "Basic #{Base64.strict_encode64("ann:#{password}")}" }
  end

  def get(path, site, headers = {})
    client(site).get(path, headers)
  end

  def see(path, site, headers = {})
    JSON.parse(assert_status(200, get(path, site, headers)).body)
  end
end
