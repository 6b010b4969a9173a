#include <cppunit/extensions/HelperMacros.h>

#include <fmt/format.h>
#include <signal.h>

#include <string>
#include <vector>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "spawning/Spawner.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/SpawningFixture.h"
#include "support/TestThread.h"

namespace Passenger {

using namespace std::chrono_literals;

/** A failed spawn leaves no process, by either spawn method and whatever processes the application
 *  has started. If the tests run as root, the application runs as another user. */
class BootSweepTest : public SpawningFixture {
    CPPUNIT_TEST_SUITE(BootSweepTest);
    CPPUNIT_TEST(testATimeoutEndsAllProcessesOfTheApplication);
    CPPUNIT_TEST(testACancelledSpawnLeavesNoProcess);
    CPPUNIT_TEST(testAnApplicationThatRaisesLeavesNoProcess);
    CPPUNIT_TEST(testAnApplicationThatEndsLeavesNoProcess);
    CPPUNIT_TEST(testProcessesOfAReadyInstanceAreLeftAlone);
    CPPUNIT_TEST_SUITE_END();

    /** A child process, one with a session of its own, an orphan, a daemon. */
    static constexpr const char *KINDS[] = {"child", "leader", "orphan", "daemon"};
    static constexpr const char *CHILDREN = R"(
        puts "child #{spawn('sleep 1000')}."
        puts "leader #{spawn('exec setsid sleep 1000')}."
        Process.wait(fork { puts "orphan #{spawn('sleep 1000')}."; exit! })
        output = $stdout.dup
        told, tell = IO.pipe
        Process.wait(fork { Process.daemon; output.puts "daemon #{Process.pid}."; tell.puts; sleep })
        told.gets
    )";

    Options options(const std::string &method) const {
        Options options = SpawningFixture::options();
        options.spawnMethod = method;
        options.startTimeout = 60s;
        return options;
    }

    template <typename Test> static void withBoth(Test test) {
        for (const char *method : {"smart", "direct"}) {
            test(std::string(method));
        }
    }

    /** The last process of each kind. */
    std::vector<pid_t> children() const {
        std::vector<pid_t> pids;
        for (const std::string kind : KINDS) {
            pids.push_back(pidInLog(kind + " "));
            CPPUNIT_ASSERT_MESSAGE(kind, pids.back() > 0);
        }
        return pids;
    }

    /** Checks at once: spawn() promises that all processes have ended. */
    void expectNothingLeft() {
        for (const pid_t pid : children()) {
            CPPUNIT_ASSERT_MESSAGE("left: " + std::to_string(pid), !exists(pid));
        }
        log_.reset();
        log_ = std::make_unique<CapturedLog>();
    }

    std::string failure(const Options &options) {
        const auto spawner = factory_->create(options);
        return thrownBy<SpawnException>([&] { spawner->spawn(options); }).what();
    }

public:
    void testATimeoutEndsAllProcessesOfTheApplication() {
        folder_->setStartupFile(std::string(CHILDREN) + "\nsleep\n");
        withBoth([&](const std::string &method) {
            auto impatient = options(method);
            // On a busy machine it may take long until all of them have started.
            for (const auto timeout : {3s, 15s, 60s}) {
                impatient.startTimeout = timeout;
                const std::string late =
                    fmt::format("the application was not ready within {} seconds", timeout.count());
                CPPUNIT_ASSERT(failure(impatient).starts_with(late));
                if (eventually([&] { return log_->contains("daemon "); }, 500ms)) {
                    break;
                }
            }
            expectNothingLeft();
        });
    }

    void testACancelledSpawnLeavesNoProcess() {
        folder_->setStartupFile(std::string(CHILDREN) + "\nputs 'hanging'\nsleep\n");
        withBoth([&](const std::string &method) {
            const auto spawner = factory_->create(options(method));
            TestThread canceller([&] {
                eventually([&] { return log_->contains("hanging"); });
                spawner->cancel();
            });
            thrownBy<SpawnException>([&] { spawner->spawn(options(method)); });
            canceller.join();
            expectNothingLeft();
        });
    }

    void testAnApplicationThatRaisesLeavesNoProcess() {
        folder_->setStartupFile(std::string(CHILDREN) + "\nraise 'as ordered'\n");
        withBoth([&](const std::string &method) {
            CPPUNIT_ASSERT(failure(options(method)).ends_with("as ordered"));
            expectNothingLeft();
        });
    }

    void testAnApplicationThatEndsLeavesNoProcess() {
        folder_->setStartupFile(std::string(CHILDREN) + "\nexit! 7\n");
        withBoth([&](const std::string &method) {
            CPPUNIT_ASSERT(failure(options(method)).starts_with("the process exited with status 7"));
            expectNothingLeft();
        });
    }

    void testProcessesOfAReadyInstanceAreLeftAlone() {
        folder_->setStartupFile(application(CHILDREN));
        withBoth([&](const std::string &method) {
            auto spawner = factory_->create(options(method));
            auto instance = spawner->spawn(options(method));
            instance.control = FrameSocket();
            CPPUNIT_ASSERT(waitPidFd(instance.pidFd, 60s));
            spawner.reset();
            for (const pid_t pid : children()) {
                CPPUNIT_ASSERT_EQUAL_MESSAGE(std::to_string(pid) + " in " + log_->text(), 0, ::kill(pid, SIGKILL));
            }
            log_.reset();
            log_ = std::make_unique<CapturedLog>();
        });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BootSweepTest);

}  // namespace Passenger
