# frozen_string_literal: true

require "zlib"
require_relative "support/integration_test"

# mod_mime adds filters by the extension of the URL's last name: to files, and not to answers of an
# application, whose URLs the client chooses.
class ExtensionFiltersTest < IntegrationTest
  # Repeats a text of the client.
  APP = <<~'RUBY'
    number = 0
    run(lambda do |env|
      headers = { "Content-Type" => "text/plain", "Cache-Control" => "max-age=60",
                  "X-Number" => (number += 1).to_s }
      body = env["REQUEST_METHOD"] == "POST" ? env["rack.input"].read : env["HTTP_X_TEXT"].to_s
      [200, headers, [body]]
    end)
  RUBY
  MODULES = %w[include filter deflate cache cache_disk].freeze
  TEXT = "<!--#echo var='DOCUMENT_NAME' -->"

  serve do |made|
    made.use_one_child
    made.set("PassengerTurbocaching", "off")
    MODULES.each do |name|
      next if TestEnvironment.compiled_in.include?("mod_#{name}.c")

      file = File.join(TestEnvironment.modules_dir, "mod_#{name}.so")
      made.main_directives << "LoadModule #{name}_module #{file}\n"
    end
    app = SampleApps.written(APP)
    %w[shtml js].each { |name| File.write(File.join(app, "public/file.#{name}"), TEXT * 50) }
    cache = SampleApps.new_folder
    [app, cache].each { |folder| TestEnvironment.hand_over(folder) }
    filters = "AddOutputFilter INCLUDES .shtml\nAddOutputFilter DEFLATE .js\n" \
              "AddInputFilter DEFLATE .js\n<Location />\nOptions +Includes\n</Location>\n"
    made.site("app.test", app, filters)
    made.site("fast.test", app, "#{filters}PassengerHighPerformance on\n")
    made.site("cached.test", app, "#{filters}CacheRoot #{cache}\nCacheEnable disk /\n" \
                                  "SetOutputFilter DEFLATE\n")
  end

  def test_an_applications_answer_passes_no_filter_of_its_extension
    %w[app.test fast.test].each do |site|
      answer = get("/a.shtml", site, "X-Text" => TEXT)
      assert_equal [TEXT, TEXT.bytesize.to_s], [answer.body, answer["Content-Length"]], site
      answer = get("/a.js", site, "X-Text" => TEXT, "Accept-Encoding" => "gzip")
      assert_equal [TEXT, nil], [answer.body, answer["Content-Encoding"]], site
    end
  end

  def test_a_body_for_an_application_passes_no_filter_of_its_extension
    body = Zlib.gzip("text")
    %w[app.test fast.test].each do |site|
      assert_equal body, client(site).post("/a.js", body, { "Content-Encoding" => "gzip" }).body.b
    end
  end

  def test_files_pass_the_filters_of_their_extensions
    %w[app.test fast.test].each do |site|
      assert_equal "file.shtml" * 50, get("/file.shtml", site).body
      answer = get("/file.js", site, "Accept-Encoding" => "gzip")
      assert_equal ["gzip", TEXT * 50], [answer["Content-Encoding"], Zlib.gunzip(answer.body)]
    end
  end

  # mod_cache adds its filter before mod_mime, and SetOutputFilter later.
  def test_an_applications_answer_passes_the_other_filters
    headers = { "X-Text" => TEXT * 50, "Accept-Encoding" => "gzip" }
    answers = Array.new(2) { get("/b.js", "cached.test", headers) }
    answers.each { |answer| assert_equal TEXT * 50, Zlib.gunzip(answer.body) }
    assert_equal 1, answers.map { |answer| answer["X-Number"] }.uniq.size
    assert answers.last["Age"]
  end

  private

  def get(path, site, headers = {})
    assert_status 200, client(site).get(path, headers)
  end
end
