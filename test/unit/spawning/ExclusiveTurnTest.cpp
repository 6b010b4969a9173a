#include "spawning/ExclusiveTurn.h"

#include <cppunit/extensions/HelperMacros.h>

#include <atomic>
#include <utility>

#include <boost/thread/thread.hpp>

#include "base/Exceptions.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

class ExclusiveTurnTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ExclusiveTurnTest);
    CPPUNIT_TEST(testOneOwnerHasTheTurn);
    CPPUNIT_TEST(testTheNextOwnerWaitsForTheEndOfTheTurn);
    CPPUNIT_TEST(testATurnCanBeHandedOver);
    CPPUNIT_TEST(testTwoOwnersNeverHaveTheTurnTogether);
    CPPUNIT_TEST_SUITE_END();

    static auto in(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

public:
    void testOneOwnerHasTheTurn() {
        ExclusiveTurn exclusive;
        const ExclusiveTurn::Turn turn(exclusive, in(60s));
        thrownBy<TimeoutException>([&] { ExclusiveTurn::Turn(exclusive, in(1ms)); });
    }

    void testTheNextOwnerWaitsForTheEndOfTheTurn() {
        ExclusiveTurn exclusive;
        std::atomic<bool> ended{false};
        bool endedBefore = false;
        boost::thread next;
        {
            const ExclusiveTurn::Turn turn(exclusive, in(60s));
            next = boost::thread([&] {
                const ExclusiveTurn::Turn its(exclusive, in(60s));
                endedBefore = ended;
            });
            ended = true;
        }
        next.join();
        CPPUNIT_ASSERT(endedBefore);
    }

    void testATurnCanBeHandedOver() {
        ExclusiveTurn exclusive;
        {
            ExclusiveTurn::Turn turn(exclusive, in(60s));
            const ExclusiveTurn::Turn heir(std::move(turn));
            thrownBy<TimeoutException>([&] { ExclusiveTurn::Turn(exclusive, in(1ms)); });
        }
        ExclusiveTurn::Turn(exclusive, in(1ms));
    }

    void testTwoOwnersNeverHaveTheTurnTogether() {
        ExclusiveTurn exclusive;
        unsigned count = 0;
        boost::thread_group threads;
        for (int i = 0; i < 4; ++i) {
            threads.create_thread([&] {
                for (int round = 0; round < 1000; ++round) {
                    const ExclusiveTurn::Turn turn(exclusive, in(60s));
                    ++count;
                }
            });
        }
        threads.join_all();
        CPPUNIT_ASSERT_EQUAL(4000U, count);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExclusiveTurnTest);

}  // namespace Passenger
