#include <cppunit/extensions/HelperMacros.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/PidFd.h"
#include "base/SystemUserDatabase.h"
#include "spawning/Spawner.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/SpawningFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

/** The report of an application that cannot be started, by either spawn method, and the environment
 *  that an application gets. */
class SpawnFailureTest : public SpawningFixture {
    CPPUNIT_TEST_SUITE(SpawnFailureTest);
    CPPUNIT_TEST(testAnExceptionIsReportedWithItsMessageBacktraceAndOutput);
    CPPUNIT_TEST(testASyntaxErrorIsReportedWithItsPlace);
    CPPUNIT_TEST(testTheReportHasTheOutputOfAnApplicationThatEnds);
    CPPUNIT_TEST(testTheReportNamesTheSignalThatKilledTheApplication);
    CPPUNIT_TEST(testATimeoutEndsAllProcesses);
    CPPUNIT_TEST(testTheReportOfATimeoutNamesTheStepThatHangs);
    CPPUNIT_TEST(testAMissingFolderIsNamed);
    CPPUNIT_TEST(testAMissingStartupFileIsNamed);
    CPPUNIT_TEST(testAFolderThatMayNotBeEnteredIsNamed);
    CPPUNIT_TEST(testAMissingRubyIsNamed);
    CPPUNIT_TEST(testARubyThatTheLoginShellDoesNotFindIsNamed);
    CPPUNIT_TEST(testAMissingSpawnServerIsReportedWithItsOutput);
    CPPUNIT_TEST(testASpawnServerThatHangsIsReportedAsSuch);
    CPPUNIT_TEST(testASpawnServerThatEndsTwiceIsReportedAsSuch);
    CPPUNIT_TEST(testAWrapperAroundRubyMustEndWithExec);
    CPPUNIT_TEST(testSecretsAreNotInTheReport);
    CPPUNIT_TEST(testTheReportHasTheIdsLimitsAndEnvironmentOfTheProcess);
    CPPUNIT_TEST(testAFailureNamesItsStepCauseAndRemedy);
    CPPUNIT_TEST(testTheReportHasTheStepsOfTheSpawnServer);
    CPPUNIT_TEST(testTheEnvironmentIsSetBeforeTheApplicationLoads);
    CPPUNIT_TEST(testAsRootTheDefaultUserReplacesRoot);
    CPPUNIT_TEST(testAsRootTheOwnerOfTheStartupFileIsUsed);
    CPPUNIT_TEST_SUITE_END();

    using Test = void (SpawnFailureTest::*)(const Options &);

    void withBoth(Test test) {
        for (const char *method : {"smart", "direct"}) {
            auto options = SpawningFixture::options();
            options.spawnMethod = method;
            (this->*test)(options);
        }
    }

    SpawnException failure(const Options &options) {
        const auto spawner = factory_->create(options);
        return thrownBy<SpawnException>([&] { spawner->spawn(options); });
    }

    static void expectIn(const std::string &text, const std::string &part) {
        CPPUNIT_ASSERT_MESSAGE("\"" + part + "\" is not in: " + text, text.find(part) != std::string::npos);
    }

    void exceptionIsTold(const Options &options) {
        folder_->setStartupFile("puts 'almost there'\nraise KeyError, \"the setting X is missing\\nsecond line\"\n");
        const auto e = failure(options);
        CPPUNIT_ASSERT_EQUAL(std::string("the step \"app loaded\" failed with KeyError: the setting X is missing"),
                             std::string(e.what()));
        expectIn(e.report(), "KeyError: the setting X is missing\nsecond line");
        expectIn(e.report(), "config.ru:2");
        expectIn(e.report(), "almost there");
        expectIn(e.report(), "Step: app loaded");
        expectIn(e.report(), options.appRoot);
        expectIn(e.report(), "production");
    }

    void syntaxErrorIsTold(const Options &options) {
        folder_->setStartupFile("run(\n");
        const auto e = failure(options);
        expectIn(e.what(), "SyntaxError");
        expectIn(e.report(), "config.ru:");
    }

    void endIsTold(const Options &options) {
        folder_->setStartupFile("warn 'good bye'\nexit! 7\n");
        const auto e = failure(options);
        CPPUNIT_ASSERT_EQUAL(std::string("the process exited with status 7 during the step \"app loaded\""),
                             std::string(e.what()));
        expectIn(e.report(), "good bye");
    }

