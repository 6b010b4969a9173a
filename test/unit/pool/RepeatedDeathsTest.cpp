#include "pool/RepeatedDeaths.h"

#include <chrono>

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

using namespace std::chrono_literals;

class RepeatedDeathsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RepeatedDeathsTest);
    CPPUNIT_TEST(testTheSecondDeathByARequestIsARepetition);
    CPPUNIT_TEST(testARequestRepeatsADeathOnce);
    CPPUNIT_TEST(testOtherRequestsRepeatNoDeath);
    CPPUNIT_TEST(testADeathWithoutARequestIsNoRepetition);
    CPPUNIT_TEST(testOneOfSeveralRequestsSuffices);
    CPPUNIT_TEST(testAnAnswerEndsTheMemoryOfEarlierDeaths);
    CPPUNIT_TEST_SUITE_END();

    RepeatedDeaths deaths_;
    MonotonicTime now_{1h};
    MonotonicTime lastAnswer_{};

    static std::pair<ChannelId, Ticket> request(std::uint64_t channel, std::uint64_t ticket) {
        return {ChannelId(channel), Ticket(ticket)};
    }
    bool die(const std::vector<std::pair<ChannelId, Ticket>> &claimed) {
        now_ += 1ms;
        return deaths_.note(claimed, now_, lastAnswer_);
    }

public:
    void testTheSecondDeathByARequestIsARepetition() {
        CPPUNIT_ASSERT(!die({request(7, 1)}));
        CPPUNIT_ASSERT_MESSAGE("Another instance's death may have changed the ticket twice", die({request(7, 3)}));
    }

    void testARequestRepeatsADeathOnce() {
        die({request(7, 1)});
        die({request(7, 2)});
        CPPUNIT_ASSERT_MESSAGE("The channel's next request", !die({request(7, 3)}));
        CPPUNIT_ASSERT(die({request(7, 4)}));
    }

    void testOtherRequestsRepeatNoDeath() {
        die({request(7, 1)});
        CPPUNIT_ASSERT(!die({request(8, 2)}));
        CPPUNIT_ASSERT_MESSAGE("The same ticket", !die({request(7, 1)}));
    }

    void testADeathWithoutARequestIsNoRepetition() {
        die({request(7, 1)});
        CPPUNIT_ASSERT(!die({}));
        CPPUNIT_ASSERT_MESSAGE("The request is still remembered", die({request(7, 2)}));
    }

    void testOneOfSeveralRequestsSuffices() {
        die({request(7, 1), request(8, 1)});
        CPPUNIT_ASSERT(die({request(9, 1), request(8, 2)}));
        CPPUNIT_ASSERT(die({request(9, 2)}));
    }

    void testAnAnswerEndsTheMemoryOfEarlierDeaths() {
        die({request(7, 1)});
        lastAnswer_ = now_ + 1ns;
        CPPUNIT_ASSERT(!die({request(7, 2)}));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RepeatedDeathsTest);

}  // namespace Passenger
