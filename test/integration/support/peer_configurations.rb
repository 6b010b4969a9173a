# frozen_string_literal: true

# Small configurations, each a part of a file. The test compares which of them httpd accepts here
# and with Phusion Passenger. doc/COMPATIBILITY.md has the reasons of differences.
module PeerConfigurations
  # Lines that each kind of section may have.
  def self.everywhere(*lines)
    ["<VirtualHost *:1>", "<Directory /srv>", "<Location /a>"]
      .map { |section| [section, *lines, "</#{section[/\w+/]}>"].join("\n") }.join("\n")
  end

  TAKEN = {
    "the pool" => "PassengerMaxPoolSize 12\nPassengerPoolIdleTime 0\n" \
                  "PassengerMaxInstancesPerApp 3\nPassengerStatThrottleRate 5",
    "logs" => "PassengerLogLevel 4\nPassengerLogFile /tmp/log\nPassengerDisableLogPrefix on\n" \
              "PassengerFileDescriptorLogFile /tmp/descriptors",
    "a log by its old name" => "PassengerDebugLogFile /tmp/log",
    "users" => "PassengerUserSwitching on\nPassengerDefaultUser daemon\n" \
               "PassengerDefaultGroup daemon",
    "interpreters" => "PassengerDefaultRuby /usr/bin/ruby\n" +
                      everywhere("PassengerRuby /usr/bin/ruby", "PassengerPython python3",
                                 "PassengerNodejs /usr/bin/node"),
    "folders" => "PassengerDataBufferDir /tmp\nPassengerInstanceRegistryDir /tmp\n" \
                 "PassengerSpawnDir /tmp",
    "sockets and headers" => "PassengerSocketBacklog 1024\nPassengerShowVersionInHeader off\n" \
                             "PassengerTurbocaching off\n" \
                             "PassengerResponseBufferHighWatermark 1048576",
    "what starts with httpd" =>
      "PassengerPreStart http://localhost/\nPassengerPreStart https://localhost:8443/a?b=c",
    "settings by another way" => "PassengerCtl log_level 3",
    "a dump" => "PassengerDumpConfigManifest /tmp/manifest",
    "contacts to other servers" => "PassengerDisableSecurityUpdateCheck on\n" \
                           "PassengerSecurityUpdateCheckProxy http://proxy/\n" \
                           "PassengerDisableAnonymousTelemetry on\n" \
                           "PassengerAnonymousTelemetryProxy http://proxy/",
    "an admin panel" => "PassengerAdminPanelUrl ws://panel/\nPassengerAdminPanelAuthType basic\n" \
                        "PassengerAdminPanelUsername a\nPassengerAdminPanelPassword b",
    "where an application is" => everywhere("PassengerAppRoot /srv/blog", "PassengerBaseURI /blog",
                                            "PassengerBaseURI /shop", "PassengerAppGroupName blog"),
    "what an application is" => everywhere("PassengerAppType node",
                                           "PassengerStartupFile server.js",
                                           "PassengerAppEnv staging"),
    "a start command" => everywhere("PassengerAppStartCommand \"./run --port $PORT\"",
                                    "PassengerDirectInstanceRequestAddress 127.0.0.1"),
    "base URIs and environments by old names" =>
      everywhere("RailsBaseURI /a", "RackBaseURI /b", "RailsEnv staging", "RackEnv test"),
    "how many instances" => everywhere("PassengerMinInstances 0", "PassengerMaxRequests 1000",
                                       "PassengerMaxRequestQueueSize 0"),
    "how an application starts" => everywhere("PassengerSpawnMethod direct",
                                              "PassengerStartTimeout 30",
                                              "PassengerMaxPreloaderIdleTime 0",
                                              "PassengerLoadShellEnvvars off",
                                              "PassengerPreloadBundler on"),
    "ways to spawn" => %w[smart smart-lv2 conservative].map { |way| "PassengerSpawnMethod #{way}" }
      .join("\n"),
    "ways to spawn and times by old names" =>
      everywhere("RailsSpawnMethod smart", "RailsAppSpawnerIdleTime 60"),
    "an application's user" => everywhere("PassengerUser www-data", "PassengerGroup www-data"),
    "an application's restarts" => everywhere("PassengerRestartDir /tmp"),
    "an application's errors" => everywhere("PassengerFriendlyErrorPages off",
                                            "PassengerErrorOverride on"),
    "logs of an application" => everywhere("PassengerMonitorLogFile /tmp/one",
                                           "PassengerMonitorLogFile /tmp/two"),
    "many requests at once" => everywhere("PassengerForceMaxConcurrentRequestsPerProcess 10"),
    "requests" => everywhere("PassengerEnabled on", "PassengerHighPerformance on",
                             "PassengerBufferUpload off", "PassengerBufferResponse on"),
    "slashes" => everywhere("PassengerAllowEncodedSlashes on"),
    "sticky sessions" => everywhere("PassengerStickySessions on",
                                    "PassengerStickySessionsCookieName route",
                                    "PassengerStickySessionsCookieAttributes \"SameSite=Strict\""),
    "flags in any case" => "PassengerEnabled ON\nPassengerEnabled oFF\npassengerenabled On",
    "an if and a files section" =>
      "<Files x>\nPassengerEnabled off\n</Files>\n<If \"true\">\nPassengerEnabled off\n</If>",
    "what only helped once" => "RailsAllowModRewrite on\nPassengerUseGlobalQueue on",
    "the pool by its old names" => "RailsMaxPoolSize 3\nRailsMaxInstancesPerApp 2\n" \
                                   "RailsPoolIdleTime 10\nRailsRuby /usr/bin/ruby",
    "users by their old names" => "RailsUserSwitching on\nRailsDefaultUser daemon",
    "spawn servers" => "RailsSpawnServer /tmp\nRailsFrameworkSpawnerIdleTime 10",
    "analytics" => "PassengerAnalyticsLogUser nobody\nPassengerAnalyticsLogGroup nogroup",
    "a gateway" => "UnionStationGatewayAddress gateway\nUnionStationGatewayPort 443\n" \
                   "UnionStationGatewayCert /tmp/cert\nUnionStationProxyAddress http://proxy/",
    "a gateway's filters" => everywhere("UnionStationSupport off", "UnionStationKey key",
                                        "UnionStationFilter filter"),
    "what is not supported" => everywhere("PassengerLveMinUid 100",
                                          "PassengerMeteorAppSettings settings.json"),
    "what is for the whole server, in a virtual host" =>
      "<VirtualHost *:1>\nPassengerMaxPoolSize 3\n</VirtualHost>"
  }.freeze

  REFUSED = {
    "a pool of words" => "PassengerMaxPoolSize many",
    "a pool of none" => "PassengerMaxPoolSize 0",
    "a pool of less than none" => "PassengerMaxPoolSize -1",
    "a limit below none" => "PassengerMaxInstancesPerApp -1",
    "a part of a second" => "PassengerPoolIdleTime 1.5",
    "less than no time" => "PassengerPoolIdleTime -1",
    "less than no time for a preloader" => "PassengerMaxPreloaderIdleTime -1",
    "no time to start" => "PassengerStartTimeout 0",
    "half a number" => "PassengerMinInstances 1x",
    "fewer than no instances" => "PassengerMinInstances -1",
    "fewer than no requests" => "PassengerMaxRequests -1",
    "a queue of less than none" => "PassengerMaxRequestQueueSize -1",
    "less than no bytes" => "PassengerResponseBufferHighWatermark -1",
    "a level of words" => "PassengerLogLevel loud",
    "a level too low" => "PassengerLogLevel -1",
    "requests at once in words" => "PassengerForceMaxConcurrentRequestsPerProcess x",
    "a flag of words" => "PassengerEnabled maybe",
    "a flag of numbers" => "PassengerHighPerformance 1",
    "an unknown way to spawn" => "PassengerSpawnMethod magic",
    "a base URI without a slash" => "PassengerBaseURI blog",
    "an empty base URI" => "RailsBaseURI \"\"",
    "no folder" => "PassengerAppRoot \"\"",
    "no environment" => "RackEnv \"\"",
    "no group's name" => "PassengerAppGroupName \"\"",
    "no user" => "PassengerUser \"\"",
    "no Ruby" => "PassengerRuby \"\"",
    "no folder for restarts" => "PassengerRestartDir \"\"",
    "no value" => "PassengerAppRoot",
    "two values" => "PassengerAppEnv a b",
    "a setting without its value" => "PassengerCtl name",
    "what is for the whole server, in a place" =>
      "<Location /a>\nPassengerMaxPoolSize 3\n</Location>",
    "what is for the whole server, in a folder" =>
      "<Directory /a>\nPassengerPoolIdleTime 3\n</Directory>",
    "an unknown directive" => "PassengerMagic on"
  }.freeze

  # Directives that Phusion Passenger has in another edition, or does not know.
  TAKEN_ONLY_HERE = {
    "limits" => everywhere("PassengerMaxInstances 2", "PassengerMemoryLimit 100",
                           "PassengerMaxRequestTime 10", "PassengerMaxRequestQueueTime 10"),
    "threads" => everywhere("PassengerConcurrencyModel thread", "PassengerThreadCount 2"),
    "restarts" => everywhere("PassengerRollingRestarts on", "PassengerResistDeploymentErrors on"),
    "a log for an application" => everywhere("PassengerAppLogFile /tmp/log"),
    "what is not supported here" => "PassengerDebugger on\nPassengerFlyWith /tmp",
    "what it once had" => "RailsAutoDetect off\nRackAutoDetect off\nPassengerAnalyticsLogDir /tmp",
    "what it does not have in this version" => "PassengerAppConnectPasswordFile /tmp\n" \
                                               "PassengerCustomErrorPage /tmp/page\n" \
                                               "PassengerHardMemoryLimit 100",
    "symlinks" => everywhere("PassengerResolveSymlinksInDocumentRoot on")
  }.freeze

  # Lines without a meaning, or with a misleading one.
  REFUSED_ONLY_HERE = {
    "two flags" => "PassengerEnabled on off",
    "a level that there is not" => "PassengerLogLevel 99",
    "an unknown type" => "PassengerAppType cobol",
    "an application to start that is no URL" => "PassengerPreStart localhost",
    "less than no time between looks" => "PassengerStatThrottleRate -1",
    "more instances than a number can say" => "PassengerMinInstances 99999999999",
    "fewer than any number of requests" => "PassengerForceMaxConcurrentRequestsPerProcess -2",
    "more than a year" => "PassengerPoolIdleTime 99999999",
    "a name in place of an address" => "PassengerDirectInstanceRequestAddress localhost",
    "a user in a URL" => "PassengerPreStart http://user:secret@localhost/"
  }.freeze
end