    void signalIsTold(const Options &options) {
        folder_->setStartupFile("Process.kill(:KILL, Process.pid)\nsleep\n");
        const auto e = failure(options);
        CPPUNIT_ASSERT_EQUAL(std::string("the process was killed by signal 9 (Killed) during the step \"app loaded\""),
                             std::string(e.what()));
        CPPUNIT_ASSERT_EQUAL(SIGKILL, e.details()->signal);
        expectIn(e.report(), "no memory left");
    }

    /** Fails after a few seconds, and after more if the report does not have `part` then: on a busy
     *  machine the application may be slow. */
    SpawnException hang(Options &options, const std::string &part) {
        for (const auto timeout : {3s, 15s}) {
            options.startTimeout = timeout;
            auto e = failure(options);
            if (e.report().find(part) != std::string::npos) {
                return e;
            }
        }
        options.startTimeout = 60s;
        return failure(options);
    }

    void hangIsTold(const Options &given) {
        auto options = given;
        folder_->setStartupFile("def wait_for_godot = sleep\nwait_for_godot\n");
        const auto e = hang(options, "config.ru:1:in `wait_for_godot'");
        const auto at = e.report().find("Backtraces of the threads:");
        CPPUNIT_ASSERT_MESSAGE(e.report(), at != std::string::npos);
        expectIn(e.report().substr(at), "config.ru:1:in `wait_for_godot'");
    }

    void processIsTold(const Options &options) {
        folder_->setStartupFile("raise 'no'\n");
        const std::string report = failure(options).report();
        for (const char *part : {"user id", "groups", "Max open files", "IN_PASSENGER", "RAILS_ENV"}) {
            expectIn(report, part);
        }
    }

    void causeIsTold(const Options &options) {
        folder_->setStartupFile("require 'no_such_library'\n");
        const std::string report = failure(options).report();
        expectIn(report, "Step: app loaded");
        expectIn(report, "Usual cause: This Ruby does not find the library \"no_such_library\"");
        expectIn(report, "Remedy: Add the gem to the Gemfile");
    }

    void spawnServersStepsAreTold(const Options &given) {
        auto options = given;
        options.ruby = "/nonexistent/ruby";
        const auto e = failure(options);
        const char *const forked = options.spawnMethod == "smart" ? "preloader forked" : "process forked";
        for (const char *part : {forked, "Step: Ruby started", "PassengerRuby"}) {
            expectIn(e.report(), part);
        }
    }

    void timeOutEndsEverything(const Options &given) {
        auto options = given;
        folder_->setStartupFile("puts \"" + options.spawnMethod + " hangs: #{Process.pid}\"\nsleep\n");
        const std::string what = hang(options, options.spawnMethod + " hangs: ").what();
        CPPUNIT_ASSERT_EQUAL(
            fmt::format("the application was not ready within {} seconds; the step \"app loaded\" had not ended",
                        options.startTimeout.count()),
            what);
        const pid_t pid = pidInLog(options.spawnMethod + " hangs: ");
        CPPUNIT_ASSERT(pid != 0);
        CPPUNIT_ASSERT(eventually([&] { return !exists(pid); }));
    }

    void missingFolderIsNamed(const Options &given) {
        auto options = given;
        options.appRoot = "/nonexistent/blog";
        const auto e = failure(options);
        expectIn(e.what(), "the application's folder \"/nonexistent/blog\" cannot be used: No such file or directory");
    }

    void missingStartupFileIsNamed(const Options &given) {
        auto options = given;
        options.startupFile = "start.ru";
        const auto e = failure(options);
        expectIn(e.what(), options.appRoot + "/start.ru\" cannot be used: No such file or directory");
    }

    void closedFolderIsNamed(const Options &options) {
        namespace fs = std::filesystem;
        fs::permissions(options.appRoot, fs::perms::owner_write);
        const auto e = failure(options);
        fs::permissions(options.appRoot, fs::perms(0755));
        expectIn(e.what(), "Permission denied");
        expectIn(e.what(), options.appRoot);
    }

    void missingRubyIsNamed(const Options &given) {
        auto options = given;
        options.ruby = "/nonexistent/ruby";
        expectIn(failure(options).what(), "/nonexistent/ruby");
    }

