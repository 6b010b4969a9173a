#include "rights/Grants.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <string>

namespace Passenger {

/** Limits of applications, and how many instances there are and for how long. */
class GrantedNumbersTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(GrantedNumbersTest);
    CPPUNIT_TEST(testALimitThatNoPlaceNamesIsRefusedByItsDirective);
    CPPUNIT_TEST(testTheLimitsOfMemoryAndOfLogLinesAreNotLifted);
    CPPUNIT_TEST(testALimitOfTheServerIsNotLeftOut);
    CPPUNIT_TEST(testTheDefaultOfABootIsNotLiftedUnlessTheConfigurationDoes);
    CPPUNIT_TEST(testAFolderHasTheLimitsOfItsOwnVirtualHost);
    CPPUNIT_TEST(testNumbersAndTimesOfInstancesAreThoseOfTheConfiguration);
    CPPUNIT_TEST(testANumberOfAWholeVirtualHostIsNotLeftOut);
    CPPUNIT_TEST(testAnApplicationStartsWithTheNumbersOfAnEarlierConfiguration);
    CPPUNIT_TEST(testAnAliasOfAnotherVirtualHostMayHaveOtherNumbersOfInstances);
    CPPUNIT_TEST(testNumbersOfInstancesMayStandInHtaccessFiles);
    CPPUNIT_TEST(testTheLifeOfInstancesIsThatOfTheConfiguration);
    CPPUNIT_TEST(testTheDefaultOfRequestsAtOnceIsThatOfTheKind);
    CPPUNIT_TEST(testEachLineOfAListIsOneOfTheConfiguration);
    CPPUNIT_TEST_SUITE_END();

    static Options options() {
        Options options;
        options.appRoot = "/srv/alice";
        options.ruby = "/usr/bin/ruby";
        return options;
    }

public:
    void testALimitThatNoPlaceNamesIsRefusedByItsDirective() {
        const Grants grants("server\nany folder\nruby /usr/bin/ruby\nserver\ntasks_max 30\n");
        Options limited = options();
        CPPUNIT_ASSERT(!grants.refusal(limited));
        limited.tasksMax = 30;
        CPPUNIT_ASSERT(!grants.refusal(limited));
        limited.tasksMax = 31;
        CPPUNIT_ASSERT(grants.refusal(limited).value().find("PassengerTasksMax 31") != std::string::npos);
    }

    void testTheLimitsOfMemoryAndOfLogLinesAreNotLifted() {
        const Grants grants(
            "server\nany folder\nruby /usr/bin/ruby\nmemory_limit 300\nlimited memory_limit\n"
            "hard_memory_limit 500\nlimited hard_memory_limit\n");
        Options limited = options();
        limited.memoryLimit = 300;
        limited.hardMemoryLimit = 500;
        CPPUNIT_ASSERT(!grants.refusal(limited));
        for (unsigned Options::*limit : {&Options::memoryLimit, &Options::hardMemoryLimit, &Options::maxLogLines}) {
            Options lifted = limited;
            lifted.*limit = 0;
            CPPUNIT_ASSERT(grants.refusal(lifted).has_value());
        }
    }

    void testALimitOfTheServerIsNotLeftOut() {
        const Grants grants(
            "server\nany folder\nruby /usr/bin/ruby\nmemory_max 500\nlimited memory_max\nserver\nmemory_max 800\n");
        Options limited = options();
        CPPUNIT_ASSERT(grants.refusal(limited).has_value());
        for (const unsigned megabytes : {500, 800}) {
            limited.memoryMax = megabytes;
            CPPUNIT_ASSERT(!grants.refusal(limited));
        }
    }

    void testTheDefaultOfABootIsNotLiftedUnlessTheConfigurationDoes() {
        Options unlimited = options();
        unlimited.maxBootProcesses = 0;
        CPPUNIT_ASSERT(Grants("server\nany folder\nruby /usr/bin/ruby\n").refusal(unlimited).has_value());
        CPPUNIT_ASSERT(!Grants("server\nany folder\nruby /usr/bin/ruby\nmax_boot_processes 0\n").refusal(unlimited));
    }

