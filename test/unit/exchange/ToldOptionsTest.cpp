#include "exchange/ToldOptions.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <cstdint>

#include "support/LeakCheck.h"

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

    MonotonicTime now_{1h};

    bool isToTell(std::uint64_t settings, ToldOptions &options) const { return options.isToTell(settings, now_); }

public:
    void testNewOptionsAreToldAtOnce() {
        ToldOptions options;
        for (const std::uint64_t settings : {7U, 8U}) {
            CPPUNIT_ASSERT(isToTell(settings, options));
            options.noteTold(settings, now_);
            CPPUNIT_ASSERT(!isToTell(settings, options));
        }
        now_ += ToldOptions::PAUSE;
        CPPUNIT_ASSERT_MESSAGE("The agent uses the last ones", !isToTell(8, options));
    }

    void testOptionsThatTakeTurnsAreToldAfterAPause() {
        ToldOptions options;
        options.noteTold(7, now_);
        options.noteTold(8, now_);
        now_ += ToldOptions::PAUSE - MOMENT;
        CPPUNIT_ASSERT(!isToTell(7, options));
        now_ += MOMENT;
        CPPUNIT_ASSERT(isToTell(7, options));
        options.noteTold(7, now_);
        CPPUNIT_ASSERT(!isToTell(8, options));
    }

    void testOptionsThatCouldNotBeToldAreToldAfterAPause() {
        ToldOptions options;
        options.noteTold(7, now_);
        options.noteUntold(7, now_);
        CPPUNIT_ASSERT_MESSAGE("There are no others", !isToTell(7, options));
        options.noteTold(8, now_);
        options.noteTold(9, now_);
        options.noteUntold(9, now_);
        CPPUNIT_ASSERT(!isToTell(9, options));
        CPPUNIT_ASSERT_MESSAGE("These hold", !isToTell(8, options));
        now_ += ToldOptions::PAUSE;
        CPPUNIT_ASSERT(isToTell(9, options));
        CPPUNIT_ASSERT(!isToTell(8, options));
    }

    void testManyOptionsTakeTurns() {
        ToldOptions options;
        std::uint64_t settings = 0;
        for (; settings < ToldOptions::MOST; settings++) {
            options.noteTold(settings, now_);
        }
        CPPUNIT_ASSERT(!isToTell(settings, options));
        now_ += ToldOptions::PAUSE;
        CPPUNIT_ASSERT(isToTell(settings, options));
        options.noteTold(settings, now_);
        CPPUNIT_ASSERT_MESSAGE("The first ones are forgotten", !isToTell(0, options));
        now_ += ToldOptions::PAUSE;
        CPPUNIT_ASSERT(isToTell(0, options));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ToldOptionsTest);

}  // namespace Passenger