    void rubyThatALoginShellMissesIsNamed(const Options &given) {
        auto options = given;
        options.loadShellEnvvars = true;
        options.ruby = "/nonexistent/ruby";
        const auto e = failure(options);
        for (const char *part : {"/nonexistent/ruby", "PassengerRuby"}) {
            expectIn(e.report(), part);
        }
    }

    void wrapperMustExec(const Options &given) {
        namespace fs = std::filesystem;
        auto options = given;
        options.ruby = folder_->path() + "/ruby-wrapper";
        std::ofstream(options.ruby) << "#!/bin/sh\n" << given.ruby << " \"$@\"\nexit $?\n";
        fs::permissions(options.ruby, fs::perms(0755));
        const auto e = failure(options);
        expectIn(e.what(), "a wrapper around Ruby must end with exec");

        std::ofstream(options.ruby) << "#!/bin/sh\nexec " << given.ruby << " \"$@\"\n";
        endInstanceOf(options);
    }

    void missingSpawnServerIsTold(const Options &options) {
        auto other = settings();
        other.spawnServerCommand = "/nonexistent/spawn_server.rb";
        manager_->configure(other);
        const auto e = failure(options);
        expectIn(e.what(), "the spawn server could not be started");
        expectIn(e.report(), "/nonexistent/spawn_server.rb");
    }

    void hangingSpawnServerIsTold(const Options &given) {
        auto options = given;
        options.startTimeout = 1s;
        manager_->ensureStarted();
        CPPUNIT_ASSERT_EQUAL(0, ::kill(manager_->spawnServerPid(), SIGSTOP));
        const auto e = failure(options);
        CPPUNIT_ASSERT_EQUAL(std::string("the spawn server did not answer in time"), std::string(e.what()));
        expectIn(e.report(), "Step: spawn server asked");
        expectIn(e.report(), "Usual cause: The spawn server hangs");
        expectIn(e.report(), "Remedy: The next request starts another spawn server.");
    }

    void dyingSpawnServerIsTold(const Options &options) {
        auto other = settings();
        other.spawnServerCommand = folder_->path() + "/dying_spawn_server.rb";
        std::ofstream(other.spawnServerCommand)
            << "require '" << sourceFolder() << "/lib/passenger/wire/frame_socket'\ninclude PhusionPassenger\n"
            << "control = FrameSocket.for_fd(3)\n"
            << "control.write(Frame::Spawn::HELLO, Frame::VERSION, Process.pid, RUBY_VERSION)\ncontrol.read\n";
        manager_->configure(other);
        const auto e = failure(options);
        CPPUNIT_ASSERT_EQUAL(std::string("the spawn server ended twice in a row"), std::string(e.what()));
        expectIn(e.report(), "Step: spawn server asked");
        expectIn(e.report(), "Usual cause: The spawn server is killed or crashes");
        expectIn(e.report(), "Remedy: The next request starts another spawn server.");
    }

    void secretsAreNotReported(const Options &given) {
        auto options = given;
        options.variables = [] { return Options::Variables{{"SECRET_KEY_BASE", "swordfish"}}; };
        folder_->setStartupFile("puts ENV.to_h\nraise \"not with #{ENV['SECRET_KEY_BASE']}\"\n");
        CPPUNIT_ASSERT_EQUAL(std::string::npos, failure(options).report().find("swordfish"));
    }

    void environmentIsThere(const Options &given) {
        auto options = given;
        options.environment = "staging";
        options.variables = [] { return Options::Variables{{"GREETING", "hello\nworld"}}; };
        folder_->setStartupFile(
            application("puts \"" + options.spawnMethod +
                        ": #{ENV.values_at('GREETING', 'RAILS_ENV', 'RACK_ENV', 'NODE_ENV', 'WSGI_ENV', "
                        "'PASSENGER_APP_ENV', 'IN_PASSENGER')}\""));
        endInstanceOf(options);
        const std::string expected =
            options.spawnMethod + R"(: ["hello\nworld", "staging", "staging", "staging", "staging", "staging", "1"])";
        CPPUNIT_ASSERT(eventually([&] { return log_->contains(expected); }));
    }

    void defaultUserIsUsed(const Options &options) {
        folder_->setStartupFile(applicationThatTellsItsUser(options));
        endInstanceOf(options);
        expectUser(options, "nobody");
    }

