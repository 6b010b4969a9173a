# frozen_string_literal: true

require_relative "command_runner"
require_relative "integration_test"

# For tests of doc/TROUBLESHOOTING.md: each produces the symptom of a row, applies the row's remedy,
# and sees that the symptom is gone. A test's class names the sections that it shows.
class TroubleshootingTest < IntegrationTest
  include CommandRunner

  DOCUMENT = File.join(TestEnvironment::SOURCE_DIR, "doc/TROUBLESHOOTING.md")

  # For reloads while old children have requests or WebSockets: the new ones need places, too.
  def self.leave_room(made)
    usual = HttpdConfiguration::MPM_SETTINGS
    made.mpm_settings = usual.fetch(made.mpm, usual["event"]).sub("ServerLimit 2", "ServerLimit 12")
  end

  AS_WEB_USER = %W[setpriv --reuid=#{TestEnvironment::WEB_USER} --regid=nogroup --clear-groups]
    .freeze

  private

  # `one.test` for "one".
  def site(name)
    server.configuration.sites.find { |one| one.name == "#{name}.test" }
  end

  def get(name, path = "/", headers = {})
    client("#{name}.test").get(path, headers)
  end

  # Waits until the site answers 200 with the text.
  def assert_cured(name, text = "served", path = "/")
    eventually("#{path} of #{name}.test") do
      answer = get(name, path)
      assert_equal ["200", text], [answer.code, answer.body]
      true
    end
  end

  def logged(pattern)
    server.log.wait_for(pattern, from: @log_position)
  end

  # Sets the directives of a virtual host, and reloads httpd.
  def configure(name, directives)
    server.graceful { site(name).directives = directives }
  end

  # Replaces a file of the application and restarts it, by the file that users touch.
  def correct(name, text, file = "config.ru")
    path = File.join(root(name), file)
    File.write(path, text)
    restart(name)
  end

  def restart(name)
    FileUtils.touch(File.join(root(name), "tmp/restart.txt"))
  end

  # New processes with the directives that httpd has read: the agent learns them with a request to a
  # new child. For a moment after a reload, an old child may take it, so there may be several tries.
  def renew(name)
    eventually("#{name}.test with its new directives") do
      get(name)
      succeed(CONFIG, "restart-app", "--wait", "60", root(name))
      yield
    end
  end

  # What `passenger-config report` prints for the report that the line names.
  def report(line)
    succeed(CONFIG, "report", line[/report=(\h+)/, 1])
  end

  # The output of `passenger-config explain` for the site; the exit status says whether an
  # application was found.
  def explained(name, path = "/")
    command(CONFIG, "explain", "http://#{name}.test:#{server.port}#{path}", "--httpd",
            TestEnvironment.httpd, "--config", File.join(server.folder, "httpd.conf")).first
  end
end
