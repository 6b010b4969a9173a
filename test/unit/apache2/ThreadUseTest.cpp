#include "apache2/response/ThreadUse.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "support/ManualClock.h"

namespace Passenger {

using namespace std::chrono_literals;

class ThreadUseTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ThreadUseTest);
    CPPUNIT_TEST(testAConnectionCountsUntilItsPlaceEnds);
    CPPUNIT_TEST(testStreamsCountAndTheirConnectionOnce);
    CPPUNIT_TEST(testAConnectionOfADeadChildCountsForASecondAtMost);
    CPPUNIT_TEST(testWithoutALedgerNothingCounts);
    CPPUNIT_TEST(testAConnectionThatFindsNoEntryIsNotCounted);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t APP = 5;
    static constexpr unsigned MOST = 7;

    ManualClock clock_;
    SharedMemory memory_ = UsageLedger::make();
    std::optional<UsageLedger> ledger_;
    std::optional<ThreadUse> threads_;

    /** A child that relays a connection when it dies. */
    void loseAChild() const {
        const pid_t child = fork();
        if (child == 0) {
            auto *ledger = new UsageLedger(memory_.descriptor().duplicate());
            ledger->addUse(APP, UsageLedger::Use::CONNECTION);
            _exit(0);
        }
        CPPUNIT_ASSERT_EQUAL(child, waitpid(child, nullptr, 0));
    }

    static void expect(const HttpdThreads &wanted, const HttpdThreads &threads) {
        CPPUNIT_ASSERT_EQUAL(wanted.connections, threads.connections);
        CPPUNIT_ASSERT_EQUAL(wanted.streams, threads.streams);
        CPPUNIT_ASSERT_EQUAL(wanted.maxStreams, threads.maxStreams);
    }

public:
    void setUp() override {
        ledger_.emplace(memory_.descriptor().duplicate());
        threads_.emplace(&*ledger_, MOST, clock_);
    }

    void testAConnectionCountsUntilItsPlaceEnds() {
        {
            ThreadUse::Place one = threads_->addConnection(APP);
            const ThreadUse::Place other = threads_->addConnection(APP);
            CPPUNIT_ASSERT_EQUAL(2U, threads_->of(APP, false).connections);
            CPPUNIT_ASSERT_EQUAL(0U, threads_->of(APP + 1, false).connections);
            CPPUNIT_ASSERT_EQUAL(0U, threads_->of(APP, false).streams);
            const ThreadUse::Place moved(std::move(one));
            CPPUNIT_ASSERT_EQUAL(2U, threads_->of(APP, false).connections);
        }
        CPPUNIT_ASSERT_EQUAL(0U, threads_->of(APP, false).connections);
    }

    void testStreamsCountAndTheirConnectionOnce() {
        const int one = 0;
        const int other = 0;
        std::optional<ThreadUse::Place> first(threads_->addStream(APP, &one));
        {
            const ThreadUse::Place second = threads_->addStream(APP, &one);
            const ThreadUse::Place third = threads_->addStream(APP, &other);
            CPPUNIT_ASSERT(first->counts() && second.counts() && third.counts());
            expect({2, 3, MOST}, threads_->of(APP, true));
            first.reset();
            expect({2, 2, 0}, threads_->of(APP, false));
        }
        expect({0, 0, 0}, threads_->of(APP, false));
    }

    void testAConnectionOfADeadChildCountsForASecondAtMost() {
        loseAChild();
        CPPUNIT_ASSERT_EQUAL(0U, threads_->of(APP, false).connections);
        loseAChild();
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Dead children were just looked for", 1U, threads_->of(APP, false).connections);
        clock_.advance(1s);
        CPPUNIT_ASSERT_EQUAL(0U, threads_->of(APP, false).connections);
    }

    void testWithoutALedgerNothingCounts() {
        ThreadUse none(nullptr, MOST, clock_);
        const ThreadUse::Place place = none.addConnection(APP);
        CPPUNIT_ASSERT_EQUAL(0U, none.of(APP, false).connections);
    }

    void testAConnectionThatFindsNoEntryIsNotCounted() {
        for (std::uint64_t app = 1; app <= UsageLedger::ENTRIES; app++) {
            ledger_->add(APP + app, 1);
        }
        { const ThreadUse::Place place = threads_->addConnection(APP); }
        CPPUNIT_ASSERT_EQUAL(0U, threads_->of(APP, false).connections);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ThreadUseTest);

}  // namespace Passenger
