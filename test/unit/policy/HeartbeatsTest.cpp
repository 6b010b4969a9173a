#include "policy/Heartbeats.h"

#include <cppunit/extensions/HelperMacros.h>

#include <vector>

namespace Passenger {

using namespace std::chrono_literals;

class HeartbeatsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(HeartbeatsTest);
    CPPUNIT_TEST(testHeartbeatsAreOffByDefault);
    CPPUNIT_TEST(testTheIntervalsFollowFromTheTimeout);
    CPPUNIT_TEST(testAnInstanceThatIsSilentForLongerThanTheTimeoutIsOverdue);
    CPPUNIT_TEST(testAnAckRestartsTheTimeout);
    CPPUNIT_TEST(testAnOlderAckThatArrivesLateHasNoEffect);
    CPPUNIT_TEST(testTheInstanceThatIsSilentForLongestComesFirst);
    CPPUNIT_TEST(testAForgottenInstanceIsNotOverdue);
    CPPUNIT_TEST(testALateCheckRestartsAllTimeouts);
    CPPUNIT_TEST(testATimeWithoutInstancesIsNoLateCheck);
    CPPUNIT_TEST(testAChangedTimeoutApplies);
    CPPUNIT_TEST(testTheNextCheckIsDueWhenTheOldestSignIsTooOld);
    CPPUNIT_TEST_SUITE_END();

    using Ids = std::vector<int>;

    static MonotonicTime at(std::chrono::nanoseconds time) { return MonotonicTime(1h + time); }

public:
    void testHeartbeatsAreOffByDefault() {
        Heartbeats<int> beats;
        beats.noteAck(1, at(0s));
        CPPUNIT_ASSERT(!beats.enabled());
        CPPUNIT_ASSERT(beats.overdue(at(1s)).empty());
        CPPUNIT_ASSERT(beats.overdue(at(48h)).empty());
        CPPUNIT_ASSERT(!beats.nextDue());
    }

    void testTheIntervalsFollowFromTheTimeout() {
        const Heartbeats<int> beats(10s);
        CPPUNIT_ASSERT(beats.checkInterval() == 15s);
        CPPUNIT_ASSERT(beats.ackInterval() * 3 <= 10s && beats.ackInterval() > 3s);
    }

    void testAnInstanceThatIsSilentForLongerThanTheTimeoutIsOverdue() {
        Heartbeats<int> beats(10s);
        beats.noteAck(1, at(0s));
        CPPUNIT_ASSERT(beats.overdue(at(10s)).empty());
        CPPUNIT_ASSERT(beats.overdue(at(10s + 1ns)) == Ids{1});
        CPPUNIT_ASSERT(beats.overdue(at(11s)) == Ids{1});
    }

    void testAnAckRestartsTheTimeout() {
        Heartbeats<int> beats(10s);
        beats.noteAck(1, at(0s));
        beats.noteAck(1, at(9s));
        CPPUNIT_ASSERT(beats.overdue(at(19s)).empty());
        CPPUNIT_ASSERT(beats.lastAck(1) == at(9s));
    }

    void testAnOlderAckThatArrivesLateHasNoEffect() {
        Heartbeats<int> beats(10s);
        beats.noteAck(1, at(9s));
        beats.noteAck(1, at(3s));
        CPPUNIT_ASSERT(beats.lastAck(1) == at(9s));
    }

    void testTheInstanceThatIsSilentForLongestComesFirst() {
        Heartbeats<int> beats(10s);
        beats.noteAck(1, at(2s));
        beats.noteAck(2, at(0s));
        beats.noteAck(3, at(1s));
        beats.noteAck(4, at(9s));
        CPPUNIT_ASSERT((beats.overdue(at(15s)) == Ids{2, 3, 1}));
    }

    void testAForgottenInstanceIsNotOverdue() {
        Heartbeats<int> beats(10s);
        beats.noteAck(1, at(0s));
        beats.forget(1);
        beats.forget(2);
        CPPUNIT_ASSERT(beats.overdue(at(15s)).empty());
        CPPUNIT_ASSERT(!beats.lastAck(1));
    }

    void testALateCheckRestartsAllTimeouts() {
        Heartbeats<int> beats(10s);
        beats.noteAck(1, at(0s));
        CPPUNIT_ASSERT(beats.overdue(at(30s + 1ns)).empty());
        CPPUNIT_ASSERT(beats.overdue(at(40s)).empty());
        CPPUNIT_ASSERT(beats.overdue(at(41s)) == Ids{1});
    }

    void testATimeWithoutInstancesIsNoLateCheck() {
        Heartbeats<int> beats(10s);
        beats.noteAck(1, at(0s));
        beats.forget(1);
        beats.noteAck(2, at(1000s));
        CPPUNIT_ASSERT(beats.overdue(at(1015s)) == Ids{2});
    }

    void testAChangedTimeoutApplies() {
        Heartbeats<int> beats(10s);
        beats.noteAck(1, at(0s));
        beats.setTimeout(5s);
        CPPUNIT_ASSERT(beats.overdue(at(6s)) == Ids{1});
        beats.setTimeout(0s);
        CPPUNIT_ASSERT(beats.overdue(at(7s)).empty());
    }

    void testTheNextCheckIsDueWhenTheOldestSignIsTooOld() {
        Heartbeats<int> beats(10s);
        CPPUNIT_ASSERT(!beats.nextDue());
        beats.noteAck(1, at(0s));
        beats.noteAck(2, at(4s));
        CPPUNIT_ASSERT(beats.nextDue() == at(10s + 1ns));
        beats.noteAck(1, at(8s));
        CPPUNIT_ASSERT(beats.nextDue() == at(14s + 1ns));
        // Otherwise a gap without instances would look like a pause of the checks.
        beats.noteAck(1, at(14s));
        beats.noteAck(2, at(14s));
        CPPUNIT_ASSERT(beats.nextDue() == at(15s));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(HeartbeatsTest);

}  // namespace Passenger
