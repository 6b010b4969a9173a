# frozen_string_literal: true

require_relative "support/integration_test"

# Sections of httpd's configuration and .htaccess files hold for requests to an application as they
# hold for files, even if there is no such file.
class SectionsTest < IntegrationTest
  DENIED = "Require all denied"

  serve do |made|
    made.site("app.test", app, <<~CONF)
      <Files "secret">
        #{DENIED}
      </Files>
      <Directory "#{app}/public">
        AllowOverride All
      </Directory>
      <Directory "#{app}/public/shut">
        #{DENIED}
      </Directory>
      <Directory "#{app}/public/*/wild">
        #{DENIED}
      </Directory>
      <Location "/placed">
        Header set X-Placed yes
      </Location>
      <LocationMatch "^/httpds">
        PassengerEnabled off
      </LocationMatch>
    CONF
    conditional_sites(made)
    made.site("partly.test", app, "PassengerEnabled off\n<LocationMatch \"^/apps\">\n" \
                                  "  PassengerEnabled on\n</LocationMatch>\n")
    rootless = SampleApps.written("run proc { |env| [200, {}, [env.fetch('PATH_INFO')]] }")
    Dir.rmdir(File.join(rootless, "public"))
    made.site("rootless.test", rootless,
              "<Directory \"#{rootless}\">\n  #{DENIED}\n</Directory>\n" \
                                         "<Directory \"#{rootless}/public\">\n" \
                                         "  Require all granted\n</Directory>\n")
    made.site("pattern.test", app,
              "<DirectoryMatch \"/hidden$\">\n  #{DENIED}\n</DirectoryMatch>\n")
    made.site("links.test", app,
              "<Directory \"#{app}/public\">\n  Options -FollowSymLinks\n</Directory>\n")
  end

  # With PassengerHighPerformance, in the virtual host and in an <If>.
  def self.conditional_sites(made)
    made.site("fast.test", app, <<~CONF)
      PassengerHighPerformance on
      <Location "/">
        Header add X-Places location
      </Location>
      <If "%{HTTP:X-Off} != ''">
        PassengerEnabled off
      </If>
      <If "%{HTTP:X-Other} != ''">
        PassengerAppRoot "#{SampleApps.written("run proc { [200, {}, ['the other']] }")}"
        Header add X-Places if
      </If>
    CONF
    made.site("at-times-fast.test", app, <<~CONF)
      <Directory "#{app}/public">
        AllowOverride All
      </Directory>
      <If "%{HTTP:X-Fast} != ''">
        PassengerHighPerformance on
      </If>
    CONF
  end

  # One application for all sites, with folders in its `public`.
  def self.app
    @app ||= SampleApps.written("run proc { |env| [200, {}, " \
                                "[env.fetch('PATH_INFO')]] }").tap do |folder|
      %w[shut kept/deeper kept/wild elsewhere].each do |name|
        FileUtils.mkdir_p(File.join(folder, "public", name))
      end
      File.write(File.join(folder, "public/.htaccess"),
                 "RewriteEngine on\nRewriteRule ^old/(.*)$ /new/$1\n")
      File.write(File.join(folder, "public/kept/.htaccess"), "Header set X-Kept yes\n")
      File.write(File.join(folder, "public/file.txt"), "a file\n")
      File.symlink("elsewhere", File.join(folder, "public/link"))
      File.symlink("/nonexistent", File.join(folder, "public/dangling"))
    end
  end

  def test_a_name_that_a_files_section_denies_is_denied_without_such_a_file
    assert_status 403, get("/secret")
    assert_status 403, get("/kept/secret")
    assert_answered_by_the_app "/public"
  end

  def test_httpd_answers_for_impossible_file_names_outside_of_applications
    long = "x" * 256
    assert_answered_by_the_app "/#{long}/more"
    assert_status 403, get("/httpds#{long}")
    assert_status 404, get("/httpds/missing/names")
    assert_status 403, client("partly.test").get("/#{long}")
    assert_equal "/apps#{long}", assert_status(200, client("partly.test").get("/apps#{long}")).body
    assert_equal "/apps/missing/names",
                 assert_status(200, client("partly.test").get("/apps/missing/names")).body
  end

  # httpd's rule: only the first name that does not exist is a file's.
  def test_a_files_section_means_the_first_name_that_does_not_exist
    assert_status 403, get("/secret/more")
    assert_answered_by_the_app "/missing/secret"
  end

  def test_a_directory_section_holds_for_what_does_not_exist_in_it
    assert_status 403, get("/shut/missing")
    assert_status 403, get("/shut/missing/more")
    assert_status 403, get("/shut/")
    assert_status 403, get("/kept/wild/missing")
    assert_answered_by_the_app "/shutter"
  end

  def test_a_directory_pattern_holds_for_a_name_that_does_not_exist
    assert_status 403, get("/hidden", "pattern.test")
    assert_answered_by_the_app "/hidden.not", "pattern.test"
  end

  def test_an_htaccess_file_holds_for_what_does_not_exist_in_its_folder
    assert_equal "yes", get("/kept/missing")["X-Kept"]
    assert_equal "yes", get("/kept/deeper/missing/more")["X-Kept"]
    assert_nil get("/elsewhere/missing")["X-Kept"]
    assert_nil get("/missing/kept")["X-Kept"]
  end

  def test_an_htaccess_file_rewrites_what_does_not_exist
    assert_equal "/new/page", assert_status(200, get("/old/page")).body
  end

  def test_a_location_section_holds
    assert_equal "yes", get("/placed/missing")["X-Placed"]
  end

  def test_an_if_section_holds_with_high_performance
    fast = client("fast.test")
    assert_equal "/page", assert_status(200, fast.get("/page")).body
    assert_status 404, fast.get("/page", "X-Off" => "1")
    other = assert_status(200, fast.get("/page", "X-Other" => "1"))
    assert_equal ["the other", "location, if"], [other.body, other["X-Places"]]
    assert_equal "a file\n", fast.get("/file.txt", "X-Other" => "1").body
  end

  def test_high_performance_may_stand_in_an_if_section
    site = client("at-times-fast.test")
    assert_equal "/new/page", assert_status(200, site.get("/old/page")).body
    assert_equal "/old/page", assert_status(200, site.get("/old/page", "X-Fast" => "1")).body
  end

  def test_a_link_is_not_followed_where_that_is_not_allowed
    assert_status 403, get("/link/missing", "links.test")
    assert_answered_by_the_app "/elsewhere/missing", "links.test"
    assert_answered_by_the_app "/link/missing"
  end

  def test_a_link_that_leads_nowhere_is_refused
    assert_status 403, get("/dangling")
    assert_status 403, get("/dangling/more")
  end

  def test_sections_of_a_document_root_that_does_not_exist_do_not_hold
    assert_status 403, get("/a", "rootless.test")
    assert_status 403, get("/", "rootless.test")
  end

  def test_paths_reach_the_application_whole
    ["/a", "/a/", "/a/b/c", "/a.b/c.d", "/.hidden/x", "/kept/deeper",
     "/file.txt/more"].each do |path|
      assert_answered_by_the_app path
    end
  end

  def test_a_file_is_httpds
    assert_equal "a file\n", get("/file.txt").body
  end

  private

  def get(path, site = "app.test")
    client(site).get(path)
  end

  def assert_answered_by_the_app(path, site = "app.test")
    assert_equal path, assert_status(200, get(path, site)).body
  end
end
