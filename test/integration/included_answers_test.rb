# frozen_string_literal: true

require_relative "support/integration_test"

# mod_include as a filter of an application's answers. It asks for the answers that a page includes
# while it reads the page.
class IncludedAnswersTest < IntegrationTest
  TEXT = "x" * 50_000
  # Longer than what the page's instance may send before httpd reads it.
  PIECES = 100
  # The application has one instance with one thread: /part is answered after /page.
  APPLICATION = <<~RUBY
    pages = {
      "/part" => ["text/html", ["included"]],
      "/page" => ["text/html", Enumerator.new do |page|
        page << "<!--#include virtual='/part' -->"
        #{PIECES}.times { page << "x" * #{TEXT.bytesize} }
      end]
    }
    run(proc do |env|
      type, body = pages.fetch(env["PATH_INFO"]) do
        ["text/event-stream; charset=utf-8", Enumerator.new do |events|
          events << "data: 1\\n\\n"
          File.open(env["QUERY_STRING"], &:gets)
        end]
      end
      [200, { "Content-Type" => type }, body]
    end)
  RUBY
  FILTERS = {
    "set.test" => "SetOutputFilter INCLUDES\n",
    "type.test" => "AddOutputFilterByType INCLUDES text/html\n"
  }.freeze

  serve do |made|
    %w[include filter].each do |name|
      file = File.join(TestEnvironment.modules_dir, "mod_#{name}.so")
      next if TestEnvironment.compiled_in.include?("mod_#{name}.c")

      made.main_directives << "LoadModule #{name}_module #{file}\n"
    end
    page_site(made)
    FILTERS.each do |site, filter|
      made.site(site, SampleApps.written(APPLICATION),
                "PassengerMaxInstances 1\n<Location />\nOptions +Includes\n#{filter}</Location>\n")
    end
  end

  # Files that include an answer. No other request starts the application.
  def self.page_site(made)
    app = SampleApps.written(<<~RUBY)
      run(proc do |env|
        names = env["PATH_INFO"] == "/headers" ? env.keys.grep(/^HTTP_/) : ENV.keys
        [200, { "Content-Type" => "text/plain" }, [names.join(" ")]]
      end)
    RUBY
    File.write(File.join(app, "public/page.shtml"), "<!--#include virtual='/names' -->")
    File.write(File.join(app, "public/headers.shtml"), "<!--#include virtual='/headers' -->")
    made.site("page.test", app, <<~CONF)
      SetEnv FROM_HTTPD yes
      ErrorDocument 403 /headers
      <Location /closed>
        Require all denied
      </Location>
      AddOutputFilter INCLUDES .shtml
      <Location />
        Options +Includes
      </Location>
    CONF
  end

  def setup
    @raw = nil
  end

  def teardown
    @raw&.close
  end

  def test_a_long_page_includes_an_answer_of_the_same_application
    FILTERS.each_key do |site|
      @raw = server.raw(site)
      body = @raw.get("/page").body
      assert_equal ["included", PIECES * TEXT.bytesize],
                   [body[0, 8], body.bytesize - "included".bytesize], site
      @raw.close
    end
  end

  def test_an_application_that_a_page_starts_has_no_variables_of_the_page
    position = server.log.position
    names = server.client("page.test").get("/page.shtml").body.split
    assert_includes names, "FROM_HTTPD"
    assert_empty names & %w[DATE_LOCAL DATE_GMT LAST_MODIFIED DOCUMENT_NAME DOCUMENT_URI USER_NAME]
    refute_match(/event=spawn\.variable_ignored/, server.log.text(position))
  end

  DATE = "Mon, 30 Nov 2026 10:00:00 GMT"
  # The form that a client wants a page in.
  WANTED = { "If-None-Match" => "*", "If-Match" => "*", "If-Modified-Since" => DATE,
             "If-Unmodified-Since" => DATE, "If-Range" => '"1"', "Range" => "bytes=0-",
             "Accept-Encoding" => "gzip", "Accept-Language" => "de" }.freeze

  # An answer of 304 or 206, or an encoded one, would be a hole in the page.
  def test_no_part_of_a_page_is_asked_for_in_the_form_that_the_client_wants_the_page_in
    assert_equal %w[HTTP_ACCEPT_LANGUAGE HTTP_HOST], wanted("/headers.shtml")
    assert_empty WANTED.keys.map { |name| "HTTP_#{name.upcase.tr('-', '_')}" } - wanted("/headers")
  end

  # 206 or 304 would tell of the page that the client has asked for.
  def test_an_error_document_is_not_asked_for_in_the_form_that_the_client_wants_the_page_in
    assert_equal %w[HTTP_ACCEPT_LANGUAGE HTTP_HOST], wanted("/closed")
  end

  def test_an_event_stream_is_not_kept
    path = fifo
    @raw = server.raw("set.test").request("GET", "/events?#{path}")
    assert_equal 200, @raw.read_head.status
    assert_equal "data: 1\n\n", @raw.read_chunk
    release(path)
    assert_nil @raw.read_chunk
  end

  private

  # The headers of WANTED that the application gets, and HTTP_HOST.
  def wanted(path)
    server.client("page.test").get(path, WANTED).body.split.grep(/IF_|RANGE|ACCEPT_|HOST/).sort
  end
end
