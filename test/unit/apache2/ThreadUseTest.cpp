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
    CPPUNIT_TEST(testAConnectionOfADeadChildCountsForASecondAtMost);
    CPPUNIT_TEST(testWithoutALedgerNothingCounts);
    CPPUNIT_TEST(testAConnectionThatFindsNoEntryIsNotCounted);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t APP = 5;
    static constexpr ThreadUse::Use RELAY = ThreadUse::Use::RELAY;
    static constexpr ThreadUse::Use STREAM = ThreadUse::Use::STREAM;

    ManualClock clock_;
    SharedMemory memory_ = UsageLedger::make();
    std::optional<UsageLedger> ledger_;
    std::optional<ThreadUse> threads_;

    /** A child that relays a connection when it dies. */
    void loseAChild() const {
        const pid_t child = fork();
        if (child == 0) {
            auto *ledger = new UsageLedger(memory_.descriptor().duplicate());
            ledger->addUse(APP, RELAY);
            _exit(0);
        }
        CPPUNIT_ASSERT_EQUAL(child, waitpid(child, nullptr, 0));
    }

public:
    void setUp() override {
        ledger_.emplace(memory_.descriptor().duplicate());
        threads_.emplace(&*ledger_, clock_);
    }

    void testAConnectionCountsUntilItsPlaceEnds() {
        {
            ThreadUse::Place one = threads_->add(APP, RELAY);
            const ThreadUse::Place other = threads_->add(APP, RELAY);
            CPPUNIT_ASSERT_EQUAL(2U, threads_->of(APP, RELAY));
            CPPUNIT_ASSERT_EQUAL(0U, threads_->of(APP + 1, RELAY));
            CPPUNIT_ASSERT_EQUAL(0U, threads_->of(APP, STREAM));
            const ThreadUse::Place moved(std::move(one));
            CPPUNIT_ASSERT_EQUAL(2U, threads_->of(APP, RELAY));
        }
        CPPUNIT_ASSERT_EQUAL(0U, threads_->of(APP, RELAY));
    }

    void testAConnectionOfADeadChildCountsForASecondAtMost() {
        loseAChild();
        CPPUNIT_ASSERT_EQUAL(0U, threads_->of(APP, RELAY));
        loseAChild();
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Dead children were just looked for", 1U, threads_->of(APP, RELAY));
        clock_.advance(1s);
        CPPUNIT_ASSERT_EQUAL(0U, threads_->of(APP, RELAY));
    }

    void testWithoutALedgerNothingCounts() {
        ThreadUse none(nullptr, clock_);
        const ThreadUse::Place place = none.add(APP, RELAY);
        CPPUNIT_ASSERT_EQUAL(0U, none.of(APP, RELAY));
    }

    void testAConnectionThatFindsNoEntryIsNotCounted() {
        for (std::uint64_t app = 1; app <= UsageLedger::ENTRIES; app++) {
            ledger_->add(APP + app, 1);
        }
        { const ThreadUse::Place place = threads_->add(APP, RELAY); }
        CPPUNIT_ASSERT_EQUAL(0U, threads_->of(APP, RELAY));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ThreadUseTest);

}  // namespace Passenger
