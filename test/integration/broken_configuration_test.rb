# frozen_string_literal: true

require_relative "support/integration_test"

# A reload by signal with a configuration that httpd refuses. Nothing has checked it before, and
# httpd ends. reload_test.rb tests `httpd -k graceful`.
class BrokenConfigurationTest < IntegrationTest
  def test_httpd_logs_the_error_ends_and_leaves_nothing
    server = started
    assert_status 200, server.client.get("/")
    broken(server)
    eventually("httpd has ended") { !ProcessInfo.read(server.pid)&.alive? }
    eventually("all has ended") { server.tree.processes.empty? }
    assert_match(/PassengerMaxPoolSize does not take "none"; allowed:/, server.tail)
    assert_empty Dir.glob(File.join(server.folder, "run/passenger.*"))
  end

  def test_httpd_starts_again_with_a_corrected_configuration
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

  # httpd takes this configuration; only the agent cannot use it.
  def test_a_setting_that_only_the_agent_refuses_fails_no_request
    server = started
    pid = server.client.pid
    server.graceful { |made| made.set("PassengerLogFile", "/nowhere/passenger.log") }
    assert_status 200, server.client.get("/")
    assert_equal pid, server.client.pid
    reason = %r{The log file /nowhere/passenger\.log cannot be opened: No such file}
    server.log.wait_for(/event=agent\.not_updated reason="#{reason}/)
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
