#include "apache2/request/RefusalPause.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <future>

#include "io/SocketPair.h"
#include "support/Eventually.h"

namespace Passenger {

using namespace std::chrono_literals;

class RefusalPauseTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RefusalPauseTest);
    CPPUNIT_TEST(testThePauseIsShort);
    CPPUNIT_TEST(testThePauseEndsWhenTheClientLeaves);
    CPPUNIT_TEST(testHalfOfTheThreadsPauseAtMost);
    CPPUNIT_TEST(testTheOnlyThreadDoesNotPause);
    CPPUNIT_TEST_SUITE_END();

    using Outcome = RefusalPause::Outcome;

public:
    void testThePauseIsShort() {
        RefusalPause pause(2);
        const auto begin = std::chrono::steady_clock::now();
        CPPUNIT_ASSERT(pause.take(-1) == Outcome::TRY_AGAIN);
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - begin >= RefusalPause::LENGTH - 1ms);
    }

    void testThePauseEndsWhenTheClientLeaves() {
        RefusalPause pause(2);
        DescriptorPair client = makeStreamPair();
        client.first.reset();
        CPPUNIT_ASSERT(pause.take(client.second.get()) == Outcome::CLIENT_LEFT);
    }

    void testHalfOfTheThreadsPauseAtMost() {
        RefusalPause pause(2);
        // One of the two threads comes second and is refused, unless it is so late that the pause
        // of the first has ended.
        const auto refusesOne = [&] {
            auto other = std::async(std::launch::async, [&] { return pause.take(-1); });
            const Outcome own = pause.take(-1);
            const Outcome others = other.get();
            CPPUNIT_ASSERT(own != Outcome::REFUSE || others != Outcome::REFUSE);
            return (own == Outcome::REFUSE) != (others == Outcome::REFUSE);
        };
        CPPUNIT_ASSERT(eventually(refusesOne));
        CPPUNIT_ASSERT_MESSAGE("Its place is free again", pause.take(-1) == Outcome::TRY_AGAIN);
    }

    void testTheOnlyThreadDoesNotPause() {
        RefusalPause pause(1);
        CPPUNIT_ASSERT(pause.take(-1) == Outcome::REFUSE);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RefusalPauseTest);

}  // namespace Passenger
