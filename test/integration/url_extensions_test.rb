# frozen_string_literal: true

require_relative "support/integration_test"

# The extension of a URL's last name is a part of the URL, and says nothing about the application's
# answer. mod_mime makes headers of it for files alone.
class UrlExtensionsTest < IntegrationTest
  APP = <<~'RUBY'
    run(lambda do |env|
      sent = env["QUERY_STRING"].split("&").to_h { |pair| pair.split("=") }
      [200, { "Content-Type" => "text/plain" }.merge(sent), ["an answer\n"]]
    end)
  RUBY

  def self.app
    @app ||= SampleApps.written(APP).tap do |folder|
      FileUtils.mkdir_p(File.join(folder, "public"))
      File.write(File.join(folder, "public/file.it.gz"), "a file\n")
      TestEnvironment.hand_over(folder)
    end
  end

  serve do |made|
    made.site("mime.test", app, "AddEncoding x-gzip .gz\nAddLanguage it .it\nDefaultLanguage de\n")
    made.site("headers.test", app, "Header setifempty Content-Language de\n")
  end

  def test_an_extension_makes_no_header_of_an_answer
    %w[/a /a.gz /users/bob.it /a.it.gz].each do |path|
      assert_equal [nil, nil], headers(path), path
    end
  end

  def test_the_application_s_own_headers_arrive_as_they_are
    sent = "?Content-Encoding=br&Content-Language=fr"
    %w[/a /a.gz /a.it /a.it.gz].each do |path|
      assert_equal %w[br fr], headers(path + sent), path
    end
  end

  def test_a_file_has_the_headers_of_its_name
    assert_equal %w[x-gzip it], headers("/file.it.gz")
  end

  def test_mod_headers_sets_the_language_of_answers_that_have_none
    assert_equal [nil, "de"], headers("/a", "headers.test")
    assert_equal [nil, "fr"], headers("/a?Content-Language=fr", "headers.test")
  end

  private

  # By a client that decodes nothing.
  def headers(path, site = "mime.test")
    raw = server.raw(site)
    answer = raw.get(path, "Accept-Encoding" => "br")
    assert_equal 200, answer.status
    %w[Content-Encoding Content-Language].map { |name| answer[name] }
  ensure
    raw&.close
  end
end
