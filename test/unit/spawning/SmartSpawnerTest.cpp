#include "spawning/SmartSpawner.h"

#include <cppunit/extensions/HelperMacros.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/SystemUserDatabase.h"
#include "base/UserDatabase.h"
#include "rights/OwnRights.h"
#include "support/CrowdedDescriptors.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/SpawningFixture.h"
#include "support/TestThread.h"

namespace Passenger {

using namespace std::chrono_literals;

class SmartSpawnerTest : public SpawningFixture {
    CPPUNIT_TEST_SUITE(SmartSpawnerTest);
    CPPUNIT_TEST(testTheApplicationIsLoadedOnce);
    CPPUNIT_TEST(testForSeveralSpawnsAtOnceTheApplicationIsLoadedOnce);
    CPPUNIT_TEST(testSpawnsThatWaitForThePreloaderFailWithIt);
    CPPUNIT_TEST(testADeadPreloaderIsReplacedDuringTheNextSpawn);
    CPPUNIT_TEST(testOtherVariablesNeedAnotherPreloader);
    CPPUNIT_TEST(testAnotherUserOrGroupNeedsAnotherPreloader);
    CPPUNIT_TEST(testThePreloaderEndsWithItsSpawner);
    CPPUNIT_TEST(testAnApplicationWhosePreloaderCannotForkIsStartedDirectly);
    CPPUNIT_TEST(testAPreloaderThatAnswersThatItCannotForkStays);
    CPPUNIT_TEST(testAPreloaderThatWasNotAskedStays);
    CPPUNIT_TEST(testAPreloaderThatForkedDuringAShortageStays);
    CPPUNIT_TEST(testAHangingForkEndsThePreloader);
    CPPUNIT_TEST(testAfterTwoHangingForksInstancesAreStartedDirectly);
    CPPUNIT_TEST(testAfterAHangingForkOfAWarmPreloaderReforkingEnds);
    CPPUNIT_TEST(testAnApplicationWhoseInstancesCannotBeForkedIsStartedDirectly);
    CPPUNIT_TEST(testIfADirectStartFailsTooPreloadingIsTriedAgain);
    CPPUNIT_TEST(testKilledInstancesDoNotEndPreloading);
    CPPUNIT_TEST(testAnIdlePreloaderEndsAndTheNextSpawnStartsAnother);
    CPPUNIT_TEST(testAReforkedPreloaderReplacesTheOldOne);
    CPPUNIT_TEST(testIfTheInstanceForksNoPreloaderTheOldOneStays);
    CPPUNIT_TEST(testAnotherProcessIsNotAcceptedAsTheNewPreloader);
    CPPUNIT_TEST(testAPreloaderThatReportsAFalsePidIsRefused);
    CPPUNIT_TEST_SUITE_END();

    static constexpr const char *LOADED = "loaded by ";
    /** Ruby that no other thread interrupts, as a handler of a library (pthread_atfork(3)). */
    static constexpr const char *HANG = "Thread.handle_interrupt(Exception => :never) { sleep }";

    /** No descriptor is free to look at processes. */
    class ShortRights final : public OwnRights {
    public:
        ProcessFacts::Files procFilesOf(pid_t /*pid*/) override { throw SystemException("connect", EMFILE); }
    };

    SpawnerPtr spawner_;

    void spawnAndEnd(const Options &options) {
        auto instance = spawner_->spawn(options);
        instance.control = FrameSocket();
        CPPUNIT_ASSERT(waitPidFd(instance.pidFd, 60s));
    }

    /** Whether an instance was started without a preloader. */
    bool startedDirectly(const Options &options) {
        auto instance = spawner_->spawn(options);
        instance.control = FrameSocket();
        CPPUNIT_ASSERT(waitPidFd(instance.pidFd, 60s));
        return instance.origin == nullptr;
    }

    void expectDirect() {
        CPPUNIT_ASSERT(startedDirectly(options()));
        CPPUNIT_ASSERT(log_->contains(" reason=\"the process exited"));
    }

    std::string failure(const Options &options) {
        return thrownBy<SpawnException>([&] { spawner_->spawn(options); }).what();
    }

