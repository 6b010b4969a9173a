#include "watchdog/PoolSupervisor.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/DescriptorCloser.h"
#include "base/PidFd.h"
#include "io/AgentSettings.h"
#include "io/Frame.h"
#include "io/FrameSocket.h"
#include "io/SocketPair.h"
#include "support/CapturedLog.h"
#include "support/Eventually.h"
#include "support/LingeringConnection.h"
#include "support/ManualClock.h"
#include "support/Tracer.h"

namespace Passenger {

using namespace std::chrono_literals;

/** A pool process that does not begin to serve. */
class PoolSupervisorTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(PoolSupervisorTest);
    CPPUNIT_TEST(testAPoolProcessThatDoesNotBeginToServeIsKilled);
    CPPUNIT_TEST(testWithoutATimeoutAPoolProcessThatDoesNotBeginToServeStays);
    CPPUNIT_TEST(testOrdersWithoutAPauseDoNotSaveAPoolProcess);
    CPPUNIT_TEST(testAKilledPoolProcessThatDoesNotEndIsLeftBehind);
    CPPUNIT_TEST(testTheStopDoesNotWaitForAPoolProcessThatDoesNotEnd);
    CPPUNIT_TEST(testTheEndOfAPoolProcessDoesNotWaitForWhatItHasSent);
    CPPUNIT_TEST(testAPoolProcessThatStoresAFileIsEnded);
    CPPUNIT_TEST(testAPoolProcessThatSendsADescriptorToNoPurposeIsEnded);
    CPPUNIT_TEST(testAPoolProcessWhoseDescriptorsWaitToBeClosedIsEnded);
    CPPUNIT_TEST(testAfterStartsThatFailThePausesGrow);
    CPPUNIT_TEST(testALogThatIsReopenedForADeadPoolProcessConcernsNoOther);
    CPPUNIT_TEST(testEachPoolProcessOfAReleasedAgentIsTold);
    CPPUNIT_TEST_SUITE_END();

    /** Seconds. */
    static constexpr int LONG = 600;
    std::optional<CapturedLog> log_;
    ManualClock clock_;
    const FileDescriptor serverSocket_{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    std::string folder_;
    std::optional<PoolSupervisor> supervisor_;
    bool failed_ = false;
    bool reopens_ = false;
    int orders_ = 0;

    std::vector<pid_t> started() const {
        std::ifstream file(folder_ + "/pids");
        return {std::istream_iterator<pid_t>(file), {}};
    }
    /** What the socket has of a frame, as a file. */
    void write(const std::string &name, const Frame &frame, int times) const {
        DescriptorPair pair = makeStreamPair();
        FrameSocket(std::move(pair.first)).send(frame, FrameSocket::in(60s));
        std::array<char, 256> bytes{};
        const ssize_t size = ::read(pair.second.get(), bytes.data(), bytes.size());
        CPPUNIT_ASSERT(size > 0);
        std::ofstream file(folder_ + "/" + name);
        for (int i = 0; i < times; ++i) {
            file.write(bytes.data(), size);
        }
    }
    /** A process that writes its pid. */
    pid_t startTraceable() {
        start(5s);
        CPPUNIT_ASSERT(eventually([this] { return started().size() == 1; }));
        return started().front();
    }
    /** Over the socket that the process has to the supervisor. */
    static void sendFrom(pid_t pid, const std::string &bytes, const FileDescriptor &attached, std::size_t copies = 1) {
        constexpr int POOL_DESCRIPTOR = 3;
        const FileDescriptor process = openPidFd(pid);
        const FileDescriptor socket(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), POOL_DESCRIPTOR, 0U)));
        sendWithDescriptors(socket, bytes, std::vector<int>(copies, attached.get()));
    }
    /** A frame with descriptors. */
    static std::string bytesOf(const Frame &frame, std::size_t descriptors = 1) {
        constexpr std::size_t DESCRIPTOR_COUNT_OFFSET = 6;
        std::string bytes = frame.encode();
        bytes[DESCRIPTOR_COUNT_OFFSET] = static_cast<char>(descriptors);
        return bytes;
    }
    static void reapLeftBehind(pid_t pid) {
        CPPUNIT_ASSERT(eventually([pid] { return ::waitpid(pid, nullptr, WNOHANG) == pid; }));
    }
    void start(std::chrono::seconds timeout, const std::string &begin = "") {
        auto program = folder_ + "/program";
        std::ofstream(program) << "#!/bin/sh\necho $$ >>'" << folder_ << "/pids'\n" << begin << "exec sleep 600\n";
        std::filesystem::permissions(program, std::filesystem::perms::owner_all);
        PoolSupervisor::Events events;
        events.settingsDone = [](const std::string &) {};
        events.stored = [this](const Frame &) { ++orders_; };
        events.reopenLog = [this](const std::string &) { reopens_ = true; };
        events.failed = [this](const Frame &) { failed_ = true; };
        supervisor_.emplace([program] { return program; }, serverSocket_, clock_, events);
        AgentSettings settings;
        settings.agentTimeout = timeout;
        supervisor_->setSettings(Frame::of(FrameType::SETTINGS, settings.toMap()).fields);
        const std::size_t before = started().size();
        supervisor_->start();
        // tearDown() awaits those that have written their pids.
        CPPUNIT_ASSERT(eventually([&] { return started().size() > before; }));
    }
    /** Each time that the supervisor names comes. @return whether the process has ended by then */
    bool endsWithin(std::chrono::seconds time) {
        const auto end = clock_.now() + time;
        for (auto wait = supervisor_->untilUpkeep(); wait && clock_.now() + *wait <= end;
             wait = supervisor_->untilUpkeep()) {
            clock_.advance(*wait);
            supervisor_->upkeep();
        }
        return log_->contains("event=pool.killed");
    }

