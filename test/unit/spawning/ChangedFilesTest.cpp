// Spawners after filesChanged().

#include <cppunit/extensions/HelperMacros.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "support/Expect.h"
#include "support/SpawningFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

class ChangedFilesTest : public SpawningFixture {
    CPPUNIT_TEST_SUITE(ChangedFilesTest);
    CPPUNIT_TEST(testThePreloaderForksForAsLongAsItLives);
    CPPUNIT_TEST(testNothingIsLoadedWithoutAPreloader);
    CPPUNIT_TEST(testStartsThatThePreloaderCannotServeLeaveIt);
    CPPUNIT_TEST(testAnInstanceThatCannotBeForkedIsNotStartedDirectly);
    CPPUNIT_TEST_SUITE_END();

    static constexpr const char *LOADED = "loaded by ";

    Options smart_;
    SpawnerPtr spawner_;

    /** Starts an instance, and ends it. */
    SpawnResult spawn(const Options &options) {
        SpawnResult instance = spawner_->spawn(options);
        instance.control = FrameSocket();
        CPPUNIT_ASSERT(waitPidFd(instance.pidFd, 60s));
        return instance;
    }
    void expectNotLoaded(const Options &options) {
        thrownBy<NotLoadedException>([&] { spawner_->spawn(options); });
    }
    Options direct() const {
        Options options = smart_;
        options.spawnMethod = "direct";
        return options;
    }

public:
    void setUp() override {
        SpawningFixture::setUp();
        folder_->setStartupFile(application("puts \"loaded by #{Process.pid}\""));
        smart_ = options();
        smart_.spawnMethod = "smart";
        spawner_ = factory_->create(smart_);
    }
    void tearDown() override {
        spawner_.reset();
        SpawningFixture::tearDown();
    }

    void testThePreloaderForksForAsLongAsItLives() {
        const auto first = spawn(smart_).origin;
        spawner_->filesChanged();
        CPPUNIT_ASSERT(spawn(smart_).origin == first);
        CPPUNIT_ASSERT_EQUAL(0, ::kill(pidInLog(LOADED), SIGKILL));
        expectNotLoaded(smart_);
        expectNotLoaded(smart_);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count(LOADED));
    }

    void testNothingIsLoadedWithoutAPreloader() {
        spawner_->filesChanged();
        Options command = smart_;
        command.startCommand = "exec true";
        for (const Options &options : {smart_, direct(), command}) {
            expectNotLoaded(options);
        }
        spawner_ = factory_->create(direct());
        spawner_->filesChanged();
        expectNotLoaded(direct());
        CPPUNIT_ASSERT_EQUAL(0U, log_->count(LOADED));
    }

    void testStartsThatThePreloaderCannotServeLeaveIt() {
        const auto first = spawn(smart_).origin;
        spawner_->filesChanged();
        Options other = smart_;
        other.startupFile = "other.ru";
        std::ofstream(folder_->path() + "/other.ru") << application();
        expectNotLoaded(other);
        expectNotLoaded(direct());
        CPPUNIT_ASSERT(spawn(smart_).origin == first);
    }

    void testAnInstanceThatCannotBeForkedIsNotStartedDirectly() {
        const std::string broken = folder_->path() + "/broken";
        folder_->setStartupFile(
            application("puts \"loaded by #{Process.pid}\"\n"
                        "def Random.srand; exit!(4) if File.exist?('" +
                        broken + "'); end"));
        const auto first = spawn(smart_).origin;
        spawner_->filesChanged();
        std::ofstream(broken).close();
        const std::string failure = thrownBy<SpawnException>([&] { spawner_->spawn(smart_); }).what();
        CPPUNIT_ASSERT_MESSAGE(failure, failure.find("the process exited") != std::string::npos);
        std::filesystem::remove(broken);
        CPPUNIT_ASSERT(spawn(smart_).origin == first);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count(LOADED));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ChangedFilesTest);

}  // namespace Passenger
