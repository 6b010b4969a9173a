#include "policy/Backoff.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <vector>

namespace Passenger {

using namespace std::chrono_literals;

class BackoffTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(BackoffTest);
    CPPUNIT_TEST(testTheFirstAttemptIsAllowedAtOnce);
    CPPUNIT_TEST(testEachFailureDoublesTheDelay);
    CPPUNIT_TEST(testAtMostFiveAttemptsAreAllowedInTenSeconds);
    CPPUNIT_TEST(testTheDelayNeverGrowsOverAMinute);
    CPPUNIT_TEST(testADelayThatDoesNotGrowStaysTheFirstOne);
    CPPUNIT_TEST(testFailuresOfOneBurstCountAsOne);
    CPPUNIT_TEST(testASuccessResetsTheDelay);
    CPPUNIT_TEST(testTheFirstFourDeathsInARowCauseNoDelay);
    CPPUNIT_TEST(testEachFurtherDeathCausesALongerDelay);
    CPPUNIT_TEST(testAnAnswerResetsTheCountOfDeaths);
    CPPUNIT_TEST(testAnAnswerOfTheApplicationResetsTheCountOfDeaths);
    CPPUNIT_TEST(testInstancesThatHaveLivedForLongDoNotDieInARow);
    CPPUNIT_TEST(testAfterThreeDeathsARequestHasToAskHoweverFarTheyAreApart);
    CPPUNIT_TEST(testAChangeAfterThreeDeathsAllowsOneAttemptWithoutARequest);
    CPPUNIT_TEST(testTheFirstBrokenQueueCausesNoDelay);
    CPPUNIT_TEST(testAQueueThatBreaksRepeatedlyCausesALongerDelay);
    CPPUNIT_TEST(testBrokenQueuesThatAreFarApartAreCountedSeparately);
    CPPUNIT_TEST(testAChangeForgetsTheDelays);
    CPPUNIT_TEST(testAfterThreeFailuresARequestHasToAsk);
    CPPUNIT_TEST(testAChangeAfterThreeFailuresAllowsOneAttemptWithoutARequest);
    CPPUNIT_TEST_SUITE_END();

    Backoff backoff_;
    MonotonicTime now_{1h};

    std::chrono::nanoseconds delay() const { return backoff_.notBefore() - now_; }
    /** Fails at the first moment at which an attempt is allowed. */
    void failAtOnce() {
        now_ = std::max(now_, backoff_.notBefore());
        backoff_.spawnFailed(now_);
    }
    /** @param proved the instance has answered a request */
    void die(bool proved = false) {
        const MonotonicTime since = now_;
        now_ += 1ns;
        backoff_.instanceDied(now_, since, proved ? now_ : MonotonicTime());
    }
    void dieFourTimes() {
        for (int i = 0; i < 4; i++) {
            die();
        }
    }

public:
    void testTheFirstAttemptIsAllowedAtOnce() {
        CPPUNIT_ASSERT(backoff_.mayTry(now_));
        CPPUNIT_ASSERT(!backoff_.failing());
    }

    void testEachFailureDoublesTheDelay() {
        for (const auto expected : {500ms, 1000ms, 2000ms, 4000ms}) {
            failAtOnce();
            CPPUNIT_ASSERT(delay() == expected);
            CPPUNIT_ASSERT(!backoff_.mayTry(now_ + expected - 1ns));
            CPPUNIT_ASSERT(backoff_.mayTry(now_ + expected));
            CPPUNIT_ASSERT(backoff_.failing());
        }
    }

    void testAtMostFiveAttemptsAreAllowedInTenSeconds() {
        std::vector<MonotonicTime> attempts;
        for (int i = 0; i < 20; i++) {
            failAtOnce();
            attempts.push_back(now_);
        }
        for (std::size_t i = 5; i < attempts.size(); i++) {
            CPPUNIT_ASSERT(attempts[i] - attempts[i - 5] > 10s);
        }
    }

    void testTheDelayNeverGrowsOverAMinute() {
        for (int i = 0; i < 100; i++) {
            failAtOnce();
        }
        CPPUNIT_ASSERT(delay() == 60s);
    }

    void testADelayThatDoesNotGrowStaysTheFirstOne() {
        for (int i = 0; i < 10; i++) {
            now_ = std::max(now_, backoff_.notBefore());
            backoff_.spawnFailed(now_, false);
            CPPUNIT_ASSERT(delay() == 500ms);
        }
        CPPUNIT_ASSERT(!backoff_.mayTryUnasked());
    }

    void testFailuresOfOneBurstCountAsOne() {
        backoff_.spawnFailed(now_);
        for (int i = 0; i < 7; i++) {
            backoff_.spawnFailed(now_ + 10ms);
        }
        CPPUNIT_ASSERT(delay() == 500ms);
    }

    void testASuccessResetsTheDelay() {
        failAtOnce();
        failAtOnce();
        failAtOnce();
        now_ = backoff_.notBefore();
        backoff_.spawnSucceeded();
        CPPUNIT_ASSERT(!backoff_.failing());
        failAtOnce();
        CPPUNIT_ASSERT(delay() == 500ms);
    }

