#include "watchdog/PoolSupervisor.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "io/AgentSettings.h"
#include "io/Frame.h"
#include "io/FrameSocket.h"
#include "io/SocketPair.h"
#include "support/CapturedLog.h"
#include "support/Eventually.h"
#include "support/ManualClock.h"

namespace Passenger {

using namespace std::chrono_literals;

/** A pool process that does not begin to serve. */
class PoolSupervisorTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(PoolSupervisorTest);
    CPPUNIT_TEST(testAPoolProcessThatDoesNotBeginToServeIsKilled);
    CPPUNIT_TEST(testWithoutATimeoutAPoolProcessThatDoesNotBeginToServeStays);
    CPPUNIT_TEST(testOrdersWithoutAPauseDoNotSaveAPoolProcess);
    CPPUNIT_TEST(testAfterStartsThatFailThePausesGrow);
    CPPUNIT_TEST_SUITE_END();

    std::optional<CapturedLog> log_;
    ManualClock clock_;
    const FileDescriptor serverSocket_{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    std::string folder_;
    std::optional<PoolSupervisor> supervisor_;
    bool failed_ = false;
    int orders_ = 0;

    void start(std::chrono::seconds timeout, const std::string &begin = "") {
        auto program = folder_ + "/program";
        std::ofstream(program) << "#!/bin/sh\n" << begin << "exec sleep 600\n";
        std::filesystem::permissions(program, std::filesystem::perms::owner_all);
        PoolSupervisor::Events events;
        events.settingsDone = [](const std::string &) {};
        events.stored = [this](const Frame &) { ++orders_; };
        events.failed = [this](const Frame &) { failed_ = true; };
        supervisor_.emplace([program] { return program; }, serverSocket_, clock_, events);
        AgentSettings settings;
        settings.agentTimeout = timeout;
        supervisor_->setSettings(Frame::of(FrameType::SETTINGS, settings.toMap()).fields);
        supervisor_->start();
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
        supervisor_->stop(0ms);
        supervisor_.reset();
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

    void testWithoutATimeoutAPoolProcessThatDoesNotBeginToServeStays() {
        start(0s);
        CPPUNIT_ASSERT(!endsWithin(24h));
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

    /** Those that the socket holds stand for those that the process would go on to send. */
    void testOrdersWithoutAPauseDoNotSaveAPoolProcess() {
        constexpr int ORDERS = 4000;
        {
            DescriptorPair pair = makeStreamPair();
            FrameSocket(std::move(pair.first)).send(Frame(FrameType::REMOVE, {"x"}), FrameSocket::in(60s));
            std::array<char, 256> bytes{};
            const ssize_t size = ::read(pair.second.get(), bytes.data(), bytes.size());
            CPPUNIT_ASSERT(size > 0);
            std::ofstream file(folder_ + "/orders");
            for (int i = 0; i < ORDERS; ++i) {
                file.write(bytes.data(), size);
            }
        }
        start(5s, "cat '" + folder_ + "/orders' >&3\n: >'" + folder_ + "/sent'\n");
        CPPUNIT_ASSERT(eventually([this] { return std::filesystem::exists(folder_ + "/sent"); }));
        CPPUNIT_ASSERT(endsWithin(24h));
        CPPUNIT_ASSERT(orders_ > 0);
        CPPUNIT_ASSERT(orders_ < ORDERS);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolSupervisorTest);

}  // namespace Passenger
