#include "rights/SilentFiles.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>

#include "base/Exceptions.h"

namespace Passenger {

using namespace std::chrono_literals;

class SilentFilesTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SilentFilesTest);
    CPPUNIT_TEST(testRequestsFailForAMinuteAndThenForTwiceAsLong);
    CPPUNIT_TEST(testRequestsThatTimeOutTogetherCountOnce);
    CPPUNIT_TEST(testOneRequestFollowsASilence);
    CPPUNIT_TEST(testARequestThatWasNotAskedIsFollowedByAnother);
    CPPUNIT_TEST(testAnAnswerEndsTheSilenceOfItsFilesOnly);
    CPPUNIT_TEST_SUITE_END();

public:
    void testRequestsFailForAMinuteAndThenForTwiceAsLong() {
        for (const auto pause : {1min, 2min, 4min, 8min, 16min, 32min, 60min, 60min}) {
            files_.ask("uid=1", now_);
            CPPUNIT_ASSERT(pause == files_.timedOut("uid=1", now_));
            CPPUNIT_ASSERT_THROW(files_.ask("uid=1", now_ + pause - 1s), TimeoutException);
            now_ += pause;
        }
    }

    void testRequestsThatTimeOutTogetherCountOnce() {
        for (int request = 0; request < 7; ++request) {
            files_.ask("uid=1", now_);
        }
        for (int request = 0; request < 7; ++request) {
            CPPUNIT_ASSERT(1min == files_.timedOut("uid=1", now_));
        }
        files_.ask("uid=1", now_ + 1min);
        CPPUNIT_ASSERT(2min == files_.timedOut("uid=1", now_ + 1min));
    }

    void testOneRequestFollowsASilence() {
        files_.timedOut("uid=1", now_);
        files_.ask("uid=1", now_ + 1min);
        CPPUNIT_ASSERT_THROW(files_.ask("uid=1", now_ + 1min), TimeoutException);
    }

    void testARequestThatWasNotAskedIsFollowedByAnother() {
        files_.timedOut("uid=1", now_);
        now_ += 1min;
        files_.ask("uid=1", now_);
        files_.notAsked("uid=1", now_);
        files_.ask("uid=1", now_);
        CPPUNIT_ASSERT_THROW(files_.ask("uid=1", now_), TimeoutException);
        CPPUNIT_ASSERT(2min == files_.timedOut("uid=1", now_));
        files_.notAsked("uid=1", now_);
        CPPUNIT_ASSERT_THROW(files_.ask("uid=1", now_), TimeoutException);
    }

    void testAnAnswerEndsTheSilenceOfItsFilesOnly() {
        files_.timedOut("uid=1", now_);
        files_.timedOut("uid=2", now_);
        files_.answered("uid=1");
        CPPUNIT_ASSERT(!files_.contains("uid=1"));
        CPPUNIT_ASSERT(files_.contains("uid=2"));
        files_.ask("uid=1", now_);
        CPPUNIT_ASSERT(1min == files_.timedOut("uid=1", now_));
    }

private:
    SilentFiles files_;
    MonotonicTime now_{1h};
};

CPPUNIT_TEST_SUITE_REGISTRATION(SilentFilesTest);

}  // namespace Passenger
