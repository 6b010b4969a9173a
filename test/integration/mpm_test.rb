# frozen_string_literal: true

require_relative "support/integration_test"

# The same tests under each MPM of httpd.
class MpmTest < IntegrationTest
  %w[event worker prefork].each do |mpm|
    define_method("test_an_application_is_served_under_#{mpm}") do
      skip "httpd has no mpm_#{mpm}" unless available?(mpm)
      with_server(configuration { |made| made.mpm = mpm }) { |server| exercise(server) }
    end

    define_method("test_a_graceful_reload_under_#{mpm}_keeps_the_instances") do
      skip "httpd has no mpm_#{mpm}" unless available?(mpm)
      with_server(configuration { |made| made.mpm = mpm }) do |server|
        pid = server.client.pid
        server.graceful
        assert_equal pid, server.client.pid
      end
    end
  end

  private

  def available?(mpm)
    TestEnvironment.compiled_in.include?("#{mpm}.c") ||
      File.exist?(File.join(TestEnvironment.modules_dir, "mod_mpm_#{mpm}.so"))
  end

  def exercise(server)
    assert_equal "hello world\n", server.client.get("/hello").body
    size = 3_000_000
    upload = server.client.post_stream("/upload", Pattern::Reader.new(size), length: size)
    assert_equal Pattern.digest(size), JSON.parse(upload.body)["sha256"]
    assert_equal Pattern.digest(size),
                 Digest::SHA256.hexdigest(server.client.get("/download?bytes=#{size}").body)
    codes = Array.new(8) { Thread.new { Array.new(20) { server.client.get("/hello").code } } }
      .flat_map(&:value)
    assert_equal ["200"] * 160, codes
    assert_equal 502, server.client.post("/kill").code.to_i
    assert_equal "200", server.client.get("/hello").code
  end
end
