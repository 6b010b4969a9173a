# frozen_string_literal: true

require_relative "support/integration_test"

# A configuration that httpd does not take, and the bare signal of a reload: nobody has checked it before, and httpd itself ends then. What
# `httpd -k graceful` does is in reload_test.rb.
class BrokenConfigurationTest < IntegrationTest
  def test_httpd_ends_by_itself_says_why_and_nothing_of_it_is_left
    server = started
    assert_status 200, server.client.get("/")
    broken(server)
    eventually("httpd has ended") { !ProcessInfo.read(server.pid)&.alive? }
    eventually("all has ended") { server.tree.processes.empty? }
    assert_match(/PassengerMaxPoolSize does not take "none"; allowed:/, server.tail)
    assert_empty Dir.glob(File.join(server.folder, "run/passenger.*"))
  end

  def test_it_starts_again_with_a_whole_configuration
    server = started
    broken(server)
    eventually("all has ended") { server.tree.processes.empty? }
    server.configuration.main_directives = ""
    again = HttpdServer.new(server.configuration).start
    assert_status 200, again.client.get("/")
    assert_nothing_left again.stop
  ensure
    again&.destroy
  end

  # The configuration is one for httpd, and only the agent cannot use it.
  def test_what_only_the_agent_cannot_use_leaves_all_serving
    server = started
    pid = server.client.pid
    server.graceful { |made| made.set("PassengerLogFile", "/nowhere/passenger.log") }
    assert_status 200, server.client.get("/")
    assert_equal pid, server.client.pid
    server.log.wait_for(%r{event=agent\.not_updated reason="The log file /nowhere/passenger\.log cannot be opened: No such file})
    assert_nothing_left server.stop
  end

  private

  def started
    @own_server = HttpdServer.new(configuration).start
  end

  def broken(server)
    server.configuration.main_directives = "PassengerMaxPoolSize none\n"
    server.write_configuration
    Process.kill(:USR1, server.pid)
  end
end
