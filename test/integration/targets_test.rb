# frozen_string_literal: true

require_relative "support/integration_test"

# Odd request targets: encoded bytes, paths that leave a folder, targets that are no path. The
# application sees the path that httpd has checked. httpd serves no file outside of `public`.
class TargetsTest < IntegrationTest
  SEES = <<~RUBY
    run proc { |env|
      seen = env.values_at("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING",
                           "REQUEST_URI", "HTTP_HOST")
      [200, { "Content-Type" => "text/plain" }, [seen.join("|").b]]
    }
  RUBY

  # The bytes of their paths, as Rack has them.
  WSGI = <<~PYTHON
    def application(environ, start_response):
        names = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return ["|".join(environ[name] for name in names).encode("latin-1")]
  PYTHON
  ASGI = <<~PYTHON
    async def application(scope, receive, send):
        if scope["type"] == "http":
            path = scope["path"][len(scope["root_path"]):]
            seen = [scope["method"], scope["root_path"], path, "", scope["raw_path"].decode()]
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": "|".join(seen).encode()})
  PYTHON
  SITES = %w[refused decoded passed kept kept-off unmerged].freeze

  def self.app
    @app ||= SampleApps.written(SEES).tap do |folder|
      FileUtils.mkdir_p("#{folder}/public/assets")
      File.write("#{folder}/public/file.txt", "in public\n")
      File.write("#{folder}/public/assets/style.css", "in assets\n")
      File.write("#{folder}/secret.txt", "outside\n")
      File.write("#{folder}/secret.html", "outside\n")
    end
  end

  serve do |made|
    sites_of(made, app, "test")
    sites_of(made, python_app("passenger_wsgi.py", WSGI), "wsgi.test")
    sites_of(made, python_app("passenger_asgi.py", ASGI), "asgi.test")
    made.site("sub.test", nested,
              "PassengerBaseURI /sub\nAllowEncodedSlashes On\nPassengerAllowEncodedSlashes on\n")
  end

  def self.sites_of(made, app, domain)
    passed = "PassengerAllowEncodedSlashes on\n"
    { "refused" => "", "decoded" => "AllowEncodedSlashes On\n",
      "passed" => "AllowEncodedSlashes On\n#{passed}",
      "kept" => "AllowEncodedSlashes NoDecode\n#{passed}",
      "kept-off" => "AllowEncodedSlashes NoDecode\n", "unmerged" => "MergeSlashes Off\n" }
      .each do |name, lines|
        denied = "<Location /admin>\n  Require all denied\n</Location>\n"
        made.site("#{name}.#{domain}", app, "#{lines}#{denied}")
      end
  end

  def self.python_app(name, text)
    SampleApps.new_folder.tap do |folder|
      FileUtils.mkdir_p("#{folder}/public")
      File.write("#{folder}/#{name}", text)
    end
  end

  def self.nested
    SampleApps.new_folder.tap do |folder|
      FileUtils.mkdir_p("#{folder}/public")
      File.symlink("#{app}/public", "#{folder}/public/sub")
    end
  end

  OUTSIDE = %w[
    /../secret.txt /assets/../../secret.txt /%2e%2e/secret.txt /assets/%2e%2e/%2e%2e/secret.txt
    /..%2fsecret.txt
    /assets/..%2f..%2fsecret.txt /%2e%2e%2fsecret.txt /..%5csecret.txt /%252e%252e/secret.txt
    /....//secret.txt
    //../secret.txt /./../secret.txt /;/../../secret.txt /..;/secret.txt /assets/..;/..;/secret.txt
    /%c0%ae%c0%ae/secret.txt
    /..%00/secret.txt /%2e%2e/secret /../secret /..%2fsecret /assets/..%2f..%2fsecret
  ].freeze

  SITES.each do |site|
    define_method("test_only_public_is_served_where_slashes_are_#{site.tr('-', '_')}") do
      OUTSIDE.each do |target|
        response = send_target(target, "#{site}.test")
        refute_includes response.body, "outside", target
        assert_includes [200, 400, 403, 404], response.status, target
        refute_match(%r{/\.\./|\|/\.\.(/|\z)}, response.body, target) if response.status == 200
      end
    end

  end

  SITES.product(%w[test wsgi.test asgi.test]).each do |name, domain|
    site = "#{name}.#{domain}"
    define_method("test_no_encoding_evades_an_access_rule_of_#{site.tr('.-', '_')}") do
      %w[/admin /%61dmin /x/../admin /x/%2e%2e/admin //admin /./admin /admin/ /admin/x /x%2f../admin
         /x%2f%2e%2e/admin
         /admin%2fx /%2fadmin /admin%2F /admin%2Fx /admin%252Fx].each do |target|
        response = send_target(target, site)
        next assert_includes [400, 403, 404], response.status unless response.status == 200

        # httpd has let it pass as another path; the application must see that path, too.
        refute_match(%r{\|/+admin(/|\||\z)}, response.body, "#{site}: #{target}")
        refute_match(%r{/\.\.(/|\||\z)}, response.body, "#{site}: #{target}")
      end
    end
  end

  def test_a_path_is_as_the_client_wrote_it
    %w[/a%20b /%E2%82%AC /a;b=c /a+b /a%2Bb /~user /%7Euser /a%25b /a%3Fb%23c /a%5B%5D
       /@x:y,z=!$&'()* /%FF%FE /a.b/.c].each do |path|
      assert_equal ["", path, path], seen(path).values_at(1, 2, 4), path
    end
  end

  def test_the_application_sees_the_path_that_httpd_has_resolved
    { "/x/../y" => "/y", "/x/./y" => "/x/y", "//x///y" => "/x/y", "/x/%2e%2e/y" => "/y",
      "/x/.%2e/" => "/" }
      .each { |target, path| assert_equal [path, path], seen(target).values_at(2, 4), target }
    assert_equal "/x///y", seen("/x///y", "unmerged.test")[2]
  end

  def test_bytes_that_are_no_characters_reach_the_application_encoded
    assert_equal ["/%FF%C3", "/%FF%C3"], seen("/\xFF\xC3".b).values_at(2, 4)
    assert_equal "/a%22%3Cb%3E", seen("/x/../a%22%3cb%3E")[2]
  end

  def test_a_nul_or_a_broken_escape_is_refused
    ["/a%00b", "/%00", "/file.txt%00.html", "/%zz", "/%4", "/%"].each do |target|
      assert_includes [400, 404], send_target(target, "passed.test").status, target
      assert_includes [400, 404], send_target(target, "kept.test").status, target
    end
  end

  def test_a_query_may_hold_anything
    assert_equal ["/x", "a=%00&b=../%2f?&c=%zz", "/x?a=%00&b=../%2f?&c=%zz"],
                 seen("/x?a=%00&b=../%2f?&c=%zz").values_at(2, 3, 4)
  end

  def test_an_encoded_slash_is_httpds_404_by_default
    assert_equal 404, send_target("/a%2Fb", "refused.test").status
  end

  def test_an_encoded_slash_is_a_slash_where_only_httpd_allows_it
    assert_equal ["/a/b", "/a/b"], seen("/a%2Fb", "decoded.test").values_at(2, 4)
  end

  def test_an_encoded_slash_reaches_the_application_where_both_allow_it
    assert_equal ["/a%2Fb", "/a%2Fb?c=%2F"], seen("/a%2Fb?c=%2F", "passed.test").values_at(2, 4)
    assert_equal ["/a%2fb", "/a%2fb"], seen("/a%2fb", "kept.test").values_at(2, 4)
    assert_equal ["/a%2fb", "/a%2fb"], seen("/a%2fb", "kept-off.test").values_at(2, 4)
    assert_equal ["/a%252fb", "/a%252fb"], seen("/a%252fb", "kept.test").values_at(2, 4)
    assert_equal ["/sub", "/a%2Fb", "/sub/a%2Fb"], seen("/sub/a%2Fb", "sub.test").values_at(1, 2, 4)
  end

  def test_an_encoded_slash_stays_encoded_for_python
    %w[wsgi asgi].each do |kind|
      { "passed" => "/a%2Fb c", "kept" => "/a%2Fb c", "kept-off" => "/a%2Fb c",
        "decoded" => "/a/b c" }.each do |site, path|
        assert_equal path, seen("/a%2Fb%20c", "#{site}.#{kind}.test")[2], "#{site}, #{kind}"
      end
      assert_equal ["/a%2fb", "/a%252fb"], seen("/a%252fb", "refused.#{kind}.test").values_at(2, 4)
      assert_equal "/\u20ac", seen("/%E2%82%AC", "kept.#{kind}.test")[2].dup.force_encoding("UTF-8")
    end
  end

  def test_an_encoded_slash_may_end_a_base_uri
    assert_equal ["/sub", "%2Fx", "/sub%2Fx"], seen("/sub%2Fx", "sub.test").values_at(1, 2, 4)
  end

  def test_dots_are_resolved_also_where_encoded_slashes_are_passed_on
    assert_equal "/y", seen("/x%2F../y", "decoded.test")[2]
    %w[/a/..%2Fb /a%2F..%2Fb /a/%2e%2e%2Fb].each do |target|
      assert_equal "/b", seen(target, "passed.test")[2], target
    end
  end

  def test_an_absolute_target_is_its_path
    port = server.port
    assert_equal ["/x%20y", "q", "/x%20y?q"],
                 seen("http://refused.test:#{port}/x%20y?q").values_at(2, 3, 4)
    assert_equal "/", seen("http://refused.test:#{port}")[2]
    assert_equal "/b", seen("http://refused.test:#{port}/a/../b")[2]
    # The target's host counts, not the header's (RFC 9112, 3.2.2).
    assert_equal "refused.test:#{port}", seen("http://refused.test:#{port}/x", "decoded.test")[5]
  end

  def test_options_of_the_whole_server_is_httpds_and_of_a_path_the_applications
    response = request("OPTIONS", "*")
    assert_equal 200, response.status
    refute_includes response.body, "OPTIONS"
    assert_equal "OPTIONS||/x||/x", request("OPTIONS", "/x").body.split("|")[0, 5].join("|")
  end

  def test_other_targets_without_a_path_are_refused
    %w[* x ../x].each { |target| assert_includes [400, 404], request("GET", target).status, target }
  end

  private

  def request(method, target, site = "refused.test")
    raw = server.raw(site)
    raw.request(method, target).response
  ensure
    raw&.close
  end

  def send_target(target, site = "refused.test")
    request("GET", target, site)
  end

  def seen(target, site = "refused.test")
    response = send_target(target, site)
    assert_equal 200, response.status, "#{target}: #{response.body}"
    response.body.split("|")
  end
end
