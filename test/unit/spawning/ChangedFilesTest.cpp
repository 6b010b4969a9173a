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
#include "support/TestThread.h"

namespace Passenger {

using namespace std::chrono_literals;

class ChangedFilesTest : public SpawningFixture {
    CPPUNIT_TEST_SUITE(ChangedFilesTest);
    CPPUNIT_TEST(testThePreloaderForksForAsLongAsItLives);
    CPPUNIT_TEST(testNothingIsLoadedWithoutAPreloader);
    CPPUNIT_TEST(testStartsThatThePreloaderCannotServeLeaveIt);
    CPPUNIT_TEST(testAnInstanceThatCannotBeForkedIsNotStartedDirectly);
    CPPUNIT_TEST(testIfNothingElseServesAPreloaderWhoseForksDieIsGivenUp);
    CPPUNIT_TEST(testAWarmPreloaderWhoseForkDiesStays);
    CPPUNIT_TEST(testNoWarmPreloaderTakesThePlaceOfThePreloader);
    CPPUNIT_TEST(testALoadThatBeginsBeforeTheChangeGivesNothing);
    CPPUNIT_TEST(testAChangeIsLookedForAfterALoad);
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
    Options python() const {
        Options options = direct();
        options.appType = "wsgi";
        options.startupFile = "passenger_wsgi.py";
        options.python = "/usr/bin/python3";
        return options;
    }
    /** Forks exit while this file exists. */
    std::string dying() {
        std::string file = folder_->path() + "/dying";
        folder_->setStartupFile(
            application("puts \"loaded by #{Process.pid}\"\n"
                        "def Random.srand; exit!(4) if File.exist?('" +
                        file + "'); end"));
        return file;
    }
    std::string failure() {
        return thrownBy<SpawnException>([&] { spawner_->spawn(smart_); }).what();
    }
    /** The files change while the application is loaded. @param end of the startup file */
    void changeDuring(const Options &options, const std::string &end) {
        const std::string go = folder_->path() + "/go";
        std::filesystem::remove(go);
        folder_->setStartupFile(
            application("puts \"loaded by #{Process.pid}\"\n"
                        "sleep 0.01 until File.exist?('" +
                        go + "')\n" + end));
        std::ofstream(folder_->path() + "/passenger_wsgi.py")
            << "import os, time\nprint(f'loaded by {os.getpid()}', flush=True)\nwhile not os.path.exists('" + go +
                   "'): time.sleep(0.01)\n" + end + "\ndef application(environ, start_response): pass\n";
        log_.reset();
        log_ = std::make_unique<CapturedLog>();
        spawner_ = factory_->create(options);
        TestThread start([&] { expectNotLoaded(options); });
        const pid_t pid = pidInLog(LOADED);
        spawner_->filesChanged();
        std::ofstream(go).close();
        start.join();
        CPPUNIT_ASSERT(eventually([&] { return !exists(pid); }));
        expectNotLoaded(options);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count(LOADED));
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
        const std::string file = dying();
        const auto first = spawn(smart_).origin;
        spawner_->filesChanged();
        std::ofstream(file).close();
        smart_.othersServe = true;
        const std::string why = failure();
        CPPUNIT_ASSERT_MESSAGE(why, why.find("the process exited") != std::string::npos);
        std::filesystem::remove(file);
        CPPUNIT_ASSERT(spawn(smart_).origin == first);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count(LOADED));
    }

    /** Corrected files would never be loaded otherwise. */
    void testIfNothingElseServesAPreloaderWhoseForksDieIsGivenUp() {
        const std::string file = dying();
        spawn(smart_);
        const pid_t preloader = pidInLog(LOADED);
        spawner_->filesChanged();
        std::ofstream(file).close();
        const std::string why = thrownBy<NotLoadedException>([&] { spawner_->spawn(smart_); }).what();
        CPPUNIT_ASSERT_MESSAGE(why, why.find("the process exited") != std::string::npos);
        CPPUNIT_ASSERT(eventually([&] { return !exists(preloader); }));
        expectNotLoaded(smart_);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count(LOADED));
    }

    void testAWarmPreloaderWhoseForkDiesStays() {
        const std::string file = dying();
        SpawnResult instance = spawner_->spawn(smart_);
        serve(instance);
        const auto warmed = spawner_->refork(smart_, warm(instance));
        spawner_->filesChanged();
        std::ofstream(file).close();
        smart_.othersServe = true;
        failure();
        std::filesystem::remove(file);
        CPPUNIT_ASSERT(spawn(smart_).origin == warmed);
    }

    /** None of its forks has lived yet. */
    void testNoWarmPreloaderTakesThePlaceOfThePreloader() {
        SpawnResult instance = spawner_->spawn(smart_);
        serve(instance);
        spawner_->filesChanged();
        thrownBy<SpawnException>([&] { spawner_->refork(smart_, warm(instance)); });
        CPPUNIT_ASSERT(spawn(smart_).origin == instance.origin);
    }

    void testALoadThatBeginsBeforeTheChangeGivesNothing() {
        for (const Options &options : {smart_, direct(), python()}) {
            changeDuring(options, "");
        }
        changeDuring(smart_, "raise 'a release that was removed'");
        changeDuring(python(), "raise Exception('a release that was removed')");
    }

    void testAChangeIsLookedForAfterALoad() {
        std::string app;
        resources_->lookForRestart = [&](const std::string &name) {
            app = name;
            spawner_->filesChanged();
        };
        expectNotLoaded(smart_);
        CPPUNIT_ASSERT_EQUAL(smart_.groupName(), app);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ChangedFilesTest);

}  // namespace Passenger
