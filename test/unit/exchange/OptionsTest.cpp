#include "exchange/Options.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cstddef>
#include <string>

#include "support/Expect.h"

namespace Passenger {

class OptionsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(OptionsTest);
    CPPUNIT_TEST(testAllOptionsSurviveTheirMap);
    CPPUNIT_TEST(testDefaultsSurviveTheirMap);
    CPPUNIT_TEST(testAMissingOptionKeepsItsDefault);
    CPPUNIT_TEST(testUnknownKeysAreIgnored);
    CPPUNIT_TEST(testMalformedValuesAreErrors);
    CPPUNIT_TEST(testOfARequestsOptionsTheMapHasTheQueue);
    CPPUNIT_TEST(testWithoutAnotherQueueARequestGoesToTheCommonOne);
    CPPUNIT_TEST(testWithAPriorityQueueARequestOfHighPriorityOvertakesOthers);
    CPPUNIT_TEST(testAGroupIsNamedAfterItsFolderAndEnvironment);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAllOptionsSurviveTheirMap() {
        Options options;
        options.appRoot = "/srv/blog";
        options.environment = "staging";
        options.appGroupName = "blog";
        options.startupFile = "app.ru";
        options.appCallable = "create_app()";
        options.restartDir = "/var/tmp";
        options.baseUri = "/blog";
        options.ruby = "/opt/ruby";
        options.logFile = "/var/log/blog.log";
        options.monitoredFiles = "/srv/blog/one.log\n/srv/blog/two.log";
        options.spawnMethod = "direct";
        options.user = "alice";
        options.group = "staff";
        options.defaultUser = "www";
        options.defaultGroup = "web";
        options.userSwitching = false;
        options.minInstances = 2;
        options.maxInstances = 7;
        options.startInstances = 4;
        options.minSpareInstances = 5;
        options.maxSpareInstances = 6;
        options.heartbeatTimeout = std::chrono::seconds(30);
        options.maxRequests = 1000;
        options.memoryLimit = 512;
        options.hardMemoryLimit = 1024;
        options.memoryBudget = 2048;
        options.maxQueueSize = 0;
        options.maxQueueTime = std::chrono::days(365) + std::chrono::milliseconds(1);
        options.rollingRestarts = false;
        options.loadShellEnvvars = false;
        options.maxPreloaderIdleTime = std::chrono::seconds(31);
        options.preloadBundler = true;
        options.reforkAfter = 500;
        options.warmUp = "/one\n/two";
        options.stickySessions = true;
        options.request.queue = QueueChoice::ofInstance(UINT32_MAX);
        options.priorityQueue = true;
        options.threads = 3;
        options.startTimeout = std::chrono::seconds(17);
        options.variables = [] { return Options::Variables{{"SECRET", "a=b\nc"}, {"EMPTY", ""}}; };

        const Options copy = Options::fromMap(options.toMap());
        CPPUNIT_ASSERT(copy.toMap() == options.toMap());
        CPPUNIT_ASSERT_EQUAL(options.appRoot, copy.appRoot);
        CPPUNIT_ASSERT_EQUAL(options.appCallable, copy.appCallable);
        CPPUNIT_ASSERT_EQUAL(options.restartDir, copy.restartDir);
        CPPUNIT_ASSERT_EQUAL(options.defaultGroup, copy.defaultGroup);
        CPPUNIT_ASSERT_EQUAL(options.logFile, copy.logFile);
        CPPUNIT_ASSERT_EQUAL(options.monitoredFiles, copy.monitoredFiles);
        CPPUNIT_ASSERT(!copy.userSwitching);
        CPPUNIT_ASSERT_EQUAL(7U, copy.maxInstances);
        CPPUNIT_ASSERT_EQUAL(3U, copy.threads);
        CPPUNIT_ASSERT_EQUAL(4U, copy.startInstances);
        CPPUNIT_ASSERT_EQUAL(5U, copy.minSpareInstances);
        CPPUNIT_ASSERT_EQUAL(6U, copy.maxSpareInstances);
        CPPUNIT_ASSERT(copy.heartbeatTimeout == std::chrono::seconds(30));
        CPPUNIT_ASSERT_EQUAL(1000U, copy.maxRequests);
        CPPUNIT_ASSERT_EQUAL(512U, copy.memoryLimit);
        CPPUNIT_ASSERT_EQUAL(1024U, copy.hardMemoryLimit);
        CPPUNIT_ASSERT_EQUAL(2048U, copy.memoryBudget);
        CPPUNIT_ASSERT_EQUAL(0U, copy.maxQueueSize);
        CPPUNIT_ASSERT(copy.maxQueueTime == options.maxQueueTime);
        CPPUNIT_ASSERT(!copy.rollingRestarts);
        CPPUNIT_ASSERT(!copy.loadShellEnvvars);
        CPPUNIT_ASSERT(copy.maxPreloaderIdleTime == std::chrono::seconds(31));
        CPPUNIT_ASSERT(copy.preloadBundler);
        CPPUNIT_ASSERT_EQUAL(500U, copy.reforkAfter);
        CPPUNIT_ASSERT_EQUAL(options.warmUp, copy.warmUp);
        CPPUNIT_ASSERT(copy.stickySessions);
        CPPUNIT_ASSERT_EQUAL(UINT32_MAX, copy.request.queue.number());
        CPPUNIT_ASSERT(copy.priorityQueue);
        CPPUNIT_ASSERT(copy.startTimeout == std::chrono::seconds(17));
        CPPUNIT_ASSERT(copy.variables() == options.variables());
    }

