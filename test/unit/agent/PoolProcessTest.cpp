#include "agent/PoolProcess.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "io/AgentSettings.h"
#include "io/SocketPair.h"
#include "support/CapturedLog.h"
#include "support/LeakCheck.h"
#include "support/Sanitizer.h"

namespace Passenger {

namespace {

/** From its begin on, the process has no descriptor left. */
class CrowdedEngine final : public PoolEngine {
public:
    void restore(StoreEntry /*entry*/) override {}
    void begin(const AgentSettings & /*settings*/, FileDescriptor /*serverSocket*/) override {
        // poll() needs as many as it has entries.
        const rlimit two{2, 2};
        ::setrlimit(RLIMIT_NOFILE, &two);
    }
    void update(const AgentSettings & /*settings*/) override {}
    void logReopened(const std::string & /*number*/, const std::string & /*error*/) override {}
    pid_t spawnServerPid() const override { return 0; }
    std::string warning() const override { return {}; }
    void ping(std::function<void()> answer) override { answer(); }
    void stop() override {}
};

}  // namespace

/** This test is the watchdog. */
class PoolProcessTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(PoolProcessTest);
    CPPUNIT_TEST(testAProcessThatHasNoDescriptorForSettingsLogsThatBeforeItEnds);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::chrono::minutes LIMIT{1};

public:
    void testAProcessThatHasNoDescriptorForSettingsLogsThatBeforeItEnds() {
        if (SANITIZED && !THREAD_SANITIZED) {
            // The sanitizer of undefined behavior makes a pipe to check an object.
            return;
        }
        const CapturedLog log;
        DescriptorPair pair = makeStreamPair();
        const pid_t child = ::fork();
        if (child == 0) {
            pair.first.reset();
            PoolProcess process(
                std::move(pair.second), [](const PoolEngineParts &) { return std::make_unique<CrowdedEngine>(); }, "");
            ::_exit(process.run());
        }
        pair.second.reset();
        FrameSocket socket(std::move(pair.first));
        socket.send(Frame::of(FrameType::BEGIN, AgentSettings().toMap()), {STDERR_FILENO, STDERR_FILENO},
                    FrameSocket::in(LIMIT));
        const FrameType answer = socket.receive(FrameSocket::in(LIMIT)).type;
        socket.send(Frame(FrameType::SETTINGS), {STDERR_FILENO}, FrameSocket::in(LIMIT));
        int status = 0;
        ::waitpid(child, &status, 0);
        CPPUNIT_ASSERT(answer == FrameType::POOL_READY);
        CPPUNIT_ASSERT(WIFEXITED(status));
        CPPUNIT_ASSERT_EQUAL(EXIT_FAILURE, WEXITSTATUS(status));
        CPPUNIT_ASSERT_EQUAL(1U, log.count("event=pool.cannot_receive"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolProcessTest);

}  // namespace Passenger
