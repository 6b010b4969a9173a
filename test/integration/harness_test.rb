# frozen_string_literal: true

require_relative "support/integration_test"

# Tests the fixtures with an httpd that does not load the module.
class HarnessTest < IntegrationTest
  def plain
    configuration { |made| made.passenger = false }
  end

  def test_a_private_httpd_serves_a_static_file
    with_server(plain) do |server|
      assert_equal "a static file\n", server.client.get("/static.txt").body
      assert_equal "a static file\n", server.raw.get("/static.txt").body
    end
  end

  def test_httpd_reads_its_configuration_again_when_told_to
    with_server(plain) do |server|
      server.graceful { |made| made.main_directives << "Redirect /old http://127.0.0.1/new\n" }
      eventually { server.client.get("/old").code == "302" }
      server.restart { |made| made.main_directives.clear }
      eventually { server.client.get("/old").code == "404" }
    end
  end

  def test_a_process_that_outlives_httpd_is_noticed
    server = HttpdServer.new(plain).start
    orphan = spawn(server.environment, "sleep", "60", unsetenv_others: true, pgroup: true)
    left = server.stop(patience: 0.2)
    assert_equal 1, left.size, left.inspect
    assert_match(/process #{orphan} .*sleep 60/, left.first)
  ensure
    Process.kill(:KILL, orphan)
    Process.wait(orphan)
    server.destroy
  end

  def test_a_temporary_file_that_stays_is_noticed
    server = HttpdServer.new(plain).start
    File.write(File.join(server.folder, "tmp/forgotten"), "x")
    assert_match(/forgotten/, server.stop(patience: 0.2).join)
  ensure
    server.destroy
  end
end
