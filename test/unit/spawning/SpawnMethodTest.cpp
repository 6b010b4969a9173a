#include <cppunit/extensions/HelperMacros.h>

#include <fstream>

#include "base/PidFd.h"
#include "exchange/Options.h"
#include "spawning/Spawner.h"
#include "support/Eventually.h"
#include "support/SpawningFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

/** A Spawner follows the options of each start: those of a reload count from the next start on. */
class SpawnMethodTest : public SpawningFixture {
    CPPUNIT_TEST_SUITE(SpawnMethodTest);
    CPPUNIT_TEST(testADirectStartEndsThePreloader);
    CPPUNIT_TEST(testAStartCommandEndsThePreloader);
    CPPUNIT_TEST(testAfterADirectStartAPreloaderIsStartedAgain);
    CPPUNIT_TEST(testAnotherStartupFileNeedsAnotherPreloader);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        SpawningFixture::setUp();
        folder_->setStartupFile(application("puts \"loaded by #{Process.pid}\""));
        smart_ = options();
        smart_.spawnMethod = "smart";
        direct_ = smart_;
        direct_.spawnMethod = "direct";
        command_ = smart_;
        command_.startCommand = "exec " + settings().rubyCommand + " server.rb";
        std::ofstream(folder_->path() + "/server.rb")
            << "require 'socket'\nTCPServer.new('127.0.0.1', ENV['PORT'].to_i).accept\nsleep\n";
        spawner_ = factory_->create(smart_);
    }

    void tearDown() override {
        spawner_.reset();
        SpawningFixture::tearDown();
    }

    void testADirectStartEndsThePreloader() {
        CPPUNIT_ASSERT(spawn(smart_).origin);
        const pid_t preloader = pidInLog("loaded by ");
        CPPUNIT_ASSERT(!spawn(direct_).origin);
        CPPUNIT_ASSERT(eventually([&] { return !exists(preloader); }));
    }

    void testAStartCommandEndsThePreloader() {
        spawn(smart_);
        const pid_t preloader = pidInLog("loaded by ");
        CPPUNIT_ASSERT_MESSAGE("A bridge", spawn(command_).hasDescendants);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The command does not load config.ru", 1U, log_->count("loaded by "));
        CPPUNIT_ASSERT(eventually([&] { return !exists(preloader); }));
    }

    void testAfterADirectStartAPreloaderIsStartedAgain() {
        spawner_ = factory_->create(direct_);
        CPPUNIT_ASSERT(!spawn(direct_).origin);
        const auto first = spawn(smart_).origin;
        CPPUNIT_ASSERT(first);
        CPPUNIT_ASSERT(spawn(smart_).origin == first);
    }

    void testAnotherStartupFileNeedsAnotherPreloader() {
        const auto first = spawn(smart_).origin;
        std::ofstream(folder_->path() + "/other.ru") << application("puts 'the other file'");
        smart_.startupFile = "other.ru";
        CPPUNIT_ASSERT(spawn(smart_).origin != first);
        CPPUNIT_ASSERT(eventually([&] { return log_->contains("the other file"); }));
    }

private:
    /** Starts an instance, and ends it. */
    SpawnResult spawn(const Options &options) {
        SpawnResult instance = spawner_->spawn(options);
        instance.control = FrameSocket();
        CPPUNIT_ASSERT(waitPidFd(instance.pidFd, 60s));
        return instance;
    }

    Options smart_;
    Options direct_;
    Options command_;
    SpawnerPtr spawner_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(SpawnMethodTest);

}  // namespace Passenger
