# frozen_string_literal: true

require "timeout"
require_relative "../../integration/support/httpd_server"
require_relative "browser"

# All checks of an application on one server: ours, or Debian's Phusion Passenger.
class Trial
  PEER = "/usr/lib/apache2/modules/mod_passenger.so"
  PEER_ROOT = "/usr/lib/ruby/vendor_ruby/phusion_passenger/locations.ini"
  # Each stream and each waiting poll has a thread of httpd's.
  MPM = "StartServers 2\nServerLimit 2\nThreadLimit 400\nThreadsPerChild 400\n" \
        "MaxRequestWorkers 800\nMinSpareThreads 1\nMaxSpareThreads 800\nMaxConnectionsPerChild 0"

  # Seconds; a check that hangs does not hold the others up.
  LONGEST = 75

  def self.peer?
    ENV["PEER"] != "no" && File.exist?(PEER) && File.exist?(PEER_ROOT)
  end

  def initialize(application, installation, peer:)
    @application = application
    @installation = installation
    @peer = peer
  end

  # Failures by check; a check that passes has none. A server that does not start fails all of them.
  def failures
    checked
  rescue HttpdServer::Failure => e
    @application.checks.to_h { |check| [check, e.message.gsub(/\s+/, " ")[0, 400]] }
  end

  private

  def checked
    folder = @installation.copy
    server = started(folder)
    trial = @application.new(folder, server, @installation.folder)
    failures = @application.checks.to_h { |check| [check, failure_of(trial, check)] }.compact
    keep_log(server) unless failures.empty?
    left = @peer ? [] : server.stop
    failures[nothing_left] = left.first(5).join("; ") unless left.empty?
    failures
  ensure
    server&.destroy
  end

  def failure_of(trial, check)
    Timeout.timeout(LONGEST) { trial.call(check) }
    nil
  rescue Minitest::Assertion, StandardError => e
    place = e.backtrace&.find { |line| line.match?(%r{/test/apps/[a-z_]+\.rb}) }
    "#{e.message.gsub(/\s+/, ' ')[0, 400]} (#{e.class}#{", #{place[/[a-z_]+\.rb:\d+/]}" if place})"
  end

  def nothing_left
    Application::Check.new(sentence: "the server leaves nothing behind", gap: nil)
  end

  def keep_log(server)
    name = "#{@application.file_name}.#{@peer ? 'peer' : 'ours'}.log"
    FileUtils.cp(server.log.path, File.join(Installation::CACHE, name))
  end

  def configuration(folder)
    HttpdConfiguration.new.tap do |made|
      made.mpm = "event"
      made.mpm_settings = MPM
      made.tls_port = UnusedPort.find
      @application.settings.each { |name, value| made.set(name, value) }
      lines = @application.directives.call(folder)
      made.site(Browser::SITE, folder, lines)
      made.site(Browser::SITE, folder, lines, tls: true)
      use_peer(made) if @peer
    end
  end

  def use_peer(made)
    made.passenger_module = PEER
    made.passenger_root = PEER_ROOT
    # Paths of sockets are short.
    made.set("PassengerInstanceRegistryDir", SampleApps.new_folder("/tmp"))
    # Nothing here asks other servers.
    made.set("PassengerDisableSecurityUpdateCheck", "on")
    made.set("PassengerDisableAnonymousTelemetry", "on")
  end

  # The peer's own start fails sometimes ("double free or corruption").
  def started(folder, tries: @peer ? 3 : 1)
    server = HttpdServer.new(configuration(folder))
    server.start
  rescue HttpdServer::Failure
    server.destroy
    raise if (tries -= 1).zero?

    retry
  end
end
