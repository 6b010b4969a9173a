# frozen_string_literal: true

require_relative "support/integration_test"

# X-Sendfile: an application names a file, and mod_xsendfile sends it. Without that module the
# header has no effect.
class XSendfileTest < IntegrationTest
  MODULE = File.join(TestEnvironment.modules_dir, "mod_xsendfile.so")
  FILE = Pattern.bytes(300_000)
  APPLICATION = <<~'RUBY'
    run(proc do |env|
      size = env["QUERY_STRING"].to_i
      name = env["PATH_INFO"].start_with?("/missing") ? "none.bin" : "large.bin"
      head = { "Content-Type" => "text/plain",
               "X-Sendfile" => File.expand_path(name, ENV["FILES"]) }
      head["Content-Length"] = size.to_s if env["PATH_INFO"] == "/length"
      [200, head, Array.new(size / 1_000) { "b" * 1_000 }.each]
    end)
  RUBY

  serve do |made|
    folder = files
    application = SampleApps.written(APPLICATION)
    made.main_directives << "LoadModule xsendfile_module #{MODULE}\n" if File.exist?(MODULE)
    made.site("plain.test", application, "SetEnv FILES #{folder}\n")
    next unless File.exist?(MODULE)

    sends = "SetEnv FILES #{folder}\nXSendFile on\nXSendFilePath #{folder}\n"
    made.site("files.test", application, sends)
    File.write("#{application}/public/404.html", "not there")
    made.site("errors.test", application, "#{sends}ErrorDocument 404 /404.html\n")
  end

  def self.files
    SampleApps.new_folder.tap do |folder|
      File.binwrite(File.join(folder, "large.bin"), FILE)
      TestEnvironment.hand_over(folder)
    end
  end

  def setup
    @raw = nil
  end

  def teardown
    @raw&.close
  end

  def get(site, path, headers = {})
    skip "needs mod_xsendfile" unless server.configuration.sites.any? { |one| one.name == site }
    @raw = server.raw(site)
    @raw.get(path, headers)
  end

  def test_without_a_handler_header_and_body_arrive_unchanged
    response = get("plain.test", "/?5000")
    assert_match(/large\.bin\z/, response["X-Sendfile"])
    assert_equal "b" * 5_000, response.body
  end

  def test_the_file_is_sent_in_place_of_the_body
    ["/?0", "/?5000", "/?3000000", "/length?5000", "/length?3000000"].each do |path|
      response = get("files.test", path)
      assert_equal [200, nil, FILE.bytesize.to_s],
                   [response.status, response["X-Sendfile"], response["Content-Length"]], path
      assert FILE == response.body, "another body for #{path}"
      assert_equal 200, begin
        @raw.get("/?0").status
      rescue RawClient::Silence
        "more bytes after the answer to #{path}"
      end
      @raw.close
    end
  end

  def test_a_missing_file_is_404_with_a_page
    { "files.test" => /not found/i, "errors.test" => /\Anot there\z/ }.each do |site, page|
      ["/missing?0", "/missing?5000", "/missing?3000000"].each do |path|
        response = get(site, path)
        assert_equal 404, response.status, path
        assert_match page, response.body
        @raw.close
      end
    end
    assert_equal 0, server.log.count(/event=response\.lost/)
  end

  def test_a_range_request_gets_a_part_of_the_file
    response = get("files.test", "/?5000", "Range" => "bytes=100-199")
    assert_equal [206, FILE.byteslice(100, 100)], [response.status, response.body]
  end
end
