#include "io/AgentSettings.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

class AgentSettingsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(AgentSettingsTest);
    CPPUNIT_TEST(testAllSettingsSurviveTheirMap);
    CPPUNIT_TEST(testASettingMissingInTheMapKeepsItsDefault);
    CPPUNIT_TEST(testUnknownSettingsAreIgnored);
    CPPUNIT_TEST(testMalformedValuesAreRejected);
    CPPUNIT_TEST(testTheProgramIsLookedForBesideTheSpawnServersFolder);
    CPPUNIT_TEST(testTheInstalledProgramIsTheDefault);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAllSettingsSurviveTheirMap() {
        AgentSettings settings;
        settings.agentCommand = "/opt/passenger-agent";
        settings.spawnServerCommand = "/opt/lib/passenger/spawn/spawn_server.rb";
        settings.rubyCommand = "/usr/bin/ruby3.1";
        settings.environment = "staging";
        settings.user = "www-data";
        settings.logFile = "/var/log/a \"log\"\n";
        settings.requireSpawnServer = false;
        settings.obeysUsers = true;
        settings.maxPoolSize = 42;
        settings.memoryBudget = 4096;
        settings.maxInstancesPerApp = 5;
        settings.maxChildConnections = 6;
        settings.maxChildChannels = 7;
        settings.maxChildApps = 8;
        settings.poolIdleTime = std::chrono::seconds(0);
        settings.statThrottleRate = std::chrono::seconds(86400);
        settings.logLevel = 7;
        settings.logPrefix = false;
        settings.appFiles = "/var/log/one\n/var/log/two";
        settings.preStart = "http://one/\nhttps://two/";
        settings.firstAgent = true;
        settings.drains = "all\n/srv/blog (production)";
        settings.pauses = "7 /srv/blog (production)\n";
        settings.defaultUser = "www";
        settings.defaultGroup = "webs";
        settings.agentUser = "agent";
        settings.seccomp = SeccompMode::LOG;
        settings.userSwitching = false;
        settings.grants = "server\nuser alice\n";
        settings.update = "17";
        settings.instanceRegistryDir = "/run/agents";
        settings.socketBacklog = 7;
        settings.agentTimeout = std::chrono::seconds(9);
        settings.stopTimeout = std::chrono::seconds(12);
        settings.spawnDir = "/run/sockets";
        settings.descriptorLogFile = "/var/log/descriptors";
        CPPUNIT_ASSERT(settings == AgentSettings::fromMap(settings.toMap()));
        CPPUNIT_ASSERT(AgentSettings() == AgentSettings::fromMap(AgentSettings().toMap()));
    }

    void testASettingMissingInTheMapKeepsItsDefault() {
        AgentSettings expected;
        expected.maxPoolSize = 3;
        CPPUNIT_ASSERT(expected == AgentSettings::fromMap({{"max_pool_size", "3"}}));
    }

    void testUnknownSettingsAreIgnored() {
        CPPUNIT_ASSERT(AgentSettings() == AgentSettings::fromMap({{"of_a_later_version", "yes"}}));
    }

    void testMalformedValuesAreRejected() {
        const std::map<std::string, std::string> bad[] = {
            {{"max_pool_size", "-1"}}, {{"max_pool_size", "6x"}},          {{"max_pool_size", ""}},
            {{"log_prefix", "2"}},     {{"log_prefix", "true"}},           {{"pool_idle_time", "-5"}},
            {{"log_level", "notice"}}, {{"max_pool_size", "99999999999"}}, {{"max_instances_per_app", "all"}},
            {{"seccomp", "On"}},
        };
        for (const auto &map : bad) {
            thrownBy<ProtocolException>([&] { AgentSettings::fromMap(map); });
        }
    }

    void testTheProgramIsLookedForBesideTheSpawnServersFolder() {
        char folder[] = "/tmp/AgentSettingsTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        const std::string program = std::string(folder) + "/passenger-agent";
        AgentSettings settings;
        settings.spawnServerCommand = std::string(folder) + "/lib/passenger/spawn/spawn_server.rb";
        const auto without = settings.agentProgram();
        { const FileDescriptor file(::open(program.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0700)); }
        const auto with = settings.agentProgram();
        std::filesystem::remove_all(folder);

        CPPUNIT_ASSERT_EQUAL(std::string(PASSENGER_DEFAULT_ROOT "/passenger-agent"), without);
        CPPUNIT_ASSERT_EQUAL(program, with);
    }

    void testTheInstalledProgramIsTheDefault() {
        AgentSettings settings;
        for (const char *command : {"", "spawn_server.rb", "/spawn_server.rb", "passenger/spawn_server.rb"}) {
            settings.spawnServerCommand = command;
            CPPUNIT_ASSERT_EQUAL(std::string(PASSENGER_DEFAULT_ROOT "/passenger-agent"), settings.agentProgram());
        }
        settings.agentCommand = "/own";
        CPPUNIT_ASSERT_EQUAL(std::string("/own"), settings.agentProgram());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AgentSettingsTest);

}  // namespace Passenger
