#include "bridge/Channels.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <vector>

#include "base/Exceptions.h"
#include "io/SocketPair.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

/** Channels of an agent that does not answer, or that cannot be asked. */
class ChannelsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ChannelsTest);
    CPPUNIT_TEST(testAnAgentThatDoesNotAnswerHoldsNoThread);
    CPPUNIT_TEST(testAQuestionThatCannotBeSentIsAskedAgain);
    CPPUNIT_TEST(testAnAgentThatHasGoneIsAskedNothing);
    CPPUNIT_TEST_SUITE_END();

    std::vector<std::uint64_t> asked_;
    int error_ = 0;
    Bridge::Channels channels_{[this](std::uint64_t id) {
                                   asked_.push_back(id);
                                   if (error_ != 0) {
                                       throw SystemException("sendmsg", error_);
                                   }
                               },
                               1ms};

public:
    void testAnAgentThatDoesNotAnswerHoldsNoThread() {
        constexpr std::uint64_t MANY = Bridge::Channels::MOST_ASKED + 1;
        for (std::uint64_t id = 1; id <= MANY; id++) {
            CPPUNIT_ASSERT(channels_.find(id) == nullptr);
        }
        CPPUNIT_ASSERT_EQUAL(Bridge::Channels::MOST_ASKED, asked_.size());
        // The late answer.
        channels_.add(7, makeSeqPacketPair().second);
        CPPUNIT_ASSERT(channels_.find(7) != nullptr);
        channels_.refuse(8);
        CPPUNIT_ASSERT(channels_.find(8) == nullptr);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{8}, asked_.back());
        channels_.forget();
    }

    void testAQuestionThatCannotBeSentIsAskedAgain() {
        error_ = ENOBUFS;
        CPPUNIT_ASSERT(channels_.find(7) == nullptr);
        CPPUNIT_ASSERT(channels_.find(7) == nullptr);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, asked_.size());
    }

    void testAnAgentThatHasGoneIsAskedNothing() {
        error_ = EPIPE;
        CPPUNIT_ASSERT(channels_.find(7) == nullptr);
        CPPUNIT_ASSERT(channels_.find(8) == nullptr);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, asked_.size());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ChannelsTest);

}  // namespace Passenger