    void ownerIsUsed(const Options &options) {
        const std::string name = "daemon";
        const auto owner = SystemUserDatabase().userNamed(name).value();
        folder_->setStartupFile(applicationThatTellsItsUser(options));
        const std::string path = UserResolver::startupFilePath(options);
        CPPUNIT_ASSERT_EQUAL(0, ::chown(path.c_str(), owner.uid, owner.gid));
        endInstanceOf(options);
        expectUser(options, name);
    }

    static std::string applicationThatTellsItsUser(const Options &options) {
        return application("puts \"" + options.spawnMethod +
                           " as #{Process.euid} #{Process.egid} #{Process.groups.include?(0)}\"");
    }

    void expectUser(const Options &options, const std::string &name) {
        const auto user = SystemUserDatabase().userNamed(name).value();
        const std::string expected =
            options.spawnMethod + " as " + std::to_string(user.uid) + " " + std::to_string(user.gid) + " false";
        CPPUNIT_ASSERT(eventually([&] { return log_->contains(expected); }));
    }

    void endInstanceOf(const Options &options) {
        const auto spawner = factory_->create(options);
        auto instance = spawner->spawn(options);
        instance.control = FrameSocket();
        CPPUNIT_ASSERT(waitPidFd(instance.pidFd, 60s));
    }

public:
    void testAnExceptionIsReportedWithItsMessageBacktraceAndOutput() { withBoth(&SpawnFailureTest::exceptionIsTold); }
    void testASyntaxErrorIsReportedWithItsPlace() { withBoth(&SpawnFailureTest::syntaxErrorIsTold); }
    void testTheReportHasTheOutputOfAnApplicationThatEnds() { withBoth(&SpawnFailureTest::endIsTold); }
    void testTheReportNamesTheSignalThatKilledTheApplication() { withBoth(&SpawnFailureTest::signalIsTold); }
    void testTheReportOfATimeoutNamesTheStepThatHangs() { withBoth(&SpawnFailureTest::hangIsTold); }
    void testTheReportHasTheIdsLimitsAndEnvironmentOfTheProcess() { withBoth(&SpawnFailureTest::processIsTold); }
    void testAFailureNamesItsStepCauseAndRemedy() { withBoth(&SpawnFailureTest::causeIsTold); }
    void testTheReportHasTheStepsOfTheSpawnServer() { withBoth(&SpawnFailureTest::spawnServersStepsAreTold); }
    void testATimeoutEndsAllProcesses() { withBoth(&SpawnFailureTest::timeOutEndsEverything); }
    void testAMissingFolderIsNamed() { withBoth(&SpawnFailureTest::missingFolderIsNamed); }
    void testAMissingStartupFileIsNamed() { withBoth(&SpawnFailureTest::missingStartupFileIsNamed); }
    void testAFolderThatMayNotBeEnteredIsNamed() { withBoth(&SpawnFailureTest::closedFolderIsNamed); }
    void testAMissingRubyIsNamed() { withBoth(&SpawnFailureTest::missingRubyIsNamed); }
    void testARubyThatTheLoginShellDoesNotFindIsNamed() {
        withBoth(&SpawnFailureTest::rubyThatALoginShellMissesIsNamed);
    }
    void testAMissingSpawnServerIsReportedWithItsOutput() { withBoth(&SpawnFailureTest::missingSpawnServerIsTold); }
    void testASpawnServerThatHangsIsReportedAsSuch() { withBoth(&SpawnFailureTest::hangingSpawnServerIsTold); }
    void testASpawnServerThatEndsTwiceIsReportedAsSuch() { withBoth(&SpawnFailureTest::dyingSpawnServerIsTold); }
    void testAWrapperAroundRubyMustEndWithExec() { withBoth(&SpawnFailureTest::wrapperMustExec); }
    void testSecretsAreNotInTheReport() { withBoth(&SpawnFailureTest::secretsAreNotReported); }
    void testTheEnvironmentIsSetBeforeTheApplicationLoads() { withBoth(&SpawnFailureTest::environmentIsThere); }
    // Only root can switch users.
    void testAsRootTheDefaultUserReplacesRoot() {
        if (::geteuid() == 0) {
            withBoth(&SpawnFailureTest::defaultUserIsUsed);
        }
    }
    void testAsRootTheOwnerOfTheStartupFileIsUsed() {
        if (::geteuid() == 0) {
            withBoth(&SpawnFailureTest::ownerIsUsed);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SpawnFailureTest);

}  // namespace Passenger
