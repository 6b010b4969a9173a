#include "exchange/OvertakenCheck.h"

#include <cppunit/extensions/HelperMacros.h>

#include "shm/SenderMemory.h"

namespace Passenger {

using namespace std::chrono_literals;

class OvertakenCheckTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(OvertakenCheckTest);
    CPPUNIT_TEST(testARequestIsOvertakenAfterMoreAnswersThanWereInFlight);
    CPPUNIT_TEST(testARequestThatWasSentAgainWaitsForTwiceAsManyAnswers);
    CPPUNIT_TEST(testWithAPriorityQueueFourMayBeTakenForEachOne);
    CPPUNIT_TEST(testANewTicketBeginsToCountAnew);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint32_t CHILDREN = 1;

    SenderMemory memory_;
    SenderMemoryView senders_{memory_.memory().descriptor()};
    OvertakenCheck check_;

    void answer(int count) {
        for (int i = 0; i < count; i++) {
            senders_.completed(0, 1ms, 1ms);
        }
    }
    bool overtaken(unsigned resends = 0, bool priorityQueue = false) {
        return check_.overtaken(senders_, CHILDREN, resends, priorityQueue);
    }

public:
    void testARequestIsOvertakenAfterMoreAnswersThanWereInFlight() {
        senders_.add(0, CHILDREN);
        senders_.add(0, CHILDREN);
        CPPUNIT_ASSERT(!overtaken());
        answer(2);
        CPPUNIT_ASSERT(!overtaken());
        answer(1);
        CPPUNIT_ASSERT(overtaken());
    }

    void testARequestThatWasSentAgainWaitsForTwiceAsManyAnswers() {
        senders_.add(0, CHILDREN);
        senders_.add(0, CHILDREN);
        CPPUNIT_ASSERT(!overtaken(1));
        answer(4);
        CPPUNIT_ASSERT(!overtaken(1));
        answer(1);
        CPPUNIT_ASSERT(overtaken(1));
    }

    void testWithAPriorityQueueFourMayBeTakenForEachOne() {
        senders_.add(0, CHILDREN);
        senders_.add(0, CHILDREN);
        CPPUNIT_ASSERT(!overtaken(0, true));
        answer(10);
        CPPUNIT_ASSERT(!overtaken(0, true));
        answer(1);
        CPPUNIT_ASSERT(overtaken(0, true));
    }

    void testANewTicketBeginsToCountAnew() {
        senders_.add(0, CHILDREN);
        CPPUNIT_ASSERT(!overtaken());
        answer(2);
        check_.restart();
        CPPUNIT_ASSERT(!overtaken());
        answer(2);
        CPPUNIT_ASSERT(overtaken());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(OvertakenCheckTest);

}  // namespace Passenger