    void testAFolderHasTheLimitsOfItsOwnVirtualHost() {
        const Grants grants(
            "server\nany folder\nruby /usr/bin/ruby\nserver\ndocument_root /srv/a/public\ntasks_max 30\nlimited "
            "tasks_max\n"
            "server\ndocument_root /srv/b/public\ntasks_max 90\nlimited tasks_max\n");
        Options limited = options();
        for (const unsigned tasks : {0, 30, 90}) {
            limited.tasksMax = tasks;
            limited.appRoot = "/srv/a";
            CPPUNIT_ASSERT_EQUAL(tasks != 30, grants.limitRefusal(limited).has_value());
            limited.appRoot = "/srv/b";
            CPPUNIT_ASSERT_EQUAL(tasks != 90, grants.limitRefusal(limited).has_value());
            limited.appRoot = "/srv/behind/an/alias";
            CPPUNIT_ASSERT(!grants.limitRefusal(limited));
        }
    }

    void testNumbersAndTimesOfInstancesAreThoseOfTheConfiguration() {
        const Grants grants(
            "server\nany folder\nruby /usr/bin/ruby\nserver\nmin_instances 3\nmax_instances 6\nstop_timeout 20\n"
            "server\nmin_instances 40\n");
        Options scaled = options();
        scaled.minInstances = 3;
        scaled.maxInstances = 6;
        scaled.stopTimeout = std::chrono::seconds(20);
        CPPUNIT_ASSERT(!grants.refusal(scaled));
        scaled.minInstances = Options().minInstances;
        CPPUNIT_ASSERT_MESSAGE("another virtual host may lead to it", !grants.refusal(scaled));
        scaled.minInstances = 40;
        CPPUNIT_ASSERT_MESSAGE("of another virtual host", grants.refusal(scaled).has_value());
        scaled = options();
        scaled.minInstances = 50;
        const auto refusal = grants.refusal(scaled);
        CPPUNIT_ASSERT(refusal.has_value());
        CPPUNIT_ASSERT(refusal->find("no PassengerMinInstances 50.") != std::string::npos);
        scaled = options();
        scaled.startTimeout = std::chrono::hours(1);
        CPPUNIT_ASSERT(grants.refusal(scaled).has_value());
    }