    void testTheFirstFourDeathsInARowCauseNoDelay() {
        dieFourTimes();
        CPPUNIT_ASSERT(backoff_.mayTry(now_));
    }

    void testEachFurtherDeathCausesALongerDelay() {
        dieFourTimes();
        for (const auto expected : {10s, 20s, 40s, 60s, 60s}) {
            backoff_.spawnSucceeded();
            die();
            CPPUNIT_ASSERT(delay() == expected);
            now_ = backoff_.notBefore();
        }
    }

    void testAnAnswerResetsTheCountOfDeaths() {
        dieFourTimes();
        die(true);
        dieFourTimes();
        CPPUNIT_ASSERT(backoff_.mayTry(now_));
    }

    void testAnAnswerOfTheApplicationResetsTheCountOfDeaths() {
        dieFourTimes();
        CPPUNIT_ASSERT(backoff_.dying());
        backoff_.answered(now_);
        CPPUNIT_ASSERT_MESSAGE("An answer before the death", backoff_.looping());
        backoff_.answered(now_ + 1ns);
        CPPUNIT_ASSERT(!backoff_.looping());
        CPPUNIT_ASSERT(!backoff_.dying());
    }

    void testInstancesThatHaveLivedForLongDoNotDieInARow() {
        for (int i = 0; i < 10; i++) {
            const MonotonicTime since = now_;
            now_ += 121s;
            backoff_.instanceDied(now_, since, MonotonicTime());
            CPPUNIT_ASSERT(backoff_.mayTryUnasked());
        }
        CPPUNIT_ASSERT(backoff_.notBefore() <= now_);
    }

    void testAfterThreeDeathsARequestHasToAskHoweverFarTheyAreApart() {
        for (int i = 0; i < 3; i++) {
            CPPUNIT_ASSERT(backoff_.mayTryUnasked());
            now_ += 1h;
            die();
        }
        CPPUNIT_ASSERT(!backoff_.mayTryUnasked());
        CPPUNIT_ASSERT_MESSAGE("One attempt at a time", backoff_.failing());
        backoff_.spawnSucceeded();
        CPPUNIT_ASSERT(!backoff_.mayTryUnasked());
    }

    void testAChangeAfterThreeDeathsAllowsOneAttemptWithoutARequest() {
        dieFourTimes();
        backoff_.changed();
        CPPUNIT_ASSERT(backoff_.mayTryUnasked());
        die();
        CPPUNIT_ASSERT(!backoff_.mayTryUnasked());
    }

    void testTheFirstBrokenQueueCausesNoDelay() {
        backoff_.queueBroke(now_);
        CPPUNIT_ASSERT(backoff_.mayTry(now_));
        CPPUNIT_ASSERT(!backoff_.failing());
    }

    void testAQueueThatBreaksRepeatedlyCausesALongerDelay() {
        backoff_.queueBroke(now_);
        for (const auto expected : {500ms, 1000ms, 2000ms, 4000ms, 8000ms, 16000ms, 32000ms, 60000ms, 60000ms}) {
            backoff_.queueBroke(now_);
            CPPUNIT_ASSERT(delay() == expected);
            now_ += expected - 1ns;
            backoff_.queueBroke(now_);
            CPPUNIT_ASSERT_MESSAGE("No instance can have started", delay() == 1ns);
            now_ = backoff_.notBefore();
        }
    }

    void testBrokenQueuesThatAreFarApartAreCountedSeparately() {
        backoff_.queueBroke(now_);
        now_ += 121s;
        backoff_.queueBroke(now_);
        CPPUNIT_ASSERT(backoff_.mayTry(now_));
        backoff_.queueBroke(now_);
        CPPUNIT_ASSERT(delay() == 500ms);
    }

    void testAChangeForgetsTheDelays() {
        dieFourTimes();
        die();
        failAtOnce();
        failAtOnce();
        backoff_.changed();
        CPPUNIT_ASSERT(backoff_.mayTry(now_));
        CPPUNIT_ASSERT(!backoff_.failing());
        die();
        die();
        CPPUNIT_ASSERT(backoff_.mayTry(now_));
    }

    void testAfterThreeFailuresARequestHasToAsk() {
        failAtOnce();
        failAtOnce();
        CPPUNIT_ASSERT(backoff_.mayTryUnasked());
        failAtOnce();
        CPPUNIT_ASSERT(!backoff_.mayTryUnasked());
        backoff_.spawnSucceeded();
        CPPUNIT_ASSERT(backoff_.mayTryUnasked());
    }

    void testAChangeAfterThreeFailuresAllowsOneAttemptWithoutARequest() {
        for (int i = 0; i < 5; i++) {
            failAtOnce();
        }
        backoff_.changed();
        CPPUNIT_ASSERT(backoff_.mayTry(now_));
        CPPUNIT_ASSERT(backoff_.mayTryUnasked());
        failAtOnce();
        CPPUNIT_ASSERT(!backoff_.mayTryUnasked());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BackoffTest);

}  // namespace Passenger
