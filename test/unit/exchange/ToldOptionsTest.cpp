#include "exchange/ToldOptions.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <cstdint>

#include "support/LeakCheck.h"
#include "support/ManualClock.h"

namespace Passenger {

using namespace std::chrono_literals;

class ToldOptionsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ToldOptionsTest);
    CPPUNIT_TEST(testNewOptionsAreToldAtOnce);
    CPPUNIT_TEST(testOptionsThatTakeTurnsAreToldAfterAPause);
    CPPUNIT_TEST(testOptionsThatCouldNotBeToldAreToldAfterAPause);
    CPPUNIT_TEST(testManyOptionsTakeTurns);
    CPPUNIT_TEST_SUITE_END();

    static constexpr auto MOMENT = 1ns;

    ManualClock clock_;

    bool isToTell(std::uint64_t settings, ToldOptions &options) const { return options.isToTell(settings, clock_); }

public:
    void testNewOptionsAreToldAtOnce() {
        ToldOptions options;
        for (const std::uint64_t settings : {7U, 8U}) {
            CPPUNIT_ASSERT(isToTell(settings, options));
            options.noteTold(settings, clock_);
            CPPUNIT_ASSERT(!isToTell(settings, options));
        }
        clock_.advance(ToldOptions::PAUSE);
        CPPUNIT_ASSERT_MESSAGE("The agent uses the last ones", !isToTell(8, options));
    }

    void testOptionsThatTakeTurnsAreToldAfterAPause() {
        ToldOptions options;
        options.noteTold(7, clock_);
        options.noteTold(8, clock_);
        clock_.advance(ToldOptions::PAUSE - MOMENT);
        CPPUNIT_ASSERT(!isToTell(7, options));
        clock_.advance(MOMENT);
        CPPUNIT_ASSERT(isToTell(7, options));
        options.noteTold(7, clock_);
        CPPUNIT_ASSERT(!isToTell(8, options));
    }

    void testOptionsThatCouldNotBeToldAreToldAfterAPause() {
        ToldOptions options;
        options.noteTold(7, clock_);
        options.noteUntold(7, clock_);
        CPPUNIT_ASSERT_MESSAGE("There are no others", !isToTell(7, options));
        options.noteTold(8, clock_);
        options.noteTold(9, clock_);
        options.noteUntold(9, clock_);
        CPPUNIT_ASSERT(!isToTell(9, options));
        CPPUNIT_ASSERT_MESSAGE("These hold", !isToTell(8, options));
        clock_.advance(ToldOptions::PAUSE);
        CPPUNIT_ASSERT(isToTell(9, options));
        CPPUNIT_ASSERT(!isToTell(8, options));
    }

    void testManyOptionsTakeTurns() {
        ToldOptions options;
        std::uint64_t settings = 0;
        for (; settings < ToldOptions::MOST; settings++) {
            options.noteTold(settings, clock_);
        }
        CPPUNIT_ASSERT(!isToTell(settings, options));
        clock_.advance(ToldOptions::PAUSE);
        CPPUNIT_ASSERT(isToTell(settings, options));
        options.noteTold(settings, clock_);
        CPPUNIT_ASSERT_MESSAGE("The first ones are forgotten", !isToTell(0, options));
        clock_.advance(ToldOptions::PAUSE);
        CPPUNIT_ASSERT(isToTell(0, options));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ToldOptionsTest);

}  // namespace Passenger