    pid_t parentOf(pid_t pid) const {
        std::ifstream status("/proc/" + std::to_string(pid) + "/status");
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with("PPid:")) {
                return std::stoi(line.substr(5));
            }
        }
        return 0;
    }

    void clearLog() {
        log_.reset();
        log_ = std::make_unique<CapturedLog>();
    }
    bool eventuallyLoaded(unsigned times) {
        return eventually([&] { return log_->count(LOADED) == times; });
    }

public:
    void setUp() override {
        SpawningFixture::setUp();
        folder_->setStartupFile(application("puts \"loaded by #{Process.pid}, GREETING=#{ENV['GREETING']}\""));
        spawner_ = factory_->create(options());
    }

    void tearDown() override {
        Rights::use(nullptr);
        spawner_.reset();
        SpawningFixture::tearDown();
    }

    void testTheApplicationIsLoadedOnce() {
        spawnAndEnd(options());
        spawnAndEnd(options());
        CPPUNIT_ASSERT(eventuallyLoaded(1));
    }

    void testForSeveralSpawnsAtOnceTheApplicationIsLoadedOnce() {
        std::list<TestThread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([this] { spawnAndEnd(options()); });
        }
        for (auto &thread : threads) {
            thread.join();
        }
        CPPUNIT_ASSERT(eventuallyLoaded(1));
    }

    void testSpawnsThatWaitForThePreloaderFailWithIt() {
        // The tests cannot see that the other threads wait. On a busy machine one of them may come
        // later.
        CPPUNIT_ASSERT(failTogetherAfter(200ms) || failTogetherAfter(2s) || failTogetherAfter(20s));
        CPPUNIT_ASSERT(eventuallyLoaded(1));
        // A later spawn tries again.
        failure(options());
        CPPUNIT_ASSERT(eventuallyLoaded(2));
    }

    /** Runs several spawns of an application that fails after this time. @return whether all have
     *  the same failure */
    bool failTogetherAfter(std::chrono::milliseconds time) {
        clearLog();
        const std::string go = folder_->path() + "/go";
        std::filesystem::remove(go);
        folder_->setStartupFile("puts \"loaded by #{Process.pid}\"\nsleep 0.01 until File.exist?('" + go +
                                "')\nraise 'as ordered'\n");
        std::vector<std::string> reports(3);
        std::list<TestThread> threads;
        for (auto &report : reports) {
            threads.emplace_back(
                [&] { report = thrownBy<SpawnException>([&] { spawner_->spawn(options()); }).report(); });
        }
        CPPUNIT_ASSERT(eventuallyLoaded(1));
        std::this_thread::sleep_for(time);
        std::ofstream(go) << "";
        for (auto &thread : threads) {
            thread.join();
        }
        CPPUNIT_ASSERT(!reports.front().empty());
        return std::vector<std::string>(3, reports.front()) == reports;
    }

    void testADeadPreloaderIsReplacedDuringTheNextSpawn() {
        spawnAndEnd(options());
        const pid_t first = pidInLog(LOADED);
        CPPUNIT_ASSERT_EQUAL(0, ::kill(first, SIGKILL));
        spawnAndEnd(options());
        CPPUNIT_ASSERT(eventuallyLoaded(2));
        CPPUNIT_ASSERT(pidInLog(LOADED) != first);
    }

    void testAPreloaderThatWasNotAskedStays() {
        spawnAndEnd(options());
        {
            const CrowdedDescriptors crowd;
            const std::string failure = this->failure(options());
            CPPUNIT_ASSERT_MESSAGE(failure, failure.find("Too many references") != std::string::npos);
        }
        spawnAndEnd(options());
        CPPUNIT_ASSERT(eventuallyLoaded(1));
    }

    void testAPreloaderThatForkedDuringAShortageStays() {
        spawnAndEnd(options());
        ShortRights rights;
        Rights::use(&rights);
        const std::string failure = this->failure(options());
        Rights::use(nullptr);
        CPPUNIT_ASSERT_MESSAGE(failure, failure.find("Too many open files") != std::string::npos);
        spawnAndEnd(options());
        CPPUNIT_ASSERT(eventuallyLoaded(1));
    }

    void testOtherVariablesNeedAnotherPreloader() {
        spawnAndEnd(options());
        auto greeted = options();
        greeted.variables = [] { return Options::Variables{{"GREETING", "hello"}}; };
        spawnAndEnd(greeted);
        spawnAndEnd(greeted);
        CPPUNIT_ASSERT(eventuallyLoaded(2));
        CPPUNIT_ASSERT(log_->contains("GREETING=hello"));
    }

    // Only root can run an application as other users.
    void testAnotherUserOrGroupNeedsAnotherPreloader() {
        if (::geteuid() != 0) {
            return;
        }
        folder_->setStartupFile(
            application("puts \"loaded by #{Process.pid}, as #{Process.uid}:#{Process.gid}\"; $stdout.flush"));
        const auto database = SystemUserDatabase();
        const UserDatabase::User nobody = *database.userNamed("nobody");
        const UserDatabase::User daemon = *database.userNamed("daemon");
        const UserDatabase::Group games = *database.groupNamed("games");
        Options options = this->options();
        unsigned loads = 0;
        const auto expectAs = [&](uid_t uid, gid_t gid) {
            spawnAndEnd(options);
            spawnAndEnd(options);
            CPPUNIT_ASSERT(eventuallyLoaded(++loads));
            CPPUNIT_ASSERT(log_->contains(fmt::format(", as {}:{}", uid, gid)));
        };
        options.user = "nobody";
        expectAs(nobody.uid, nobody.gid);
        const pid_t first = pidInLog(LOADED);
        options.user = "daemon";
        expectAs(daemon.uid, daemon.gid);
        CPPUNIT_ASSERT(eventually([&] { return !exists(first); }));
        options.group = "games";
        expectAs(daemon.uid, games.gid);
    }

    void testThePreloaderEndsWithItsSpawner() {
        spawnAndEnd(options());
        const pid_t pid = pidInLog(LOADED);
        CPPUNIT_ASSERT(exists(pid));
        spawner_.reset();
        CPPUNIT_ASSERT(eventually([&] { return !exists(pid); }));
    }

    void testAnApplicationWhosePreloaderCannotForkIsStartedDirectly() {
        // The preloader dies whenever it is to fork an instance.
        folder_->setStartupFile(
            application("def Process._fork; exit!(3); end; def fork; exit!(3); end\n"
                        "puts \"loaded by #{Process.pid}\""));
        expectDirect();
        CPPUNIT_ASSERT_MESSAGE("Twice by a preloader, then by the instance", eventuallyLoaded(3));
    }

    void testAPreloaderThatAnswersThatItCannotForkStays() {
        const std::string full = folder_->path() + "/full";
        folder_->setStartupFile(
            application("Process.singleton_class.prepend(Module.new do\n"
                        "  def _fork\n"
                        "    raise Errno::EAGAIN, 'fork(2)' if File.exist?('" +
                        full +
                        "')\n"
                        "    super\n"
                        "  end\n"
                        "end)\n"
                        "puts \"loaded by #{Process.pid}\""));
        spawnAndEnd(options());
        std::ofstream(full) << "";
        const std::string why = failure(options());
        CPPUNIT_ASSERT_MESSAGE(why, why.find("the step \"instance forked\" failed with Errno::EAGAIN") == 0);
        std::filesystem::remove(full);
        spawnAndEnd(options());
        CPPUNIT_ASSERT(eventuallyLoaded(1));
    }

    void testAHangingForkEndsThePreloader() {
        const std::string hang = folder_->path() + "/hang";
        folder_->setStartupFile(
            application("Process.singleton_class.prepend(Module.new do\n"
                        "  def _fork\n"
                        "    " +
                        std::string(HANG) + " if File.exist?('" + hang +
                        "')\n"
                        "    super\n"
                        "  end\n"
                        "end)\n"
                        "puts \"loaded by #{Process.pid}\""));
        // Now the preloader exists, however long its start took.
        spawnAndEnd(options());
        std::ofstream(hang) << "";
        auto impatient = options();
        impatient.startTimeout = 2s;
        CPPUNIT_ASSERT_EQUAL(
            std::string("the application was not ready within 2 seconds; the step \"instance forked\" had not ended"),
            failure(impatient));
        const pid_t pid = pidInLog(LOADED);
        CPPUNIT_ASSERT(eventually([&] { return !exists(pid); }));
        CPPUNIT_ASSERT(eventuallyLoaded(1));
    }

    void testAfterTwoHangingForksInstancesAreStartedDirectly() {
        folder_->setStartupFile(application(std::string("def Process._fork; ") + HANG + "; end"));
        // Enough time for Ruby. On a busy machine the fork may need more.
        CPPUNIT_ASSERT(directAfterTwoHangs(3s) || directAfterTwoHangs(12s) || directAfterTwoHangs(40s));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=preloader.given_up"));
        CPPUNIT_ASSERT(log_->contains(" reason=\"its forks were not ready in time\""));
    }

    /** Uses another spawner. @return false: preloading was not given up, since the forks did not
     *  hang for most of the time */
    bool directAfterTwoHangs(std::chrono::seconds timeout) {
        spawner_ = factory_->create(options());
        auto impatient = options();
        impatient.startTimeout = timeout;
        failure(impatient);
        const std::string why = failure(impatient);
        try {
            const bool direct = startedDirectly(impatient);
            CPPUNIT_ASSERT_MESSAGE(why, why.ends_with("the step \"instance forked\" had not ended"));
            return direct;
        } catch (const SpawnException &) {
            return false;
        }
    }

    void testAfterAHangingForkOfAWarmPreloaderReforkingEnds() {
        folder_->setStartupFile(
            application("LOADER = Process.pid\n"
                        "Process.singleton_class.prepend(Module.new do\n"
                        "  def _fork\n"
                        "    " +
                        std::string(HANG) +
                        " if $PROGRAM_NAME.include?('AppPreloader') && Process.pid != LOADER\n"
                        "    super\n"
                        "  end\n"
                        "end)"));
        auto instance = spawner_->spawn(options());
        serve(instance);
        spawner_->refork(options(), warm(instance));
        auto impatient = options();
        impatient.startTimeout = 8s;
        const std::string why = failure(impatient);
        CPPUNIT_ASSERT_MESSAGE(why, why.ends_with("the step \"instance forked\" had not ended"));

        auto cold = spawner_->spawn(options());
        CPPUNIT_ASSERT(cold.origin != nullptr);
        serve(cold);
        const auto refused = thrownBy<SpawnException>([&] { spawner_->refork(options(), warm(cold)); });
        CPPUNIT_ASSERT_EQUAL(std::string("the last preloader that was forked from a warm instance hung when it forked"),
                             std::string(refused.what()));
    }

    void testAnApplicationWhoseInstancesCannotBeForkedIsStartedDirectly() {
        folder_->setStartupFile(application("def Random.srand; exit!(4); end\nputs \"loaded by #{Process.pid}\""));
        expectDirect();
        CPPUNIT_ASSERT_MESSAGE("By one preloader, then by the instance", eventuallyLoaded(2));
        expectDirect();
        CPPUNIT_ASSERT_MESSAGE("The next instance comes without a preloader", eventuallyLoaded(3));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=preloader.given_up"));
    }

    void testIfADirectStartFailsTooPreloadingIsTriedAgain() {
        folder_->setStartupFile(
            application("def Random.srand; exit!(4); end\n"
                        "raise 'no' unless $PROGRAM_NAME.include?('AppPreloader')"));
        CPPUNIT_ASSERT_EQUAL(std::string("the step \"app loaded\" failed with RuntimeError: no"), failure(options()));
        folder_->setStartupFile(application());
        CPPUNIT_ASSERT(!startedDirectly(options()));
    }

    void testKilledInstancesDoNotEndPreloading() {
        folder_->setStartupFile(application("def Random.srand; Process.kill(:KILL, Process.pid); sleep; end"));
        CPPUNIT_ASSERT_EQUAL(
            std::string("the process was killed by signal 9 (Killed) during the step \"instance forked\""),
            failure(options()));
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=preloader.given_up"));
    }

    void testAnIdlePreloaderEndsAndTheNextSpawnStartsAnother() {
        auto instance = spawner_->spawn(options());
        const pid_t first = pidInLog(LOADED);
        spawner_->rest();
        CPPUNIT_ASSERT(eventually([&] { return !exists(first); }));
        CPPUNIT_ASSERT(exists(instance.pid));
        spawnAndEnd(options());
        CPPUNIT_ASSERT(eventuallyLoaded(2));
    }

    void testAReforkedPreloaderReplacesTheOldOne() {
        auto instance = spawner_->spawn(options());
        const pid_t first = parentOf(instance.pid);
        serve(instance);
        spawner_->refork(options(), warm(instance));
        CPPUNIT_ASSERT(eventually([&] { return !exists(first); }));
        auto next = spawner_->spawn(options());
        CPPUNIT_ASSERT_EQUAL(instance.pid, parentOf(parentOf(next.pid)));
        CPPUNIT_ASSERT(next.origin != instance.origin);
        CPPUNIT_ASSERT_MESSAGE("Nothing was loaded again", eventuallyLoaded(1));
    }

    void testIfTheInstanceForksNoPreloaderTheOldOneStays() {
        auto instance = spawner_->spawn(options());
        WarmInstance silent = warm(instance);
        silent.send = [](const Frame &, const std::vector<int> &) {};
        const auto failure = thrownBy<SpawnException>([&] { spawner_->refork(options(), silent); });
        CPPUNIT_ASSERT_EQUAL(std::string("the process ended during the step \"preloader forked\""),
                             std::string(failure.what()));
        const auto next = spawner_->spawn(options());
        CPPUNIT_ASSERT_EQUAL(parentOf(instance.pid), parentOf(next.pid));
    }

    void testAnotherProcessIsNotAcceptedAsTheNewPreloader() {
        auto instance = spawner_->spawn(options());
        WarmInstance impostor = warm(instance);
        pid_t stranger = 0;
        impostor.send = [&](const Frame &, const std::vector<int> &descriptors) {
            FrameSocket theirs(FileDescriptor(::dup(descriptors.at(0))));
            stranger = ::fork();
            if (stranger == 0) {
                theirs.send(Frame(FrameType::PROCESS_HELLO, {"1"}), FrameSocket::in(60s));
                for (;;) {
                    ::pause();
                }
            }
        };
        const auto failure = thrownBy<SpawnException>([&] { spawner_->refork(options(), impostor); });
        CPPUNIT_ASSERT_EQUAL_MESSAGE("It was not touched", 0, ::waitpid(stranger, nullptr, WNOHANG));
        ::kill(stranger, SIGKILL);
        ::waitpid(stranger, nullptr, 0);
        CPPUNIT_ASSERT(std::string(failure.what()).find("is not the process that was started") != std::string::npos);
    }

    void testAPreloaderThatReportsAFalsePidIsRefused() {
        const pid_t stranger = ::fork();
        if (stranger == 0) {
            for (;;) {
                ::pause();
            }
        }
        const std::string pid = std::to_string(stranger);
        folder_->setStartupFile(
            application("PhusionPassenger::FrameSocket.prepend(Module.new do\n"
                        "  def write(type, *rest, **more)\n"
                        "    rest[0] = " +
                        pid +
                        " if type == PhusionPassenger::Frame::Control::FORKED\n"
                        "    super\n"
                        "  end\n"
                        "end)"));
        const std::string why = failure(options());
        CPPUNIT_ASSERT_EQUAL_MESSAGE("It was not touched", 0, ::waitpid(stranger, nullptr, WNOHANG));
        ::kill(stranger, SIGKILL);
        ::waitpid(stranger, nullptr, 0);
        CPPUNIT_ASSERT_MESSAGE(why, why.find("process " + pid) != std::string::npos);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SmartSpawnerTest);

}  // namespace Passenger