public:
    void setUp() override {
        log_.emplace();
        std::string name = std::filesystem::temp_directory_path() / "passenger-test.XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }

    void tearDown() override {
        if (supervisor_) {
            supervisor_->stop(0ms);
        }
        supervisor_.reset();
        // The test's clock is fast: a killed process may be left behind before it has ended.
        for (const pid_t pid : started()) {
            ::waitpid(pid, nullptr, 0);
        }
        std::filesystem::remove_all(folder_);
        log_.reset();
    }

    void testAPoolProcessThatDoesNotBeginToServeIsKilled() {
        start(5s);
        CPPUNIT_ASSERT(!endsWithin(59s));
        // It gets more time on a machine that has none for it.
        CPPUNIT_ASSERT(endsWithin(60s));
        CPPUNIT_ASSERT(log_->contains("it was started and has not begun to serve for "));
        CPPUNIT_ASSERT(eventually([this] {
            supervisor_->receive();
            return failed_;
        }));
    }

    void testEachPoolProcessOfAReleasedAgentIsTold() {
        // A read ends behind a frame with descriptors, as BEGIN.
        start(0s, "dd bs=1M count=2 <&3 2>/dev/null | tail -c 8 >>'" + folder_ + "/told'\n");
        const auto told = [this](std::uintmax_t frames) {
            const auto size = [this] {
                std::error_code none;
                const auto bytes = std::filesystem::file_size(folder_ + "/told", none);
                return none ? 0 : bytes;
            };
            const std::string finish = Frame(FrameType::FINISH).encode();
            std::string expected;
            for (std::uintmax_t i = 0; i < frames; ++i) {
                expected += finish;
            }
            CPPUNIT_ASSERT(eventually([&] { return size() == expected.size(); }));
            std::ifstream file(folder_ + "/told");
            CPPUNIT_ASSERT_EQUAL(expected, std::string(std::istreambuf_iterator<char>(file), {}));
        };
        supervisor_->release();
        told(1);
        supervisor_->start();
        told(2);
    }

    void testWithoutATimeoutAPoolProcessThatDoesNotBeginToServeStays() {
        start(0s);
        CPPUNIT_ASSERT(!endsWithin(24h));
    }

    void testAKilledPoolProcessThatDoesNotEndIsLeftBehind() {
        const pid_t pid = startTraceable();
        {
            const Tracer tracer(pid);
            CPPUNIT_ASSERT(endsWithin(24h));
            CPPUNIT_ASSERT(log_->contains("event=pool.left_behind pid=" + std::to_string(pid)));
            CPPUNIT_ASSERT(failed_);
            supervisor_->startAgain();
            CPPUNIT_ASSERT(eventually([this] { return started().size() == 2; }));
        }
        CPPUNIT_ASSERT(!supervisor_->reap(pid));
        reapLeftBehind(pid);
    }

    void testTheStopDoesNotWaitForAPoolProcessThatDoesNotEnd() {
        const pid_t pid = startTraceable();
        {
            const Tracer tracer(pid);
            supervisor_->stop(0ms);
            supervisor_.reset();
        }
        reapLeftBehind(pid);
    }

    void testTheEndOfAPoolProcessDoesNotWaitForWhatItHasSent() {
        DescriptorCloser closer;
        DescriptorCloser::use(&closer);
        const pid_t pid = startTraceable();
        LingeringConnection connection;
        // The first one, which breaks the protocol, is read by itself.
        sendFrom(pid, std::string(64, '\xff'), serverSocket_);
        sendFrom(pid, "x", connection.end);
        connection.end.reset();
        const auto began = std::chrono::steady_clock::now();
        supervisor_->receive();
        const auto took = std::chrono::steady_clock::now() - began;
        DescriptorCloser::use(nullptr);
        CPPUNIT_ASSERT(log_->contains("event=pool.protocol_error"));
        CPPUNIT_ASSERT(took < std::chrono::seconds(LingeringConnection::LINGER - 1));
    }

    void testAPoolProcessThatStoresAFileIsEnded() {
        const pid_t pid = startTraceable();
        sendFrom(pid, bytesOf(Frame(FrameType::STORE, {"a", ""})), makeStreamPair().first);
        supervisor_->receive();
        CPPUNIT_ASSERT_EQUAL(1, orders_);
        sendFrom(pid, bytesOf(Frame(FrameType::STORE, {"b", ""})), serverSocket_);
        supervisor_->receive();
        CPPUNIT_ASSERT(log_->contains("event=pool.protocol_error"));
        CPPUNIT_ASSERT_EQUAL(1, orders_);
    }

    void testAPoolProcessThatSendsADescriptorToNoPurposeIsEnded() {
        const pid_t pid = startTraceable();
        sendFrom(pid, bytesOf(Frame(FrameType::REMOVE, {"a"})), serverSocket_);
        supervisor_->receive();
        CPPUNIT_ASSERT(log_->contains("event=pool.protocol_error"));
        CPPUNIT_ASSERT_EQUAL(0, orders_);
    }

    void testAPoolProcessWhoseDescriptorsWaitToBeClosedIsEnded() {
        constexpr std::size_t ALLOWED = 1024;
        constexpr std::size_t FRAMES = ALLOWED * 3 / 8 / MAX_DESCRIPTORS;
        rlimit before{};
        CPPUNIT_ASSERT_EQUAL(0, ::getrlimit(RLIMIT_NOFILE, &before));
        const rlimit few{ALLOWED, before.rlim_max};
        CPPUNIT_ASSERT_EQUAL(0, ::setrlimit(RLIMIT_NOFILE, &few));
        DescriptorCloser closer;
        DescriptorCloser::use(&closer);
        const pid_t pid = startTraceable();
        const Frame store(FrameType::STORE, {"a", ""});
        std::array<LingeringConnection, DescriptorCloser::MAX_THREADS_OF_SENDER> connections{LingeringConnection(LONG),
                                                                                             LingeringConnection(LONG)};
        for (LingeringConnection &connection : connections) {
            sendFrom(pid, bytesOf(store), connection.intoSocket());
            supervisor_->receive();
        }
        const DescriptorPair pair = makeStreamPair();
        const auto isEnded = [&] { return log_->contains("event=pool.protocol_error"); };
        for (std::size_t i = 0; i < FRAMES && !isEnded(); ++i) {
            sendFrom(pid, bytesOf(store, MAX_DESCRIPTORS), pair.first, MAX_DESCRIPTORS);
            supervisor_->receive();
        }
        DescriptorCloser::use(nullptr);
        ::setrlimit(RLIMIT_NOFILE, &before);
        CPPUNIT_ASSERT(isEnded());
        CPPUNIT_ASSERT(log_->contains("wait to be closed"));
    }

    void testAfterStartsThatFailThePausesGrow() {
        supervisor_.emplace([] { return "/nonexistent/passenger-agent"; }, serverSocket_, clock_,
                            PoolSupervisor::Events());
        clock_.advance(1h);
        supervisor_->startAgain();
        for (const auto pause : {0ms, 100ms, 200ms, 400ms}) {
            CPPUNIT_ASSERT(supervisor_->untilUpkeep() == pause);
            clock_.advance(pause);
            supervisor_->upkeep();
        }
        CPPUNIT_ASSERT_EQUAL(5U, log_->count("event=pool.start_failed"));
    }

    void testALogThatIsReopenedForADeadPoolProcessConcernsNoOther() {
        write("order", Frame(FrameType::REOPEN_LOG, {"1"}), 1);
        // It has received BEGIN when it ends.
        start(0s, "cd '" + folder_ + "'\n[ -e order ] && dd bs=1M count=1 <&3 2>/dev/null >begin && cat order >&3 " +
                      "&& rm order && exit 0\n");
        CPPUNIT_ASSERT(eventually([this] {
            supervisor_->receive();
            supervisor_->reap(started().front());
            return failed_;
        }));
        CPPUNIT_ASSERT(reopens_);
        supervisor_->logReopened("1", "");
        supervisor_->startAgain();
        clock_.advance(1h);
        supervisor_->upkeep();
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=pool.unreachable"));
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=pool.left_behind"));
    }

    /** Those that the socket holds stand for those that the process would go on to send. */
    void testOrdersWithoutAPauseDoNotSaveAPoolProcess() {
        constexpr int ORDERS = 4000;
        write("orders", Frame(FrameType::REMOVE, {"x"}), ORDERS);
        start(5s, "cat '" + folder_ + "/orders' >&3\n: >'" + folder_ + "/sent'\n");
        CPPUNIT_ASSERT(eventually([this] { return std::filesystem::exists(folder_ + "/sent"); }));
        CPPUNIT_ASSERT(endsWithin(24h));
        CPPUNIT_ASSERT(orders_ > 0);
        CPPUNIT_ASSERT(orders_ < ORDERS);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolSupervisorTest);

}  // namespace Passenger
