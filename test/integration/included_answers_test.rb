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

  # A file that includes an answer. No other request starts the application.
  def self.page_site(made)
    app = SampleApps.written(<<~RUBY)
      run ->(_) { [200, { "Content-Type" => "text/plain" }, [ENV.keys.join(" ")]] }
    RUBY
    File.write(File.join(app, "public/page.shtml"), "<!--#include virtual='/names' -->")
    made.site("page.test", app, <<~CONF)
      SetEnv FROM_HTTPD yes
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

  def test_an_event_stream_is_not_kept
    path = fifo
    @raw = server.raw("set.test").request("GET", "/events?#{path}")
    assert_equal 200, @raw.read_head.status
    assert_equal "data: 1\n\n", @raw.read_chunk
    release(path)
    assert_nil @raw.read_chunk
  end
end
