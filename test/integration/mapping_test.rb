# frozen_string_literal: true

require_relative "support/integration_test"

# Which application answers, and the path it sees: base URIs, aliases, Location sections, the
# document root of each request.
class MappingTest < IntegrationTest
  WSGI = <<~PYTHON
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        names = ("SCRIPT_NAME", "PATH_INFO", "REQUEST_URI", "CONTENT_TYPE")
        return [("wsgi|%s" % "|".join(str(environ.get(name)) for name in names)).encode()]
  PYTHON

  # "name|SCRIPT_NAME|PATH_INFO|REQUEST_URI|the path that Rails gets"
  def self.says(name)
    SampleApps.written(<<~RUBY)
      run proc { |env|
        parts = ["#{name}", *env.values_at("SCRIPT_NAME", "PATH_INFO", "REQUEST_URI"),
                 *ENV.values_at(*%w[RAILS_RELATIVE_URL_ROOT PASSENGER_BASE_URI RACK_BASE_URI])
                     .uniq]
        [200, { "Content-Type" => "text/plain" }, [parts.join("|")]]
      }
    RUBY
  end

  def self.apps
    @apps ||= %w[main sub nested alias located public_link vhost other indexed
                 indexed_sub].to_h { |name| [name, says(name)] }
  end

  def self.link(target, *path)
    File.symlink(target, File.join(*path))
  end

  serve do |made|
    main = apps["main"]
    link("#{apps['sub']}/public", main, "public/sub")
    link("#{apps['nested']}/public", apps["sub"], "public/nested")
    link("../../#{File.basename(apps['other'])}/public", main, "public/relative")
    File.write(File.join(apps["sub"], "public/file.txt"), "sub's file\n")
    File.write(File.join(apps["sub"], "public/cached.html"), "cached\n")
    made.site("base.test", main, <<~CONF)
      PassengerBaseURI /sub/nested
      RailsBaseURI /sub
      RackBaseURI /relative/
      PassengerBaseURI /missing
    CONF
    made.site("alias.test", main, <<~CONF)
      Alias /bar/below #{apps['other']}/public
      Alias /found/below #{apps['other']}/public
      Alias /bar #{apps['alias']}/public
      <Location /bar>
        PassengerBaseURI /bar
        PassengerAppRoot #{apps['alias']}
      </Location>
      Alias /found #{apps['other']}/public
      PassengerBaseURI /found
      Alias /plain #{apps['other']}/public
      <Location /located>
        PassengerAppRoot #{apps['located']}
      </Location>
    CONF
    indexed(made)
    wsgi(made)
    links(made)
    virtual_roots(made)
  end

  # Applications whose root has a cached page.
  def self.indexed(made)
    link("#{apps['indexed_sub']}/public", apps["indexed"], "public/sub")
    { "indexed" => "main's index\n", "indexed_sub" => "sub's index\n" }.each do |name, text|
      File.write(File.join(apps[name], "public/index.html"), text)
    end
    made.site("indexed.test", apps["indexed"], "PassengerBaseURI /sub\n")
    # A test makes these folders.
    @late = SampleApps.new_folder
    made.site("late.test", "#{@late}/app")
    made.site("late-root.test", apps["main"], "PassengerAppRoot #{@late}/other\n")
  end

  def self.late
    server && @late
  end

  def self.wsgi(made)
    wsgi = SampleApps.new_folder
    FileUtils.mkdir_p("#{wsgi}/public")
    File.write("#{wsgi}/passenger_wsgi.py", WSGI)
    http = SampleApps.copy("http_app")
    folder = SampleApps.new_folder
    FileUtils.mkdir_p("#{folder}/public")
    link("#{wsgi}/public", folder, "public/wsgi")
    link("#{http}/public", folder, "public/http")
    TestEnvironment.hand_over(wsgi)
    made.site("http.test", folder, <<~CONF)
      PassengerBaseURI /wsgi
      PassengerBaseURI /http
      PassengerMaxInstances 1
      <Location /http>
        PassengerAppStartCommand "#{RbConfig.ruby} server.rb"
      </Location>
    CONF
  end

  def self.links(made)
    folder = SampleApps.new_folder
    link("#{apps['public_link']}/public", folder, "html")
    made.site("unresolved.test", folder, "", document_root: "#{folder}/html")
    made.site("resolved.test", folder, "PassengerResolveSymlinksInDocumentRoot on\n",
              document_root: "#{folder}/html")
  end

  def self.virtual_roots(made)
    folder = SampleApps.new_folder
    %w[one two].each do |name|
      link(apps[name == "one" ? "vhost" : "other"], folder, name)
    end
    made.main_directives << "LoadModule vhost_alias_module " \
                            "\"#{TestEnvironment.modules_dir}/mod_vhost_alias.so\"\n"
    made.site("virtual.test", folder, "ServerAlias *.virtual.test\nUseCanonicalName Off\n" \
                                      "VirtualDocumentRoot #{folder}/%1/public\n")
  end

  def test_the_application_beside_the_document_root_answers_outside_of_base_uris
    assert_equal "main||/|/|", get("/")
    assert_equal "main||/submarine|/submarine|", get("/submarine")
    assert_equal "main||/other/sub|/other/sub|", get("/other/sub")
  end

  def test_a_base_uri_is_the_application_behind_the_link
    assert_equal "sub|/sub|/|/sub|/sub", get("/sub")
    assert_equal "sub|/sub|/|/sub/|/sub", get("/sub/")
    assert_equal "sub|/sub|/a%20b/c|/sub/a%20b/c?q=1|/sub", get("/sub/a%20b/c?q=1")
  end

  def test_the_longest_base_uri_wins
    assert_equal "nested|/sub/nested|/x|/sub/nested/x|/sub/nested", get("/sub/nested/x")
    assert_equal "sub|/sub|/nestedly|/sub/nestedly|/sub", get("/sub/nestedly")
  end

  def test_a_relative_link_and_a_slash_at_the_end_of_a_base_uri_mean_the_same
    assert_equal "other|/relative|/x|/relative/x|/relative", get("/relative/x")
  end

  def test_files_and_cached_pages_below_a_base_uri_are_httpds
    response = assert_status(200, client.get("/sub/file.txt"))
    assert_equal "sub's file\n", response.body
    refute_nil response["ETag"]
    assert_equal "cached\n", get("/sub/cached")
  end

  def test_a_root_and_a_base_uri_may_have_cached_pages
    assert_equal "main's index\n", get("/", "indexed.test")
    %w[/sub /sub/ /sub?a=b].each { |path| assert_equal "sub's index\n", get(path, "indexed.test") }
    raw = server.raw("indexed.test")
    assert_equal "indexed_sub|/sub|/|/sub|/sub",
                 raw.request("POST", "/sub", "Content-Length" => "0").response.body
    assert_equal "indexed||/|/|", raw.request("POST", "/", "Content-Length" => "0").response.body
  ensure
    raw&.close
  end

  def test_an_application_may_appear_while_httpd_runs
    late = self.class.late
    assert_status 404, client("late.test").get("/x")
    assert_status [404, 500, 502, 503], client("late-root.test").get("/x")
    %w[app other].each do |name|
      FileUtils.cp_r(self.class.says(name), File.join(late, name), preserve: true)
    end
    # httpd's child remembers for a second that a file is missing.
    assert_equal "app||/x|/x|", eventually("the application") { found("late.test") }
    assert_equal "other||/x|/x|", eventually("the other one") { found("late-root.test") }
  end

  def test_a_base_uri_without_an_application_is_httpds
    assert_status 404, client.get("/missing/x")
  end

  def test_a_base_uri_is_found_however_it_is_written
    assert_equal "sub|/sub|/x|/%73ub/x|/sub", get("/%73ub/x")
    assert_equal "main||/SUB|/SUB|", get("/SUB")
  end

  def test_an_alias_with_a_base_uri_and_an_application_root_is_the_application_there
    assert_equal "alias|/bar|/x|/bar/x|/bar", get("/bar/x", "alias.test")
    assert_equal "alias|/bar|/|/bar|/bar", get("/bar", "alias.test")
    assert_equal "main||/barely|/barely|", get("/barely", "alias.test")
  end

  def test_an_alias_with_a_base_uri_needs_no_application_root
    assert_equal "other|/found|/x|/found/x|/found", get("/found/x", "alias.test")
  end

  def test_an_alias_below_an_alias_needs_an_application_root
    assert_status 404, client("alias.test").get("/found/below/x")
    assert_equal "alias|/bar|/below/x|/bar/below/x|/bar", get("/bar/below/x", "alias.test")
  end

  def test_an_alias_alone_belongs_to_the_application_of_its_virtual_host
    assert_equal "main||/plain/x|/plain/x|", get("/plain/x", "alias.test")
  end

  def test_a_location_can_name_another_application
    assert_equal "located||/located/x|/located/x|", get("/located/x", "alias.test")
  end

  def test_wsgi_applications_get_script_name_and_path_info
    assert_equal "wsgi|/wsgi|/x y|/wsgi/x%20y?a=b|None", get("/wsgi/x%20y?a=b", "http.test")
  end

  def test_applications_that_speak_http_get_the_whole_path_and_passenger_base_uri
    assert_equal "GET /http/head HTTP/1.1", get("/http/head", "http.test").lines.first.chomp
    assert_includes get("/http/env", "http.test").lines, "PASSENGER_BASE_URI=/http\n"
  end

  def test_a_document_root_that_is_a_link_is_resolved_if_configured
    assert_status 404, client("unresolved.test").get("/x")
    assert_equal "public_link||/x|/x|", get("/x", "resolved.test")
  end

  def test_a_virtual_document_root_is_each_requests_own
    assert_equal "vhost||/x|/x|", get("/x", "one.virtual.test")
    assert_equal "other||/x|/x|", get("/x", "two.virtual.test")
    assert_status 404, client("three.virtual.test").get("/x")
  end

  private

  # The application's answer, or nil while there is no application.
  def found(site)
    response = client(site).get("/x")
    response.body if response.code == "200"
  end

  def get(path, site = "base.test")
    assert_status(200, client(site).get(path)).body
  end
end
