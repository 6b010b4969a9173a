# frozen_string_literal: true

require "json"
require "open3"

require_relative "support/integration_test"

# Each row of the module's table of directives: accepted values and places, refused values and their
# messages. Most are checked together in one configuration, because each check by httpd takes a
# while.
class DirectiveTableTest < IntegrationTest
  LIST = File.join(TestEnvironment::BUILD_DIR, "script/documents/list_directives")
  ROWS = JSON.parse(Open3.capture2(LIST).first)
  NAMES = ROWS.flat_map { |row| [[row["name"], row], *row["aliases"].map { |name| [name, row] }] }
    .to_h.freeze

  # The directives that configurations for Phusion Passenger 6 can have.
  OTHERS = %w[
    PassengerAdminPanelAuthType PassengerAdminPanelPassword PassengerAdminPanelUrl
    PassengerAdminPanelUsername PassengerAllowEncodedSlashes PassengerAnalyticsLogGroup
    PassengerAnalyticsLogUser PassengerAnonymousTelemetryProxy PassengerAppEnv PassengerAppGroupName
    PassengerAppLogFile PassengerAppRoot PassengerAppStartCommand PassengerAppType PassengerBaseURI
    PassengerBufferResponse PassengerBufferUpload PassengerConcurrencyModel PassengerCtl
    PassengerDataBufferDir PassengerDebugLogFile PassengerDebugger PassengerDefaultGroup
    PassengerDefaultRuby PassengerDefaultUser PassengerDirectInstanceRequestAddress
    PassengerDisableAnonymousTelemetry PassengerDisableLogPrefix PassengerDisableSecurityUpdateCheck
    PassengerDumpConfigManifest PassengerEnabled PassengerErrorOverride
    PassengerFileDescriptorLogFile PassengerFlyWith PassengerForceMaxConcurrentRequestsPerProcess
    PassengerFriendlyErrorPages PassengerGroup PassengerHighPerformance PassengerInstanceRegistryDir
    PassengerLoadShellEnvvars PassengerLogFile PassengerLogLevel PassengerLveMinUid
    PassengerMaxInstances PassengerMaxInstancesPerApp PassengerMaxPoolSize
    PassengerMaxPreloaderIdleTime PassengerMaxRequestQueueSize PassengerMaxRequestQueueTime
    PassengerMaxRequestTime PassengerMaxRequests PassengerMemoryLimit PassengerMeteorAppSettings
    PassengerMinInstances PassengerMonitorLogFile PassengerNodejs PassengerPoolIdleTime
    PassengerPreStart PassengerPreloadBundler PassengerPython PassengerResistDeploymentErrors
    PassengerResponseBufferHighWatermark PassengerRestartDir PassengerRollingRestarts PassengerRoot
    PassengerRuby PassengerSecurityUpdateCheckProxy PassengerShowVersionInHeader
    PassengerSocketBacklog PassengerSpawnDir PassengerSpawnMethod PassengerStartTimeout
    PassengerStartupFile PassengerStatThrottleRate PassengerStickySessions
    PassengerStickySessionsCookieAttributes PassengerStickySessionsCookieName PassengerThreadCount
    PassengerTurbocaching PassengerUseGlobalQueue PassengerUser PassengerUserSwitching RackBaseURI
    RackEnv RailsAllowModRewrite RailsAppSpawnerIdleTime RailsBaseURI RailsDefaultUser RailsEnv
    RailsFrameworkSpawnerIdleTime RailsMaxInstancesPerApp RailsMaxPoolSize RailsPoolIdleTime
    RailsRuby RailsSpawnMethod RailsSpawnServer RailsUserSwitching UnionStationFilter
    UnionStationGatewayAddress UnionStationGatewayCert UnionStationGatewayPort UnionStationKey
    UnionStationProxyAddress UnionStationSupport
  ].freeze

  GOOD = { "PassengerRoot" => [%("#{TestEnvironment::PASSENGER_ROOT}")],
           "PassengerAgentUser" => ["daemon"], "PassengerUser" => ["games"],
           "PassengerDataBufferDir" => ["/var/tmp"] }.freeze

  # All values that the tests try.
  def self.good(row)
    GOOD.fetch(row["name"]) do
      case row["kind"]
      when "flag" then %w[On off]
      when "number" then [row["least"], row["most"]]
      when "time" then %w[0 2 500ms 2s 1min 1h]
      when "seconds" then [row["least"], row["most"], "2s", "2000ms", "1min"]
      when "memory" then %w[0 1 512M 4g 1024K]
      when "bytes" then [0, row["most"], "64k", "128M", "1G"]
      when "choice" then row["choices"]
      when "path" then ["some/where", "/some/where"]
      when "log" then ["some/where", "/some/where", "syslog", "SYSLOG:Daemon", "journald",
                       %("|cat -u"), %("|$cat >/dev/null")]
      when "uri" then ["/", "/some/where"]
      when "url" then ["http://localhost/x", "https://localhost"]
      when "warm-up" then ["/", "/a?b=c", "http://blog.test/", "https://blog.test:8443/a"]
      when "fairness" then %w[off Client user header:X-Api-Key env:tenant]
      when "pair" then ["name value"]
      when "address" then ["127.0.0.1", "::1"]
      else ["word"]
      end
    end
  end

  # Refused values; each has the words that the message says are allowed.
  def self.bad(row)
    numbers = "a whole number from #{row['least']} to #{row['most']}"
    case row["kind"]
    when "flag" then { "maybe" => "On, Off", "1" => "On, Off" }
    when "number" then ["many", "1x", "1.5", (row["least"] - 1).to_s,
                        (row["most"] + 1).to_s].to_h { |value| [value, numbers] }
    when "time" then %w[-1 1x many 61min 3601].to_h do |value|
                       [value, "0 to 3600 seconds, or a number with a unit: ms, s, min or h"]
                     end
    when "seconds" then %w[-1 1x many 1.5 500ms 9999999h 99999999999999999999s].to_h do |value|
                          [value, "#{row['least']} to #{row['most']} seconds, or a number with a " \
                                  "unit: ms, s, min or h; whole seconds"]
                        end
    when "bytes" then %w[-1 1x many 1.5G 4GB 2G 99999999999999G].to_h do |value|
                        [value, "0 to #{row['most']} bytes, or a whole number with a unit: K, M"]
                      end
    when "memory" then %w[-1 1x many 1.5G 4GB 1023K 99999999G].to_h do |value|
                         [value, "0 to #{row['most']} MB, or a whole number with a unit: K, M or G"]
                       end
    when "log" then ["syslog:nonsense", "syslog:", "syslog:daemon:tag", "journald:x",
                     "|"].to_h { |value| [value, "a path, |COMMAND, journald, syslog"] }
    when "choice" then { "magic" => row["choices"].join(", ") }
    when "fairness" then %w[on header header: header:a:b env: env:a=b clients].to_h do |value|
                           [value, "off, client, user, header:NAME, env:NAME"]
                         end
    when "uri" then { "blog" => "the path of a URL, which begins with /" }
    when "url" then { "localhost" => "a URL that begins with http:// or https://",
                      "http://" => "a URL that begins with http:// or https://" }
    when "cookie-name" then ["a b", "a;b", "a=b", "a,b"].to_h do |value|
                              [value, "a name without spaces, quotes, backslashes and any of " \
                                      "( ) < > @ , ; : / [ ] ? = { }"]
                            end
    when "callable" then %w[:app wiki.web:].to_h { |value| [value, "NAME, or MODULE:NAME"] }
    when "address" then %w[localhost 1.2.3 ::g].to_h { |value| [value, "an IP address"] }
    when "warm-up" then ["blog", "/a b", "http://blog.test", "ftp://blog.test/"].to_h do |value|
                          [value, "the path of a URL, which begins with /, or a URL that begins " \
                                  "with http:// or https:// and has a path"]
                        end
    else {}
    end
  end

  # Directives whose default is not compared: the table describes it in words, or nothing has it.
  # Each has a test of its own, or no code reads it.
  DESCRIBED = %w[
    PassengerRoot PassengerDefaultGroup PassengerAgentUser PassengerLogFile
    PassengerInstanceRegistryDir PassengerCtl
    PassengerDumpConfigManifest PassengerAppRoot PassengerBaseURI PassengerAppGroupName
    PassengerAppType PassengerStartupFile PassengerRuby PassengerUser PassengerGroup
    PassengerConcurrencyModel PassengerRollingRestarts PassengerCustomErrorPage
    PassengerAppLogFile PassengerFriendlyErrorPages PassengerMaxHijackedConnections
    PassengerMaxDataBufferSize PassengerMaxDataBufferSizePerApp PassengerMinDataBufferFreeSpace
    PassengerMaxSlowClients PassengerMaxRequestQueueSize
  ].freeze

  ROWS.each do |row|
    next if row["notice"] || DESCRIBED.include?(row["name"])

    define_method("test_the_default_of_#{row['name']}_is_what_is_in_force") do
      assert_equal row["default"], row["in_force"]
    end
  end

  def test_values_of_pool_directives_reach_the_agent
    assert_empty ROWS.reject { |row| row["travels"] }.map { |row| row["name"] }
  end

  def test_every_directive_of_phusion_passenger_is_there
    assert_empty OTHERS - NAMES.keys
  end

  def test_every_good_value_is_taken_in_every_place_that_is_allowed
    each = proc { |wanted| lines(NAMES.select { |_, row| wanted.include?(row["context"]) }) }
    everywhere = each.call(%w[application local options])
    sections =
      %w[<VirtualHost\ *:1> <Directory\ /a> <Location\ /b> <Files\ c> <If\ false>].map do |section|
      "#{section}\n#{everywhere}</#{section[/\w+/]}>\n"
    end
    output, status = check(each.call(%w[global]) + everywhere + sections.join)
    assert status.success?, output
    refute_match(/is for the whole server/, output)
  end

  NAMES.each do |name, row|
    values = bad(row)
    next if values.empty?

    define_method("test_#{name}_refuses_what_is_not_allowed_and_says_what_is") do
      value, allowed = values.to_a.sample
      output, status = check("#{name} \"#{value}\"\n")
      refute status.success?
      assert_includes output, "#{name} does not take \"#{value}\"; allowed: #{allowed}"
    end
  end

  # A number alone means what it always has.
  def test_all_durations_and_all_sizes_have_the_same_units
    { "PassengerStartTimeout" => { "30" => 30, "30s" => 30, "2min" => 120, "1h" => 3600 },
      "PassengerMaxRequestTime" => { "7" => 7, "7000ms" => 7 },
      "PassengerMemoryLimit" => { "512" => 512, "512M" => 512, "1G" => 1024, "2048K" => 2 },
      "PassengerMaxDataBufferSize" => { "512" => 512, "2G" => 2048 },
      "PassengerResponseBufferHighWatermark" => { "4096" => 4096, "64K" => 65_536,
                                                  "128M" => 134_217_728 } }
      .each do |name, values|
      values.each { |text, number| assert_equal number, value_of(name, text), "#{name} #{text}" }
    end
  end

  def test_a_time_has_one_unit
    { "PassengerStartTimeout" => "1h30min", "PassengerQueueTarget" => "1s500ms",
      "PassengerStopTimeout" => "5mix", "PassengerPoolIdleTime" => "5seconds" }
      .each do |name, value|
      output, status = check("#{name} #{value}\n")
      refute status.success?, "#{name} #{value}"
      assert_includes output, "#{name} does not take \"#{value}\"; allowed: "
    end
  end

  def test_too_many_and_too_few_values_are_refused_with_the_directives_name
    [["PassengerEnabled", "takes one argument"], ["PassengerUser \"\"", "takes one argument"],
     ["PassengerEnabled On Off", "takes one argument"],
     ["PassengerCtl name", "takes two arguments"],
     ["PassengerBaseURI /a /b", "takes one argument"]].each do |line, said|
      output, status = check("#{line}\n")
      refute status.success?
      assert_match(/#{line[/\w+/]} #{said}/, output)
    end
  end

  def test_server_directives_are_refused_in_a_section_and_warned_of_in_a_virtual_host
    rows = NAMES.select { |_, row| row["context"] == "global" }
    output, status = check("<VirtualHost *:1>\n#{lines(rows)}</VirtualHost>\n")
    assert status.success?, output
    rows.each_key do |name|
      assert_equal 1, output.scan("#{name} is for the whole server: move it out of " \
                                  "<VirtualHost>").size, name
    end

    name, row = rows.to_a.sample
    output, status = check("<Location /a>\n#{name} #{self.class.good(row).first}\n</Location>\n")
    refute status.success?
    assert_match(/#{name} not allowed in <Location> context/, output)
  end

  def test_each_discouraged_directive_is_warned_of_once
    output, status = check(lines(NAMES) * 2)
    assert status.success?, output
    NAMES.each do |name, row|
      next if name == "PassengerCtl"

      told = output.scan(/\b#{name} ((?:is obsolete|has no effect).*)$/).flatten
      assert_equal [row["successor"] ? "is obsolete: use " \
                                       "#{row['successor']}" : row["notice"]].compact, told, name
    end
  end

  def test_high_performance_without_effect_is_warned_of
    fast = "PassengerHighPerformance on\n"
    ["<Directory /a>", "<DirectoryMatch a>", "<Files a>"].each do |section|
      output, status = check("#{section}\n#{fast}</#{section[/\w+/]}>\n" * 2)
      assert status.success?, output
      places = /<Directory>, <Files> and \.htaccess/
      idle = output.scan(/PassengerHighPerformance has no effect in #{places}/)
      assert_equal 1, idle.size, section
    end
    refute_match(/no effect/, check("#{fast}<VirtualHost *:1>\n#{fast}<Location /a>\n" \
                                    "#{fast}</Location>\n</VirtualHost>\n").first)
  end

  def test_high_performance_in_an_htaccess_file_is_warned_of
    folder = SampleApps.rack
    File.write(File.join(folder, "public/.htaccess"), "PassengerHighPerformance on\n")
    made = configuration do |one|
      one.site("hta.test", folder, "<Directory \"#{folder}\">\n  AllowOverride All\n</Directory>\n")
    end
    with_server(made) do |server|
      assert_status 200, server.client.get("/static.txt")
      server.log.wait_for(/PassengerHighPerformance has no effect/)
    end
  end

  def test_a_url_with_a_user_is_refused_and_its_password_not_shown
    %w[http://me@blog.test/ http://me:secret@blog.test/
       https://me:secret@blog.test:1/?a=b].each do |url|
      output, status = check("PassengerPreStart #{url}\n")
      refute status.success?
      assert_match(/PassengerPreStart takes no URL with a user or password/, output)
      refute_match(/secret/, output)
    end
    assert check("PassengerPreStart http://blog.test/a@b?c=d@e\n").last.success?
  end

  def test_passenger_ctl_sets_the_same_and_names_unknown_settings
    made = configuration do |one|
      one.main_directives = <<~CONFIG
        PassengerCtl max_pool_size 1
        PassengerCtl turbocaching FALSE
        PassengerCtl flux_capacity 2
        PassengerCtl hook_spawn_failed /usr/local/bin/page
      CONFIG
    end
    with_server(made) do |server|
      pids = Array.new(3) { Thread.new { server.client.get("/slow?seconds=0.1").body[/\d+/] } }
        .map(&:value)
      assert_equal 1, pids.uniq.size
      assert_equal 1, server.log.text.scan(/PassengerCtl "flux_capacity=2" has no effect/)
                     .size
      refute_match(/PassengerCtl .*(max_pool_size|turbocaching)/, server.log.text)
      assert_match(/PassengerCtl "hook_spawn_failed=.*" has no effect: PassengerOnEvent/,
                   server.log.text)
    end
    output, status = check("<VirtualHost *:1>\nPassengerCtl max_pool_size 1\n</VirtualHost>\n")
    assert status.success?, output
    assert_equal 1, output.scan("PassengerCtl is for the whole server: move it out of").size
    output, status = check("PassengerCtl max_pool_size none\n")
    refute status.success?
    assert_includes output, "PassengerCtl max_pool_size does not take \"none\"; allowed: a whole "
  end

  def test_the_manifest_has_the_values_of_the_configuration
    path = File.join(scratch, "manifest.json")
    made = configuration do |one|
      one.set("PassengerDumpConfigManifest", path)
      one.site("rack.test", SampleApps.rack, "PassengerAppEnv \"a \\\"b\"\n" \
                                             "PassengerBaseURI /one\nPassengerBaseURI /two\n" \
                                             "PassengerEnabled off\n" \
                                             "PassengerSlowRequestLog 500ms\n")
    end
    with_server(made) do
      manifest = JSON.parse(File.read(path))
      assert_equal 0o600, File.stat(path).mode & 0o777
      assert_equal [6, path],
                   manifest["settings"].values_at("PassengerMaxPoolSize",
                                                  "PassengerDumpConfigManifest")
      host = manifest["virtual_hosts"].find { |one| one["server_name"] == "rack.test" }["settings"]
      assert_equal ["a \"b", %w[/one /two], false, "500ms"],
                   host.values_at("PassengerAppEnv", "PassengerBaseURI", "PassengerEnabled",
                                  "PassengerSlowRequestLog")
    end
  end

  # Runs a server, because requests read .htaccess files.
  def test_htaccess_files_may_have_only_the_directives_that_allow_it
    folder = SampleApps.rack
    made = configuration do |one|
      { "all.test" => "All", "info.test" => "FileInfo" }.each do |name, override|
        one.site(name, folder, "<Directory \"#{folder}\">\n  AllowOverride #{override}\n" \
                               "</Directory>\n")
      end
    end
    with_server(made) do |server|
      NAMES.each do |name, row|
        File.write(File.join(folder, "public/.htaccess"), "#{name} #{self.class.good(row).last}\n")
        local = %w[local options].include?(row["context"])
        assert_status (local ? 200 : 500), server.client("all.test").get("/static.txt")
        assert_status (row["context"] == "local" ? 200 : 500), server.client("info.test")
          .get("/static.txt")
      end
      assert_equal 1, server.log.text.scan(/UnionStationFilter is obsolete/).size
    end
  end

  def test_a_start_and_a_reload_each_warn_once_of_obsolete_directives
    made = configuration do |one|
      one.set("RailsMaxPoolSize", 1) && one.set("PassengerMaxPoolSize", nil)
    end
    with_server(made) do |server|
      assert_equal 1, server.log.text.scan(/RailsMaxPoolSize is obsolete: use PassengerMaxPoolSize/)
                     .size
      pids = Array.new(3) { Thread.new { server.client.get("/slow?seconds=0.1").body[/\d+/] } }
        .map(&:value)
      assert_equal 1, pids.uniq.size
      server.graceful
      assert_equal 2, server.log.text.scan(/RailsMaxPoolSize is obsolete/).size
    end
  end

  [%w[-t], %w[-S], %w[-t -D DUMP_MODULES], %w[-t -D DUMP_VHOSTS], %w[-t -D DUMP_RUN_CFG],
   %w[-t -D DUMP_CONFIG], %w[-M]].each do |options|
    define_method("test_httpd_#{options.join('_')}_starts_no_agent") do
      server = HttpdServer.new(configuration)
      server.write_configuration
      traced = File.join(server.folder, "agent")
      # An agent of this PassengerRoot would leave a trace.
      FileUtils.mkdir_p(File.join(server.folder, "root/lib/passenger/spawn"))
      FileUtils.touch(File.join(server.folder, "root/lib/passenger/spawn/spawn_server.rb"))
      File.write(File.join(server.folder, "root/passenger-agent"), "#!/bin/sh\ntouch #{traced}\n")
      File.chmod(0o755, File.join(server.folder, "root/passenger-agent"))
      output, status = Open3.capture2e(server.environment,
                                       *server.command("-c", "PassengerRoot #{server.folder}/root",
                                                       *options),
                                       unsetenv_others: true)
      assert status.success?, output
      refute File.exist?(traced)
    ensure
      server.destroy
    end
  end

  private

  # What the manifest of a server with this directive says.
  def value_of(name, text)
    path = File.join(scratch, "manifest.json")
    made = configuration do |one|
      one.main_directives = "PassengerDumpConfigManifest #{path}\n#{name} #{text}\n"
    end
    with_server(made) { return JSON.parse(File.read(path))["settings"][name] }
  end

  # One line for each good value of these directives.
  def lines(names)
    names.flat_map { |name, row| self.class.good(row).map { |value| "#{name} #{value}\n" } }.join
  end

  # The output of `httpd -t` for a configuration with this text.
  def check(text)
    made = configuration { |one| one.main_directives = text }
    server = HttpdServer.new(made)
    server.check_configuration
  ensure
    server&.destroy
  end
end