    void testDefaultsSurviveTheirMap() {
        const Options options;
        CPPUNIT_ASSERT(Options::fromMap(options.toMap()).toMap() == options.toMap());
    }

    void testAMissingOptionKeepsItsDefault() {
        const Options options = Options::fromMap({{"app_root", "/srv/blog"}});
        CPPUNIT_ASSERT_EQUAL(std::string("config.ru"), options.startupFile);
        CPPUNIT_ASSERT_EQUAL(std::string("application"), options.appCallable);
        CPPUNIT_ASSERT_EQUAL(1U, options.minInstances);
        CPPUNIT_ASSERT(options.variables().empty());
    }

    void testUnknownKeysAreIgnored() {
        const Options options = Options::fromMap({{"app_root", "/srv/blog"}, {"colour", "green"}});
        CPPUNIT_ASSERT(!options.toMap().contains("colour"));
    }

    void testMalformedValuesAreErrors() {
        const std::pair<const char *, const char *> cases[] = {
            {"min_instances", ""},          {"min_instances", "-1"},          {"max_instances", "many"},
            {"max_instances", "1 "},        {"max_instances", "99999999999"}, {"thread_count", "0"},
            {"user_switching", "yes"},      {"start_timeout", "1.5"},         {"max_request_queue_time", "-1"},
            {"max_request_queue_size", ""}, {"rolling_restarts", "on"},       {"sticky_id", "4294967296"},
            {"thread_count", "8193"},
        };
        for (const auto &each : cases) {
            const auto error = thrownBy<ProtocolException>([&] { Options::fromMap({{each.first, each.second}}); });
            CPPUNIT_ASSERT_MESSAGE(error.what(), std::string(error.what()).find(each.first) != std::string::npos);
        }
    }

    void testOfARequestsOptionsTheMapHasTheQueue() {
        Options options;
        CPPUNIT_ASSERT_EQUAL(std::string("0"), options.toMap().at("sticky_id"));
        const std::size_t size = options.toMap().size();
        options.request.queue = QueueChoice::ofInstance(4711);
        CPPUNIT_ASSERT_EQUAL(std::string("4711"), options.toMap().at("sticky_id"));
        CPPUNIT_ASSERT_EQUAL(4711U, Options::fromMap(options.toMap()).request.queue.number());
        options.request.queue = QueueChoice::ofHighPriority();
        options.request.priority = Priority::HIGH;
        options.request.maxInFlight = 7;
        CPPUNIT_ASSERT_EQUAL(std::string("4294967295"), options.toMap().at("sticky_id"));
        CPPUNIT_ASSERT_EQUAL(size, options.toMap().size());
        const RequestOptions copy = Options::fromMap(options.toMap()).request;
        CPPUNIT_ASSERT(copy.priority == Priority::NORMAL && copy.maxInFlight == 0);
    }

    void testWithoutAnotherQueueARequestGoesToTheCommonOne() {
        Options options;
        options.request.queue = QueueChoice::ofInstance(4711);
        CPPUNIT_ASSERT(options.queueChoice().isCommon());
        options.priorityQueue = true;
        CPPUNIT_ASSERT_EQUAL(4711U, options.queueChoice().number());
        options.priorityQueue = false;
        options.stickySessions = true;
        CPPUNIT_ASSERT_EQUAL(4711U, options.queueChoice().number());
        options.request.queue = QueueChoice::ofInstance(0);
        CPPUNIT_ASSERT(options.queueChoice().isCommon());
    }

    void testWithAPriorityQueueARequestOfHighPriorityOvertakesOthers() {
        Options options;
        options.request.priority = Priority::HIGH;
        CPPUNIT_ASSERT(!options.overtakes());
        options.priorityQueue = true;
        CPPUNIT_ASSERT(options.overtakes());
        options.request.priority = Priority::NORMAL;
        CPPUNIT_ASSERT(!options.overtakes());
    }

    void testAGroupIsNamedAfterItsFolderAndEnvironment() {
        Options options;
        options.appRoot = "/srv/blog";
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/blog (production)"), options.groupName());
        options.appGroupName = "blog";
        CPPUNIT_ASSERT_EQUAL(std::string("blog"), options.groupName());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(OptionsTest);

}  // namespace Passenger
