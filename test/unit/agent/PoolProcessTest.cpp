#include "agent/PoolProcess.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/Exceptions.h"
#include "io/AgentSettings.h"
#include "io/SocketPair.h"
#include "support/CapturedLog.h"
#include "support/LeakCheck.h"
#include "support/Sanitizer.h"

namespace Passenger {

namespace {

class IdleEngine : public PoolEngine {
public:
    void restore(StoreEntry /*entry*/) override {}
    void update(const AgentSettings & /*settings*/) override {}
    void logReopened(const std::string & /*number*/, const std::string & /*error*/) override {}
    void release() override {}
    pid_t spawnServerPid() const override { return 0; }
    std::string warning() const override { return {}; }
    void ping(std::function<void()> answer) override { answer(); }
    void stop() override {}
};

/** From its begin on, the process has no descriptor left. */
class CrowdedEngine final : public IdleEngine {
public:
    void begin(const AgentSettings & /*settings*/, FileDescriptor /*serverSocket*/) override {
        // poll() needs as many as it has entries.
        const rlimit two{2, 2};
        ::setrlimit(RLIMIT_NOFILE, &two);
    }
};

class FailingEngine final : public IdleEngine {
public:
    static constexpr int STOPPED = 7;

    void begin(const AgentSettings & /*settings*/, FileDescriptor /*serverSocket*/) override {
        throw SystemException("eventfd", EMFILE);
    }
    void stop() override { ::_exit(STOPPED); }
};

class ReleasedEngine final : public IdleEngine {
public:
    static constexpr int RELEASED = 8;

    void begin(const AgentSettings & /*settings*/, FileDescriptor /*serverSocket*/) override {}
    void release() override { ::_exit(RELEASED); }
};

}  // namespace

/** This test is the watchdog. */
class PoolProcessTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(PoolProcessTest);
    CPPUNIT_TEST(testAProcessThatHasNoDescriptorForSettingsLogsThatBeforeItEnds);
    CPPUNIT_TEST(testAProcessThatDoesNotComeToServeEndsNoInstance);
    CPPUNIT_TEST(testAReleasedProcessTellsItsEngine);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::chrono::minutes LIMIT{1};

    DescriptorPair pair_;
    pid_t child_ = 0;

    /** A process that has been told to begin. */
    template <typename Engine> FrameSocket begun() {
        pair_ = makeStreamPair();
        child_ = ::fork();
        if (child_ == 0) {
            pair_.first.reset();
            PoolProcess process(
                std::move(pair_.second), [](const PoolEngineParts &) { return std::make_unique<Engine>(); }, "");
            ::_exit(process.run());
        }
        pair_.second.reset();
        FrameSocket socket(std::move(pair_.first));
        socket.send(Frame::of(FrameType::BEGIN, AgentSettings().toMap()), {STDERR_FILENO, STDERR_FILENO},
                    FrameSocket::in(LIMIT));
        return socket;
    }
    int exitStatus() const {
        int status = 0;
        ::waitpid(child_, &status, 0);
        CPPUNIT_ASSERT(WIFEXITED(status));
        return WEXITSTATUS(status);
    }

public:
    void testAProcessThatDoesNotComeToServeEndsNoInstance() {
        const CapturedLog log;
        FrameSocket socket = begun<FailingEngine>();
        CPPUNIT_ASSERT(socket.receive(FrameSocket::in(LIMIT)).type == FrameType::AGENT_FAILED);
        CPPUNIT_ASSERT_EQUAL(EXIT_FAILURE, exitStatus());
        CPPUNIT_ASSERT_EQUAL(1U, log.count("event=pool.start_failed"));
    }

    void testAProcessThatHasNoDescriptorForSettingsLogsThatBeforeItEnds() {
        if (SANITIZED && !THREAD_SANITIZED) {
            // The sanitizer of undefined behavior makes a pipe to check an object.
            return;
        }
        const CapturedLog log;
        FrameSocket socket = begun<CrowdedEngine>();
        const FrameType answer = socket.receive(FrameSocket::in(LIMIT)).type;
        socket.send(Frame(FrameType::SETTINGS), {STDERR_FILENO}, FrameSocket::in(LIMIT));
        const int status = exitStatus();
        CPPUNIT_ASSERT(answer == FrameType::POOL_READY);
        CPPUNIT_ASSERT_EQUAL(EXIT_FAILURE, status);
        CPPUNIT_ASSERT_EQUAL(1U, log.count("event=pool.cannot_receive"));
    }

    void testAReleasedProcessTellsItsEngine() {
        FrameSocket socket = begun<ReleasedEngine>();
        CPPUNIT_ASSERT(socket.receive(FrameSocket::in(LIMIT)).type == FrameType::POOL_READY);
        socket.send(Frame(FrameType::FINISH), {}, FrameSocket::in(LIMIT));
        CPPUNIT_ASSERT_EQUAL(ReleasedEngine::RELEASED, exitStatus());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolProcessTest);

}  // namespace Passenger