    void testANumberOfAWholeVirtualHostIsNotLeftOut() {
        const std::string limited =
            "server\nruby /usr/bin/ruby\nserver\ndocument_root /srv/alice/public\nmax_instances 2\n"
            "fixed max_instances\n";
        Options scaled = options();
        const auto refusal = Grants(limited).refusal(scaled);
        CPPUNIT_ASSERT(refusal.has_value());
        CPPUNIT_ASSERT(refusal->find(", PassengerMaxInstances 0)") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE("it may start after a reload", !Grants(limited).startRefusal(scaled));
        CPPUNIT_ASSERT_MESSAGE("a section sets the default", !Grants(limited + "max_instances 0\n").refusal(scaled));
        CPPUNIT_ASSERT_MESSAGE("another virtual host has the folder, and sets nothing",
                               !Grants(limited + "server\napp_root /srv/alice\n").refusal(scaled));
        scaled.maxInstances = 2;
        CPPUNIT_ASSERT(!Grants(limited).refusal(scaled));
        const std::string whole = "server\nruby /usr/bin/ruby\nany folder\nmax_instances 2\nfixed max_instances\n";
        CPPUNIT_ASSERT(!Grants(whole).refusal(scaled));
        scaled.maxInstances = 0;
        CPPUNIT_ASSERT(Grants(whole).refusal(scaled).has_value());
    }

    void testAnApplicationStartsWithTheNumbersOfAnEarlierConfiguration() {
        const Grants grants(
            "server\nany folder\nruby /usr/bin/ruby\nserver\nmin_instances 5\ntasks_max 9\nlimited tasks_max\n");
        Options earlier = options();
        earlier.minInstances = 3;
        earlier.tasksMax = 9;
        CPPUNIT_ASSERT(grants.refusal(earlier).has_value());
        CPPUNIT_ASSERT(!grants.startRefusal(earlier));
        earlier.tasksMax = 10;
        CPPUNIT_ASSERT_MESSAGE("a limit", grants.startRefusal(earlier).has_value());
    }

    void testAnAliasOfAnotherVirtualHostMayHaveOtherNumbersOfInstances() {
        const Grants grants(
            "server\nruby /usr/bin/ruby\nmemory_limit 500\nlimited memory_limit\ngroup www\nserver\n"
            "document_root /srv/alice/public\nserver\ndocument_root /srv/www\nbase_uri /app\nmin_instances 2\n");
        Options aliased = options();
        aliased.group = "www";
        aliased.memoryLimit = 500;
        aliased.minInstances = 2;
        CPPUNIT_ASSERT_EQUAL(std::string(), grants.refusal(aliased).value_or(""));
        CPPUNIT_ASSERT_EQUAL(std::string(), grants.limitRefusal(aliased).value_or(""));
        CPPUNIT_ASSERT(grants.coversFolder(aliased));
    }

    void testNumbersOfInstancesMayStandInHtaccessFiles() {
        const Grants grants("server\nany name\nany folder\nruby /usr/bin/ruby\n");
        Options scaled = options();
        scaled.minInstances = 3;
        CPPUNIT_ASSERT(!grants.refusal(scaled));
        scaled.memoryMax = 500;
        CPPUNIT_ASSERT_MESSAGE("a limit", grants.refusal(scaled).has_value());
    }

    void testTheLifeOfInstancesIsThatOfTheConfiguration() {
        const Grants grants(
            "server\nany folder\nruby /usr/bin/ruby\nrestart_dir /srv/restart\nrolling_restarts Off\n"
            "environment development\n");
        Options given = options();
        given.restartDir = "/srv/restart";
        given.rollingRestarts = false;
        CPPUNIT_ASSERT(!grants.refusal(given));
        CPPUNIT_ASSERT_MESSAGE("the defaults", !grants.refusal(options()));
        given.restartDir = "/tmp/x";
        CPPUNIT_ASSERT(grants.refusal(given).value().find("no PassengerRestartDir \"/tmp/x\".") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE("it may start after a reload", !grants.startRefusal(given));
        const std::string none = "server\nany folder\nruby /usr/bin/ruby\nenvironment development\n";
        given = options();
        given.rollingRestarts = false;
        CPPUNIT_ASSERT(Grants(none).refusal(given).value().find("no PassengerRollingRestarts Off.") !=
                       std::string::npos);
        given.environment = "development";
        CPPUNIT_ASSERT_MESSAGE("the default there", !Grants(none).refusal(given));
        CPPUNIT_ASSERT(Grants(none + "rolling_restarts On\nfixed rolling_restarts\n").refusal(given).has_value());
    }

    void testTheDefaultOfRequestsAtOnceIsThatOfTheKind() {
        const Grants grants("server\nany folder\nruby /usr/bin/ruby\nthread_count 5\n");
        Options given = options();
        for (const unsigned threads : {1U, 5U}) {
            given.threads = threads;
            CPPUNIT_ASSERT(!grants.refusal(given));
        }
        given.threads = 6;
        CPPUNIT_ASSERT(grants.refusal(given).value().find("no PassengerThreadCount 6.") != std::string::npos);
        given.threads = Options::NO_THREAD_LIMIT;
        CPPUNIT_ASSERT(grants.refusal(given).has_value());
        given.appType = "asgi";
        CPPUNIT_ASSERT(!grants.refusal(given));
    }

    void testEachLineOfAListIsOneOfTheConfiguration() {
        const Grants grants("server\nany folder\nruby /usr/bin/ruby\nwarm_up /\nwarm_up /posts?page=1\n");
        Options given = options();
        given.warmUp = "/\n/posts?page=1";
        CPPUNIT_ASSERT(!grants.refusal(given));
        given.warmUp = "/posts?page=1";
        CPPUNIT_ASSERT(!grants.refusal(given));
        given.warmUp = "/\n/slow";
        CPPUNIT_ASSERT(grants.refusal(given).has_value());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GrantedNumbersTest);

}  // namespace Passenger
