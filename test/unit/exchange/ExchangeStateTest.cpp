#include "exchange/ExchangeState.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

class ExchangeStateTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ExchangeStateTest);
    CPPUNIT_TEST(testARequestGoesThroughTheStatesInOrder);
    CPPUNIT_TEST(testARequestThatIsNotAnsweredMayBeSentAgain);
    CPPUNIT_TEST(testAnAnsweredRequestIsNeverSentAgain);
    CPPUNIT_TEST(testARefusedRequestMayBeSentOnceMore);
    CPPUNIT_TEST(testEachStateBeforeTheEndMayBeGivenUp);
    CPPUNIT_TEST(testNothingFollowsTheEnd);
    CPPUNIT_TEST_SUITE_END();

    using State = ExchangeState;

    static constexpr State ALL[] = {State::UNSENT,   State::QUEUED,  State::BEGUN, State::ANSWERED,
                                    State::COMPLETE, State::REFUSED, State::ENDED, State::CUT_OFF};

public:
    void testARequestGoesThroughTheStatesInOrder() {
        CPPUNIT_ASSERT(mayFollow(State::UNSENT, State::QUEUED));
        CPPUNIT_ASSERT(mayFollow(State::QUEUED, State::BEGUN));
        CPPUNIT_ASSERT(mayFollow(State::BEGUN, State::ANSWERED));
        CPPUNIT_ASSERT(mayFollow(State::ANSWERED, State::COMPLETE));
        // The answer may be here before the claim was seen.
        CPPUNIT_ASSERT(mayFollow(State::QUEUED, State::ANSWERED));
        CPPUNIT_ASSERT(!mayFollow(State::UNSENT, State::BEGUN));
        CPPUNIT_ASSERT(!mayFollow(State::QUEUED, State::COMPLETE));
        CPPUNIT_ASSERT(!mayFollow(State::BEGUN, State::QUEUED));
    }

    void testARequestThatIsNotAnsweredMayBeSentAgain() {
        CPPUNIT_ASSERT(mayFollow(State::QUEUED, State::UNSENT));
        CPPUNIT_ASSERT(mayFollow(State::BEGUN, State::UNSENT));
    }

    void testAnAnsweredRequestIsNeverSentAgain() {
        CPPUNIT_ASSERT(!mayFollow(State::ANSWERED, State::UNSENT));
        CPPUNIT_ASSERT(!mayFollow(State::ANSWERED, State::QUEUED));
        CPPUNIT_ASSERT(!mayFollow(State::ANSWERED, State::BEGUN));
    }

    void testARefusedRequestMayBeSentOnceMore() {
        CPPUNIT_ASSERT(mayFollow(State::UNSENT, State::REFUSED));
        CPPUNIT_ASSERT(mayFollow(State::REFUSED, State::UNSENT));
        CPPUNIT_ASSERT(!mayFollow(State::QUEUED, State::REFUSED));
    }

    void testEachStateBeforeTheEndMayBeGivenUp() {
        for (const State state : {State::UNSENT, State::QUEUED, State::BEGUN, State::ANSWERED}) {
            CPPUNIT_ASSERT(!isOver(state));
            CPPUNIT_ASSERT(mayFollow(state, State::ENDED));
            CPPUNIT_ASSERT(mayFollow(state, State::CUT_OFF));
        }
    }

    void testNothingFollowsTheEnd() {
        for (const State state : {State::COMPLETE, State::ENDED, State::CUT_OFF}) {
            CPPUNIT_ASSERT(isOver(state));
            for (const State next : ALL) {
                CPPUNIT_ASSERT(!mayFollow(state, next));
            }
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExchangeStateTest);

}  // namespace Passenger
