#include "apache2/response/RelayedConnections.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "support/ManualClock.h"

namespace Passenger {

using namespace std::chrono_literals;

class RelayedConnectionsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RelayedConnectionsTest);
    CPPUNIT_TEST(testAConnectionCountsUntilItsPlaceEnds);
    CPPUNIT_TEST(testAConnectionOfADeadChildCountsForASecondAtMost);
    CPPUNIT_TEST(testWithoutALedgerNothingCounts);
    CPPUNIT_TEST(testAConnectionThatFindsNoEntryIsNotCounted);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t APP = 5;

    ManualClock clock_;
    SharedMemory memory_ = UsageLedger::make();
    std::optional<UsageLedger> ledger_;
    std::optional<RelayedConnections> relayed_;

    /** A child that relays a connection when it dies. */
    void loseAChild() const {
        const pid_t child = fork();
        if (child == 0) {
            auto *ledger = new UsageLedger(memory_.descriptor().duplicate());
            ledger->addRelay(APP);
            _exit(0);
        }
        CPPUNIT_ASSERT_EQUAL(child, waitpid(child, nullptr, 0));
    }

public:
    void setUp() override {
        ledger_.emplace(memory_.descriptor().duplicate());
        relayed_.emplace(&*ledger_, clock_);
    }

    void testAConnectionCountsUntilItsPlaceEnds() {
        {
            RelayedConnections::Place one = relayed_->add(APP);
            const RelayedConnections::Place other = relayed_->add(APP);
            CPPUNIT_ASSERT_EQUAL(2U, relayed_->of(APP));
            CPPUNIT_ASSERT_EQUAL(0U, relayed_->of(APP + 1));
            const RelayedConnections::Place moved(std::move(one));
            CPPUNIT_ASSERT_EQUAL(2U, relayed_->of(APP));
        }
        CPPUNIT_ASSERT_EQUAL(0U, relayed_->of(APP));
    }

    void testAConnectionOfADeadChildCountsForASecondAtMost() {
        loseAChild();
        CPPUNIT_ASSERT_EQUAL(0U, relayed_->of(APP));
        loseAChild();
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Dead children were just looked for", 1U, relayed_->of(APP));
        clock_.advance(1s);
        CPPUNIT_ASSERT_EQUAL(0U, relayed_->of(APP));
    }

    void testWithoutALedgerNothingCounts() {
        RelayedConnections none(nullptr, clock_);
        const RelayedConnections::Place place = none.add(APP);
        CPPUNIT_ASSERT_EQUAL(0U, none.of(APP));
    }

    void testAConnectionThatFindsNoEntryIsNotCounted() {
        for (std::uint64_t app = 1; app <= UsageLedger::ENTRIES; app++) {
            ledger_->add(APP + app, 1);
        }
        { const RelayedConnections::Place place = relayed_->add(APP); }
        CPPUNIT_ASSERT_EQUAL(0U, relayed_->of(APP));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RelayedConnectionsTest);

}  // namespace Passenger
